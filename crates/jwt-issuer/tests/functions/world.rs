//! A small AWS with a ring, a key set and a policy in it, and the functions of one issuer.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::jwk::Algorithm;
use countersign_keys::Keyring;
use serde_json::{Value, json};
use testkit::aws::Moto;
use testkit::lambda::{self, Answer, Function, Invocation, Setup};
use testkit::tools;

pub(crate) const ISSUER: &str = "https://id.acme.com";
pub(crate) const SNOWFLAKE: &str = "https://acme-prod.snowflakecomputing.com";
pub(crate) const SECRET: &str = "countersign/keys";
pub(crate) const JWKS: &str = "/countersign/jwks";
pub(crate) const POLICY: &str = "/countersign/policy";

/// The times of a test that changes things: a copy is refreshed after a second, and serves for four more.
pub(crate) const QUICK: &str = r#"{"refresh":1,"last_good":4,"max_age":2}"#;

pub(crate) struct World {
    pub(crate) moto: Moto,
    pub(crate) secret_arn: String,
    pub(crate) jwks: Value,
    /// Texts that no log may hold: the private keys, line by line.
    pub(crate) private: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Moto::start())
    }

    pub(crate) fn on(moto: Moto) -> Self {
        let mut world = Self { moto, secret_arn: String::new(), jwks: Value::Null, private: Vec::new() };
        world.new_keys();
        world.moto.put_parameter(POLICY, &example_policy());
        world
    }

    /// Another ring, and its key set.
    pub(crate) fn new_keys(&mut self) {
        let keyring = ring();
        let text = String::from_utf8(keyring.to_json().to_vec()).unwrap();
        let stored: Value = serde_json::from_str(&text).unwrap();
        for key in stored["keys"].as_array().unwrap() {
            let pem = key["private_key"].as_str().unwrap();
            self.private
                .extend(pem.lines().filter(|line| line.len() >= 20 && !line.starts_with('-')).map(str::to_owned));
        }
        self.jwks = serde_json::to_value(keyring.public().published().unwrap()).unwrap();
        self.secret_arn = self.moto.put_secret(SECRET, &text);
        self.moto.put_parameter(JWKS, &self.jwks.to_string());
    }

    /// `jwt-issuer`, configured for this kind of API and with the policy in SSM.
    pub(crate) fn issuer(&self, gateway: &str) -> Setup {
        self.function("jwt-issuer", gateway)
            .env("SIGNING_KEY_SECRET_ARN", &self.secret_arn)
            .env("POLICY_SOURCE", format!("ssm:{POLICY}"))
    }

    /// `jwks`, configured for this kind of API.
    pub(crate) fn publisher(&self, gateway: &str) -> Setup {
        self.function("jwks", gateway).env("JWKS_SSM_PARAM", JWKS)
    }

    fn function(&self, name: &str, gateway: &str) -> Setup {
        Setup::new(lambda::function(name))
            .envs(self.moto.environment())
            .env("AWS_LAMBDA_FUNCTION_NAME", format!("countersign-{name}"))
            .env("JWT_ISSUER_URL", ISSUER)
            .env("GATEWAY", gateway)
            .env("GATEWAY_API_ID", "a1b2c3d4e5")
    }
}

/// Keys of the lanes that the example policy names.
pub(crate) fn ring() -> Keyring {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
    let mut keyring = Keyring::empty();
    keyring.open_lanes([Algorithm::RS256, Algorithm::ES256], now).unwrap();
    keyring
}

/// The example policy as the function reads it.
pub(crate) fn example_policy() -> String {
    let yaml = tools::workspace_root().join("examples/policy.yaml");
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let output = Command::new(tools::python()).args(["-c", program]).arg(yaml).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The same with another lifetime for analysts, so that it can be told apart in an answer.
pub(crate) fn policy_with_lifetime(lifetime: &str) -> String {
    let mut policy: Value = serde_json::from_str(&example_policy()).unwrap();
    assert_eq!(policy["rules"][0]["name"], "analysts");
    policy["rules"][0]["grant"]["lifetime"] = json!(lifetime);
    policy.to_string()
}

/// A file of `events/`, as it is.
pub(crate) fn event(name: &str) -> String {
    let path = tools::workspace_root().join("events").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all events below a folder of `events/`, in order.
pub(crate) fn events(folder: &str) -> Vec<String> {
    let path = tools::workspace_root().join("events").join(folder);
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no events in {folder}");
    names
}

/// What the function answers to this event.
pub(crate) fn ask(function: &Function, name: &str) -> Value {
    answered(function.invoke_with(Invocation::new(event(name))))
}

pub(crate) fn answered(answer: Answer) -> Value {
    answer.result.unwrap_or_else(|error| panic!("the function failed: {error}"))
}

/// The answer's body, which is JSON.
pub(crate) fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// Wait until the function has said this, since what is read of a pipe comes later than the answer.
pub(crate) fn says(function: &Function, text: &str) {
    function.lines_until(|lines| lines.iter().any(|line| line.contains(text)));
}

/// So many lines of a function that are audit records or metrics, as soon as they have been read of its pipe.
pub(crate) fn records_until(function: &Function, count: usize) -> Vec<Value> {
    function.lines_until(|lines| lines.iter().filter(|line| line.contains("\"_aws\"")).count() >= count);
    records(function)
}

/// The lines of a function that are audit records or metrics.
pub(crate) fn records(function: &Function) -> Vec<Value> {
    let stdout = function.stdout();
    stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["_aws"].is_object())
        .collect()
}
