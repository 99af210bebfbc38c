//! Whose AWS credentials sign a request, and for which region.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use countersign_core::url::is_loopback;

use crate::client::{bundle, patiently, region_of};

/// Where nobody says another one.
const FALLBACK: Region = Region::from_static("us-east-1");
/// The shortest session that STS gives.
const SESSION: Duration = Duration::from_mins(15);

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signer {
    /// Whoever the default chain finds: environment, profile, SSO, web identity, container, instance.
    Chain,
    /// A profile of the AWS configuration, whatever the environment holds.
    Profile(String),
    /// A role that one of these two assumes.
    Role {
        /// `arn:aws:iam::ACCOUNT:role/NAME`.
        arn: String,
        /// The name of the session.
        session_name: String,
        /// Who assumes it: this profile, or the default chain.
        profile: Option<String>,
    },
}

/// What a signature is made with.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The credentials.
    pub credentials: Credentials,
    /// The region.
    pub region: String,
}

impl Signing {
    /// Find the credentials of `signer`. `region` wins over the one that the URL or the AWS configuration names.
    pub async fn find(signer: &Signer, url: &str, region: Option<&str>) -> anyhow::Result<Self> {
        let config = patiently("looking for AWS credentials", Box::pin(configuration(signer, url, region))).await?;
        let region = config.region().cloned().unwrap_or(FALLBACK);
        let Some(provider) = config.credentials_provider() else {
            anyhow::bail!("no AWS credential provider is configured");
        };
        let credentials = match signer {
            Signer::Chain => patiently("looking for AWS credentials", provider.provide_credentials()).await.context(
                "no AWS credentials found by the default chain (environment, profile, SSO, web identity, container, instance)",
            )?,
            Signer::Profile(name) => patiently("looking for AWS credentials", provider.provide_credentials())
                .await
                .with_context(|| format!("no AWS credentials from the profile {name}"))?,
            Signer::Role { arn, session_name, .. } => {
                let role = AssumeRoleProvider::builder(arn).configure(&config).region(region.clone());
                let role = role.session_name(session_name).session_length(SESSION).build().await;
                patiently(&format!("assuming {arn}"), role.provide_credentials())
                    .await
                    .with_context(|| format!("cannot assume {arn}"))?
            }
        };
        // They go into headers, or another secret than the one that is meant makes the signature.
        let texts =
            [credentials.access_key_id(), credentials.secret_access_key(), credentials.session_token().unwrap_or("-")];
        if !texts.iter().all(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())) {
            anyhow::bail!(
                "the AWS credentials to sign with are none, as they come: one of them is empty, or has white space or a line's end in it"
            );
        }
        Ok(Self { credentials, region: region.to_string() })
    }
}

/// The region that the environment says. A variable that is empty says nothing; to the SDK, it says a region without a name.
pub fn region_of_environment() -> Option<Region> {
    let said = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
    said("AWS_REGION").or_else(|| said("AWS_DEFAULT_REGION")).map(Region::new)
}

/// The region of this profile, or of the one that is in use.
pub async fn region_of_profile(name: Option<&str>) -> Option<Region> {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = name {
        profile = profile.profile_name(name);
    }
    profile.build().region().await.filter(|region| !region.as_ref().is_empty())
}

/// The AWS configuration of whoever signs, or assumes the role that does.
async fn configuration(signer: &Signer, url: &str, region: Option<&str>) -> anyhow::Result<SdkConfig> {
    let profile = match signer {
        Signer::Profile(name) | Signer::Role { profile: Some(name), .. } => Some(name),
        _ => None,
    };
    let known = region.map(str::to_owned).or_else(|| region_of(url)).map(Region::new).or_else(region_of_environment);
    let known = match known {
        // Where the region is known, nobody asks the metadata service of a virtual machine for one.
        None if is_loopback(url) => Some(FALLBACK),
        None => region_of_profile(profile.map(String::as_str)).await,
        known => known,
    };
    let mut loader = loader()?;
    if let Some(region) = known.or_else(|| std::env::var_os("AWS_REGION").map(|_| FALLBACK)) {
        loader = loader.region(region);
    }
    let Some(name) = profile else { return Ok(loader.load().await) };
    let config = loader.profile_name(name).load().await;
    // The chain would take the environment's credentials first, and a profile that is named is meant.
    let mut base = ProviderConfig::without_region().with_region(config.region().cloned().or(Some(FALLBACK)));
    if let Some(http) = config.http_client() {
        base = base.with_http_client(http);
    }
    let provider = ProfileFileCredentialsProvider::builder().configure(&base).profile_name(name).build();
    Ok(config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
}

/// The AWS SDK's own settings, and the certificates of `AWS_CA_BUNDLE` beside the system's.
pub fn loader() -> anyhow::Result<ConfigLoader> {
    let loader = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries());
    let Some(tls) = tls()? else { return Ok(loader) };
    let connect = move |settings: &HttpConnectorSettings, components: &RuntimeComponents| {
        SharedHttpConnector::new(connector(&tls, ProxyConfig::from_env(), settings, components))
    };
    Ok(loader.http_client(http_client_fn(connect)))
}

/// How often is tried again. The SDK's own reading panics at what it does not know: `legacy`, which other SDKs take, or an empty
/// variable. So the AWS profile is not asked, and of the environment counts what is understood.
pub fn retries() -> RetryConfig {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let mut retries = RetryConfig::standard();
    if let Some(attempts) = variable("AWS_MAX_ATTEMPTS").parse().ok().filter(|attempts| *attempts > 0) {
        retries = retries.with_max_attempts(attempts);
    }
    if let Ok(mode) = variable("AWS_RETRY_MODE").parse() {
        retries = retries.with_retry_mode(mode);
    }
    retries
}

/// The certificates of `AWS_CA_BUNDLE` beside the system's; without one, the SDK's own client will do.
pub fn tls() -> anyhow::Result<Option<TlsContext>> {
    let Some((pem, _)) = bundle()? else { return Ok(None) };
    let trust = TrustStore::default().with_pem_certificate(pem);
    Ok(Some(TlsContext::builder().with_trust_store(trust).build().context("AWS_CA_BUNDLE")?))
}

/// As the SDK's own client is made. Whoever needs certificates of their own needs a proxy, as a rule.
pub fn connector(
    tls: &TlsContext,
    proxy: ProxyConfig,
    settings: &HttpConnectorSettings,
    components: &RuntimeComponents,
) -> Connector {
    let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls.clone());
    connector.set_connector_settings(Some(settings.clone()));
    connector.set_sleep_impl(components.sleep_impl());
    connector.set_proxy_config(Some(proxy));
    connector.build()
}
