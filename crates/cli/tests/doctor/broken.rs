//! Set-ups that are broken in one place, each with what is found first, and how the command ends.

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use testkit::clock::Clock;
use testkit::github::{self, GitHub};
use testkit::internet::Certificate;
use testkit::keys;
use testkit::page::{Canned, Front};
use testkit::sts::{Fault, Provider, Sts};

use crate::chain::Chain;
use crate::world::{ACCOUNT, AUDIENCE, ISSUER, ROLE, write};

pub(crate) const DISCOVERY: &str = "GET /.well-known/openid-configuration";
pub(crate) const JWKS: &str = "GET /jwks";
pub(crate) const OF_GITHUB: &str = "arn:aws:iam::444455556666:role/github";
/// So many at the same time: most of what they do is wait.
const AT_ONCE: usize = 6;

/// What is run, what is found first, and the exit code.
struct Case {
    command: Command,
    first: [&'static str; 3],
    code: i32,
}

fn failed(command: Command, check: &'static str, found: &'static str, code: i32) -> Case {
    Case { command, first: [check, "failed", found], code }
}

fn with(mut command: Command, variables: &[(&str, &str)]) -> Command {
    command.envs(variables.iter().copied());
    command
}

/// A token of GitHub's stand-in, with these claims changed; null takes one away.
pub(crate) fn signed(changes: &Value) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims =
        json!({"iss": github::ISSUER, "sub": github::SUBJECT, "aud": AUDIENCE, "iat": now - 60, "exp": now + 600});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let kid = GitHub::jwks()["keys"][0]["kid"].as_str().map(str::to_owned);
    let der: String = keys::RSA_2048_PKCS1.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_rsa_der(&STANDARD.decode(der).unwrap());
    jsonwebtoken::encode(&Header { kid, ..Header::new(Algorithm::RS256) }, &claims, &key).unwrap()
}

/// An issuer of its own under `https://NAME.test`, with the keys of GitHub's stand-in, and a role of that name that lets its
/// tokens in.
pub(crate) struct Issuer<'a> {
    chain: &'a Chain,
    name: &'static str,
    pub(crate) front: Front,
}

