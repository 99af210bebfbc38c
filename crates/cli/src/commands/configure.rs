//! `countersign configure`: a profile that every AWS SDK finds, written for whoever would rather not write it.

use std::io::{self, IsTerminal as _};

use anyhow::bail;
use serde_json::json;

use super::Ending;
use super::credentials::refused;
use crate::configure::{Change, Name, Plan, Said, confirmed, plan};
use crate::credentials::settings::Settings;
use crate::out;

/// What is to be in the profile. What no flag says is asked for in a terminal; what is in the profile already stays.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Args {
    /// The profile of ~/.config/countersign/config.toml
    #[arg(long, value_name = "NAME")]
    profile: Option<Name>,
    /// The profile of the AWS configuration that gets its credentials so [default: named as --profile]
    #[arg(long, value_name = "NAME")]
    aws_profile_name: Option<Name>,
    #[command(flatten)]
    settings: Settings,
    /// Replace the `credential_process` of another program
    #[arg(long)]
    replace_process: bool,
    /// Print what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Print what was written, or would be, as JSON
    #[arg(long)]
    json: bool,
}

/// Write both files.
pub fn run(args: Args) -> anyhow::Result<Ending> {
    let Args { profile, aws_profile_name, settings, replace_process, dry_run, yes, json } = args;
    let is_asked = !yes && io::stdin().is_terminal();
    let plan = match plan(Said { profile, aws_profile_name, settings, replace_process }, is_asked) {
        Ok(plan) => plan,
        Err(failure) => return refused(failure),
    };
    for warning in &plan.warnings {
        out::say(format_args!("countersign: warning: {warning}"));
    }
    let changes = plan.files().iter().any(|change| change.is_one());
    let difference = plan.files().map(Change::difference).concat();
    if !changes {
        out::say(format_args!("nothing to change: the profile {} is written already", plan.profile));
    } else if dry_run && !json {
        out::print(difference.trim_end())?;
    } else {
        out::say(difference.trim_end());
    }
    if changes && !dry_run {
        if is_asked {
            confirmed("Write this? Type `yes`")?;
        } else if !yes {
            bail!("nothing was written: say --yes, or run it in a terminal to be asked");
        }
        plan.write()?;
        let name = &plan.aws_profile;
        out::say(format_args!("written. Try it: aws sts get-caller-identity --profile {name}"));
    }
    if json {
        out::print(serde_json::to_string_pretty(&report(&plan, changes && !dry_run))?)?;
    }
    Ok(Ending::Done)
}

fn report(plan: &Plan, written: bool) -> serde_json::Value {
    let files = plan.files().map(|change| {
        let kind = match (change.is_one(), change.exists()) {
            (false, _) => "none",
            (true, true) => "update",
            (true, false) => "create",
        };
        json!({ "path": change.path().to_string_lossy(), "change": kind, "difference": change.difference() })
    });
    json!({
        "profile": plan.profile.to_string(),
        "aws_profile": plan.aws_profile.to_string(),
        "written": written,
        "files": files,
        "warnings": plan.warnings,
    })
}
