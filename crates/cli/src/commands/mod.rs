//! One module a command. Tokens and machine-readable output go to stdout alone, everything for people to stderr.

pub mod agent;
pub mod completions;
pub mod configure;
pub mod credentials;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod exec;
pub mod keys;
pub mod manual;
pub mod policy;
pub mod probe;
pub mod serve;
pub mod snowflake_sql;
pub mod token;
pub mod trust;
pub mod verify;

use clap::{Parser, Subcommand};

/// A JWT issuer and key server for AWS: an IAM-signed request in, a short-lived JWT out.
///
/// Tokens and machine-readable output go to stdout, everything for people to stderr. Exit code 0: done; 1: refused or
/// invalid; 2: could not tell.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order of `--help`.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    /// AWS credentials from a token, as `credential_process` wants them
    Credentials(Box<credentials::Args>),
    /// Run a command that finds AWS credentials from a token in its environment
    Exec(Box<exec::Args>),
    /// Serve AWS credentials from a token to every SDK on this machine, and keep them fresh
    Agent(Box<agent::Args>),
    /// Keep tokens and AWS credentials in files fresh
    Daemon(daemon::Args),
    /// Write a profile for AWS SDKs, and ours that it refers to, without touching what else is there
    Configure(Box<configure::Args>),
    /// Look at everything that leads to AWS credentials, and say what is wrong
    Doctor(Box<doctor::Args>),
    /// Write, explain and compare trust policies of IAM roles
    #[command(subcommand)]
    Trust(trust::Command),
    /// Ask an issuer for tokens that it must give and for tokens that it must refuse
    Probe(probe::Args),
    /// Write the SQL that lets Snowflake take the tokens: integration, users and roles from the policy
    SnowflakeSql(snowflake_sql::Args),
    /// Print what a shell completes: `source <(countersign completions bash)`
    Completions(completions::Args),
    /// Print a manual page, as in `countersign manual token | man -l -`, or write all of them as files
    Manual(manual::Args),
}

/// How a command ends when it could do its work. What it could not even tell is an error, and exit 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Done, warnings included: exit 0.
    Done,
    /// The token, policy, caller or request is refused or invalid: exit 1.
    Refused,
}
