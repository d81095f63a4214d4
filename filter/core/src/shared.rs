//! The gateway's shared data as the core sees it: a few keys, each with a compare-and-swap number.
//!
//! The trait promises the least that every host gives. Hosts differ (an absent key accepts any `cas` on Envoy, a
//! full zone refuses writes on Kong), so callers always get, then set with the number they got, or
//! [create](SharedData::create) what was not there. Values may have been written by anybody who shares the
//! namespace: whoever reads one checks its keyed checksum first.

/// A number that no value has: with it, Envoy sets a key only if there is none. Kong refuses it, and has its own way to
/// [create](SharedData::create).
pub const NEVER: u32 = u32::MAX;

/// A value and the number to hand back when replacing it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shared {
    /// The bytes last set.
    pub value: Vec<u8>,
    /// The compare-and-swap number that belongs to `value`.
    pub cas: u32,
}

/// Why shared data could not be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SharedDataError {
    /// Somebody else replaced the value since it was read.
    #[error("shared data changed since it was read")]
    CasMismatch,
    /// The host has no shared data, or no room left, or answered with status `status`.
    #[error("the host's shared data is unavailable (status {status})")]
    Unavailable {
        /// The Proxy-Wasm status the host returned.
        status: u32,
    },
}

/// Shared data of one gateway process. Implementations use interior mutability: a host call needs no `&mut`.
pub trait SharedData {
    /// The value of `key`, or `None` if it was never set. An emptied key has an empty value.
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError>;

    /// Replaces the value of `key`. With `cas`, only if it still is the one that was read.
    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError>;

    /// Sets `key` if it was never set; else, somebody was faster ([`SharedDataError::CasMismatch`]).
    fn create(&self, key: &str, value: &[u8]) -> Result<(), SharedDataError> {
        self.set(key, value, Some(NEVER))
    }

    /// A number that every [`SharedData::beat`] of `key` changes; `None` where the host has no such numbers, or fails.
    /// Two of them that are equal are of the same beat, unless 2^32 values were set in between.
    fn pulse(&self, _key: &str) -> Option<u32> {
        None
    }

    /// Changes the pulse of `key`, where there are pulses. `key` is used for nothing else.
    fn beat(&self, _key: &str) {}
}

/// Shared data in this process's own memory: for hosts without shared data, and for tests.
///
/// Behaves as Envoy does: one counter of compare-and-swap numbers, and a number given for an absent key is ignored.
#[derive(Debug, Default)]
pub struct LocalSharedData {
    state: std::cell::RefCell<(u32, std::collections::BTreeMap<String, Shared>)>,
}

impl SharedData for LocalSharedData {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        Ok(self.state.borrow().1.get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        let (counter, entries) = &mut *self.state.borrow_mut();
        if let (Some(cas), Some(current)) = (cas, entries.get(key))
            && cas != current.cas
        {
            return Err(SharedDataError::CasMismatch);
        }
        *counter = counter.wrapping_add(1).max(1);
        entries.insert(key.to_owned(), Shared { value: value.to_vec(), cas: *counter });
        Ok(())
    }

    fn pulse(&self, key: &str) -> Option<u32> {
        self.state.borrow().1.get(key).map(|shared| shared.cas)
    }

    fn beat(&self, key: &str) {
        // Without a number nothing can be in the way.
        let _ = self.set(key, &[], None);
    }
}

#[cfg(test)]
impl LocalSharedData {
    /// Keys ever set, and what they cost in Envoy: 154 bytes for a key with 21 characters and a value of 32 bytes.
    pub(crate) fn cost(&self) -> (usize, usize) {
        let entries = &self.state.borrow().1;
        let bytes = entries
            .iter()
            .map(|(key, shared)| [133, key.len(), shared.value.len()].iter().sum::<usize>());
        (entries.len(), bytes.sum())
    }
}
