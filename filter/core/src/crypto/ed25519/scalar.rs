//! Scalars: numbers modulo the order of the group, `L` = 2^252 + `C` (RFC 8032 §5.1).

use std::num::Wrapping;

use crate::crypto::inverse::limbs;

type Digit = Wrapping<i64>;

/// Bits of a digit: nine of them make 252.
const BITS: usize = 28;
const MASK: Digit = Wrapping((1 << BITS) - 1);

/// Digits below 2^252.
const LOW: usize = 9;

/// `L`, big-endian.
pub(super) const ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c,
    0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];

/// `hash`, 64 bytes little-endian, modulo `L`; big-endian.
///
/// What is at or above 2^252 is taken away and counts −`C` times: `C` has 125 bits, so that 512 bits become 386,
/// 260, and then 252 and a sign: from there, `L` is added or taken away once at most. The one number below `L` is
/// needed where a key's point has a part of small order, for which `L` times the point is not the neutral one.
pub(super) fn reduced(hash: &[u8; 64]) -> [u8; 32] {
    let mut order = ORDER;
    order.reverse();
    let order = digits(&order);
    let with = |number: &[Digit], factor: Digit| {
        let order = order.iter().copied().chain(std::iter::repeat(Wrapping(0)));
        carried(number.iter().zip(order).map(|(digit, order)| *digit + factor * order))
    };
    let is_negative = |number: &[Digit]| number.last().is_some_and(|highest| highest.0 < 0);
    let mut number = (0..3).fold(digits(hash), |number, _| folded(&number));
    if is_negative(&number) {
        number = with(&number, Wrapping(1));
    }
    let less = with(&number, Wrapping(-1));
    if !is_negative(&less) {
        number = less;
    }
    let mut bytes = [0; 32];
    let (mut waiting, mut held) = (Wrapping(0_i64), 0_usize);
    let mut digits = number.into_iter();
    for byte in bytes.iter_mut().rev() {
        if held < 8 {
            waiting |= digits.next().unwrap_or_default() << held;
            held = held.wrapping_add(BITS);
        }
        [*byte, ..] = waiting.0.to_le_bytes();
        waiting >>= 8;
        held = held.wrapping_sub(8);
    }
    bytes
}

fn folded(number: &[Digit]) -> Vec<Digit> {
    /// `C`.
    const C: [Digit; 5] = [
        Wrapping(0xcf5_d3ed),
        Wrapping(0x126_31a5),
        Wrapping(0x79c_d658),
        Wrapping(0xf9d_ea2f),
        Wrapping(0x14_de),
    ];
    let (low, high) = number.split_at_checked(LOW).unwrap_or((number, &[]));
    let mut folded = low.to_vec();
    folded.resize(LOW.max(high.len().saturating_add(C.len())), Wrapping(0));
    for (place, digit) in high.iter().enumerate() {
        for (column, factor) in folded.iter_mut().skip(place).zip(C) {
            *column -= *digit * factor;
        }
    }
    carried(folded.into_iter())
}

/// Digits from zero to 2^28, and a last one with the sign.
fn carried(columns: impl Iterator<Item = Digit>) -> Vec<Digit> {
    let mut carry = Wrapping(0);
    let mut digits: Vec<Digit> = columns
        .map(|column| {
            let sum = column + carry;
            carry = sum >> BITS;
            sum & MASK
        })
        .collect();
    digits.push(carry);
    digits
}

/// The digits of a little-endian number.
fn digits(bytes: &[u8]) -> Vec<Digit> {
    limbs::<BITS>(bytes.iter())
}
