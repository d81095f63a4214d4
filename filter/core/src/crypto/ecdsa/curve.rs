//! What distinguishes one curve from the other, and what is computed once for each.

use super::field::Field;
use super::multiples::Multiples;
use super::point::Affine;
use crate::crypto::modulus::Modulus;

/// The numbers of a curve `y`² = `x`³ − 3`x` + `b` over a prime field, big-endian. Of both curves the
/// order is below the prime, and both have as many bytes as bits allow.
pub(crate) trait Curve: Field {
    /// One coordinate in a table.
    type Stored: Clone + std::fmt::Debug + Send + Sync;

    /// Of a coordinate, and of a scalar.
    const BYTES: usize;

    const PRIME: &'static [u8];
    const ORDER: &'static [u8];
    const B: &'static [u8];

    /// Uncompressed (SEC 1 §2.3.3).
    const GENERATOR: &'static [u8];

    /// From a number below the prime.
    fn from_number(number: &[u8]) -> Self;

    /// The number, below the prime.
    fn to_number(self) -> Vec<u8>;

    fn store(&self) -> Self::Stored;

    fn restore(stored: &Self::Stored) -> Self;

    /// Made at first use.
    fn context() -> Option<&'static Context<Self>>;
}

/// What is computed once for a curve.
pub(crate) struct Context<F: Curve> {
    pub(super) order: Modulus,
    pub(super) generator: Multiples<F>,
}

impl<F: Curve> Context<F> {
    const ROWS: usize = 16;

    /// Digits between ±2^7: for 64 multiples in each row every ninth digit of a scalar is one.
    const WIDTH: usize = 8;

    pub(super) fn new() -> Option<Self> {
        Some(Self {
            order: Modulus::new(F::ORDER)?,
            generator: Multiples::new(&point(F::GENERATOR)?, Self::ROWS, Self::WIDTH)?,
        })
    }
}

/// The point with these coordinates (SEC 1 §2.3.4, uncompressed only); `None` if it is not on the
/// curve. Both curves have no points of small order (cofactor 1).
pub(super) fn point<F: Curve>(uncompressed: &[u8]) -> Option<Affine<F>> {
    let [4, coordinates @ ..] = uncompressed else { return None };
    let (x, y) = coordinates.split_at_checked(F::BYTES)?;
    if y.len() != F::BYTES || x >= F::PRIME || y >= F::PRIME {
        return None;
    }
    let (x, y) = (F::from_number(x), F::from_number(y));
    let right = x.times(&x.squared()).minus(x.doubled().plus(x)).plus(F::from_number(F::B));
    y.squared().minus(right).is_zero().then_some(Affine { x, y })
}
