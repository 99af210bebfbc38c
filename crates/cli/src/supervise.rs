//! What systemd is told of a service that keeps something fresh: ready, alive, reloading, stopping (`sd_notify(3)`).
//!
//! Where nobody asked (no `NOTIFY_SOCKET`), nothing is said. What cannot be said harms nobody but the service itself, whom systemd
//! then takes for dead.

use std::time::Duration;

use sd_notify::NotifyState;

/// Variables by which systemd says that it wants to be told. A child must not speak in the service's name.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

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
    let _ = sd_notify::notify(states);
}
