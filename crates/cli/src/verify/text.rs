//! Words for people: times, and text of strangers made safe to print.

use jiff::Timestamp;

/// Longest piece of a stranger's text that a message repeats, in characters.
const SHOWN: usize = 200;

/// The text in quotes, shortened, with everything escaped that a terminal would act upon.
pub(crate) fn quoted(text: &str) -> String {
    let total = text.chars().count();
    if total <= SHOWN {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{head:?}... ({total} characters)")
}

/// At most eight of them, quoted.
pub(crate) fn quoted_list(items: &[String]) -> String {
    const LISTED: usize = 8;
    let mut shown: Vec<String> = items.iter().take(LISTED).map(|item| quoted(item)).collect();
    if items.len() > LISTED {
        shown.push(format!("and {} more", items.len() - LISTED));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

/// JSON text as it is, but with control characters and direction marks escaped: JSON itself lets most of them through.
pub(crate) fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '"' | '\'' | '\\' => out.push(character),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// Unix seconds as `2026-01-01 00:05:00 UTC`.
pub(crate) fn utc(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        // Beyond the year 9999 there is no text for it, and a token may say so nevertheless.
        |_| format!("second {seconds} of the Unix epoch"),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A length of time in its largest unit of which there are at least two: `90 seconds`, `3 minutes`, `25 hours`, `2 days`.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    match UNITS.into_iter().find(|(unit, _)| seconds / unit >= 2) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None if seconds == 1 => "1 second".to_owned(),
        None => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(utc(1_767_225_900), "2026-01-01 00:05:00 UTC");
        assert_eq!(utc(i64::MAX), "second 9223372036854775807 of the Unix epoch");
        let spans = [0, 1, 119, 120, 180, 7_199, 7_200, 172_799, 172_800].map(span);
        assert_eq!(
            spans,
            [
                "0 seconds",
                "1 second",
                "119 seconds",
                "2 minutes",
                "3 minutes",
                "119 minutes",
                "2 hours",
                "47 hours",
                "2 days"
            ]
        );
    }

    #[test]
    fn what_a_stranger_wrote_cannot_steer_the_terminal() {
        assert_eq!(quoted("a\u{1b}[2J\u{202e}"), r#""a\u{1b}[2J\u{202e}""#);
        assert_eq!(printable("{\n  \"a\": \"\u{9b}2J ü\"\n}"), "{\n  \"a\": \"\\u{9b}2J ü\"\n}");
        assert_eq!(quoted(&"x".repeat(70_000)).len(), 202 + "... (70000 characters)".len());
        let many: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert!(quoted_list(&many).ends_with("\"7\", and 2 more"));
    }
}
