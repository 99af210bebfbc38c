//! What there is to know of things that are kept fresh, for people and for programs.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::cache::Failed;
use crate::out;
use crate::verify::text::span;

/// Of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When what is held ends; nothing is held without it.
    pub ends_at: Option<Timestamp>,
    /// When the next attempt to renew it is made, or was to be made.
    pub next_attempt_at: Timestamp,
    /// How often it was renewed.
    pub renewals: u64,
    /// Why there is no newer one.
    pub failure: Option<Failed>,
}

/// Of several, each with its name and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The profile.
    pub name: String,
    /// A session's role, or a token's file.
    pub what: String,
    /// The rest.
    #[serde(flatten)]
    pub status: Status,
}

impl Status {
    /// In a word.
    fn state(&self, now: Timestamp) -> &'static str {
        match (self.ends_at.is_some_and(|end| end > now), &self.failure) {
            (true, None) => "good",
            (true, Some(_)) => "good, not renewed",
            (false, Some(_)) => "NONE",
            (false, None) => "awaited",
        }
    }
}

/// A line each, and why there is no newer one below it.
pub fn table(rows: &[Row], now: Timestamp) -> String {
    let when = |at: Timestamp| match at.duration_since(now) {
        late if late <= SignedDuration::ZERO => "now".to_owned(),
        ahead => format!("in {}", span(ahead.as_secs().unsigned_abs())),
    };
    let head = ["NAME", "WHAT", "STATE", "ENDS", "NEXT RENEWAL"].map(str::to_owned);
    let cells = |row: &Row| {
        let end = row.status.ends_at.map_or_else(|| "-".to_owned(), when);
        let state = row.status.state(now).to_owned();
        [row.name.clone(), row.what.clone(), state, end, when(row.status.next_attempt_at)]
    };
    let lines = out::columns(std::iter::once(head).chain(rows.iter().map(cells)));
    let mut text = String::new();
    for (line, row) in lines.iter().zip(std::iter::once(None).chain(rows.iter().map(Some))) {
        text += line;
        text.push('\n');
        if let Some(failed) = row.and_then(|row| row.status.failure.as_ref()) {
            let ago = span(now.duration_since(failed.at).as_secs().max(0).unsigned_abs());
            let _ = writeln!(text, "  {ago} ago: {}", failed.why);
        }
    }
    // Whoever answers in an agent's place may write what they want.
    out::harmless(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_is_good_until_when_and_why_it_is_not() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let row = |name: &str, ends: Option<i64>, next: i64, why: Option<&str>| Row {
            name: name.to_owned(),
            what: "arn:aws:iam::444455556666:role/deploy".to_owned(),
            status: Status {
                ends_at: ends.map(|seconds| now + SignedDuration::from_secs(seconds)),
                next_attempt_at: now + SignedDuration::from_secs(next),
                renewals: 3,
                failure: why.map(|why| Failed {
                    at: now - SignedDuration::from_secs(30),
                    refused: true,
                    why: why.to_owned(),
                }),
            },
        };
        let rows = [
            row("deploy", Some(3300), 2100, None),
            row("logs", Some(600), 4, Some("no answer in time")),
            row("audit", None, -1, Some("STS refused it")),
            row("new", None, 0, None),
        ];
        let expected = "\
NAME    WHAT                                   STATE              ENDS           NEXT RENEWAL
deploy  arn:aws:iam::444455556666:role/deploy  good               in 55 minutes  in 35 minutes
logs    arn:aws:iam::444455556666:role/deploy  good, not renewed  in 10 minutes  in 4 seconds
  30 seconds ago: no answer in time
audit   arn:aws:iam::444455556666:role/deploy  NONE               -              now
  30 seconds ago: STS refused it
new     arn:aws:iam::444455556666:role/deploy  awaited            -              now
";
        assert_eq!(table(&rows, now), expected);
    }
}
