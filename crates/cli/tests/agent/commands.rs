//! What the command takes and what it says: flags, the status, exit codes.

use serde_json::Value;

use crate::running::{Agent, until};
use crate::world::{ROLE, World, run, write};

/// `agent` with these arguments, which does not run: exit 2, and why.
fn why(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let ran = run(world.agent(arguments).envs(variables.iter().copied()));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ran:?}");
    ran.stderr
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_done() {
    let world = World::new();
    let url = world.issuer.origin();
    world.configure(&format!(
        "[profiles.deploy]\nurl = '{url}'\nrole_arn = '{ROLE}'\n[profiles.status]\ngithub = true\n[profiles.half]\ngithub = true\n"
    ));
    let idp =
        ["--role-arn", ROLE, "--audience", "x", "--oauth-token-url", "https://id.test/", "--oauth-client-id", "x"];
    let two = ["--profile", "deploy", "--profile", "half"];
    for (arguments, variables, expected) in [
        (&[][..], &[][..], "where does the token come from?"),
        (&["--profile", "nobody"], &[], "there is no profile nobody"),
        (&["--profile", "half"], &[], "profile half: which role?"),
        (&two, &[], "profile half: which role?"),
        (&["--profile", "status"], &[], "the agent's own status is at /status"),
        (&["--profile", ".."], &[], "is no path"),
        (&["--profile", "deploy", "--profile", "deploy"], &[], "--profile deploy: once is enough"),
        (&[&two[..], &["--role-arn", ROLE]].concat(), &[], "with several profiles, each says everything itself"),
        (&two, &[("COUNTERSIGN_ROLE_ARN", ROLE)], "with several profiles, each says everything itself"),
        (&["--status", "--profile", "deploy"], &[], "cannot be used with"),
        (&["--status", "--role-arn", ROLE], &[], "cannot be used with"),
        (&["--profile", "deploy", "--json"], &[], "--json goes with --status"),
        (&["--web-identity-token-file", "/dev/stdin", "--role-arn", ROLE], &[], "/dev/stdin: it is no file"),
        (
            &[&idp[..], &["--oauth-client-secret-file", "/dev/stdin"]].concat(),
            &[],
            "/dev/stdin: it is no file, and it is read for each renewal",
        ),
        (
            &["--profile", "deploy", "--token-file", "/proc/self/token"],
            &[],
            "cannot write the authorization token to /proc/self/token",
        ),
    ] {
        let why = why(&world, arguments, variables);
        assert!(why.contains(expected), "{arguments:?}: {why}");
    }
    for address in ["0.0.0.0:8911", "192.0.2.1:8911", "[::]:8911", "[::ffff:127.0.0.1]:8911"] {
        let ran = run(&mut world.countersign(&["agent", "--profile", "deploy", "--listen", address]));
        assert!(ran.code == Some(2) && ran.stderr.contains("is not a loopback address"), "{ran:?}");
    }
    assert_eq!(world.asked(), 0);
}

#[test]
fn one_role_can_be_said_by_flags_by_variables_and_by_a_profile_that_either_changes() {
    let world = World::new();
    let url = world.issuer.origin();
    for (arguments, variables, path, session) in [
        (&["--url", url, "--role-arn", ROLE][..], &[][..], "/default", "ci-release"),
        (&[], &[("COUNTERSIGN_PROFILE", "deploy")], "/default", "ci-release"),
        (&["--profile", "deploy", "--role-session-name", "agent"], &[], "/deploy", "agent"),
        (&["--profile", "deploy"], &[("COUNTERSIGN_ROLE_SESSION_NAME", "agent")], "/deploy", "agent"),
    ] {
        let mut command = world.agent(arguments);
        command.envs(variables.iter().copied());
        let agent = Agent::start(command);
        let got = agent.get(path);
        let arn = world.sts.session(got.key().unwrap_or_else(|| panic!("{got:?}"))).unwrap().arn;
        assert!(arn.ends_with(&format!("/{session}")), "{arn}");
        assert_eq!((agent.stop().0, &got.body["RoleArn"]), (Some(0), &Value::from(ROLE)));
    }
}

