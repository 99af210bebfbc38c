//! One line per decision, issued or refused: who asked, from where, for what, what came of it and why.
//!
//! Never in it: the token, its signature, a key, the request's Authorization header. Strings of the caller's choice
//! are cut to a length and escaped by JSON, so that nobody writes a second line.

use serde::Serialize;

use crate::UnixSeconds;
use crate::caller::{Caller, Kind};
use crate::grant::Grant;
use crate::issue::Ask;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A token was signed.
    Issued,
    /// The caller or the request was refused.
    Refused,
    /// The decision was yes, and there is no token.
    Failed,
}

/// The audit record. A field that is not known when the decision falls is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Unix seconds.
    pub time: UnixSeconds,
    /// As in the answer's `x-request-id`.
    pub request_id: String,
    /// The X-Ray trace that the request is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why not, as a name that stays the same: [`crate::issue::Reason::code`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// Why not, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The caller's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The caller's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The caller's unique id, as it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The caller's ARN, as it was told.
    pub arn: String,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// The audience: its name in the policy, or what was asked for in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The token's `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The token's scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The token's lifetime in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u32>,
    /// The token's `jti`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The key that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// The longest text of a stranger's that a record takes, in characters: an ARN has at most 2048 (IAM).
const LONGEST: usize = 2048;

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

impl Audit {
    /// What is known before anything is judged.
    pub(crate) fn new(time: UnixSeconds, ask: &Ask<'_>) -> Self {
        Self {
            time,
            request_id: cut(ask.request_id),
            trace_id: ask.trace_id.map(cut),
            outcome: Outcome::Refused,
            reason_code: None,
            reason: None,
            account: None,
            kind: None,
            principal_id: ask.identity.principal_id().map(cut),
            arn: cut(ask.identity.arn()),
            source_ip: ask.source_ip.map(cut),
            audience: None,
            rule: None,
            subject: None,
            scopes: None,
            lifetime: None,
            jti: None,
            kid: None,
        }
    }

    pub(crate) fn of_caller(&mut self, caller: &Caller) {
        self.account = Some(caller.account().to_owned());
        self.kind = Some(caller.kind());
    }

    pub(crate) fn asked_for(&mut self, audience: &str) {
        self.audience = Some(cut(audience));
    }

    pub(crate) fn decided_by(&mut self, rule: Option<&str>) {
        self.rule = rule.map(str::to_owned);
    }

    pub(crate) fn granted(&mut self, grant: &Grant<'_>) {
        self.subject = Some(grant.subject().to_owned());
        self.scopes = Some(grant.scopes().to_vec());
        self.lifetime = Some(grant.lifetime());
    }

    /// The record as one line of JSON, without the line's end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"outcome":"failed","reason":"audit record"}"#.to_owned())
    }
}
