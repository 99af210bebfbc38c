//! AWS credentials from a token: where the token comes from, what STS gives for it, and what is kept of that.
//!
//! [`settings`] (flags, environment, profile) become a [`Request`], which names one [`Source`] of tokens and one [`Session`]
//! of a role, all of it checked. [`obtain`] answers it: from the [`cache`] if it can, else with a token from the source and
//! one call of STS, however many processes ask at the same time.

pub mod cache;
mod explain;
pub mod key;
pub mod output;
pub mod profile;
pub mod role;
pub mod settings;
pub mod source;
pub mod sts;
pub mod token;

use std::time::{Duration, Instant};

use anyhow::anyhow;
use jiff::{SignedDuration, Timestamp};

use self::cache::{Cache, Entry, Held, Slot};
use self::role::Session;
use self::source::{FileFault, Source};
use crate::out;

/// Credentials are renewed so long before their end, or a third of their life before it if that is less.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// And up to this part of that earlier, so that what began together does not renew together.
const JITTER: f64 = 0.2;
/// While there are valid credentials, a failure is repeated no sooner than this.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// How long somebody waits for a process that renews. Its own attempt has time limits that add up to less.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where the token comes from.
    pub source: Source,
    /// Which session of which role it is for.
    pub session: Session,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Somebody said no: the issuer, the identity provider or STS. The same request gets the same answer. Exit 1.
    ///
    /// The first line says who refused what, each further one what to look at.
    #[error("{0}")]
    Refused(String),
    /// Nobody could tell: a file, a name or a server that is not there, an answer that is none. Exit 2.
    #[error("{0:#}")]
    Unknown(#[from] anyhow::Error),
}

/// What is kept is of use to whom?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// To us and to others.
    Use,
    /// To others only: new credentials take its place.
    Renew,
    /// To nobody: nothing is read, nothing written.
    Nothing,
}

/// Credentials for the request: kept ones, until they are to be renewed; then new ones; and if there are none, the kept ones
/// while they last. A cache that cannot be used costs a warning and a call of STS, never the credentials.
pub async fn obtain(request: &Request, keep: Keep) -> Result<Entry, Failure> {
    if keep == Keep::Nothing {
        return fetch(request).await;
    }
    match Cache::open() {
        Ok(cache) => obtain_in(&cache, request, keep).await,
        Err(why) => {
            out::say(format_args!("countersign: credentials are not kept: {why:#}"));
            fetch(request).await
        }
    }
}

/// The same with this cache.
pub async fn obtain_in(cache: &Cache, request: &Request, keep: Keep) -> Result<Entry, Failure> {
    let slot = cache.slot(&key::of(request));
    let (began, mut waiting) = (Timestamp::now(), Waiting { since: Instant::now(), told: false });
    // To somebody who wants new ones, those are good that another process has obtained since.
    let good = |entry: &Entry| !entry.is_due(Timestamp::now()) && (keep == Keep::Use || entry.obtained_at >= began);
    loop {
        let kept = match kept(&slot, request)? {
            Some(entry) if good(&entry) => return Ok(entry),
            kept => kept.filter(|_| keep == Keep::Use),
        };
        match slot.try_hold() {
            Ok(Some(held)) => {
                // Between the look and the lock, another process may have been done.
                return match self::kept(&slot, request)? {
                    Some(entry) if good(&entry) => Ok(entry),
                    _ => renew(held, kept, request, began).await,
                };
            }
            Ok(None) => match kept {
                Some(entry) => return Ok(entry),
                None => waiting.a_moment(&slot).await?,
            },
            Err(why) => {
                out::say(format_args!("countersign: credentials are not kept: {why}"));
                return fetch(request).await;
            }
        }
    }
}

/// What is kept and not ended, if it is of the one whose token the file holds now.
fn kept(slot: &Slot, request: &Request) -> Result<Option<Entry>, Failure> {
    let entry = slot.read(Timestamp::now());
    let (Some(found), Source::File(path)) = (&entry, &request.source) else { return Ok(entry) };
    match source::read_file(path) {
        Ok(token) if found.is_for(&token) => Ok(entry),
        Ok(_) => Ok(None),
        // Somebody took it away, who no longer wants it used.
        Err(fault @ FileFault::Missing) => {
            Err(Failure::Unknown(anyhow::Error::new(fault).context(path.display().to_string())))
        }
        // Somebody is writing it.
        Err(_) => Ok(entry),
    }
}

