#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use p256::elliptic_curve::bigint::{BoxedUint, ConcatenatingMul as _, Resize as _};

use super::field::PRIME;
use super::*;
use crate::crypto::sha256;

/// `len` bytes that look random, and are always the same.
fn random(seed: &str, number: usize, len: usize) -> Vec<u8> {
    let block = |block: usize| sha256(format!("{seed} {number} {block}").as_bytes());
    (0..len.div_ceil(32)).flat_map(block).take(len).collect()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

/// What `ed25519-dalek` says.
fn by_the_crate(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| {
        !key.is_weak() && key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    })
}

/// What we say, which must be the same for a key that is new and for one that is known.
fn by_us(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Some(key) = Ed25519Key::new(key) else { return false };
    let verdict = key.verify(message, signature);
    key.note_verified();
    assert_eq!(key.verify(message, signature), verdict, "known key");
    verdict
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    array(&bytes)
}

#[test]
fn the_examples_of_rfc_8032_section_7_1_are_accepted_and_nothing_near_them() {
    for (key, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            &[][..],
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970\
             1cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            &[0x72],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613\
             d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            &[0xaf, 0x82],
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760\
             984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let (key, signature) = (hex(key), hex::<64>(signature));
        assert!(by_us(&key, message, &signature));
        assert!(!by_us(&key, b"another", &signature));
        for bit in 0..512 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!by_us(&key, message, &changed), "bit {bit}");
        }
    }
}

#[test]
fn signatures_good_and_changed_are_judged_as_the_crate_judges_them() {
    for number in 0..300 {
        let signer = SigningKey::from_bytes(&array(&random("key", number, 32)));
        let key = signer.verifying_key().to_bytes();
        let message = random("message", number, number);
        let good = signer.sign(&message).to_bytes();
        assert!(by_us(&key, &message, &good), "{number}");
        let change = random("change", number, 8);
        let mut changed =
            [(key, message.clone(), good), (key, message.clone(), good), (key, message, good)];
        let [(key, ..), (_, message, _), (.., signature)] = &mut changed;
        key[usize::from(change[0]) % 32] ^= change[1] | 1;
        message.push(change[2]);
        signature[usize::from(change[3]) % 64] ^= change[4] | 1;
        for (key, message, signature) in &changed {
            let expected = by_the_crate(key, message, signature);
            assert_eq!(by_us(key, message, signature), expected, "{number}");
        }
    }
}

/// The eight points of small order, each in its canonical form, and every other form of them that fits 32 bytes.
fn small_orders() -> Vec<[u8; 32]> {
    let eighth = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let other_eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let minus_one = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let prime = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let one_above = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let mut encoded: Vec<[u8; 32]> =
        [eighth, other_eighth, minus_one, prime, one_above].map(hex).to_vec();
    let mut one = [0; 32];
    encoded.push(one);
    one[0] = 1;
    encoded.push(one);
    let signed = encoded.clone().into_iter().map(|mut point| {
        point[31] |= 0x80;
        point
    });
    encoded.extend(signed);
    encoded
}

#[test]
fn keys_and_nonces_of_small_order_are_refused_in_every_spelling() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let key = signer.verifying_key().to_bytes();
    for point in small_orders() {
        assert!(Ed25519Key::new(&point).is_none(), "{point:?}");
        // The nonce's point, with the number that would go with it if the hash were a multiple of eight.
        for number in [[0; 32], array(&signer.sign(b"m").to_bytes()[32..])] {
            let signature = array(&[point, number].concat());
            assert!(!by_us(&key, b"m", &signature));
            assert!(!by_the_crate(&key, b"m", &signature));
        }
    }
}

