//! The evaluator against what the IAM User Guide says, as a table: a document, a request, and the verdict. Each group names
//! its page, below <https://docs.aws.amazon.com/IAM/latest/UserGuide/>.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use testkit::iam::{Caller, Context, Decision, Document, Policies, Reach, Request, Verdict};

const ROLE: &str = "arn:aws:iam::123456789012:role/path/reader";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a/b-AbCdEf";

fn document(statements: &Value) -> Document {
    Document::of(&json!({ "Version": "2012-10-17", "Statement": statements })).unwrap()
}

fn refused(statements: &Value) -> String {
    let refused = Document::of(&json!({ "Version": "2012-10-17", "Statement": statements })).unwrap_err();
    refused.to_string()
}

fn request(action: &str, resource: Option<&str>, context: Context) -> Request {
    let (action, resource) = (action.to_owned(), resource.map(str::to_owned));
    Request { caller: Caller::role(ROLE, "session"), action, resource, context }
}

fn get(context: Context) -> Request {
    request("secretsmanager:GetSecretValue", Some(SECRET), context)
}

/// A statement that allows everything under a condition: whether it applies.
fn holds(condition: &Value, context: Context) -> Result<bool, String> {
    let document = Document::of(&json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }
    }));
    let verdict = document.and_then(|document| document.of_identity(&get(context)));
    verdict.map(|verdict| verdict != Verdict::Silent).map_err(|unknown| unknown.to_string())
}

/// reference_policies_elements_action, .._notaction, .._resource, .._notresource
#[test]
fn actions_and_resources() {
    for (statement, applies) in [
        (json!({"Action": "secretsmanager:GetSecretValue", "Resource": SECRET}), true),
        (json!({"Action": "SecretsManager:getsecretvalue", "Resource": SECRET}), true),
        (json!({"Action": "secretsmanager:Get*", "Resource": SECRET}), true),
        (json!({"Action": "secretsmanager:GetSecretValu?", "Resource": SECRET}), true),
        (json!({"Action": ["ssm:*", "*"], "Resource": "*"}), true),
        (json!({"Action": "ssm:*", "Resource": "*"}), false),
        (json!({"Action": "secretsmanager:GetSecret", "Resource": SECRET}), false),
        (json!({"NotAction": "ssm:*", "Resource": "*"}), true),
        (json!({"NotAction": ["secretsmanager:GetSecretValue"], "Resource": "*"}), false),
        (json!({"Action": "*", "Resource": "arn:aws:secretsmanager:*:123456789012:secret:a/*"}), true),
        (json!({"Action": "*", "Resource": "arn:aws:secretsmanager:*:123456789012:secret:b/*"}), false),
        (json!({"Action": "*", "Resource": "arn:aws:secretsmanager:*:secret:a/*:*"}), false),
        (json!({"Action": "*", "NotResource": "arn:aws:secretsmanager:*:*:secret:b/*"}), true),
        (json!({"Action": "*", "NotResource": SECRET}), false),
    ] {
        let mut allow = statement.clone();
        allow["Effect"] = json!("Allow");
        let verdict = document(&json!([allow])).of_identity(&get(Context::default())).unwrap();
        assert_eq!(verdict != Verdict::Silent, applies, "{statement}");
    }
    // What is not there yet is meant by `*` alone.
    let make = request("kms:CreateKey", None, Context::default());
    for (resource, applies) in [("*", true), ("arn:aws:kms:*:*:key/*", false)] {
        let allow = json!({"Effect": "Allow", "Action": "kms:CreateKey", "Resource": resource});
        assert_eq!(document(&allow).of_identity(&make).unwrap() != Verdict::Silent, applies, "{resource}");
    }
}

