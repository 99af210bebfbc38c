//! What is asked of STS, what is printed, and what is refused before anybody is asked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::world::{ISSUER, ROLE, SUBJECT, World, key_of, run};

#[test]
fn every_form_says_the_same_credentials() {
    let world = World::new();
    let process: Value = serde_json::from_str(&run(&mut world.credentials(&[])).stdout).unwrap();
    let text = |name: &str| process[name].as_str().unwrap_or_else(|| panic!("{name} of {process}")).to_owned();
    assert_eq!(process["Version"], 1);
    assert_eq!(process.as_object().unwrap().len(), 5, "SDKs read these and no others");
    let session = world.sts.session(&text("AccessKeyId")).expect("STS gave it");
    assert_eq!(session.arn, "arn:aws:sts::444455556666:assumed-role/deploy/ci-release");
    assert_eq!(session.subject, SUBJECT);
    let expiration: jiff::Timestamp = text("Expiration").parse().unwrap();
    assert_eq!(expiration.as_second(), session.expires);

    let expected = BTreeMap::from([
        ("AWS_ACCESS_KEY_ID", text("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", text("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", text("SessionToken")),
        ("AWS_CREDENTIAL_EXPIRATION", text("Expiration")),
    ]);
    for (format, before) in [("env", ""), ("export", "export ")] {
        let printed = run(&mut world.credentials(&["--format", format])).stdout;
        let lines: BTreeMap<&str, String> = printed
            .lines()
            .map(|line| {
                let (name, value) =
                    line.strip_prefix(before).and_then(|line| line.split_once('=')).expect("NAME=value");
                (name, value.to_owned())
            })
            .collect();
        assert_eq!(lines, expected, "{format}");
    }
    // A shell takes what is meant for it, whatever characters there are in a secret.
    let script = format!(
        "eval \"$({} credentials --profile deploy --format export)\"; printf %s \"$AWS_SECRET_ACCESS_KEY\"",
        env!("CARGO_BIN_EXE_countersign")
    );
    assert_eq!(run(world.program("bash").args(["-c", &script])).stdout, expected["AWS_SECRET_ACCESS_KEY"]);

    let json: Value = serde_json::from_str(&run(&mut world.credentials(&["--format", "json"])).stdout).unwrap();
    for (name, value) in [
        ("access_key_id", text("AccessKeyId")),
        ("secret_access_key", text("SecretAccessKey")),
        ("session_token", text("SessionToken")),
        ("expiration", text("Expiration")),
        ("role_arn", ROLE.to_owned()),
        ("arn", session.arn),
        ("issuer", ISSUER.to_owned()),
        ("subject", SUBJECT.to_owned()),
    ] {
        assert_eq!(json[name], value, "{name}");
    }
    assert_eq!(world.asked(), 1);
}

#[test]
fn what_is_asked_of_sts_is_what_was_said() {
    let world = World::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::444455556666:policy/team/deploy"];
    run(&mut world.credentials(&[
        "--role-session-name",
        "by-hand",
        "--duration-seconds",
        "1800",
        "--policy",
        policy,
        "--policy-arn",
        arns[0],
        "--policy-arn",
        arns[1],
    ]));
    let [call] = &world.sts.calls()[..] else { panic!("{:?}", world.sts.calls()) };
    assert_eq!(
        (call.role.as_str(), call.session_name.as_str(), call.duration.as_deref()),
        (ROLE, "by-hand", Some("1800"))
    );
    assert_eq!((call.policy.as_deref(), &call.policy_arns[..]), (Some(policy), &arns.map(str::to_owned)[..]));
}

#[test]
fn what_is_wrong_is_said_before_anybody_is_asked() {
    let world = World::new();
    let url = world.issuer.origin().to_owned();
    let flags = ["credentials", "--url", &url, "--role-arn", ROLE];
    for (arguments, expected) in [
        (vec!["credentials"], "where does the token come from?"),
        (vec!["credentials", "--url", &url], "which role?"),
        (vec!["credentials", "--github", "--url", &url], "url and github are two"),
        (vec!["credentials", "--profile", "nobody"], "there is no profile nobody in"),
        ([&flags[..], &["--scope", "x"]].concat(), "scope does nothing"),
        ([&flags[..], &["--duration-seconds", "60"]].concat(), "900"),
        ([&flags[..], &["--duration-seconds", "43201"]].concat(), "43200"),
        ([&flags[..], &["--role-session-name", "x"]].concat(), "2"),
        ([&flags[..], &["--role-session-name", "a b"]].concat(), "--role-session-name"),
        ([&flags[..], &["--policy", "no json"]].concat(), "--policy"),
        ([&flags[..], &["--region", "cn-north-1"]].concat(), "cn-north-1"),
        (vec!["credentials", "--url", &url, "--role-arn", "deploy"], "--role-arn"),
        (vec!["credentials", "--url", "http://id.acme.com", "--role-arn", ROLE], "https"),
    ] {
        let ran = run(&mut world.countersign(&arguments));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{arguments:?}: {}", ran.stderr);
    }
    let ran = run(world.credentials(&[]).env("COUNTERSIGN_DURATION_SECONDS", "60"));
    assert!(ran.code == Some(2) && ran.stderr.contains("COUNTERSIGN_DURATION_SECONDS"), "{ran:?}");
    assert_eq!(world.asked(), 0);
}

#[test]
fn a_profile_is_a_file_that_is_read_strictly() {
    let world = World::new();
    for (text, expected) in [
        ("[profiles.deploy]\nurl = 'https://id.acme.com'\nrole = 'x'\n", "config.toml:3: unknown field `role`"),
        ("[profiles.deploy]\nurl = 'http://id.acme.com'\n", "config.toml:2: "),
        ("[profiles.deploy]\nduration_seconds = 60\n", "config.toml:2: "),
        ("[profiles.deploy\n", "config.toml:1: "),
        ("[profile.deploy]\n", "config.toml:1: unknown field `profile`"),
        ("[profiles.deploy]\nweb_identity_token_file = 'token'\n", "write an absolute path"),
        ("[profiles.other]\n", "it has other"),
    ] {
        world.configure(text);
        let ran = run(&mut world.credentials(&[]));
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{text}: {}", ran.stderr);
    }
    fs::set_permissions(world.config(), fs::Permissions::from_mode(0o666)).unwrap();
    let ran = run(&mut world.credentials(&[]));
    assert!(ran.code == Some(2) && ran.stderr.contains("everybody can write to it (mode 666)"), "{ran:?}");
    fs::remove_file(world.config()).unwrap();
    let ran = run(&mut world.credentials(&[]));
    assert!(ran.code == Some(2) && ran.stderr.contains("config.toml does not exist"), "{ran:?}");
}

#[test]
fn flags_win_over_variables_and_variables_over_the_profile() {
    let world = World::new();
    world.configure(&format!(
        "[profiles.deploy]\nurl = '{}'\nrole_arn = '{ROLE}'\nrole_session_name = 'profile'\n",
        world.issuer.origin()
    ));
    let names = || -> Vec<String> { world.sts.calls().into_iter().map(|call| call.session_name).collect() };
    key_of(&run(&mut world.credentials(&[])));
    key_of(&run(world.credentials(&[]).env("COUNTERSIGN_ROLE_SESSION_NAME", "variable")));
    key_of(&run(world.credentials(&["--role-session-name", "flag"]).env("COUNTERSIGN_ROLE_SESSION_NAME", "variable")));
    assert_eq!(names(), ["profile", "variable", "flag"]);
    // An empty variable says nothing, and the profile may be named by one too.
    let ran = run(world
        .countersign(&["credentials"])
        .env("COUNTERSIGN_PROFILE", "deploy")
        .env("COUNTERSIGN_ROLE_SESSION_NAME", ""));
    key_of(&ran);
    assert_eq!(names().len(), 3, "it was kept");
    let ran = run(world
        .countersign(&["credentials"])
        .env("XDG_CONFIG_HOME", world.home().join(".config"))
        .env("COUNTERSIGN_PROFILE", "deploy"));
    key_of(&ran);
    assert_eq!(names().len(), 3, "the same file");
}

#[test]
fn a_refusal_of_the_issuer_and_one_of_sts_end_with_1_and_say_who_refused_what() {
    let world = World::new();
    let ran = run(world.credentials(&[]).env("AWS_SECRET_ACCESS_KEY", "another"));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.contains("wrong secret key"), "{}", ran.stderr);
    assert_eq!(world.asked(), 0);
    world.trust("ci:somebody-else");
    let ran = run(&mut world.credentials(&[]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    for expected in ["AccessDenied", "id.test:sub", SUBJECT, "sts.amazonaws.com", "trust lint"] {
        assert!(ran.stderr.contains(expected), "{expected} is not in {}", ran.stderr);
    }
}
