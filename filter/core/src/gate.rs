//! The decision: may this request pass, now?
//!
//! [`Gate::decide`] makes these checks, in this order, and the first that fails is the answer:
//!
//! 1. **Route.** What does the request need? A path that could be read in several ways is refused
//!    before it is compared with any route. A public route ends here: no credential is looked at,
//!    identity headers are removed.
//! 2. **Credentials.** Enough for the route, each once and in its place (`gate/offered.rs`).
//! 3. **State.** Was the companion ever heard from, and recently enough? What could not be answered
//!    with a permit costs no signature check. The head of the state table also says whether key
//!    sets have changed. And where open requests are watched ([`crate::in_flight`]): is there room for one more?
//! 4. **Tokens.** Verified before, byte for byte, for this place, with a key that still is the issuer's? Else
//!    verified now (`gate/token.rs`, `gate/txn.rs`, `gate/workload.rs`): form, issuer, type, algorithm, key, signature,
//!    claims, in this order. The first of several says who calls.
//! 5. **Time.** `exp` at each request, and age against what the companion remembers.
//! 6. **Revocation.** Has anything happened to any of the token's subjects since it was issued?
//!    Asked for every request; the answer of last time stands only while no page of the table that
//!    could change it has changed. Then the same of its issuer's status list, if it names one.
//! 7. **Audience, authentication and scope**: which of the services behind the gateway the token is for, how the user
//!    was authenticated, how long ago, and what the token allows.
//! 8. **Possession**: a token that is bound to a key or certificate comes from whoever has it (`gate/binding.rs`,
//!    `gate/workload.rs`), and each proof passes once.
//!
//! A route that reads bodies gives a permit on a condition: what the whole body has to say ([`crate::mcp::body`]).
//!
//! **What a cache can do here**: save the signature check and the search. It cannot let a revoked
//! token pass: state is found by claims, never by a token's bytes, since an ECDSA signature can be
//! rewritten by whoever holds one.
//!
//! This module refuses to call anything: time, shared data, keys and signature checks are
//! arguments.

use std::rc::Rc;
use std::time::Duration;

use crate::cache::TokenCache;
use crate::config::{Config, OnStale, Proofs, Revocation};
use crate::credential::{CredentialError, Presented};
use crate::crypto::SignatureVerifier;
use crate::identity::Identity;
use crate::in_flight::{InFlight, MAX_WATCHED, Streams};
use crate::keys::KeyStore;
use crate::mcp::body::Announced;
use crate::metrics::{Counters, Id};
use crate::replay::{ReplayMemory, Used};
use crate::request::{Connection, RequestView};
use crate::route::{Access, Requirements};
use crate::shared::SharedData;
use crate::slots::{Slot, SlotSet};
use crate::staleness::is_stale;
use crate::status_list::StatusStore;
use crate::subject::SubjectHasher;
use crate::table::{TableReader, TableStatus};
use crate::time::UnixTime;
use crate::verdict::{Denial, Permit};
use crate::wimse::PossessionKey;

mod binding;
mod forgeries;
mod offered;
mod recall;
mod token;
mod txn;
mod verified;
mod watched;
mod workload;

use binding::Binding;
use forgeries::Forgeries;
use offered::{Offered, Opaque};
use verified::Verified;
pub use watched::Watched;

/// Decides about requests. One for each worker.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    hasher: SubjectHasher,
    cache: TokenCache<Verified>,
    forgeries: Forgeries,
    statuses: StatusStore,
    /// Which proofs were used; nothing without `proofs` in the configuration.
    replay: Option<ReplayMemory>,
    /// What passed, is open still, and is watched.
    streams: Streams<Vec<Watched>>,
    /// Whose the last request was.
    caller: Option<Rc<Identity>>,
    /// What was decided, for the metrics.
    pub counters: Counters,
}

/// What a decision rests on, beside the request and the configuration.
pub struct Context<'a> {
    /// This worker's view of the state table.
    pub table: &'a mut TableReader,
    /// Where the table is.
    pub shared: &'a dyn SharedData,
    /// This worker's view of the issuers' keys.
    pub keys: &'a mut KeyStore,
    /// Checks signatures.
    pub verifier: &'a dyn SignatureVerifier,
    /// What the gateway knows about the request's connection.
    pub connection: &'a dyn Connection,
}

/// The state table as it is now.
#[derive(Clone, Copy, Debug)]
struct Standing {
    epoch: u64,
    keys_version: u32,
    retention: Duration,
    /// Only with `on_stale: allow`.
    is_stale: bool,
}

