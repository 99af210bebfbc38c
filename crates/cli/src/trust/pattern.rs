//! The values of IAM's string operators, and whether all texts that some of them mean are meant by others.
//!
//! **Owns** what a value stands for under an operator, and inclusion, decided on automata and not by how the values look.
//! **Refuses** to guess what a policy variable becomes: on the side of those who get in it is any text, on the side of
//! those who may it is none. The next one may rely on: `No` comes with a text that shows it, and `Unknown` is never `Yes`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many positions are looked at before the answer is `Unknown`. Patterns as people write them need some thousands.
const BUDGET: usize = 400_000;

/// How a value is compared with a key of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compare {
    /// Byte for byte: `StringEquals`.
    Equal,
    /// Without letter case: `StringEqualsIgnoreCase`.
    IgnoringCase,
    /// `*` is any run of characters, also none, and `?` any one: `StringLike`.
    Like,
    /// The same without letter case: actions.
    LikeIgnoringCase,
}

/// One value of a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    written: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Char(char),
    AnyCase(char),
    One,
    Run,
    Variable,
}

/// Whether one set of texts lies within another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// All of it.
    Yes,
    /// This one, among the shortest, does not.
    No(String),
    /// It would take too long to tell.
    Unknown,
}

impl Pattern {
    /// A value as it stands in a policy. `variables`: the policy's language has them (version 2012-10-17).
    pub fn new(written: &str, compare: Compare, variables: bool) -> Self {
        let mut tokens = Vec::new();
        let mut rest = written;
        while let Some(first) = rest.chars().next() {
            let inside = rest.strip_prefix("${").filter(|_| variables).and_then(|after| after.split_once('}'));
            if let Some((name, after)) = inside {
                // `${*}`, `${?}` and `${$}` are the characters themselves.
                tokens.push(match name {
                    "*" => Token::Char('*'),
                    "?" => Token::Char('?'),
                    "$" => Token::Char('$'),
                    _ => Token::Variable,
                });
                rest = after;
                continue;
            }
            tokens.push(match (first, compare) {
                ('*', Compare::Like | Compare::LikeIgnoringCase) => Token::Run,
                ('?', Compare::Like | Compare::LikeIgnoringCase) => Token::One,
                (letter, Compare::IgnoringCase | Compare::LikeIgnoringCase) if letter.is_ascii_alphabetic() => {
                    Token::AnyCase(letter.to_ascii_lowercase())
                }
                (other, _) => Token::Char(other),
            });
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        Self { written: written.to_owned(), tokens }
    }

    /// As it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// It means one text.
    pub fn is_exact(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Char(_)))
    }

    /// It means what it says, but for letter case.
    pub fn is_plain(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Char(_) | Token::AnyCase(_)))
    }

    /// It holds a policy variable.
    pub fn has_variable(&self) -> bool {
        self.tokens.contains(&Token::Variable)
    }

    /// The text with [`WILD`] in the place of whatever is not one character, for those who read its form.
    pub(super) fn form(&self) -> String {
        let character = |token: &Token| match token {
            Token::Char(character) | Token::AnyCase(character) => *character,
            Token::One | Token::Run | Token::Variable => WILD,
        };
        self.tokens.iter().map(character).collect()
    }

    /// Does it mean this text?
    pub fn matches(&self, text: &str) -> bool {
        let text = Self::new(text, Compare::Equal, false);
        within(&[&text], std::slice::from_ref(&self)) == Within::Yes
    }
}

/// What stands for a wildcard or variable in [`Pattern::form`]: a character that no claim holds.
pub(super) const WILD: char = '\u{0}';

/// Positions in patterns: which pattern, and how many of its tokens are behind.
type Positions = BTreeSet<(usize, usize)>;
/// Where both sides are.
type State = (Positions, Positions);
/// Where each state was come from, and by which character; the first one from nowhere.
type Trail = BTreeMap<State, Option<(State, char)>>;

/// Does every text that all of `all` mean, mean one of `any` too? With an empty `any`: is there no such text?
pub fn within(all: &[&Pattern], any: &[&Pattern]) -> Within {
    let alphabet = alphabet(all.iter().chain(any).copied());
    let start = (opened(all, starts(all), true), opened(any, starts(any), false));
    let mut from = Trail::new();
    from.insert(start.clone(), None);
    let mut open = VecDeque::from([start]);
    let mut work = 0;
    while let Some(state) = open.pop_front() {
        let (left, right) = &state;
        let all_end = (0..all.len()).all(|index| ended(all, left, index));
        if all_end && !(0..any.len()).any(|index| ended(any, right, index)) {
            return Within::No(spelled(&from, &state));
        }
        // Whatever follows, a pattern that ends in `*` and is there already means it.
        if right.iter().any(|(index, at)| tokens(any, *index).get(*at..) == Some(&[Token::Run])) {
            continue;
        }
        work += alphabet.len() * (left.len() + right.len());
        if work > BUDGET {
            return Within::Unknown;
        }
        for character in &alphabet {
            let left = stepped(all, left, *character, true);
            if (0..all.len()).any(|index| !left.iter().any(|(of, _)| *of == index)) {
                continue;
            }
            let next = (left, stepped(any, right, *character, false));
            if !from.contains_key(&next) {
                from.insert(next.clone(), Some((state.clone(), *character)));
                open.push_back(next);
            }
        }
    }
    Within::Yes
}

