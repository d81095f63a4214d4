//! The curve P-256 (SP 800-186 §3.2.1.3): `p` = 2^256 − 2^224 + 2^192 + 2^96 − 1, in nine digits of
//! 29 bits, R = 2^261.
//!
//! `p` is −1 modulo 2^96, so the multiple of `p` that makes the lowest digit of a product zero is
//! that digit itself (Montgomery-friendly), and adding it takes four shifts.

use std::num::Wrapping;
use std::sync::LazyLock;

use super::curve::{Context, Curve};
use super::field::{Digit, Element, Field, Stored};

/// A number modulo the prime of P-256.
pub(crate) type P256 = Element<9>;

const BITS: usize = 29;
const MASK: Digit = Wrapping((1 << BITS) - 1);
const HALF: Digit = Wrapping(1 << (BITS - 1));

/// What belongs to one place each, the lowest first.
type Columns = [Digit; 18];

static CONTEXT: LazyLock<Option<Context<P256>>> = LazyLock::new(Context::new);

impl Curve for P256 {
    type Stored = Stored<9>;

    const BYTES: usize = 32;

    const PRIME: &'static [u8] = &[
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff,
    ];
    const ORDER: &'static [u8] = &[
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    const B: &'static [u8] = &[
        0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86,
        0xbc, 0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2,
        0x60, 0x4b,
    ];
    const GENERATOR: &'static [u8] = &[
        0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
        0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8,
        0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a,
        0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40,
        0x68, 0x37, 0xbf, 0x51, 0xf5,
    ];

    fn from_number(number: &[u8]) -> Self {
        /// R² modulo `p`.
        const R_SQUARED: P256 =
            Element::new([3072, 0, -65_536, -2_097_152, -4_194_304, 0, 0, -1, 20]);
        Self::plain(number, BITS).times(&R_SQUARED)
    }

    fn to_number(self) -> Vec<u8> {
        let plain = self.times(&Self::new([1, 0, 0, 0, 0, 0, 0, 0, 0]));
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

impl Field for P256 {
    const ZERO: Self = Self::new([0; 9]);
    const ONE: Self = Self::new([32, 0, 0, -16_384, 0, 0, -8_388_608, 67_108_864, 0]);

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
fn products(left: &P256, right: &P256) -> Columns {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = left.0;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8] = right.0;
    [
        a0 * b0,
        a0 * b1 + a1 * b0,
        a0 * b2 + a1 * b1 + a2 * b0,
        a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0,
        a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0,
        a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0,
        a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0,
        a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0,
        a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0,
        a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1,
        a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2,
        a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3,
        a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4,
        a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5,
        a6 * b8 + a7 * b7 + a8 * b6,
        a7 * b8 + a8 * b7,
        a8 * b8,
        Wrapping(0),
    ]
}

/// The same for a number and itself; each product of two different digits is made once and counted
/// twice.
#[inline(always)]
fn squares(number: &P256) -> Columns {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8] = number.0;
    let [d0, d1, d2, d3, d4, d5, d6, d7] = [a0, a1, a2, a3, a4, a5, a6, a7].map(|a| a + a);
    [
        a0 * a0,
        d0 * a1,
        d0 * a2 + a1 * a1,
        d0 * a3 + d1 * a2,
        d0 * a4 + d1 * a3 + a2 * a2,
        d0 * a5 + d1 * a4 + d2 * a3,
        d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3,
        d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4,
        d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4,
        d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5,
        d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5,
        d3 * a8 + d4 * a7 + d5 * a6,
        d4 * a8 + d5 * a7 + a6 * a6,
        d5 * a8 + d6 * a7,
        d6 * a8 + a7 * a7,
        d7 * a8,
        a8 * a8,
        Wrapping(0),
    ]
}

/// `columns`/R + `term` modulo `p`, carried.
///
/// Adds, digit by digit, the multiple of `p` that makes the lowest nine digits zero: for a digit `q`
/// that is `q`·(2^96 + 2^192 − 2^224 + 2^256) − `q`. The last `q` is between ±2^28, so that the
/// whole multiple is between ±`p`·R/2.
#[inline(always)]
fn reduce(columns: Columns, term: &P256) -> P256 {
    let [c0, mut c1, mut c2, mut c3, mut c4, mut c5, mut c6, mut c7, mut c8, rest @ ..] = columns;
    let [mut c9, mut c10, mut c11, mut c12, mut c13, mut c14, mut c15, mut c16, mut c17] = rest;
    macro_rules! clear {
        ($column:ident, $next:ident, $q:expr, $at96:ident, $at192:ident, $at224:ident, $at256:ident) => {
            let q = $q;
            $next += ($column - q) >> BITS;
            $at96 += q << 9;
            $at192 += q << 18;
            $at224 -= q << 21;
            $at256 += q << 24;
        };
    }
    clear!(c0, c1, c0 & MASK, c3, c6, c7, c8);
    clear!(c1, c2, c1 & MASK, c4, c7, c8, c9);
    clear!(c2, c3, c2 & MASK, c5, c8, c9, c10);
    clear!(c3, c4, c3 & MASK, c6, c9, c10, c11);
    clear!(c4, c5, c4 & MASK, c7, c10, c11, c12);
    clear!(c5, c6, c5 & MASK, c8, c11, c12, c13);
    clear!(c6, c7, c6 & MASK, c9, c12, c13, c14);
    clear!(c7, c8, c7 & MASK, c10, c13, c14, c15);
    clear!(c8, c9, ((c8 + HALF) & MASK) - HALF, c11, c14, c15, c16);

    let [t0, t1, t2, t3, t4, t5, t6, t7, t8] = term.0;
    let carry = |column: Digit| {
        let rounded = column + HALF;
        ((rounded & MASK) - HALF, rounded >> BITS)
    };
    let (r0, up) = carry(c9 + t0);
    c10 += t1 + up;
    let (r1, up) = carry(c10);
    c11 += t2 + up;
    let (r2, up) = carry(c11);
    c12 += t3 + up;
    let (r3, up) = carry(c12);
    c13 += t4 + up;
    let (r4, up) = carry(c13);
    c14 += t5 + up;
    let (r5, up) = carry(c14);
    c15 += t6 + up;
    let (r6, up) = carry(c15);
    c16 += t7 + up;
    let (r7, up) = carry(c16);
    c17 += t8 + up;
    Element([r0, r1, r2, r3, r4, r5, r6, r7, c17])
}
