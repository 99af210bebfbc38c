//! Wiring: arguments in, a command run, an exit code out.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use countersign::commands::{
    Cli, Command, Ending, agent, completions, configure, credentials, daemon, demo, doctor, exec, keys, manual, policy,
    probe, serve, snowflake_sql, token, trust, verify,
};
use countersign::doctor::no_request;
use countersign::out;

/// Whoever reads `doctor --json` reads of flags that are none, too.
fn parsed() -> Cli {
    Cli::try_parse().unwrap_or_else(|why| {
        let mut arguments = std::env::args_os().skip(1);
        if why.use_stderr() && arguments.next().is_some_and(|it| it == "doctor") && arguments.any(|it| it == "--json") {
            let _ = out::print(no_request(anyhow::Error::msg(why.to_string())).json());
        }
        why.exit()
    })
}

/// A runtime on all cores.
#[tokio::main]
async fn main() -> ExitCode {
    let ending = match parsed().command {
        Command::Demo => demo::run().await,
        Command::Serve(args) => serve::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Policy(command) => policy::run(&command),
        Command::Keys(command) => Box::pin(keys::run(command)).await,
        Command::Credentials(args) => Box::pin(credentials::run(*args)).await,
        Command::Exec(args) => Box::pin(exec::run(*args)).await,
        Command::Daemon(args) => Box::pin(daemon::run(args)).await,
        Command::Agent(args) => Box::pin(agent::run(*args)).await,
        Command::Configure(args) => configure::run(*args),
        Command::Doctor(args) => Box::pin(doctor::run(*args)).await,
        Command::Trust(command) => trust::run(command),
        Command::Probe(args) => Box::pin(probe::run(args)).await,
        Command::SnowflakeSql(args) => snowflake_sql::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Manual(args) => manual::run(&args, Cli::command()),
    };
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Refused) => ExitCode::from(1),
        Err(error) => {
            out::say(format_args!("countersign: {error:#}"));
            ExitCode::from(2)
        }
    }
}
