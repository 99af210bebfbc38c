//! Keeps a session or a token fresh for as long as a process runs.
//!
//! **Owns** the schedule: it comes from the life of what was received, and a failure is followed by attempts that are further and
//! further apart, up to half a minute. **Refuses** to stop: a refusal may be mended at the other end. It says when what it holds has
//! ended, and never hands it out after that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::cache::{Entry, Failed};
use super::fresh::{Fresh, Moment};
use super::source::Source;
use super::status::Status;
use super::token::WebToken;
use super::{Failure, Request, fetch};

/// The first pause after a failure, and the longest: each is twice the one before it.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How often the wall clock is looked at: it may step, and a machine that slept wakes up late.
const LOOK: SignedDuration = SignedDuration::from_secs(1);
/// And no oftener.
const SHORTEST: SignedDuration = SignedDuration::from_millis(10);
/// How long a token is taken for good that does not say when it was issued.
const UNKNOWN: SignedDuration = SignedDuration::from_mins(5);

/// What can be had anew.
pub trait Renewable: Clone + Send + Sync + 'static {
    /// What it is.
    type Value: Send + Sync + 'static;

    /// Have it anew.
    fn renew(&self) -> impl Future<Output = Result<Fresh<Self::Value>, Failure>> + Send;
}

impl Renewable for Request {
    type Value = Entry;

    async fn renew(&self) -> Result<Fresh<Self::Value>, Failure> {
        // The life counts from before the question: the answer may have been slow.
        let began = Moment::now();
        let entry = fetch(self).await?;
        let life = session_life(entry.credentials.expiration, began.wall, self.session.longest());
        Ok(Fresh::new(entry, began, life, fastrand::f64()))
    }
}

impl Renewable for Source {
    type Value = WebToken;

    async fn renew(&self) -> Result<Fresh<WebToken>, Failure> {
        let began = Moment::now();
        let token = self.lasting_token().await?;
        let life = life(&token, began.wall).ok_or_else(|| {
            anyhow::anyhow!(
                "the token ended before it came, by this machine's clock ({:.0}), or says no exp",
                began.wall
            )
        })?;
        Ok(Fresh::new(token, began, life, fastrand::f64()))
    }
}

/// How long a session is good after it was asked for. By a clock that is behind it ends later by as much as the answer took.
fn session_life(end: Timestamp, asked: Timestamp, longest: SignedDuration) -> SignedDuration {
    end.duration_since(asked).min(longest)
}

/// How long a token is good that came now. A clock that is behind does not make it longer than its issuer meant it to be.
fn life(token: &WebToken, now: Timestamp) -> Option<SignedDuration> {
    let end = token.time("exp")?;
    let meant = token.time("iat").map_or(UNKNOWN, |issued| SignedDuration::from_secs(end.saturating_sub(issued)));
    let left = SignedDuration::from_secs(end).saturating_sub(now.as_duration());
    Some(left.min(meant)).filter(SignedDuration::is_positive)
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// There is a new one.
    Renewed,
    /// There is none, for this reason, and there will be another attempt so much later.
    Failed(Failure, Duration),
    /// What was held has ended.
    Ended,
}

/// One thing that is kept fresh.
pub struct Keeper<R: Renewable> {
    what: R,
    held: Option<Arc<Fresh<R::Value>>>,
    attempt: JoinSet<Result<Fresh<R::Value>, Failure>>,
    renewals: u64,
    /// How the last attempt failed, how many did one after the other, and when the next one is made.
    failed: Option<(Failed, u32, Moment, SignedDuration)>,
}

impl<R: Renewable> Keeper<R> {
    /// Nothing is held yet.
    pub fn new(what: R) -> Self {
        Self { what, held: None, attempt: JoinSet::new(), renewals: 0, failed: None }
    }

    /// What is kept fresh.
    pub fn what(&self) -> &R {
        &self.what
    }

    /// What is held. Whoever hands it out looks whether it is over.
    pub fn held(&self) -> Option<&Arc<Fresh<R::Value>>> {
        self.held.as_ref()
    }

