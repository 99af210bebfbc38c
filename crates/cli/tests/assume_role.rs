//! A token for a session of a role, asked of stand-ins of STS: canned answers, which say what came, and moto, which takes any
//! token. Each test asks in a process of its own, because who is asked is a matter of the environment.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "assume_role/hostile.rs"]
mod hostile;

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::credentials::Failure;
use countersign::credentials::role::Session;
use countersign::credentials::sts::assume;
use countersign::credentials::token::WebToken;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::aws::Moto;
use testkit::page::{Canned, Front};
use testkit::tools::isolated;

const ROLE: &str = "arn:aws:iam::111122223333:role/ci/deploy";
const SECRET: &str = "the-secret-access-key";
const SESSION_TOKEN: &str = "the-session-token";
/// Where nobody listens, and nothing is to be sent.
const ELSEWHERE: &str = "10.255.255.1:9";

/// The process that asks. What it is told stands in its environment, and what came of it in a file.
#[test]
#[ignore = "the other tests run it, each in a process of its own"]
fn ask() {
    let told: Value = serde_json::from_str(&std::env::var("ASKED").unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let session = Session {
        role: text(&told["role"]).unwrap().parse().unwrap(),
        name: text(&told["name"]).map(|name| name.parse().unwrap()),
        duration: told["duration"].as_i64().map(|seconds| seconds.try_into().unwrap()),
        policy: text(&told["policy"]).map(|policy| policy.parse().unwrap()),
        policy_arns: serde_json::from_value(told["policy_arns"].clone()).unwrap_or_default(),
        region: text(&told["region"]),
    };
    let token = WebToken::read(told["token"].as_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = match runtime.block_on(assume(&session, &token)) {
        Ok(assumed) => json!({ "assumed": assumed }),
        Err(Failure::Refused(why)) => json!({ "refused": why }),
        Err(unknown) => json!({ "unknown": unknown.to_string() }),
    };
    std::fs::write(std::env::var_os("OUTCOME").unwrap(), outcome.to_string()).unwrap();
}

/// What a process is told, and the environment that it has.
struct Asking {
    told: Value,
    command: Command,
    home: TempDir,
}

struct Outcome {
    value: Value,
    stderr: String,
}

impl Outcome {
    fn assumed(&self) -> &Value {
        let assumed = &self.value["assumed"];
        assert!(assumed.is_object(), "{}", self.value);
        assumed
    }

    fn refused(&self) -> &str {
        self.value["refused"].as_str().unwrap_or_else(|| panic!("{}", self.value))
    }

    fn unknown(&self) -> &str {
        self.value["unknown"].as_str().unwrap_or_else(|| panic!("{}", self.value))
    }
}

impl Asking {
    /// For the role, with a token that STS has nothing against.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = isolated(std::env::current_exe().unwrap(), home.path());
        command.args(["--ignored", "--exact", "ask", "--nocapture"]).env("OUTCOME", home.path().join("outcome"));
        Self { told: json!({"role": ROLE, "token": token(&claims())}), command, home }
    }

    fn of(front: &Front) -> Self {
        Self::new().env("AWS_ENDPOINT_URL_STS", &front.origin())
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    fn told(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.told[name] = value.into();
        self
    }

    fn profile(self, lines: &str) -> Self {
        let file = self.home.path().join("config");
        std::fs::write(&file, format!("[default]\n{lines}\n")).unwrap();
        self.env("AWS_CONFIG_FILE", file.to_str().unwrap())
    }

    /// Whatever comes of it, no secret is in what it says.
    fn outcome(mut self) -> Outcome {
        let output = self.command.env("ASKED", self.told.to_string()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let value: Value = serde_json::from_slice(&std::fs::read(self.home.path().join("outcome")).unwrap()).unwrap();
        if value["assumed"].is_null() {
            let said = format!("{value}{stderr}");
            let payload = self.told["token"].as_str().unwrap().split('.').nth(1).unwrap();
            assert!(![SECRET, SESSION_TOKEN, payload].iter().any(|secret| said.contains(secret)), "{said}");
        }
        Outcome { value, stderr }
    }
}

fn claims() -> Value {
    let now = Timestamp::now().as_second();
    let subject = "repo:acme/app:environment:production";
    json!({"iss": "https://id.acme.com", "sub": subject, "aud": "sts.amazonaws.com", "iat": now, "exp": now + 600})
}

fn token(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256", "kid": "k1"})), part(claims))
}

/// What STS answers when it gives something.
struct Given<'a> {
    arn: &'a str,
    secret: &'a str,
    ends_in: i64,
}

const GIVEN: Given<'_> = Given {
    arn: "arn:aws:sts::111122223333:assumed-role/deploy/repo-acme-app-environment-production",
    secret: SECRET,
    ends_in: 3600,
};

impl Given<'_> {
    fn canned(&self) -> Canned {
        let ends = Timestamp::from_second(Timestamp::now().as_second() + self.ends_in).unwrap();
        let Self { arn, secret, .. } = self;
        xml(
            200,
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
                 <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{SESSION_TOKEN}</SessionToken>\
                 <Expiration>{ends}</Expiration></Credentials>\
                 <AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:x</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            ),
        )
    }
}

