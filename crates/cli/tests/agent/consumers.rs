//! AWS's own programs, unchanged, which find the agent by the variables that it prints.
//!
//! STS checks each of their calls: signature, session token, end. Sessions are of seconds, which is less than any SDK thinks of: the
//! one for Python asks the agent before each call in the last quarter of an hour, the one for JavaScript in the last five minutes,
//! the one for Rust in the last ten seconds, and the AWS CLI each time that it is started. So all of them ask for each call here, and
//! get what the agent holds.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::tools::{js_modules, node, python, workspace_root};

use crate::running::Agent;
use crate::world::{Ran, SUBJECT, World, ran, run};

/// So short is a session; so long if the machine does much else. It is renewed in its last third, and not handed out in its last
/// quarter.
const LIFETIME: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(20)];
/// Five refreshes.
const SESSIONS: usize = 6;
/// How the programs call themselves.
const PROGRAMS: [&str; 4] = ["aws-cli/", "Boto3/", "aws-sdk-js/", "aws-sdk-rust/"];

impl World {
    /// A program that has nothing but what the agent printed for this role.
    pub(crate) fn client(&self, agent: &Agent, role: &str, program: impl AsRef<std::path::Path>) -> Command {
        let mut command = self.consumer(program);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").envs(agent.exports(role));
        // boto3 and version 1 of the AWS CLI read no other.
        command.env("AWS_DEFAULT_REGION", "eu-central-1");
        command
    }
}

/// A program that works until its standard input ends.
fn begin(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(mut child: Child) -> Ran {
    drop(child.stdin.take());
    ran(child.wait_with_output().unwrap())
}

#[test]
fn programs_of_four_languages_work_on_over_five_refreshes() {
    let world = World::new();
    let call = |agent: &Agent| {
        let ran = run(world.client(agent, "deploy", "aws").args(["sts", "get-caller-identity"]));
        assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/ci-release"), "{ran:?}");
    };
    let agent = Agent::start(world.agent(&["--profile", "deploy"]));
    call(&agent);
    let began = Instant::now();
    call(&agent);
    let lifetime = (began.elapsed() * 4).clamp(LIFETIME[0], LIFETIME[1]);
    drop(agent);

    world.sts.lifetime(lifetime);
    let before = world.given().len();
    let agent = Agent::start(world.agent(&["--profile", "deploy"]));
    let tests = workspace_root().join("crates/cli/tests");
    let mut boto3 = world.client(&agent, "deploy", python());
    boto3.arg(tests.join("credentials/load.py")).arg("import boto3\nsts = boto3.client('sts')");
    let mut js = world.client(&agent, "deploy", node());
    js.arg(tests.join("agent/load.mjs")).env("NODE_MODULES", js_modules());
    let mut rust = world.client(&agent, "deploy", std::env::current_exe().unwrap());
    rust.args(["--ignored", "--exact", "consumers::the_rust_sdk", "--nocapture"]);
    let loads = [&mut boto3, &mut js, &mut rust].map(begin);

    let began = Instant::now();
    while PROGRAMS.iter().any(|program| world.used_by(program).len() < SESSIONS) {
        assert!(began.elapsed() < 15 * lifetime, "{:?}", PROGRAMS.map(|program| world.used_by(program).len()));
        call(&agent);
    }
    for load in loads.map(end) {
        assert_eq!(load.code, Some(0), "{load:?}");
    }

    let (elapsed, given) = (began.elapsed(), world.given().split_off(before));
    for program in PROGRAMS {
        let calls = world.sts.consumed();
        let calls = calls.iter().filter(|call| call.user_agent.starts_with(program)).count();
        println!("{program} {calls} calls with {} sessions, none refused", world.used_by(program).len());
    }
    println!("{} sessions of {lifetime:.1?} in {elapsed:.1?}", given.len());
    // STS counts in whole seconds, and a fifth of the last third is chance.
    let soonest = lifetime.saturating_sub(Duration::from_secs(1)).mul_f64(0.6);
    let least = soonest * u32::try_from(given.len() - 2).unwrap();
    assert!(least <= elapsed, "{} sessions in {elapsed:?}", given.len());
    assert!(world.sts.consumed().len() > 10 * given.len(), "that is no load");
    assert!(given.iter().all(|key| world.sts.session(key).is_some_and(|session| session.subject == SUBJECT)));
    assert!(!world.cache().exists(), "nothing is kept");
}

/// One client of AWS's SDK for Rust under load: four calls at a time, until standard input ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is the program of another test"]
async fn the_rust_sdk() {
    let sts = aws_sdk_sts::Client::new(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await);
    let done = std::thread::spawn(|| std::io::read_to_string(std::io::stdin()));
    let load = || async {
        while !done.is_finished() {
            sts.get_caller_identity().send().await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(load(), load(), load(), load());
}

#[test]
fn what_is_printed_is_for_a_shell_and_each_role_has_its_own() {
    let world = World::new();
    let url = world.issuer.origin();
    let reader = "arn:aws:iam::444455556666:role/team/reader";
    let key = |claim: &str| format!("id.test:{claim}");
    let condition = serde_json::json!({"StringEquals": {key("aud"): "sts.amazonaws.com", key("sub"): SUBJECT}});
    world.role(reader, crate::world::ISSUER, &["AssumeRoleWithWebIdentity"], &condition);
    let role = |name: &str, arn: &str| format!("[profiles.\"{name}\"]\nurl = '{url}'\nrole_arn = '{arn}'\n");
    world.configure(&(role("deploy", crate::world::ROLE) + &role("the reader's/é", reader)));
    let token = world.home().join("it's a folder");
    std::fs::create_dir(&token).unwrap();
    let token = token.join("token");
    let profiles = ["--profile", "deploy", "--profile", "the reader's/é", "--token-file", token.to_str().unwrap()];
    let agent = Agent::start(world.agent(&profiles));

    let lines = agent.stdout();
    assert!(lines.contains("# the reader's/é: arn:aws:iam::444455556666:role/team/reader\n"), "{lines}");
    assert!(lines.contains("/the%20reader%27s%2F%C3%A9\n"), "{lines}");
    for (lines, arn) in [
        (lines.as_str(), "assumed-role/reader/ci-release"),
        (lines.split("\n#").next().unwrap(), "assumed-role/deploy/ci-release"),
    ] {
        let mut shell = world.consumer("bash");
        shell.args(["-euc", "eval \"$1\"; aws sts get-caller-identity", "bash", lines]);
        shell.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        let ran = run(shell.env("AWS_DEFAULT_REGION", "eu-central-1"));
        assert!(ran.code == Some(0) && ran.stdout.contains(arn), "{ran:?}");
    }
    let (code, _, stderr) = agent.stop();
    assert_eq!(code, Some(0));
    assert!(!token.exists());
    // Its own environment has keys, and whoever shares it does not ask the agent.
    assert!(stderr.contains("does not ask the agent: AWS_ACCESS_KEY_ID\n"), "{stderr}");
    assert!(stderr.contains("countersign: deploy: renewed, good until 20"), "{stderr}");
}
