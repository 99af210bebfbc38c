//! `countersign credentials` and `exec`, the built command line, with a real issuer and a stand-in of STS that verifies its
//! tokens.
//!
//! **Owns** what a user and a program of theirs see: forms, exit codes, what is kept, how often STS is asked, and what a
//! failure or a kill leaves behind; what a rule says to AWS, and what is said of each of STS's refusals. How STS is asked is
//! `assume_role`'s, how a source is asked `token_sources`'.
//!
//! `docs/aws-credentials.md` shows recipes, and they are run from there. The one for Terraform is ignored, for the size of the
//! provider: `cargo test --workspace --test credentials -- --ignored`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "credentials/attack.rs"]
mod attack;
#[path = "credentials/attack_sources.rs"]
mod attack_sources;
#[path = "credentials/claims.rs"]
mod claims;
#[path = "credentials/consumers.rs"]
mod consumers;
#[path = "credentials/exec.rs"]
mod exec;
#[path = "credentials/explained.rs"]
mod explained;
#[path = "credentials/kept.rs"]
mod kept;
#[path = "credentials/printed.rs"]
mod printed;
#[path = "credentials/recipes.rs"]
mod recipes;
#[path = "credentials/sources.rs"]
mod sources;
#[path = "credentials/storm.rs"]
mod storm;
#[path = "credentials/world.rs"]
mod world;
