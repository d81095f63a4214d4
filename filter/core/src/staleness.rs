//! When the state is too old to rely on, and who is told.
//!
//! The gate asks [`is_stale`] for every request. Operators are told once when the state goes stale and once when it
//! is fresh again ([`Watch`]), whatever `on_stale` says: with `allow` nothing else in the log would show it. A state
//! that was never synchronized is not stale; requests are refused for that reason, and the log says that.

use std::time::Duration;

use crate::config::OnStale;
use crate::replica::MAX_CLOCK_SKEW;
use crate::time::UnixTime;

/// Whether a state that was fresh at `fresh_at` is older than `limit`.
#[must_use]
pub fn is_stale(fresh_at: UnixTime, limit: Duration, now: UnixTime) -> bool {
    // News from the future mean that the clock was set back: nobody knows how old they are.
    now.since(fresh_at) > limit || fresh_at.since(now) > MAX_CLOCK_SKEW
}

/// Notices changes.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    stale: bool,
}

/// What operators are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Change {
    /// Too old from now on.
    #[error("state: stale: as of {fresh_at}, now {now}, limit {}s; on_stale is {}", limit.as_secs(), name(*on_stale))]
    Stale {
        /// When it was fresh.
        fresh_at: UnixTime,
        /// This gateway's clock.
        now: UnixTime,
        /// How old it may be.
        limit: Duration,
        /// What requests meet.
        on_stale: OnStale,
    },
    /// Fresh again.
    #[error("state: fresh again")]
    Fresh,
}

impl Watch {
    /// What to tell, if anything changed since the last call.
    pub fn observe(
        &mut self,
        fresh_at: UnixTime,
        (limit, on_stale): (Duration, OnStale),
        now: UnixTime,
    ) -> Option<Change> {
        let before = std::mem::replace(&mut self.stale, is_stale(fresh_at, limit, now));
        match (before, self.stale) {
            (false, true) => Some(Change::Stale { fresh_at, now, limit, on_stale }),
            (true, false) => Some(Change::Fresh),
            (true, true) | (false, false) => None,
        }
    }
}

const fn name(on_stale: OnStale) -> &'static str {
    match on_stale {
        OnStale::Deny => "deny",
        OnStale::Allow => "allow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn the_state_is_stale_after_the_limit_and_if_it_comes_from_the_future() {
        let at = UnixTime::from_secs;
        let skew = MAX_CLOCK_SKEW.as_secs();
        for (fresh_at, now, stale) in [
            (1000, 1000, false),
            (1000, 1060, false),
            (1000, 1061, true),
            (1000 + skew, 1000, false),
            (1001 + skew, 1000, true),
        ] {
            assert_eq!(is_stale(at(fresh_at), LIMIT, at(now)), stale, "{fresh_at} at {now}");
        }
    }

    #[test]
    fn a_change_is_told_once() {
        let mut watch = Watch::default();
        let fresh_at = UnixTime::from_secs(1000);
        let mut observe = |fresh_at, now| {
            let change = watch.observe(fresh_at, (LIMIT, OnStale::Allow), UnixTime::from_secs(now));
            change.map(|change| change.to_string())
        };
        assert_eq!(observe(fresh_at, 1000), None);
        let told = observe(fresh_at, 1061).unwrap();
        assert!(told.starts_with("state: stale") && told.ends_with("on_stale is allow"), "{told}");
        assert_eq!(observe(fresh_at, 1062), None);
        assert_eq!(observe(UnixTime::from_secs(1062), 1062).unwrap(), "state: fresh again");
        assert_eq!(observe(UnixTime::from_secs(1062), 1063), None);
    }
}
