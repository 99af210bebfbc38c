//! What `trust lint` can find. Codes are stable: scripts and documents name them.

use serde::Serialize;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It lets in more than it says, or AWS refuses it, or nobody can tell how it is read.
    Error,
    /// It deserves a thought, or it lets in nobody.
    Warning,
    /// Good to know.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The statement's place, from 1; none for the document.
    pub statement: Option<usize>,
    /// How much it weighs.
    pub severity: Severity,
    /// Which it is.
    pub code: Code,
    /// What is wrong, and what to do.
    pub message: String,
}

macro_rules! codes {
    ($($name:ident $text:literal),* $(,)?) => {
        /// Which finding it is. `docs/trust-policies.md` says what each means and how to mend it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Code { $(#[doc = $text] #[serde(rename = $text)] $name),* }

        impl Code {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

codes! {
    // The document.
    DuplicateKey "duplicate-key",
    Malformed "malformed",
    UnknownElement "unknown-element",
    Version "version",
    UnknownOperator "unknown-operator",
    NotUnderstood "not-understood",
    PolicyVariable "policy-variable",
    Deny "deny",
    NotPrincipal "not-principal",
    NotAction "not-action",
    WrongAction "wrong-action",
    ActionWildcard "action-wildcard",
    // Conditions.
    ForAllValues "for-all-values",
    ForAnyValue "for-any-value",
    IfExists "if-exists",
    NegatedOnly "negated-only",
    IgnoreCase "ignore-case",
    LiteralWildcard "literal-wildcard",
    StringLike "string-like",
    ForeignKey "foreign-key",
    UnknownClaim "unknown-claim",
    Nobody "nobody",
    // Web identity.
    NoAud "no-aud",
    UnusualAud "unusual-aud",
    NoSub "no-sub",
    AnySubject "any-subject",
    WildcardBeforeSeparator "wildcard-before-separator",
    OwnerWide "owner-wide",
    NamespaceWide "namespace-wide",
    RepositoryWide "repository-wide",
    RefWildcard "ref-wildcard",
    EnvironmentWildcard "environment-wildcard",
    PullRequest "pull-request",
    IdWildcard "id-wildcard",
    NameOnly "name-only",
    SubjectForm "subject-form",
    SubjectWildcard "subject-wildcard",
    WorkflowWildcard "workflow-wildcard",
    Guests "guests",
    // Principals of AWS.
    AnyPrincipal "any-principal",
    OrganizationWide "organization-wide",
    AccountRoot "account-root",
    NoExternalId "no-external-id",
    PrincipalWildcard "principal-wildcard",
    DeletedPrincipal "deleted-principal",
    NoSource "no-source",
}

/// Findings of one document, as they are made.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// The statement that is being looked at.
    pub(super) statement: Option<usize>,
}

impl Findings {
    pub(super) fn add(&mut self, severity: Severity, code: Code, message: impl Into<String>) {
        let finding = Finding { statement: self.statement, severity, code, message: message.into() };
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    pub(super) fn error(&mut self, code: Code, message: impl Into<String>) {
        self.add(Severity::Error, code, message);
    }

    pub(super) fn warn(&mut self, code: Code, message: impl Into<String>) {
        self.add(Severity::Warning, code, message);
    }

    pub(super) fn note(&mut self, code: Code, message: impl Into<String>) {
        self.add(Severity::Note, code, message);
    }

    /// By statement, then the worst first.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort();
        self.found
    }
}
