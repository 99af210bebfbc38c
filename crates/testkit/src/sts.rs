//! AWS STS, as far as it gives a session of a role for a token (`AssumeRoleWithWebIdentity`) and knows that session again
//! (`GetCallerIdentity`). AWS SDKs and the AWS command line use it by `AWS_ENDPOINT_URL_STS`.
//!
//! **Owns** the accounts' identity providers and roles, the rules by which STS gives a session, and its own words for each
//! no. It fetches discovery document and keys over HTTP, verifies the token with code that signs nothing, asks the role's
//! trust policy, and remembers what it gave. Nothing configured: every token is refused.
//!
//! **Refuses** to guess: what it does not know (a condition key, a claim below `https://aws.amazon.com/`) is
//! `InternalFailure`, which no test expects. moto believes every token, and is no such test.
//!
//! **The next may rely on** this order: parameters, session policy, form of the token, provider, keys and signature, times,
//! audience, roles claim, tags and source identity, packed size, trust policy, duration. That the parameters come first and
//! the roles claim before the trust policy is known; the rest is what a careful verifier does. Where AWS's words are not
//! known, the text is ours and [`Outcome::Refused`] says more than STS would.
//!
//! | what | source |
//! |---|---|
//! | limits, codes, answer | `API_AssumeRoleWithWebIdentity` of the STS API reference |
//! | providers, tags, source identity, condition keys | `id_roles_providers_create_oidc`, `id_session-tags`, `id_credentials_temp_control-access_monitor`, `reference_policies_iam-condition-keys` of the IAM User Guide |
//! | texts | what AWS's clients printed, as quoted in public bug reports |
//!
//! Not in it: TLS and thumbprints, tokens of OAuth 2.0 (`ProviderId`), flattened tags, policies of the organisation.

mod answer;
mod call;
mod identity;
mod keys;
mod token;
mod trust;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::Value;

use self::answer::Refusal;
use self::call::{Ask, Form};
pub use self::call::{Call, Outcome};
use self::identity::Held;
use self::token::Token;
use crate::iam::{Caller, Document};
use crate::loopback::{Answer, Cut, Port, collect};

/// An identity provider of an account (`CreateOpenIDConnectProvider`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The issuer's URL, as its tokens have it.
    pub url: String,
    /// The audiences that the account takes.
    pub client_ids: Vec<String>,
    /// The account.
    pub account: String,
    /// What is fetched in place of `url`, as no test has a certificate for it: `http://127.0.0.1:PORT`.
    pub fetch_from: String,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`.
    pub arn: String,
    /// Its trust policy.
    pub trust: Value,
    /// `MaxSessionDuration`, in seconds.
    pub max_session: u32,
}

/// What becomes of `AssumeRoleWithWebIdentity` until STS is healed. `GetCallerIdentity` is spared: it stands for the service
/// that credentials are used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// As ever, so much later.
    Slow(Duration),
    /// STS takes the request and never answers.
    Silent,
    /// STS takes the request and closes the connection without an answer.
    Cut,
    /// A page of something else, with status 200.
    Nonsense,
    /// `Throttling`.
    Throttled,
    /// `InternalFailure`, with status 500.
    ServerError,
    /// `IDPCommunicationError`, which clients take for transient.
    IdpUnreachable,
    /// `IDPRejectedClaim`.
    IdpRejectedClaim,
    /// `RegionDisabledException`.
    RegionDisabled,
}

/// A session that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `arn:PARTITION:sts::ACCOUNT:assumed-role/NAME/SESSION`.
    pub arn: String,
    /// The role.
    pub role: String,
    /// `sub` of the token.
    pub subject: String,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Those that go on with a session that is made from this one.
    pub transitive_tags: Vec<String>,
    /// Its source identity.
    pub source_identity: Option<String>,
    /// The inline session policy.
    pub policy: Option<String>,
    /// The managed session policies.
    pub policy_arns: Vec<String>,
}

/// A call of `GetCallerIdentity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Whose; empty if the request did not say.
    pub access_key_id: String,
    /// Which program called, in its own words.
    pub user_agent: String,
    /// The code of the refusal.
    pub refused: Option<String>,
}

