//! The live records: the compacted log that the feed is served from.
//!
//! Each record is held once, at the sequence that last changed it. The records changed after any
//! sequence are therefore one stretch of one list, and a snapshot is the stretch from 0.
//!
//! Sized for a million records at some 130 bytes each: the hash index holds slot numbers, not keys,
//! and the list keeps the old place of a changed record until stale places outnumber live ones.
//!
//! What can be forgotten is dropped in small steps; gateways apply the same rule to their tables, so
//! forgetting needs no sequence and no page.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashTable;
use rescind_core::record::{Fact, Record, RecordKey};
use rescind_core::table::is_forgotten;
use rescind_core::time::UnixTime;
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// Bytes that a record takes in a page beside its conditions, at most (see the feed's format).
const RECORD_BYTES: usize = 64;
/// Bytes of one condition in a page.
const CONDITION_BYTES: usize = 17;

/// The live records, shared by the writer, the feed and the status page.
#[derive(Debug)]
pub(crate) struct LiveLog {
    live: Mutex<Live>,
    changed: watch::Sender<u64>,
}

/// A stretch of the log.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Stretch {
    /// Complete up to and including this sequence.
    pub(crate) to: u64,
    /// Whether the log goes on after `to`.
    pub(crate) more: bool,
    /// How many live records there are in all.
    pub(crate) live: usize,
    /// The live records last changed after the start and up to `to`.
    pub(crate) records: Vec<Record>,
}

impl LiveLog {
    /// An empty log that forgets revocations `retention` after their event.
    pub(crate) fn new(retention: Duration) -> Self {
        Self { live: Mutex::new(Live::new(retention)), changed: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies entries of the journal and wakes the followers that have not seen their changes.
    pub(crate) fn apply(
        &self,
        entries: impl IntoIterator<Item = (u64, Vec<Record>)>,
        now: UnixTime,
    ) {
        let changed = {
            let mut live = self.lock();
            for (sequence, records) in entries {
                live.apply(sequence, records, now);
            }
            live.changed
        };
        self.changed.send_if_modified(|known| std::mem::replace(known, changed) != changed);
    }

    /// The last sequence.
    pub(crate) fn head(&self) -> u64 {
        self.lock().head
    }

    /// How many live records there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().index.len()
    }

    /// The last sequence that changed a record.
    pub(crate) fn changed(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Tells of changes: the last sequence that changed a record.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What changed after `from`, at most `max_records` records and about `max_bytes` in a page.
    pub(crate) fn stretch(&self, from: u64, max_records: usize, max_bytes: usize) -> Stretch {
        self.lock().stretch(from, max_records, max_bytes)
    }

    /// Whether any of `records` is in force: the one that decides, of all that were ever said about
    /// the same.
    pub(crate) fn is_needed(&self, records: &[Record]) -> bool {
        let live = self.lock();
        records.iter().any(|record| live.fact(&record.key) == Some(&record.fact))
    }

    /// Looks at the next `count` records and drops those that can be forgotten.
    pub(crate) fn sweep(&self, count: usize, now: UnixTime) -> usize {
        self.lock().sweep(count, now)
    }
}

#[derive(Debug)]
struct Slot {
    record: Record,
    /// The sequence that last changed the record; 0 for a free slot.
    sequence: u64,
}

#[derive(Debug)]
struct Live {
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// (sequence, slot) in the order of sequences; stale where the slot has another sequence.
    order: VecDeque<(u64, u32)>,
    head: u64,
    changed: u64,
    swept: usize,
    retention: Duration,
}

impl Live {
    fn new(retention: Duration) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            order: VecDeque::new(),
            head: 0,
            changed: 0,
            swept: 0,
            retention,
        }
    }

    fn apply(&mut self, sequence: u64, records: Vec<Record>, now: UnixTime) {
        self.head = self.head.max(sequence);
        for record in records {
            // An old `account-enabled` still has to lift the `account-disabled` before it when the
            // journal is replayed; only facts that nothing else depends on may be skipped here.
            let independent = record.key.kind.is_about_the_past();
            if !(independent && is_forgotten(&record, self.retention, now)) {
                self.merge(sequence, record);
            }
        }
        let live = self.index.len();
        if self.order.len() > live.saturating_mul(2).saturating_add(1024) {
            let slots = &self.slots;
            self.order.retain(|(sequence, slot)| place(slots, *slot) == Some(*sequence));
        }
    }

