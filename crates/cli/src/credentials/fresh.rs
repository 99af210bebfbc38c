//! How long something is good that ends, on a machine whose clock may be wrong, step, or stand still with the machine.
//!
//! **Owns** two clocks for each [`Moment`]: the wall's, which steps, and the steady one, which does not count while the machine
//! sleeps. What was obtained has the age of whichever says more, so that neither makes it younger. Its life is told by whoever
//! obtained it, and never by the wall clock alone. The next may rely on: what is not [over](Fresh::is_over) is good, as far as any
//! clock of this machine can tell.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Renewed so long before the end, or a third of a life before it if that is less. Longer than the quarter of an hour before
/// the end at which AWS's SDK for Python begins to ask for new ones with each request.
const AHEAD: SignedDuration = SignedDuration::from_mins(20);
/// And up to this part of that earlier, so that what began together does not renew together.
const JITTER: f64 = 0.2;
/// A wall clock that stepped back further says that it was wrong, before or now.
const STEP: SignedDuration = SignedDuration::from_secs(5);
/// What ends so soon has ended when it is used.
const LEAST: SignedDuration = SignedDuration::from_secs(5);

/// Now, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the wall clock.
    pub wall: Timestamp,
    steady: Instant,
}

impl Moment {
    /// Look at the clocks.
    pub fn now() -> Self {
        Self { wall: Timestamp::now(), steady: Instant::now() }
    }

    /// So much earlier, as both clocks would have said then.
    #[must_use]
    pub fn before(self, ago: SignedDuration) -> Self {
        let wall = self.wall.saturating_sub(ago).unwrap_or(Timestamp::MIN);
        let steady = ago.try_into().ok().and_then(|ago| self.steady.checked_sub(ago));
        Self { wall, steady: steady.unwrap_or(self.steady) }
    }

    /// By how much the wall clock has stepped since, if that is not just its being adjusted. A machine that slept has a clock that
    /// stepped.
    pub fn stepped(self, earlier: Self) -> Option<SignedDuration> {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        let step = self.wall.duration_since(earlier.wall) - SignedDuration::try_from(steady).ok()?;
        Some(step).filter(|step| step.abs() > STEP)
    }

    /// How long ago `earlier` was: at least so long.
    pub fn since(self, earlier: Self) -> SignedDuration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        SignedDuration::try_from(steady).unwrap_or(SignedDuration::MAX).max(self.wall.duration_since(earlier.wall))
    }
}

/// Something that ends.
#[derive(Debug, Clone)]
pub struct Fresh<T> {
    /// What it is.
    pub value: T,
    obtained: Moment,
    life: SignedDuration,
    renew_after: SignedDuration,
}

impl<T> Fresh<T> {
    /// Obtained at this moment, and good for so long; `draw` is from 0 to 1.
    pub fn new(value: T, obtained: Moment, life: SignedDuration, draw: f64) -> Self {
        let ahead = (life.as_secs_f64() / 3.0).min(AHEAD.as_secs_f64()) * JITTER.mul_add(draw, 1.0);
        Self { value, obtained, life, renew_after: life - SignedDuration::try_from_secs_f64(ahead).unwrap_or(AHEAD) }
    }

    /// Another value with the same life.
    pub fn with<U>(&self, value: U) -> Fresh<U> {
        Fresh { value, obtained: self.obtained, life: self.life, renew_after: self.renew_after }
    }

    /// What is left of it: less than nothing, once it has ended.
    pub fn left(&self, now: Moment) -> SignedDuration {
        self.life - now.since(self.obtained)
    }

    /// When it ends, as the wall clock will say then, if it does not step.
    pub fn end(&self, now: Moment) -> Timestamp {
        now.wall.saturating_add(self.left(now)).unwrap_or(Timestamp::MAX)
    }

    /// For so long it may be handed out.
    pub fn over_in(&self, now: Moment) -> SignedDuration {
        self.left(now) - LEAST.min(self.life / 4)
    }

    /// Not to be handed out any more.
    pub fn is_over(&self, now: Moment) -> bool {
        !self.over_in(now).is_positive()
    }

    /// How long until it is to be renewed; not at all, if the wall clock stepped back: nobody knows which of its words was true.
    pub fn due_in(&self, now: Moment) -> SignedDuration {
        if self.obtained.wall > now.wall + STEP {
            return SignedDuration::ZERO;
        }
        (self.renew_after - now.since(self.obtained)).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// So many seconds later by each clock.
    fn later(from: Moment, wall: i64, steady: u64) -> Moment {
        Moment { wall: from.wall + SignedDuration::from_secs(wall), steady: from.steady + Duration::from_secs(steady) }
    }

    fn hour(obtained: Moment) -> Fresh<()> {
        Fresh::new((), obtained, SignedDuration::from_hours(1), 0.0)
    }

    #[test]
    fn it_is_renewed_twenty_minutes_before_the_end_or_a_third_of_a_short_life_and_a_little_earlier_by_chance() {
        let now = Moment::now();
        for (life, draw, expected) in
            [(3600, 0.0, 2400), (43200, 0.0, 42000), (43200, 1.0, 41760), (900, 0.0, 600), (900, 1.0, 540), (6, 0.0, 4)]
        {
            let fresh = Fresh::new((), now, SignedDuration::from_secs(life), draw);
            assert_eq!(fresh.due_in(now).as_secs(), expected, "{life} {draw}");
        }
    }

    #[test]
    fn whichever_clock_says_more_is_believed() {
        let began = Moment::now();
        let fresh = hour(began);
        for (wall, steady, left, over) in [
            (1800, 1800, 1800, false),
            // The machine slept.
            (3600, 10, 0, true),
            // The clock stepped back.
            (-7200, 3590, 10, false),
            (-7200, 3600, 0, true),
            // It stepped forwards, and back again.
            (9000, 60, -5400, true),
            (60, 60, 3540, false),
            // What ends at once is over.
            (3595, 3595, 5, true),
        ] {
            let now = later(began, wall, steady);
            assert_eq!((fresh.left(now).as_secs(), fresh.is_over(now)), (left, over), "{wall} {steady}");
            assert_eq!(fresh.end(now), now.wall + SignedDuration::from_secs(left), "{wall} {steady}");
        }
    }

    #[test]
    fn a_step_is_told_from_a_clock_that_is_adjusted() {
        let began = Moment::now();
        for (wall, steady, expected) in
            [(10, 10, None), (15, 10, None), (3610, 10, Some(3600)), (-3590, 10, Some(-3600))]
        {
            let step = later(began, wall, steady).stepped(began);
            assert_eq!(step.map(|step| step.as_secs()), expected, "{wall} {steady}");
        }
    }

    #[test]
    fn a_clock_that_stepped_back_is_reason_enough_to_renew() {
        let began = Moment::now();
        assert!(!hour(began).due_in(later(began, -4, 1)).is_zero());
        assert!(hour(began).due_in(later(began, -6, 1)).is_zero());
    }

    #[test]
    fn a_life_of_seconds_has_a_use() {
        let began = Moment::now();
        let fresh = Fresh::new((), began, SignedDuration::from_secs(8), 0.0);
        assert!(!fresh.is_over(later(began, 5, 5)));
        assert_eq!(fresh.over_in(later(began, 5, 5)).as_secs(), 1);
        assert!(fresh.is_over(later(began, 6, 6)));
    }
}
