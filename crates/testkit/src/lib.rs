//! What the tests of every crate share: a running `serve`, a Lambda function as Lambda runs it, a stand-in for AWS, an
//! account in it in which what was deployed runs under its own policies, a stricter stand-in for STS, a clock that can be
//! moved, the foreign tools, and a verifier that signs nothing.
//!
//! **Owns** how a test starts things and where it finds them. **Refuses** to know the package `countersign`: the binary's
//! path is an argument, so that a test speaks to what users run. Nothing that is shipped links this crate.
//!
//! Everything here panics when the machine is not as it should be: a test that cannot run has failed.

#![allow(clippy::panic, clippy::missing_panics_doc, reason = "a test fails by panicking, and says so above")]

pub mod aws;
pub mod cast;
pub mod clock;
pub mod deployed;
pub mod github;
pub mod iam;
pub mod idp;
pub mod internet;
pub mod keys;
pub mod lambda;
mod loopback;
pub mod measure;
mod output;
pub mod page;
pub mod serve;
pub mod stand_in;
pub mod sts;
pub mod tools;
pub mod verifier;
