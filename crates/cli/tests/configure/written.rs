//! What is written, shown and kept, and that it works.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::world::{ROLE, World, run, write};
use crate::{User, text};

const OWN: &str = "[profiles.deploy]\ngithub = true\nrole_arn = \"arn:aws:iam::444455556666:role/deploy\"\n";

/// A user without a profile of ours, whose profile `base` signs.
fn with_keys_in_a_file() -> World {
    let world = World::new();
    fs::remove_file(world.config()).unwrap();
    let keys = "[base]\naws_access_key_id = AKIARELEASE\naws_secret_access_key = secret/of+ci\n";
    write(&world.home().join(".aws/credentials"), keys);
    world
}

/// `configure` of this program, and then what the AWS CLI says of the profile `deploy`, and the SDK for Rust by `token`.
fn assert_works(world: &World, program: &Path, line: &str) {
    let without_keys = |mut command: Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command
    };
    let mut configure = without_keys(world.consumer(program));
    configure.args(["configure", "--yes", "--profile", "deploy", "--url", world.issuer.origin(), "--role-arn", ROLE]);
    let ran = run(configure.args(["--region", "eu-central-1", "--aws-profile", "base"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stderr.ends_with("written. Try it: aws sts get-caller-identity --profile deploy\n"), "{ran:?}");
    let written = text(&world.home().join(".aws/config"));
    assert_eq!(written, format!("[profile deploy]\nregion = eu-central-1\ncredential_process = {line}\n"));

    // Services and cron have another PATH.
    for (variable, value) in [("PATH", "/usr/bin:/bin"), ("AWS_PROFILE", "deploy")] {
        let mut aws = without_keys(world.consumer(testkit::tools::aws()));
        let ran = run(aws.env(variable, value).args(["sts", "get-caller-identity", "--profile", "deploy"]));
        assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/ci-release"), "{ran:?}");
    }
    // The local issuer knows no such access key. It was asked, so there was a signature.
    let mut token = without_keys(world.countersign(&["token", "--url", world.issuer.origin()]));
    let ran = run(token.env("AWS_PROFILE", "deploy"));
    assert!(ran.code == Some(1) && !ran.stderr.contains("no AWS credentials"), "{ran:?}");
}

#[test]
fn unmodified_tools_get_credentials_by_what_is_written() {
    let world = with_keys_in_a_file();
    let program = world.home().join("bin/countersign");
    assert_works(&world, Path::new("countersign"), &format!("{} credentials --profile deploy", program.display()));
}

#[test]
fn a_program_in_a_folder_with_a_space_is_started_all_the_same() {
    let world = with_keys_in_a_file();
    let program = world.home().join("my tools/countersign");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_countersign"), &program).unwrap();
    assert_works(&world, &program, &format!("\"{}\" credentials --profile deploy", program.display()));
}

#[test]
fn a_dry_run_prints_the_difference_and_writes_nothing() {
    let user = User::new();
    write(&user.aws(), "[default]\nregion = eu-west-1\naws_secret_access_key = sEcReT\n");
    let ran = user.deploy(&["--dry-run"]);
    let (own, aws) = (user.own(), user.aws());
    let expected = format!(
        "--- /dev/null\n+++ {own}\n@@ -0,0 +1,3 @@\n+{}\n--- {aws}\n+++ {aws}\n@@ -1,3 +1,6 @@\n [default]\n region = eu-west-1\n \
         aws_secret_access_key = (not shown)\n+\n+[profile deploy]\n+{}",
        OWN.trim_end().replace('\n', "\n+"),
        user.process(),
        own = own.display(),
        aws = aws.display(),
    );
    assert_eq!((ran.code, ran.stdout, ran.stderr.as_str()), (Some(0), expected, ""));
    assert!(!own.exists() && !text(&aws).contains("deploy"));
}

#[test]
fn json_says_what_would_be_written_and_what_was() {
    let user = User::new();
    let report = |flags: &[&str]| {
        let ran = user.deploy(flags);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let dry = report(&["--dry-run", "--json"]);
    let changes = |report: &Value| [0, 1].map(|at| report["files"][at]["change"].as_str().unwrap().to_owned());
    assert_eq!((dry["written"].as_bool(), changes(&dry)), (Some(false), ["create", "create"].map(str::to_owned)));
    assert!(!user.aws().exists());
    let written = report(&["--yes", "--json"]);
    assert_eq!((written["written"].as_bool(), &written["files"]), (Some(true), &dry["files"]));
    assert_eq!(written["files"][1]["path"], user.aws().to_str().unwrap());
    let again = report(&["--json", "--region", "eu-west-1", "--dry-run"]);
    assert_eq!(changes(&again), ["update", "update"]);
    // A path that is no text is told as well as it can be.
    let folder = user.at("").join(std::ffi::OsStr::from_bytes(b"\xff"));
    let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
    configure.args(["configure", "--profile", "deploy", "--json", "--dry-run"]).env("AWS_CONFIG_FILE", folder);
    let ran = run(&mut configure);
    assert!(ran.code == Some(0) && ran.stdout.contains("\u{fffd}"), "{ran:?}");
    let nothing = report(&["--yes", "--json"]);
    assert_eq!((nothing["written"].as_bool(), changes(&nothing)), (Some(false), ["none", "none"].map(str::to_owned)));
}

#[test]
fn what_is_not_named_stays_and_another_source_takes_the_place_of_this_one() {
    let user = User::new();
    assert_eq!(user.deploy(&["--region", "eu-west-1", "--yes"]).code, Some(0));
    let ran = user.configure(&["--profile", "deploy", "--duration-seconds", "900", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(text(&user.own()), format!("{OWN}region = \"eu-west-1\"\nduration_seconds = 900\n"));
    assert_eq!(text(&user.aws()), format!("[profile deploy]\nregion = eu-west-1\n{}", user.process()));

    // A region that somebody changed since is theirs.
    write(&user.aws(), &text(&user.aws()).replace("eu-west-1", "eu-west-3"));
    let ran = user.configure(&["--profile", "deploy", "--web-identity-token-file", "~/token", "--yes"]);
    assert!(ran.stderr.contains("\n-github = true\n") && ran.stderr.contains("\n+web_identity_token_file"), "{ran:?}");
    assert!(!text(&user.own()).contains("github") && text(&user.own()).contains("= \"~/token\"\n"));
    assert!(text(&user.aws()).contains("eu-west-3"));

    // Nothing to do needs nobody's consent.
    let ran = user.configure(&["--profile", "deploy"]);
    let said = "nothing to change: the profile deploy is written already\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", said));
}

#[test]
fn the_profile_of_aws_can_have_another_name_and_the_bare_command_may_stay() {
    let user = User::new();
    write(&user.aws(), "[default]\n# by hand\ncredential_process = countersign credentials --profile deploy\n");
    let before = text(&user.aws());
    let ran = user.deploy(&["--aws-profile-name", "default", "--yes"]);
    assert_eq!((ran.code, text(&user.own()), text(&user.aws())), (Some(0), OWN.to_owned(), before));

    // Where the one on PATH is another program, or none, the running one is named.
    for (folder, other) in [("empty", false), ("other", true)] {
        fs::create_dir(user.at(folder)).unwrap();
        if other {
            fs::copy("/bin/true", user.at(folder).join("countersign")).unwrap();
        }
        let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
        configure.args(["configure", "--profile", "deploy", "--aws-profile-name", folder, "--yes"]);
        let ran = run(configure.env("PATH", user.at(folder)));
        let line = format!("= {} credentials --profile deploy\n", env!("CARGO_BIN_EXE_countersign"));
        assert!(ran.code == Some(0) && text(&user.aws()).ends_with(&line), "{ran:?}");
    }
}

#[test]
fn a_path_is_written_so_that_it_means_the_same_in_every_folder() {
    let user = User::new();
    let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
    configure.args([
        "configure",
        "--yes",
        "--profile",
        "a",
        "--web-identity-token-file",
        "run/token",
        "--role-arn",
        ROLE,
    ]);
    assert_eq!(run(configure.current_dir(user.at("bin"))).code, Some(0));
    let path = user.at("bin").canonicalize().unwrap().join("run/token");
    assert!(text(&user.own()).contains(&format!("web_identity_token_file = {path:?}\n")), "{}", text(&user.own()));
}

#[test]
fn what_will_surprise_is_said() {
    let user = User::new();
    let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
    configure.args(["configure", "--profile", "deploy", "--url", "https://id.acme.com", "--role-arn", ROLE, "--yes"]);
    configure.env("AWS_WEB_IDENTITY_TOKEN_FILE", "/t").env("COUNTERSIGN_ROLE_ARN", "x").env("COUNTERSIGN_SCOPE", "");
    let ran = run(configure.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"));
    for expected in [
        "warning: AWS_WEB_IDENTITY_TOKEN_FILE is set, and wins over AWS_PROFILE=deploy in some of AWS's tools",
        "warning: COUNTERSIGN_ROLE_ARN is set, and wins over the profile deploy",
    ] {
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
    assert!(!ran.stderr.contains("COUNTERSIGN_SCOPE"), "{ran:?}");
    assert!(
        ran.code == Some(0)
            && ran.stderr.contains("warning: AWS_ACCESS_KEY_ID is set, and wins over AWS_PROFILE=deploy")
    );
    assert!(
        ran.stderr.contains("warning: nobody is named who signs (--aws-profile)")
            && !ran.stderr.contains("AKIAEXAMPLE")
    );
}
