//! `POST /token` on Lambda: the core's decision, with a key ring from Secrets Manager and a policy from there, from SSM or
//! from a file.

mod policy;
mod signer;

use std::io;
use std::sync::atomic::AtomicU64;

use aws_sdk_secretsmanager::Client as SecretsManager;
use countersign_aws::client::{self, SdkConfig};
use countersign_aws::function::{Handler, Invocation};
use countersign_aws::gateway::{Gateway, Kind};
use countersign_aws::metrics::{Line, Metric};
use countersign_aws::settings::{Faults, Settings};
use countersign_aws::snapshot::{Held, Snapshot, SourceFault};
use countersign_aws::{log, told};
use countersign_core::audit::{Audit, Outcome};
use countersign_core::bounds::Bounds;
use countersign_core::caller::is_org_id;
use countersign_core::issue::{Ask, Issuer};
use countersign_core::jwk::KeyId;
use countersign_core::policy::Policy;
use countersign_core::response::{ErrorCode, Response};
use countersign_keys::Keyring;
use countersign_keys::secret::{Secret, SecretArn};
use futures_util::FutureExt as _;

use policy::PolicySource;
use signer::Signers;

/// The function, ready for requests.
#[derive(Debug)]
pub struct JwtIssuer {
    function: String,
    gateway: Gateway,
    issuer: Issuer,
    ring: Snapshot<Keyring>,
    policy: Snapshot<Policy>,
    signers: Signers,
}

struct Configuration {
    gateway: Gateway,
    issuer: Issuer,
    secret: SecretArn,
    policy: PolicySource,
    bounds: Bounds,
    aws: SdkConfig,
}

impl Configuration {
    fn read(mut settings: Settings) -> Result<Self, Faults> {
        let url = settings.issuer_url();
        let gateway = settings.gateway();
        let secret = settings.required("SIGNING_KEY_SECRET_ARN", SecretArn::new);
        let policy = settings.required("POLICY_SOURCE", PolicySource::parse);
        let organisations = settings.optional("ALLOWED_ORG_IDS", organisations);
        if organisations.is_some() && gateway.as_ref().is_some_and(|gateway| gateway.kind() == Kind::Http) {
            settings.fault(
                "ALLOWED_ORG_IDS",
                "needs GATEWAY=rest: an HTTP API does not tell reliably of which organisation a caller is",
            );
        }
        let bounds = settings.bounds();
        let aws = client::config(&mut settings);
        let made = (|| {
            let issuer = Issuer::new(url?, organisations);
            Some(Self { gateway: gateway?, issuer, secret: secret?, policy: policy?, bounds, aws: aws? })
        })();
        settings.finish(made)
    }
}

fn organisations(text: &str) -> Result<Vec<String>, String> {
    let one = |id: &str| {
        let id = id.trim();
        if is_org_id(id) { Ok(id.to_owned()) } else { Err(format!("{id:?} is not an organisation's id (o-...)")) }
    };
    text.split(',').map(one).collect()
}

impl JwtIssuer {
    /// The function that this configuration describes, with ring and policy fetched if they can be had.
    pub async fn start(settings: Settings) -> Result<Self, Faults> {
        let function = settings.function_name();
        let Configuration { gateway, issuer, secret, policy, bounds, aws } = Configuration::read(settings)?;
        let secret = Secret::new(SecretsManager::new(&aws), secret);
        let fetch = move || {
            let fetched = secret.clone().fetch();
            fetched.map(|fetched| fetched.map_err(|error| SourceFault::of("key ring", &error))).boxed()
        };
        let parse =
            |text: &[u8]| Keyring::from_json(text, told::now()).map_err(|error| SourceFault::of("key ring", &error));
        let ring = Snapshot::new("key ring", bounds, fetch, parse);
        let policy = policy.snapshot(&aws, bounds);
        let this = Self { function, gateway, issuer, ring, policy, signers: Signers::new(&aws) };
        this.sources().await;
        Ok(this)
    }

    async fn sources(&self) -> (Option<Held<Keyring>>, Option<Held<Policy>>) {
        futures_util::join!(self.ring.get(), self.policy.get())
    }

    /// Write the record and the metrics down. No token is handed out whose line could not be written.
    fn record(&self, audit: &Audit, metrics: &[Metric]) -> Result<(), Response> {
        let written =
            Line::new(&self.function, metrics, audit).to_text().map_err(Into::into).and_then(|l| log::line(&l));
        written.or_else(|error: io::Error| {
            tracing::error!(%error, "the audit line cannot be written");
            let description = "no token can be signed at the moment";
            let refused = Response::error(ErrorCode::TemporarilyUnavailable, description);
            if audit.outcome == Outcome::Issued { Err(refused) } else { Ok(()) }
        })
    }
}

impl Handler for JwtIssuer {
    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    async fn answer(&self, invocation: &Invocation<'_>) -> Response {
        let request = &invocation.request;
        // A route that is not ours is the gateway's mistake. A caller that is not believed is refused wherever it asks.
        if request.is_ours {
            match (&*request.method, &*request.path) {
                ("POST", "/token") => {}
                (_, "/token") => return Response::method_not_allowed("POST"),
                _ => return Response::error(ErrorCode::NotFound, "there is nothing at this path"),
            }
        }
        let (ring, policy) = self.sources().await;
        let content_type = request.header("content-type");
        let ask = Ask {
            request_id: &invocation.request_id,
            identity: &request.identity,
            trace_id: invocation.trace_id.as_deref(),
            source_ip: request.source_ip.as_deref(),
            has_query: request.has_query,
            content_type: content_type.as_deref(),
            body: &request.body,
        };
        let signing_time = AtomicU64::new(0);
        let signer = |kid: &KeyId| self.signers.of(&ring.as_ref()?.value, kid, &signing_time);
        let (now, token_id) = (told::now(), told::unique());
        let (held, keys) = (policy.as_ref().map(|held| &*held.value), ring.as_ref().map(|held| held.value.public()));
        let (response, audit) = self.issuer.issue(&ask, held, keys, signer, now, &token_id).await;

        let mut metrics = vec![match audit.outcome {
            Outcome::Issued => Metric::count("Issued"),
            Outcome::Refused => Metric::count("Refused").by("reason_code"),
            Outcome::Failed => Metric::count("Failed").by("reason_code"),
        }];
        if audit.outcome == Outcome::Issued {
            metrics.push(Metric::micros("SigningTime", signing_time.into_inner()));
        }
        metrics.extend(ring.map(|held| Metric::age("RingAge", held.age)));
        metrics.extend(policy.map(|held| Metric::age("PolicyAge", held.age)));
        self.record(&audit, &metrics).err().unwrap_or(response)
    }
}
