//! AWS credentials from a token: where the token comes from, what STS gives for it, and what is kept of that.
//!
//! [`settings`] (flags, environment, profile) become a [`Request`], which names one [`Source`](source::Source) of tokens and one
//! [`Session`](role::Session) of a role, all of it checked. [`obtain`] answers it: from the [`cache`] if it can, else with a
//! token from the source and one call of STS.

mod explain;
pub mod role;
pub mod source;
pub mod sts;
pub mod token;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Somebody said no: the issuer, the identity provider or STS. The same request gets the same answer. Exit 1.
    ///
    /// The first line says who refused what, each further one what to look at.
    #[error("{0}")]
    Refused(String),
    /// Nobody could tell: a file, a name or a server that is not there, an answer that is none. Exit 2.
    #[error("{0:#}")]
    Unknown(#[from] anyhow::Error),
}

impl Failure {
    /// What anything else went wrong with.
    pub fn context(self, what: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        match self {
            Self::Refused(why) => Self::Refused(format!("{what}: {why}")),
            Self::Unknown(error) => Self::Unknown(error.context(what)),
        }
    }
}
