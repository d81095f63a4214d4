//! The Workload Identity Token.

use super::{WIT_TYPE, WitError, WorkloadId};
use crate::claims::{self, ClaimsError, Rounding};
use crate::crypto::SignatureVerifier;
use crate::json::{Object, Value, excerpt};
use crate::jwk::{KeyError, KeySet, PublicKey};
use crate::jws::{Algorithm, Jws, typ_matches};
use crate::lifetime::{LifetimeRules, Times};
use crate::spiffe::{SVID_ALGORITHMS, TrustDomain};
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;

/// Whose word counts about the workloads of one trust domain.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'k> {
    /// The trust domain.
    pub domain: &'k TrustDomain,
    /// Its keys for WITs: [`crate::keys::KeyStore::wit_keys`].
    pub keys: &'k KeySet,
    /// What it signs with.
    pub algorithms: &'k [Algorithm],
    /// How far its clock may be off, and how long a WIT may live.
    pub lifetime: LifetimeRules,
}

/// A WIT whose signature and claims were checked. Not yet its presenter.
#[derive(Clone, Debug)]
pub struct Wit<'a> {
    /// `sub`: which workload.
    pub id: WorkloadId<'a>,
    /// `exp`, and `iat` and `nbf` if they are there.
    pub times: Times,
    /// `jti`, if it is there: names the WIT in audits, not a use of it.
    pub jti: Option<&'a str>,
    /// `cnf.jwk`: what its workload proves to have.
    pub key: PossessionKey,
}

/// The key of a workload, for one algorithm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PossessionKey {
    /// The key, which names its algorithm.
    pub(super) key: PublicKey,
    /// Its thumbprint (RFC 7638).
    pub(super) thumbprint: Fingerprint,
}

/// Verifies the WIT `jws` with this `payload` at `now`. Returns it, and the key of the trust domain
/// that made its signature.
pub fn verify<'a, 'k>(
    jws: &Jws<'_>,
    payload: &'a Value<'a>,
    trust: &Trust<'k>,
    verifier: &dyn SignatureVerifier,
    now: UnixTime,
) -> Result<(Wit<'a>, &'k PublicKey), WitError> {
    if !jws.typ().is_some_and(|typ| typ_matches(typ, WIT_TYPE)) {
        return Err(WitError::Type { typ: jws.typ().map(excerpt) });
    }
    let algorithm = jws.algorithm();
    if !trust.algorithms.contains(&algorithm) {
        return Err(WitError::Algorithm { algorithm });
    }
    let kid = jws.kid().ok_or(WitError::NoKid)?;
    let Value::Object(object) = payload else {
        return Err(ClaimsError::NotAnObject { kind: payload.kind() }.into());
    };
    let (id, times) = who_and_when(object)?;
    if !id.is_of(trust.domain) {
        let (found, expected) = (excerpt(id.trust_domain()), trust.domain.to_string());
        return Err(WitError::ForeignTrustDomain { found, expected });
    }
    trust.lifetime.check(&times, now)?;
    let (jwk, proof_algorithm) = confirmation(object)?;
    if id.is_spiffe() {
        // WIT-SVID allows for both what JWT-SVID allows.
        if !SVID_ALGORITHMS.contains(&algorithm) {
            return Err(WitError::Algorithm { algorithm });
        }
        if !SVID_ALGORITHMS.contains(&proof_algorithm) {
            return Err(WitError::ProofAlgorithm { algorithm: proof_algorithm });
        }
    }
    let jti = claims::jti(object)?;
    let signer = signer(jws, kid, trust, verifier)?;
    // After the signature: from here on the numbers are the trust domain's.
    let key = PossessionKey::from_jwk(jwk)?;
    Ok((Wit { id, times, jti, key }, signer))
}

fn who_and_when<'a>(object: &'a Object<'a>) -> Result<(WorkloadId<'a>, Times), WitError> {
    if object.contains("events") {
        return Err(WitError::SecurityEventToken);
    }
    if object.contains("aud") {
        return Err(WitError::HasAudience);
    }
    let missing = |claim| ClaimsError::Missing { claim };
    let sub = claims::text(object, "sub")?.ok_or(missing("sub"))?;
    let id = WorkloadId::parse(sub)?;
    let times = Times {
        exp: claims::date(object, "exp", Rounding::Down)?.ok_or(missing("exp"))?,
        iat: claims::date(object, "iat", Rounding::Down)?,
        nbf: claims::date(object, "nbf", Rounding::Up)?,
    };
    Ok((id, times))
}

/// The workload's key as it is written, and the algorithm that it names.
fn confirmation<'a>(object: &'a Object<'a>) -> Result<(&'a Value<'a>, Algorithm), WitError> {
    let missing = |claim| ClaimsError::Missing { claim };
    let wrong = |claim, value: &Value<'_>| ClaimsError::WrongType {
        claim,
        expected: "an object",
        kind: value.kind(),
    };
    let cnf = object.get("cnf").ok_or(missing("cnf"))?;
    let cnf = cnf.as_object().ok_or_else(|| wrong("cnf", cnf))?;
    let jwk = cnf.get("jwk").ok_or(missing("cnf.jwk"))?;
    let members = jwk.as_object().ok_or_else(|| wrong("cnf.jwk", jwk))?;
    let name = members.get("alg").and_then(Value::as_str).ok_or(WitError::NoProofAlgorithm)?;
    let algorithm = Algorithm::from_name(name).ok_or(WitError::NoProofAlgorithm)?;
    Ok((jwk, algorithm))
}

fn signer<'k>(
    jws: &Jws<'_>,
    kid: &str,
    trust: &Trust<'k>,
    verifier: &dyn SignatureVerifier,
) -> Result<&'k PublicKey, WitError> {
    let algorithm = jws.algorithm();
    let mut any_fits = false;
    let keys: &'k KeySet = trust.keys;
    let signer = keys.candidates(algorithm, Some(kid)).find(|key| {
        any_fits = true;
        verifier.verify(algorithm, key, jws.signing_input(), jws.signature())
    });
    signer.ok_or_else(|| {
        let (trust_domain, kid) = (trust.domain.to_string(), excerpt(kid));
        match any_fits {
            true => WitError::BadSignature { trust_domain, kid, algorithm },
            false => WitError::UnknownKey { trust_domain, kid, algorithm },
        }
    })
}

impl PossessionKey {
    fn from_jwk(jwk: &Value<'_>) -> Result<Self, WitError> {
        let key = PublicKey::from_json(jwk).map_err(WitError::Key)?;
        let thumbprint = jwk.as_object().and_then(Fingerprint::of_jwk);
        Ok(Self { key, thumbprint: thumbprint.ok_or(WitError::Key(KeyError::Invalid))? })
    }

    /// Its thumbprint (RFC 7638).
    #[must_use]
    pub const fn thumbprint(&self) -> Fingerprint {
        self.thumbprint
    }
}
