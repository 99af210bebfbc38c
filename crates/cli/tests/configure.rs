//! `countersign configure`: what it writes, what it refuses, what it asks, and that nothing else in the files changes.
//!
//! What the files mean is told by those who read them: botocore itself, the SDK for Rust, and `aws` against a stand-in of STS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "configure/asked.rs"]
mod asked;
#[path = "configure/files.rs"]
mod files;
#[path = "configure/read.rs"]
mod read;
#[path = "configure/refused.rs"]
mod refused;
#[allow(dead_code, reason = "it is made for more")]
#[path = "credentials/world.rs"]
mod world;
#[path = "configure/written.rs"]
mod written;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::tools::isolated;
use world::{Ran, run};

const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";

/// Somebody with a home, and `countersign` on their `PATH`.
struct User(TempDir);

impl User {
    fn new() -> Self {
        let user = Self(tempfile::tempdir().unwrap());
        fs::create_dir(user.at("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_countersign"), user.at("bin/countersign")).unwrap();
        user
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn own(&self) -> PathBuf {
        self.at(".config/countersign/config.toml")
    }

    fn aws(&self) -> PathBuf {
        self.at(".aws/config")
    }

    /// With a `PATH` of one folder.
    fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = isolated(program, self.0.path());
        command.env("PATH", self.at("bin")).stdin(Stdio::null());
        command
    }

    fn configure(&self, flags: &[&str]) -> Ran {
        run(self.program(env!("CARGO_BIN_EXE_countersign")).arg("configure").args(flags))
    }

    /// The profile `deploy` with jobs of GitHub for its source, and more.
    fn deploy(&self, more: &[&str]) -> Ran {
        self.configure(&[&["--profile", "deploy", "--github", "--role-arn", ROLE], more].concat())
    }

    /// What `deploy` writes where nothing was.
    fn process(&self) -> String {
        format!("credential_process = {} credentials --profile deploy\n", self.at("bin/countersign").display())
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
