//! The issuer's key set (RFC 7517 section 5), and which of its keys may verify which algorithm.

use std::collections::HashMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::{Map, Value};
use thiserror::Error;

use super::problem::Problem;
use super::text::quoted;
use super::{json, roca};

/// Every member that only a private or symmetric key has: RFC 7518 section 6, and `priv` of the AKP keys to come.
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// More than 8192 bits are not accepted by `aws-lc` either; less than 2048 are not by RFC 7518 section 3.3.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Odd and more than one bit is at least 3: with exponent 1 every message is its own signature. `aws-lc` refuses wider
/// ones than this, and would make that look like a bad signature.
const RSA_EXPONENT_BITS: std::ops::RangeInclusive<usize> = 2..=33;

/// The keys that an issuer publishes. Keys of unknown types stay in it (they can be named, never used).
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<Jwk>,
    faults: Vec<Problem>,
}

/// This is no key set at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a key set (RFC 7517 section 5): {0}")]
pub struct KeySetError(String);

impl KeySet {
    /// Reads a JWKS. Keys are judged when a token asks for them; a set that is dangerous as a whole is still a set, and
    /// [`KeySet::faults`] says why no token of it passes.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let mut set = json::object(json).map_err(KeySetError)?;
        let Some(Value::Array(items)) = set.remove("keys") else {
            return Err(KeySetError("there is no array `keys`".to_owned()));
        };
        let mut keys: Vec<Jwk> = Vec::with_capacity(items.len());
        let (mut faults, mut seen) = (Vec::new(), HashMap::<String, usize>::new());
        for (n, item) in items.into_iter().enumerate() {
            let Value::Object(members) = item else {
                return Err(KeySetError(format!("key number {} is not an object", n + 1)));
            };
            let key = Jwk::new(n, members);
            let private: Vec<&str> = PRIVATE.into_iter().filter(|name| key.members.contains_key(*name)).collect();
            if !private.is_empty() {
                faults.push(Problem::PrivateMember { key: key.name.clone(), members: private });
            }
            if let Some(kid) = &key.kid {
                let times = seen.entry(kid.clone()).or_default();
                *times += 1;
                if *times == 2 {
                    faults.push(Problem::RepeatedKeyId { kid: kid.clone() });
                }
            }
            keys.push(key);
        }
        Ok(Self { keys, faults })
    }

    /// What makes the whole set unfit: private members, repeated `kid`s.
    pub fn faults(&self) -> &[Problem] {
        &self.faults
    }

    /// What STS does not take in a set, whichever key a token names (facts of `AssumeRoleWithWebIdentity`).
    pub fn faults_for_aws(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for key in &self.keys {
            if key.members.contains_key("key_ops") {
                faults.push(format!("key {} has key_ops, and STS takes no set with such a key", key.name));
            }
            if key.kid.is_none() {
                faults.push(format!("key {}: STS takes keys with a kid only", key.name));
            }
        }
        for kind in ["RSA", "EC"] {
            let count = self.keys.iter().filter(|key| key.members.get("kty").is_some_and(|kty| kty == kind)).count();
            if count > 100 {
                faults.push(format!("{count} keys are {kind}, and STS takes at most 100"));
            }
        }
        faults
    }

    /// No key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one key that may have signed a token with this header, and how messages name it.
    pub(super) fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        name: &'static str,
    ) -> Result<(DecodingKey, &str), Problem> {
        let Some(kid) = kid else {
            let mut usable =
                self.keys.iter().filter_map(|key| Some((key.usable_for(algorithm, name).ok()?, key.name.as_str())));
            return match (usable.next(), usable.count()) {
                (Some(only), 0) => Ok(only),
                (first, others) => {
                    Err(Problem::NoKeyId { algorithm: name, usable: usize::from(first.is_some()) + others })
                }
            };
        };
        let mut named = self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid));
        match (named.next(), named.next()) {
            (None, _) => Err(Problem::UnknownKeyId {
                kid: kid.to_owned(),
                known: self.keys.iter().filter_map(|key| key.kid.clone()).collect(),
            }),
            (Some(_), Some(_)) => Err(Problem::RepeatedKeyId { kid: kid.to_owned() }),
            (Some(key), None) => match key.usable_for(algorithm, name) {
                Ok(decoding) => Ok((decoding, &key.name)),
                Err(reason) => Err(Problem::UnusableKey { key: key.name.clone(), reason }),
            },
        }
    }
}

#[derive(Debug, Clone)]
struct Jwk {
    /// The quoted `kid`, or the place in the set.
    name: String,
    kid: Option<String>,
    members: Map<String, Value>,
}

impl Jwk {
    fn new(n: usize, members: Map<String, Value>) -> Self {
        let kid = members.get("kid").and_then(Value::as_str).map(str::to_owned);
        let name = kid.as_deref().map_or_else(|| format!("number {} (no kid)", n + 1), quoted);
        Self { name, kid, members }
    }

