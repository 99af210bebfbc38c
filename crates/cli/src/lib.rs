//! The command line of Countersign, and the issuer on one machine.
//!
//! A library so that tests and benchmarks run what the binary runs. It has the clock, the randomness, the files and the
//! network that the core does without; it takes no decision of its own.

pub mod agent;
pub mod answer;
pub mod client;
pub mod clock;
pub mod commands;
pub mod configure;
pub mod credentials;
pub mod daemon;
pub mod doctor;
pub mod listen;
pub mod out;
pub mod probe;
pub mod serve;
pub mod signing;
pub mod sigv4;
pub mod snowflake;
pub mod supervise;
pub mod trust;
pub mod verify;
pub mod yaml;
