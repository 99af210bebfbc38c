//! The parameters of a call, and what is written down of it.

use serde_json::{Value, json};
use testkit::sts::Outcome;

use crate::world::{ACCOUNT, DEPLOY, PLAIN, World, post};

fn one(fault: &str) -> String {
    format!("400 ValidationError: 1 validation error detected: {fault}")
}

#[test]
fn names_and_durations_have_their_limits() {
    let world = World::start();
    let long = "x".repeat(65);
    let constraint = |value: &str, at: &str, rest: &str| {
        one(&format!("Value '{value}' at '{at}' failed to satisfy constraint: Member must {rest}"))
    };
    for name in ["ab", &"x".repeat(64), "Ada_+=,.@-9"] {
        assert_eq!(world.call(&[("RoleSessionName", name)]).told(), "200", "{name}");
    }
    for (name, rest) in [
        ("a", "have length greater than or equal to 2"),
        (long.as_str(), "have length less than or equal to 64"),
        ("svc:app", r"satisfy regular expression pattern: [\w+=,.@-]*"),
        ("übel", r"satisfy regular expression pattern: [\w+=,.@-]*"),
    ] {
        let told = world.call(&[("RoleSessionName", name)]).told();
        assert_eq!(told, constraint(name, "roleSessionName", rest));
    }
    for seconds in ["900", "7200"] {
        assert_eq!(world.call(&[("DurationSeconds", seconds)]).told(), "200", "{seconds}");
    }
    for (seconds, rest) in [
        ("899", "have value greater than or equal to 900"),
        ("1h", "have value greater than or equal to 900"),
        ("43201", "have value less than or equal to 43200"),
    ] {
        let told = world.call(&[("DurationSeconds", seconds)]).told();
        assert_eq!(told, constraint(seconds, "durationSeconds", rest));
    }
    let told = world.call(&[("DurationSeconds", "7201")]).told();
    assert_eq!(
        told,
        "400 ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
}

#[test]
fn a_token_has_at_most_twenty_thousand_characters_and_is_not_repeated() {
    let world = World::start();
    // Base64 makes four of three.
    let padded = |length: usize| world.token(&json!({"pad": "x".repeat(length)}));
    let near = (20_000 - padded(0).len()) / 4 * 3;
    let fitting = padded(near - 3);
    assert!((19_990..=20_000).contains(&fitting.len()), "{}", fitting.len());
    assert_eq!(world.call(&[("WebIdentityToken", &fitting)]).told(), "200");
    let at = "Value at 'webIdentityToken' failed to satisfy constraint: Member must have length";
    let told = world.call(&[("WebIdentityToken", &padded(near + 9))]).told();
    assert_eq!(told, one(&format!("{at} less than or equal to 20000")));
    assert_eq!(world.call(&[("WebIdentityToken", "abc")]).told(), one(&format!("{at} greater than or equal to 4")));
}

#[test]
fn what_is_missing_is_told_and_all_of_it_at_once() {
    let world = World::start();
    let call = [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15")];
    let told = post(&world.sts, &call).told();
    assert!(told.starts_with("400 ValidationError: 3 validation errors detected: Value null at 'roleArn'"), "{told}");
    assert!(told.contains("; Value null at 'webIdentityToken' failed to satisfy constraint: Member must not be null"));
    for (action, version) in [("AssumeRole", "2011-06-15"), ("AssumeRoleWithWebIdentity", "2010-05-08"), ("", "")] {
        let told = world.call(&[("Action", action), ("Version", version)]).told();
        assert_eq!(told, format!("400 InvalidAction: Could not find operation {action} for version {version}"));
    }
}

#[test]
fn a_role_is_an_arn_of_the_partition() {
    let world = World::start();
    for role in [
        "arn:aws-cn:iam::444455556666:role/team/deploy",
        "arn:aws:iam::444455556666:oidc-provider/id.test",
        "arn:aws:iam::44445555666:role/deploy",
        "arn:aws:sts::444455556666:assumed-role/deploy/app",
        "arn:aws:iam::444455556666:role/team/",
        "team/deploy, which is none",
    ] {
        assert_eq!(world.call(&[("RoleArn", role)]).told(), "400 ValidationError: Request ARN is invalid", "{role}");
    }
    let short = world.call(&[("RoleArn", "deploy")]).told();
    assert!(short.contains("Value 'deploy' at 'roleArn'"), "{short}");

    let china = World::of("https://id.test", "aws-cn");
    assert_eq!(china.call(&[]).told(), "400 ValidationError: Request ARN is invalid");
    let reply = china.call(&[("RoleArn", "arn:aws-cn:iam::444455556666:role/team/deploy")]);
    assert_eq!(reply.element("Arn"), Some("arn:aws-cn:sts::444455556666:assumed-role/deploy/app"), "{reply:?}");
    assert_eq!(reply.element("Provider"), Some("arn:aws-cn:iam::444455556666:oidc-provider/id.test"));
}

#[test]
fn a_session_policy_is_a_policy_of_an_identity_and_not_long() {
    let world = World::start();
    let told = |policy: &str| world.call(&[("Policy", policy)]).told();
    let document = |statement: &Value| json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let allow = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/team}/*"});
    let mut good = document(&json!([allow]));
    for policy in [&document(&allow), &good] {
        assert_eq!(told(policy), "200", "{policy}");
    }
    let changed = |member: &str, value: Value| {
        let mut statement = allow.clone();
        statement[member] = value;
        document(&statement)
    };
    for policy in [
        "{",
        "[]",
        "\"policy\"",
        "{}",
        &document(&json!([])),
        &document(&json!("allow")),
        &document(&json!({"Effect": "Allow", "Action": "*"})),
        &changed("Effect", json!("allow")),
        &changed("NotAction", json!("s3:*")),
        &changed("Principal", json!("*")),
        &document(&allow).replace("2012-10-17", "2012-10-18"),
    ] {
        assert_eq!(told(policy), "400 MalformedPolicyDocument: Syntax errors in policy.", "{policy}");
    }
    good += &" ".repeat(2048 - good.len());
    let reply = world.call(&[("Policy", &good)]);
    assert_eq!((reply.told().as_str(), reply.element("PackedPolicySize")), ("200", Some("100")));
    let session = world.sts.session(reply.element("AccessKeyId").unwrap()).unwrap();
    assert_eq!(session.policy.as_ref(), Some(&good));
    assert!(
        told(&format!("{good} "))
            .ends_with("at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048")
    );
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let told = world.call(&[("Policy", &good), ("PolicyArns.member.1.arn", arn)]).told();
    assert_eq!(
        told,
        "400 PackedPolicyTooLarge: Packed policy consumes 102% of allotted space, please use smaller policy."
    );
}

#[test]
fn managed_policies_are_ten_at_most_of_aws_or_the_account() {
    let world = World::start();
    let ask = |arns: &[String]| {
        let names: Vec<String> = (1..=arns.len()).map(|place| format!("PolicyArns.member.{place}.arn")).collect();
        let pairs: Vec<(&str, &str)> =
            names.iter().zip(arns).map(|(name, arn)| (name.as_str(), arn.as_str())).collect();
        world.call(&pairs)
    };
    let own = |count: usize| (0..count).map(|n| format!("arn:aws:iam::{ACCOUNT}:policy/p/{n}")).collect::<Vec<_>>();
    let reply = ask(&own(10));
    let session = world.sts.session(reply.element("AccessKeyId").unwrap()).unwrap();
    assert_eq!(session.policy_arns, own(10));
    assert_eq!(ask(&["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()]).told(), "200");
    let told = ask(&own(11)).told();
    assert!(
        told.ends_with(
            "at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10"
        )
    );
    for arn in ["arn:aws:iam::777788889999:policy/p", "arn:aws-cn:iam::aws:policy/p", "ReadOnlyAccess", PLAIN] {
        assert_eq!(ask(&[arn.to_owned()]).told(), format!("400 ValidationError: {arn} is invalid"));
    }
}

#[test]
fn calls_are_written_down_whatever_becomes_of_them() {
    let world = World::start();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    world.call(&[("DurationSeconds", "900"), ("Policy", policy), ("PolicyArns.member.1.arn", arn)]);
    world.call(&[("RoleSessionName", "a")]);
    let calls = world.sts.calls();
    let [given, refused] = &calls[..] else { unreachable!("{calls:?}") };
    assert_eq!((given.action.as_str(), given.role.as_str()), ("AssumeRoleWithWebIdentity", DEPLOY));
    assert_eq!((given.session_name.as_str(), given.duration.as_deref()), ("app", Some("900")));
    assert_eq!((given.policy.as_deref(), &given.policy_arns[..]), (Some(policy), &[arn.to_owned()][..]));
    assert!(matches!(given.outcome, Outcome::Given(_)));
    assert_eq!((refused.session_name.as_str(), refused.duration.as_deref()), ("a", None));
    assert!(matches!(&refused.outcome, Outcome::Refused { code, .. } if code == "ValidationError"));
}
