//! Transaction tokens: what a call is about, carried from workload to workload in the header
//! `Txn-Token` (draft-ietf-oauth-transaction-tokens).
//!
//! A Txn-Token says who started the call and with which context. It is neither an access token nor
//! a proof of who sends it. Its `aud` is the trust domain, and its keys are those configured for
//! the trust domain's token service: `iss` is optional and never chooses a key.
//!
//! [`check_header`] first, then the signature, then [`TxnToken::parse`] and [`TxnToken::check`].
//! This module refuses more than the draft asks: an `aud` with several values, a lifetime above a
//! limit, an `iat` in the future.

use std::time::Duration;

use crate::claims::{self, Claims, ClaimsError};
use crate::json::{Object, Value, excerpt};
use crate::jws::{Jws, typ_matches};
use crate::lifetime::{LifetimeError, LifetimeRules, Times};
use crate::time::UnixTime;

#[cfg(test)]
mod tests;

/// Its media type without `application/`.
pub const TXN_TOKEN_TYPE: &str = "txntoken+jwt";

/// How long a Txn-Token may live unless the configuration says otherwise. The draft speaks of
/// minutes or less: it lives as long as a call.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(300);

/// Why a token is no Txn-Token that can be accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TxnTokenError {
    /// Another kind of token, or none said.
    #[error("typ is {}, a Txn-Token has `{TXN_TOKEN_TYPE}`", Shown(.typ.as_deref()))]
    Type {
        /// What the header says, shortened.
        typ: Option<String>,
    },
    /// Claims of the wrong type or size, or missing.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// An `aud` with more than one value.
    #[error("claim `aud` has {count} values, a Txn-Token is for one trust domain")]
    SeveralAudiences {
        /// How many there are.
        count: usize,
    },
    /// A security event token.
    #[error("a security event token is no Txn-Token")]
    SecurityEventToken,
    /// Of another trust domain.
    #[error("audience is `{audience}`, the trust domain is `{expected}`")]
    Audience {
        /// What the token says, shortened.
        audience: String,
        /// The trust domain.
        expected: String,
    },
    /// Of another issuer than the configured one.
    #[error("issuer is `{issuer}`, the token service is `{expected}`")]
    Issuer {
        /// What the token says, shortened.
        issuer: String,
        /// What is configured.
        expected: String,
    },
    /// Not now.
    #[error("{0}")]
    Lifetime(#[from] LifetimeError),
}

impl TxnTokenError {
    /// For metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Type { .. } => "wrong_type",
            Self::Claims(_) => "malformed_claims",
            Self::SeveralAudiences { .. } | Self::Audience { .. } => "wrong_audience",
            Self::SecurityEventToken => "security_event_token",
            Self::Issuer { .. } => "unknown_issuer",
            Self::Lifetime(LifetimeError::Expired { .. }) => "expired",
            Self::Lifetime(LifetimeError::NotYetValid { .. }) => "not_yet_valid",
            Self::Lifetime(LifetimeError::IssuedInTheFuture { .. }) => "issued_in_the_future",
            Self::Lifetime(LifetimeError::TooLong { .. }) => "lifetime_too_long",
        }
    }
}

/// What a Txn-Token has to agree with.
#[derive(Clone, Copy, Debug)]
pub struct TxnTokenRules<'a> {
    /// The trust domain: what `aud` must be, byte for byte.
    pub trust_domain: &'a str,
    /// What `iss` must be if the token has one; without this, any `iss` will do.
    pub issuer: Option<&'a str>,
    /// How far clocks may be off, and how long a token may live.
    pub lifetime: LifetimeRules,
}

/// The claims of one Txn-Token.
#[derive(Clone)]
pub struct TxnToken<'a> {
    /// `aud`: the trust domain.
    pub aud: &'a str,
    /// `txn`: the transaction's name, the same in all tokens of a call.
    pub txn: &'a str,
    /// `sub`: whom the call is made for, unique within the trust domain.
    pub sub: &'a str,
    /// `req_wl`: the workload that asked for the token.
    pub req_wl: &'a str,
    /// `iat` and `exp`; never without `iat`.
    pub times: Times,
    /// When it was issued.
    pub iat: UnixTime,
    /// `iss`, if it is there.
    pub iss: Option<&'a str>,
    /// `tctx`: facts about the call that never change.
    pub tctx: Option<&'a Object<'a>>,
    /// `rctx`: facts about the request that started the call.
    pub rctx: Option<&'a Object<'a>>,
    /// All of them as those of any token: `scope`, of which there is at least one, `act`, `jti` and others.
    pub claims: Claims<'a>,
}

