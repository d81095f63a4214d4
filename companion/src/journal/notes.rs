//! The audit trail of what changed nothing: refused SETs, and accepted ones that reach nobody.
//!
//! # Bounds
//!
//! Who writes them decides how many: at most [`crate::audit::HOURLY`] an hour are taken from each
//! transmitter, at most [`MAX_PER_SOURCE`] of each stay, of a long SET only [`MAX_RAW_BYTES`], and
//! none longer than `journal.audit_retention_days`. A flood therefore costs some 40 MB for each
//! transmitter, and it takes four days of it until the first note gives way to the last.

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::{ReadableDatabase as _, ReadableTable as _};
use rescind_core::time::UnixTime;

use super::integrity::{Seal, TAG_BYTES};
use super::{Fault, Journal, JournalError, NOTES};

/// At most this many of one source stay: at the highest rate four days, at the usual one years.
pub(super) const MAX_PER_SOURCE: usize = 10_000;

/// Of a SET this much is kept. Real ones have 1–2 KiB.
const MAX_RAW_BYTES: usize = 4096;

/// What a note is about. The number stands in the file: it never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoteKind {
    /// A SET that was refused after its signature was found good.
    Refused,
    /// A SET that was accepted, of which no token can ever know.
    Unmatched,
}

impl NoteKind {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unmatched => "unmatched",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Unmatched => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Refused),
            2 => Some(Self::Unmatched),
            _ => None,
        }
    }
}

/// One line of the audit trail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Note {
    /// What it is about.
    pub(crate) kind: NoteKind,
    /// When.
    pub(crate) at: UnixTime,
    /// Who said it: the transmitter's name in the configuration then.
    pub(crate) source: String,
    /// The error code of RFC 8935, or nothing.
    pub(crate) code: String,
    /// Why.
    pub(crate) reason: String,
    /// What was said: the SET as received, or as much of it as is kept.
    pub(crate) raw: Bytes,
}

impl Journal {
    /// Keeps `note`, durably.
    pub(super) fn note(&self, note: &Note) -> Result<(), JournalError> {
        self.note_all(std::slice::from_ref(note))
    }

    /// Keeps `notes` in one durable transaction.
    pub(super) fn note_all(&self, notes: &[Note]) -> Result<(), JournalError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(NOTES)?;
                let mut number = table.last()?.map_or(0, |(number, _)| number.value());
                for note in notes {
                    number = number.saturating_add(1);
                    let bytes = encode(note);
                    let sealed = [&self.seal.note(number, &bytes)[..], &bytes].concat();
                    table.insert(number, sealed.as_slice())?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// At most `limit` notes after `after`, in order.
    pub(crate) fn notes(&self, after: u64, limit: usize) -> Result<Vec<(u64, Note)>, JournalError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(NOTES)?;
            let range = table.range(after.saturating_add(1)..)?;
            range.take(limit).map(|entry| self.open_note(entry)).collect()
        })
    }

    /// The last `limit` notes about `kind`, the newest first.
    pub(crate) fn last_notes(
        &self,
        kind: NoteKind,
        limit: usize,
    ) -> Result<Vec<(u64, Note)>, JournalError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(NOTES)?;
            let notes = table.range::<u64>(..)?.rev().map(|entry| self.open_note(entry));
            let of_kind = |note: &Result<(u64, Note), Fault>| {
                note.as_ref().map_or(true, |(_, note)| note.kind == kind)
            };
            notes.filter(of_kind).take(limit).collect()
        })
    }

    /// The numbers of notes from before `before`, and of the oldest of a source beyond
    /// [`MAX_PER_SOURCE`].
    pub(crate) fn old_notes(&self, before: UnixTime) -> Result<Vec<u64>, JournalError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(NOTES)?;
            let mut kept: BTreeMap<String, usize> = BTreeMap::new();
            let mut old = Vec::new();
            for entry in table.range::<u64>(..)?.rev() {
                let (number, note) = self.open_note(entry)?;
                let count = kept.entry(note.source).or_default();
                *count = count.saturating_add(1);
                if note.at < before || *count > MAX_PER_SOURCE {
                    old.push(number);
                }
            }
            Ok(old)
        })
    }

    /// Removes notes.
    pub(super) fn forget_notes(&self, numbers: &[u64]) -> Result<(), JournalError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(NOTES)?;
                // The next number follows the last one: it always stays.
                let last = table.last()?.map(|(number, _)| number.value());
                for number in numbers.iter().filter(|number| Some(**number) != last) {
                    table.remove(number)?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }

    fn open_note(
        &self,
        entry: Result<
            (redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &'static [u8]>),
            redb::StorageError,
        >,
    ) -> Result<(u64, Note), Fault> {
        let (number, bytes) = entry?;
        let number = number.value();
        Ok((number, open(number, bytes.value(), &self.seal)?))
    }
}

/// Reads a note and checks that it is what was written.
pub(super) fn open(number: u64, bytes: &[u8], seal: &Seal) -> Result<Note, Fault> {
    let damaged = || Fault::file(&format!("the checksum of note {number} does not match"));
    let (tag, bytes) = bytes.split_first_chunk::<TAG_BYTES>().ok_or_else(damaged)?;
    if seal.note(number, bytes) != *tag {
        return Err(damaged());
    }
    decode(bytes).ok_or_else(damaged)
}

fn encode(note: &Note) -> Vec<u8> {
    let raw = note.raw.get(..MAX_RAW_BYTES).unwrap_or(&note.raw);
    let raw: &minicbor::bytes::ByteSlice = raw.into();
    let Note { kind, at, source, code, reason, raw: _ } = note;
    let entry = (kind.code(), at.millis(), source, code, reason, raw);
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail; the Result is the encoder's general form.
    let _infallible = minicbor::encode(entry, &mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Note> {
    type Fields<'b> = (u8, u64, &'b str, &'b str, &'b str, &'b minicbor::bytes::ByteSlice);
    let (kind, at, source, code, reason, raw): Fields<'_> = minicbor::decode(bytes).ok()?;
    Some(Note {
        kind: NoteKind::from_code(kind)?,
        at: UnixTime::from_millis(at),
        source: source.to_owned(),
        code: code.to_owned(),
        reason: reason.to_owned(),
        raw: Bytes::copy_from_slice(raw),
    })
}
