//! Powers and products modulo an odd number of up to 8192 bits (Montgomery, *Modular Multiplication Without
//! Trial Division*, 1985), for the one place where a gateway spends its time on a new token.
//!
//! **Variable time.** Everything here is public: moduli, exponents and signatures. Nothing in this
//! module may ever see a private key.
//!
//! # Why the numbers cannot overflow
//!
//! A number is a row of *digits* of [`DIGIT_BITS`] = 27 bits, the least significant first, each in
//! 64 bits. Products of two digits stay below 2^54, so that a *column*, the sum of all products that
//! belong to one place, is summed up without a carry: at most [`MAX_DIGITS`] products of the
//! multiplication and as many of the reduction, 608·2^54 < 2^63.3, and one carry below 2^37. That is
//! what makes it fast where a machine has no carry flag, as WebAssembly has none: no addition waits
//! for another. After each multiplication digits are digits again.
//!
//! `R` is 2^27 to the power of the number of digits, which is chosen so that `R` > 4·`n`. Then the
//! product of two numbers below 2·`n`, reduced, is below 2·`n` again (Walter, *Montgomery
//! exponentiation needs no final subtractions*, 1999); only the last result is brought below `n`.

/// Small enough for columns without carries at 8192 bits, and 2048 bits are 76 digits, a multiple of
/// [`ROWS`].
const DIGIT_BITS: u32 = 27;

const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;

/// How many digits are multiplied with a whole number at once: one load and one store of a column
/// serve four products.
const ROWS: usize = 4;

/// The digits of a number of 8192 bits, and of `R` for it.
const MAX_DIGITS: usize = 304;

/// A number: as many digits as its modulus, then [`ROWS`] zeros, so that multiplying four digits at
/// once may run over the end.
type Digits = Vec<u64>;

/// An odd number, and what multiplying modulo it takes.
#[derive(Clone)]
pub(super) struct Modulus {
    n: Digits,
    /// −1/`n` modulo 2^27.
    negative_inverse: u64,
    /// R² modulo `n`: multiplying by it brings a number into Montgomery's form.
    r_squared: Digits,
    /// How many digits, without the zeros.
    len: usize,
    bytes: usize,
}

impl Modulus {
    /// Prepares `n`, big-endian and without leading zeros; `None` if it is even, or so long that
    /// columns could overflow.
    pub(super) fn new(n: &[u8]) -> Option<Self> {
        let (mut modulus, bits) = Self::unprepared(n)?;
        modulus.r_squared = modulus.square_of_r(bits)?;
        Some(modulus)
    }

    /// What is costly about preparing: R² modulo `n`, in as many bytes as `n` has. A number in bytes
    /// takes less than half of the memory of one in digits, and [`Modulus::prepared`] makes digits of
    /// it in a hundredth of the time of a power.
    pub(super) fn preparation(&self) -> Box<[u8]> {
        let mut r_squared = self.r_squared.clone();
        self.subtract_if_above(&mut r_squared);
        bytes(&r_squared, self.bytes).into()
    }

    /// As [`Modulus::new`], with what [`Modulus::preparation`] said about the same `n`.
    pub(super) fn prepared(n: &[u8], preparation: &[u8]) -> Option<Self> {
        let (mut modulus, _) = Self::unprepared(n)?;
        modulus.r_squared = digits(preparation, modulus.len);
        Some(modulus)
    }

    /// Without R², and the bits of `n`.
    fn unprepared(n: &[u8]) -> Option<(Self, usize)> {
        let first = n.first().filter(|first| **first != 0)?;
        let bits =
            n.len().checked_mul(8)?.checked_sub(usize::try_from(first.leading_zeros()).ok()?)?;
        let digit_bits = usize::try_from(DIGIT_BITS).ok()?;
        let len = bits.checked_add(2)?.div_ceil(digit_bits).next_multiple_of(ROWS);
        if len > MAX_DIGITS || bits < 2 || n.last().is_none_or(|last| last & 1 == 0) {
            return None;
        }
        let digits = digits(n, len);
        let negative_inverse = negative_inverse(*digits.first()?);
        let modulus =
            Self { n: digits, negative_inverse, r_squared: Vec::new(), len, bytes: n.len() };
        Some((modulus, bits))
    }

    /// `base`^`exponent` modulo `n`, in as many bytes as `n` has; `None` if `base` is no number
    /// below `n` in as many bytes (RFC 8017 §5.2.2), or `exponent` not an odd number from 3 on.
    pub(super) fn power(&self, base: &[u8], exponent: u64) -> Option<Vec<u8>> {
        if base.len() != self.bytes || exponent < 3 || exponent & 1 == 0 {
            return None;
        }
        let base = digits(base, self.len);
        if !is_less(&base, &self.n) {
            return None;
        }
        let mut columns = Vec::with_capacity(self.columns());
        let in_form = self.multiply(&base, &self.r_squared, &mut columns);
        let mut power = in_form.clone();
        // After the highest bit, and before the lowest: that one is set, and multiplying by the
        // number itself instead of its Montgomery form ends the computation in plain form.
        let highest = 63_u32.checked_sub(exponent.leading_zeros())?;
        for bit in (1..highest).rev() {
            self.square_in_place(&mut power, &mut columns);
            if (exponent >> bit) & 1 == 1 {
                power = self.multiply(&power, &in_form, &mut columns);
            }
        }
        self.square_in_place(&mut power, &mut columns);
        let mut power = self.multiply(&power, &base, &mut columns);
        self.subtract_if_above(&mut power);
        Some(bytes(&power, self.bytes))
    }

