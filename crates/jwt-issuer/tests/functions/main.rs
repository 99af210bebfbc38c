//! The functions `jwt-issuer` and `jwks` as they are shipped (profile `function`), behind a stand-in of the Lambda Runtime
//! API, with moto behind the AWS SDK. Ring, key set and policy are put there with the AWS CLI.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod configuration;
mod endurance;
mod events;
mod logs;
mod outages;
mod world;
