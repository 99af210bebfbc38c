//! What the Lambda functions share: their configuration, the gateway's events, what they fetch from AWS and how long
//! they may use it, and how they talk to the Lambda runtime and to CloudWatch.
//!
//! It takes no decision and reads no secret. A function brings what it decides and, if it may hold a private key, the
//! client that fetches it.

pub mod client;
pub mod function;
pub mod gateway;
pub mod log;
pub mod metrics;
pub mod parameter;
pub mod settings;
pub mod snapshot;
pub mod told;
