//! When a token may be used: the rules that all kinds of tokens share (RFC 7519 §4.1.4 to §4.1.6),
//! for those that have no configured issuer of access tokens.
//!
//! Every limit counts in the direction of refusal: a token is over from `exp` and the leeway on,
//! one that was issued in the future is nobody's, and a lifetime longer than the limit is refused
//! even while the token is young, because revocations are remembered for that long and no longer.

use std::time::Duration;

use crate::time::UnixTime;

/// The times that a token carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// When it was issued, if it says so.
    pub iat: Option<UnixTime>,
    /// From when on it is valid, if it says so.
    pub nbf: Option<UnixTime>,
    /// From when on it is not.
    pub exp: UnixTime,
}

/// What is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LifetimeRules {
    /// How far the issuer's clock may be off; zero means zero.
    pub leeway: Duration,
    /// The longest time from `iat` to `exp`; without `iat`, from now to `exp`.
    pub max_lifetime: Duration,
}

/// Why a token may not be used now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LifetimeError {
    /// Its lifetime is over.
    #[error("expired at {exp}, now {now}, leeway {}s", leeway.as_secs())]
    Expired {
        /// The token's `exp`.
        exp: UnixTime,
        /// The time of the request.
        now: UnixTime,
        /// The leeway in force.
        leeway: Duration,
    },
    /// Its `iat` is still to come.
    #[error("issued at {iat}, now {now}, leeway {}s", leeway.as_secs())]
    IssuedInTheFuture {
        /// The token's `iat`.
        iat: UnixTime,
        /// The time of the request.
        now: UnixTime,
        /// The leeway in force.
        leeway: Duration,
    },
    /// Its `nbf` is still to come.
    #[error("not valid before {nbf}, now {now}, leeway {}s", leeway.as_secs())]
    NotYetValid {
        /// The token's `nbf`.
        nbf: UnixTime,
        /// The time of the request.
        now: UnixTime,
        /// The leeway in force.
        leeway: Duration,
    },
    /// It lives longer than allowed.
    #[error("lives {}s, at most {}s are allowed", lifetime.as_secs(), limit.as_secs())]
    TooLong {
        /// From `iat` (else now) to `exp`.
        lifetime: Duration,
        /// The limit in force.
        limit: Duration,
    },
}

impl LifetimeRules {
    /// Whether a token with these times may be used at `now`.
    pub fn check(&self, times: &Times, now: UnixTime) -> Result<(), LifetimeError> {
        let leeway = self.leeway;
        let Times { iat, nbf, exp } = *times;
        if now >= exp.plus(leeway) {
            return Err(LifetimeError::Expired { exp, now, leeway });
        }
        if let Some(iat) = iat.filter(|iat| *iat > now.plus(leeway)) {
            return Err(LifetimeError::IssuedInTheFuture { iat, now, leeway });
        }
        if let Some(nbf) = nbf.filter(|nbf| *nbf > now.plus(leeway)) {
            return Err(LifetimeError::NotYetValid { nbf, now, leeway });
        }
        let lifetime = exp.since(iat.unwrap_or(now));
        if lifetime > self.max_lifetime {
            return Err(LifetimeError::TooLong { lifetime, limit: self.max_lifetime });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const LEEWAY: Duration = Duration::from_secs(30);
    const LIMIT: Duration = Duration::from_secs(300);

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn check(iat: Option<u64>, nbf: Option<u64>, exp: u64, now: u64) -> Result<(), LifetimeError> {
        let times = Times { iat: iat.map(at), nbf: nbf.map(at), exp: at(exp) };
        LifetimeRules { leeway: LEEWAY, max_lifetime: LIMIT }.check(&times, at(now))
    }

    #[test]
    fn a_token_is_refused_from_exp_plus_leeway_on() {
        for (now, is_good) in [(1_000, true), (1_300, true), (1_329, true), (1_330, false)] {
            assert_eq!(check(Some(1_000), None, 1_300, now).is_ok(), is_good, "{now}");
        }
        let zero = LifetimeRules { leeway: Duration::ZERO, max_lifetime: LIMIT };
        let times = Times { iat: Some(at(1_000)), nbf: None, exp: at(1_300) };
        assert_eq!(zero.check(&times, at(1_299)), Ok(()));
        let error =
            LifetimeError::Expired { exp: at(1_300), now: at(1_300), leeway: Duration::ZERO };
        assert_eq!(zero.check(&times, at(1_300)), Err(error));
    }

    #[test]
    fn a_token_from_the_future_is_refused() {
        assert_eq!(check(Some(1_030), None, 1_200, 1_000), Ok(()));
        let error =
            LifetimeError::IssuedInTheFuture { iat: at(1_031), now: at(1_000), leeway: LEEWAY };
        assert_eq!(check(Some(1_031), None, 1_200, 1_000), Err(error));
        assert_eq!(check(Some(1_000), Some(1_030), 1_200, 1_000), Ok(()));
        let error = LifetimeError::NotYetValid { nbf: at(1_031), now: at(1_000), leeway: LEEWAY };
        assert_eq!(check(Some(1_000), Some(1_031), 1_200, 1_000), Err(error));
    }

    #[test]
    fn a_lifetime_is_counted_from_iat_or_else_from_now() {
        let too_long =
            |secs| LifetimeError::TooLong { lifetime: Duration::from_secs(secs), limit: LIMIT };
        assert_eq!(check(Some(1_000), None, 1_300, 1_299), Ok(()));
        assert_eq!(check(Some(1_000), None, 1_301, 1_299), Err(too_long(301)));
        assert_eq!(check(None, None, 1_300, 1_000), Ok(()));
        assert_eq!(check(None, None, 1_301, 1_000), Err(too_long(301)));
        // The greatest number overflows nowhere.
        assert!(check(Some(u64::MAX), Some(u64::MAX), u64::MAX, u64::MAX).is_err());
        assert!(check(Some(0), None, u64::MAX, 0).is_err());
    }
}
