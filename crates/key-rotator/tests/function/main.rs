//! The function `key-rotator` as it is shipped, behind a stand-in of the Lambda Runtime API, with moto's Secrets Manager,
//! Parameter Store, KMS and Lambda behind the AWS SDK; and the functions `jwt-issuer` and `jwks`, which read what it writes.
//!
//! Secrets Manager itself does not rotate here: the test sends the four steps that it would send.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod actions;
mod check;
mod configuration;
mod crashes;
mod kms;
mod load;
mod steps;
mod world;
mod year;
