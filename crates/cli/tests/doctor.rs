//! `countersign doctor`, the built command line, with real issuers, identity providers and a strict STS under names of the world.
//!
//! **Owns** what is found first in a set-up that is broken in one place, and that a good one is good whatever the token's source.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "doctor/attack.rs"]
mod attack;
#[path = "doctor/broken.rs"]
mod broken;
#[path = "doctor/chain.rs"]
mod chain;
#[path = "doctor/healthy.rs"]
mod healthy;
#[path = "documents/output.rs"]
#[allow(dead_code, reason = "others need the rest of it")]
mod output;
#[path = "credentials/world.rs"]
#[allow(dead_code, reason = "others need the rest of it")]
mod world;
