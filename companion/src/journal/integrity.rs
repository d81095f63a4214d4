//! Shows that an entry is what was written: a keyed checksum in each, and one over all of them.
//!
//! redb checks its pages when the file is opened, not when they are read later, and anybody who can
//! write the file can make redb's checksums fit. So each SET and its records carry a tag of their
//! own ([`Seal`]), checked whenever they are read; it covers the sequence, so that no entry can stand
//! in another's place. The [`Tally`] counts the entries and adds up their tags; the replay at start
//! must come to the same, or entries are missing.
//!
//! Not a chain, in which each entry names the one before: entries that decide nothing any more are
//! removed from the middle (see [`super::pruning`]), and a chain would break there. A sum does not,
//! and says the same about what is left. It does not notice that the whole file was replaced by an
//! older copy of itself.
//!
//! Tags are SipHash-2-4 with 128 bits under a key derived from the subject key and the log's id:
//! whoever has neither can damage the file, not forge it.

use std::hash::Hasher as _;

use rescind_core::crypto::sha256;
use rescind_core::feed::LogId;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// A keyed checksum.
pub(super) type Tag = [u8; TAG_BYTES];

/// Bytes of a tag.
pub(super) const TAG_BYTES: usize = 16;

/// What a tag is about, so that no part of the file can stand in another's place.
const SET: u8 = 1;
const ENTRY: u8 = 2;
const NOTE: u8 = 3;
const TALLY: u8 = 4;
const STREAM: u8 = 5;

/// The subject key, for what the journal makes of it.
pub(super) struct Origin([u8; 16]);

impl Origin {
    /// Of `subject_key`.
    pub(super) const fn new(subject_key: [u8; 16]) -> Self {
        Self(subject_key)
    }

    /// Tells a journal made with another key.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        sha256(&[b"rescind-subject-key\0", &self.0[..]].concat())
    }

    /// What makes the tags of `log`.
    pub(super) fn seal(&self, log: LogId) -> Seal {
        Seal::new(&self.0, log)
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

/// Makes tags.
#[derive(Clone)]
pub(super) struct Seal {
    keyed: SipHasher24,
}

impl Seal {
    /// For the log `log` whose records are made with `subject_key`.
    fn new(subject_key: &[u8; 16], log: LogId) -> Self {
        let digest = sha256(&[b"rescind-journal\0", &subject_key[..], &log.0[..]].concat());
        let key = digest.first_chunk().copied().unwrap_or_default();
        Self { keyed: SipHasher24::new_with_key(&key) }
    }

    /// Of the SET at `sequence`.
    pub(super) fn set(&self, sequence: u64, bytes: &[u8]) -> Tag {
        self.tag(SET, sequence, &[bytes])
    }

    /// Of the records at `sequence`, and through `set`, its tag, of the SET they come from.
    pub(super) fn entry(&self, sequence: u64, set: &Tag, records: &[u8]) -> Tag {
        self.tag(ENTRY, sequence, &[set, records])
    }

    /// Of a note of the audit trail.
    pub(super) fn note(&self, number: u64, bytes: &[u8]) -> Tag {
        self.tag(NOTE, number, &[bytes])
    }

    /// Of what is remembered about the stream of the transmitter `name`, whose length tells where the name ends.
    pub(super) fn stream(&self, name: &str, bytes: &[u8]) -> Tag {
        let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
        self.tag(STREAM, length, &[name.as_bytes(), bytes])
    }

    fn tag(&self, about: u8, number: u64, parts: &[&[u8]]) -> Tag {
        let mut state = self.keyed;
        state.write(&[about]);
        state.write(&number.to_be_bytes());
        for part in parts {
            state.write(part);
        }
        state.finish128().as_bytes()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

/// How many entries there are, and the sum of their tags.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    count: u64,
    sum: u128,
}

impl Tally {
    /// How many entries there are.
    pub(super) const fn count(self) -> u64 {
        self.count
    }

    /// With one more entry.
    pub(super) fn add(&mut self, tag: &Tag) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(*tag));
    }

    /// Without this entry.
    pub(super) fn remove(&mut self, tag: &Tag) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(u128::from_be_bytes(*tag));
    }

    /// As it is kept.
    pub(super) fn seal(&self, seal: &Seal) -> Vec<u8> {
        let bytes = [&self.count.to_be_bytes()[..], &self.sum.to_be_bytes()[..]].concat();
        let tag = seal.tag(TALLY, 0, &[&bytes]);
        [bytes, tag.to_vec()].concat()
    }

    /// Nothing if these bytes are not what was kept.
    pub(super) fn open(bytes: &[u8], seal: &Seal) -> Option<Self> {
        let (body, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        let (count, sum) = body.split_first_chunk()?;
        let tally = Self {
            count: u64::from_be_bytes(*count),
            sum: u128::from_be_bytes(sum.try_into().ok()?),
        };
        (seal.tag(TALLY, 0, &[body]) == *tag).then_some(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_place_in_one_log() {
        let seal = Seal::new(&[7; 16], LogId([1; 16]));
        let tag = seal.set(1, b"set");
        assert_eq!(tag, Seal::new(&[7; 16], LogId([1; 16])).set(1, b"set"));
        for other in [
            seal.set(2, b"set"),
            seal.set(1, b"sex"),
            seal.note(1, b"set"),
            seal.entry(1, &tag, b"set"),
            seal.stream("s", b"et"),
            Seal::new(&[8; 16], LogId([1; 16])).set(1, b"set"),
            Seal::new(&[7; 16], LogId([2; 16])).set(1, b"set"),
        ] {
            assert_ne!(tag, other);
        }
        assert_ne!(seal.stream("ab", b"c"), seal.stream("a", b"bc"));
    }

    #[test]
    fn a_tally_knows_what_was_added_and_not_removed_in_any_order() {
        let seal = Seal::new(&[7; 16], LogId([1; 16]));
        let tags: Vec<Tag> = (0..4).map(|n| seal.set(n, b"")).collect();
        let (mut there, mut back) = (Tally::default(), Tally::default());
        tags.iter().for_each(|tag| there.add(tag));
        tags.iter().rev().for_each(|tag| back.add(tag));
        assert_eq!(there, back);
        there.remove(&tags[1]);
        assert_ne!(there, back);
        there.add(&tags[1]);
        assert_eq!(there, back);
        let kept = there.seal(&seal);
        assert_eq!(Tally::open(&kept, &seal), Some(there));
        for at in 0..kept.len() {
            let mut flipped = kept.clone();
            flipped[at] ^= 1;
            assert_eq!(Tally::open(&flipped, &seal), None, "byte {at}");
            assert_eq!(Tally::open(&kept[..at], &seal), None, "{at} bytes");
        }
    }
}
