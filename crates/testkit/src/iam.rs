//! What IAM policies say to a request, as AWS documents it and as far as it is used here.
//!
//! **Owns** documents, conditions and how the documents of a request are put together. **Refuses** to guess: an element,
//! an operator, a form of a principal or a condition key that it does not know is an error, also in a statement that is
//! about something else. Whoever asks then knows that nothing was decided, and nothing passes because it was not understood.
//!
//! It is no copy of AWS. Session policies and policy variables are not in it; a document with a
//! variable in it is refused like everything else that is not known.
//!
//! | what | page of the IAM User Guide |
//! |---|---|
//! | elements of a document | `reference_policies_elements` and the pages below it |
//! | operators, missing keys, `IfExists` | `reference_policies_elements_condition_operators` |
//! | several values, `ForAnyValue`, `ForAllValues` | `reference_policies_condition-single-vs-multi-valued-context-keys` |
//! | principals | `reference_policies_elements_principal` |
//! | how the documents of a request are put together | `reference_policies_evaluation-logic_policy-eval-basics`, `..-denyallow` |

mod condition;
mod context;
mod decision;
mod document;
mod pattern;

pub use self::context::Context;
pub use self::decision::{Decision, Policies, Reach};
pub use self::document::{Document, Verdict};
pub(crate) use self::pattern::matches_action as action_is;

/// Something that this evaluator does not know, in words. Nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(pub(crate) String);

impl Unknown {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody who said who they are.
    Anonymous,
    /// An AWS service for itself: `apigateway.amazonaws.com`.
    Service(String),
    /// A session of a role.
    Role {
        /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
        role: String,
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
        session: String,
    },
    /// A user: `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    User(String),
    /// Someone with a token or assertion of an identity provider: its ARN, or the name of one that AWS has built in.
    Federated(String),
}

impl Caller {
    /// A session of the role with this ARN.
    ///
    /// # Panics
    /// If it is no role's ARN.
    pub fn role(role: &str, session: &str) -> Self {
        let steps: Vec<&str> = role.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = steps[..] else { panic!("{role} is no role's ARN") };
        let name = resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
        let name = name.unwrap_or_else(|| panic!("{role} is no role's ARN"));
        let session = format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}");
        Self::Role { role: role.to_owned(), session }
    }

    /// `aws:PrincipalArn`: for a session, the role's.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::Role { role: arn, .. } | Self::User(arn) => Some(arn),
            Self::Anonymous | Self::Service(_) | Self::Federated(_) => None,
        }
    }

    /// `aws:PrincipalAccount`.
    pub fn account(&self) -> Option<&str> {
        self.arn()?.split(':').nth(4)
    }
}

/// What is asked: may this caller do this with that?
#[derive(Debug, Clone)]
pub struct Request {
    /// Who.
    pub caller: Caller,
    /// `service:Operation`.
    pub action: String,
    /// The ARN of what it is done with. None for what is not there yet: then only `*` means it.
    pub resource: Option<String>,
    /// What is known of the request besides.
    pub context: Context,
}
