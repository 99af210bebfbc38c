//! The ring rotates by itself, by the plan that the rotator function follows.

use std::collections::BTreeSet;

use anyhow::bail;
use countersign_core::bounds::Bounds;
use countersign_core::jwk::Algorithm;
use countersign_core::plan::{Change, Note, Publication, next_rotation};
use countersign_core::ring::Ring;
use countersign_keys::KeyringFile;
use countersign_keys::file::FileFault;

use crate::clock;
use crate::commands::keys::Times;

/// How often keys change, if they do so by themselves, and the times that everybody reckons with.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    every: Option<u32>,
    times: Times,
    bounds: Bounds,
}

impl Rotation {
    /// Keys that sign for `every` seconds each; `None` leaves rotation to `countersign keys`. A schedule that would reject
    /// valid tokens is refused.
    pub fn new(every: Option<u32>, times: Times) -> anyhow::Result<Self> {
        let bounds = times.bounds();
        let schedule = times.schedule(BTreeSet::from([Algorithm::RS256]), bounds)?;
        if let Some(every) = every.filter(|every| i64::from(*every) < schedule.ready_at(0)) {
            bail!(
                "--rotate-every {every}s is shorter than a key is announced for, {}s: see --announce-for",
                schedule.ready_at(0)
            );
        }
        Ok(Self { every, times, bounds })
    }

    /// The times that everybody reckons with.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Rotate the file if it is time for that; what people should know of it.
    pub fn when_due(&self, file: &KeyringFile, ring: &Ring, lanes: BTreeSet<Algorithm>) -> anyhow::Result<Vec<Note>> {
        let Some(every) = self.every else { return Ok(Vec::new()) };
        let (schedule, now) = (self.times.schedule(lanes, self.bounds)?, clock::now());
        if now < next_rotation(ring, &Publication::of_ring(ring), &schedule, every) {
            return Ok(Vec::new());
        }
        match file.change(&schedule, &Change::Rotate, None, now) {
            Ok((notes, _)) => Ok(notes),
            // Its lock: the next look comes in a moment.
            Err(FileFault::Locked(_)) => Ok(Vec::new()),
            Err(fault) => Err(fault.into()),
        }
    }
}
