//! The commands as a user runs them: what goes to stdout, what to stderr, and the exit code.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::tools::{isolated, workspace_root};

use crate::cases::github;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str], stdin: &str) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut command = isolated(env!("CARGO_BIN_EXE_countersign"), home.path());
    command.current_dir(workspace_root());
    command.arg("trust").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_is_generated_is_json_alone_and_lints_clean() {
    let ran = run(
        &["generate", "github", "--account", "111122223333", "--repository", "acme@1/app@2", "--branch", "main"],
        "",
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        parsed(&ran.stdout),
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": "repo:acme@1/app@2:ref:refs/heads/main",
            } },
        }] })
    );
    let linted = run(&["lint", "-"], &ran.stdout);
    assert_eq!((linted.code, linted.stdout.as_str()), (0, ""), "{}", linted.stderr);
    assert!(
        linted.stderr.contains("jobs of acme/app on the branch main") && linted.stderr.contains("0 errors, 0 warnings"),
        "{}",
        linted.stderr
    );

    let place = ["--account", "111122223333"];
    for arguments in [
        &["gitlab", "--project", "acme/app", "--branch", "main", "--project-id", "7"][..],
        &[
            "kubernetes",
            "--issuer",
            "https://oidc.eks.eu-central-1.amazonaws.com/id/A",
            "--namespace",
            "n",
            "--service-account",
            "s",
        ],
        &[
            "countersign",
            "--issuer",
            "https://id.acme.com",
            "--subject",
            "svc:1",
            "--session-tags",
            "--source-identity",
            "--partition",
            "aws-cn",
        ],
    ] {
        let ran = run(&[&["generate"], arguments, &place].concat(), "");
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(run(&["lint", "-"], &ran.stdout).code, 0, "{arguments:?}");
    }
}

