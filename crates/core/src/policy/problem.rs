//! What is wrong with a policy, and where: a path into the document, which the command line turns into a line.

use std::fmt;

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Into an object.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// A place in a document, shown as `rules[2].when.role[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The document's root.
    pub fn root() -> Self {
        Self::default()
    }

    /// The place of this key below here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.push(Segment::Key(key.to_owned()));
        path
    }

    /// The place of this list entry below here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.push(Segment::Index(index));
        path
    }

    /// One step further, in place.
    pub fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// One step back, in place.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The place that this one stands in; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, parents)| Self(parents.to_vec()))
    }

    /// Is this a rule's `claims`?
    pub(super) fn is_claims(&self) -> bool {
        matches!(self.0.as_slice(), [Segment::Key(rules), Segment::Index(_), Segment::Key(grant), Segment::Key(claims)]
            if rules == "rules" && grant == "grant" && claims == "claims")
    }
}

impl FromIterator<Segment> for Path {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key)
                    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) =>
                {
                    write!(f, "{}{key}", if place == 0 { "" } else { "." })?;
                }
                Segment::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

/// One thing that is wrong, or to be warned of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// What, as a lower-case clause.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.segments().is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong with one document.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    unreadable: Vec<Path>,
}

impl Problems {
    /// What stands here has the wrong shape, or is missing, and nothing below it is looked at any further.
    pub fn unreadable(&mut self, path: Path, message: String) {
        self.push(path.clone(), message);
        self.unreadable.push(path);
    }

    /// What stands here (or is missing here) is wrong. Said of something unreadable it is not worth saying.
    pub fn push(&mut self, path: Path, message: impl Into<String>) {
        if !self.is_unreadable(&path) {
            self.found.push(Problem { path, message: message.into() });
        }
    }

    /// Was something at this place unreadable?
    pub fn is_unreadable(&self, path: &Path) -> bool {
        self.unreadable.iter().any(|bad| path.segments().starts_with(bad.segments()))
    }

    /// Is nothing wrong?
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What is wrong, in the order in which it was found.
    pub fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}
