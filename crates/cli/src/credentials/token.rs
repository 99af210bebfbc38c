//! A token that somebody gave us for AWS, read but not verified: STS verifies it.
//!
//! What is read of it goes into messages, into the name of the session and into the key of the cache. Nothing is granted by it:
//! [`WebToken::faults`] finds what STS would refuse for certain, before the token leaves this machine.
//!
//! What STS demands beyond the API reference was seen, not documented: times are whole numbers (as text, too), with five minutes
//! for clocks that differ; `azp` is the audience if it is there; the roles claim is judged before the trust policy.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::role::Session;
use crate::verify::text::{quoted, quoted_list, span, utc};

/// The longest token that STS takes (`AssumeRoleWithWebIdentity`, `WebIdentityToken`), in characters.
pub const LONGEST: usize = 20_000;
/// What STS verifies.
const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
/// By how much clocks may differ, in seconds.
const SKEW: i64 = 300;
/// The claim that names the roles which the token may take.
const ROLES: &str = "https://aws.amazon.com/roles";
/// The claim that holds the session's tags, or that begins the names of claims that hold one each.
const TAGS: &str = "https://aws.amazon.com/tags";
/// The claim that holds the session's source identity.
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// A JWS in compact form whose payload is a JSON object.
pub struct WebToken {
    text: Zeroizing<String>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Why a text is no such token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// STS would refuse it.
    #[error("it is longer than the 20000 characters that STS takes")]
    Long,
    /// Not three parts of base64url with JSON objects in the first two.
    #[error("it is no signed JWT (three parts of base64url, the first two of them JSON objects)")]
    Form,
}

