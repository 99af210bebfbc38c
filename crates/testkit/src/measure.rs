//! What the benchmarks share: CPU time, turns and rounds, how a result reads, and in [`workload`] who asks for what.
//!
//! Two things are compared only if they were measured in turn, in one run: A B A B ... Each round gives a ratio, and the
//! median of them is the result, so that a busy machine disturbs a few rounds and not the comparison. Nothing is asserted
//! of a result.

pub mod workload;

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;

/// How many rounds [`interleaved`] takes: each gives one ratio.
const ROUNDS: u32 = 15;
/// How often each thing has its turn in a round: short turns, so that what disturbs one disturbs all. Calls in a turn are
/// a power of two, at least two: a round holds whole cycles of 32, after which aws-lc makes an RSA key a new blinding.
const TURNS: u32 = 16;
/// How long a turn is at least, in seconds of CPU.
const TURN: f64 = 0.004;

/// Has `cargo bench` started this? Test runners start every target too, to list or to run its tests: there are none.
pub fn is_wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Where and how this is measured, in one line. `command` prints it again.
pub fn conditions(command: &str) -> String {
    // What is compiled in is what was compiled with. Other profiles inherit from it.
    const MANIFEST: &str = include_str!("../../../Cargo.toml");
    let cpus = fs::read_to_string("/proc/cpuinfo").expect("Linux tells what it runs on");
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    // Arm machines give no name.
    let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(value);
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let program = std::env::current_exe().expect("a program has a path");
    let profile = match program.ancestors().nth(2).and_then(Path::file_name).and_then(OsStr::to_str) {
        // Cargo puts what is built for a benchmark beside what is built for a release.
        None | Some("release") => {
            let lines = MANIFEST.lines().skip_while(|line| *line != "[profile.release]").skip(1);
            let settings = lines.take_while(|line| !line.starts_with('[')).filter(|line| {
                ["opt-level", "lto", "codegen-units"].iter().any(|setting| line.split(' ').next() == Some(setting))
            });
            settings.fold("profile `bench`: opt-level = 3".to_owned(), |all, setting| format!("{all}, {setting}"))
        }
        Some(other) => format!("profile `{other}`"),
    };
    format!("{model}, {cores} cores; {profile}; `{command}`; median (least to most) of the rounds\n")
}

/// CPU time of this thread so far, in seconds.
pub fn own_cpu_time() -> f64 {
    // The kernel adds up at a tick or when it schedules; yielding makes it do so now.
    thread::yield_now();
    cpu_time(Path::new("/proc/thread-self")).expect("this kernel has schedstat")
}

/// CPU time of the thread of this folder, in seconds. None if it has ended.
pub fn cpu_time(thread: &Path) -> Option<f64> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// What is measured: one call.
pub type Call<'a, E> = &'a mut dyn FnMut() -> Result<(), E>;

/// Seconds of CPU per call, for each of these calls and for each round. They have their turns in this thread.
pub fn interleaved<E, const N: usize>(mut calls: [Call<'_, E>; N]) -> Result<[Samples; N], E> {
    let mut counts = [2; N];
    for (call, count) in calls.iter_mut().zip(&mut counts) {
        // Warms caches up, too.
        while seconds(call, *count)? < TURN && *count < 1 << 20 {
            *count *= 2;
        }
    }
    let mut samples = [(); N].map(|()| Samples(Vec::new()));
    for _ in 0..ROUNDS {
        let mut totals = [0.0; N];
        for _ in 0..TURNS {
            for ((call, count), total) in calls.iter_mut().zip(counts).zip(&mut totals) {
                *total += seconds(call, count)?;
            }
        }
        for ((samples, total), count) in samples.iter_mut().zip(totals).zip(counts) {
            samples.0.push(total / f64::from(count * TURNS));
        }
    }
    Ok(samples)
}

fn seconds<E>(call: &mut Call<'_, E>, count: u32) -> Result<f64, E> {
    let began = own_cpu_time();
    for _ in 0..count {
        call()?;
    }
    Ok(own_cpu_time() - began)
}

/// A budget and whether it was kept, for a table.
pub fn verdict(budget: &str, kept: bool) -> String {
    format!("{budget}: {}", if kept { "within" } else { "over" })
}

/// One number per round.
#[derive(Debug, Clone, Default)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// Round by round, this by that.
    #[must_use]
    pub fn per(&self, other: &Self) -> Self {
        self.with(other, |this, that| this / that)
    }

    /// Round by round, this and that made into one number.
    #[must_use]
    pub fn with(&self, other: &Self, both: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(this, that)| both(*this, *that)).collect())
    }

    /// In a smaller unit.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|sample| sample * factor).collect())
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// `median (min to max)`, with the precision asked for.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({least:.digits$} to {most:.digits$})", self.median())
    }
}
