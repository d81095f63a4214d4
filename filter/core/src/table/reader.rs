//! What a worker knows of the table: the last head it verified, and what it may conclude from it.
//!
//! A request costs one look at the head's pulse, which changes whenever the head is replaced; the head itself is read when
//! it did, and now and then, and compared with the last one by its bytes. A page that does not answer (absent,
//! damaged, another generation, older than announced, a hole) makes the look-up fail, and asks the leader for repair.
//! Nothing is ever taken for empty because it could not be read.
//!
//! Of each page that was read a worker keeps *marks*: a few bits of each subject's hash. While the page has not changed
//! since, by what heads announce, a subject without its bits there has no record, and the page need not be read for it.
//! That is the rule by which a token's own state stays valid from request to request, so it lets nothing pass that the
//! rule would not; and most new tokens cost no read at all.

use std::time::Duration;

use super::head::Head;
use super::page::{self, Header, Marks, index_of};
use super::seal::Names;
use super::writer::Repair;
use crate::feed::{Gap, issuer_digest};
use crate::record::{Record, SubjectHash};
use crate::shared::{SharedData, SharedDataError};
use crate::time::UnixTime;

/// Tries of a look-up while the table grows or is being written. Each one that fails saw another head than the last.
const MAX_TRIES: u32 = 4;

/// How often one worker asks for a repair: the leader reads one request per tick.
const REPAIR_INTERVAL: Duration = Duration::from_millis(200);

/// How long the pulse alone is believed. A leader that dies between the head and its pulse, or a neighbour that replaces
/// the head, is noticed after that.
const HEAD_INTERVAL: Duration = Duration::from_millis(100);

/// So many pages have marks, in 24 bytes each: enough for two million records, in 3 MiB.
const MAX_MARKED_PAGES: usize = 1 << 17;

/// One worker's view of the table. One per VM.
#[derive(Debug)]
pub struct TableReader {
    names: Names,
    /// The value last verified, and what it says.
    verified: Option<(Vec<u8>, Head)>,
    /// Whether `verified` is what shared data holds, as far as the last refresh saw.
    trusted: bool,
    /// The head's pulse before it was last read, and when that was.
    read: (Option<u32>, UnixTime),
    /// For each page the epoch of its latest known change: it must not be older, and state from before is not valid.
    changed: Vec<u64>,
    /// Every change after this epoch is in `changed`.
    complete_since: u64,
    /// For each page what was in it in which epoch; nothing if there are more pages than [`MAX_MARKED_PAGES`].
    marks: Vec<(u64, Marks)>,
    now: UnixTime,
    asked_for_repair: UnixTime,
}

/// Of no epoch.
const NO_MARKS: (u64, Marks) = (0, Marks::NONE);

/// What the head says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableStatus {
    /// There is no head that can be trusted, or it never saw a whole log.
    NeverSynchronized,
    /// The table can be read.
    Synced {
        /// It holds everything that the companion knew at this time.
        fresh_at: UnixTime,
        /// Rises with every change: while it stands, so does everything concluded from the table.
        epoch: u64,
        /// Raised when a key set in shared data changes.
        keys_version: u32,
        /// How long after an event the record of it is kept: tokens older than that cannot be judged.
        retention: Duration,
    },
}

/// Why a look-up has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TableUnavailable {
    /// There is no head that can be trusted.
    #[error("the state table is not synchronized")]
    NotSynchronized,
    /// A page cannot be trusted. The leader has been asked to repair it.
    #[error("page {index} of the state table is absent, damaged, rolled back or incomplete")]
    Page {
        /// Its number.
        index: u32,
    },
    /// The table changed faster than it could be read.
    #[error("the state table changed during {MAX_TRIES} look-ups")]
    Unsettled,
    /// The host failed.
    #[error(transparent)]
    SharedData(#[from] SharedDataError),
}

enum Fault {
    Damaged(u32),
    SharedData(SharedDataError),
}

impl TableReader {
    /// A reader of the table `scope`, whose values are sealed with `checksum_key`.
    pub fn new(scope: &str, checksum_key: [u8; 16]) -> Self {
        Self {
            names: Names::new(scope, checksum_key),
            verified: None,
            trusted: false,
            read: (None, UnixTime::EPOCH),
            changed: Vec::new(),
            complete_since: 0,
            marks: Vec::new(),
            now: UnixTime::EPOCH,
            asked_for_repair: UnixTime::EPOCH,
        }
    }

