//! How the documents that a request meets are put together.

use super::document::Verdict;
use super::{Document, Request, Unknown};

/// The documents that a request meets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// The caller's own, inline and attached.
    pub identity: &'a [Document],
    /// Beyond this the caller's own cannot reach.
    pub boundary: Option<&'a Document>,
    /// That of what is asked for.
    pub resource: Option<&'a Document>,
    /// Those of the caller's organisation beside the one that allows everything: they can only deny.
    pub organization: &'a [Document],
}

/// How far the caller's own policies reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Caller and resource are of one account: one of the two policies is enough.
    SameAccount,
    /// They are not: both have to allow it.
    OtherAccount,
    /// The resource's policy decides, and the caller's only where that one lets the account decide: a KMS key's.
    ResourceDecides,
}

/// What comes out, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be done: the statement that says so.
    Allowed(String),
    /// It may not: why.
    Denied(String),
}

impl Decision {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl Policies<'_> {
    /// Decides: a denial anywhere goes before everything; then it depends on `reach` who has to allow it.
    ///
    /// # Errors
    /// If something in a document that could apply is not known.
    pub fn decide(&self, request: &Request, reach: Reach) -> Result<Decision, Unknown> {
        let mut own = Verdict::Silent;
        for document in self.identity {
            own = own.max(document.of_identity(request)?);
        }
        let boundary = self.boundary.map(|document| document.of_identity(request)).transpose()?;
        let resource = self.resource.map(|document| document.of_resource(request)).transpose()?;
        let resource = resource.unwrap_or(Verdict::Silent);

        let mut organization = Verdict::Silent;
        for document in self.organization {
            organization = organization.max(document.of_identity(request)?);
        }

        for (verdict, whose) in [
            (Some(&organization), "the organisation's policy"),
            (Some(&own), "the caller's policy"),
            (boundary.as_ref(), "the caller's permissions boundary"),
            (Some(&resource), "the resource's policy"),
        ] {
            if let Some(Verdict::Denied(statement)) = verdict {
                return Ok(Decision::Denied(format!("{whose} denies it: {statement}")));
            }
        }
        let own = match (own, &boundary) {
            (Verdict::Allowed(_), Some(Verdict::Silent)) => Verdict::Silent,
            (own, _) => own,
        };
        Ok(match (reach, own, resource) {
            (Reach::SameAccount, Verdict::Allowed(statement), _)
            | (Reach::SameAccount | Reach::ResourceDecides, _, Verdict::Allowed(statement))
            | (Reach::OtherAccount, Verdict::Allowed(statement), Verdict::Allowed(_) | Verdict::Delegated(_))
            | (Reach::ResourceDecides, Verdict::Allowed(statement), Verdict::Delegated(_)) => {
                Decision::Allowed(statement)
            }
            (Reach::SameAccount, ..) => Decision::Denied("no policy allows it".to_owned()),
            (Reach::OtherAccount, Verdict::Allowed(_), _) | (Reach::ResourceDecides, _, Verdict::Silent) => {
                Decision::Denied("no statement of the resource's policy allows it".to_owned())
            }
            (Reach::OtherAccount | Reach::ResourceDecides, ..) => {
                Decision::Denied("no policy of the caller allows it".to_owned())
            }
        })
    }
}
