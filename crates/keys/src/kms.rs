//! Keys that stay in AWS KMS: signing with one, and making and ending them.
//!
//! Two roles use this, and neither may do what the other does: the issuer signs ([`KmsSigner`]), the rotator makes keys,
//! reads their public halves and has them deleted ([`create`], [`public_key`], [`schedule_deletion`]). Each function says
//! which IAM action it needs.
//!
//! KMS is believed about nothing that can be checked here: a public half is taken only if it is a key of the lane, and a
//! signature only if it verifies with the public half that is published.

mod der;
mod lifecycle;

use std::error::Error;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use aws_sdk_kms::{Client, config};
use countersign_core::jwk::{Algorithm, Jwk, PublicMaterial};
use countersign_core::jws::{Signer, SigningInput, Unavailable};

pub use self::lifecycle::{KmsFault, create, public_key, schedule_deletion};
use crate::local;
use crate::ring::KmsKeyId;

/// A caller waits for the signature. An answer takes milliseconds as a rule: an attempt that takes this long hangs, perhaps on
/// a connection that did not survive while the function was frozen, and the next one may not.
const ATTEMPT: Duration = Duration::from_millis(1400);
/// All attempts of one call, the pauses between them included: as long as a request waits for a key ring. Two whole attempts
/// fit. The limits of the clients in general, three attempts of 2.5 s, are for what is fetched while nobody waits.
const CALL: Duration = Duration::from_secs(3);

/// A key of AWS KMS that signs, under the name of its public half. Needs `kms:Sign` on the key.
pub struct KmsSigner<'k> {
    client: &'k Client,
    key: &'k Jwk,
    id: &'k KmsKeyId,
}

impl<'k> KmsSigner<'k> {
    /// The key `id`, whose public half is `key`.
    pub fn new(client: &'k Client, key: &'k Jwk, id: &'k KmsKeyId) -> Self {
        Self { client, key, id }
    }

    /// What KMS answered, in the form that a JWS wants, if it is in the form that KMS documents.
    fn jws_form(&self, signature: Vec<u8>) -> Option<Vec<u8>> {
        match self.key.material() {
            PublicMaterial::Rsa { modulus, .. } => (signature.len() == modulus.len()).then_some(signature),
            // 04 || X || Y
            PublicMaterial::Ec { point } => der::fixed_signature(&signature, point.len() / 2),
        }
    }
}

impl Signer for KmsSigner<'_> {
    fn key(&self) -> &Jwk {
        self.key
    }

    /// The digest is made here: KMS takes at most 4096 bytes, and has no need to read claims.
    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Unavailable> {
        let hash = match self.key.alg() {
            Algorithm::RS256 | Algorithm::ES256 => &SHA256,
            Algorithm::ES384 => &SHA384,
        };
        let limits = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build();
        let request = self.client.sign().key_id(self.id.as_str()).signing_algorithm(algorithm(self.key.alg()));
        let request =
            request.message_type(MessageType::Digest).message(Blob::new(digest(hash, input.as_bytes()).as_ref()));
        let sent = request.customize().config_override(config::Builder::new().timeout_config(limits)).send().await;

        let failed = |why: &str| Unavailable::Failed(format!("KMS Sign: {why}"));
        let answer = sent.map_err(|error| Unavailable::Failed(words("KMS Sign", &error)))?;
        let signature = answer.signature.ok_or_else(|| failed("an answer without a signature"))?;
        let signature = self
            .jws_form(signature.into_inner())
            .ok_or_else(|| failed("the signature does not have the form that this key's have"))?;
        // A ring that names another key than it publishes would give out tokens that nobody accepts. KMS takes
        // milliseconds, this a fraction of one.
        if local::verify(self.key, input.as_bytes(), &signature) {
            Ok(signature)
        } else {
            Err(failed("the signature is not by the key that is published"))
        }
    }
}

impl fmt::Debug for KmsSigner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsSigner({}, {})", self.key.kid(), self.id.as_str())
    }
}

/// What KMS calls the algorithm of a lane.
fn algorithm(lane: Algorithm) -> SigningAlgorithmSpec {
    match lane {
        Algorithm::RS256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
        Algorithm::ES256 => SigningAlgorithmSpec::EcdsaSha256,
        Algorithm::ES384 => SigningAlgorithmSpec::EcdsaSha384,
    }
}

/// What failed: the error and its causes, in the words that they have for people. Their debug form would hold a whole
/// response.
fn words(what: &str, error: &(dyn Error + 'static)) -> String {
    let mut text = what.to_owned();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
