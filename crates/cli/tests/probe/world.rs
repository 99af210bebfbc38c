//! The issuer, what stands before it, its callers, and how a test runs the command.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::page::Front;
use testkit::serve::{Serve, Setup};
use testkit::tools::isolated;

pub(crate) const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");
/// Nothing of a secret may ever be told.
pub(crate) const SECRET: &str = "s3cr3t-of-a-caller";
/// What a role that is assumed gets from STS.
pub(crate) const SESSION_TOKEN: &str = "session+token/of-the-assumed-role==";
pub(crate) const SNOWFLAKE: &str = "https://acme-prod.snowflakecomputing.com";

pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) serve: Serve,
    home: TempDir,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// Outcome and faults of a probe.
    pub(crate) fn outcome(&self, name: &str) -> (String, String) {
        let told = self.json();
        let probe = told["probes"].as_array().unwrap().iter().find(|probe| probe["name"] == name);
        let probe = probe.unwrap_or_else(|| panic!("{name} is not among {told}"));
        let faults: Vec<&str> =
            probe["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap()).collect();
        (probe["outcome"].as_str().unwrap().to_owned(), faults.join("; "))
    }
}

impl World {
    /// `serve` with its starting policy, as the issuer that the front is. Who calls:
    /// - the profiles of serve's own shared credentials file: `snowflake-loader`, `jane@acme.com`, `stranger`, `bob`;
    /// - of the configuration file: `unknown`, whose key nobody knows, and `mistaken`, the loader with another secret.
    pub(crate) fn new() -> Self {
        let front = Front::start();
        let entry = |key: &str, arn: &str| json!({"access_key_id": key, "secret_access_key": SECRET, "arn": arn});
        let mut assumed = entry("ASIAASSUMED", "arn:aws:sts::444455556666:assumed-role/snowflake-assumed/probe");
        assumed["session_token"] = SESSION_TOKEN.into();
        let credentials = json!([
            entry("AKIALOADER", "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-1"),
            entry(
                "AKIAJANE",
                "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane@acme.com"
            ),
            entry("AKIASTRANGER", "arn:aws:sts::999999999999:assumed-role/stranger/i-1"),
            entry("AKIABOB", "arn:aws:iam::111122223333:user/ci/bob"),
            assumed,
        ]);
        let serve = Setup::new(COUNTERSIGN).file("credentials.yaml", &credentials.to_string());
        let serve = serve.arg("--issuer-url").arg(front.origin()).start();
        front.lead_to(serve.origin());
        let home = tempfile::tempdir().unwrap();
        let profile = |name: &str, key: &str| {
            format!("[profile {name}]\naws_access_key_id = {key}\naws_secret_access_key = another-{SECRET}\n")
        };
        let config = profile("unknown", "AKIAUNKNOWN") + &profile("mistaken", "AKIALOADER");
        fs::write(home.path().join("config"), config).unwrap();
        Self { front, serve, home }
    }

    /// The command with these probes. `url` is the front's.
    pub(crate) fn command(&self, probes: &Value, arguments: &[&str]) -> Command {
        let file = self.home.path().join("probes.json");
        fs::write(&file, json!({"version": 1, "url": self.front.origin(), "probes": probes}).to_string()).unwrap();
        let mut command = isolated(COUNTERSIGN, self.home.path());
        command
            .args(["probe", "--file"])
            .arg(file)
            .args(arguments)
            .env("AWS_SHARED_CREDENTIALS_FILE", self.serve.data_dir().join("aws-credentials"))
            .env("AWS_CONFIG_FILE", self.home.path().join("config"));
        command
    }

    pub(crate) fn probe(&self, probes: &Value, arguments: &[&str]) -> Ran {
        ran(self.command(probes, arguments), "")
    }

    /// A caller that gets a token.
    pub(crate) fn loader() -> Value {
        let expect = json!({"token": {"claims": {"sub": "svc:444455556666:snowflake-loader", "aud": SNOWFLAKE}}});
        json!({"name": "loader", "credentials": {"profile": "snowflake-loader"}, "expect": expect})
    }

    /// A caller that gets none.
    pub(crate) fn stranger() -> Value {
        let expect = json!({"refused": {"error": "access_denied"}});
        json!({"name": "stranger", "credentials": {"profile": "stranger"}, "expect": expect})
    }

    /// What the issuer publishes at this path.
    pub(crate) fn published(&self, path: &str) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let body = runtime.block_on(countersign::client::fetch(&self.serve.url(path))).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// Runs it to its end. Whatever came of it, neither a token nor a secret is in what it wrote.
pub(crate) fn ran(mut command: Command, stdin: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever reads no standard input has perhaps ended already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    for secret in ["eyJ", SECRET, SESSION_TOKEN] {
        assert!(
            !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
            "{secret}\n{}\n{}",
            ran.stdout,
            ran.stderr
        );
    }
    ran
}
