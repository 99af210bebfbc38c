//! An OAuth identity provider that is not ours, on a free port of the loopback: `idp/provider.mjs` says what it gives and to
//! whom. Dropping an [`Idp`] stops it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::output::Output;
use crate::tools::{self, isolated};

/// How long a start may take. It takes half a second; other tests run at the same time.
const START: Duration = Duration::from_mins(1);

/// An audience for which it gives JWTs. There is another one, `https://api.test/`.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// A running provider.
pub struct Idp {
    child: Child,
    errors: Output,
    started: Value,
    issuer: Option<String>,
    _home: TempDir,
}

impl Idp {
    /// Starts one that is its own address's issuer, and takes clients by HTTP Basic alone.
    pub fn start() -> Self {
        Self::start_with(None, "client_secret_basic")
    }

    /// Starts one that calls itself `issuer`, say `https://idp.test`, as if behind a proxy that ends TLS; all URLs of its
    /// discovery document are below that. `authentication` is the one method that it announces (`client_secret_basic`,
    /// `client_secret_post`); with the second one it takes both, as many do.
    ///
    /// # Panics
    /// If it does not start, with what it wrote.
    pub fn start_with(issuer: Option<&str>, authentication: &str) -> Self {
        let home = tempfile::Builder::new().prefix("testkit-idp-").tempdir().expect("a temporary folder");
        let mut child = isolated(tools::node(), home.path())
            .arg(tools::workspace_root().join("crates/testkit/idp/provider.mjs"))
            .env("NODE_MODULES", tools::idp_modules())
            .env("AUTH", authentication)
            .envs(issuer.map(|issuer| ("ISSUER", issuer)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("Node.js does not start: {error}"));
        let output = Output::read(child.stdout.take().expect("it is piped"));
        // It warns of what does not matter here.
        let errors = Output::read(child.stderr.take().expect("it is piped"));
        let issuer = issuer.map(str::to_owned);
        let mut idp = Self { child, errors, started: Value::Null, issuer, _home: home };
        let began = Instant::now();
        while idp.started.is_null() {
            idp.started = output.text().lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default();
            if let Ok(Some(status)) = idp.child.try_wait() {
                panic!("the identity provider ended ({status})");
            }
            assert!(began.elapsed() < START, "the identity provider does not listen after {START:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        idp
    }

    /// Where it really listens, `http://127.0.0.1:PORT`: `/token`, `/jwks` and `/.well-known/openid-configuration` are there.
    pub fn origin(&self) -> &str {
        self.text("origin")
    }

    /// What its tokens and its discovery document call it.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or_else(|| self.origin())
    }

    /// The client that may have tokens, and is their subject. Another one, `web`, has the same secret and may not.
    pub fn client_id(&self) -> &str {
        self.text("client_id")
    }

    /// The secret of both. It has all that a form writes otherwise.
    pub fn client_secret(&self) -> &str {
        self.text("client_secret")
    }

    fn text(&self, name: &str) -> &str {
        self.started
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("the identity provider names no {name}"))
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("errors of the identity provider:\n{}", self.errors.settle());
        }
    }
}
