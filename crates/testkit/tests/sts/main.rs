//! The stand-in of STS: each rule, kept and broken, and AWS's own clients in front of it.
//!
//! Tokens are signed here by aws-lc, of which the stand-in uses nothing to verify but what `jsonwebtoken` does not know.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attack;
mod calls;
mod clients;
mod faults;
mod issuer;
mod keys;
mod tokens;
mod trust;
mod world;
