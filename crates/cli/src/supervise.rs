//! What systemd is told of a service that keeps something fresh: ready, alive, reloading, stopping (`sd_notify(3)`).
//!
//! Where nobody asked (no `NOTIFY_SOCKET`), nothing is said. What cannot be said harms nobody but the service itself, whom systemd
//! then takes for dead.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// Variables by which systemd says that it wants to be told. A child must not speak in the service's name.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// systemd reads no message of more than 4096 bytes, which `READY=1` would then be lost with. A character has four at most.
const LONGEST: usize = 900;

/// For somebody who reads what is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// It runs, and does what it is for.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What it does, in a line.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// It reads its configuration again; [`ready`] ends this.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// It ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the service is alive, each time that it is asked to wait. Without a watchdog, for ever.
#[derive(Debug)]
pub struct Heart(Option<Duration>);

impl Heart {
    /// As `WatchdogSec=` of the unit has it.
    pub fn of_unit() -> Self {
        Self(sd_notify::watchdog_enabled())
    }

    /// Beat, and wait a third of the time after which systemd takes the service for dead.
    pub async fn beat(&self) {
        let Some(patience) = self.0 else { return std::future::pending().await };
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(patience / 3).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    let Some(place) = std::env::var_os(VARIABLES[0]) else { return };
    let message: String = states.iter().map(line).collect();
    let send = || {
        let socket = UnixDatagram::unbound()?;
        // Whoever reads nothing is not waited for.
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.send_to_addr(message.as_bytes(), &address(&place)?)
    };
    let _: io::Result<usize> = send();
}

/// A line is a variable: what somebody else said must not be one.
fn line(state: &NotifyState<'_>) -> String {
    state.to_string().replace('\n', " ").chars().take(LONGEST).chain(['\n']).collect()
}

/// A path, or a name of Linux's that stands for no file, as those have it who supervise from a container.
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = place.as_encoded_bytes().strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_said_is_one_line_that_systemd_reads() {
        let said = line(&NotifyState::Status(&"\u{10000}\nREADY=1".repeat(1000)));
        assert!(said.len() < 4000 && said.starts_with("STATUS=\u{10000} READY=1") && said.lines().count() == 1);
    }

    #[test]
    fn an_address_is_a_path_or_a_name() {
        let path = OsStr::new("/run/systemd/notify");
        assert_eq!(address(path).unwrap().as_pathname(), Some(path.as_ref()));
        assert!(address(OsStr::new("@name")).unwrap().as_pathname().is_none());
    }
}