fn xml(status: u16, body: impl Into<String>) -> Canned {
    Canned { status, body: body.into(), ..Canned::default() }.with("content-type", "text/xml")
}

/// STS's form: <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>.
fn error(status: u16, code: &str, message: &str) -> Canned {
    xml(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        ),
    )
    .with("x-amzn-requestid", "r-1")
}

fn answering(canned: Canned) -> Front {
    let front = Front::start();
    front.answer("POST /", canned);
    front
}

fn form(body: &str, name: &str) -> Option<String> {
    let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
}

#[test]
fn what_is_asked_for_is_sent_once_and_what_is_given_comes_back() {
    let front = answering(Given { arn: "arn:aws:sts::111122223333:assumed-role/deploy/mine", ..GIVEN }.canned());
    let policy = r#"{ "Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"} }"#;
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let asking = Asking::of(&front).told("name", "mine").told("duration", 900).told("policy", policy);
    let outcome = asking.told("policy_arns", json!([arn])).outcome();
    let assumed = outcome.assumed();
    assert_eq!(assumed["access_key_id"], "ASIAEXAMPLE");
    assert_eq!(assumed["secret_access_key"], SECRET);
    assert_eq!(assumed["session_token"], SESSION_TOKEN);
    assert_eq!(assumed["arn"], "arn:aws:sts::111122223333:assumed-role/deploy/mine");
    assert!(assumed["expiration"].as_str().unwrap().parse::<Timestamp>().unwrap() > Timestamp::now());
    let [came] = &front.came()[..] else { panic!("once") };
    assert_eq!((came.what.as_str(), came.authorization.as_str()), ("POST /", ""));
    for (name, expected) in [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "mine"),
        ("DurationSeconds", "900"),
        ("Policy", r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#),
        ("PolicyArns.member.1.arn", arn),
    ] {
        assert_eq!(form(&came.body, name).as_deref(), Some(expected), "{name}");
    }
    assert!(form(&came.body, "WebIdentityToken").unwrap().starts_with("eyJ"));
}

#[test]
fn what_is_not_asked_for_is_not_sent_and_the_name_is_the_subject() {
    let front = answering(GIVEN.canned());
    Asking::of(&front).outcome().assumed();
    let body = &front.came()[0].body;
    assert_eq!(form(body, "RoleSessionName").as_deref(), Some("repo-acme-app-environment-production"));
    assert!(!["DurationSeconds", "Policy"].iter().any(|name| body.contains(name)), "{body}");
}

#[test]
fn refusals_are_explained_and_not_repeated() {
    let front = Front::start();
    for (status, code, message, expected) in [
        (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "\"id.acme.com:sub\""),
        (400, "InvalidIdentityToken", "Incorrect token audience", "the token's aud is \"sts.amazonaws.com\""),
        (400, "ExpiredTokenException", "Token expired", "this machine's clock says"),
        (403, "RegionDisabledException", "STS is not activated in this region", "account settings of IAM"),
    ] {
        front.answer("POST /", error(status, code, message));
        let outcome = Asking::of(&front).outcome();
        let first = format!("{} refuses a session of {ROLE}: {code}: {message}\n", front.origin());
        let told = outcome.refused();
        assert!(told.starts_with(&first) && told.contains(expected) && told.ends_with("\n  request id r-1"), "{told}");
        assert_eq!(front.came().len(), 1, "{code}");
    }
}

