//! When the companion is asked on a host without a timer: at a request.
//!
//! Elsewhere a timer drives [`crate::replica`]. Here the request that finds the state older than `refresh_interval`
//! waits for news; the others are decided on the state as it is, as long as it is within `max_staleness`. So
//! without traffic nothing is asked, and the first request after a pause waits for a round trip.
//!
//! What this module refuses to do: let requests wait without bound. One of them may carry on a long
//! synchronization for [`MAX_WAIT`]; then it is decided, and the next one goes on from there.

use std::time::Duration;

use crate::table::TableStatus;
use crate::time::UnixTime;

/// How often is looked whether there is anything to ask: a flood of requests is no flood of questions.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// For how long one request may wait for answer after answer. A client waits that long without wondering; reading a
/// log with a million records takes several such requests.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// For how long it may wait for one answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Says when to ask.
#[derive(Clone, Debug)]
pub struct OnDemand {
    interval: Duration,
    next_look: UnixTime,
    /// When the companion last said that there is no more, by this gateway's clock: it may differ from the companion's
    /// by more than the interval.
    heard: Option<UnixTime>,
}

impl OnDemand {
    /// With the configured `refresh_interval`.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, next_look: UnixTime::EPOCH, heard: None }
    }

    /// Whether it is time to look what is due. If so, the next time is later.
    pub fn looks(&mut self, now: UnixTime) -> bool {
        // A clock that was set back must not stop everything until it has caught up.
        let is_time = now >= self.next_look || self.next_look.since(now) > LOOK_INTERVAL;
        if is_time {
            self.next_look = now.plus(LOOK_INTERVAL);
        }
        is_time
    }

    /// Whether the companion is to be asked, with the table as it is.
    #[must_use]
    pub fn wants_news(&self, status: TableStatus, now: UnixTime) -> bool {
        status == TableStatus::NeverSynchronized
            || self.heard.is_none_or(|heard| now.since(heard) >= self.interval || heard > now)
    }

    /// The companion answered; `settled` if it has no more to say.
    pub fn answered(&mut self, settled: bool, now: UnixTime) {
        self.heard = settled.then_some(now);
    }

    /// Whether a request that has waited since `since` may wait for another answer.
    #[must_use]
    pub fn may_go_on(since: UnixTime, now: UnixTime) -> bool {
        now >= since && now.since(since) < MAX_WAIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn at(millis: u64) -> UnixTime {
        UnixTime::from_millis(millis.saturating_add(1_000_000))
    }

    #[test]
    fn a_flood_of_requests_looks_ten_times_a_second() {
        let mut on_demand = OnDemand::new(Duration::from_secs(1));
        let looks = (0..1000).filter(|millis| on_demand.looks(at(*millis))).count();
        assert_eq!(looks, 10);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_it() {
        let mut on_demand = OnDemand::new(Duration::from_secs(1));
        assert!(on_demand.looks(at(500_000)));
        assert!(on_demand.looks(at(0)));
    }

    #[test]
    fn the_companion_is_asked_when_it_was_last_heard_an_interval_ago_or_in_the_future_or_had_more()
    {
        let mut on_demand = OnDemand::new(Duration::from_secs(1));
        let synced = TableStatus::Synced {
            // Long ago: its clock is not ours.
            fresh_at: at(0),
            epoch: 1,
            keys_version: 1,
            retention: Duration::from_secs(3600),
        };
        assert!(on_demand.wants_news(synced, at(0)), "never heard");
        on_demand.answered(true, at(5000));
        for (now, expected) in [(5000, false), (5999, false), (6000, true), (4999, true)] {
            assert_eq!(on_demand.wants_news(synced, at(now)), expected, "{now}");
        }
        assert!(on_demand.wants_news(TableStatus::NeverSynchronized, at(5000)));
        on_demand.answered(false, at(5000));
        assert!(on_demand.wants_news(synced, at(5000)));
    }

    #[test]
    fn a_request_waits_for_two_seconds_at_most() {
        for (now, expected) in [(100, true), (2099, true), (2100, false), (99, false)] {
            assert_eq!(OnDemand::may_go_on(at(100), at(now)), expected, "{now}");
        }
    }
}