/// Whether the header is one of a Txn-Token: to be asked before any signature is checked.
pub fn check_header(jws: &Jws<'_>) -> Result<(), TxnTokenError> {
    match jws.typ() {
        Some(typ) if typ_matches(typ, TXN_TOKEN_TYPE) => Ok(()),
        typ => Err(TxnTokenError::Type { typ: typ.map(excerpt) }),
    }
}

impl<'a> TxnToken<'a> {
    /// Reads the claims of a Txn-Token's payload. Signals name its subjects under `service`, the token service's name.
    pub fn parse(payload: &'a Value<'a>, service: &'a str) -> Result<Self, TxnTokenError> {
        let Value::Object(object) = payload else {
            return Err(ClaimsError::NotAnObject { kind: payload.kind() }.into());
        };
        if object.contains("events") {
            return Err(TxnTokenError::SecurityEventToken);
        }
        let claims = Claims::parse_as(payload, service)?;
        let iat = required(claims.iat, "iat")?;
        let exp = required(claims.exp, "exp")?;
        if claims.scope.is_empty() {
            let error = match object.contains("scope") {
                true => ClaimsError::Empty { claim: "scope" },
                false => ClaimsError::Missing { claim: "scope" },
            };
            return Err(error.into());
        }
        Ok(Self {
            aud: audience(&claims)?,
            txn: required(claims.txn, "txn")?,
            sub: required(claims.sub, "sub")?,
            req_wl: required(claims::text(object, "req_wl")?, "req_wl")?,
            times: Times { iat: Some(iat), nbf: claims.nbf, exp },
            iat,
            iss: claims::text(object, "iss")?,
            tctx: context(object, "tctx")?,
            rctx: context(object, "rctx")?,
            claims,
        })
    }

    /// Whether the token is of this trust domain, of its token service, and good at `now`.
    pub fn check(&self, rules: &TxnTokenRules<'_>, now: UnixTime) -> Result<(), TxnTokenError> {
        if self.aud != rules.trust_domain {
            let audience = excerpt(self.aud);
            let expected = rules.trust_domain.to_owned();
            return Err(TxnTokenError::Audience { audience, expected });
        }
        if let (Some(issuer), Some(expected)) = (self.iss, rules.issuer)
            && issuer != expected
        {
            let (issuer, expected) = (excerpt(issuer), expected.to_owned());
            return Err(TxnTokenError::Issuer { issuer, expected });
        }
        Ok(rules.lifetime.check(&self.times, now)?)
    }
}

/// Names the transaction, and nothing that names a person.
impl std::fmt::Debug for TxnToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxnToken")
            .field("aud", &self.aud)
            .field("txn", &self.txn)
            .field("req_wl", &self.req_wl)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

fn audience<'a>(claims: &Claims<'a>) -> Result<&'a str, TxnTokenError> {
    match claims.aud.as_slice() {
        [] => Err(ClaimsError::Missing { claim: "aud" }.into()),
        [audience] => Ok(audience),
        several => Err(TxnTokenError::SeveralAudiences { count: several.len() }),
    }
}

fn required<T>(found: Option<T>, claim: &'static str) -> Result<T, ClaimsError> {
    found.ok_or(ClaimsError::Missing { claim })
}

/// A claim that must be an object, if it is there.
fn context<'a>(
    object: &'a Object<'a>,
    claim: &'static str,
) -> Result<Option<&'a Object<'a>>, ClaimsError> {
    match object.get(claim) {
        None => Ok(None),
        Some(Value::Object(context)) => Ok(Some(context)),
        Some(other) => {
            Err(ClaimsError::WrongType { claim, expected: "an object", kind: other.kind() })
        }
    }
}

struct Shown<'a>(Option<&'a str>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(typ) => write!(f, "`{typ}`"),
            None => f.write_str("missing"),
        }
    }
}
