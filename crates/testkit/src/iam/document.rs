//! A policy document, and what it says to a request by itself.

use serde_json::{Map, Value};

use super::condition::{Condition, strings};
use super::{Caller, Request, Unknown, pattern};

/// A document that was read whole: there is nothing in it that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    /// Its `Sid`, or its place.
    name: String,
    allows: bool,
    principals: Option<Vec<Principal>>,
    actions: Patterns,
    resources: Option<Patterns>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    Everyone,
    Account(String),
    Arn(String),
    Service(String),
    Federated(String),
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Patterns {
    negated: bool,
    patterns: Vec<String>,
}

/// What a document says to a request. Of several statements that apply, a denial goes before everything, and an allowance
/// of the caller before one of the caller's account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No statement applies.
    Silent,
    /// The caller's account may, and lets its own policies decide who in it: the statement.
    Delegated(String),
    /// The caller may: the statement.
    Allowed(String),
    /// The caller may not: the statement.
    Denied(String),
}

impl Document {
    /// Reads JSON.
    ///
    /// # Errors
    /// The first thing in it that is not known, or that is not as a document has it.
    pub fn parse(text: &str) -> Result<Self, Unknown> {
        let value: Value = serde_json::from_str(text).map_err(|error| Unknown::new(format!("no JSON: {error}")))?;
        Self::of(&value)
    }

    /// The same for JSON that is read already.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of(value: &Value) -> Result<Self, Unknown> {
        let members = value.as_object().ok_or_else(|| Unknown::new("a policy document is no object"))?;
        known(members, &["Version", "Id", "Statement"])?;
        // With the older language, or none, some characters mean something else.
        if members.get("Version") != Some(&Value::from("2012-10-17")) {
            return Err(Unknown::new(format!("the policy language {:?} is not known", members.get("Version"))));
        }
        let statements = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err(Unknown::new("a policy document has no Statement")),
        };
        let statements = statements.iter().enumerate().map(|(place, statement)| Statement::of(place, statement));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// What it says, principals left out: for a policy that is the caller's own.
    ///
    /// # Errors
    /// If a statement that could apply has a condition key that is not known, or a principal.
    pub fn of_identity(&self, request: &Request) -> Result<Verdict, Unknown> {
        self.verdict(request, |statement| match statement.principals {
            None => Ok(Some(false)),
            Some(_) => Err(Unknown::new(format!("{}: a policy of an identity names no principal", statement.name))),
        })
    }

    /// What it says as the policy of what is asked for.
    ///
    /// # Errors
    /// As [`Self::of_identity`], but for a principal that is missing.
    pub fn of_resource(&self, request: &Request) -> Result<Verdict, Unknown> {
        self.verdict(request, |statement| match &statement.principals {
            None => Err(Unknown::new(format!("{}: a policy of a resource names principals", statement.name))),
            Some(principals) => {
                let found = principals.iter().filter_map(|principal| principal.means(&request.caller));
                // To be named oneself is more than to be of an account.
                Ok(found.min())
            }
        })
    }

    /// The patterns of actions that its statements allow, with the statement of each.
    pub fn allowed_actions(&self) -> Vec<(String, String)> {
        let allowing = self.statements.iter().filter(|statement| statement.allows && !statement.actions.negated);
        allowing
            .flat_map(|statement| {
                statement.actions.patterns.iter().map(|action| (statement.name.clone(), action.clone()))
            })
            .collect()
    }

    /// `principal` says whether a statement is about the caller, and if so whether it means only the caller's account.
    fn verdict(
        &self,
        request: &Request,
        principal: impl Fn(&Statement) -> Result<Option<bool>, Unknown>,
    ) -> Result<Verdict, Unknown> {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            let Some(account_only) = principal(statement)? else { continue };
            if !statement.applies(request)? {
                continue;
            }
            let name = statement.name.clone();
            let this = match (statement.allows, account_only) {
                (false, _) => Verdict::Denied(name),
                (true, false) => Verdict::Allowed(name),
                (true, true) => Verdict::Delegated(name),
            };
            // The first of its kind is the one that is told of.
            if std::mem::discriminant(&this) != std::mem::discriminant(&verdict) {
                verdict = verdict.max(this);
            }
        }
        Ok(verdict)
    }
}

