//! The pipeline, walked: [`Issuer::prepare`] decides, [`sign`] signs, [`Issuer::issue`] does both.
//!
//! The order of the checks is fixed, so that nobody learns from it: caller and organisation; the caller's audiences;
//! query and body; the audience asked for; the scope. An audit record comes out in every case.

use crate::UnixSeconds;
use crate::audit::{Audit, Outcome};
use crate::caller::{Caller, CallerFault, Identity};
use crate::claims::Claims;
use crate::grant::{Denial, ScopeTooWide, Standing};
use crate::jwk::{Algorithm, KeyId};
use crate::jws::{self, Signer, SigningInput, Token, Unavailable};
use crate::policy::Policy;
use crate::request::{RequestFault, TokenRequest};
use crate::response::Response;
use crate::ring::Ring;
use crate::url::IssuerUrl;

/// A request for a token, after the gateway.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Goes into the audit record and the answer's `x-request-id`.
    pub request_id: &'a str,
    /// Who is said to be calling.
    pub identity: &'a Identity,
    /// The X-Ray trace that the request is part of.
    pub trace_id: Option<&'a str>,
    /// Where from.
    pub source_ip: Option<&'a str>,
    /// Is there any query parameter?
    pub has_query: bool,
    /// The Content-Type header.
    pub content_type: Option<&'a str>,
    /// The body, decoded if the event had it in base64.
    pub body: &'a [u8],
}

/// Who issues, and to which organisations.
#[derive(Debug, Clone)]
pub struct Issuer {
    url: IssuerUrl,
    organisations: Option<Vec<String>>,
}

/// Why a caller's organisation is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationFault {
    /// None, or one that was not resolved.
    #[error("the caller's organisation is not known")]
    Missing,
    /// A stranger's.
    #[error("the caller's organisation is {0}")]
    Other(String),
}

/// Why there is no token. The text is for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Not a caller.
    #[error(transparent)]
    Caller(#[from] CallerFault),
    /// Not of our organisation.
    #[error(transparent)]
    Organisation(#[from] OrganisationFault),
    /// The caller may have no audience at all.
    #[error("no audience for this caller: {0}")]
    NoAudience(Denial),
    /// The request is not understood.
    #[error("{0}")]
    Request(#[from] RequestFault),
    /// None asked for, none by default.
    #[error("no audience was asked for, and the policy has no default_audience")]
    NoDefaultAudience,
    /// Not in the policy, or not for this caller.
    #[error("the audience is not for this caller: {0}")]
    Audience(Denial),
    /// Wider than the grant.
    #[error(transparent)]
    Scope(#[from] ScopeTooWide),
    /// No policy is at hand that is young enough.
    #[error("no policy: there was never a good copy, or the last one is too old")]
    NoPolicy,
    /// No key ring is at hand that is young enough.
    #[error("no key ring: there was never a good copy, or the last one is too old")]
    NoRing,
    /// The lane has no signing key.
    #[error("the ring has no signing key for {0}")]
    NoKey(Algorithm),
    /// The signer failed.
    #[error(transparent)]
    Signing(#[from] Unavailable),
    /// Ours.
    #[error("internal: {0}")]
    Bug(String),
}

impl Reason {
    /// A name that stays the same, for counting; callers never see it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Caller(_) => "caller",
            Self::Organisation(_) => "organisation",
            Self::NoAudience(_) => "no_audience",
            Self::Request(_) => "request",
            Self::NoDefaultAudience | Self::Audience(_) => "audience",
            Self::Scope(_) => "scope",
            Self::NoPolicy => "no_policy",
            Self::NoRing => "no_ring",
            Self::NoKey(_) => "no_key",
            Self::Signing(_) => "signing",
            Self::Bug(_) => "internal",
        }
    }

    /// Is it the caller's doing, or did we fail?
    fn outcome(&self) -> Outcome {
        match self {
            Self::Caller(_)
            | Self::Organisation(_)
            | Self::NoAudience(_)
            | Self::Request(_)
            | Self::NoDefaultAudience
            | Self::Audience(_)
            | Self::Scope(_) => Outcome::Refused,
            Self::NoPolicy | Self::NoRing | Self::NoKey(_) | Self::Signing(_) | Self::Bug(_) => Outcome::Failed,
        }
    }
}

/// A request refused: why, and the record of it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The record.
    pub audit: Box<Audit>,
}

/// A decision for a token that is yet to be signed.
#[derive(Debug, Clone)]
pub struct Prepared {
    input: SigningInput,
    alg: Algorithm,
    claims: Claims,
    lifetime: u32,
    scopes: Vec<String>,
    audit: Audit,
}

impl Prepared {
    /// The key that must sign.
    pub fn kid(&self) -> &KeyId {
        self.input.kid()
    }

    /// The algorithm of that key.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// What the token will say.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The record, as it will be if signing succeeds.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }
}

/// A token and what belongs to it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// The answer that carries it.
    pub response: Response,
    /// The record.
    pub audit: Box<Audit>,
}

impl Issuer {
    /// An issuer under this URL. With `organisations` (`o-...`), callers of no other one are served.
    pub fn new(url: IssuerUrl, organisations: Option<Vec<String>>) -> Self {
        Self { url, organisations }
    }

    /// The issuer's URL.
    pub fn url(&self) -> &IssuerUrl {
        &self.url
    }

