//! This issuer.

use super::{Demand, Document, Fault, Place, audience, document, issuer};

/// Which subjects of which issuer.
#[derive(Debug, Clone, Default)]
pub struct Countersign {
    /// The issuer URL.
    pub issuer: String,
    /// Subjects, as the policy of the issuer makes them.
    pub subjects: Vec<String>,
    /// The `aud` of the audience in that policy.
    pub audience: String,
    /// Tokens carry session tags.
    pub session_tags: bool,
    /// Tokens carry a source identity.
    pub source_identity: bool,
}

impl Countersign {
    /// Writes the policy. Tags and source identity need their actions, and STS refuses a token that has them without.
    pub fn document(&self, place: &Place) -> Result<Document, Fault> {
        let issuer = issuer("--issuer", &self.issuer)?;
        for subject in &self.subjects {
            subject_of_ours(subject)?;
        }
        let mut actions = Vec::new();
        if self.session_tags {
            actions.push("sts:TagSession");
        }
        if self.source_identity {
            actions.push("sts:SetSourceIdentity");
        }
        let demands = vec![audience(&self.audience)?, Demand::new("sub", self.subjects.clone())];
        Ok(document(place, &issuer, &actions, demands))
    }
}

/// A subject has neither `*` nor `?` of its own; a wildcard is one whole last step, which no name can end before.
fn subject_of_ours(subject: &str) -> Result<(), Fault> {
    let fault = |why: &str| Err(Fault::new("--subject", subject, why));
    if subject.is_empty() || subject.len() > 255 || !subject.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fault("a subject is 1 to 255 printable ASCII characters without space");
    }
    if subject.contains("${") {
        return fault("IAM takes ${ for the begin of a policy variable");
    }
    let stem = subject.strip_suffix('*').unwrap_or(subject);
    let whole_step = stem == subject || (stem.ends_with([':', '/']) && stem.len() > 1);
    if stem.contains(['*', '?']) || !whole_step {
        return fault("a * is taken only as the whole last step, after a : or /, as in svc:111122223333:*");
    }
    Ok(())
}