#[test]
fn what_may_pass_is_tried_three_times() {
    let tried = |canned: Option<Canned>, expected: &str| {
        let front = Front::start();
        if let Some(canned) = canned {
            front.answer("POST /", canned);
        }
        let outcome = Asking::of(&front).outcome();
        let first = format!("no session of {ROLE} from {}: {expected}", front.origin());
        assert!(outcome.unknown().starts_with(&first), "{}", outcome.unknown());
        assert_eq!(front.came().len(), 3, "{expected}");
    };
    // Side by side, because the SDK waits for seconds between its attempts.
    std::thread::scope(|scope| {
        for (status, code) in [(400, "Throttling"), (400, "IDPCommunicationError"), (500, "InternalFailure")] {
            scope.spawn(move || tried(Some(error(status, code, "later")), &format!("{code}: later\n  ")));
        }
        // A connection that is cut.
        scope.spawn(move || tried(None, ""));
    });
}

#[test]
fn nonsense_is_no_answer() {
    let front = Front::start();
    let other = |arn| Given { arn, ..GIVEN }.canned();
    let session = "repo-acme-app-environment-production";
    for (canned, expected) in [
        (xml(200, "<html>Welcome to the airport</html>"), "not one of STS"),
        (xml(200, ""), "not one of STS"),
        (xml(403, "<html>Forbidden</html>"), "HTTP status 403"),
        (xml(302, "").with("location", format!("http://{ELSEWHERE}/")), "HTTP status 302"),
        (error(400, "InvalidAction", "Could not find operation"), "is http://127.0.0.1"),
        (
            xml(
                200,
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult/></AssumeRoleWithWebIdentityResponse>",
            ),
            "holds no credentials",
        ),
        (other(&format!("arn:aws:sts::444455556666:assumed-role/deploy/{session}")), "444455556666"),
        (other(&format!("arn:aws:sts::111122223333:assumed-role/admin/{session}")), "assumed-role/admin"),
        (other("arn:aws:sts::111122223333:assumed-role/deploy/other"), "instead of"),
        (Given { ends_in: -5, ..GIVEN }.canned(), "credentials ended at"),
        (Given { secret: "", ..GIVEN }.canned(), "incomplete"),
        (Given { secret: "a\nb", ..GIVEN }.canned(), "incomplete"),
    ] {
        front.answer("POST /", canned);
        let outcome = Asking::of(&front).outcome();
        let told = outcome.unknown();
        assert!(told.contains(expected) && told.contains(&front.origin()), "{expected}: {told}");
    }
}

#[test]
fn who_waits_is_told_for_what() {
    let front = answering(Canned { after: Duration::from_millis(2500), ..GIVEN.canned() });
    let outcome = Asking::of(&front).outcome();
    outcome.assumed();
    assert!(outcome.stderr.contains(&format!("still asking STS for a session of {ROLE} ...")), "{}", outcome.stderr);
}

#[test]
fn what_would_be_refused_for_certain_is_not_sent() {
    let front = Front::start();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        Asking::of(&front).told("token", token(&claims)).outcome()
    };
    let outcome = with("exp", json!(Timestamp::now().as_second() - 400));
    let told = outcome.refused();
    assert!(told.starts_with("STS would not take the token") && told.contains("\n  it ended at "), "{told}");
    let outcome = with("https://aws.amazon.com/roles", json!(["arn:aws:iam::111122223333:role/other"]));
    assert!(outcome.refused().contains("role/other"), "{}", outcome.refused());
    let outcome = Asking::of(&front).told("region", "cn-north-1").outcome();
    assert!(outcome.unknown().contains("the region cn-north-1 is of the partition aws-cn"), "{}", outcome.unknown());
    let outcome = Asking::of(&front).env("AWS_REGION", "us-gov-west-1").outcome();
    assert!(outcome.unknown().contains("AWS_REGION"), "{}", outcome.unknown());
    assert!(front.came().is_empty());
}

