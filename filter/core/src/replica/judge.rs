//! Whether an answer counts: its time of signing, where it continues, and how long the companion keeps records.
//!
//! See [`super`] for the rules. What does not count changes nothing but the time of the next poll.

use std::time::Duration;

use super::pending::Pending;
use super::{MAX_CLOCK_SKEW, MAX_PAGE_AGE, Notice, Outstanding, PAUSE, Replica, Step, TOO_SOON};
use crate::feed::Page;
use crate::shared::SharedData;
use crate::time::UnixTime;

/// A page may be signed this much before the last one: another companion of the same log answered.
const BACKWARDS_TOLERANCE: Duration = Duration::from_secs(1);

/// After so many gaps in a row the log is read from its start.
const MAX_GAPS: u32 = 3;

impl Replica {
    /// Judges a page whose signature is right.
    pub(super) fn receive(
        &mut self,
        page: Page,
        asked: &Outstanding,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
        step: &mut Step,
    ) {
        let head = &mut self.writer.head;
        let (signed_at, fresh_at) = (page.signed_at, head.fresh_at);
        let refusal = if signed_at > now.plus(MAX_CLOCK_SKEW) {
            Some(Notice::Future { signed_at, now })
        } else if signed_at.plus(MAX_PAGE_AGE).plus(MAX_CLOCK_SKEW) < now {
            Some(Notice::Old { signed_at, now })
        } else if signed_at.plus(BACKWARDS_TOLERANCE) < fresh_at {
            Some(Notice::Backwards { signed_at, fresh_at })
        } else {
            None
        };
        if let Some(notice) = refusal {
            step.notices.push(notice);
            self.pause_after_failure(now, random);
            return;
        }
        let known = head.log.unwrap_or(page.log);
        if page.from == 0 && known != page.log {
            step.notices.push(Notice::ForeignLog { known, found: page.log });
            head.begin_pass();
        } else if page.from == 0 && head.cursor != 0 && asked.after.sequence == head.cursor {
            step.notices.push(Notice::Rewound { cursor: head.cursor });
            head.begin_pass();
        } else if page.from != head.cursor || known != page.log {
            // The answer to a question asked before the head changed is no gap.
            if asked.after.sequence == head.cursor && asked.after.log == known {
                step.notices.push(Notice::Gap { cursor: head.cursor, from: page.from });
                self.gaps = self.gaps.saturating_add(1);
                if self.gaps >= MAX_GAPS {
                    self.gaps = 0;
                    head.begin_pass();
                    if let Err(error) = self.writer.commit(shared) {
                        self.broken_off(error, step);
                    }
                }
                self.pause_after_failure(now, random);
            }
            return;
        }
        head.log = Some(page.log);
        self.gaps = 0;
        if self.failures > 0 {
            step.notices.push(Notice::Found { failures: self.failures });
            self.failures = 0;
        }
        self.steps_aside = false;
        self.candidate.recover();
        let restarts = self.judge_retention(page.retention_secs, step) && page.from != 0;
        if self.writer.is_dirty()
            && let Err(error) = self.writer.commit(shared)
        {
            self.broken_off(error, step);
            return;
        }
        if restarts {
            self.settled = false;
            return;
        }
        let nothing = page.records.is_empty() && page.from == page.to && !page.more;
        if nothing && asked.wait > TOO_SOON && now.since(asked.asked_at) < TOO_SOON {
            self.next_poll = now.plus(PAUSE);
        }
        self.pending = Some(Pending::new(page));
        self.work(shared, now, random, false, step);
    }

    /// Whether a longer retention makes it necessary to read the log from its start.
    fn judge_retention(&mut self, found: u32, step: &mut Step) -> bool {
        let retention = Duration::from_secs(u64::from(found));
        let head = &mut self.writer.head;
        let grew = head.whole_since != 0 && found > head.retention_secs && head.pass_started == 0;
        if grew {
            step.notices.push(Notice::RetentionGrew { retention });
            head.begin_pass();
        }
        // A longer one counts once the records that it keeps have been read.
        if head.whole_since == 0 || found < head.retention_secs {
            head.retention_secs = found;
        }
        if retention < self.config.needed_retention && self.warned_retention != Some(found) {
            let needed = self.config.needed_retention;
            step.notices.push(Notice::RetentionTooShort { retention, needed });
            self.warned_retention = Some(found);
        }
        grew
    }
}
