//! Multiples of points: tables of them, and sums with large scalars.
//!
//! A scalar is written with digits that are zero or odd, at most one of `width` in a row not zero
//! (`wNAF`; Solinas, *Efficient Arithmetic on Koblitz Curves*, 2000), so that a table of odd
//! multiples serves it. A table may have several *rows*: row `k` has the multiples of 2^(`k`·stride)
//! times the point, so that all rows share the same doublings, of which there are only `stride`
//! then.

use super::curve::Curve;
use super::inverse::inverse;
use super::point::{Affine, Point};

/// Odd multiples of one point.
#[derive(Clone, Debug)]
pub(crate) struct Multiples<F: Curve> {
    /// In each row 1, 3, 5, … times its point, as coordinates.
    pub(super) rows: Vec<Vec<[F::Stored; 2]>>,
    stride: usize,
    width: usize,
}

/// The digits of a scalar, the least significant first.
pub(super) struct Digits(Vec<i8>);

impl<F: Curve> Multiples<F> {
    /// The multiples of `point` that digits of `width` bits need, in so many rows. `None` only if a
    /// computation went wrong.
    pub(super) fn new(point: &Affine<F>, rows: usize, width: usize) -> Option<Self> {
        let stride = Digits::positions::<F>().div_ceil(rows);
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

    /// The digits of a big-endian scalar that fit this table.
    pub(super) fn digits(&self, scalar: &[u8]) -> Digits {
        Digits::new::<F>(scalar, self.width)
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
            for (row, digits) in table.rows.iter().zip(digits.0.chunks(table.stride)) {
                match digits.get(step) {
                    None | Some(0) => {}
                    Some(digit) => sum = sum.plus(&Multiples::multiple(row, *digit)?),
                }
            }
        }
    }
    Some(sum)
}

impl Digits {
    /// One more than a scalar has bits: the highest digit may carry.
    const fn positions<F: Curve>() -> usize {
        F::BYTES.saturating_mul(8).saturating_add(1)
    }

    fn new<F: Curve>(scalar: &[u8], width: usize) -> Self {
        let positions = Self::positions::<F>();
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
            // Between ±2^(width−1), which is at most 2^7.
            let digit = window.wrapping_sub(carry << width);
            digits.push(i8::try_from(digit).unwrap_or_default());
            digits.resize(at.wrapping_add(width), 0);
        }
        digits.truncate(positions);
        Self(digits)
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
