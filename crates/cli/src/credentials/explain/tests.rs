//! Each error of STS, and what is said of it.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::token::tests::token;
use super::*;

const DENIED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

fn claims() -> Value {
    json!({"iss": "https://id.acme.com/t", "sub": "svc:1", "aud": "sts", "iat": 1_767_225_600, "exp": 1_767_226_200})
}

fn failure(claims: &Value, session: &Session, status: u16, code: &str, message: &str) -> Failure {
    let (token, now) = (token(claims), Timestamp::from_second(1_767_225_900).unwrap());
    let said = Said { code: code.into(), message: message.into(), status, id: Some("r-1".into()) };
    let name = session.name_for(&token);
    Asked { session, token: &token, name: &name, origin: "https://sts.example", now }.explain(&said)
}

fn session() -> Session {
    let role = "arn:aws:iam::111122223333:role/ci/deploy".parse().unwrap();
    let duration = Some("7200".parse().unwrap());
    Session { role, name: None, duration, policy: None, policy_arns: Vec::new(), region: None }
}

fn told(claims: &Value, code: &str, message: &str) -> String {
    let told = failure(claims, &session(), 400, code, message).to_string();
    assert!(told.ends_with("\n  request id r-1"), "{told}");
    told
}

fn has(told: &str, expected: &[&str]) {
    for expected in expected {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn each_code_is_a_refusal_or_unknown() {
    for (code, refused) in [
        ("ExpiredTokenException", true),
        ("InvalidIdentityToken", true),
        ("IDPRejectedClaim", true),
        ("AccessDenied", true),
        ("MalformedPolicyDocument", true),
        ("PackedPolicyTooLarge", true),
        ("RegionDisabledException", true),
        ("ValidationError", true),
        ("InvalidParameterValue", true),
        ("IDPCommunicationError", false),
        ("Throttling", false),
        ("RequestLimitExceeded", false),
        ("InternalFailure", false),
        ("ServiceUnavailable", false),
        ("InvalidAction", false),
        ("", false),
    ] {
        let failure = |status| failure(&claims(), &session(), status, code, "why");
        assert_eq!(matches!(failure(400), Failure::Refused(_)), refused, "{code}");
        assert!(matches!(failure(503), Failure::Unknown(_)), "{code}: a server that fails decides nothing");
        has(&failure(400).to_string(), &["https://sts.example", "role/ci/deploy", &format!("{code}: why")]);
    }
}

#[test]
fn access_denied_is_a_list_with_the_token_s_values() {
    let plain = told(&claims(), "AccessDenied", DENIED);
    has(
        &plain,
        &[
            "a condition on \"id.acme.com/t:sub\": the token's sub is \"svc:1\"",
            "a condition on \"id.acme.com/t:aud\": the token's aud is \"sts\"",
            "{\"Federated\": \"arn:aws:iam::111122223333:oidc-provider/id.acme.com/t\"}",
            "a role arn:aws:iam::111122223333:role/ci/deploy?",
            "sts:RoleAuthorizedByIdp",
            "sts:RoleSessionName: the session's name is svc-1",
            "aws iam get-role --role-name deploy | countersign trust lint -",
        ],
    );
    assert!(!plain.contains("sts:TagSession") && !plain.contains("sts:SetSourceIdentity"), "{plain}");
    assert!(plain.find(":sub").unwrap() < plain.find(":aud").unwrap());

    let mut all = claims();
    all["azp"] = json!("client");
    all["https://aws.amazon.com/tags"] = json!({"principal_tags": {"team": ["a"], "cost": ["b"]}});
    all["https://aws.amazon.com/source_identity"] = json!("bob");
    all["https://aws.amazon.com/roles"] = json!("arn:aws:iam::111122223333:role/ci/deploy");
    let told_all = told(&all, "AccessDenied", DENIED);
    has(
        &told_all,
        &[
            "azp, which counts in place of aud, is \"client\"",
            "sts:TagSession has to be allowed as well: the token sets the session tags \"cost\", \"team\"",
            "sts:SetSourceIdentity has to be allowed as well: the token sets the source identity \"bob\"",
        ],
    );
    assert!(!told_all.contains("RoleAuthorizedByIdp"), "{told_all}");
    let tags = told(&all, "AccessDenied", "Not authorized to perform sts:TagSession");
    assert!(tags.contains("\"team\"") && !tags.contains(":sub"), "{tags}");
    let identity = told(&all, "AccessDenied", "Not authorized to perform sts:SetSourceIdentity");
    assert!(identity.contains("\"bob\"") && !identity.contains(":sub"), "{identity}");
}

#[test]
fn messages_of_invalid_tokens_lead_to_what_they_are_about() {
    let provider = "\"arn:aws:iam::111122223333:oidc-provider/id.acme.com/t\"";
    for (message, expected) in [
        (
            "No OpenIDConnect provider found in your account for https://id.acme.com/t",
            &[provider, "to the letter", "\"https://id.acme.com/t\""][..],
        ),
        ("Incorrect token audience", &["the token's aud is \"sts\"", provider]),
        (
            "Token audience contains more than one audience while authorized party is not present",
            &["the token's aud is"],
        ),
        (
            "Couldn't retrieve verification key from your identity provider",
            &["\"https://id.acme.com/t/.well-known/openid-configuration\"", "within 5 seconds", "kid, \"k1\""],
        ),
        ("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint", &["\"id.acme.com/t\""]),
        ("The target role ARN is not present in the roles claim of the identity token", &["may take none"]),
        ("principal_tags passed in claim is not in correct format.", &["a list of one text"]),
        ("Missing a required claim: sub", &["the token has \"aud\", \"exp\", \"iat\", \"iss\", \"sub\""]),
        (
            "Something that nobody has seen",
            &[provider, "the token's aud is", "kid, \"k1\"", "ends at 2026-01-01 00:10:00 UTC"],
        ),
    ] {
        has(&told(&claims(), "InvalidIdentityToken", message), expected);
    }
    let google =
        told(&json!({"iss": "https://accounts.google.com"}), "InvalidIdentityToken", "Incorrect token audience");
    assert!(
        google.contains("the provider \"accounts.google.com\" has") && !google.contains("oidc-provider"),
        "{google}"
    );
}

#[test]
fn an_issuer_that_iam_does_not_take_is_told() {
    let long = format!("https://id.acme.com/{}", "x".repeat(236));
    for issuer in ["http://127.0.0.1:8787", "https://id.acme.com:8443", "https://id.acme.com/?a", "urn:x", &long] {
        let told = told(&json!({ "iss": issuer }), "InvalidIdentityToken", "No OpenIDConnect provider found");
        assert!(told.contains("is none that IAM takes"), "{told}");
    }
    for issuer in ["https://id.acme.com", "https://acme.auth0.com/", "https://id.acme.com/a:b"] {
        let told = told(&json!({ "iss": issuer }), "InvalidIdentityToken", "No OpenIDConnect provider found");
        assert!(!told.contains("is none that IAM takes"), "{told}");
    }
}

#[test]
fn what_is_asked_for_stands_beside_its_limit() {
    has(
        &told(&claims(), "ExpiredTokenException", "Token too old: 441398"),
        &["made at 2026-01-01 00:00:00 UTC and ends at 2026-01-01 00:10:00 UTC", "clock says 2026-01-01 00:05:00 UTC"],
    );
    let duration = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    has(&told(&claims(), "ValidationError", duration), &["7200 seconds were asked for", "MaxSessionDuration of arn:"]);
    has(
        &told(&claims(), "ValidationError", "Request ARN is invalid"),
        &["of the partition aws: is https://sts.example "],
    );
    has(&told(&claims(), "ValidationError", "1 validation error detected"), &["asked for: the role arn:aws:iam::"]);
    let mut bad = claims();
    bad["https://aws.amazon.com/tags"] = json!({"principal_tags": {"team": "a"}});
    bad["https://aws.amazon.com/source_identity"] = json!("b");
    has(
        &told(&bad, "ValidationError", "Unable to validate tags"),
        &["the session tags are \"team\"", "a list of one text"],
    );
    let pattern = "1 validation error detected: Value 'b' at 'sourceIdentity' failed to satisfy constraint";
    has(&told(&bad, "ValidationError", pattern), &["the token's source identity is \"b\"", "2 to 64"]);
    let mut tagged = claims();
    tagged["https://aws.amazon.com/tags"] = json!({"principal_tags": {"Team": ["a"], "team": ["b"]}});
    let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
    has(&told(&tagged, "ValidationError", message), &["tags are \"Team\", \"team\": in", "by capitals only"]);
    let packed = "Packed size of session tags consumes 138% of allotted space.";
    has(&told(&claims(), "PackedPolicyTooLarge", packed), &["0 characters", "0 managed policies and 0 session tags"]);
    has(&told(&claims(), "RegionDisabledException", "STS is not activated"), &["https://sts.example", "us-east-1"]);
    has(&told(&claims(), "IDPCommunicationError", "x"), &["could not reach the token's issuer", ".well-known/"]);
}

#[test]
fn what_the_token_says_steers_no_terminal() {
    let evil = "\u{1b}[2J\nrequest id r-2";
    let claims = json!({"iss": evil, "sub": evil, "azp": evil, "https://aws.amazon.com/source_identity": evil,
        "https://aws.amazon.com/tags": {"principal_tags": {evil: "x"}}, "https://aws.amazon.com/roles": evil});
    for (code, message) in [
        ("AccessDenied", DENIED),
        ("InvalidIdentityToken", "x"),
        ("InvalidIdentityToken", "roles claim"),
        ("InvalidIdentityToken", "thumbprint"),
    ] {
        let told = told(&claims, code, message);
        assert!(!told.contains('\u{1b}') && !told.contains("\nrequest"), "{told}");
    }
}

/// Any JSON, and what tokens have.
fn values() -> impl Strategy<Value = Value> {
    const TEXTS: [&str; 5] =
        ["", "https://", "https://id.acme.com/?:@#", "arn:aws:iam::111122223333:role/ci/deploy", "\u{1b}[2J\u{202e}é"];
    let numbers = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        numbers,
        proptest::sample::select(&TEXTS[..]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (0_usize..4000).prop_map(|length| Value::from("ü:".repeat(length))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let names = prop_oneof![Just("principal_tags".to_owned()), any::<String>()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..4)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever a token says, and whatever STS says of it: no panic, nothing that steers a terminal, and a name that is one.
    #[test]
    fn no_claim_and_no_message_breaks_anything(
        claims in proptest::collection::btree_map(
            proptest::sample::select(&[
                "iss", "sub", "aud", "azp", "iat", "exp", "nbf", "https://aws.amazon.com/tags", "https://aws.amazon.com/roles",
                "https://aws.amazon.com/tags/principal_tags/x", "https://aws.amazon.com/source_identity",
            ][..]).prop_map(str::to_owned),
            values(),
            0..8,
        ),
        code in proptest::sample::select(&[
            "ExpiredTokenException", "InvalidIdentityToken", "IDPRejectedClaim", "AccessDenied", "PackedPolicyTooLarge", "x",
            "IDPCommunicationError", "ValidationError", "RegionDisabledException",
        ][..]),
        message in proptest::sample::select(&[
            "", "audience", "verification key", "thumbprint", "roles claim", "No OpenIDConnect provider", "MaxSessionDuration",
            "principal_tags", "a required claim", "sts:TagSession", "sts:SetSourceIdentity",
        ][..]),
        now in -377_705_023_201_i64..=253_402_207_200,
    ) {
        let claims = Value::Object(claims.into_iter().collect::<Map<_, _>>());
        // Longer ones are no tokens.
        prop_assume!(claims.to_string().len() < 14_000);
        let (token, now) = (token(&claims), Timestamp::from_second(now).unwrap());
        let name = session().name_for(&token);
        prop_assert_eq!(&name.as_str().parse::<SessionName>().unwrap(), &name);
        let faults = token.faults(&session(), now);
        let said = Said { code: code.to_owned(), message: message.to_owned(), status: 400, id: None };
        let told = Asked { session: &session(), token: &token, name: &name, origin: "https://sts.example", now }.explain(&said);
        for line in told.to_string().lines().chain(faults.iter().map(String::as_str)) {
            prop_assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }

    #[test]
    fn no_text_is_a_token_that_breaks_anything(text in any::<String>(), parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 0..5)) {
        for text in [text, parts.join("."), format!("e30.{}.AA", parts.join("."))] {
            if let Ok(token) = WebToken::read(&text) {
                token.faults(&session(), Timestamp::UNIX_EPOCH);
            }
        }
    }
}
