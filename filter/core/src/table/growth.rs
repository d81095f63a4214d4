//! Growing: every page of the present generation is split into pages of the other slot, in bounded steps.
//!
//! Records stay in order, so page `i` of `n` becomes the pages `i·f … i·f + f − 1` of `n·f`, and nothing else does.
//! What arrives meanwhile goes to the old page, and to the new ones if the old one is already split. The growth lives
//! in its leader's memory: if the leader dies, the next one claims another generation and starts again. A claim is
//! a fencing token: whoever meets a page of a higher generation in the way has been overtaken and stops.

use std::collections::BTreeMap;

use super::page::{Header, Page, index_of};
use super::writer::{WriteError, Writer, next_generation};
use crate::shared::SharedData;
use crate::time::UnixTime;

/// Records per page, on average, above which the table grows: at 39 bytes each about 1 KB per page, which a host
/// copies in 0.7 µs.
const MAX_LOAD: u64 = 24;

/// Records per page, on average, that a table is made for. Below 24, so that it need not grow soon; at 16 a record
/// costs 39 bytes and a sixteenth of a page's own 195 (154 of them Envoy's for a key): 51.
const PLANNED_LOAD: u64 = 16;

/// The smallest table has 256 pages (50 KB): fewer would make one signal touch the pages of too many cached tokens.
pub(super) const MIN_LOG2: u8 = 8;

/// The largest table has 1,048,576 pages: 25 million records.
const MAX_LOG2: u8 = 20;

/// A growth under way.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    pub(super) slot: u8,
    pub(super) log2: u8,
    pub(super) generation: u64,
    /// Pages of the present generation below this one are split.
    next: u32,
    /// New pages that were written again since, with their versions: the head has to say so, or a neighbour could
    /// put back what they were before.
    pub(super) rewritten: BTreeMap<u32, u64>,
}

impl Growth {
    pub(super) const fn has_split(&self, index: u32) -> bool {
        index < self.next
    }
}

impl Writer {
    /// Whether a table for `expected` records ought to have more pages, and how many; both as powers of two.
    pub(crate) fn wanted_growth(&self, expected: u64) -> Option<u8> {
        let planned = (self.min_log2..MAX_LOG2)
            .find(|log2| expected <= PLANNED_LOAD.checked_shl(u32::from(*log2)).unwrap_or(u64::MAX))
            .unwrap_or(MAX_LOG2);
        match self.head.log2 {
            None => Some(planned),
            Some(log2) => {
                let limit = MAX_LOAD.checked_shl(u32::from(log2)).unwrap_or(u64::MAX);
                (expected > limit && log2 < MAX_LOG2)
                    .then(|| planned.max(log2.saturating_add(2)).min(MAX_LOG2))
            }
        }
    }

    /// Whether a growth is under way.
    pub(crate) const fn is_growing(&self) -> bool {
        self.growth.is_some()
    }

    /// Claims a generation for 2^`log2` pages and begins to fill them.
    pub(crate) fn begin_growth(
        &mut self,
        shared: &dyn SharedData,
        log2: u8,
        now: UnixTime,
        random: u64,
    ) -> Result<(), WriteError> {
        let generation = next_generation(self.head.claimed, now, random);
        self.head.claimed = generation;
        self.commit(shared)?;
        self.growth = Some(Growth {
            slot: self.head.slot ^ 1,
            log2,
            generation,
            next: 0,
            rewritten: BTreeMap::new(),
        });
        Ok(())
    }

