//! `countersign daemon`: tokens and AWS credentials in files that are kept fresh.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use rustix::fs::Mode;
use serde_json::json;

use super::Ending;
use crate::credentials::profile;
use crate::credentials::status::table;
use crate::daemon::Daemon;
use crate::daemon::book::{Book, Place};
use crate::daemon::plan::Plan;
use crate::out::{self, Lines, harmless};
use crate::verify::text::span;

/// Which files, and for how long.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration: profiles, and tables [daemon.NAME] that say what is written for them [default: ~/.config/countersign/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write everything once, and end
    #[arg(long, conflicts_with = "status")]
    once: bool,
    /// Show what the daemon of this configuration keeps fresh, and each next renewal
    #[arg(long)]
    status: bool,
    /// The status as JSON
    #[arg(long, requires = "status")]
    json: bool,
}

/// Keep files fresh until SIGINT or SIGTERM, or say how that goes.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    let config = args.config.map_or_else(profile::path, |path| Ok(std::path::absolute(path)?))?;
    let place = Place::of(&config)?;
    if args.status {
        return status(&place, args.json);
    }
    // What is made here is for its owner alone, whatever umask somebody has; a hook has it too.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let plan = Plan::read(&config)?;
    let book = Book::open(place, &config)?;
    let log = Lines::to(io::stderr())?;
    // Nothing waits because nobody reads what is said.
    out::say_by(Some(log.clone()));
    let ended = Box::pin(Daemon::new(&config, plan, book, log).run(args.once)).await;
    out::say_by(None);
    ended
}

fn status(place: &Place, json: bool) -> anyhow::Result<Ending> {
    let (state, process) =
        place.look()?.context("no daemon has written anything for this configuration, as this user")?;
    let now = Timestamp::now();
    if json {
        out::print(
            json!({"process": process.as_ref().and_then(|id| id.parse::<u32>().ok()), "files": state.rows, "hooks": state.hooks}),
        )?;
    } else {
        // Root may look at what another user's daemon wrote.
        out::print(table(&state.rows, now).trim_end())?;
        for (name, failed) in &state.hooks {
            let ago = span(now.duration_since(failed.at).as_secs().max(0).unsigned_abs());
            out::print(harmless(&format!("{name}: the hook failed {ago} ago: {}", failed.why)))?;
        }
    }
    if process.is_none() {
        bail!("no daemon runs for this configuration: this is what the last one said");
    }
    let good = state.rows.iter().all(|row| row.status.ends_at.is_some_and(|end| end > now));
    Ok(if good && !state.rows.is_empty() { Ending::Done } else { Ending::Refused })
}
