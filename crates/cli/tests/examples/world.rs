//! An issuer as it starts with nothing, an API that believes it, and how a test runs an example.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use testkit::serve::{Serve, Setup};
use testkit::tools;

/// The built command line.
pub(crate) const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");

/// The profile of a person whom the starting policy gives tokens for `snowflake` and `warehouse-api`.
pub(crate) const PERSON: &str = "jane@acme.com";
/// The profile of a role to which it gives tokens for `snowflake` alone.
pub(crate) const WORKLOAD: &str = "snowflake-loader";

/// The `aud` of `warehouse-api`.
pub(crate) const WAREHOUSE: &str = "https://warehouse.acme.com";

/// How long a server in Python may take to listen, beside other tests.
const START: Duration = Duration::from_mins(1);

/// An issuer with the starting policy.
pub(crate) fn serve() -> Serve {
    Setup::new(COUNTERSIGN).start()
}

/// A file of `examples/`.
pub(crate) fn example(path: &str) -> PathBuf {
    tools::workspace_root().join("examples").join(path)
}

/// A command that is one of the development callers, as the `export` lines of `serve` have it.
pub(crate) fn as_profile(program: impl AsRef<Path>, serve: &Serve, profile: &str) -> Command {
    let mut command = tools::isolated(program, serve.data_dir());
    command.env("AWS_SHARED_CREDENTIALS_FILE", serve.data_dir().join("aws-credentials")).env("AWS_PROFILE", profile);
    command
}

/// The value of `name` in a profile of the shared credentials file.
pub(crate) fn credential(serve: &Serve, profile: &str, name: &str) -> String {
    let file = std::fs::read_to_string(serve.data_dir().join("aws-credentials")).expect("serve has written it");
    let mut lines = file.lines().skip_while(|line| *line != format!("[{profile}]"));
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    value.unwrap_or_else(|| unreachable!("no {name} for {profile}")).to_owned()
}

/// A token, from our own command line.
pub(crate) fn token(serve: &Serve, profile: &str, audience: &str) -> String {
    let mut command = as_profile(COUNTERSIGN, serve, profile);
    let output = run(command.args(["token", "--url", serve.origin(), "--audience", audience]));
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| unreachable!("{command:?} does not start: {error}"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server in Python that says on stderr where it listens, and ends with an interrupt.
pub(crate) struct Background {
    child: Child,
    origin: String,
    folder: tempfile::TempDir,
}

impl Background {
    /// Starts it with this on its standard input.
    pub(crate) fn start(mut command: Command, input: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("countersign-examples-").tempdir().expect("a temporary folder");
        // Files, so that nobody has to read along.
        let file = |name: &str| File::create(folder.path().join(name)).expect("space on the disk");
        command.stdin(Stdio::piped()).stdout(file("stdout")).stderr(file("stderr"));
        let mut child = command.spawn().unwrap_or_else(|error| unreachable!("{command:?} does not start: {error}"));
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads its input");
        let mut started = Self { child, origin: String::new(), folder };
        let began = Instant::now();
        while started.origin.is_empty() {
            let stderr = started.wrote("stderr");
            let ended = started.child.try_wait().expect("it is our child").is_some();
            assert!(!ended && began.elapsed() < START, "{command:?} does not listen:\n{stderr}");
            std::thread::sleep(Duration::from_millis(10));
            // A line that is being written has no end yet.
            let mut lines = stderr.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some(origin) = lines.find_map(|line| line.strip_prefix("listening on ")) {
                origin.clone_into(&mut started.origin);
            }
        }
        started
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// What it has written to `stdout` or `stderr` so far.
    pub(crate) fn wrote(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("it is there since the start")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The API of `examples/relying-party`, which believes this issuer tokens for this audience.
pub(crate) fn api(serve: &Serve, audience: &str, environment: &[(String, String)]) -> Background {
    let mut command = tools::isolated(tools::python(), serve.data_dir());
    command.arg(example("relying-party/api.py")).args([serve.origin(), audience, "0"]);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    Background::start(command, "")
}
