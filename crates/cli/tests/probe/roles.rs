//! Whose credentials sign: a role that STS gives, and the profile that is named.

use serde_json::{Value, json};
use testkit::page::{Canned, Front};

use crate::world::{Ran, SECRET, SESSION_TOKEN, SNOWFLAKE, World, ran};

const ROLE: &str = "arn:aws:iam::444455556666:role/probes/snowflake-assumed";

/// Nobody's, and nobody has its key.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIUFKf1O4/JzbIm+Rid1s5n2bh8qz4wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwObm9ib2R5LmV4YW1wbGUwIBcNMjYxMTI1MjAzOTQ0WhgPMjEy
NjExMDEyMDM5NDRaMBkxFzAVBgNVBAMMDm5vYm9keS5leGFtcGxlMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEN8X+A4KqvIzjQa5+HKjo4Kx64sJDYePlVrY8b3if
CtHq8xrM/2/arm9BYUqT13BEkeET5I1Pa/8jNEJ9TIVfj6NTMFEwHQYDVR0OBBYE
FFEaFwId7mi+hnIwWBUp8Uywx5rsMB8GA1UdIwQYMBaAFFEaFwId7mi+hnIwWBUp
8Uywx5rsMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhANZjYuUO
hxX1oT5+TJ6+YefAhMdClNYTOEmhZcTu9xjfAiEA72Cm9GnXnIBA2SMD97LyL9IU
uGsW9mpamSL0QkeMia8=
-----END CERTIFICATE-----
";

/// What STS answers to AssumeRole (STS API Reference).
fn assumed() -> Canned {
    let body = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
         <AssumedRoleId>AROAASSUMED:probe</AssumedRoleId>\
         <Arn>arn:aws:sts::444455556666:assumed-role/snowflake-assumed/probe</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>ASIAASSUMED</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>{SESSION_TOKEN}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
         </AssumeRoleResult></AssumeRoleResponse>"
    );
    Canned { status: 200, headers: vec![("content-type", "text/xml".to_owned())], body, ..Canned::default() }
}

fn probe(name: &str, role: Value) -> Value {
    let expect = json!({"token": {"claims": {"sub": "svc:444455556666:snowflake-assumed", "aud": SNOWFLAKE}}});
    json!({"name": name, "credentials": {"assume_role": role}, "expect": expect})
}

fn with(world: &World, sts: &Front, probes: &Value, environment: &[(&str, &str)]) -> Ran {
    let mut command = world.command(probes, &["--json"]);
    command.env("AWS_ENDPOINT_URL_STS", sts.origin()).envs(environment.iter().copied());
    ran(command, "")
}

#[test]
fn a_role_is_assumed_once_by_whom_the_file_says_and_its_credentials_sign() {
    let (world, sts) = (World::new(), Front::start());
    sts.answer("POST /", assumed());
    let role = json!({"arn": ROLE, "session_name": "probe", "profile": "bob"});
    let probes = json!([probe("one", role.clone()), probe("two", role)]);
    let ran = with(&world, &sts, &probes, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let came = sts.came();
    let [asked] = came.as_slice() else { panic!("{came:?}") };
    for parameter in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fprobes%2Fsnowflake-assumed",
        "RoleSessionName=probe",
        "DurationSeconds=900",
    ] {
        assert!(asked.body.split('&').any(|found| found == parameter), "{parameter}\n{}", asked.body);
    }
    assert!(
        asked.authorization.contains("Credential=AKIABOB/") && asked.authorization.contains("/eu-central-1/sts/"),
        "{}",
        asked.authorization
    );
}

#[test]
fn without_a_profile_the_default_chain_assumes_the_role() {
    let (world, sts) = (World::new(), Front::start());
    sts.answer("POST /", assumed());
    let ran = with(
        &world,
        &sts,
        &json!([probe("one", json!({"arn": ROLE}))]),
        &[("AWS_ACCESS_KEY_ID", "AKIACHAIN"), ("AWS_SECRET_ACCESS_KEY", SECRET)],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let came = sts.came();
    assert!(came[0].authorization.contains("Credential=AKIACHAIN/"), "{came:?}");
    assert!(came[0].body.contains("RoleSessionName=countersign-probe&"), "{came:?}");
}

#[test]
fn a_role_that_cannot_be_assumed_says_nothing_about_the_issuer() {
    let (world, sts) = (World::new(), Front::start());
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: bob is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    sts.answer(
        "POST /",
        Canned {
            status: 403,
            headers: vec![("content-type", "text/xml".to_owned())],
            body: body.to_owned(),
            ..Canned::default()
        },
    );
    let mut refused = probe("refused", json!({"arn": ROLE, "profile": "bob"}));
    refused["expect"] = json!({"refused": {"error": "access_denied"}});
    let ran = with(&world, &sts, &json!([refused]), &[]);
    let (outcome, faults) = ran.outcome("refused");
    assert_eq!((ran.code, outcome.as_str()), (2, "could_not_tell"), "{}", ran.stderr);
    assert!(
        faults.contains("cannot assume") && faults.contains("not authorized to perform: sts:AssumeRole"),
        "{faults}"
    );
}

#[test]
fn a_profile_that_is_named_is_meant_whatever_the_environment_holds() {
    let world = World::new();
    let mut command = world.command(&json!([World::loader()]), &[]);
    command.envs([("AWS_ACCESS_KEY_ID", "AKIASTRANGER"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_PROFILE", "bob")]);
    let found = ran(command, "");
    assert_eq!(found.code, 0, "{}", found.stderr);
    // The default chain takes the environment's.
    let mut chain = World::stranger();
    chain["credentials"] = json!({"default": true});
    let mut command = world.command(&json!([chain]), &[]);
    command.envs([("AWS_ACCESS_KEY_ID", "AKIASTRANGER"), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert_eq!(ran(command, "").code, 0);
}

#[test]
fn a_profile_may_assume_a_role_itself() {
    let (world, sts) = (World::new(), Front::start());
    sts.answer("POST /", assumed());
    let mut chained = probe("chained", json!({}));
    chained["credentials"] = json!({"profile": "chained"});
    let mut command = world.command(&json!([chained]), &[]);
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        config.path(),
        format!("[profile chained]\nrole_arn = {ROLE}\nsource_profile = bob\nrole_session_name = probe\n"),
    )
    .unwrap();
    command.env("AWS_CONFIG_FILE", config.path()).env("AWS_ENDPOINT_URL_STS", sts.origin());
    let found = ran(command, "");
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(sts.came()[0].authorization.contains("Credential=AKIABOB/"));
}

#[test]
fn certificates_of_ones_own_leave_the_proxy_as_it_is() {
    let (world, proxy) = (World::new(), Front::start());
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), CERTIFICATE).unwrap();
    for bundle in [None, Some(bundle.path())] {
        let mut command =
            world.command(&json!([probe("one", json!({"arn": ROLE, "profile": "bob"}))]), &["--timeout", "20s"]);
        command.env("HTTPS_PROXY", proxy.origin()).env_remove("NO_PROXY");
        if let Some(bundle) = bundle {
            command.env("AWS_CA_BUNDLE", bundle);
        }
        assert_eq!(ran(command, "").code, 2);
        let came = proxy.came();
        assert!(came.iter().any(|came| came.what.starts_with("CONNECT ")), "{bundle:?}: {came:?}");
    }
}
