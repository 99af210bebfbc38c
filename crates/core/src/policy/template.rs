//! Templates: text with `{field}` and `{field|filter|filter}`, rendered in a single pass.
//!
//! What a caller's field holds is never read as a template again. A field that the caller does not have, a filter
//! that does not fit, and a result that its place does not allow are denials, not empty strings.

use std::fmt;

use crate::caller::{Caller, Field};

/// What turns a field's value into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Upper,
    Lower,
    /// `-` to `_`.
    Underscore,
    /// What stands before the one and only `@`, if that is anything.
    LocalPart,
}

impl Filter {
    fn named(name: &str) -> Option<Self> {
        match name {
            "upper" => Some(Self::Upper),
            "lower" => Some(Self::Lower),
            "underscore" => Some(Self::Underscore),
            "local_part" => Some(Self::LocalPart),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Lower => "lower",
            Self::Underscore => "underscore",
            Self::LocalPart => "local_part",
        }
    }

    /// Apply to a value; `None` if it does not fit.
    pub(crate) fn apply(self, value: &str) -> Option<String> {
        match self {
            Self::LocalPart => match value.split_once('@') {
                Some((local, domain)) if !local.is_empty() && !domain.contains('@') => Some(local.to_owned()),
                _ => None,
            },
            _ => Some(value.bytes().map(|byte| char::from(self.byte(byte))).collect()),
        }
    }

    /// The same on one byte of a field's alphabet (ASCII).
    pub(crate) fn byte(self, byte: u8) -> u8 {
        match self {
            Self::Upper => byte.to_ascii_uppercase(),
            Self::Lower => byte.to_ascii_lowercase(),
            Self::Underscore if byte == b'-' => b'_',
            Self::Underscore | Self::LocalPart => byte,
        }
    }
}

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Field(Field, Vec<Filter>),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

/// Why a template renders nothing for a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderFault {
    /// The caller has no such field, or nobody told it.
    #[error("the caller has no {0}")]
    NoField(&'static str),
    /// `local_part` of a value without exactly one `@`, or with nothing before it.
    #[error("{0} has not exactly one @ with something before it")]
    NoLocalPart(&'static str),
    /// The result is empty or not legal in its place.
    #[error("{0} would be empty or hold what it may not")]
    Illegal(Place),
    /// Tags, roles and further claims of a token for AWS, together.
    #[error("the token would be longer than the 20000 characters that AWS STS takes")]
    Long,
}

/// Where a template's result goes, which decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `sub`: 1 to 255 printable ASCII characters without space (AWS and Snowflake both end at 255).
    Subject,
    /// A scope token (RFC 6749 section 3.3).
    Scope,
    /// A string in a claim: not empty, no control characters.
    Claim,
    /// The value of a session tag: 1 to 256 of letters, digits, space and `_.:/=+-@` (STS API Reference, `Tag`), and not one
    /// that begins with `aws:` (IAM User Guide, "Rules for tagging in IAM and AWS STS").
    SessionTag,
    /// `SourceIdentity`: 2 to 64 of `[\w+=,.@-]` (STS API Reference, `AssumeRole`).
    SourceIdentity,
    /// The ARN of a role.
    Role,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject => "the subject",
            Self::Scope => "a scope",
            Self::Claim => "a claim",
            Self::SessionTag => "a session tag",
            Self::SourceIdentity => "the source identity",
            Self::Role => "a role",
        })
    }
}

impl Place {
    /// May this byte stand there?
    pub(crate) fn alphabet(self, byte: u8) -> bool {
        match self {
            Self::Subject => byte.is_ascii_graphic(),
            Self::Scope => byte.is_ascii_graphic() && !b"\"\\".contains(&byte),
            Self::Claim => !byte.is_ascii_control(),
            Self::SessionTag => byte.is_ascii_alphanumeric() || b" _.:/=+-@".contains(&byte),
            Self::SourceIdentity => byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte),
            Self::Role => byte.is_ascii_alphanumeric() || b"_+=,.@-:/".contains(&byte),
        }
    }

    /// Is this rendered text legal there?
    pub(crate) fn admits(self, text: &str) -> bool {
        let lengths = match self {
            Self::Subject => 1..=255,
            Self::Scope | Self::Claim => 1..=1024,
            Self::SessionTag => 1..=256,
            Self::SourceIdentity => 2..=64,
            Self::Role => 20..=2048,
        };
        lengths.contains(&text.len())
            && text.bytes().all(|byte| self.alphabet(byte))
            && match self {
                Self::Role => is_role_arn(text),
                Self::SessionTag => !is_reserved(text),
                _ => true,
            }
    }
}

/// Keys and values of tags that AWS keeps for itself.
pub(crate) fn is_reserved(text: &str) -> bool {
    text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
}

fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            Field::Partition.admits(partition)
                && Field::Account.admits(account)
                && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
        }
        _ => false,
    }
}

