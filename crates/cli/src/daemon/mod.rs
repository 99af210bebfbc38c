//! `countersign daemon`: tokens and credentials in files that are never older than they may be.
//!
//! **Owns** the loop: each profile's token and session have a [`Keeper`](crate::credentials::keeper::Keeper), each file a
//! target, and after whatever happens, every file is held against what it should be: what is new is written, what has ended
//! is taken away, what failed is tried again. **Refuses** to wait for a disk or a command: those have threads and tasks of their
//! own, so that the watchdog sees a loop that is stuck, and no other.
//!
//! The next may rely on: what stands in a file is good, as far as any clock of this machine can tell a second later; a file that
//! was good when the daemon started or its configuration changed stays until there is a newer one, or its end, unless the
//! configuration names another role for it now, or another source of its token.

pub mod book;
mod content;
mod file;
mod hook;
mod keeping;
pub mod plan;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use self::book::Book;
use self::hook::Hook;
use self::keeping::Keeping;
use self::plan::{Plan, Profile};
use self::target::{Done, Parts, Seen, Target};
use crate::commands::Ending;
use crate::credentials::cache::Failed;
use crate::credentials::fresh::Moment;
use crate::credentials::status::Row;
use crate::out::Lines;
use crate::supervise::{self, Heart};

/// How often files are held against what they should be, when nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// How long a disk may take at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is kept fresh.
pub struct Daemon {
    config: PathBuf,
    book: Arc<Book>,
    log: Lines,
    profiles: BTreeMap<String, Profile>,
    keeping: Vec<Keeping>,
    targets: BTreeMap<PathBuf, Target>,
    /// Threads at work on files.
    jobs: JoinSet<(PathBuf, anyhow::Result<Done>)>,
    /// Configurations that are being read.
    plans: JoinSet<anyhow::Result<Plan>>,
    reports: JoinSet<anyhow::Result<()>>,
    hooks: JoinSet<(String, anyhow::Result<()>)>,
    /// Profiles with files that are newer than the last run of their hook.
    due: BTreeSet<String>,
    running: BTreeSet<String>,
    failed: BTreeMap<String, Failed>,
    /// Variables in which client secrets stand, also of profiles that are no longer named.
    secrets: BTreeSet<String>,
    changed: bool,
    /// The last report could be written.
    reported: bool,
    ready: bool,
}

impl Daemon {
    /// By the plan of this configuration.
    pub fn new(config: &Path, plan: Plan, book: Book, log: Lines) -> Self {
        let mut daemon = Self {
            config: config.to_owned(),
            book: Arc::new(book),
            log,
            profiles: BTreeMap::new(),
            keeping: Vec::new(),
            targets: BTreeMap::new(),
            jobs: JoinSet::new(),
            plans: JoinSet::new(),
            reports: JoinSet::new(),
            hooks: JoinSet::new(),
            due: BTreeSet::new(),
            running: BTreeSet::new(),
            failed: BTreeMap::new(),
            secrets: BTreeSet::new(),
            changed: true,
            reported: true,
            ready: false,
        };
        daemon.follow(plan);
        daemon
    }

