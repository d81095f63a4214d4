//! From bytes to a verified Txn-Token (draft-ietf-oauth-transaction-tokens §11).
//!
//! `aud` is looked at before the signature, since it is the trust domain, and that chooses the token service whose keys
//! count. Nothing else is.

use super::Context;
use super::token::{self, Draft};
use super::verified::Verified;
use crate::audience::AudienceSet;
use crate::claims::audiences;
use crate::config::Config;
use crate::json::{self, Limits, Value, excerpt};
use crate::jws::Jws;
use crate::lifetime::LifetimeRules;
use crate::slots::Slot;
use crate::subject::SubjectHasher;
use crate::time::UnixTime;
use crate::txn_token::{self, TxnToken, TxnTokenError, TxnTokenRules};
use crate::verdict::Denial;

/// Verifies the Txn-Token `token`, and keeps of it what later requests need.
pub(super) fn verify(
    token: &[u8],
    config: &Config,
    hasher: &SubjectHasher,
    context: &mut Context<'_>,
    now: UnixTime,
) -> Result<Verified, Denial> {
    let jws = Jws::parse(token, config.limits.max_token_bytes).map_err(Denial::MalformedToken)?;
    txn_token::check_header(&jws).map_err(Denial::TxnToken)?;
    let payload = json::parse(jws.payload(), &Limits::TOKEN).map_err(Denial::MalformedPayload)?;
    let domain = peek_domain(&payload);
    let found = domain.and_then(|domain| config.txn_domain(domain));
    let (place, issuer) = found.ok_or_else(|| {
        let expected = config.issuers.iter().filter_map(|issuer| issuer.txn_domain.as_deref());
        Denial::TxnToken(TxnTokenError::Audience {
            audience: excerpt(domain.unwrap_or_default()),
            expected: expected.collect::<Vec<_>>().join("` or `"),
        })
    })?;
    let key = token::signing_key(&jws, place, issuer, context, now)?;
    let txn = TxnToken::parse(&payload, &issuer.issuer).map_err(Denial::TxnToken)?;
    let rules = TxnTokenRules {
        trust_domain: issuer.txn_domain.as_deref().unwrap_or_default(),
        issuer: Some(&issuer.issuer),
        lifetime: LifetimeRules { leeway: issuer.leeway, max_lifetime: issuer.max_token_lifetime },
    };
    txn.check(&rules, now).map_err(Denial::TxnToken)?;
    let TxnToken { sub, claims, .. } = &txn;
    if claims.cnf.is_some() {
        // Nobody has said how a Txn-Token would be proved.
        return Err(Denial::UnknownConfirmation);
    }
    let subjects = token::subjects(claims, issuer, hasher)?;
    let lifetime = token::lifetime(claims, issuer, now)?;
    let status = token::status(&payload, issuer)?;
    let draft = Draft {
        slot: Slot::TxnToken,
        issuer: place,
        key,
        // It is for a trust domain, and no route names one.
        audiences: AudienceSet::EMPTY,
        lifetime,
        status,
        subjects,
    };
    Ok(Verified::new(draft, claims, sub, &config.identity.headers))
}

/// The trust domain that a payload claims to be for: to find the keys, before anything else is believed.
fn peek_domain<'a>(payload: &'a Value<'a>) -> Option<&'a str> {
    match audiences(payload.as_object()?).ok()?.as_slice() {
        [domain] => Some(domain),
        _ => None,
    }
}
