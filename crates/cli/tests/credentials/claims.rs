//! What a rule says to AWS beside the subject: tags, source identity and roles, each only if the rule has it.

use std::collections::BTreeMap;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::sts::{Session, Sts};
use testkit::tools;

use crate::world::{ACCOUNT, AUDIENCE, ISSUER, ROLE, Ran, World, key_of, run};

/// Lets in whatever a token brings.
const OPEN: &str = "arn:aws:iam::444455556666:role/team/open";
/// The same in another account, which has a provider of its own.
const FAR: &str = "arn:aws:iam::777788889999:role/far";
const CHINA: &str = "sts.amazonaws.com.cn";
const ALL: [&str; 3] = ["AssumeRoleWithWebIdentity", "TagSession", "SetSourceIdentity"];

/// A rule for each caller.
fn policy() -> String {
    let rule = |user: &str, parts: &Value| {
        let mut grant = json!({"audiences": ["aws", "china"], "subject": "ci:{user}"});
        grant.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        let when = json!({"kind": "user", "account": ["111122223333"], "path": ["/ci/"], "user": [user]});
        json!({"name": user, "when": when, "grant": grant})
    };
    let tags = json!({"team": "platform", "job": "{user|upper}", "From": "{account}{path}"});
    let many: BTreeMap<String, &str> = (0..50).map(|n| (format!("t{n}"), "v")).collect();
    let keys: Vec<&String> = many.keys().collect();
    let long = "x".repeat(60);
    json!({
        "version": 1,
        "default_audience": "aws",
        "audiences": {"aws": {"aud": AUDIENCE, "profile": "aws"}, "china": {"aud": CHINA, "profile": "aws"}},
        "rules": [
            rule("release", &json!({})),
            rule("tags", &json!({"session_tags": tags, "transitive_tags": ["team"]})),
            rule("identity", &json!({"source_identity": "{user}@{account}"})),
            rule("roles", &json!({"roles": [OPEN, "arn:{partition}:iam::777788889999:role/far"]})),
            rule("all", &json!({"session_tags": {"team": "a"}, "source_identity": "{user}", "roles": [OPEN, ROLE]})),
            // At the limits, and beyond one.
            rule("many", &json!({"session_tags": many, "transitive_tags": keys, "source_identity": format!("{{user}}{long}")})),
            rule("long", &json!({"source_identity": format!("{{user}}-{long}")})),
        ],
    })
    .to_string()
}

/// The world with this policy, and three roles: `ROLE` lets nothing in but the token itself.
fn world() -> World {
    let world = World::with(&policy(), Sts::start());
    world.provider("777788889999", ISSUER, AUDIENCE, world.issuer.origin());
    let condition = json!({"StringEquals": {"id.test:aud": AUDIENCE}});
    world.role(OPEN, ISSUER, &ALL, &condition);
    world.role(FAR, ISSUER, &ALL, &condition);
    world.role(ROLE, ISSUER, &ALL[..1], &condition);
    world
}

/// This caller's command.
fn by(world: &World, user: &str, arguments: &[&str]) -> Command {
    let mut command = world.countersign(arguments);
    command.env("AWS_ACCESS_KEY_ID", format!("AKIA{}", user.to_uppercase()));
    command
}

fn credentials(world: &World, user: &str, role: &str) -> Ran {
    run(&mut by(world, user, &["credentials", "--profile", "deploy", "--role-arn", role]))
}

fn session(world: &World, user: &str, role: &str) -> Session {
    world.sts.session(&key_of(&credentials(world, user, role))).unwrap()
}

