//! From the document to the policy: what it means, and everything that keeps it from loading.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{AudienceDocument, Document, Effect, GrantDocument, List, RuleDocument, Text, WhenDocument};
use super::overlap;
use super::problem::{Path, Problems};
use super::template::{Filter, Part, Place};
use super::{
    Action, Allow, Audience, ClaimTemplate, MAX_LIFETIME, MAX_RULES, MIN_LIFETIME, Matcher, Policy, Profile, Rule,
    Template, When, carries_identity, name_fields,
};
use crate::caller::{Field, Kind};
use crate::jwk::Algorithm;

/// RFC 7519's seven, what verifiers take for something else (`azp` is the audience to AWS), and what profiles set.
const RESERVED_CLAIMS: [&str; 14] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "act", "cnf", "client_id", "scope", "scp", "aws"];
const RESERVED_PREFIXES: [&str; 2] = ["https://aws.amazon.com/", "https://sts.amazonaws.com/"];

const DEFAULT_LIFETIME: u32 = 600;
const DEFAULT_MAX_LIFETIME: u32 = 900;

struct Compiler<'d> {
    partition: String,
    account_sets: BTreeMap<&'d str, BTreeSet<String>>,
    /// By name; `None` for an audience that is itself wrong, so that rules are not blamed for it.
    audience_names: BTreeMap<&'d str, usize>,
    audiences: Vec<Option<Audience>>,
}

/// Compile the document. What is wrong goes to `problems`; then the policy is not to be used.
pub(super) fn compile(document: &Document, problems: &mut Problems) -> Policy {
    let root = Path::root();
    match document.version {
        Some(1) => {}
        Some(other) => problems.push(root.key("version"), format!("version {other} is not known: write 1")),
        None => problems.push(root.key("version"), "is missing: write `version: 1`"),
    }
    let partition = document.partition.as_ref().map_or("aws", |text| text.0.as_str());
    if !Field::Partition.admits(partition) {
        problems.push(root.key("partition"), not_a(Field::Partition, partition));
    }
    let mut compiler = Compiler {
        partition: partition.to_owned(),
        account_sets: BTreeMap::new(),
        audience_names: BTreeMap::new(),
        audiences: Vec::new(),
    };
    for (name, list) in &document.account_sets {
        let path = root.key("account_sets").key(name);
        let accounts = literals(Field::Account, list, &path, problems);
        compiler.account_sets.insert(name, accounts.into_iter().collect());
    }
    for (name, audience) in &document.audiences {
        let path = root.key("audiences").key(name);
        compiler.audience_names.insert(name, compiler.audiences.len());
        compiler.audiences.push(compile_audience(name, audience, &path, problems));
    }
    distinct_audiences(&compiler.audiences, &root.key("audiences"), problems);
    let default_audience = document.default_audience.as_ref().and_then(|text| {
        let index = compiler.audience_names.get(text.0.as_str()).copied();
        if index.is_none() && !problems.is_unreadable(&root.key("audiences").key(&text.0)) {
            problems.push(root.key("default_audience"), format!("there is no audience `{}`", text.0));
        }
        index
    });
    let rules_path = root.key("rules");
    if document.rules.len() > MAX_RULES {
        problems.push(rules_path.clone(), format!("{} rules: at most {MAX_RULES}", document.rules.len()));
    }
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for (index, rule) in document.rules.iter().enumerate() {
        let path = rules_path.index(index);
        rule_name(rule, &mut names, &path, problems);
        rules.push(compiler.rule(rule, &path, problems));
    }
    overlap::check(&rules, &rules_path, problems);
    Policy {
        default_audience,
        audiences: compiler.audiences.into_iter().flatten().collect(),
        rules: rules.into_iter().flatten().collect(),
    }
}

fn rule_name<'d>(rule: &'d RuleDocument, names: &mut BTreeSet<&'d str>, path: &Path, problems: &mut Problems) {
    let path = path.key("name");
    match rule.name.as_ref().map(|text| text.0.as_str()) {
        None => problems.push(path, "is missing: audit records name the rule"),
        Some(name) if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) => {
            problems.push(path, "a rule's name has 1 to 64 characters");
        }
        Some(name) if !names.insert(name) => problems.push(path, format!("another rule is called `{name}`")),
        Some(_) => {}
    }
}

