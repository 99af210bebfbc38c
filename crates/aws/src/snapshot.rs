//! What was fetched, for as long as it may be used: key ring, policy and key set, each a [`Snapshot`].
//!
//! - Younger than [`Bounds::refresh`] it is used as it is.
//! - Older, the request that notices awaits one refresh, shared with whoever else asks, for at most a second. Then it
//!   uses the last good copy.
//! - For [`Bounds::last_good`] more the last good copy serves while its source fails. After that, and before there ever
//!   was a good copy, a request waits at most three seconds, and then there is nothing.
//! - After a failure the source is left alone for five seconds and a little more. A failure is never kept as a value.
//!
//! The age is reckoned by wall clock, since the time that a function is frozen counts, from the moment at which the
//! fetch began. A copy from the future has no age that anybody could know: it is used no more.
//!
//! Nothing runs in the background, because a function is frozen between requests. A refresh that a request gave up
//! waiting for goes on when the next one asks.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use countersign_core::bounds::Bounds;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a request waits for a refresh while there is a copy that it can use.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits where there is none.
const PATIENCE_WITHOUT: Duration = Duration::from_secs(3);
/// A refresh that has not ended after this time never will: its connection did not survive a freeze.
const HOPELESS: Duration = Duration::from_secs(30);
/// After a failure the source is left alone for this long ...
const PAUSE: Duration = Duration::from_secs(5);
/// ... and up to this much more, so that instances that failed together do not come back together.
const PAUSE_MORE_MS: u64 = 1000;

/// What a source gave: the bytes, wiped when they are dropped, since some of them are private keys.
pub type Fetched = Result<Zeroizing<Vec<u8>>, SourceFault>;

/// Why a source gave nothing, or nothing that can be used. The text is for operators. Whoever makes it leaves out what was
/// fetched, which may be a key that somebody put into the wrong place.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SourceFault(String);

impl SourceFault {
    /// What went wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What went wrong with `what`: the error and its causes, in the words that they have for people. Their debug form
    /// would hold a whole response, and so perhaps a secret.
    pub fn of(what: impl fmt::Display, error: &(dyn Error + 'static)) -> Self {
        let mut text = what.to_string();
        let mut cause = Some(error);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        Self(text)
    }
}

/// A copy and when it was fetched.
#[derive(Debug)]
pub struct Held<T> {
    /// The copy.
    pub value: Arc<T>,
    /// How old it is.
    pub age: Duration,
}

type Fetch = dyn Fn() -> BoxFuture<'static, Fetched> + Send + Sync;
type Parse<T> = dyn Fn(&[u8]) -> Result<T, SourceFault> + Send + Sync;
type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// One thing that is fetched, parsed, and used for a while.
pub struct Snapshot<T> {
    name: &'static str,
    refresh: Duration,
    usable: Duration,
    fetch: Box<Fetch>,
    parse: Box<Parse<T>>,
    clock: Box<Clock>,
    state: Mutex<State<T>>,
}

struct State<T> {
    held: Option<Copy<T>>,
    running: Option<Refresh>,
    failed: Option<Failure>,
}

struct Copy<T> {
    value: Arc<T>,
    /// What it was parsed from: an unchanged source is not parsed again.
    digest: [u8; 32],
    since: SystemTime,
}

#[derive(Clone)]
struct Refresh {
    began: SystemTime,
    answer: Shared<BoxFuture<'static, Arc<Fetched>>>,
}

#[derive(Clone, Copy)]
struct Failure {
    at: SystemTime,
    pause: Duration,
}

impl<T> Snapshot<T> {
    /// What `fetch` gets and `parse` understands. `name` is for the log.
    pub fn new(
        name: &'static str,
        bounds: Bounds,
        fetch: impl Fn() -> BoxFuture<'static, Fetched> + Send + Sync + 'static,
        parse: impl Fn(&[u8]) -> Result<T, SourceFault> + Send + Sync + 'static,
    ) -> Self {
        let refresh = Duration::from_secs(bounds.refresh.into());
        Self {
            name,
            refresh,
            usable: refresh + Duration::from_secs(bounds.last_good.into()),
            fetch: Box::new(fetch),
            parse: Box::new(parse),
            clock: Box::new(SystemTime::now),
            state: Mutex::new(State { held: None, running: None, failed: None }),
        }
    }