/// reference_policies_elements_condition_operators
#[test]
fn operators() {
    let context = || {
        Context::default()
            .with("aws:PrincipalArn", ROLE)
            .with("aws:PrincipalOrgID", "o-a1b2c3d4e5")
            .with("aws:SecureTransport", "true")
            .without(&["aws:SourceVpc", "aws:SourceArn"])
            .with_family("aws:ResourceTag/", [("Team".to_owned(), "data".to_owned())])
    };
    for (condition, expected) in [
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}), true),
        (json!({"StringEquals": {"AWS:principalorgid": ["o-x", "o-a1b2c3d4e5"]}}), true),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-A1B2C3D4E5"}}), false),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-*"}}), false),
        (json!({"StringEqualsIgnoreCase": {"aws:PrincipalOrgID": "O-A1B2C3D4E5"}}), true),
        (json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-x"}}), true),
        // Several values of a negated operator: equal to none of them.
        (json!({"StringNotEquals": {"aws:PrincipalOrgID": ["o-x", "o-a1b2c3d4e5"]}}), false),
        (json!({"StringLike": {"aws:PrincipalOrgID": "o-?1*5"}}), true),
        (json!({"StringNotLike": {"aws:PrincipalOrgID": "o-*"}}), false),
        (json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/path/reade?"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:*:role/path/reader:*"}}), false),
        (json!({"ArnNotEquals": {"aws:PrincipalArn": [ROLE, "arn:aws:iam::123456789012:role/x"]}}), false),
        (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::999999999999:*"}}), true),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), true),
        (json!({"Bool": {"aws:SecureTransport": false}}), false),
        // All operators, and all keys of one, have to hold.
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:ResourceTag/team": "data"}}), true),
        (
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}, "Bool": {"aws:SecureTransport": "false"}}),
            false,
        ),
        // A key that is not there: only what is negated holds, or asks for that.
        (json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}}), false),
        (json!({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}), true),
        (json!({"StringNotLike": {"aws:SourceVpc": "vpc-*"}}), true),
        (json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}), false),
        (json!({"ArnNotEquals": {"aws:SourceArn": "arn:aws:s3:::b"}}), true),
        (json!({"Bool": {"aws:SourceVpc": "true"}}), false),
        (json!({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}), true),
        (json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-x"}}), false),
        (json!({"Null": {"aws:SourceVpc": "true"}}), true),
        (json!({"Null": {"aws:SourceVpc": "false"}}), false),
        (json!({"Null": {"aws:PrincipalOrgID": "false"}}), true),
        (json!({"StringEquals": {"aws:ResourceTag/other": "data"}}), false),
    ] {
        assert_eq!(holds(&condition, context()), Ok(expected), "{condition}");
    }
}

/// reference_policies_condition-single-vs-multi-valued-context-keys
#[test]
fn several_values() {
    let with = |tags: &[&str]| Context::default().with_many("aws:TagKeys", tags.iter().map(|tag| (*tag).to_owned()));
    for (operator, tags, expected) in [
        ("ForAllValues:StringEquals", &["a", "b"][..], true),
        ("ForAllValues:StringEquals", &["a", "c"], false),
        ("ForAllValues:StringEquals", &[], true),
        ("ForAnyValue:StringEquals", &["c", "b"], true),
        ("ForAnyValue:StringEquals", &["c"], false),
        ("ForAnyValue:StringEquals", &[], false),
        ("ForAnyValue:StringNotEquals", &["a", "c"], true),
        ("ForAllValues:StringNotEquals", &["a", "c"], false),
    ] {
        let condition = json!({ operator: { "aws:TagKeys": ["a", "b"] } });
        assert_eq!(holds(&condition, with(tags)), Ok(expected), "{operator} {tags:?}");
    }
    let one = json!({"StringEquals": {"aws:TagKeys": "a"}});
    assert!(holds(&one, with(&["a"])).unwrap_err().contains("may have several values"));
    let any = json!({"ForAnyValue:StringEquals": {"aws:PrincipalArn": "a"}});
    assert!(holds(&any, Context::default().with("aws:PrincipalArn", "a")).unwrap_err().contains("has one value"));
}

