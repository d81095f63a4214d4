//! What is remembered of a verified token, and what is asked of it at each request.

use std::rc::Rc;
use std::time::Duration;

use super::binding::Binding;
use super::token::Draft;
use super::{Context, Standing};
use crate::audience::{AudienceSet, Audiences};
use crate::claims::Claims;
use crate::event;
use crate::identity::{Identity, IdentityHeaders};
use crate::json;
use crate::keys::{KeyMark, KeyStore};
use crate::metrics::{Counters, Id};
use crate::record::{FactKind, SubjectHash};
use crate::route::{OnGap, Requirements, StepUp};
use crate::shared::SharedData;
use crate::slots::Slot;
use crate::status_list::{OnUnknown, Status, StatusStore, Unknown};
use crate::table::{Revocation, revocation, state};
use crate::time::UnixTime;
use crate::verdict::Denial;
use crate::wimse::PossessionKey;

/// A token whose signature and claims were checked.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    /// What kind it is, and so where it counts.
    pub(super) slot: Slot,
    /// Where it was, if not in `Authorization`: it counts there and nowhere else.
    pub(super) place: Option<usize>,
    /// The issuer's place in the configuration.
    issuer: usize,
    key: KeyMark,
    /// Which of the routes' audiences it is for.
    audiences: AudienceSet,
    lifetime: Lifetime,
    /// The names that `scope` has, with blanks between them: one allocation for all.
    scopes: Box<str>,
    authentication: Authentication,
    /// Where its issuer says whether it is still valid.
    status: Option<StatusPlace>,
    /// Whose revocation revokes it.
    subjects: Box<[SubjectHash]>,
    pub(super) identity: Rc<Identity>,
    /// Whose it is, if not everybody's who has it.
    pub(super) binding: Option<Binding>,
    /// Of a workload's token: the key that its proofs are made with.
    pub(super) possession: Option<Rc<PossessionKey>>,
    /// What the table said, and when.
    state: Option<KnownState>,
}

/// How the user was authenticated (RFC 9068 §2.2.1).
#[derive(Clone, Debug)]
struct Authentication {
    acr: Option<Box<str>>,
    auth_time: Option<UnixTime>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub(super) exp: UnixTime,
    pub(super) leeway: Duration,
    /// `iat`; without it, the token counts as issued before every event.
    pub(super) issued_at: Option<UnixTime>,
    /// `iat`, or what is assumed for it.
    pub(super) age_from: UnixTime,
}

/// A place in a status list.
#[derive(Clone, Debug)]
pub(super) struct StatusPlace {
    pub(super) uri: Box<str>,
    pub(super) index: u64,
    pub(super) on_unknown: OnUnknown,
}

#[derive(Clone, Debug)]
struct KnownState {
    epoch: u64,
    revocation: Option<Revocation>,
    /// What holds besides, and refuses only where a route says so; the latest of each kind.
    state: Vec<Revocation>,
}

impl Verified {
    /// A token in `draft` whose claims are `claims`, and whose subject is `subject`.
    pub(super) fn new(
        draft: Draft,
        claims: &Claims<'_>,
        subject: &str,
        names: &IdentityHeaders,
    ) -> Self {
        let Draft { slot, issuer, key, audiences, lifetime, status, subjects } = draft;
        let authentication =
            Authentication { acr: claims.acr.map(Box::from), auth_time: claims.auth_time };
        Self {
            slot,
            place: None,
            issuer,
            key,
            audiences,
            lifetime,
            scopes: claims.scope.join(" ").into(),
            authentication,
            status,
            subjects: subjects.into(),
            identity: Rc::new(Identity::new(slot, claims, subject, names)),
            binding: None,
            possession: None,
            state: None,
        }
    }

    /// The same, bound as `binding` says.
    pub(super) fn with_binding(self, binding: Option<Binding>) -> Self {
        Self { binding, ..self }
    }

    /// The same, found in `place`.
    pub(super) fn with_place(self, place: Option<usize>) -> Self {
        Self { place, ..self }
    }

    /// The same, of a workload with `key`.
    pub(super) fn with_possession(self, key: PossessionKey) -> Self {
        Self { possession: Some(Rc::new(key)), ..self }
    }

    /// Whether the key that verified the token still is its issuer's.
    pub(super) fn key_is_current(&mut self, keys: &KeyStore) -> bool {
        keys.is_current(self.issuer, &mut self.key)
    }

    /// Checks 5 and 6: time, revocation and status, and what else was signalled.
    pub(super) fn judge(
        &mut self,
        standing: Standing,
        required: &Requirements,
        context: &mut Context<'_>,
        statuses: &mut StatusStore,
        counters: &mut Counters,
        now: UnixTime,
    ) -> Result<(), Denial> {
        self.lifetime.refuse_expired(now)?;
        refuse_forgotten(self.lifetime.age_from, standing.retention, now)?;
        if let Some(revocation) = self.revocation(standing.epoch, context, counters)? {
            return Err(refusal(&revocation, self.lifetime.issued_at));
        }
        if let Some(place) = &self.status {
            let iss = self.identity.issuer();
            place.check(iss, statuses, standing.keys_version, context.shared, now)?;
        }
        let Requirements { step_up, refused_state, on_gap, .. } = required;
        if *on_gap == OnGap::Deny
            && let Some(since) = context.table.gap(self.identity.issuer())
        {
            return Err(Denial::Gap { issuer: json::excerpt(self.identity.issuer()), since });
        }
        let holding = self.state.iter().flat_map(|known| &known.state);
        if let Some(fact) = holding.into_iter().find(|fact| refused_state.contains(&fact.kind)) {
            let Revocation { signal, event, kind, at } = *fact;
            let (event, step_up) = (event::name(event), step_up.clone());
            return Err(Denial::State { kind, signal, event, at, step_up });
        }
        Ok(())
    }

