//! The host's shared data as the core sees it; in the VM's own memory where the host has none.

use std::rc::Rc;

use rescind_core::shared::{LocalSharedData, NEVER, Shared, SharedData, SharedDataError};

use crate::family::Family;
use crate::host::{self, Status};

/// How often an unconditional write is tried where the host knows only conditional ones.
const MAX_TRIES: usize = 4;

thread_local! {
    /// One for all configurations of a VM: APISIX makes a root context for each route.
    static LOCAL: Rc<LocalSharedData> = Rc::default();
}

/// Where the state table is.
#[derive(Debug)]
pub(crate) enum Store {
    /// One for all workers. Every value that is set has a number of its own.
    Numbered,
    /// One for all workers, which refuses to replace a value unseen.
    Guarded,
    /// One for each worker: APISIX has no shared data.
    Local(Rc<LocalSharedData>),
}

impl Store {
    /// That of such a host.
    pub(crate) fn of(family: Family) -> Self {
        match family {
            Family::Envoy => Self::Numbered,
            Family::Kong => Self::Guarded,
            Family::Apisix => Self::Local(LOCAL.try_with(Rc::clone).unwrap_or_default()),
        }
    }
}

impl SharedData for Store {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        match self {
            Self::Local(store) => store.get(key),
            Self::Numbered | Self::Guarded => match host::shared_data(key) {
                Ok((value, cas)) => Ok(Some(Shared { value, cas })),
                Err(Status::NOT_FOUND) => Ok(None),
                Err(status) => Err(error(status)),
            },
        }
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        match (self, cas) {
            (Self::Local(store), _) => store.set(key, value, cas),
            (Self::Guarded, None) => replace(key, value),
            (Self::Numbered | Self::Guarded, _) => {
                host::set_shared_data(key, value, cas.unwrap_or(0)).map_err(error)
            }
        }
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<(), SharedDataError> {
        match self {
            Self::Local(store) => store.create(key, value),
            Self::Numbered => self.set(key, value, Some(NEVER)),
            // Here 0 means that there is none.
            Self::Guarded => host::set_shared_data(key, value, 0).map_err(error),
        }
    }

    fn pulse(&self, key: &str) -> Option<u32> {
        match self {
            Self::Local(store) => store.pulse(key),
            Self::Guarded => None,
            // An empty value is not copied into the VM, which is most of what a read costs.
            Self::Numbered => host::shared_data(key).ok().map(|(_, cas)| cas),
        }
    }

    fn beat(&self, key: &str) {
        if !matches!(self, Self::Guarded) {
            // Readers do not rely on it: see `rescind_core::table`.
            let _ = self.set(key, &[], None);
        }
    }
}

/// Replaces a value, whatever it is, where 0 means that there is none.
fn replace(key: &str, value: &[u8]) -> Result<(), SharedDataError> {
    let mut result = Err(SharedDataError::CasMismatch);
    for _ in 0..MAX_TRIES {
        let cas = match host::shared_data(key) {
            Ok((_, cas)) => cas,
            Err(Status::NOT_FOUND) => 0,
            Err(status) => return Err(error(status)),
        };
        result = host::set_shared_data(key, value, cas).map_err(error);
        if result != Err(SharedDataError::CasMismatch) {
            break;
        }
    }
    result
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
    fn where_every_value_has_a_number_each_beat_changes_the_pulse() {
        fake::reset();
        let store = Store::of(Family::Envoy);
        assert_eq!(store.pulse("a"), None, "before the first beat");
        store.beat("a");
        let first = store.pulse("a");
        assert!(first.is_some());
        assert_eq!(store.pulse("a"), first);
        store.beat("a");
        assert_ne!(store.pulse("a"), first);
    }

    #[test]
    fn where_a_value_is_not_replaced_unseen_it_is_looked_at_first_and_nothing_beats() {
        fake::reset();
        fake::with(|host| host.refuses_unseen = true);
        let store = Store::of(Family::Kong);
        for value in [b"1", b"2", b"3"] {
            store.set("a", value, None).unwrap();
            assert_eq!(store.get("a").unwrap().unwrap().value, value);
        }
        assert_eq!(store.set("a", b"4", Some(77)), Err(SharedDataError::CasMismatch));
        store.beat("b");
        assert_eq!(store.pulse("b"), None);
        assert_eq!(store.get("b"), Ok(None), "a beat writes nothing");
    }

    #[test]
    fn what_is_created_is_created_once_on_every_host() {
        for (family, refuses_unseen) in
            [(Family::Envoy, false), (Family::Kong, true), (Family::Apisix, false)]
        {
            fake::reset();
            fake::with(|host| host.refuses_unseen = refuses_unseen);
            let store = Store::of(family);
            store.create("once", b"1").unwrap();
            assert_eq!(store.create("once", b"2"), Err(SharedDataError::CasMismatch));
            assert_eq!(store.get("once").unwrap().unwrap().value, b"1");
        }
    }

    #[test]
    fn all_configurations_of_a_vm_share_its_own_memory() {
        let [one, other] = [Store::of(Family::Apisix), Store::of(Family::Apisix)];
        one.set("a", b"1", None).unwrap();
        assert_eq!(other.get("a").unwrap().unwrap().value, b"1");
    }
}