#[test]
fn generate_says_what_deserves_a_thought_and_refuses_bad_values_with_2() {
    let github = ["generate", "github", "--account", "111122223333", "--repository", "acme/app"];
    let wide = run(&[&github[..], &["--branch", "*", "--pull-requests"]].concat(), "");
    assert_eq!(wide.code, 0);
    assert!(
        wide.stderr.contains("warning[ref-wildcard]")
            && wide.stderr.contains("warning[pull-request]")
            && wide.stderr.contains("note: the subject has no ids"),
        "{}",
        wide.stderr
    );
    let many: Vec<String> = (0..60).map(|number| format!("--branch=a-long-name-of-a-branch-{number}")).collect();
    let many: Vec<&str> = github.iter().copied().chain(many.iter().map(String::as_str)).collect();
    assert!(run(&many, "").stderr.contains("more than IAM takes"));
    let environment =
        run(&["generate", "gitlab", "--account", "111122223333", "--project", "a/b", "--environment", "prod"], "");
    assert!(
        environment.code == 0 && environment.stderr.contains("ci_id_token_sub_claim_components"),
        "{}",
        environment.stderr
    );

    for (arguments, words) in [
        (&["--branch", "a b"][..], "--branch \"a b\""),
        (&[], "say which of its jobs"),
        (&["--branch", "main", "--partition", "moon"], "--partition"),
    ] {
        let ran = run(&[&github[..], arguments].concat(), "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    for arguments in [&["generate"][..], &["generate", "github"], &["generate", "jenkins"], &["lint"], &["diff", "a"]] {
        assert_eq!(run(arguments, "").code, 2, "{arguments:?}");
    }
}

#[test]
fn lint_is_1_on_an_error_and_2_when_it_cannot_tell() {
    let wide = github("StringLike", &json!("repo:acme/*"));
    let ran = run(&["lint", "-"], &wide);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("error[owner-wide]: statement 1: repo:acme/*: every repository of acme matches"),
        "{}",
        ran.stderr
    );
    let found = run(&["lint", "--json", file(&wide).path().to_str().unwrap()], "");
    let json = parsed(&found.stdout);
    assert_eq!((found.code, json["ok"].as_bool(), found.stderr.as_str()), (1, Some(false), ""));
    assert_eq!(json["policies"][0]["findings"][0]["code"], "owner-wide");
    assert_eq!(
        json["policies"][0]["admitted"][0]["subjects"][0],
        json!({ "subject": "repo:acme/*", "words": "any repository of acme" })
    );

    let warned = run(&["lint", "-"], &github("StringLike", &json!("repo:acme/app:*")));
    assert!(warned.code == 0 && warned.stderr.contains("warning[repository-wide]"), "{}", warned.stderr);
    let roles = json!({ "Roles": [
        { "RoleName": "good", "AssumeRolePolicyDocument": parsed(&github("StringEquals", &json!("repo:a@1/b@2:environment:x"))) },
        { "RoleName": "bad", "AssumeRolePolicyDocument": parsed(&wide) },
    ] });
    let several = run(&["lint", "-"], &roles.to_string());
    assert!(
        several.code == 1
            && several.stderr.contains("who gets in as good:")
            && several.stderr.contains("2 policies, 1 errors"),
        "{}",
        several.stderr
    );
    for (text, words) in [("", "not JSON"), ("{}", "no trust policy"), ("\u{0}", "not JSON")] {
        let ran = run(&["lint", "--json", "-"], text);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{text}");
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert_eq!(run(&["lint", "/nowhere"], "").code, 2);
    let escape = run(&["lint", "-"], &github("StringEquals", &json!("repo:a/b:ref:refs/heads/\u{1b}[2J")));
    assert!(!escape.stderr.contains('\u{1b}'), "what a stranger wrote commands no terminal");
}

#[test]
fn diff_is_1_when_somebody_gains() {
    let (narrow, wide) =
        (github("StringEquals", &json!("repo:a/b:ref:refs/heads/main")), github("StringLike", &json!("repo:a/b:*")));
    let (narrow, wide) = (file(&narrow), file(&wide));
    let (narrow, wide) = (narrow.path().to_str().unwrap(), wide.path().to_str().unwrap());
    for (old, new, code, words) in [
        (narrow, narrow, 0, "nobody gains and nobody loses"),
        (wide, narrow, 0, "nobody gains\n"),
        (narrow, wide, 1, "somebody gains access"),
    ] {
        let ran = run(&["diff", old, new], "");
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    let found = run(&["diff", "--json", narrow, wide], "");
    assert_eq!((found.code, found.stderr.as_str()), (1, ""));
    assert_eq!(parsed(&found.stdout)["gains"][0]["statement"], 1);
    assert_eq!(parsed(&found.stdout)["losses"], json!([]));
    let twice = r#"{"Version":"2012-10-17","Statement":[],"Statement":[]}"#;
    for (arguments, stdin, words) in [
        (["diff", "-", "-"], "", "only one of the two"),
        (["diff", "-", narrow], twice, "cannot be read in one way only"),
        (["diff", "-", narrow], "x", "not JSON"),
        (["diff", narrow, "/nowhere"], "", "/nowhere"),
    ] {
        let ran = run(&arguments, stdin);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

/// What docs/trust-policies.md shows is what the commands print.
#[test]
fn the_document_shows_what_is_printed() {
    let docs = std::fs::read_to_string(workspace_root().join("docs/trust-policies.md")).unwrap();
    let place = ["generate", "github", "--account", "111122223333", "--repository", "acme@123456/app@456789"];
    let deploy = run(&[&place[..], &["--environment", "production"]].concat(), "").stdout;
    let more = run(&[&place[..], &["--environment", "production", "--branch", "release/*"]].concat(), "").stdout;
    let example = |file| std::fs::read_to_string(workspace_root().join("examples/trust").join(file)).unwrap();
    assert_eq!((deploy.as_str(), more), (example("deploy.json").as_str(), example("deploy-and-releases.json")));
    let linted = run(&["lint", "examples/trust/wide.json"], "").stderr;
    let gained = run(&["diff", "examples/trust/deploy.json", "examples/trust/deploy-and-releases.json"], "").stderr;
    for shown in [deploy, linted, gained] {
        assert!(docs.contains(shown.trim_end()), "docs/trust-policies.md lacks\n{shown}");
    }
}