impl Gate {
    /// A gate for `config`. `seed` is random: it keeps strangers from choosing tokens that meet in
    /// the caches.
    #[must_use]
    pub fn new(config: Config, seed: [u64; 2]) -> Self {
        let limits = config.limits;
        let memory = |proofs: &Proofs| {
            let Revocation { table, checksum_key, .. } = &config.revocation;
            let of_workloads = config.routes.accepted().contains(Slot::WorkloadToken);
            let longest = match of_workloads {
                true => proofs.rules.window.whole().max(proofs.workload_rules.longest()),
                false => proofs.rules.window.whole(),
            };
            ReplayMemory::new(table, *checksum_key, proofs.remembered, longest)
        };
        Self {
            replay: config.proofs.as_ref().map(memory),
            hasher: SubjectHasher::new(config.revocation.subject_key),
            cache: TokenCache::new(limits.token_cache_entries, limits.token_cache_bytes, seed),
            forgeries: Forgeries::new(seed),
            statuses: StatusStore::new(&config),
            streams: Streams::default(),
            caller: None,
            counters: Counters::new(),
            config,
        }
    }

    /// The configuration that is enforced.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whose the last request was, also if it was refused: who the first of its credentials speaks of that could be
    /// verified.
    #[must_use]
    pub fn caller(&self) -> Option<&Identity> {
        self.caller.as_deref()
    }

    /// How many verified tokens are remembered.
    #[must_use]
    pub fn cached_tokens(&self) -> usize {
        self.cache.len()
    }

    /// Whether the answer to `request` depends on the state at all: where nobody but a request can wait for news,
    /// one that needs none does not.
    #[must_use]
    pub fn rests_on_state(&self, request: &RequestView<'_>) -> bool {
        let Ok(Access::Token(required)) = self.config.routes.select(request) else { return false };
        Offered::find(request, required, &self.config)
            .is_ok_and(|offered| offered.bearer.is_none_or(|bearer| bearer.token().is_ok()))
    }

    /// Whether `request` may pass at `now`; if not, why.
    pub fn decide(
        &mut self,
        request: &RequestView<'_>,
        context: &mut Context<'_>,
        now: UnixTime,
    ) -> Result<Permit, Denial> {
        self.caller = None;
        let verdict = self.judge(request, context, now);
        match &verdict {
            Ok(Permit { identity: None, .. }) => self.counters.add(Id::PermittedPublic, 1),
            Ok(Permit { stale, .. }) => {
                self.counters.add(Id::Permitted, 1);
                self.counters.add(Id::PermittedStale, u64::from(*stale));
            }
            Err(denial) => self.counters.deny(denial),
        }
        verdict
    }

    /// What the body of `request` has to say, if its route reads bodies.
    fn announced(&self, request: &RequestView<'_>) -> Result<Option<Announced>, Denial> {
        let announced = self.config.routes.announced(request)?;
        if announced.is_some() {
            request.content.check()?;
        }
        Ok(announced)
    }

    /// For a request that needs no token.
    fn public(&self, request: &RequestView<'_>) -> Result<Permit, Denial> {
        Ok(Permit { announced: self.announced(request)?, ..Permit::public() })
    }

