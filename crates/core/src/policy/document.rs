//! The policy as people write it: shape only. What it means is decided in `compile`.
//!
//! Reading finds every mistake of shape at once ([`shape`]). The types are also what the JSON Schema is generated from.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::problem::{Path, Problems};
use super::shape;
use crate::caller::Kind;
use crate::jwk::Algorithm;

/// A Countersign policy: who may have which token. See `docs/policy.md`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Countersign policy", deny_unknown_fields))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The format's version: 1.
    #[cfg_attr(feature = "schema", schemars(required, range(min = 1, max = 1)))]
    pub(super) version: Option<u64>,
    /// The AWS partition that a rule means unless it says otherwise. Default: aws.
    pub(super) partition: Option<Text>,
    /// The audience of a request that names none.
    pub(super) default_audience: Option<Text>,
    /// Named lists of 12-digit account ids, for `account_set`.
    #[serde(default)]
    pub(super) account_sets: BTreeMap<String, List>,
    /// The relying parties, by name.
    #[serde(default)]
    pub(super) audiences: BTreeMap<String, AudienceDocument>,
    /// The rules. A matching deny rule wins wherever it stands; otherwise the first matching allow rule.
    #[cfg_attr(feature = "schema", schemars(length(max = 500)))]
    #[serde(default)]
    pub(super) rules: Vec<RuleDocument>,
}

/// A relying party.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct AudienceDocument {
    /// The token's `aud`.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub(super) aud: Option<Text>,
    /// What the relying party expects of a token.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub(super) profile: Option<Profile>,
    /// The longest lifetime of a token: 60s to 1h. Default: 15m.
    pub(super) max_lifetime: Option<Text>,
    /// The key lane that signs. Default: RS256.
    pub(super) alg: Option<Algorithm>,
    /// Add the claim `aws` with the caller's account, ARN, principal id and organisation.
    #[serde(default)]
    pub(super) include_caller: bool,
}

/// What a relying party expects of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Snowflake External OAuth: RS256, `typ: JWT`, at least one scope, as `scp` and as `scope`.
    Snowflake,
    /// Snowflake Workload Identity Federation: RS256 or ES256.
    SnowflakeWif,
    /// AWS STS `AssumeRoleWithWebIdentity`: RS256, session tags, source identity and roles on demand.
    Aws,
    /// OAuth 2.0 access token of RFC 9068.
    Oauth,
    /// Any OIDC relying party.
    Generic,
}

impl Profile {
    /// As written in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snowflake => "snowflake",
            Self::SnowflakeWif => "snowflake-wif",
            Self::Aws => "aws",
            Self::Oauth => "oauth",
            Self::Generic => "generic",
        }
    }

    /// Do tokens of this profile carry scopes?
    pub fn carries_scopes(self) -> bool {
        matches!(self, Self::Snowflake | Self::Oauth | Self::Generic)
    }

    /// May tokens of this profile be signed so?
    pub fn allows(self, alg: Algorithm) -> bool {
        match self {
            Self::Snowflake | Self::Aws => alg == Algorithm::RS256,
            Self::SnowflakeWif => matches!(alg, Algorithm::RS256 | Algorithm::ES256),
            Self::Oauth | Self::Generic => true,
        }
    }
}

/// One rule.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RuleDocument {
    /// The rule's name in audit records and explanations; no two rules share one.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub(super) name: Option<Text>,
    /// Default: allow.
    #[serde(default)]
    pub(super) effect: Effect,
    /// Whom the rule means: every field must match, and of a field's list one entry.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub(super) when: Option<WhenDocument>,
    /// What an allow rule gives.
    pub(super) grant: Option<GrantDocument>,
    /// Of a deny rule: the audiences that it denies. Default: all.
    pub(super) audiences: Option<List>,
    /// Meant: several principals share one subject.
    #[serde(default)]
    pub(super) shared_subject: bool,
    /// Meant: a session name, which its caller chooses, decides or is told.
    #[serde(default)]
    pub(super) trust_session_name: bool,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Effect {
    #[default]
    Allow,
    Deny,
}

/// Whom a rule means. Names take patterns: literal text with `*` for any run of characters.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct WhenDocument {
    /// The kind of caller; mandatory in an allow rule.
    pub(super) kind: Option<Kind>,
    /// AWS partitions. Default: the policy's; in a deny rule, all.
    pub(super) partition: Option<List>,
    /// Account ids, 12 digits.
    pub(super) account: Option<List>,
    /// Names from `account_sets`.
    pub(super) account_set: Option<List>,
    /// Role names; patterns.
    pub(super) role: Option<List>,
    /// Unique ids of roles (`AROA...`).
    pub(super) role_id: Option<List>,
    /// Session names; patterns. Their callers choose them.
    pub(super) session_name: Option<List>,
    /// Permission sets of Identity Center; patterns.
    pub(super) permission_set: Option<List>,
    /// The 16 hexadecimal digits that Identity Center appends to a permission set's role.
    pub(super) permission_set_suffix: Option<List>,
    /// User names of Identity Center; patterns.
    pub(super) user_name: Option<List>,
    /// IAM user names; patterns.
    pub(super) user: Option<List>,
    /// IAM user paths, `/` or `/a/b/`; patterns.
    pub(super) path: Option<List>,
    /// Unique ids of IAM users (`AIDA...`).
    pub(super) user_id: Option<List>,
}

