//! A token by every client that we name in the documentation, and that all of them get the same one.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::serve::Serve;
use testkit::{tools, verifier};

use crate::world::{
    ANALYST, COUNTERSIGN, Caller, ROBOT, ROBOTS, SNOWFLAKE, TOOLS, WAREHOUSE, WORKLOAD, WRONG_SECRET, ask, by,
    by_with_form, by_with_json, jwks, serve,
};

/// Checks what every token for the workload and Snowflake says, and that it verifies.
fn assert_workload_token(serve: &Serve, token: &str, lifetime: u64) {
    let verified = verifier::verify(token, &jwks(serve), serve.origin(), SNOWFLAKE).expect("it verifies");
    assert_eq!(verified.typ.as_deref(), Some("JWT"));
    assert_eq!(verified.alg, "RS256");
    let claims = &verified.claims;
    assert_eq!(claims["sub"], "svc:snowflake-loader");
    assert_eq!(claims["scp"], json!(["session:role:SNOWFLAKE_LOADER", "session:role:REPORTER"]));
    assert_eq!(claims["scope"], "session:role:SNOWFLAKE_LOADER session:role:REPORTER");
    let at = |name: &str| claims[name].as_u64().expect("whole seconds");
    assert_eq!(at("exp") - at("iat"), lifetime);
    assert_eq!(at("iat") - at("nbf"), 60);
    assert_eq!(claims.get("azp"), None);
    assert_eq!(claims.get("aws"), None);
}

/// Checks the whole answer of a 200 for the workload and gives its token.
fn token_of(body: &str, lifetime: u64) -> String {
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| unreachable!("not JSON ({error}): {body}"));
    let token = answer["token"].as_str().unwrap_or_else(|| unreachable!("no token: {body}")).to_owned();
    assert_eq!(
        answer,
        json!({
            "token": token,
            "access_token": token,
            "issued_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": "session:role:SNOWFLAKE_LOADER session:role:REPORTER",
        })
    );
    token
}

/// Runs a client and gives its standard output.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| unreachable!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The credentials where an SDK looks for them first.
fn with_credentials<'a>(command: &'a mut Command, caller: &Caller) -> &'a mut Command {
    command.env("AWS_ACCESS_KEY_ID", caller.key).env("AWS_SECRET_ACCESS_KEY", caller.secret);
    if let Some(token) = caller.session_token {
        command.env("AWS_SESSION_TOKEN", token);
    }
    command
}

/// curl signs by itself. The secret goes into a file that only its owner reads: argv is everyone's to see.
fn curl(serve: &Serve, caller: &Caller, lines: &[&str]) -> String {
    let file = serve.data_dir().join("curlrc");
    let mut config = vec![
        format!("url = \"{}\"", serve.url("/token")),
        "request = \"POST\"".to_owned(),
        "aws-sigv4 = \"aws:amz:eu-central-1:execute-api\"".to_owned(),
        format!("user = \"{}:{}\"", caller.key, caller.secret),
        "silent\nshow-error".to_owned(),
    ];
    if let Some(token) = caller.session_token {
        config.push(format!("header = \"x-amz-security-token: {token}\""));
    }
    config.extend(lines.iter().map(|line| (*line).to_owned()));
    write_private(&file, &config.join("\n"));
    // `--disable` has to come first, and keeps the settings of whoever runs the tests out.
    output(tools::isolated("curl", serve.data_dir()).arg("--disable").arg("--config").arg(&file))
}

fn write_private(path: &Path, content: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).expect("a file to write");
    std::io::Write::write_all(&mut file, content.as_bytes()).expect("space on the disk");
}

#[test]
fn curl_gets_a_token_with_a_json_body() {
    let serve = serve();
    let body = curl(
        &serve,
        &WORKLOAD,
        &[
            r#"header = "Content-Type: application/json""#,
            r#"data = "{\"audience\": \"snowflake\", \"expires_in\": 120}""#,
        ],
    );
    assert_workload_token(&serve, &token_of(&body, 120), 120);
}

