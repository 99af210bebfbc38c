//! Credentials for every AWS SDK on this machine, by the container-credentials protocol on loopback: they ask again by themselves.
//!
//! **Owns** one [`Keeper`] for each role, and the address at which its credentials are handed out. They are in memory only: nothing
//! of what `credentials` keeps is read, and none is ever written. A role that cannot be had does not keep the others from being
//! served. `door` says who may ask.

mod door;
pub mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures_util::future::select_all;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use self::door::{Door, Known, Role};
use self::token::TokenFile;
use crate::credentials::Request;
use crate::credentials::fresh::Moment;
use crate::credentials::keeper::{Event, Keeper};
use crate::credentials::source::encoded;
use crate::listen::{self, Limits};
use crate::out::Lines;
use crate::supervise::{self, Heart};
use crate::verify::text::{span, utc};

/// The path of the table of all roles.
pub const STATUS: &str = "status";
/// An SDK asks once, and reads the answer at once.
const LIMITS: Limits = Limits { head: Duration::from_secs(5), connections: 256, keep_alive: false };
/// How often the clocks are compared.
const LOOK: Duration = Duration::from_secs(1);

/// The path of a role: its name, with everything encoded that a URL or a shell might take for something else.
pub fn path(name: &str) -> String {
    format!("/{}", encoded(name))
}

/// Whether a role can have this name.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    match name {
        STATUS => bail!("the agent's own status is at /{STATUS}: give the profile another name"),
        // What a client makes of a path that ends in one of the last two is another path.
        "" | "." | ".." => bail!("{name:?} is no path: give the profile another name"),
        _ if name.contains(char::is_control) => bail!("{name:?} has control characters: give the profile another name"),
        _ => Ok(()),
    }
}

/// Serve these roles until `stop` completes.
pub async fn run(
    listener: TcpListener,
    address: SocketAddr,
    file: TokenFile,
    requests: Vec<(String, Request)>,
    log: Lines,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (mut keepers, mut roles) = (Vec::new(), Vec::new());
    for (name, request) in requests {
        let arn = request.session.role.clone();
        let keeper = Keeper::new(request);
        let (tell, known) = watch::channel(known(&keeper));
        keepers.push((keeper, tell));
        roles.push(Role { name, arn, known });
    }
    let door = Arc::new(Door::new(address, file.token().clone(), roles));
    let (asked_to_stop, stopped) = oneshot::channel::<()>();
    let mut server = tokio::spawn({
        let (door, log) = (Arc::clone(&door), log.clone());
        let answer = move |request, peer| {
            let door = Arc::clone(&door);
            async move { door.answer(request, peer).await }
        };
        async move { listen::serve(listener, LIMITS, &log, answer, async { drop(stopped.await) }).await }
    });

    let heart = Heart::of_unit();
    let mut beat = std::pin::pin!(heart.beat());
    let (mut looks, mut looked) = (tokio::time::interval(LOOK), Moment::now());
    let (mut stop, mut ready) = (std::pin::pin!(stop), false);
    loop {
        // A wait that is dropped loses nothing.
        let next = async {
            let (event, place, _) = select_all(keepers.iter_mut().map(|(keeper, _)| Box::pin(keeper.next()))).await;
            (event, place)
        };
        tokio::select! {
            () = &mut stop => break,
            ended = &mut server => bail!("the agent listens no more: {ended:?}"),
            () = &mut beat => beat.set(heart.beat()),
            _ = looks.tick() => {
                let now = Moment::now();
                if let Some(step) = now.stepped(looked) {
                    let way = if step.is_negative() { "back" } else { "forwards" };
                    let step = span(step.round(jiff::Unit::Second).unwrap_or(step).as_secs().unsigned_abs());
                    log.send(format_args!("countersign: the clock stepped {way} by {step}, or this machine slept"));
                }
                looked = now;
            }
            (event, place) = next => {
                if let (Some((keeper, tell)), Some(role)) = (keepers.get(place), door.roles().get(place)) {
                    tell.send_replace(known(keeper));
                    let until = match (&event, role.row().status.ends_at) {
                        (Event::Renewed, Some(end)) => format!(", good until {}", utc(end.as_second())),
                        _ => String::new(),
                    };
                    log.send(format_args!("countersign: {}: {event}{until}", role.name));
                }
                let status = summary(&door);
                // Whoever starts after this service finds credentials, if they are to be had at all.
                if !ready && door.roles().iter().all(Role::is_settled) {
                    supervise::ready(&status);
                    ready = true;
                } else {
                    supervise::status(&status);
                }
            }
        }
    }
    supervise::stopping();
    // The file first: once the port is free, it may be that of the next agent.
    drop(file);
    drop(asked_to_stop);
    server.await.map_err(Into::into)
}

fn known(keeper: &Keeper<Request>) -> Known {
    Known { held: keeper.held().cloned(), status: keeper.status() }
}

/// In a line, for `systemctl status`.
fn summary(door: &Door) -> String {
    let without = |role: &&Role| role.known.borrow().held.is_none();
    let missing: Vec<&str> = door.roles().iter().filter(without).map(|role| role.name.as_str()).collect();
    let all = door.roles().len();
    match &missing[..] {
        [] => format!("{all} of {all} roles have credentials"),
        missing => format!("{} of {all} roles have credentials, not {}", all - missing.len(), missing.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_path_that_no_client_changes() {
        for name in ["deploy", "a b", "a/b", "é?#%", "...", "Status", "-x"] {
            check_name(name).unwrap();
        }
        assert_eq!(["a b", "a/b", "é"].map(path), ["/a%20b", "/a%2Fb", "/%C3%A9"]);
        for name in ["", ".", "..", "status", "a\nb"] {
            assert!(check_name(name).unwrap_err().to_string().contains("another name"), "{name}");
        }
    }
}
