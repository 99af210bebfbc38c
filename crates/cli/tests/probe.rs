//! `countersign probe` against a real `serve`, with a front before it that answers as a test wants it. Each expectation passes
//! when it should, and fails when it should.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "a table is read more easily without references")]

#[path = "probe/expectations.rs"]
mod expectations;
#[path = "probe/outputs.rs"]
mod outputs;
#[path = "probe/roles.rs"]
mod roles;
#[path = "probe/surroundings.rs"]
mod surroundings;
#[path = "probe/world.rs"]
mod world;