impl Template {
    /// Parse; the faults are all of them, as clauses.
    pub(crate) fn new(text: &str) -> Result<Self, Vec<String>> {
        let mut parts = Vec::new();
        let mut faults = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            if literal.contains('}') {
                break;
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let Some((inside, after)) = tail.split_once('}') else {
                faults.push("a `{` is never closed (braces stand for fields only)".to_owned());
                return Err(faults);
            };
            let mut names = inside.split('|');
            let name = names.next().unwrap_or_default();
            let field = Field::named(name);
            if field.is_none() {
                faults.push(format!("`{{{inside}}}`: no field is called `{name}`"));
            }
            let mut filters = Vec::new();
            for name in names {
                match Filter::named(name) {
                    Some(filter) => filters.push(filter),
                    None => faults.push(format!(
                        "`{{{inside}}}`: no filter is called `{name}` (upper, lower, underscore, local_part)"
                    )),
                }
            }
            parts.extend(field.map(|field| Part::Field(field, filters)));
            rest = after;
        }
        if rest.contains('}') {
            faults.push("a `}` is never opened (braces stand for fields only)".to_owned());
        } else if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if faults.is_empty() { Ok(Self { parts }) } else { Err(faults) }
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The fields, as often as they stand there.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, &[Filter])> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field, filters) => Some((*field, filters.as_slice())),
            Part::Literal(_) => None,
        })
    }

    /// The length of what is written out in it: what it renders is no shorter.
    pub(crate) fn least(&self) -> usize {
        self.parts.iter().map(|part| if let Part::Literal(text) = part { text.len() } else { 1 }).sum()
    }

    /// As it was written.
    pub(crate) fn written(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(field, filters) => {
                    let names = std::iter::once(field.as_str()).chain(filters.iter().map(|filter| filter.as_str()));
                    text.push('{');
                    text.push_str(&names.collect::<Vec<_>>().join("|"));
                    text.push('}');
                }
            }
        }
        text
    }

    /// Does this field stand in it?
    pub(crate) fn carries(&self, field: Field) -> bool {
        self.fields().any(|(carried, _)| carried == field)
    }

    /// The text for this caller, legal in its place.
    pub(crate) fn render(&self, caller: &Caller, place: Place) -> Result<String, RenderFault> {
        self.render_with(|field| caller.field(field), place)
    }

    /// The text for these values of fields, legal in its place.
    pub(crate) fn render_with<'v>(
        &self,
        value: impl Fn(Field) -> Option<&'v str>,
        place: Place,
    ) -> Result<String, RenderFault> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(field, filters) => {
                    let value = value(*field).ok_or(RenderFault::NoField(field.as_str()))?;
                    let value = filters.iter().try_fold(value.to_owned(), |value, filter| filter.apply(&value));
                    text.push_str(&value.ok_or(RenderFault::NoLocalPart(field.as_str()))?);
                }
            }
        }
        if place.admits(&text) { Ok(text) } else { Err(RenderFault::Illegal(place)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Identity;

    fn render(template: &str, user_name: &str) -> Result<String, RenderFault> {
        let arn =
            format!("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Data-Analyst_0123456789abcdef/{user_name}");
        let caller = Caller::new(&Identity::supposed(&arn, None, None)).unwrap();
        Template::new(template).unwrap().render(&caller, Place::Subject)
    }

    #[test]
    fn renders_fields_and_filters_in_one_pass() {
        assert_eq!(render("{user_name}", "Jane@acme.com").unwrap(), "Jane@acme.com");
        assert_eq!(render("{user_name|local_part|upper}", "Jane@acme.com").unwrap(), "JANE");
        assert_eq!(render("{account}:{permission_set|lower|underscore}", "Jane").unwrap(), "111122223333:data_analyst");
        assert_eq!(render("fixed", "Jane").unwrap(), "fixed");
        for text in ["fixed", "{account}:{permission_set|lower|underscore}", "a{user_name|local_part|upper}b"] {
            assert_eq!(Template::new(text).unwrap().written(), text);
        }
    }

    #[test]
    fn a_failed_render_is_a_fault() {
        assert_eq!(render("{role}", "Jane"), Err(RenderFault::NoField("role")));
        assert_eq!(render("{role_id}", "Jane"), Err(RenderFault::NoField("role_id")));
        assert_eq!(render("{user_name|local_part}", "Jane"), Err(RenderFault::NoLocalPart("user_name")));
        assert_eq!(render("{user_name|local_part}", "a@b@c"), Err(RenderFault::NoLocalPart("user_name")));
        assert_eq!(render("{user_name|local_part}", "@acme.com"), Err(RenderFault::NoLocalPart("user_name")));
        assert_eq!(render("svc:{user_name|local_part}", "@acme.com"), Err(RenderFault::NoLocalPart("user_name")));
        assert_eq!(render(&"x".repeat(256), "Jane"), Err(RenderFault::Illegal(Place::Subject)));
    }

    #[test]
    fn says_everything_that_is_wrong() {
        let faults = Template::new("{nobody|loud}-{user_name|quiet}").unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        for text in ["{", "{role", "}", "a}b{role}", "{}", "{role|}", "{ role }", "{{role}}", "{kind}", "{account_set}"]
        {
            assert!(Template::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_admit_what_their_standards_say() {
        assert!(Place::Role.admits("arn:aws:iam::111122223333:role/path/name"));
        assert!(!Place::Role.admits("arn:aws:iam::111122223333:user/name"));
        assert!(!Place::Role.admits("arn:aws:iam::111122223333:role/"));
        assert!(!Place::Scope.admits("a b") && !Place::Scope.admits("a\"b") && Place::Scope.admits("session:role:X"));
        assert!(!Place::SourceIdentity.admits("x") && Place::SourceIdentity.admits("jane@acme.com"));
        assert!(!Place::Claim.admits("a\nb") && !Place::Claim.admits("") && Place::Claim.admits("Größe 3"));
        assert!(!Place::SessionTag.admits("a,b") && Place::SessionTag.admits("a b"));
        assert!(
            !Place::SessionTag.admits("AWS:a") && Place::SessionTag.admits("a:aws:") && Place::SessionTag.admits("aws")
        );
    }
}