/// What an allow rule gives. Strings are templates: `{field}` and `{field|filter}`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct GrantDocument {
    /// The audiences, by name.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub(super) audiences: Option<List>,
    /// The token's `sub`.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub(super) subject: Option<Text>,
    /// The scopes, for audiences whose profile carries them.
    pub(super) scopes: Option<List>,
    /// The lifetime: 60s to 1h. Default: 10m.
    pub(super) lifetime: Option<Text>,
    /// Further claims.
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// Session tags, for audiences of profile aws.
    #[serde(default)]
    pub(super) session_tags: BTreeMap<String, Text>,
    /// The session tags that stay on when roles are chained.
    pub(super) transitive_tags: Option<List>,
    /// The source identity, for audiences of profile aws.
    pub(super) source_identity: Option<Text>,
    /// The ARNs of the roles that the token may assume, for audiences of profile aws.
    pub(super) roles: Option<List>,
}

/// A string; a number or a truth value says how to write it as one.
#[derive(Debug, Default, Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transparent))]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
                Err(E::custom(format_args!("a number where a string is needed: write \"{number}\"")))
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Text, E> {
                Err(E::custom(format_args!("a truth value where a string is needed: write \"{truth}\"")))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A list of strings; a bare string says how to write it as one.
#[derive(Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transparent))]
pub(super) struct List(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] pub(super) Vec<Text>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<List, E> {
                Err(E::custom(format_args!("a bare string where a list is needed: write [{text:?}]")))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<List, E> {
                Err(E::custom(format_args!("a number where a list of strings is needed: write [\"{number}\"]")))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List, A::Error> {
                let mut list = Vec::new();
                while let Some(text) = seq.next_element()? {
                    list.push(text);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

/// JSON in which no object repeats a key. (`serde_json` alone would keep the last of them and say nothing.)
pub(super) struct Strict(pub(super) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrictVisitor;
        impl<'de> Visitor<'de> for StrictVisitor {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Strict, E> {
                Ok(Strict(truth.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Strict, E> {
                Ok(Strict(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Strict, E> {
                Ok(Strict(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Strict, E> {
                Ok(Strict(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Strict, E> {
                Ok(Strict(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
                let mut list = Vec::new();
                while let Some(Strict(value)) = seq.next_element()? {
                    list.push(value);
                }
                Ok(Strict(list.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
                let mut map = Map::new();
                while let Some(key) = access.next_key::<String>()? {
                    if map.contains_key(&key) {
                        return Err(de::Error::custom(format_args!("the key `{key}` appears twice")));
                    }
                    map.insert(key, access.next_value::<Strict>()?.0);
                }
                Ok(Strict(map.into()))
            }
        }
        deserializer.deserialize_any(StrictVisitor)
    }
}

/// Read the document, and record every mistake of shape. What could not be read is as if it had not been written; the
/// paths of it are in `problems`, so that nobody complains of it twice.
pub(super) fn read(mut value: Value, problems: &mut Problems) -> Document {
    if !value.is_object() {
        problems.unreadable(Path::root(), "a policy is a map with `version`, `audiences` and `rules`".to_owned());
        return Document::default();
    }
    // In claims null is JSON.
    shape::refuse_nulls(&mut value, &mut Path::root(), Path::is_claims, problems);
    demand_maps(&mut value, problems);
    shape::read(value, problems)
}

/// A derived reader takes a list of the fields' values for a map; people who write one have forgotten the keys.
fn demand_maps(document: &mut Value, problems: &mut Problems) {
    let root = Path::root();
    let mut demand = |value: &mut Value, path: &Path| shape::demand_map(value, path, problems);
    if let Some(Value::Object(audiences)) = document.get_mut("audiences") {
        for (name, audience) in audiences {
            demand(audience, &root.key("audiences").key(name));
        }
    }
    if let Some(Value::Array(rules)) = document.get_mut("rules") {
        for (index, rule) in rules.iter_mut().enumerate() {
            let path = root.key("rules").index(index);
            demand(rule, &path);
            for key in ["when", "grant"] {
                if let Some(part) = rule.get_mut(key) {
                    demand(part, &path.key(key));
                }
            }
        }
    }
}
