//! Refusals in the log: each with its reason, its signal and who asked, as many as are of use.
//!
//! Refusals are as many as a stranger wants: each thread writes [`REFUSALS_PER_SECOND`], then their
//! number. Every one of them is in the metrics. Nothing logged holds a token: see [`Denial`]'s
//! `Display`.

use std::time::Duration;

use rescind_core::time::UnixTime;
use rescind_core::verdict::Denial;

/// As many as the filter writes: enough to see what happens, too few to fill a disk.
pub(crate) const REFUSALS_PER_SECOND: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

/// The refusals of one second.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    since: UnixTime,
    written: u32,
    left_out: u64,
}

impl Refusals {
    /// Writes that `caller` was told to refuse a request, or counts it; whether it was written.
    pub(crate) fn write(&mut self, caller: &str, denial: &Denial, now: UnixTime) -> bool {
        // A clock that was set back starts a new second too.
        if now < self.since || now.since(self.since) >= SECOND {
            if self.left_out > 0 {
                tracing::info!(requests = self.left_out, "more requests refused");
            }
            *self = Self { since: now, written: 0, left_out: 0 };
        }
        if self.written >= REFUSALS_PER_SECOND {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        self.written = self.written.saturating_add(1);
        let signal = denial.signal().map(tracing::field::display);
        let facts: String = denial.to_string().chars().map(printable).collect();
        tracing::info!(caller, reason = denial.reason(), signal, facts, "refused");
        true
    }
}

/// Text that came from outside cannot start a line.
fn printable(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_some_lines_a_second() {
        let mut refusals = Refusals::default();
        let start = UnixTime::from_secs(100);
        let mut written = |now| refusals.write("edge", &Denial::NeverSynchronized, now);
        assert_eq!((0..1000).filter(|_| written(start)).count(), 10);
        assert!(written(start.plus(SECOND)));
        assert!(written(start), "a clock that was set back");
    }
}
