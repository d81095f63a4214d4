//! The head: the one small value that each request reads.
//!
//! It says which generation of pages is true, how far the log is applied and how fresh that is, and which pages
//! changed lately, so that a worker's cached state stays valid while none of its pages changed. Its epoch rises with
//! every write and never falls, not even when shared data was wiped: a new table starts at the clock's milliseconds.

use crate::feed::LogId;
use crate::time::UnixTime;

/// The version of this form.
const FORM: u8 = 2;

/// Says that there are no pages.
const NONE: u8 = u8::MAX;

/// Most changed pages listed. With 8 bytes for each, and 16 for each gap, the head stays below 768 bytes; at 100 signals a second, each
/// filed under one key, a worker that looks every 0.4 s misses none.
pub(super) const MAX_CHANGES: usize = 48;

/// See the module's documentation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Head {
    /// Rises with every write.
    pub(crate) epoch: u64,
    /// Which pages count. The upper half rises, the lower half is random: no two claims are equal.
    pub(super) generation: u64,
    /// The highest generation that a leader has claimed for growing.
    pub(super) claimed: u64,
    /// Where the pages are: 0 or 1.
    pub(super) slot: u8,
    /// There are 2^`log2` pages, or none at all, which only a table that never had a record can have.
    pub(super) log2: Option<u8>,
    /// The other slot may still hold 2^`old_log2` pages of an older generation, to be emptied.
    pub(super) old_log2: Option<u8>,
    /// The log that is followed, once one is known.
    pub(crate) log: Option<LogId>,
    /// Up to where it is applied.
    pub(crate) cursor: u64,
    /// The epoch in which the present pass over the log began at its start; zero if none is under way.
    pub(crate) pass_started: u64,
    /// The epoch in which the last complete pass began; zero if there was none: never synchronized.
    pub(crate) whole_since: u64,
    /// The table holds everything that the companion knew at this time.
    pub(crate) fresh_at: UnixTime,
    /// For how long after an event the record of it is kept.
    pub(crate) retention_secs: u32,
    /// About how many records there are.
    pub(crate) records: u64,
    /// Raised when a key set in shared data changes.
    pub(crate) keys_version: u32,
    /// Issuers about whose tokens signals may have been missed, and since which second.
    pub(crate) gaps: Vec<([u8; 8], u64)>,
    /// Every change after this epoch is listed in `changes`.
    pub(super) complete_since: u64,
    /// Epoch and page, oldest first.
    pub(super) changes: Vec<(u64, u32)>,
}

impl Head {
    /// A new table without pages, never synchronized, whose pass over the log begins.
    pub(super) fn new(epoch: u64, generation: u64, now: UnixTime) -> Self {
        Self {
            epoch,
            generation,
            claimed: generation,
            pass_started: epoch,
            // Key sets may have changed while there was no head to say so.
            keys_version: u32::try_from(now.secs() & 0xffff_ffff).unwrap_or_default(),
            complete_since: epoch,
            ..Self::default()
        }
    }

    /// Raises the epoch and announces that `pages` changed.
    pub(super) fn announce(&mut self, pages: &[u32]) {
        self.epoch = self.epoch.saturating_add(1);
        if pages.len() > MAX_CHANGES {
            self.announce_everything();
            return;
        }
        self.changes.extend(pages.iter().map(|page| (self.epoch, *page)));
        let surplus = self.changes.len().saturating_sub(MAX_CHANGES);
        for (epoch, _) in self.changes.drain(..surplus) {
            self.complete_since = self.complete_since.max(epoch);
        }
    }

    /// Announces, in the present epoch, that any page may have changed.
    pub(super) fn announce_everything(&mut self) {
        self.changes.clear();
        self.complete_since = self.epoch;
    }

    /// Lists versions of pages that must not be older, as many of the latest as there is room for.
    pub(super) fn list(&mut self, changes: &[(u64, u32)]) {
        let room = MAX_CHANGES.saturating_sub(self.changes.len());
        self.changes.extend_from_slice(
            changes.get(changes.len().saturating_sub(room)..).unwrap_or_default(),
        );
    }

    /// Begins a pass over the whole log, in the epoch that the next write announces.
    pub(crate) fn begin_pass(&mut self) {
        self.cursor = 0;
        self.pass_started = self.epoch.saturating_add(1);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(FORM);
        for number in [self.epoch, self.generation, self.claimed] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.push(self.slot);
        bytes.push(self.log2.unwrap_or(NONE));
        bytes.push(self.old_log2.unwrap_or(NONE));
        bytes.push(u8::from(self.log.is_some()));
        bytes.extend_from_slice(&self.log.unwrap_or_default().0);
        for number in [
            self.cursor,
            self.pass_started,
            self.whole_since,
            self.fresh_at.millis(),
            self.records,
            self.complete_since,
        ] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.retention_secs.to_be_bytes());
        bytes.extend_from_slice(&self.keys_version.to_be_bytes());
        bytes.push(u8::try_from(self.gaps.len()).unwrap_or(u8::MAX));
        for (issuer, since) in &self.gaps {
            bytes.extend_from_slice(issuer);
            bytes.extend_from_slice(&since.to_be_bytes());
        }
        for (epoch, page) in &self.changes {
            let age = u32::try_from(self.epoch.saturating_sub(*epoch)).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&age.to_be_bytes());
            bytes.extend_from_slice(&page.to_be_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let [form] = input.take()?;
        if form != FORM {
            return None;
        }
        let (epoch, generation, claimed) = (input.u64()?, input.u64()?, input.u64()?);
        let [slot, log2, old_log2, has_log] = input.take()?;
        let log = LogId(input.take()?);
        let (cursor, pass_started, whole_since) = (input.u64()?, input.u64()?, input.u64()?);
        let (fresh_at, records, complete_since) = (input.u64()?, input.u64()?, input.u64()?);
        let (retention_secs, keys_version) = (input.u32()?, input.u32()?);
        let [count] = input.take()?;
        let gaps =
            (0..count).map(|_| Some((input.take()?, input.u64()?))).collect::<Option<_>>()?;
        let mut changes = Vec::with_capacity(MAX_CHANGES);
        while !input.0.is_empty() {
            let age = u64::from(input.u32()?);
            changes.push((epoch.saturating_sub(age), input.u32()?));
        }
        Some(Self {
            epoch,
            generation,
            claimed,
            slot,
            log2: (log2 != NONE).then_some(log2),
            old_log2: (old_log2 != NONE).then_some(old_log2),
            log: (has_log == 1).then_some(log),
            cursor,
            pass_started,
            whole_since,
            fresh_at: UnixTime::from_millis(fresh_at),
            retention_secs,
            records,
            keys_version,
            gaps,
            complete_since,
            changes,
        })
    }
}

/// Bytes taken from the front.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
}
