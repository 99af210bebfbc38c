//! A token of an OAuth identity provider, by client credentials (RFC 6749 section 4.4).

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::url::is_loopback;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{ClientAuth, Endpoint, Failure, OAuth, ProviderUrl, encoded};
use crate::answer::{Said, cleaned};
use crate::client::{call, fetch, secret_header};
use crate::credentials::token::WebToken;
use crate::verify::json::object;
use crate::verify::{discovery_url, location};

impl OAuth {
    /// A token for whoever has this secret.
    pub async fn token(&self, secret: &str) -> Result<WebToken, Failure> {
        let (url, auth) = self.endpoint().await?;
        let (id, encoded) = (encoded(&self.client_id), Zeroizing::new(encoded(secret)));
        let basic = Zeroizing::new(STANDARD.encode(Zeroizing::new(format!("{id}:{}", *encoded)).as_bytes()));

        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, form), (ACCEPT, json)]);
        let mut body = self.form();
        match auth {
            ClientAuth::Basic => drop(headers.insert(AUTHORIZATION, secret_header(&format!("Basic {}", *basic))?)),
            ClientAuth::Post => body.extend(["&client_id=", &id, "&client_secret=", &encoded]),
        }
        let answer = call(Method::POST, &url, headers, body, &format!("asking {} for a token", shown(&url))).await?;
        let (url, said) = (shown(&url), answer.said_without(&[&basic, &encoded, secret]));

        if answer.status == 200 {
            let body = answer.json();
            let token = body.as_ref().and_then(|body| body.get("access_token")?.as_str());
            let token = token.with_context(|| format!("{url} answered 200 without an access_token: {said}"))?;
            return Ok(WebToken::read(token).with_context(|| {
                format!(
                    "{url} gave an access token that STS would not take. A provider gives a JWT for an API that it knows: \
                     set the API's audience (Auth0) or scope (Entra: `API/.default`)"
                )
            })?);
        }
        if !answer.is_refused() {
            return Err(anyhow!("no token from {url}: HTTP status {}: {said}", answer.status).into());
        }
        let mut text =
            format!("{url} refused the client {:?} with HTTP status {}: {said}", self.client_id, answer.status);
        for line in [advice(&said), self.other_way(&said, auth)].into_iter().flatten() {
            text.extend(["\n  ", line]);
        }
        Err(Failure::Refused(text))
    }

    fn form(&self) -> String {
        let fields = [("scope", &self.scope), ("audience", &self.audience)];
        let fields = fields.iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_ref()?))));
        format!("grant_type=client_credentials{}", fields.collect::<String>())
    }

    /// Where tokens are asked for, and how.
    async fn endpoint(&self) -> anyhow::Result<(Url, ClientAuth)> {
        let (url, demanded) = match &self.endpoint {
            Endpoint::Token(url) => {
                // Not repeated: it may be one with a password.
                (location(url).map_err(|fault| anyhow!("the token URL {fault}"))?, ClientAuth::Basic)
            }
            Endpoint::Issuer(issuer) => {
                let document = fetch(&discovery_url(issuer.as_str())).await;
                let document = document.context("no discovery document; the token URL can be set instead")?;
                discovered(&document, issuer)
                    .with_context(|| format!("the discovery document of {}", issuer.as_str()))?
            }
        };
        Ok((url, self.auth.unwrap_or(demanded)))
    }

    /// A provider that looks for the client in the form only sees none.
    fn other_way(&self, said: &Said, auth: ClientAuth) -> Option<&'static str> {
        let unseen = matches!(said.error.as_deref(), Some("invalid_client" | "invalid_request"));
        (unseen && self.auth.is_none() && auth == ClientAuth::Basic).then_some(
            "id and secret were sent by HTTP Basic; for a provider that wants them in the form, set `oauth_client_auth = \"post\"`",
        )
    }
}

/// The URL without its query, in which some have a key.
fn shown(url: &Url) -> Url {
    let mut shown = url.clone();
    shown.set_query(None);
    shown
}

/// The token endpoint of a discovery document that is this issuer's (OpenID Connect Discovery 1.0 section 4.3), and how its
/// clients authenticate.
fn discovered(document: &[u8], issuer: &ProviderUrl) -> anyhow::Result<(Url, ClientAuth)> {
    let members = object(document).map_err(anyhow::Error::msg)?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).with_context(|| format!("it has no {name}"));
    let found = text("issuer")?;
    if found != issuer.as_str() {
        bail!("it is of issuer {:?}: set the issuer as it is written there", cleaned(found));
    }
    let found = text("token_endpoint")?;
    let url = location(found).map_err(|fault| anyhow!("its token_endpoint {:?} {fault}", cleaned(found)))?;
    // Whoever listens on this machine is not whom an issuer elsewhere can mean.
    if url.scheme() == "http" && !is_loopback(issuer.as_str()) {
        bail!("its token_endpoint {:?} is not https", cleaned(found));
    }
    let methods = members.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let lists = |name: &str| methods.is_some_and(|methods| methods.iter().any(|method| method == name));
    let post = lists("client_secret_post") && !lists("client_secret_basic");
    Ok((url, if post { ClientAuth::Post } else { ClientAuth::Basic }))
}