    /// Reads the head if it may be another than last time. To be called once for each request, before anything else is
    /// asked.
    pub fn refresh(&mut self, shared: &dyn SharedData, now: UnixTime) -> TableStatus {
        self.now = now;
        // Before the head: one that is replaced in between is read now and once more.
        let pulse = shared.pulse(&self.names.pulse);
        let (last_pulse, last_read) = self.read;
        let is_recent = last_read <= now && now.since(last_read) < HEAD_INTERVAL;
        if !(self.trusted && is_recent && pulse.is_some() && pulse == last_pulse) {
            self.trusted = self.read_head(shared);
            self.read = (pulse, now);
        }
        match &self.verified {
            Some((_, head)) if self.trusted && head.whole_since != 0 => TableStatus::Synced {
                fresh_at: head.fresh_at,
                epoch: head.epoch,
                keys_version: head.keys_version,
                retention: Duration::from_secs(u64::from(head.retention_secs)),
            },
            _ => TableStatus::NeverSynchronized,
        }
    }

    /// Since when signals about tokens of `issuer` may have been missed, as of the last refresh;
    /// nothing if that is not known to be so.
    pub fn gap(&self, issuer: &str) -> Option<UnixTime> {
        let (_, head) = self.verified.as_ref()?;
        if head.gaps.is_empty() {
            return None;
        }
        let concerned = [issuer_digest(issuer), issuer_digest(Gap::EVERYBODY)];
        let since = head.gaps.iter().filter(|(digest, _)| concerned.contains(digest));
        since.map(|(_, since)| UnixTime::from_secs(*since)).min()
    }

    /// Of how many issuers' tokens signals may have been missed, as of the last refresh; one that stands for all is one.
    pub fn gaps(&self) -> usize {
        self.verified.as_ref().map_or(0, |(_, head)| head.gaps.len())
    }

    /// The records filed under any of `subjects`, as of the last refresh or later.
    pub fn lookup(
        &mut self,
        shared: &dyn SharedData,
        subjects: &[SubjectHash],
    ) -> Result<Vec<Record>, TableUnavailable> {
        let mut subjects = subjects.to_vec();
        subjects.sort_unstable();
        for _ in 0..MAX_TRIES {
            let Some((_, head)) = self.verified.as_ref().filter(|_| self.trusted) else {
                return Err(TableUnavailable::NotSynchronized);
            };
            if head.whole_since == 0 {
                return Err(TableUnavailable::NotSynchronized);
            }
            let Some(log2) = head.log2 else { return Ok(Vec::new()) };
            let (epoch, generation) = (head.epoch, head.generation);
            match self.read_pages(shared, &subjects, log2) {
                Ok(records) => return Ok(records),
                Err(Fault::SharedData(error)) => return Err(error.into()),
                Err(Fault::Damaged(index)) => {
                    // The table may have grown since the head was read, and its old pages are empty now.
                    self.trusted = self.read_head(shared);
                    let head = self.verified.as_ref().filter(|_| self.trusted);
                    if head.is_some_and(|(_, head)| head.epoch == epoch) {
                        let floor = self.changed_at(index);
                        self.ask_for_repair(shared, Repair::Page { generation, index, floor });
                        return Err(TableUnavailable::Page { index });
                    }
                }
            }
        }
        Err(TableUnavailable::Unsettled)
    }

    /// Whether what was concluded about `subjects` in `epoch` may have changed, as of the last refresh.
    pub fn changed_since(&self, epoch: u64, subjects: &[SubjectHash]) -> bool {
        let Some((_, head)) = self.verified.as_ref().filter(|_| self.trusted) else { return true };
        if epoch < self.complete_since {
            return true;
        }
        let Some(log2) = head.log2 else { return false };
        subjects.iter().any(|subject| self.changed_at(index_of(subject, log2)) > epoch)
    }

    fn changed_at(&self, index: u32) -> u64 {
        usize::try_from(index).ok().and_then(|index| self.changed.get(index)).copied().unwrap_or(0)
    }

    fn note_change(&mut self, index: u32, epoch: u64) {
        if let Some(changed) =
            usize::try_from(index).ok().and_then(|index| self.changed.get_mut(index))
        {
            *changed = epoch.max(*changed);
        }
    }

