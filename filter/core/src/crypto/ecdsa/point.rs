//! Points of a curve `y`² = `x`³ − 3`x` + `b`: doubling and adding, every case.
//!
//! A [`Point`] has the coordinates (`x`/`z`², `y`/`z`³) (Jacobian), which saves the divisions. The
//! formulas are those of Bernstein and Lange's *Explicit-Formulas Database* (`dbl-2001-b`, `madd`),
//! with as few carries as the digits allow. The formula for adding fails for two equal points and
//! gives nonsense for none: those cases are told apart by `z`, at no cost. None of them is rare for
//! whoever chooses key and signature.

use super::field::Field;

/// A point, or the point at infinity: then `z` has no digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<F> {
    pub(super) x: F,
    pub(super) y: F,
    pub(super) z: F,
}

/// A point that is not at infinity. Coordinates are carried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine<F> {
    pub(super) x: F,
    pub(super) y: F,
}

impl<F: Field> Affine<F> {
    pub(super) fn negated(&self) -> Self {
        Self { x: self.x, y: self.y.negated() }
    }
}

impl<F: Field> Point<F> {
    pub(super) const INFINITY: Self = Self { x: F::ONE, y: F::ONE, z: F::ZERO };

    pub(super) const fn new(point: &Affine<F>) -> Self {
        Self { x: point.x, y: point.y, z: F::ONE }
    }

    pub(super) fn is_infinity(&self) -> bool {
        self.z.has_no_digits()
    }

    /// Twice this point. No point of these curves is its own opposite: their orders are odd.
    pub(super) fn doubled(&self) -> Self {
        if self.is_infinity() {
            return Self::INFINITY;
        }
        let Self { x, y, z } = *self;
        let (yy, zz) = (y.squared(), z.squared());
        let slope = x.minus(zz).times(&x.plus(zz));
        let slope = slope.doubled().plus(slope);
        let yy2 = yy.doubled();
        let xyy4 = x.times(&yy2.doubled());
        let new_x = slope.squared_plus(&xyy4.doubled().negated());
        Self {
            x: new_x,
            y: F::difference_of_products([&slope, &xyy4.minus(new_x)], [&yy2, &yy2.doubled()]),
            z: y.plus(z).squared_plus(&yy.plus(zz).negated()),
        }
    }

    /// This point and another.
    pub(super) fn plus(&self, other: &Affine<F>) -> Self {
        if self.is_infinity() {
            return Self::new(other);
        }
        let Self { x, y, z } = *self;
        let zz = z.squared();
        let dx = other.x.times(&zz).minus(x);
        let dy = other.y.times(&z.times(&zz)).minus(y);
        let new_z = z.times(&dx);
        if new_z.has_no_digits() {
            // The same `x`: the same point, or the opposite one.
            return if dy.is_zero() { self.doubled() } else { Self::INFINITY };
        }
        let dx2 = dx.squared();
        let dx3 = dx.times(&dx2);
        let xdx2 = x.times(&dx2);
        let new_x = dy.squared_plus(&dx3.plus(xdx2.doubled()).negated());
        Self {
            x: new_x,
            y: F::difference_of_products([&dy, &xdx2.minus(new_x)], [&y, &dx3]),
            z: new_z,
        }
    }
}
