#![expect(
    clippy::arithmetic_side_effects,
    reason = "the crates' numbers have no other form; clippy knows tests by `#[test]` only"
)]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::field::Field as _;
use super::*;
use crate::crypto::sha256;

mod bounds;
mod numbers;

/// As many bytes as are asked for, of the sequence that `seed` names.
fn random(seed: &str, number: usize, len: usize) -> Vec<u8> {
    (0..len.div_ceil(32))
        .flat_map(|block| sha256(format!("{seed} {number} {block}").as_bytes()))
        .take(len)
        .collect()
}

/// What the tests ask of the crates `p256` and `p384`, which know the same curves.
macro_rules! curve_tests {
    ($name:ident, $curve:ident, $peer:ident, $bytes:literal, $table:literal) => {
        mod $name {
            use ::$peer::ecdsa::signature::hazmat::PrehashVerifier as _;
            use ::$peer::ecdsa::{Signature, SigningKey, VerifyingKey};
            use ::$peer::elliptic_curve::PrimeField as _;
            use ::$peer::elliptic_curve::ops::Reduce as _;
            use ::$peer::elliptic_curve::point::AffineCoordinates as _;
            use ::$peer::elliptic_curve::sec1::ToSec1Point as _;
            use ::$peer::{FieldBytes, ProjectivePoint, Scalar};
            #[cfg(target_arch = "wasm32")]
            use wasm_bindgen_test::wasm_bindgen_test as test;

            use super::*;

            type Bytes = [u8; $bytes];

            fn bytes(scalar: &Scalar) -> Bytes {
                scalar.to_repr().into()
            }

            fn scalar(number: &[u8]) -> Scalar {
                let number: Bytes = number.try_into().unwrap();
                Scalar::reduce(&FieldBytes::from(number))
            }

            fn random_scalar(seed: &str, number: usize) -> Scalar {
                scalar(&random(seed, number, $bytes))
            }

            fn uncompressed(point: &ProjectivePoint) -> Vec<u8> {
                point.to_affine().to_sec1_point(false).as_bytes().to_vec()
            }

            /// Ours in the form of the crate's.
            fn ours_uncompressed(point: &Point<$curve>) -> Vec<u8> {
                if point.is_infinity() {
                    return vec![0];
                }
                let z = $curve::from_number(
                    &crate::crypto::inverse::inverse(&point.z.to_number(), $curve::PRIME).unwrap(),
                );
                let z2 = z.squared();
                let (x, y) = (point.x.times(&z2), point.y.times(&z2.times(&z)));
                [&[4], &x.to_number()[..], &y.to_number()].concat()
            }

            fn small(number: u64) -> Scalar {
                Scalar::from(number)
            }

            /// Scalars at the edges of their range and of digits, and some in between.
            fn scalars() -> Vec<Scalar> {
                let half = small(2).invert().unwrap();
                let mut scalars: Vec<Scalar> =
                    [0, 1, 2, 3, 15, 16, 17, 31, 32, 127, 128, 129, 255, 256].map(small).to_vec();
                // Multiples of what the rows of a table stand for.
                let row = (0..($bytes * 8 + 1_usize).div_ceil(ROWS))
                    .fold(small(1), |row, _| row.double());
                scalars.extend([
                    row,
                    row.square(),
                    row.square() * row,
                    row + small(1),
                    half,
                    half - row,
                ]);
                scalars.extend((0..3).map(|number| random_scalar("scalar", number)));
                let opposite: Vec<Scalar> = scalars.iter().map(|scalar| -scalar).collect();
                scalars.extend(opposite);
                scalars
            }

            #[test]
            fn sums_of_multiples_are_the_crates_equal_opposite_and_none_included() {
                let generator = ProjectivePoint::GENERATOR;
                let context = $curve::context().unwrap();
                // Points that meet the generator's multiples, and one that hardly does.
                for factor in [small(1), -small(3), random_scalar("point", 0)] {
                    let peer = generator * factor;
                    let point = curve::point::<$curve>(&uncompressed(&peer)).unwrap();
                    for (rows, width) in [(1, ONE_ROW_WIDTH), (ROWS, WIDTH)] {
                        let table = Multiples::new(&point, rows, width).unwrap();
                        for (index, left) in scalars().iter().enumerate() {
                            // Each with a few others, those that cancel and double it among them.
                            let inverse = factor.invert().unwrap();
                            let mut others = vec![-left * inverse, left * &inverse];
                            others.extend(scalars().into_iter().skip(index % 13).step_by(13));
                            for right in others {
                                let sum = multiples::sum(&[
                                    (&context.generator, context.generator.digits(&bytes(left))),
                                    (&table, table.digits(&bytes(&right))),
                                ]);
                                let expected = generator * left + peer * right;
                                assert_eq!(
                                    ours_uncompressed(&sum.unwrap()),
                                    uncompressed(&expected),
                                    "{rows} {left:?} {right:?}"
                                );
                            }
                        }
                    }
                }
            }

            #[test]
            fn a_scalar_as_large_as_its_bytes_allow_is_taken_too() {
                let generator = &$curve::context().unwrap().generator;
                let all_ones = [0xff; $bytes];
                let sum = multiples::sum(&[(generator, generator.digits(&all_ones))]).unwrap();
                let expected = ProjectivePoint::GENERATOR * scalar(&all_ones);
                assert_eq!(ours_uncompressed(&sum), uncompressed(&expected));
            }

            /// Whether ours accepts; with and without the table that a key gets when it has
            /// verified a signature.
            fn ours_accepts(key: &VerifyingKey, hash: &[u8], signature: &[u8]) -> bool {
                let point = key.to_sec1_point(false);
                let key = EcdsaKey::<$curve>::new(point.as_bytes()).unwrap();
                let accepted = key.verify(hash, signature);
                key.note_verified();
                assert_eq!(key.verify(hash, signature), accepted);
                accepted
            }

            fn crate_accepts(key: &VerifyingKey, hash: &[u8], signature: &[u8]) -> bool {
                Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok())
            }

            /// The signature by `secret` with the nonce `nonce`.
            fn sign(secret: &Scalar, nonce: &Scalar, hash: &[u8]) -> Vec<u8> {
                let x = (ProjectivePoint::GENERATOR * nonce).to_affine().x();
                let r = scalar(&x);
                let s = nonce.invert().unwrap() * (scalar(hash) + r * secret);
                [bytes(&r), bytes(&s)].concat()
            }

            fn public(secret: &Scalar) -> VerifyingKey {
                *SigningKey::from_bytes(&secret.to_repr()).unwrap().verifying_key()
            }

            #[test]
            fn signatures_are_judged_as_the_crate_does() {
                for number in 0..8 {
                    let secret = random_scalar("secret", number);
                    let key = public(&secret);
                    let hash = random("hash", number, $bytes);
                    let good = sign(&secret, &random_scalar("nonce", number), &hash);
                    assert!(ours_accepts(&key, &hash, &good) && crate_accepts(&key, &hash, &good));
                    for at in [0, 1, $bytes - 1, $bytes, 2 * $bytes - 1] {
                        let mut changed = good.clone();
                        changed[at] ^= 1 << (number % 8);
                        let accepted = ours_accepts(&key, &hash, &changed);
                        assert_eq!(accepted, crate_accepts(&key, &hash, &changed));
                        assert!(!accepted);
                    }
                }
            }

            #[test]
            fn keys_and_hashes_at_the_edges_are_judged_as_the_crate_does() {
                let zero = [0; $bytes];
                let n: Bytes = $curve::ORDER.try_into().unwrap();
                let hashes =
                    [zero, [0xff; $bytes], n, bytes(&small(1)), bytes(&-small(1)), [0x80; $bytes]];
                let secrets = [small(1), -small(1), small(2), small(2).invert().unwrap()];
                for (secret, hash) in
                    secrets.iter().flat_map(|secret| hashes.iter().map(move |hash| (secret, hash)))
                {
                    let key = public(secret);
                    for nonce in [small(1), -small(1), small(2), small(3), *secret] {
                        let signature = sign(secret, &nonce, hash);
                        let accepted = ours_accepts(&key, hash, &signature);
                        assert_eq!(accepted, crate_accepts(&key, hash, &signature));
                        // Only a signature with an `s` of zero is none.
                        assert_eq!(accepted, signature[$bytes..] != zero);
                    }
                }
            }

            #[test]
            fn a_sum_of_equal_points_is_doubled_and_one_of_opposite_points_refused() {
                let secret = random_scalar("secret", 100);
                let key = public(&secret);
                let nonce = random_scalar("nonce", 100);
                let r = scalar(&(ProjectivePoint::GENERATOR * nonce).to_affine().x());
                // The hash for which both terms of the sum are the same point.
                let hash = bytes(&(r * secret));
                let signature = sign(&secret, &nonce, &hash);
                assert!(ours_accepts(&key, &hash, &signature));
                assert!(crate_accepts(&key, &hash, &signature));
                // And the one for which they are opposite, whatever `s` is.
                let hash = bytes(&-(r * secret));
                for s in [small(1), -small(1), nonce] {
                    let signature = [bytes(&r), bytes(&s)].concat();
                    assert!(!ours_accepts(&key, &hash, &signature));
                    assert!(!crate_accepts(&key, &hash, &signature));
                }
            }

            #[test]
            fn numbers_out_of_range_are_refused_even_where_they_mean_a_good_signature() {
                // With the secret 1 and the hash 0, (1·x, 1·x) is good for the nonce 1; and so
                // would be n more, if that were not refused before anything is computed.
                let key = public(&small(1));
                let hash = [0; $bytes];
                let good = sign(&small(1), &small(1), &hash);
                assert!(ours_accepts(&key, &hash, &good));
                let (r, s) = good.split_at($bytes);
                let zero = [0; $bytes];
                let n = $curve::ORDER;
                for (r, s) in [(&zero[..], s), (r, &zero), (n, s), (r, n), (&[0xff; $bytes], s)] {
                    assert!(!ours_accepts(&key, &hash, &[r, s].concat()));
                }
                for wrong in [&good[1..], &[&good[..], &[0]].concat(), &[]] {
                    assert!(
                        !EcdsaKey::<$curve>::new(key.to_sec1_point(false).as_bytes())
                            .unwrap()
                            .verify(&hash, wrong)
                    );
                }
                assert!(!ours_accepts(&key, &hash[1..], &good));
            }

            #[test]
            fn a_point_off_the_curve_or_in_another_form_is_no_key() {
                let point = public(&small(5)).to_sec1_point(false).as_bytes().to_vec();
                assert!(EcdsaKey::<$curve>::new(&point).is_some());
                for at in [0, 1, $bytes, $bytes + 1, 2 * $bytes] {
                    let mut changed = point.clone();
                    changed[at] ^= 1;
                    assert!(EcdsaKey::<$curve>::new(&changed).is_none(), "{at}");
                }
                let (x, y) = point[1..].split_at($bytes);
                let zero = [0; $bytes];
                for (x, y) in [
                    (&zero[..], &zero[..]),
                    (x, $curve::PRIME),
                    ($curve::PRIME, y),
                    (x, &zero),
                    (&[0xff; $bytes], y),
                ] {
                    assert!(EcdsaKey::<$curve>::new(&[&[4], x, y].concat()).is_none());
                }
                for other in [&[0][..], &[], &[4], &point[..$bytes + 1], &point[..2 * $bytes]] {
                    assert!(EcdsaKey::<$curve>::new(other).is_none());
                }
            }

            #[test]
            fn only_a_key_that_has_verified_a_signature_gets_a_table() {
                let secret = random_scalar("secret", 200);
                let point = public(&secret).to_sec1_point(false);
                let key = EcdsaKey::<$curve>::new(point.as_bytes()).unwrap();
                let hash = random("hash", 200, $bytes);
                let good = sign(&secret, &random_scalar("nonce", 200), &hash);
                for _ in 0..3 {
                    assert!(!key.verify(&[7; $bytes], &good));
                    assert!(!key.is_known());
                }
                assert!(key.verify(&hash, &good) && key.is_known());
                assert!(key.verify(&hash, &good));
                let table = key.table.get(|| panic!("it is there")).unwrap().unwrap();
                let coordinates = table.rows.iter().flatten().flatten();
                let bytes: usize = coordinates.map(size_of_val).sum();
                assert_eq!((bytes, Multiples::<$curve>::size(ROWS, WIDTH)), ($table, $table));
                assert!(!key.verify(&[7; $bytes], &good) && key.verify(&hash, &good));
            }

            #[test]
            fn where_there_is_no_room_for_a_table_a_key_judges_without_one() {
                static ROOM: Room = Room::new($table);
                let secret = random_scalar("secret", 201);
                let point = public(&secret).to_sec1_point(false);
                let hash = random("hash", 201, $bytes);
                let good = sign(&secret, &random_scalar("nonce", 201), &hash);
                let [first, second] =
                    [0; 2].map(|_| EcdsaKey::<$curve>::within(&ROOM, point.as_bytes()).unwrap());
                for _ in 0..3 {
                    for key in [&first, &second] {
                        assert!(key.verify(&hash, &good) && !key.verify(&[7; $bytes], &good));
                    }
                }
                assert!(first.is_known() && !second.is_known());
                drop(first);
                assert!(second.verify(&hash, &good) && second.is_known());
            }
        }
    };
}