fn compile_audience(name: &str, document: &AudienceDocument, path: &Path, problems: &mut Problems) -> Option<Audience> {
    let graphic = |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !graphic(name) {
        problems.push(path.clone(), "an audience's name has 1 to 255 printable ASCII characters without space");
    }
    let aud = document.aud.as_ref().map(|text| text.0.as_str());
    match aud {
        None => problems.push(path.key("aud"), "is missing: the token's `aud`"),
        Some(aud) if !graphic(aud) => {
            problems.push(path.key("aud"), "has 1 to 255 printable ASCII characters without space");
        }
        Some(_) => {}
    }
    if document.profile.is_none() {
        problems.push(path.key("profile"), "is missing: snowflake, snowflake-wif, aws, oauth or generic");
    }
    let max_lifetime =
        lifetime(document.max_lifetime.as_ref(), DEFAULT_MAX_LIFETIME, &path.key("max_lifetime"), problems);
    let alg = document.alg.unwrap_or(Algorithm::RS256);
    let (aud, profile) = (aud?, document.profile?);
    if !profile.allows(alg) {
        problems.push(path.key("alg"), format!("the profile {} does not take {alg}", profile.as_str()));
    }
    if profile != Profile::Aws && folded(aud) == "sts.amazonaws.com" {
        problems.push(path.key("aud"), "sts.amazonaws.com is AWS STS: write `profile: aws`");
    }
    if profile == Profile::SnowflakeWif && folded(aud) == "snowflakecomputing.com" {
        problems.push(
            path.key("aud"),
            "snowflakecomputing.com is the default of every Snowflake account: a token for one would be good at all of them",
        );
    }
    let include_caller = document.include_caller;
    Some(Audience {
        name: name.to_owned(),
        aud: aud.to_owned(),
        profile,
        max_lifetime: max_lifetime?,
        alg,
        include_caller,
    })
}

/// Letter case and trailing slash ignored, and the scheme, which says nothing about who is meant.
fn folded(aud: &str) -> String {
    let aud = aud.to_ascii_lowercase();
    aud.strip_prefix("https://").unwrap_or(&aud).trim_end_matches('/').to_owned()
}

/// No audience can be asked for by what belongs to another.
fn distinct_audiences(audiences: &[Option<Audience>], path: &Path, problems: &mut Problems) {
    let fold = |text: &str| text.to_ascii_lowercase().trim_end_matches('/').to_owned();
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for audience in audiences.iter().flatten() {
        for key in BTreeSet::from([fold(&audience.name), fold(&audience.aud)]) {
            if let Some(other) = taken.insert(key, &audience.name) {
                problems.push(
                    path.key(&audience.name),
                    format!("name or `aud` is also that of the audience `{other}` (letter case and a trailing slash do not count)"),
                );
            }
        }
    }
}

fn lifetime(written: Option<&Text>, default: u32, path: &Path, problems: &mut Problems) -> Option<u32> {
    let Some(Text(text)) = written else { return Some(default) };
    let unit = match text.bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        _ => 0,
    };
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten();
    match number.and_then(|number| number.checked_mul(unit)) {
        None | Some(0) => {
            problems.push(path.clone(), format!("{text:?} is not a duration: an integer with s, m or h, as 15m"));
        }
        Some(seconds) if (MIN_LIFETIME..=MAX_LIFETIME).contains(&seconds) => return Some(seconds),
        Some(seconds) => problems.push(path.clone(), format!("{seconds} s: a lifetime is 60s to 1h")),
    }
    None
}

fn not_a(field: Field, text: &str) -> String {
    let form = match field {
        Field::Account => "12 digits",
        Field::Partition => "as aws, aws-cn, aws-us-gov",
        Field::RoleId => "AROA and capital letters and digits",
        Field::UserId => "AIDA and capital letters and digits",
        Field::PermissionSetSuffix => "16 digits of 0-9 and a-f",
        _ => "a literal",
    };
    if text.contains('*') {
        return format!("{text:?}: `{field}` takes no patterns, only literal values ({form})");
    }
    format!("{text:?} is no {field} ({form})")
}

/// The entries of a field that takes literals only.
fn literals(field: Field, list: &List, path: &Path, problems: &mut Problems) -> Vec<String> {
    if list.0.is_empty() {
        problems.push(path.clone(), "an empty list matches nobody: leave the key out, or name values");
    }
    for (index, Text(text)) in list.0.iter().enumerate() {
        if !field.admits(text) {
            problems.push(path.index(index), not_a(field, text));
        }
    }
    list.0.iter().map(|Text(text)| text.clone()).collect()
}

/// The entries of a field that takes patterns.
fn patterns(list: &List, path: &Path, problems: &mut Problems) -> Vec<Matcher> {
    if list.0.is_empty() {
        problems.push(path.clone(), "an empty list matches nobody: leave the key out, or name values");
    }
    for (index, Text(text)) in list.0.iter().enumerate() {
        if text.is_empty() {
            problems.push(path.index(index), "an empty pattern matches nobody");
        }
    }
    list.0.iter().map(|Text(text)| Matcher::new(text)).collect()
}