    /// Check 7: whom it is for, of the `known` audiences, how its user was authenticated, and what it allows.
    pub(super) fn authorize(
        &self,
        required: &Requirements,
        known: &Audiences,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let Requirements { audiences, scopes, step_up, .. } = required;
        if !audiences.is_empty() && !audiences.meets(self.audiences) {
            let listed = |set| known.written(set).collect::<Vec<_>>().join(" ");
            let (audience, expected) = (listed(self.audiences), listed(*audiences));
            return Err(Denial::NotForRoute { audience, expected });
        }
        if !self.authentication.suffices(step_up, self.lifetime.leeway, now) {
            return Err(Denial::InsufficientAuthentication {
                step_up: step_up.clone(),
                scopes: scopes.clone(),
                acr: self.authentication.acr.as_deref().map(json::excerpt),
                auth_time: self.authentication.auth_time,
                now,
            });
        }
        let has = |scope: &String| self.scopes.split(' ').any(|name| name == scope);
        if let Some(missing) = scopes.iter().find(|scope| !has(scope)) {
            let missing = missing.clone();
            return Err(Denial::InsufficientScope { required: scopes.clone(), missing });
        }
        Ok(())
    }

    /// What the table says about the token, asked again only if that may have changed.
    fn revocation(
        &mut self,
        epoch: u64,
        context: &mut Context<'_>,
        counters: &mut Counters,
    ) -> Result<Option<Revocation>, Denial> {
        if let Some(known) = &mut self.state
            && (known.epoch == epoch || !context.table.changed_since(known.epoch, &self.subjects))
        {
            known.epoch = epoch;
            return Ok(known.revocation);
        }
        counters.add(Id::StateLookups, 1);
        let records = context
            .table
            .lookup(context.shared, &self.subjects)
            .map_err(|error| Denial::TableUnavailable(error.to_string()))?;
        let revocation = revocation(&self.subjects, self.lifetime.issued_at, &records);
        let state = state(&self.subjects, self.lifetime.issued_at, &records);
        self.state = Some(KnownState { epoch, revocation, state });
        Ok(revocation)
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.scopes.len())
            // No more than one fact of each kind.
            .saturating_add(FactKind::ALL.len().saturating_mul(size_of::<Revocation>()))
            .saturating_add(self.authentication.acr.as_ref().map_or(0, |acr| acr.len()))
            .saturating_add(self.status.as_ref().map_or(0, |place| place.uri.len()))
            .saturating_add(size_of_val(&*self.subjects))
            .saturating_add(self.possession.as_ref().map_or(0, |_| size_of::<PossessionKey>()))
            .saturating_add(self.identity.bytes())
    }
}

impl StatusPlace {
    /// Asks its issuer's list.
    fn check(
        &self,
        iss: &str,
        statuses: &mut StatusStore,
        version: u32,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let Self { uri, index, on_unknown } = self;
        match (statuses.status((iss, uri), *index, version, shared, now), on_unknown) {
            (Ok(Ok(Status::Valid)), _) | (Err(Unknown), OnUnknown::Allow) => Ok(()),
            (Ok(Ok(status)), _) => {
                Err(Denial::StatusRevoked { uri: json::excerpt(uri), index: *index, status })
            }
            (Ok(Err(error)), _) => Err(Denial::Status(error)),
            (Err(Unknown), OnUnknown::Deny) => {
                Err(Denial::StatusUnknown { uri: json::excerpt(uri) })
            }
        }
    }
}

impl Authentication {
    fn suffices(&self, step_up: &StepUp, leeway: Duration, now: UnixTime) -> bool {
        let StepUp { acr_values, max_age } = step_up;
        let is_strong = acr_values.is_empty()
            || self.acr.as_deref().is_some_and(|acr| acr_values.iter().any(|value| value == acr));
        let is_recent = max_age.is_none_or(|max_age| {
            // Nobody was authenticated in the future.
            self.auth_time.is_some_and(|at| {
                at <= now.plus(leeway) && now.since(at) <= max_age.saturating_add(leeway)
            })
        });
        is_strong && is_recent
    }
}

impl Lifetime {
    pub(super) fn refuse_expired(&self, now: UnixTime) -> Result<(), Denial> {
        let Self { exp, leeway, .. } = *self;
        if now < exp.plus(leeway) { Ok(()) } else { Err(Denial::Expired { exp, now, leeway }) }
    }
}

/// A revocation as old as a token from `iat` may have been forgotten: then nobody knows whether the token is good.
pub(super) fn refuse_forgotten(
    iat: UnixTime,
    retention: Duration,
    now: UnixTime,
) -> Result<(), Denial> {
    if now.since(iat) <= retention {
        return Ok(());
    }
    Err(Denial::OlderThanRetention { iat, now, retention })
}

/// What `revocation` says of a token with this `iat`.
pub(super) fn refusal(revocation: &Revocation, issued_at: Option<UnixTime>) -> Denial {
    let Revocation { signal, at, .. } = *revocation;
    let event = event::name(revocation.event);
    match revocation.kind {
        FactKind::RevokedBefore => Denial::Revoked { signal, event, at, issued_at },
        // A revocation names only facts that refuse; of the others, none gets here.
        FactKind::Disabled
        | FactKind::ClaimsChanged
        | FactKind::DeviceNotCompliant
        | FactKind::RiskMedium
        | FactKind::RiskHigh
        | FactKind::AssuranceBelow2
        | FactKind::AssuranceBelow3
        | FactKind::AssuranceBelow4 => Denial::Disabled { signal, event, at },
    }
}
