//! Rings as people read them.

use std::fmt::Write as _;

use countersign_core::UnixSeconds;
use countersign_core::jwk::KeyId;
use countersign_core::plan::Note;
use countersign_core::status::{KeyStatus, Report, StateName, Status};
use jiff::Timestamp;

use crate::out;

/// A table, and what is amiss.
pub(super) fn status(status: &Status) -> String {
    let head = ["KEY", "ALG", "STATE", "AGE", "PUBLISHED", "WHAT COMES NEXT"].map(str::to_owned);
    let rows = status.keys.iter().map(|key| {
        let published = if key.published { "yes" } else { "NO" };
        let age = since(key.announced_at, status.at);
        [
            key.kid.to_string(),
            key.alg.to_string(),
            key.state.to_string(),
            age,
            published.to_owned(),
            next(key, status.at),
        ]
    });
    let mut text = out::columns(std::iter::once(head).chain(rows)).join("\n") + "\n";
    for revoked in &status.revoked {
        let _ = writeln!(text, "{} was revoked at {}", revoked.kid, moment(revoked.at));
    }
    let _ = writeln!(
        text,
        "{}",
        if status.agree { "ring and published set agree" } else { "RING AND PUBLISHED SET DISAGREE" }
    );
    for warning in &status.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

/// What was done, and the table after it.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for note in &report.notes {
        let _ = writeln!(text, "{}", told(note));
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text + &status(&report.status)
}

/// What is asked before a key is withdrawn.
pub(super) fn question(status: &Status, kid: &KeyId) -> String {
    let state = status.keys.iter().find(|key| key.kid == *kid).map(|key| key.state);
    let what = match state {
        Some(StateName::Signing) => {
            "It signs at the moment: every token of it is rejected as soon as relying parties fetch the key set anew. The announced key signs instead."
        }
        Some(StateName::Announced) => "It does not sign yet: another one is announced in its place.",
        Some(StateName::Retired) => "It signs no more: tokens of it that have not ended yet are rejected.",
        None => "It is not in the ring.",
    };
    format!("\nRevoke {kid}? {what} This cannot be undone. Type `yes`:")
}

/// The note, with its times in words.
fn told(note: &Note) -> String {
    let text = note.to_string();
    let times = match note {
        Note::NewLane { ready_at, .. } | Note::Early { ready_at, .. } | Note::NoneAnnounced { ready_at, .. } => {
            vec![*ready_at]
        }
        Note::Unpublished { known_at, .. } => vec![*known_at],
        Note::Revoked { until, at_worst, .. } => vec![*until, *at_worst],
        Note::Hasty { until, .. } | Note::HastyNew { until, .. } => vec![*until],
        _ => Vec::new(),
    };
    times.into_iter().fold(text, |text, time| text.replace(&time.to_string(), &moment(time)))
}

fn next(key: &KeyStatus, at: UnixSeconds) -> String {
    match (key.state, key.ready_at, key.gone_at) {
        (StateName::Signing, ..) => format!("signs since {}", key.signing_since.map(moment).unwrap_or_default()),
        (StateName::Announced, Some(ready), _) if ready <= at => "signs with the next rotation".to_owned(),
        (StateName::Announced, Some(ready), _) => format!("may sign from {}", moment(ready)),
        (StateName::Announced, None, _) => "may sign once it has been published for long enough".to_owned(),
        (StateName::Retired, _, Some(gone)) if gone <= at => "gone with the next rotation".to_owned(),
        (StateName::Retired, _, Some(gone)) => format!("gone after {}", moment(gone)),
        (StateName::Retired, _, None) => String::new(),
    }
}

/// RFC 3339.
fn moment(seconds: UnixSeconds) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |timestamp| timestamp.to_string())
}

/// Two units are enough: `12d 3h`, `5m 2s`.
fn since(from: UnixSeconds, at: UnixSeconds) -> String {
    let seconds = at.saturating_sub(from);
    if seconds < 0 {
        return "in the future".to_owned();
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(3);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, name) in units.iter().skip(first).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count}{name}"));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_two_units() {
        let ages: Vec<String> = [0, 59, 60, 3601, 86_400, 2_000_000, -1].map(|age| since(0, age)).to_vec();
        assert_eq!(ages, ["0s", "59s", "1m", "1h", "1d", "23d 3h", "in the future"]);
    }
}
