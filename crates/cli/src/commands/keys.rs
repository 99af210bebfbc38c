//! `countersign keys`: the ring of a data directory, or through the rotator function in AWS.
//!
//! No private key comes this way: a function answers with what is public.

mod function;
mod shown;

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use countersign_core::bounds::Bounds;
use countersign_core::jwk::{Algorithm, KeyId};
use countersign_core::plan::{Change, Publication};
use countersign_core::ring::Ring;
use countersign_core::schedule::{self, Schedule};
use countersign_core::status::{Report, StateName, Status};
use countersign_keys::file::FileFault;
use countersign_keys::ring::NewKey;
use countersign_keys::{Keyring, KeyringFile};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::function::{Answered, Function};
use super::Ending;
use crate::{clock, out};

/// No key that is imported comes near, in bytes.
const LARGEST_PEM: u64 = 64 * 1024;

/// Look at the key ring, rotate it, withdraw a key, take one in
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show each key: its state, its age, when it may sign, when it will be gone, and whether it is published
    Status(StatusArgs),
    /// Let the announced keys sign, if their time has come, and announce new ones
    Rotate(RotateArgs),
    /// Withdraw a leaked key at once and for good
    Revoke(RevokeArgs),
    /// Take in a key that was made elsewhere; it signs once it has been announced for long enough
    Import(ImportArgs),
}

/// Which ring.
#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    of: Of,
    /// Region of the function [default: that of the AWS configuration]
    #[arg(long, value_name = "R")]
    region: Option<String>,
    #[command(flatten)]
    times: Times,
    /// Print what there is as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// The data directory of `serve`
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The function key-rotator in AWS: its name or ARN
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
}

/// How long a key is published before it signs and after it stopped.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Times {
    /// How long a key is published before it signs [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = schedule::duration)]
    announce_for: Option<u32>,
    /// How long a key is published after it stopped signing [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = schedule::duration)]
    retire_for: Option<u32>,
    /// Other times than those that rotation is proven with, as JSON in seconds: for tests
    #[arg(long, value_name = "JSON", value_parser = Bounds::from_json)]
    dangerous_bounds: Option<Bounds>,
}

impl Times {
    /// The times to reckon with. Others than the default are told, since they protect nobody.
    pub fn bounds(&self) -> Bounds {
        if let Some(bounds) = self.dangerous_bounds {
            out::say(format_args!(
                "countersign: warning: --dangerous-bounds: the times that protect key rotation are not the proven ones: {bounds:?}"
            ));
        }
        self.dangerous_bounds.unwrap_or_default()
    }

    /// The schedule of these lanes.
    pub fn schedule(&self, lanes: BTreeSet<Algorithm>, bounds: Bounds) -> anyhow::Result<Schedule> {
        let or_default = |time: Option<u32>| time.unwrap_or(schedule::DEFAULT);
        let made = Schedule::new(lanes, or_default(self.announce_for), or_default(self.retire_for), bounds);
        made.map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the schedule would reject valid tokens: {}", faults.join("; "))
        })
    }
}

/// What to show.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    place: Place,
}

/// What to rotate.
#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    #[command(flatten)]
    place: Place,
}

/// What to withdraw.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    place: Place,
    /// The key's id
    #[arg(long, value_name = "KID", value_parser = key_id, allow_hyphen_values = true)]
    kid: KeyId,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What to take in.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[command(flatten)]
    place: Place,
    /// The private key, PKCS#8 or PKCS#1 in PEM; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pem: PathBuf,
    /// The id that the key is already published under [default: its RFC 7638 thumbprint]
    #[arg(long, value_name = "KID", value_parser = key_id, allow_hyphen_values = true)]
    kid: Option<KeyId>,
}

impl Place {
    /// The data directory, unless it is a function.
    fn directory(&self) -> anyhow::Result<Option<&Path>> {
        // clap does not ask for what a flag requires if that conflicts with another one.
        if self.of.data_dir.is_some() && self.region.is_some() {
            bail!("--region is that of a --function");
        }
        Ok(self.of.data_dir.as_deref())
    }
}

fn key_id(text: &str) -> Result<KeyId, countersign_core::jwk::JwkFault> {
    KeyId::try_from(text.to_owned())
}

/// Do it.
pub async fn run(command: Command) -> anyhow::Result<Ending> {
    match command {
        Command::Status(StatusArgs { place }) => status(&place).await,
        Command::Rotate(RotateArgs { place }) => {
            change(&place, &json!({ "action": "rotate" }), Change::Rotate, None).await
        }
        Command::Revoke(args) => revoke(args).await,
        Command::Import(args) => import(args).await,
    }
}

async fn status(place: &Place) -> anyhow::Result<Ending> {
    match current(place).await? {
        Ok(status) => {
            if place.json {
                print(&status)?;
            } else {
                out::say(shown::status(&status).trim_end());
            }
            Ok(Ending::Done)
        }
        Err(ending) => Ok(ending),
    }
}

