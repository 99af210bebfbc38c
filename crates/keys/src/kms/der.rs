//! The DER that KMS answers with (X.690), strictly: the shortest lengths, the shortest numbers, nothing before or after.
//!
//! aws-lc reads both forms as well, but gives out neither a fixed-width signature nor the numbers of a public key. What is
//! taken out of a public key here is compared with how aws-lc writes that key, so it is only read, and judged there.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm,
};
use countersign_core::jwk::{Algorithm, Jwk, JwkFault, KeyId};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// An ECDSA signature, `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279 section 2.2.3), as the JWS form of it: `R || S`, each
/// as wide as a coordinate (RFC 7518 section 3.4).
pub(super) fn fixed_signature(der: &[u8], width: usize) -> Option<Vec<u8>> {
    let (r, s) = alone(element(SEQUENCE, der)?).and_then(two_numbers)?;
    let mut fixed = Vec::with_capacity(2 * width);
    for number in [r, s] {
        fixed.resize(fixed.len() + width.checked_sub(number.len())?, 0);
        fixed.extend_from_slice(number);
    }
    Some(fixed)
}

/// A public key, `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7), of this lane. Its name is its thumbprint unless
/// one is given.
pub(super) fn jwk(lane: Algorithm, spki: &[u8], kid: Option<KeyId>) -> Result<Jwk, &'static str> {
    let (key, written) = match lane {
        Algorithm::RS256 => {
            let (n, e) = rsa_numbers(spki).ok_or("the public key is no RSA key")?;
            (Jwk::rsa(n, e, kid), RsaPublicKeyComponents { n, e }.as_der())
        }
        Algorithm::ES256 => elliptic(lane, spki, kid, &ECDSA_P256_SHA256_FIXED, 65)?,
        Algorithm::ES384 => elliptic(lane, spki, kid, &ECDSA_P384_SHA384_FIXED, 97)?,
    };
    match written {
        Ok(written) if written.as_ref() == spki => key.map_err(|_| "the public key may not be published"),
        _ => Err("the public key is malformed, or not of the lane"),
    }
}

type Written = Result<PublicKeyX509Der<'static>, Unspecified>;

/// The uncompressed point is what such a key ends with.
fn elliptic(
    lane: Algorithm,
    spki: &[u8],
    kid: Option<KeyId>,
    curve: &'static dyn VerificationAlgorithm,
    length: usize,
) -> Result<(Result<Jwk, JwkFault>, Written), &'static str> {
    let start = spki.len().checked_sub(length).ok_or("the public key is too short")?;
    let (_, point) = spki.split_at(start);
    let parsed = ParsedPublicKey::new(curve, point).map_err(|_| "the public key is no point of the lane's curve")?;
    Ok((Jwk::ec(lane, point, kid), parsed.as_der()))
}

/// Modulus and exponent (RFC 8017 appendix A.1.1). The algorithm's name is passed over: see above.
fn rsa_numbers(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_algorithm, rest) = element(SEQUENCE, alone(element(SEQUENCE, spki)?)?)?;
    let (unused_bits, key) = alone(element(BIT_STRING, rest)?)?.split_first()?;
    if *unused_bits == 0 { alone(element(SEQUENCE, key)?).and_then(two_numbers) } else { None }
}

fn two_numbers(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = element(INTEGER, content)?;
    Some((positive(first)?, positive(alone(element(INTEGER, rest)?)?)?))
}

/// The content of an element after which there is nothing.
fn alone<'d>((content, rest): (&'d [u8], &'d [u8])) -> Option<&'d [u8]> {
    rest.is_empty().then_some(content)
}

/// The element that this begins with, if it has this tag: its content, and what follows. Of less than 64 KiB.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([found, short], rest) = der.split_first_chunk()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(*short), rest),
        // A long form in place of a shorter one is another encoding of the same thing, and DER has one of each.
        0x81 => {
            let ([length], rest) = rest.split_first_chunk()?;
            (Some(usize::from(*length)).filter(|length| *length >= 0x80)?, rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (Some(usize::from(u16::from_be_bytes(*length))).filter(|length| *length > 0xff)?, rest)
        }
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(length) } else { None }
}

