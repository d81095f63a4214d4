#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows has failed")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const MESSAGE: &[u8] = b"message";

/// A big-endian number of `bits` bits with the highest and the lowest bit set, else of `fill`.
fn number(bits: usize, fill: u8) -> Vec<u8> {
    let mut number = vec![fill; bits.div_ceil(8)];
    let highest = 1_u8 << ((bits - 1) % 8);
    number[0] = (number[0] & (highest - 1)) | highest;
    *number.last_mut().unwrap() |= 1;
    number
}

/// `number` in `len` bytes.
fn padded(number: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[len - 1] = number;
    bytes
}

/// Moduli of every kind of length: whole bytes and not, whole rows of digits and not, the smallest
/// and the largest.
fn moduli() -> impl Iterator<Item = (Vec<u8>, Modulus)> {
    let sizes = [2048, 2049, 2050, 2055, 2056, 2160, 3072, 4096, 8190, 8191, 8192];
    sizes.into_iter().flat_map(|bits| [0, 0x5a, 0xff].map(|fill| number(bits, fill))).map(|n| {
        let modulus = Modulus::new(&n).unwrap();
        (n, modulus)
    })
}

#[test]
fn zero_one_and_minus_one_are_their_own_powers() {
    for (n, modulus) in moduli() {
        let mut minus_one = n.clone();
        *minus_one.last_mut().unwrap() -= 1;
        for base in [padded(0, n.len()), padded(1, n.len()), minus_one] {
            for exponent in [3, 5, 65_537] {
                assert_eq!(modulus.power(&base, exponent).as_ref(), Some(&base));
            }
        }
    }
}

#[test]
fn a_modulus_that_was_prepared_before_is_the_same() {
    for (n, modulus) in moduli() {
        let prepared = Modulus::prepared(&n, &modulus.preparation()).unwrap();
        let mut base = number(n.len() * 8 - 8, 0x77);
        base.insert(0, 0);
        assert_eq!(prepared.power(&base, 65_537), modulus.power(&base, 65_537));
    }
}

#[test]
fn a_small_power_is_the_plain_power() {
    for (n, modulus) in moduli() {
        assert_eq!(modulus.power(&padded(5, n.len()), 3), Some(padded(125, n.len())));
        let mut power = padded(0, n.len());
        power[n.len() - 13] = 8; // 8^33 = 2^99
        assert_eq!(modulus.power(&padded(8, n.len()), 33), Some(power));
    }
}

#[test]
fn a_base_that_is_not_below_the_modulus_or_of_another_length_has_no_power() {
    for (n, modulus) in moduli() {
        let mut above = n.clone();
        // Where the lowest byte is full, the number itself stands in.
        *above.last_mut().unwrap() = n[n.len() - 1].saturating_add(1);
        let one = padded(1, n.len());
        for base in
            [&n, &above, &vec![0xff; n.len()], &[&[0], &one[..]].concat(), &one[1..].to_vec()]
        {
            assert_eq!(modulus.power(base, 3), None);
        }
        assert_eq!(modulus.power(&[], 3), None);
    }
}

#[test]
fn what_is_no_public_key_is_refused() {
    let n = number(2048, 0x5a);
    let even = {
        let mut n = n.clone();
        *n.last_mut().unwrap() &= 0xfe;
        n
    };
    assert!(RsaKey::new(&n, &[1, 0, 1]).is_some());
    assert!(RsaKey::new(&n, &[3]).is_some());
    assert!(RsaKey::new(&number(8192, 0xff), &[3]).is_some());
    assert!(RsaKey::new(&number(8300, 0xff), &[3]).is_none(), "columns might overflow");
    for (n, e) in [
        (&even[..], &[1, 0, 1][..]),
        (&[], &[1, 0, 1]),
        (&[0], &[1, 0, 1]),
        (&[0, 3], &[1, 0, 1]),
        (&n, &[]),
        (&n, &[0]),
        (&n, &[1]),
        (&n, &[2]),
        (&n, &[1, 0, 0]),
        (&n, &[1; 9]),
    ] {
        assert!(RsaKey::new(n, e).is_none(), "{e:?}");
    }
}

