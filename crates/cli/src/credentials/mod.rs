//! AWS credentials from a token: where the token comes from, what STS gives for it, and what is kept of that.
//!
//! [`settings`] (flags, environment, profile) become a [`Request`], which names one [`Source`] of tokens and one [`Session`]
//! of a role, all of it checked. [`obtain`] answers it: from the [`cache`] if it can, else with a token from the source and
//! one call of STS, however many processes ask at the same time.

pub mod cache;
mod explain;
pub mod fresh;
pub mod keeper;
pub mod key;
pub mod output;
pub mod profile;
pub mod role;
pub mod settings;
pub mod source;
pub mod status;
pub mod sts;
pub mod token;

use std::time::{Duration, Instant};

use anyhow::anyhow;
use jiff::{SignedDuration, Timestamp};

use self::cache::{Cache, Entry, Held, Slot};
use self::role::Session;
use self::source::{FileFault, Source};
use crate::out;
use crate::verify::text::span;

/// Credentials are renewed so long before their end, or a third of their life before it if that is less.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// And up to this part of that earlier, so that what began together does not renew together.
const JITTER: f64 = 0.2;
/// While there are valid credentials, a failure is repeated no sooner than this.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// An attempt that can be repeated while there are valid credentials takes no longer.
const HURRY: Duration = Duration::from_secs(10);
/// What ends so soon has ended when it is used.
const LEAST: SignedDuration = SignedDuration::from_secs(15);
/// By how much clocks may differ without a word.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);
/// So many processes may need each other's credentials. More are one that needs its own.
const DEEPEST: usize = 4;
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
    // A pipe is read once, and its name does not say what comes out of it.
    let pipe = matches!(&request.source, Source::File(path) if path.metadata().is_ok_and(|found| !found.is_file()));
    if keep == Keep::Nothing || pipe {
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
    let slot = cache.slot(&key::of(request)?);
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
                    _ => renew(Some(held), kept, request, began).await,
                };
            }
            Ok(None) => match kept.filter(|kept| !kept.is_over(Timestamp::now() + LEAST)) {
                Some(entry) => return Ok(entry),
                None => waiting.a_moment(&slot).await?,
            },
            Err(why) => {
                out::say(format_args!("countersign: credentials are not kept: {why:#}"));
                return renew(None, kept, request, began).await;
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
async fn renew(
    held: Option<Held<'_>>,
    kept: Option<Entry>,
    request: &Request,
    began: Timestamp,
) -> Result<Entry, Failure> {
    let now = Timestamp::now();
    // One in the future was noted by a clock that was ahead, and would last until then.
    let failed = held.as_ref().and_then(Held::last_failure).filter(|failed| failed.at <= now);
    match (failed, kept) {
        // It failed while this one waited for it: a hundred that wait do not ask a hundred times.
        (Some(failed), None) if failed.at >= began => Err(failed.clone().failure()),
        (Some(failed), Some(kept)) if now < failed.at + AGAIN => Ok(kept),
        (_, kept) => match attempt(request, kept.as_ref().is_some_and(|kept| !kept.is_over(now + LEAST))).await {
            Ok(entry) => {
                if let Some(Err(why)) = held.map(|held| held.keep(&entry)) {
                    out::say(format_args!("countersign: credentials are not kept: {why:#}"));
                }
                Ok(entry)
            }
            Err(failure) => {
                let now = Timestamp::now();
                // Whoever waits asks for itself, if this cannot be told.
                let _ = held.map(|held| held.give_up(&failure, now));
                let Some(kept) = kept.filter(|kept| !kept.is_over(now)) else { return Err(failure) };
                let end = kept.credentials.expiration;
                out::say(format_args!("countersign: credentials are not renewed, and good until {end:.0}: {failure}"));
                Ok(kept)
            }
        },
    }
}

/// What [`fetch`] does, but not for long if there is no need.
async fn attempt(request: &Request, hurry: bool) -> Result<Entry, Failure> {
    if !hurry {
        return fetch(request).await;
    }
    let late = |_| Err(anyhow!("no answer within {HURRY:?}").into());
    tokio::time::timeout(HURRY, fetch(request)).await.unwrap_or_else(late)
}

/// A token, and what STS gives for it.
async fn fetch(request: &Request) -> Result<Entry, Failure> {
    // Without a cache there is no lock that such a chain would wait for.
    if matches!(request.source, Source::Issuer(_)) && depth() > DEEPEST {
        return Err(anyhow!(CIRCLE).into());
    }
    let token = request.source.token().await?;
    let mut credentials = sts::assume(&request.session, &token).await?;
    let now = Timestamp::now();
    // STS says when they end by its own clock. To one that is behind they would last longer than they do.
    let longest = now + request.session.longest();
    if credentials.expiration > longest + CLOCKS {
        let behind = credentials.expiration.duration_since(longest).as_secs().unsigned_abs();
        out::say(format_args!("countersign: this machine's clock is {} behind that of STS", span(behind)));
    }
    credentials.expiration = credentials.expiration.min(longest);
    let refresh_at = refresh_at(now, credentials.expiration, fastrand::f64());
    Ok(Entry::new(credentials, now, refresh_at, &token))
}

/// When to renew what was obtained now; `draw` is from 0 to 1.
fn refresh_at(now: Timestamp, expiration: Timestamp, draw: f64) -> Timestamp {
    let ahead = (expiration.duration_since(now).as_secs_f64() / 3.0).min(AHEAD.as_secs_f64());
    let ahead = SignedDuration::try_from_secs_f64(ahead * JITTER.mul_add(draw, 1.0)).unwrap_or(AHEAD);
    expiration - ahead
}

/// Why nobody would ever be done.
pub(crate) const CIRCLE: &str = "these credentials are needed to sign the request for themselves: the AWS profile that signs runs \
                      `countersign credentials` with the same settings; name the one that signs (--aws-profile, or aws_profile \
                      in the profile)";

/// For a process that renews.
struct Waiting {
    since: Instant,
    told: bool,
}

impl Waiting {
    async fn a_moment(&mut self, slot: &Slot) -> Result<(), Failure> {
        let waited = self.since.elapsed();
        if waited > Duration::from_secs(2) && !self.told {
            if slot.holder().is_some_and(|holder| ancestors().contains(&holder)) {
                return Err(anyhow!(CIRCLE).into());
            }
            let holder = named(slot);
            out::say(format_args!("still waiting for {holder}, which asks for the same credentials ..."));
            self.told = true;
        }
        if waited > PATIENCE {
            let holder = named(slot);
            return Err(anyhow!(
                "{holder} has been asking for these credentials for {waited:.0?}: end it, or ask beside it (--no-cache)"
            )
            .into());
        }
        // A little longer each time, or hundreds that wait keep the one from its work.
        let pause = (waited / 8).clamp(Duration::from_millis(10), Duration::from_millis(250));
        tokio::time::sleep(pause.mul_f64(1.0 + fastrand::f64())).await;
        Ok(())
    }
}

/// Who holds it, for people.
fn named(slot: &Slot) -> String {
    slot.holder().map_or_else(|| "another process".to_owned(), |holder| format!("process {holder}"))
}

/// How many of the processes that this one comes from are ours.
fn depth() -> usize {
    let program = |of: &str| std::fs::read_link(format!("/proc/{of}/exe")).ok();
    let ours = program("self");
    ancestors().iter().filter(|of| ours.is_some() && program(&of.to_string()) == ours).count()
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

    #[tokio::test]
    async fn whoever_waits_too_long_is_told_for_whom() {
        let folder = tempfile::tempdir().unwrap();
        let slot = Cache::at(folder.path().join("countersign")).unwrap().slot("00");
        let _held = slot.try_hold().unwrap().expect("nobody holds it");
        let since = Instant::now().checked_sub(PATIENCE + Duration::from_secs(1)).unwrap();
        let why = Waiting { since, told: true }.a_moment(&slot).await.unwrap_err().to_string();
        let expected = format!("process {} has been asking for these credentials for 91s: end it", std::process::id());
        assert!(why.starts_with(&expected), "{why}");
    }

    #[test]
    fn a_process_knows_where_it_comes_from() {
        assert_eq!(ancestors().first(), Some(&std::os::unix::process::parent_id()));
        assert!(!ancestors().contains(&std::process::id()));
    }
}