    fn merge(&mut self, sequence: u64, record: Record) {
        let hash = self.hasher.hash_one(&record.key);
        let slots = &self.slots;
        let same = |slot: &u32| find(slots, *slot).is_some_and(|s| s.record.key == record.key);
        let slot = match self.index.find(hash, same).copied() {
            Some(slot) => {
                let Some(known) = usize::try_from(slot).ok().and_then(|at| self.slots.get_mut(at))
                else {
                    return;
                };
                let merged = known.record.fact.merge(record.fact);
                if merged == known.record.fact {
                    return;
                }
                known.record.fact = merged;
                known.sequence = sequence;
                slot
            }
            None => {
                let Some(slot) = self.occupy(Slot { record, sequence }) else { return };
                let (slots, hasher) = (&self.slots, &self.hasher);
                self.index.insert_unique(hash, slot, |slot| {
                    find(slots, *slot).map_or(0, |s| hasher.hash_one(&s.record.key))
                });
                slot
            }
        };
        self.changed = self.changed.max(sequence);
        self.order.push_back((sequence, slot));
    }

    fn fact(&self, key: &RecordKey) -> Option<&Fact> {
        let hash = self.hasher.hash_one(key);
        let same = |slot: &u32| find(&self.slots, *slot).is_some_and(|s| s.record.key == *key);
        let slot = self.index.find(hash, same)?;
        find(&self.slots, *slot).map(|slot| &slot.record.fact)
    }

    /// Puts `new` into a free slot. `None` only beyond 2^32 records, which memory ends long before.
    fn occupy(&mut self, new: Slot) -> Option<u32> {
        if let Some(free) = self.free.pop() {
            *self.slots.get_mut(usize::try_from(free).ok()?)? = new;
            return Some(free);
        }
        let slot = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(new);
        Some(slot)
    }

    fn stretch(&self, from: u64, max_records: usize, max_bytes: usize) -> Stretch {
        let start = self.order.partition_point(|(sequence, _)| *sequence <= from);
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0_usize;
        // All records of one sequence stand in one page: (sequence, records before it).
        let mut current = (from, 0);
        for (sequence, slot) in self.order.range(start..) {
            let Some(found) = find(&self.slots, *slot).filter(|s| s.sequence == *sequence) else {
                continue;
            };
            if *sequence != current.0 {
                current = (*sequence, records.len());
            }
            let size = found.record.key.conditions.len().saturating_mul(CONDITION_BYTES);
            bytes = bytes.saturating_add(size).saturating_add(RECORD_BYTES);
            if (records.len() >= max_records || bytes > max_bytes) && current.1 > 0 {
                records.truncate(current.1);
                let to = current.0.saturating_sub(1);
                return Stretch { to, more: true, live: self.index.len(), records };
            }
            records.push(found.record.clone());
        }
        Stretch { to: self.head.max(from), more: false, live: self.index.len(), records }
    }

    fn sweep(&mut self, count: usize, now: UnixTime) -> usize {
        let mut dropped = 0_usize;
        for _ in 0..count.min(self.slots.len()) {
            let at = self.swept.checked_rem(self.slots.len()).unwrap_or(0);
            self.swept = at.saturating_add(1);
            let Some(slot) = self.slots.get_mut(at) else { break };
            if slot.sequence == 0 || !is_forgotten(&slot.record, self.retention, now) {
                continue;
            }
            let Ok(number) = u32::try_from(at) else { continue };
            let hash = self.hasher.hash_one(&slot.record.key);
            if let Ok(entry) = self.index.find_entry(hash, |slot| *slot == number) {
                entry.remove();
            }
            slot.sequence = 0;
            slot.record.key.conditions = Vec::new();
            self.free.push(number);
            dropped = dropped.saturating_add(1);
        }
        dropped
    }
}

fn find(slots: &[Slot], slot: u32) -> Option<&Slot> {
    slots.get(usize::try_from(slot).ok()?)
}

fn place(slots: &[Slot], slot: u32) -> Option<u64> {
    find(slots, slot).map(|slot| slot.sequence)
}
