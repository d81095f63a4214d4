//! Finds and removes entries that are old and decide nothing.
//!
//! # Order
//!
//! Entries are removed in the order of their events. A lifting fact wins over the older facts that
//! it lifts, so they are gone before it is: a crash in between cannot leave a journal that brings
//! a lifted state back when it is replayed.
//!
//! The last entry always stays: the next sequence follows it.

use std::collections::BinaryHeap;

use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
use rescind_core::record::Record;
use rescind_core::set::signal_id;
use rescind_core::time::UnixTime;

use super::{
    ACTIONS, Entry, Fault, Journal, JournalError, KeptSet, META, SETS, SIGNALS, TALLY, decode,
};

impl Journal {
    /// At most `limit` entries received before `before` whose records are not `needed`: those with
    /// the oldest events, in the order of their events.
    pub(crate) fn prunable(
        &self,
        before: UnixTime,
        limit: usize,
        needed: impl Fn(&[Record]) -> bool,
    ) -> Result<Vec<u64>, JournalError> {
        let last = self.last()?;
        self.with(|database| {
            let transaction = database.begin_read()?;
            let sets = transaction.open_table(SETS)?;
            let end = received_before(&sets, before, last)?;
            // The greatest is on top, and falls out.
            let mut oldest = BinaryHeap::new();
            for entry in transaction.open_table(ACTIONS)?.range(..end)? {
                let (sequence, bytes) = entry?;
                let sequence = sequence.value();
                let records = Entry::open(sequence, bytes.value(), &self.seal)?.records;
                if needed(&records) {
                    continue;
                }
                let at = records.first().map_or(UnixTime::from_secs(0), |record| record.fact.at);
                oldest.push((at, sequence));
                if oldest.len() > limit {
                    oldest.pop();
                }
            }
            Ok(oldest.into_sorted_vec().into_iter().map(|(_, sequence)| sequence).collect())
        })
    }

    /// Removes entries.
    pub(super) fn remove(&self, sequences: &[u64]) -> Result<(), JournalError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut meta = transaction.open_table(META)?;
                let mut signals = transaction.open_table(SIGNALS)?;
                let mut sets = transaction.open_table(SETS)?;
                let mut actions = transaction.open_table(ACTIONS)?;
                let mut tally = self.tally(&meta)?;
                for &sequence in sequences {
                    let (Some(set), Some(entry)) =
                        (sets.remove(sequence)?, actions.remove(sequence)?)
                    else {
                        continue;
                    };
                    let set = KeptSet::open(sequence, set.value(), entry.value(), &self.seal)?;
                    signals.remove(&signal_id(&set.issuer, &set.jti).0)?;
                    tally.remove(&Entry::open(sequence, entry.value(), &self.seal)?.tag);
                }
                meta.insert(TALLY, tally.seal(&self.seal).as_slice())?;
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// Makes the file as small as it can be. Says whether anything was won.
    pub(crate) fn compact(&mut self) -> Result<bool, JournalError> {
        let path = self.path.clone();
        let database = self.database.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let database = database.as_mut().ok_or(JournalError::Closed)?;
        let closed = |error: redb::CompactionError| match error {
            redb::CompactionError::Storage(error) => Fault::from(error).explain(&path),
            other => JournalError::Damaged { path: path.clone(), reason: other.to_string() },
        };
        database.compact().map_err(closed)
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> Result<u64, JournalError> {
        self.with(|database| Ok(database.begin_read()?.open_table(ACTIONS)?.len()?))
    }
}

/// The first sequence received at or after `before`, at most `last`. Sequences are in the order of
/// reception; should the clock have been set back, some entries stay a little longer or shorter.
fn received_before(
    sets: &impl redb::ReadableTable<u64, &'static [u8]>,
    before: UnixTime,
    last: u64,
) -> Result<u64, Fault> {
    let (mut low, mut high) = (0_u64, last);
    while low < high {
        let middle = low.midpoint(high);
        // The entry at or after the middle: there are holes where entries were removed.
        let (found, received_at) = match sets.range(middle..high)?.next() {
            None => {
                high = middle;
                continue;
            }
            Some(entry) => {
                let (sequence, set) = entry?;
                let received_at = decode(set.value()).map(|(received_at, ..)| received_at);
                let damaged = || Fault::Entry(sequence.value(), "its SET cannot be read");
                (sequence.value(), UnixTime::from_millis(received_at.ok_or_else(damaged)?))
            }
        };
        if received_at < before { low = found.saturating_add(1) } else { high = middle }
    }
    Ok(low)
}

#[cfg(test)]
mod tests;