    /// `left`·`right` modulo `n`, in as many bytes as `n` has; `None` if one of them is no number
    /// below 2·`n` in as many bytes.
    pub(super) fn product(&self, left: &[u8], right: &[u8]) -> Option<Vec<u8>> {
        let operand = |number: &[u8]| {
            let mut number = (number.len() == self.bytes).then(|| digits(number, self.len))?;
            self.subtract_if_above(&mut number);
            is_less(&number, &self.n).then_some(number)
        };
        let mut columns = Vec::with_capacity(self.columns());
        let in_form = self.multiply(&operand(left)?, &self.r_squared, &mut columns);
        let mut product = self.multiply(&in_form, &operand(right)?, &mut columns);
        self.subtract_if_above(&mut product);
        Some(bytes(&product, self.bytes))
    }

    /// R² modulo `n`, for an `n` of `bits` bits.
    ///
    /// Begins with a power of two below `n` and doubles it until it is R, the Montgomery form of 1.
    /// From there, squaring a form of 2^x gives that of 2^2x: the form of R itself is R².
    fn square_of_r(&self, bits: usize) -> Option<Digits> {
        let digit_bits = usize::try_from(DIGIT_BITS).ok()?;
        let r_bits = self.len.checked_mul(digit_bits)?;
        let top = bits.checked_sub(1)?;
        let mut power = vec![0; self.n.len()];
        *power.get_mut(top.checked_div(digit_bits)?)? = 1 << top.checked_rem(digit_bits)?;
        for _ in top..r_bits {
            self.double(&mut power);
        }
        let mut columns = Vec::with_capacity(self.columns());
        for bit in (0..usize::BITS.checked_sub(r_bits.leading_zeros())?).rev() {
            self.square_in_place(&mut power, &mut columns);
            if (r_bits >> bit) & 1 == 1 {
                self.double(&mut power);
            }
        }
        Some(power)
    }

    /// Twice `number`, below 2·`n` if `number` is.
    fn double(&self, number: &mut [u64]) {
        self.subtract_if_above(number);
        let mut carry = 0;
        for digit in number {
            let doubled = (*digit << 1) | carry;
            *digit = doubled & DIGIT_MASK;
            carry = doubled >> DIGIT_BITS;
        }
    }

    /// Brings a number below 2·`n` below `n`.
    fn subtract_if_above(&self, number: &mut [u64]) {
        if !is_less(number, &self.n) {
            subtract(number, &self.n);
        }
    }

    const fn columns(&self) -> usize {
        // Rows run over the end of the highest columns by zeros.
        self.len.saturating_mul(2).saturating_add(2 * ROWS)
    }

    /// `left`·`right`/R modulo `n`.
    fn multiply(&self, left: &[u64], right: &[u64], columns: &mut Vec<u64>) -> Digits {
        self.clear(columns);
        let (rows, _) = left.as_chunks::<ROWS>();
        let mut columns_left: &mut [u64] = columns;
        for row in rows {
            add_products(columns_left, *row, [0; 3], right);
            columns_left = columns_left.get_mut(ROWS..).unwrap_or_default();
        }
        let mut product = vec![0; self.n.len()];
        self.reduce(columns, &mut product);
        product
    }

    /// `number`²/R modulo `n`; each product of two different digits is made once and counted twice.
    fn square_in_place(&self, number: &mut [u64], columns: &mut Vec<u64>) {
        self.clear(columns);
        let mut rest: &[u64] = number;
        let mut columns_left: &mut [u64] = columns;
        while let [d0, d1, d2, d3, after @ ..] = rest {
            let twice = [d0, d1, d2, d3].map(|digit| digit << 1);
            let [t0, t1, t2, _] = twice;
            let products = [
                d0.wrapping_mul(*d0),
                t0.wrapping_mul(*d1),
                t0.wrapping_mul(*d2).wrapping_add(d1.wrapping_mul(*d1)),
                t0.wrapping_mul(*d3).wrapping_add(t1.wrapping_mul(*d2)),
                t1.wrapping_mul(*d3).wrapping_add(d2.wrapping_mul(*d2)),
                t2.wrapping_mul(*d3),
                d3.wrapping_mul(*d3),
            ];
            for (column, products) in columns_left.iter_mut().zip(products) {
                *column = column.wrapping_add(products);
            }
            if let Some(columns) = columns_left.get_mut(ROWS..) {
                add_products(columns, twice, [0; 3], after);
            }
            rest = after;
            columns_left = columns_left.get_mut(2 * ROWS..).unwrap_or_default();
        }
        self.reduce(columns, number);
    }

