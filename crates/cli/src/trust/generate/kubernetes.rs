//! Kubernetes, EKS among it.

use super::{Demand, Document, Fault, Place, audience, document, issuer};

/// Which service accounts of which cluster.
#[derive(Debug, Clone, Default)]
pub struct Kubernetes {
    /// The cluster's issuer.
    pub issuer: String,
    /// The namespace.
    pub namespace: String,
    /// Service accounts of it.
    pub service_accounts: Vec<String>,
    /// The audience of the projected token.
    pub audience: String,
}

impl Kubernetes {
    /// Writes the policy.
    pub fn document(&self, place: &Place) -> Result<Document, Fault> {
        let issuer = issuer("--issuer", &self.issuer)?;
        let namespace = name("--namespace", &self.namespace, false)?;
        let subject = |account: &String| {
            Ok(format!("system:serviceaccount:{namespace}:{}", name("--service-account", account, true)?))
        };
        let subjects = self.service_accounts.iter().map(subject).collect::<Result<_, Fault>>()?;
        Ok(document(place, &issuer, &[], vec![audience(&self.audience)?, Demand::new("sub", subjects)]))
    }
}

/// A DNS label, or several of them with dots between (RFC 1123).
fn name<'a>(flag: &'static str, text: &'a str, dots: bool) -> Result<&'a str, Fault> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(letter)
    };
    let good = if dots { text.len() <= 253 && text.split('.').all(label) } else { text.len() <= 63 && label(text) };
    if good {
        Ok(text)
    } else {
        Err(Fault::new(flag, text, "Kubernetes has no such name: small letters, digits and - inside are taken"))
    }
}
