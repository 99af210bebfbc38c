//! `countersign credentials`: AWS credentials from a token, for whoever runs it.

use super::Ending;
use crate::credentials::output::{Format, text};
use crate::credentials::settings::{Settings, said};
use crate::credentials::{Failure, Keep, Request, cache::Entry, obtain, profile};
use crate::out;

/// Which credentials, and in which form.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asked: Asked,
    /// In which form they are printed
    #[arg(long, value_enum, default_value_t = Format::Process)]
    format: Format,
}

/// What is asked for. Flags win over variables `COUNTERSIGN_ROLE_ARN` and so on, those over the profile.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// A profile of ~/.config/countersign/config.toml [default: that of COUNTERSIGN_PROFILE, if it is set]
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    #[command(flatten)]
    pub(super) settings: Settings,
}

impl Which {
    /// All that is set, wherever it is.
    pub fn settings(self) -> anyhow::Result<Settings> {
        let variable = |name: &str| std::env::var_os(name);
        let settings = self.settings.over(Settings::of_environment(variable)?)?;
        match self.profile.map_or_else(|| said("COUNTERSIGN_PROFILE", variable), |name| Ok(Some(name)))? {
            Some(name) => settings.over(profile::find(&name)?),
            None => Ok(settings),
        }
    }

    /// The request that this is.
    pub fn request(self) -> anyhow::Result<Request> {
        self.settings()?.request()
    }
}

/// What `credentials` and `exec` are told.
#[derive(Debug, clap::Args)]
pub struct Asked {
    #[command(flatten)]
    which: Which,
    /// Get new credentials, and keep them in place of the kept ones
    #[arg(long)]
    renew: bool,
    /// Neither read nor keep credentials
    #[arg(long, conflicts_with = "renew")]
    no_cache: bool,
}

impl Asked {
    /// The request, and credentials for it.
    pub async fn obtain(self) -> anyhow::Result<Result<(Request, Entry), Failure>> {
        let request = self.which.request()?;
        let keep = match (self.renew, self.no_cache) {
            (true, _) => Keep::Renew,
            (_, true) => Keep::Nothing,
            _ => Keep::Use,
        };
        Ok(obtain(&request, keep).await.map(|entry| (request, entry)))
    }
}

/// What cannot be told is an error; a refusal is said here.
pub(super) fn refused(failure: Failure) -> anyhow::Result<Ending> {
    match failure {
        Failure::Refused(why) => {
            out::say(why);
            Ok(Ending::Refused)
        }
        Failure::Unknown(error) => Err(error),
    }
}

/// Print credentials.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    match Box::pin(args.asked.obtain()).await? {
        Ok((request, entry)) => {
            out::print(text(&entry, &request.session, args.format))?;
            Ok(Ending::Done)
        }
        Err(failure) => refused(failure),
    }
}
