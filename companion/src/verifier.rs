//! Signature checks by ring, several times faster than the portable code of the core.
//!
//! Strictness is the core's: lengths are checked by [`signature_fits`] before ring sees anything.

use rescind_core::crypto::{SignatureVerifier, signature_fits};
use rescind_core::jwk::{KeyMaterial, PublicKey};
use rescind_core::jws::Algorithm;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

/// Checks signatures with ring.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RingVerifier;

impl SignatureVerifier for RingVerifier {
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if !signature_fits(algorithm, key, signature) {
            return false;
        }
        let unparsed = |verification: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(verification, key).verify(message, signature).is_ok()
        };
        match (key.material(), algorithm) {
            (KeyMaterial::Rsa { modulus, exponent }, _) => {
                let Some(parameters) = rsa(algorithm) else { return false };
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, message, signature).is_ok()
            }
            (KeyMaterial::P256(point), Algorithm::Es256) => {
                unparsed(&signature::ECDSA_P256_SHA256_FIXED, point)
            }
            (KeyMaterial::P384(point), Algorithm::Es384) => {
                unparsed(&signature::ECDSA_P384_SHA384_FIXED, point)
            }
            (KeyMaterial::Ed25519(point), Algorithm::EdDsa) => unparsed(&signature::ED25519, point),
            _ => false,
        }
    }
}

const fn rsa(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_proves_itself_on_every_known_answer() {
        for answer in rescind_core::crypto::known_answer_tests() {
            assert!(answer.proves(&RingVerifier), "{answer:?}");
        }
    }
}