curve_tests!(p256_curve, P256, p256, 32, 18_432);
curve_tests!(p384_curve, P384, p384, 48, 28_672);

/// `r` is `x` modulo `n`: an `x` from `n` up has an `r` below `p` − `n`, and both are looked at.
#[test]
fn an_r_stands_for_itself_and_for_n_more_if_that_is_below_p() {
    fn check<F: Curve>() {
        let number = |low: u8| {
            let mut number = vec![0; F::BYTES];
            *number.last_mut().unwrap() = low;
            number
        };
        // 5 and n + 5 as `x`, with a `z` other than 1.
        let z = F::from_number(&number(3));
        let small = F::from_number(&number(5));
        for (x, taken) in [
            (small, true),
            (small.plus(F::from_number(F::ORDER)), true),
            (F::from_number(&number(6)), false),
            (small.negated(), false),
        ] {
            let point = Point { x: x.times(&z.squared()), y: F::ONE, z };
            assert_eq!(has_x(&point, &number(5)), taken);
        }
        assert!(!has_x(&Point::<F>::INFINITY, &number(5)));
        // p − n − 1 is the last of them.
        let last = F::from_number(F::PRIME).minus(F::from_number(F::ORDER)).minus(F::ONE);
        assert!(is_below_prime::<F>(&last.to_number()));
        assert!(!is_below_prime::<F>(&last.plus(F::ONE).to_number()));
        assert!(!is_below_prime::<F>(F::ORDER) && !is_below_prime::<F>(&vec![0xff; F::BYTES]));
    }
    check::<P256>();
    check::<P384>();
}
