//! Which credentials of a request its route looks at.
//!
//! What is decided here costs nothing: whether the request brings enough, each credential once and in its place. Only
//! then is the state asked for, and only then is anything verified.

use crate::config::Config;
use crate::credential::{self, CredentialError, Presented, Schemes};
use crate::json;
use crate::place::{self, Place};
use crate::request::{Field, RequestView};
use crate::route::Requirements;
use crate::slots::{Slot, SlotSet};
use crate::thumbprint::Fingerprint;
use crate::verdict::Denial;

/// The credentials of a request that its route looks at; together they are enough, if they are what they seem.
#[derive(Debug)]
pub(super) struct Offered<'a> {
    /// What is in `Authorization`, or in another place for such tokens.
    pub(super) bearer: Option<Presented<'a>>,
    /// What is in `Txn-Token`.
    pub(super) txn_token: Option<Opaque<'a>>,
    /// What is in `Workload-Identity-Token`.
    pub(super) workload_token: Option<Opaque<'a>>,
    /// What they seem to be: of a bearer token, all that it may be.
    slots: SlotSet,
}

/// A credential's bytes, which are never shown.
#[derive(Clone, Copy)]
pub(super) struct Opaque<'a>(pub(super) &'a [u8]);

impl<'a> Offered<'a> {
    /// The credentials that `request` brings for `required`.
    pub(super) fn find(
        request: &RequestView<'a>,
        required: &Requirements,
        config: &Config,
    ) -> Result<Self, Denial> {
        let no_token = |error| Denial::Credential { error, scopes: required.scopes.clone() };
        let accepted = required.credentials.accepted();
        let bearers = accepted.within(SlotSet::BEARER);
        let mut offered =
            Self { bearer: None, txn_token: None, workload_token: None, slots: SlotSet::EMPTY };
        match credential::find(request, config.schemes) {
            Err(error @ CredentialError::InQuery) => return Err(no_token(error)),
            _ if bearers.is_empty() => {}
            Ok(presented) => {
                refuse_foreign(presented, request, &config.places)?;
                offered.bearer = Some(presented);
                offered.slots = bearers;
            }
            Err(CredentialError::Absent) => {}
            Err(error) => return Err(no_token(error)),
        }
        if accepted.contains(Slot::TxnToken) {
            offered.txn_token = offered.take(request.txn_token, Slot::TxnToken)?;
        }
        if accepted.contains(Slot::WorkloadToken) {
            offered.workload_token = offered.take(request.workload_token, Slot::WorkloadToken)?;
            if offered.workload_token.is_none() && request.workload_proof != Field::Absent {
                return Err(Denial::MissingCredential { slot: Slot::WorkloadToken });
            }
        }
        match required.credentials.missing(offered.slots) {
            None => Ok(offered),
            Some(Slot::AccessToken | Slot::JwtSvid) => Err(no_token(CredentialError::Absent)),
            Some(slot) => Err(Denial::MissingCredential { slot }),
        }
    }

    fn take(&mut self, field: Field<'a>, slot: Slot) -> Result<Option<Opaque<'a>>, Denial> {
        match field {
            Field::Absent => Ok(None),
            Field::One(token) => {
                self.slots = self.slots.and(SlotSet::only(slot));
                Ok(Some(Opaque(token)))
            }
            Field::Many => {
                let error = CredentialError::Multiple;
                Err(Denial::Credential { error, scopes: Vec::new() }.in_slot(slot))
            }
        }
    }
}

/// A cookie is no sign that the user wants what a page of somebody else asks for.
fn refuse_foreign(
    presented: Presented<'_>,
    request: &RequestView<'_>,
    places: &[Place],
) -> Result<(), Denial> {
    let place = presented.place().and_then(|place| places.get(place));
    match place {
        Some(Place::Cookie { name, origins }) if place::is_foreign(request, origins) => {
            let shown = |field| match field {
                Field::One(value) => json::excerpt(&String::from_utf8_lossy(value)),
                Field::Absent | Field::Many => String::new(),
            };
            let (cookie, origin) = (name.clone(), shown(request.origin));
            Err(Denial::ForeignOrigin { cookie, origin, site: shown(request.fetch_site) })
        }
        Some(Place::Cookie { .. } | Place::Header(_)) | None => Ok(()),
    }
}

/// The digest of the access token, wherever it is and whether or not the route looks at it: a workload's proof covers
/// what the request has (`ath`).
pub(super) fn bearer_digest(request: &RequestView<'_>, schemes: Schemes) -> Option<Fingerprint> {
    let schemes = Schemes { dpop: true, ..schemes };
    credential::find(request, schemes).ok().map(|presented| Fingerprint::of(presented.bytes()))
}

/// The digest of the token in `Txn-Token`, likewise (`tth`).
pub(super) fn txn_digest(request: &RequestView<'_>) -> Option<Fingerprint> {
    match request.txn_token {
        Field::One(token) => Some(Fingerprint::of(token)),
        Field::Absent | Field::Many => None,
    }
}

impl std::fmt::Debug for Opaque<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