/// STS of one partition. Dropping it closes the port.
pub struct Sts {
    port: Port,
    shared: Arc<Shared>,
}

struct Shared {
    partition: String,
    book: Mutex<Book>,
}

/// What is configured, and what happened.
struct Book {
    providers: Vec<Provider>,
    roles: BTreeMap<String, Known>,
    lifetime: Option<Duration>,
    patience: Duration,
    keep_keys: Duration,
    keys: BTreeMap<String, (Instant, Value)>,
    fault: Option<Fault>,
    calls: Vec<Call>,
    uses: Vec<Use>,
    held: BTreeMap<String, Held>,
}

/// A role that is there.
#[derive(Clone)]
struct Known {
    id: String,
    trust: Document,
    max_session: u32,
}

impl Sts {
    /// STS of the partition `aws`.
    pub fn start() -> Self {
        Self::start_in("aws")
    }

    /// STS of another partition.
    pub fn start_in(partition: &str) -> Self {
        let book = Book {
            providers: Vec::new(),
            roles: BTreeMap::new(),
            lifetime: None,
            patience: Duration::from_secs(5),
            keep_keys: Duration::ZERO,
            keys: BTreeMap::new(),
            fault: None,
            calls: Vec::new(),
            uses: Vec::new(),
            held: BTreeMap::new(),
        };
        let shared = Arc::new(Shared { partition: partition.to_owned(), book: Mutex::new(book) });
        let answering = Arc::clone(&shared);
        let port = Port::open_with(move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        });
        Self { port, shared }
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL_STS`; also while it is closed.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// The account has this provider from now on.
    ///
    /// # Panics
    /// If IAM would not take its URL.
    pub fn provider(&self, provider: Provider) {
        let plain = provider.url.strip_prefix("https://").filter(|rest| !rest.contains([':', '?', '#', '@']));
        assert!(
            plain.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && provider.url.len() <= 255,
            "{} is no provider's URL: https, at most 255 characters, without port and query",
            provider.url
        );
        let mut book = self.shared.book();
        book.providers.retain(|known| (&known.account, &known.url) != (&provider.account, &provider.url));
        book.providers.push(provider);
    }

    /// This role is there from now on.
    ///
    /// # Panics
    /// If its ARN is none, its trust policy is none that IAM takes or has anything in it that is not known, or its sessions may
    /// last shorter than an hour or longer than twelve.
    pub fn role(&self, role: Role) {
        // It checks the ARN.
        let _ = Caller::role(&role.arn, "session");
        let trust = Document::of(&role.trust).unwrap_or_else(|unknown| panic!("the trust policy: {unknown}"));
        trust::check(&role.trust);
        assert!((3600..=43200).contains(&role.max_session), "MaxSessionDuration is 3600 to 43200");
        let known = Known { id: identity::random_id("AROA", 17), trust, max_session: role.max_session };
        self.shared.book().roles.insert(role.arn, known);
    }

    /// Sessions end so much later, or when they were asked to, whichever comes first: tests see refreshes.
    pub fn lifetime(&self, lifetime: Duration) {
        self.shared.book().lifetime = Some(lifetime);
    }

    /// How long an issuer may take for each of its documents: 5 s, unless this says otherwise.
    pub fn patience(&self, patience: Duration) {
        self.shared.book().patience = patience;
    }

    /// How long keys are taken for fresh once they were fetched. Without it, they are fetched for each token.
    pub fn keep_keys(&self, age: Duration) {
        self.shared.book().keep_keys = age;
    }

    /// Every call for credentials that arrives from now on meets this, instead of any other.
    pub fn fail(&self, fault: Fault) {
        self.shared.book().fault = Some(fault);
    }

    /// STS is well again.
    pub fn heal(&self) {
        self.shared.book().fault = None;
    }

    /// Refuses connections, `GetCallerIdentity`'s too.
    pub fn close(&self) {
        self.port.close();
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    /// If another process has taken the port and keeps it.
    pub fn open(&self) {
        self.port.open();
    }

    /// The calls for credentials in the order of their arrival. A client's own repetitions are among them.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.book().calls.clone()
    }

    /// The calls of `GetCallerIdentity`, in the order of their answers.
    pub fn consumed(&self) -> Vec<Use> {
        self.shared.book().uses.clone()
    }

    /// The session that these credentials are of.
    pub fn session(&self, access_key_id: &str) -> Option<Session> {
        Some(self.shared.book().held.get(access_key_id)?.session.clone())
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        let query = head.uri.query().unwrap_or_default().as_bytes();
        let form = Form::read(if head.method == Method::GET { query } else { &body });
        if form.is_for("GetCallerIdentity") {
            return Ok(self.caller_identity(&head, &body));
        }

        let (place, fault) = {
            let mut book = self.book();
            book.calls.push(form.call());
            (book.calls.len() - 1, book.fault)
        };
        let refusal = match fault {
            None => None,
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                None
            }
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Cut) => return Err(Cut),
            Some(Fault::Nonsense) => return Ok(answer::nonsense()),
            Some(Fault::Throttled) => Some(Refusal::throttled()),
            Some(Fault::ServerError) => Some(Refusal::unknown("a fault that a test asked for")),
            Some(Fault::IdpUnreachable) => Some(Refusal::idp_unreachable()),
            Some(Fault::IdpRejectedClaim) => Some(Refusal::idp_rejected_claim()),
            Some(Fault::RegionDisabled) => Some(Refusal::region_disabled(&form)),
        };
        let given = match refusal {
            Some(refusal) => Err(refusal),
            None => self.assume(&form).await,
        };
        let (outcome, answer) = match given {
            Ok((access_key_id, answer)) => (Outcome::Given(access_key_id), answer),
            Err(refusal) => (refusal.outcome(), refusal.answer()),
        };
        self.book().calls[place].outcome = outcome;
        Ok(answer)
    }

    async fn assume(&self, form: &Form) -> Result<(String, Answer), Refusal> {
        let ask = Ask::read(form, &self.partition)?;
        let token = Token::read(ask.token)?;
        let provider = {
            let book = self.book();
            let mine = |known: &&Provider| known.account == ask.account && known.url == token.issuer;
            book.providers.iter().find(mine).cloned().ok_or_else(|| Refusal::no_provider(&token.issuer))?
        };
        let keys = self.keys_of(&provider).await.map_err(Refusal::no_key)?;
        keys::verify(&token, &keys)?;
        let now = now();
        let claims = token.judge(&provider, ask.role, now)?;
        let packed = ask.packed(&claims)?;
        // A role that is not there is told in the words of one that does not want the token.
        let role = self.book().roles.get(ask.role).cloned();
        let role = role.ok_or_else(|| Refusal::denied(trust::ASSUME, "there is no such role"))?;
        trust::admit(&role.trust, &provider, &self.partition, &ask, &claims)?;
        if ask.duration.is_some_and(|seconds| seconds > role.max_session) {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let lifetime = Duration::from_secs(ask.duration.unwrap_or(3600).into());
        let mut book = self.book();
        let lifetime = book.lifetime.map_or(lifetime, |most| most.min(lifetime)).as_secs();
        let held = Held::new(&self.partition, &role.id, &ask, &claims, now.saturating_add_unsigned(lifetime));
        let answer = answer::session(&held, &claims, &provider.arn(&self.partition), packed);
        let id = held.access_key_id.clone();
        book.held.insert(id.clone(), held);
        Ok((id, answer))
    }

    /// The keys of a provider: those that were kept, or fetched. What was not got is not kept.
    async fn keys_of(&self, provider: &Provider) -> Result<Value, String> {
        let patience = {
            let book = self.book();
            match book.keys.get(&provider.url) {
                Some((since, keys)) if since.elapsed() < book.keep_keys => return Ok(keys.clone()),
                _ => book.patience,
            }
        };
        let keys = keys::fetch(provider, patience).await?;
        self.book().keys.insert(provider.url.clone(), (Instant::now(), keys.clone()));
        Ok(keys)
    }
}

impl Provider {
    /// What it is called in ARNs and condition keys: the URL without `https://`.
    fn name(&self) -> &str {
        self.url.strip_prefix("https://").unwrap_or(&self.url)
    }

    fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:iam::{}:oidc-provider/{}", self.account, self.name())
    }
}

/// In seconds since 1970.
fn now() -> i64 {
    i64::try_from(crate::clock::machine().as_secs()).expect("a time of this world")
}
