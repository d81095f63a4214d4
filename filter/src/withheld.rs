//! The credentials of a request, and what becomes of them while it waits.
//!
//! A host that lets a paused request go on by mistake must not take a credential to the service that nobody has checked.
//! So they are taken out before the pause, and come back with a permit only.

use rescind_core::credential::{AUTHORIZATION, DPOP, TXN_TOKEN, WORKLOAD_PROOF, WORKLOAD_TOKEN};
use rescind_core::request::{Field, RequestView};

use crate::host::{self, Status};

/// What the service sees instead of a credential if a request should reach it that must not.
pub(crate) const POISON: &[u8] = b"Rescind refused";

/// What the credentials' headers said before they were overwritten.
#[derive(Default)]
pub(crate) struct Withheld {
    values: Vec<(&'static str, Vec<u8>)>,
}

impl Withheld {
    /// The credentials of a request; with `slots`, also those outside `Authorization`.
    pub(crate) fn of(view: &RequestView<'_>, slots: bool) -> Self {
        let names = [AUTHORIZATION, TXN_TOKEN, WORKLOAD_TOKEN, WORKLOAD_PROOF];
        let names = names.into_iter().filter(|name| slots || *name == AUTHORIZATION);
        let fields = names.map(|name| (name, credential(view, name)));
        let values = fields.filter_map(|(name, field)| match field {
            Field::One(value) => Some((name, value.to_vec())),
            Field::Absent | Field::Many => None,
        });
        Self { values: values.collect() }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Overwrites them; if the host does not do it for all, none is.
    pub(crate) fn take_out(&self) -> Result<(), Taking> {
        for (name, _) in &self.values {
            if host::set_header(name.as_bytes(), POISON).is_err() {
                return match self.put_back(|_| true) {
                    Ok(()) => Err(Taking::Refused),
                    Err(status) => Err(Taking::HalfDone(status)),
                };
            }
        }
        Ok(())
    }

    /// Restores those that `is_kept` names.
    pub(crate) fn put_back(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), Status> {
        let kept = self.values.iter().filter(|(name, _)| is_kept(name));
        kept.into_iter().try_for_each(|(name, value)| host::set_header(name.as_bytes(), value))
    }

    /// Shows them in `view`, where the request has something else.
    pub(crate) fn show<'a>(&'a self, view: &mut RequestView<'a>) {
        for (name, value) in &self.values {
            let field = match *name {
                TXN_TOKEN => &mut view.txn_token,
                WORKLOAD_TOKEN => &mut view.workload_token,
                WORKLOAD_PROOF => &mut view.workload_proof,
                _ => &mut view.authorization,
            };
            *field = Field::One(value);
        }
    }
}

/// Why credentials could not be taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taking {
    /// The host does not overwrite headers; they are as they were.
    Refused,
    /// The host does not overwrite them any more.
    HalfDone(Status),
}

/// Names only.
impl std::fmt::Debug for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

/// The credential in the header `name`.
pub(crate) fn credential<'a>(view: &RequestView<'a>, name: &str) -> Field<'a> {
    match name {
        AUTHORIZATION => view.authorization,
        DPOP => view.proof,
        TXN_TOKEN => view.txn_token,
        WORKLOAD_TOKEN => view.workload_token,
        WORKLOAD_PROOF => view.workload_proof,
        _ => Field::Absent,
    }
}