impl<'a> Issuer<'a> {
    pub(crate) fn new(chain: &'a Chain, name: &'static str) -> Self {
        let issuer = Self { chain, name, front: Front::start() };
        issuer.front.answer(DISCOVERY, Canned::json(200, &issuer.discovery(&json!({}))));
        issuer.front.answer(JWKS, Canned::json(200, &GitHub::jwks()));
        chain.internet.lead(&format!("{name}.test"), &issuer.front.origin(), Certificate::Good);
        chain.lets_in(name, &issuer.url(), &issuer.front.origin(), github::SUBJECT);
        issuer
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}.test", self.name)
    }

    pub(crate) fn discovery(&self, changes: &Value) -> Value {
        let mut document = json!({
            "issuer": self.url(), "jwks_uri": format!("{}/jwks", self.url()), "claims_supported": ["sub"],
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    }

    /// With a token of it in a file.
    pub(crate) fn doctor(&self) -> Command {
        self.doctor_with(&json!({}))
    }

    fn doctor_with(&self, changes: &Value) -> Command {
        let mut claims = json!({"iss": self.url()});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let file = self.chain.file(self.name, &signed(&claims));
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{}", self.name);
        self.chain.doctor(&["--web-identity-token-file", &file, "--role-arn", &role])
    }
}

/// Runs them, and says what is not as it should be.
fn judge(chain: &Chain, cases: Vec<Case>) {
    let (queue, faults) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(mut case) = { queue.lock().unwrap().next() } {
                    let told = chain.told(&mut case.command);
                    let [check, status, found] = case.first;
                    let first = told.first().unwrap_or_default();
                    let is_it = first[0] == check && first[1] == status && first[2].contains(found);
                    let ok = told.json["ok"] == json!(case.code == 0);
                    // The texts of the settings, and of a region, say it themselves.
                    let is_told = ["settings", "endpoint"].contains(&check) || told.advice(check).next().is_some();
                    if !is_it || told.code != Some(case.code) || !ok || !is_told {
                        faults.lock().unwrap().push(format!("{:?}, {}: {told:#?}", case.first, case.code));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is one table")]
fn what_this_machine_has_is_found_before_what_others_say() {
    let chain = Chain::new();
    let deploy = || chain.doctor(&["--profile", "deploy"]);
    let in_file = |path: &str| chain.doctor(&["--web-identity-token-file", path, "--role-arn", OF_GITHUB]);
    let (half, token) = (signed(&json!({})), chain.file("token", &signed(&json!({}))));
    let (half, missing) = (chain.file("half", half.rsplit_once('.').unwrap().0), chain.file("missing", ""));
    std::fs::remove_file(&missing).unwrap();
    let config = chain.world.home().join(".aws/config");
    let binary = env!("CARGO_BIN_EXE_countersign");
    write(&config, &format!("[profile deploy]\ncredential_process = {binary} credentials --profile deploy\n"));

    let clock = |by: Duration| {
        let clock = Clock::start();
        clock.advance(by);
        clock
    };
    let [late, later, latest] =
        [Duration::from_mins(2), Duration::from_secs(1230), Duration::from_hours(10 * 365 * 24)].map(clock);
    let at = |clock: &Clock| {
        let mut command = deploy();
        command.envs(clock.environment());
        command
    };
    let fronted = Issuer::new(&chain, "elsewhere");
    let document = Canned::json(200, &fronted.discovery(&json!({})));
    fronted.front.answer(DISCOVERY, document.with("date", "Thu, 01 Jan 2026 00:00:00 GMT"));

    let mut nobody = deploy();
    nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let mut circle = deploy();
    circle.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_PROFILE", "deploy");
    // Whoever is asked there keeps things.
    circle.env("XDG_CACHE_HOME", chain.world.home().join("of-another"));
    let mut no_job = chain.doctor(&["--github", "--role-arn", OF_GITHUB]);
    no_job.env_remove("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    let client = ["--oauth-issuer", "https://idp.test", "--oauth-client-id", "x", "--role-arn", ROLE];
    let mut no_secret = chain.doctor(&client);
    no_secret.env_remove("COUNTERSIGN_OAUTH_CLIENT_SECRET");
    judge(
        &chain,
        vec![
            failed(chain.doctor(&["--profile", "nobody"]), "settings", "there is no profile nobody", 2),
            failed(chain.doctor(&["--url", ISSUER]), "settings", "which role?", 2),
            failed(chain.doctor(&["--role-arn", ROLE]), "settings", "where does the token come from?", 2),
            failed(
                chain.doctor(&["--profile", "deploy", "--region", "cn-north-1"]),
                "settings",
                "the region cn-north-1 is of the partition aws-cn",
                2,
            ),
            failed(at(&later), "clock", "20 minutes ahead of https://id.test", 1),
            failed(at(&latest), "clock", "when no certificate of https://id.test and https://sts.eu-", 1),
            Case { command: at(&late), first: ["clock", "warning", "seconds ahead of https://id.test"], code: 0 },
            Case {
                command: fronted.doctor(),
                first: ["clock", "warning", "servers do not agree with each other"],
                code: 0,
            },
            failed(nobody, "credentials", "no AWS credentials found by the default chain", 2),
            failed(circle, "credentials", "needed to sign the request for themselves", 2),
            failed(
                chain.doctor(&["--profile", "deploy", "--aws-profile", "nobody"]),
                "credentials",
                "no AWS credentials from the profile nobody",
                2,
            ),
            failed(in_file(&missing), "credentials", "there is no such file", 2),
            failed(in_file(&half), "credentials", "it is no signed JWT", 2),
            failed(no_job, "credentials", "are not both set", 2),
            failed(no_secret, "credentials", "should hold the client secret, is not set", 2),
            failed(
                with(in_file(&token), &[("AWS_REGION", "us-gov-west-1")]),
                "endpoint",
                "us-gov-west-1 is of the partition aws-us-gov",
                2,
            ),
            failed(
                with(in_file(&token), &[("AWS_ENDPOINT_URL_STS", "https://sts.cn-north-1.amazonaws.com.cn")]),
                "endpoint",
                "cn-north-1 is of the partition aws-cn",
                1,
            ),
            failed(
                with(in_file(&token), &[("AWS_CA_BUNDLE", "/nowhere")]),
                "endpoint",
                "AWS_CA_BUNDLE: cannot read /nowhere",
                2,
            ),
            failed(
                with(in_file(&token), &[("AWS_ENDPOINT_URL_STS", "http://sts.test")]),
                "endpoint",
                "without TLS it goes to this machine only",
                2,
            ),
            failed(
                chain.doctor(&[
                    "--url",
                    "https://a1.execute-api.eu-west-1.amazonaws.com/v1",
                    "--sign-region",
                    "us-east-1",
                    "--role-arn",
                    ROLE,
                ]),
                "endpoint",
                "signed for us-east-1 (sign_region), and the API is in eu-west-1",
                1,
            ),
        ],
    );
}

#[test]
fn a_server_that_is_not_there_is_told_from_one_that_cannot_prove_who_it_is() {
    let chain = Chain::new();
    let at = |url: &str| chain.doctor(&["--url", url, "--role-arn", ROLE]);
    let silent = Front::start();
    silent.answer(DISCOVERY, Canned { status: 200, after: Duration::from_mins(1), ..Canned::default() });
    for (name, certificate) in [
        ("expired.test", Certificate::Expired),
        ("name.test", Certificate::OtherName),
        ("unknown.test", Certificate::Unknown),
    ] {
        chain.internet.lead(name, chain.world.issuer.origin(), certificate);
    }
    let mut no_bundle = at(ISSUER);
    no_bundle.env_remove("AWS_CA_BUNDLE");
    let mut no_name = at("https://nowhere.invalid");
    no_name.env_remove("HTTPS_PROXY").env("RES_OPTIONS", "timeout:1 attempts:1");
    no_name.env("AWS_ENDPOINT_URL_STS", chain.world.sts.endpoint());
    let plain = chain.world.issuer.origin().replace("http://", "https://");
    let mut plain = at(&plain);
    plain.env("NO_PROXY", "127.0.0.1");
    let sts = with(at(ISSUER), &[("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")]);
    judge(
        &chain,
        vec![
            failed(at(&silent.origin()), "endpoint", "no answer in time", 2),
            failed(no_name, "endpoint", "https://nowhere.invalid: no such name (DNS)", 2),
            failed(at("http://127.0.0.1:1"), "endpoint", "http://127.0.0.1:1: the connection is refused", 2),
            failed(at("https://nowhere.test"), "endpoint", "https://nowhere.test: the proxy does not lead there", 2),
            failed(
                with(at(ISSUER), &[("HTTPS_PROXY", "http://127.0.0.1:1")]),
                "endpoint",
                "https://id.test: the proxy does not lead there",
                2,
            ),
            failed(sts, "endpoint", "http://127.0.0.1:1: the connection is refused", 2),
            failed(at("https://expired.test"), "tls", "https://expired.test: the certificate has ended", 2),
            failed(at("https://name.test"), "tls", "https://name.test: the certificate is for other names", 2),
            failed(at("https://unknown.test"), "tls", "is of no authority that is trusted here", 2),
            failed(no_bundle, "tls", "is of no authority that is trusted here", 2),
            failed(plain, "tls", "no TLS that both sides know", 2),
        ],
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is one table")]
fn what_others_say_is_found_in_order() {
    let chain = Chain::new();
    let issuer = |name| Issuer::new(&chain, name);
    let discovery = |name, changes: Value| {
        let issuer = issuer(name);
        issuer.front.answer(DISCOVERY, Canned::json(200, &issuer.discovery(&changes)));
        issuer
    };
    let jwks = |name, set: Value| {
        let issuer = issuer(name);
        issuer.front.answer(JWKS, Canned::json(200, &set));
        issuer
    };
    let key = |name: &str, value: Value| {
        let mut set = GitHub::jwks();
        set["keys"][0][name] = value;
        set
    };
    let [slow, gone, moved, busy] = ["slow", "gone", "moved", "busy"].map(issuer);
    let late = Canned::json(200, &slow.discovery(&json!({})));
    slow.front.answer(DISCOVERY, Canned { after: Duration::from_millis(5500), ..late });
    gone.front.answer(DISCOVERY, Canned::json(404, &"{}"));
    moved.front.answer(DISCOVERY, Canned::json(302, &"").with("location", "https://id.test/"));
    busy.front.answer(JWKS, Canned::json(503, &"{}"));
    let slash = discovery("slash", json!({"issuer": "https://slash.test/"}));
    let missing = discovery("missing", json!({"claims_supported": []}));
    let other_keys = discovery("plain", json!({"jwks_uri": "http://127.0.0.1:1/jwks"}));
    let ops = jwks("ops", key("key_ops", json!(["verify"])));
    let (kid, private) = (jwks("kid", key("kid", json!("other"))), jwks("private", key("d", json!("AQAB"))));
    let small = {
        let small = GitHub::jwks()["keys"][0]["n"].as_str().unwrap().chars().take(172).collect::<String>();
        jwks("small", key("n", json!(small)))
    };
    let endless = jwks("endless", json!("x".repeat(1024 * 1024)));
    let (forged, good) = (issuer("forged"), issuer("good"));
    let origin = good.front.origin();
    let local = chain.file("local", &signed(&json!({"iss": origin})));
    let document = good.discovery(&json!({"issuer": origin, "jwks_uri": format!("{origin}/jwks")}));
    good.front.answer(DISCOVERY, Canned::json(200, &document));
    let forged_token = forged.doctor();
    let [one, other] = [json!({"iss": forged.url()}), json!({"sub": "other"})].map(|changes| signed(&changes));
    chain.file("forged", &format!("{}.{}", one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1));

    let in_file = |path: &str| chain.doctor(&["--web-identity-token-file", path, "--role-arn", OF_GITHUB]);
    let says = |name, changes: Value| in_file(&chain.file(name, &signed(&changes)));
    let now = jiff::Timestamp::now().as_second();
    let deploy = || chain.doctor(&["--profile", "deploy"]);
    let of_github = || chain.doctor(&["--github", "--role-arn", OF_GITHUB]);
    let client = ["--oauth-issuer", "https://idp.test", "--oauth-client-id", chain.idp.client_id()];
    let of_idp = chain.doctor(&[&client[..], &["--audience", AUDIENCE, "--role-arn", ROLE]].concat());
    let stss: Vec<Sts> = [Fault::RegionDisabled, Fault::Throttled, Fault::Nonsense]
        .map(|fault| {
            let sts = Sts::start();
            sts.fail(fault);
            sts
        })
        .into();
    let at = |sts: &Sts| with(of_github(), &[("AWS_ENDPOINT_URL_STS", &sts.endpoint())]);
    let china = Sts::start_in("aws-cn");
    china.provider(Provider {
        url: github::ISSUER.to_owned(),
        client_ids: vec!["sts.amazonaws.com.cn".to_owned()],
        account: ACCOUNT.to_owned(),
        fetch_from: chain.github.origin(),
    });
    let in_china = chain.doctor(&["--github", "--role-arn", "arn:aws-cn:iam::444455556666:role/github"]);
    let in_china = with(in_china, &[("AWS_ENDPOINT_URL_STS", &china.endpoint()), ("AWS_REGION", "cn-north-1")]);
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    judge(
        &chain,
        vec![
            failed(slow.doctor(), "discovery", "and STS waits for 5s", 1),
            Case { command: in_china, first: ["endpoint", "warning", "aws-cn, is sts.amazonaws.com.cn"], code: 1 },
            failed(gone.doctor(), "discovery", "HTTP status 404", 1),
            failed(moved.doctor(), "discovery", "HTTP status 302, and redirects are not followed", 1),
            failed(slash.doctor(), "discovery", "is of issuer \"https://slash.test/\"", 1),
            failed(missing.doctor(), "discovery", "there is no claims_supported", 1),
            failed(other_keys.doctor(), "discovery", "is not https, and STS fetches no keys there", 1),
            failed(in_file(&local), "discovery", "IAM takes no issuer \"http://127.0.0.1", 1),
            failed(says("none", json!({"iss": "file:///etc/passwd"})), "discovery", "is neither https nor http", 1),
            failed(busy.doctor(), "jwks", "HTTP status 503", 1),
            failed(endless.doctor(), "endpoint", "https://endless.test: the answer is larger than", 1),
            failed(ops.doctor(), "jwks", "has key_ops", 1),
            failed(kid.doctor(), "jwks", "it has \"other\"", 1),
            failed(private.doctor(), "jwks", "publishes private members", 1),
            failed(small.doctor(), "jwks", "its modulus has", 1),
            failed(forged_token, "jwks", "signature does not verify", 1),
            failed(chain.doctor(&["--profile", "deploy", "--audience", "other"]), "policy", "invalid_target", 1),
            failed(
                with(deploy(), &[("AWS_SECRET_ACCESS_KEY", "another")]),
                "policy",
                "signature we calculated does not match",
                1,
            ),
            failed(with(deploy(), &[("AWS_ACCESS_KEY_ID", "AKIANOBODY")]), "policy", "is invalid", 1),
            failed(
                with(of_github(), &[("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another")]),
                "token",
                "GitHub refused a token",
                1,
            ),
            failed(with(of_idp, &[("COUNTERSIGN_OAUTH_CLIENT_SECRET", "another")]), "token", "invalid_client", 1),
            failed(says("ended", json!({"exp": now - 400})), "claims", "it ended at", 1),
            failed(says("several", json!({"aud": [AUDIENCE, "b"]})), "claims", "without azp", 1),
            failed(
                says("roles", json!({"https://aws.amazon.com/roles": [ROLE]})),
                "claims",
                "does not name arn:aws:iam::444455556666:role/github",
                1,
            ),
            failed(
                chain.doctor(&["--profile", "deploy", "--role-arn", &role("Deploy")]),
                "role",
                "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
                1,
            ),
            failed(
                chain.doctor(&["--profile", "deploy", "--role-arn", "arn:aws:iam::999999999999:role/deploy"]),
                "role",
                "No OpenIDConnect provider found",
                1,
            ),
            failed(says("audience", json!({"aud": "b"})), "role", "Incorrect token audience", 1),
            failed(says("subject", json!({"sub": "b"})), "role", "AccessDenied", 1),
            failed(at(&stss[0]), "role", "RegionDisabledException", 1),
            failed(at(&stss[1]), "role", "Throttling", 2),
            failed(at(&stss[2]), "role", "an answer that is not one of STS", 2),
        ],
    );
}
