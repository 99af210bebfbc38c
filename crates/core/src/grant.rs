//! What the policy gives a caller: the second arrow, [`Caller`] -> [`Grant`].
//!
//! A matching deny rule wins wherever it stands; otherwise the first allow rule that matches for the audience;
//! otherwise nothing. If a template of that rule does not render for the caller, the audience is denied and no later
//! rule is tried. The next module may rely on: subject and scopes are legal text, the lifetime is within rule,
//! audience and what was asked, and for Snowflake there is a scope.

use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::jwk::Algorithm;
use crate::policy::{
    Action, Allow, Audience, ClaimTemplate, MAX_AWS_BYTES, MIN_LIFETIME, Place, Policy, Profile, RenderFault, Rule,
    Template,
};

/// What a caller may have of one audience.
#[derive(Debug, Clone)]
pub struct Grant<'p> {
    caller: &'p Caller,
    rule: &'p str,
    audience: &'p Audience,
    subject: String,
    scopes: Vec<String>,
    lifetime: u32,
    claims: Map<String, Value>,
    aws: AwsExtras,
}

/// What only audiences of profile `aws` are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct AwsExtras {
    pub(crate) session_tags: Vec<(String, String)>,
    pub(crate) transitive_tags: Vec<String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) roles: Vec<String>,
}

impl AwsExtras {
    /// How long it is in the token, in JSON. Nothing in it needs to be escaped.
    fn bytes(&self) -> usize {
        let tags = self.session_tags.iter().map(|(key, value)| key.len() + value.len() + r#""":[""],"#.len());
        let listed = self.transitive_tags.iter().chain(&self.roles).map(|text| text.len() + r#""","#.len());
        tags.chain(listed).sum()
    }
}

/// Why an audience gives a caller nothing. For operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No allow rule matches.
    #[error("no rule allows it")]
    NoRule,
    /// A deny rule matches.
    #[error("the rule `{0}` denies it")]
    Denied(String),
    /// The rule matches and cannot say who the caller is.
    #[error("the rule `{rule}` does not render: {fault}")]
    Unrenderable {
        /// The first matching allow rule.
        rule: String,
        /// What failed.
        fault: RenderFault,
    },
}

impl Denial {
    /// The rule that decided, if one did.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::NoRule => None,
            Self::Denied(rule) | Self::Unrenderable { rule, .. } => Some(rule),
        }
    }
}

/// A scope was asked for that is not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the scope {0:?} is not granted")]
pub struct ScopeTooWide(String);

/// One caller before one policy: which rules mean the caller, found once for all audiences.
#[derive(Debug)]
pub struct Standing<'p> {
    policy: &'p Policy,
    caller: &'p Caller,
    matching: Vec<usize>,
}

impl<'p> Standing<'p> {
    /// Match every rule's `when` against the caller.
    pub fn new(policy: &'p Policy, caller: &'p Caller) -> Self {
        let rules = policy.rules().iter().enumerate();
        let matching = rules.filter(|(_, rule)| rule.when.mismatch(caller).is_none()).map(|(index, _)| index).collect();
        Self { policy, caller, matching }
    }

    /// The rule that decides for an audience: the first matching deny rule, else the first matching allow rule.
    pub(crate) fn decisive(&self, audience: usize) -> Option<usize> {
        let mut allowed = None;
        for index in self.matching.iter().copied() {
            match self.policy.rules().get(index).map(|rule| &rule.action) {
                Some(Action::Deny(None)) => return Some(index),
                Some(Action::Deny(Some(audiences))) if audiences.contains(&audience) => return Some(index),
                Some(Action::Allow(allow)) if allowed.is_none() && allow.audiences.contains(&audience) => {
                    allowed = Some(index);
                }
                _ => {}
            }
        }
        allowed
    }

    /// The first matching rule that denies every audience.
    pub(crate) fn denied_everything(&self) -> Option<usize> {
        let denies =
            |index: &usize| matches!(self.policy.rules().get(*index), Some(Rule { action: Action::Deny(None), .. }));
        self.matching.iter().copied().find(denies)
    }

    /// What the caller may have of this audience. The only maker of a grant.
    pub fn grant(&self, audience: usize) -> Result<Grant<'p>, Denial> {
        let rule = self.decisive(audience).and_then(|index| self.policy.rules().get(index)).ok_or(Denial::NoRule)?;
        let audience = self.policy.audiences().get(audience).ok_or(Denial::NoRule)?;
        match &rule.action {
            Action::Deny(_) => Err(Denial::Denied(rule.name.clone())),
            Action::Allow(allow) => Grant::render(rule, allow, audience, self.caller)
                .map_err(|fault| Denial::Unrenderable { rule: rule.name.clone(), fault }),
        }
    }

    /// Is there any audience that the caller may have? If not, the reason that says most.
    pub fn any(&self) -> Result<(), Denial> {
        let mut reason = Denial::NoRule;
        for audience in 0..self.policy.audiences().len() {
            match self.grant(audience) {
                Ok(_) => return Ok(()),
                Err(Denial::NoRule) => {}
                Err(other) => reason = other,
            }
        }
        Err(reason)
    }
}

