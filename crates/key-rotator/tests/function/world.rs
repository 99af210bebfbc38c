//! A small AWS with an empty secret in it, the rotator, and those who read what it writes.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::aws::Moto;
use testkit::clock::Clock;
use testkit::lambda::{self, Function, Invocation, Setup};
use testkit::tools;
use testkit::verifier::{Refused, Verified, verify_at};

pub(crate) const ISSUER: &str = "https://id.acme.com";
pub(crate) const PARAMETER: &str = "/countersign/jwks";
/// What a key is announced for, and a little: its time begins when it is published, and that is seen to the second.
pub(crate) const DAY: Duration = Duration::from_mins(24 * 60 + 1);

/// What Secrets Manager calls a rotation's steps, in their order.
pub(crate) const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

pub(crate) struct World {
    pub(crate) moto: Moto,
    pub(crate) clock: Clock,
}

/// One secret and one parameter of a [`World`].
pub(crate) struct Place<'w> {
    pub(crate) world: &'w World,
    pub(crate) secret: String,
    pub(crate) parameter: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::start();
        Self { moto: Moto::start_with(&clock), clock }
    }

    /// A secret without a value, and a parameter that is not there.
    pub(crate) fn place(&self, name: &str) -> Place<'_> {
        let input = json!({ "Name": name, "ClientRequestToken": version(999) });
        let made = self.moto.api("secretsmanager.CreateSecret", &input).unwrap();
        let secret = made["ARN"].as_str().unwrap().to_owned();
        Place { world: self, secret, parameter: format!("{PARAMETER}/{name}") }
    }
}

impl Place<'_> {
    /// The rotator, with `binary` one of `key-rotator` and `key-rotator-kms`.
    pub(crate) fn setup(&self, binary: &str) -> Setup {
        self.reader(binary).env("SIGNING_KEY_SECRET_ARN", &self.secret)
    }

    pub(crate) fn rotator(&self) -> Function {
        self.setup("key-rotator").start()
    }

    /// `jwt-issuer` or `jwks` of this place.
    pub(crate) fn reader(&self, binary: &str) -> Setup {
        Setup::new(lambda::function(binary))
            .envs(self.world.moto.environment())
            .clock(&self.world.clock)
            .env("AWS_LAMBDA_FUNCTION_NAME", format!("countersign-{binary}"))
            .env("JWKS_SSM_PARAM", &self.parameter)
            .env("JWT_ISSUER_URL", ISSUER)
            .env("GATEWAY", "rest")
            .env("GATEWAY_API_ID", "a1b2c3d4e5")
    }

    /// `jwt-issuer` or `jwt-issuer-kms`, with a policy that gives the caller of [`ask`] tokens of every lane.
    pub(crate) fn issuer(&self, binary: &str) -> Setup {
        let audience = |name: &str| json!({ "aud": audience(name), "profile": "generic", "alg": name });
        let lanes = ["RS256", "ES256", "ES384"];
        let audiences: Value = lanes.iter().map(|lane| ((*lane).to_owned(), audience(lane))).collect();
        let policy = json!({
            "version": 1,
            "audiences": audiences,
            "rules": [{
                "name": "everybody",
                "when": { "kind": "sso", "account": ["111122223333"] },
                "grant": { "audiences": lanes, "subject": "{user_name}", "lifetime": "1m" }
            }]
        });
        let name = format!("{}/policy", self.parameter);
        self.world.moto.put_parameter(&name, &policy.to_string());
        self.reader(binary).env("SIGNING_KEY_SECRET_ARN", &self.secret).env("POLICY_SOURCE", format!("ssm:{name}"))
    }

    /// One step of a rotation: what the function answers, or fails with.
    pub(crate) fn step(&self, rotator: &Function, step: &str, version: &str) -> Result<Value, Value> {
        let event = json!({
            "Step": step,
            "SecretId": self.secret,
            "ClientRequestToken": version,
            "RotationToken": "rotation-token-that-no-log-may-hold"
        });
        rotator.invoke_with(Invocation::new(event.to_string()).timeout(Duration::from_mins(1))).result
    }

    /// All four, each of which has to succeed.
    pub(crate) fn rotate(&self, rotator: &Function, version: &str) {
        for step in STEPS {
            self.step(rotator, step, version).unwrap_or_else(|error| panic!("{step}: {error}"));
        }
    }

    /// What the secret holds under a label.
    pub(crate) fn labelled(&self, label: &str) -> Option<Value> {
        let input = json!({ "SecretId": self.secret, "VersionStage": label });
        let found = self.world.moto.api("secretsmanager.GetSecretValue", &input).ok()?;
        Some(serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap())
    }

    pub(crate) fn ring(&self) -> Value {
        self.labelled("AWSCURRENT").unwrap()
    }

    /// The labels of every version.
    pub(crate) fn versions(&self) -> Value {
        let input = json!({ "SecretId": self.secret });
        self.world.moto.api("secretsmanager.DescribeSecret", &input).unwrap()["VersionIdsToStages"].clone()
    }

    pub(crate) fn jwks(&self) -> Value {
        let found = self.world.moto.api("AmazonSSM.GetParameter", &json!({ "Name": self.parameter })).unwrap();
        serde_json::from_str(found["Parameter"]["Value"].as_str().unwrap()).unwrap()
    }

    /// The kids of the ring in this state.
    pub(crate) fn in_state(&self, state: &str) -> Vec<String> {
        kids(&self.ring()["keys"], |key| key["state"] == state)
    }

    /// Ring and key set hold the same keys, and nothing private is published.
    pub(crate) fn assert_agrees(&self) {
        let (mut ring, mut set) = (kids(&self.ring()["keys"], |_| true), kids(&self.jwks()["keys"], |_| true));
        ring.sort();
        set.sort();
        assert_eq!(ring, set);
        for key in self.jwks()["keys"].as_array().unwrap() {
            for member in key.as_object().unwrap().keys() {
                assert!(["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"].contains(&member.as_str()), "{member}");
            }
        }
    }
}

