//! Checks a DPoP proof: that whoever sends a token also has the key it is bound to (RFC 9449).
//!
//! [`check`] makes the twelve checks of §4.3, cheap ones first: the signature is the last, so that
//! garbage costs no cryptography. What it is compared with comes from the verified token (key and
//! digest) and from the configuration (addresses), never from the request beyond its method and
//! path.
//!
//! A [`Proof`] says that all of them passed, but not that the proof is used for the first time: the
//! caller hands it to [`crate::replay`], as the last step before a request passes.
//!
//! It refuses to guess: two headers, an `htu` that can be read in two ways, a nonce left out where
//! one is asked for (§11.3: an attacker who has a stolen proof would leave it out).

use std::time::Duration;

use crate::claims::{self, ClaimsError, Rounding};
use crate::crypto::SignatureVerifier;
use crate::json::{self, Limits, Object, Value, excerpt};
use crate::jwk::PublicKey;
use crate::jws::{Algorithm, Jws, typ_matches};
use crate::nonce::{Age, NonceKey};
use crate::origin::{self, Origin};
use crate::replay::Used;
use crate::request::Field;
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;

mod error;
#[cfg(test)]
mod tests;

pub use error::{Challenge, DpopError};

/// The longest proof: one by an RSA key of 4096 bits has less than 3 KiB, the usual one by P-256
/// half a KiB.
pub const MAX_PROOF_BYTES: usize = 4 * 1024;

/// How old a proof may be unless the configuration says otherwise. RFC 9449 §11.1 leaves "seconds
/// or minutes"; a client makes one for each request, so this is for its clock and the way here.
pub const DEFAULT_PAST: Duration = Duration::from_secs(60);

/// How far a client's clock may be ahead unless the configuration says otherwise. Each second is one
/// for which proofs can be made in advance by somebody who has the key for a moment only (§11.2).
pub const DEFAULT_FUTURE: Duration = Duration::from_secs(10);

/// The largest value for both: MCP's conformance tests allow five minutes, and each second must be
/// remembered by [`crate::replay`].
pub const MAX_WINDOW: Duration = Duration::from_secs(300);

/// The algorithms that are accepted unless the configuration says otherwise: those of which a proof
/// is short and cheap to check.
pub const DEFAULT_ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];

/// What the configuration says about proofs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// By which algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Under which names clients know this gateway.
    pub origins: Vec<Origin>,
    /// When a proof may be made.
    pub window: Window,
    /// If there is a key, a proof needs a nonce of it.
    pub nonces: Option<NonceKey>,
}

/// When a proof may be made, seen from now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// How long ago.
    pub past: Duration,
    /// How far ahead.
    pub future: Duration,
}

impl Window {
    /// How long one proof can be used.
    #[must_use]
    pub const fn whole(&self) -> Duration {
        self.past.saturating_add(self.future)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { past: DEFAULT_PAST, future: DEFAULT_FUTURE }
    }
}

/// What a proof must be a proof for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// All `DPoP` headers.
    pub proof: Field<'a>,
    /// The request's method.
    pub method: &'a [u8],
    /// Its path, without query.
    pub path: &'a [u8],
    /// The digest of the access token as it was sent, if there is one (`ath`).
    pub token: Option<Fingerprint>,
    /// The key that the access token is bound to, if there is one (`cnf.jkt`).
    pub key: Option<Fingerprint>,
}

/// A proof that passed every check but the one for replay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    used: Used,
    iat: UnixTime,
    nonce: Option<Age>,
}

impl Proof {
    /// The thumbprint of the key that made it.
    #[must_use]
    pub const fn key(&self) -> Fingerprint {
        self.used.key
    }

    /// When it was made, by the client's clock.
    #[must_use]
    pub const fn iat(&self) -> UnixTime {
        self.iat
    }

    /// Which nonce it has, if it needs one: with [`Age::Previous`] the answer carries a new one.
    #[must_use]
    pub const fn nonce(&self) -> Option<Age> {
        self.nonce
    }

    /// What [`crate::replay`] has to remember.
    #[must_use]
    pub const fn used(&self) -> &Used {
        &self.used
    }
}