/// reference_policies_elements_principal
#[test]
fn principals() {
    let person = Caller::User("arn:aws:iam::123456789012:user/ci/deploy".to_owned());
    let gateway = Caller::Service("apigateway.amazonaws.com".to_owned());
    let role = Caller::role(ROLE, "session");
    let session = "arn:aws:sts::123456789012:assumed-role/reader/session";
    let provider = "arn:aws:iam::123456789012:oidc-provider/id.acme.com";
    let bearer = Caller::Federated(provider.to_owned());
    let (yes, no, account) = ("Allowed", "Silent", "Delegated");
    for (principal, caller, expected) in [
        (json!("*"), &role, yes),
        (json!({"AWS": "*"}), &Caller::Anonymous, yes),
        (json!({"AWS": ROLE}), &role, yes),
        (json!({"AWS": [session]}), &role, yes),
        (json!({"AWS": "arn:aws:iam::123456789012:role/reader"}), &role, no),
        (json!({"AWS": "arn:aws:iam::123456789012:root"}), &role, account),
        (json!({"AWS": ["123456789012", ROLE]}), &role, yes),
        (json!({"AWS": "999999999999"}), &role, no),
        (json!({"AWS": "arn:aws:iam::123456789012:user/ci/deploy"}), &person, yes),
        (json!({"Service": "apigateway.amazonaws.com"}), &gateway, yes),
        (json!({"Service": "apigateway.amazonaws.com"}), &role, no),
        (json!({"Service": ["lambda.amazonaws.com", "s3.amazonaws.com"]}), &gateway, no),
        (json!({"AWS": ROLE, "Service": "apigateway.amazonaws.com"}), &gateway, yes),
        (json!({"AWS": ROLE}), &Caller::Anonymous, no),
        (json!({"Federated": provider}), &bearer, yes),
        (json!({"Federated": format!("{provider}/other")}), &bearer, no),
        (json!({"Federated": provider}), &role, no),
        (json!({"AWS": "123456789012"}), &bearer, no),
    ] {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"});
        let request = Request { caller: caller.clone(), ..get(Context::default()) };
        let verdict = document(&statement).of_resource(&request).unwrap();
        assert!(format!("{verdict:?}").starts_with(expected), "{principal} {caller:?}: {verdict:?}");
    }
}

