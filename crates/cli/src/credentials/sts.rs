//! `AssumeRoleWithWebIdentity`: a token for a session of a role.
//!
//! **Owns** how STS is asked: unsigned, in a region of the role's partition, at the endpoint that the AWS configuration names,
//! within half a minute. **Refuses** to send the token in plain text to anything but this machine, or where STS would refuse it
//! for certain, and to read an answer that does not end. The next may rely on: credentials are complete, last longer than now,
//! and are of the role that was asked for.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{anyhow, bail};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sts::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_sts::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::operation::assume_role_with_web_identity::{
    AssumeRoleWithWebIdentityError, AssumeRoleWithWebIdentityOutput,
};
use aws_sdk_sts::types::PolicyDescriptorType;
use aws_sdk_sts::{Client, Config};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use countersign_core::url::is_loopback;
use http::Uri;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Failure;
use super::explain::{Asked, Said};
use super::role::Session;
use super::token::WebToken;
use crate::answer::{cleaned, hidden};
use crate::client::{LARGEST, patiently};
use crate::signing::{connector, region_of_environment, region_of_profile, retries, tls};
use crate::verify::text::utc;

/// For a connection, for one attempt, and for all of them.
const PATIENCE: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(25)];

/// Said of an endpoint.
const NO_URL: &str =
    "the endpoint is no URL: look at AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and the endpoint_url of the AWS profile";

/// Said in place of sending.
const NOT_SENT: &str = "nothing is sent";

/// Credentials that STS gave. What is secret in them is wiped when they are dropped.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assumed {
    /// `ASIA...`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Zeroizing<String>,
    /// The session token.
    pub session_token: Zeroizing<String>,
    /// When they end.
    pub expiration: Timestamp,
    /// `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
}

/// Trade the token for a session of the role.
///
/// Region and endpoint are those of the process's environment and AWS profile, unless the session names a region. Nobody asks
/// the metadata service of a virtual machine, or looks for credentials: the call is not signed.
pub async fn assume(session: &Session, token: &WebToken) -> Result<Assumed, Failure> {
    let faults: Vec<String> = session.faults().iter().map(ToString::to_string).collect();
    if !faults.is_empty() {
        return Err(anyhow!(faults.join("; ")).into());
    }
    let faults = token.faults(session, Timestamp::now());
    if !faults.is_empty() {
        let first = format!("STS would not take the token for {}, so it is not sent", session.role);
        return Err(Failure::Refused(lines(first, faults)));
    }
    let origin = Origin::default();
    let client = Client::from_conf(Box::pin(configuration(session, &origin, true)).await?);
    ask(&client, session, token, &origin).await
}

/// Whom [`assume`] sends the token to, `https://sts.eu-central-1.amazonaws.com`, or why to nobody. Nothing is sent.
pub async fn endpoint(session: &Session) -> anyhow::Result<String> {
    let origin = Origin::default();
    let client = Client::from_conf(Box::pin(configuration(session, &origin, false)).await?);
    let asked = client.assume_role_with_web_identity().role_arn(session.role.as_str());
    let asked = asked.role_session_name("nobody").web_identity_token("none").send();
    let why = Box::pin(asked).await.err().map(|error| no_answer(&error)).unwrap_or_default();
    if why.ends_with(NOT_SENT) { Ok(origin.as_str().to_owned()) } else { Err(anyhow!(why)) }
}

/// A first line, and further ones below it.
pub(super) fn lines(first: String, further: impl IntoIterator<Item = String>) -> String {
    further.into_iter().fold(first, |all, line| all + "\n  " + &line)
}

/// Whom the token was sent to, or would have been: `https://sts.eu-central-1.amazonaws.com`.
#[derive(Debug, Clone, Default)]
struct Origin(Arc<OnceLock<String>>);

impl Origin {
    fn as_str(&self) -> &str {
        self.0.get().map_or("STS", String::as_str)
    }
}

