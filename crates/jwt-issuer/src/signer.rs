//! Which signer a key of the ring has: the key itself, or AWS KMS if the function is built with the feature `kms`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[cfg(feature = "kms")]
use aws_sdk_kms::Client;
use countersign_aws::client::SdkConfig;
use countersign_core::jwk::{Jwk, KeyId};
use countersign_core::jws::{Signer, SigningInput, Unavailable};
#[cfg(feature = "kms")]
use countersign_keys::kms::KmsSigner;
use countersign_keys::ring::Private;
use countersign_keys::{Keyring, LocalKey};

#[cfg(not(feature = "kms"))]
use self::without_kms::{Client, KmsSigner};

/// What the keys that are not in the ring itself sign with.
#[derive(Debug)]
pub(crate) struct Signers {
    kms: Client,
}

impl Signers {
    pub(crate) fn new(aws: &SdkConfig) -> Self {
        Self { kms: Client::new(aws) }
    }

    /// The signer of this key. It writes to `micros` how long signing took.
    pub(crate) fn of<'k>(&'k self, ring: &'k Keyring, kid: &KeyId, micros: &'k AtomicU64) -> Option<Timed<'k>> {
        let key = match ring.private(kid)? {
            Private::Local(key, _) => Key::Local(key),
            Private::Kms(id) => {
                let public = ring.public().keys().iter().map(|key| &key.public).find(|key| key.kid() == kid)?;
                Key::Kms(KmsSigner::new(&self.kms, public, id))
            }
        };
        Some(Timed { key, micros })
    }
}

enum Key<'k> {
    Local(&'k LocalKey),
    Kms(KmsSigner<'k>),
}

/// A key, and how long it takes to sign.
pub(crate) struct Timed<'k> {
    key: Key<'k>,
    micros: &'k AtomicU64,
}

impl Signer for Timed<'_> {
    fn key(&self) -> &Jwk {
        match &self.key {
            Key::Local(key) => key.key(),
            Key::Kms(key) => key.key(),
        }
    }

    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Unavailable> {
        let began = Instant::now();
        let signed = match &self.key {
            Key::Local(key) => key.sign(input).await,
            Key::Kms(key) => key.sign(input).await,
        };
        self.micros.store(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        signed
    }
}

/// In place of the client and its signer, in a build that has neither. The ring still loads, since its other lanes may
/// have their keys in it, and the audit record says why this one does not sign.
#[cfg(not(feature = "kms"))]
mod without_kms {
    use countersign_aws::client::SdkConfig;
    use countersign_core::jwk::Jwk;
    use countersign_core::jws::{Signer, SigningInput, Unavailable};
    use countersign_keys::ring::KmsKeyId;

    #[derive(Debug)]
    pub(super) struct Client;

    impl Client {
        pub(super) fn new(_: &SdkConfig) -> Self {
            Self
        }
    }

    pub(super) struct KmsSigner<'k>(&'k Jwk);

    impl<'k> KmsSigner<'k> {
        pub(super) fn new(_: &'k Client, key: &'k Jwk, _: &'k KmsKeyId) -> Self {
            Self(key)
        }
    }

    impl Signer for KmsSigner<'_> {
        fn key(&self) -> &Jwk {
            self.0
        }

        async fn sign(&self, _: &SigningInput) -> Result<Vec<u8>, Unavailable> {
            Err(Unavailable::Failed("the key is in AWS KMS, and this build has no KMS support".to_owned()))
        }
    }
}

#[cfg(all(test, not(feature = "kms")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use countersign_core::audit::Outcome;
    use countersign_core::caller::Identity;
    use countersign_core::issue::{Ask, Issuer};
    use countersign_core::policy::Policy;
    use countersign_core::url::IssuerUrl;
    use futures_util::FutureExt as _;
    use serde_json::json;
    use testkit::keys;

    use super::*;

    #[test]
    fn a_key_in_kms_is_no_key_for_a_build_without_kms_and_the_record_says_so() {
        let local = LocalKey::from_pem_of_any_lane(keys::RSA_2048, None).unwrap();
        let key = json!({
            "kid": local.key().kid(), "alg": "RS256", "state": "signing", "announced_at": 1, "signing_since": 2,
            "public": local.key(), "kms_key_id": "11111111-2222-3333-4444-555555555555",
        });
        let ring = Keyring::from_json(json!({"version": 1, "keys": [key]}).to_string().as_bytes(), 3).unwrap();
        let policy = json!({
            "version": 1, "default_audience": "a",
            "audiences": {"a": {"aud": "https://a.example", "profile": "generic", "alg": "RS256"}},
            "rules": [{
                "name": "all", "when": {"kind": "role", "account": ["444455556666"]},
                "grant": {"audiences": ["a"], "subject": "{role}"},
            }],
        });
        let policy =
            Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
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
        let signers = Signers::new(&SdkConfig::builder().build());
        let micros = AtomicU64::new(0);
        let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), None);
        let signer = |kid: &KeyId| signers.of(&ring, kid, &micros);
        let issued = issuer.issue(&ask, Some(&policy), Some(ring.public()), signer, 10, "t");
        let (response, audit) = issued.now_or_never().unwrap();

        assert_eq!(audit.outcome, Outcome::Failed, "{audit:?}");
        assert_eq!(audit.reason_code, Some("signing"));
        assert!(audit.reason.unwrap().ends_with("this build has no KMS support"));
        assert_eq!(audit.kid.as_deref(), Some(local.key().kid().as_str()));
        assert_eq!(response.status, 503);
        assert!(response.headers.contains(&("retry-after", "5".to_owned())), "{:?}", response.headers);
    }
}
