//! One bucket: 17 bytes of header (form, version, mark), then 13 bytes for each proof.

use super::{BUCKET_ENTRIES, ReplayError};
use crate::time::UnixTime;

/// The version of this form.
const FORM: u8 = 1;

/// A proof that was used, as its bucket knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    /// 64 bits of a keyed hash: a proof is taken for another one of its bucket once in 2^58 times.
    pub(super) id: u64,
    /// Its last second.
    pub(super) until: u64,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Bucket {
    /// Rises with each change.
    pub(super) version: u64,
    /// The last second of any proof that may have been forgotten.
    pub(super) forgotten: u64,
    pub(super) entries: Vec<Entry>,
}

impl Bucket {
    /// The bucket after one that is lost, whose proofs ended by `end`. Its version is above those
    /// that others have seen: they rise by one for each proof, and no bucket gets one each
    /// millisecond.
    pub(super) fn lost(floor: u64, now: UnixTime, end: UnixTime) -> Self {
        let version = floor.max(now.millis());
        Self { version, forgotten: super::ceil_secs(end), entries: Vec::new() }
    }

    /// Adds `entry` if it is new for sure.
    pub(super) fn admit(&mut self, entry: Entry, now: UnixTime) -> Result<(), ReplayError> {
        self.drop_until(now.secs().checked_sub(1));
        if self.entries.iter().any(|known| known.id == entry.id) {
            return Err(ReplayError::Replayed);
        }
        self.refuse_forgotten(entry)?;
        if self.entries.len() >= BUCKET_ENTRIES {
            self.drop_until(self.entries.iter().map(|entry| entry.until).min());
            self.refuse_forgotten(entry)?;
        }
        self.entries.push(entry);
        Ok(())
    }

    fn refuse_forgotten(&self, entry: Entry) -> Result<(), ReplayError> {
        if entry.until > self.forgotten {
            return Ok(());
        }
        Err(ReplayError::Forgotten {
            until: UnixTime::from_secs(entry.until),
            forgotten: UnixTime::from_secs(self.forgotten),
        })
    }

    /// Drops what ends by `last`, and remembers that.
    fn drop_until(&mut self, last: Option<u64>) {
        let Some(last) = last else { return };
        let over = self.entries.iter().map(|entry| entry.until).filter(|until| *until <= last);
        self.forgotten = over.max().unwrap_or_default().max(self.forgotten);
        self.entries.retain(|entry| entry.until > last);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BUCKET_ENTRIES.saturating_mul(13).saturating_add(48));
        bytes.push(FORM);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&self.forgotten.to_be_bytes());
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.id.to_be_bytes());
            let [_, _, _, until @ ..] = entry.until.min(0xff_ffff_ffff).to_be_bytes();
            bytes.extend_from_slice(&until);
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[form], rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (forgotten, rest) = rest.split_first_chunk()?;
        let (entries, []) = rest.as_chunks::<13>() else { return None };
        let entry = |&[a, b, c, d, e, f, g, h, i, j, k, l, m]: &[u8; 13]| Entry {
            id: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            until: u64::from_be_bytes([0, 0, 0, i, j, k, l, m]),
        };
        (form == FORM).then(|| Self {
            version: u64::from_be_bytes(*version),
            forgotten: u64::from_be_bytes(*forgotten),
            entries: entries.iter().map(entry).collect(),
        })
    }
}
