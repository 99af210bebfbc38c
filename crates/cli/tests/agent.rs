//! `countersign agent`, the built command line, with a real issuer and a stand-in of STS that verifies its tokens.
//!
//! **Owns** what an SDK, a user and somebody who wants what is not theirs see of it: credentials over many renewals, refusals, what
//! is left behind by a kill, and what is said while an issuer, an identity provider or STS is not well.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "agent/clocks.rs"]
mod clocks;
#[path = "agent/commands.rs"]
mod commands;
#[path = "agent/consumers.rs"]
mod consumers;
#[path = "agent/left_behind.rs"]
mod left_behind;
#[path = "agent/recipes.rs"]
mod recipes;
#[path = "agent/refused.rs"]
mod refused;
#[path = "agent/running.rs"]
mod running;
#[path = "agent/service.rs"]
mod service;
#[path = "agent/troubles.rs"]
mod troubles;
#[path = "credentials/world.rs"]
#[allow(dead_code, reason = "the world of more than these tests")]
mod world;