/// reference_policies_evaluation-logic_policy-eval-basics, .._policies-cross-account-resource-access; for keys,
/// `key-policies` of the KMS Developer Guide
#[test]
fn documents_are_put_together() {
    let allow = document(&json!({"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}));
    let deny = document(&json!({"Sid": "D", "Effect": "Deny", "Action": "*", "Resource": "*"}));
    let other = document(&json!({"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}));
    let of = |effect: &str, principal: &str| {
        document(
            &json!({"Sid": "R", "Effect": effect, "Principal": {"AWS": principal}, "Action": "*", "Resource": "*"}),
        )
    };
    let (mine, account, denied) = (of("Allow", ROLE), of("Allow", "123456789012"), of("Deny", "*"));
    for (identity, boundary, resource, [same, cross, key]) in [
        (vec![], None, None, [false, false, false]),
        (vec![&allow], None, None, [true, false, false]),
        (vec![&other], None, None, [false, false, false]),
        (vec![], None, Some(&mine), [true, false, true]),
        (vec![], None, Some(&account), [false, false, false]),
        (vec![&allow], None, Some(&account), [true, true, true]),
        (vec![&allow], None, Some(&mine), [true, true, true]),
        (vec![&allow, &deny], None, Some(&mine), [false, false, false]),
        (vec![&allow], None, Some(&denied), [false, false, false]),
        (vec![&allow], Some(&other), None, [false, false, false]),
        (vec![&allow], Some(&allow), None, [true, false, false]),
        (vec![&allow], Some(&deny), Some(&mine), [false, false, false]),
    ] {
        let own: Vec<Document> = identity.into_iter().cloned().collect();
        let policies = Policies { identity: &own, boundary, resource, organization: &[] };
        for (reach, expected) in
            [(Reach::SameAccount, same), (Reach::OtherAccount, cross), (Reach::ResourceDecides, key)]
        {
            let decision = policies.decide(&get(Context::default()), reach).unwrap();
            assert_eq!(decision.is_allowed(), expected, "{policies:?} {reach:?}: {decision:?}");
        }
    }
    // The organisation's can only deny, also what the resource's own would allow.
    for (organization, expected) in
        [(vec![], true), (vec![allow.clone()], true), (vec![allow.clone(), deny.clone()], false)]
    {
        let policies = Policies { resource: Some(&mine), organization: &organization, ..Policies::default() };
        let decision = policies.decide(&get(Context::default()), Reach::SameAccount).unwrap();
        assert_eq!(decision.is_allowed(), expected, "{organization:?}: {decision:?}");
    }
    let why = Policies { identity: &[allow, deny], ..Policies::default() };
    let decision = why.decide(&get(Context::default()), Reach::SameAccount).unwrap();
    assert_eq!(decision, Decision::Denied("the caller's policy denies it: D".to_owned()));
}

#[test]
fn what_is_not_known_is_an_error_and_never_a_pass() {
    for (statement, told) in [
        (json!({"Effect": "Allow", "Action": "*", "Resource": "*", "NotPrincipal": "*"}), "the element NotPrincipal"),
        (json!({"Effect": "allow", "Action": "*", "Resource": "*"}), "Effect is"),
        (json!({"Effect": "Allow", "Resource": "*"}), "neither Action nor NotAction"),
        (json!({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}), "both Action and NotAction"),
        (json!({"Effect": "Allow", "Action": "GetSecretValue", "Resource": "*"}), "is no action"),
        (json!({"Effect": "Allow", "Action": [], "Resource": "*"}), "not strings"),
        (json!({"Effect": "Allow", "Action": "*", "Resource": "parameter/x"}), "is no ARN"),
        (json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:userid}"}), "policy variable"),
        (json!({"Effect": "Allow", "Action": "*", "Principal": {"Federated": "x*"}}), "the principal Federated"),
        (json!({"Effect": "Allow", "Action": "*", "Principal": {"AWS": "arn:aws:iam::1:role/*"}}), "the principal AWS"),
        (json!({"Effect": "Allow", "Action": "*", "Principal": {"Service": "*"}}), "the principal Service"),
        (
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
            "operator IpAddress",
        ),
        (
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"stringequals": {"a:b": "c"}}}),
            "operator stringequals",
        ),
        (
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NullIfExists": {"a:b": "true"}}}),
            "operator NullIfExists",
        ),
        (
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"ArnLike": {"aws:SourceArn": "*"}}}),
            "is no value for it",
        ),
        (
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a:b": "yes"}}}),
            "is no value for it",
        ),
    ] {
        let why = refused(&statement);
        assert!(why.contains(told), "{statement}: {why}");
    }
    let old = json!({"Version": "2008-10-17", "Statement": []});
    assert!(Document::of(&old).unwrap_err().to_string().contains("policy language"));
    let none = json!({"Version": "2012-10-17"});
    assert!(Document::of(&none).unwrap_err().to_string().contains("no Statement"));

    // A key that nobody has said anything about, also where another condition has decided already.
    let condition = json!({"StringEquals": {"aws:PrincipalOrgID": "o-x", "aws:Unheard": "x"}});
    let told = holds(&condition, Context::default().with("aws:PrincipalOrgID", "o-y")).unwrap_err();
    assert!(told.contains("aws:unheard is not known"), "{told}");
    // Principals where they do not belong, and none where they do.
    let open = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    assert!(document(&open).of_resource(&get(Context::default())).is_err());
    let mut named = open;
    named["Principal"] = json!("*");
    assert!(document(&named).of_identity(&get(Context::default())).is_err());
}