#[test]
fn a_key_with_a_part_of_small_order_verifies_exactly_what_it_verifies_by_the_crate() {
    // Signatures that a key makes whose point was shifted by one of small order: good if the hash is a multiple of
    // that order, so one in eight, four or two of them.
    let context = CONTEXT.as_ref().unwrap();
    let (mut good, mut bad) = (0, 0);
    for (number, shift) in small_orders().into_iter().enumerate() {
        let Some(shift) = Point::decode(&shift, context) else { continue };
        let signer = SigningKey::from_bytes(&[3; 32]);
        let base = Point::decode(&signer.verifying_key().to_bytes(), context).unwrap();
        let key = base.plus_point(&shift, context).to_point().encode().unwrap();
        for message in 0..24 {
            let message = random("shifted", message + 100 * number, 20);
            let signature = sign_for(&signer, &key, &message);
            let verdict = by_us(&key, &message, &signature);
            assert_eq!(verdict, by_the_crate(&key, &message, &signature), "{number}");
            if verdict { good += 1 } else { bad += 1 }
        }
    }
    assert!(good > 20 && bad > 20, "{good} good, {bad} bad");
}

/// A signature by the signer's number, as if `key` were its public key.
fn sign_for(signer: &SigningKey, key: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let wide = |number: [u8; 32]| BoxedUint::from_be_slice(&number, 512).unwrap();
    let order = wide(scalar::ORDER).to_nz().unwrap();
    let little = |mut number: [u8; 32]| {
        number.reverse();
        number
    };
    let secret = wide(little(signer.to_scalar().to_bytes()));
    let nonce = scalar::reduced(&Sha512::digest(message).into());
    let base = BASE.as_ref().unwrap();
    let point = multiples::sum(&[(base, base.digits(&nonce))]).unwrap().encode().unwrap();
    let hash = Sha512::new().chain_update(point).chain_update(key).chain_update(message).finalize();
    let hash = wide(scalar::reduced(&hash.into()));
    let product =
        hash.concatenating_mul(secret.rem_vartime(&order)).rem_vartime(&order.clone().resize(1024));
    let sum = product.resize(512).wrapping_add(wide(nonce)).rem_vartime(&order);
    let number: [u8; 32] = array(&sum.to_be_bytes()[32..]);
    array(&[point, little(number)].concat())
}

#[test]
fn a_key_in_another_spelling_than_its_own_is_refused() {
    // Numbers from p on: all that fit 255 bits.
    for above in 0..19_u8 {
        for sign in [0, 0x80] {
            let mut encoded = [0xff; 32];
            encoded[0] = 0xed_u8.wrapping_add(above);
            encoded[31] = 0x7f | sign;
            assert!(Ed25519Key::new(&encoded).is_none(), "{above}");
        }
    }
}

#[test]
fn points_are_decoded_as_the_crate_decodes_them() {
    let context = CONTEXT.as_ref().unwrap();
    let mut points = 0;
    for number in 0..400 {
        let encoded = array(&random("point", number, 32));
        let ours = Point::decode(&encoded, context);
        assert_eq!(ours.is_some(), VerifyingKey::from_bytes(&encoded).is_ok(), "{number}");
        if let Some(point) = ours {
            points += 1;
            assert_eq!(point.encode(), Some(encoded));
        }
    }
    assert!(points > 100, "{points}");
}

#[test]
fn hashes_are_reduced_modulo_the_order() {
    let wide = |number: &[u8]| BoxedUint::from_be_slice(number, 512).unwrap();
    let order = wide(&scalar::ORDER).to_nz().unwrap();
    let edges = [[0; 64], [0xff; 64], array(&[[0; 32], little_order(0)].concat())];
    let near = (0..5).map(|more| array(&[little_order(more), [0; 32]].concat()));
    let random = (0..200).map(|number| array(&random("hash", number, 64)));
    for hash in edges.into_iter().chain(near).chain(random) {
        let mut number = hash;
        number.reverse();
        let reduced = scalar::reduced(&hash);
        assert_eq!(wide(&reduced), wide(&number).rem_vartime(&order));
    }
}

/// The order less two, and so much more, little-endian.
fn little_order(more: u8) -> [u8; 32] {
    let mut order = scalar::ORDER;
    order[31] = order[31].wrapping_sub(2).wrapping_add(more);
    order.reverse();
    order
}

