//! The Workload Proof Token.

use std::time::Duration;

use super::{PossessionKey, ProofError, WPT_TYPE};
use crate::claims::{self, ClaimsError, Rounding};
use crate::crypto::SignatureVerifier;
use crate::dpop::MAX_PROOF_BYTES;
use crate::json::{self, Limits, Object, Value, excerpt};
use crate::jws::{Algorithm, Jws, typ_matches};
use crate::lifetime::{LifetimeRules, Times};
use crate::origin::{self, Origin};
use crate::replay::Used;
use crate::request::Field;
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;

/// What the configuration says about proofs.
#[derive(Clone, Debug)]
pub struct ProofRules {
    /// By which algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Under which names workloads know this gateway.
    pub origins: Vec<Origin>,
    /// What `aud` may be instead of the address, byte for byte: deployments may agree on a name.
    pub audiences: Vec<String>,
    /// How far clocks may be off, and how long a proof may be good: seconds or minutes.
    pub lifetime: LifetimeRules,
}

/// What a proof must be a proof for.
#[derive(Clone, Copy)]
pub struct ProofRequest<'a> {
    /// All `Workload-Proof-Token` headers.
    pub proof: Field<'a>,
    /// The request's path, without query.
    pub path: &'a [u8],
    /// The key in the WIT.
    pub key: &'a PossessionKey,
    /// The digest of the WIT as it was sent (`wth`).
    pub wit: Fingerprint,
    /// The digest of the access token as it was sent, if there is one (`ath`).
    pub access_token: Option<Fingerprint>,
    /// The digest of the Txn-Token as it was sent, if there is one (`tth`).
    pub txn_token: Option<Fingerprint>,
}

/// A proof that passed every check but the one for replay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    used: Used,
}

impl Proof {
    /// What [`crate::replay`] has to remember.
    #[must_use]
    pub const fn used(&self) -> &Used {
        &self.used
    }
}

impl ProofRules {
    /// How long a proof must be remembered at most.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        let LifetimeRules { leeway, max_lifetime } = self.lifetime;
        max_lifetime.saturating_add(leeway).saturating_add(leeway)
    }
}

/// Checks the proof of `request` at `now`.
pub fn check_proof(
    request: &ProofRequest<'_>,
    rules: &ProofRules,
    verifier: &dyn SignatureVerifier,
    now: UnixTime,
) -> Result<Proof, ProofError> {
    let proof = match request.proof {
        Field::Absent => return Err(ProofError::Absent),
        Field::Many => return Err(ProofError::Multiple),
        Field::One(proof) => proof,
    };
    let jws = Jws::parse(proof, MAX_PROOF_BYTES).map_err(ProofError::Malformed)?;
    if !jws.typ().is_some_and(|typ| typ_matches(typ, WPT_TYPE)) {
        return Err(ProofError::WrongType { typ: jws.typ().map(excerpt) });
    }
    let algorithm = jws.algorithm();
    if !rules.algorithms.contains(&algorithm) {
        return Err(ProofError::AlgorithmNotAllowed { algorithm });
    }
    let PossessionKey { key, thumbprint } = request.key;
    // The key names one algorithm, and fits no other.
    if !key.fits(algorithm) {
        return Err(ProofError::AlgorithmMismatch { algorithm });
    }
    let payload = json::parse(jws.payload(), &Limits::TOKEN).map_err(ProofError::Payload)?;
    let Value::Object(claims) = &payload else {
        return Err(ClaimsError::NotAnObject { kind: payload.kind() }.into());
    };
    let jti = claims::jti(claims)?.ok_or(ClaimsError::Missing { claim: "jti" })?;
    let times = times(claims)?;
    rules.lifetime.check(&times, now)?;
    target(claims, rules, request.path)?;
    tokens(claims, request)?;
    if !verifier.verify(algorithm, key, jws.signing_input(), jws.signature()) {
        return Err(ProofError::BadSignature { algorithm });
    }
    let until = times.exp.plus(rules.lifetime.leeway);
    Ok(Proof { used: Used { key: *thumbprint, jti: Fingerprint::of(jti.as_bytes()), until } })
}

fn times(claims: &Object<'_>) -> Result<Times, ClaimsError> {
    let exp = claims::date(claims, "exp", Rounding::Down)?;
    Ok(Times {
        exp: exp.ok_or(ClaimsError::Missing { claim: "exp" })?,
        iat: claims::date(claims, "iat", Rounding::Down)?,
        nbf: claims::date(claims, "nbf", Rounding::Up)?,
    })
}

/// `aud` is the address of the request, or a name for it that is configured.
fn target(claims: &Object<'_>, rules: &ProofRules, path: &[u8]) -> Result<(), ProofError> {
    let audiences = claims::audiences(claims)?;
    let aud = match audiences.as_slice() {
        [] => return Err(ClaimsError::Missing { claim: "aud" }.into()),
        [aud] => *aud,
        several => return Err(ProofError::SeveralTargets { count: several.len() }),
    };
    if rules.audiences.iter().any(|name| name == aud) {
        return Ok(());
    }
    let is_target = origin::names_target(aud, &rules.origins, path)
        .map_err(|problem| ProofError::UnclearTarget { aud: excerpt(aud), problem })?;
    if is_target { Ok(()) } else { Err(ProofError::WrongTarget { aud: excerpt(aud) }) }
}

/// The proof covers exactly the tokens that the request has.
fn tokens(claims: &Object<'_>, request: &ProofRequest<'_>) -> Result<(), ProofError> {
    let covered =
        [("wth", Some(request.wit)), ("ath", request.access_token), ("tth", request.txn_token)];
    for (claim, token) in covered {
        match (claims::text(claims, claim)?, token) {
            (None, None) => {}
            (None, Some(_)) => return Err(ClaimsError::Missing { claim }.into()),
            (Some(_), None) => return Err(ProofError::NoSuchToken { claim }),
            (Some(digest), Some(token)) if token.is_written_as(digest) => {}
            (Some(_), Some(_)) => return Err(ProofError::WrongToken { claim }),
        }
    }
    // Where there are entries, each would have to be understood.
    if claims.contains("oth") { Err(ProofError::OtherTokens) } else { Ok(()) }
}

/// Names the request; the proof itself is a credential.
impl std::fmt::Debug for ProofRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofRequest")
            .field("proof", &self.proof)
            .field("path", &String::from_utf8_lossy(self.path))
            .field("key", &self.key.thumbprint())
            .finish_non_exhaustive()
    }
}
