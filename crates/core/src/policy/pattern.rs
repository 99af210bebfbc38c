//! Patterns: literal text with `*` for any run of characters, also none. They match the whole field, case and all.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Matcher {
    /// No `*`.
    Exact(String),
    /// The literal pieces between the `*`s, at least two.
    Glob(Vec<String>),
}

impl Matcher {
    pub(crate) fn new(pattern: &str) -> Self {
        if pattern.contains('*') {
            Self::Glob(pattern.split('*').map(str::to_owned).collect())
        } else {
            Self::Exact(pattern.to_owned())
        }
    }

    /// Does the whole text match?
    ///
    /// The first piece is the start, the last one the end, and each piece between them is taken at its first
    /// occurrence: with `*` alone that is enough, and takes linear time per piece.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let pieces = match self {
            Self::Exact(exact) => return exact == text,
            Self::Glob(pieces) => pieces,
        };
        let [first, middle @ .., last] = pieces.as_slice() else { return false };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        rest.ends_with(last.as_str())
    }

    /// The text that the pattern stands for, if it is only one.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Self::Exact(text) => Some(text),
            Self::Glob(_) => None,
        }
    }

    /// The literal pieces; between two of them stands a `*`.
    pub(crate) fn pieces(&self) -> &[String] {
        match self {
            Self::Exact(text) => std::slice::from_ref(text),
            Self::Glob(pieces) => pieces,
        }
    }

    /// As it was written.
    pub(crate) fn written(&self) -> String {
        self.pieces().join("*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_fields_only() {
        for (pattern, text, expected) in [
            ("loader", "loader", true),
            ("loader", "Loader", false),
            ("loader", "loader2", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*@acme.com", "jane@acme.com", true),
            ("*@acme.com", "jane@acme.com.evil", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("a**b", "ab", true),
            ("*a*a*", "a", false),
            ("*a*a*", "aa", true),
            (".*", "x", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Matcher::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
