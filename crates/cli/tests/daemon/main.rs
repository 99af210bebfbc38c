//! `countersign daemon`, the built command line, with a real issuer, GitHub's stand-in and a stand-in of STS that verifies their
//! tokens.
//!
//! **Owns** what somebody sees who reads the files, starts, ends and kills the daemon, spoils its disk, its clock and those that
//! it asks, and what systemd is told. `docs/daemon.md` says what is here.
//!
//! Sessions last seconds: STS's stand-in gives no longer ones. Nothing is said of how quickly something happens, but for what has
//! ended: that is gone before its end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod clocks;
mod disk;
mod files;
mod killed;
mod load;
mod once;
mod outages;
mod recipes;
mod reload;
mod running;
mod systemd;
#[path = "../credentials/world.rs"]
#[expect(dead_code, reason = "the tests of `credentials` use the rest")]
mod world;