impl Statement {
    fn of(place: usize, value: &Value) -> Result<Self, Unknown> {
        let members = value.as_object().ok_or_else(|| Unknown::new("a statement is no object"))?;
        let elements = ["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        known(members, &elements)?;
        let name = match members.get("Sid").and_then(Value::as_str) {
            Some(sid) if !sid.is_empty() => sid.to_owned(),
            _ => format!("statement {}", place + 1),
        };
        let fault = |error: Unknown| Unknown::new(format!("{name}: {error}"));
        let allows = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            effect => return Err(fault(Unknown::new(format!("Effect is {effect:?}")))),
        };
        let actions = Patterns::of(members, "Action", "NotAction").map_err(fault)?;
        let actions = actions.ok_or_else(|| fault(Unknown::new("there is neither Action nor NotAction")))?;
        let bad = |action: &&String| action.as_str() != "*" && action.matches(':').count() != 1;
        if let Some(action) = actions.patterns.iter().find(bad) {
            return Err(fault(Unknown::new(format!("{action} is no action"))));
        }
        let resources = Patterns::of(members, "Resource", "NotResource").map_err(fault)?;
        let bad = |resource: &&String| resource.as_str() != "*" && !pattern::is_arn(resource);
        if let Some(resource) = resources.iter().flat_map(|resources| &resources.patterns).find(bad) {
            return Err(fault(Unknown::new(format!("{resource} is no ARN"))));
        }
        let principals = members.get("Principal").map(Principal::parse).transpose().map_err(fault)?;
        let conditions = members.get("Condition").map(Condition::parse).transpose().map_err(fault)?;
        Ok(Self { name, allows, principals, actions, resources, conditions: conditions.unwrap_or_default() })
    }

    fn applies(&self, request: &Request) -> Result<bool, Unknown> {
        let action = |action: &str| pattern::matches_action(action, &request.action);
        if !self.actions.mean(action) {
            return Ok(false);
        }
        // A trust policy has no resource: it is the role's own.
        let resource = |resource: &str| {
            resource == "*" || request.resource.as_deref().is_some_and(|arn| pattern::matches_arn(resource, arn))
        };
        if self.resources.as_ref().is_some_and(|resources| !resources.mean(resource)) {
            return Ok(false);
        }
        // All of them are looked at, since a key that is not known is told of whatever the others say.
        let mut all = true;
        for condition in &self.conditions {
            let holds = condition.holds(&request.context);
            all &= holds.map_err(|error| Unknown::new(format!("{}: {error}", self.name)))?;
        }
        Ok(all)
    }
}

impl Principal {
    fn parse(value: &Value) -> Result<Vec<Self>, Unknown> {
        if value == "*" {
            return Ok(vec![Self::Everyone]);
        }
        let kinds = value.as_object().ok_or_else(|| Unknown::new("Principal is neither * nor an object"))?;
        let mut principals = Vec::new();
        for (kind, values) in kinds {
            let values = strings(values).ok_or_else(|| Unknown::new(format!("Principal {kind}: not strings")))?;
            for value in values {
                principals.push(match kind.as_str() {
                    "AWS" => Self::aws(value)?,
                    "Federated" if !value.contains(['*', '?']) => Self::Federated(value),
                    "Service" if value.contains('.') && !value.contains('*') => Self::Service(value),
                    _ => return Err(Unknown::new(format!("the principal {kind} {value} is not known"))),
                });
            }
        }
        Ok(principals)
    }

    fn aws(value: String) -> Result<Self, Unknown> {
        if value == "*" {
            return Ok(Self::Everyone);
        }
        if value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Account(value));
        }
        let parts: Vec<&str> = value.splitn(6, ':').collect();
        match parts[..] {
            // A wildcard in a principal is no wildcard.
            _ if value.contains('*') || value.contains('?') => {}
            ["arn", _, "iam", "", account, "root"] => return Ok(Self::Account(account.to_owned())),
            ["arn", _, "iam" | "sts", "", _, _] => return Ok(Self::Arn(value)),
            _ => {}
        }
        Err(Unknown::new(format!("the principal AWS {value} is not known")))
    }

    /// Whether it means the caller, and then whether it only means the caller's account.
    fn means(&self, caller: &Caller) -> Option<bool> {
        let means = match self {
            Self::Everyone => true,
            Self::Account(account) => caller.account() == Some(account),
            Self::Arn(arn) => match caller {
                Caller::Role { role, session } => arn == role || arn == session,
                Caller::User(user) => arn == user,
                Caller::Anonymous | Caller::Service(_) | Caller::Federated(_) => false,
            },
            Self::Federated(provider) => matches!(caller, Caller::Federated(by) if by == provider),
            Self::Service(name) => matches!(caller, Caller::Service(service) if service == name),
        };
        means.then_some(matches!(self, Self::Account(_)))
    }
}

impl Patterns {
    fn of(members: &Map<String, Value>, name: &str, negated: &str) -> Result<Option<Self>, Unknown> {
        let (found, negated) = match (members.get(name), members.get(negated)) {
            (None, None) => return Ok(None),
            (Some(found), None) => (found, false),
            (None, Some(found)) => (found, true),
            (Some(_), Some(_)) => return Err(Unknown::new(format!("there are both {name} and {negated}"))),
        };
        let patterns = strings(found).ok_or_else(|| Unknown::new(format!("{name}: not strings")))?;
        match patterns.iter().find(|pattern| pattern.contains("${")) {
            Some(variable) => Err(Unknown::new(format!("{name}: the policy variable in {variable} is not known"))),
            None => Ok(Some(Self { negated, patterns })),
        }
    }

    fn mean(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern)) != self.negated
    }
}

fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), Unknown> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Unknown::new(format!("the element {name} is not known"))),
        None => Ok(()),
    }
}
