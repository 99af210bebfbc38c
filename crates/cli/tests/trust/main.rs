//! `countersign trust`: what is said of a table of trust policies, what is written, who gains and loses; and all of it
//! against an evaluator of IAM policies that shares no code with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cases;
mod commands;
mod comparison;
mod generated;
mod golden;
mod properties;

use countersign::trust::{Input, Report, lint, read};

fn input(text: &str) -> Input {
    let mut inputs = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(inputs.len(), 1, "{text}");
    inputs.remove(0)
}

fn report(text: &str) -> Report {
    lint(&input(text))
}
