//! Points of the curve −`x`² + `y`² = 1 + `d`·`x`²·`y`²: decoding, doubling and adding.
//!
//! The formulas are those of Hisil, Wong, Carter and Dawson (*Twisted Edwards Curves Revisited*, 2008) as `ref10`
//! arranges them. They are complete: no two points of this curve have a sum that needs another formula, not even those
//! of small order, since `d` is no square.

use super::Context;
use super::field::{Element, PRIME, Stored};
use crate::crypto::inverse::inverse;

/// A point with `x` = `X`/`Z`, `y` = `Y`/`Z` and `t` = `x`·`y` = `T`/`Z`, all coordinates carried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: Element,
    pub(super) y: Element,
    pub(super) z: Element,
    pub(super) t: Element,
}

/// A point as a sum leaves it: `x` = `X`/`Z`, `y` = `Y`/`T`. Making a [`Point`] of it takes four multiplications, and
/// what doubling needs, three.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    x: Element,
    y: Element,
    z: Element,
    t: Element,
}

/// A point to be added: `y` + `x`, `y` − `x` and 2·`d`·`x`·`y`.
pub(super) type Addend = [Stored; 3];

impl Point {
    /// The point that RFC 8032 §5.1.3 decodes `encoded` to. Refuses what is no number below `p`, not on the curve, or a
    /// zero with a sign.
    pub(super) fn decode(encoded: &[u8; 32], context: &Context) -> Option<Self> {
        let mut number = *encoded;
        number.reverse();
        let is_odd = number.first()? >> 7 == 1;
        if let Some(highest) = number.first_mut() {
            *highest &= 0x7f;
        }
        if number >= PRIME {
            return None;
        }
        let y = Element::new(&number);
        let yy = y.squared();
        let above = yy.minus(Element::ONE);
        let below = yy.times(&context.d).plus(Element::ONE);
        // A root of above/below, if there is one: above·below³·(above·below⁷)^((p−5)/8).
        let below3 = below.squared().times(&below);
        let below7 = below3.squared().times(&below);
        let root = above.times(&below7).root_power().times(&above.times(&below3));
        let square = root.squared().times(&below);
        let x = if square.minus(above).carried().is_zero() {
            root
        } else if square.plus(above).carried().is_zero() {
            root.times(&context.root_of_minus_one)
        } else {
            return None;
        };
        if is_odd && x.is_zero() {
            return None;
        }
        let x = if x.is_odd() == is_odd { x } else { x.negated() };
        Some(Self { x, y, z: Element::ONE, t: x.times(&y) })
    }

    /// As RFC 8032 §5.1.2 encodes it. `None` only if a computation went wrong.
    pub(super) fn encode(&self) -> Option<[u8; 32]> {
        let z: [u8; 32] = inverse(&self.z.to_number(), &PRIME)?.try_into().ok()?;
        let z = Element::new(&z);
        let mut encoded = self.y.times(&z).to_number();
        if let Some(highest) = encoded.first_mut() {
            *highest |= u8::from(self.x.times(&z).is_odd()) << 7;
        }
        encoded.reverse();
        Some(encoded)
    }

    pub(super) fn negated(&self) -> Self {
        Self { x: self.x.negated(), t: self.t.negated(), ..*self }
    }

    /// Whether eight times the point is the neutral one: it has no part in the group that keys are meant to be of.
    pub(super) fn has_small_order(&self) -> bool {
        let eight_times = (0..3).fold(*self, |point, _| point.doubled().to_point());
        eight_times.x.is_zero()
    }

    pub(super) fn doubled(&self) -> Sum {
        doubled(self.x, self.y, self.z)
    }

    /// This point and another one.
    pub(super) fn plus(&self, addend: &Addend) -> Sum {
        let [plus, minus, t] = addend;
        self.sum([&Element::restore(plus), &Element::restore(minus)], &Element::restore(t), self.z)
    }

    /// This point and the opposite of another one.
    pub(super) fn minus(&self, subtrahend: &Addend) -> Sum {
        let [plus, minus, t] = subtrahend;
        let t = Element::restore(t).negated();
        self.sum([&Element::restore(minus), &Element::restore(plus)], &t, self.z)
    }

    /// This point and any other.
    pub(super) fn plus_point(&self, other: &Self, context: &Context) -> Sum {
        let [plus, minus] = [other.y.plus(other.x), other.y.minus(other.x)];
        self.sum([&plus, &minus], &other.t.times(&context.d2), self.z.times(&other.z))
    }

    #[inline(always)]
    fn sum(&self, [plus, minus]: [&Element; 2], t: &Element, z: Element) -> Sum {
        let a = self.y.plus(self.x).times(plus);
        let b = self.y.minus(self.x).times(minus);
        let c = self.t.times(t);
        let d = z.doubled();
        Sum { x: a.minus(b), y: a.plus(b), z: d.plus(c), t: d.minus(c) }
    }

    /// These points as addends, by one inversion for all of them (Montgomery's trick).
    pub(super) fn addends(points: &[Self], context: &Context) -> Option<Vec<Addend>> {
        let mut product = Element::ONE;
        let mut before = Vec::with_capacity(points.len());
        for point in points {
            before.push(product);
            product = product.times(&point.z);
        }
        let inverted: [u8; 32] = inverse(&product.to_number(), &PRIME)?.try_into().ok()?;
        let mut inverted = Element::new(&inverted);
        let mut addends = Vec::with_capacity(points.len());
        for (point, before) in points.iter().zip(before).rev() {
            let z = inverted.times(&before);
            inverted = inverted.times(&point.z);
            let (x, y) = (point.x.times(&z), point.y.times(&z));
            let t = x.times(&y).times(&context.d2);
            addends.push([y.plus(x).carried().store(), y.minus(x).carried().store(), t.store()]);
        }
        addends.reverse();
        Some(addends)
    }
}

impl Sum {
    /// The neutral point.
    pub(super) const NONE: Self =
        Self { x: Element::ZERO, y: Element::ONE, z: Element::ONE, t: Element::ONE };

    pub(super) fn to_point(self) -> Point {
        let Self { x, y, z, t } = self;
        Point { x: x.times(&t), y: y.times(&z), z: z.times(&t), t: x.times(&y) }
    }

    pub(super) fn doubled(self) -> Self {
        let Self { x, y, z, t } = self;
        doubled(x.times(&t), y.times(&z), z.times(&t))
    }
}

#[inline(always)]
fn doubled(x: Element, y: Element, z: Element) -> Sum {
    let (xx, yy, zz) = (x.squared(), y.squared(), z.squared());
    let xy = x.plus(y).squared();
    let (sum, difference) = (yy.plus(xx), yy.minus(xx));
    Sum { x: xy.minus(sum), y: sum, z: difference, t: zz.doubled().minus(difference) }
}