#[test]
fn the_token_goes_in_plain_text_to_this_machine_only() {
    for url in
        [ELSEWHERE, &format!("localhost@{ELSEWHERE}"), &format!("localhost:1@{ELSEWHERE}"), "localhost.acme.com:9"]
    {
        let asking = Asking::new().env("AWS_ENDPOINT_URL_STS", &format!("http://{url}"));
        let outcome = asking.outcome();
        let told = outcome.unknown();
        assert!(told.contains("without TLS it goes to this machine only"), "{url}: {told}");
        assert!(told.contains(&format!("http://{}", url.rsplit('@').next().unwrap())), "{url}: {told}");
    }
    let outcome = Asking::new().profile(&format!("endpoint_url = http://{ELSEWHERE}")).outcome();
    assert!(outcome.unknown().contains("without TLS"), "{}", outcome.unknown());
}

#[test]
fn the_endpoint_is_that_of_the_sdk_and_this_machine_is_reached_without_a_proxy() {
    let (front, proxy) = (answering(GIVEN.canned()), Front::start());
    let origin = front.origin();
    Asking::new().env("AWS_ENDPOINT_URL", &origin).outcome().assumed();
    Asking::new().profile(&format!("endpoint_url = {origin}")).outcome().assumed();
    let proxied = Asking::of(&front).env("AWS_ENDPOINT_URL", &format!("http://{ELSEWHERE}")).without("NO_PROXY");
    proxied.env("HTTP_PROXY", &proxy.origin()).env("http_proxy", &proxy.origin()).outcome().assumed();
    assert_eq!(front.came().len(), 3);
    assert!(proxy.came().is_empty());
}

#[test]
fn the_region_is_of_the_session_the_environment_the_profile_or_the_partition() {
    // All that leaves the process comes here, and goes no further.
    let proxy = Front::start();
    let asking = || {
        let asking = Asking::new().without("NO_PROXY").without("AWS_REGION").without("AWS_EC2_METADATA_DISABLED");
        let asking = asking.env("HTTPS_PROXY", &proxy.origin()).env("AWS_MAX_ATTEMPTS", "1");
        asking.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &proxy.origin())
    };
    let china = "arn:aws-cn:iam::111122223333:role/deploy";
    for (asking, host) in [
        (asking(), "sts.us-east-1.amazonaws.com"),
        (asking().told("role", china), "sts.cn-north-1.amazonaws.com.cn"),
        (asking().profile("region = eu-west-3"), "sts.eu-west-3.amazonaws.com"),
        (asking().profile("region = eu-west-3").env("AWS_DEFAULT_REGION", "eu-west-2"), "sts.eu-west-2.amazonaws.com"),
        (asking().env("AWS_DEFAULT_REGION", "eu-west-2").env("AWS_REGION", "eu-west-1"), "sts.eu-west-1.amazonaws.com"),
        (asking().env("AWS_REGION", "eu-west-1").told("region", "eu-north-1"), "sts.eu-north-1.amazonaws.com"),
    ] {
        let outcome = asking.outcome();
        assert!(outcome.unknown().contains(&format!("from https://{host}: ")), "{host}: {}", outcome.unknown());
        let came: Vec<String> = proxy.came().into_iter().map(|came| came.what).collect();
        assert!(came.len() == 1 && came[0].starts_with("CONNECT"), "{host}: {came:?}");
    }
}

#[test]
fn moto_gives_a_session_with_and_without_tls() {
    let moto = Moto::start();
    let outcome = Asking::new().env("AWS_ENDPOINT_URL", &moto.endpoint()).told("duration", 900).outcome();
    assert_eq!(outcome.assumed()["arn"], GIVEN.arn);
    let moto = Moto::start_tls();
    let asking = || Asking::new().env("AWS_ENDPOINT_URL", &moto.endpoint());
    asking().env("AWS_CA_BUNDLE", moto.ca_bundle().to_str().unwrap()).outcome().assumed();
    let outcome = asking().outcome();
    assert!(outcome.unknown().contains(&moto.endpoint()), "{}", outcome.unknown());
}