impl WebToken {
    /// Read a token. White space around it is not part of it: most writers of token files end them with a line.
    pub fn read(text: &str) -> Result<Self, TokenFault> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(TokenFault::Empty);
        }
        if text.len() > LONGEST {
            return Err(TokenFault::Long);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else { return Err(TokenFault::Form) };
        if signature.is_empty() || URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(TokenFault::Form);
        }
        let object = |part| URL_SAFE_NO_PAD.decode(part).ok().and_then(|json| serde_json::from_slice(&json).ok());
        match (object(header), object(payload)) {
            (Some(header), Some(claims)) => Ok(Self { text: Zeroizing::new(text.to_owned()), header, claims }),
            _ => Err(TokenFault::Form),
        }
    }

    /// The token itself. It is a secret.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The header.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// A claim that is a string.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.claim("iss")
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.claim("sub")
    }

    /// The audience as STS sees it: `azp` if there is one, else the only `aud`.
    pub fn audience(&self) -> Option<&str> {
        match (self.claims.get("azp"), self.audiences().as_slice()) {
            (Some(azp), _) => azp.as_str(),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    fn audiences(&self) -> Vec<&str> {
        self.claims.get("aud").map(texts).unwrap_or_default()
    }

    /// The roles that the token may take; none if it does not say.
    pub fn roles(&self) -> Option<Vec<&str>> {
        let claim = self.claims.get(ROLES).filter(|claim| !claim.is_null())?;
        Some(texts(claim).into_iter().flat_map(|text| text.split(';')).map(str::trim).collect())
    }

    /// The keys of the session's tags.
    pub fn tag_keys(&self) -> Vec<&str> {
        let nested = self.claims.get(TAGS).and_then(|tags| tags.get("principal_tags")?.as_object());
        let one_each = self.claims.keys().filter_map(|name| name.strip_prefix(TAGS)?.strip_prefix("/principal_tags/"));
        nested.into_iter().flat_map(Map::keys).map(String::as_str).chain(one_each).collect()
    }

    /// The session's source identity.
    pub fn source_identity(&self) -> Option<&str> {
        self.claim(SOURCE_IDENTITY)
    }

    /// A time that is a claim, in Unix seconds.
    pub fn time(&self, name: &str) -> Option<i64> {
        let claim = self.claims.get(name)?;
        claim.as_i64().or_else(|| claim.as_str()?.parse().ok())
    }

    /// Why STS would not give this session for it.
    pub fn faults(&self, session: &Session, now: Timestamp) -> Vec<String> {
        let mut faults = Vec::new();
        match self.header.get("alg").and_then(Value::as_str) {
            Some(alg) if ALGORITHMS.contains(&alg) => {}
            alg => {
                let alg = alg.map_or_else(|| "nothing".to_owned(), quoted);
                faults.push(format!("STS takes tokens signed with {}, and this one says {alg}", ALGORITHMS.join(", ")));
            }
        }
        for name in ["iss", "sub", "aud", "iat", "exp"] {
            match self.claims.get(name) {
                None => faults.push(format!("it has no claim {name}, which STS demands")),
                Some(claim) if ["iat", "exp"].contains(&name) && self.time(name).is_none() => {
                    let claim = quoted(&claim.to_string());
                    faults.push(format!("STS takes whole seconds as {name}, and this one has {claim}"));
                }
                Some(_) => {}
            }
        }
        let late = self.time("exp").map(|exp| now.as_second().saturating_sub(exp));
        if let (Some(late), Some(exp)) = (late.filter(|late| *late > SKEW), self.time("exp")) {
            let (end, late) = (utc(exp), span(late.unsigned_abs()));
            faults.push(format!("it ended at {end}, {late} ago by this machine's clock, and STS allows for 5 minutes"));
        }
        let audiences = self.audiences();
        if audiences.len() > 1 && !self.claims.contains_key("azp") {
            let list = listed(&audiences);
            faults.push(format!(
                "STS takes one audience, or an azp that says which, and this one has {list} without azp"
            ));
        }
        let role = session.role.as_str();
        if let Some(roles) = self.roles().filter(|roles| !roles.contains(&role)) {
            faults.push(format!("its claim {ROLES} does not name {role}, but {}", listed(&roles)));
        }
        faults
    }
}

/// Does IAM take this for the URL of a provider (`CreateOpenIDConnectProvider`)?
pub fn is_of_provider(issuer: &str) -> bool {
    let host = issuer.strip_prefix("https://").filter(|host| !host.contains(['?', '#']));
    host.is_some_and(|host| !host.split('/').next().unwrap_or_default().contains(':')) && issuer.len() <= 255
}

/// A claim that is a text, or several.
fn texts(claim: &Value) -> Vec<&str> {
    match claim {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// Some of them, safe to print.
pub(super) fn listed(texts: &[&str]) -> String {
    quoted_list(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

impl std::fmt::Debug for WebToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebToken").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A token with these claims, signed by nobody.
    pub(crate) fn token(claims: &Value) -> WebToken {
        with_header(&json!({"alg": "RS256", "kid": "k1"}), claims)
    }

    fn with_header(header: &Value, claims: &Value) -> WebToken {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        WebToken::read(&format!("{}.{}.c2ln", part(header), part(claims))).unwrap()
    }

    const NOW: i64 = 1_767_225_600;
    const ROLE: &str = "arn:aws:iam::111122223333:role/deploy";

    /// One that STS has nothing against.
    fn good() -> Value {
        json!({"iss": "https://id.acme.com", "sub": "svc:1", "aud": "sts.amazonaws.com", "iat": NOW - 60, "exp": NOW + 600})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn session() -> Session {
        let role = ROLE.parse().unwrap();
        Session { role, name: None, duration: None, policy: None, policy_arns: Vec::new(), region: None }
    }

    fn faults(token: &WebToken) -> Vec<String> {
        token.faults(&session(), Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn the_audience_is_what_sts_takes_for_it() {
        let audience = |claims: Value| token(&claims).audience().map(str::to_owned);
        assert_eq!(audience(json!({"aud": "a"})).as_deref(), Some("a"));
        assert_eq!(audience(json!({"aud": ["a"]})).as_deref(), Some("a"));
        assert_eq!(audience(json!({"aud": ["a", "b"], "azp": "c"})).as_deref(), Some("c"));
        assert_eq!(audience(json!({"aud": "a", "azp": ""})).as_deref(), Some(""));
        for none in [json!({"aud": ["a", "b"]}), json!({"aud": []}), json!({}), json!({"aud": "a", "azp": 1})] {
            assert_eq!(audience(none), None);
        }
    }

    #[test]
    fn tags_and_source_identity_are_found_in_either_form() {
        let claims = json!({
            "https://aws.amazon.com/tags": {"principal_tags": {"team": ["a"], "cost": ["b"]}, "transitive_tag_keys": ["team"]},
            "https://aws.amazon.com/tags/principal_tags/project": "c",
            "https://aws.amazon.com/tags/transitive_tag_keys": ["project"],
            "https://aws.amazon.com/source_identity": "bob",
        });
        let mut keys = token(&claims).tag_keys().iter().map(ToString::to_string).collect::<Vec<_>>();
        keys.sort();
        assert_eq!(keys, ["cost", "project", "team"]);
        assert_eq!(token(&claims).source_identity(), Some("bob"));
        assert!(token(&good()).tag_keys().is_empty());
    }

    #[test]
    fn what_sts_takes_has_no_fault() {
        for claims in [
            good(),
            with("exp", json!(NOW - 300)),
            with("exp", json!((NOW + 600).to_string())),
            with("sub", json!(7)),
            with("aud", json!(["a"])),
            with(ROLES, json!(ROLE)),
            with(ROLES, json!(["arn:aws:iam::111122223333:role/x", ROLE])),
            with(ROLES, json!(format!("arn:aws:iam::111122223333:role/x; {ROLE}"))),
            with(ROLES, Value::Null),
        ] {
            assert!(faults(&token(&claims)).is_empty(), "{claims}: {:?}", faults(&token(&claims)));
        }
        let several = json!({"iss": "i", "sub": "s", "aud": ["a", "b"], "azp": "a", "iat": NOW, "exp": NOW});
        for alg in ALGORITHMS {
            assert!(faults(&with_header(&json!({ "alg": alg }), &several)).is_empty(), "{alg}");
        }
    }

    #[test]
    fn what_sts_would_refuse_is_told_with_the_limit() {
        for (claims, expected) in [
            (
                with("exp", json!(NOW - 301)),
                "it ended at 2025-12-31 23:54:59 UTC, 5 minutes ago by this machine's clock",
            ),
            (with("exp", json!(i64::MIN)), "STS allows for 5 minutes"),
            (with("exp", json!(1.5e9)), "whole seconds as exp, and this one has \"1500000000.0\""),
            (with("iat", json!("now")), "whole seconds as iat"),
            (with("iat", Value::Null), "whole seconds as iat, and this one has \"null\""),
            (with("aud", json!(["a", "b"])), "this one has \"a\", \"b\" without azp"),
            (
                with(ROLES, json!("arn:aws:iam::111122223333:role/x")),
                "does not name arn:aws:iam::111122223333:role/deploy",
            ),
            (with(ROLES, json!([])), "role/deploy, but none"),
            (with(ROLES, json!("arn:aws:iam::111122223333:role/*")), r#"but "arn:aws:iam::111122223333:role/*""#),
            (with(ROLES, json!(["a\u{1b}[2J"])), r#"but "a\u{1b}[2J""#),
        ] {
            let told = faults(&token(&claims));
            assert!(told.len() == 1 && told[0].contains(expected), "{claims}: {told:?}");
        }
        let told = faults(&token(&json!({})));
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told.iter().all(|fault| fault.starts_with("it has no claim ")));
        for (header, expected) in [(json!({"alg": "PS256"}), r#"this one says "PS256""#), (json!({}), "says nothing")] {
            let told = faults(&with_header(&header, &good()));
            assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
        }
    }
}
