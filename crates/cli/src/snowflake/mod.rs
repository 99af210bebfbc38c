//! What a Snowflake account has to be told: the security integration of External OAuth, the users of Workload Identity
//! Federation, and the users and roles that follow from the policy.
//!
//! Pure: a policy in, a [`Setup`] out, which [`sql`] writes down. It connects to nothing, and it decides nothing: whom a
//! deny rule means by more than the policy alone tells may still be listed here, and gets no token.

pub mod sql;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_core::caller::{Field, Kind};
use countersign_core::policy::{Admission, Audience, Policy, Principal, Principals, Profile};
use serde::Serialize;

/// Roles that Snowflake refuses to tokens of External OAuth unless its administrators change that ("CREATE SECURITY
/// INTEGRATION (External OAuth)", `EXTERNAL_OAUTH_BLOCKED_ROLES_LIST`). Nobody is granted one from here.
const BLOCKED: [&str; 4] = ["ACCOUNTADMIN", "ORGADMIN", "GLOBALORGADMIN", "SECURITYADMIN"];
const ANY_ROLE: &str = "session:role-any";
const ROLE: &str = "session:role:";
/// The most users of one rule that are written out.
const MOST_USERS: usize = 500;
/// The most entries of a field that a comment lists.
const MOST_ENTRIES: usize = 5;

/// How Snowflake takes the tokens of an audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A security integration; tokens of the profile `snowflake`.
    ExternalOauth,
    /// Workload Identity Federation; tokens of the profile `snowflake-wif`.
    Wif,
}

impl Form {
    fn profile(self) -> Profile {
        match self {
            Self::ExternalOauth => Profile::Snowflake,
            Self::Wif => Profile::SnowflakeWif,
        }
    }
}

/// The issuer as Snowflake is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'i> {
    /// `iss`, byte for byte.
    pub url: &'i str,
    /// Where the keys are.
    pub jwks_url: &'i str,
}

/// What the account of one audience has to be told.
#[derive(Debug, Serialize)]
pub struct Setup {
    /// The audience's name.
    pub audience: String,
    /// Its `aud`.
    pub aud: String,
    /// How it takes tokens.
    pub form: Form,
    /// External OAuth: the integration's name, and whether its sessions may take any role of their user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<Integration>,
    /// The users that the policy names.
    pub users: Vec<User>,
    /// The rules that name none.
    pub others: Vec<Others>,
}

/// A security integration.
#[derive(Debug, Serialize)]
pub struct Integration {
    /// Its name.
    pub name: String,
    /// `ENABLE` if a rule of the audience grants `session:role-any`.
    pub any_role_mode: &'static str,
}

/// A user.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// The subject of the tokens: the user's name and, for External OAuth, login name.
    pub subject: String,
    /// A person of Identity Center. Everybody else is a service.
    pub is_person: bool,
    /// The roles that the tokens name.
    pub roles: Vec<String>,
    /// Those of them that Snowflake blocks.
    pub blocked_roles: Vec<String>,
    /// The tokens say `session:role-any`.
    pub any_role: bool,
    /// Scopes, as the policy has them, whose role depends on more of the caller than the subject.
    pub open_scopes: Vec<String>,
    /// The rules that say so.
    pub rules: Vec<String>,
}

/// The users of a rule that means them by a pattern.
#[derive(Debug, Serialize)]
pub struct Others {
    /// The rule.
    pub rule: String,
    /// Whom it means.
    pub when: String,
    /// The subject, as the policy has it.
    pub subject: String,
    /// The scopes, as the policy has them.
    pub scopes: Vec<String>,
    /// Somebody whom it might mean.
    pub example: Option<User>,
}

/// What the accounts of a policy's audiences have to be told, in one form. `users` asks for those of External OAuth; Workload
/// Identity Federation consists of them.
pub fn setups(policy: &Policy, form: Form, prefix: &str, users: bool) -> Vec<Setup> {
    policy.audiences_with(form.profile()).map(|audience| setup(policy, audience, form, prefix, users)).collect()
}

