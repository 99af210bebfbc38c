//! Wiring: arguments in, a command run, an exit code out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign::commands::{Ending, demo, keys, policy, serve, token, trust, verify};
use countersign::out;

/// A JWT issuer and key server for AWS: an IAM-signed request in, a short-lived JWT out.
///
/// Tokens and machine-readable output go to stdout, everything for people to stderr. Exit code 0: done; 1: refused or
/// invalid; 2: could not tell.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole story on this machine in one go: issuer, signed request, token, verification, a refusal
    Demo,
    /// Run the issuer on this machine, with real SigV4 verification
    Serve(serve::Args),
    /// Sign a request with the default AWS credential chain and print the token
    Token(token::Args),
    /// Check a token against an issuer's discovery document and JWKS, and say exactly what is wrong
    Verify(verify::Args),
    /// Check, explain and describe policies
    #[command(subcommand)]
    Policy(policy::Command),
    /// Look at the key ring, rotate it, withdraw a key, take one in
    #[command(subcommand)]
    Keys(keys::Command),
    /// Write, explain and compare trust policies of IAM roles
    #[command(subcommand)]
    Trust(trust::Command),
}

/// A runtime on all cores.
#[tokio::main]
async fn main() -> ExitCode {
    let ending = match Cli::parse().command {
        Command::Demo => demo::run().await,
        Command::Serve(args) => serve::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Policy(command) => policy::run(&command),
        Command::Keys(command) => Box::pin(keys::run(command)).await,
        Command::Trust(command) => trust::run(command),
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