    fn judge(
        &mut self,
        request: &RequestView<'_>,
        context: &mut Context<'_>,
        now: UnixTime,
    ) -> Result<Permit, Denial> {
        // 1. Route.
        if let Some(method) = request.preflight {
            // A browser asks before it sends: what counts is the route of the request that it will send.
            let announced = RequestView { method, ..*request };
            if let Access::Token(Requirements { cors_preflight: true, .. }) =
                self.config.routes.select(&announced)?
            {
                return self.public(request);
            }
        }
        let Access::Token(required) = self.config.routes.select(request)? else {
            return self.public(request);
        };
        // 2. Credentials.
        let offered = Offered::find(request, required, &self.config)?;
        // 3. State. A malformed request is the client's fault in every state.
        let standing = match standing(&self.config, context, now) {
            Ok(_) if required.in_flight == InFlight::Cut && !self.streams.has_room() => {
                return Err(Denial::TooManyStreams(MAX_WATCHED));
            }
            Ok(standing) => standing,
            Err(denial) => {
                let malformed = offered.bearer.and_then(|bearer| bearer.token().err());
                return Err(malformed.map_or(denial, |error| no_token(error, required)));
            }
        };
        let mut turn = Turn {
            config: &self.config,
            hasher: &self.hasher,
            cache: &mut self.cache,
            forgeries: &mut self.forgeries,
            statuses: &mut self.statuses,
            counters: &mut self.counters,
            caller: &mut self.caller,
            standing,
            required,
            context,
            now,
        };
        // 4. to 7.
        let mut admitted = Admitted::default();
        let mut binding = None;
        if let Some(bearer) = offered.bearer {
            let found = turn.admit(Kind::Bearer(bearer), &mut admitted)?;
            binding = found.binding;
        }
        if let Some(Opaque(token)) = offered.txn_token {
            let found = turn.admit(Kind::Txn(token), &mut admitted);
            found.map_err(|denial| denial.in_slot(Slot::TxnToken))?;
        }
        let mut workload = None;
        if let Some(token) = offered.workload_token {
            let in_slot = |denial: Denial| denial.in_slot(Slot::WorkloadToken);
            let found = turn.admit(Kind::Workload(token.0), &mut admitted).map_err(in_slot)?;
            let key = found.possession.ok_or_else(|| in_slot(Denial::UnknownConfirmation))?;
            workload = Some((token, key));
        }
        // Only now is it known what the bearer token is.
        if let Some(slot) = required.credentials.missing(admitted.slots) {
            return Err(Denial::MissingCredential { slot });
        }
        let announced = self.announced(request)?;
        // 8. Last, since a proof counts as used only if the request passes.
        let of_bearer = match offered.bearer {
            Some(bearer) => {
                let token = (bearer.scheme(), bearer.bytes());
                binding::check(binding.as_ref(), token, request, &self.config, context, now)?
            }
            None => None,
        };
        let of_workload = match &workload {
            Some((token, key)) => {
                let proof = workload::check_proof(*token, key, request, &self.config, context, now);
                Some(proof.map_err(|denial| denial.in_slot(Slot::WorkloadToken))?)
            }
            None => None,
        };
        if let Some(proof) = of_bearer {
            self.use_up(proof.used(), context.shared, now)?;
        }
        if let Some(proof) = of_workload {
            self.use_up(proof.used(), context.shared, now)
                .map_err(|denial| denial.in_slot(Slot::WorkloadToken))?;
        }
        let Admitted { slots: verified, identities: [identity, beside @ ..], watched } = admitted;
        let stale = standing.is_stale;
        Ok(Permit { identity, beside, verified, stale, watched, announced })
    }

    /// Lets a proof pass, for the first and last time.
    fn use_up(
        &mut self,
        used: &Used,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Result<(), Denial> {
        match &mut self.replay {
            Some(replay) => Ok(replay.admit(used, shared, now)?),
            // Without a memory there are no rules, hence no proof.
            None => Err(Denial::NotBound),
        }
    }
}

/// A token, and where it was.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Bearer(Presented<'a>),
    Txn(&'a [u8]),
    Workload(&'a [u8]),
}

/// What was verified for one request, in the order of the slots.
#[derive(Default)]
struct Admitted {
    slots: SlotSet,
    identities: [Option<Rc<Identity>>; 3],
    /// Where the route watches what passes.
    watched: Vec<Watched>,
}

/// What has to be asked about a token beyond itself: whether it is presented by whom it was issued to.
struct Found {
    binding: Option<Binding>,
    possession: Option<Rc<PossessionKey>>,
}

/// One decision, under way.
struct Turn<'t, 'c> {
    config: &'t Config,
    hasher: &'t SubjectHasher,
    cache: &'t mut TokenCache<Verified>,
    forgeries: &'t mut Forgeries,
    statuses: &'t mut StatusStore,
    counters: &'t mut Counters,
    caller: &'t mut Option<Rc<Identity>>,
    standing: Standing,
    required: &'t Requirements,
    context: &'t mut Context<'c>,
    now: UnixTime,
}

impl Turn<'_, '_> {
    /// Checks 4 to 7 of one token. The first that a request brings says who calls, and what for.
    fn admit(&mut self, kind: Kind<'_>, admitted: &mut Admitted) -> Result<Found, Denial> {
        let is_first = admitted.slots.is_empty();
        let bytes = kind.bytes();
        // 4. Known,
        if let Some(verified) = self.cache.get(bytes)
            && kind.accepts(verified, self.required)
            && verified.key_is_current(self.context.keys)
        {
            self.counters.add(Id::TokenCacheHits, 1);
            self.caller.get_or_insert_with(|| Rc::clone(&verified.identity));
            verified.judge(
                self.standing,
                self.required,
                self.context,
                self.statuses,
                self.counters,
                self.now,
            )?;
            if is_first {
                verified.authorize(self.required, self.config.routes.audiences(), self.now)?;
            }
            return Ok(admitted.add(verified, self.required));
        }
        // or new.
        self.counters.add(Id::TokenCacheMisses, 1);
        let (config, hasher, now) = (self.config, self.hasher, self.now);
        let sparing = self.forgeries.spare(self.context.verifier, self.counters);
        let context = &mut self.context.with(&sparing);
        let mut verified = match kind {
            Kind::Bearer(bearer) => {
                let expected = (bearer.place(), self.required.credentials.accepted());
                token::verify(bearer.bytes(), expected, config, hasher, context, now)
                    .map_err(|denial| or_no_token(denial, bearer, self.required))?
            }
            Kind::Txn(token) => txn::verify(token, config, hasher, context, now)?,
            Kind::Workload(token) => workload::verify(token, config, hasher, context, now)?,
        };
        self.caller.get_or_insert_with(|| Rc::clone(&verified.identity));
        let verdict = verified.judge(
            self.standing,
            self.required,
            self.context,
            self.statuses,
            self.counters,
            now,
        );
        let verdict = match verdict {
            Ok(()) if is_first => verified.authorize(self.required, config.routes.audiences(), now),
            verdict => verdict,
        };
        let (found, size) = (admitted.add(&verified, self.required), verified.bytes());
        self.cache.insert(bytes, verified, size);
        verdict.map(|()| found)
    }
}

impl<'a> Kind<'a> {
    const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bearer(presented) => presented.bytes(),
            Self::Txn(token) | Self::Workload(token) => token,
        }
    }

