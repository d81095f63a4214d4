//! Going round the table, a few pages at a time, to drop what no token is old enough for any more.
//!
//! It repairs nothing and announces nothing: a dropped record could only refuse tokens that are refused for their age.

use std::time::Duration;

use super::{Fault, WriteError, Writer};
use crate::shared::SharedData;
use crate::table::is_forgotten;
use crate::time::UnixTime;

/// Where the sweep for forgotten records is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) next: u32,
    /// Records seen since the sweep began, as long as nothing else changed the table.
    pub(super) counted: Option<u64>,
}

impl Writer {
    /// Drops forgotten records of the next `pages` pages. Returns how many, and whether the round is complete.
    pub(crate) fn sweep(
        &mut self,
        shared: &dyn SharedData,
        pages: u32,
        now: UnixTime,
    ) -> Result<(u64, bool), WriteError> {
        let Some(log2) = self.head.log2.filter(|_| self.growth.is_none()) else {
            return Ok((0, true));
        };
        let retention = Duration::from_secs(u64::from(self.head.retention_secs));
        let count = 1_u32.checked_shl(log2.into()).unwrap_or(0);
        if self.sweep.next == 0 {
            self.sweep.counted = Some(0);
        }
        let mut dropped = 0_u64;
        for _ in 0..pages {
            let index = self.sweep.next;
            if index >= count {
                break;
            }
            self.sweep.next = index.saturating_add(1);
            let (mut page, cas) =
                match self.read(shared, self.head.slot, index, self.head.generation) {
                    Ok(read) => read,
                    // The sweep repairs nothing: whoever needs the page asks for it.
                    Err(Fault::Damaged(_)) => continue,
                    Err(Fault::Write(error)) => return Err(error),
                };
            let before = page.records.len();
            page.records.retain(|record| !is_forgotten(record, retention, now));
            let kept = page.records.len();
            if kept < before {
                // Not announced: a token that this could refuse is refused for its age.
                self.write(shared, self.head.slot, index, &page, cas)?;
                let gone = u64::try_from(before.saturating_sub(kept)).unwrap_or_default();
                dropped = dropped.saturating_add(gone);
            }
            let kept = u64::try_from(kept).unwrap_or_default();
            self.sweep.counted = self.sweep.counted.map(|counted| counted.saturating_add(kept));
        }
        self.head.records = self.head.records.saturating_sub(dropped);
        let complete = self.sweep.next >= count;
        if complete {
            self.sweep.next = 0;
            if let Some(counted) = self.sweep.counted.take() {
                self.head.records = counted;
            }
        }
        Ok((dropped, complete))
    }
}
