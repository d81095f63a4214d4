//! From bytes to a verified workload identity token, and whether its workload has sent the request (WIMSE).
//!
//! The token is remembered like any other; its proof is new with each request.

use std::rc::Rc;

use super::Context;
use super::offered::{Opaque, bearer_digest, txn_digest};
use super::token::{self, Draft};
use super::verified::Verified;
use crate::audience::AudienceSet;
use crate::claims::Claims;
use crate::config::Config;
use crate::json::{self, Limits, excerpt};
use crate::jws::Jws;
use crate::lifetime::LifetimeRules;
use crate::mapping;
use crate::request::RequestView;
use crate::slots::Slot;
use crate::subject::SubjectHasher;
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;
use crate::verdict::Denial;
use crate::wimse::{self, PossessionKey, Proof, ProofRequest, Trust, WitError};

/// Verifies the workload identity token `token`, and keeps of it what later requests need.
pub(super) fn verify(
    token: &[u8],
    config: &Config,
    hasher: &SubjectHasher,
    context: &mut Context<'_>,
    now: UnixTime,
) -> Result<Verified, Denial> {
    let jws = Jws::parse(token, config.limits.max_token_bytes).map_err(Denial::MalformedToken)?;
    let payload = json::parse(jws.payload(), &Limits::TOKEN).map_err(Denial::MalformedPayload)?;
    let domain = wimse::peek_id(&payload).map(|id| id.trust_domain());
    let found = domain.and_then(|name| config.trust_domain(name));
    let Some((place, issuer, domain)) =
        found.and_then(|(place, issuer)| Some((place, issuer, issuer.trust_domain.as_ref()?)))
    else {
        return Err(Denial::UnknownIssuer { issuer: excerpt(domain.unwrap_or_default()) });
    };
    let not_ready = || Denial::KeysNotReady { issuer: issuer.issuer.clone() };
    let trust = Trust {
        domain,
        keys: context.keys.wit_keys(place).ok_or_else(not_ready)?,
        algorithms: &issuer.algorithms,
        lifetime: LifetimeRules { leeway: issuer.leeway, max_lifetime: issuer.max_token_lifetime },
    };
    let verified = wimse::verify(&jws, &payload, &trust, context.verifier, now);
    let (wit, signer) = match verified {
        Ok(verified) => verified,
        Err(error) => {
            if matches!(error, WitError::UnknownKey { .. }) {
                context.keys.wish(place, context.shared, now);
            }
            return Err(Denial::WorkloadToken(error));
        }
    };
    let key = context.keys.mark(place, signer).ok_or_else(not_ready)?;
    let claims = Claims::parse_as(&payload, &issuer.issuer).map_err(Denial::MalformedClaims)?;
    let subjects =
        mapping::workload_keys(&claims, &issuer.subject_claims, wit.key.thumbprint(), hasher);
    let subjects = token::within_limit(subjects)?;
    let lifetime = token::lifetime(&claims, issuer, now)?;
    let status = token::status(&payload, issuer)?;
    let draft = Draft {
        slot: Slot::WorkloadToken,
        issuer: place,
        key,
        // It is for everybody (draft-ietf-wimse-workload-creds).
        audiences: AudienceSet::EMPTY,
        lifetime,
        status,
        subjects,
    };
    let verified = Verified::new(draft, &claims, wit.id.as_str(), &config.identity.headers);
    Ok(verified.with_possession(wit.key))
}

/// Checks that the workload with `key`, which `token` names, has sent `request`. What is returned is still to be
/// remembered ([`crate::replay`]).
pub(super) fn check_proof(
    token: Opaque<'_>,
    key: &Rc<PossessionKey>,
    request: &RequestView<'_>,
    config: &Config,
    context: &Context<'_>,
    now: UnixTime,
) -> Result<Proof, Denial> {
    let target = ProofRequest {
        proof: request.workload_proof,
        path: request.path_without_query(),
        key,
        wit: Fingerprint::of(token.0),
        access_token: bearer_digest(request, config.schemes),
        txn_token: txn_digest(request),
    };
    // Without `proofs` no route accepts workloads' tokens.
    let proofs = config.proofs.as_ref().ok_or(Denial::NotConfigured)?;
    wimse::check_proof(&target, &proofs.workload_rules, context.verifier, now)
        .map_err(Denial::WorkloadProof)
}
