//! A page that was accepted and is being applied, in one step or several.

use crate::feed::{Gap, Page};
use crate::record::Record;
use crate::time::UnixTime;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) to: u64,
    pub(super) signed_at: UnixTime,
    pub(super) more: bool,
    pub(super) retention_secs: u32,
    pub(super) live: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) total: usize,
    records: Vec<Record>,
    done: usize,
}

impl Pending {
    pub(super) fn new(page: Page) -> Self {
        let mut records = page.records;
        // By key, that is by subject: whatever the number of pages, records of one page are neighbours.
        records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Self {
            to: page.to,
            signed_at: page.signed_at,
            more: page.more,
            retention_secs: page.retention_secs,
            live: page.live,
            gaps: page.gaps,
            total: records.len(),
            records,
            done: 0,
        }
    }

    /// What is not applied yet.
    pub(super) fn rest(&self) -> &[Record] {
        self.records.get(self.done..).unwrap_or_default()
    }

    pub(super) fn advance(&mut self, records: usize) {
        self.done = self.done.saturating_add(records);
    }
}
