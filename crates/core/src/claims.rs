//! What a token says: the third arrow, [`Grant`] -> [`Claims`].
//!
//! Always `iss sub aud iat nbf exp jti`; times are integers, `aud` is one string, never `azp` (AWS would take it for
//! the audience). What each profile adds is in `docs/policy.md`.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::UnixSeconds;
use crate::grant::Grant;
use crate::policy::Profile;
use crate::url::IssuerUrl;

/// `nbf` lies this much before `iat`, in seconds, for verifiers without leeway whose clock is behind.
const BACKDATED: i64 = 60;

/// The claims set of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    set: Map<String, Value>,
    typ: &'static str,
}

impl Claims {
    /// The claims of a token for this grant, issued `now` under this `jti`. The only maker of claims.
    pub fn new(grant: &Grant<'_>, issuer: &IssuerUrl, now: UnixSeconds, jti: &str) -> Self {
        // What a rule adds comes first, so that nothing in it could ever replace what the issuer says.
        let mut set = grant.further_claims().clone();
        let scope = grant.scopes().join(" ");
        let mut typ = "JWT";
        match grant.profile() {
            Profile::Snowflake => {
                set.insert("scp".into(), json!(grant.scopes()));
                set.insert("scope".into(), scope.into());
            }
            Profile::Oauth => {
                typ = "at+jwt";
                set.insert("client_id".into(), grant.subject().into());
                if !scope.is_empty() {
                    set.insert("scope".into(), scope.into());
                }
            }
            Profile::Generic if !scope.is_empty() => {
                set.insert("scope".into(), scope.into());
            }
            Profile::Aws => aws_claims(grant, &mut set),
            Profile::SnowflakeWif | Profile::Generic => {}
        }
        if grant.include_caller() {
            let caller = grant.caller();
            set.insert(
                "aws".into(),
                json!({
                    "account": caller.account(),
                    "arn": caller.arn(),
                    "principal_id": caller.principal_id(),
                    "org": caller.org_id(),
                }),
            );
        }
        for (name, value) in [
            ("iss", json!(issuer.as_str())),
            ("sub", json!(grant.subject())),
            ("aud", json!(grant.aud())),
            ("iat", json!(now)),
            ("nbf", json!(now - BACKDATED)),
            ("exp", json!(now + i64::from(grant.lifetime()))),
            ("jti", json!(jti)),
        ] {
            set.insert(name.into(), value);
        }
        Self { set, typ }
    }

    /// The header's `typ`.
    pub fn typ(&self) -> &'static str {
        self.typ
    }

    /// The claims as JSON.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.set
    }
}

/// What STS reads of a token, each only if the rule has it: unasked, they break roles that lack the permission.
fn aws_claims(grant: &Grant<'_>, set: &mut Map<String, Value>) {
    let aws = grant.aws();
    if !aws.session_tags.is_empty() {
        let tags: Map<String, Value> =
            aws.session_tags.iter().map(|(key, value)| (key.clone(), json!([value]))).collect();
        let mut claim = Map::from_iter([("principal_tags".to_owned(), Value::Object(tags))]);
        if !aws.transitive_tags.is_empty() {
            claim.insert("transitive_tag_keys".into(), json!(aws.transitive_tags));
        }
        set.insert("https://aws.amazon.com/tags".into(), Value::Object(claim));
    }
    if let Some(source_identity) = &aws.source_identity {
        set.insert("https://aws.amazon.com/source_identity".into(), json!(source_identity));
    }
    if !aws.roles.is_empty() {
        set.insert("https://aws.amazon.com/roles".into(), json!(aws.roles));
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.set.serialize(serializer)
    }
}