fn tokens<'a>(patterns: &[&'a Pattern], index: usize) -> &'a [Token] {
    patterns.get(index).map_or(&[], |pattern| pattern.tokens.as_slice())
}

fn starts(patterns: &[&Pattern]) -> Positions {
    (0..patterns.len()).map(|index| (index, 0)).collect()
}

/// A run may be empty, so what is before one is also behind it.
fn opened(patterns: &[&Pattern], mut positions: Positions, any_text: bool) -> Positions {
    let mut open: Vec<(usize, usize)> = positions.iter().copied().collect();
    while let Some((index, at)) = open.pop() {
        let passable = match tokens(patterns, index).get(at) {
            Some(Token::Run) => true,
            Some(Token::Variable) => any_text,
            _ => false,
        };
        if passable && positions.insert((index, at + 1)) {
            open.push((index, at + 1));
        }
    }
    positions
}

fn stepped(patterns: &[&Pattern], positions: &Positions, character: char, any_text: bool) -> Positions {
    let moved = positions.iter().filter_map(|(index, at)| {
        let to = match tokens(patterns, *index).get(*at)? {
            Token::Run => *at,
            Token::Variable if any_text => *at,
            Token::One => at + 1,
            Token::Char(wanted) if *wanted == character => at + 1,
            Token::AnyCase(wanted) if wanted.eq_ignore_ascii_case(&character) => at + 1,
            _ => return None,
        };
        Some((*index, to))
    });
    opened(patterns, moved.collect(), any_text)
}

fn ended(patterns: &[&Pattern], positions: &Positions, index: usize) -> bool {
    positions.contains(&(index, tokens(patterns, index).len()))
}

/// Every character that a pattern names, and one that none does: it stands for all others.
fn alphabet<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> BTreeSet<char> {
    let mut named = BTreeSet::new();
    for token in patterns.flat_map(|pattern| &pattern.tokens) {
        match token {
            Token::Char(character) => {
                named.insert(*character);
            }
            Token::AnyCase(letter) => named.extend([letter.to_ascii_lowercase(), letter.to_ascii_uppercase()]),
            Token::One | Token::Run | Token::Variable => {}
        }
    }
    // One that people can read, where there is one.
    let unnamed = ('a'..='z').chain('\u{e000}'..='\u{f8ff}').find(|character| !named.contains(character));
    named.extend(unnamed);
    named
}

fn spelled(from: &Trail, state: &State) -> String {
    let mut text = Vec::new();
    let mut at = state;
    while let Some(Some((before, character))) = from.get(at) {
        text.push(*character);
        at = before;
    }
    text.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str) -> Pattern {
        Pattern::new(text, Compare::Like, true)
    }

    fn lies_within(all: &[&str], any: &[&str]) -> bool {
        let (all, any): (Vec<_>, Vec<_>) =
            (all.iter().map(|t| like(t)).collect(), any.iter().map(|t| like(t)).collect());
        within(&all.iter().collect::<Vec<_>>(), &any.iter().collect::<Vec<_>>()) == Within::Yes
    }

    #[test]
    fn patterns_lie_within_patterns() {
        for (all, any, expected) in [
            (&["repo:a/b:ref:refs/heads/main"][..], &["repo:a/b:*"][..], true),
            (&["repo:a/b:*"], &["repo:a/b:ref:refs/heads/main"], false),
            (&["repo:a/b*"], &["repo:a/*"], true),
            (&["repo:a/*"], &["repo:a/b*"], false),
            (&["?*"], &["*?"], true),
            (&["*"], &["?*"], false),
            (&["*"], &["?*", ""], true),
            (&["a*", "*b"], &["a*b"], true),
            (&["a*", "b*"], &[], true),
            (&["a*"], &[], false),
            (&["??"], &["?"], false),
            (&["a?"], &["aa", "ab"], false),
            // What a variable becomes is not known: everything for those who get in, nothing for those who may.
            (&["a"], &["${aws:username}"], false),
            (&["a"], &["a${aws:username}"], false),
            (&["${aws:username}"], &["*"], true),
            (&["${aws:username}"], &["a"], false),
            (&["${*}"], &["?"], true),
            (&["*"], &["${*}"], false),
        ] {
            assert_eq!(lies_within(all, any), expected, "{all:?} within {any:?}");
        }
        let folded = Pattern::new("Ab", Compare::IgnoringCase, true);
        assert!(folded.matches("aB") && !folded.matches("ac") && !folded.is_exact());
        let exact = Pattern::new("a*", Compare::Equal, true);
        assert!(exact.matches("a*") && !exact.matches("ab") && exact.is_exact());
        assert_eq!(within(&[&folded], &[&exact]), Within::No("AB".to_owned()));
        assert!(Pattern::new("${x}", Compare::Equal, false).is_exact(), "the older language has no variables");
    }

    #[test]
    fn what_would_take_too_long_is_not_a_yes() {
        let (all, any) = (like("*"), like(&format!("*a{}", "?".repeat(40))));
        assert!(matches!(within(&[&all], &[&any]), Within::No(_)));
        let all = like(&format!("*a{}*b", "?".repeat(40)));
        assert_eq!(within(&[&all], &[&any]), Within::Unknown);
    }
}
