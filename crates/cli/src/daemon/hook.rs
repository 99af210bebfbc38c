//! A command that is run when a profile's files were renewed: no shell, nothing to read, a minute at most.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::supervise;

/// How long it may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What the command need not know: the credentials that sign for tokens, and other secrets of ours. The variable of a client
/// secret that a profile names goes too.
const SECRETS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "COUNTERSIGN_OAUTH_CLIENT_SECRET",
];

/// A command, and what it is told.
#[derive(Debug)]
pub(super) struct Hook {
    /// The command and its arguments.
    pub(super) argv: Vec<String>,
    /// The profile.
    pub(super) profile: String,
    /// Its files, by the variable that says where each is.
    pub(super) paths: Vec<(&'static str, PathBuf)>,
    /// More variables that it need not know.
    pub(super) secrets: Vec<String>,
}

/// Runs it, and says how it failed.
pub(super) async fn run(hook: Hook, patience: Duration) -> anyhow::Result<()> {
    let (program, arguments) = hook.argv.split_first().context("no command")?;
    let mut command = Command::new(program);
    let secrets = hook.secrets.iter().map(String::as_str);
    for name in SECRETS.iter().chain(&supervise::VARIABLES).copied().chain(secrets) {
        command.env_remove(name);
    }
    let output = io::stderr().as_fd().try_clone_to_owned()?;
    command
        .args(arguments)
        .env("COUNTERSIGN_PROFILE", &hook.profile)
        .envs(hook.paths)
        .stdin(Stdio::null())
        .stdout(output);
    let started = command.process_group(0).spawn().with_context(|| format!("{program} cannot be run"))?;
    let (mut group, began) = (Group(started), Instant::now());
    loop {
        if let Some(status) = group.0.try_wait()? {
            ensure!(status.success(), "{program} ended with {status}");
            return Ok(());
        }
        if began.elapsed() > patience {
            bail!("{program} did not end within {} seconds, and was killed", patience.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The command and what it started. Whoever drops it ends them.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // What has ended has no number any more: another process may have it.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let number = folder.path().join("number");
        let script = format!("sleep 1000 & echo $! >{}; wait", number.display());
        let argv = ["sh", "-c", &script].map(str::to_owned).to_vec();
        let hook = Hook { argv, profile: String::new(), paths: Vec::new(), secrets: Vec::new() };
        let why = run(hook, Duration::from_secs(2)).await.unwrap_err().to_string();
        assert_eq!(why, "sh did not end within 2 seconds, and was killed");
        let number = std::fs::read_to_string(number).unwrap();
        let began = Instant::now();
        // It may be there for a while, as one that nobody has waited for yet.
        let gone = |stat: io::Result<String>| stat.map_or(true, |stat| stat.contains(") Z "));
        while !gone(std::fs::read_to_string(format!("/proc/{}/stat", number.trim()))) {
            assert!(began.elapsed() < Duration::from_mins(1), "{number} runs on");
            tokio::time::sleep(LOOK).await;
        }
    }
}
