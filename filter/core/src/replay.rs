//! Remembers which proofs of possession were used, so that each passes once (RFC 9449 §11.1).
//!
//! All workers of a gateway share the memory: a fixed number of *buckets* in shared data, chosen by
//! a keyed hash of the proof's key and name, so that nobody can aim at one. [`ReplayMemory::admit`]
//! is the last step before a request passes; only one caller gets an `Ok` for a proof, because the
//! entry is written by compare-and-swap before the answer is given.
//!
//! # Why a replay cannot pass unseen
//!
//! A bucket knows up to when it may have *forgotten*: a proof that would have ended by then is
//! refused, used or not. Everything that makes a bucket lose entries raises that mark:
//!
//! - An entry is dropped when its time is over. If the clock is set back after that, the mark stays.
//! - A full bucket drops what ends first. Under a flood the time for which proofs are accepted
//!   becomes shorter, for those whose clocks are behind first; nothing is accepted twice.
//! - A bucket that is damaged, taken away or put back to an older version is begun anew with the
//!   mark at the end of every proof that may have been in it.
//!
//! # What it does not do
//!
//! It ends at the process: another gateway, or the same after a restart, has another memory. Nonces
//! ([`crate::nonce`]) keep the time short for which that matters. A host without shared data
//! (APISIX) has one memory for each worker. A worker that has just started takes a bucket that
//! somebody put back to an older version for true; see [`crate::table`].

use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::shared::{SharedData, SharedDataError};
use crate::table::Names;
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;

mod bucket;
#[cfg(test)]
mod tests;

use bucket::{Bucket, Entry};

/// Proofs remembered unless the configuration says otherwise: 1,800 each second with the default
/// window of 70 s, in at most 4 MiB of shared data.
pub const DEFAULT_CAPACITY: u32 = 128 * 1024;

/// The smallest and the largest capacity: 2,048 and two million, about 60 KiB and 60 MiB.
pub const CAPACITY: std::ops::RangeInclusive<u32> = 2 * 1024..=2 * 1024 * 1024;

/// Proofs in a bucket. Each admission reads and writes a bucket: 64 entries are 0.9 KB, for which a
/// host takes no longer than for a few bytes.
pub(crate) const BUCKET_ENTRIES: usize = 64;

/// How full a bucket is when the capacity is used up. Proofs fall into buckets at random: with 32 on
/// average, fewer than one bucket in a million has to drop one before its time.
const EXPECTED_ENTRIES: u32 = 32;

/// Tries to write a bucket that others write as well. Two workers meet in one of hundreds of buckets
/// rarely, and one of them always succeeds; this many losses in a row are no coincidence.
pub(crate) const MAX_TRIES: u32 = 16;

/// A proof that is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Used {
    /// The thumbprint of the key that made it.
    pub key: Fingerprint,
    /// The digest of its `jti`.
    pub jti: Fingerprint,
    /// When it ends: from then on the proof is refused for its age.
    pub until: UnixTime,
}

/// Why a proof is not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// It was used before.
    #[error("proof was used before")]
    Replayed,
    /// Nobody knows: proofs that end by `forgotten` may have been used.
    #[error("proof ends at {until}, those until {forgotten} may have been forgotten")]
    Forgotten {
        /// When it ends.
        until: UnixTime,
        /// The mark of the bucket.
        forgotten: UnixTime,
    },
    /// Others write all the time.
    #[error("replay memory changed {MAX_TRIES} times while it was written")]
    Contended,
    /// The host failed.
    #[error(transparent)]
    SharedData(#[from] SharedDataError),
}

/// One worker's view of the memory.
pub struct ReplayMemory {
    names: Names,
    key: [u8; 16],
    longest: Duration,
    /// For each bucket the latest version seen: an older one was put back by somebody.
    floors: Vec<u64>,
}

impl ReplayMemory {
    /// A memory of `capacity` proofs, none of which lasts longer than `longest`: past and future of
    /// the window together. `scope` and `checksum_key` are those of the state table.
    #[must_use]
    pub fn new(scope: &str, checksum_key: [u8; 16], capacity: u32, longest: Duration) -> Self {
        let capacity = capacity.clamp(*CAPACITY.start(), *CAPACITY.end());
        let buckets = capacity.div_ceil(EXPECTED_ENTRIES).next_power_of_two();
        Self {
            names: Names::new(scope, checksum_key),
            key: checksum_key,
            longest,
            floors: vec![0; usize::try_from(buckets).unwrap_or_default()],
        }
    }

    /// Remembers `proof`, if it is used for the first time.
    pub fn admit(
        &mut self,
        proof: &Used,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Result<(), ReplayError> {
        let (index, id) = self.place(proof);
        let place = usize::try_from(index).unwrap_or_default();
        let name = self.names.bucket(index);
        let entry = Entry { id, until: ceil_secs(proof.until) };
        for _ in 0..MAX_TRIES {
            let floor = self.floors.get(place).copied().unwrap_or_default();
            let found = shared.get(&name)?;
            let known = match &found {
                Some(found) => self
                    .names
                    .open(&name, &found.value)
                    .and_then(Bucket::decode)
                    .filter(|bucket| bucket.version >= floor),
                // Never written by anybody, as far as this worker knows.
                None => (floor == 0).then(Bucket::default),
            };
            let is_lost = known.is_none();
            let mut bucket =
                known.unwrap_or_else(|| Bucket::lost(floor, now, now.plus(self.longest)));
            let verdict = bucket.admit(entry, now);
            if verdict.is_err() && !is_lost {
                self.see(place, bucket.version);
                return verdict;
            }
            bucket.version = bucket.version.saturating_add(1);
            let value = self.names.seal(&name, bucket.encode());
            let written = match &found {
                Some(found) => shared.set(&name, &value, Some(found.cas)),
                None => shared.create(&name, &value),
            };
            match written {
                Ok(()) => {
                    self.see(place, bucket.version);
                    return verdict;
                }
                Err(SharedDataError::CasMismatch) => {}
                Err(error @ SharedDataError::Unavailable { .. }) => return Err(error.into()),
            }
        }
        Err(ReplayError::Contended)
    }

    fn see(&mut self, place: usize, version: u64) {
        if let Some(floor) = self.floors.get_mut(place) {
            *floor = version.max(*floor);
        }
    }

    /// The bucket of a proof, and what it is known by there.
    fn place(&self, proof: &Used) -> (u32, u64) {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        // Seals are made with the same key, of texts that begin otherwise.
        hasher.write(b"proof\0");
        hasher.write(&proof.key.0);
        hasher.write(&proof.jti.0);
        let hash = hasher.finish128();
        let buckets = u64::try_from(self.floors.len()).unwrap_or(1).max(1);
        let index = hash.h1.checked_rem(buckets).unwrap_or_default();
        (u32::try_from(index).unwrap_or_default(), hash.h2)
    }
}

/// The first full second that is not before `at`: remembering longer is safe.
fn ceil_secs(at: UnixTime) -> u64 {
    at.plus(Duration::from_millis(999)).secs()
}

impl std::fmt::Debug for ReplayMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayMemory")
            .field("names", &self.names)
            .field("buckets", &self.floors.len())
            .finish_non_exhaustive()
    }
}
