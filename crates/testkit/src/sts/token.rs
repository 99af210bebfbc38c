//! The token: its form, and what its claims say once its signature is known to be right.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Provider;
use super::answer::Refusal;
use super::call::{is_name, length};

/// How far the clocks of issuer and STS may be apart, in seconds.
const SKEW: i64 = 300;
/// What STS reads more of a token than others do.
const AWS: &str = "https://aws.amazon.com/";

/// A JWS in compact form, of an algorithm that STS knows, with claims and an issuer.
pub(super) struct Token<'a> {
    /// What is signed.
    pub(super) message: &'a str,
    /// The signature, in base64url.
    pub(super) signature: &'a str,
    pub(super) algorithm: String,
    pub(super) kid: Option<String>,
    pub(super) issuer: String,
    claims: Map<String, Value>,
}

/// What a token says, all of it within the rules.
pub(super) struct Claims {
    pub(super) subject: String,
    /// `azp`, if there is one, and otherwise `aud`.
    pub(super) audience: String,
    pub(super) amr: Vec<String>,
    /// Whether a claim of roles names the role that is asked for.
    pub(super) authorized: bool,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) transitive_tags: Vec<String>,
    pub(super) source_identity: Option<String>,
    /// Claims of other names that are strings: providers that AWS knows have more condition keys.
    pub(super) others: BTreeMap<String, String>,
}

