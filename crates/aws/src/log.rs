//! What a function says to operators, on stdout, where Lambda takes it to CloudWatch Logs.
//!
//! As text, or as JSON where `AWS_LAMBDA_LOG_FORMAT` says so, at the level of `AWS_LAMBDA_LOG_LEVEL`. A release build
//! has no level below `info` at all: there the runtime traces whole events and SDKs trace bodies.

use std::io::{self, Write as _};

use tracing_subscriber::filter::LevelFilter;

/// Say it as this environment asks for.
pub fn start() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok();
    let level = match level.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("warn") => LevelFilter::WARN,
        Some("error" | "fatal") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let json = std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false);
    if json {
        // Flat, since Lambda's own filters look for `timestamp` and `level` at the top.
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    } else {
        // CloudWatch Logs gives each line its time.
        lines.without_time().init();
    }
}

/// A line of its own, of JSON whatever the format: an audit record or metrics.
pub fn line(text: &str) -> io::Result<()> {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
