//! `grant`: what an allow rule gives, and that its subject says who somebody is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Compiler, lifetime};
use crate::caller::Field;
use crate::policy::document::{GrantDocument, RuleDocument, Text};
use crate::policy::problem::{Path, Problems};
use crate::policy::template::{Filter, Part, Place, is_reserved};
use crate::policy::{Allow, ClaimTemplate, MAX_AWS_BYTES, Profile, Template, When, carries_identity, name_fields};

/// RFC 7519's seven, what verifiers take for something else (`azp` is the audience to AWS), and what profiles set.
const RESERVED_CLAIMS: [&str; 14] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "act", "cnf", "client_id", "scope", "scp", "aws"];
const RESERVED_PREFIXES: [&str; 2] = ["https://aws.amazon.com/", "https://sts.amazonaws.com/"];

const DEFAULT_LIFETIME: u32 = 600;

pub(super) const UNTRUSTED_SESSION_NAME: &str =
    "whoever assumes the role chooses the session name: if that is meant, write `trust_session_name: true` in the rule";

impl Compiler<'_> {
    pub(super) fn allow(&self, grant: &GrantDocument, check: &mut RuleCheck<'_, '_>, path: &Path) -> Option<Allow> {
        let audiences = if let Some(list) = &grant.audiences {
            self.audiences(list, &path.key("audiences"), check.problems)
        } else {
            check.problems.push(path.key("audiences"), "is missing: which audiences the rule is for");
            BTreeSet::new()
        };
        let profiles: Vec<Profile> =
            audiences.iter().filter_map(|index| Some(self.audiences.get(*index)?.as_ref()?.profile)).collect();
        let snowflake = profiles.contains(&Profile::Snowflake);
        let aws = profiles.contains(&Profile::Aws) || profiles.len() < audiences.len();

        let subject = if let Some(Text(text)) = &grant.subject {
            check.template(text, Place::Subject, &path.key("subject"))
        } else {
            check.problems.push(path.key("subject"), "is missing: the token's `sub`");
            None
        };
        let scopes_path = path.key("scopes");
        let written_scopes = grant.scopes.as_ref().map_or(&[][..], |list| list.0.as_slice());
        if grant.scopes.is_some() && written_scopes.is_empty() {
            check.problems.push(scopes_path.clone(), "an empty list: leave the key out, or name scopes");
        } else if snowflake && written_scopes.is_empty() {
            check.problems.push(
                scopes_path.clone(),
                "Snowflake refuses a token without a scope: write [\"session:role-any\"] or [\"session:role:NAME\"]",
            );
        }
        let mut scopes = Vec::new();
        for (index, Text(text)) in written_scopes.iter().enumerate() {
            let path = scopes_path.index(index);
            if snowflake && text.contains([',', ' ']) {
                check.problems.push(path, "Snowflake splits scopes at comma and space");
            } else {
                scopes.extend(check.template(text, Place::Scope, &path));
            }
        }
        let lifetime = lifetime(grant.lifetime.as_ref(), DEFAULT_LIFETIME, &path.key("lifetime"), check.problems);
        let mut claims = Vec::new();
        for (name, value) in &grant.claims {
            let path = path.key("claims").key(name);
            if RESERVED_CLAIMS.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|p| name.starts_with(p)) {
                check.problems.push(path, format!("the claim `{name}` is the issuer's to set"));
            } else if name.is_empty() {
                check.problems.push(path, "a claim needs a name");
            } else {
                claims.extend(check.claim(value, &path).map(|claim| (name.clone(), claim)));
            }
        }
        if !aws {
            let keys = [
                ("session_tags", !grant.session_tags.is_empty()),
                ("transitive_tags", grant.transitive_tags.is_some()),
                ("source_identity", grant.source_identity.is_some()),
                ("roles", grant.roles.is_some()),
            ];
            for (key, _) in keys.into_iter().filter(|(_, written)| *written) {
                check.problems.push(path.key(key), "reaches audiences of profile aws only, and the rule has none");
            }
        }
        let session_tags = session_tags(grant, check, path);
        let transitive_tags = if aws { transitive_tags(grant, check, path) } else { Vec::new() };
        let source_identity = grant
            .source_identity
            .as_ref()
            .and_then(|Text(text)| check.template(text, Place::SourceIdentity, &path.key("source_identity")));
        let mut roles = Vec::new();
        if let Some(list) = &grant.roles {
            let path = path.key("roles");
            if list.0.is_empty() {
                check.problems.push(path.clone(), "an empty list: leave the key out, or name roles");
            }
            for (index, Text(text)) in list.0.iter().enumerate() {
                roles.extend(check.template(text, Place::Role, &path.index(index)));
            }
        }
        let least = session_tags.iter().map(|(key, value)| key.len() + value.least()).sum::<usize>();
        if least + roles.iter().map(Template::least).sum::<usize>() > MAX_AWS_BYTES {
            let message = "tags and roles make the token longer than the 20000 characters that AWS STS takes, so that the rule would deny everybody";
            check.problems.push(path.clone(), message);
        }
        Some(Allow {
            kind: check.when.kind?,
            audiences,
            subject: subject?,
            scopes,
            // Where it could not be read the policy does not load, and the rule is still compared with the others.
            lifetime: lifetime.unwrap_or(DEFAULT_LIFETIME),
            claims,
            session_tags,
            transitive_tags,
            source_identity,
            roles,
            shared_subject: check.document.shared_subject,
        })
    }
}

