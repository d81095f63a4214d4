//! Numbers modulo `p` = 2^255 − 19.
//!
//! **Variable time.** Everything here is public: keys, signatures, messages. Nothing in this module may ever see a
//! private key.
//!
//! A number is a row of ten signed *digits*, the least significant first, in turn of 26 and 25 bits, each in 64 bits
//! (Bernstein's *Curve25519*, 2006, in the form of his `ref10`). After a multiplication digits are *carried*: at most
//! about half a unit of the next one, positive or negative. Adding and subtracting is done digit by digit without
//! carrying. A factor may be the sum of up to four carried numbers, and the formulas of [`super::point`] have no
//! larger ones: then a digit is below 2^27, or 2^26 for the short ones, and what belongs to one place of a product
//! below 2^54 + 5·38·2^52 + 4·19·2^54 < 2^61.

use std::num::Wrapping;

/// Of one number, or of one place in a product.
type Digit = Wrapping<i64>;

/// `p`, big-endian.
pub(super) const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    [prime[0], prime[31]] = [0x7f, 0xed];
    prime
};

/// A number modulo `p`; not unique.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element(pub(super) [Digit; 10]);

/// As an element is stored where there are many: digits of a carried number fit.
pub(super) type Stored = [i32; 10];

/// Bits of the digits.
const BITS: [usize; 10] = [26, 25, 26, 25, 26, 25, 26, 25, 26, 25];

impl Element {
    pub(super) const ZERO: Self = Self([Wrapping(0); 10]);
    pub(super) const ONE: Self = {
        let mut one = Self::ZERO;
        one.0[0] = Wrapping(1);
        one
    };

