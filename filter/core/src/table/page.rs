//! One page: the records whose subjects' hashes begin with the page's number, sorted, each once.
//!
//! 25 bytes of header (form, generation, version, hole), then 39 bytes for each record without conditions, then the
//! seal. Slot and index are not written: the seal covers the key's name.

use crate::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId, SubjectHash};
use crate::time::UnixTime;

/// The version of this form.
const FORM: u8 = 1;

/// The decoded page.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Page {
    pub(super) header: Header,
    pub(super) records: Vec<Record>,
}

/// What a page says about itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Header {
    /// The generation it is a part of.
    pub(super) generation: u64,
    /// The epoch that announces its latest change. Never falls.
    pub(super) version: u64,
    /// The epoch in which its records were lost; zero if they never were.
    pub(super) hole_at: u64,
}

/// The number of the page, of 2^`log2`, that holds `subject`.
pub(super) fn index_of(subject: &SubjectHash, log2: u8) -> u32 {
    let [a, b, c, d, ..] = subject.0;
    u32::from_be_bytes([a, b, c, d])
        .checked_shr(32_u32.saturating_sub(u32::from(log2)))
        .unwrap_or(0)
}

impl Page {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Header { generation, version, hole_at } = self.header;
        let mut bytes =
            Vec::with_capacity(self.records.len().saturating_mul(39).saturating_add(48));
        bytes.push(FORM);
        for number in [generation, version, hole_at] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for Record { key, fact } in &self.records {
            bytes.extend_from_slice(&key.subject.0);
            let conditions = u8::try_from(key.conditions.len()).unwrap_or(u8::MAX) & 7;
            bytes.push((key.kind.code() << 4) | (fact.value.code() << 3) | conditions);
            let [_, _, _, at @ ..] = fact.at.secs().to_be_bytes();
            bytes.extend_from_slice(&at);
            bytes.push(fact.event);
            bytes.extend_from_slice(&fact.signal.0);
            for condition in &key.conditions {
                bytes.extend_from_slice(&condition.0);
            }
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, mut rest) = Header::decode(bytes)?;
        let mut records = Vec::with_capacity(rest.len().saturating_div(39).saturating_add(8));
        while !rest.is_empty() {
            let (raw, next) = RawRecord::split(rest)?;
            records.push(raw.read()?);
            rest = next;
        }
        Some(Self { header, records })
    }

    /// Merges `news` in; both are sorted by key. Returns how many records are new.
    pub(super) fn merge(&mut self, news: &[Record]) -> u64 {
        let before = self.records.len();
        let old = std::mem::take(&mut self.records);
        let mut merged = Vec::with_capacity(before.saturating_add(news.len()));
        let mut old = old.into_iter().peekable();
        for new in news {
            while let Some(record) = old.next_if(|record| record.key < new.key) {
                merged.push(record);
            }
            if let Some(record) = old.next_if(|record| record.key == new.key) {
                merged.push(record);
            }
            push_merged(&mut merged, new);
        }
        merged.extend(old);
        self.records = merged;
        u64::try_from(self.records.len().saturating_sub(before)).unwrap_or_default()
    }
}

/// Appends `new` to records sorted up to its key.
fn push_merged(records: &mut Vec<Record>, new: &Record) {
    match records.last_mut() {
        Some(last) if last.key == new.key => last.fact = last.fact.merge(new.fact),
        _ => records.push(new.clone()),
    }
}

impl Header {
    /// The header of an opened page, and the bytes of its records.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[form], rest) = bytes.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (hole_at, rest) = rest.split_first_chunk()?;
        (form == FORM).then_some((
            Self {
                generation: u64::from_be_bytes(*generation),
                version: u64::from_be_bytes(*version),
                hole_at: u64::from_be_bytes(*hole_at),
            },
            rest,
        ))
    }
}

/// Adds the records about `subjects` (sorted) in an opened page's `rest` to `found`; marks of all that there are. `None`
/// if it is malformed.
pub(super) fn find(
    mut rest: &[u8],
    subjects: &[SubjectHash],
    found: &mut Vec<Record>,
) -> Option<Marks> {
    let (mut subjects, mut marks) = (subjects.iter().peekable(), Marks::NONE);
    while !rest.is_empty() {
        let (raw, next) = RawRecord::split(rest)?;
        rest = next;
        marks.add(raw.subject);
        while subjects.next_if(|subject| subject.0 < *raw.subject).is_some() {}
        if subjects.peek().is_some_and(|subject| subject.0 == *raw.subject) {
            found.push(raw.read()?);
        }
    }
    Some(marks)
}

/// What subjects a page may have records about: one bit of 128 for each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Marks([u64; 2]);

impl Marks {
    pub(super) const NONE: Self = Self([0; 2]);

    fn add(&mut self, subject: &[u8; 16]) {
        for (word, bit) in self.0.iter_mut().zip(Self::bit(subject)) {
            *word |= bit;
        }
    }

    /// Whether a record about `subject` may be among those that were added.
    pub(super) fn may_have(&self, subject: &SubjectHash) -> bool {
        self.0.iter().zip(Self::bit(&subject.0)).any(|(word, bit)| word & bit != 0)
    }

    /// By bits of the hash that do not choose the page.
    fn bit(subject: &[u8; 16]) -> [u64; 2] {
        let [.., chosen] = *subject;
        let bit = 1 << (chosen & 63);
        if chosen & 64 == 0 { [bit, 0] } else { [0, bit] }
    }
}

struct RawRecord<'a> {
    subject: &'a [u8; 16],
    state: u8,
    at: &'a [u8; 5],
    event: u8,
    signal: &'a [u8; 16],
    conditions: &'a [u8],
}

impl<'a> RawRecord<'a> {
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (subject, rest) = bytes.split_first_chunk()?;
        let (&[state], rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (&[event], rest) = rest.split_first_chunk()?;
        let (signal, rest) = rest.split_first_chunk()?;
        let (conditions, rest) = rest.split_at_checked(usize::from(state & 7).checked_mul(16)?)?;
        Some((Self { subject, state, at, event, signal, conditions }, rest))
    }

    fn read(&self) -> Option<Record> {
        let [a, b, c, d, e] = *self.at;
        let (conditions, _) = self.conditions.as_chunks();
        Some(Record {
            key: RecordKey {
                subject: SubjectHash(*self.subject),
                kind: FactKind::from_code(self.state >> 4)?,
                conditions: conditions.iter().copied().map(SubjectHash).collect(),
            },
            fact: Fact {
                at: UnixTime::from_secs(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])),
                value: FactValue::from_code((self.state >> 3) & 1)?,
                signal: SignalId(*self.signal),
                event: self.event,
            },
        })
    }
}