/// At most 50 tags, a key of 1 to 128 characters (STS API Reference, `AssumeRoleWithWebIdentity` and `Tag`).
fn session_tags(grant: &GrantDocument, check: &mut RuleCheck<'_, '_>, path: &Path) -> Vec<(String, Template)> {
    let path = path.key("session_tags");
    if grant.session_tags.len() > 50 {
        check.problems.push(path.clone(), "AWS takes at most 50 session tags");
    }
    let mut tags = Vec::new();
    let mut folded = BTreeSet::new();
    for (key, Text(text)) in &grant.session_tags {
        let path = path.key(key);
        if !folded.insert(key.to_ascii_lowercase()) {
            check
                .problems
                .push(path.clone(), "another tag's key differs only by letter case, which AWS does not look at");
        }
        let legal = (1..=128).contains(&key.len()) && key.bytes().all(|byte| Place::SessionTag.alphabet(byte));
        if !legal || is_reserved(key) {
            check.problems.push(
                path.clone(),
                "a tag's key has 1 to 128 letters, digits, spaces and _.:/=+-@, and does not begin with aws:",
            );
        }
        tags.extend(check.template(text, Place::SessionTag, &path).map(|template| (key.clone(), template)));
    }
    tags
}

fn transitive_tags(grant: &GrantDocument, check: &mut RuleCheck<'_, '_>, path: &Path) -> Vec<String> {
    let Some(list) = &grant.transitive_tags else { return Vec::new() };
    let path = path.key("transitive_tags");
    if list.0.is_empty() {
        check.problems.push(path.clone(), "an empty list: leave the key out, or name tags");
    }
    for (index, Text(key)) in list.0.iter().enumerate() {
        if !grant.session_tags.contains_key(key) {
            check.problems.push(path.index(index), format!("there is no session tag `{key}`"));
        }
    }
    list.0.iter().map(|Text(key)| key.clone()).collect()
}

/// What the checks of one allow rule share.
pub(super) struct RuleCheck<'r, 'p> {
    pub(super) document: &'r RuleDocument,
    pub(super) when: &'r When,
    pub(super) problems: &'p mut Problems,
}

