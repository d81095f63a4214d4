//! The arithmetic under the points, against big integers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use p256::elliptic_curve::bigint::{BoxedUint, ConcatenatingMul as _, Resize as _};

use super::super::field::{Element, Field as _};
use super::super::{Curve, P256, P384};
use super::random;
use crate::crypto::inverse::inverse;
use crate::crypto::modulus::Modulus;

fn integer(number: &[u8]) -> BoxedUint {
    // Twice as wide, for sums and products.
    let bits = u32::try_from(number.len() * 16).unwrap();
    BoxedUint::from_be_slice(number, bits).unwrap()
}

/// `number` modulo `modulus`, in as many bytes.
fn reduced(number: &BoxedUint, modulus: &[u8]) -> Vec<u8> {
    let wide = integer(modulus).resize(number.bits_precision());
    let rest = number.rem_vartime(&wide.to_nz().unwrap()).to_be_bytes();
    rest[rest.len() - modulus.len()..].to_vec()
}

fn product(left: &[u8], right: &[u8], modulus: &[u8]) -> Vec<u8> {
    reduced(&integer(left).concatenating_mul(integer(right)), modulus)
}

fn sum(left: &[u8], right: &[u8], modulus: &[u8]) -> Vec<u8> {
    reduced(&integer(left).wrapping_add(integer(right)), modulus)
}

/// `modulus` − `number`.
fn opposite(number: &[u8], modulus: &[u8]) -> Vec<u8> {
    reduced(&integer(modulus).wrapping_sub(integer(number)), modulus)
}

/// Numbers below `modulus`: at both ends, with one bit, with long runs of ones, and some in between.
fn numbers(modulus: &[u8], seed: &str) -> Vec<Vec<u8>> {
    let len = modulus.len();
    let mut numbers = vec![vec![0; len]];
    for bit in [0, 1, 27, 28, 29, 30, 31, 57, 58, 95, 96, 127, 192, 224, 8 * len - 2] {
        let mut one_bit = vec![0; len];
        one_bit[len - 1 - bit / 8] = 1 << (bit % 8);
        let minus_one = integer(&one_bit).wrapping_sub(BoxedUint::one());
        numbers.push(reduced(&minus_one, modulus));
        numbers.push(one_bit);
    }
    numbers.extend((0..24).map(|number| reduced(&integer(&random(seed, number, len)), modulus)));
    let opposite: Vec<Vec<u8>> =
        numbers.iter().skip(1).map(|number| opposite(number, modulus)).collect();
    numbers.extend(opposite);
    numbers
}

fn check_field<F: Curve>() {
    let p = F::PRIME;
    let numbers = numbers(p, "field");
    for left in &numbers {
        let element = F::from_number(left);
        assert_eq!(&element.to_number(), left);
        assert_eq!(element.negated().to_number(), reduced(&integer(&opposite(left, p)), p));
        assert_eq!(element.squared().to_number(), product(left, left, p));
        assert_eq!(element.is_zero(), left.iter().all(|byte| *byte == 0));
        assert!(element.minus(F::from_number(left)).is_zero());
        assert_eq!(F::restore(&element.store()).to_number(), *left);
        for right in &numbers {
            let other = F::from_number(right);
            let times = product(left, right, p);
            assert_eq!(element.times(&other).to_number(), times);
            assert_eq!(element.plus(other).to_number(), sum(left, right, p));
            let minus = sum(left, &opposite(right, p), p);
            assert_eq!(element.minus(other).to_number(), minus);
            let plus_square = sum(&product(left, left, p), right, p);
            assert_eq!(element.squared_plus(&other).to_number(), plus_square);
            let difference = F::difference_of_products([&element, &other], [&other, &other]);
            let square = product(right, right, p);
            assert_eq!(difference.to_number(), sum(&times, &opposite(&square, p), p));
        }
    }
}

#[test]
fn numbers_modulo_the_primes_are_those_of_big_integers() {
    check_field::<P256>();
    check_field::<P384>();
}

#[test]
fn the_largest_digits_that_the_formulas_make_do_not_overflow() {
    // Growth of 14 in all: see the bounds.
    fn check<const N: usize>(half: i64)
    where
        Element<N>: Curve,
    {
        for digit in [half, -half, half - 1] {
            let mut digits = [digit; N];
            // The highest digit of a number that is not large.
            digits[N - 1] = 1 << 20;
            let element = Element::new(digits);
            let number = element.to_number();
            let p = <Element<N> as Curve>::PRIME;
            let three = element.doubled().plus(element);
            let [two, four] = [element.doubled(), element.doubled().doubled()];
            let times = |factor: u8, number: &[u8]| {
                let mut wide = vec![0; number.len()];
                *wide.last_mut().unwrap() = factor;
                product(&wide, number, p)
            };
            let square = product(&number, &number, p);
            assert_eq!(three.times(&four).to_number(), times(12, &square));
            assert_eq!(three.squared().to_number(), times(9, &square));
            // 3·2 + 2·4, the most that doubling a point asks for.
            let sum = Element::difference_of_products([&three, &two], [&two, &four.negated()]);
            assert_eq!(sum.to_number(), times(14, &square));
        }
    }
    check::<9>(1 << 28);
    check::<14>(1 << 27);
}

#[test]
fn inverses_and_products_modulo_the_orders_are_those_of_big_integers() {
    for order in [P256::ORDER, P384::ORDER, P256::PRIME, P384::PRIME] {
        let modulus = Modulus::new(order).unwrap();
        let numbers = numbers(order, "order");
        let mut one = vec![0; order.len()];
        *one.last_mut().unwrap() = 1;
        for number in &numbers {
            let inverse = inverse(number, order);
            assert_eq!(inverse.is_none(), number.iter().all(|byte| *byte == 0));
            if let Some(inverse) = inverse {
                assert!(inverse.as_slice() < order);
                assert_eq!(product(number, &inverse, order), one);
            }
            for other in &numbers {
                let expected = product(number, other, order);
                assert_eq!(modulus.product(number, other), Some(expected));
            }
        }
    }
}

#[test]
fn many_random_numbers_have_their_inverses() {
    for order in [P256::ORDER, P384::ORDER] {
        let modulus = Modulus::new(order).unwrap();
        let mut one = vec![0; order.len()];
        *one.last_mut().unwrap() = 1;
        for number in 0..500 {
            let number = reduced(&integer(&random("inverse", number, order.len())), order);
            let inverse = inverse(&number, order).unwrap();
            assert_eq!(modulus.product(&number, &inverse), Some(one.clone()));
        }
    }
}

#[test]
fn a_product_takes_numbers_below_twice_the_modulus_of_its_length() {
    let order = P256::ORDER;
    let modulus = Modulus::new(order).unwrap();
    let all_ones = [0xff; 32];
    let expected = product(&all_ones, &all_ones, order);
    assert_eq!(modulus.product(&all_ones, &all_ones), Some(expected));
    assert_eq!(modulus.product(&all_ones[1..], &all_ones), None);
    assert_eq!(modulus.product(&all_ones, &[0; 33]), None);
}
