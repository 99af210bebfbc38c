//! One module a command. Tokens and machine-readable output go to stdout alone, everything for people to stderr.

pub mod demo;
pub mod keys;
pub mod policy;
pub mod serve;
pub mod token;
pub mod trust;
pub mod verify;

/// How a command ends when it could do its work. What it could not even tell is an error, and exit 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Done, warnings included: exit 0.
    Done,
    /// The token, policy, caller or request is refused or invalid: exit 1.
    Refused,
}