    /// Splits pages as far as `budget` allows. `true` once the head names the new generation.
    ///
    /// If a page turns out to be lost on the way, the draft says so and must be committed.
    pub(crate) fn grow(
        &mut self,
        shared: &dyn SharedData,
        budget: &mut usize,
    ) -> Result<bool, WriteError> {
        while let Some(growth) = self.growth.clone() {
            let factor_log2 = growth.log2.saturating_sub(self.head.log2.unwrap_or(growth.log2));
            let sources = 1_u32.checked_shl(self.head.log2.unwrap_or(growth.log2).into());
            if growth.next >= sources.unwrap_or(0) {
                self.flip(shared, &growth)?;
                return Ok(true);
            }
            if *budget == 0 {
                return Ok(false);
            }
            let source = if self.head.log2.is_some() {
                self.read_or_mend(shared, growth.next)?
            } else {
                let header = Header { version: self.head.epoch, ..Header::default() };
                Page { header, records: Vec::new() }
            };
            let first = growth.next.checked_shl(factor_log2.into()).unwrap_or(0);
            let targets = 1_u32.checked_shl(factor_log2.into()).unwrap_or(0);
            let mut rest = source.records.as_slice();
            for target in first..first.saturating_add(targets) {
                let end = rest.partition_point(|r| index_of(&r.key.subject, growth.log2) <= target);
                let (records, later) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                rest = later;
                let header = Header { generation: growth.generation, ..source.header };
                let page = Page { header, records: records.to_vec() };
                self.write_target(shared, growth.slot, target, &page)?;
                *budget = budget.saturating_sub(1);
            }
            if let Some(growth) = &mut self.growth {
                growth.next = growth.next.saturating_add(1);
            }
        }
        Ok(false)
    }

    fn flip(&mut self, shared: &dyn SharedData, growth: &Growth) -> Result<(), WriteError> {
        self.head.old_log2 = self.head.log2;
        self.head.log2 = Some(growth.log2);
        self.head.slot = growth.slot;
        self.head.generation = growth.generation;
        self.growth = None;
        self.clear_next = 0;
        self.touched_all = true;
        self.rewritten = growth.rewritten.iter().map(|(page, epoch)| (*epoch, *page)).collect();
        self.rewritten.sort_unstable();
        self.commit(shared)
    }

    fn write_target(
        &self,
        shared: &dyn SharedData,
        slot: u8,
        index: u32,
        page: &Page,
    ) -> Result<(), WriteError> {
        let name = self.names.page(slot, index);
        let found = shared.get(&name)?;
        let there = found
            .as_ref()
            .and_then(|found| self.names.open(&name, &found.value))
            .and_then(Header::decode);
        if there.is_some_and(|(header, _)| header.generation > page.header.generation) {
            return Err(WriteError::Contended);
        }
        let value = self.names.seal(&name, page.encode());
        let written = match found {
            Some(found) => shared.set(&name, &value, Some(found.cas)),
            // Not over a page that a successor has made meanwhile.
            None => shared.create(&name, &value),
        };
        Ok(written?)
    }

    /// Empties pages of the slot that was grown out of; hosts cannot delete keys. `true` if the draft says
    /// now that there are none left and must be committed.
    pub(crate) fn clear_old(
        &mut self,
        shared: &dyn SharedData,
        budget: &mut usize,
    ) -> Result<bool, WriteError> {
        let Some(old_log2) = self.head.old_log2.filter(|_| self.growth.is_none()) else {
            return Ok(false);
        };
        let end = 1_u32.checked_shl(old_log2.into()).unwrap_or(0);
        while self.clear_next < end && *budget > 0 {
            *budget = budget.saturating_sub(1);
            let name = self.names.page(self.head.slot ^ 1, self.clear_next);
            if let Some(found) = shared.get(&name)?.filter(|found| !found.value.is_empty()) {
                let there = self.names.open(&name, &found.value).and_then(Header::decode);
                if there.is_some_and(|(header, _)| header.generation > self.head.generation) {
                    return Err(WriteError::Contended);
                }
                shared.set(&name, &[], Some(found.cas))?;
            }
            self.clear_next = self.clear_next.saturating_add(1);
        }
        if self.clear_next < end {
            return Ok(false);
        }
        self.head.old_log2 = None;
        Ok(true)
    }
}