#[test]
fn only_the_one_pkcs1_encoding_is_taken() {
    let hash = Sha256::digest(MESSAGE);
    let padding = [0xff; 256 - 3 - 19 - 32];
    let good = [&[0, 1], &padding[..], &[0], &SHA256_INFO, &hash].concat();
    assert!(is_pkcs1(&good, &SHA256_INFO, &hash));
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert!(!is_pkcs1(&changed, &SHA256_INFO, &hash), "byte {at}");
    }
    // Garbage where a parser would have stopped reading: what forging with an exponent of 3 needs.
    let garbage = [&[0, 1], &padding[..8], &[0], &SHA256_INFO, &hash[..], &[7; 194]].concat();
    // Without the parameters' NULL, which RFC 8017 §A.2.4 does not allow here.
    let info = [&[0x30, 0x2f, 0x30, 0x0b], &SHA256_INFO[4..15], &SHA256_INFO[17..]].concat();
    let no_null = [&[0, 1, 0xff, 0xff], &padding[..], &[0], &info, &hash[..]].concat();
    for forged in [&garbage, &no_null] {
        assert_eq!(forged.len(), 256);
        assert!(!is_pkcs1(forged, &SHA256_INFO, &hash));
    }
}

#[test]
fn a_pkcs1_encoding_has_at_least_eight_bytes_of_padding() {
    let hash = Sha256::digest(MESSAGE);
    for (padding, taken) in [(7, false), (8, true)] {
        let encoded = [&[0, 1], &vec![0xff; padding][..], &[0], &SHA256_INFO, &hash].concat();
        assert_eq!(is_pkcs1(&encoded, &SHA256_INFO, &hash), taken);
    }
}

/// EMSA-PSS-ENCODE (RFC 8017 §9.1.1), in as many bytes as the modulus has.
fn pss(bits: usize, salt: &[u8]) -> Vec<u8> {
    let len = (bits - 1).div_ceil(8);
    let hash = Sha256::new()
        .chain_update([0; 8])
        .chain_update(Sha256::digest(MESSAGE))
        .chain_update(salt)
        .finalize();
    let zeros = vec![0; len - salt.len() - hash.len() - 2];
    let mut block = [&zeros[..], &[1], salt].concat();
    let mask = mgf1::<Sha256>(&hash, block.len());
    block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    block[0] &= 0xff >> (8 * len - (bits - 1));
    let above = vec![0; bits.div_ceil(8) - len];
    [&above[..], &block, &hash, &[TRAILER]].concat()
}

#[test]
fn a_pss_encoding_is_taken_whole_or_not_at_all_whatever_the_length_of_the_modulus() {
    for bits in 2048..=2057 {
        let good = pss(bits, &[7; 32]);
        assert_eq!(is_pss::<Sha256>(&good, bits, MESSAGE), Some(true), "{bits}");
        assert_eq!(is_pss::<Sha256>(&good, bits, b"another"), Some(false), "{bits}");
        for bit in 0..8 {
            for at in 0..good.len() {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(is_pss::<Sha256>(&changed, bits, MESSAGE), Some(false), "{bits} {at}");
            }
        }
    }
}

#[test]
fn a_pss_salt_is_as_long_as_the_hash() {
    for len in [0, 20, 31, 33, 64] {
        let encoded = pss(2048, &vec![7; len]);
        assert_eq!(is_pss::<Sha256>(&encoded, 2048, MESSAGE), Some(false), "{len}");
    }
}

