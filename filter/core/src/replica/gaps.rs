//! What the companion says about its own sources: signals that it may have missed.

use super::{Notice, Replica, Step};
use crate::feed::{Gap, gap_digests};

impl Replica {
    /// Takes the gaps of a page over into the head, and says what changed.
    pub(super) fn note_gaps(&mut self, gaps: &[Gap], step: &mut Step) {
        let new = gap_digests(gaps);
        if new == self.writer.head.gaps {
            return;
        }
        step.notices.push(if gaps.is_empty() {
            Notice::SignalsComplete
        } else {
            let issuers: Vec<_> = gaps.iter().map(|gap| gap.issuer.as_str()).collect();
            let since = gaps.iter().map(|gap| gap.since).min().unwrap_or_default();
            Notice::SignalsMissed { issuers: issuers.join(", "), since }
        });
        self.writer.head.gaps = new;
    }
}
