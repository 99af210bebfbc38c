//! `GET /.well-known/*` on Lambda: the key set exactly as the parameter holds it, and the discovery documents.
//!
//! What may not be published is not served: the set is read as strictly as if it were ours to sign with.

use std::collections::BTreeSet;

use countersign_aws::client::{self, SdkConfig};
use countersign_aws::function::{Handler, Invocation};
use countersign_aws::gateway::Gateway;
use countersign_aws::log;
use countersign_aws::metrics::{Line, Metric};
use countersign_aws::parameter::{Parameter, ParameterName};
use countersign_aws::settings::{Faults, Settings};
use countersign_aws::snapshot::{Snapshot, SourceFault};
use countersign_core::bounds::Bounds;
use countersign_core::jwk::{Jwk, Jwks};
use countersign_core::response::{ErrorCode, Response};
use countersign_core::url::IssuerUrl;
use countersign_core::well_known::PublicDocument;
use serde::Serialize;

/// The function, ready for requests.
#[derive(Debug)]
pub struct PublicDocuments {
    function: String,
    gateway: Gateway,
    /// RFC 8414 section 3.1 puts its document elsewhere if the issuer has a path.
    has_rfc_8414: bool,
    published: Snapshot<Published>,
}

/// What follows from the key set.
#[derive(Debug)]
struct Published {
    jwks: PublicDocument,
    discovery: PublicDocument,
}

struct Configuration {
    url: IssuerUrl,
    token_endpoint: String,
    gateway: Gateway,
    parameter: ParameterName,
    bounds: Bounds,
    aws: SdkConfig,
}

impl Configuration {
    fn read(mut settings: Settings) -> Result<Self, Faults> {
        let url = settings.issuer_url();
        let token_endpoint = settings.optional("TOKEN_ENDPOINT_URL", IssuerUrl::new);
        let gateway = settings.gateway();
        let parameter = settings.required("JWKS_SSM_PARAM", ParameterName::new);
        let bounds = settings.bounds();
        let aws = client::config(&mut settings);
        let made = (|| {
            let url = url?;
            let token_endpoint = token_endpoint.map_or_else(|| format!("{url}/token"), |url| url.to_string());
            Some(Self { url, token_endpoint, gateway: gateway?, parameter: parameter?, bounds, aws: aws? })
        })();
        settings.finish(made)
    }
}

impl PublicDocuments {
    /// The function that this configuration describes, with the key set fetched if it can be had.
    pub async fn start(settings: Settings) -> Result<Self, Faults> {
        let function = settings.function_name();
        let Configuration { url, token_endpoint, gateway, parameter, bounds, aws } = Configuration::read(settings)?;
        let parameter = Parameter::new(&aws, parameter);
        let has_rfc_8414 = url.path().is_empty();
        let parse = move |text: &[u8]| {
            // Where, and not what: serde's words would quote a private key that lies in the wrong place.
            let set: Jwks = serde_json::from_slice(text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                SourceFault::new(format!("no key set that may be served, at line {line} column {column}"))
            })?;
            let lanes: BTreeSet<_> = set.keys().iter().map(Jwk::alg).collect();
            Ok(Published {
                jwks: PublicDocument::new(text.to_vec(), bounds.max_age),
                discovery: PublicDocument::discovery(&url, &token_endpoint, &lanes, bounds.max_age),
            })
        };
        let published = Snapshot::new("key set", bounds, move || Box::pin(parameter.clone().fetch()), parse);
        let this = Self { function, gateway, has_rfc_8414, published };
        this.published.get().await;
        Ok(this)
    }
}

/// What is written down of a request: the documents are public, so not who asked.
#[derive(Serialize)]
struct Record<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    path: &'a str,
    status: u16,
}

impl Handler for PublicDocuments {
    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    async fn answer(&self, invocation: &Invocation<'_>) -> Response {
        let request = &invocation.request;
        let path = &*request.path;
        let is_jwks = match path {
            "/.well-known/jwks.json" | "/.well-known/jwks" => true,
            "/.well-known/openid-configuration" => false,
            "/.well-known/oauth-authorization-server" if self.has_rfc_8414 => false,
            _ => return Response::error(ErrorCode::NotFound, "there is nothing at this path"),
        };
        if !request.is_ours {
            return Response::error(ErrorCode::NotFound, "there is nothing at this path");
        }
        if !matches!(&*request.method, "GET" | "HEAD") {
            return Response::method_not_allowed("GET, HEAD");
        }
        let published = self.published.get().await;
        let response = match &published {
            Some(held) => {
                let document = if is_jwks { &held.value.jwks } else { &held.value.discovery };
                document.respond(request.header_list("if-none-match").as_deref())
            }
            None => Response::error(ErrorCode::TemporarilyUnavailable, "the key set cannot be had at the moment"),
        };
        let mut metrics = vec![Metric::count(match response.status {
            200 => "Served",
            304 => "NotModified",
            _ => "Unavailable",
        })];
        metrics.extend(published.map(|held| Metric::age("JwksAge", held.age)));
        let (request_id, trace_id) = (&*invocation.request_id, invocation.trace_id.as_deref());
        let record = Record { request_id, trace_id, path, status: response.status };
        let line = Line::new(&self.function, &metrics, &record).to_text();
        if let Err(error) = line.map_err(Into::into).and_then(|line| log::line(&line)) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        response
    }
}
