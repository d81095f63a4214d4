//! What follows a failure: a pause, and a line in the log now and then.

use std::time::Duration;

use super::{CalloutFailure, NEXT_STEP, Notice, Replica, Step};
use crate::back_off;
use crate::table::WriteError;
use crate::time::UnixTime;

/// The first and the longest pause after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// After so many failures in a row another worker gets its turn; with their pauses, after a second or two.
pub(super) const FAILURES_TO_STEP_ASIDE: u32 = 4;

impl Replica {
    pub(super) fn broken_off(&mut self, error: WriteError, step: &mut Step) {
        self.pending = None;
        self.writer.give_up();
        step.next_tick = NEXT_STEP;
        step.notices.push(match error {
            WriteError::Contended => Notice::Contended,
            WriteError::SharedData(error) => Notice::SharedData(error),
        });
    }

    pub(super) fn fail(
        &mut self,
        failure: CalloutFailure,
        now: UnixTime,
        random: u64,
        step: &mut Step,
    ) {
        let retry = self.pause_after_failure(now, random);
        // One line when it is lost, and one a minute or so while it stays lost.
        if self.failures == 1 || self.failures.is_multiple_of(16) {
            step.notices.push(Notice::Lost { failure, retry });
        }
    }

    pub(super) fn pause_after_failure(&mut self, now: UnixTime, random: u64) -> Duration {
        let pause = back_off::jittered(back_off::doubled(self.failures, BACK_OFF), random);
        self.failures = self.failures.saturating_add(1);
        self.steps_aside = self.failures.is_multiple_of(FAILURES_TO_STEP_ASIDE);
        self.settled = false;
        self.next_poll = now.plus(pause);
        pause
    }
}
