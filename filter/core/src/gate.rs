//! The decision: may this request pass, now?
//!
//! [`Gate::decide`] makes these checks, in this order, and the first that fails is the answer:
//!
//! 1. **Route.** What does the request need? A path that could be read in several ways is refused
//!    before it is compared with any route. A public route ends here: no credential is looked at,
//!    identity headers are removed.
//! 2. **Credential.** One bearer token, in one header.
//! 3. **State.** Was the companion ever heard from, and recently enough? What could not be answered
//!    with a permit costs no signature check. The head of the state table also says whether key
//!    sets have changed. And where open requests are watched ([`crate::in_flight`]): is there room for one more?
//! 4. **Token.** Verified before, byte for byte, with a key that still is the issuer's? Else
//!    verified now (`gate/token.rs`): form, issuer, type, algorithm, key, signature, claims, in
//!    this order.
//! 5. **Time.** `exp` at each request, and age against what the companion remembers.
//! 6. **Revocation.** Has anything happened to any of the token's subjects since it was issued?
//!    Asked for every request; the answer of last time stands only while no page of the table that
//!    could change it has changed. Then the same of its issuer's status list, if it names one.
//! 7. **Authentication and scope**: how the user was authenticated, how long ago, and what the token is for.
//! 8. **Possession**: a token that is bound to a key or certificate comes from whoever has it (`gate/binding.rs`), and
//!    each proof passes once.
//!
//! **What a cache can do here**: save the signature check and the search. It cannot let a revoked
//! token pass: state is found by claims, never by a token's bytes, since an ECDSA signature can be
//! rewritten by whoever holds one.
//!
//! This module refuses to call anything: time, shared data, keys and signature checks are
//! arguments.

use std::time::Duration;

use crate::cache::TokenCache;
use crate::config::{Config, OnStale, Proofs, Revocation};
use crate::credential::{self, Presented};
use crate::crypto::SignatureVerifier;
use crate::in_flight::{InFlight, MAX_WATCHED, Streams};
use crate::keys::KeyStore;
use crate::metrics::{Counters, Id};
use crate::replay::ReplayMemory;
use crate::request::{Connection, RequestView};
use crate::route::{Access, Requirements};
use crate::shared::SharedData;
use crate::staleness::is_stale;
use crate::status_list::StatusStore;
use crate::subject::SubjectHasher;
use crate::table::{TableReader, TableStatus};
use crate::time::UnixTime;
use crate::verdict::{Denial, Permit};

mod binding;
mod token;
mod verified;
mod watched;

use binding::Binding;
use verified::Verified;
pub use watched::Watched;

/// Decides about requests. One for each worker.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    hasher: SubjectHasher,
    cache: TokenCache<Verified>,
    statuses: StatusStore,
    /// Which proofs were used; nothing without `proofs` in the configuration.
    replay: Option<ReplayMemory>,
    /// What passed, is open still, and is watched.
    streams: Streams<Vec<Watched>>,
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
    /// the cache.
    #[must_use]
    pub fn new(config: Config, seed: [u64; 2]) -> Self {
        let limits = config.limits;
        let memory = |proofs: &Proofs| {
            let Revocation { table, checksum_key, .. } = &config.revocation;
            ReplayMemory::new(table, *checksum_key, proofs.remembered, proofs.rules.window.whole())
        };
        Self {
            replay: config.proofs.as_ref().map(memory),
            hasher: SubjectHasher::new(config.revocation.subject_key),
            cache: TokenCache::new(limits.token_cache_entries, limits.token_cache_bytes, seed),
            statuses: StatusStore::new(&config),
            streams: Streams::default(),
            counters: Counters::new(),
            config,
        }
    }

    /// The configuration that is enforced.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
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
        matches!(self.config.routes.select(request), Ok(Access::Token(_)))
            && credential::find(request, self.config.proofs.is_some())
                .is_ok_and(|presented| presented.token().is_ok())
    }

    /// Whether `request` may pass at `now`; if not, why.
    pub fn decide(
        &mut self,
        request: &RequestView<'_>,
        context: &mut Context<'_>,
        now: UnixTime,
    ) -> Result<Permit, Denial> {
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
                return Ok(Permit::public());
            }
        }
        let Access::Token(required) = self.config.routes.select(request)? else {
            return Ok(Permit::public());
        };
        let scopes = &required.scopes;
        // 2. Credential.
        let no_token = |error| Denial::Credential { error, scopes: scopes.clone() };
        let dpop = self.config.proofs.is_some();
        let presented = credential::find(request, dpop).map_err(no_token)?;
        // 3. State. A malformed request is the client's fault in every state.
        let standing = match standing(&self.config, context, now) {
            Ok(_) if required.in_flight == InFlight::Cut && !self.streams.has_room() => {
                return Err(Denial::TooManyStreams(MAX_WATCHED));
            }
            Ok(standing) => standing,
            Err(denial) => return Err(presented.token().err().map_or(denial, no_token)),
        };
        // 4. Token: known,
        if let Some(verified) = self.cache.get(presented.bytes())
            && verified.key_is_current(context.keys)
        {
            self.counters.add(Id::TokenCacheHits, 1);
            let permit = verified.judge(
                standing,
                required,
                context,
                &mut self.statuses,
                &mut self.counters,
                now,
            )?;
            let binding = verified.binding;
            return self.possessed(binding, presented, request, context, now).map(|()| permit);
        }
        // or new.
        self.counters.add(Id::TokenCacheMisses, 1);
        let token = presented.token().map_err(no_token)?;
        let mut verified = token::verify(token, &self.config, &self.hasher, context, now)?;
        // 5. to 7.
        let verdict = verified.judge(
            standing,
            required,
            context,
            &mut self.statuses,
            &mut self.counters,
            now,
        );
        let (binding, bytes) = (verified.binding, verified.bytes());
        self.cache.insert(token, verified, bytes);
        let permit = verdict?;
        self.possessed(binding, presented, request, context, now).map(|()| permit)
    }

    /// Check 8: whether the token comes from whom it was issued to. The last one, since a proof counts as used only if
    /// the request passes.
    fn possessed(
        &mut self,
        binding: Option<Binding>,
        presented: Presented<'_>,
        request: &RequestView<'_>,
        context: &Context<'_>,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let token = (presented.scheme(), presented.bytes());
        let proof = binding::check(binding.as_ref(), token, request, &self.config, context, now)?;
        match (proof, &mut self.replay) {
            (None, _) => Ok(()),
            (Some(proof), Some(replay)) => Ok(replay.admit(proof.used(), context.shared, now)?),
            // Without a memory there are no rules, hence no proof.
            (Some(_), None) => Err(Denial::NotBound),
        }
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

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
