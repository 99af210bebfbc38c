//! One file, as it is and as it is to be.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

use super::book::{Book, Content};
use super::content::{self, Text};
use super::file::{self, Foreign};
use super::plan::Part;
use crate::credentials::cache::Failed;
use crate::credentials::fresh::{Fresh, Moment};
use crate::credentials::keeper::pause;
use crate::credentials::key::hash;

/// A clock may step back so far without a content counting as one from the future.
const STEP: SignedDuration = SignedDuration::from_secs(5);
/// A disk that takes longer has a fault that is to be told.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// What stands in a file, by the key of each part.
pub(super) type Parts = BTreeMap<String, Fresh<Text>>;

/// The file.
pub(super) struct Target {
    /// What is to stand there; nothing, if it is no longer named.
    pub(super) parts: Vec<Part>,
    pub(super) seen: Seen,
    /// What stands there.
    pub(super) there: Parts,
    /// Since when a thread is at work, and whether it takes the file away.
    busy: Option<(Moment, bool)>,
    failed: Option<Trouble>,
}

/// The last work failed.
#[derive(Debug)]
struct Trouble {
    failed: Failed,
    /// So many in a row.
    times: u32,
    /// It was to take the file away.
    removing: bool,
    since: Moment,
    /// How long nothing is done.
    pause: SignedDuration,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked.
    Unknown,
    /// No file, or none of ours.
    Nothing,
    /// What has this hash.
    Ours(String),
}

/// What is to be done.
pub(super) enum Work {
    /// See what stands there.
    Look,
    /// Write this.
    Write(Text, Parts),
    /// Take it away.
    Remove,
}

/// What was done.
pub(super) enum Done {
    /// This stands there.
    Looked(Seen, Parts),
    /// This was written.
    Written(String, Parts),
    /// Nothing stands there any more.
    Removed,
}

impl Target {
    /// Nobody has looked yet.
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self { parts, seen: Seen::Unknown, there: Parts::new(), busy: None, failed: None }
    }

    /// This is to stand there, and somebody has to look at once what does.
    pub(super) fn look_again(&mut self, parts: Vec<Part>) {
        (self.parts, self.seen, self.failed) = (parts, Seen::Unknown, None);
    }

    /// The part that is still good.
    pub(super) fn good(&self, key: &str, now: Moment) -> Option<&Fresh<Text>> {
        self.there.get(key).filter(|part| !part.is_over(now))
    }

    /// Each part stands there and is good.
    pub(super) fn is_good(&self, now: Moment) -> bool {
        self.parts.iter().all(|part| self.good(&part.key(), now).is_some())
    }

    /// How the last work failed.
    pub(super) fn failure(&self) -> Option<&Failed> {
        self.failed.as_ref().map(|trouble| &trouble.failed)
    }

    /// When it is tried again.
    pub(super) fn next_attempt_at(&self) -> Option<Timestamp> {
        let at = |trouble: &Trouble| trouble.since.wall.saturating_add(trouble.pause).unwrap_or(Timestamp::MAX);
        self.failed.as_ref().map(at)
    }

    /// A thread is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// What there is to do, `wanted` being what the file is to hold. Nothing, while a thread is at work or a failure is young;
    /// but what has ended and cannot be replaced is taken away without a pause.
    pub(super) fn work(
        &self,
        wanted: impl FnOnce() -> anyhow::Result<Parts>,
        now: Moment,
    ) -> anyhow::Result<Option<Work>> {
        if self.is_busy() {
            return Ok(None);
        }
        let paused = |trouble: &Trouble| now.since(trouble.since) < trouble.pause;
        let over = self.there.values().any(|part| part.is_over(now));
        if over && self.failed.as_ref().is_some_and(|trouble| !(trouble.removing && paused(trouble))) {
            return Ok(Some(Work::Remove));
        }
        if self.failed.as_ref().is_some_and(paused) {
            return Ok(None);
        }
        if self.seen == Seen::Unknown {
            return Ok(Some(if self.parts.is_empty() { Work::Remove } else { Work::Look }));
        }
        let parts = wanted()?;
        if parts.is_empty() {
            return Ok((self.seen != Seen::Nothing).then_some(Work::Remove));
        }
        // In the order of the plan, which is that of the profiles' names.
        let keys: Vec<String> = self.parts.iter().map(Part::key).collect();
        let text = content::file(keys.iter().filter_map(|key| Some((key, &parts.get(key)?.value))));
        let same = self.seen == Seen::Ours(hash(text.as_bytes()));
        Ok((!same).then_some(Work::Write(text, parts)))
    }

    /// A thread is at this from now on.
    pub(super) fn begin(&mut self, work: &Work, now: Moment) {
        self.busy = Some((now, matches!(work, Work::Remove)));
    }

    /// The thread takes long, and nobody has said so yet.
    pub(super) fn is_late(&self, now: Moment) -> bool {
        let untold = |since| self.failed.as_ref().is_none_or(|trouble| now.since(trouble.since) > now.since(since));
        self.busy.is_some_and(|(since, _)| now.since(since) > PATIENCE && untold(since))
    }

    /// It was done. Says whose parts are new.
    pub(super) fn done(&mut self, done: Done) -> Vec<String> {
        self.busy = None;
        // What could not be written is still to be.
        if !matches!(done, Done::Removed) || self.failed.as_ref().is_some_and(|trouble| trouble.removing) {
            self.failed = None;
        }
        let (seen, there, written) = match done {
            Done::Looked(seen, there) => (seen, there, false),
            Done::Written(hash, there) => (Seen::Ours(hash), there, true),
            Done::Removed => (Seen::Nothing, Parts::new(), false),
        };
        let is_new = |part: &&Part| {
            let (key, text) = (part.key(), |parts: &Parts, key: &str| parts.get(key).map(|part| part.value.clone()));
            written && text(&there, &key) != text(&self.there, &key)
        };
        let new = self.parts.iter().filter(is_new).map(|part| part.profile.clone()).collect();
        (self.seen, self.there) = (seen, there);
        new
    }

    /// It failed. Says how long nothing is done.
    pub(super) fn fail(&mut self, why: &anyhow::Error, ended: bool) -> SignedDuration {
        let removing = self.busy.is_some_and(|(_, removing)| removing);
        if ended {
            self.busy = None;
        }
        // Whatever stands there, it is not ours.
        if why.is::<Foreign>() {
            self.there.clear();
            if self.seen != Seen::Unknown || self.parts.is_empty() {
                self.seen = Seen::Nothing;
            }
        }
        let since = Moment::now();
        let times = self.failed.as_ref().map_or(0, |trouble| trouble.times);
        let pause = pause(times, fastrand::f64());
        let failed = Failed { at: since.wall, refused: false, why: format!("{why:#}") };
        self.failed = Some(Trouble { failed, times: times + 1, removing, since, pause });
        pause
    }
}

