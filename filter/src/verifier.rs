//! Checks signatures with the host's own cryptography where it has proved itself, else in software.
//!
//! Envoy offers a function `verify_signature` that is five to ten times as fast as the best code
//! inside the VM. What a host offers is found out, not configured: for each algorithm the host must
//! accept a signature that is known to be good, and refuse it with one bit changed and over another
//! message ([`KnownAnswer::proves`]). An algorithm it fails on, does not know (PSS, EdDSA) or is
//! slower at than the module (ES384) is checked in software.
//!
//! The host is asked about an ES256 key until it has verified a signature; from then on the module
//! is faster, with a table of the key's multiples, if it has room for one. A key that comes with
//! each request, as a DPoP proof's does, stays the host's.
//!
//! A host that answers with an error instead of a verdict is not believed either way: that
//! signature is checked in software. This module refuses to take anything but an explicit yes for
//! one.
//!
//! [`KnownAnswer::proves`]: rescind_core::crypto::KnownAnswer::proves

use rescind_core::crypto::{
    SignatureVerifier, SoftwareVerifier, ecdsa_raw_to_der, known_answer_tests, signature_fits,
};
use rescind_core::jwk::PublicKey;
use rescind_core::jws::Algorithm;

use crate::host::{self, Status};
use crate::protobuf;

const FUNCTION: &str = "verify_signature";

/// Checks signatures by what the host is good at.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostVerifier {
    proven: Vec<Algorithm>,
}

/// Asks the host and nobody else.
struct HostOnly;

impl HostVerifier {
    /// Finds out what the host can do.
    pub(crate) fn probe() -> Self {
        let proven = known_answer_tests()
            .iter()
            .filter(|test| hash(test.algorithm()).is_some() && test.proves(&HostOnly))
            .map(|test| test.algorithm());
        Self { proven: proven.collect() }
    }

    /// What the host does; everything else is done in software.
    pub(crate) fn proven(&self) -> &[Algorithm] {
        &self.proven
    }
}

impl SignatureVerifier for HostVerifier {
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
        // Once the module knows an ECDSA key, it is the faster one.
        if self.proven.contains(&algorithm)
            && !key.is_known_to_software()
            && let Ok(verdict) = ask(algorithm, key, message, signature)
        {
            if verdict {
                key.note_verified();
            }
            return verdict;
        }
        SoftwareVerifier.verify(algorithm, key, message, signature)
    }
}

impl SignatureVerifier for HostOnly {
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        ask(algorithm, key, message, signature).unwrap_or(false)
    }
}

/// The hash that the host's function is told to use; `None` for signatures that it is not asked
/// about.
const fn hash(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Es256 => Some("sha256"),
        Algorithm::Rs384 => Some("sha384"),
        Algorithm::Rs512 => Some("sha512"),
        // The host takes three times as long as the module: P-384 is not among the curves that
        // BoringSSL has been made fast for.
        Algorithm::Es384 => None,
        // The function knows no padding but that of PKCS#1 v1.5, and no signatures without a hash.
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 | Algorithm::EdDsa => None,
    }
}

/// Envoy's `VerifySignatureArguments`: hash function, public key (DER), signature, text.
pub(crate) fn ask(
    algorithm: Algorithm,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, Status> {
    let Some(hash) = hash(algorithm) else { return Err(Status::UNIMPLEMENTED) };
    let der = match algorithm {
        Algorithm::Es256 => match ecdsa_raw_to_der(signature) {
            Some(der) => Some(der),
            None => return Ok(false),
        },
        _ => None,
    };
    let signature = der.as_deref().unwrap_or(signature);
    let arguments = protobuf::message(&[hash.as_bytes(), key.spki_der(), signature, message]);
    let answer = host::call_foreign_function(FUNCTION, &arguments)?;
    Ok(protobuf::first_field_is_true(&answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake;

    fn software_still_judges(verifier: &HostVerifier) {
        for test in known_answer_tests() {
            assert!(test.proves(verifier), "{:?}", test.algorithm());
        }
    }

    #[test]
    fn a_host_that_says_yes_to_everything_is_not_asked() {
        fake::reset();
        fake::with(|host| host.foreign = Some(vec![0x08, 0x01]));
        let verifier = HostVerifier::probe();
        assert_eq!(verifier.proven(), []);
        software_still_judges(&verifier);
    }

    #[test]
    fn a_host_that_says_no_to_everything_or_does_not_know_the_function_is_not_asked() {
        for answer in [Some(vec![]), Some(vec![0x08, 0x00]), None] {
            fake::reset();
            fake::with(|host| host.foreign = answer);
            let verifier = HostVerifier::probe();
            assert_eq!(verifier.proven(), []);
            software_still_judges(&verifier);
        }
    }

    #[test]
    fn the_host_is_asked_about_an_es256_key_until_it_has_verified_a_signature() {
        fake::reset();
        let answer = known_answer_tests().iter().find(|test| test.algorithm() == Algorithm::Es256);
        let answer = answer.unwrap();
        let verifier = HostVerifier { proven: Algorithm::ALL.to_vec() };
        let key = answer.key().unwrap();
        // What the host says of a wrong signature shows whether it was asked.
        let believed =
            || verifier.verify(answer.algorithm(), &key, b"another", &answer.signature());
        let says = |yes: bool| fake::with(|host| host.foreign = Some(vec![0x08, yes.into()]));
        says(false);
        assert!(!believed() && !key.is_known_to_software());
        says(true);
        assert!(believed() && key.is_known_to_software());
        assert!(!believed(), "the module judges now");
        assert!(verifier.verify(answer.algorithm(), &key, answer.message(), &answer.signature()));
    }

    #[test]
    fn an_error_of_a_host_that_had_proved_itself_leaves_the_judgement_to_software() {
        fake::reset();
        let verifier = HostVerifier { proven: Algorithm::ALL.to_vec() };
        for status in [1, 2, 10, 12, 255] {
            fake::with(|host| host.status = Some(status));
            software_still_judges(&verifier);
        }
    }
}
