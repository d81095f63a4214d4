//! SHA-256 digests by which one thing names another: a key (RFC 7638), a certificate (RFC 8705
//! §3.1), a token (`ath` of RFC 9449 §4.2, `wth` and `tth` of WIMSE).
//!
//! All of them are 32 bytes; what differs is how they are written: base64url in tokens, hexadecimal
//! in what a gateway says about a certificate. A [`Fingerprint`] is the bytes, so two of them can be
//! compared however they were written. They are no secrets: comparing them needs no constant time.
//!
//! A thumbprint is taken of a JWK's members as they were written, before anybody knows whether they
//! are a key: that is what makes it a cheap check to begin with. Whoever relies on it reads the key
//! as well ([`PublicKey`](crate::jwk::PublicKey)).

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::json::{Object, Value};

/// How a JWK of each type is hashed: the type, and its required members in the order of their names
/// (RFC 7638 §3.2, RFC 8037 §2). `kty` stands among them.
const FORMS: [(&str, &[&str]); 3] =
    [("EC", &["crv", "kty", "x", "y"]), ("OKP", &["crv", "kty", "x"]), ("RSA", &["e", "kty", "n"])];

/// A SHA-256 digest.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The thumbprint of a JWK (RFC 7638 §3). `None` if it is of another type than EC, OKP and RSA,
    /// or a required member is missing or no plain text.
    #[must_use]
    pub fn of_jwk(jwk: &Object<'_>) -> Option<Self> {
        let kty = jwk.get("kty").and_then(Value::as_str)?;
        let (_, members) = FORMS.into_iter().find(|(form, _)| *form == kty)?;
        let mut hash = Sha256::new();
        for (place, member) in members.iter().enumerate() {
            let value = jwk.get(member).and_then(Value::as_str)?;
            // Nothing that JSON would escape: then the text is the one form of the value.
            if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                return None;
            }
            hash.update(if place == 0 { "{\"" } else { ",\"" });
            hash.update(member);
            hash.update("\":\"");
            hash.update(value);
            hash.update("\"");
        }
        hash.update("}");
        Some(Self(hash.finalize().into()))
    }

    /// The digest that `text` is, in the form of tokens: 43 characters of base64url.
    #[must_use]
    pub fn from_base64url(text: &str) -> Option<Self> {
        base64url::decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// The digest that `text` is, in the form of gateways: 64 hexadecimal digits of either case.
    #[must_use]
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
        let (pairs, []) = text.as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?)).collect();
        bytes?.try_into().ok().map(Self)
    }

    /// The form of tokens.
    #[must_use]
    pub fn to_base64url(self) -> String {
        base64url::encode(&self.0)
    }

    /// Whether `text`, a claim, is this digest in the form of tokens.
    #[must_use]
    pub fn is_written_as(&self, text: &str) -> bool {
        Self::from_base64url(text).as_ref() == Some(self)
    }
}

/// Shows it as tokens do.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64url())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests;
