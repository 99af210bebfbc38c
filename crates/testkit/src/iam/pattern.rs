//! Wildcards, and ARNs with wildcards in them.

/// Whether `text` is what `pattern` means: `*` is any run of characters, also none, and `?` is any one.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut here) = (0, 0);
    // Where the last star stood, and how far it has reached.
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        if at < pattern.len() && pattern[at] == '*' {
            star = Some((at, here));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == '?' || pattern[at] == text[here]) {
            (at, here) = (at + 1, here + 1);
        } else if let Some((stood, reached)) = star {
            star = Some((stood, reached + 1));
            (at, here) = (stood + 1, reached + 1);
        } else {
            return false;
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

/// The same for actions, whose letter case means nothing.
pub(crate) fn matches_action(pattern: &str, action: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// The same for ARNs: each of the six parts by itself, so that no wildcard reaches over a colon into the next part.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    let (pattern, arn): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == 6 && arn.len() == 6 && pattern.iter().zip(arn).all(|(pattern, part)| matches(pattern, part))
}

/// Whether it is an ARN as a policy may write it: six parts, wildcards among them.
pub(super) fn is_arn(text: &str) -> bool {
    text.splitn(6, ':').count() == 6 && text.starts_with("arn:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_and_a_question_mark_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("", "a", false),
            ("?", "", false),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("**", "anything", true),
            ("a.c", "abc", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(matches_action("SSM:get*", "ssm:GetParameter") && !matches("SSM:get*", "ssm:GetParameter"));
    }

    #[test]
    fn a_wildcard_of_an_arn_stays_in_its_part() {
        let arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/a/b";
        for (pattern, expected) in [
            (arn, true),
            ("arn:aws:ssm:*:123456789012:parameter/a/b", true),
            ("arn:aws:ssm:eu-central-1:123456789012:*", true),
            ("arn:aws:ssm:eu-central-1:123456789012:parameter/*", true),
            ("arn:*:parameter/a/b", false),
            ("arn:aws:ssm:*:parameter/a/b", false),
            ("arn:aws:s3:*:123456789012:parameter/a/b", false),
            ("*", false),
        ] {
            assert_eq!(matches_arn(pattern, arn), expected, "{pattern}");
        }
        // A resource may have colons of its own.
        assert!(matches_arn("arn:aws:logs:r:1:log-group:/a:*", "arn:aws:logs:r:1:log-group:/a:log-stream:x"));
    }
}