impl<'a> Token<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        let no_jwt = |why: &str| {
            Refusal::token(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            )
            .because(why)
        };
        let parts = text.rsplit_once('.').and_then(|(message, signature)| {
            let (header, claims) = message.split_once('.')?;
            Some((message, signature, object(header)?, object(claims)?))
        });
        let (message, signature, header, claims) = parts.ok_or_else(|| no_jwt("not three parts, two of them JSON"))?;
        let text_of = |part: &Map<String, Value>, name| part.get(name).and_then(Value::as_str).map(str::to_owned);
        let algorithm = text_of(&header, "alg").unwrap_or_default();
        if !["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"].contains(&algorithm.as_str()) {
            return Err(no_jwt("STS does not know its algorithm"));
        }
        if header.contains_key("crit") {
            return Err(no_jwt("its header demands more than is understood"));
        }
        let issuer = text_of(&claims, "iss").ok_or_else(|| no_jwt("no issuer"))?;
        Ok(Self { message, signature, algorithm, kid: text_of(&header, "kid"), issuer, claims })
    }

    /// What it says, held against the provider, the role that is asked for, and the time.
    pub(super) fn judge(&self, provider: &Provider, role: &str, now: i64) -> Result<Claims, Refusal> {
        let (issued, expires) = (self.needed_time("iat")?, self.needed_time("exp")?);
        if expires.saturating_add(SKEW) <= now {
            return Err(Refusal::expired(now, expires));
        }
        // The text is ours.
        if issued.max(self.time("nbf")?.unwrap_or(issued)) > now.saturating_add(SKEW) {
            return Err(Refusal::token("The token is not valid yet"));
        }
        let subject = self.text("sub").filter(|subject| length(subject, 1, 255).is_none());
        let subject = subject.ok_or_else(|| missing("sub"))?.to_owned();
        let audience = self.audience(provider)?;
        let authorized = self.authorized(role)?;
        let ours =
            |name: &&String| ["tags", "source_identity", "roles"].iter().any(|known| **name == format!("{AWS}{known}"));
        if let Some(unheard) = self.claims.keys().find(|name| name.starts_with(AWS) && !ours(name)) {
            return Err(Refusal::unknown(&format!("the claim {unheard} is not known")));
        }
        let (tags, transitive_tags) = match self.claims.get(&format!("{AWS}tags")) {
            None => Default::default(),
            Some(claim) => tags(claim)?,
        };
        let others = self.claims.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Claims {
            subject,
            audience,
            amr: self.claims.get("amr").and_then(texts).unwrap_or_default(),
            authorized,
            tags,
            transitive_tags,
            source_identity: self.source_identity()?,
            others: others.collect(),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A time, which is a whole number. The text is ours.
    fn time(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let whole = |value: &Value| value.as_i64().ok_or_else(|| Refusal::token(format!("{name} is no whole number")));
        self.claims.get(name).map(whole).transpose()
    }

    fn needed_time(&self, name: &str) -> Result<i64, Refusal> {
        self.time(name)?.ok_or_else(|| missing(name))
    }

    fn audience(&self, provider: &Provider) -> Result<String, Refusal> {
        let wrong = |why: &str| Refusal::token("Incorrect token audience").because(why);
        let audiences = self.claims.get("aud").and_then(texts).ok_or_else(|| missing("aud"))?;
        let audience = match (self.claims.get("azp"), &audiences[..]) {
            (Some(Value::String(azp)), _) => azp,
            (Some(_), _) => return Err(wrong("azp is no string")),
            (None, [audience]) => audience,
            (None, _) => return Err(wrong("several audiences, and no azp")),
        };
        let known = provider.client_ids.contains(audience);
        known.then(|| audience.clone()).ok_or_else(|| wrong("the provider does not have it"))
    }

    fn authorized(&self, role: &str) -> Result<bool, Refusal> {
        let Some(claim) = self.claims.get(&format!("{AWS}roles")) else { return Ok(false) };
        let named = texts(claim).is_some_and(|roles| roles.iter().any(|named| named == role));
        named.then_some(true).ok_or_else(|| {
            Refusal::token("The target role ARN is not present in the roles claim of the identity token")
        })
    }

    fn source_identity(&self) -> Result<Option<String>, Refusal> {
        let Some(claim) = self.claims.get(&format!("{AWS}source_identity")) else { return Ok(None) };
        let text = claim.as_str().unwrap_or_default();
        if length(text, 2, 64).is_some() || !text.chars().all(is_name) {
            return Err(Refusal::validation(format!(
                r"1 validation error detected: Value '{text}' at 'sourceIdentity' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]{{2,64}}"
            )));
        }
        Ok(Some(text.to_owned()))
    }
}

/// The text is ours.
fn missing(claim: &str) -> Refusal {
    Refusal::token(format!("The token has no {claim}, or one that is not understood"))
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A string, or some of them.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// `{"principal_tags": {"KEY": ["VALUE"]}, "transitive_tag_keys": ["KEY"]}`.
fn tags(claim: &Value) -> Result<(BTreeMap<String, String>, Vec<String>), Refusal> {
    let bad = |why: String| Refusal::validation("Unable to validate tags").because(why);
    let written = claim.get("principal_tags").and_then(Value::as_object);
    let written = written.ok_or_else(|| bad("principal_tags is no object".to_owned()))?;
    let is_tag = |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || " _.:/=+-@".contains(letter));
    let mut tags = BTreeMap::new();
    let mut folded = BTreeSet::new();
    for (key, value) in written {
        let Some([Value::String(value)]) = value.as_array().map(Vec::as_slice) else {
            return Err(bad(format!("the value of {key} is no array of one string")));
        };
        if length(key, 1, 128).is_some() || length(value, 0, 256).is_some() || !is_tag(key) || !is_tag(value) {
            return Err(bad(format!("{key} is beyond the limits of a tag")));
        }
        let fold = key.to_lowercase();
        if fold.starts_with("aws:") || value.to_lowercase().starts_with("aws:") {
            return Err(bad(format!("{key} is a name of AWS's own, or its value begins as one")));
        }
        if !folded.insert(fold) {
            return Err(Refusal::validation(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() > 50 {
        return Err(bad("more than 50 tags".to_owned()));
    }
    let transitive = match claim.get("transitive_tag_keys") {
        None => Vec::new(),
        Some(keys) => texts(keys).ok_or_else(|| bad("transitive_tag_keys are no strings".to_owned()))?,
    };
    match transitive.iter().find(|key| !tags.contains_key(*key)) {
        Some(stray) => Err(bad(format!("{stray} is transitive, and no tag"))),
        None => Ok((tags, transitive)),
    }
}
