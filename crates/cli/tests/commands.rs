//! The commands as a user runs them: what goes to stdout, what to stderr, and the exit code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::serve::{Serve, Setup};
use testkit::tools::{isolated, workspace_root};

const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, &[], "")
}

fn run_with(arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut command = isolated(COUNTERSIGN, home.path());
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn example(file: &str) -> String {
    workspace_root().join("examples").join(file).to_str().unwrap().to_owned()
}

fn written(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

const LOADER: &str = "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0";

#[test]
fn demo_tells_the_whole_story() {
    let ran = run(&["demo"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for words in [
        "the token is valid",
        "\"sub\": \"JANE\"",
        "ok       signature: RS256",
        "403: {\"error\":\"access_denied\"",
        "no rule allows it",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
}

#[test]
fn demo_leaves_nothing_behind_when_it_is_interrupted() {
    let temporary = tempfile::tempdir().unwrap();
    for delay in [30, 60, 90, 150, 300] {
        let mut child = isolated(COUNTERSIGN, temporary.path())
            .arg("demo")
            .env("TMPDIR", temporary.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Wherever it is by then, it has to clean up; before it listens for signals there is nothing to clean.
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let signal = if delay % 60 == 0 { "-INT" } else { "-TERM" };
        let _ = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "after {delay} ms");
    }
}

#[test]
fn a_bad_flag_is_2() {
    for arguments in [
        &["nothing"][..],
        &["serve", "--port", "1"],
        &["token"],
        &["verify", "x"],
        &["policy", "check", "/nowhere.yaml"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn check_of_the_examples_is_0_with_warnings() {
    let ran = run(&["policy", "check", &example("policy.yaml")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning: rules[1].when: no `role_id`") && ran.stderr.contains("ok: 5 rules"),
        "{}",
        ran.stderr
    );
    let ran = run(&["policy", "check", "--json", &example("organisation.yaml")]);
    let found = json(&ran.stdout);
    assert_eq!((ran.code, found["ok"].as_bool(), found["errors"].as_array().map(Vec::len)), (0, Some(true), Some(0)));
    assert!(found["warnings"].as_array().unwrap().iter().all(|warning| warning["line"].as_u64() > Some(1)));
}

#[test]
fn json_is_what_the_functions_read_and_says_the_same_from_either_form() {
    let file = example("policy.yaml");
    let ran = run(&["policy", "json", &file]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(json(&ran.stdout)["rules"][0]["grant"]["lifetime"], "15m");
    assert_eq!(ran.stdout.lines().count(), 1);

    let again = run_with(&["policy", "json", "-"], &[], &ran.stdout);
    assert_eq!((again.code, again.stdout), (0, ran.stdout.clone()));
    let checked = run_with(&["policy", "check", "-"], &[], &ran.stdout);
    assert_eq!(checked.code, 0, "{}", checked.stderr);

    let bad = run_with(&["policy", "json", "-"], &[], "version: 2");
    assert_eq!((bad.code, bad.stdout.as_str()), (1, ""));
    assert!(bad.stderr.contains("does not load"), "{}", bad.stderr);
    assert_eq!(run(&["policy", "json", "/nowhere.yaml"]).code, 2);
}

#[test]
fn check_shows_every_mistake_with_line_and_key() {
    let file = written(
        "version: 1\naudiences:\n  x: { aud: x, profil: generic }\nrules:\n  - name: a\n    when: { kind: role, account: [111122223333], role: ab }\n    grant:\n      audiences: [x, y]\n      subject: \"{rolle}\"\n      lifetime:\n",
    );
    let path = file.path().to_str().unwrap();
    let ran = run(&["policy", "check", path]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    for line in [
        "3: error: audiences.x.profil: unknown field `profil`, expected one of",
        "3: error: audiences.x.profile: is missing",
        "6: error: rules[0].when.account[0]: a number where a string is needed: write \"111122223333\"",
        "6: error: rules[0].when.role: a bare string where a list is needed: write [\"ab\"]",
        "8: error: rules[0].grant.audiences[1]: there is no audience `y`",
        "9: error: rules[0].grant.subject: `{rolle}`: no field is called `rolle`",
        "10: error: rules[0].grant.lifetime: no value",
    ] {
        assert!(ran.stderr.contains(&format!("{path}:{line}")), "{line}\n{}", ran.stderr);
    }
    let found = json(&run(&["policy", "check", "--json", path]).stdout);
    assert_eq!((found["ok"].as_bool(), found["errors"][0]["line"].as_u64()), (Some(false), Some(3)));
    let ran = run(&["policy", "check", written("a: 1\na: &x 2\nb: [").path().to_str().unwrap()]);
    assert!(
        ran.code == 1 && ran.stderr.contains(":2: error: a: this key appears twice") && ran.stderr.contains("anchors"),
        "{}",
        ran.stderr
    );
}

#[test]
fn explain_says_which_rule_decides_and_what_the_token_would_say() {
    let policy = example("policy.yaml");
    let ran = run(&[
        "policy",
        "explain",
        "--policy",
        &policy,
        "--arn",
        LOADER,
        "--json",
        "--issuer-url",
        "https://id.acme.com",
    ]);
    let said = json(&ran.stdout);
    assert_eq!((ran.code, said["issued"].as_bool(), said["audience"].as_str()), (0, Some(true), Some("snowflake")));
    assert_eq!(said["token"]["claims"]["sub"], "svc:444455556666:snowflake-loader");
    assert_eq!(said["token"]["claims"]["iss"], "https://id.acme.com");
    assert_eq!(said["rules"][1], json!({ "rule": "workloads", "effect": "allow", "verdict": "decides" }));
    assert_eq!(
        said["rules"][0],
        json!({ "rule": "analysts", "effect": "allow", "verdict": "does_not_match", "field": "kind", "caller_has": "role" })
    );
    let stranger = LOADER.replace("444455556666", "999999999999");
    let ran = run(&["policy", "explain", "--policy", &policy, "--arn", &stranger, "--audience", "snowflake"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("workloads (allow) account does not match: the caller's is 999999999999"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("refused: no audience for this caller; of this one: no rule allows it"),
        "{}",
        ran.stderr
    );
    let ran = run(&["policy", "explain", "--policy", &policy, "--arn", "arn:aws:iam::111122223333:root", "--json"]);
    assert_eq!((ran.code, json(&ran.stdout)["reason"].as_str()), (1, Some("the root user is never accepted")));
    let pinned = [
        "policy",
        "explain",
        "--policy",
        &example("organisation.yaml"),
        "--audience",
        "grafana",
        "--arn",
        "arn:aws:sts::444455556666:assumed-role/pinned/app",
    ];
    assert_eq!(run(&pinned).code, 1);
    assert_eq!(run(&[&pinned[..], &["--principal-id", "AROAPINNED23456789012:app"]].concat()).code, 0);
    assert_eq!(run(&["policy", "explain", "--policy", "/nowhere", "--arn", LOADER]).code, 2);
    let bad = written("version: 2");
    assert_eq!(run(&["policy", "explain", "--policy", bad.path().to_str().unwrap(), "--arn", LOADER]).code, 1);
    let org = |id| {
        ["policy", "explain", "--policy", &policy, "--arn", LOADER, "--allowed-org-ids", "o-ours", "--org-id", id]
            .map(str::to_owned)
    };
    let with_org = |id| run(&org(id).iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(with_org("o-ours").code, 0);
    let other = with_org("o-theirs");
    assert!(other.code == 1 && other.stderr.contains("the caller's organisation is o-theirs"), "{}", other.stderr);
}

#[test]
fn explain_speaks_of_the_audience_that_was_asked_for() {
    let file = written(
        "version: 1\naudiences: { a: { aud: a, profile: generic }, z: { aud: z, profile: generic } }\nrules:\n  - { name: a, when: { kind: role, account: [\"444455556666\"] }, grant: { audiences: [a], subject: \"{role}\" } }\n  - { name: z, when: { kind: role, account: [\"444455556666\"] }, grant: { audiences: [z], subject: \"z:{role_id}\" } }\n  - { name: no, effect: deny, when: { role: [\"*\"] }, audiences: [a] }\n",
    );
    let path = file.path().to_str().unwrap();
    let ran = run(&["policy", "explain", "--policy", path, "--arn", LOADER, "--audience", "a"]);
    assert!(ran.code == 1 && ran.stderr.contains("=> no (deny) decides"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("refused: no audience for this caller; of this one: the rule `no` denies it"),
        "{}",
        ran.stderr
    );
    let root =
        run(&["policy", "explain", "--policy", path, "--arn", "arn:aws:iam::444455556666:root", "--audience", "a"]);
    assert!(root.stderr.contains("audience  a\n"), "{}", root.stderr);
    let everything = written(
        "version: 1\naudiences: { a: { aud: a, profile: generic } }\nrules:\n  - { name: a, when: { kind: role, account: [\"444455556666\"] }, grant: { audiences: [a], subject: \"{role}\" } }\n  - { name: no, effect: deny, when: { role: [\"*\"] } }\n",
    );
    let ran = run(&["policy", "explain", "--policy", everything.path().to_str().unwrap(), "--arn", LOADER]);
    assert!(ran.stderr.contains("=> no (deny) decides"), "{}", ran.stderr);
}

#[test]
fn output_that_cannot_be_written_is_2() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let home = tempfile::tempdir().unwrap();
    let schema =
        isolated(COUNTERSIGN, home.path()).args(["policy", "schema"]).stdout(full()).stderr(Stdio::null()).status();
    assert_eq!(schema.unwrap().code(), Some(2));
    // What is said to people is best effort, and changes no exit code.
    let check =
        isolated(COUNTERSIGN, home.path()).args(["policy", "check", &example("policy.yaml")]).stderr(full()).status();
    assert_eq!(check.unwrap().code(), Some(0));
    let (serve, environment) = serve();
    let mut token = isolated(COUNTERSIGN, home.path());
    token.args(["token", "--url", serve.origin()]).envs(environment).stdout(full()).stderr(Stdio::null());
    assert_eq!(token.status().unwrap().code(), Some(2), "no token was written");
    token.stdout(std::fs::File::open("/dev/null").unwrap());
    assert_eq!(token.status().unwrap().code(), Some(2), "a descriptor for reading only");
}

#[test]
fn nothing_but_a_token_is_printed_as_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers = [
        r#"{"token":""}"#,
        r#"{"token":"\u001b]0;pwned\u0007"}"#,
        r#"{"token":"a.b"}"#,
        r#"{"token":"a\nb.c.d"}"#,
        "{}",
        "x",
    ];
    let server = std::thread::spawn(move || {
        for body in answers {
            use std::io::Read as _;
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                .unwrap();
        }
    });
    for body in answers {
        let ran =
            run_with(&["token", "--url", &url], &[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")], "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{body}: {}", ran.stderr);
    }
    server.join().unwrap();
}

#[test]
fn the_schema_is_for_editors() {
    let ran = run(&["policy", "schema"]);
    let schema = json(&ran.stdout);
    assert_eq!((ran.code, schema["title"].as_str()), (0, Some("Countersign policy")));
    assert_eq!(schema["additionalProperties"], false);
    assert!(!ran.stdout.contains("\"null\""), "nothing may be null");
    assert!(schema["$defs"]["RuleDocument"]["required"].as_array().unwrap().contains(&json!("name")));
}

/// A server with one role, whose key is in the environment of `run_with`.
#[test]
fn completions_are_what_the_shell_loads() {
    for (arguments, shell) in [(&["completions", "bash"][..], ""), (&["completions"], "/usr/bin/bash")] {
        let ran = run_with(arguments, &[("SHELL", shell)], "");
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        // bash itself says what it would complete.
        let asked = format!(
            "{}\nCOMP_WORDS=(countersign pol) COMP_CWORD=1; _countersign countersign pol countersign; echo \"${{COMPREPLY[@]}}\"",
            ran.stdout
        );
        let bash = std::process::Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
        assert_eq!(String::from_utf8(bash.stdout).unwrap(), "policy\n");
    }
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        assert!(run(&["completions", shell]).stdout.contains("rotate"), "{shell}");
    }
    assert_eq!(run_with(&["completions"], &[("SHELL", "/bin/unheard-of")], "").code, 2);
    assert_eq!(run(&["completions", "tcsh"]).code, 2);
}

fn serve() -> (Serve, [(&'static str, &'static str); 2]) {
    let credentials = format!("- access_key_id: AKIATEST\n  secret_access_key: s3cr3t\n  arn: {LOADER}\n");
    let serve = Setup::new(COUNTERSIGN).file("credentials.yaml", &credentials).start();
    (serve, [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")])
}

#[test]
fn token_prints_the_token_alone_and_verify_checks_it() {
    let (serve, environment) = serve();
    let ran = run_with(&["token", "--url", serve.origin()], &environment, "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.split('.').count() == 3 && !ran.stdout.ends_with('\n'),
        "no newline into a pipe: {}",
        ran.stdout
    );
    let token = ran.stdout;

    let issuer = serve.origin();
    let checked =
        run(&["verify", &token, "--issuer", issuer, "--audience", "https://acme-prod.snowflakecomputing.com"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, ""), "{}", checked.stderr);
    assert!(checked.stderr.contains("the token is valid"));
    let checked = run_with(&["verify", "-", "--issuer", issuer, "--json"], &[], &format!("{token}\n"));
    assert_eq!((checked.code, json(&checked.stdout)["valid"].as_bool()), (0, Some(true)));
    let checked = run(&["verify", &token, "--issuer", issuer, "--audience", "other", "--json"]);
    assert_eq!((checked.code, json(&checked.stdout)["problems"][0]["code"].as_str()), (1, Some("audience")));
    let (start, end) = token.rsplit_once('.').unwrap();
    let forged = format!("{start}.{}{}", if end.starts_with('A') { "B" } else { "A" }, end.get(1..).unwrap());
    let checked = run(&["verify", &forged, "--issuer", issuer, "--json"]);
    assert_eq!((checked.code, json(&checked.stdout)["problems"][0]["code"].as_str()), (1, Some("signature")));
    assert_eq!(run(&["verify", "nonsense", "--issuer", issuer]).code, 1);
    assert_eq!(run(&["verify", &token, "--issuer", "http://127.0.0.1:1"]).code, 2, "nobody there");
    assert_eq!(run(&["verify", &token, "--issuer", "http://id.acme.com"]).code, 2, "plain http elsewhere");
    let other = issuer.replace("127.0.0.1", "localhost");
    assert_eq!(run(&["verify", &token, "--issuer", &other]).code, 2, "the document is of another issuer");
}

#[test]
fn token_asks_for_what_is_wanted() {
    let (serve, environment) = serve();
    let ran = run_with(
        &[
            "token",
            "--url",
            serve.origin(),
            "--json",
            "--expires-in",
            "90",
            "--audience",
            "snowflake",
            "--scope",
            "session:role:SNOWFLAKE_LOADER",
        ],
        &environment,
        "",
    );
    let answer = json(&ran.stdout);
    assert_eq!((ran.code, answer["expires_in"].as_u64(), answer["token_type"].as_str()), (0, Some(90), Some("Bearer")));
    assert_eq!(answer["scope"], "session:role:SNOWFLAKE_LOADER");
}

#[test]
fn token_explains_refusals() {
    let (serve, environment) = serve();
    let url = serve.origin();
    let wrong = [environment[0], ("AWS_SECRET_ACCESS_KEY", "wrong")];
    let unknown = [("AWS_ACCESS_KEY_ID", "AKIAOTHER"), environment[1]];
    for (arguments, environment, words) in [
        (vec!["token", "--url", url], &wrong, "wrong secret key"),
        (vec!["token", "--url", url], &unknown, "AWS does not know these credentials"),
        (vec!["token", "--url", url, "--audience", "nobody"], &environment, "invalid_target"),
        (vec!["token", "--url", url, "--scope", "nothing"], &environment, "leave --scope out"),
        (vec!["token", "--url", url, "--expires-in", "5"], &environment, "at least 60"),
    ] {
        let ran = run_with(&arguments, environment, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains("request id"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("s3cr3t"));
    }
    let none = run_with(&["token", "--url", url], &[], "");
    assert!(none.code == 2 && none.stderr.contains("no AWS credentials found"), "{}", none.stderr);
    assert_eq!(run_with(&["token", "--url", "http://127.0.0.1:1"], &environment, "").code, 2);
    assert_eq!(run_with(&["token", "--url", "http://id.acme.com"], &environment, "").code, 2);
    serve.replace_file("policy.yaml", "{ version: 1, audiences: {}, rules: [] }");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let ran = run_with(&["token", "--url", url], &environment, "");
    assert!(ran.code == 1 && ran.stderr.contains("policy gives this caller nothing"), "{}", ran.stderr);
}

#[test]
fn the_example_policies_fit_the_schema() {
    let python = testkit::tools::python();
    let schema = written(&run(&["policy", "schema"]).stdout);
    let script = "import sys, json, yaml, jsonschema\nschema = json.load(open(sys.argv[1]))\njsonschema.Draft202012Validator.check_schema(schema)\njsonschema.validate(yaml.safe_load(open(sys.argv[2])), schema)";
    let fits = |policy: &Path| {
        let status = std::process::Command::new(&python)
            .args(["-c", script])
            .arg(schema.path())
            .arg(policy)
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    };
    for file in ["policy.yaml", "organisation.yaml"] {
        assert!(fits(Path::new(&example(file))), "{file}");
    }
    for bad in [
        "{ version: 1, audiences: {}, rules: [{}] }",
        "{ version: 2, audiences: {}, rules: [] }",
        "{ version: 1, audiences: {}, rules: [], more: 1 }",
    ] {
        assert!(!fits(written(bad).path()), "{bad}");
    }
}
