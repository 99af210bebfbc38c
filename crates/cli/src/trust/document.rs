//! A trust policy as it is written.
//!
//! **Owns** reading a document statement by statement, and what is wrong with its form. **Refuses** to leave anything out
//! silently: what it does not know makes a finding, and the statement says that it was not understood whole.

use serde_json::{Map, Value};

use super::condition::{Condition, Operator};
use super::finding::{Code, Findings};
use super::pattern::{Compare, Pattern};
use super::principal::Principal;

/// A trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its statements, in their order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its place, from 1.
    pub number: usize,
    /// Its name, if it has one.
    pub sid: Option<String>,
    /// It lets in; or it keeps out.
    pub allows: bool,
    /// Whom it names.
    pub principals: Vec<Principal>,
    /// The actions, as patterns.
    pub actions: Vec<Pattern>,
    /// What has to hold.
    pub conditions: Vec<Condition>,
    /// Nothing in it was left out. If something was, it may mean more or less than what is here.
    pub understood: bool,
    /// The statement itself but for its name, members sorted.
    pub text: String,
}

impl Policy {
    /// Reads a document.
    pub(super) fn read(document: &Value, findings: &mut Findings) -> Self {
        let Value::Object(members) = document else {
            findings.error(Code::Malformed, "a trust policy is a JSON object");
            return Self { statements: Vec::new() };
        };
        for name in unknown(members, &["Version", "Id", "Statement"]) {
            findings.error(
                Code::UnknownElement,
                format!("{name} is no element of a policy: remove it or correct its name"),
            );
        }
        let version = members.get("Version").and_then(Value::as_str);
        match version {
            Some("2012-10-17") => {}
            Some("2008-10-17") | None => findings.warn(
                Code::Version,
                "Version is not 2012-10-17: policy variables are plain text in the older language; write \"Version\": \"2012-10-17\"",
            ),
            Some(other) => findings.error(Code::Version, format!("there is no version {other:?}: write \"2012-10-17\"")),
        }
        let statements = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => {
                findings.error(Code::Malformed, "there is no Statement: a trust policy has at least one");
                Vec::new()
            }
        };
        let variables = version == Some("2012-10-17");
        let statements = statements.into_iter().enumerate().map(|(place, statement)| {
            findings.statement = Some(place + 1);
            Statement::read(place + 1, statement, variables, findings)
        });
        let statements = statements.collect();
        findings.statement = None;
        Self { statements }
    }
}

