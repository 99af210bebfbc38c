//! What `docs/agent.md` and `examples/agent` show, as it stands there, but for the port, folders and the identity provider.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::aws::Moto;
use testkit::idp::Idp;
use testkit::tools::{python, workspace_root};

use crate::running::{Agent, until};
use crate::world::{World, run, write};

const LOGS: &str = "arn:aws:iam::444455556666:role/logs";
const BUCKET: &str = "acme-logs";

fn example(name: &str) -> String {
    fs::read_to_string(workspace_root().join("examples/agent").join(name)).unwrap()
}

/// The blocks of the document with this mark.
fn shown(mark: &str) -> Vec<String> {
    let page = fs::read_to_string(workspace_root().join("docs/agent.md")).unwrap();
    let blocks = page.split("\n```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.strip_prefix(mark)?.strip_prefix('\n').map(|text| text.trim_end().to_owned()))
        .collect()
}

fn yaml(text: &str) -> Value {
    let program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)";
    serde_json::from_slice(&Command::new(python()).args(["-c", program, text]).output().unwrap().stdout).unwrap()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_lines_of_the_document_are_what_is_printed_and_what_an_sdk_needs() {
    let world = World::new();
    let here = "sh run-by=crates/cli/tests/agent/recipes.rs";
    let [start, use_it, status] = &shown(here)[..] else { panic!("{:?}", shown(here)) };
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words, ["countersign", "agent", "--profile", "deploy"]);
    let agent = Agent::start(world.agent(&words[2..]));
    let port = agent.address.port().to_string();
    let as_here = |text: &str| {
        text.replace("8911", &port).replace("/run/user/1000", &world.home().join("run").display().to_string())
    };
    let printed = shown("text").iter().find(|text| text.starts_with("# deploy")).map(|text| as_here(text)).unwrap();
    assert_eq!(agent.stdout().trim_end(), printed);

    let mut shell = world.consumer("bash");
    shell.args(["-euc", &format!("{printed}\n{use_it}")]).env("AWS_DEFAULT_REGION", "eu-central-1");
    let ran = run(shell.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"));
    assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/"), "{ran:?}");

    let mut shell = world.consumer("bash");
    shell.args(["-euc", &status.replace("--status", &format!("--status --listen {}", agent.address))]);
    let ran = run(shell.env("XDG_RUNTIME_DIR", world.home().join("run")));
    let head =
        shown("text").iter().find(|text| text.starts_with("NAME")).unwrap().lines().next().map(str::to_owned).unwrap();
    assert!(ran.code == Some(0) && ran.stdout.starts_with(head.split("  ").next().unwrap()), "{ran:?}");
}

/// The agent of the Compose file, with an identity provider that is there.
struct Composed {
    world: World,
    agent: Agent,
    file: Value,
    _idp: Idp,
}

impl Composed {
    fn start() -> Self {
        let world = World::new();
        let idp = world.idp(LOGS);
        write(&world.home().join("run/secrets/client"), idp.client_secret());
        fs::create_dir_all(world.home().join("run/countersign")).unwrap();

        let file = yaml(&example("compose.yaml"));
        let run_dir = format!("={}/", world.home().join("run").display());
        let arguments = texts(&file["services"]["agent"]["command"]).into_iter().map(|argument| {
            let argument = argument.replace("https://idp.acme.com/oauth/token", &format!("{}/token", idp.origin()));
            argument.replace("-id=logs", &format!("-id={}", idp.client_id())).replace("=/run/", &run_dir)
        });
        let arguments: Vec<String> = arguments.collect();
        assert_eq!(arguments[0], "agent");
        let mut command = world.agent(&arguments[1..].iter().map(String::as_str).collect::<Vec<_>>());
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        Self { agent: Agent::start(command), world, file, _idp: idp }
    }

    /// A path in the containers, on this machine.
    fn here(&self, text: &str) -> String {
        text.replace("/run/", &format!("{}/", self.world.home().join("run").display()))
    }

    /// A program in the container that has the agent's loopback, its token and nothing else.
    fn client(&self, program: &str) -> Command {
        let mut command = self.world.consumer(program);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_DEFAULT_REGION", "eu-central-1");
        for (name, value) in self.file["services"]["logs"]["environment"].as_object().unwrap() {
            command.env(
                name,
                self.here(&value.as_str().unwrap().replace("127.0.0.1:8911", &self.agent.address.to_string())),
            );
        }
        command
    }
}

#[test]
fn the_services_of_the_compose_file_have_what_they_need_of_each_other() {
    let composed = Composed::start();
    let ran = run(composed.client("aws").args(["sts", "get-caller-identity"]));
    assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/logs/"), "{ran:?}");

    let (agent, logs) = (&composed.file["services"]["agent"], &composed.file["services"]["logs"]);
    let check = texts(&agent["healthcheck"]["test"]);
    assert_eq!(check[0], "CMD");
    let address = composed.agent.address.to_string();
    let mut health = composed.world.consumer(&check[1]);
    let ran = run(health.args(check[2..].iter().map(|word| composed.here(word))).args(["--listen", &address]));
    assert_eq!(ran.code, Some(0), "{ran:?}");

    assert_eq!(logs["network_mode"], "service:agent");
    assert_eq!(agent["user"], logs["user"], "the token is for one user");
    let folder = "token:/run/countersign";
    assert!(
        texts(&agent["volumes"]).contains(&folder.to_owned())
            && texts(&logs["volumes"]).contains(&format!("{folder}:ro"))
    );
    let volume = &composed.file["volumes"]["token"]["driver_opts"];
    let user = agent["user"].as_str().unwrap().split(':').next().unwrap();
    assert!(volume["type"] == "tmpfs" && volume["o"].as_str().unwrap().contains(&format!("uid={user},")), "{volume}");
}

/// S3 with the bucket, and whatever lies in it.
struct Bucket(Moto);

impl Bucket {
    fn new() -> Self {
        let moto = Moto::start();
        moto.put_object(BUCKET, "first", "");
        Self(moto)
    }

    fn holds(&self, line: &str) -> bool {
        let listed = self.0.cli(&["s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", "app/"]);
        listed["Contents"].as_array().into_iter().flatten().any(|object| {
            let file = tempfile::NamedTempFile::new().unwrap();
            let key = object["Key"].as_str().unwrap();
            self.0.cli(&["s3api", "get-object", "--bucket", BUCKET, "--key", key, file.path().to_str().unwrap()]);
            fs::read_to_string(file.path()).unwrap().contains(line)
        })
    }
}

#[test]
fn a_log_reaches_s3_with_credentials_of_the_agent() {
    let (composed, bucket) = (Composed::start(), Bucket::new());
    let log = composed.world.home().join("app.log");
    write(&log, "a line\n");
    let mut aws = composed.client("aws");
    aws.env("AWS_ENDPOINT_URL_S3", bucket.0.endpoint())
        .args(["s3", "cp"])
        .arg(&log)
        .arg(format!("s3://{BUCKET}/app/1.log"));
    let ran = run(&mut aws);
    assert!(ran.code == Some(0) && bucket.holds("a line"), "{ran:?}");
    // S3's stand-in asks nobody who they are, so it has to be the client that would not do without.
    let ran = run(aws.env_remove("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    assert!(ran.code != Some(0) && ran.stderr.contains("NotAuthorized"), "{ran:?}");
}

/// `FLUENT_BIT` names the program, a version that knows EKS Pod Identity.
#[test]
#[ignore = "no registry of the tests has Fluent Bit"]
fn fluent_bit_writes_to_s3() {
    let (composed, bucket) = (Composed::start(), Bucket::new());
    let home = composed.world.home();
    let configuration = example("fluent-bit.yaml")
        .replace("/var/log/app", &home.join("logs").display().to_string())
        .replace("/var/lib/fluent-bit", &home.join("state").display().to_string())
        .replace("upload_timeout: 1m", &format!("upload_timeout: 2s\n      endpoint: {}", bucket.0.endpoint()));
    write(&home.join("logs/app.log"), "a line\n");
    write(&home.join("fluent-bit.yaml"), &configuration);
    let mut command = composed.client(&std::env::var("FLUENT_BIT").expect("FLUENT_BIT names the program"));
    command.arg(format!("--config={}", home.join("fluent-bit.yaml").display()));
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    until("the line is in the bucket", || {
        std::thread::sleep(Duration::from_secs(1));
        bucket.holds("a line").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
}
