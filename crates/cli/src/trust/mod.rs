//! Trust policies of IAM roles: written, explained, compared.
//!
//! **Owns** what a trust policy says about who gets in, as far as it can be told from the policy alone. **Refuses** to call
//! anything safe that it did not understand: that is a finding, and in a comparison it counts as a gain. It asks nobody:
//! permissions policies, organisation policies and the settings of an identity provider are not looked at.
//!
//! The next may rely on: no panic on any input; [`Admission::admits`] is never false for a token that the policy's Allow
//! statements let in; whatever [`generate`] writes has no finding above a note, unless a wildcard or pull requests were
//! asked for.
//!
//! Imports point one way: `finding, pattern -> condition -> principal -> document -> admission -> subject -> lint, diff`.

mod admission;
mod condition;
pub mod diff;
mod document;
mod finding;
pub mod generate;
mod input;
mod lint;
mod pattern;
mod principal;
mod subject;

pub use admission::Admission;
pub use document::{Policy, Statement};
pub use finding::{Code, Finding, Severity};
pub use input::{Input, Unreadable, read};
pub use lint::{Report, lint};
pub use pattern::{Compare, Pattern, Within, within};
