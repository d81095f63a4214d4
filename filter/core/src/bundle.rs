//! The keys of a SPIFFE trust domain: its bundle (SPIFFE Trust Domain and Bundle §4).
//!
//! A bundle is a JWK Set whose keys each say what they are for: `jwt-svid` keys check JWT-SVIDs,
//! `wit-svid` keys check workload identity tokens, and neither checks the other. Keys with another
//! `use`, or none, are set aside, and so are keys without `kid`.
//!
//! **A bundle without usable keys is a good bundle**: it says that no SVID of the domain is valid,
//! and it replaces the one before. That is the opposite of what an OAuth issuer's empty key set
//! means ([`crate::jwk`]), so the two are different types. What is no bundle at all (an error page,
//! a document without `keys`) replaces nothing.
//!
//! This module refuses to merge: a bundle belongs to one trust domain, and a newer one replaces it
//! whole.

use std::time::Duration;

use crate::json::{self, JsonError, Limits, Number, Object, Value, excerpt};
use crate::jwk::{KeyError, KeySet, MAX_KEY_SET_BYTES, MAX_KEYS, PublicKey, SkippedKey};

#[cfg(test)]
mod tests;

/// How often a bundle is fetched that does not say (SPIFFE Federation §4.1).
pub const DEFAULT_REFRESH: Duration = Duration::from_secs(300);

/// A shorter hint is not followed: a mistake there must not become load.
pub const MIN_REFRESH: Duration = Duration::from_secs(10);

/// A longer hint is not followed: until the next fetch, a key that was taken back is still trusted.
pub const MAX_REFRESH: Duration = Duration::from_secs(3600);

/// Why there is no bundle in what was received. The last good one stays.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// Longer than [`MAX_KEY_SET_BYTES`].
    #[error("bundle has {length} bytes, at most {MAX_KEY_SET_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Not JSON, or JSON that can be read in two ways.
    #[error("bundle: {0}")]
    Json(JsonError),
    /// JSON without an array named `keys`.
    #[error("bundle has no array `keys`")]
    NoKeys,
    /// More than [`MAX_KEYS`].
    #[error("bundle has {count} keys, at most {MAX_KEYS} are allowed")]
    TooManyKeys {
        /// How many there are.
        count: usize,
    },
    /// A `spiffe_sequence` or `spiffe_refresh_hint` that is no whole number from zero on.
    #[error("`{member}` is not a whole number from 0 to {}", u64::MAX)]
    NotANumber {
        /// Which one.
        member: &'static str,
    },
}

/// The keys of one trust domain; possibly none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    jwt_svid: KeySet,
    wit_svid: KeySet,
    sequence: Option<u64>,
    refresh_hint: Option<Duration>,
    skipped: Vec<SkippedKey>,
}

/// What a key of a bundle is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Use {
    JwtSvid,
    WitSvid,
}

impl Bundle {
    /// Reads a bundle document.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        if text.len() > MAX_KEY_SET_BYTES {
            return Err(BundleError::TooLong { length: text.len() });
        }
        let document = json::parse(text, &Limits::TOKEN).map_err(BundleError::Json)?;
        let document = document.as_object().ok_or(BundleError::NoKeys)?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or(BundleError::NoKeys)?;
        if entries.len() > MAX_KEYS {
            return Err(BundleError::TooManyKeys { count: entries.len() });
        }
        let (mut jwt_svid, mut wit_svid, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            match key(entry) {
                Ok((Use::JwtSvid, key)) => jwt_svid.push(key),
                Ok((Use::WitSvid, key)) => wit_svid.push(key),
                Err(reason) => {
                    let kid = entry.as_object().and_then(|key| key.get("kid")?.as_str());
                    skipped.push(SkippedKey { index, kid: kid.map(excerpt), reason });
                }
            }
        }
        Ok(Self {
            jwt_svid: KeySet::of(jwt_svid),
            wit_svid: KeySet::of(wit_svid),
            sequence: number(document, "spiffe_sequence")?,
            refresh_hint: number(document, "spiffe_refresh_hint")?.map(Duration::from_secs),
            skipped,
        })
    }

    /// The keys that check JWT-SVIDs; empty if none is valid.
    #[must_use]
    pub const fn jwt_svid_keys(&self) -> &KeySet {
        &self.jwt_svid
    }

    /// The keys that check workload identity tokens; empty if none is valid.
    #[must_use]
    pub const fn wit_svid_keys(&self) -> &KeySet {
        &self.wit_svid
    }

    /// The keys for JWT-SVIDs, and those for workload identity tokens.
    pub(crate) fn into_key_sets(self) -> (KeySet, KeySet) {
        (self.jwt_svid, self.wit_svid)
    }

    /// Whether no token of the trust domain is valid any more.
    #[must_use]
    pub fn revokes_domain(&self) -> bool {
        self.jwt_svid.keys().is_empty() && self.wit_svid.keys().is_empty()
    }

    /// `spiffe_sequence`: grows with each change of the bundle.
    #[must_use]
    pub const fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// Whether this one may replace `stored`: not if it says itself that it is older. A bundle
    /// without a number has no order, and the server it comes from is trusted to send its newest.
    #[must_use]
    pub fn may_replace(&self, stored: &Self) -> bool {
        match (self.sequence, stored.sequence) {
            (Some(offered), Some(stored)) => offered >= stored,
            _ => true,
        }
    }

    /// After how long to fetch it again: its own hint, within [`MIN_REFRESH`] and [`MAX_REFRESH`],
    /// else `default`.
    #[must_use]
    pub fn refresh(&self, default: Duration) -> Duration {
        self.refresh_hint.map_or(default, |hint| hint.clamp(MIN_REFRESH, MAX_REFRESH))
    }

    /// The keys that were set aside, those for X.509 among them.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }
}

fn key(entry: &Value<'_>) -> Result<(Use, PublicKey), KeyError> {
    let Value::Object(members) = entry else {
        return Err(KeyError::NotAnObject { kind: entry.kind() });
    };
    let (purpose, name) = match members.get("use").and_then(Value::as_str) {
        Some("jwt-svid") => (Use::JwtSvid, "jwt-svid"),
        Some("wit-svid") => (Use::WitSvid, "wit-svid"),
        _ => return Err(KeyError::NotForSignatures { member: "use" }),
    };
    let key = PublicKey::from_json_for(entry, name)?;
    match key.kid() {
        None | Some("") => Err(KeyError::Member { member: "kid" }),
        Some(_) => Ok((purpose, key)),
    }
}

fn number(document: &Object<'_>, member: &'static str) -> Result<Option<u64>, BundleError> {
    match document.get(member) {
        None => Ok(None),
        Some(Value::Number(Number::Unsigned(number))) => Ok(Some(*number)),
        Some(_) => Err(BundleError::NotANumber { member }),
    }
}
