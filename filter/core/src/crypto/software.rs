//! Checks signatures inside the module, where the host offers nothing faster.
//!
//! All of it is our own: [`super::rsa`], [`super::ecdsa`], [`super::ed25519`].

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256, Sha384};

use crate::jwk::{KeyMaterial, PublicKey};
use crate::jws::Algorithm;

use super::ecdsa::{EcdsaKey, P256, P384};
use super::ed25519::Ed25519Key;
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
            && key.software().verify(key.material(), algorithm, message, signature)
    }
}

/// A key whose numbers were checked and prepared once, when its set was read.
#[derive(Clone)]
pub(crate) enum SoftwareKey {
    Rsa(Box<RsaKey>),
    P256(Arc<EcdsaKey<P256>>),
    P384(Arc<EcdsaKey<P384>>),
    Ed25519(Arc<Ed25519Key>),
}

impl SoftwareKey {
    /// Prepares a key; `None` if its numbers are no key: an even modulus, a point off the curve, a
    /// point of small order.
    pub(crate) fn new(material: &KeyMaterial) -> Option<Self> {
        match material {
            KeyMaterial::Rsa { modulus, exponent } => {
                RsaKey::new(modulus, exponent).map(|key| Self::Rsa(Box::new(key)))
            }
            KeyMaterial::P256(point) => EcdsaKey::new(point).map(|key| Self::P256(Arc::new(key))),
            KeyMaterial::P384(point) => EcdsaKey::new(point).map(|key| Self::P384(Arc::new(key))),
            KeyMaterial::Ed25519(point) => {
                Ed25519Key::new(point).map(|key| Self::Ed25519(Arc::new(key)))
            }
        }
    }

    /// Whether the next signature takes a third of the time because of what was learned from an earlier
    /// one.
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Self::P256(key) => key.is_known(),
            Self::P384(key) => key.is_known(),
            Self::Ed25519(key) => key.is_known(),
            Self::Rsa(_) => false,
        }
    }

    pub(crate) fn note_verified(&self) {
        match self {
            Self::P256(key) => key.note_verified(),
            Self::P384(key) => key.note_verified(),
            Self::Ed25519(key) => key.note_verified(),
            Self::Rsa(_) => {}
        }
    }

    /// The signature has the right length already; `material` is what the key was made from.
    fn verify(
        &self,
        material: &KeyMaterial,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (algorithm, self) {
            (_, Self::Rsa(key)) => match material {
                KeyMaterial::Rsa { modulus, .. } => {
                    key.verify(modulus, algorithm, message, signature)
                }
                KeyMaterial::P256(_) | KeyMaterial::P384(_) | KeyMaterial::Ed25519(_) => false,
            },
            (Algorithm::Es256, Self::P256(key)) => key.verify(&Sha256::digest(message), signature),
            (Algorithm::Es384, Self::P384(key)) => key.verify(&Sha384::digest(message), signature),
            (Algorithm::EdDsa, Self::Ed25519(key)) => {
                signature.first_chunk().is_some_and(|signature| key.verify(message, signature))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftwareKey")
    }
}