    /// From a big-endian number below 2^255.
    pub(super) fn new(number: &[u8; 32]) -> Self {
        let mut element = Self::ZERO;
        let mut bytes = number.iter().rev();
        let (mut waiting, mut held) = (Wrapping(0_i64), 0_usize);
        for (digit, bits) in element.0.iter_mut().zip(BITS) {
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
        element
    }

    /// The number, below `p` and big-endian; of a sum of up to four carried numbers.
    pub(super) fn to_number(self) -> [u8; 32] {
        // How many times `p` goes into it, rounded down: what is left of 2^255 when 19 times the highest part is added.
        let Self(mut digits) = self.carried();
        let mut quotient = (digits[9] * Wrapping(19) + (Wrapping(1_i64) << 24)) >> 25;
        for (digit, bits) in digits.iter().zip(BITS) {
            quotient = (*digit + quotient) >> bits;
        }
        digits[0] += quotient * Wrapping(19);
        let mut number = [0; 32];
        let mut bytes = number.iter_mut().rev();
        let (mut waiting, mut held, mut carry) = (Wrapping(0_i64), 0_usize, Wrapping(0));
        for (digit, bits) in digits.into_iter().zip(BITS) {
            let sum = digit + carry;
            carry = sum >> bits;
            waiting |= (sum & mask(bits)) << held;
            held = held.wrapping_add(bits);
            while held >= 8
                && let Some(byte) = bytes.next()
            {
                [*byte, ..] = waiting.0.to_le_bytes();
                waiting >>= 8;
                held = held.wrapping_sub(8);
            }
        }
        if let Some(byte) = bytes.next() {
            [*byte, ..] = waiting.0.to_le_bytes();
        }
        number
    }

    pub(super) fn store(&self) -> Stored {
        self.0.map(|digit| {
            let [b0, b1, b2, b3, ..] = digit.0.to_le_bytes();
            i32::from_le_bytes([b0, b1, b2, b3])
        })
    }

    pub(super) fn restore(stored: &Stored) -> Self {
        Self(stored.map(|digit| Wrapping(i64::from(digit))))
    }

    #[inline(always)]
    pub(super) fn plus(mut self, other: Self) -> Self {
        for (digit, other) in self.0.iter_mut().zip(other.0) {
            *digit += other;
        }
        self
    }

    #[inline(always)]
    pub(super) fn minus(mut self, other: Self) -> Self {
        for (digit, other) in self.0.iter_mut().zip(other.0) {
            *digit -= other;
        }
        self
    }

    #[inline(always)]
    pub(super) fn doubled(self) -> Self {
        self.plus(self)
    }

    pub(super) fn negated(self) -> Self {
        Self::ZERO.minus(self)
    }

    pub(super) fn carried(self) -> Self {
        carry(self.0)
    }

    pub(super) fn is_zero(self) -> bool {
        self.to_number() == [0; 32]
    }

    /// Whether the number below `p` is odd: what RFC 8032 §5.1.2 calls its sign.
    pub(super) fn is_odd(self) -> bool {
        let [.., lowest] = self.to_number();
        lowest & 1 == 1
    }

    /// `self`·`other`, carried.
    #[inline(never)]
    pub(super) fn times(&self, other: &Self) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9] = self.0;
        let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9] = other.0;
        // What is at or above 2^255 counts 19 times, and a product of two short digits twice.
        let [c1, c2, c3, c4, c5, c6, c7, c8, c9] =
            [b1, b2, b3, b4, b5, b6, b7, b8, b9].map(|digit| digit * Wrapping(19));
        let [d1, d3, d5, d7, d9] = [a1, a3, a5, a7, a9].map(|digit| digit + digit);
        carry([
            a0 * b0
                + d1 * c9
                + a2 * c8
                + d3 * c7
                + a4 * c6
                + d5 * c5
                + a6 * c4
                + d7 * c3
                + a8 * c2
                + d9 * c1,
            a0 * b1
                + a1 * b0
                + a2 * c9
                + a3 * c8
                + a4 * c7
                + a5 * c6
                + a6 * c5
                + a7 * c4
                + a8 * c3
                + a9 * c2,
            a0 * b2
                + d1 * b1
                + a2 * b0
                + d3 * c9
                + a4 * c8
                + d5 * c7
                + a6 * c6
                + d7 * c5
                + a8 * c4
                + d9 * c3,
            a0 * b3
                + a1 * b2
                + a2 * b1
                + a3 * b0
                + a4 * c9
                + a5 * c8
                + a6 * c7
                + a7 * c6
                + a8 * c5
                + a9 * c4,
            a0 * b4
                + d1 * b3
                + a2 * b2
                + d3 * b1
                + a4 * b0
                + d5 * c9
                + a6 * c8
                + d7 * c7
                + a8 * c6
                + d9 * c5,
            a0 * b5
                + a1 * b4
                + a2 * b3
                + a3 * b2
                + a4 * b1
                + a5 * b0
                + a6 * c9
                + a7 * c8
                + a8 * c7
                + a9 * c6,
            a0 * b6
                + d1 * b5
                + a2 * b4
                + d3 * b3
                + a4 * b2
                + d5 * b1
                + a6 * b0
                + d7 * c9
                + a8 * c8
                + d9 * c7,
            a0 * b7
                + a1 * b6
                + a2 * b5
                + a3 * b4
                + a4 * b3
                + a5 * b2
                + a6 * b1
                + a7 * b0
                + a8 * c9
                + a9 * c8,
            a0 * b8
                + d1 * b7
                + a2 * b6
                + d3 * b5
                + a4 * b4
                + d5 * b3
                + a6 * b2
                + d7 * b1
                + a8 * b0
                + d9 * c9,
            a0 * b9
                + a1 * b8
                + a2 * b7
                + a3 * b6
                + a4 * b5
                + a5 * b4
                + a6 * b3
                + a7 * b2
                + a8 * b1
                + a9 * b0,
        ])
    }

    /// `self`², carried.
    #[inline(never)]
    pub(super) fn squared(&self) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9] = self.0;
        // Each product of two different digits is made once and counted twice.
        let [t0, t1, t2, t3, t4, t5, t6, t7] =
            [a0, a1, a2, a3, a4, a5, a6, a7].map(|digit| digit + digit);
        let [q1, q3, q5, q7] = [t1, t3, t5, t7].map(|digit| digit + digit);
        let [c5, c6, c7, c8, c9] = [a5, a6, a7, a8, a9].map(|digit| digit * Wrapping(19));
        carry([
            a0 * a0 + q1 * c9 + t2 * c8 + q3 * c7 + t4 * c6 + t5 * c5,
            t0 * a1 + t2 * c9 + t3 * c8 + t4 * c7 + t5 * c6,
            t0 * a2 + t1 * a1 + q3 * c9 + t4 * c8 + q5 * c7 + a6 * c6,
            t0 * a3 + t1 * a2 + t4 * c9 + t5 * c8 + t6 * c7,
            t0 * a4 + q1 * a3 + a2 * a2 + q5 * c9 + t6 * c8 + t7 * c7,
            t0 * a5 + t1 * a4 + t2 * a3 + t6 * c9 + t7 * c8,
            t0 * a6 + q1 * a5 + t2 * a4 + t3 * a3 + q7 * c9 + a8 * c8,
            t0 * a7 + t1 * a6 + t2 * a5 + t3 * a4 + (a8 + a8) * c9,
            t0 * a8 + q1 * a7 + t2 * a6 + q3 * a5 + a4 * a4 + (a9 + a9) * c9,
            t0 * a9 + t1 * a8 + t2 * a7 + t3 * a6 + t4 * a5,
        ])
    }

    /// `self` to the power of 2^`times`.
    fn squared_times(self, times: usize) -> Self {
        (0..times).fold(self, |power, _| power.squared())
    }

    /// `self` to the power of (`p` − 5)/8 = 2^252 − 3: what square roots are made of (RFC 8032 §5.1.3).
    pub(super) fn root_power(&self) -> Self {
        // Of each, the power is that of so many ones in a row.
        let one = *self;
        let two = one.squared_times(1).times(&one);
        let four = two.squared_times(2).times(&two);
        let five = four.squared_times(1).times(&one);
        let ten = five.squared_times(5).times(&five);
        let twenty = ten.squared_times(10).times(&ten);
        let forty = twenty.squared_times(20).times(&twenty);
        let fifty = forty.squared_times(10).times(&ten);
        let hundred = fifty.squared_times(50).times(&fifty);
        let two_hundred = hundred.squared_times(100).times(&hundred);
        let two_hundred_and_fifty = two_hundred.squared_times(50).times(&fifty);
        two_hundred_and_fifty.squared_times(2).times(&one)
    }
}

