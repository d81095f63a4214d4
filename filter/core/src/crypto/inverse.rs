//! 1/`x` modulo an odd prime, by division steps (Bernstein and Yang, *Fast constant-time gcd
//! computation and modular inversion*, 2019), thirty at a time, in the variable-time form of
//! libsecp256k1's `modinv32`: all products fit 64 bits.
//!
//! Keeps `f` ≡ `d`·`x` and `g` ≡ `e`·`x` modulo the prime while it reduces `g` to zero; then `f` is
//! ±1.

use std::num::Wrapping;

/// Bits of a digit, and division steps of a round.
const BITS: usize = 30;
const MASK: Digit = Wrapping((1 << BITS) - 1);

/// Enough for 384 bits: (49·384 + 57)/17 steps (Bernstein and Yang, theorem 11.2).
const MAX_ROUNDS: usize = 37;

type Digit = Wrapping<i64>;

/// Digits of a number, all but the highest between 0 and 2^30.
type Number = Vec<Digit>;

/// What thirty steps do: (`f`, `g`) become (`u`·`f` + `v`·`g`, `q`·`f` + `r`·`g`)/2^30.
struct Steps {
    u: Digit,
    v: Digit,
    q: Digit,
    r: Digit,
}

/// The inverse of `number` modulo `prime`, both big-endian and of the same length; `None` if it has
/// none.
pub(super) fn inverse(number: &[u8], prime: &[u8]) -> Option<Vec<u8>> {
    let modulus = digits(prime);
    let inverse_of_lowest = inverse_of_odd(*modulus.first()?);
    let (mut f, mut g) = (modulus.clone(), digits(number));
    let (mut d, mut e) = (vec![Wrapping(0); f.len()], vec![Wrapping(0); f.len()]);
    *e.first_mut()? = Wrapping(1);
    let mut eta = -1;
    for _ in 0..MAX_ROUNDS {
        let steps = steps(&mut eta, *f.first()?, *g.first()?);
        apply_modulo(&steps, &mut d, &mut e, &modulus, inverse_of_lowest);
        apply(&steps, &mut f, &mut g);
        if g.iter().all(|digit| digit.0 == 0) {
            if f.last()?.0 < 0 {
                (f, d) = (negated(&f), negated(&d));
            }
            let [Wrapping(1), zeros @ ..] = f.as_slice() else { return None };
            return zeros
                .iter()
                .all(|digit| digit.0 == 0)
                .then(|| bytes(&between_zero_and(&modulus, d), prime.len()));
        }
    }
    None
}

/// Thirty division steps on the lowest digits of `f`, which is odd, and `g`. `eta` is what Bernstein
/// and Yang call −δ.
fn steps(eta: &mut i32, f: Digit, g: Digit) -> Steps {
    let low = |digit: Digit| {
        let [b0, b1, b2, b3, ..] = digit.0.to_le_bytes();
        Wrapping(i32::from_le_bytes([b0, b1, b2, b3]))
    };
    let (mut f, mut g) = (low(f), low(g));
    let [mut u, mut v, mut q, mut r] = [1, 0, 0, 1].map(Wrapping::<i32>);
    let mut left = 30_u32;
    loop {
        // Even `g`: halve it, as often as there are steps left. Doubling `u` and `v` instead of
        // halving `q` and `r` makes no fractions.
        let zeros = g.0.trailing_zeros().min(left);
        let shift = usize::try_from(zeros).unwrap_or_default();
        (g, u, v) = (g >> shift, u << shift, v << shift);
        *eta = eta.wrapping_sub(i32::try_from(zeros).unwrap_or_default());
        left = left.wrapping_sub(zeros);
        if left == 0 {
            return Steps { u: wide(u), v: wide(v), q: wide(q), r: wide(r) };
        }
        if *eta < 0 {
            *eta = eta.wrapping_neg();
            (f, g) = (g, -f);
            (u, q) = (q, -u);
            (v, r) = (r, -v);
        }
        // Now as many of the lowest bits of `g` as the next swap, the steps left and the precision
        // of −1/`f` modulo 2^6 allow are cleared by adding a multiple of `f`.
        let clear = u32::try_from(*eta).unwrap_or_default().wrapping_add(1).min(left).min(6);
        let mask = Wrapping((1_i32 << clear).wrapping_sub(1));
        let multiple = (f * g * (f * f - Wrapping(2))) & mask;
        g += f * multiple;
        q += u * multiple;
        r += v * multiple;
    }
}

fn wide(number: Wrapping<i32>) -> Digit {
    Wrapping(i64::from(number.0))
}

/// Applies `steps` to `f` and `g`: the lowest digits become zero and are dropped.
fn apply(steps: &Steps, f: &mut [Digit], g: &mut [Digit]) {
    let Steps { u, v, q, r } = *steps;
    let (mut sum_f, mut sum_g) = (Wrapping(0), Wrapping(0));
    for (f, g) in f.iter_mut().zip(g.iter_mut()) {
        sum_f += u * *f + v * *g;
        sum_g += q * *f + r * *g;
        (*f, *g) = (sum_f & MASK, sum_g & MASK);
        (sum_f, sum_g) = (sum_f >> BITS, sum_g >> BITS);
    }
    drop_lowest(f, sum_f);
    drop_lowest(g, sum_g);
}