    fn read_head(&mut self, shared: &dyn SharedData) -> bool {
        let Ok(Some(found)) = shared.get(&self.names.head) else { return false };
        if let Some((bytes, _)) = &self.verified
            && *bytes == found.value
        {
            return true;
        }
        let head = self.names.open(&self.names.head, &found.value).and_then(Head::decode);
        let Some(head) = head else { return false };
        let seen = self.verified.as_ref().map_or(0, |(_, head)| head.epoch);
        if head.epoch < seen {
            self.ask_for_repair(shared, Repair::Head { epoch: seen });
            return false;
        }
        self.accept(head, found.value);
        true
    }

    fn accept(&mut self, head: Head, bytes: Vec<u8>) {
        let known = self.verified.as_ref();
        if known.is_none_or(|(_, known)| known.generation != head.generation) {
            let pages = head.log2.map_or(0, |log2| 1_usize.checked_shl(log2.into()).unwrap_or(0));
            self.changed.clear();
            self.changed.resize(pages, 0);
            self.marks.clear();
            self.marks.resize(if pages <= MAX_MARKED_PAGES { pages } else { 0 }, NO_MARKS);
            self.complete_since = head.complete_since;
        } else if known.is_some_and(|(_, known)| known.epoch < head.complete_since) {
            self.complete_since = head.complete_since;
        }
        for (epoch, page) in &head.changes {
            self.note_change(*page, *epoch);
        }
        self.verified = Some((bytes, head));
    }

    fn read_pages(
        &mut self,
        shared: &dyn SharedData,
        subjects: &[SubjectHash],
        log2: u8,
    ) -> Result<Vec<Record>, Fault> {
        let mut found = Vec::new();
        for group in subjects.chunk_by(|a, b| index_of(a, log2) == index_of(b, log2)) {
            let Some(first) = group.first() else { continue };
            let index = index_of(first, log2);
            if self.has_nothing_about(index, group) {
                continue;
            }
            let (version, marks) = self.read_page(shared, index, group, &mut found)?;
            self.note_change(index, version);
            self.note_marks(index, marks);
        }
        Ok(found)
    }

    /// Whether the page is known to have no record about any of `subjects`, as of the last refresh.
    fn has_nothing_about(&self, index: u32, subjects: &[SubjectHash]) -> bool {
        let marks = usize::try_from(index).ok().and_then(|place| self.marks.get(place));
        marks.is_some_and(|(epoch, marks)| {
            *epoch >= self.complete_since.max(1)
                && *epoch >= self.changed_at(index)
                && !subjects.iter().any(|subject| marks.may_have(subject))
        })
    }

    fn note_marks(&mut self, index: u32, marks: Marks) {
        let epoch = self.verified.as_ref().map_or(0, |(_, head)| head.epoch);
        if let Some(entry) = usize::try_from(index).ok().and_then(|place| self.marks.get_mut(place))
        {
            *entry = (epoch, marks);
        }
    }

    /// Adds a page's records about `subjects` to `found`; its version, and marks of all that it has.
    fn read_page(
        &self,
        shared: &dyn SharedData,
        index: u32,
        subjects: &[SubjectHash],
        found: &mut Vec<Record>,
    ) -> Result<(u64, Marks), Fault> {
        let damaged = Fault::Damaged(index);
        let Some((_, head)) = &self.verified else { return Err(damaged) };
        let name = self.names.page(head.slot, index);
        let value = match shared.get(&name) {
            Ok(Some(value)) => value.value,
            Ok(None) => return Err(damaged),
            Err(error) => return Err(Fault::SharedData(error)),
        };
        let opened = self.names.open(&name, &value).and_then(Header::decode);
        let Some((header, rest)) = opened else { return Err(damaged) };
        if header.generation != head.generation
            || header.version < self.changed_at(index)
            || header.hole_at > head.whole_since
        {
            return Err(damaged);
        }
        let marks = page::find(rest, subjects, found).ok_or(damaged)?;
        Ok((header.version, marks))
    }

    fn ask_for_repair(&mut self, shared: &dyn SharedData, repair: Repair) {
        if self.now.since(self.asked_for_repair) < REPAIR_INTERVAL {
            return;
        }
        self.asked_for_repair = self.now;
        let value = self.names.seal(&self.names.repair, repair.encode());
        // If it gets lost, the next look-up asks again.
        let _ = shared.set(&self.names.repair, &value, None);
    }
}
