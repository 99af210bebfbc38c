//! The process of moto, and the certificate that it shows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::clock::{self, Clock};
use crate::output::Output;
use crate::tools::{self, isolated};

/// How long a start may take. It takes a second; other tests run at the same time.
const START: Duration = Duration::from_mins(1);

/// What it prints when it listens; the origin follows.
const READY: &str = "Running on ";

/// moto, with what it gets wrong put right: the texts say what and why.
const MOTO: &str = concat!(
    include_str!("moto/kms.py"),
    include_str!("moto/secretsmanager.py"),
    include_str!("moto/rotation.py"),
    include_str!("moto/ssm.py"),
    include_str!("moto/apigateway.py"),
    include_str!("moto/lambda.py"),
    include_str!("moto/route53.py"),
    include_str!("moto/main.py"),
);

/// A certificate for 127.0.0.1 and the authority that signed it, in a folder of their own.
pub(super) struct Certificates(TempDir);

/// A server that answers. Dropping it kills the process.
pub(super) struct Server {
    child: Child,
    output: Output,
    origin: String,
    folder: TempDir,
    certificates: Option<Certificates>,
    // It reads the clock's file for as long as it runs.
    _clock: Option<Clock>,
}

impl Certificates {
    pub(super) fn make() -> Self {
        let folder = folder();
        let mut python = isolated(tools::python(), folder.path());
        python.args(["-c", include_str!("certificate.py")]).arg(folder.path());
        let output = python.output().unwrap_or_else(|error| panic!("Python does not start: {error}"));
        assert!(output.status.success(), "no certificate: {}", String::from_utf8_lossy(&output.stderr));
        Self(folder)
    }

    pub(super) fn ca_bundle(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }
}

impl Server {
    /// Starts it, over TLS if there are certificates and in another time if there is a clock, and waits until it answers.
    pub(super) fn start(certificates: Option<Certificates>, clock: Option<&Clock>) -> Self {
        let folder = folder();
        let mut command = isolated(tools::python(), folder.path());
        command.args(["-c", MOTO, "--host", "127.0.0.1", "--port", "0"]);
        // Else there are no policies of AWS's own to attach.
        command.env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        command.envs(clock.map(Clock::environment).unwrap_or_default());
        if let Some(Certificates(certificates)) = &certificates {
            command.arg("--ssl-cert").arg(certificates.path().join("leaf.pem"));
            command.arg("--ssl-key").arg(certificates.path().join("leaf.key"));
        }
        // It logs to stderr, each request too, and nothing to stdout.
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("moto does not start: {error}"));
        let output = Output::read(child.stderr.take().expect("it is piped"));
        let mut server = Self { child, output, origin: String::new(), folder, certificates, _clock: clock.cloned() };
        server.await_answer();
        server
    }

    fn await_answer(&mut self) {
        let began = Instant::now();
        loop {
            if self.origin.is_empty() {
                self.origin = self.output.text().lines().find_map(running_on).unwrap_or_default();
            }
            if !self.origin.is_empty() && self.answers() {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("moto ended ({status})");
            }
            assert!(began.elapsed() < START, "moto does not answer after {START:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn answers(&self) -> bool {
        let mut curl = isolated("curl", self.folder.path());
        curl.args(["--silent", "--fail", "--max-time", "10", "--output", "/dev/null"]);
        if let Some(certificates) = &self.certificates {
            curl.arg("--cacert").arg(certificates.ca_bundle());
        }
        curl.arg(format!("{}/moto-api/", self.origin)).status().is_ok_and(|status| status.success())
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        let address = self.origin.split_once("://").and_then(|(_, address)| address.parse().ok());
        address.unwrap_or_else(|| panic!("moto listens on {}, which is no address", self.origin))
    }

    /// A folder that is removed with it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        clock::sweep(self.child.id());
        if std::thread::panicking() {
            eprintln!("output of moto:\n{}", self.output.settle());
        }
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("testkit-aws-").tempdir().expect("a temporary folder")
}

/// The origin in a line of the kind `* Running on http://127.0.0.1:PORT`.
fn running_on(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(READY)?;
    let origin = rest.split_whitespace().next()?;
    origin.starts_with("http").then(|| origin.to_owned())
}