    /// The copy to use now, refreshed if it is time for that. `None` if there is none that is young enough.
    pub async fn get(&self) -> Option<Held<T>> {
        let (refresh, patience) = {
            let mut state = self.lock();
            let now = (self.clock)();
            let held = state.held(now, self.usable);
            if held.as_ref().is_some_and(|held| held.age <= self.refresh) || state.pauses(now) {
                return held;
            }
            // One that was begun before a long freeze is not worth waiting for, and its answer would be as old.
            state.running.take_if(|running| running.waited(now) > HOPELESS);
            let start = || Refresh::begin(now, (self.fetch)());
            let patience = if held.is_some() { PATIENCE } else { PATIENCE_WITHOUT };
            (state.running.get_or_insert_with(start).clone(), patience)
        };
        let answer = timeout(patience, refresh.answer.clone()).await;
        let mut state = self.lock();
        // Somebody else who waited for the same refresh may have been here already.
        let current = state.running.as_ref().is_some_and(|running| running.answer.ptr_eq(&refresh.answer));
        match answer {
            _ if !current => {}
            Ok(answer) => self.settle(&mut state, refresh.began, &answer),
            Err(_) => {
                if refresh.waited((self.clock)()) > HOPELESS {
                    self.settle(&mut state, refresh.began, &Err(SourceFault::new("no answer")));
                }
            }
        }
        state.held((self.clock)(), self.usable)
    }

    /// A refresh has ended.
    fn settle(&self, state: &mut State<T>, began: SystemTime, answer: &Fetched) {
        state.running = None;
        let parsed = answer.as_ref().map_err(SourceFault::clone).and_then(|bytes| {
            let digest: [u8; 32] = Sha256::digest(bytes).into();
            if let Some(copy) = state.held.take_if(|copy| copy.digest == digest) {
                return Ok(Copy { since: began, ..copy });
            }
            let parsed = catch_unwind(AssertUnwindSafe(|| (self.parse)(bytes)));
            let value = parsed.unwrap_or_else(|_| Err(SourceFault::new("a panic while it was read")))?;
            Ok(Copy { value: Arc::new(value), digest, since: began })
        });
        match parsed {
            Ok(copy) => {
                if state.failed.take().is_some() {
                    tracing::info!(source = self.name, "fetched again");
                }
                state.held = Some(copy);
            }
            Err(fault) => {
                let at = (self.clock)();
                let pause = PAUSE + Duration::from_millis(fastrand::u64(0..PAUSE_MORE_MS));
                state.failed = Some(Failure { at, pause });
                let last_good = state.held(at, self.usable).map(|held| held.age.as_secs());
                tracing::warn!(source = self.name, %fault, last_good, "cannot be fetched");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refresh {
    /// A panic must not stay in what everybody polls: it is a failure like another.
    fn begin(now: SystemTime, fetch: BoxFuture<'static, Fetched>) -> Self {
        let caught = AssertUnwindSafe(fetch).catch_unwind();
        let answer = caught
            .map(|fetched| Arc::new(fetched.unwrap_or_else(|_| Err(SourceFault::new("a panic while it was fetched")))));
        Self { began: now, answer: answer.boxed().shared() }
    }

    /// How long ago it was begun; for ever, if the clock went back.
    fn waited(&self, now: SystemTime) -> Duration {
        now.duration_since(self.began).unwrap_or(Duration::MAX)
    }
}

impl<T> State<T> {
    /// The copy that there is, if it is young enough.
    fn held(&self, now: SystemTime, usable: Duration) -> Option<Held<T>> {
        let copy = self.held.as_ref()?;
        let age = now.duration_since(copy.since).ok().filter(|age| *age <= usable)?;
        Some(Held { value: Arc::clone(&copy.value), age })
    }

    /// Is the source left alone for the moment?
    fn pauses(&self, now: SystemTime) -> bool {
        self.failed.is_some_and(|Failure { at, pause }| now.duration_since(at).is_ok_and(|since| since < pause))
    }
}

impl<T> fmt::Debug for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("name", &self.name).finish_non_exhaustive()
    }
}