fn token(world: &World, user: &str) -> String {
    let ran = run(&mut by(world, user, &["token", "--url", world.issuer.origin()]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.trim().to_owned()
}

#[track_caller]
fn refused(ran: &Ran, expected: &[&str]) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    for expected in expected {
        assert!(ran.stderr.contains(expected), "{expected} is not in {}", ran.stderr);
    }
}

#[test]
fn each_part_is_told_by_a_rule_that_has_it_and_by_no_other_one() {
    let world = world();
    let tags = json!({"team": "platform", "job": "TAGS", "From": "111122223333/ci/"});
    for (user, told, brought) in [
        ("release", &[][..], json!([{}, [], null])),
        ("tags", &["tags"], json!([tags, ["team"], null])),
        ("identity", &["source_identity"], json!([{}, [], "identity@111122223333"])),
        ("roles", &["roles"], json!([{}, [], null])),
        ("all", &["roles", "source_identity", "tags"], json!([{"team": "a"}, [], "all"])),
    ] {
        let session = session(&world, user, OPEN);
        assert_eq!(json!([session.tags, session.transitive_tags, session.source_identity]), brought, "{user}");
        assert_eq!((session.subject, session.role.as_str()), (format!("ci:{user}"), OPEN));
        assert_eq!(session.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/open/ci-{user}"));

        let claims = token(&world, user).split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap();
        let claims: BTreeMap<String, Value> = serde_json::from_slice(&claims).unwrap();
        let names: Vec<&str> = claims.keys().filter_map(|name| name.strip_prefix("https://aws.amazon.com/")).collect();
        assert_eq!(names, told, "{user}");
    }
}

#[test]
fn a_role_that_does_not_let_it_in_refuses_and_the_permission_and_the_value_are_named() {
    let world = world();
    for (user, expected) in [
        (
            "tags",
            &["AccessDenied: Not authorized to perform sts:TagSession", r#"the session tags "From", "job", "team""#][..],
        ),
        ("identity", &["perform sts:SetSourceIdentity", r#"the source identity "identity@111122223333""#]),
        ("all", &["perform sts:TagSession", r#"the session tags "team""#]),
    ] {
        refused(&credentials(&world, user, ROLE), expected);
    }
    session(&world, "release", ROLE);
    // Which tags a role lets in is the role's to say.
    let condition = json!({
        "StringEquals": {"id.test:aud": AUDIENCE, "aws:RequestTag/team": "a"}, "ForAllValues:StringEquals": {"aws:TagKeys": "team"}
    });
    world.role(ROLE, ISSUER, &ALL, &condition);
    session(&world, "all", ROLE);
    refused(&credentials(&world, "tags", ROLE), &["AccessDenied", r#"sets the session tags "From", "job", "team""#]);
}

#[test]
fn roles_are_those_that_are_named_and_no_others() {
    let world = world();
    assert_eq!(session(&world, "roles", FAR).arn, "arn:aws:sts::777788889999:assumed-role/far/ci-roles");
    session(&world, "roles", OPEN);
    let asked = world.asked();
    let other = "arn:aws:iam::444455556666:role/open";
    for role in [ROLE, other] {
        let told = format!("does not name {role}, but \"{OPEN}\", \"{FAR}\"");
        refused(&credentials(&world, "roles", role), &["STS would not take the token", &told]);
    }
    assert_eq!(world.asked(), asked, "STS was not asked");

    // Whoever has the token and asks STS by themselves gets no further.
    std::fs::write(world.home().join("token"), token(&world, "roles")).unwrap();
    let token = format!("file://{}/token", world.home().display());
    let by_hand = |role: &str| {
        let flags = ["--role-arn", role, "--role-session-name", "by-hand", "--web-identity-token", &token];
        run(world.program(tools::aws()).args(["sts", "assume-role-with-web-identity"]).args(flags))
    };
    let ran = by_hand(ROLE);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("The target role ARN is not present in the roles claim"), "{ran:?}");
    let ran = by_hand(OPEN);
    assert_eq!(ran.code, Some(0), "{ran:?}");

    // A role can demand that it was named.
    let condition = json!({"StringEquals": {"id.test:aud": AUDIENCE}, "Bool": {"sts:RoleAuthorizedByIdp": "true"}});
    world.role(OPEN, ISSUER, &ALL, &condition);
    key_of(&run(&mut by(&world, "roles", &["credentials", "--profile", "deploy", "--role-arn", OPEN, "--renew"])));
    let ran = credentials(&world, "release", OPEN);
    refused(&ran, &["AccessDenied", "sts:RoleAuthorizedByIdp: the token has no claim https://aws.amazon.com/roles"]);
}

#[test]
fn what_is_at_a_limit_gets_in_and_what_is_beyond_one_gets_no_token() {
    let world = world();
    let session = session(&world, "many", OPEN);
    assert_eq!((session.tags.len(), session.transitive_tags.len()), (50, 50));
    assert_eq!(session.source_identity.map(|identity| identity.len()), Some(64));

    let asked = world.asked();
    refused(&credentials(&world, "long", OPEN), &["refused with HTTP status 403", "policy explain --arn"]);
    assert_eq!(world.asked(), asked);
    let audit = world.issuer.audit_until(|lines| lines.iter().any(|line| line["outcome"] == "refused"));
    let reason = audit.iter().find_map(|line| line["reason"].as_str()).unwrap();
    assert!(reason.contains("the source identity would be empty or hold what it may not"), "{reason}");
}

#[test]
fn a_role_of_another_account_needs_a_provider_of_its_own() {
    let world = world();
    assert_eq!(session(&world, "release", FAR).arn, "arn:aws:sts::777788889999:assumed-role/far/ci-release");
    let ran = credentials(&world, "release", "arn:aws:iam::999999999999:role/far");
    let provider = "\"arn:aws:iam::999999999999:oidc-provider/id.test\"";
    refused(&ran, &["No OpenIDConnect provider found in your account for https://id.test", provider]);
}

#[test]
fn a_role_in_china_is_asked_for_with_the_audience_of_china() {
    let world = World::with(&policy(), Sts::start_in("aws-cn"));
    let (url, role) = (world.issuer.origin().to_owned(), "arn:aws-cn:iam::444455556666:role/team/deploy");
    world.provider(ACCOUNT, ISSUER, CHINA, &url);
    world.role(role, ISSUER, &ALL, &json!({"StringEquals": {"id.test:aud": CHINA, "id.test:sub": "ci:tags"}}));
    world.configure(&format!(
        "[profiles.china]\nurl = '{url}'\naudience = 'china'\nrole_arn = '{role}'\nregion = 'cn-north-1'\n"
    ));
    let china = |more: &[&str]| run(&mut by(&world, "tags", &[&["credentials", "--profile", "china"], more].concat()));
    let session = world.sts.session(&key_of(&china(&[]))).unwrap();
    assert_eq!(session.arn, "arn:aws-cn:sts::444455556666:assumed-role/deploy/ci-tags");
    assert_eq!(session.tags["From"], "111122223333/ci/", "the caller's account is of another partition");

    let wrong =
        ["Incorrect token audience", "the token's aud is \"sts.amazonaws.com\"", "arn:aws-cn:iam::444455556666:oidc"];
    refused(&china(&["--audience", "aws"]), &wrong);
    let ran = china(&["--role-arn", ROLE, "--region", "eu-west-1"]);
    refused(&ran, &["Request ARN is invalid", "is of the partition aws: is http://127.0.0.1"]);
}
