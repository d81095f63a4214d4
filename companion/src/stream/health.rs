//! Whether a stream can be relied on: if not, there is a *gap*, and events may have been missed.
//!
//! # When a gap begins
//!
//! - At once: the transmitter says that it paused or disabled the stream, the stream is another's, or
//!   the operator deleted it.
//! - After [`Health::patience`]: a verification that was asked for has not come (SETs that come
//!   meanwhile prove that something is delivered, so they extend the time, but not beyond
//!   [`MAX_EXTENSION`] times the patience), polls fail, or the transmitter's API does.
//!
//! # When it ends
//!
//! When none of this holds any more and delivery was proven *after* the gap was noticed: by a
//! verification, or for a transmitter without stream management by an answered poll. What was
//! missed meanwhile nobody can tell; the log line that ends it says how long it was.
//!
//! `since` is the last moment at which delivery was proven. A gap outlives a restart.

use std::time::Duration;

use rescind_core::time::UnixTime;

use super::Status;

/// A verification behind a queue of events is waited for longer, but not for ever.
const MAX_EXTENSION: u32 = 10;

/// Why events may be missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// The verification that was asked for does not come.
    Silent,
    /// Polls fail.
    Unreachable,
    /// The transmitter's API fails, or has no stream for us.
    Unmanaged,
    /// The stream is paused.
    Paused,
    /// The stream is disabled.
    Disabled,
    /// The stream or the metadata is another issuer's or for another receiver.
    Foreign,
    /// The operator deleted the stream.
    Deleted,
}

impl Cause {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Silent,
        Self::Unreachable,
        Self::Unmanaged,
        Self::Paused,
        Self::Disabled,
        Self::Foreign,
        Self::Deleted,
    ];

    /// Its name in logs and for the operator.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::Unmanaged => "unmanaged",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Foreign => "foreign",
            Self::Deleted => "deleted",
        }
    }
}

/// Events may have been missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gap {
    /// From here on.
    pub(crate) since: UnixTime,
    /// Why.
    pub(crate) cause: Cause,
}

/// What changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// A gap begins.
    Begins(Gap),
    /// It has another cause now.
    Turns(Gap),
    /// It ends.
    Ends {
        /// What it was.
        gap: Gap,
        /// From then on.
        at: UnixTime,
    },
}

/// What is known about one stream.
#[derive(Debug)]
pub(crate) struct Health {
    managed: bool,
    patience: Duration,
    /// When delivery was last proven; when this process began, before that.
    proven: UnixTime,
    verified: Option<UnixTime>,
    /// A verification was asked for at this time and has not come.
    asked: Option<UnixTime>,
    last_set: UnixTime,
    polls_fail_since: Option<UnixTime>,
    api_fails_since: Option<UnixTime>,
    status: Status,
    unusable: Option<Cause>,
    gap: Option<(Gap, UnixTime)>,
}

impl Health {
    /// Nothing is known at `now`, but `gap` from before a restart. `managed` streams are verified.
    pub(crate) fn new(managed: bool, patience: Duration, gap: Option<Gap>, now: UnixTime) -> Self {
        Self {
            managed,
            patience,
            proven: gap.map_or(now, |gap| gap.since),
            verified: None,
            asked: None,
            last_set: UnixTime::EPOCH,
            polls_fail_since: None,
            api_fails_since: None,
            status: Status::Enabled,
            unusable: None,
            gap: gap.map(|gap| (gap, now)),
        }
    }

    /// The gap, if there is one.
    pub(crate) fn gap(&self) -> Option<Gap> {
        self.gap.map(|(gap, _)| gap)
    }

    /// When the stream was last verified.
    pub(crate) const fn verified(&self) -> Option<UnixTime> {
        self.verified
    }

    /// What the transmitter last said that the stream's status is.
    pub(crate) const fn status(&self) -> Status {
        self.status
    }

    /// A SET came.
    pub(crate) fn received(&mut self, now: UnixTime) {
        self.last_set = self.last_set.max(now);
    }

    /// A poll was answered, or not.
    pub(crate) fn polled(&mut self, answered: bool, now: UnixTime) {
        if answered {
            self.polls_fail_since = None;
            if !self.managed {
                self.proven = self.proven.max(now);
            }
        } else {
            self.polls_fail_since.get_or_insert(now);
        }
    }

    /// The transmitter's API answered as it should, or not.
    pub(crate) fn called(&mut self, answered: bool, now: UnixTime) {
        if answered {
            self.api_fails_since = None;
        } else {
            self.api_fails_since.get_or_insert(now);
        }
    }

    /// The stream cannot be used at all, or can again.
    pub(crate) const fn usable(&mut self, unusable: Option<Cause>) {
        self.unusable = unusable;
    }

    /// A verification was asked for.
    pub(crate) fn asked(&mut self, now: UnixTime) {
        self.asked.get_or_insert(now);
    }

    /// A verification came that was asked for: also a late one proves that something is delivered.
    pub(crate) fn verify(&mut self, now: UnixTime) {
        self.asked = None;
        self.verified = Some(now);
        self.proven = self.proven.max(now);
    }

    /// The transmitter says what the stream's status is.
    pub(crate) const fn updated(&mut self, status: Status) {
        self.status = status;
    }

    /// Until when the verification under way may come.
    pub(crate) fn deadline(&self) -> Option<UnixTime> {
        let asked = self.asked?;
        let longest = asked.plus(self.patience.saturating_mul(MAX_EXTENSION));
        Some(asked.max(self.last_set).plus(self.patience).min(longest))
    }

