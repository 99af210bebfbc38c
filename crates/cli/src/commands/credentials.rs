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

/// What `credentials` and `exec` are told. Flags win over variables `COUNTERSIGN_ROLE_ARN` and so on, those over the profile.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// A profile of ~/.config/countersign/config.toml [default: that of COUNTERSIGN_PROFILE, if it is set]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    settings: Settings,
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
        let request = request(self.settings, self.profile.as_deref())?;
        let keep = match (self.renew, self.no_cache) {
            (true, _) => Keep::Renew,
            (_, true) => Keep::Nothing,
            _ => Keep::Use,
        };
        Ok(obtain(&request, keep).await.map(|entry| (request, entry)))
    }
}

/// Flags over the environment, and both over the profile, which the environment may name.
pub(super) fn request(flags: Settings, profile: Option<&str>) -> anyhow::Result<Request> {
    let variable = |name: &str| std::env::var_os(name);
    let mut settings = flags.over(Settings::of_environment(variable)?)?;
    let of_environment = || said("COUNTERSIGN_PROFILE", variable);
    if let Some(name) = profile.map_or_else(of_environment, |name| Ok(Some(name.to_owned())))? {
        settings = settings.over(profile::find(&name)?)?;
    }
    settings.request()
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
