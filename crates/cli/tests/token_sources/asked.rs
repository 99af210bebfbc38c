//! A source, asked in a process of its own, and what it came to.

use std::ffi::OsString;
use std::path::Path;

use countersign::credentials::Failure;
use countersign::credentials::source::{ClientAuth, Endpoint, Issuer, OAuth, Secret, Source};
use countersign::credentials::token::WebToken;
use countersign_core::url::IssuerUrl;
use serde_json::{Value, json};
use testkit::tools::isolated;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// `token`, `refused` or `unknown`.
    end: String,
    /// The token, or why there is none.
    pub(crate) text: String,
    pub(crate) stderr: String,
}

/// Asks `source`, a [`Source`] as it is written into the key of the cache, with these variables beside the usual ones.
pub(crate) fn ask<N: Into<OsString>, V: Into<OsString>>(source: &Value, environment: Vec<(N, V)>) -> Asked {
    let home = tempfile::tempdir().unwrap();
    let result = home.path().join("result");
    let output = isolated(std::env::current_exe().unwrap(), home.path())
        .args(["--exact", "asked::child", "--ignored", "--nocapture"])
        .env("SOURCE", source.to_string())
        .env("RESULT", &result)
        .envs(environment.into_iter().map(|(name, value)| (name.into(), value.into())))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}{stderr}", String::from_utf8_lossy(&output.stdout));
    let (end, text) = serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap();
    Asked { end, text, stderr }
}

/// The same with nothing in the environment.
pub(crate) fn ask_alone(source: &Value) -> Asked {
    ask(source, Vec::<(String, String)>::new())
}

impl Asked {
    /// It gave a token.
    #[track_caller]
    pub(crate) fn token(&self) -> WebToken {
        assert_eq!(self.end, "token", "{self:?}");
        WebToken::read(&self.text).unwrap()
    }

    /// Somebody said no, in words that hold all of these.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) {
        self.ended("refused", words);
    }

    /// Nobody could tell, in words that hold all of these.
    #[track_caller]
    pub(crate) fn unknown(&self, words: &[&str]) {
        self.ended("unknown", words);
    }

    #[track_caller]
    fn ended(&self, end: &str, words: &[&str]) {
        assert_eq!(self.end, end, "{self:?}");
        for words in words {
            assert!(self.text.contains(words), "{words:?} is not in {self:?}");
        }
    }

    /// None of these is in anything that it wrote.
    #[track_caller]
    pub(crate) fn hides(&self, secrets: &[&str]) {
        for secret in secrets {
            assert!(!self.text.contains(secret) && !self.stderr.contains(secret), "{self:?}");
        }
    }
}

/// A public document.
pub(crate) fn fetched(url: &str) -> Vec<u8> {
    tokio::runtime::Runtime::new().unwrap().block_on(countersign::client::fetch(url)).unwrap()
}

/// A path as JSON takes it.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
#[ignore = "the other tests run it, in processes of their own"]
async fn child() {
    let source: Value = serde_json::from_str(&std::env::var("SOURCE").expect("`ask` sets it")).unwrap();
    let made = made(&source);
    assert_eq!(serde_json::to_value(&made).unwrap(), source);
    let (end, text) = match made.token().await {
        Ok(token) => ("token", token.text().to_owned()),
        Err(Failure::Refused(why)) => ("refused", why),
        Err(Failure::Unknown(error)) => ("unknown", format!("{error:#}")),
    };
    std::fs::write(std::env::var("RESULT").unwrap(), json!([end, text]).to_string()).unwrap();
}

fn made(source: &Value) -> Source {
    let (kind, is) = source.as_object().unwrap().iter().next().unwrap();
    let maybe = |name: &str| is[name].as_str().map(str::to_owned);
    let text = |name: &str| maybe(name).unwrap();
    let url = |value: &Value| IssuerUrl::local(value.as_str().unwrap()).unwrap();
    match kind.as_str() {
        "file" => Source::File(is.as_str().unwrap().into()),
        "git_hub" => Source::GitHub { audience: text("audience") },
        "issuer" => Source::Issuer(Issuer {
            url: url(&is["url"]),
            audience: maybe("audience"),
            region: maybe("region"),
            aws_profile: maybe("aws_profile"),
        }),
        "o_auth" => Source::OAuth(OAuth {
            endpoint: match is["endpoint"]["token"].as_str() {
                Some(token) => Endpoint::Token(token.to_owned()),
                None => Endpoint::Issuer(is["endpoint"]["issuer"].as_str().unwrap().parse().unwrap()),
            },
            client_id: text("client_id"),
            secret: match is["secret"]["file"].as_str() {
                Some(path) => Secret::File(path.into()),
                None => Secret::Environment(is["secret"]["environment"].as_str().unwrap().to_owned()),
            },
            auth: serde_json::from_value::<Option<ClientAuth>>(is["auth"].clone()).unwrap(),
            audience: maybe("audience"),
            scope: maybe("scope"),
        }),
        other => panic!("no source is a {other}"),
    }
}