    fn cause(&self, now: UnixTime) -> Option<Cause> {
        let for_too_long =
            |since: Option<UnixTime>| since.is_some_and(|since| now >= since.plus(self.patience));
        let by_status = match self.status {
            Status::Enabled => None,
            Status::Paused => Some(Cause::Paused),
            Status::Disabled => Some(Cause::Disabled),
        };
        let by_silence = self.deadline().filter(|deadline| now >= *deadline);
        self.unusable
            .or(by_status)
            .or_else(|| for_too_long(self.polls_fail_since).then_some(Cause::Unreachable))
            .or_else(|| for_too_long(self.api_fails_since).then_some(Cause::Unmanaged))
            .or_else(|| by_silence.map(|_| Cause::Silent))
    }

    /// What has changed by `now`.
    pub(crate) fn check(&mut self, now: UnixTime) -> Option<Change> {
        match (self.cause(now), self.gap) {
            (Some(cause), None) => {
                let gap = Gap { since: self.proven, cause };
                self.gap = Some((gap, now));
                Some(Change::Begins(gap))
            }
            (Some(cause), Some((gap, _))) => {
                // Proofs from before the newest trouble do not end it.
                let turned = Gap { cause, ..gap };
                self.gap = Some((turned, now));
                (turned != gap).then_some(Change::Turns(turned))
            }
            (None, Some((gap, noticed))) if self.proven > noticed => {
                self.gap = None;
                Some(Change::Ends { gap, at: now })
            }
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1000).plus(Duration::from_secs(seconds))
    }

    fn health(managed: bool) -> Health {
        Health::new(managed, PATIENCE, None, at(0))
    }

    fn gap(since: u64, cause: Cause) -> Gap {
        Gap { since: at(since), cause }
    }

    #[test]
    fn a_stream_that_is_silent_after_a_question_is_a_gap_since_its_last_proof() {
        let mut health = health(true);
        health.asked(at(1));
        health.verify(at(2));
        health.asked(at(300));
        health.asked(at(330));
        assert_eq!(health.check(at(359)), None);
        let silent = gap(2, Cause::Silent);
        assert_eq!(health.check(at(360)), Some(Change::Begins(silent)));
        assert_eq!(health.check(at(361)), None, "told once");
        assert_eq!(health.gap(), Some(silent));
        health.verify(at(400));
        assert_eq!(health.check(at(400)), Some(Change::Ends { gap: silent, at: at(400) }));
        assert_eq!((health.gap(), health.verified()), (None, Some(at(400))));
    }

    #[test]
    fn events_before_the_verification_extend_the_time_but_not_for_ever() {
        let mut health = health(true);
        health.asked(at(0));
        for second in (30..600).step_by(30) {
            health.received(at(second));
            assert_eq!(health.check(at(second + 29)), None, "{second}");
        }
        assert_eq!(health.deadline(), Some(at(600)));
        assert!(matches!(health.check(at(600)), Some(Change::Begins(_))));
    }

    #[test]
    fn events_alone_do_not_end_the_gap_of_a_managed_stream() {
        let mut health = health(true);
        health.asked(at(0));
        assert!(health.check(at(60)).is_some());
        health.received(at(61));
        health.polled(true, at(62));
        health.called(true, at(62));
        assert_eq!(health.check(at(63)), None);
        assert!(health.gap().is_some());
    }

    #[test]
    fn failing_polls_are_a_gap_after_a_while_and_an_answer_ends_it() {
        let mut health = health(false);
        health.polled(true, at(5));
        for second in 10..70 {
            health.polled(false, at(second));
            assert_eq!(health.check(at(second)), None, "{second}");
        }
        health.polled(false, at(70));
        let begins = Change::Begins(gap(5, Cause::Unreachable));
        assert_eq!(health.check(at(70)), Some(begins));
        health.polled(true, at(80));
        let ends = Change::Ends { gap: gap(5, Cause::Unreachable), at: at(80) };
        assert_eq!(health.check(at(80)), Some(ends));
    }

    #[test]
    fn a_paused_stream_is_a_gap_at_once_until_it_is_enabled_and_verified() {
        let mut health = health(true);
        health.updated(Status::Paused);
        assert_eq!(health.check(at(1)), Some(Change::Begins(gap(0, Cause::Paused))));
        health.verify(at(2));
        assert_eq!(health.check(at(3)), None, "still paused");
        health.updated(Status::Disabled);
        assert_eq!(health.check(at(4)), Some(Change::Turns(gap(0, Cause::Disabled))));
        health.updated(Status::Enabled);
        assert_eq!(health.check(at(5)), None, "not proven since");
        health.verify(at(6));
        assert!(matches!(health.check(at(6)), Some(Change::Ends { .. })));
    }

    #[test]
    fn a_stream_that_is_not_ours_or_was_deleted_is_a_gap_at_once() {
        for cause in [Cause::Foreign, Cause::Deleted] {
            let mut health = health(true);
            health.usable(Some(cause));
            assert_eq!(health.check(at(0)), Some(Change::Begins(gap(0, cause))));
        }
    }

    #[test]
    fn an_api_that_fails_is_a_gap_after_a_while() {
        let mut health = health(true);
        health.called(false, at(0));
        health.called(false, at(59));
        assert_eq!(health.check(at(59)), None);
        assert_eq!(health.check(at(60)), Some(Change::Begins(gap(0, Cause::Unmanaged))));
    }

    #[test]
    fn a_gap_outlives_a_restart_until_delivery_is_proven() {
        let before = gap(0, Cause::Silent);
        let mut health = Health::new(true, PATIENCE, Some(before), at(500));
        assert_eq!((health.gap(), health.check(at(501))), (Some(before), None));
        health.verify(at(503));
        assert_eq!(health.check(at(503)), Some(Change::Ends { gap: before, at: at(503) }));
    }
}