    /// The key, if everything that the JWK says about itself allows this algorithm; else the reason, as a clause.
    fn usable_for(&self, algorithm: Algorithm, name: &str) -> Result<DecodingKey, String> {
        if self.members.contains_key("kid") && self.kid.is_none() {
            return Err("its kid is not a string".to_owned());
        }
        if let Some(alg) = self.optional_text("alg")?
            && alg != name
        {
            return Err(format!("it is for algorithm {}, the token says {name}", quoted(alg)));
        }
        if let Some(usage) = self.optional_text("use")?
            && usage != "sig"
        {
            return Err(format!("its use is {}, not \"sig\"", quoted(usage)));
        }
        match self.members.get("key_ops") {
            None => {}
            Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
            Some(_) => return Err("its key_ops do not hold \"verify\"".to_owned()),
        }
        match algorithm.family() {
            AlgorithmFamily::Rsa => self.rsa(),
            AlgorithmFamily::Ec if algorithm == Algorithm::ES256 => self.ec("P-256", 32, &ECDSA_P256_SHA256_FIXED),
            AlgorithmFamily::Ec => self.ec("P-384", 48, &ECDSA_P384_SHA384_FIXED),
            AlgorithmFamily::Ed => self.ed25519(),
            AlgorithmFamily::Hmac => Err("symmetric keys are not accepted".to_owned()),
        }
    }

    /// RFC 7518 section 6.3.1.
    fn rsa(&self) -> Result<DecodingKey, String> {
        self.must_say("kty", "RSA")?;
        let (modulus, exponent) = (self.bytes("n")?, self.bytes("e")?);
        let bits = width("n", &modulus)?;
        if !RSA_BITS.contains(&bits) {
            return Err(format!(
                "its modulus has {bits} bits, accepted are {} to {}",
                RSA_BITS.start(),
                RSA_BITS.end()
            ));
        }
        if is_even(&modulus) {
            return Err("its modulus is even".to_owned());
        }
        let exponent_bits = width("e", &exponent)?;
        if is_even(&exponent) || !RSA_EXPONENT_BITS.contains(&exponent_bits) {
            return Err(format!(
                "its exponent is not an odd number from 3 on with at most {} bits",
                RSA_EXPONENT_BITS.end()
            ));
        }
        if roca::has_fingerprint(&modulus) {
            return Err("its modulus has the ROCA fingerprint (CVE-2017-15361): it can be factored".to_owned());
        }
        Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
    }

    /// RFC 7518 section 6.2.1. Coordinates have their full length, and the point is on the curve.
    fn ec(
        &self,
        curve: &str,
        length: usize,
        parser: &'static dyn VerificationAlgorithm,
    ) -> Result<DecodingKey, String> {
        self.must_say("kty", "EC")?;
        self.must_say("crv", curve)?;
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        if x.len() != length || y.len() != length {
            return Err(format!(
                "its coordinates are {} and {} bytes long, those of {curve} are {length}",
                x.len(),
                y.len()
            ));
        }
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        if ParsedPublicKey::new(parser, &point).is_err() {
            return Err(format!("its point is not on {curve}"));
        }
        // This constructor stores what it gets; the uncompressed point is what the verifier takes.
        Ok(DecodingKey::from_ec_der(&point))
    }

    /// RFC 8037 section 2.
    fn ed25519(&self) -> Result<DecodingKey, String> {
        self.must_say("kty", "OKP")?;
        self.must_say("crv", "Ed25519")?;
        let x = self.bytes("x")?;
        if x.len() != 32 {
            return Err(format!("its x is {} bytes long, not 32", x.len()));
        }
        Ok(DecodingKey::from_ed_der(&x))
    }

    fn must_say(&self, member: &str, wanted: &str) -> Result<(), String> {
        match self.optional_text(member)? {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(format!("its {member} is {}, the token's algorithm needs {wanted:?}", quoted(found))),
            None => Err(format!("it has no {member}")),
        }
    }

    fn optional_text(&self, member: &str) -> Result<Option<&str>, String> {
        match self.members.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("its {member} is not a string")),
        }
    }

    fn bytes(&self, member: &str) -> Result<Vec<u8>, String> {
        let text = self.optional_text(member)?.ok_or_else(|| format!("it has no {member}"))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("its {member} is not base64url without padding"))
    }
}