    /// Divides `columns` by R modulo `n` and writes the digits of the result.
    ///
    /// Adds, four digits at a time, the multiple of `n` that makes the lowest four digits zero.
    fn reduce(&self, columns: &mut [u64], result: &mut [u64]) {
        let [n0, n1, n2, n3, n_rest @ ..] = self.n.as_slice() else { return };
        let mut carry = 0;
        let mut left = columns;
        for _ in 0..self.len.div_ceil(ROWS) {
            let [c0, c1, c2, c3, above @ ..] = left else { return };
            let quotient = |sum: u64| sum.wrapping_mul(self.negative_inverse) & DIGIT_MASK;
            let sum = c0.wrapping_add(carry);
            let q0 = quotient(sum);
            let sum = sum.wrapping_add(q0.wrapping_mul(*n0)) >> DIGIT_BITS;
            let sum = sum.wrapping_add(*c1).wrapping_add(q0.wrapping_mul(*n1));
            let q1 = quotient(sum);
            let sum = sum.wrapping_add(q1.wrapping_mul(*n0)) >> DIGIT_BITS;
            let sum = sum
                .wrapping_add(*c2)
                .wrapping_add(q0.wrapping_mul(*n2))
                .wrapping_add(q1.wrapping_mul(*n1));
            let q2 = quotient(sum);
            let sum = sum.wrapping_add(q2.wrapping_mul(*n0)) >> DIGIT_BITS;
            let sum = sum
                .wrapping_add(*c3)
                .wrapping_add(q0.wrapping_mul(*n3))
                .wrapping_add(q1.wrapping_mul(*n2))
                .wrapping_add(q2.wrapping_mul(*n1));
            let q3 = quotient(sum);
            carry = sum.wrapping_add(q3.wrapping_mul(*n0)) >> DIGIT_BITS;
            add_products(above, [q0, q1, q2, q3], [*n3, *n2, *n1], n_rest);
            left = above;
        }
        for (digit, column) in result.iter_mut().zip(left) {
            let sum = column.wrapping_add(carry);
            *digit = sum & DIGIT_MASK;
            carry = sum >> DIGIT_BITS;
        }
    }

    fn clear(&self, columns: &mut Vec<u64>) {
        columns.clear();
        columns.resize(self.columns(), 0);
    }
}

/// Adds four digits times a number to `columns`: to each column the products of the four digits with
/// the digit that belongs there and the three below it. `below` are the three below the first.
#[inline]
fn add_products(columns: &mut [u64], row: [u64; ROWS], below: [u64; 3], number: &[u64]) {
    let [d0, d1, d2, d3] = row;
    let [mut n1, mut n2, mut n3] = below;
    for (column, n0) in columns.iter_mut().zip(number) {
        let low = d0.wrapping_mul(*n0).wrapping_add(d1.wrapping_mul(n1));
        let high = d2.wrapping_mul(n2).wrapping_add(d3.wrapping_mul(n3));
        *column = column.wrapping_add(low.wrapping_add(high));
        (n1, n2, n3) = (*n0, n1, n2);
    }
}

/// The digits of a big-endian number, and [`ROWS`] zeros.
fn digits(number: &[u8], len: usize) -> Digits {
    let mut digits = Vec::with_capacity(len.saturating_add(ROWS));
    let (mut waiting, mut bits) = (0_u64, 0_u32);
    for byte in number.iter().rev() {
        waiting |= u64::from(*byte) << bits;
        bits = bits.wrapping_add(u8::BITS);
        if bits >= DIGIT_BITS {
            digits.push(waiting & DIGIT_MASK);
            waiting >>= DIGIT_BITS;
            bits = bits.wrapping_sub(DIGIT_BITS);
        }
    }
    digits.push(waiting);
    digits.resize(len.saturating_add(ROWS), 0);
    digits
}

/// The lowest `len` bytes of a number, big-endian.
fn bytes(digits: &[u64], len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    let (mut waiting, mut bits) = (0_u64, 0_u32);
    for digit in digits {
        waiting |= digit << bits;
        bits = bits.wrapping_add(DIGIT_BITS);
        while bits >= u8::BITS {
            let [low, ..] = waiting.to_le_bytes();
            bytes.push(low);
            waiting >>= u8::BITS;
            bits = bits.wrapping_sub(u8::BITS);
        }
    }
    bytes.truncate(len);
    bytes.reverse();
    bytes
}

/// −1/`odd` modulo 2^27, by Newton's iteration: an odd number is its own inverse modulo 8, and each
/// step doubles the bits that are right.
fn negative_inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    for _ in 0..4 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse.wrapping_neg() & DIGIT_MASK
}

fn is_less(left: &[u64], right: &[u64]) -> bool {
    left.iter().rev().lt(right.iter().rev())
}

/// `left` − `right`, which must not be greater.
fn subtract(left: &mut [u64], right: &[u64]) {
    let mut borrow = 0;
    for (digit, subtrahend) in left.iter_mut().zip(right) {
        let difference = digit.wrapping_sub(*subtrahend).wrapping_sub(borrow);
        *digit = difference & DIGIT_MASK;
        borrow = difference >> 63;
    }
}
