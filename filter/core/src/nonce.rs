//! Nonces that a server hands out without remembering them (RFC 9449 §8, §9).
//!
//! A nonce is a MAC over the number of a stretch of time. Whoever has the key knows which nonces are
//! good now, so all workers and all gateways with one key accept what any of them gave; nobody
//! without it can make a proof for later. All clients get the same nonce at the same time: it shows
//! *when* a proof was made, not for whom; that a proof is used once is [`crate::replay`]'s.
//!
//! The present stretch counts and the one before, and the next one as soon as another gateway's
//! clock may have reached it.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::base64url;
use crate::time::UnixTime;

/// How long one nonce is handed out. It is good for one to two of them; a client learns a new one
/// from the answer to its first request after that (RFC 9449 §8.2).
pub const STEP: Duration = Duration::from_secs(60);

/// How far the clocks of gateways that share a key may differ. With NTP it is milliseconds; a client
/// that is sent on to a gateway somewhat behind must not be turned away twice.
pub const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

/// Bytes of the MAC that a nonce shows: whoever guesses has as many tries as requests, 2^128 are
/// out of reach.
const SHOWN_BYTES: usize = 16;

/// What the MAC is for, so that a key used elsewhere by mistake helps nobody.
const PURPOSE: &[u8] = b"rescind nonce 1";

/// The key of the nonces: at least as long as the MAC (RFC 2104 §3).
#[derive(Clone)]
pub struct NonceKey([u8; 32]);

/// Which nonce a proof has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// The one that is handed out now.
    Current,
    /// Still good, but the answer should carry a new one (RFC 9449 §8.2).
    Previous,
}

impl NonceKey {
    /// The key with these bytes, from the configuration.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The nonce to hand out at `now`: 22 characters of base64url.
    #[must_use]
    pub fn issue(&self, now: UnixTime) -> String {
        base64url::encode(&self.mac(step(now)))
    }

    /// Whether `nonce` is good at `now`, and if so which one it is.
    #[must_use]
    pub fn check(&self, nonce: &str, now: UnixTime) -> Option<Age> {
        let shown = base64url::decode(nonce.as_bytes()).ok()?.try_into().ok()?;
        // As one number, so that the time this takes tells nothing about the bytes that agree.
        let shown = u128::from_be_bytes(shown);
        let is_of = |step: u64| u128::from_be_bytes(self.mac(step)) == shown;
        let (present, ahead) = (step(now), step(now.plus(CLOCK_DIFFERENCE)));
        if is_of(present) || (ahead != present && is_of(ahead)) {
            return Some(Age::Current);
        }
        is_of(present.checked_sub(1)?).then_some(Age::Previous)
    }

    fn mac(&self, step: u64) -> [u8; SHOWN_BYTES] {
        // A short key is filled up with zeros (RFC 2104 §2).
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(PURPOSE);
        mac.update(&step.to_be_bytes());
        let mac: [u8; 32] = mac.finalize().into_bytes().into();
        std::array::from_fn(|at| mac.get(at).copied().unwrap_or_default())
    }
}

fn step(at: UnixTime) -> u64 {
    at.secs().checked_div(STEP.as_secs()).unwrap_or_default()
}

/// Never the key.
impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey")
    }
}

#[cfg(test)]
mod tests;