    /// Whether a token that was `verified` counts here.
    fn accepts(self, verified: &Verified, required: &Requirements) -> bool {
        let slot = verified.slot;
        match self {
            Self::Bearer(presented) => {
                presented.place() == verified.place
                    && required.credentials.accepted().within(SlotSet::BEARER).contains(slot)
            }
            Self::Txn(_) => slot == Slot::TxnToken,
            Self::Workload(_) => slot == Slot::WorkloadToken,
        }
    }
}

impl Admitted {
    fn add(&mut self, verified: &Verified, required: &Requirements) -> Found {
        if required.in_flight == InFlight::Cut {
            self.watched.push(Watched::new(verified, required, self.slots.is_empty()));
        }
        self.slots = self.slots.and(SlotSet::only(verified.slot));
        if let Some(free) = self.identities.iter_mut().find(|identity| identity.is_none()) {
            *free = Some(Rc::clone(&verified.identity));
        }
        Found { binding: verified.binding, possession: verified.possession.clone() }
    }
}

fn no_token(error: CredentialError, required: &Requirements) -> Denial {
    Denial::Credential { error, scopes: required.scopes.clone() }
}

/// Whatever is no signed token may be none that `Authorization` can carry, and that is said first. All bytes of a
/// signed token may be there, so nobody looks at them one by one before.
fn or_no_token(denial: Denial, bearer: Presented<'_>, required: &Requirements) -> Denial {
    match denial {
        Denial::MalformedToken(_) => {
            bearer.token().err().map_or(denial, |error| no_token(error, required))
        }
        denial => denial,
    }
}

/// Whether the state can be relied on; and if so, brings keys up to date.
fn standing(config: &Config, context: &mut Context<'_>, now: UnixTime) -> Result<Standing, Denial> {
    let (fresh_at, epoch, keys_version, retention) =
        match context.table.refresh(context.shared, now) {
            TableStatus::NeverSynchronized => return Err(Denial::NeverSynchronized),
            TableStatus::Synced { fresh_at, epoch, keys_version, retention } => {
                (fresh_at, epoch, keys_version, retention)
            }
        };
    let limit = config.revocation.max_staleness;
    let is_stale = is_stale(fresh_at, limit, now);
    if is_stale && config.revocation.on_stale == OnStale::Deny {
        return Err(Denial::Stale { fresh_at, now, limit });
    }
    context.keys.sync(context.shared, keys_version);
    Ok(Standing { epoch, keys_version, retention, is_stale })
}

impl Context<'_> {
    /// The same with another verifier.
    const fn with<'s>(&'s mut self, verifier: &'s dyn SignatureVerifier) -> Context<'s> {
        let (shared, connection) = (self.shared, self.connection);
        Context { table: self.table, shared, keys: self.keys, verifier, connection }
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
