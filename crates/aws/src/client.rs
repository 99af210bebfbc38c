//! How AWS is spoken to from Lambda: region and credentials are those that Lambda put into the environment, there is one
//! pool of connections, and the time limits fit a request that waits.

use std::time::Duration;

use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::config::timeout::TimeoutConfig;
use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
pub use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
pub use aws_types::SdkConfig;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::settings::Settings;

/// A connection that takes longer will not come.
const CONNECT: Duration = Duration::from_secs(1);
/// One attempt. A request waits for at most three seconds; the attempts after that are for the next one.
const ATTEMPT: Duration = Duration::from_millis(2500);
/// The first pause between attempts is up to this long: one throttled call must not cost a request.
const BACKOFF: Duration = Duration::from_millis(100);

/// The configuration of every AWS client of this process.
///
/// Read: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, which Lambda sets and which
/// stay the same for as long as the process lives; and, where somebody sets them, `AWS_ENDPOINT_URL`,
/// `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` and `AWS_CA_BUNDLE`.
pub fn config(settings: &mut Settings) -> Option<SdkConfig> {
    let region = settings.required("AWS_REGION", str::parse::<String>).map(Region::new);
    let access_key_id = settings.required("AWS_ACCESS_KEY_ID", str::parse::<String>);
    let secret_access_key = settings.required("AWS_SECRET_ACCESS_KEY", str::parse::<String>);
    let session_token = settings.optional("AWS_SESSION_TOKEN", str::parse::<String>);
    let endpoint = settings.optional("AWS_ENDPOINT_URL", |url| match url.parse::<http::Uri>() {
        Ok(uri) if uri.scheme().is_some() && uri.host().is_some() => Ok(url.to_owned()),
        _ => Err(format!("{url:?} is not a URL")),
    });
    let fips = settings.optional("AWS_USE_FIPS_ENDPOINT", str::parse::<bool>);
    let dual_stack = settings.optional("AWS_USE_DUALSTACK_ENDPOINT", str::parse::<bool>);
    let tls = trust(settings);

    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https();
    let credentials = Credentials::new(access_key_id?, secret_access_key?, session_token, None, "Lambda");
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region?)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_initial_backoff(BACKOFF));
    config.set_endpoint_url(endpoint);
    config.set_use_fips(fips);
    config.set_use_dual_stack(dual_stack);
    Some(config.build())
}

/// What fetches other URLs than those of AWS: without a proxy, a redirect or a retry.
pub fn connector(settings: &mut Settings) -> Connector {
    let tls = trust(settings);
    Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build()
}

fn trust(settings: &mut Settings) -> TlsContext {
    let trust = settings.optional("AWS_CA_BUNDLE", bundle).unwrap_or_default();
    TlsContext::builder().with_trust_store(trust).build().unwrap_or_default()
}

/// The certificates of a PEM file, and no others: those are all that is trusted. Without it the system's are.
fn bundle(path: &str) -> Result<TrustStore, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    // The SDK panics on a file that does not parse, and does so at the first request.
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("{path}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{path}: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{path}: no certificate in it"));
    }
    Ok(TrustStore::empty().with_pem_certificate(pem))
}