fn takes_patterns(field: Field) -> bool {
    matches!(
        field,
        Field::Role | Field::PermissionSet | Field::User | Field::Path | Field::UserName | Field::SessionName
    )
}

fn written(when: &WhenDocument, field: Field) -> Option<&List> {
    match field {
        Field::Partition => when.partition.as_ref(),
        Field::Account => when.account.as_ref(),
        Field::Role => when.role.as_ref(),
        Field::RoleId => when.role_id.as_ref(),
        Field::SessionName => when.session_name.as_ref(),
        Field::PermissionSet => when.permission_set.as_ref(),
        Field::PermissionSetSuffix => when.permission_set_suffix.as_ref(),
        Field::UserName => when.user_name.as_ref(),
        Field::User => when.user.as_ref(),
        Field::Path => when.path.as_ref(),
        Field::UserId => when.user_id.as_ref(),
    }
}

impl Compiler<'_> {
    fn rule(&self, document: &RuleDocument, path: &Path, problems: &mut Problems) -> Option<Rule> {
        let name = document.name.as_ref().map(|text| text.0.clone()).unwrap_or_default();
        let Some(when_document) = &document.when else {
            problems.push(path.key("when"), "is missing: whom the rule means");
            return None;
        };
        let deny = document.effect == Effect::Deny;
        let when = self.when(when_document, deny, &path.key("when"), problems);
        if deny {
            return Some(self.deny(document, name, when, path, problems));
        }
        if document.audiences.is_some() {
            problems.push(path.key("audiences"), "an allow rule names its audiences in `grant`");
        }
        let Some(grant) = &document.grant else {
            problems.push(path.key("grant"), "is missing: what the rule gives (or `effect: deny`)");
            return None;
        };
        let Some(kind) = when.kind else {
            problems.push(path.key("when").key("kind"), "is missing in an allow rule: role, sso or user");
            return None;
        };
        let session_name = when.entries(Field::SessionName).is_some();
        if session_name && !document.trust_session_name {
            problems.push(path.key("when").key("session_name"), UNTRUSTED_SESSION_NAME);
        }
        let mut check = RuleCheck { document, kind, when: &when, problems };
        let allow = self.allow(grant, &mut check, &path.key("grant"))?;
        identified(&allow.subject, &mut check, path);
        Some(Rule { name, when, action: Action::Allow(Box::new(allow)) })
    }

    fn when(&self, document: &WhenDocument, deny: bool, path: &Path, problems: &mut Problems) -> When {
        let mut partitions = Vec::new();
        let mut accounts: Option<BTreeSet<String>> = None;
        let mut fields = Vec::new();
        for field in Field::ALL {
            let Some(list) = written(document, field) else { continue };
            let path = path.key(field.as_str());
            if let Some(kind) = document.kind.filter(|kind| !field.belongs_to(*kind)) {
                problems.push(path.clone(), format!("callers of kind {kind} have no {field}"));
            }
            match field {
                Field::Partition => partitions = literals(field, list, &path, problems),
                Field::Account => accounts = Some(literals(field, list, &path, problems).into_iter().collect()),
                _ if takes_patterns(field) => fields.push((field, patterns(list, &path, problems))),
                _ => {
                    let exact = literals(field, list, &path, problems).into_iter().map(Matcher::Exact).collect();
                    fields.push((field, exact));
                }
            }
        }
        if let Some(names) = &document.account_set {
            let members = self.members(names, &path.key("account_set"), problems);
            accounts = Some(match accounts {
                None => members,
                Some(accounts) => {
                    let both: BTreeSet<String> = accounts.intersection(&members).cloned().collect();
                    if both.is_empty() && !members.is_empty() {
                        problems.push(
                            path.key("account_set"),
                            "no account is in `account` and in `account_set`: both must match",
                        );
                    }
                    both
                }
            });
        }
        let kinds = [Kind::Role, Kind::Sso, Kind::User];
        let possible = |kind: &Kind| fields.iter().all(|(field, _)| field.belongs_to(*kind));
        if document.kind.is_none() && !kinds.iter().any(possible) {
            problems.push(path.clone(), "no kind of caller has all of these fields, so that the rule can never match");
        }
        if partitions.is_empty() && !deny {
            partitions.push(self.partition.clone());
        }
        When { kind: document.kind, partitions, accounts, fields }
    }

    fn members(&self, names: &List, path: &Path, problems: &mut Problems) -> BTreeSet<String> {
        if names.0.is_empty() {
            problems.push(path.clone(), "an empty list matches nobody: leave the key out, or name sets");
        }
        let mut members = BTreeSet::new();
        for (index, Text(name)) in names.0.iter().enumerate() {
            match self.account_sets.get(name.as_str()) {
                Some(set) => members.extend(set.iter().cloned()),
                None if problems.is_unreadable(&Path::root().key("account_sets").key(name)) => {}
                None => problems.push(path.index(index), format!("there is no account set `{name}`")),
            }
        }
        members
    }

    fn deny(&self, document: &RuleDocument, name: String, when: When, path: &Path, problems: &mut Problems) -> Rule {
        if document.grant.is_some() {
            problems.push(path.key("grant"), "a deny rule grants nothing");
        }
        if when.kind.is_none() && when.partitions.is_empty() && when.accounts.is_none() && when.fields.is_empty() {
            problems.push(path.key("when"), "a deny rule needs at least one field: this one would deny everybody");
        }
        let audiences = document.audiences.as_ref().map(|list| self.audiences(list, &path.key("audiences"), problems));
        Rule { name, when, action: Action::Deny(audiences) }
    }

    fn audiences(&self, list: &List, path: &Path, problems: &mut Problems) -> BTreeSet<usize> {
        if list.0.is_empty() {
            problems.push(path.clone(), "an empty list: name at least one audience");
        }
        let mut indices = BTreeSet::new();
        for (index, Text(name)) in list.0.iter().enumerate() {
            match self.audience_names.get(name.as_str()) {
                Some(audience) => {
                    indices.insert(*audience);
                }
                None if problems.is_unreadable(&Path::root().key("audiences").key(name)) => {}
                None => problems.push(path.index(index), format!("there is no audience `{name}`")),
            }
        }
        indices
    }

    fn allow(&self, grant: &GrantDocument, check: &mut RuleCheck<'_, '_>, path: &Path) -> Option<Allow> {
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
        let transitive_tags = transitive_tags(grant, check, path);
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
        Some(Allow {
            kind: check.kind,
            audiences,
            subject: subject?,
            scopes,
            lifetime: lifetime?,
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
    for (key, Text(text)) in &grant.session_tags {
        let path = path.key(key);
        let legal = (1..=128).contains(&key.len()) && key.bytes().all(|byte| Place::SessionTag.alphabet(byte));
        if !legal || key.to_ascii_lowercase().starts_with("aws:") {
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
    for (index, Text(key)) in list.0.iter().enumerate() {
        if !grant.session_tags.contains_key(key) {
            check.problems.push(path.index(index), format!("there is no session tag `{key}`"));
        }
    }
    list.0.iter().map(|Text(key)| key.clone()).collect()
}

const UNTRUSTED_SESSION_NAME: &str =
    "whoever assumes the role chooses the session name: if that is meant, write `trust_session_name: true` in the rule";

/// What the checks of one allow rule share.
struct RuleCheck<'r, 'p> {
    document: &'r RuleDocument,
    kind: Kind,
    when: &'r When,
    problems: &'p mut Problems,
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
        if literal_illegal || (fixed && !place.admits(text)) {
            self.problems
                .push(path.clone(), format!("{place} cannot be {text:?}, so that the rule would deny everybody"));
        }
        for (field, filters) in template.fields() {
            if !field.belongs_to(self.kind) {
                self.problems.push(path.clone(), format!("callers of kind {} have no {field}", self.kind));
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
}

/// One rule's subject tells the principals that it admits apart, unless the rule says that it is shared.
fn identified(subject: &Template, check: &mut RuleCheck<'_, '_>, path: &Path) {
    let when = check.when;
    let subject_path = path.key("grant").key("subject");
    let Some(accounts) = &when.accounts else {
        check.problems.push(
            path.key("when").key("account"),
            "an allow rule names its accounts (`account` or `account_set`): a role of the same name in a stranger's account is a stranger",
        );
        return;
    };
    if check.document.shared_subject {
        return;
    }
    let mut missing = Vec::new();
    if when.partitions.len() > 1 && !subject.carries(Field::Partition) {
        missing.push(Field::Partition);
    }
    if accounts.len() > 1 && !subject.carries(Field::Account) {
        missing.push(Field::Account);
    }
    let names = name_fields(check.kind).iter().copied();
    missing.extend(names.filter(|name| when.only_literal(*name).is_none() && !carries_identity(subject, *name)));
    for field in missing {
        check.problems.push(
            subject_path.clone(),
            format!("several callers would share this subject: put {{{field}}} into it, or narrow `when` to one {field}, or write `shared_subject: true` if that is meant"),
        );
    }
}
