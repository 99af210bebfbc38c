//! A private key in this process: parsed once, checked, and able to sign (aws-lc-rs).

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::jwk::{Algorithm, Jwk, JwkFault, KeyId, PublicMaterial};
use countersign_core::jws::{Signer, SigningInput, Unavailable};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

/// A private key that signs with one algorithm, under one name.
pub struct LocalKey {
    jwk: Jwk,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Pair {
    fn to_pem(&self) -> Result<Zeroizing<String>, Unspecified> {
        let der = Zeroizing::new(match self {
            Self::Rsa(pair) => pair.as_der()?.as_ref().to_vec(),
            Self::Ec(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
        });
        Ok(pem_of(&der))
    }
}

/// Why a text is not a key that signs here. It never repeats the text.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// Not PEM with a private key.
    #[error("not a PEM private key (PKCS#8, or PKCS#1 for RSA)")]
    Pem,
    /// Which one is meant?
    #[error("more than one private key")]
    Several,
    /// Not a key of the lane that it is said to be of: wrong type or curve, too short, or inconsistent.
    #[error("not a usable {0} key: {1}")]
    Rejected(Algorithm, String),
    /// No lane takes it.
    #[error("neither RSA (2048 to 8192 bits) nor on P-256 or P-384")]
    NoLane,
    /// Its public half may not be published.
    #[error(transparent)]
    Public(#[from] JwkFault),
    /// The generator failed.
    #[error("no key could be made: {0}")]
    Generation(String),
}

fn curve(alg: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match alg {
        Algorithm::RS256 => None,
        Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
    }
}

impl LocalKey {
    /// Make a key of this lane (RSA: 2048 bits) and give it as it is to be stored, PKCS#8 in PEM.
    pub fn generate(alg: Algorithm) -> Result<(Self, Zeroizing<String>), KeyFault> {
        let failed = |_| KeyFault::Generation("aws-lc refused".to_owned());
        let pair = match curve(alg) {
            None => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?),
            Some(curve) => Pair::Ec(EcdsaKeyPair::generate(curve).map_err(failed)?),
        };
        let pem = pair.to_pem().map_err(failed)?;
        let key = Self::from_pem(&pem, alg, None)?;
        Ok((key, pem))
    }

    /// Parse a PEM private key of this lane. Its name is its thumbprint unless it is already published under another.
    pub fn from_pem(pem: &str, alg: Algorithm, kid: Option<KeyId>) -> Result<Self, KeyFault> {
        let rejected = |error: aws_lc_rs::error::KeyRejected| KeyFault::Rejected(alg, error.to_string());
        let der = Zeroizing::new(PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyFault::Pem)?);
        let (pair, jwk) = match (curve(alg), &*der) {
            (None, PrivateKeyDer::Pkcs1(_) | PrivateKeyDer::Pkcs8(_)) => {
                let pair = match &*der {
                    PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
                    _ => RsaKeyPair::from_pkcs8(der.secret_der()),
                }
                .map_err(rejected)?;
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero();
                let jwk = Jwk::rsa(n, public.exponent().big_endian_without_leading_zero(), kid)?;
                (Pair::Rsa(pair), jwk)
            }
            (Some(curve), PrivateKeyDer::Pkcs8(key)) => {
                let pair = EcdsaKeyPair::from_pkcs8(curve, key.secret_pkcs8_der()).map_err(rejected)?;
                let jwk = Jwk::ec(alg, pair.public_key().as_ref(), kid)?;
                (Pair::Ec(pair), jwk)
            }
            _ => return Err(KeyFault::Pem),
        };
        Ok(Self { jwk, pair })
    }

    /// Parse a PEM private key of whichever lane takes it.
    pub fn from_pem_of_any_lane(pem: &str, kid: Option<&KeyId>) -> Result<Self, KeyFault> {
        Zeroizing::new(PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyFault::Pem)?);
        let mut keys = 0;
        for key in PrivateKeyDer::pem_slice_iter(pem.as_bytes()) {
            drop(key.map(Zeroizing::new));
            keys += 1;
        }
        if keys > 1 {
            return Err(KeyFault::Several);
        }
        [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384]
            .into_iter()
            .find_map(|alg| Self::from_pem(pem, alg, kid.cloned()).ok())
            .ok_or(KeyFault::NoLane)
    }

    /// The private key as it is to be stored, PKCS#8 in PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyFault> {
        self.pair.to_pem().map_err(|_| KeyFault::Generation("aws-lc refused".to_owned()))
    }

    /// Sign bytes, without waiting: what [`Signer::sign`] does.
    pub fn sign_now(&self, message: &[u8]) -> Result<Vec<u8>, Unavailable> {
        let failed = |_| Unavailable::Failed("aws-lc refused to sign".to_owned());
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Ec(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
        }
    }
}

impl Signer for LocalKey {
    fn key(&self) -> &Jwk {
        &self.jwk
    }

    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Unavailable> {
        self.sign_now(input.as_bytes())
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey({})", self.jwk.kid())
    }
}

/// Is this the signature of the message by this key?
pub fn verify(key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
    match (key.material(), key.alg()) {
        (PublicMaterial::Rsa { modulus, exponent }, _) => {
            let key = RsaPublicKeyComponents { n: modulus, e: exponent };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
        }
        (PublicMaterial::Ec { point }, Algorithm::ES384) => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
        }
        (PublicMaterial::Ec { point }, _) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
        }
    }
}

/// PKCS#8 in PEM (RFC 7468 section 10): lines of 64 characters.
fn pem_of(der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    // Grown once, so that no half-written copy of the key stays behind.
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 64 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    pem
}
