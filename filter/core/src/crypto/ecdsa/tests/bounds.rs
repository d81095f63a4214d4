//! The formulas for points run on bounds instead of numbers: nothing overflows, whatever is added.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::field::Field;
use super::super::point::{Affine, Point};

/// How large an element with `N` digits of `BITS` bits may be. R is more than 2^`SPARE` times the
/// prime.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds<const N: usize, const BITS: u32, const SPARE: u32> {
    /// Of any digit.
    digit: u128,
    /// Of the number, in units of the prime.
    value: f64,
    /// Whether it comes from a multiplication alone.
    is_product: bool,
}

/// The largest digit of a carried number.
const fn carried(bits: u32) -> u128 {
    1 << (bits - 1)
}

impl<const N: usize, const BITS: u32, const SPARE: u32> Bounds<N, BITS, SPARE> {
    const fn carried(value: f64) -> Self {
        Self { digit: carried(BITS), value, is_product: false }
    }

    /// What comes out of a reduction of columns below `columns` of a product below `value`.
    fn reduced(columns: u128, value: f64, term: Option<&Self>) -> Self {
        let (term_digit, term_value) = term.map_or((0, 0.0), |term| (term.digit, term.value));
        // To a column are added four quotients shifted by at most 24, and a carry.
        let added = 4 * (1 << (BITS + 24)) + (1 << 40) + term_digit;
        assert!(columns + added < 1 << 63, "a column overflows");
        let r_over_p = f64::from(SPARE).exp2();
        // Half a prime from the quotients; a little more for what digits are rounded by.
        let value = value / r_over_p + 0.5 + 1e-6 + term_value;
        // The digits of the prime but the highest are N − 1; what is above goes into the highest.
        let prime_bits = f64::from(u32::try_from(N).unwrap() * BITS - SPARE);
        let below = f64::from(u32::try_from(N - 1).unwrap() * BITS);
        assert!(value * (prime_bits - below).exp2() < f64::from(BITS - 1).exp2());
        Self { digit: carried(BITS), value, is_product: term.is_none() }
    }

    fn columns(&self, other: &Self) -> u128 {
        u128::try_from(N).unwrap() * self.digit * other.digit
    }

    fn or(self, other: Self) -> Self {
        Self {
            digit: self.digit.max(other.digit),
            value: self.value.max(other.value),
            is_product: false,
        }
    }
}

impl<const N: usize, const BITS: u32, const SPARE: u32> Field for Bounds<N, BITS, SPARE> {
    const ZERO: Self = Self { digit: 0, value: 0.0, is_product: false };
    const ONE: Self = Self::carried(1.0);

    fn plus(self, other: Self) -> Self {
        let (digit, value) = (self.digit + other.digit, self.value + other.value);
        Self { digit, value, is_product: false }
    }

    fn minus(self, other: Self) -> Self {
        self.plus(other)
    }

    fn times(&self, other: &Self) -> Self {
        Self::reduced(self.columns(other), self.value * other.value, None)
    }

    fn squared(&self) -> Self {
        self.times(self)
    }

    fn squared_plus(&self, term: &Self) -> Self {
        Self::reduced(self.columns(self), self.value * self.value, Some(term))
    }

    fn difference_of_products(plus: [&Self; 2], minus: [&Self; 2]) -> Self {
        Self::reduced(
            plus[0].columns(plus[1]) + minus[0].columns(minus[1]),
            plus[0].value * plus[1].value + minus[0].value * minus[1].value,
            None,
        )
    }

    fn has_no_digits(&self) -> bool {
        // Only for what is nearer to zero than the prime does having no digits mean to be zero. A
        // `z` that comes from doubling is not, but never zero either.
        assert!(!self.is_product || self.value < 1.0);
        false
    }
}

fn check<const N: usize, const BITS: u32, const SPARE: u32>() {
    // Tables hold products; keys and constants are below the prime.
    let other = Affine { x: Bounds::<N, BITS, SPARE>::carried(1.0), y: Bounds::carried(1.0) };
    let mut point = Point::new(&other);
    for _ in 0..1_000 {
        let (twice, more) = (point.doubled(), point.plus(&other));
        point = Point {
            x: point.x.or(twice.x).or(more.x),
            y: point.y.or(twice.y).or(more.y),
            z: point.z.or(twice.z).or(more.z),
        };
    }
    let (twice, more) = (point.doubled(), point.plus(&other));
    for coordinates in [twice, more] {
        // No more growth: these bounds hold for ever.
        assert!(coordinates.x.value <= point.x.value + 1e-9);
        assert!(coordinates.y.value <= point.y.value + 1e-9);
        assert!(coordinates.z.value <= point.z.value + 1e-9);
    }
    // Whether coordinates agree is asked of such differences.
    let _ = point.x.plus(other.x).plus(other.x).is_zero();
    assert!(point.x.plus(other.x).plus(other.x).times(&Bounds::ONE).value < 1.0);
}

#[test]
fn no_chain_of_doublings_and_additions_overflows_or_grows() {
    check::<9, 29, 5>();
    check::<14, 28, 8>();
}

#[test]
#[should_panic(expected = "a column overflows")]
fn the_bounds_notice_a_digit_too_large() {
    let element = Bounds::<9, 29, 5>::carried(1.0);
    let four = element.doubled().doubled();
    let _ = four.times(&four);
}
