//! Keys of KMS, against the stand-in for it: they are made, sign what others verify, and end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Config, Credentials, Region};
use countersign_core::audit::Audit;
use countersign_core::caller::Identity;
use countersign_core::issue::{Ask, Issuer};
use countersign_core::jwk::{Algorithm, Jwk, KeyId};
use countersign_core::policy::Policy;
use countersign_core::response::Response;
use countersign_core::url::IssuerUrl;
use countersign_keys::Keyring;
use countersign_keys::kms::{self, KmsFault, KmsSigner};
use countersign_keys::ring::{KmsKeyId, NewKey, Private};
use countersign_keys::secret::SecretArn;
use serde_json::{Value, json};
use testkit::aws::{self, Fault, Moto, Service};
use testkit::{keys, verifier};

const ISSUER: &str = "https://id.acme.com/tokens";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:countersign/keys-AbCdEf";
const LANES: [(Algorithm, &str); 3] =
    [(Algorithm::RS256, "RSA_2048"), (Algorithm::ES256, "ECC_NIST_P256"), (Algorithm::ES384, "ECC_NIST_P384")];

fn client(moto: &Moto) -> Client {
    let credentials = Credentials::new(aws::ACCESS_KEY_ID, aws::SECRET_ACCESS_KEY, None, None, "test");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws::REGION))
        .credentials_provider(credentials)
        .endpoint_url(moto.endpoint());
    Client::from_conf(config.build())
}

/// The stored form of a ring in which this key signs.
fn ring(public: &Jwk, id: &KmsKeyId) -> Keyring {
    let key = json!({
        "kid": public.kid(), "alg": public.alg(), "state": "signing", "announced_at": 1, "signing_since": 2,
        "public": public, "kms_key_id": id,
    });
    Keyring::from_json(json!({ "version": 1, "keys": [key] }).to_string().as_bytes(), 3).unwrap()
}

/// A token for anybody, by the one key of this ring.
async fn issue(client: &Client, ring: &Keyring) -> (Response, Box<Audit>) {
    let public = &ring.public().keys()[0].public;
    let policy = json!({
        "version": 1, "default_audience": "a",
        "audiences": { "a": { "aud": "https://a.example", "profile": "generic", "alg": public.alg() } },
        "rules": [{
            "name": "all", "when": { "kind": "role", "account": ["444455556666"] },
            "grant": { "audiences": ["a"], "subject": "{role}" }
        }]
    });
    let policy = Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let identity = Identity::supposed("arn:aws:sts::444455556666:assumed-role/app/session", None, None);
    let ask = Ask {
        request_id: "r",
        identity: &identity,
        trace_id: None,
        source_ip: None,
        has_query: false,
        content_type: None,
        body: b"",
    };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let issuer = Issuer::new(IssuerUrl::new(ISSUER).unwrap(), None);
    let signer = |kid: &_| match ring.private(kid)? {
        Private::Kms(id) => Some(KmsSigner::new(client, public, id)),
        Private::Local(..) => None,
    };
    issuer.issue(&ask, Some(&policy), Some(ring.public()), signer, now, "id").await
}

/// The key of KMS behind a new one, by its only description.
async fn made(client: &Client, moto: &Moto, lane: Algorithm) -> (NewKey, KmsKeyId) {
    let before = listed(moto);
    let key = kms::create(client, lane, &SecretArn::new(SECRET).unwrap()).await.unwrap();
    let mut new: Vec<String> = listed(moto).into_iter().filter(|arn| !before.contains(arn)).collect();
    assert_eq!(new.len(), 1);
    (key, KmsKeyId::try_from(new.remove(0)).unwrap())
}

fn listed(moto: &Moto) -> Vec<String> {
    let keys = moto.cli(&["kms", "list-keys"]);
    keys["Keys"].as_array().unwrap().iter().map(|key| key["KeyArn"].as_str().unwrap().to_owned()).collect()
}

