//! An issuer with a key for each algorithm, and whatever documents a test wants it to have.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::page::{Canned, Front};

pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) front: Front,
    rsa: RsaKeyPair,
    curves: Vec<(&'static str, &'static str, EcdsaKeyPair)>,
    edwards: Ed25519KeyPair,
}

impl Issuer {
    /// Serves its documents at the root, and below the path that its URL has.
    pub(crate) fn start(url: &str) -> Self {
        let pem: String = testkit::keys::RSA_2048.lines().filter(|line| !line.starts_with("--")).collect();
        let curve = |alg, name, of: &'static EcdsaSigningAlgorithm| (alg, name, EcdsaKeyPair::generate(of).unwrap());
        let issuer = Self {
            url: url.to_owned(),
            front: Front::start(),
            rsa: RsaKeyPair::from_pkcs8(&STANDARD.decode(pem).unwrap()).unwrap(),
            curves: vec![
                curve("ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
                curve("ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
                curve("ES512", "P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
            ],
            edwards: Ed25519KeyPair::generate().unwrap(),
        };
        issuer.discovery(&issuer.document());
        issuer.keys(&issuer.jwks());
        issuer
    }

    /// A discovery document as STS wants it.
    pub(crate) fn document(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/jwks.json", self.url.trim_end_matches('/')),
            "claims_supported": ["sub"],
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    pub(crate) fn discovery(&self, document: &Value) {
        self.front.answer("GET /.well-known/openid-configuration", Canned::json(200, document));
    }

    pub(crate) fn keys(&self, jwks: &Value) {
        self.front.answer("GET /jwks.json", Canned::json(200, jwks));
    }

    /// `rsa`, without an algorithm, and a key named for each of the three curves.
    pub(crate) fn jwks(&self) -> Value {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let rsa = self.rsa.public_key();
        let mut keys = vec![json!({
            "kty": "RSA", "kid": "rsa", "use": "sig",
            "n": number(rsa.modulus().big_endian_without_leading_zero()),
            "e": number(rsa.exponent().big_endian_without_leading_zero()),
        })];
        for (alg, name, key) in &self.curves {
            let point = &key.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            keys.push(json!({"kty": "EC", "kid": alg, "alg": alg, "crv": name, "x": number(x), "y": number(y)}));
        }
        json!({ "keys": keys })
    }

    /// A token with this header and these claims, signed as its `alg` says.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.signature(header["alg"].as_str().unwrap(), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"}), claims)
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        if let Some((.., key)) = self.curves.iter().find(|(of, ..)| *of == alg) {
            return key.sign(&random, message).unwrap().as_ref().to_vec();
        }
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        let with = match alg {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            "PS256" => &RSA_PSS_SHA256,
            "EdDSA" => return self.edwards.sign(message).as_ref().to_vec(),
            _ => return b"nothing".to_vec(),
        };
        self.rsa.sign(with, &random, message, &mut signature).unwrap();
        signature
    }
}
