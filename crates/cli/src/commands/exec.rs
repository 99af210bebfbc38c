//! `countersign exec`: a command that finds AWS credentials in its environment.
//!
//! The command takes this process's place: its exit code, its signals and its terminal are its own, and nothing stands between.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::Ending;
use super::credentials::{Asked, refused};
use crate::credentials::output::variables;
use crate::credentials::source::{OAuth, Secret, Source};
use crate::credentials::sts;
use crate::out;

/// Other ways to credentials, which some SDK would prefer, what belongs to those, and what the command need not know.
const TAKEN_AWAY: [&str; 14] = [
    "AWS_ACCOUNT_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "COUNTERSIGN_OAUTH_CLIENT_SECRET",
];

/// Which credentials, and for which command.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asked: Asked,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Become the command.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    let (request, entry) = match Box::pin(args.asked.obtain()).await? {
        Ok(obtained) => obtained,
        Err(failure) => return refused(failure),
    };
    let Some((program, arguments)) = args.command.split_first() else { anyhow::bail!("which command?") };
    let mut command = Command::new(program);
    command.args(arguments);
    // The profile that is taken away may have said the region.
    let configured = sts::configured_region().await.map(|region| region.to_string());
    if let Some(region) = request.session.region.or(configured) {
        command.env("AWS_REGION", &region).env("AWS_DEFAULT_REGION", region);
    }
    for name in TAKEN_AWAY {
        command.env_remove(name);
    }
    if let Source::OAuth(OAuth { secret: Secret::Environment(name), .. }) = &request.source {
        command.env_remove(name);
    }
    command.envs(variables(&entry));
    command.env("AWS_CREDENTIAL_EXPIRATION", format!("{:.0}", entry.credentials.expiration));
    let error = command.exec();
    out::say(format_args!("countersign: {}: {error}", program.display()));
    // As shells and env(1) have it.
    std::process::exit(if error.kind() == ErrorKind::NotFound { 127 } else { 126 })
}
