//! Scalars in the digits that tables of odd multiples serve.
//!
//! Digits are zero or odd, and at most one of `width` in a row is not zero (`wNAF`; Solinas, *Efficient Arithmetic on
//! Koblitz Curves*, 2000).

/// The digits of a scalar, the least significant first.
pub(super) struct Digits(Vec<i8>);

impl Digits {
    /// How many digits a scalar of so many bytes has: one more than bits, since the highest may carry.
    pub(super) const fn positions(bytes: usize) -> usize {
        bytes.saturating_mul(8).saturating_add(1)
    }

    /// The digits, between ±2^(`width`−1), of a big-endian scalar. `width` is from 2 to 8.
    pub(super) fn new(scalar: &[u8], width: usize) -> Self {
        let positions = Self::positions(scalar.len());
        let mut digits = Vec::with_capacity(positions);
        let mut carry = 0;
        while digits.len() < positions {
            let at = digits.len();
            if bits(scalar, at, 1) == carry {
                digits.push(0);
                continue;
            }
            let window = bits(scalar, at, width).wrapping_add(carry);
            carry = window >> width.wrapping_sub(1);
            // At most 2^7.
            let digit = window.wrapping_sub(carry << width);
            digits.push(i8::try_from(digit).unwrap_or_default());
            digits.resize(at.wrapping_add(width), 0);
        }
        digits.truncate(positions);
        Self(digits)
    }

    /// The digits, `count` at a time.
    pub(super) fn chunks(&self, count: usize) -> std::slice::Chunks<'_, i8> {
        self.0.chunks(count)
    }
}

/// The `count` bits, at most eight, of a big-endian number from bit `at` on.
fn bits(number: &[u8], at: usize, count: usize) -> i32 {
    let byte = |up: usize| {
        let below = (at >> 3).wrapping_add(up).wrapping_add(1);
        let index = number.len().checked_sub(below);
        i32::from(index.and_then(|index| number.get(index)).copied().unwrap_or_default())
    };
    let two_bytes = byte(0) | byte(1) << 8;
    (two_bytes >> (at & 7)) & (1_i32 << count).wrapping_sub(1)
}