    /// What there is to know of it, but its name.
    pub fn status(&self) -> Status {
        let now = Moment::now();
        let at = |left| now.wall.saturating_add(left).unwrap_or(Timestamp::MAX);
        Status {
            ends_at: self.held.as_ref().filter(|held| !held.is_over(now)).map(|held| held.end(now)),
            next_attempt_at: at(self.next_attempt_in(now)),
            renewals: self.renewals,
            failure: self.failed.as_ref().map(|(failed, ..)| failed.clone()),
        }
    }

    /// Wait for what happens next. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> Event {
        loop {
            let now = Moment::now();
            if self.held.as_ref().is_some_and(|held| held.is_over(now)) {
                self.held = None;
                return Event::Ended;
            }
            if self.attempt.is_empty() && self.next_attempt_in(now).is_zero() {
                let what = self.what.clone();
                self.attempt.spawn(async move { what.renew().await });
            }
            let ends = self.held.as_ref().map_or(SignedDuration::MAX, |held| held.over_in(now));
            let wait = if self.attempt.is_empty() { ends.min(self.next_attempt_in(now)) } else { ends };
            let wait = wait.clamp(SHORTEST, LOOK).unsigned_abs();
            if self.attempt.is_empty() {
                tokio::time::sleep(wait).await;
            } else if let Ok(Some(ended)) = tokio::time::timeout(wait, self.attempt.join_next()).await {
                return self.attempted(ended.unwrap_or_else(|bug| Err(anyhow::Error::new(bug).into())));
            }
        }
    }

    fn next_attempt_in(&self, now: Moment) -> SignedDuration {
        let due = self.held.as_ref().map_or(SignedDuration::ZERO, |held| held.due_in(now));
        let paused = self.failed.as_ref().map_or(SignedDuration::ZERO, |(.., from, pause)| *pause - now.since(*from));
        due.max(paused)
    }

    fn attempted(&mut self, attempt: Result<Fresh<R::Value>, Failure>) -> Event {
        // Else it would be asked for again at once, and nobody told why there is none.
        let ended = || anyhow::anyhow!("what came had ended, by this machine's clock ({:.0})", Timestamp::now());
        let good = |fresh: Fresh<_>| if fresh.is_over(Moment::now()) { Err(ended().into()) } else { Ok(fresh) };
        match attempt.and_then(good) {
            Ok(fresh) => {
                (self.held, self.failed) = (Some(Arc::new(fresh)), None);
                self.renewals += 1;
                Event::Renewed
            }
            Err(failure) => {
                let before = self.failed.as_ref().map_or(0, |(_, failures, ..)| *failures);
                let pause = pause(before, fastrand::f64());
                let now = Moment::now();
                let failed = Failed::new(&failure, now.wall);
                self.failed = Some((failed, before + 1, now, pause));
                Event::Failed(failure, pause.unsigned_abs())
            }
        }
    }
}

/// The pause after so many failures in a row; `draw` is from 0 to 1.
pub fn pause(failures: u32, draw: f64) -> SignedDuration {
    let [first, most] = PAUSES;
    let pause = first.saturating_mul(1 << failures.min(8)).min(most);
    pause.mul_f64(1.0 - draw / 2.0).try_into().unwrap_or(SignedDuration::ZERO)
}