#[test]
fn curl_gets_a_token_with_a_form_and_with_nothing() {
    let serve = serve();
    let form = r#"data = "grant_type=client_credentials&audience=snowflake&expires_in=120""#;
    assert_workload_token(&serve, &token_of(&curl(&serve, &WORKLOAD, &[form]), 120), 120);
    assert_workload_token(&serve, &token_of(&curl(&serve, &WORKLOAD, &[]), 600), 600);
}

#[test]
fn curl_gets_a_token_with_temporary_credentials() {
    let serve = serve();
    let body = curl(&serve, &ANALYST, &[]);
    let answer: Value = serde_json::from_str(&body).unwrap();
    let token = answer["token"].as_str().unwrap_or_else(|| unreachable!("{body}"));
    let verified = verifier::verify(token, &jwks(&serve), serve.origin(), SNOWFLAKE).unwrap();
    assert_eq!(verified.claims["sub"], "JANE.DOE");
    assert_eq!(verified.claims["department"], "analytics");
    assert_eq!(verified.claims["scp"], json!(["session:role-any"]));
}

#[test]
fn awscurl_gets_a_token() {
    let serve = serve();
    let awscurl = |caller: &Caller, data: &[&str]| {
        let mut command = tools::isolated(tools::awscurl(), serve.data_dir());
        command.args(["--service", "execute-api", "--region", "eu-central-1", "--fail-with-body", "-X", "POST"]);
        output(with_credentials(&mut command, caller).args(data).arg(serve.url("/token")))
    };
    // Its Content-Type is application/json unless told otherwise, with an empty body too.
    assert_workload_token(&serve, &token_of(&awscurl(&WORKLOAD, &[]), 600), 600);
    let json = ["-d", r#"{"audience": "snowflake", "expires_in": 120}"#];
    assert_workload_token(&serve, &token_of(&awscurl(&WORKLOAD, &json), 120), 120);
    let form = ["-d", "expires_in=120", "-H", "Content-Type: application/x-www-form-urlencoded"];
    assert_workload_token(&serve, &token_of(&awscurl(&WORKLOAD, &form), 120), 120);
    // Temporary credentials.
    assert!(awscurl(&ANALYST, &[]).contains("session:role-any"));
}

#[test]
fn botocore_gets_a_token_with_every_kind_of_body() {
    let serve = serve();
    let url_of_audience = json!({"audience": SNOWFLAKE, "expires_in": 120});
    let answers = ask(
        &serve,
        &[
            by(&WORKLOAD, json!({})),
            by(&WORKLOAD, json!({"content_type": "text/plain"})),
            by_with_json(&WORKLOAD, &json!({})),
            by_with_json(&WORKLOAD, &json!({"grant_type": "client_credentials", "audience": "snowflake"})),
            by_with_form(&WORKLOAD, "audience=&scope=&expires_in=&grant_type="),
            by(&WORKLOAD, json!({"region": "us-gov-west-1"})),
        ],
    );
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_workload_token(&serve, &token_of(&answer.body, 600), 600);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert!(answer.header("content-type").is_some_and(|is| is.starts_with("application/json")), "{answer:?}");
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    }
    let answers = ask(
        &serve,
        &[
            by_with_json(&WORKLOAD, &url_of_audience),
            by(
                &WORKLOAD,
                json!({"content_type": "application/json; charset=utf-8", "body": url_of_audience.to_string()}),
            ),
            by_with_form(&WORKLOAD, "audience=https%3A%2F%2Facme-prod.snowflakecomputing.com&expires_in=120"),
            by(
                &WORKLOAD,
                json!({"content_type": "application/x-www-form-urlencoded;charset=UTF-8", "body": "expires_in=120"}),
            ),
        ],
    );
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_workload_token(&serve, &token_of(&answer.body, 120), 120);
    }
}

