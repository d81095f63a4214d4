//! Names of shared-data keys, and the seal that every value carries.
//!
//! A seal is SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012), keyed with the gateway's
//! `checksum_key`, over the key's full name, a zero byte and the value. The name is in it because hosts compare keys
//! by hash only (Kong: CRC-32) and because a neighbour could copy a sealed value to another name.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::base64url;

/// Bytes of the seal at the end of each value.
pub(super) const SEAL_BYTES: usize = 16;

/// base64url's alphabet (RFC 4648 §5): four characters hold slot and index of a page.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Appends the seal for a value of `name`.
pub fn seal(key: &[u8; 16], name: &str, mut body: Vec<u8>) -> Vec<u8> {
    let tag = tag(key, name, &body);
    body.extend_from_slice(&tag);
    body
}

/// The body of a sealed value, if the seal is right.
pub fn open_sealed<'a>(key: &[u8; 16], name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    let (body, found) = value.split_last_chunk::<SEAL_BYTES>()?;
    // Whoever can write here learns nothing from the time this takes that the next try could use: a comparison of
    // 128 bits as one number does not stop at the first difference.
    (u128::from_be_bytes(tag(key, name, body)) == u128::from_be_bytes(*found)).then_some(body)
}

/// A name of 22 characters for `text`, which may be long and is nobody else's business; `purpose` keeps different
/// kinds of names apart. Two of them have the same CRC-32 once in 2^32: then Kong cannot keep both.
pub(crate) fn hash(key: &[u8; 16], purpose: &str, text: &str) -> String {
    base64url::encode(&tag(key, purpose, text.as_bytes()))
}

fn tag(key: &[u8; 16], name: &str, body: &[u8]) -> [u8; SEAL_BYTES] {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(name.as_bytes());
    hasher.write(&[0]);
    hasher.write(body);
    hasher.finish128().as_bytes()
}

/// The names of one table's keys, and the key of its seals.
#[derive(Clone)]
pub(crate) struct Names {
    prefix: String,
    key: [u8; 16],
    pub(super) head: String,
    pub(super) pulse: String,
    pub(crate) lease: String,
    pub(super) repair: String,
}

impl Names {
    pub(crate) fn new(scope: &str, key: [u8; 16]) -> Self {
        let prefix = format!("rescind.{scope}.");
        Self {
            key,
            head: format!("{prefix}head"),
            pulse: format!("{prefix}pulse"),
            lease: format!("{prefix}lease"),
            repair: format!("{prefix}repair"),
            prefix,
        }
    }

    /// The same table, with another lease: for what each of several configurations does for itself.
    pub(crate) fn with_lease(mut self, name: &str) -> Self {
        self.lease = format!("{}lease.{name}", self.prefix);
        self
    }

    /// The key of page `index` in `slot`.
    ///
    /// Names of pages differ within four neighbouring bytes only. CRC-32 detects every burst of up to 32 bits, so no
    /// two pages of a table share one, and Kong cannot take one for the other.
    pub(super) fn page(&self, slot: u8, index: u32) -> String {
        let number = (u32::from(slot) << 23) | (index & 0x7f_ffff);
        let mut name = String::with_capacity(self.prefix.len().saturating_add(5));
        name.push_str(&self.prefix);
        name.push('p');
        for shift in [18_u32, 12, 6, 0] {
            let digit = usize::try_from((number >> shift) & 63).unwrap_or_default();
            name.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'A')));
        }
        name
    }

    /// The key of bucket `index` of the replay memory: named as a page far above the largest table,
    /// so that it differs in its CRC-32 from all of them.
    pub(crate) fn bucket(&self, index: u32) -> String {
        const FIRST: u32 = 1 << 22;
        self.page(1, FIRST | (index & (FIRST - 1)))
    }

    pub(crate) fn seal(&self, name: &str, body: Vec<u8>) -> Vec<u8> {
        seal(&self.key, name, body)
    }

    pub(crate) fn open<'a>(&self, name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
        open_sealed(&self.key, name, value)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
