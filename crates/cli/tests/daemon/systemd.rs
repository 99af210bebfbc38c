//! What systemd is told: ready, alive, reloading, stopping.

use std::collections::BTreeSet;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use countersign::commands::Cli;
use testkit::tools::workspace_root;

use crate::running::{Files, Running, until};

/// A service manager, as far as it listens.
struct Manager {
    name: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    fn listen(socket: UnixDatagram, name: String) -> Self {
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let sink = Arc::downgrade(&heard);
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Some(heard) = sink.upgrade() {
                if let Ok(length) = socket.recv(&mut message) {
                    heard.lock().unwrap().push(String::from_utf8(message[..length].to_vec()).unwrap());
                }
            }
        });
        Self { name, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How many messages have this line.
    fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|message| message.lines().any(|heard| heard == line)).count()
    }

    fn wait_for(&self, line: &str, times: usize) {
        until(line, || (self.count(line) >= times).then_some(()));
    }
}

#[test]
fn it_is_ready_when_all_files_are_there_and_says_what_it_waits_for_until_then() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n[daemon.github]\nwrite_env_file = 'RUN/github'\n");
    files.trust("ci:somebody-else");
    let path = files.home().join("notify");
    let manager = Manager::listen(UnixDatagram::bind(&path).unwrap(), path.display().to_string());
    let mut command = files.command(&[]);
    command.env("NOTIFY_SOCKET", &manager.name).env("WATCHDOG_USEC", "300000000");
    let daemon = Running::begin(&mut command);
    let status = until("what it waits for", || {
        manager.heard().into_iter().find(|message| message.contains("STATUS=1 of 2 are good; deploy: "))
    });
    // Whatever STS says, it is no line of its own.
    assert!(status.contains("AccessDenied") && status.lines().count() == 1, "{status:?}");
    daemon.signal("HUP");
    daemon.wait_until_said("was read again");
    assert_eq!((manager.count("READY=1"), manager.count("RELOADING=1")), (0, 0), "it is not ready yet");
    assert!(manager.count("WATCHDOG=1") >= 1);

    files.trust(crate::world::SUBJECT);
    manager.wait_for("READY=1", 1);
    manager.wait_for("STATUS=2 of 2 are good", 1);
    daemon.signal("HUP");
    manager.wait_for("READY=1", 2);
    let heard = manager.heard();
    let reloading = heard.iter().find(|message| message.starts_with("RELOADING=1\n")).expect("it says so");
    let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("it says when");
    assert!(since.parse::<u64>().is_ok_and(|since| since > 0), "{reloading}");
    assert_eq!(daemon.stop().0, Some(0));
    manager.wait_for("STOPPING=1", 1);
}

#[test]
fn it_beats_for_as_long_as_it_runs_and_not_when_it_is_stuck_and_a_name_is_as_good_as_a_path() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let name = format!("countersign-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let manager = Manager::listen(socket, format!("@{name}"));
    let mut command = files.command(&[]);
    command.env("NOTIFY_SOCKET", &manager.name).env("WATCHDOG_USEC", "600000");
    let daemon = Running::begin(&mut command);
    manager.wait_for("WATCHDOG=1", 5);
    daemon.signal("STOP");
    let stat = format!("/proc/{}/stat", daemon.id());
    until("it stands still", || std::fs::read_to_string(&stat).ok()?.contains(") T ").then_some(()));
    // What it had sent comes before this.
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    UnixDatagram::unbound().unwrap().send_to_addr(b"STOPPED", &address).unwrap();
    manager.wait_for("STOPPED", 1);
    let before = manager.count("WATCHDOG=1");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(manager.count("WATCHDOG=1"), before);
    daemon.signal("CONT");
    manager.wait_for("WATCHDOG=1", before + 1);
    // Another process's watchdog is not ours.
    drop(daemon);
    let before = manager.count("WATCHDOG=1");
    let _daemon = Running::begin(command.env("WATCHDOG_PID", "1"));
    manager.wait_for("READY=1", 2);
    assert_eq!(manager.count("WATCHDOG=1"), before);
}

/// `scripts/systemd` asks systemd about the rest.
#[test]
fn the_units_run_what_there_is_and_none_of_them_runs_as_root() {
    let folder = workspace_root().join("examples/systemd");
    let mut folders = BTreeSet::new();
    for (name, command) in [
        ("countersign-daemon.service", "Daemon("),
        ("countersign-daemon@.service", "Daemon("),
        ("user/countersign-daemon.service", "Daemon("),
        ("countersign-agent.service", "Agent("),
    ] {
        let unit = std::fs::read_to_string(folder.join(name)).unwrap();
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
        let parsed = Cli::try_parse_from(line.split_whitespace());
        assert!(parsed.is_ok_and(|cli| format!("{:?}", cli.command).starts_with(command)), "{name}: {line}");
        let somebody =
            ["DynamicUser=yes", "User=%i", "User=app"].iter().any(|line| unit.lines().any(|found| found == *line));
        assert!(name.starts_with("user/") || somebody, "{name}");
        // systemd gives a folder to the unit that starts, and takes it away with the one that ends. Below a user's, this is where
        // the agent has its token, whoever starts it.
        let own = unit.lines().find_map(|line| line.strip_prefix("RuntimeDirectory=")).expect("it has one");
        assert!(
            folders.insert(own.to_owned()) && (!name.starts_with("user/") || own != "countersign"),
            "{name}: {own}"
        );
        assert!(unit.contains(&format!("/{own}")) || own.contains('%'), "{name} says where it is");
        assert!(unit.contains("LimitCORE=0\n"), "{name}: what is secret is in no core dump");
    }
    // What systemd reads as an environment file has no shell in it, and the names that the examples give to files.
    let report = std::fs::read_to_string(folder.join("report.service")).unwrap();
    assert!(
        report.contains("EnvironmentFile=/run/countersign/deploy.env\n")
            && report.contains("/run/countersign/deploy.jwt")
    );
}
