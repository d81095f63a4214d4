//! The host's shared data as the core sees it; in the worker's own memory where the host has none.

use rescind_core::shared::{LocalSharedData, Shared, SharedData, SharedDataError};

use crate::host::{self, Status};

/// Holds nothing: to see what the host answers.
const PROBE_KEY: &str = "rescind.probe";

/// Where the state table is.
#[derive(Debug)]
pub(crate) enum Store {
    /// One for all workers.
    Host {
        /// Whether the host gives every value that is set a number of its own. Envoy does; Kong refuses the try.
        has_pulses: bool,
    },
    /// One for each worker: APISIX has no shared data.
    Worker(LocalSharedData),
}

impl Store {
    /// Finds out what the host has.
    pub(crate) fn probe() -> Self {
        match host::shared_data(PROBE_KEY) {
            Err(Status::UNIMPLEMENTED) => Self::Worker(LocalSharedData::default()),
            _ => Self::Host { has_pulses: renumbers_equal_values().is_ok_and(|does| does) },
        }
    }
}

impl SharedData for Store {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        match self {
            Self::Worker(store) => store.get(key),
            Self::Host { .. } => match host::shared_data(key) {
                Ok((value, cas)) => Ok(Some(Shared { value, cas })),
                Err(Status::NOT_FOUND) => Ok(None),
                Err(status) => Err(error(status)),
            },
        }
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        match self {
            Self::Worker(store) => store.set(key, value, cas),
            Self::Host { .. } => host::set_shared_data(key, value, cas.unwrap_or(0)).map_err(error),
        }
    }

    fn pulse(&self, key: &str) -> Option<u32> {
        match self {
            Self::Worker(store) => store.pulse(key),
            Self::Host { has_pulses: false } => None,
            // An empty value is not copied into the VM, which is most of what a read costs.
            Self::Host { has_pulses: true } => host::shared_data(key).ok().map(|(_, cas)| cas),
        }
    }

    fn beat(&self, key: &str) {
        if !matches!(self, Self::Host { has_pulses: false }) {
            // Readers do not rely on it: see `rescind_core::table`.
            let _ = self.set(key, &[], None);
        }
    }
}

/// Whether a value that is set again, unconditionally and unchanged, has another number afterwards.
fn renumbers_equal_values() -> Result<bool, Status> {
    let mut numbers = [0; 2];
    for number in &mut numbers {
        host::set_shared_data(PROBE_KEY, &[], 0)?;
        *number = host::shared_data(PROBE_KEY)?.1;
    }
    let [first, second] = numbers;
    Ok(first != second && first != 0 && second != 0)
}

const fn error(status: Status) -> SharedDataError {
    match status {
        Status::CAS_MISMATCH => SharedDataError::CasMismatch,
        Status(status) => SharedDataError::Unavailable { status },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake;

    #[test]
    fn a_host_that_numbers_every_value_has_pulses_and_each_beat_changes_one() {
        fake::reset();
        let store = Store::probe();
        assert!(matches!(store, Store::Host { has_pulses: true }));
        assert_eq!(store.pulse("a"), None, "before the first beat");
        store.beat("a");
        let first = store.pulse("a");
        assert!(first.is_some());
        assert_eq!(store.pulse("a"), first);
        store.beat("a");
        assert_ne!(store.pulse("a"), first);
    }

    #[test]
    fn a_host_that_refuses_to_replace_a_value_unseen_has_none() {
        fake::reset();
        fake::with(|host| host.status = Some(Status::CAS_MISMATCH.0));
        let store = Store::probe();
        assert!(matches!(store, Store::Host { has_pulses: false }));
        fake::with(|host| host.status = None);
        store.beat("a");
        assert_eq!(store.pulse("a"), None);
        assert!(fake::with(|host| host.shared.is_empty()), "a beat writes nothing");
    }
}
