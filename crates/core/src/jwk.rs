//! Public keys as they are published: JSON Web Key (RFC 7517) and the set of them.
//!
//! A [`Jwk`] that exists is one that may be served: a known type, long enough, with `kty use alg kid` and its public
//! members and nothing else. A private member, `key_ops` (AWS STS rejects a key that has it), an RSA modulus below
//! 2048 bits or a repeated `kid` does not load.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A signature algorithm of RFC 7518 section 3.1, and so a lane of the key ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what every relying party understands.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
}

impl Algorithm {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::RS256, Self::ES256, Self::ES384].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The name in a JWS header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
        }
    }

    /// Curve name and length of a coordinate in bytes, for the elliptic ones.
    fn curve(self) -> Option<(&'static str, usize)> {
        match self {
            Self::RS256 => None,
            Self::ES256 => Some(("P-256", 32)),
            Self::ES384 => Some(("P-384", 48)),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key's name in JWS headers and in the JWKS: 1 to 128 printable ASCII characters without space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The text as it stands in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = JwkFault;

    fn try_from(text: String) -> Result<Self, JwkFault> {
        let legal = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if legal { Ok(Self(text)) } else { Err(JwkFault::KeyId) }
    }
}

impl From<KeyId> for String {
    fn from(kid: KeyId) -> Self {
        kid.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a public key or a set of them may not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwkFault {
    /// `kid` is empty, too long or holds other characters.
    #[error("kid must be 1 to 128 printable ASCII characters without space")]
    KeyId,
    /// A member's type, length or encoding is wrong.
    #[error("`{0}` is missing, misplaced or malformed")]
    Member(&'static str),
    /// An RSA modulus outside 2048 to 8192 bits.
    #[error("an RSA key of {0} bits: 2048 to 8192 are allowed")]
    RsaSize(usize),
    /// A set with no key.
    #[error("the key set is empty")]
    Empty,
    /// Two keys with one name.
    #[error("the key id {0} appears twice")]
    Repeated(KeyId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa { n: String, e: String },
    Ec { x: String, y: String },
}

/// A public key as numbers, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicMaterial {
    /// RSA.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
    /// On the curve of the key's algorithm.
    Ec {
        /// Uncompressed (SEC 1 section 2.3.3).
        point: Vec<u8>,
    },
}

/// One public key (RFC 7517, RFC 7518 section 6), with `use: sig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Written")]
pub struct Jwk {
    kid: KeyId,
    alg: Algorithm,
    material: Material,
}

/// The members in the order in which they are served. Anything else is refused, private members first of all.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kty: String,
    #[serde(rename = "use")]
    use_: String,
    alg: Algorithm,
    kid: KeyId,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl Jwk {
    /// An RSA key from its modulus and public exponent, big-endian. Its `kid` is its thumbprint unless one is given.
    pub fn rsa(modulus: &[u8], exponent: &[u8], kid: Option<KeyId>) -> Result<Self, JwkFault> {
        let (n, e) = (strip_zeros(modulus), strip_zeros(exponent));
        check_rsa(n, e)?;
        Self::new(Algorithm::RS256, Material::Rsa { n: URL_SAFE_NO_PAD.encode(n), e: URL_SAFE_NO_PAD.encode(e) }, kid)
    }

    /// An elliptic key from its uncompressed point (`04 || X || Y`, SEC 1 section 2.3.3).
    pub fn ec(alg: Algorithm, point: &[u8], kid: Option<KeyId>) -> Result<Self, JwkFault> {
        let (_, length) = alg.curve().ok_or(JwkFault::Member("crv"))?;
        let Some((4, rest)) = point.split_first() else { return Err(JwkFault::Member("x")) };
        if rest.len() != 2 * length {
            return Err(JwkFault::Member("x"));
        }
        let (x, y) = rest.split_at(length);
        Self::new(alg, Material::Ec { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }, kid)
    }

    fn new(alg: Algorithm, material: Material, kid: Option<KeyId>) -> Result<Self, JwkFault> {
        let kid = match kid {
            Some(kid) => kid,
            None => KeyId::try_from(thumbprint(alg, &material))?,
        };
        Ok(Self { kid, alg, material })
    }

    /// The key's name.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The one algorithm that this key signs with.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The numbers that a verifier needs.
    pub fn material(&self) -> PublicMaterial {
        // What stands in a `Jwk` was decoded once, or encoded here.
        let bytes = |text: &String| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match &self.material {
            Material::Rsa { n, e } => PublicMaterial::Rsa { modulus: bytes(n), exponent: bytes(e) },
            Material::Ec { x, y } => PublicMaterial::Ec { point: [vec![4], bytes(x), bytes(y)].concat() },
        }
    }

    /// The name under which this very key stands in a published set, even in one that could not be served: other issuers
    /// leave members out, or add some.
    pub fn name_in(&self, set: &serde_json::Value) -> Option<KeyId> {
        let (first, second) = match &self.material {
            Material::Rsa { n, e } => (("n", n), ("e", e)),
            Material::Ec { x, y } => (("x", x), ("y", y)),
        };
        let number = |text: &str| {
            let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
            URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| strip_zeros(&bytes).to_vec())
        };
        let same = |key: &serde_json::Value, (name, own): (&str, &String)| {
            key.get(name).and_then(serde_json::Value::as_str).is_some_and(|text| number(text) == number(own))
        };
        let mut keys = set.get("keys")?.as_array()?.iter();
        let found = keys.find(|key| same(key, first) && same(key, second))?;
        KeyId::try_from(found.get("kid")?.as_str()?.to_owned()).ok()
    }

    /// SHA-256 thumbprint (RFC 7638), base64url.
    pub fn thumbprint(&self) -> String {
        thumbprint(self.alg, &self.material)
    }
}

fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.split_at(zeros).1
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), JwkFault> {
    let bits = n.first().map_or(0, |top| n.len() * 8 - top.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(JwkFault::RsaSize(bits));
    }
    // Public exponents in use are 65537, rarely 3 or 17; 1 would make every message its own signature.
    let sound = e.len() <= 8 && e.last().is_some_and(|last| last % 2 == 1) && e != [1];
    if sound { Ok(()) } else { Err(JwkFault::Member("e")) }
}

/// The required members in lexicographic order without white space, hashed (RFC 7638 section 3).
fn thumbprint(alg: Algorithm, material: &Material) -> String {
    let canonical = match material {
        Material::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        Material::Ec { x, y } => {
            let crv = alg.curve().map_or("", |(crv, _)| crv);
            format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
        }
    };
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

impl TryFrom<Written> for Jwk {
    type Error = JwkFault;

    fn try_from(w: Written) -> Result<Self, JwkFault> {
        let decode = |text: &Option<String>, name| {
            text.as_ref().and_then(|t| URL_SAFE_NO_PAD.decode(t).ok()).ok_or(JwkFault::Member(name))
        };
        if w.use_ != "sig" {
            return Err(JwkFault::Member("use"));
        }
        match w.alg.curve() {
            None => {
                if w.kty != "RSA" || w.crv.is_some() || w.x.is_some() || w.y.is_some() {
                    return Err(JwkFault::Member("kty"));
                }
                Self::rsa(&decode(&w.n, "n")?, &decode(&w.e, "e")?, Some(w.kid))
            }
            Some((crv, length)) => {
                if w.kty != "EC" || w.crv.as_deref() != Some(crv) || w.n.is_some() || w.e.is_some() {
                    return Err(JwkFault::Member("kty"));
                }
                let (x, y) = (decode(&w.x, "x")?, decode(&w.y, "y")?);
                if x.len() != length || y.len() != length {
                    return Err(JwkFault::Member("x"));
                }
                Self::ec(w.alg, &[&[4], x.as_slice(), y.as_slice()].concat(), Some(w.kid))
            }
        }
    }
}

impl From<Jwk> for Written {
    fn from(jwk: Jwk) -> Self {
        let (mut n, mut e, mut x, mut y) = (None, None, None, None);
        let kty = match jwk.material {
            Material::Rsa { n: modulus, e: exponent } => {
                (n, e) = (Some(modulus), Some(exponent));
                "RSA"
            }
            Material::Ec { x: first, y: second } => {
                (x, y) = (Some(first), Some(second));
                "EC"
            }
        };
        let crv = jwk.alg.curve().map(|(crv, _)| crv.to_owned());
        Self { kty: kty.to_owned(), use_: "sig".to_owned(), alg: jwk.alg, kid: jwk.kid, n, e, crv, x, y }
    }
}

/// The published set (RFC 7517 section 5): at least one key, no name twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSet {
    keys: Vec<Jwk>,
}

impl Jwks {
    /// A set of these keys, in this order.
    pub fn new(keys: Vec<Jwk>) -> Result<Self, JwkFault> {
        if keys.is_empty() {
            return Err(JwkFault::Empty);
        }
        let mut seen = BTreeSet::new();
        for key in &keys {
            if !seen.insert(key.kid()) {
                return Err(JwkFault::Repeated(key.kid().clone()));
            }
        }
        Ok(Self { keys })
    }

    /// The keys, in the order in which they are served.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(object::<Written, D>(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Jwks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(object::<WrittenSet, D>(deserializer)?.keys).map_err(de::Error::custom)
    }
}

/// A JSON object and nothing else: a derived reader would also take the list of an object's values.
fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct ObjectVisitor<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// A member that is there holds a string: null is not as good as absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The example of RFC 7638 section 3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn rsa() -> serde_json::Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "2011-04-29", "n": N, "e": "AQAB"})
    }

    #[test]
    fn thumbprint_is_the_one_of_rfc_7638() {
        let jwk: Jwk = serde_json::from_value(rsa()).unwrap();
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(serde_json::to_value(&jwk).unwrap(), rsa());
    }

    #[test]
    fn refuses_what_must_not_be_published() {
        for (member, value, why) in [
            ("d", json!("AQAB"), "unknown field `d`"),
            ("key_ops", json!(["verify"]), "unknown field `key_ops`"),
            ("kty", json!("oct"), "`kty`"),
            ("use", json!("enc"), "`use`"),
            ("alg", json!("PS256"), "unknown variant"),
            ("kid", json!(""), "kid must be"),
            ("n", json!("AQAB"), "an RSA key of 17 bits"),
            ("n", json!("not base64!"), "`n`"),
            ("e", json!("AQ"), "`e`"),
            ("e", json!("AA"), "`e`"),
            ("crv", json!("P-256"), "`kty`"),
        ] {
            let mut jwk = rsa();
            jwk[member] = value;
            let error = serde_json::from_value::<Jwk>(jwk).unwrap_err().to_string();
            assert!(error.contains(why), "{member}: {error}");
        }
    }

    #[test]
    fn refuses_an_elliptic_key_on_the_wrong_curve_or_of_the_wrong_length() {
        let coordinate = |length: usize| URL_SAFE_NO_PAD.encode(vec![7; length]);
        let key = |alg: &str, crv: &str, length| json!({"kty": "EC", "use": "sig", "alg": alg, "kid": "k", "crv": crv, "x": coordinate(length), "y": coordinate(length)});
        assert!(serde_json::from_value::<Jwk>(key("ES256", "P-256", 32)).is_ok());
        assert!(serde_json::from_value::<Jwk>(key("ES384", "P-384", 48)).is_ok());
        assert!(serde_json::from_value::<Jwk>(key("ES256", "P-384", 48)).is_err());
        assert!(serde_json::from_value::<Jwk>(key("ES256", "P-256", 31)).is_err());
        assert!(Jwk::ec(Algorithm::RS256, &[4], None).is_err());
        assert!(Jwk::ec(Algorithm::ES256, &[2; 65], None).is_err());
    }

    #[test]
    fn a_set_is_not_empty_and_repeats_no_kid() {
        let set = |keys| serde_json::from_value::<Jwks>(json!({ "keys": keys })).map_err(|e| e.to_string());
        assert!(set(vec![rsa()]).is_ok());
        for not_a_set in
            [json!([[rsa()]]), json!({ "keys": [["RSA", "sig", "RS256", "k", N, "AQAB", null, null, null]] })]
        {
            assert!(
                serde_json::from_value::<Jwks>(not_a_set).unwrap_err().to_string().contains("expected a JSON object")
            );
        }
        let mut null = rsa();
        null["x"] = serde_json::Value::Null;
        assert!(set(vec![null]).unwrap_err().contains("invalid type: null"));
        assert_eq!(set(vec![]).unwrap_err(), "the key set is empty");
        assert_eq!(set(vec![rsa(), rsa()]).unwrap_err(), "the key id 2011-04-29 appears twice");
    }
}
