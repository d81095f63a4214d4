//! The curve P-384 (SP 800-186 §3.2.1.4): `p` = 2^384 − 2^128 − 2^96 + 2^32 − 1, in fourteen digits
//! of 28 bits, R = 2^392.
//!
//! As for P-256, `p` is −1 modulo a power of two that is larger than a digit. Products are made of
//! three of half the length (Karatsuba and Ofman, 1962), which leaves digits half as large as they
//! could be otherwise; there is room for that.

use std::num::Wrapping;
use std::sync::LazyLock;

use super::curve::{Context, Curve};
use super::field::{Digit, Element, Field, Stored};

/// A number modulo the prime of P-384.
pub(crate) type P384 = Element<14>;

const BITS: usize = 28;
const MASK: Digit = Wrapping((1 << BITS) - 1);
const HALF: Digit = Wrapping(1 << (BITS - 1));

/// What belongs to one place each, the lowest first.
type Columns = [Digit; 28];

type Half = [Digit; 7];
type HalfColumns = [Digit; 13];

static CONTEXT: LazyLock<Option<Context<P384>>> = LazyLock::new(Context::new);

impl Curve for P384 {
    type Stored = Stored<14>;

    const BYTES: usize = 48;

    const PRIME: &'static [u8] = &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff,
        0xff, 0xff, 0xff,
    ];
    const ORDER: &'static [u8] = &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37,
        0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc,
        0xc5, 0x29, 0x73,
    ];
    const B: &'static [u8] = &[
        0xb3, 0x31, 0x2f, 0xa7, 0xe2, 0x3e, 0xe7, 0xe4, 0x98, 0x8e, 0x05, 0x6b, 0xe3, 0xf8, 0x2d,
        0x19, 0x18, 0x1d, 0x9c, 0x6e, 0xfe, 0x81, 0x41, 0x12, 0x03, 0x14, 0x08, 0x8f, 0x50, 0x13,
        0x87, 0x5a, 0xc6, 0x56, 0x39, 0x8d, 0x8a, 0x2e, 0xd1, 0x9d, 0x2a, 0x85, 0xc8, 0xed, 0xd3,
        0xec, 0x2a, 0xef,
    ];
    const GENERATOR: &'static [u8] = &[
        0x04, 0xaa, 0x87, 0xca, 0x22, 0xbe, 0x8b, 0x05, 0x37, 0x8e, 0xb1, 0xc7, 0x1e, 0xf3, 0x20,
        0xad, 0x74, 0x6e, 0x1d, 0x3b, 0x62, 0x8b, 0xa7, 0x9b, 0x98, 0x59, 0xf7, 0x41, 0xe0, 0x82,
        0x54, 0x2a, 0x38, 0x55, 0x02, 0xf2, 0x5d, 0xbf, 0x55, 0x29, 0x6c, 0x3a, 0x54, 0x5e, 0x38,
        0x72, 0x76, 0x0a, 0xb7, 0x36, 0x17, 0xde, 0x4a, 0x96, 0x26, 0x2c, 0x6f, 0x5d, 0x9e, 0x98,
        0xbf, 0x92, 0x92, 0xdc, 0x29, 0xf8, 0xf4, 0x1d, 0xbd, 0x28, 0x9a, 0x14, 0x7c, 0xe9, 0xda,
        0x31, 0x13, 0xb5, 0xf0, 0xb8, 0xc0, 0x0a, 0x60, 0xb1, 0xce, 0x1d, 0x7e, 0x81, 0x9d, 0x7a,
        0x43, 0x1d, 0x7c, 0x90, 0xea, 0x0e, 0x5f,
    ];

    fn from_number(number: &[u8]) -> Self {
        /// R² modulo `p`.
        const R_SQUARED: P384 = Element::new([
            65_536, -2_097_152, 16_777_216, 0, 2, 0, -512, 4096, 131_072, 1_048_576, 0, 0, 0, 0,
        ]);
        Self::plain(number, BITS).times(&R_SQUARED)
    }

    fn to_number(self) -> Vec<u8> {
        let plain = self.times(&Self::new([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        plain.plain_bytes(Self::PRIME, Self::BYTES, BITS)
    }

    fn store(&self) -> Self::Stored {
        self.stored()
    }

    fn restore(stored: &Self::Stored) -> Self {
        Self::from_stored(stored)
    }

    fn context() -> Option<&'static Context<Self>> {
        CONTEXT.as_ref()
    }
}

impl Field for P384 {
    const ZERO: Self = Self::new([0; 14]);
    const ONE: Self = Self::new([256, -4096, 0, 1_048_576, 16_777_216, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

    fn plus(self, other: Self) -> Self {
        self.sum(&other)
    }

    fn minus(self, other: Self) -> Self {
        self.difference(&other)
    }

    #[inline(never)]
    fn times(&self, other: &Self) -> Self {
        reduce(products(self, other), &Self::ZERO)
    }

    #[inline(never)]
    fn squared(&self) -> Self {
        reduce(squares(self), &Self::ZERO)
    }

    #[inline(never)]
    fn squared_plus(&self, term: &Self) -> Self {
        reduce(squares(self), term)
    }

    #[inline(never)]
    fn difference_of_products(plus: [&Self; 2], minus: [&Self; 2]) -> Self {
        let [plus_left, plus_right] = plus;
        let [minus_left, minus_right] = minus;
        let mut columns = products(plus_left, plus_right);
        for (column, minus) in columns.iter_mut().zip(products(minus_left, minus_right)) {
            *column -= minus;
        }
        reduce(columns, &Self::ZERO)
    }

    fn has_no_digits(&self) -> bool {
        self.all_digits_are_zero()
    }
}

/// All products of two numbers' digits, each in its column.
#[inline(always)]
fn products(left: &P384, right: &P384) -> Columns {
    let [left_low, left_high] = halves(left);
    let [right_low, right_high] = halves(right);
    let both = half_products(sum(left_low, left_high), sum(right_low, right_high));
    joined(half_products(left_low, right_low), both, half_products(left_high, right_high))
}

/// The same for a number and itself.
#[inline(always)]
fn squares(number: &P384) -> Columns {
    let [low, high] = halves(number);
    joined(half_squares(low), half_squares(sum(low, high)), half_squares(high))
}

#[inline(always)]
fn halves(number: &P384) -> [Half; 2] {
    let [a0, a1, a2, a3, a4, a5, a6, b0, b1, b2, b3, b4, b5, b6] = number.0;
    [[a0, a1, a2, a3, a4, a5, a6], [b0, b1, b2, b3, b4, b5, b6]]
}

#[inline(always)]
fn sum(mut left: Half, right: Half) -> Half {
    for (left, right) in left.iter_mut().zip(right) {
        *left += right;
    }
    left
}

/// The columns of the product of two numbers from the products of their low halves, of the sums of
/// their halves, and of their high halves.
#[inline(always)]
fn joined(low: HalfColumns, both: HalfColumns, high: HalfColumns) -> Columns {
    let mut columns = [Wrapping(0); 28];
    let cross = both.iter().zip(low).zip(high).map(|((both, low), high)| both - low - high);
    columns.iter_mut().skip(7).zip(cross).for_each(|(column, cross)| *column = cross);
    columns.iter_mut().zip(low).for_each(|(column, low)| *column += low);
    columns.iter_mut().skip(14).zip(high).for_each(|(column, high)| *column += high);
    columns
}

#[inline(always)]
fn half_products(left: Half, right: Half) -> HalfColumns {
    let [a0, a1, a2, a3, a4, a5, a6] = left;
    let [b0, b1, b2, b3, b4, b5, b6] = right;
    [
        a0 * b0,
        a0 * b1 + a1 * b0,
        a0 * b2 + a1 * b1 + a2 * b0,
        a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0,
        a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0,
        a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0,
        a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0,
        a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1,
        a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2,
        a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3,
        a4 * b6 + a5 * b5 + a6 * b4,
        a5 * b6 + a6 * b5,
        a6 * b6,
    ]
}

/// Each product of two different digits is made once and counted twice.
#[inline(always)]
fn half_squares(number: Half) -> HalfColumns {
    let [a0, a1, a2, a3, a4, a5, a6] = number;
    let [d0, d1, d2, d3, d4, d5] = [a0, a1, a2, a3, a4, a5].map(|a| a + a);
    [
        a0 * a0,
        d0 * a1,
        d0 * a2 + a1 * a1,
        d0 * a3 + d1 * a2,
        d0 * a4 + d1 * a3 + a2 * a2,
        d0 * a5 + d1 * a4 + d2 * a3,
        d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3,
        d1 * a6 + d2 * a5 + d3 * a4,
        d2 * a6 + d3 * a5 + a4 * a4,
        d3 * a6 + d4 * a5,
        d4 * a6 + a5 * a5,
        d5 * a6,
        a6 * a6,
    ]
}

/// `columns`/R + `term` modulo `p`, carried.
///
/// Adds, digit by digit, the multiple of `p` that makes the lowest fourteen digits zero: for a digit
/// `q` that is `q`·(2^32 − 2^96 − 2^128 + 2^384) − `q`. The last `q` is between ±2^27, so that the
/// whole multiple is between ±`p`·R/2.
#[inline(always)]
fn reduce(columns: Columns, term: &P384) -> P384 {
    let [c0, mut c1, mut c2, mut c3, mut c4, mut c5, mut c6, mut c7, rest @ ..] = columns;
    let [mut c8, mut c9, mut c10, mut c11, mut c12, mut c13, mut c14, rest @ ..] = rest;
    let [mut c15, mut c16, mut c17, mut c18, mut c19, mut c20, mut c21, rest @ ..] = rest;
    let [mut c22, mut c23, mut c24, mut c25, mut c26, c27] = rest;
    macro_rules! clear {
        ($column:ident, $next:ident, $q:expr, $at96:ident, $at128:ident, $at384:ident) => {
            let q = $q;
            $next += (($column - q) >> BITS) + (q << 4);
            $at96 -= q << 12;
            $at128 -= q << 16;
            $at384 += q << 20;
        };
    }
    clear!(c0, c1, c0 & MASK, c3, c4, c13);
    clear!(c1, c2, c1 & MASK, c4, c5, c14);
    clear!(c2, c3, c2 & MASK, c5, c6, c15);
    clear!(c3, c4, c3 & MASK, c6, c7, c16);
    clear!(c4, c5, c4 & MASK, c7, c8, c17);
    clear!(c5, c6, c5 & MASK, c8, c9, c18);
    clear!(c6, c7, c6 & MASK, c9, c10, c19);
    clear!(c7, c8, c7 & MASK, c10, c11, c20);
    clear!(c8, c9, c8 & MASK, c11, c12, c21);
    clear!(c9, c10, c9 & MASK, c12, c13, c22);
    clear!(c10, c11, c10 & MASK, c13, c14, c23);
    clear!(c11, c12, c11 & MASK, c14, c15, c24);
    clear!(c12, c13, c12 & MASK, c15, c16, c25);
    clear!(c13, c14, ((c13 + HALF) & MASK) - HALF, c16, c17, c26);

    let mut number = [c14, c15, c16, c17, c18, c19, c20, c21, c22, c23, c24, c25, c26, c27];
    let mut carry = Wrapping(0);
    for (digit, term) in number.iter_mut().zip(term.0) {
        let rounded = *digit + term + carry + HALF;
        *digit = (rounded & MASK) - HALF;
        carry = rounded >> BITS;
    }
    if let Some(highest) = number.last_mut() {
        *highest += carry << BITS;
    }
    Element(number)
}
