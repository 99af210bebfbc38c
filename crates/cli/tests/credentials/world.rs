//! An issuer, an STS that trusts it, and a user with a home.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::serve::{Serve, Setup};
use testkit::sts::{Outcome, Provider, Role, Sts};
use testkit::tools;

/// The issuer's URL, as STS would take it. It is served on loopback.
pub(crate) const ISSUER: &str = "https://id.test";
/// The role.
pub(crate) const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";
/// Its account.
pub(crate) const ACCOUNT: &str = "444455556666";
/// The audience of the account's provider.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";
/// The subject of the caller's tokens.
pub(crate) const SUBJECT: &str = "ci:release";
/// Who may sign: an access key `AKIA...` each, with the name in capitals.
const CALLERS: [&str; 8] = ["release", "nightly", "tags", "identity", "roles", "all", "many", "long"];

const POLICY: &str = r#"
version: 1
default_audience: aws
audiences:
  aws: { aud: "sts.amazonaws.com", profile: aws }
rules:
  - name: ci
    when: { kind: user, account: ["111122223333"], path: ["/ci/"] }
    grant: { audiences: [aws], subject: "ci:{user}" }
"#;

/// Everything that a call needs.
pub(crate) struct World {
    pub(crate) issuer: Serve,
    pub(crate) sts: Sts,
    home: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(POLICY, Sts::start())
    }

    /// One whose issuer has this policy.
    pub(crate) fn with(policy: &str, sts: Sts) -> Self {
        let credentials = CALLERS.map(|user| {
            let name = user.to_uppercase();
            json!({
                "access_key_id": format!("AKIA{name}"), "secret_access_key": "secret/of+ci", "principal_id": format!("AIDAEXAMPLE{name}"),
                "arn": format!("arn:aws:iam::111122223333:user/ci/{user}"),
            })
        });
        let issuer = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("policy.yaml", policy)
            .file("credentials.yaml", &json!(credentials).to_string())
            .arg("--issuer-url")
            .arg(ISSUER)
            .start();
        let world = Self { issuer, sts, home: tempfile::tempdir().expect("a temporary folder") };
        world.provider(ACCOUNT, ISSUER, AUDIENCE, world.issuer.origin());
        world.trust(SUBJECT);
        let url = world.issuer.origin();
        world.configure(&format!("[profiles.deploy]\nurl = '{url}'\nrole_arn = '{ROLE}'\n"));
        world
    }

    /// The account has this provider, which lists this audience.
    pub(crate) fn provider(&self, account: &str, url: &str, audience: &str, fetch_from: &str) {
        self.sts.provider(Provider {
            url: url.to_owned(),
            client_ids: vec![audience.to_owned()],
            account: account.to_owned(),
            fetch_from: fetch_from.to_owned(),
        });
    }

    /// The role trusts this subject, and no other.
    pub(crate) fn trust(&self, subject: &str) {
        self.trust_of(ISSUER, subject);
    }

    /// The role trusts this subject of another issuer, and no other.
    pub(crate) fn trust_of(&self, issuer: &str, subject: &str) {
        let key = |claim: &str| format!("{}:{claim}", issuer.trim_start_matches("https://"));
        let condition = json!({"StringEquals": {key("aud"): AUDIENCE, key("sub"): subject}});
        self.role(ROLE, issuer, &["AssumeRoleWithWebIdentity"], &condition);
    }

    /// This role lets tokens of this provider of its account do this, under this condition.
    pub(crate) fn role(&self, arn: &str, provider: &str, actions: &[&str], condition: &Value) {
        let [_, partition, _, _, account, _] = arn.split(':').collect::<Vec<_>>()[..] else { panic!("{arn}") };
        let name = provider.trim_start_matches("https://");
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:{partition}:iam::{account}:oidc-provider/{name}")},
                "Action": actions.iter().map(|action| format!("sts:{action}")).collect::<Vec<_>>(),
                "Condition": condition,
            }],
        });
        self.sts.role(Role { arn: arn.to_owned(), trust, max_session: 3600 });
    }

    /// `config.toml`.
    pub(crate) fn configure(&self, text: &str) {
        write(&self.config(), text);
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home().join(".config/countersign/config.toml")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.home().join(".cache/countersign")
    }

    /// What the cache holds, by the end of the name.
    pub(crate) fn cached(&self, end: &str) -> Vec<PathBuf> {
        let Ok(files) = fs::read_dir(self.cache()) else { return Vec::new() };
        let files = files.map(|file| file.expect("it can be listed").path());
        files.filter(|path| path.extension().is_some_and(|found| found == end)).collect()
    }

    /// A program with the caller's AWS credentials, which knows where STS is.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = tools::isolated(program, self.home());
        command
            .env("AWS_ACCESS_KEY_ID", "AKIARELEASE")
            .env("AWS_SECRET_ACCESS_KEY", "secret/of+ci")
            .env("AWS_ENDPOINT_URL_STS", self.sts.endpoint())
            .stdin(Stdio::null());
        command
    }

    /// A program that is not ours, with `countersign`, `aws` and a Python that knows boto3 on its `PATH`.
    pub(crate) fn consumer(&self, program: impl AsRef<Path>) -> Command {
        let countersign = self.home().join("bin/countersign");
        if !countersign.exists() {
            fs::create_dir(self.home().join("bin")).expect("it can be made");
            symlink(env!("CARGO_BIN_EXE_countersign"), &countersign).expect("it can be linked");
        }
        let mut path = vec![self.home().join("bin"), tools::aws().parent().expect("a folder").to_path_buf()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut command = self.program(program);
        command.env("PATH", std::env::join_paths(path).expect("folders"));
        command
    }

    /// The command line with these arguments.
    pub(crate) fn countersign(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments);
        command
    }

    /// `credentials --profile deploy`, and more.
    pub(crate) fn credentials(&self, more: &[&str]) -> Command {
        self.countersign(&[&["credentials", "--profile", "deploy"], more].concat())
    }

    /// The credentials that STS gave, one for each time that it was asked.
    pub(crate) fn given(&self) -> Vec<String> {
        let given = |outcome| match outcome {
            Outcome::Given(key) => key,
            other => panic!("no credentials: {other:?}"),
        };
        self.sts.calls().into_iter().map(|call| given(call.outcome)).collect()
    }

    /// The credentials that a program has called with, all of it without a refusal.
    pub(crate) fn used_by(&self, program: &str) -> BTreeSet<String> {
        let calls = self.sts.consumed().into_iter().filter(|call| call.user_agent.starts_with(program));
        calls
            .map(|call| {
                assert_eq!(call.refused, None, "{call:?}");
                call.access_key_id
            })
            .collect()
    }

    /// How often STS was asked for credentials.
    pub(crate) fn asked(&self) -> usize {
        self.sts.calls().len()
    }
}

/// Writes a file into a folder that may have to be made.
pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    fs::write(path, text).expect("it can be written");
}

pub(crate) fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    ran(command.output().expect("it starts"))
}

/// The access key id of what was printed, of a command that must have succeeded without a word but of progress.
pub(crate) fn key_of(ran: &Ran) -> String {
    assert!(ran.stderr.lines().all(|line| line.starts_with("still ")), "{ran:?}");
    key_of_warned(ran)
}

/// The same, whatever was said.
pub(crate) fn key_of_warned(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let printed: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    printed["AccessKeyId"].as_str().expect("a key").to_owned()
}
