//! An agent that runs, and what a client without an SDK gets of it.

use std::fs::{self, File};
use std::io::{PipeWriter, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::idp::Idp;

use crate::world::{ACCOUNT, AUDIENCE, World};

const IDP: &str = "https://idp.test";

/// How long anything may take that has to happen, on a machine that runs other tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running agent. Dropping it kills it.
pub(crate) struct Agent {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    written: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Got {
    /// The access key id, if there are credentials.
    pub(crate) fn key(&self) -> Option<&str> {
        self.body["AccessKeyId"].as_str().filter(|_| self.status == 200)
    }

    /// Why there are none.
    pub(crate) fn why(&self) -> &str {
        self.body["message"].as_str().unwrap_or_else(|| panic!("{self:?}"))
    }
}

impl World {
    /// `agent` on a free port, with a folder in memory as a user has it who is logged in.
    pub(crate) fn agent(&self, arguments: &[&str]) -> Command {
        let run = self.home().join("run");
        fs::create_dir_all(&run).unwrap();
        let mut command = self.countersign(&[&["agent", "--listen", "127.0.0.1:0"], arguments].concat());
        command.env("XDG_RUNTIME_DIR", run);
        command
    }

    /// An identity provider that is not ours, whose client may have this role.
    pub(crate) fn idp(&self, role: &str) -> Idp {
        let idp = Idp::start_with(Some(IDP), "client_secret_basic");
        self.provider(ACCOUNT, IDP, AUDIENCE, idp.origin());
        let key = |claim: &str| format!("idp.test:{claim}");
        let condition = json!({"StringEquals": {(key("aud")): AUDIENCE, (key("sub")): idp.client_id()}});
        self.role(role, IDP, &["AssumeRoleWithWebIdentity"], &condition);
        idp
    }
}

impl Agent {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(command: Command) -> Self {
        Self::begin(command, None)
    }

    /// The same, if what it says goes elsewhere than into a file.
    pub(crate) fn begin(mut command: Command, stderr: Option<PipeWriter>) -> Self {
        let written = tempfile::tempdir().unwrap();
        let file = |name| File::create(written.path().join(name)).unwrap();
        // What is said on the way is there before it listens.
        let (place, line) = if stderr.is_some() {
            ("stdout", "export AWS_CONTAINER_CREDENTIALS_FULL_URI=http://")
        } else {
            ("stderr", "listening on http://")
        };
        let mut told = Stdio::from(file("stderr"));
        if let Some(stderr) = stderr {
            told = stderr.into();
        }
        let child = command.stdout(file("stdout")).stderr(told).spawn().unwrap();
        let mut agent = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), written };
        agent.address = until("the agent listens", || {
            let ended = agent.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", agent.stderr());
            let said = fs::read_to_string(agent.written.path().join(place)).unwrap();
            said.lines().find_map(|found| found.strip_prefix(line)?.split('/').next()?.parse().ok())
        });
        agent
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.written.path().join("stdout")).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.written.path().join("stderr")).unwrap()
    }

    /// The variables that it printed for a role.
    pub(crate) fn exports(&self, name: &str) -> Vec<(String, String)> {
        let stdout = self.stdout();
        let lines = stdout.lines().skip_while(|line| !line.starts_with(&format!("# {name}: "))).skip(1).take(2);
        let pair = |line: &str| {
            line.strip_prefix("export ").unwrap().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()))
        };
        lines.map(|line| pair(line).unwrap()).collect()
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        let stdout = self.stdout();
        stdout
            .lines()
            .find_map(|line| line.strip_prefix("export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="))
            .unwrap()
            .into()
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.token_file()).unwrap()
    }

    /// What stands at this path, for whoever has the token.
    pub(crate) fn get(&self, path: &str) -> Got {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\n\r\n", self.address, self.token()))
    }

    /// The row of a role.
    pub(crate) fn row(&self, name: &str) -> Value {
        let got = self.get("/status");
        let rows = got.body["credentials"].as_array().unwrap_or_else(|| panic!("{got:?}"));
        rows.iter().find(|row| row["name"] == name).unwrap().clone()
    }

    /// The answer to these bytes.
    pub(crate) fn ask(&self, request: &str) -> Got {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
        Got { status, body: serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")) }
    }

    /// Asks it to end. The exit code, what it wrote to stdout and to stderr.
    pub(crate) fn stop(mut self) -> (Option<i32>, String, String) {
        self.signal("-TERM");
        let code = until("the agent ends", || self.child.try_wait().unwrap()).code();
        (code, self.stdout(), self.stderr())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stderr of the agent:\n{}", self.stderr());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