async fn configuration(session: &Session, origin: &Origin, sends: bool) -> anyhow::Result<Config> {
    let (tls, origin) = (tls()?.unwrap_or_default(), origin.clone());
    let connect = move |settings: &HttpConnectorSettings, components: &RuntimeComponents| {
        let (settings, components) = (settings.clone(), components.clone());
        SharedHttpConnector::new(Careful { tls: tls.clone(), settings, components, origin: origin.clone(), sends })
    };
    let [connect_timeout, attempt, operation] = PATIENCE;
    let patience = TimeoutConfig::builder()
        .connect_timeout(connect_timeout)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation);
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client_fn(connect)).no_credentials();
    let loader = loader.retry_config(retries()).timeout_config(patience.build()).region(region(session).await?);
    let config = loader.load().await;
    let endpoint = Endpoint { of_all: config.endpoint_url().map(str::to_owned), sdk: DefaultResolver::new() };
    Ok(aws_sdk_sts::config::Builder::from(&config).endpoint_resolver(endpoint).build())
}

/// The SDK's own choice of an endpoint, which panics at an empty one, and repeats the whole request, the token in it, at one
/// that is no URL. An empty one says nothing, as an empty variable does everywhere here.
#[derive(Debug)]
struct Endpoint {
    /// That of all services.
    of_all: Option<String>,
    sdk: DefaultResolver,
}

impl ResolveEndpoint for Endpoint {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        let Some(url) = params.endpoint() else { return self.sdk.resolve_endpoint(params) };
        let url = [Some(url), self.of_all.as_deref()].into_iter().flatten().find(|url| !url.is_empty());
        // Ports above 65535 are none to one of them, and any to the other.
        let is_url = |url: &str| url.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()) && Url::parse(url).is_ok();
        if !url.is_none_or(is_url) {
            // Not repeated: it may be one with a password.
            return EndpointFuture::ready(Err(NO_URL.into()));
        }
        let params = Params::builder()
            .set_region(params.region().map(str::to_owned))
            .set_use_dual_stack(params.use_dual_stack())
            .set_use_fips(params.use_fips())
            .set_use_global_endpoint(params.use_global_endpoint())
            .set_endpoint(url.map(str::to_owned));
        EndpointFuture::new(async move { self.sdk.resolve_endpoint(&params.build()?).await })
    }
}

/// The region that is asked: the session's, else that of environment or profile, else one of the role's partition.
async fn region(session: &Session) -> anyhow::Result<Region> {
    if let Some(region) = &session.region {
        return Ok(Region::new(region.clone()));
    }
    let Some(region) = configured_region().await else {
        return Ok(Region::from_static(session.role.default_region()));
    };
    let whose = "the region of the AWS configuration (AWS_REGION, AWS_DEFAULT_REGION or the AWS profile)";
    session.role.fault_of_region(region.as_ref(), whose).map_or(Ok(region), |fault| Err(fault.into()))
}

/// The region of the AWS configuration: of the environment, else of the profile.
pub async fn configured_region() -> Option<Region> {
    match region_of_environment() {
        None => region_of_profile(None).await,
        known => known,
    }
}

/// Looks at where the token goes right before it goes there, whoever named that place: to this machine directly, elsewhere by
/// the proxy of the environment, and without TLS nowhere else.
#[derive(Debug)]
struct Careful {
    tls: TlsContext,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
    origin: Origin,
    sends: bool,
}

impl HttpConnector for Careful {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let refuse = |why: String| HttpConnectorFuture::ready(Err(ConnectorError::user(why.into())));
        let Ok(uri) = request.uri().parse::<Uri>() else { return refuse("its URL is none".to_owned()) };
        let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        let origin = self.origin.0.get_or_init(|| format!("{scheme}://{host}{port}"));
        let here = is_loopback(&format!("http://{host}"));
        if scheme != "https" && !(scheme == "http" && here) {
            return refuse(format!(
                "the token is not sent to {origin}, because without TLS it goes to this machine only: write https in \
                 AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the endpoint_url of the AWS profile"
            ));
        }
        if !self.sends {
            return refuse(NOT_SENT.to_owned());
        }
        let proxy = if here { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
        let answer = connector(&self.tls, proxy, &self.settings, &self.components).call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = Limited::new(answer.take_body(), LARGEST).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return ConnectorError::user(format!("the answer is larger than {LARGEST} bytes").into());
                }
                ConnectorError::io(error)
            })?;
            *answer.body_mut() = body.to_bytes().into();
            Ok(answer)
        })
    }
}

