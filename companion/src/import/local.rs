//! Into the journal itself, which no companion has open.

use rescind_core::subject::SubjectHasher;

use super::reader::{Readable, Reader};
use super::sets::Source;
use super::{Done, ImportError, Options, Work};
use crate::config::Config;
use crate::journal::{Journal, NewSet};

/// Lines in one transaction. The index of signals is in random order, so every transaction writes most
/// of its pages again: twenty thousand make a file a third greater than a hundred thousand do.
const GROUP: usize = 100_000;
/// Bytes of signals in one transaction: their memory, and as much again for its pages. Reached by SETs of
/// more than 600 bytes.
const GROUP_BYTES: usize = 64 * 1024 * 1024;

/// Imports into `journal`.
pub(super) fn import(
    options: &Options,
    config: &Config,
    journal: &Journal,
    work: &mut Work<'_>,
) -> Result<Done, ImportError> {
    let hasher = SubjectHasher::new(config.feed.subject_key);
    let readable = Readable {
        identity: config.identity.as_ref(),
        hasher: &hasher,
        sources: config.transmitters.iter().map(Source::of).collect(),
        at: options.at,
        now: crate::clock::now(),
    };
    let mut reader = Reader::new(readable, work.format);
    let mut target = Target {
        journal,
        last: journal.last()?,
        group: Vec::new(),
        bytes: 0,
        done: Done::default(),
    };
    while let Some((raw, text)) = work.lines.next()? {
        match text.and_then(|line| reader.line(&line)) {
            // A header: what is left out needs it too.
            Ok(None) if reader.has_header() => work.reject(&raw)?,
            Ok(None) => {}
            Ok(Some(set)) => target.push(set),
            Err(cause) if options.keep_going && !reader.lacks_header() => {
                work.leave_out(work.lines.number(), &raw, &cause)?;
            }
            Err(wrong) => {
                target.flush(work)?;
                let line = work.lines.number();
                return Err(ImportError::Line { line, wrong, done: target.done });
            }
        }
        if is_full(target.group.len(), target.bytes) {
            target.flush(work)?;
        }
    }
    target.flush(work)?;
    work.end(target.done)
}

struct Target<'c> {
    journal: &'c Journal,
    last: u64,
    group: Vec<NewSet>,
    /// Of the signals in the group.
    bytes: usize,
    done: Done,
}

const fn is_full(lines: usize, bytes: usize) -> bool {
    lines >= GROUP || bytes >= GROUP_BYTES
}

impl Target<'_> {
    fn push(&mut self, set: NewSet) {
        self.bytes = self.bytes.saturating_add(set.raw.len());
        self.group.push(set);
    }

    fn flush(&mut self, work: &mut Work<'_>) -> Result<(), ImportError> {
        for accepted in self.journal.append(self.group.iter(), self.last)? {
            self.last = self.last.max(accepted.sequence);
            let Done { new, known } = &mut self.done;
            let counter = if accepted.new { new } else { known };
            *counter = counter.saturating_add(1);
        }
        self.group.clear();
        self.bytes = 0;
        work.progress.tell(&work.lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_has_a_hundred_thousand_lines_or_64_mib_of_them() {
        for (lines, bytes, full) in [
            (GROUP - 1, GROUP_BYTES - 1, false),
            (GROUP, 0, true),
            (1, GROUP_BYTES, true),
            (0, 0, false),
        ] {
            assert_eq!(is_full(lines, bytes), full, "{lines} lines, {bytes} bytes");
        }
    }
}
