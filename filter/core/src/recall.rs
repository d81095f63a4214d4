//! Whether anything has happened to a token whose claims somebody else has verified.
//!
//! For gateways that verify tokens by themselves and want to know the rest: the answer rests on the
//! state table alone. Nothing is said about signature, expiry, audience or route, and a token of an
//! issuer that is not configured is refused, since nobody says how its claims name subjects.

use crate::claims::Claims;
use crate::config::{Config, OnStale};
use crate::event;
use crate::json::excerpt;
use crate::mapping::{MAX_TOKEN_KEYS, token_keys};
use crate::record::FactKind;
use crate::shared::SharedData;
use crate::staleness::is_stale;
use crate::subject::SubjectHasher;
use crate::table::{TableReader, TableStatus, revocation};
use crate::time::UnixTime;
use crate::verdict::Denial;

/// Refuses the token with these `claims` if a signal has, or if that cannot be known.
pub fn recall(
    claims: &Claims<'_>,
    config: &Config,
    table: &mut TableReader,
    shared: &dyn SharedData,
    now: UnixTime,
) -> Result<(), Denial> {
    let (fresh_at, retention) = match table.refresh(shared, now) {
        TableStatus::NeverSynchronized => return Err(Denial::NeverSynchronized),
        TableStatus::Synced { fresh_at, retention, .. } => (fresh_at, retention),
    };
    let limit = config.revocation.max_staleness;
    if is_stale(fresh_at, limit, now) && config.revocation.on_stale == OnStale::Deny {
        return Err(Denial::Stale { fresh_at, now, limit });
    }
    let Some((_, issuer)) = config.issuer(claims.iss) else {
        return Err(Denial::UnknownIssuer { issuer: excerpt(claims.iss) });
    };
    // What happened is compared with it.
    let iat = claims.iat.ok_or(Denial::MissingClaim { claim: "iat" })?;
    let leeway = issuer.leeway;
    if iat > now.plus(leeway) {
        return Err(Denial::IssuedInTheFuture { iat, now, leeway });
    }
    if now.since(iat) > retention {
        return Err(Denial::OlderThanRetention { iat, now, retention });
    }
    let hasher = SubjectHasher::new(config.revocation.subject_key);
    let keys = token_keys(claims, &issuer.subject_claims, &hasher);
    if keys.len() > MAX_TOKEN_KEYS {
        return Err(Denial::TooManySubjects { count: keys.len(), limit: MAX_TOKEN_KEYS });
    }
    let records =
        table.lookup(shared, &keys).map_err(|error| Denial::TableUnavailable(error.to_string()))?;
    let issued_at = Some(iat);
    let Some(found) = revocation(&keys, issued_at, &records) else { return Ok(()) };
    let (signal, event, at) = (found.signal, event::name(found.event), found.at);
    Err(match found.kind {
        FactKind::RevokedBefore => Denial::Revoked { signal, event, at, issued_at },
        // Of the others, only this one refuses by itself.
        _ => Denial::Disabled { signal, event, at },
    })
}
