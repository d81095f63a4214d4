//! Whether anything has happened to a token whose claims somebody else has verified.
//!
//! For gateways that verify tokens by themselves and want to know the rest: the answer rests on the
//! state table alone. Nothing is said about signature, expiry, audience or route, and a token of an
//! issuer that is not configured is refused, since nobody says how its claims name subjects.

use super::verified::{refusal, refuse_forgotten};
use super::{Context, Gate, standing, token};
use crate::claims::Claims;
use crate::json::excerpt;
use crate::table::revocation;
use crate::time::UnixTime;
use crate::verdict::Denial;

impl Gate {
    /// Refuses the token with these `claims` if a signal has, or if that cannot be known.
    pub fn recall(
        &self,
        claims: &Claims<'_>,
        context: &mut Context<'_>,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let standing = standing(&self.config, context, now)?;
        let Some((_, issuer)) = self.config.issuer(claims.iss) else {
            return Err(Denial::UnknownIssuer { issuer: excerpt(claims.iss) });
        };
        // What happened is compared with it.
        let iat = claims.iat.ok_or(Denial::MissingClaim { claim: "iat" })?;
        let leeway = issuer.leeway;
        if iat > now.plus(leeway) {
            return Err(Denial::IssuedInTheFuture { iat, now, leeway });
        }
        refuse_forgotten(iat, standing.retention, now)?;
        let subjects = token::subjects(claims, issuer, &self.hasher)?;
        let records = context
            .table
            .lookup(context.shared, &subjects)
            .map_err(|error| Denial::TableUnavailable(error.to_string()))?;
        match revocation(&subjects, Some(iat), &records) {
            Some(found) => Err(refusal(&found, Some(iat))),
            None => Ok(()),
        }
    }
}