/// Length in bits of a number in its shortest form, which RFC 7518 section 2 demands (`Base64urlUInt`).
fn width(member: &str, number: &[u8]) -> Result<usize, String> {
    match number.first() {
        None => Err(format!("its {member} is empty")),
        Some(0) => Err(format!("its {member} begins with a zero byte")),
        Some(first) => Ok(number.len() * 8 - first.leading_zeros() as usize),
    }
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{RSA, es256, es384, set, with, without};
    use super::*;

    fn judge(jwk: &Value, algorithm: Algorithm) -> Result<(), String> {
        let Value::Object(members) = jwk.clone() else { panic!("not an object") };
        Jwk::new(0, members).usable_for(algorithm, &format!("{algorithm:?}")).map(|_| ())
    }

    #[test]
    fn what_sts_takes_in_no_set_is_told() {
        let faults = |keys: &[&Value]| set(keys).faults_for_aws().join("; ");
        assert_eq!(faults(&[&RSA.jwk]), "");
        let of = |jwk: Value| faults(&[&RSA.jwk, &jwk]);
        assert!(of(with(&RSA.jwk, "key_ops", json!(["verify"]))).contains("has key_ops"));
        assert!(of(without(&RSA.jwk, "kid")).contains("number 2 (no kid): STS takes keys with a kid only"));
        let many: Vec<Value> = (0..101).map(|n| with(&RSA.jwk, "kid", json!(n.to_string()))).collect();
        let many: Vec<&Value> = many.iter().collect();
        assert_eq!(faults(&many), "101 keys are RSA, and STS takes at most 100");
        assert_eq!(faults(many.get(..100).unwrap()), "");
    }

    fn number(bytes: &[u8]) -> Value {
        json!(URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn what_a_jwk_says_about_itself_is_believed() {
        let jwk = &RSA.jwk;
        let good = [
            without(jwk, "alg"),
            without(jwk, "use"),
            without(jwk, "kid"),
            with(jwk, "key_ops", json!(["sign", "verify"])),
            with(jwk, "x5c", json!(["whatever"])),
        ];
        for jwk in good {
            assert_eq!(judge(&jwk, Algorithm::RS256), Ok(()), "{jwk}");
        }
        let bad = [
            (with(jwk, "alg", json!("PS256")), "it is for algorithm \"PS256\", the token says RS256"),
            (with(jwk, "alg", json!(7)), "its alg is not a string"),
            (with(jwk, "use", json!("enc")), "its use is \"enc\", not \"sig\""),
            (with(jwk, "use", json!(null)), "its use is not a string"),
            (with(jwk, "key_ops", json!(["encrypt"])), "its key_ops do not hold \"verify\""),
            (with(jwk, "key_ops", json!("verify")), "its key_ops do not hold \"verify\""),
            (with(jwk, "kid", json!(1)), "its kid is not a string"),
            (with(jwk, "kty", json!("EC")), "its kty is \"EC\", the token's algorithm needs \"RSA\""),
            (with(jwk, "kty", json!("rsa")), "its kty is \"rsa\", the token's algorithm needs \"RSA\""),
            (without(jwk, "kty"), "it has no kty"),
            (without(jwk, "n"), "it has no n"),
            (with(jwk, "n", json!("AQ==")), "its n is not base64url without padding"),
        ];
        for (jwk, reason) in bad {
            assert_eq!(judge(&jwk, Algorithm::RS256).unwrap_err(), reason, "{jwk}");
        }
    }

    #[test]
    fn rsa_numbers_have_bounds() {
        let jwk = without(&RSA.jwk, "alg");
        let modulus = |bits: usize| {
            let mut bytes = vec![0xff; bits.div_ceil(8)];
            bytes[0] >>= bytes.len() * 8 - bits;
            with(&jwk, "n", number(&bytes))
        };
        for bits in [2048, 2049, 4096, 8192] {
            assert_eq!(judge(&modulus(bits), Algorithm::PS512), Ok(()), "{bits}");
        }
        for bits in [1, 1024, 2047, 8193, 16_384] {
            let reason = judge(&modulus(bits), Algorithm::PS512).unwrap_err();
            assert_eq!(reason, format!("its modulus has {bits} bits, accepted are 2048 to 8192"));
        }
        let exponents: [(&[u8], bool); 9] = [
            (&[3], true),
            (&[1, 0, 1], true),
            (&[1, 0, 0, 0, 1], true),
            (&[1], false),
            (&[2], false),
            (&[1, 0, 0], false),
            (&[2, 0, 0, 0, 1], false),
            (&[0, 1, 0, 1], false),
            (&[], false),
        ];
        for (exponent, good) in exponents {
            assert_eq!(judge(&with(&jwk, "e", number(exponent)), Algorithm::RS256).is_ok(), good, "{exponent:?}");
        }
        let mut even = vec![0xff; 256];
        even[255] = 0xfe;
        assert_eq!(judge(&with(&jwk, "n", number(&even)), Algorithm::RS256).unwrap_err(), "its modulus is even");
        let padded = [vec![0], vec![0xff; 256]].concat();
        assert_eq!(
            judge(&with(&jwk, "n", number(&padded)), Algorithm::RS256).unwrap_err(),
            "its n begins with a zero byte"
        );
    }

    #[test]
    fn rsa_keys_with_the_roca_fingerprint_are_refused() {
        // 65537^128 is no modulus that anybody has, but it has the fingerprint and the right length. 65537x = (x << 16) + x.
        let power = (0..128).fold(vec![1_u8], |x, _| {
            let shifted = [x.as_slice(), &[0, 0]].concat();
            let mut carry = 0;
            let mut sum: Vec<u8> = (0..shifted.len())
                .map(|n| {
                    let low = x.len().checked_sub(n + 1).map_or(0, |at| u16::from(x[at]));
                    let digit = u16::from(shifted[shifted.len() - 1 - n]) + low + carry;
                    carry = digit >> 8;
                    u8::try_from(digit & 0xff).unwrap()
                })
                .collect();
            sum.reverse();
            sum
        });
        let reason = judge(&with(&RSA.jwk, "n", number(&power)), Algorithm::RS256).unwrap_err();
        assert_eq!(reason, "its modulus has the ROCA fingerprint (CVE-2017-15361): it can be factored");
    }

    #[test]
    fn points_are_on_the_curve_of_the_algorithm() {
        let (p256, p384) = (without(&es256("a").jwk, "alg"), without(&es384("b").jwk, "alg"));
        assert_eq!(judge(&p256, Algorithm::ES256), Ok(()));
        assert_eq!(judge(&p384, Algorithm::ES384), Ok(()));
        assert_eq!(
            judge(&p384, Algorithm::ES256).unwrap_err(),
            "its crv is \"P-384\", the token's algorithm needs \"P-256\""
        );
        assert_eq!(
            judge(&p256, Algorithm::RS256).unwrap_err(),
            "its kty is \"EC\", the token's algorithm needs \"RSA\""
        );
        assert_eq!(
            judge(&with(&p256, "x", p256["y"].clone()), Algorithm::ES256).unwrap_err(),
            "its point is not on P-256"
        );
        assert_eq!(
            judge(&with(&p256, "x", number(&[0; 32])), Algorithm::ES256).unwrap_err(),
            "its point is not on P-256"
        );
        let long = with(&p256, "x", number(&[0; 33]));
        assert_eq!(
            judge(&long, Algorithm::ES256).unwrap_err(),
            "its coordinates are 33 and 32 bytes long, those of P-256 are 32"
        );
        let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": number(&[1; 31])});
        assert_eq!(judge(&okp, Algorithm::EdDSA).unwrap_err(), "its x is 31 bytes long, not 32");
        assert!(judge(&with(&okp, "crv", json!("Ed448")), Algorithm::EdDSA).unwrap_err().starts_with("its crv"));
        assert_eq!(judge(&json!({"kty": "oct"}), Algorithm::HS256).unwrap_err(), "symmetric keys are not accepted");
    }

    #[test]
    fn private_members_and_repeated_kids_are_faults_of_the_set() {
        let a = es256("a").jwk;
        assert_eq!(set(&[&a, &json!({"kty": "AKP", "kid": "new", "pub": "AA"}), &json!({})]).faults(), []);
        for member in PRIVATE {
            let fault = Problem::PrivateMember { key: "\"a\"".to_owned(), members: vec![member] };
            assert_eq!(set(&[&with(&a, member, json!("secret"))]).faults(), [fault], "{member}");
        }
        let unnamed = with(&with(&json!({"kty": "RSA"}), "q", json!("secret")), "p", json!("secret"));
        let fault = Problem::PrivateMember { key: "number 2 (no kid)".to_owned(), members: vec!["p", "q"] };
        let found = set(&[&a, &unnamed]);
        assert_eq!(found.faults(), std::slice::from_ref(&fault));
        assert!(!fault.to_string().contains("secret"));
        let repeated = Problem::RepeatedKeyId { kid: "a".to_owned() };
        assert_eq!(set(&[&a, &json!({"kty": "AKP", "kid": "a"}), &a]).faults(), [repeated]);
    }

    #[test]
    fn a_set_as_large_as_an_answer_may_be_is_read_at_once() {
        let many: Vec<Value> = (0..60_000).map(|n| json!({"kid": n.to_string()})).collect();
        let (text, began) = (json!({"keys": many}).to_string(), std::time::Instant::now());
        assert!(KeySet::parse(text.as_bytes()).unwrap().faults().is_empty());
        // It takes the fiftieth part, and each with each a minute.
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[1]}"#,
            r#"{"keys":[],"keys":[]}"#,
            r#"{"keys":[{"kid":"a","kid":"a"}]}"#,
        ] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(KeySet::parse(br#"{"keys":[],"other":1}"#).is_ok());
    }
}
