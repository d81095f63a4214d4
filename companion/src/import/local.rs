//! Into the journal itself, which no companion has open.

use rescind_core::subject::SubjectHasher;

use super::reader::{Readable, Reader};
use super::sets::Source;
use super::{Done, ImportError, Options, Work};
use crate::config::Config;
use crate::journal::{Journal, NewSet};

/// Lines in one transaction.
const GROUP: usize = 20_000;

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
        group: Vec::with_capacity(GROUP),
        done: Done::default(),
    };
    while let Some((raw, text)) = work.lines.next()? {
        match text.and_then(|line| reader.line(&line)) {
            // A header: what is left out needs it too.
            Ok(None) if reader.has_header() => work.reject(&raw)?,
            Ok(None) => {}
            Ok(Some(set)) => target.group.push(set),
            Err(cause) if options.keep_going && !reader.lacks_header() => {
                work.leave_out(work.lines.number(), &raw, &cause)?;
            }
            Err(wrong) => {
                target.flush(work)?;
                let line = work.lines.number();
                return Err(ImportError::Line { line, wrong, done: target.done });
            }
        }
        if target.group.len() >= GROUP {
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
    done: Done,
}

impl Target<'_> {
    fn flush(&mut self, work: &mut Work<'_>) -> Result<(), ImportError> {
        for accepted in self.journal.append(self.group.iter(), self.last)? {
            self.last = self.last.max(accepted.sequence);
            let Done { new, known } = &mut self.done;
            let counter = if accepted.new { new } else { known };
            *counter = counter.saturating_add(1);
        }
        self.group.clear();
        work.progress.tell(&work.lines);
        Ok(())
    }
}
