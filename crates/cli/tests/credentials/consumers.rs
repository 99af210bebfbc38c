//! Programs that are not ours, unchanged, with one line of `credential_process`: what they run stands in the document.
//!
//! STS checks each of their calls: signature, session token, end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::tools::{python, workspace_root};

use crate::recipes::shown;
use crate::world::{SUBJECT, World, key_of, ran, run, write};

/// So short is a session; so long if the machine does much else. It is renewed in its last third, so what is handed out is good
/// for more than two seconds, and a request that was signed with it is on its way for some milliseconds.
const LIFETIME: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(20)];
/// Three refreshes.
const SESSIONS: usize = 4;

/// A user with the two files of the document.
pub(crate) fn configured() -> World {
    let world = World::new();
    let profile = shown("## In two files", "toml").replace("https://id.acme.com", world.issuer.origin());
    world.configure(&profile);
    write(&world.home().join(".aws/config"), &shown("## In two files", "ini"));
    world
}

impl World {
    /// A shell that runs a recipe.
    fn shell(&self, recipe: &str) -> Command {
        let mut shell = self.consumer("bash");
        shell.args(["-euo", "pipefail", "-c", recipe]);
        shell
    }
}

#[test]
fn the_aws_cli_and_boto3_share_sessions_and_work_on_over_three_refreshes() {
    let world = configured();
    let (aws, boto3) = (shown("### AWS CLI", "sh"), shown("### boto3", "python"));
    let call = || {
        let ran = run(&mut world.shell(&aws));
        assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/ci-release"), "{ran:?}");
    };
    let began = Instant::now();
    call();
    let lifetime = (began.elapsed() * 4).clamp(LIFETIME[0], LIFETIME[1]);
    world.sts.lifetime(lifetime);
    key_of(&run(&mut world.credentials(&["--renew"])));

    let mut load = world.consumer(python());
    load.arg(workspace_root().join("crates/cli/tests/credentials/load.py")).arg(&boto3);
    let mut load =
        load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Python starts");
    let began = Instant::now();
    while ["Boto3/", "aws-cli/"].iter().any(|program| world.used_by(program).len() < SESSIONS) {
        assert!(began.elapsed() < 10 * lifetime, "{:?}", world.sts.consumed());
        call();
    }
    drop(load.stdin.take());
    let load = ran(load.wait_with_output().expect("it ends"));
    assert_eq!(load.code, Some(0), "{load:?}");

    let (elapsed, given, calls) = (began.elapsed(), world.given(), world.sts.consumed());
    println!("{} calls in {elapsed:.1?}, none refused, with {} sessions of {lifetime:.1?}", calls.len(), given.len());
    // The first two are from before. STS counts in whole seconds, and a fifth of the last third is chance.
    let soonest = lifetime.saturating_sub(Duration::from_secs(1)).mul_f64(0.6);
    let least = soonest * u32::try_from(given.len() - 2).expect("it is small");
    assert!(least <= elapsed, "{} sessions in {elapsed:?}", given.len());
    assert!(calls.len() > 10 * given.len(), "{} calls are no load", calls.len());
    assert!(given.iter().all(|key| world.sts.session(key).is_some_and(|session| session.subject == SUBJECT)));
}

#[test]
fn keys_of_the_environment_win_over_aws_profile() {
    let world = configured();
    let ran = run(world.shell("aws sts get-caller-identity").env("AWS_PROFILE", "deploy"));
    assert!(ran.code != Some(0) && ran.stderr.contains("InvalidClientTokenId"), "{ran:?}");
    assert_eq!(world.asked(), 0);
}

#[test]
fn exec_gives_the_aws_cli_its_credentials() {
    let world = configured();
    let ran = run(&mut world.shell("countersign exec --profile deploy -- aws sts get-caller-identity"));
    assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/ci-release"), "{ran:?}");
    assert_eq!(world.used_by("aws-cli/"), BTreeSet::from_iter(world.given()));
}

#[test]
fn what_is_wrong_reaches_whoever_runs_the_program() {
    let world = configured();
    world.trust("ci:nightly");
    let aws = shown("### AWS CLI", "sh");
    let ran = run(&mut world.shell(&aws));
    let told = "a condition on \"id.test:sub\": the token's sub is \"ci:release\"";
    assert!(ran.code != Some(0) && ran.stderr.contains(told), "{ran:?}");
    fs::remove_file(world.config()).expect("it is there");
    let ran = run(&mut world.shell(&aws));
    assert!(ran.code != Some(0) && ran.stderr.contains("there is no profile deploy"), "{ran:?}");
}

/// The provider is some 700 MB, so no other test run fetches it.
#[test]
#[ignore = "needs OpenTofu or Terraform, and the AWS provider"]
fn terraform_works_on_after_a_refresh() {
    /// Two calls of one process, with the end of a session between them.
    const CALLS: &str = r#"
data "aws_caller_identity" "first" {}
resource "terraform_data" "wait" {
  input = data.aws_caller_identity.first.arn
  provisioner "local-exec" {
    command = "sleep 11"
  }
}
data "aws_caller_identity" "second" {
  depends_on = [terraform_data.wait]
}
output "arns" {
  value = [data.aws_caller_identity.first.arn, data.aws_caller_identity.second.arn]
}
"#;
    let world = configured();
    world.sts.lifetime(Duration::from_secs(10));
    let root = world.home().join("root");
    write(&root.join("main.tf"), &(shown("### Terraform and OpenTofu", "hcl") + CALLS));
    fs::copy(workspace_root().join("infrastructure/versions.tf"), root.join("versions.tf")).expect("it can be copied");
    // Where `scripts/infrastructure` has it.
    let tools = python().ancestors().nth(3).map(Path::to_path_buf).expect("the tools' folder");
    let plugins = tools.join("infrastructure/plugins");
    fs::create_dir_all(&plugins).expect("it can be made");
    let tofu = |arguments: &[&str]| {
        let mut tofu = world.consumer(workspace_root().join("scripts/infrastructure-tofu"));
        for name in ["COUNTERSIGN_TOFU", "TOFU_MIRROR"] {
            tofu.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        tofu.args(arguments).current_dir(&root).env("TF_PLUGIN_CACHE_DIR", &plugins).env("CHECKPOINT_DISABLE", "1");
        let ran = run(&mut tofu);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    tofu(&["init", "-input=false", "-no-color"]);
    tofu(&["apply", "-input=false", "-no-color", "-auto-approve"]);
    let arns: Vec<String> = serde_json::from_str(&tofu(&["output", "-json", "arns"])).expect("JSON");
    assert_eq!(arns, ["arn:aws:sts::444455556666:assumed-role/deploy/ci-release"; 2]);

    let (given, calls) = (world.given(), world.sts.consumed());
    assert_eq!(BTreeSet::from_iter(given.clone()), world.used_by(""), "none is refused");
    assert!(given.len() >= 2, "{calls:?}");
    println!("{} calls, none refused, with {} sessions", calls.len(), given.len());
    let state = fs::read_to_string(root.join("terraform.tfstate")).expect("it is there");
    assert!(!given.iter().any(|key| state.contains(key)), "{state}");
}