/// Checks the proof of `request` at `now`.
pub fn check(
    request: &Request<'_>,
    rules: &Rules,
    verifier: &dyn SignatureVerifier,
    now: UnixTime,
) -> Result<Proof, DpopError> {
    // 1. One header.
    let proof = match request.proof {
        Field::Absent => return Err(DpopError::Absent),
        Field::Many => return Err(DpopError::Multiple),
        Field::One(proof) => proof,
    };
    // 2. One well-formed JWT.
    let jws = Jws::parse(proof, MAX_PROOF_BYTES).map_err(DpopError::Malformed)?;
    // 4. and 5. Its type and algorithm.
    if !jws.typ().is_some_and(|typ| typ_matches(typ, "dpop+jwt")) {
        return Err(DpopError::WrongType { typ: jws.typ().map(excerpt) });
    }
    let algorithm = jws.algorithm();
    if !rules.algorithms.contains(&algorithm) {
        return Err(DpopError::AlgorithmNotAllowed { algorithm });
    }
    // 3. and 8. to 12. What it says.
    let payload = json::parse(jws.payload(), &Limits::TOKEN).map_err(DpopError::Payload)?;
    let Value::Object(claims) = &payload else {
        return Err(ClaimsError::NotAnObject { kind: payload.kind() }.into());
    };
    let said = Said::check(claims, request, rules, now)?;
    // 12. and 7. Its key: first whether it is the right one, which is cheaper.
    let header = json::parse(jws.header(), &Limits::TOKEN).map_err(DpopError::Header)?;
    let jwk = header.as_object().and_then(|header| header.get("jwk")).ok_or(DpopError::NoKey)?;
    let thumbprint =
        jwk.as_object().and_then(Fingerprint::of_jwk).ok_or(DpopError::NoThumbprint)?;
    if let Some(expected) = request.key
        && expected != thumbprint
    {
        return Err(DpopError::WrongKey { thumbprint, expected });
    }
    let key = PublicKey::from_json(jwk).map_err(DpopError::Key)?;
    // 6. Its signature. `verify` also sees whether the key is one for the algorithm.
    if !key.fits(algorithm)
        || !verifier.verify(algorithm, &key, jws.signing_input(), jws.signature())
    {
        return Err(DpopError::BadSignature { algorithm });
    }
    let Said { jti, iat, nonce } = said;
    let used = Used { key: thumbprint, jti, until: iat.plus(rules.window.past) };
    Ok(Proof { used, iat, nonce })
}

/// What is kept of the claims of a proof for this request, now.
struct Said {
    jti: Fingerprint,
    iat: UnixTime,
    nonce: Option<Age>,
}

impl Said {
    fn check(
        claims: &Object<'_>,
        request: &Request<'_>,
        rules: &Rules,
        now: UnixTime,
    ) -> Result<Self, DpopError> {
        let required = |claim| claims::text(claims, claim)?.ok_or(ClaimsError::Missing { claim });
        // 3. and 11.1: its name.
        let jti = claims::jti(claims)?.ok_or(ClaimsError::Missing { claim: "jti" })?;
        // 8. The method.
        let htm = required("htm")?;
        if htm.as_bytes() != request.method {
            return Err(DpopError::WrongMethod { htm: excerpt(htm) });
        }
        // 9. The address.
        let htu = required("htu")?;
        let is_target = origin::names_target(htu, &rules.origins, request.path)
            .map_err(|problem| DpopError::UnclearTarget { htu: excerpt(htu), problem })?;
        if !is_target {
            return Err(DpopError::WrongTarget { htu: excerpt(htu) });
        }
        // 10. The nonce.
        let nonce = nonce(claims, rules, now)?;
        // 11. The time.
        let iat = claims::date(claims, "iat", Rounding::Down)?
            .ok_or(ClaimsError::Missing { claim: "iat" })?;
        let Window { past, future } = rules.window;
        if iat > now.plus(future) {
            return Err(DpopError::InTheFuture { iat, now, limit: future });
        }
        if now > iat.plus(past) {
            return Err(DpopError::TooOld { iat, now, limit: past });
        }
        // 12. The token.
        if let Some(token) = request.token
            && !token.is_written_as(required("ath")?)
        {
            return Err(DpopError::WrongToken);
        }
        Ok(Self { jti: Fingerprint::of(jti.as_bytes()), iat, nonce })
    }
}

fn nonce(claims: &Object<'_>, rules: &Rules, now: UnixTime) -> Result<Option<Age>, DpopError> {
    let Some(key) = &rules.nonces else { return Ok(None) };
    // One of another type is no nonce either; a client that gets a good one can recover.
    let nonce = claims.get("nonce").and_then(Value::as_str).ok_or(DpopError::NoNonce)?;
    key.check(nonce, now).map(Some).ok_or(DpopError::StaleNonce)
}

/// Names the request; the proof itself is a credential.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("proof", &self.proof)
            .field("method", &String::from_utf8_lossy(self.method))
            .field("path", &String::from_utf8_lossy(self.path))
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
