//! The few cryptographic operations that decisions need, behind one trait for the costly one.
//!
//! Checking a signature may be the host's (Envoy's `verify_signature`), a native library's (the
//! companion) or [`SoftwareVerifier`]'s, so it is a trait; [`known_answer_tests`] are what an
//! implementation must prove itself on before anybody believes it. All of them see only public
//! data: nothing here is secret, nothing needs constant time.
//!
//! Refuses: signatures of any other length than the algorithm's, ECDSA numbers outside [1, n−1] (a
//! signature of zeros once passed in Java, CVE-2022-21449), Ed25519 keys and nonces of small order
//! and non-canonical encodings. An ECDSA signature (r, s) has a twin (r, −s) that is just as valid;
//! whoever needs to recognize a token must not do it by its bytes.

use sha2::{Digest as _, Sha256};

use crate::jwk::PublicKey;
use crate::jws::Algorithm;

pub(crate) mod der;
mod digits;
mod ecdsa;
mod ed25519;
mod inverse;
mod known_answers;
mod modulus;
mod rsa;
mod software;
mod tables;
#[cfg(test)]
mod tests;

pub use known_answers::{KnownAnswer, known_answer_tests};
pub(crate) use software::SoftwareKey;
pub use software::SoftwareVerifier;

/// Checks signatures.
pub trait SignatureVerifier {
    /// Whether `signature`, in the form of RFC 7518 §3, is `key`'s over `message` by `algorithm`.
    /// Whatever goes wrong while finding out is a `false`.
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool;
}

/// Whether it is worth asking a [`SignatureVerifier`] at all: the key may be used with `algorithm`,
/// and the signature has exactly the length that such a signature has.
#[must_use]
pub fn signature_fits(algorithm: Algorithm, key: &PublicKey, signature: &[u8]) -> bool {
    key.fits(algorithm) && signature.len() == key.material().signature_bytes()
}

/// An ECDSA signature as ASN.1 (RFC 3279 §2.2.3), which host libraries take, from the two numbers
/// in a row that JOSE uses (RFC 7518 §3.4). `None` unless it is one of P-256 or P-384 with numbers
/// other than zero.
#[must_use]
pub fn ecdsa_raw_to_der(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = match raw.len() {
        64 => raw.split_at_checked(32)?,
        96 => raw.split_at_checked(48)?,
        _ => return None,
    };
    let non_zero = |number: &[u8]| number.iter().any(|byte| *byte != 0);
    (non_zero(r) && non_zero(s))
        .then(|| der::sequence(&[der::unsigned(r), der::unsigned(s)].concat()))
}

/// Whether `signature` is `public`'s over `message`; strict as described above. For pages of the
/// feed.
#[must_use]
pub fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519::Ed25519Key::new(public).is_some_and(|key| key.verify(message, signature))
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
