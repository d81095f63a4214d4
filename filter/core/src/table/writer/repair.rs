//! Mending what somebody else broke: a page that cannot be trusted becomes a hole, and the log is read again.
//!
//! Readers find the damage and ask, through one key of shared data; the leader looks for itself before it acts.
//! Nothing is taken from a damaged value, and nothing is ever reported as mended before the pass is complete.

use super::{Fault, Header, Page, WriteError, Writer};
use crate::shared::SharedData;

/// What a reader asks the leader for. Sealed: strangers can repeat one, which has no effect, but not make one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::table) enum Repair {
    /// The head is older than `epoch`, which was seen before.
    Head { epoch: u64 },
    /// The page cannot be read, or is older than `floor`, or a hole.
    Page { generation: u64, index: u32, floor: u64 },
}

impl Writer {
    /// Does what a reader asked for. `Some` if the draft was changed and must be committed.
    pub(crate) fn repair(&mut self, shared: &dyn SharedData) -> Result<Option<()>, WriteError> {
        let Some(found) = shared.get(&self.names.repair)?.filter(|found| !found.value.is_empty())
        else {
            return Ok(None);
        };
        let request = self.names.open(&self.names.repair, &found.value).and_then(Repair::decode);
        // Done or not: if it is still needed, it will be asked for again.
        shared.set(&self.names.repair, &[], None)?;
        match request {
            Some(Repair::Head { epoch }) if epoch >= self.head.epoch => {
                self.head.epoch = epoch;
                self.touched_all = true;
                Ok(Some(()))
            }
            Some(Repair::Page { generation, index, floor })
                if generation == self.head.generation
                    && self.head.log2.is_some_and(|log2| u64::from(index) >> log2 == 0) =>
            {
                self.repair_page(shared, index, floor)
            }
            _ => Ok(None),
        }
    }

    fn repair_page(
        &mut self,
        shared: &dyn SharedData,
        index: u32,
        floor: u64,
    ) -> Result<Option<()>, WriteError> {
        match self.read(shared, self.head.slot, index, self.head.generation) {
            Ok((page, _)) if page.header.version >= floor => {
                let hole_at = page.header.hole_at;
                if hole_at <= self.head.whole_since
                    || (self.head.pass_started != 0 && hole_at <= self.head.pass_started)
                {
                    return Ok(None);
                }
                self.head.begin_pass();
            }
            Ok((_, cas)) => self.make_hole(shared, index, Some(cas), floor)?,
            Err(Fault::Damaged(cas)) => self.make_hole(shared, index, cas, floor)?,
            Err(Fault::Write(error)) => return Err(error),
        }
        Ok(Some(()))
    }

    /// Replaces a lost page by a hole and begins the pass over the log that fills it.
    pub(super) fn make_hole(
        &mut self,
        shared: &dyn SharedData,
        index: u32,
        cas: Option<u32>,
        floor: u64,
    ) -> Result<(), WriteError> {
        // The page may be fine and only this writer's head out of date: somebody else grew the table meanwhile.
        let head = shared.get(&self.names.head)?;
        if head.map(|head| head.cas) != self.cas {
            return Err(WriteError::Contended);
        }
        let hole_at = self.head.epoch.saturating_add(1);
        let header =
            Header { generation: self.head.generation, version: hole_at.max(floor), hole_at };
        let name = self.names.page(self.head.slot, index);
        let value = self.names.seal(&name, Page { header, records: Vec::new() }.encode());
        shared.set(&name, &value, cas)?;
        self.head.begin_pass();
        self.touched.push(index);
        self.holes = self.holes.saturating_add(1);
        Ok(())
    }
}

impl Repair {
    pub(in crate::table) fn encode(self) -> Vec<u8> {
        let (tag, numbers) = match self {
            Self::Head { epoch } => (0, [epoch, 0, 0]),
            Self::Page { generation, index, floor } => (1, [generation, u64::from(index), floor]),
        };
        let mut bytes = vec![tag];
        for number in numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let ([first, second, third], []) = rest.as_chunks() else { return None };
        let [first, second, third] = [first, second, third].map(|bytes| u64::from_be_bytes(*bytes));
        match tag {
            0 => Some(Self::Head { epoch: first }),
            1 => Some(Self::Page {
                generation: first,
                index: u32::try_from(second).ok()?,
                floor: third,
            }),
            _ => None,
        }
    }
}