impl Statement {
    fn read(number: usize, value: &Value, variables: bool, findings: &mut Findings) -> Self {
        let mut statement = Self {
            number,
            sid: None,
            allows: true,
            principals: Vec::new(),
            actions: Vec::new(),
            conditions: Vec::new(),
            understood: true,
            text: String::new(),
        };
        let mut nameless = value.clone();
        nameless.as_object_mut().and_then(|members| members.remove("Sid"));
        statement.text = nameless.to_string();
        if !variables && statement.text.contains("${") {
            // The same words mean something else there.
            statement.text.insert_str(0, "in the older language ");
        }
        let Value::Object(members) = value else {
            findings.error(Code::Malformed, "a statement is a JSON object");
            statement.understood = false;
            return statement;
        };
        let elements = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"];
        for name in unknown(members, &elements) {
            let why = match name.as_str() {
                "Resource" | "NotResource" => {
                    "a trust policy has no resource, it is the role's own, and AWS refuses it"
                }
                _ => "it is no element of a statement: remove it or correct its name",
            };
            findings.error(Code::UnknownElement, format!("{name}: {why}"));
            statement.understood = false;
        }
        statement.sid = members.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned);
        match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => {}
            Some("Deny") => statement.allows = false,
            _ => statement.malformed(findings, "Effect is neither Allow nor Deny"),
        }
        statement.read_principals(members, findings);
        statement.read_actions(members, variables, findings);
        if let Some(block) = members.get("Condition") {
            statement.read_conditions(block, variables, findings);
        }
        statement
    }

    fn malformed(&mut self, findings: &mut Findings, message: impl Into<String>) {
        findings.error(Code::Malformed, message);
        self.understood = false;
    }

    fn read_principals(&mut self, members: &Map<String, Value>, findings: &mut Findings) {
        if members.contains_key("NotPrincipal") {
            let message = "NotPrincipal means everyone but those who are named";
            self.principals.push(Principal::Unknown("everyone but those whom NotPrincipal names".to_owned()));
            if self.allows {
                findings.error(Code::NotPrincipal, format!("{message}: name those who may, with Principal"));
            } else {
                findings.warn(
                    Code::NotPrincipal,
                    format!("{message}, and all forms of a session would have to be named: use Principal and a condition on aws:PrincipalArn"),
                );
            }
            self.understood = false;
            return;
        }
        match members.get("Principal") {
            Some(Value::String(everyone)) if everyone == "*" => self.principals.push(Principal::Everyone),
            Some(Value::Object(kinds)) if !kinds.is_empty() => {
                for (kind, values) in kinds {
                    match strings(values) {
                        Some(values) => {
                            self.principals.extend(values.iter().map(|value| Principal::parse(kind, value)));
                        }
                        None => self
                            .malformed(findings, format!("Principal {kind}: a string or a list of strings is needed")),
                    }
                }
            }
            None => self.malformed(findings, "there is no Principal: nobody is named"),
            Some(_) => self.malformed(findings, "Principal is neither \"*\" nor an object such as {\"AWS\": ...}"),
        }
        for principal in &self.principals {
            if let Principal::Unknown(what) = principal {
                findings.warn(
                    Code::NotUnderstood,
                    format!("the principal {what} is not understood: nothing is said about whom it lets in"),
                );
                self.understood = false;
            }
        }
    }

    fn read_actions(&mut self, members: &Map<String, Value>, variables: bool, findings: &mut Findings) {
        if members.contains_key("NotAction") {
            findings.error(
                Code::NotAction,
                "NotAction means every action but those that are named: name the actions, with Action",
            );
            self.understood = false;
            return;
        }
        match members.get("Action").map(strings) {
            Some(Some(actions)) => {
                let pattern = |action: &String| Pattern::new(action, Compare::LikeIgnoringCase, variables);
                self.actions = actions.iter().map(pattern).collect();
            }
            Some(None) => self.malformed(findings, "Action is neither a string nor a list of strings"),
            None => self.malformed(findings, "there is no Action"),
        }
    }

    fn read_conditions(&mut self, block: &Value, variables: bool, findings: &mut Findings) {
        let Value::Object(operators) = block else {
            return self.malformed(findings, "Condition is no object");
        };
        for (written, keys) in operators {
            let operator = Operator::parse(written);
            if let Err(meant) = &operator {
                let hint = meant.as_ref().map(|meant| format!(" (did you mean {meant}, with exactly these capitals?)"));
                findings.error(
                    Code::UnknownOperator,
                    format!(
                        "there is no operator {written}{}: nobody can tell whom it keeps out",
                        hint.unwrap_or_default()
                    ),
                );
                self.understood = false;
            }
            let Value::Object(keys) = keys else {
                self.malformed(findings, format!("Condition {written} is no object"));
                continue;
            };
            for (key, values) in keys {
                let Some(values) = scalars(values) else {
                    self.malformed(findings, format!("{written} {key}: a value or a list of values is needed"));
                    continue;
                };
                let lower = key.to_ascii_lowercase();
                if keys.keys().any(|other| other < key && other.to_ascii_lowercase() == lower) {
                    findings.error(
                        Code::DuplicateKey,
                        format!("{written} has the key {key} twice, in different letter case, which means nothing in keys: keep one"),
                    );
                }
                let Ok(operator) = operator else { continue };
                let compare = operator.compares().unwrap_or(Compare::Equal);
                let values: Vec<Pattern> = values.iter().map(|value| Pattern::new(value, compare, variables)).collect();
                if let Some(value) = values.iter().find(|value| value.has_variable()) {
                    findings.warn(
                        Code::PolicyVariable,
                        format!(
                            "{key} is held against {:?}: what the variable becomes depends on the request, so it counts as any text here",
                            value.written()
                        ),
                    );
                }
                self.conditions.push(Condition { operator, key: lower, written: key.clone(), values });
            }
        }
    }
}

fn unknown(members: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    members.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect()
}

/// A string, or a list of at least one.
fn strings(value: &Value) -> Option<Vec<String>> {
    let values = scalars(value)?;
    let all_text = value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    all_text.then_some(values)
}

/// A string, boolean or number, or a list of at least one: IAM takes all of them for text.
fn scalars(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