/// Against the crate `rsa`.
#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use std::sync::LazyLock;

    use jwt_simple::algorithms::{
        PS256KeyPair, PS384KeyPair, PS512KeyPair, RS256KeyPair, RS384KeyPair, RS512KeyPair,
        RSAKeyPairLike,
    };
    use jwt_simple::claims::Claims;
    use jwt_simple::prelude::Duration;
    use proptest::prelude::*;
    use rsa::BoxedUint;

    use super::*;
    use crate::jws::{DEFAULT_MAX_TOKEN_BYTES, Jws};

    /// `base`^`exponent` modulo `n`, by the crate.
    fn power(n: &[u8], base: &[u8], exponent: u64) -> Vec<u8> {
        let key = rsa::PublicKey::new_unchecked(
            BoxedUint::from_be_slice_vartime(n),
            BoxedUint::from(exponent),
        );
        let bits = u32::try_from(n.len() * 8).unwrap();
        let base = BoxedUint::from_be_slice(base, bits).unwrap();
        let power = rsa::hazmat::rsa_encrypt(&key, &base).unwrap().to_be_bytes();
        power[power.len() - n.len()..].to_vec()
    }

    fn exponent() -> impl Strategy<Value = u64> {
        prop_oneof![
            3 => Just(65_537),
            1 => Just(3),
            1 => (3..=0xffff_ffff_u64).prop_map(|number| number | 1)
        ]
    }

    /// An odd number of 2048 to 8192 bits, now and then with long runs of ones and zeros.
    fn modulus() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), Just(0xff), Just(0)];
        let bytes = prop_oneof![
            proptest::collection::vec(any::<u8>(), 256..=1024),
            proptest::collection::vec(byte, 256..=1024),
        ];
        (bytes, 1_u8..).prop_map(|(mut n, first)| {
            n[0] = if n.len() == 256 { first | 0x80 } else { first };
            *n.last_mut().unwrap() |= 1;
            n
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn every_power_is_the_crates(n in modulus(), seed in any::<u8>(), exponent in exponent()) {
            // Below `n`: its own bytes, changed, under a smaller first one.
            let mut base: Vec<u8> =
                n.iter().map(|byte| byte.wrapping_mul(seed).rotate_left(3) ^ seed).collect();
            base[0] = n[0] - 1;
            let ours = Modulus::new(&n).unwrap().power(&base, exponent);
            prop_assert_eq!(ours, Some(power(&n, &base, exponent)));
        }
    }

    type Case = (Algorithm, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

    /// A signature of each algorithm and of two lengths: algorithm, `n`, `e`, message, signature.
    static SIGNED: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let mut signed = Vec::new();
        for bits in [2048, 3072] {
            let pem = RS256KeyPair::generate(bits).unwrap().to_pem().unwrap();
            let claims = || Claims::create(Duration::from_mins(5));
            let public = RS256KeyPair::from_pem(&pem).unwrap().public_key().to_components();
            for token in [
                RS256KeyPair::from_pem(&pem).unwrap().sign(claims()),
                RS384KeyPair::from_pem(&pem).unwrap().sign(claims()),
                RS512KeyPair::from_pem(&pem).unwrap().sign(claims()),
                PS256KeyPair::from_pem(&pem).unwrap().sign(claims()),
                PS384KeyPair::from_pem(&pem).unwrap().sign(claims()),
                PS512KeyPair::from_pem(&pem).unwrap().sign(claims()),
            ] {
                let token = token.unwrap();
                let jws = Jws::parse(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).unwrap();
                let (n, e) = (public.n.clone(), public.e.clone());
                let message = jws.signing_input().to_vec();
                signed.push((jws.algorithm(), n, e, message, jws.signature().to_vec()));
            }
        }
        signed
    });

    fn crate_accepts(algorithm: Algorithm, case: &Case, signature: &[u8]) -> bool {
        let (_, n, e, message, _) = case;
        let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let key = rsa::PublicKey::new(number(n), number(e)).unwrap();
        match algorithm {
            Algorithm::Rs256 => key.pkcs1v15_verify::<Sha256>(message, signature).is_ok(),
            Algorithm::Rs384 => key.pkcs1v15_verify::<Sha384>(message, signature).is_ok(),
            Algorithm::Rs512 => key.pkcs1v15_verify::<Sha512>(message, signature).is_ok(),
            Algorithm::Ps256 => key.pss_verify::<Sha256>(message, signature).is_ok(),
            Algorithm::Ps384 => key.pss_verify::<Sha384>(message, signature).is_ok(),
            Algorithm::Ps512 => key.pss_verify::<Sha512>(message, signature).is_ok(),
            other => panic!("{other} is not RSA's"),
        }
    }

    fn ours_accepts(algorithm: Algorithm, case: &Case, signature: &[u8]) -> bool {
        let (_, n, e, message, _) = case;
        RsaKey::new(n, e).unwrap().verify(n, algorithm, message, signature)
    }

    #[test]
    fn what_another_library_signs_is_accepted_and_only_by_its_algorithm() {
        for case in SIGNED.iter() {
            for algorithm in Algorithm::ALL.into_iter().take(6) {
                let accepted = ours_accepts(algorithm, case, &case.4);
                assert_eq!(accepted, algorithm == case.0, "{algorithm} {}", case.0);
                assert_eq!(accepted, crate_accepts(algorithm, case, &case.4));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_changed_signature_is_judged_as_the_crate_does(
            case in 0_usize..12,
            at in any::<proptest::sample::Index>(),
            change in any::<u8>(),
            cut in 0_usize..4,
        ) {
            let case = &SIGNED[case];
            let mut signature = case.4.clone();
            let at = at.index(signature.len());
            signature[at] ^= change;
            signature.truncate(signature.len() + 2 - cut.max(2));
            let ours = ours_accepts(case.0, case, &signature);
            prop_assert_eq!(ours, crate_accepts(case.0, case, &signature));
            prop_assert_eq!(ours, signature == case.4);
        }
    }
}
