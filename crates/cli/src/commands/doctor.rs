//! `countersign doctor`: why there are no AWS credentials, or that there would be.

use super::Ending;
use super::credentials::Which;
use crate::{doctor, out};

/// Look at everything that leads to AWS credentials, and say what is wrong
///
/// It asks for a token and for a session of the role, as `credentials` does, keeps neither and shows neither. Exit code 0: there
/// would be credentials; 1: somebody says no, or something is wrong; 2: nobody could tell.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Look at it.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    let report = match args.which.request() {
        Ok(request) => Box::pin(doctor::examine(&request)).await,
        Err(why) => doctor::no_request(why),
    };
    if args.json {
        out::print(report.json())?;
    } else {
        out::say(report.to_string().trim_end());
    }
    match (report.is_good(), report.is_refused()) {
        (true, _) => Ok(Ending::Done),
        (_, true) => Ok(Ending::Refused),
        _ => anyhow::bail!("it cannot be told whether there would be credentials"),
    }
}
