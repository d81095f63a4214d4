//! Whether the sender of a token that is bound to a key has that key (RFC 9449 §7, RFC 8705 §3).
//!
//! A token that says how it is bound (`cnf`, RFC 7800) is worth nothing without the proof. Both ways that are known
//! here are checked if both are asked for; a token that is bound in unknown ways only can be confirmed by nobody. The
//! scheme must say the same as the token: a bound token is no bearer token, and one that is not bound needs no proof.

use super::Context;
use crate::claims::Confirmation;
use crate::config::Config;
use crate::credential::Scheme;
use crate::dpop::{self, DpopError, Proof};
use crate::request::{Connection, RequestView};
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;
use crate::verdict::Denial;
use crate::xfcc::PeerCertificate;

/// What a token is bound to; at least one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    /// The thumbprint of a key (`jkt`).
    key: Option<Fingerprint>,
    /// The digest of a certificate (`x5t#S256`).
    certificate: Option<Fingerprint>,
}

impl Binding {
    /// What a token with this `cnf` is bound to.
    pub(super) fn of(confirmation: &Confirmation<'_>) -> Result<Self, Denial> {
        let digest = |text: Option<&str>, member| match text {
            None => Ok(None),
            Some(text) => match Fingerprint::from_base64url(text) {
                Some(digest) => Ok(Some(digest)),
                None => Err(Denial::MalformedConfirmation { member }),
            },
        };
        let key = digest(confirmation.jkt, "jkt")?;
        let certificate = digest(confirmation.x5t_s256, "x5t#S256")?;
        if key.is_none() && certificate.is_none() {
            return Err(Denial::UnknownConfirmation);
        }
        Ok(Self { key, certificate })
    }

    /// Whether the client's certificate is the token's, if it is bound to one.
    fn check_certificate(
        &self,
        request: &RequestView<'_>,
        connection: &dyn Connection,
        xfcc_elements: Option<usize>,
    ) -> Result<(), Denial> {
        let Some(expected) = self.certificate else { return Ok(()) };
        let certificate = match xfcc_elements {
            Some(elements) => PeerCertificate::from_xfcc(request.forwarded_certificate, elements),
            None => {
                let digest = connection.peer_certificate_digest().unwrap_or_default();
                PeerCertificate::from_attributes(&digest, b"")
            }
        };
        let certificate = certificate.map_err(Denial::UnclearCertificate)?;
        let certificate = certificate.map(|certificate| certificate.thumbprint);
        if certificate == Some(expected) {
            return Ok(());
        }
        Err(Denial::WrongCertificate { certificate, expected })
    }
}

/// Checks that a token with `binding`, presented under `scheme`, is its sender's. What is returned is still to be
/// remembered ([`crate::replay`]).
pub(super) fn check(
    binding: Option<&Binding>,
    (scheme, token): (Scheme, &[u8]),
    request: &RequestView<'_>,
    config: &Config,
    context: &Context<'_>,
    now: UnixTime,
) -> Result<Option<Proof>, Denial> {
    if let Some(binding) = binding {
        binding.check_certificate(request, context.connection, config.xfcc_elements)?;
    }
    let rules = config.proofs.as_ref().map(|proofs| &proofs.rules);
    match (scheme, binding.and_then(|binding| binding.key), rules) {
        (Scheme::Bearer, None, _) => Ok(None),
        (Scheme::Bearer, Some(_), _) => Err(Denial::SenderConstrained),
        (Scheme::Dpop, Some(key), Some(rules)) => {
            let target = dpop::Request {
                proof: request.proof,
                method: request.method,
                path: request.path_without_query(),
                token: Some(Fingerprint::of(token)),
                key: Some(key),
            };
            dpop::check(&target, rules, context.verifier, now)
                .map(Some)
                .map_err(|error| refused(error, rules, now))
        }
        (Scheme::Dpop, _, _) => Err(Denial::NotBound),
    }
}

fn refused(error: DpopError, rules: &dpop::Rules, now: UnixTime) -> Denial {
    let nonce = match error.challenge() {
        dpop::Challenge::UseDpopNonce => rules.nonces.as_ref().map(|nonces| nonces.issue(now)),
        dpop::Challenge::InvalidDpopProof | dpop::Challenge::InvalidToken => None,
    };
    Denial::Proof { error, nonce }
}
