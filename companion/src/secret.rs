//! Bearer tokens, kept only as SHA-256 digests.
//!
//! The companion compares tokens and never needs them back, so it refuses to keep them: what is not
//! in memory can neither be logged nor dumped. Digests are compared in constant time; that the
//! digest of a guess says nothing about the digest of the token makes it doubly useless to measure.

use std::fmt;

use rescind_core::crypto::sha256;
use subtle::ConstantTimeEq as _;

/// The shortest token that is accepted: 16 characters of base64url are 96 bits, enough against
/// guessing over a network (NIST SP 800-63B asks for 64).
pub(crate) const MIN_TOKEN_CHARS: usize = 16;

/// The digest of a bearer token.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of `token`.
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(sha256(token))
    }

    /// Reads 64 hex digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        hex(text).map(Self)
    }

    /// Whether this is the digest of the token that `presented` is the digest of, in constant time.
    pub(crate) fn matches(&self, presented: &Self) -> bool {
        self.0.ct_eq(&presented.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// Reads exactly `2 * N` hex digits.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N.saturating_mul(2) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

/// `bytes` as hex digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_matches_only_its_token_and_shows_nothing() {
        let digest = TokenDigest::of(b"secret");
        assert!(digest.matches(&TokenDigest::of(b"secret")));
        assert!(!digest.matches(&TokenDigest::of(b"secreu")));
        assert_eq!(format!("{digest:?}"), "TokenDigest(…)");
    }

    #[test]
    fn hex_is_read_in_full_or_not_at_all() {
        assert_eq!(hex::<2>("0aFF"), Some([0x0a, 0xff]));
        for wrong in ["0aF", "0aFFF", "0aFG", "+aFF", ""] {
            assert_eq!(hex::<2>(wrong), None, "{wrong}");
        }
        assert_eq!(to_hex(&[0x0a, 0xff]), "0aff");
    }
}
