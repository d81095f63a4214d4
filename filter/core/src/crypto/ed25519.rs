//! Ed25519 signatures (RFC 8032 §5.1.7), checking only.
//!
//! Own code, because a gateway's functions know no Ed25519, so that each new token and each page of the feed is checked
//! in WebAssembly, where this takes less than half the time of the crate `ed25519-dalek`, with which its tests compare
//! it. The arithmetic is in [`field`], [`point`], [`multiples`] and [`scalar`].
//!
//! **Variable time.** Keys, signatures and messages are public. Nothing in this module may ever see a private key.
//!
//! Refuses, as `ed25519-dalek`'s `verify_strict` does, what other implementations differ about: keys and nonces of small
//! order, with which one signature is good for many messages; a nonce in another spelling than its only canonical one;
//! a number `S` that is not below the order of the group. The equation is the one without cofactor. Unlike
//! `ed25519-dalek` it also refuses a key in another spelling than its canonical one (RFC 8032 §5.1.3): a few points
//! have one, and nobody knows their private keys.
//!
//! A key that has verified a signature gets a table of its multiples, 15 KiB, with which its next signatures take
//! a third of the time, if there is room for one ([`super::tables`]).

use std::sync::LazyLock;

use sha2::{Digest as _, Sha512};

mod field;
mod multiples;
mod point;
mod scalar;
#[cfg(test)]
mod tests;

use super::tables::{ROOM, Table};
use field::Element;
use multiples::Multiples;
use point::Point;

/// In the table of a key that has verified a signature: a sixteenth of the doublings.
const ROWS: usize = 16;

/// Digits between ±2^4: for eight multiples in each row every sixth digit of a scalar is one.
const WIDTH: usize = 5;

/// In the table of a key that has not verified one: digits between ±2^4.
const ONE_ROW_WIDTH: usize = 5;

/// In the table of the base point: digits between ±2^7.
const BASE_WIDTH: usize = 8;

static CONTEXT: LazyLock<Option<Context>> = LazyLock::new(Context::new);

static BASE: LazyLock<Option<Multiples>> = LazyLock::new(|| {
    let context = CONTEXT.as_ref()?;
    let mut base = [0x66; 32];
    base[0] = 0x58;
    Multiples::new(&Point::decode(&base, context)?, ROWS, BASE_WIDTH, context)
});

/// The numbers of the curve (RFC 8032 §5.1).
#[derive(Debug)]
struct Context {
    d: Element,
    /// 2·`d`.
    d2: Element,
    /// The even one of the two.
    root_of_minus_one: Element,
}

/// A public key, ready to check signatures.
pub(crate) struct Ed25519Key {
    encoded: [u8; 32],
    /// The opposite of the key's point.
    opposite: Point,
    table: Table<Multiples>,
}

impl Context {
    fn new() -> Option<Self> {
        // −121665/121666.
        let d = Element::new(&[
            0x52, 0x03, 0x6c, 0xee, 0x2b, 0x6f, 0xfe, 0x73, 0x8c, 0xc7, 0x40, 0x79, 0x77, 0x79,
            0xe8, 0x98, 0x00, 0x70, 0x0a, 0x4d, 0x41, 0x41, 0xd8, 0xab, 0x75, 0xeb, 0x4d, 0xca,
            0x13, 0x59, 0x78, 0xa3,
        ]);
        let root_of_minus_one = Element::new(&[
            0x2b, 0x83, 0x24, 0x80, 0x4f, 0xc1, 0xdf, 0x0b, 0x2b, 0x4d, 0x00, 0x99, 0x3d, 0xfb,
            0xd7, 0xa7, 0x2f, 0x43, 0x18, 0x06, 0xad, 0x2f, 0xe4, 0x78, 0xc4, 0xee, 0x1b, 0x27,
            0x4a, 0x0e, 0xa0, 0xb0,
        ]);
        Some(Self { d, d2: d.doubled().carried(), root_of_minus_one })
    }
}

impl Ed25519Key {
    /// From its encoding; `None` if that is no point, or one of small order.
    pub(super) fn new(encoded: &[u8; 32]) -> Option<Self> {
        let point = Point::decode(encoded, CONTEXT.as_ref()?)?;
        (!point.has_small_order()).then(|| Self {
            encoded: *encoded,
            opposite: point.negated(),
            table: Table::within(&ROOM),
        })
    }

    /// Whether it has a table, or gets it with the next signature.
    pub(super) fn is_known(&self) -> bool {
        self.table.has_room()
    }

    /// Notes that it has verified a signature, whoever did the work.
    pub(super) fn note_verified(&self) {
        self.table.make_room(Multiples::size(ROWS, WIDTH));
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let verified = self.verdict(message, signature) == Some(true);
        if verified {
            self.note_verified();
        }
        verified
    }

    /// `None` where there is nothing to compute with.
    fn verdict(&self, message: &[u8], signature: &[u8; 64]) -> Option<bool> {
        let (nonce, number) = signature.split_at_checked(32)?;
        let mut number: [u8; 32] = number.try_into().ok()?;
        number.reverse();
        if number >= scalar::ORDER {
            return Some(false);
        }
        let hash = Sha512::new()
            .chain_update(nonce)
            .chain_update(self.encoded)
            .chain_update(message)
            .finalize();
        let of_key = scalar::reduced(&hash.into());
        let (context, base) = (CONTEXT.as_ref()?, BASE.as_ref()?);
        let once;
        let make = || Multiples::new(&self.opposite, ROWS, WIDTH, context);
        let multiples = match self.table.get(make) {
            Some(multiples) => multiples?,
            None => {
                once = Multiples::new(&self.opposite, 1, ONE_ROW_WIDTH, context)?;
                &once
            }
        };
        // The only nonce that the key could have signed with: `S` times the base less `k` times the key.
        let sum = multiples::sum(&[
            (base, base.digits(&number)),
            (multiples, multiples.digits(&of_key)),
        ])?;
        Some(sum.encode()? == nonce && !sum.has_small_order())
    }
}
