//! What `serve` writes: one JSON object per decision on stdout, and never anything that would let its reader in.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::verifier;

use crate::world::{
    ANALYST, Answer, POLICY, REFUSED, ROBOT, SNOWFLAKE, WORKLOAD, WRONG_SECRET, ask, ask_one, by, by_with_json, jwks,
    serve, setup,
};

/// The names that a line may have. `time` and `request_id` are there always, the others where they are known.
const NAMES: [&str; 17] = [
    "time",
    "request_id",
    "outcome",
    "reason",
    "reason_code",
    "account",
    "kind",
    "principal_id",
    "arn",
    "source_ip",
    "audience",
    "rule",
    "subject",
    "scopes",
    "lifetime",
    "jti",
    "kid",
];

/// The one line about an answer.
fn line_about<'a>(lines: &'a [Value], answer: &Answer) -> &'a Value {
    let id = answer.header("x-request-id").expect("an id");
    let mut about = lines.iter().filter(|line| line["request_id"] == id);
    let line = about.next().unwrap_or_else(|| unreachable!("no audit line for {answer:?}: {lines:#?}"));
    assert!(about.next().is_none(), "two audit lines for {answer:?}: {lines:#?}");
    line
}

#[test]
fn every_decision_is_one_line_that_says_who_asked_and_what_came_of_it() {
    let serve = serve();
    let refused = &REFUSED[0].1;
    let answers = ask(
        &serve,
        &[
            by(&WORKLOAD, json!({})),
            by(&ANALYST, json!({})),
            by_with_json(&ROBOT, &json!({"audience": "robots"})),
            by(refused, json!({})),
            by_with_json(&WORKLOAD, &json!({"audience": "nobody"})),
            by_with_json(&WORKLOAD, &json!({"scope": "session:role:ACCOUNTADMIN"})),
            by(&WORKLOAD, json!({"content_type": "application/json", "body": "{"})),
            by(&REFUSED[10].1, json!({})),
        ],
    );
    let lines = serve.audit_until(|lines| lines.len() >= answers.len());
    assert_eq!(lines.len(), answers.len(), "{lines:#?}");
    for line in &lines {
        let names: BTreeSet<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        let unknown: Vec<_> = names.difference(&NAMES.into_iter().collect()).copied().collect();
        assert!(unknown.is_empty(), "{unknown:?} in {line}");
        assert_eq!(line["source_ip"], "127.0.0.1", "{line}");
    }

    let verified = verifier::verify(&answers[0].token(), &jwks(&serve), serve.origin(), SNOWFLAKE).unwrap();
    let mut issued = line_about(&lines, &answers[0]).clone();
    assert!(issued["time"].is_u64(), "{issued}");
    issued.as_object_mut().unwrap().remove("time");
    assert_eq!(
        issued,
        json!({
            "request_id": answers[0].header("x-request-id"),
            "outcome": "issued",
            "account": "444455556666",
            "kind": "role",
            "principal_id": WORKLOAD.principal_id,
            "arn": WORKLOAD.arn,
            "source_ip": "127.0.0.1",
            "audience": "snowflake",
            "rule": "workloads",
            "subject": "svc:snowflake-loader",
            "scopes": ["session:role:SNOWFLAKE_LOADER", "session:role:REPORTER"],
            "lifetime": 600,
            "jti": verified.claims["jti"],
            "kid": verified.kid,
        })
    );
    let person = line_about(&lines, &answers[1]);
    assert_eq!((&person["kind"], &person["rule"]), (&json!("sso"), &json!("analysts")), "{person}");
    let robot = line_about(&lines, &answers[2]);
    assert_eq!((&robot["kind"], &robot["audience"]), (&json!("user"), &json!("robots")), "{robot}");

    for answer in &answers[3..] {
        let line = line_about(&lines, answer);
        assert_eq!(line["outcome"], "refused", "{line}");
        assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
        assert_eq!((line.get("jti"), line.get("kid")), (None, None), "{line}");
    }
    // The reason that callers are not told is told here, and differs.
    let reason = |at: usize| line_about(&lines, &answers[at])["reason"].clone();
    assert_ne!(reason(3), reason(7));
    let stranger = line_about(&lines, &answers[3]);
    assert_eq!((&stranger["account"], &stranger["arn"]), (&json!("444455556666"), &json!(refused.arn)), "{stranger}");
}