/// What the errors of RFC 6749 section 5.2, and those that providers have beside them, are about.
fn advice(said: &Said) -> Option<&'static str> {
    Some(match said.error.as_deref()? {
        "invalid_client" => {
            "the provider does not know this client id with this secret: is the secret still the current one?"
        }
        "invalid_scope" => "the client may not have this scope, or there is none (Entra wants `API/.default`)",
        "invalid_target" | "invalid_resource" => "the provider knows no API of this audience or scope",
        "unauthorized_client" => {
            "the client may not use client credentials: allow it the grant (Keycloak: service accounts; Auth0: a machine-to-machine application)"
        }
        "access_denied" => {
            "the client may not use this API: authorize it there (Auth0: the API's machine-to-machine applications)"
        }
        "unsupported_grant_type" => {
            "this URL gives no tokens for client credentials: is it the provider's token endpoint?"
        }
        "invalid_request" => "the provider misses something: an audience, a scope, or the client itself",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(issuer: &str, document: &Value) -> Result<(String, ClientAuth), String> {
        let read = discovered(document.to_string().as_bytes(), &issuer.parse().unwrap());
        read.map(|(url, auth)| (url.to_string(), auth)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_secret_goes_where_its_issuer_says_over_https_or_on_one_machine() {
        let at = |issuer: &str, token: &str| read(issuer, &json!({"issuer": issuer, "token_endpoint": token}));
        for (issuer, token) in [
            ("https://idp.test/realms/x", "https://login.test/token?v=2"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/token"),
            ("http://localhost:1", "https://idp.test/token"),
        ] {
            assert_eq!(at(issuer, token), Ok((token.to_owned(), ClientAuth::Basic)), "{issuer} {token}");
        }
        for (issuer, token, why) in [
            ("https://idp.test", "http://idp.test/token", "is neither https nor http with a loopback host"),
            ("https://idp.test", "http://127.0.0.1:1/token", "is not https"),
            ("http://127.0.0.1:1", "http://idp.test/token", "is neither https nor http with a loopback host"),
            ("https://idp.test", "https://a:b@idp.test/token", "has a user name or password"),
            ("https://idp.test", "/token", "is not a URL"),
        ] {
            assert!(at(issuer, token).unwrap_err().contains(why), "{issuer} {token}");
        }
    }

    #[test]
    fn an_issuer_is_itself_byte_for_byte() {
        let of =
            |found: Value| read("https://idp.test", &json!({"issuer": found, "token_endpoint": "https://idp.test/t"}));
        assert!(of(json!("https://idp.test")).is_ok());
        // Auth0's ends in a slash, and is asked at the same place.
        let slash = json!({"issuer": "https://idp.test/", "token_endpoint": "https://idp.test/t"});
        assert!(read("https://idp.test/", &slash).is_ok());
        let url = |text: &str| text.parse::<ProviderUrl>().map(|url| discovery_url(url.as_str()));
        assert_eq!(url("https://idp.test/"), url("https://idp.test"));
        assert!(url("https://idp.test//").is_err() && url("http://idp.test/").is_err());
        for other in ["https://idp.test/", "https://IDP.test", "https://idp.test.evil", ""] {
            let error = of(json!(other)).unwrap_err();
            assert!(error.starts_with(&format!("it is of issuer {other:?}: set the issuer")), "{error}");
        }
        assert_eq!(of(json!(1)).unwrap_err(), "it has no issuer");
        assert_eq!(
            read("https://idp.test", &json!({"issuer": "https://idp.test"})).unwrap_err(),
            "it has no token_endpoint"
        );
        assert_eq!(read("https://idp.test", &json!([])).unwrap_err(), "it is JSON, but not an object");
    }

    #[test]
    fn a_client_authenticates_by_http_basic_unless_that_is_not_listed() {
        let by = |methods: Value| {
            let mut document = json!({"issuer": "https://idp.test", "token_endpoint": "https://idp.test/t"});
            document["token_endpoint_auth_methods_supported"] = methods;
            read("https://idp.test", &document).unwrap().1
        };
        assert_eq!(by(json!(["client_secret_post", "private_key_jwt"])), ClientAuth::Post);
        for basic in
            [json!(["client_secret_post", "client_secret_basic"]), json!(["private_key_jwt"]), json!([]), Value::Null]
        {
            assert_eq!(by(basic), ClientAuth::Basic);
        }
    }
}