async fn ask(client: &Client, session: &Session, token: &WebToken, origin: &Origin) -> Result<Assumed, Failure> {
    let (role, name) = (&session.role, session.name_for(token));
    let policies = session.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn.as_str()).build());
    let asked = client
        .assume_role_with_web_identity()
        .role_arn(role.as_str())
        .role_session_name(name.as_str())
        .web_identity_token(token.text())
        .set_duration_seconds(session.duration.and_then(|duration| duration.seconds().try_into().ok()))
        .set_policy(session.policy.as_ref().map(|policy| policy.as_str().to_owned()))
        .set_policy_arns(Some(policies.collect::<Vec<_>>()).filter(|policies| !policies.is_empty()))
        .send();
    let answer = patiently(&format!("asking STS for a session of {role}"), Box::pin(asked)).await;
    let now = Timestamp::now();
    let why = match answer {
        Ok(answer) => match checked(answer, &format!("{}/{name}", role.assumed()), now) {
            Ok(assumed) => return Ok(assumed),
            Err(why) => why.to_string(),
        },
        Err(error) => match said(&error, token) {
            Ok(said) => return Err(Asked { session, token, name: &name, origin: origin.as_str(), now }.explain(&said)),
            Err(why) => why,
        },
    };
    Err(anyhow!("no session of {role} from {}: {why}", origin.as_str()).into())
}

/// The credentials, if they are what was asked for.
fn checked(answer: AssumeRoleWithWebIdentityOutput, arn: &str, now: Timestamp) -> anyhow::Result<Assumed> {
    let Some(given) = answer.credentials else { bail!("its answer holds no credentials") };
    let whose = answer.assumed_role_user.map(|user| user.arn).unwrap_or_default();
    if whose != arn {
        bail!("it gave credentials of {:?} instead of {arn}", cleaned(&whose));
    }
    // They go into environments, files and headers.
    let texts = [&given.access_key_id, &given.secret_access_key, &given.session_token];
    if texts.iter().any(|text| text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic())) {
        bail!("its credentials are incomplete");
    }
    let expiration = Timestamp::from_second(given.expiration.secs()).unwrap_or(Timestamp::MIN);
    if expiration <= now {
        bail!(
            "its credentials ended at {}, and this machine's clock says {}",
            utc(expiration.as_second()),
            utc(now.as_second())
        );
    }
    Ok(Assumed {
        access_key_id: given.access_key_id,
        secret_access_key: given.secret_access_key.into(),
        session_token: given.session_token.into(),
        expiration,
        arn: whose,
    })
}

/// The error that STS answered with; else, why there is no answer.
fn said(error: &SdkError<AssumeRoleWithWebIdentityError>, token: &WebToken) -> Result<Said, String> {
    match error {
        SdkError::ServiceError(answer) => {
            let (error, status) = (answer.err(), answer.raw().status().as_u16());
            let Some(code) = error.code().map(cleaned) else {
                return Err(format!("HTTP status {status}, and an answer that is not one of STS"));
            };
            let message = error.message().map(|message| cleaned(&hidden(message, &[token.text()])));
            let message = message.unwrap_or_else(|| "no explanation".to_owned());
            Ok(Said { code, message, status, id: error.request_id().map(cleaned) })
        }
        other => Err(no_answer(other)),
    }
}

fn no_answer(error: &SdkError<AssumeRoleWithWebIdentityError>) -> String {
    match error {
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            failure.as_connector_error().map_or_else(|| reasons(error), |connector| reasons(connector))
        }
        other => reasons(other),
    }
}

/// An error and what is behind it, without what is said twice.
fn reasons(error: &dyn Error) -> String {
    let mut told = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        told.push(error.to_string());
        next = error.source();
    }
    told.dedup();
    cleaned(&told.join(": "))
}

#[cfg(test)]
mod tests {
    use testkit::page::{Canned, Front};

    use super::super::token::tests::token;
    use super::*;

    #[tokio::test]
    async fn silence_ends() {
        let front = Front::start();
        front.answer("POST /", Canned { status: 200, after: Duration::from_mins(1), ..Canned::default() });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(front.origin())
            .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_millis(100)).build());
        let role = "arn:aws:iam::111122223333:role/deploy".parse().unwrap();
        let session = Session { role, name: None, duration: None, policy: None, policy_arns: Vec::new(), region: None };
        let (client, token) = (Client::from_conf(config.build()), token(&serde_json::json!({"sub": "svc:1"})));
        let asked = Box::pin(ask(&client, &session, &token, &Origin::default())).await;
        let Err(Failure::Unknown(why)) = asked else { panic!("nobody answers") };
        assert_eq!(why.to_string(), "no session of arn:aws:iam::111122223333:role/deploy from STS: no answer in time");
    }
}