    /// Decide and say what is to be signed. Pure; `token_id` becomes the `jti`.
    ///
    /// A policy or ring that cannot be had is `None`. Who is refused for another reason is refused all the same.
    pub fn prepare(
        &self,
        ask: &Ask<'_>,
        policy: Option<&Policy>,
        keys: Option<&Ring>,
        now: UnixSeconds,
        token_id: &str,
    ) -> Result<Prepared, Refusal> {
        let mut audit = Audit::new(now, ask);
        match self.decide(ask, policy, keys, now, token_id, &mut audit) {
            Ok(Decided { input, alg, claims, lifetime, scopes }) => {
                audit.outcome = Outcome::Issued;
                Ok(Prepared { input, alg, claims, lifetime, scopes, audit })
            }
            Err(reason) => Err(Refusal::new(reason, audit)),
        }
    }

    fn decide(
        &self,
        ask: &Ask<'_>,
        policy: Option<&Policy>,
        keys: Option<&Ring>,
        now: UnixSeconds,
        token_id: &str,
        audit: &mut Audit,
    ) -> Result<Decided, Reason> {
        let caller = Caller::new(ask.identity)?;
        audit.of_caller(&caller);
        self.admit(&caller)?;
        let policy = policy.ok_or(Reason::NoPolicy)?;
        let standing = Standing::new(policy, &caller);
        standing.any().map_err(|denial| {
            audit.decided_by(denial.rule());
            Reason::NoAudience(denial)
        })?;

        if ask.has_query {
            return Err(RequestFault::Query.into());
        }
        let request = TokenRequest::parse(ask.content_type, ask.body)?;
        let audience = match &request.audience {
            Some(asked) => {
                audit.asked_for(asked);
                policy.audience_asked(asked).ok_or(Reason::Audience(Denial::NoRule))?
            }
            None => policy.default_audience().ok_or(Reason::NoDefaultAudience)?,
        };
        audit.asked_for(policy.audiences().get(audience).map_or("", |audience| &audience.name));
        let grant = standing.grant(audience).map_err(|denial| {
            audit.decided_by(denial.rule());
            Reason::Audience(denial)
        })?;
        audit.decided_by(Some(grant.rule()));
        let grant = grant.narrow(request.scope.as_deref(), request.expires_in)?;
        audit.granted(&grant);

        let key = keys.ok_or(Reason::NoRing)?.signing(grant.alg()).ok_or(Reason::NoKey(grant.alg()))?;
        let claims = Claims::new(&grant, &self.url, now, token_id);
        let input = SigningInput::new(&claims, key).map_err(|error| Reason::Bug(error.to_string()))?;
        audit.jti = Some(token_id.to_owned());
        audit.kid = Some(key.kid().to_string());
        let (lifetime, scopes) = (grant.lifetime(), grant.scopes().to_vec());
        Ok(Decided { input, alg: key.alg(), claims, lifetime, scopes })
    }

    fn admit(&self, caller: &Caller) -> Result<(), OrganisationFault> {
        let Some(organisations) = &self.organisations else { return Ok(()) };
        match caller.org_id() {
            Some(id) if organisations.iter().any(|ours| ours == id) => Ok(()),
            Some(other) => Err(OrganisationFault::Other(other.to_owned())),
            None => Err(OrganisationFault::Missing),
        }
    }

    /// Decide, sign and answer. `signer` gives the signer of a key of the same ring.
    pub async fn issue<S: Signer>(
        &self,
        ask: &Ask<'_>,
        policy: Option<&Policy>,
        keys: Option<&Ring>,
        signer: impl FnOnce(&KeyId) -> Option<S>,
        now: UnixSeconds,
        token_id: &str,
    ) -> (Response, Box<Audit>) {
        let outcome = match self.prepare(ask, policy, keys, now, token_id) {
            Ok(prepared) => {
                if let Some(signer) = signer(prepared.kid()) {
                    sign(prepared, &signer).await
                } else {
                    let why = Unavailable::Failed("the ring's private half lacks the key".to_owned());
                    Err(Refusal::new(why.into(), prepared.audit))
                }
            }
            Err(refusal) => Err(refusal),
        };
        match outcome {
            Ok(issued) => (issued.response, issued.audit),
            Err(refusal) => (Response::refusal(&refusal.reason), refusal.audit),
        }
    }
}

struct Decided {
    input: SigningInput,
    alg: Algorithm,
    claims: Claims,
    lifetime: u32,
    scopes: Vec<String>,
}

impl Refusal {
    fn new(reason: Reason, mut audit: Audit) -> Self {
        audit.outcome = reason.outcome();
        audit.reason_code = Some(reason.code());
        audit.reason = Some(reason.to_string());
        Self { reason, audit: Box::new(audit) }
    }
}

/// Sign what was decided: the only await.
pub async fn sign(prepared: Prepared, signer: &impl Signer) -> Result<Issued, Refusal> {
    let Prepared { input, lifetime, scopes, audit, .. } = prepared;
    match jws::sign(input, signer).await {
        Ok(token) => {
            let response = Response::token(&token, lifetime, &scopes);
            Ok(Issued { token, response, audit: Box::new(audit) })
        }
        Err(why) => Err(Refusal::new(why.into(), audit)),
    }
}
