//! The fingerprint of RSA keys made by Infineon's `RSALib` (ROCA, CVE-2017-15361), which can be factored.
//!
//! Its primes have the form `k * M + (65537^a mod M)` with `M` the product of the first primes, so the modulus is a power
//! of 65537 modulo `M`. That is what is tested here, for the 39 primes up to 167 that `M` has at every key length.
//! Source: Nemec, Sys, Svenda, Klinec, Matyas, "The Return of Coppersmith's Attack", ACM CCS 2017, and their detector,
//! <https://github.com/crocs-muni/roca>, whose discrete-logarithm test this is.
//! A key made otherwise passes for one of these with a chance of about 2^-155.

const GENERATOR: u32 = 65_537;

/// The odd ones; modulo 2 every modulus is a power of everything.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether the modulus (big-endian) is a power of 65537 modulo the product of the small primes.
///
/// Prime by prime, the exponent is known modulo the order of 65537. One exponent that fits all of them exists exactly if
/// each two agree modulo the greatest common divisor of their orders (Chinese remainder theorem).
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    let mut exponents: Vec<(u32, u32)> = Vec::with_capacity(PRIMES.len());
    for prime in PRIMES {
        let Some(found) = logarithm(remainder(modulus, prime), prime) else {
            return false;
        };
        exponents.push(found);
    }
    exponents.iter().enumerate().all(|(n, (exponent, order))| {
        exponents.iter().skip(n + 1).all(|(other, other_order)| {
            let common = gcd(*order, *other_order);
            exponent % common == other % common
        })
    })
}

fn remainder(modulus: &[u8], prime: u32) -> u32 {
    modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

/// The exponent `a` with `65537^a = value` modulo the prime, and the order of 65537 there.
fn logarithm(value: u32, prime: u32) -> Option<(u32, u32)> {
    let (mut power, mut order, mut exponent) = (1, 0, None);
    loop {
        if power == value {
            exponent = Some(order);
        }
        power = power * (GENERATOR % prime) % prime;
        order += 1;
        // 65537 is itself a prime beyond the table, so its powers come back to 1.
        if power == 1 {
            return exponent.map(|exponent| (exponent, order));
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little-endian limbs of 32 bits: just enough arithmetic to make a modulus of the vulnerable form.
    fn times(number: &mut Vec<u32>, factor: u32) {
        let mut carry = 0_u64;
        for limb in number.iter_mut() {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = u32::try_from(carry & 0xffff_ffff).unwrap();
            carry >>= 32;
        }
        if carry > 0 {
            number.push(u32::try_from(carry).unwrap());
        }
    }

    fn big_endian(number: &[u32]) -> Vec<u8> {
        number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
    }

    fn plus(mut number: Vec<u32>, addend: &[u32]) -> Vec<u32> {
        number.resize(number.len().max(addend.len()) + 1, 0);
        let mut carry = 0_u64;
        for (n, limb) in number.iter_mut().enumerate() {
            carry += u64::from(*limb) + u64::from(*addend.get(n).unwrap_or(&0));
            *limb = u32::try_from(carry & 0xffff_ffff).unwrap();
            carry >>= 32;
        }
        number
    }

    /// `factor` times the product of 2 and all the small primes except one.
    fn primorial(factor: u32, without: u32) -> Vec<u32> {
        let mut product = vec![2];
        PRIMES.into_iter().filter(|prime| *prime != without).for_each(|prime| times(&mut product, prime));
        times(&mut product, factor);
        product
    }

    #[test]
    fn powers_of_the_generator_have_it_and_their_neighbours_do_not() {
        let mut power = vec![1];
        for _ in 0..127 {
            times(&mut power, GENERATOR);
        }
        assert!(has_fingerprint(&big_endian(&power)));
        // Nothing changes modulo the primes if a multiple of their product is added.
        let mut sum = plus(power.clone(), &primorial(12_345, 0));
        assert!(has_fingerprint(&big_endian(&sum)));
        sum[0] ^= 2;
        assert!(!has_fingerprint(&big_endian(&sum)));
        times(&mut power, 3);
        assert!(!has_fingerprint(&big_endian(&power)));
    }

    /// A number can be a power of 65537 modulo every single prime without being one modulo their product: here it is the
    /// first power modulo all primes but 3, and modulo 3 an even one.
    #[test]
    fn the_exponents_must_agree_with_each_other() {
        let odd_one = (1..3)
            .map(|factor| big_endian(&plus(vec![GENERATOR], &primorial(factor, 3))))
            .find(|number| remainder(number, 3) == 1)
            .unwrap();
        assert_eq!(logarithm(1, 3), Some((0, 2)));
        assert!(PRIMES.iter().all(|prime| logarithm(remainder(&odd_one, *prime), *prime).is_some()));
        assert!(!has_fingerprint(&odd_one));
    }

    #[test]
    fn no_number_is_too_small_to_be_asked() {
        assert!(!has_fingerprint(&[]));
        assert!(has_fingerprint(&[1]));
    }
}