/// The digits of an INTEGER's content that is above zero, without the leading zero that keeps it so.
fn positive(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 0x80) => Some(digits),
        [1..=0x7f, ..] => Some(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
    use countersign_core::jws::Signer as _;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
    use testkit::keys;

    use super::*;
    use crate::LocalKey;
    use crate::local::verify;

    macro_rules! spki {
        ($name:literal) => {
            spki(include_str!(concat!("../../tests/fixtures/", $name, ".spki.pem")))
        };
    }

    fn spki(pem: &str) -> Vec<u8> {
        SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    fn jwk(lane: Algorithm, spki: &[u8]) -> Result<Jwk, &'static str> {
        super::jwk(lane, spki, None)
    }

    /// DER, written by the rules of X.690 section 8 and 10.1.
    fn written(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut der = vec![tag];
        match u8::try_from(length) {
            Ok(short @ 0..=0x7f) => der.push(short),
            Ok(long) => der.extend([0x81, long]),
            Err(_) => der.extend([&[0x82], u16::try_from(length).unwrap().to_be_bytes().as_slice()].concat()),
        }
        [der.as_slice(), content].concat()
    }

    fn number(digits: &[u8]) -> Vec<u8> {
        let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
        let sign: &[u8] = if digits.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
        written(INTEGER, &[sign, digits].concat())
    }

    fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
        written(SEQUENCE, &[number(r), number(s)].concat())
    }

    /// A number of `width` bytes, of which often some leading ones are zero or the first bit is set.
    fn coordinate(width: usize) -> impl Strategy<Value = Vec<u8>> {
        (0..width, vec(any::<u8>(), width), any::<bool>()).prop_map(move |(zeros, mut digits, high)| {
            digits[..zeros].fill(0);
            digits[zeros] |= if high { 0x80 } else { 1 };
            digits
        })
    }

    #[test]
    fn what_aws_lc_signs_in_der_verifies_in_the_form_of_a_jws() {
        for (pem, alg, width) in
            [(keys::P256, &ECDSA_P256_SHA256_ASN1_SIGNING, 32), (keys::P384, &ECDSA_P384_SHA384_ASN1_SIGNING, 48)]
        {
            let jwk = LocalKey::from_pem_of_any_lane(pem, None).unwrap().key().clone();
            let pem = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(alg, pem.secret_der()).unwrap();
            let mut lengths = std::collections::BTreeSet::new();
            for count in 0..600_u32 {
                let message = count.to_be_bytes();
                let der = pair.sign(&SystemRandom::new(), &message).unwrap();
                lengths.insert(der.as_ref().len());
                let fixed = fixed_signature(der.as_ref(), width).unwrap();
                assert_eq!(fixed.len(), 2 * width);
                assert!(verify(&jwk, &message, &fixed));
            }
            assert!(lengths.len() >= 3, "numbers of several lengths: {lengths:?}");
        }
    }

    proptest! {
        #[test]
        fn every_pair_of_coordinates_comes_back(r in coordinate(32), s in coordinate(32), wide in coordinate(48)) {
            prop_assert_eq!(fixed_signature(&signature(&r, &s), 32), Some([r.clone(), s].concat()));
            let padded = [&[0; 16], r.as_slice()].concat();
            prop_assert_eq!(fixed_signature(&signature(&wide, &r), 48), Some([wide, padded].concat()));
        }

        /// Whatever is taken has exactly one form.
        #[test]
        fn a_changed_signature_is_refused_or_is_another_one(
            r in coordinate(32), s in coordinate(32), at in any::<prop::sample::Index>(), to in any::<u8>()
        ) {
            let mut der = signature(&r, &s);
            let at = at.index(der.len());
            der[at] = to;
            if let Some(fixed) = fixed_signature(&der, 32) {
                prop_assert_eq!(signature(&fixed[..32], &fixed[32..]), der);
            }
        }

        #[test]
        fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200), width in 0_usize..60) {
            let numbers = [vec![SEQUENCE, 0x06, 0x02], bytes.clone()].concat();
            for der in [&bytes, &numbers] {
                if let Some(fixed) = fixed_signature(der, width) {
                    prop_assert_eq!(&signature(&fixed[..width], &fixed[width..]), der);
                }
                for lane in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384] {
                    prop_assert!(jwk(lane, der).is_err());
                }
            }
        }

        #[test]
        fn a_changed_public_key_is_refused_or_is_another_one(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            for (lane, spki) in [(Algorithm::RS256, spki!("rsa-2048")), (Algorithm::ES256, spki!("p256"))] {
                let before = jwk(lane, &spki).unwrap();
                let mut changed = spki.clone();
                changed[at.index(spki.len())] = to;
                if let Ok(after) = jwk(lane, &changed) {
                    prop_assert_eq!(after == before, changed == spki);
                }
            }
        }
    }

    #[test]
    fn a_signature_of_another_form_is_refused() {
        let (r, s) = ([0x7f; 32], [0x80; 32]);
        let good = signature(&r, &s);
        assert!(fixed_signature(&good, 32).is_some());
        let sequence = |content: &[&[u8]]| written(SEQUENCE, &content.concat());
        let (r_der, s_der) = (number(&r), number(&s));
        let long_form = [&[SEQUENCE, 0x81, good[1]], &good[2..]].concat();
        let longer_form = [&[SEQUENCE, 0x82, 0, good[1]], &good[2..]].concat();
        let endless = [&[SEQUENCE, 0x80], &good[2..], &[0, 0]].concat();
        for (what, der) in [
            ("nothing", Vec::new()),
            ("a byte after it", [good.as_slice(), &[0]].concat()),
            ("a byte short", good[..good.len() - 1].to_vec()),
            ("a byte inside, after s", sequence(&[&r_der, &s_der, &[0]])),
            ("one number", sequence(&[&r_der])),
            ("three numbers", sequence(&[&r_der, &s_der, &s_der])),
            ("a set", written(0x31, &good[2..])),
            ("a bit string", sequence(&[&r_der, &written(BIT_STRING, &s)])),
            ("a length of two bytes for one", long_form),
            ("a length of three bytes for one", longer_form),
            ("a length that is left open", endless),
            ("a length beyond all", vec![SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]),
            ("a negative number", sequence(&[&r_der, &written(INTEGER, &s)])),
            (
                "a leading zero that is not needed",
                sequence(&[&written(INTEGER, &[&[0], r.as_slice()].concat()), &s_der]),
            ),
            ("zero", signature(&[0], &s)),
            ("a number without digits", sequence(&[&r_der, &written(INTEGER, &[])])),
            ("a number of 33 bytes", signature(&r, &[0x01; 33])),
            ("a signature of the wider curve", signature(&[0x7f; 48], &[0x7f; 48])),
            ("R || S already", [r, s].concat()),
        ] {
            assert_eq!(fixed_signature(&der, 32), None, "{what}");
        }
    }

    #[test]
    fn the_public_key_as_openssl_writes_it_is_the_private_ones() {
        for (lane, pem, spki) in [
            (Algorithm::RS256, keys::RSA_2048, spki!("rsa-2048")),
            (Algorithm::RS256, keys::RSA_3072, spki!("rsa-3072")),
            (Algorithm::RS256, keys::RSA_4096, spki!("rsa-4096")),
            (Algorithm::ES256, keys::P256, spki!("p256")),
            (Algorithm::ES384, keys::P384, spki!("p384")),
        ] {
            let key = jwk(lane, &spki).unwrap();
            assert_eq!(&key, LocalKey::from_pem(pem, lane, None).unwrap().key());
            for other in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384] {
                assert_eq!(jwk(other, &spki).is_ok(), other == lane, "{lane} as {other}");
            }
        }
    }

    #[test]
    fn a_public_key_of_no_lane_or_another_form_is_refused() {
        let rsa = spki!("rsa-2048");
        let (n, e) = rsa_numbers(&rsa).unwrap();
        let form = |algorithm: &[u8], unused_bits: u8, key: &[u8]| {
            let bits = written(BIT_STRING, &[&[unused_bits], key].concat());
            written(SEQUENCE, &[written(SEQUENCE, algorithm), bits].concat())
        };
        // rsaEncryption with NULL parameters, and RSASSA-PSS, whose keys sign in another way.
        let encryption = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        let mut pss = encryption;
        pss[10] = 10;
        let numbers = signature(n, e);
        assert_eq!(form(&encryption, 0, &numbers), rsa);
        let compressed = {
            let whole = spki!("p256");
            let point = &whole[whole.len() - 65..];
            let algorithm = &whole[4..4 + 19];
            form(algorithm, 0, &[&[2 + (point[64] & 1)], &point[1..33]].concat())
        };
        let mut off_curve = spki!("p256");
        *off_curve.last_mut().unwrap() ^= 1;
        for (what, spki) in [
            ("1024 bits", spki!("rsa-1024")),
            ("P-521", spki!("p521")),
            ("Ed25519", spki!("ed25519")),
            ("RSASSA-PSS", form(&pss, 0, &numbers)),
            ("no NULL", form(&encryption[..11], 0, &numbers)),
            ("bits left over", form(&encryption, 1, &numbers)),
            ("an exponent of one", form(&encryption, 0, &signature(n, &[1]))),
            ("a byte after it", [rsa.as_slice(), &[0]].concat()),
            ("a byte in front", [&[0], rsa.as_slice()].concat()),
            ("a byte short", rsa[..rsa.len() - 1].to_vec()),
            ("PKCS#1", numbers.clone()),
            ("a compressed point", compressed),
            ("no point of the curve", off_curve),
        ] {
            for lane in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384] {
                assert!(jwk(lane, &spki).is_err(), "{what} as {lane}");
            }
        }
    }
}