#[test]
fn scope_and_lifetime_are_what_was_asked_for_within_the_grant() {
    let serve = serve();
    let answers = ask(
        &serve,
        &[
            by_with_json(&WORKLOAD, &json!({"scope": "session:role:REPORTER", "expires_in": 60})),
            by_with_json(&WORKLOAD, &json!({"expires_in": 3600})),
            by_with_json(&ANALYST, &json!({"expires_in": 3600})),
            by_with_json(&WORKLOAD, &json!({"audience": "warehouse"})),
            by_with_json(&ROBOT, &json!({"audience": "robots"})),
            by_with_json(&WORKLOAD, &json!({"audience": "tools"})),
        ],
    );
    let keys = jwks(&serve);
    let verified =
        |at: usize, audience: &str| verifier::verify(&answers[at].token(), &keys, serve.origin(), audience).unwrap();
    let lifetime = |at: usize| answers[at].json()["expires_in"].as_u64();

    assert_eq!(verified(0, SNOWFLAKE).claims["scp"], json!(["session:role:REPORTER"]));
    assert_eq!(answers[0].json()["scope"], "session:role:REPORTER");
    // The shortest of what was asked for (3600), the rule's (600, 900) and the audience's (900).
    assert_eq!((lifetime(0), lifetime(1), lifetime(2)), (Some(60), Some(600), Some(900)));
    assert_eq!(verified(2, SNOWFLAKE).claims["sub"], "JANE.DOE");

    let oauth = verified(3, WAREHOUSE);
    assert_eq!(oauth.typ.as_deref(), Some("at+jwt"));
    assert_eq!(oauth.claims["client_id"], "svc:snowflake-loader");
    assert_eq!(oauth.claims["scope"], "session:role:SNOWFLAKE_LOADER session:role:REPORTER");
    assert_eq!(oauth.claims.get("scp"), None);

    assert_eq!(verified(4, ROBOTS).claims["sub"], "robot:ci-deploy");
    assert_eq!(answers[4].json()["scope"], "");

    let generic = verified(5, TOOLS);
    assert_eq!((generic.alg.as_str(), generic.typ.as_deref()), ("ES256", Some("JWT")));
    assert_eq!(
        generic.claims["aws"],
        json!({
            "account": "444455556666",
            "arn": WORKLOAD.arn,
            "principal_id": WORKLOAD.principal_id,
            "org": "o-exampleorg1",
        })
    );
}

/// Runs `countersign token` with the caller's credentials in its environment, and this secret.
fn countersign_token(serve: &Serve, caller: &Caller, secret: &str, more: &[&str]) -> Output {
    let mut command = tools::isolated(COUNTERSIGN, serve.data_dir());
    with_credentials(&mut command, caller).env("AWS_SECRET_ACCESS_KEY", secret);
    command.args(["token", "--url", serve.origin()]).args(more).output().expect("it starts")
}

#[test]
fn our_own_command_line_prints_the_token_alone() {
    let serve = serve();
    let more = ["--audience", "snowflake", "--expires-in", "120"];
    let output = countersign_token(&serve, &WORKLOAD, WORKLOAD.secret, &more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let token = text(&output.stdout);
    assert_workload_token(&serve, token.trim_end_matches('\n'), 120);
    assert!(!token.trim_end_matches('\n').contains(char::is_whitespace), "{token:?} is not a token alone");

    let scoped = countersign_token(&serve, &WORKLOAD, WORKLOAD.secret, &["--scope", "session:role:REPORTER"]);
    let token = text(&scoped.stdout);
    let verified = verifier::verify(token.trim_end(), &jwks(&serve), serve.origin(), SNOWFLAKE).unwrap();
    assert_eq!(verified.claims["scope"], "session:role:REPORTER");

    // Temporary credentials.
    let output = countersign_token(&serve, &ANALYST, ANALYST.secret, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn our_own_command_line_says_that_it_was_refused() {
    let serve = serve();
    let wrong_secret = countersign_token(&serve, &WORKLOAD, WRONG_SECRET, &[]);
    let wrong_scope = countersign_token(&serve, &WORKLOAD, WORKLOAD.secret, &["--scope", "session:role:OTHER"]);
    for output in [&wrong_secret, &wrong_scope] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(text(&output.stdout), "");
        assert!(!text(&output.stderr).contains("secret/of+"), "{output:?}");
    }
    assert!(text(&wrong_scope.stderr).contains("invalid_scope"), "{wrong_scope:?}");

    let stopped = serve.origin().to_owned();
    drop(serve);
    let home = std::env::temp_dir();
    let mut command = tools::isolated(COUNTERSIGN, &home);
    let output = with_credentials(&mut command, &WORKLOAD).args(["token", "--url", &stopped]).output().unwrap();
    // Nobody answered: that is "could not tell", not a refusal.
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
