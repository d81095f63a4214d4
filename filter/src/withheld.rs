//! The credentials of a request: what becomes of them while it waits, and which of them go on.
//!
//! A host that lets a paused request go on by mistake must not take a credential to the service that nobody has checked.
//! So they are taken out before the pause, and come back with a permit only.

use rescind_core::config::Config;
use rescind_core::request::{Field, RequestView};
use rescind_core::slots::{Slot, SlotSet};
use rescind_core::verdict::Permit;

use crate::host::{self, Status};

/// What the service sees instead of a credential if a request should reach it that must not.
pub(crate) const POISON: &[u8] = b"Rescind refused";

/// The headers that credentials come in.
pub(crate) const AUTHORIZATION: &str = "authorization";
const TXN_TOKEN: &str = "txn-token";
const WORKLOAD_TOKEN: &str = "workload-identity-token";
const WORKLOAD_PROOF: &str = "workload-proof-token";

/// What the credentials' headers said before they were overwritten.
#[derive(Default)]
pub(crate) struct Withheld {
    values: Vec<(&'static str, Vec<u8>)>,
}

impl Withheld {
    /// The credentials of a request; with `slots`, also those outside `Authorization`.
    pub(crate) fn of(view: &RequestView<'_>, slots: bool) -> Self {
        let others = [
            (TXN_TOKEN, view.txn_token),
            (WORKLOAD_TOKEN, view.workload_token),
            (WORKLOAD_PROOF, view.workload_proof),
        ];
        let others = others.into_iter().filter(|_| slots);
        let fields = [(AUTHORIZATION, view.authorization)].into_iter().chain(others);
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

/// The credentials that do not reach the service.
pub(crate) fn dropped<'a>(
    permit: &Permit,
    view: &RequestView<'a>,
    config: &Config,
) -> [Option<(&'static str, Field<'a>)>; 5] {
    let is_public = permit.subject().is_none();
    let verified = permit.verified();
    let forwards = config.identity.forward_token && !verified.within(SlotSet::BEARER).is_empty();
    let has_slots = config.has_slots();
    let drop = |condition: bool, name, field| {
        (condition && field != Field::Absent).then_some((name, field))
    };
    [
        drop(!is_public && !forwards, AUTHORIZATION, view.authorization),
        // A proof is for this gateway: to a service that has another name it proves nothing.
        drop(!is_public && config.proofs.is_some(), "dpop", view.proof),
        // A Txn-Token goes through the call as it is. Without its proof, a workload's token says nothing.
        drop(has_slots && !verified.contains(Slot::TxnToken), TXN_TOKEN, view.txn_token),
        drop(has_slots, WORKLOAD_TOKEN, view.workload_token),
        drop(has_slots, WORKLOAD_PROOF, view.workload_proof),
    ]
}
