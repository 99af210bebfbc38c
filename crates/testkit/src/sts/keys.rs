//! The keys of a provider, as they are fetched, and the signature of a token.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use jsonwebtoken::{DecodingKey, crypto};
use serde_json::Value;

use super::Provider;
use super::answer::Refusal;
use super::token::Token;
use crate::loopback::send;

/// What a discovery document has to have: two URLs, and lists.
const MEMBERS: [&str; 6] = [
    "issuer",
    "jwks_uri",
    "claims_supported",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
];

/// The key set of a provider, or why it cannot be had, which STS does not tell.
pub(super) async fn fetch(provider: &Provider, patience: Duration) -> Result<Value, String> {
    let discovery = format!("{}/.well-known/openid-configuration", provider.url.trim_end_matches('/'));
    let discovery = document(provider, &discovery, patience).await?;
    let texts =
        |value: &Value| value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_string));
    let is_there = |member: &str| match member {
        "issuer" | "jwks_uri" => discovery[member].is_string(),
        _ => texts(&discovery[member]),
    };
    if let Some(missing) = MEMBERS.iter().find(|member| !is_there(member)) {
        return Err(format!("the discovery document has no {missing}"));
    }
    if discovery["issuer"] != provider.url.as_str() {
        return Err(format!("the discovery document is of {}", discovery["issuer"]));
    }
    let keys = document(provider, discovery["jwks_uri"].as_str().unwrap_or_default(), patience).await?;
    let listed = keys["keys"].as_array().ok_or("the key set has no keys")?;
    for kind in ["RSA", "EC"] {
        if listed.iter().filter(|key| key["kty"] == kind).count() > 100 {
            return Err(format!("more than 100 {kind} keys"));
        }
    }
    match listed.iter().find(|key| key.get("key_ops").is_some() || !key["kid"].is_string()) {
        Some(bad) => Err(format!("a key without kid or with key_ops: {bad}")),
        None => Ok(keys),
    }
}

/// Fetches what the provider's URL leads to from where the provider really is.
async fn document(provider: &Provider, url: &str, patience: Duration) -> Result<Value, String> {
    let path = url.strip_prefix(provider.url.trim_end_matches('/')).filter(|path| path.starts_with('/'));
    let path = path.ok_or_else(|| format!("{url} is not below {}, and cannot be reached", provider.url))?;
    let from: Uri = format!("{}{path}", provider.fetch_from).parse().map_err(|_| format!("{url} is no URL"))?;
    let at = from.authority().map(ToString::to_string).unwrap_or_default();
    let address: SocketAddr = at.parse().unwrap_or_else(|_| panic!("{} is no address", provider.fetch_from));
    let target = from.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::get(target).header(HOST, at).body(Full::default()).expect("a request");
    let answer = tokio::time::timeout(patience, send(address, request)).await;
    let answer = answer.map_err(|_| format!("{url} took too long"))?.map_err(|_| format!("{url} does not answer"))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("{url} answers with {}", answer.status()));
    }
    let body = answer.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    serde_json::from_slice(&body).map_err(|error| format!("{url} is no JSON: {error}"))
}

/// Whether the token is signed by the key that it names.
pub(super) fn verify(token: &Token<'_>, keys: &Value) -> Result<(), Refusal> {
    let kid = token.kid.as_deref().ok_or_else(|| Refusal::no_key("the token names no key"))?;
    let named: Vec<&Value> = keys["keys"].as_array().into_iter().flatten().filter(|key| key["kid"] == kid).collect();
    let [key] = named[..] else {
        return Err(Refusal::no_key(format!("{} keys have the token's kid", named.len())));
    };
    let suits = match token.algorithm.as_str() {
        "ES256" => key["crv"] == "P-256",
        "ES384" => key["crv"] == "P-384",
        "ES512" => key["crv"] == "P-521",
        _ => key["kty"] == "RSA",
    };
    // Never the other way round: a token that chooses how it is checked can choose a check that it passes.
    let means = |member: &str, value: &str| key.get(member).is_none_or(|said| said == value);
    if !suits || !means("alg", &token.algorithm) || !means("use", "sig") {
        return Err(Refusal::no_key("the token's key is not for its algorithm"));
    }
    if is_signed(token, key).unwrap_or(false) { Ok(()) } else { Err(Refusal::not_validated("its signature is wrong")) }
}

fn is_signed(token: &Token<'_>, key: &Value) -> Option<bool> {
    let part = |name: &str| key[name].as_str();
    if token.algorithm == "ES512" {
        // `jsonwebtoken` does not know it.
        let mut point = vec![4];
        point.extend(URL_SAFE_NO_PAD.decode(part("x")?).ok()?);
        point.extend(URL_SAFE_NO_PAD.decode(part("y")?).ok()?);
        let signature = URL_SAFE_NO_PAD.decode(token.signature).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
        return Some(key.verify(token.message.as_bytes(), &signature).is_ok());
    }
    let key = if token.algorithm.starts_with("RS") {
        DecodingKey::from_rsa_components(part("n")?, part("e")?)
    } else {
        DecodingKey::from_ec_components(part("x")?, part("y")?)
    };
    crypto::verify(token.signature, token.message.as_bytes(), &key.ok()?, token.algorithm.parse().ok()?).ok()
}
