//! Shared data for all threads of this process: what a gateway gives to its workers, as a map.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use rescind_core::shared::{Shared, SharedData, SharedDataError};

/// A few values, each with the number that it was set under.
#[derive(Debug, Default)]
pub(crate) struct Memory(RwLock<Values>);

#[derive(Debug, Default)]
struct Values {
    last: u32,
    values: HashMap<String, Shared>,
}

impl SharedData for Memory {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(held.values.get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Never 0, and never the number before.
        let number = held.last.checked_add(1).unwrap_or(1);
        match held.values.get_mut(key) {
            Some(known) if cas.is_some_and(|cas| cas != known.cas) => {
                return Err(SharedDataError::CasMismatch);
            }
            Some(known) => {
                known.value.clear();
                known.value.extend_from_slice(value);
                known.cas = number;
            }
            None => {
                let _none = held
                    .values
                    .insert(key.to_owned(), Shared { value: value.to_vec(), cas: number });
            }
        }
        held.last = number;
        Ok(())
    }

    fn pulse(&self, key: &str) -> Option<u32> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.values.get(key).map(|shared| shared.cas)
    }

    fn beat(&self, key: &str) {
        // Without a number nothing can be in the way.
        let _ = self.set(key, &[], None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_only_by_whoever_has_seen_it() {
        let memory = Memory::default();
        assert_eq!(memory.get("a"), Ok(None));
        memory.set("a", b"one", None).unwrap();
        let seen = memory.get("a").unwrap().unwrap();
        assert_eq!(seen.value, b"one");
        memory.set("a", b"two", Some(seen.cas)).unwrap();
        assert_eq!(memory.set("a", b"three", Some(seen.cas)), Err(SharedDataError::CasMismatch));
        assert_eq!(memory.get("a").unwrap().unwrap().value, b"two");
    }

    #[test]
    fn each_beat_changes_the_pulse() {
        let memory = Memory::default();
        assert_eq!(memory.pulse("a"), None);
        memory.beat("a");
        let first = memory.pulse("a");
        assert!(first.is_some());
        memory.set("b", b"1", None).unwrap();
        assert_eq!(memory.pulse("a"), first);
        memory.beat("a");
        assert_ne!(memory.pulse("a"), first);
    }

    #[test]
    fn of_many_threads_that_replace_what_they_saw_each_step_is_one_threads() {
        let memory = Memory::default();
        memory.set("n", &0_u32.to_be_bytes(), None).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        loop {
                            let seen = memory.get("n").unwrap().unwrap();
                            let number = u32::from_be_bytes(seen.value.try_into().unwrap());
                            let next = number.wrapping_add(1).to_be_bytes();
                            if memory.set("n", &next, Some(seen.cas)).is_ok() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        let value = memory.get("n").unwrap().unwrap().value;
        assert_eq!(value, 2000_u32.to_be_bytes());
    }
}
