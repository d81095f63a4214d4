//! The leader's hand: changes pages, then the head. See [`super`] for why this order loses nothing.
//!
//! Every step begins with [`Writer::load`] and ends with [`Writer::commit`]. In between, `head` is a draft. Whenever
//! somebody else turns out to have written, the draft and everything half-done (a growth) is dropped, and the next
//! step starts from what shared data says. Nothing is retried blindly.

mod repair;
mod sweep;

use super::growth::Growth;
use super::head::Head;
use super::page::{Header, Page, index_of};
use super::seal::Names;
use crate::record::Record;
use crate::shared::{SharedData, SharedDataError};
use crate::time::UnixTime;
pub(super) use repair::Repair;
use sweep::Sweep;

/// Tries to replace a page that somebody else writes as well. Two leaders meet for one step, not longer.
const MAX_TRIES: u32 = 3;

/// Pages lost within one pass before the table is made anew: rather refuse everything until the log has been read
/// once more than mend thousands of pages one by one.
const MAX_HOLES: u32 = 16;

/// The leader's view of the table.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) names: Names,
    /// The head as it was last read or written.
    known: Option<Head>,
    /// The number to replace it with.
    cas: Option<u32>,
    /// The head to be written next.
    pub(crate) head: Head,
    /// Pages changed since the last commit.
    pub(super) touched: Vec<u32>,
    /// Whether everything changed since the last commit.
    pub(super) touched_all: bool,
    /// See [`Growth`].
    pub(super) rewritten: Vec<(u64, u32)>,
    pub(super) growth: Option<Growth>,
    /// Next page of the other slot to be emptied.
    pub(super) clear_next: u32,
    sweep: Sweep,
    holes: u32,
    /// For each page the epoch of its latest known change: an older one was put back by somebody.
    floors: Vec<u64>,
    /// The smallest table: tests make it smaller.
    pub(crate) min_log2: u8,
}

/// What [`Writer::load`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loaded {
    /// What this writer wrote or read last.
    Same,
    /// Somebody else's newer head.
    Newer,
    /// None: a new table was made.
    Created,
    /// One that is damaged or older than one seen before: the one last seen was put back, or a new table made.
    Restored,
}

/// Why a step was broken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WriteError {
    /// Somebody else is writing.
    #[error("another worker writes the state table")]
    Contended,
    /// The host failed.
    #[error(transparent)]
    SharedData(SharedDataError),
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// Records applied, in the order given.
    pub(crate) records: usize,
    /// A page turned out to be lost; the pass over the log begins again.
    pub(crate) hole: Option<u32>,
}

enum Fault {
    /// Absent, damaged or of another generation; with the number to replace it.
    Damaged(Option<u32>),
    Write(WriteError),
}

impl From<SharedDataError> for WriteError {
    fn from(error: SharedDataError) -> Self {
        match error {
            SharedDataError::CasMismatch => Self::Contended,
            SharedDataError::Unavailable { .. } => Self::SharedData(error),
        }
    }
}

impl From<SharedDataError> for Fault {
    fn from(error: SharedDataError) -> Self {
        Self::Write(error.into())
    }
}

impl Writer {
    pub(crate) fn new(names: Names) -> Self {
        Self {
            names,
            known: None,
            cas: None,
            head: Head::default(),
            touched: Vec::new(),
            touched_all: false,
            rewritten: Vec::new(),
            growth: None,
            clear_next: 0,
            sweep: Sweep::default(),
            holes: 0,
            floors: Vec::new(),
            min_log2: super::growth::MIN_LOG2,
        }
    }

