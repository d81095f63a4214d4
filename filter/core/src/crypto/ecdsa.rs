//! ECDSA signatures (FIPS 186-5 §6.4) over P-256 and P-384, checking only.
//!
//! Own code, because a new token costs a gateway without fast cryptography of its own little else:
//! in WebAssembly it takes a fraction of the time of the crates `p256` and `p384`, with which its
//! tests compare it. The arithmetic is in [`field`], [`point`], [`multiples`] and [`super::inverse`].
//!
//! **Variable time.** Keys, signatures and messages are public. Nothing in this module may ever see
//! a private key or a nonce.
//!
//! Refuses: `r` and `s` outside [1, n−1] (a signature of zeros once passed in Java, CVE-2022-21449),
//! a key that is not on its curve. Every sum of points that a key and a signature can be made to
//! lead to is told apart: none, twice the same, opposite.
//!
//! A key that has verified a signature gets a table of its multiples, 18 or 28 KiB, with which its
//! next signatures take a third of the time, if there is room for one ([`super::tables`]).

mod curve;
mod field;
mod multiples;
mod p256;
mod p384;
mod point;
#[cfg(test)]
mod tests;

pub(crate) use curve::Curve;
pub(crate) use p256::P256;
pub(crate) use p384::P384;

use super::tables::{ROOM, Room, Table};
use multiples::Multiples;
use point::{Affine, Point};

/// In the table of a key that has verified a signature: a sixteenth of the doublings.
const ROWS: usize = 16;

/// Digits between ±2^5: for sixteen multiples in each row every seventh digit of a scalar is one.
const WIDTH: usize = 6;

/// In the table of a key that has not verified one: digits between ±2^4.
const ONE_ROW_WIDTH: usize = 5;

/// A public key, ready to check signatures.
pub(crate) struct EcdsaKey<F: Curve> {
    point: Affine<F>,
    table: Table<Multiples<F>>,
}

impl<F: Curve> EcdsaKey<F> {
    /// From a point in uncompressed form (SEC 1 §2.3.3); `None` if it is not on the curve.
    pub(super) fn new(uncompressed: &[u8]) -> Option<Self> {
        Self::within(&ROOM, uncompressed)
    }

    /// The same, with a table only if there is room for it here.
    fn within(room: &'static Room, uncompressed: &[u8]) -> Option<Self> {
        Some(Self { point: curve::point(uncompressed)?, table: Table::within(room) })
    }

    /// Whether it has a table, or gets it with the next signature.
    pub(super) fn is_known(&self) -> bool {
        self.table.has_room()
    }

    /// Notes that it has verified a signature, whoever did the work.
    pub(super) fn note_verified(&self) {
        self.table.make_room(Multiples::<F>::size(ROWS, WIDTH));
    }

    /// Whether `signature`, two numbers in a row, is this key's over a message with this hash. The
    /// hash is as long as the numbers.
    pub(super) fn verify(&self, hash: &[u8], signature: &[u8]) -> bool {
        let verified = self.verdict(hash, signature) == Some(true);
        if verified {
            self.note_verified();
        }
        verified
    }

    /// `None` where there is nothing to compute with.
    fn verdict(&self, hash: &[u8], signature: &[u8]) -> Option<bool> {
        let (r, s) = signature.split_at_checked(F::BYTES)?;
        let in_range = |number: &[u8]| {
            number.len() == F::BYTES && number < F::ORDER && number.iter().any(|byte| *byte != 0)
        };
        if !in_range(r) || !in_range(s) || hash.len() != F::BYTES {
            return Some(false);
        }
        let context = F::context()?;
        let inverse = super::inverse::inverse(s, F::ORDER)?;
        let of_generator = context.order.product(hash, &inverse)?;
        let of_key = context.order.product(r, &inverse)?;
        let once;
        let multiples = match self.table.get(|| Multiples::new(&self.point, ROWS, WIDTH)) {
            Some(multiples) => multiples?,
            None => {
                once = Multiples::new(&self.point, 1, ONE_ROW_WIDTH)?;
                &once
            }
        };
        let generator = &context.generator;
        let sum = multiples::sum(&[
            (generator, generator.digits(&of_generator)),
            (multiples, multiples.digits(&of_key)),
        ])?;
        Some(has_x(&sum, r))
    }
}

/// Whether the `x` of `point` is `r` modulo the order: `r` or, where that is below the prime, `r` +
/// order.
fn has_x<F: Curve>(point: &Point<F>, r: &[u8]) -> bool {
    if point.is_infinity() {
        return false;
    }
    let zz = point.z.squared();
    let is = |x: F| x.times(&zz).minus(point.x).is_zero();
    let x = F::from_number(r);
    is(x) || (is_below_prime::<F>(r) && is(x.plus(F::from_number(F::ORDER))))
}

/// Whether `number` + order is below the prime.
fn is_below_prime<F: Curve>(number: &[u8]) -> bool {
    let mut carry = 0_u16;
    let digits = number.iter().zip(F::ORDER).rev().map(|(number, order)| {
        let sum = u16::from(*number).wrapping_add(u16::from(*order)).wrapping_add(carry);
        let [high, low] = sum.to_be_bytes();
        carry = high.into();
        low
    });
    let mut sum: Vec<u8> = digits.collect();
    sum.reverse();
    carry == 0 && sum.as_slice() < F::PRIME
}
