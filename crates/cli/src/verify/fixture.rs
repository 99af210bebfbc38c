//! Keys and tokens for the tests of this module. The signatures are made by `aws-lc-rs` directly.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::KeySet;

#[derive(Clone)]
enum Private {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
    Ed(Arc<Ed25519KeyPair>),
}

#[derive(Clone)]
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) jwk: Value,
    private: Private,
}

/// Made once: an RSA key takes a while.
pub(super) static RSA: LazyLock<Signer> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let e = pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
    let jwk = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rsa", "n": encode(&n), "e": encode(&e)});
    Signer { kid: "rsa", algorithm: "RS256", jwk, private: Private::Rsa(Arc::new(pair)) }
});

pub(super) fn es256(kid: &'static str) -> Signer {
    ec(kid, "ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
}

pub(super) fn es384(kid: &'static str) -> Signer {
    ec(kid, "ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
}

fn ec(kid: &'static str, algorithm: &'static str, curve: &str, signing: &'static EcdsaSigningAlgorithm) -> Signer {
    let pair = EcdsaKeyPair::generate(signing).unwrap();
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    let jwk =
        json!({"kty": "EC", "crv": curve, "use": "sig", "alg": algorithm, "kid": kid, "x": encode(x), "y": encode(y)});
    Signer { kid, algorithm, jwk, private: Private::Ec(Arc::new(pair)) }
}

pub(super) fn ed25519(kid: &'static str) -> Signer {
    let pair = Ed25519KeyPair::generate().unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": encode(pair.public_key().as_ref())});
    Signer { kid, algorithm: "EdDSA", jwk, private: Private::Ed(Arc::new(pair)) }
}

impl Signer {
    /// The same RSA key for another algorithm.
    pub(super) fn with_algorithm(&self, algorithm: &'static str) -> Self {
        Self { algorithm, jwk: with(&self.jwk, "alg", json!(algorithm)), ..self.clone() }
    }

    /// A token with these header members beside (or, null, without) `alg` and `kid`, signed with this signer's own algorithm
    /// whatever the header says.
    pub(super) fn sign(&self, header: &Value, payload: &[u8]) -> String {
        let mut members = json!({"alg": self.algorithm, "kid": self.kid});
        for (name, value) in header.as_object().unwrap() {
            members = if value.is_null() { without(&members, name) } else { with(&members, name, value.clone()) };
        }
        let input = format!("{}.{}", encode(members.to_string().as_bytes()), encode(payload));
        format!("{input}.{}", encode(&self.signature(input.as_bytes())))
    }

    fn signature(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Ec(pair) => pair.sign(&random, input).unwrap().as_ref().to_vec(),
            Private::Ed(pair) => pair.sign(input).as_ref().to_vec(),
            Private::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    other => panic!("no RSA algorithm {other}"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, input, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// Three parts that nobody signed.
pub(super) fn token(header: &str, payload: &str, signature: &[u8]) -> String {
    [header.as_bytes(), payload.as_bytes(), signature].map(encode).join(".")
}

pub(super) fn set(keys: &[&Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

pub(super) fn with(object: &Value, member: &str, value: Value) -> Value {
    let mut changed = object.clone();
    changed[member] = value;
    changed
}

pub(super) fn without(object: &Value, member: &str) -> Value {
    let mut changed = object.clone();
    changed.as_object_mut().unwrap().remove(member);
    changed
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