fn described(moto: &Moto, id: &KmsKeyId) -> Value {
    moto.cli(&["kms", "describe-key", "--key-id", id.as_str()])["KeyMetadata"].take()
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_key_of_every_lane_is_made_and_what_it_signs_verifies() {
    let moto = Moto::start();
    let client = client(&moto);
    for (lane, spec) in LANES {
        let (key, id) = made(&client, &moto, lane).await;
        assert!(id.as_str().starts_with("arn:aws:kms:us-east-1:"));
        assert_eq!(key.public().kid().as_str(), key.public().thumbprint());
        assert_eq!(kms::public_key(&client, &id, lane, None).await.unwrap(), *key.public());
        let kid = KeyId::try_from("another".to_owned()).unwrap();
        let named = kms::public_key(&client, &id, lane, Some(kid.clone())).await.unwrap();
        assert_eq!((named.kid(), named.material()), (&kid, key.public().material()));

        let described = described(&moto, &id);
        assert_eq!((&described["KeySpec"], &described["KeyUsage"]), (&json!(spec), &json!("SIGN_VERIFY")));
        assert_eq!(described["Description"], format!("Countersign: signs tokens, {lane}"));
        let tags = moto.cli(&["kms", "list-resource-tags", "--key-id", id.as_str()])["Tags"].take();
        let expected = json!([
            { "TagKey": "countersign:secret", "TagValue": SECRET },
            { "TagKey": "countersign:lane", "TagValue": lane },
        ]);
        assert_eq!(tags, expected);

        // Often enough that numbers of an ECDSA signature are short ones, too.
        let ring = ring(key.public(), &id);
        let jwks = serde_json::to_value(ring.public().published().unwrap()).unwrap();
        for _ in 0..20 {
            let (response, audit) = issue(&client, &ring).await;
            assert_eq!(response.status, 200, "{}", audit.to_line());
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            let verified = verifier::verify(body["token"].as_str().unwrap(), &jwks, ISSUER, "https://a.example");
            assert_eq!(verified.unwrap().kid, key.public().kid().as_str());
        }
    }
}

#[tokio::test]
async fn a_key_that_does_not_fit_the_lane_is_refused() {
    let moto = Moto::start();
    let client = client(&moto);
    let key = |spec: &str, usage: &str| {
        let made = moto.cli(&["kms", "create-key", "--key-spec", spec, "--key-usage", usage]);
        KmsKeyId::try_from(made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()).unwrap()
    };
    for (id, lane, why) in [
        (key("ECC_NIST_P256", "SIGN_VERIFY"), Algorithm::RS256, "it does not sign with RSASSA_PKCS1_V1_5_SHA_256"),
        (key("ECC_NIST_P256", "SIGN_VERIFY"), Algorithm::ES384, "it does not sign with ECDSA_SHA_384"),
        (key("ECC_NIST_P521", "SIGN_VERIFY"), Algorithm::ES384, "it does not sign with ECDSA_SHA_384"),
        // It signs with the same hash, on another curve.
        (key("ECC_SECG_P256K1", "SIGN_VERIFY"), Algorithm::ES256, "the public key is no point of the lane's curve"),
        (key("RSA_2048", "ENCRYPT_DECRYPT"), Algorithm::RS256, "its usage is ENCRYPT_DECRYPT"),
    ] {
        let fault = kms::public_key(&client, &id, lane, None).await.unwrap_err();
        assert_eq!(fault.to_string(), format!("the KMS key {} is not for {lane}: {why}", id.as_str()));
    }
    assert!(kms::public_key(&client, &key("RSA_4096", "SIGN_VERIFY"), Algorithm::RS256, None).await.is_ok());

    let nobody = KmsKeyId::try_from("11111111-2222-3333-4444-555555555555".to_owned()).unwrap();
    let fault = kms::public_key(&client, &nobody, Algorithm::RS256, None).await.unwrap_err();
    assert!(matches!(fault, KmsFault::Unknown(id) if id == nobody));
}

#[tokio::test]
async fn a_key_ends_once_and_its_end_may_be_asked_for_again() {
    let moto = Moto::start();
    let client = client(&moto);
    let (key, id) = made(&client, &moto, Algorithm::ES256).await;
    for _ in 0..2 {
        kms::schedule_deletion(&client, &id).await.unwrap();
        let described = described(&moto, &id);
        assert_eq!(described["KeyState"], "PendingDeletion");
    }
    let nobody = KmsKeyId::try_from("11111111-2222-3333-4444-555555555555".to_owned()).unwrap();
    kms::schedule_deletion(&client, &nobody).await.unwrap();

    let (response, audit) = issue(&client, &ring(key.public(), &id)).await;
    assert_eq!(response.status, 503);
    let reason = audit.reason.unwrap();
    assert!(reason.starts_with("signing failed: KMS Sign: service error: KmsInvalidStateException"), "{reason}");

    moto.gate().fail(Service::Kms, Fault::AccessDenied);
    let fault = kms::schedule_deletion(&client, &id).await.unwrap_err();
    assert!(chain(&fault).starts_with("KMS ScheduleKeyDeletion: service error: "), "{}", chain(&fault));
}

#[tokio::test]
async fn a_key_that_is_not_the_published_one_gives_no_token() {
    let moto = Moto::start();
    let client = client(&moto);
    for (lane, _) in LANES {
        let (_, id) = made(&client, &moto, lane).await;
        let (other, _) = made(&client, &moto, lane).await;
        let (response, audit) = issue(&client, &ring(other.public(), &id)).await;
        assert_eq!(response.status, 503);
        assert_eq!(
            audit.reason.unwrap(),
            "signing failed: KMS Sign: the signature is not by the key that is published"
        );
    }
    // A modulus of another length.
    let (_, id) = made(&client, &moto, Algorithm::RS256).await;
    let long = NewKey::from_pem(keys::RSA_4096, None).unwrap();
    let (_, audit) = issue(&client, &ring(long.public(), &id)).await;
    let expected = "signing failed: KMS Sign: the signature does not have the form that this key's have";
    assert_eq!(audit.reason.unwrap(), expected);
}

#[tokio::test]
async fn a_kms_that_fails_is_told_of_in_words_and_is_waited_for_three_seconds() {
    let moto = Moto::start();
    let client = client(&moto);
    let (key, id) = made(&client, &moto, Algorithm::RS256).await;
    let ring = ring(key.public(), &id);
    for (fault, words) in [
        (Fault::Throttled, "ThrottlingException"),
        (Fault::AccessDenied, "AccessDeniedException"),
        (Fault::ServerError, "service error"),
        (Fault::Silent, "timed out"),
        (Fault::Cut, "dispatch failure"),
    ] {
        moto.gate().fail(Service::Kms, fault);
        let (began, before) = (Instant::now(), moto.gate().requests(Service::Kms));
        let (response, audit) = issue(&client, &ring).await;
        let (took, requests) = (began.elapsed(), moto.gate().requests(Service::Kms) - before);
        moto.gate().heal(Service::Kms);

        assert_eq!(response.status, 503);
        assert!(response.headers.contains(&("retry-after", "5".to_owned())), "{:?}", response.headers);
        let reason = audit.reason.unwrap();
        assert!(reason.starts_with("signing failed: KMS Sign: ") && reason.contains(words), "{fault:?}: {reason}");
        // The debug form of an error holds headers and bodies.
        assert!(reason.len() < 600 && !reason.contains("SdkBody"), "{fault:?}: {reason}");
        assert!(took < Duration::from_secs(5), "{fault:?}: {took:?}");
        if fault == Fault::Silent {
            assert!(took >= Duration::from_millis(2500), "{took:?}");
            assert!(requests >= 2, "a connection that hangs leaves time for a second one: {requests}");
        }
    }
    let (response, audit) = issue(&client, &ring).await;
    assert_eq!(response.status, 200, "{}", audit.to_line());
}
