//! What was judged, what was used of what is allowed, and what should not have happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::iam::{Decision, Document};

/// Written while functions run, read by whoever runs them.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    judged: usize,
    calls: BTreeMap<String, usize>,
    used: BTreeMap<String, BTreeSet<String>>,
    allowed: BTreeMap<String, BTreeSet<String>>,
    violations: Vec<String>,
}

impl Ledger {
    /// How many calls of functions, and invocations by services, were judged.
    pub fn judged(&self) -> usize {
        self.book().judged
    }

    /// How often each role did what: `role: action`.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        self.book().calls.clone()
    }

    /// What should not have happened, in words: a call that no policy allows, an invocation that nobody permitted, a policy
    /// with something in it that is not known. A run with any has failed.
    pub fn violations(&self) -> Vec<String> {
        self.book().violations.clone()
    }

    /// How many of the actions that roles allow were used.
    pub fn used(&self) -> usize {
        let book = self.book();
        book.allowed
            .iter()
            .flat_map(|(role, actions)| actions.iter().map(move |action| (role, action)))
            .filter(|(role, action)| book.was_used(role, action))
            .count()
    }

    /// The actions that a role allows and that were never used: `role: action`.
    pub fn unused(&self) -> Vec<String> {
        let book = self.book();
        let all = book.allowed.iter().flat_map(|(role, actions)| actions.iter().map(move |action| (role, action)));
        all.filter(|(role, action)| !book.was_used(role, action))
            .map(|(role, action)| format!("{role}: {action}"))
            .collect()
    }

    /// What a role allows: seen whenever one of its functions starts.
    pub(super) fn allows(&self, role: &str, documents: &[Document]) {
        let actions = documents.iter().flat_map(Document::allowed_actions).map(|(_, action)| action);
        self.book().allowed.entry(role.to_owned()).or_default().extend(actions);
    }

    /// One judgement of a role's call.
    pub(super) fn judge(&self, role: &str, action: &str, on: &str, decision: &Decision) {
        let mut book = self.book();
        book.judged += 1;
        *book.calls.entry(format!("{role}: {action}")).or_default() += 1;
        match decision {
            Decision::Allowed(_) => drop(book.used.entry(role.to_owned()).or_default().insert(action.to_owned())),
            Decision::Denied(why) => book.violate(format!("{role} may not {action} on {on}: {why}")),
        }
    }

    /// One judgement of a service's invocation.
    pub(super) fn judge_invocation(&self, service: &str, function: &str, decision: &Decision) {
        let mut book = self.book();
        book.judged += 1;
        *book.calls.entry(format!("{service}: lambda:InvokeFunction")).or_default() += 1;
        if let Decision::Denied(why) = decision {
            book.violate(format!("{service} may not invoke {function}: {why}"));
        }
    }

    /// Something that should not have happened.
    pub(super) fn violate(&self, what: impl Into<String>) {
        self.book().violate(what.into());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn was_used(&self, role: &str, pattern: &str) -> bool {
        self.used.get(role).is_some_and(|used| used.iter().any(|action| crate::iam::action_is(pattern, action)))
    }

    /// Each once: a client repeats what fails.
    fn violate(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }
}
