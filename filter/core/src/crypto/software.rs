//! Checks signatures inside the module, where the host offers nothing faster.
//!
//! RSA is our own ([`super::rsa`]). The crates are RustCrypto's newest line: under V8 `p256` 0.14
//! checks ES256 in 0.44 ms (0.13: 0.71), `ed25519-dalek` 3 EdDSA in 0.08 (ed25519-compact 2: 0.15).
//! ring is no faster on EdDSA, a tenth faster on ES256, and needs a C compiler for wasm. Precomputed
//! tables change nothing for P-256.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use sha2::{Digest as _, Sha256, Sha384};

use crate::jwk::{KeyMaterial, PublicKey};
use crate::jws::Algorithm;

use super::rsa::RsaKey;
use super::{SignatureVerifier, signature_fits};

/// The implementation that every host has.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareVerifier;

impl SignatureVerifier for SoftwareVerifier {
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        signature_fits(algorithm, key, signature)
            && key.software().verify(algorithm, message, signature)
    }
}

/// A key whose numbers were checked and prepared once, when its set was read.
#[derive(Clone)]
pub(crate) enum SoftwareKey {
    Rsa(Box<RsaKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    Ed25519(Box<VerifyingKey>),
}

impl SoftwareKey {
    /// Prepares a key; `None` if its numbers are no key: an even modulus, a point off the curve, a
    /// point of small order.
    pub(crate) fn new(material: &KeyMaterial) -> Option<Self> {
        match material {
            KeyMaterial::Rsa { modulus, exponent } => {
                RsaKey::new(modulus, exponent).map(|key| Self::Rsa(Box::new(key)))
            }
            KeyMaterial::P256(point) => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .ok()
                .map(|key| Self::P256(Box::new(key))),
            KeyMaterial::P384(point) => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .ok()
                .map(|key| Self::P384(Box::new(key))),
            KeyMaterial::Ed25519(point) => VerifyingKey::from_bytes(point)
                .ok()
                .filter(|key| !key.is_weak())
                .map(|key| Self::Ed25519(Box::new(key))),
        }
    }

    /// The signature has the right length already.
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (algorithm, self) {
            (_, Self::Rsa(key)) => key.verify(algorithm, message, signature),
            (Algorithm::Es256, Self::P256(key)) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| {
                    key.verify_prehash(&Sha256::digest(message), &signature).is_ok()
                }),
            (Algorithm::Es384, Self::P384(key)) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| {
                    key.verify_prehash(&Sha384::digest(message), &signature).is_ok()
                }),
            (Algorithm::EdDsa, Self::Ed25519(key)) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            _ => false,
        }
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftwareKey")
    }
}