    /// Reads the head and makes it the draft; makes or restores one where there is none to be trusted.
    pub(crate) fn load(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> Result<Loaded, WriteError> {
        self.touched.clear();
        self.touched_all = false;
        let found = shared.get(&self.names.head)?.filter(|found| !found.value.is_empty());
        let Some(found) = found else {
            self.create(shared, now, random)?;
            return Ok(Loaded::Created);
        };
        self.cas = Some(found.cas);
        let head = self.names.open(&self.names.head, &found.value).and_then(Head::decode);
        let head =
            head.filter(|head| self.known.as_ref().is_none_or(|known| known.epoch <= head.epoch));
        let Some(head) = head else {
            if let Some(known) = self.known.clone() {
                // Whatever else was said in between is lost, so anything may have changed.
                self.head = known;
                self.growth = None;
                self.touched_all = true;
                self.commit(shared)?;
            } else {
                self.create(shared, now, random)?;
            }
            return Ok(Loaded::Restored);
        };
        self.head = head.clone();
        if self.known.as_ref() == Some(&head) {
            return Ok(Loaded::Same);
        }
        self.growth = None;
        self.clear_next = 0;
        self.sweep.counted = None;
        self.note_changes(&head);
        self.known = Some(head);
        Ok(Loaded::Newer)
    }

    /// Whether there is a head that can be trusted.
    pub(crate) fn finds_head(&self, shared: &dyn SharedData) -> bool {
        let Ok(Some(found)) = shared.get(&self.names.head) else { return false };
        self.names.open(&self.names.head, &found.value).and_then(Head::decode).is_some()
    }

    /// Looks at the head without leading, so as to know what was announced when it comes to that.
    pub(crate) fn observe(&mut self, shared: &dyn SharedData) {
        let Ok(Some(found)) = shared.get(&self.names.head) else { return };
        let head = self.names.open(&self.names.head, &found.value).and_then(Head::decode);
        if let Some(head) = head
            && self.known.as_ref().is_none_or(|known| known.epoch < head.epoch)
        {
            self.note_changes(&head);
            self.known = Some(head);
        }
    }

    /// Learns from `head` how old each page may be at most. `known` is the head before.
    fn note_changes(&mut self, head: &Head) {
        if self.known.as_ref().is_none_or(|known| known.generation != head.generation) {
            let pages = head.log2.map_or(0, |log2| 1_usize.checked_shl(log2.into()).unwrap_or(0));
            self.floors.clear();
            self.floors.resize(pages, 0);
        }
        for (epoch, page) in &head.changes {
            if let Some(floor) =
                usize::try_from(*page).ok().and_then(|page| self.floors.get_mut(page))
            {
                *floor = (*floor).max(*epoch);
            }
        }
    }

    /// Starts again with an empty table that never was synchronized.
    pub(crate) fn create(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> Result<(), WriteError> {
        let known = self.known.clone().unwrap_or_default();
        let epoch = now.millis().max(known.epoch.saturating_add(1));
        let generation = next_generation(known.claimed, now, random);
        self.head = Head::new(epoch, generation, now);
        self.head.keys_version = self.head.keys_version.max(known.keys_version.saturating_add(1));
        self.growth = None;
        self.sweep = Sweep::default();
        self.holes = 0;
        // Unconditionally, as nobody can create exclusively. Of two that do it at the same time the last one wins;
        // the other's first commit fails.
        self.write_head(shared, None)
    }

    /// Writes the draft, announcing what was touched.
    pub(crate) fn commit(&mut self, shared: &dyn SharedData) -> Result<(), WriteError> {
        self.touched.sort_unstable();
        self.touched.dedup();
        let touched = std::mem::take(&mut self.touched);
        self.head.announce(&touched);
        if std::mem::take(&mut self.touched_all) {
            self.head.announce_everything();
            self.head.list(&std::mem::take(&mut self.rewritten));
        }
        let written = self.write_head(shared, self.cas);
        if written.is_err() {
            self.give_up();
        }
        written
    }

    fn write_head(&mut self, shared: &dyn SharedData, cas: Option<u32>) -> Result<(), WriteError> {
        let value = self.names.seal(&self.names.head, self.head.encode());
        shared.set(&self.names.head, &value, cas)?;
        shared.beat(&self.names.pulse);
        let head = self.head.clone();
        self.note_changes(&head);
        self.known = Some(head);
        // The number of what was just written, unless somebody was quicker.
        match shared.get(&self.names.head)? {
            Some(found) if found.value == value => {
                self.cas = Some(found.cas);
                Ok(())
            }
            _ => Err(WriteError::Contended),
        }
    }

    /// Drops the draft and what is half-done.
    pub(crate) fn give_up(&mut self) {
        self.growth = None;
        self.rewritten.clear();
        self.sweep.counted = None;
        self.touched.clear();
        self.touched_all = false;
    }

    /// Merges as many of `records` (sorted by key) into their pages as `budget` allows. There must be pages.
    pub(crate) fn apply(
        &mut self,
        shared: &dyn SharedData,
        records: &[Record],
        budget: &mut usize,
    ) -> Result<Progress, WriteError> {
        let mut progress = Progress::default();
        let Some(log2) = self.head.log2 else { return Ok(progress) };
        self.sweep.counted = None;
        let same_page = |a: &Record, b: &Record| {
            index_of(&a.key.subject, log2) == index_of(&b.key.subject, log2)
        };
        for group in records.chunk_by(same_page) {
            if *budget == 0 {
                break;
            }
            *budget = budget.saturating_sub(1);
            let Some(first) = group.first() else { continue };
            let index = index_of(&first.key.subject, log2);
            match self.merge_into(shared, self.head.slot, index, self.head.generation, group) {
                Ok(new) => self.head.records = self.head.records.saturating_add(new),
                Err(Fault::Write(error)) => return Err(error),
                Err(Fault::Damaged(cas)) => {
                    self.make_hole(shared, index, cas, 0)?;
                    progress.hole = Some(index);
                    return Ok(progress);
                }
            }
            self.merge_into_growth(shared, index, group, budget)?;
            self.touched.push(index);
            progress.records = progress.records.saturating_add(group.len());
        }
        Ok(progress)
    }

    /// Whether the draft differs from the head in shared data.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.touched.is_empty() || self.touched_all || self.known.as_ref() != Some(&self.head)
    }

    /// Whether the table has pages.
    pub(crate) fn has_pages(&self) -> bool {
        self.head.log2.is_some()
    }

    /// So many pages were lost that the table had better be made anew.
    pub(crate) fn is_beyond_repair(&self) -> bool {
        self.holes >= MAX_HOLES
    }

    /// The pass over the log is complete.
    pub(crate) fn complete_pass(&mut self) {
        if self.head.pass_started != 0 {
            self.head.whole_since = self.head.whole_since.max(self.head.pass_started);
            self.head.pass_started = 0;
            self.holes = 0;
        }
    }

    /// Merges `records` into one page and writes it, whether that changes it or not.
    fn merge_into(
        &self,
        shared: &dyn SharedData,
        slot: u8,
        index: u32,
        generation: u64,
        records: &[Record],
    ) -> Result<u64, Fault> {
        for _ in 0..MAX_TRIES {
            let (mut page, cas) = self.read(shared, slot, index, generation)?;
            let new = page.merge(records);
            page.header.version = page.header.version.max(self.head.epoch.saturating_add(1));
            match self.write(shared, slot, index, &page, cas) {
                Ok(()) => return Ok(new),
                Err(WriteError::Contended) => {}
                Err(error) => return Err(Fault::Write(error)),
            }
        }
        Err(Fault::Write(WriteError::Contended))
    }

    /// Keeps the pages that a growth has already split up to date. A failure ends the growth, not the step.
    fn merge_into_growth(
        &mut self,
        shared: &dyn SharedData,
        index: u32,
        records: &[Record],
        budget: &mut usize,
    ) -> Result<(), WriteError> {
        let Some(growth) = self.growth.as_ref().filter(|growth| growth.has_split(index)) else {
            return Ok(());
        };
        let (slot, log2, generation) = (growth.slot, growth.log2, growth.generation);
        let same_page = |a: &Record, b: &Record| {
            index_of(&a.key.subject, log2) == index_of(&b.key.subject, log2)
        };
        for group in records.chunk_by(same_page) {
            *budget = budget.saturating_sub(1);
            let Some(first) = group.first() else { continue };
            let target = index_of(&first.key.subject, log2);
            match self.merge_into(shared, slot, target, generation, group) {
                Ok(_) => {
                    let version = self.head.epoch.saturating_add(1);
                    if let Some(growth) = &mut self.growth {
                        growth.rewritten.insert(target, version);
                    }
                }
                Err(Fault::Write(error @ WriteError::SharedData(_))) => return Err(error),
                Err(_) => {
                    self.growth = None;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads a page for changing it; for growing, see [`super::growth`].
    fn read(
        &self,
        shared: &dyn SharedData,
        slot: u8,
        index: u32,
        generation: u64,
    ) -> Result<(Page, u32), Fault> {
        let name = self.names.page(slot, index);
        let Some(found) = shared.get(&name)? else { return Err(Fault::Damaged(None)) };
        let floor = self.floor(index, generation);
        self.names
            .open(&name, &found.value)
            .and_then(Page::decode)
            .filter(|page| page.header.generation == generation && page.header.version >= floor)
            .map(|page| (page, found.cas))
            .ok_or(Fault::Damaged(Some(found.cas)))
    }

    /// How old a page may be at most.
    fn floor(&self, index: u32, generation: u64) -> u64 {
        let floor = if generation == self.head.generation {
            usize::try_from(index).ok().and_then(|index| self.floors.get(index))
        } else {
            self.growth.as_ref().and_then(|growth| growth.rewritten.get(&index))
        };
        floor.copied().unwrap_or(0)
    }

    /// Reads a page of the present generation; if it is lost, makes a hole of it first.
    pub(super) fn read_or_mend(
        &mut self,
        shared: &dyn SharedData,
        index: u32,
    ) -> Result<Page, WriteError> {
        match self.read(shared, self.head.slot, index, self.head.generation) {
            Ok((page, _)) => Ok(page),
            Err(Fault::Write(error)) => Err(error),
            Err(Fault::Damaged(cas)) => {
                self.make_hole(shared, index, cas, 0)?;
                let hole_at = self.head.epoch.saturating_add(1);
                let header = Header { generation: self.head.generation, version: hole_at, hole_at };
                Ok(Page { header, records: Vec::new() })
            }
        }
    }

    fn write(
        &self,
        shared: &dyn SharedData,
        slot: u8,
        index: u32,
        page: &Page,
        cas: u32,
    ) -> Result<(), WriteError> {
        let name = self.names.page(slot, index);
        let value = self.names.seal(&name, page.encode());
        Ok(shared.set(&name, &value, Some(cas))?)
    }
}

/// A generation above `claimed` that nobody else can come up with.
pub(super) fn next_generation(claimed: u64, now: UnixTime, random: u64) -> u64 {
    let counter = (claimed >> 32).saturating_add(1).max(now.secs()).min(u64::from(u32::MAX));
    (counter << 32) | (random & 0xffff_ffff)
}