/// The same for `d` and `e` modulo `modulus`: first a multiple of it is added that makes the lowest
/// digits zero and keeps both numbers between −2·`modulus` and `modulus`.
fn apply_modulo(
    steps: &Steps,
    d: &mut [Digit],
    e: &mut [Digit],
    modulus: &[Digit],
    inverse_of_lowest: Digit,
) {
    let Steps { u, v, q, r } = *steps;
    let multiple = |of_d: Digit, of_e: Digit| {
        let if_negative = |number: &[Digit], factor: Digit| match number.last() {
            Some(highest) if highest.0 < 0 => factor,
            _ => Wrapping(0),
        };
        let wanted = if_negative(d, of_d) + if_negative(e, of_e);
        let lowest = |number: &[Digit]| number.first().copied().unwrap_or_default();
        let sum = of_d * lowest(d) + of_e * lowest(e);
        wanted - ((inverse_of_lowest * sum + wanted) & MASK)
    };
    let (multiple_d, multiple_e) = (multiple(u, v), multiple(q, r));
    let (mut sum_d, mut sum_e) = (Wrapping(0), Wrapping(0));
    for ((d, e), modulus) in d.iter_mut().zip(e.iter_mut()).zip(modulus) {
        sum_d += u * *d + v * *e + multiple_d * *modulus;
        sum_e += q * *d + r * *e + multiple_e * *modulus;
        (*d, *e) = (sum_d & MASK, sum_e & MASK);
        (sum_d, sum_e) = (sum_d >> BITS, sum_e >> BITS);
    }
    drop_lowest(d, sum_d);
    drop_lowest(e, sum_e);
}

fn drop_lowest(number: &mut [Digit], highest: Digit) {
    number.rotate_left(1);
    if let Some(last) = number.last_mut() {
        *last = highest;
    }
}

fn negated(number: &[Digit]) -> Number {
    carried(number.iter().map(|digit| -*digit))
}

/// `number`, which lies between −2·`modulus` and 2·`modulus`, brought below `modulus`.
fn between_zero_and(modulus: &[Digit], mut number: Number) -> Number {
    let is_negative = |number: &Number| number.last().is_some_and(|highest| highest.0 < 0);
    while is_negative(&number) {
        number = carried(number.iter().zip(modulus).map(|(digit, modulus)| *digit + *modulus));
    }
    loop {
        let less = carried(number.iter().zip(modulus).map(|(digit, modulus)| *digit - *modulus));
        if is_negative(&less) {
            return number;
        }
        number = less;
    }
}

/// The same number with digits between 0 and 2^30, but for the highest.
fn carried(digits: impl Iterator<Item = Digit>) -> Number {
    let mut carry = Wrapping(0);
    let mut number: Number = digits
        .map(|digit| {
            let sum = digit + carry;
            carry = sum >> BITS;
            sum & MASK
        })
        .collect();
    if let Some(highest) = number.last_mut() {
        *highest += carry << BITS;
    }
    number
}

/// The digits of a big-endian number, with room for two bits more and a sign.
fn digits(number: &[u8]) -> Number {
    let bits = number.len().saturating_mul(8).saturating_add(3);
    let mut digits = limbs::<BITS>(number.iter().rev());
    digits.resize(bits.div_ceil(BITS), Wrapping(0));
    digits
}

/// Digits of so many bits, of a number whose least significant byte comes first.
pub(super) fn limbs<'a, const BITS: usize>(bytes: impl Iterator<Item = &'a u8>) -> Vec<Digit> {
    // Room for 512 bits.
    let mut limbs = Vec::with_capacity(20);
    let mask = (Wrapping(1_i64) << BITS) - Wrapping(1);
    let (mut waiting, mut held) = (Wrapping(0_i64), 0_usize);
    for byte in bytes {
        waiting |= Wrapping(i64::from(*byte)) << held;
        held = held.wrapping_add(8);
        if held >= BITS {
            limbs.push(waiting & mask);
            waiting >>= BITS;
            held = held.wrapping_sub(BITS);
        }
    }
    limbs.push(waiting);
    limbs
}

/// The lowest `len` bytes of a number that is not negative, big-endian.
fn bytes(number: &[Digit], len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    let (mut waiting, mut held) = (Wrapping(0_i64), 0_usize);
    for digit in number {
        waiting |= *digit << held;
        held = held.wrapping_add(BITS);
        while held >= 8 {
            let [low, ..] = waiting.0.to_le_bytes();
            bytes.push(low);
            waiting >>= 8;
            held = held.wrapping_sub(8);
        }
    }
    bytes.truncate(len);
    bytes.reverse();
    bytes
}

/// 1/`odd` modulo 2^30, by Newton's iteration: an odd number is its own inverse modulo 8, and each
/// step doubles the bits that are right.
fn inverse_of_odd(odd: Digit) -> Digit {
    let mut inverse = odd;
    for _ in 0..4 {
        inverse *= Wrapping(2) - odd * inverse;
    }
    inverse & MASK
}
