//! The host's shared data as the core sees it; in the worker's own memory where the host has none.

use rescind_core::shared::{LocalSharedData, Shared, SharedData, SharedDataError};

use crate::host::{self, Status};

/// Never set: to see what the host answers.
const PROBE_KEY: &str = "rescind.probe";

/// Where the state table is.
#[derive(Debug)]
pub(crate) enum Store {
    /// One for all workers.
    Host,
    /// One for each worker: APISIX has no shared data.
    Worker(LocalSharedData),
}

impl Store {
    /// Finds out what the host has.
    pub(crate) fn probe() -> Self {
        match host::shared_data(PROBE_KEY) {
            Err(Status::UNIMPLEMENTED) => Self::Worker(LocalSharedData::default()),
            _ => Self::Host,
        }
    }
}

impl SharedData for Store {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        match self {
            Self::Worker(store) => store.get(key),
            Self::Host => match host::shared_data(key) {
                Ok((value, cas)) => Ok(Some(Shared { value, cas })),
                Err(Status::NOT_FOUND) => Ok(None),
                Err(status) => Err(error(status)),
            },
        }
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        match self {
            Self::Worker(store) => store.set(key, value, cas),
            Self::Host => host::set_shared_data(key, value, cas.unwrap_or(0)).map_err(error),
        }
    }
}

const fn error(status: Status) -> SharedDataError {
    match status {
        Status::CAS_MISMATCH => SharedDataError::CasMismatch,
        Status(status) => SharedDataError::Unavailable { status },
    }
}
