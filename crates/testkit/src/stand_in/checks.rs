//! The checks of a run: each has a name, is told as it is made, and is counted.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::Instant;

/// Passed and failed so far.
#[derive(Debug)]
pub(super) struct Checks {
    began: Instant,
    passed: Cell<usize>,
    failed: Cell<usize>,
    phases: RefCell<Vec<(String, f64)>>,
}

/// A run that cannot go on, with the reason. It is a failed check.
pub(super) type Run<T> = Result<T, String>;

impl Checks {
    pub(super) fn new() -> Self {
        let (passed, failed) = (Cell::new(0), Cell::new(0));
        Self { began: Instant::now(), passed, failed, phases: RefCell::default() }
    }

    /// A part of the run, with its time.
    pub(super) fn phase<T>(&self, name: &str, run: impl FnOnce() -> Run<T>) -> Run<T> {
        let began = Instant::now();
        println!("== {name}");
        let outcome = run();
        let took = began.elapsed().as_secs_f64();
        println!("-- {name}: {took:.0} s (after {:.0} s)", self.began.elapsed().as_secs_f64());
        self.phases.borrow_mut().push((name.to_owned(), took));
        outcome.map_err(|why| format!("{name}: {why}"))
    }

    /// One check.
    pub(super) fn check(&self, name: &str, outcome: Run<()>) {
        match outcome {
            Ok(()) => {
                self.passed.set(self.passed.get() + 1);
                println!("   ok      {name}");
            }
            Err(why) => self.fail(name, &why),
        }
    }

    /// One that compares.
    pub(super) fn equal<T: PartialEq + Display>(&self, name: &str, found: &T, expected: &T) {
        let wrong = || format!("found {found}, and it should be {expected}");
        self.check(name, if found == expected { Ok(()) } else { Err(wrong()) });
    }

    /// One that is a sentence which has to be true.
    pub(super) fn holds(&self, name: &str, is_so: bool, otherwise: impl Display) {
        self.check(name, if is_so { Ok(()) } else { Err(otherwise.to_string()) });
    }

    pub(super) fn fail(&self, name: &str, why: &str) {
        self.failed.set(self.failed.get() + 1);
        println!("   FAILED  {name}: {why}");
    }

    /// How long each part took, in one line.
    pub(super) fn times(&self) -> String {
        let phases = self.phases.borrow();
        let phases: Vec<String> = phases.iter().map(|(name, took)| format!("{name} {took:.0} s")).collect();
        format!("{:.0} s: {}", self.began.elapsed().as_secs_f64(), phases.join(", "))
    }

    pub(super) fn failed(&self) -> usize {
        self.failed.get()
    }

    /// The last line.
    pub(super) fn counts(&self) -> String {
        format!("stand-in: {} passed, {} failed", self.passed.get(), self.failed.get())
    }
}