async fn current(place: &Place) -> anyhow::Result<Result<Status, Ending>> {
    if let Some(directory) = place.directory()? {
        let keyring = KeyringFile::in_directory(directory).read(clock::now())?;
        return Ok(Ok(of_file(&keyring, &place.times.schedule(lanes(keyring.public()), place.times.bounds())?)));
    }
    Ok(match function(place).await?.ask(&json!({ "action": "status" })).await? {
        Answered::With(status) => {
            Ok(serde_json::from_value(status).context("the function's answer is not a status: is it key-rotator?")?)
        }
        Answered::Refused(why) => {
            out::say(why);
            Err(Ending::Refused)
        }
    })
}

async fn revoke(args: RevokeArgs) -> anyhow::Result<Ending> {
    let RevokeArgs { place, kid, yes } = args;
    if !yes {
        if !io::stdin().is_terminal() {
            bail!("revoking cannot be undone: say --yes, or run it in a terminal to be asked");
        }
        let status = match current(&place).await? {
            Ok(status) => status,
            Err(ending) => return Ok(ending),
        };
        out::say(shown::status(&status).trim_end());
        out::say(shown::question(&status, &kid));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
        if answer.trim() != "yes" {
            bail!("nothing was done");
        }
    }
    change(&place, &json!({ "action": "revoke", "kid": kid }), Change::Revoke(kid), None).await
}

async fn import(args: ImportArgs) -> anyhow::Result<Ending> {
    let ImportArgs { place, pem, kid } = args;
    let text = read_pem(&pem)?;
    let key = match NewKey::from_pem(&text, kid.as_ref()) {
        Ok(key) => key,
        Err(fault) => {
            out::say(format_args!("{}: {fault}", pem.display()));
            return Ok(Ending::Refused);
        }
    };
    let action = json!({ "action": "import", "pem": *text, "kid": kid });
    change(&place, &action, Change::Import(key.public().clone()), Some(key)).await
}

fn read_pem(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        io::stdin().take(LARGEST_PEM).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_PEM).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// Change the ring, here or there.
async fn change(place: &Place, action: &Value, change: Change, imported: Option<NewKey>) -> anyhow::Result<Ending> {
    let report = match place.directory()? {
        Some(directory) => match change_file(place, directory, &change, imported) {
            Ok(report) => report,
            Err(fault) => match fault.downcast::<FileFault>() {
                Ok(FileFault::Plan(why)) => {
                    out::say(why);
                    return Ok(Ending::Refused);
                }
                Ok(fault) => return Err(fault.into()),
                Err(fault) => return Err(fault),
            },
        },
        None => match function(place).await?.ask(action).await? {
            Answered::With(report) => {
                serde_json::from_value(report).context("the function's answer is not a report: is it key-rotator?")?
            }
            Answered::Refused(why) => {
                out::say(why);
                return Ok(Ending::Refused);
            }
        },
    };
    if place.json {
        print(&report)?;
    } else {
        out::say(shown::report(&report).trim_end());
    }
    Ok(Ending::Done)
}

fn change_file(place: &Place, directory: &Path, change: &Change, imported: Option<NewKey>) -> anyhow::Result<Report> {
    let bounds = place.times.bounds();
    let file = KeyringFile::in_directory(directory);
    let now = clock::now();
    let mut lanes = lanes(file.read(now)?.public());
    lanes.extend(imported.as_ref().map(|key| key.public().alg()));
    let schedule = place.times.schedule(lanes, bounds)?;
    let (notes, keyring) = file.change(&schedule, change, imported, now)?;
    Ok(Report { notes, warnings: Vec::new(), status: of_file(&keyring, &schedule) })
}

/// RS256, and the lanes that there are: `serve` adds those of its policy.
fn lanes(ring: &Ring) -> BTreeSet<Algorithm> {
    let live = ring.keys().iter().filter(|key| key.state.name() != StateName::Retired);
    live.map(|key| key.public.alg()).chain([Algorithm::RS256]).collect()
}

/// The file is what `serve` publishes.
fn of_file(keyring: &Keyring, schedule: &Schedule) -> Status {
    Status::new(keyring.public(), &Publication::of_ring(keyring.public()), schedule, clock::now())
}

async fn function(place: &Place) -> anyhow::Result<Function> {
    let Times { announce_for, retire_for, dangerous_bounds } = &place.times;
    if announce_for.is_some() || retire_for.is_some() || dangerous_bounds.is_some() {
        bail!("--announce-for, --retire-for and --dangerous-bounds are a function's own configuration");
    }
    let name = place.of.function.as_deref().context("neither --data-dir nor --function")?;
    Function::find(name, place.region.as_deref()).await
}

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    out::print(serde_json::to_string_pretty(value)?)
}
