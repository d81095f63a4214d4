//! What is written to the host's log: one line for each change of state, and some of the refusals.
//!
//! The host drops lines below its own level, but only after they were made and passed; so nothing
//! is logged below `info`, and a request that passes logs nothing. Refusals are as many as a
//! stranger wants: at most [`REFUSALS_PER_SECOND`] are written, then their number. Every one of
//! them is in the metrics and, by filter state, in the access log.
//!
//! Nothing logged holds a token or a key: see [`Denial`]'s `Display`. Text that came from outside
//! cannot start a line.

use std::fmt;
use std::time::Duration;

use rescind_core::time::UnixTime;
use rescind_core::verdict::Denial;

use crate::host::{self, Level};

/// How many refusals each worker writes in a second: enough to see what happens, too few to fill a
/// disk.
pub(crate) const REFUSALS_PER_SECOND: u32 = 10;

/// The longest line. The configuration may name hundreds of things, but hosts cut longer ones.
const MAX_LINE_BYTES: usize = 4096;

const SECOND: Duration = Duration::from_secs(1);

/// Writes one line.
pub(crate) fn line(level: Level, text: impl fmt::Display) {
    host::log(level, &printable(&text.to_string()));
}

/// What was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// A request.
    Request,
    /// One that had passed, and was open.
    Stream,
}

/// Refusals, as many as fit.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    since: UnixTime,
    written: u32,
    left_out: u64,
}

impl Refusals {
    /// Writes what was refused, or counts it.
    pub(crate) fn write(&mut self, refused: Refused, denial: &Denial, now: UnixTime) {
        self.roll(now);
        if self.written < REFUSALS_PER_SECOND {
            self.written = self.written.saturating_add(1);
            let what = match refused {
                Refused::Request => "refused",
                Refused::Stream => "ended a stream",
            };
            line(Level::Info, format_args!("{what} ({}): {denial}", denial.reason()));
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Starts a new second if the last one is over, and says how many were left out.
    pub(crate) fn roll(&mut self, now: UnixTime) {
        // A clock that was set back starts one too.
        if now < self.since || now.since(self.since) >= SECOND {
            if self.left_out > 0 {
                line(Level::Info, format_args!("refused {} more requests", self.left_out));
            }
            *self = Self { since: now, written: 0, left_out: 0 };
        }
    }
}

/// `text` without control characters, shortened.
fn printable(text: &str) -> String {
    let end = text.char_indices().map(|(place, _)| place).find(|place| *place >= MAX_LINE_BYTES);
    let text = end.and_then(|end| text.get(..end)).unwrap_or(text);
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake;

    #[test]
    fn a_flood_of_refusals_is_some_lines_and_a_number() {
        fake::reset();
        let mut refusals = Refusals::default();
        let start = UnixTime::from_secs(100);
        for _ in 0..1000 {
            refusals.write(Refused::Request, &Denial::NeverSynchronized, start);
        }
        assert_eq!(fake::lines().len(), 10);
        refusals.write(Refused::Stream, &Denial::NeverSynchronized, start.plus(SECOND));
        assert!(fake::lines()[10].contains("refused 990 more requests"), "{:?}", fake::lines());
        assert_eq!(fake::lines().len(), 12);
        assert!(fake::lines()[11].contains("ended a stream"), "{:?}", fake::lines());
    }

    #[test]
    fn what_comes_from_outside_cannot_start_a_line() {
        fake::reset();
        line(Level::Warn, "kid `a\nrescind: all is well`");
        assert!(!fake::lines()[0].contains('\n'));
        assert_eq!(printable(&"\u{e9}".repeat(5000)).len(), MAX_LINE_BYTES);
    }
}