/// Numbers below 2^255: at both ends, with one bit, with long runs of ones, and some in between.
fn numbers() -> Vec<[u8; 32]> {
    let mut numbers = vec![[0; 32], PRIME];
    for bit in [0, 1, 24, 25, 26, 27, 50, 51, 52, 76, 77, 127, 128, 203, 229, 230, 253, 254] {
        let mut one_bit = [0; 32];
        one_bit[bit / 8] = 1_u8 << (bit % 8);
        one_bit.reverse();
        let ones = BoxedUint::from_be_slice(&one_bit, 256).unwrap().wrapping_sub(BoxedUint::one());
        numbers.extend([one_bit, array(&ones.to_be_bytes())]);
    }
    numbers.extend((0..40).map(|number| {
        let mut bytes: [u8; 32] = array(&random("number", number, 32));
        bytes[0] &= 0x7f;
        bytes
    }));
    numbers
}

fn modulo_prime(number: BoxedUint) -> [u8; 32] {
    let number = number.resize(1024);
    let prime = BoxedUint::from_be_slice(&PRIME, 256).unwrap().resize(1024).to_nz().unwrap();
    array(&number.rem_vartime(&prime).to_be_bytes()[96..])
}

#[test]
fn sums_differences_and_products_are_those_of_big_integers() {
    let wide = |number: &[u8; 32]| BoxedUint::from_be_slice(number, 512).unwrap();
    let twice_prime = wide(&PRIME).wrapping_add(wide(&PRIME));
    let numbers = numbers();
    for left in &numbers {
        assert_eq!(Element::new(left).to_number(), modulo_prime(wide(left)), "{left:?}");
        for right in &numbers {
            let (a, b) = (Element::new(left), Element::new(right));
            let (wide_a, wide_b) = (wide(left), wide(right));
            assert_eq!(a.plus(b).to_number(), modulo_prime(wide_a.wrapping_add(&wide_b)));
            let difference = wide_a.wrapping_add(&twice_prime).wrapping_sub(&wide_b);
            assert_eq!(a.minus(b).to_number(), modulo_prime(difference));
            let product = modulo_prime(wide_a.concatenating_mul(&wide_b));
            assert_eq!(a.times(&b).to_number(), product, "{left:?} {right:?}");
            // As large as the formulas make them: each the sum of four.
            let (a4, b4) = (a.doubled().doubled().negated(), b.doubled().doubled());
            let sixteen = (0..4).fold(a.times(&b), |sum, _| sum.doubled().carried());
            assert_eq!(a4.times(&b4).to_number(), sixteen.negated().to_number());
        }
        let a = Element::new(left);
        assert_eq!(a.squared().to_number(), a.times(&a).to_number(), "{left:?}");
        let stored = Element::restore(&a.carried().store());
        assert_eq!(stored.to_number(), a.to_number());
    }
}

#[test]
fn digits_of_the_greatest_size_do_not_overflow() {
    use std::num::Wrapping;
    // Four carried numbers: 4·(2^25 + a little) and 4·(2^24 + a little), in every pattern of signs of two alternatives.
    for signs in 0..16_usize {
        let element = |pattern: usize| {
            let mut element = Element::ZERO;
            for (place, digit) in element.0.iter_mut().enumerate() {
                let size = if place % 2 == 0 { 1_i64 << 27 } else { 1 << 26 };
                let negative = (pattern >> (place % 2)) & 1 == 1;
                *digit = Wrapping(if negative { -size } else { size });
            }
            element
        };
        let (left, right) = (element(signs & 3), element(signs >> 2));
        let expected = left.carried().times(&right.carried()).to_number();
        let product = left.times(&right);
        assert_eq!(product.to_number(), expected);
        for (place, digit) in product.0.iter().enumerate() {
            let half = if place % 2 == 0 { 1_i64 << 25 } else { 1 << 24 };
            assert!(digit.0.abs() <= half + (1 << 20), "{place}: {digit}");
        }
        assert_eq!(left.squared().to_number(), left.carried().squared().to_number());
    }
}
