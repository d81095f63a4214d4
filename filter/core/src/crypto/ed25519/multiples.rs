//! Multiples of points: tables of them, and sums with large scalars. As for ECDSA
//! (`crypto/ecdsa/multiples.rs`), with this curve's points.

use super::Context;
use super::point::{Addend, Point, Sum};
use crate::crypto::digits::Digits;

/// Digits of a scalar of 256 bits: the highest may carry.
const POSITIONS: usize = 257;

/// Odd multiples of one point: in row `k` those of 2^(`k`·stride) times the point.
#[derive(Clone, Debug)]
pub(super) struct Multiples {
    rows: Vec<Vec<Addend>>,
    stride: usize,
    width: usize,
}

impl Multiples {
    /// The multiples of `point` that digits of `width` bits need, in so many rows. `None` only if a computation went
    /// wrong.
    pub(super) fn new(point: &Point, rows: usize, width: usize, context: &Context) -> Option<Self> {
        let stride = POSITIONS.div_ceil(rows);
        let in_row = 1_usize << width.checked_sub(2)?;
        let mut base = *point;
        let mut multiples = Vec::with_capacity(rows.saturating_mul(in_row));
        for row in 0..rows {
            if row > 0 {
                base = (1..stride).fold(base.doubled(), |sum, _| sum.doubled()).to_point();
            }
            let twice = base.doubled().to_point();
            let odd = std::iter::successors(Some(base), |last| {
                Some(last.plus_point(&twice, context).to_point())
            });
            multiples.extend(odd.take(in_row));
        }
        let addends = Point::addends(&multiples, context)?;
        Some(Self { rows: addends.chunks(in_row).map(<[_]>::to_vec).collect(), stride, width })
    }

    /// How many bytes the multiples in so many rows take.
    pub(super) const fn size(rows: usize, width: usize) -> usize {
        let in_row = 1_usize << width.saturating_sub(2);
        rows.saturating_mul(in_row).saturating_mul(size_of::<Addend>())
    }

    /// The digits of a big-endian scalar of 32 bytes that fit this table.
    pub(super) fn digits(&self, scalar: &[u8; 32]) -> Digits {
        Digits::new(scalar, self.width)
    }
}

/// The sum of the tables' points, each times its scalar.
pub(super) fn sum(terms: &[(&Multiples, Digits)]) -> Option<Point> {
    let steps = terms.iter().map(|(table, _)| table.stride).max()?;
    let mut sum = Sum::NONE;
    for step in (0..steps).rev() {
        sum = sum.doubled();
        for (table, digits) in terms {
            for (row, digits) in table.rows.iter().zip(digits.chunks(table.stride)) {
                let digit = digits.get(step).copied().unwrap_or_default();
                if digit != 0 {
                    let multiple = row.get(usize::from(digit.unsigned_abs() >> 1))?;
                    let point = sum.to_point();
                    sum = if digit > 0 { point.plus(multiple) } else { point.minus(multiple) };
                }
            }
        }
    }
    Some(sum.to_point())
}