/// For a log.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renewed => f.write_str("renewed"),
            Self::Failed(why, pause) => {
                write!(f, "not renewed, next attempt in {:.0} s: {why}", pause.as_secs_f64().ceil())
            }
            Self::Ended => f.write_str("ended, and nothing took its place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Gives lives in milliseconds, and a failure for none; then none for ever.
    #[derive(Clone)]
    struct Script(Arc<Mutex<Vec<Option<i64>>>>);

    impl Renewable for Script {
        type Value = ();

        async fn renew(&self) -> Result<Fresh<()>, Failure> {
            let next = self.0.lock().unwrap().pop().flatten();
            let life = next.ok_or_else(|| Failure::Refused("no".to_owned()))?;
            Ok(Fresh::new((), Moment::now(), SignedDuration::from_millis(life), 0.0))
        }
    }

    fn keeper(script: &[Option<i64>]) -> Keeper<Script> {
        Keeper::new(Script(Arc::new(Mutex::new(script.iter().rev().copied().collect()))))
    }

    #[tokio::test]
    async fn what_ends_is_said_to_have_ended_and_a_failure_is_not_the_last_word() {
        let mut keeper = keeper(&[None, Some(4000), None, None, Some(600_000)]);
        let mut seen = Vec::new();
        while keeper.status().renewals < 2 {
            let event = keeper.next().await;
            let held = keeper.held().is_some();
            match &event {
                Event::Renewed => assert!(held && keeper.status().failure.is_none()),
                Event::Failed(..) => {
                    assert_eq!(keeper.status().failure.map(|failed| failed.why), Some("no".to_owned()));
                }
                Event::Ended => assert!(!held && keeper.status().ends_at.is_none()),
            }
            seen.push(event.to_string().split(',').next().unwrap_or_default().to_owned());
        }
        seen.retain(|event| event != "not renewed");
        assert_eq!(seen, ["renewed", "ended", "renewed"]);
        assert!(
            keeper
                .status()
                .ends_at
                .is_some_and(|end| end < keeper.status().next_attempt_at + SignedDuration::from_hours(1))
        );
    }

    #[tokio::test]
    async fn what_has_ended_when_it_comes_is_a_failure() {
        let mut keeper = keeper(&[Some(0)]);
        let Event::Failed(why, pause) = keeper.next().await else { panic!("it was held") };
        assert!(why.to_string().starts_with("what came had ended, by this machine's clock (2"), "{why}");
        assert!(!pause.is_zero() && keeper.held().is_none() && keeper.status().failure.is_some());
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_loses_nothing() {
        let mut keeper = keeper(&[Some(600_000)]);
        let ended = loop {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                event = keeper.next() => break event,
            }
        };
        assert!(matches!(ended, Event::Renewed), "{ended}");
    }

    #[test]
    fn pauses_grow_to_half_a_minute_and_differ() {
        let seconds = |failures, draw| pause(failures, draw).as_secs_f64();
        let pauses: Vec<f64> = [0, 1, 2, 3, 4, 5, 6, 1000].map(|failures| seconds(failures, 0.0)).to_vec();
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert!((seconds(0, 1.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_slow_answer_makes_no_session_longer_than_it_was_asked_for() {
        let asked = Timestamp::from_second(1_800_000_000).unwrap();
        for (end, expected) in [(3600, 3600), (3590, 3590), (3625, 3600), (-10, -10)] {
            let life = session_life(asked + SignedDuration::from_secs(end), asked, SignedDuration::from_hours(1));
            assert_eq!(life.as_secs(), expected, "{end}");
        }
    }

    #[test]
    fn a_token_is_good_for_as_long_as_its_issuer_meant_it_to_be_whatever_this_clock_says() {
        // The second that has begun is not the token's.
        let now = Timestamp::new(1_800_000_000, 100_000_000).unwrap();
        let at = |ago: i64| 1_800_000_000 - ago;
        for (issued, ends, expected) in [
            (Some(at(0)), Some(at(-600)), Some(599)),
            (Some(at(60)), Some(at(-540)), Some(539)),
            // This clock is two hours behind.
            (Some(at(-7200)), Some(at(-7800)), Some(600)),
            (None, Some(at(-3600)), Some(300)),
            (Some(at(600)), Some(at(0)), None),
            (Some(at(0)), None, None),
            (Some(i64::MIN), Some(i64::MAX), Some(i64::MAX - 1_800_000_001)),
            (Some(0), Some(i64::MIN), None),
        ] {
            let token = super::super::token::tests::token(&serde_json::json!({"iat": issued, "exp": ends}));
            assert_eq!(life(&token, now).map(|life| life.as_secs()), expected, "{issued:?} {ends:?}");
        }
    }
}