    /// Until SIGTERM or SIGINT; with `once`, until everything was tried once.
    pub async fn run(mut self, once: bool) -> anyhow::Result<Ending> {
        let mut hangup = signal(SignalKind::hangup())?;
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let heart = Heart::of_unit();
        let mut beat = pin!(heart.beat());
        loop {
            self.settle();
            if once && self.is_done() {
                let _ = self.log.write(format!("countersign: {}", self.in_a_line())).await;
                return self.ending();
            }
            tokio::select! {
                (who, event) = keeping::next(&mut self.keeping) => self.say(format_args!("{who} {event}")),
                Some(Ok((path, done))) = self.jobs.join_next() => self.worked(&path, done),
                Some(Ok((profile, ended))) = self.hooks.join_next() => self.hook_ended(profile, ended),
                Some(Ok(reported)) = self.reports.join_next() => self.reported(&reported),
                Some(Ok(plan)) = self.plans.join_next() => self.reloaded(plan),
                Some(()) = hangup.recv(), if self.plans.is_empty() => self.reload(),
                () = &mut beat => beat.set(heart.beat()),
                _ = tick.tick() => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        supervise::stopping();
        // What has begun may end, so that nothing is left beside a file.
        let threads = async {
            while self.jobs.join_next().await.is_some() {}
            while self.reports.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(PATIENCE, threads).await;
        let _ = self.log.write("countersign: ended; the files stay, and nobody keeps them fresh now".to_owned()).await;
        Ok(Ending::Done)
    }

    /// Do what there is to do.
    fn settle(&mut self) {
        let now = Moment::now();
        let keeping = &self.keeping;
        let mut failures = Vec::new();
        for (path, target) in &mut self.targets {
            let wanted = || {
                let good = |part| keeping::part(keeping, target, part, now);
                let parts = target.parts.iter().filter_map(|part| Some((part.key(), good(part)?)));
                parts.map(|(key, part)| Ok((key, part?))).collect::<anyhow::Result<Parts>>()
            };
            match target.work(wanted, now) {
                Ok(None) if target.is_late(now) => {
                    failures.push((path.clone(), anyhow!("{}: its disk does not answer", path.display()), false));
                }
                Ok(None) => {}
                Ok(Some(work)) => {
                    target.begin(&work, now);
                    let (book, at) = (Arc::clone(&self.book), path.clone());
                    let working = in_thread(move || work.run(&book, &at));
                    let path = path.clone();
                    self.jobs.spawn(async move { (path, working.await) });
                }
                Err(why) => failures.push((path.clone(), why.context(path.display().to_string()), true)),
            }
        }
        for (path, why, ended) in failures {
            self.failed_to(&path, &why, ended);
        }
        // One that is no longer named, and not there.
        self.targets.retain(|_, target| !target.parts.is_empty() || target.is_busy() || target.seen != Seen::Nothing);
        self.start_hooks();
        if !self.ready && self.targets.values().all(|target| target.is_good(now)) {
            self.ready = true;
            supervise::ready(&self.in_a_line());
        }
        if self.changed && self.reports.is_empty() {
            self.changed = false;
            supervise::status(&self.in_a_line());
            let (book, rows, hooks) = (Arc::clone(&self.book), self.rows(), self.failed.clone());
            self.reports.spawn(in_thread(move || book.report(rows, hooks)));
        }
    }

    fn worked(&mut self, path: &Path, done: anyhow::Result<Done>) {
        let Some(target) = self.targets.get_mut(path) else { return };
        match done {
            Err(why) => self.failed_to(path, &why, true),
            Ok(done) => {
                let said = match (&done, target.parts.is_empty()) {
                    (Done::Looked(..), _) => None,
                    (Done::Written(..), _) => Some("written"),
                    (Done::Removed, false) => {
                        Some("removed: what stood in it has ended, or was meant for another role or receiver")
                    }
                    (Done::Removed, true) => Some("removed: the configuration does not name it any more"),
                };
                self.due.extend(target.done(done));
                if let Some(said) = said {
                    self.say(format_args!("{} {said}", path.display()));
                }
                self.changed = true;
            }
        }
    }

    fn failed_to(&mut self, path: &Path, why: &anyhow::Error, ended: bool) {
        let Some(target) = self.targets.get_mut(path) else { return };
        let pause = target.fail(why, ended);
        self.say(format_args!("{why:#}; next attempt in {:.0} s", pause.as_secs_f64().ceil()));
    }

    /// A profile's hook runs when all of its files have been tried.
    fn start_hooks(&mut self) {
        let idle = |name: &String| {
            let of = |target: &&Target| target.parts.iter().any(|part| part.profile == **name);
            !self.running.contains(name)
                && self.keeping.iter().all(|keeping| !keeping.is_of(name) || keeping.is_tried())
                && self.targets.values().filter(of).all(|target| !target.is_busy())
        };
        let due: Vec<String> = self.due.iter().filter(|name| idle(name)).cloned().collect();
        for name in due {
            self.due.remove(&name);
            let Some(profile) = self.profiles.get(&name).filter(|profile| !profile.hook.is_empty()) else { continue };
            let secrets = self.secrets.iter().cloned().collect();
            let (argv, paths) = (profile.hook.clone(), profile.paths.clone());
            let hook = Hook { argv, profile: name.clone(), paths, secrets };
            self.running.insert(name.clone());
            self.hooks.spawn(async move { (name, hook::run(hook, hook::PATIENCE).await) });
        }
    }

    fn hook_ended(&mut self, profile: String, ended: anyhow::Result<()>) {
        self.running.remove(&profile);
        match ended {
            Ok(()) => drop(self.failed.remove(&profile)),
            Err(why) => {
                let failed = Failed { at: Timestamp::now(), refused: false, why: format!("{why:#}") };
                self.say(format_args!("{profile}: the hook failed: {}", failed.why));
                // One that is no longer named has no status.
                if self.profiles.contains_key(&profile) {
                    self.failed.insert(profile, failed);
                }
            }
        }
        self.changed = true;
    }

    /// What is said of it is said once: the next report is not far.
    fn reported(&mut self, report: &anyhow::Result<()>) {
        if let Err(why) = report
            && self.reported
        {
            self.log.send(format_args!("countersign: no status: {why:#}"));
        }
        self.reported = report.is_ok();
    }

    fn reload(&mut self) {
        // Before it is ready, it says that once, and not for this.
        if self.ready {
            supervise::reloading();
        }
        let config = self.config.clone();
        self.plans.spawn(in_thread(move || Plan::read(&config)));
    }

    fn reloaded(&mut self, plan: anyhow::Result<Plan>) {
        match plan {
            Ok(plan) => {
                self.follow(plan);
                let config = self.config.display().to_string();
                self.say(format_args!("{config} was read again"));
            }
            Err(why) => self.say(format_args!("the configuration stays as it was: {why:#}")),
        }
        if self.ready {
            supervise::ready(&self.in_a_line());
        }
    }

    /// What is asked for as before stays, with what is held of it. Every file is looked at again.
    fn follow(&mut self, mut plan: Plan) {
        let mut before = std::mem::take(&mut self.keeping);
        for (name, profile) in &plan.profiles {
            for wanted in Keeping::of(name, profile) {
                let same = before.iter().position(|keeping| keeping.is_like(&wanted));
                self.keeping.push(same.map_or(wanted, |place| before.swap_remove(place)));
            }
        }
        for path in self.book.files() {
            plan.files.entry(path).or_default();
        }
        for (path, target) in &mut self.targets {
            target.look_again(plan.files.remove(path).unwrap_or_default());
        }
        self.targets.extend(plan.files.into_iter().map(|(path, parts)| (path, Target::new(parts))));
        self.secrets.extend(plan.profiles.values().filter_map(|profile| profile.secret.clone()));
        self.failed.retain(|name, _| plan.profiles.contains_key(name));
        self.profiles = plan.profiles;
        self.changed = true;
    }

    /// A line each for what stands in a file.
    fn rows(&self) -> Vec<Row> {
        let now = Moment::now();
        let of = |path: &Path, target: &Target| -> Vec<Row> {
            let row = |part| {
                let mut status = keeping::of(&self.keeping, part)?.status();
                status.ends_at = target.good(&part.key(), now).map(|part| part.end(now));
                status.next_attempt_at = target.next_attempt_at().unwrap_or(status.next_attempt_at);
                status.failure = target.failure().cloned().or(status.failure);
                Some(Row { name: part.profile.clone(), what: path.display().to_string(), status })
            };
            target.parts.iter().filter_map(row).collect()
        };
        self.targets.iter().flat_map(|(path, target)| of(path, target)).collect()
    }

    /// For systemd.
    fn in_a_line(&self) -> String {
        let rows = self.rows();
        let good = rows.iter().filter(|row| row.status.ends_at.is_some()).count();
        let failure = rows.iter().find_map(|row| Some((&row.name, row.status.failure.as_ref()?)));
        let failure = failure.map(|(name, failed)| format!("; {name}: {}", failed.why)).unwrap_or_default();
        format!("{good} of {} are good{failure}", rows.len())
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.changed = true;
        self.log.send(format_args!("countersign: {what}"));
    }

    /// Everything was tried.
    fn is_done(&self) -> bool {
        let tried = |target: &Target| target.seen != Seen::Unknown || target.failure().is_some();
        self.keeping.iter().all(Keeping::is_tried)
            && self.targets.values().all(|target| tried(target) && !target.is_busy())
            && self.due.is_empty()
            && self.running.is_empty()
            && self.reports.is_empty()
            && !self.changed
    }

    fn ending(&self) -> anyhow::Result<Ending> {
        let rows = self.rows();
        let failures: Vec<&Failed> =
            rows.iter().filter_map(|row| row.status.failure.as_ref()).chain(self.failed.values()).collect();
        if failures.is_empty() {
            return Ok(Ending::Done);
        }
        if failures.iter().all(|failed| failed.refused) {
            return Ok(Ending::Refused);
        }
        bail!("not everything was written: see above");
    }
}

/// In a thread of its own, which nobody waits for at the end: it may hang on a disk for ever.
fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> impl Future<Output = anyhow::Result<T>> + Send + 'static {
    let (done, result) = oneshot::channel();
    let started = std::thread::Builder::new().name("disk".to_owned()).spawn(move || done.send(work()));
    async move {
        started?;
        result.await.unwrap_or_else(|_| Err(anyhow!("a thread was ended by a bug")))
    }
}
