//! The calls that the gate has seen, and the one after which it stops.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All calls in order of arrival, and where they are to end.
#[derive(Default)]
pub(super) struct Calls {
    lines: Vec<String>,
    hold: Option<(Arc<Hold>, usize)>,
}

/// The end of the calls, until it is forgotten. Whoever waits at it waits for ever.
#[derive(Default)]
pub(super) struct Hold {
    reached: Mutex<bool>,
    changed: Condvar,
}

/// What becomes of a call.
pub(super) enum Turn {
    /// It is made and answered.
    Free,
    /// It is made and not answered.
    Last(Arc<Hold>),
    /// It is not made.
    Late,
}

impl Calls {
    pub(super) fn arrive(&mut self, line: String) -> Turn {
        self.lines.push(line);
        match &mut self.hold {
            None => Turn::Free,
            Some((_, 0)) => Turn::Late,
            Some((hold, left)) => {
                *left -= 1;
                if *left == 0 { Turn::Last(Arc::clone(hold)) } else { Turn::Free }
            }
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }

    pub(super) fn hold_after(&mut self, number: usize) {
        assert!(number > 0, "the gate can hold after the first call at the earliest");
        self.hold = Some((Arc::default(), number));
    }

    /// None if nothing is to be held.
    pub(super) fn hold(&self) -> Option<Arc<Hold>> {
        self.hold.as_ref().map(|(hold, _)| Arc::clone(hold))
    }
}

impl Hold {
    pub(super) fn reach(&self) {
        *self.reached() = true;
        self.changed.notify_all();
    }

    /// Whether it is reached within `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.reached(), timeout, |reached| !*reached);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn reached(&self) -> MutexGuard<'_, bool> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
