//! Whether what a block printed is what the document shows.

/// The first line of `shown` that `printed` does not have in its place.
pub(crate) fn difference(shown: &str, printed: &str) -> Option<String> {
    let (mut shown, mut printed) = (shown.trim_end().lines(), printed.trim_end().lines());
    loop {
        match (shown.next(), printed.next()) {
            (None, None) => return None,
            (Some(shown), Some(printed)) if matches(shown, printed) => {}
            (shown, printed) => {
                let line = |line: Option<&str>| line.unwrap_or("(nothing more)").to_owned();
                return Some(format!("shows  {}\n  prints {}", line(shown), line(printed)));
            }
        }
    }
}

/// `...` stands for anything; what no two runs have in common is not compared.
fn matches(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (masked(shown), masked(printed));
    let Some((first, rest)) = shown.split_once("...") else { return shown == printed };
    let Some(mut left) = printed.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split("...").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = left.split_once(piece) else { return false };
        left = after;
    }
    left.ends_with(last)
}

/// The line with single spaces, and with times, spans of time and ids taken out.
fn masked(line: &str) -> String {
    let mut words = Vec::<String>::new();
    for word in line.split_whitespace() {
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        let is_unit = ["second", "minute", "hour"].contains(&core.trim_end_matches('s'));
        if let Some(count) = words.last_mut().filter(|count| is_unit && is_number(count)) {
            *count = word.replace(core, "*");
        } else {
            words.push(if is_of_one_run(core) { word.replace(core, "*") } else { word.to_owned() });
        }
    }
    words.join(" ")
}

/// A Unix time, a date or time of day, a UUID, or a key id, which is a SHA-256 in base64url.
fn is_of_one_run(word: &str) -> bool {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let is_uuid = |word: &str| {
        word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    };
    matches!(shape.as_str(), "0000000000" | "0000-00-00" | "00:00:00" | "0000-00-00T00:00:00Z")
        || is_uuid(word)
        || (word.len() == 43 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

#[test]
fn what_differs_from_run_to_run_is_not_compared_and_all_else_is() {
    let kid = "er4UUwUH1bw9Z7KEQnaNdVSF1hjeYBVw3aEUCBwAriQ";
    let other = "mugiZ3sKKLsL4kK2HbmtxIJnRDNTc2IcrulJGLggTHA";
    for (shown, printed, same) in [
        ("a\nb\n", "a\nb", true),
        ("a\n", "a\nb", false),
        ("a\nb", "a", false),
        ("  \"exp\": 1795363184,", "  \"exp\": 1895363184,", true),
        ("  \"exp\": 1795363184,", "  \"iat\": 1795363184,", false),
        ("account 444455556666", "account 444455556667", false),
        ("expires: 2026-11-22 15:59:44 UTC, in 15 minutes", "expires: 2027-01-02 03:04:05 UTC, in 14 minutes", true),
        ("issued_at: 0 seconds ago", "issued_at: 1 second ago", true),
        ("15 rules", "14 rules", false),
        ("\"73780696-8bdc-47d8-853d-542e15b599aa\",", "\"00000000-8bdc-47d8-853d-542e15b599aa\",", true),
        ("{ ... } | curl", "{ print } | curl", true),
        ("{ ... } | curl", "{ print } | wget", false),
        ("a ... b ... c", "a x b y c", true),
        ("a ... b ... c", "a x y c", false),
    ] {
        assert_eq!(difference(shown, printed).is_none(), same, "{shown} / {printed}");
    }
    assert_eq!(difference(&format!("key \"{kid}\"  RS256"), &format!("key \"{other}\" RS256")), None);
}
