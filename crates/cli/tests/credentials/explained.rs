//! Every no of STS, and every failure to get one, as the user meets it: the exit code, the words of STS, and the value that
//! decided.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use testkit::github::{self, GitHub};
use testkit::keys;
use testkit::page::{Canned, Front};
use testkit::sts::Fault;

use crate::world::{ACCOUNT, AUDIENCE, ISSUER, ROLE, World, run};

/// A role that lets in any token of GitHub's stand-in, and nothing with it.
const OF_GITHUB: &str = "arn:aws:iam::444455556666:role/github";

/// What is wrong, and nothing else.
enum Wrong<'a> {
    /// The condition of the role's trust policy.
    Trust(Value),
    /// The account's provider: URL, audience, and where it leads to.
    Provider([&'a str; 3]),
    /// The account has none.
    NoProvider,
    /// The token, which is in a file.
    Token(String),
    /// What is asked for.
    Flags(&'a [&'a str]),
    /// STS itself.
    Sts(Fault),
}

/// A token of GitHub's stand-in, with these claims changed; null takes one away.
fn signed(changes: &Value) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims =
        json!({"iss": github::ISSUER, "sub": "svc:app", "aud": AUDIENCE, "iat": now - 60, "exp": now + 600});
    for (name, value) in changes.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
    let kid = GitHub::jwks()["keys"][0]["kid"].as_str().map(str::to_owned);
    let der: String = keys::RSA_2048_PKCS1.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_rsa_der(&STANDARD.decode(der).expect("base64"));
    jsonwebtoken::encode(&Header { kid, ..Header::new(Algorithm::RS256) }, &claims, &key).expect("an RSA key signs")
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is one table")]
fn each_no_ends_with_its_code_and_leads_to_what_decided() {
    let world = World::new();
    let github = GitHub::start();
    world.provider(ACCOUNT, github::ISSUER, AUDIENCE, &github.origin());
    world.role(OF_GITHUB, github::ISSUER, &["AssumeRoleWithWebIdentity"], &json!({}));
    let origin = world.issuer.origin();
    // What stands in front of the issuer.
    let fronts: Vec<Front> = (0..4).map(|_| Front::start()).collect();
    let fronted: Vec<String> = fronts.iter().map(Front::origin).collect();
    let discovery = "GET /.well-known/openid-configuration";
    fronts[0].answer(discovery, Canned { status: 200, after: Duration::from_secs(2), ..Canned::default() });
    fronts[1].answer(discovery, Canned { status: 200, body: "<html>".to_owned(), ..Canned::default() });
    fronts[2].lead_to(origin);
    fronts[2].answer("GET /.well-known/jwks.json", Canned::json(200, &GitHub::jwks()));
    fronts[3].lead_to(&github.origin());

    let now = jiff::Timestamp::now().as_second();
    let says = |claims: Value| Wrong::Token(signed(&claims));
    let tags = |tags: Value| says(json!({"https://aws.amazon.com/tags": {"principal_tags": tags}}));
    let identity = |text: &str| says(json!({"https://aws.amazon.com/source_identity": text}));
    let equals = |key: &str, value: &str| Wrong::Trust(json!({"StringEquals": {key: value}}));
    let (good, other) = (signed(&json!({})), signed(&json!({"sub": "svc:other"})));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", other.rsplit_once('.').unwrap().1);
    let wide = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:{}","Resource":"*"}}}}"#,
        "x".repeat(1950)
    );
    let old = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let no_provider = "InvalidIdentityToken: No OpenIDConnect provider found in your account for https://id.test";
    let to_the_letter =
        "has to be the token's iss, \"https://id.test\", to the letter: capitals and a slash at the end count";
    let no_key = "InvalidIdentityToken: Couldn't retrieve verification key";
    let denied = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let document = "\"https://id.test/.well-known/openid-configuration\" and the jwks_uri in it";

    for (index, (wrong, code, told)) in [
        (
            equals("id.test:aud", "other"),
            1,
            &[denied, "on \"id.test:aud\": the token's aud is \"sts.amazonaws.com\""][..],
        ),
        (equals("id.test:sub", "other"), 1, &[denied, "on \"id.test:sub\": the token's sub is \"ci:release\""]),
        (equals("sts:RoleSessionName", "other"), 1, &[denied, "sts:RoleSessionName: the session's name is ci-release"]),
        (
            Wrong::Trust(json!({"Bool": {"sts:RoleAuthorizedByIdp": "true"}})),
            1,
            &[denied, "no claim https://aws.amazon.com/roles"],
        ),
        (
            Wrong::Flags(&["--role-arn", "arn:aws:iam::444455556666:role/Deploy"]),
            1,
            &[denied, "is there a role arn:aws:iam::444455556666:role/Deploy? Its path and capitals count"],
        ),
        (Wrong::NoProvider, 1, &[no_provider, "oidc-provider/id.test\"?", to_the_letter]),
        (Wrong::Provider(["https://ID.test", AUDIENCE, origin]), 1, &[no_provider, to_the_letter]),
        (Wrong::Provider(["https://id.test/", AUDIENCE, origin]), 1, &[no_provider, to_the_letter]),
        (
            Wrong::Provider([ISSUER, "other", origin]),
            1,
            &[
                "InvalidIdentityToken: Incorrect token audience",
                "the token's aud is \"sts.amazonaws.com\"",
                "list it among its client ids",
            ],
        ),
        (Wrong::Provider([ISSUER, AUDIENCE, "http://127.0.0.1:1"]), 1, &[no_key, document, "answer within 5 seconds"]),
        (Wrong::Provider([ISSUER, AUDIENCE, &fronted[0]]), 1, &[no_key, document, "answer within 5 seconds"]),
        (Wrong::Provider([ISSUER, AUDIENCE, &fronted[1]]), 1, &[no_key, document]),
        (Wrong::Provider([ISSUER, AUDIENCE, &fronted[2]]), 1, &[no_key, document, "a key with the token's kid, \""]),
        (Wrong::Provider([ISSUER, AUDIENCE, &fronted[3]]), 1, &[no_key, document]),
        (
            says(json!({"azp": "client"})),
            1,
            &["Incorrect token audience", "azp, which counts in place of aud, is \"client\""],
        ),
        (
            says(json!({"aud": ["a", "b"]})),
            1,
            &["STS would not take the token", "this one has \"a\", \"b\" without azp"],
        ),
        (says(json!({"aud": null})), 1, &["STS would not take the token", "it has no claim aud"]),
        (says(json!({"iat": now - 3600, "exp": now - 3000})), 1, &["STS would not take the token", "it ended at "]),
        (
            says(json!({"iat": now + 3600, "exp": now + 4000})),
            1,
            &["InvalidIdentityToken", "the token says that it was made at ", "this machine's clock says "],
        ),
        (
            says(json!({"iss": "https://id.test:8443"})),
            1,
            &["No OpenIDConnect provider", "\"https://id.test:8443\", is none that IAM takes: https, no port"],
        ),
        (
            says(json!({"https://aws.amazon.com/roles": ROLE})),
            1,
            &["STS would not take the token", "does not name arn:aws:iam::444455556666:role/github, but"],
        ),
        (
            tags(json!({"team": ["a"], "cost": ["b"]})),
            1,
            &["AccessDenied: Not authorized to perform sts:TagSession", "session tags \"cost\", \"team\""],
        ),
        (
            tags(json!({"team": "a"})),
            1,
            &[
                "ValidationError: Unable to validate tags",
                "are \"team\": in https://aws.amazon.com/tags, each value of principal_tags is a list of one text",
            ],
        ),
        (
            tags(json!({"team": ["a"], "Team": ["b"]})),
            1,
            &["ValidationError: Duplicate tag keys found", "none differs from another one by capitals only"],
        ),
        (
            tags(json!({"a": ["x".repeat(256)], "b": ["y".repeat(256)]})),
            1,
            &["PackedPolicyTooLarge: Packed size of session tags consumes 126%", "2 session tags of the token"],
        ),
        (
            identity("jane"),
            1,
            &["AccessDenied: Not authorized to perform sts:SetSourceIdentity", "the source identity \"jane\""],
        ),
        (identity("j"), 1, &["ValidationError: ", "the token's source identity is \"j\", and has to have 2 to 64"]),
        (
            Wrong::Token(forged),
            1,
            &[
                "InvalidIdentityToken: The web identity token that was passed could not be validated",
                "kid, \"of-a-test\"",
            ],
        ),
        (
            Wrong::Token("eyJhbGciOiJub25lIn0.e30.AA".to_owned()),
            1,
            &["STS would not take the token", "this one says \"none\""],
        ),
        (Wrong::Token("a line of a log".to_owned()), 2, &["it is no signed JWT"]),
        (
            Wrong::Flags(&["--duration-seconds", "7200"]),
            1,
            &[
                "ValidationError: The requested DurationSeconds exceeds",
                "7200 seconds were asked for",
                "MaxSessionDuration of arn:",
            ],
        ),
        (
            Wrong::Flags(&["--policy", old]),
            1,
            &["MalformedPolicyDocument: ", "it is about the session policy", "validate-policy"],
        ),
        (
            Wrong::Flags(&["--policy", &wide, "--policy-arn", arn]),
            2,
            &["have at most 2048 characters together, and these have 2081"],
        ),
        (
            Wrong::Sts(Fault::RegionDisabled),
            1,
            &["RegionDisabledException: ", "has STS switched off in the region of http://127.0.0.1"],
        ),
        (Wrong::Sts(Fault::IdpRejectedClaim), 1, &["IDPRejectedClaim: ", "was it revoked?"]),
        (
            Wrong::Sts(Fault::IdpUnreachable),
            2,
            &["IDPCommunicationError: ", "STS could not reach the token's issuer: try again", document],
        ),
        (Wrong::Sts(Fault::Throttled), 2, &["Throttling: Rate exceeded", "try again later"]),
        (Wrong::Sts(Fault::ServerError), 2, &["InternalFailure: ", "STS itself is in trouble"]),
        (
            Wrong::Sts(Fault::Nonsense),
            2,
            &["no session of arn:aws:iam::444455556666:role/deploy from http://127.0.0.1", "not one of STS"],
        ),
        (Wrong::Sts(Fault::Cut), 2, &["no session of arn:aws:iam::444455556666:role/deploy from http://127.0.0.1"]),
    ]
    .into_iter()
    .enumerate()
    {
        let account = format!("{}", 222_222_222_000_u64 + index as u64);
        let there = format!("arn:aws:iam::{account}:role/deploy");
        let file = world.home().join("token");
        let mut flags: Vec<&str> = Vec::new();
        match &wrong {
            Wrong::Trust(condition) => world.role(ROLE, ISSUER, &["AssumeRoleWithWebIdentity"], condition),
            Wrong::Provider([url, audience, from]) => {
                world.provider(&account, url, audience, from);
                world.role(&there, url, &["AssumeRoleWithWebIdentity"], &json!({}));
                flags = vec!["--role-arn", &there];
            }
            Wrong::NoProvider => flags = vec!["--role-arn", &there],
            Wrong::Token(token) => {
                std::fs::write(&file, token).unwrap();
                flags = vec!["--web-identity-token-file", file.to_str().unwrap(), "--role-arn", OF_GITHUB];
            }
            Wrong::Flags(said) => flags = said.to_vec(),
            Wrong::Sts(fault) => world.sts.fail(*fault),
        }
        let slow = matches!(&wrong, Wrong::Provider([.., from]) if *from == fronted[0]);
        world.sts.patience(if slow { Duration::from_millis(50) } else { Duration::from_secs(5) });
        let ran = run(world.credentials(&[&["--no-cache"], &flags[..]].concat()).env("AWS_MAX_ATTEMPTS", "1"));
        world.sts.heal();
        world.trust("ci:release");

        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{told:?}: {ran:?}");
        for told in told {
            assert!(ran.stderr.contains(told), "{told} is not in {}", ran.stderr);
        }
        for secret in ["eyJ", "secret/of+ci", signature] {
            assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
        }
    }
    world.sts.close();
    let ran = run(world.credentials(&["--no-cache"]).env("AWS_MAX_ATTEMPTS", "1"));
    assert!(ran.code == Some(2) && ran.stderr.contains("no session of arn:"), "{ran:?}");
}