/// New credentials; or the kept ones, while they are good and new ones are not to be had.
async fn renew(held: Held<'_>, kept: Option<Entry>, request: &Request, began: Timestamp) -> Result<Entry, Failure> {
    let now = Timestamp::now();
    match (held.last_failure(), kept) {
        // It failed while this one waited for it: a hundred that wait do not ask a hundred times.
        (Some(failed), None) if failed.at >= began => Err(failed.clone().failure()),
        (Some(failed), Some(kept)) if failed.at <= now && now < failed.at + AGAIN => Ok(kept),
        (_, kept) => match fetch(request).await {
            Ok(entry) => {
                if let Err(why) = held.keep(&entry) {
                    out::say(format_args!("countersign: credentials are not kept: {why:#}"));
                }
                Ok(entry)
            }
            Err(failure) => {
                let now = Timestamp::now();
                // Whoever waits asks for itself, if this cannot be told.
                let _ = held.give_up(&failure, now);
                let Some(kept) = kept.filter(|kept| !kept.is_over(now)) else { return Err(failure) };
                let end = kept.credentials.expiration;
                out::say(format_args!("countersign: credentials are not renewed, and good until {end:.0}: {failure}"));
                Ok(kept)
            }
        },
    }
}

/// A token, and what STS gives for it.
async fn fetch(request: &Request) -> Result<Entry, Failure> {
    let token = request.source.token().await?;
    let credentials = sts::assume(&request.session, &token).await?;
    let now = Timestamp::now();
    let refresh_at = refresh_at(now, credentials.expiration, fastrand::f64());
    Ok(Entry::new(credentials, now, refresh_at, &token))
}

/// When to renew what was obtained now; `draw` is from 0 to 1.
fn refresh_at(now: Timestamp, expiration: Timestamp, draw: f64) -> Timestamp {
    let ahead = (expiration.duration_since(now).as_secs_f64() / 3.0).min(AHEAD.as_secs_f64());
    let ahead = SignedDuration::try_from_secs_f64(ahead * JITTER.mul_add(draw, 1.0)).unwrap_or(AHEAD);
    expiration - ahead
}

/// For a process that renews.
struct Waiting {
    since: Instant,
    told: bool,
}

impl Waiting {
    async fn a_moment(&mut self, slot: &Slot) -> Result<(), Failure> {
        let waited = self.since.elapsed();
        if waited > Duration::from_secs(2) && !self.told {
            let holder = slot.holder().unwrap_or_default();
            // Not at once: in another container, another process may have the same number.
            if ancestors().contains(&holder) {
                return Err(anyhow!(
                    "these credentials are needed to sign the request for themselves: the AWS profile that signs runs `countersign credentials` with the same settings; name the one that signs (--aws-profile, or aws_profile in the profile)"
                )
                .into());
            }
            out::say(format_args!("still waiting for process {holder}, which asks for the same credentials ..."));
            self.told = true;
        }
        if waited > PATIENCE {
            return Err(anyhow!("another process has been asking for these credentials for {waited:.0?}").into());
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..40))).await;
        Ok(())
    }
}

/// The processes that this one comes from, as far as the system tells.
fn ancestors() -> Vec<u32> {
    let parent = |of: u32| -> Option<u32> {
        // `PID (NAME) STATE PPID ...`, where a name may hold anything.
        std::fs::read_to_string(format!("/proc/{of}/stat")).ok()?.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    std::iter::successors(Some(std::os::unix::process::parent_id()), |of| parent(*of))
        .take_while(|of| *of != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_renewed_five_minutes_before_the_end_or_a_third_of_a_short_life_and_a_little_earlier_by_chance() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (life, draw, expected) in
            [(3600, 0.0, 3300), (3600, 1.0, 3240), (43200, 0.5, 42870), (900, 0.0, 600), (12, 0.0, 8), (1, 1.0, 0)]
        {
            let at = refresh_at(now, now + SignedDuration::from_secs(life), draw);
            assert_eq!(at.duration_since(now).as_secs(), expected, "{life} {draw}");
        }
    }

    #[test]
    fn a_process_knows_where_it_comes_from() {
        assert_eq!(ancestors().first(), Some(&std::os::unix::process::parent_id()));
        assert!(!ancestors().contains(&std::process::id()));
    }
}
