//! The agent as a service of systemd's, which a socket of the test stands for.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::sts::Fault;

use crate::running::{Agent, PATIENCE};
use crate::world::World;

/// What systemd is told.
struct Systemd {
    socket: UnixDatagram,
    path: PathBuf,
    told: Vec<String>,
}

impl Systemd {
    fn of(world: &World) -> Self {
        let path = world.home().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, path, told: Vec::new() }
    }

    /// Listens until a line was there so often.
    fn hear(&mut self, line: &str, times: usize) {
        let (began, mut buffer) = (Instant::now(), [0; 4096]);
        while self.told.iter().filter(|told| *told == line).count() < times {
            assert!(began.elapsed() < PATIENCE, "{line}: {:?}", self.told);
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            self.told.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
        }
    }

    fn heard(&self, line: &str) -> bool {
        self.told.iter().any(|told| told == line)
    }
}

#[test]
fn it_is_ready_when_every_role_was_asked_for_alive_while_it_runs_and_says_that_it_ends() {
    let world = World::new();
    let mut systemd = Systemd::of(&world);
    world.sts.fail(Fault::Silent);
    let mut command = world.agent(&["--profile", "deploy"]);
    let agent = Agent::start({
        command.env("NOTIFY_SOCKET", &systemd.path).env("WATCHDOG_USEC", "3000000");
        command
    });
    systemd.hear("WATCHDOG=1", 2);
    assert!(!systemd.heard("READY=1"), "there are no credentials yet");
    world.sts.heal();
    systemd.hear("READY=1", 1);
    assert!(systemd.heard("STATUS=1 of 1 roles have credentials"));
    assert_eq!(agent.get("/deploy").status, 200);
    systemd.told.clear();
    systemd.hear("WATCHDOG=1", 3);
    agent.signal("-INT");
    systemd.hear("STOPPING=1", 1);
    assert!(!systemd.heard("READY=1"), "once");
}

#[test]
fn one_that_cannot_be_had_does_not_keep_it_from_being_ready() {
    let world = World::new();
    let mut systemd = Systemd::of(&world);
    world.trust("ci:nightly");
    let mut command = world.agent(&["--profile", "deploy"]);
    let agent = Agent::start({
        command.env("NOTIFY_SOCKET", &systemd.path);
        command
    });
    systemd.hear("READY=1", 1);
    assert!(systemd.heard("STATUS=0 of 1 roles have credentials, not deploy") && !systemd.heard("WATCHDOG=1"));
    assert_eq!(agent.get("/deploy").status, 503);
    assert_eq!(agent.stop().0, Some(0));
}