fn setup(policy: &Policy, audience: &Audience, form: Form, prefix: &str, users: bool) -> Setup {
    let admissions = policy.admissions(audience, MOST_USERS);
    let any_role = admissions.iter().flat_map(|admission| &admission.scopes).any(|scope| is_any_role(scope));
    let mut setup = Setup {
        audience: audience.name().to_owned(),
        aud: audience.aud().to_owned(),
        form,
        integration: (form == Form::ExternalOauth).then(|| Integration {
            name: integration_name(prefix, audience.name()),
            any_role_mode: if any_role { "ENABLE" } else { "DISABLE" },
        }),
        users: Vec::new(),
        others: Vec::new(),
    };
    if users || form == Form::Wif {
        let mut known = BTreeMap::new();
        for admission in admissions {
            setup.admit(admission, &mut known);
        }
    }
    setup
}

/// As the output `snowflake_sql` of `infrastructure/` makes it.
fn integration_name(prefix: &str, audience: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{prefix}_{audience}").chars().map(legal).collect()
}

fn is_any_role(scope: &str) -> bool {
    scope.eq_ignore_ascii_case(ANY_ROLE)
}

impl Setup {
    fn admit(&mut self, admission: Admission, known: &mut BTreeMap<String, usize>) {
        let Admission { rule, kind, when, subject, scopes, principals } = admission;
        match principals {
            Principals::All(principals) => {
                for principal in principals {
                    self.add(user(principal, kind, &rule), known);
                }
            }
            Principals::Endless(example) => self.others.push(Others {
                when: described(kind, &when),
                subject,
                scopes,
                example: example.map(|principal| user(principal, kind, &rule)),
                rule,
            }),
        }
    }

    /// Rules that share a subject share the user. Login names have no letter case, the subject of a workload identity has.
    fn add(&mut self, user: User, known: &mut BTreeMap<String, usize>) {
        let key = match self.form {
            Form::ExternalOauth => user.subject.to_ascii_uppercase(),
            Form::Wif => user.subject.clone(),
        };
        let index = *known.entry(key).or_insert(self.users.len());
        let Some(same) = self.users.get_mut(index) else {
            self.users.push(user);
            return;
        };
        same.is_person |= user.is_person;
        same.any_role |= user.any_role;
        merge(&mut same.roles, user.roles);
        merge(&mut same.blocked_roles, user.blocked_roles);
        merge(&mut same.open_scopes, user.open_scopes);
        merge(&mut same.rules, user.rules);
    }
}

fn merge(list: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !list.contains(&text) {
            list.push(text);
        }
    }
}

fn user(principal: Principal, kind: Kind, rule: &str) -> User {
    let mut user = User {
        subject: principal.subject,
        is_person: kind == Kind::Sso,
        roles: Vec::new(),
        blocked_roles: Vec::new(),
        any_role: false,
        open_scopes: principal.open_scopes,
        rules: vec![rule.to_owned()],
    };
    for scope in &principal.scopes {
        user.any_role |= is_any_role(scope);
        // Everybody has PUBLIC.
        let Some(role) = role(scope).filter(|role| role != "PUBLIC") else { continue };
        let list = if BLOCKED.contains(&role.to_ascii_uppercase().as_str()) {
            &mut user.blocked_roles
        } else {
            &mut user.roles
        };
        merge(list, vec![role]);
    }
    user
}

/// The role that a scope names. What could be an identifier without quotes is read like one, without letter case: the
/// documentation has `session:role:analyst` for ANALYST. How Snowflake reads any other name is not documented; it is taken
/// as it stands.
fn role(scope: &str) -> Option<String> {
    let name =
        scope.get(ROLE.len()..).filter(|_| scope.get(..ROLE.len()).is_some_and(|s| s.eq_ignore_ascii_case(ROLE)))?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    (!name.is_empty()).then(|| if plain { name.to_ascii_uppercase() } else { name.to_owned() })
}

fn described(kind: Kind, when: &[(Field, Vec<String>)]) -> String {
    let mut text = format!("kind {kind}");
    for (field, entries) in when {
        let listed = entries.iter().take(MOST_ENTRIES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match entries.len().saturating_sub(MOST_ENTRIES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = write!(text, "; {field} {listed}{more}");
    }
    text
}
