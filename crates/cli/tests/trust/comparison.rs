//! Who gains and who loses.

use countersign::trust::diff::{Diff, diff};
use serde_json::{Value, json};

use crate::cases::github;
use crate::input;

fn between(old: &str, new: &str) -> Diff {
    diff(&[input(old)], &[input(new)]).unwrap()
}

/// One that gains or loses nothing else: (gains, losses).
fn count(old: &str, new: &str) -> (usize, usize) {
    let found = between(old, new);
    let back = between(new, old);
    assert_eq!((found.gains.len(), found.losses.len()), (back.losses.len(), back.gains.len()), "{old}\n{new}");
    (found.gains.len(), found.losses.len())
}

fn like(subjects: &Value) -> String {
    github("StringLike", subjects)
}

fn aws(principal: &str, condition: &Value) -> String {
    statements(
        &json!([{ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole", "Condition": condition }]),
    )
}

fn statements(statements: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

#[test]
fn subjects_are_compared_by_what_they_mean() {
    let main = github("StringEquals", &json!("repo:a/b:ref:refs/heads/main"));
    let any = like(&json!("repo:a/b:*"));
    for (old, new, expected) in [
        (&main, &main, (0, 0)),
        (&main, &like(&json!("repo:a/b:ref:refs/heads/main")), (0, 0)),
        (&any, &main, (0, 1)),
        (&main, &any, (1, 0)),
        (&like(&json!("repo:a/*")), &like(&json!("repo:a*")), (1, 0)),
        (&like(&json!("repo:a/b:*")), &like(&json!("repo:a/c:*")), (1, 1)),
        // What several values cover together is no gain.
        (&like(&json!(["repo:a/?*:*", "repo:a/:*"])), &like(&json!("repo:a/*:*")), (0, 0)),
        (
            &like(&json!("repo:a/b:ref:refs/heads/*")),
            &like(&json!(["repo:a/b:ref:refs/heads/x*", "repo:a/b:ref:refs/heads/y"])),
            (0, 1),
        ),
    ] {
        assert_eq!(count(old, new), expected, "{old}\n{new}");
    }
    let gains = between(&main, &any).gains;
    assert!(gains[0].who.contains("jobs of a/b on any branch, tag, environment or pull request"), "{}", gains[0].who);
    assert!(gains[0].example.as_ref().unwrap().starts_with("repo:a/b:"), "{gains:?}");

    // Two statements of one principal cover together what one did.
    let one = |subject: &str| {
        serde_json::from_str::<Value>(&github("StringEquals", &json!(subject))).unwrap()["Statement"][0].clone()
    };
    let both = statements(&json!([one("repo:a/b:pull_request"), one("repo:a/b:environment:x")]));
    assert_eq!(
        count(&github("StringEquals", &json!(["repo:a/b:environment:x", "repo:a/b:pull_request"])), &both),
        (0, 0)
    );
    // A name is no change.
    let mut named = one("repo:a/b:pull_request");
    named["Sid"] = json!("Named");
    assert_eq!(count(&statements(&json!([named])), &statements(&json!([one("repo:a/b:pull_request")]))), (0, 0));
}

#[test]
fn conditions_actions_and_principals_count() {
    let role = "arn:aws:iam::444455556666:role/x";
    let external = |id: &str| aws(role, &json!({ "StringEquals": { "sts:ExternalId": id } }));
    let mfa = json!({ "StringEquals": { "sts:ExternalId": "a" }, "Bool": { "aws:MultiFactorAuthPresent": "true" } });
    let ip = |ranges: &Value| aws(role, &json!({ "IpAddress": { "aws:SourceIp": ranges } }));
    let not_ip = |ranges: &Value| aws(role, &json!({ "NotIpAddress": { "aws:SourceIp": ranges } }));
    let tagged = |values: &Value, operator: &str| aws(role, &json!({ operator: { "aws:PrincipalTag/team": values } }));
    for (old, new, expected) in [
        (&external("a"), &external("b"), (1, 1)),
        (&external("a"), &aws(role, &mfa), (0, 1)),
        (&aws(role, &json!({})), &external("a"), (0, 1)),
        (&ip(&json!(["10.0.0.0/8", "11.0.0.0/8"])), &ip(&json!("10.0.0.0/8")), (0, 1)),
        (&not_ip(&json!(["10.0.0.0/8", "11.0.0.0/8"])), &not_ip(&json!("10.0.0.0/8")), (1, 0)),
        (&tagged(&json!("*"), "StringLike"), &tagged(&json!("x"), "StringEquals"), (0, 1)),
        (&tagged(&json!("x*"), "StringLikeIfExists"), &tagged(&json!("xy"), "StringEquals"), (0, 1)),
        (&tagged(&json!("x"), "StringEquals"), &tagged(&json!("X"), "StringEqualsIgnoreCase"), (1, 0)),
        (&aws(role, &json!({})), &aws("arn:aws:iam::444455556666:role/y", &json!({})), (1, 1)),
        (&aws("*", &json!({})), &aws(role, &json!({})), (0, 1)),
        (&aws(role, &json!({})), &aws("444455556666", &json!({})), (1, 1)),
        // Whether the principal of an id is gone, a file does not tell.
        (&aws("AROAEXAMPLE123456789", &json!({})), &statements(&json!([])), (0, 1)),
        (&statements(&json!([])), &external("a"), (1, 0)),
    ] {
        assert_eq!(count(old, new), expected, "{old}\n{new}");
    }
    let tagging = statements(
        &json!([{ "Effect": "Allow", "Principal": { "AWS": role }, "Action": ["sts:AssumeRole", "sts:TagSession"] }]),
    );
    let found = between(&aws(role, &json!({})), &tagging);
    assert!(found.gains[0].why.contains("does not let them call all of it") && found.losses.is_empty(), "{found:?}");
    // A statement that excludes itself lets in nobody, so nobody gains.
    let nobody = json!({ "StringEquals": { "sts:ExternalId": "a" }, "StringLike": { "sts:ExternalId": "b*" } });
    assert_eq!(count(&statements(&json!([])), &aws(role, &nobody)), (0, 0));
}

/// Of several conditions on one key all have to hold, and none of them is forgotten on the side of those who may.
#[test]
fn a_condition_on_the_subject_that_goes_is_a_gain() {
    let sub = "token.actions.githubusercontent.com:sub";
    let with = |more: &[(&str, Value)]| {
        let mut policy: Value = serde_json::from_str(&like(&json!("repo:a/*"))).unwrap();
        for (operator, values) in more {
            policy["Statement"][0]["Condition"][*operator][sub] = values.clone();
        }
        policy.to_string()
    };
    let one = json!("repo:a/b:ref:refs/heads/main");
    let many = |end: &str| (0..9).map(|n| format!("repo:a/b:ref:refs/heads/{n}{end}")).collect::<Vec<_>>();
    let (wide, narrow) = (json!(many("*")), json!(many("x")));
    for (old, new) in [
        (with(&[("ForAnyValue:StringEquals", one.clone())]), with(&[])),
        (with(&[("ForAnyValue:StringLike", one.clone()), ("ForAnyValue:StringEquals", one)]), with(&[])),
        (
            with(&[("StringEqualsIgnoreCase", narrow.clone()), ("StringLike", wide.clone())]),
            with(&[("StringEqualsIgnoreCase", narrow.clone()), ("StringLike", json!("*"))]),
        ),
        (with(&[("StringEquals", narrow), ("StringLike", wide.clone())]), with(&[("StringLike", wide)])),
        (with(&[("StringNotLike", json!("*:pull_request"))]), with(&[])),
    ] {
        assert_eq!(count(&old, &new), (1, 0), "{old}\n{new}");
    }
    // What it must not be, and is not.
    let narrow = with(&[("StringLike", json!("repo:a/b:ref:refs/heads/main"))]);
    assert_eq!(count(&with(&[("StringNotLike", json!("*:pull_request"))]), &narrow), (0, 1));
}

/// A key with several values may please conditions that no single value would.
#[test]
fn several_values_exclude_nothing() {
    let both = json!({ "StringEquals": { "aws:TagKeys": "a" }, "StringLike": { "aws:TagKeys": "b*" } });
    assert_eq!(count(&statements(&json!([])), &aws("444455556666", &both)), (1, 0));
    let saml = json!({ "StringEquals": { "saml:edupersonaffiliation": "a" }, "StringLike": { "SAML:eduPersonAffiliation": "b*" } });
    assert_eq!(count(&statements(&json!([])), &aws("444455556666", &saml)), (1, 0));
}

#[test]
fn the_language_of_a_policy_counts() {
    let of = |version: &str, effect: &str| {
        let own = json!({ "StringEquals": { "aws:PrincipalAccount": "${aws:PrincipalAccount}" } });
        json!({ "Version": version, "Statement": [{ "Effect": effect, "Principal": "*", "Action": "sts:AssumeRole", "Condition": own }] }).to_string()
    };
    for effect in ["Allow", "Deny"] {
        assert_eq!(between(&of("2008-10-17", effect), &of("2012-10-17", effect)).gains.len(), 1, "{effect}");
        assert_eq!(count(&of("2008-10-17", effect), &of("2008-10-17", effect)), (0, 0), "{effect}");
    }
}

/// In another account, a role that is named gets no more than one whose account is.
#[test]
fn an_account_covers_its_roles_only_from_outside() {
    let of = |own: &str, principal: &str| {
        let document = serde_json::from_str::<Value>(&aws(principal, &json!({}))).unwrap();
        json!({ "Role": { "RoleName": "r", "Arn": format!("arn:aws:iam::{own}:role/r"), "AssumeRolePolicyDocument": document } }).to_string()
    };
    let (account, role) = ("arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:role/x");
    assert_eq!(count(&of("111122223333", account), &of("111122223333", role)), (0, 1));
    assert_eq!(count(&of("444455556666", account), &of("444455556666", role)), (1, 1));
}

#[test]
fn what_is_not_understood_is_a_gain_unless_it_was_there() {
    let odd = |value: &str| {
        statements(
            &json!([{ "Effect": "Allow", "Principal": { "AWS": "444455556666" }, "Action": "sts:AssumeRole", "Condition": { "StringMatches": { "aws:userid": value } } }]),
        )
    };
    assert_eq!(count(&odd("a"), &odd("a")), (0, 0));
    assert_eq!(count(&odd("a"), &odd("b")), (1, 1));
    // Nor does it say that others are let in, although nothing of it that was understood keeps them out.
    assert_eq!(count(&odd("a"), &aws("444455556666", &json!({}))), (1, 1));
    let not_principal = statements(
        &json!([{ "Effect": "Allow", "NotPrincipal": { "AWS": "444455556666" }, "Action": "sts:AssumeRole" }]),
    );
    assert_eq!(count(&statements(&json!([])), &not_principal), (1, 0));
    let variable = |text: &str| like(&json!(text));
    assert_eq!(count(&variable("repo:${aws:x}/b:*"), &variable("repo:a/b:*")), (1, 1));
    assert_eq!(count(&variable("repo:${aws:x}/b:*"), &variable("repo:${aws:x}/b:*")), (0, 0));
    let hard = format!("*a{}", "?".repeat(30));
    let harder = format!("*a{}a{}", "?".repeat(14), "?".repeat(15));
    let found = between(&like(&json!(hard)), &like(&json!(harder)));
    assert!(!found.gains.is_empty() && !found.losses.is_empty());
}

#[test]
fn a_deny_that_goes_lets_somebody_in() {
    let allow = json!({ "Effect": "Allow", "Principal": { "AWS": "444455556666" }, "Action": "sts:AssumeRole" });
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Condition": { "Bool": { "aws:SecureTransport": "false" } } });
    let (with, without) = (statements(&json!([allow, deny])), statements(&json!([allow])));
    assert_eq!(count(&without, &with), (0, 1));
    let found = between(&with, &without);
    assert!(found.losses.is_empty() && found.gains[0].why.starts_with("the Deny is gone"), "{found:?}");
}

#[test]
fn roles_are_compared_by_name() {
    let role = |name: &str, subject: &str| {
        let document: Value = serde_json::from_str(&github("StringEquals", &json!(subject))).unwrap();
        json!({ "RoleName": name, "Arn": format!("arn:aws:iam::111122223333:role/{name}"), "AssumeRolePolicyDocument": document })
    };
    let list = |roles: &Value| countersign::trust::read(json!({ "Roles": roles }).to_string().as_bytes()).unwrap();
    let old = list(&json!([role("a", "repo:a/b:pull_request"), role("b", "repo:a/b:environment:x")]));
    let new = list(&json!([role("b", "repo:a/b:pull_request"), role("c", "repo:a/b:pull_request")]));
    let found = diff(&old, &new).unwrap();
    let roles = |changes: &[countersign::trust::diff::Change]| {
        changes.iter().map(|change| change.role.clone().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(
        (roles(&found.gains), roles(&found.losses)),
        (vec!["b".into(), "c".into()], vec!["a".into(), "b".to_owned()])
    );

    let two = list(&json!([role("a", "repo:a/b:pull_request"), role("a", "repo:a/b:environment:x")]));
    assert!(diff(&old, &two).unwrap_err().to_string().starts_with("the new file has several roles \"a\""));

    let twice = input(r#"{"Version":"2012-10-17","Statement":[],"Statement":[]}"#);
    assert!(diff(&[twice], &old).unwrap_err().to_string().starts_with("the old policy cannot be read in one way only"));
}