impl RuleCheck<'_, '_> {
    /// A template in its place, checked against everything that one string can get wrong.
    fn template(&mut self, text: &str, place: Place, path: &Path) -> Option<Template> {
        let template = match Template::new(text) {
            Ok(template) => template,
            Err(faults) => {
                for fault in faults {
                    self.problems.push(path.clone(), fault);
                }
                return None;
            }
        };
        let fixed = template.fields().next().is_none();
        let literal_illegal = template
            .parts()
            .iter()
            .any(|part| matches!(part, Part::Literal(literal) if !literal.bytes().all(|byte| place.alphabet(byte))));
        let reserved = place == Place::SessionTag && is_reserved(text);
        if literal_illegal || reserved || (fixed && !place.admits(text)) {
            self.problems
                .push(path.clone(), format!("{place} cannot be {text:?}, so that the rule would deny everybody"));
        }
        for (field, filters) in template.fields() {
            if let Some(kind) = self.when.kind.filter(|kind| !field.belongs_to(*kind)) {
                self.problems.push(path.clone(), format!("callers of kind {kind} have no {field}"));
            }
            if field == Field::SessionName && !self.document.trust_session_name {
                self.problems.push(path.clone(), UNTRUSTED_SESSION_NAME);
            }
            if filters.contains(&Filter::LocalPart) {
                if field != Field::UserName {
                    self.problems.push(path.clone(), format!("local_part is for user_name, not for {field}"));
                } else if self.when.domain().is_none() {
                    self.problems.push(
                        path.clone(),
                        "local_part drops the domain: list `user_name` in `when`, each entry ending in the same @domain without `*` after the `@`",
                    );
                }
            }
        }
        self.separated(&template, path);
        Some(template)
    }

    /// Two values of variable length must not run into each other: `{a}{b}` of "x","yz" and "xy","z" is the same text.
    fn separated(&mut self, template: &Template, path: &Path) {
        let parts = template.parts();
        let mut open: Option<Field> = None;
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(text) if text.contains([':', '/']) => open = None,
                Part::Literal(_) | Part::Field(Field::Account | Field::PermissionSetSuffix, _) => {}
                Part::Field(field, _) => {
                    let before_user = matches!(parts.get(index + 1), Some(Part::Field(Field::User, _)));
                    if *field == Field::Path && index + 1 < parts.len() && !before_user {
                        self.problems.push(path.clone(), "{path} stands only last or directly before {user}");
                    }
                    // A path ends in `/`, which no user name holds.
                    let apart = *field == Field::User
                        && index > 0
                        && matches!(parts.get(index - 1), Some(Part::Field(Field::Path, _)));
                    if let Some(before) = open.filter(|_| !apart) {
                        self.problems.push(
                            path.clone(),
                            format!("{{{before}}} and {{{field}}} both vary in length: put `:` or `/` between them"),
                        );
                    }
                    open = Some(*field);
                }
            }
        }
    }

    fn claim(&mut self, value: &Value, path: &Path) -> Option<ClaimTemplate> {
        Some(match value {
            Value::String(text) => ClaimTemplate::Text(self.template(text, Place::Claim, path)?),
            Value::Array(list) => {
                let list = list.iter().enumerate();
                ClaimTemplate::List(list.filter_map(|(index, value)| self.claim(value, &path.index(index))).collect())
            }
            Value::Object(map) => ClaimTemplate::Object(
                map.iter().filter_map(|(key, value)| Some((key.clone(), self.claim(value, &path.key(key))?))).collect(),
            ),
            plain => ClaimTemplate::Plain(plain.clone()),
        })
    }

    /// A role of the same name in a stranger's account is a stranger.
    pub(super) fn accounts_named(&mut self, path: &Path) {
        if self.when.accounts.is_none() {
            self.problems.push(
                path.key("when").key("account"),
                "an allow rule names its accounts (`account` or `account_set`): a role of the same name in a stranger's account is a stranger",
            );
        }
    }

    /// The rule's subject tells the principals that it admits apart, unless the rule says that it is shared.
    pub(super) fn identified(&mut self, allow: &Allow, path: &Path) {
        if allow.shared_subject {
            return;
        }
        let when = self.when;
        let mut missing = Vec::new();
        if when.partitions.len() > 1 && !allow.subject.carries(Field::Partition) {
            missing.push(Field::Partition);
        }
        let several_accounts = when.accounts.as_ref().is_some_and(|accounts| accounts.len() > 1);
        if several_accounts && !allow.subject.carries(Field::Account) {
            missing.push(Field::Account);
        }
        let names = name_fields(allow.kind).iter().copied();
        missing.extend(
            names.filter(|name| when.only_literal(*name).is_none() && !carries_identity(&allow.subject, *name)),
        );
        for field in missing {
            self.problems.push(
                path.key("grant").key("subject"),
                format!("several callers would share this subject: put {{{field}}} into it, or narrow `when` to one {field}, or write `shared_subject: true` if that is meant"),
            );
        }
    }
}