pub(crate) fn kids(keys: &Value, which: impl Fn(&Value) -> bool) -> Vec<String> {
    let keys = keys.as_array().unwrap().iter();
    keys.filter(|key| which(key)).map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn audience(lane: &str) -> String {
    format!("https://{}.acme.com", lane.to_lowercase())
}

/// A version's id, of the length that Secrets Manager asks for.
pub(crate) fn version(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// The event of a person who asks for a token of this lane.
pub(crate) fn token_event(lane: &str) -> String {
    let path = tools::workspace_root().join("events/rest/default-url.token.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    event["body"] = json!({ "audience": lane }).to_string().into();
    for headers in ["headers", "multiValueHeaders"] {
        let value = if headers == "headers" { json!("application/json") } else { json!(["application/json"]) };
        event[headers]["Content-Type"] = value;
    }
    event.to_string()
}

/// A token of this lane, or the status.
pub(crate) fn ask(issuer: &Function, event: &str) -> Result<String, u64> {
    let answer = issuer.invoke_with(Invocation::new(event)).result.unwrap_or_else(|error| panic!("{error}"));
    let status = answer["statusCode"].as_u64().unwrap();
    if status != 200 {
        return Err(status);
    }
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    Ok(body["token"].as_str().unwrap().to_owned())
}

/// The set as the function `jwks` serves it.
pub(crate) fn served(publisher: &Function) -> Option<Value> {
    let path = tools::workspace_root().join("events/rest/default-url.jwks.json");
    let event = std::fs::read_to_string(path).unwrap();
    let answer = publisher.invoke_with(Invocation::new(event)).result.unwrap_or_else(|error| panic!("{error}"));
    (answer["statusCode"] == 200).then(|| serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
}

/// What a relying party does at a moment of its own.
pub(crate) fn verify(token: &str, jwks: &Value, lane: &str, now: i64) -> Result<Verified, Refused> {
    let verified = verify_at(token, jwks, ISSUER, &audience(lane), now.unsigned_abs())?;
    assert_eq!(verified.alg, lane);
    Ok(verified)
}