#[test]
fn the_status_is_a_table_and_the_exit_code_says_whether_all_is_well() {
    let world = World::new();
    let url = world.issuer.origin();
    let nobody = "arn:aws:iam::444455556666:role/nobody";
    world.configure(&format!(
        "[profiles.deploy]\nurl = '{url}'\nrole_arn = '{ROLE}'\n[profiles.other]\nurl = '{url}'\nrole_arn = '{nobody}'\n"
    ));
    let good = Agent::start(world.agent(&["--profile", "deploy"]));
    let both = Agent::start(world.agent(&["--profile", "deploy", "--profile", "other"]));
    until("it was refused", || both.row("other")["failure"].is_object().then_some(()));
    until("it was given", || good.get("/deploy").key().map(drop));
    let status = |agent: &Agent, more: &[&str]| {
        let address = agent.address.to_string();
        let mut command = world.countersign(&[&["agent", "--status", "--listen", &address], more].concat());
        run(command.env("XDG_RUNTIME_DIR", world.home().join("run")))
    };

    let ran = status(&good, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME    WHAT") && lines[0].ends_with("NEXT RENEWAL") && lines.len() == 2, "{ran:?}");
    assert!(lines[1].starts_with(&format!("deploy  {ROLE}  good   in 59 minutes  in 3")), "{ran:?}");

    let ran = status(&both, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains(&format!("other   {nobody}  NONE")), "{ran:?}");
    assert!(ran.stdout.contains(" ago: ") && ran.stdout.contains("AccessDenied"), "{ran:?}");
    let ran = status(&both, &["--json"]);
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
    let [deploy, other] = &rows["credentials"].as_array().unwrap()[..] else { panic!("{rows}") };
    assert_eq!((ran.code, deploy["renewals"].as_u64(), &deploy["failure"]), (Some(1), Some(1), &Value::Null));
    assert!(
        deploy["ends_at"].is_string() && other["ends_at"].is_null() && other["failure"]["refused"] == true,
        "{rows}"
    );
    let got = both.get("/other");
    assert!(got.status == 503 && got.why().starts_with(&format!("no credentials of {nobody}: ")), "{got:?}");
    assert_eq!(both.get("/deploy").status, 200, "one that cannot be had keeps no other from being served");

    // Somebody else listens there.
    let right = good.token();
    write(&good.token_file(), &both.token());
    let ran = status(&good, &[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("HTTP status 403: the authorization token is"), "{ran:?}");
    write(&good.token_file(), "something else");
    let ran = status(&good, &[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("`countersign agent` did not write it"), "{ran:?}");
    write(&good.token_file(), &right);
    let (address, file) = (good.address.to_string(), good.token_file());
    good.stop();
    let ran = run(world
        .countersign(&["agent", "--status", "--listen", &address])
        .env("XDG_RUNTIME_DIR", world.home().join("run")));
    assert!(ran.code == Some(2) && ran.stderr.contains(&format!("no agent of yours at {address}: ")), "{ran:?}");
    assert!(!file.exists());
    // One that was killed left its token.
    let (address, file) = (both.address.to_string(), both.token_file());
    drop(both);
    assert!(file.exists());
    let ran = run(world
        .countersign(&["agent", "--status", "--listen", &address])
        .env("XDG_RUNTIME_DIR", world.home().join("run")));
    assert!(ran.code == Some(2) && ran.stderr.contains(&format!("no agent of yours at {address}: asking")), "{ran:?}");
}

#[test]
fn an_agent_does_not_sign_with_what_it_hands_out() {
    let world = World::new();
    // A port that is free now and was named before.
    let first = Agent::start(world.agent(&["--profile", "deploy"]));
    let address = first.address.to_string();
    first.stop();
    let mut command = world.countersign(&["agent", "--profile", "deploy", "--listen", &address]);
    command.env("XDG_RUNTIME_DIR", world.home().join("run")).env_remove("AWS_ACCESS_KEY_ID");
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/deploy"));
    let agent = Agent::start(command);
    assert!(agent.stderr().contains("names this agent: it cannot sign with credentials of its own"));
    until("it says so", || agent.row("deploy")["failure"]["why"].as_str().map(drop));
    assert_eq!(agent.get("/deploy").status, 503);
}

#[test]
fn what_another_program_wrote_commands_no_terminal() {
    let world = World::new();
    let process = world.home().join("process");
    write(&process, "#!/bin/sh\nprintf '\\033[2J' >&2\nexit 1\n");
    std::fs::set_permissions(&process, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    write(
        &world.home().join(".aws/config"),
        &format!("[profile signer]\ncredential_process = {}\n", process.display()),
    );
    let agent = Agent::start(world.agent(&["--profile", "deploy", "--aws-profile", "signer"]));
    let address = agent.address.to_string();
    let shown = until("it is said", || {
        let mut status = world.countersign(&["agent", "--status", "--listen", &address]);
        let ran = run(status.env("XDG_RUNTIME_DIR", world.home().join("run")));
        (agent.stderr().contains("[2J") && ran.stdout.contains("[2J")).then_some(ran.stdout)
    });
    assert!(!shown.contains('\u{1b}') && !agent.stderr().contains('\u{1b}'), "{shown:?}");
}