/// The lowest `bits` bits.
fn mask(bits: usize) -> Digit {
    (Wrapping(1_i64) << bits) - Wrapping(1)
}

/// Digits of what belongs to each place. Two chains in turn, so that no step waits for the one before.
#[inline(always)]
fn carry(columns: [Digit; 10]) -> Element {
    let [mut h0, mut h1, mut h2, mut h3, mut h4, mut h5, mut h6, mut h7, mut h8, mut h9] = columns;
    macro_rules! carry {
        ($from:ident, $bits:literal, $to:ident, $factor:literal) => {
            let up = ($from + Wrapping(1 << ($bits - 1))) >> $bits;
            $to += up * Wrapping($factor);
            $from -= up << $bits;
        };
    }
    carry!(h0, 26, h1, 1);
    carry!(h4, 26, h5, 1);
    carry!(h1, 25, h2, 1);
    carry!(h5, 25, h6, 1);
    carry!(h2, 26, h3, 1);
    carry!(h6, 26, h7, 1);
    carry!(h3, 25, h4, 1);
    carry!(h7, 25, h8, 1);
    carry!(h4, 26, h5, 1);
    carry!(h8, 26, h9, 1);
    carry!(h9, 25, h0, 19);
    carry!(h0, 26, h1, 1);
    Element([h0, h1, h2, h3, h4, h5, h6, h7, h8, h9])
}