impl Work {
    /// Does it, for as long as the disk takes.
    pub(super) fn run(self, book: &Book, path: &Path) -> anyhow::Result<Done> {
        let now = Moment::now();
        // Before a file is forgotten, too: nobody would look into its folder again.
        if !matches!(self, Self::Write(..)) {
            book.tidy(path.parent().context("a file is in a folder")?);
        }
        match self {
            Self::Look => {
                let Some((content, text)) = file::look(book, path)? else {
                    return Ok(Done::Looked(Seen::Nothing, Parts::new()));
                };
                let texts = content::parts(&text, content.ends_at.keys());
                let parts = texts.into_iter().map(|(key, text)| {
                    let fresh = as_written(&content, &key, text, now);
                    (key, fresh)
                });
                Ok(Done::Looked(Seen::Ours(content.hash.clone()), parts.collect()))
            }
            Self::Write(text, parts) => {
                let ends_at = parts.iter().map(|(key, part)| (key.clone(), part.end(now))).collect();
                let hash = hash(text.as_bytes());
                let content = Content { hash: hash.clone(), written_at: now.wall, ends_at };
                file::write(book, path, &text, content)?;
                Ok(Done::Written(hash, parts))
            }
            Self::Remove => file::remove(book, path).map(|()| Done::Removed),
        }
    }
}

/// What stands there, with the life that it had. Of what was written by a clock that is ahead of this one, nobody knows how long it
/// is good.
fn as_written(content: &Content, key: &str, text: Text, now: Moment) -> Fresh<Text> {
    match content.ends_at.get(key) {
        Some(end) if content.written_at <= now.wall + STEP => {
            let (age, life) = (now.wall.duration_since(content.written_at), end.duration_since(content.written_at));
            Fresh::new(text, now.before(age), life, 0.0)
        }
        _ => Fresh::new(text, now, SignedDuration::ZERO, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_hangs_is_told_once_whatever_the_clock_does() {
        let mut target = Target::new(Vec::new());
        target.begin(&Work::Look, Moment::now());
        assert!(!target.is_late(Moment::now()));
        // A minute ago, before the clock stepped back by an hour.
        let mut since = Moment::now().before(SignedDuration::from_mins(1));
        since.wall += SignedDuration::from_hours(1);
        target.begin(&Work::Look, since);
        assert!(target.is_late(Moment::now()));
        target.fail(&anyhow::anyhow!("its disk does not answer"), false);
        assert!(!target.is_late(Moment::now()));
    }

    #[test]
    fn what_stood_there_ends_when_it_would_have_ended_without_a_restart() {
        let now = Moment::now();
        for (ago, ends, is_over) in [
            (3590, 10, false),
            // It is not as good as one that lives for four seconds.
            (3596, 4, true),
            (3601, -1, true),
            (-4, 3600, false),
            (-6, 3600, true),
            (2, 4, false),
            (1_700_000_000, 3600, false),
        ] {
            let at = |seconds| now.wall + SignedDuration::from_secs(seconds);
            let ends_at = BTreeMap::from([("env".to_owned(), at(ends))]);
            let content = Content { hash: String::new(), written_at: at(-ago), ends_at };
            let fresh = |key| as_written(&content, key, Text::default(), now);
            assert_eq!(fresh("env").is_over(now), is_over, "{ago} {ends}");
            assert!(is_over || fresh("env").end(now) == at(ends + ago.min(0)), "{ago} {ends}");
            assert!(fresh("json").is_over(now));
        }
    }
}
