//! The whole chain under the names that it has in the world: issuer, GitHub, an identity provider, STS.

use std::process::Command;

use serde_json::{Value, json};
use testkit::github::{self, GitHub};
use testkit::idp::Idp;
use testkit::internet::{Certificate, Internet};

use crate::world::{ACCOUNT, AUDIENCE, ISSUER, ROLE, World, run, write};

pub(crate) const STS: &str = "https://sts.eu-central-1.amazonaws.com";
const IDP: &str = "https://idp.test";
const CLIENT_SECRET: &str = "COUNTERSIGN_OAUTH_CLIENT_SECRET";

pub(crate) struct Chain {
    pub(crate) world: World,
    pub(crate) internet: Internet,
    pub(crate) github: GitHub,
    pub(crate) idp: Idp,
}

/// What `doctor --json` said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl Chain {
    /// All of it is well.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let (internet, github) = (Internet::start(), GitHub::start());
        let idp = Idp::start_with(Some(IDP), "client_secret_basic");
        world.configure(&format!("[profiles.deploy]\nurl = '{ISSUER}'\nrole_arn = '{ROLE}'\n"));
        for (url, origin) in [
            (ISSUER, world.issuer.origin()),
            (IDP, idp.origin()),
            (github::ISSUER, &github.origin()),
            ("https://runner.test", &github.origin()),
            (STS, &world.sts.endpoint()),
        ] {
            internet.lead(url.trim_start_matches("https://"), origin, Certificate::Good);
        }
        let chain = Self { world, internet, github, idp };
        chain.lets_in("github", github::ISSUER, &chain.github.origin(), github::SUBJECT);
        chain.lets_in("idp", IDP, chain.idp.origin(), chain.idp.client_id());
        chain
    }

    /// A role that lets in this subject of this issuer.
    pub(crate) fn lets_in(&self, role: &str, issuer: &str, origin: &str, subject: &str) {
        let key = |claim: &str| format!("{}:{claim}", issuer.trim_start_matches("https://"));
        self.world.provider(ACCOUNT, issuer, AUDIENCE, origin);
        let condition = json!({"StringEquals": {(key("aud")): AUDIENCE, (key("sub")): subject}});
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        self.world.role(&role, issuer, &["AssumeRoleWithWebIdentity"], &condition);
    }

    /// `doctor` with these arguments, out in the world.
    pub(crate) fn doctor(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.countersign(&[&["doctor"], arguments].concat());
        self.internet.reach(&mut command);
        command.env_remove("AWS_ENDPOINT_URL_STS").env("AWS_MAX_ATTEMPTS", "1");
        for (name, value) in self.github.environment() {
            command.env(name, value.replace(&self.github.origin(), "https://runner.test"));
        }
        command.env(CLIENT_SECRET, self.idp.client_secret());
        command
    }

    /// A token of GitHub in a file.
    pub(crate) fn file(&self, name: &str, token: &str) -> String {
        let path = self.world.home().join(name);
        write(&path, token);
        path.display().to_string()
    }

    pub(crate) fn secrets(&self) -> [&str; 3] {
        // Every token begins so.
        ["eyJ", "secret/of+ci", self.idp.client_secret()]
    }

    /// Runs it with `--json`. Whatever came of it, nothing secret is in it, and nothing was kept.
    pub(crate) fn told(&self, command: &mut Command) -> Told {
        let ran = run(command.arg("--json"));
        let secrets = self.secrets();
        assert!(!secrets.iter().any(|secret| ran.stdout.contains(secret) || ran.stderr.contains(secret)), "{ran:?}");
        assert!(!self.world.cache().exists(), "nothing is kept");
        let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        Told { code: ran.code, json, stderr: ran.stderr }
    }
}

impl Told {
    pub(crate) fn checks(&self) -> Vec<[&str; 3]> {
        let checks = self.json["checks"].as_array().unwrap().iter();
        checks.map(|check| ["check", "status", "found"].map(|name| check[name].as_str().unwrap())).collect()
    }

    /// The first that is not well.
    pub(crate) fn first(&self) -> Option<[&str; 3]> {
        self.checks().into_iter().find(|[_, status, _]| matches!(*status, "failed" | "warning"))
    }

    /// What to do about it.
    pub(crate) fn advice(&self, check: &str) -> impl Iterator<Item = &str> {
        let checks = self.json["checks"].as_array().unwrap().iter().filter(move |told| told["check"] == check);
        checks.flat_map(|told| told["advice"].as_array().unwrap()).map(|line| line.as_str().unwrap())
    }
}