/// All that comes out of the process, searched for everything that must not.
#[test]
fn no_token_signature_or_secret_is_ever_written() {
    let serve = serve();
    let mut asks = vec![
        by(&WORKLOAD, json!({})),
        by_with_json(&WORKLOAD, &json!({"audience": "tools"})),
        by_with_json(&WORKLOAD, &json!({"audience": "nobody"})),
        by(&ANALYST, json!({})),
        by(&ANALYST, json!({"session_token": null})),
        by(&WORKLOAD, json!({"secret_key": WRONG_SECRET})),
        by(&WORKLOAD, json!({"age": 3600})),
        by(&WORKLOAD, json!({"sign": "query"})),
        by(&WORKLOAD, json!({"target": "/nowhere"})),
    ];
    asks.extend(REFUSED.iter().map(|(_, caller)| by(caller, json!({}))));
    let answers = ask(&serve, &asks);
    // A bad file is logged too, and may hold a secret at the very place where it is bad.
    let broken = format!("- access_key_id: {}\n  secret_access_key: [{}\n", WORKLOAD.key, WORKLOAD.secret);
    let before = serve.stderr().len();
    serve.replace_file("credentials.yaml", &broken);
    until("bad credentials are logged", || {
        assert_eq!(ask_one(&serve, by(&WORKLOAD, json!({}))).status, 200);
        serve.stderr().get(before..).is_some_and(|written| written.contains("credentials"))
    });
    let ring = std::fs::read_to_string(serve.data_dir().join("keyring.json")).unwrap();
    let (stdout, stderr) = serve.stop();
    let written = format!("{stdout}{stderr}");

    // The search itself can find something.
    assert!(written.contains(WORKLOAD.arn), "{written}");
    let mut forbidden: Vec<String> = [&WORKLOAD, &ANALYST, &ROBOT]
        .into_iter()
        .chain(REFUSED.iter().map(|(_, caller)| caller))
        .flat_map(|caller| [Some(caller.secret), caller.session_token])
        .flatten()
        .map(str::to_owned)
        .collect();
    forbidden.push(WRONG_SECRET.to_owned());
    forbidden.extend(answers.iter().filter_map(|answer| answer.signature.clone()));
    let mut tokens = 0;
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        tokens += 1;
        // Not the token, and not its signature alone: header and claims are in the audit line anyway, decoded.
        forbidden.extend(answer.token().split('.').map(str::to_owned));
    }
    assert_eq!(tokens, 3);
    for key in serde_json::from_str::<Value>(&ring).unwrap()["keys"].as_array().unwrap() {
        // The whole lines of key material in the PEM text; its last line may be too short to be looked for.
        let pem = key["private_key"].as_str().unwrap_or_default();
        forbidden.extend(pem.lines().filter(|line| line.len() == 64).map(str::to_owned));
    }
    for text in forbidden {
        assert!(text.len() > 20, "{text} is too short to be looked for");
        assert!(!written.contains(&text), "{text} was written:\n{written}");
    }
    assert!(!written.contains("eyJ"), "something that begins like a token was written:\n{written}");
    assert!(!written.contains("PRIVATE KEY"), "{written}");
}

/// Waits for something that follows a change of a file. The contract says a second; a machine
/// that runs other tests may take longer, and a test that needs luck with time is a defect.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < Duration::from_secs(15), "{what}: not after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_changed_policy_counts_without_a_restart_and_a_bad_one_does_not() {
    let serve = serve();
    let status = |audience: &str| ask_one(&serve, by_with_json(&WORKLOAD, &json!({ "audience": audience }))).status;
    assert_eq!((status("warehouse"), status("tools")), (200, 200));

    // One of two audiences gone, so that the caller keeps some and hears `invalid_target`.
    serve
        .replace_file("policy.yaml", &POLICY.replace("audiences: [snowflake, warehouse, tools]", "audiences: [tools]"));
    until("the new policy", || status("warehouse") == 400);

    let before = serve.stderr().len();
    serve.replace_file("policy.yaml", "version: 1\nrules: [");
    until("a bad policy is logged", || {
        // It may be looked at only when a request comes; whenever it is, the last good one goes on.
        assert_eq!((status("tools"), status("warehouse")), (200, 400));
        serve.stderr().get(before..).is_some_and(|written| written.contains("policy"))
    });
}

#[test]
fn missing_files_are_made_for_their_owner_alone_and_present_ones_are_kept() {
    use std::os::unix::fs::PermissionsExt as _;

    let credentials = crate::world::credentials();
    let setup = setup();
    let serve = setup.start();
    for name in ["keyring.json", "aws-credentials"] {
        let mode =
            std::fs::metadata(serve.data_dir().join(name)).unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let read = |name: &str| std::fs::read_to_string(serve.data_dir().join(name)).unwrap();
    assert_eq!(read("policy.yaml"), POLICY);
    assert_eq!(read("credentials.yaml"), credentials);

    let empty = testkit::serve::Setup::new(crate::world::COUNTERSIGN).start();
    for name in ["keyring.json", "policy.yaml", "credentials.yaml", "aws-credentials"] {
        let mode =
            std::fs::metadata(empty.data_dir().join(name)).unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert_eq!(mode.permissions().mode() & 0o077, 0, "{name} is readable by others");
    }
}

#[test]
fn a_secret_that_others_can_read_is_refused_at_the_start() {
    use std::os::unix::fs::PermissionsExt as _;

    // A ring that a server made, so that nothing else is wrong with it.
    let made = serve();
    let ring = std::fs::read_to_string(made.data_dir().join("keyring.json")).unwrap();
    drop(made);
    for name in ["credentials.yaml", "keyring.json"] {
        let setup = setup().file("keyring.json", &ring);
        let file = setup.data_dir().join(name);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let Err(why) = setup.try_start() else { unreachable!("it serves with a {name} that others can read") };
        assert!(why.contains(name), "it does not say which file: {why}");
        assert!(!why.contains("secret/of+") && !why.contains("PRIVATE KEY"), "{why}");
    }
    // The policy is no secret.
    let setup = setup();
    let policy = setup.data_dir().join("policy.yaml");
    std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(ask_one(&setup.start(), by(&WORKLOAD, json!({}))).status, 200);
}
