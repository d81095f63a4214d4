//! One issuer's public keys (JWK Set, RFC 7517 §5), ready to check signatures with.
//!
//! A set is read leniently in one way only: keys that are not for us (other types, other uses,
//! malformed) are set aside with the reason, because issuers publish such keys and one of them must
//! not take the others away. A set in which no key is left is an error, so that an empty or broken
//! answer never replaces the last good set.
//!
//! Look-up never leaves the set: which set belongs to which issuer is the caller's, and a `kid` of
//! one issuer means nothing to another.

use std::fmt;
use std::sync::Arc;

use crate::json::{self, JsonError, Limits, excerpt};
use crate::jws::Algorithm;

mod key;
mod material;
#[cfg(test)]
mod tests;

pub use key::{KeyError, PublicKey};
pub use material::KeyMaterial;

/// The longest key set that is read. Sets of large issuers with certificate chains stay below 20
/// KiB.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// At most this many keys. Issuers that rotate daily show fewer than ten.
pub const MAX_KEYS: usize = 64;

/// At most this many keys are tried for a token that does not say which: bounds the cost of a
/// forged token.
pub const MAX_CANDIDATES: usize = 8;

/// The keys of one issuer. At least one, unless it is part of a [`crate::bundle::Bundle`].
///
/// A clone shares the keys: the configuration and whoever uses its keys hold them once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeySet {
    keys: Arc<[PublicKey]>,
    skipped: Vec<SkippedKey>,
}

/// Why there is no key set in what was received.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAX_KEY_SET_BYTES`].
    #[error("key set has {length} bytes, at most {MAX_KEY_SET_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Not JSON, or JSON that can be read in two ways.
    #[error("key set: {0}")]
    Json(JsonError),
    /// JSON without an array named `keys`.
    #[error("key set has no array `keys`")]
    NoKeys,
    /// More than [`MAX_KEYS`].
    #[error("key set has {count} keys, at most {MAX_KEYS} are allowed")]
    TooManyKeys {
        /// How many there are.
        count: usize,
    },
    /// No key in it can check a signature.
    #[error("none of the {} keys of the set is usable{}", skipped.len(), First(skipped))]
    NoUsableKey {
        /// Why not, for each.
        skipped: Vec<SkippedKey>,
    },
}

/// A key that was set aside.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("key {index}{}: {reason}", Named(kid))]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Its name, shortened, if it has one.
    pub kid: Option<String>,
    /// Why it was set aside.
    pub reason: KeyError,
}

impl KeySet {
    /// Reads a key set.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLong { length: text.len() });
        }
        let set = json::parse(text, &Limits::TOKEN).map_err(KeySetError::Json)?;
        let entries = set
            .as_object()
            .and_then(|set| set.get("keys"))
            .and_then(json::Value::as_array)
            .ok_or(KeySetError::NoKeys)?;
        if entries.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys { count: entries.len() });
        }
        let mut keys = Vec::with_capacity(entries.len());
        let mut skipped = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match PublicKey::from_json(entry) {
                Ok(key) if keys.contains(&key) => {}
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let kid = entry.as_object().and_then(|key| key.get("kid")?.as_str());
                    skipped.push(SkippedKey { index, kid: kid.map(excerpt), reason });
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped });
        }
        Ok(Self { keys: keys.into(), skipped })
    }

    /// A set of these keys, each once.
    pub(crate) fn of(keys: Vec<PublicKey>) -> Self {
        let mut distinct: Vec<PublicKey> = Vec::with_capacity(keys.len());
        for key in keys {
            if !distinct.contains(&key) {
                distinct.push(key);
            }
        }
        Self { keys: distinct.into(), skipped: Vec::new() }
    }

    /// The keys that may check a signature by `algorithm`: with `kid` those of that name, else
    /// every key that fits; in the order of the set, at most [`MAX_CANDIDATES`].
    ///
    /// A name that the set uses twice is no reason to refuse: both keys are this issuer's, and both
    /// are tried.
    pub fn candidates(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &PublicKey> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none() || key.kid() == kid)
            .filter(move |key| key.fits(algorithm))
            .take(MAX_CANDIDATES)
    }

    /// Whether a key has this name: if none has, the issuer may have rotated its keys.
    #[must_use]
    pub fn contains_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The usable keys, in the order of the set.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The keys that were set aside; one with private members deserves an operator's attention.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }
}

/// The name of a key in a message.
struct Named<'k>(&'k Option<String>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |kid| write!(f, " (`{kid}`)"))
    }
}

/// The first of several reasons in a message.
struct First<'k>(&'k [SkippedKey]);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |first| write!(f, "; {first}"))
    }
}
