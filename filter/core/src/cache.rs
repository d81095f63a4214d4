//! Remembers what is known about tokens that were seen before, in bounded memory.
//!
//! **Keyed by the token's bytes, for speed only.** Whoever asks must still ask what cannot be
//! remembered: has it expired, has something happened to its subject. ECDSA signatures can be
//! rewritten, so one token may be here under several spellings; that costs an entry and nothing
//! else, because state is found by claims.
//!
//! **Two generations.** New entries go to the young one; when it is full it becomes the old one,
//! and what was old is forgotten at once. A hit in the old one moves the entry. So tokens in use
//! stay, there is no list to maintain at each hit, and forgetting is one drop. Each generation has
//! half of the budget, in entries and in bytes.
//!
//! **The hash covers the token's last bytes only**: they are the end of a signature that was
//! verified, hence as good as random, and the whole token is compared afterwards. The seed keeps
//! strangers from choosing tokens that meet in one place; two tokens that meet nevertheless replace
//! each other.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

/// How many of the token's last bytes are hashed: 48 characters are 36 bytes of signature.
const HASHED_BYTES: usize = 48;

/// What one entry costs beside its token and value: the slot in the table, at its worst load, and
/// the allocations of both.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Tokens and what is known about them.
#[derive(Debug)]
pub struct TokenCache<T> {
    seed: [u64; 2],
    generation_entries: usize,
    generation_bytes: usize,
    young: Generation<T>,
    old: Generation<T>,
}

#[derive(Debug)]
struct Generation<T> {
    /// Boxed: half of the slots are free at worst, and each is as large as what it may hold.
    entries: HashMap<u64, Box<Entry<T>>, BuildHasherDefault<AlreadyHashed>>,
    bytes: usize,
}

struct Entry<T> {
    token: Box<[u8]>,
    value: T,
    bytes: usize,
}

impl<T> TokenCache<T> {
    /// An empty cache for at most `entries` tokens and `bytes` bytes; with less than two entries,
    /// for none.
    #[must_use]
    pub fn new(entries: usize, bytes: usize, seed: [u64; 2]) -> Self {
        Self {
            seed,
            generation_entries: entries / 2,
            generation_bytes: bytes / 2,
            young: Generation::default(),
            old: Generation::default(),
        }
    }

    /// What is known about `token`.
    pub fn get(&mut self, token: &[u8]) -> Option<&mut T> {
        let hash = self.hash(token);
        if !self.young.holds(hash, token) {
            if !self.old.holds(hash, token) {
                return None;
            }
            let entry = self.old.remove(hash)?;
            self.put(hash, entry);
        }
        self.young.entries.get_mut(&hash).map(|entry| &mut entry.value)
    }

    /// Remembers `value`, which itself takes about `value_bytes`, unless it alone is beyond the
    /// budget.
    pub fn insert(&mut self, token: &[u8], value: T, value_bytes: usize) {
        let bytes = token.len().saturating_add(value_bytes).saturating_add(ENTRY_OVERHEAD_BYTES);
        if bytes <= self.generation_bytes && self.generation_entries > 0 {
            let hash = self.hash(token);
            self.old.remove(hash);
            self.put(hash, Box::new(Entry { token: token.into(), value, bytes }));
        }
    }

    /// Forgets `token`.
    pub fn remove(&mut self, token: &[u8]) {
        let hash = self.hash(token);
        for generation in [&mut self.young, &mut self.old] {
            if generation.holds(hash, token) {
                generation.remove(hash);
            }
        }
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.entries.len().saturating_add(self.old.entries.len())
    }

    /// Whether no token is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how much memory the entries take.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.young.bytes.saturating_add(self.old.bytes)
    }

    fn put(&mut self, hash: u64, entry: Box<Entry<T>>) {
        self.young.remove(hash);
        let full = self.young.entries.len() >= self.generation_entries
            || self.young.bytes.saturating_add(entry.bytes) > self.generation_bytes;
        if full {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes = self.young.bytes.saturating_add(entry.bytes);
        self.young.entries.insert(hash, entry);
    }

    fn hash(&self, token: &[u8]) -> u64 {
        let [key0, key1] = self.seed;
        let tail = token.len().saturating_sub(HASHED_BYTES);
        let mut hasher = SipHasher13::new_with_keys(key0, key1);
        hasher.write(token.get(tail..).unwrap_or_default());
        hasher.write_usize(token.len());
        hasher.finish()
    }
}

impl<T> Generation<T> {
    fn holds(&self, hash: u64, token: &[u8]) -> bool {
        self.entries.get(&hash).is_some_and(|entry| equal(&entry.token, token))
    }

    fn remove(&mut self, hash: u64) -> Option<Box<Entry<T>>> {
        let entry = self.entries.remove(&hash)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        Some(entry)
    }
}

impl<T> Default for Generation<T> {
    fn default() -> Self {
        Self { entries: HashMap::default(), bytes: 0 }
    }
}

/// Never shows the token.
impl<T: std::fmt::Debug> std::fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("value", &self.value).finish_non_exhaustive()
    }
}

/// Compares eight bytes at a time: `memcmp` in wasm compares one, and this runs at each request.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let (left_words, left_rest) = left.as_chunks::<8>();
    let (right_words, right_rest) = right.as_chunks::<8>();
    left.len() == right.len()
        && left_rest == right_rest
        && left_words
            .iter()
            .zip(right_words)
            .all(|(left, right)| u64::from_ne_bytes(*left) == u64::from_ne_bytes(*right))
}

/// The key is a hash already; hashing it again would only cost.
#[derive(Clone, Copy, Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        // Not used for `u64` keys; folding keeps it a function of all bytes all the same.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
