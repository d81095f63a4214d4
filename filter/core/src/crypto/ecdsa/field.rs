//! Numbers modulo the prime of a curve, as the points of the curve need them.
//!
//! **Variable time.** Everything here is public: keys, signatures, messages. Nothing in this module
//! may ever see a private key.
//!
//! # Digits
//!
//! A number is a row of `N` signed *digits*, the least significant first, each in 64 bits: nine of
//! 29 bits for P-256, fourteen of 28 bits for P-384. After a multiplication digits are *carried*:
//! each but the highest is at most half a unit of the next one, positive or negative. Adding and
//! subtracting is done digit by digit without carrying, so sums have larger digits: that is what
//! makes it fast where a machine has no carry flag, as WebAssembly has none.
//!
//! Products of digits that belong to one place are summed up without a carry, too. How large digits
//! may be before those sums overflow depends on the formulas of [`super::point`]; a test runs the
//! formulas on bounds instead of numbers and shows that nothing overflows.
//!
//! # Values
//!
//! A number `a` is kept as `a`·R (Montgomery, *Modular Multiplication Without Trial Division*, 1985),
//! R being 2^261 or 2^392. It is not unique: the digits may stand for any number of that class. A
//! product lies within ±(|`a`|·|`b`|/R + `p`/2), so it stays near zero, and a product of numbers that
//! are not large is zero only if all its digits are.

use std::num::Wrapping;

/// Of one number, or of one place in a product.
pub(crate) type Digit = Wrapping<i64>;

/// What the formulas for points need.
pub(crate) trait Field: Copy + 'static {
    const ZERO: Self;
    const ONE: Self;

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    /// `self`·`other`, carried.
    fn times(&self, other: &Self) -> Self;

    /// `self`², carried.
    fn squared(&self) -> Self;

    /// `self`² + `term`, carried.
    fn squared_plus(&self, term: &Self) -> Self;

    /// `plus`[0]·`plus`[1] − `minus`[0]·`minus`[1], carried.
    fn difference_of_products(plus: [&Self; 2], minus: [&Self; 2]) -> Self;

    /// Whether every digit is zero: for products of numbers that are not large, whether they are
    /// zero.
    fn has_no_digits(&self) -> bool;

    /// Whether this is zero modulo the prime, however it was made.
    fn is_zero(&self) -> bool {
        self.times(&Self::ONE).has_no_digits()
    }

    fn doubled(self) -> Self {
        self.plus(self)
    }

    fn negated(self) -> Self {
        Self::ZERO.minus(self)
    }
}

/// A number modulo a prime. The number of digits says which prime: there are no two with the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<const N: usize>(pub(super) [Digit; N]);

/// As an element is stored where there are many: digits of a carried number fit.
pub(crate) type Stored<const N: usize> = [i32; N];

impl<const N: usize> Element<N> {
    /// From digits that were computed elsewhere.
    pub(super) const fn new(digits: [i64; N]) -> Self {
        let mut element = [Wrapping(0); N];
        let (mut to, mut from) = (element.as_mut_slice(), digits.as_slice());
        while let ([digit, to_rest @ ..], [value, from_rest @ ..]) = (to, from) {
            *digit = Wrapping(*value);
            (to, from) = (to_rest, from_rest);
        }
        Self(element)
    }

    /// A big-endian number as it is, in digits of `bits` bits from zero up.
    pub(super) fn plain(number: &[u8], bits: usize) -> Self {
        let mut digits = [Wrapping(0); N];
        let mut bytes = number.iter().rev();
        let (mut waiting, mut held) = (Wrapping(0_i64), 0_usize);
        for digit in &mut digits {
            while held < bits
                && let Some(byte) = bytes.next()
            {
                waiting |= Wrapping(i64::from(*byte)) << held;
                held = held.wrapping_add(8);
            }
            *digit = waiting & mask(bits);
            waiting >>= bits;
            held = held.saturating_sub(bits);
        }
        Self(digits)
    }

    /// The number in `size` bytes, big-endian, for one between −`prime` and `prime`.
    pub(super) fn plain_bytes(self, prime: &[u8], size: usize, bits: usize) -> Vec<u8> {
        let number = self.with_digits_from_zero(bits);
        let number = match number.0.last() {
            Some(highest) if highest.0 < 0 => {
                number.sum(&Self::plain(prime, bits)).with_digits_from_zero(bits)
            }
            _ => number,
        };
        let mut bytes = Vec::with_capacity(size);
        let (mut waiting, mut held) = (Wrapping(0_i64), 0_usize);
        for digit in number.0 {
            waiting |= digit << held;
            held = held.wrapping_add(bits);
            while held >= 8 && bytes.len() < size {
                let [low, ..] = waiting.0.to_le_bytes();
                bytes.push(low);
                waiting >>= 8;
                held = held.wrapping_sub(8);
            }
        }
        bytes.resize(size, 0);
        bytes.reverse();
        bytes
    }

    /// The same number with all digits but the highest between zero and 2^`bits`.
    fn with_digits_from_zero(mut self, bits: usize) -> Self {
        let mut carry = Wrapping(0);
        if let Some((highest, digits)) = self.0.split_last_mut() {
            for digit in digits {
                let sum = *digit + carry;
                *digit = sum & mask(bits);
                carry = sum >> bits;
            }
            *highest += carry;
        }
        self
    }

    #[inline(always)]
    pub(super) fn sum(mut self, other: &Self) -> Self {
        for (digit, other) in self.0.iter_mut().zip(other.0) {
            *digit += other;
        }
        self
    }

    #[inline(always)]
    pub(super) fn difference(mut self, other: &Self) -> Self {
        for (digit, other) in self.0.iter_mut().zip(other.0) {
            *digit -= other;
        }
        self
    }

    pub(super) fn stored(&self) -> Stored<N> {
        self.0.map(|digit| {
            let [b0, b1, b2, b3, ..] = digit.0.to_le_bytes();
            i32::from_le_bytes([b0, b1, b2, b3])
        })
    }

    pub(super) fn from_stored(stored: &Stored<N>) -> Self {
        Self(stored.map(|digit| Wrapping(i64::from(digit))))
    }

    pub(super) fn all_digits_are_zero(&self) -> bool {
        self.0.iter().fold(Wrapping(0), |all, digit| all | *digit).0 == 0
    }
}

/// The lowest `bits` bits.
pub(super) fn mask(bits: usize) -> Digit {
    (Wrapping(1_i64) << bits) - Wrapping(1)
}