impl<'p> Grant<'p> {
    fn render(
        rule: &'p Rule,
        allow: &'p Allow,
        audience: &'p Audience,
        caller: &'p Caller,
    ) -> Result<Self, RenderFault> {
        let all = |templates: &[Template], place| {
            templates.iter().map(|t| t.render(caller, place)).collect::<Result<Vec<_>, _>>()
        };
        let mut scopes: Vec<String> = Vec::with_capacity(allow.scopes.len());
        for scope in all(&allow.scopes, Place::Scope)? {
            // Snowflake splits a scope at a comma, and a role's name may hold one.
            if audience.profile == Profile::Snowflake && scope.contains(',') {
                return Err(RenderFault::Illegal(Place::Scope));
            }
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let mut claims = Map::new();
        for (name, claim) in &allow.claims {
            claims.insert(name.clone(), render_claim(claim, caller)?);
        }
        let tag = |(key, value): &(String, Template)| Ok((key.clone(), value.render(caller, Place::SessionTag)?));
        let aws = AwsExtras {
            session_tags: allow.session_tags.iter().map(tag).collect::<Result<_, RenderFault>>()?,
            transitive_tags: allow.transitive_tags.clone(),
            source_identity: allow
                .source_identity
                .as_ref()
                .map(|t| t.render(caller, Place::SourceIdentity))
                .transpose()?,
            roles: all(&allow.roles, Place::Role)?,
        };
        let bytes = || aws.bytes() + serde_json::to_string(&claims).map_or(0, |json| json.len());
        if audience.profile == Profile::Aws && bytes() > MAX_AWS_BYTES {
            return Err(RenderFault::Long);
        }
        if !audience.profile.carries_scopes() {
            scopes.clear();
        }
        Ok(Self {
            caller,
            rule: &rule.name,
            audience,
            subject: allow.subject.render(caller, Place::Subject)?,
            scopes,
            lifetime: allow.lifetime.min(audience.max_lifetime),
            claims,
            aws,
        })
    }

    /// Narrow to what was asked: a subset of the scopes, a shorter lifetime (whole seconds, at least 60).
    pub(crate) fn narrow(mut self, scope: Option<&str>, expires_in: Option<u32>) -> Result<Self, ScopeTooWide> {
        if let Some(asked) = scope {
            let asked: Vec<&str> = asked.split(' ').collect();
            if let Some(wide) = asked.iter().find(|scope| !self.scopes.iter().any(|granted| granted == *scope)) {
                return Err(ScopeTooWide(wide.chars().take(128).collect()));
            }
            self.scopes.retain(|granted| asked.contains(&granted.as_str()));
        }
        if let Some(seconds) = expires_in {
            self.lifetime = self.lifetime.min(seconds.max(MIN_LIFETIME));
        }
        Ok(self)
    }

    /// The caller that it is given to.
    pub fn caller(&self) -> &Caller {
        self.caller
    }

    /// The rule that gives it.
    pub fn rule(&self) -> &str {
        self.rule
    }

    /// The audience's name in the policy.
    pub fn audience(&self) -> &str {
        &self.audience.name
    }

    /// The token's `aud`.
    pub fn aud(&self) -> &str {
        &self.audience.aud
    }

    /// What the relying party expects of a token.
    pub fn profile(&self) -> Profile {
        self.audience.profile
    }

    /// The lane that signs.
    pub fn alg(&self) -> Algorithm {
        self.audience.alg
    }

    /// The token's `sub`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The scopes; empty where the profile carries none.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Seconds.
    pub fn lifetime(&self) -> u32 {
        self.lifetime
    }

    pub(crate) fn include_caller(&self) -> bool {
        self.audience.include_caller
    }

    pub(crate) fn further_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(crate) fn aws(&self) -> &AwsExtras {
        &self.aws
    }
}

fn render_claim(claim: &ClaimTemplate, caller: &Caller) -> Result<Value, RenderFault> {
    Ok(match claim {
        ClaimTemplate::Text(template) => Value::String(template.render(caller, Place::Claim)?),
        ClaimTemplate::Plain(value) => value.clone(),
        ClaimTemplate::List(list) => {
            Value::Array(list.iter().map(|claim| render_claim(claim, caller)).collect::<Result<_, _>>()?)
        }
        ClaimTemplate::Object(map) => {
            let entries = map.iter().map(|(key, claim)| Ok((key.clone(), render_claim(claim, caller)?)));
            Value::Object(entries.collect::<Result<_, RenderFault>>()?)
        }
    })
}
