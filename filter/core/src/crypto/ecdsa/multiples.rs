//! Multiples of points: tables of them, and sums with large scalars.
//!
//! A scalar is written with digits that are zero or odd ([`Digits`]), so that a table of odd
//! multiples serves it. A table may have several *rows*: row `k` has the multiples of 2^(`k`·stride)
//! times the point, so that all rows share the same doublings, of which there are only `stride`
//! then.

use super::curve::Curve;
use super::point::{Affine, Point};
use crate::crypto::digits::Digits;
use crate::crypto::inverse::inverse;

/// Odd multiples of one point.
#[derive(Clone, Debug)]
pub(crate) struct Multiples<F: Curve> {
    /// In each row 1, 3, 5, … times its point, as coordinates.
    pub(super) rows: Vec<Vec<[F::Stored; 2]>>,
    stride: usize,
    width: usize,
}

impl<F: Curve> Multiples<F> {
    /// The multiples of `point` that digits of `width` bits need, in so many rows. `None` only if a
    /// computation went wrong.
    pub(super) fn new(point: &Affine<F>, rows: usize, width: usize) -> Option<Self> {
        let stride = Digits::positions(F::BYTES).div_ceil(rows);
        let mut bases = vec![Point::new(point)];
        for _ in 1..rows {
            let mut base = *bases.last()?;
            for _ in 0..stride {
                base = base.doubled();
            }
            bases.push(base);
        }
        let multiples_in_row = 1_usize << width.checked_sub(2)?;
        let mut multiples = Vec::new();
        for base in affine(&bases)? {
            multiples.extend(odd_multiples(&base, multiples_in_row));
        }
        let multiples = affine(&multiples)?;
        let rows = multiples
            .chunks(multiples_in_row)
            .map(|row| row.iter().map(|point| [point.x.store(), point.y.store()]).collect());
        Some(Self { rows: rows.collect(), stride, width })
    }

    /// How many bytes the multiples in so many rows take.
    pub(super) const fn size(rows: usize, width: usize) -> usize {
        let in_row = 1_usize << width.saturating_sub(2);
        rows.saturating_mul(in_row).saturating_mul(size_of::<[F::Stored; 2]>())
    }

    /// The digits of a big-endian scalar that fit this table.
    pub(super) fn digits(&self, scalar: &[u8]) -> Digits {
        Digits::new(scalar, self.width)
    }

    /// The multiple of row `row` by an odd `digit`.
    fn multiple(row: &[[F::Stored; 2]], digit: i8) -> Option<Affine<F>> {
        let [x, y] = row.get(usize::from(digit.unsigned_abs() >> 1))?;
        let point = Affine { x: F::restore(x), y: F::restore(y) };
        Some(if digit < 0 { point.negated() } else { point })
    }
}

/// The sum of the tables' points, each times its scalar.
pub(super) fn sum<F: Curve>(terms: &[(&Multiples<F>, Digits)]) -> Option<Point<F>> {
    let steps = terms.iter().map(|(table, _)| table.stride).max()?;
    let mut sum = Point::INFINITY;
    for step in (0..steps).rev() {
        sum = sum.doubled();
        for (table, digits) in terms {
            for (row, digits) in table.rows.iter().zip(digits.chunks(table.stride)) {
                match digits.get(step) {
                    None | Some(0) => {}
                    Some(digit) => sum = sum.plus(&Multiples::multiple(row, *digit)?),
                }
            }
        }
    }
    Some(sum)
}

/// `point` times 1, 3, 5, …, as many as are asked for.
///
/// Twice the point has a `z` other than 1, but coordinates scaled by it are those of a point on
/// another curve of the same form, where adding works alike; so the sums are made there, with `z` 1
/// for twice the point, and the scale is put back. That needs no formula for two such points.
/// Neither equal nor opposite points occur: `point` has a large prime order.
fn odd_multiples<F: Curve>(point: &Affine<F>, count: usize) -> Vec<Point<F>> {
    let twice = Point::new(point).doubled();
    let scale = twice.z;
    let scale2 = scale.squared();
    let step = Affine { x: twice.x, y: twice.y };
    let first = Affine { x: point.x.times(&scale2), y: point.y.times(&scale2.times(&scale)) };
    std::iter::successors(Some(Point::new(&first)), |last| Some(last.plus(&step)))
        .take(count)
        .map(|multiple| Point { z: multiple.z.times(&scale), ..multiple })
        .collect()
}

/// The points with coordinates divided out, by one inversion for all of them (Montgomery's trick);
/// `None` if one is at infinity.
fn affine<F: Curve>(points: &[Point<F>]) -> Option<Vec<Affine<F>>> {
    let mut product = F::ONE;
    let mut before = Vec::with_capacity(points.len());
    for point in points {
        before.push(product);
        product = product.times(&point.z);
    }
    let mut inverted = F::from_number(&inverse(&product.to_number(), F::PRIME)?);
    let mut affine = Vec::with_capacity(points.len());
    for (point, before) in points.iter().zip(before).rev() {
        let z = inverted.times(&before);
        inverted = inverted.times(&point.z);
        let z2 = z.squared();
        affine.push(Affine { x: point.x.times(&z2), y: point.y.times(&z2.times(&z)) });
    }
    affine.reverse();
    Some(affine)
}
