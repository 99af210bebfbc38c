//! Names as the world has them, `https://id.test` and `https://sts.eu-central-1.amazonaws.com`, led to servers of this machine: a
//! proxy that a process finds by `HTTPS_PROXY`, and certificates that it trusts by `AWS_CA_BUNDLE`.
//!
//! **Owns** what stands between a client and the name: where it leads to, and the certificate that is shown. A name that leads
//! nowhere is refused by the proxy. Nothing leaves the machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::output::Output;
use crate::tools::{self, isolated};

/// How long a start may take. It takes half a second; other tests run at the same time.
const START: Duration = Duration::from_mins(1);

/// What a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For its name, until tomorrow, by the authority that is trusted.
    Good,
    /// It ended yesterday.
    Expired,
    /// For `another.test`.
    OtherName,
    /// By an authority that nobody trusts.
    Unknown,
}

/// The proxy. Dropping it stops it.
pub struct Internet {
    child: Child,
    errors: Output,
    port: u16,
    folder: TempDir,
    names: Mutex<BTreeMap<String, serde_json::Value>>,
}

impl Internet {
    /// One that knows no name yet.
    ///
    /// # Panics
    /// If it does not start, with what it wrote.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("testkit-internet-").tempdir().expect("a temporary folder");
        let mut child = isolated(tools::python(), folder.path())
            .args(["-c", include_str!("internet/names.py")])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("Python does not start: {error}"));
        let output = Output::read(child.stdout.take().expect("it is piped"));
        // Whoever does not trust a certificate ends the connection, and Python says so.
        let errors = Output::read(child.stderr.take().expect("it is piped"));
        let mut internet = Self { child, errors, port: 0, folder, names: Mutex::default() };
        let began = Instant::now();
        while internet.port == 0 {
            internet.port = output.text().trim().parse().unwrap_or(0);
            if let Ok(Some(status)) = internet.child.try_wait() {
                panic!("the proxy ended ({status})");
            }
            assert!(began.elapsed() < START, "the proxy does not listen after {START:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        internet
    }

    /// From now on the name leads to `http://127.0.0.1:PORT`.
    ///
    /// # Panics
    /// If that is no such address.
    pub fn lead(&self, name: &str, origin: &str, certificate: Certificate) {
        let kind = match certificate {
            Certificate::Good => "good",
            Certificate::Expired => "expired",
            Certificate::OtherName => "other_name",
            Certificate::Unknown => "unknown",
        };
        let address = origin.strip_prefix("http://").unwrap_or_else(|| panic!("{origin} is no address"));
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), json!([address, kind]));
        // Beside and renamed, as it is read at any moment.
        let next = self.folder.path().join("next");
        std::fs::write(&next, json!(*names).to_string()).expect("space on the disk");
        std::fs::rename(&next, self.folder.path().join("names.json")).expect("both are files of one folder");
    }

    /// Where the proxy is.
    pub fn proxy(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The authority that its good certificates are of.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The process sees these names, and trusts their certificates.
    pub fn reach(&self, command: &mut Command) {
        command.env_remove("NO_PROXY").env("HTTPS_PROXY", self.proxy()).env("AWS_CA_BUNDLE", self.authority());
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("errors of the proxy:\n{}", self.errors.settle());
        }
    }
}
