//! `exec`: the command is on its own.

use std::fs;
use std::process::Stdio;

use crate::world::{ROLE, World, run};

const SHOW: &str = "env | grep -E '^(AWS|COUNTERSIGN|ACTIONS)_' | cut -d= -f1 | sort";

#[test]
fn the_command_finds_the_credentials_and_no_other_way_to_any() {
    let world = World::new();
    let mut command = world.countersign(&["exec", "--profile", "deploy", "--", "sh", "-c", SHOW]);
    for name in [
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_SECURITY_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
    ] {
        command.env(name, "x");
    }
    let ran = run(command.env("COUNTERSIGN_OAUTH_CLIENT_SECRET", "x"));
    let expected = [
        "AWS_ACCESS_KEY_ID",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL_STS",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ];
    assert_eq!((ran.code, ran.stdout.lines().collect::<Vec<_>>()), (Some(0), expected.to_vec()), "{ran:?}");
    let show = "printf '%s %s' \"$AWS_ACCESS_KEY_ID\" \"$AWS_REGION\"";
    let ran = run(&mut world.countersign(&["exec", "--profile", "deploy", "--", "sh", "-c", show]));
    let (key, region) = ran.stdout.split_once(' ').unwrap();
    assert_eq!((world.sts.session(key).unwrap().role.as_str(), region), (ROLE, "eu-central-1"));
}

#[test]
fn the_region_of_the_profile_that_is_taken_away_stays() {
    let world = World::new();
    fs::create_dir(world.home().join(".aws")).unwrap();
    fs::write(
        world.home().join(".aws/config"),
        "[profile there]\nregion = eu-west-3\naws_access_key_id = AKIARELEASE\naws_secret_access_key = secret/of+ci\n",
    )
    .unwrap();
    let show = "echo \"$AWS_REGION $AWS_DEFAULT_REGION ${AWS_PROFILE-none}\"";
    let mut command = world.countersign(&["exec", "--profile", "deploy", "--", "sh", "-c", show]);
    let ran = run(command.env_remove("AWS_REGION").env("AWS_PROFILE", "there"));
    assert_eq!(ran.stdout, "eu-west-3 eu-west-3 none\n", "{ran:?}");
    // What a compose file leaves empty says nothing.
    let ran = run(command.env("AWS_REGION", "").env("AWS_DEFAULT_REGION", ""));
    assert_eq!(ran.stdout, "eu-west-3 eu-west-3 none\n", "{ran:?}");
}

#[test]
fn exit_code_input_and_signals_are_the_commands_own() {
    let world = World::new();
    let exec = |command: &[&str]| world.countersign(&[&["exec", "--profile", "deploy", "--"], command].concat());
    assert_eq!(run(&mut exec(&["sh", "-c", "exit 42"])).code, Some(42));
    let ran = run(&mut exec(&["no-such-command"]));
    assert!(ran.code == Some(127) && ran.stderr.contains("no-such-command"), "{ran:?}");
    let ran = run(&mut exec(&["/"]));
    assert!(ran.code == Some(126) && ran.stderr.contains("countersign: /: "), "{ran:?}");

    // A signal to the process that was started reaches the command, which ends as it likes.
    let script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = exec(&["bash", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut said = [0; 6];
    std::io::Read::read_exact(&mut output, &mut said).unwrap();
    assert_eq!(&said, b"ready\n");
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(std::io::read_to_string(output).unwrap(), "caught\n");
    // A pipe that nobody reads ends the command as ever: it does not inherit what a Rust program does with SIGPIPE.
    let ran = run(&mut exec(&["bash", "-c", "yes | head -n 1; exit ${PIPESTATUS[0]}"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(141), "y\n"), "{ran:?}");
}

#[test]
fn without_credentials_the_command_does_not_run() {
    let world = World::new();
    let mark = world.home().join("ran");
    let ran = run(world
        .countersign(&["exec", "--profile", "deploy", "--", "touch", mark.to_str().unwrap()])
        .env("AWS_SECRET_ACCESS_KEY", "no"));
    assert_eq!((ran.code, mark.exists()), (Some(1), false), "{ran:?}");
    let ran = run(&mut world.countersign(&["exec", "--profile", "deploy"]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
