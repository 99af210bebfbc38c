//! When keys may change their state: how long one is published before it signs, and after it has stopped.
//!
//! A [`Schedule`] that exists keeps two inequalities, so that no rotation can make a relying party reject a token that is
//! still valid:
//!
//! - a key signs only when nobody can hold a key set any more that lacks it:
//!   `announce_for >= refresh + last_good + max_age + relying_party + margin`;
//! - a key leaves only when nothing that it signed can be valid any more:
//!   `retire_for >= refresh + last_good + longest_lifetime + skew + margin`.

use std::collections::BTreeSet;

use crate::UnixSeconds;
use crate::bounds::Bounds;
use crate::jwk::Algorithm;

/// Both times, unless somebody says otherwise: 24 hours, in seconds.
pub const DEFAULT: u32 = 24 * 3600;

/// Which lanes there are, and how long their keys wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    lanes: BTreeSet<Algorithm>,
    announce_for: u32,
    retire_for: u32,
    bounds: Bounds,
}

/// Why a schedule would reject valid tokens. Seconds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleFault {
    /// A key would sign while somebody holds a key set without it.
    #[error(
        "announce_for is {given} s and must be at least {least} s: refresh {} + last good {} + max-age {} + relying party {} + margin {}",
        .bounds.refresh, .bounds.last_good, .bounds.max_age, .bounds.relying_party, .bounds.margin
    )]
    Announce {
        /// What was asked for.
        given: u32,
        /// The least that holds.
        least: u64,
        /// What it is made of.
        bounds: Bounds,
    },
    /// A key would leave while a token of it is valid.
    #[error(
        "retire_for is {given} s and must be at least {least} s: refresh {} + last good {} + longest lifetime {} + skew {} + margin {}",
        .bounds.refresh, .bounds.last_good, .bounds.longest_lifetime, .bounds.skew, .bounds.margin
    )]
    Retire {
        /// What was asked for.
        given: u32,
        /// The least that holds.
        least: u64,
        /// What it is made of.
        bounds: Bounds,
    },
    /// What every relying party understands, and what an audience signs with that names nothing else.
    #[error("the lanes must hold RS256")]
    NoRs256,
}

impl ScheduleFault {
    /// The variable that a function is configured with.
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Announce { .. } => "ANNOUNCE_FOR",
            Self::Retire { .. } => "RETIRE_FOR",
            Self::NoRs256 => "KEY_LANES",
        }
    }
}

impl Schedule {
    /// The schedule of these lanes. Times in seconds.
    pub fn new(
        lanes: BTreeSet<Algorithm>,
        announce_for: u32,
        retire_for: u32,
        bounds: Bounds,
    ) -> Result<Self, Vec<ScheduleFault>> {
        let mut faults = Vec::new();
        if !lanes.contains(&Algorithm::RS256) {
            faults.push(ScheduleFault::NoRs256);
        }
        let least = bounds.least_announce();
        if u64::from(announce_for) < least {
            faults.push(ScheduleFault::Announce { given: announce_for, least, bounds });
        }
        let least = bounds.least_retire();
        if u64::from(retire_for) < least {
            faults.push(ScheduleFault::Retire { given: retire_for, least, bounds });
        }
        if faults.is_empty() { Ok(Self { lanes, announce_for, retire_for, bounds }) } else { Err(faults) }
    }

    /// One that nobody checked: for the tests that show what the inequalities are for.
    #[doc(hidden)]
    pub fn dangerous_unchecked(lanes: BTreeSet<Algorithm>, announce_for: u32, retire_for: u32, bounds: Bounds) -> Self {
        Self { lanes, announce_for, retire_for, bounds }
    }

    /// The lanes that have keys.
    pub fn lanes(&self) -> &BTreeSet<Algorithm> {
        &self.lanes
    }

    /// The times that everybody reckons with.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// When a key that was first published then may sign.
    pub fn ready_at(&self, published: UnixSeconds) -> UnixSeconds {
        published.saturating_add(self.announce_for.into())
    }

    /// When a key that signs no more since then may be forgotten.
    pub fn gone_at(&self, retired_at: UnixSeconds) -> UnixSeconds {
        retired_at.saturating_add(self.retire_for.into())
    }

    /// How long after it was planned a change of the signing key may take effect, in seconds: a key that is `retired_at` a
    /// moment signs on until the ring that says so is current. Half of the margin; clocks have the other half.
    pub fn takes_effect_within(&self) -> u32 {
        self.bounds.margin / 2
    }
}

/// A duration as people write it: an integer with s, m or h, as `15m`. In seconds, more than none.
pub fn duration(text: &str) -> Result<u32, String> {
    let unit = match text.bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        _ => 0,
    };
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten();
    match number.and_then(|number| number.checked_mul(unit)) {
        None | Some(0) => Err(format!("{text:?} is not a duration: an integer with s, m or h, as 15m")),
        Some(seconds) => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> BTreeSet<Algorithm> {
        BTreeSet::from([Algorithm::RS256])
    }

    #[test]
    fn both_inequalities_hold_to_the_second_and_the_faults_have_the_numbers() {
        let bounds = Bounds::default();
        assert_eq!((bounds.least_announce(), bounds.least_retire()), (8400, 8400));
        assert!(Schedule::new(lanes(), 8400, 8400, bounds).is_ok());
        let faults = Schedule::new(BTreeSet::from([Algorithm::ES256]), 8399, 8399, bounds).unwrap_err();
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "the lanes must hold RS256",
                "announce_for is 8399 s and must be at least 8400 s: refresh 300 + last good 3600 + max-age 300 + relying party 3600 + margin 600",
                "retire_for is 8399 s and must be at least 8400 s: refresh 300 + last good 3600 + longest lifetime 3600 + skew 300 + margin 600",
            ]
        );
    }

    #[test]
    fn the_greatest_bounds_do_not_overflow() {
        let most = u32::MAX;
        let bounds = Bounds {
            refresh: most,
            last_good: most,
            max_age: most,
            relying_party: most,
            longest_lifetime: most,
            skew: most,
            margin: most,
        };
        assert!(Schedule::new(lanes(), most, most, bounds).is_err());
    }

    #[test]
    fn a_duration_is_an_integer_with_a_unit() {
        assert_eq!([duration("90s"), duration("15m"), duration("24h")], [Ok(90), Ok(900), Ok(86400)]);
        for bad in ["", "15", "m", "0s", "1.5h", "-1h", "+1h", "1d", "1 h", "9999999999s", "9999999h", "١s"] {
            assert!(duration(bad).unwrap_err().contains("not a duration"), "{bad}");
        }
    }
}
