//! One thread's gate: decides, counts, and says what it refused.

use std::sync::Arc;

use rescind_core::claims::Claims;
use rescind_core::config::{Config, OnStale, Revocation};
use rescind_core::gate::{Context, Gate};
use rescind_core::keys::KeyStore;
use rescind_core::metrics::Id;
use rescind_core::request::{Connection, RequestView};
use rescind_core::table::{TableReader, TableStatus};
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};

use super::counts::Counts;
use super::memory::Memory;
use super::refusals::Refusals;
use super::state::State;
use crate::verifier::RingVerifier;

/// What one thread decides with.
#[derive(Debug)]
pub(crate) struct Worker {
    gate: Gate,
    table: TableReader,
    keys: KeyStore,
    state: Arc<State>,
    counts: Arc<Counts>,
    refusals: Refusals,
    /// What this thread has added to the gauge of remembered tokens.
    cached: u64,
}

/// Nothing is known of the client's connection but what headers say.
#[derive(Debug)]
pub(crate) struct NoConnection;

impl Connection for NoConnection {
    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        None
    }
}

impl Worker {
    /// A gate for `config` that rests on `state`.
    pub(crate) fn new(config: Config, state: Arc<State>, counts: Arc<Counts>) -> Self {
        // Without randomness tokens could be made to meet in the cache, which costs time only.
        let seed = [(); 2].map(|()| getrandom::u64().unwrap_or_default());
        Self {
            table: config.table_reader(),
            keys: KeyStore::new(&config),
            gate: Gate::new(config, seed),
            state,
            counts,
            refusals: Refusals::default(),
            cached: 0,
        }
    }

    /// The configuration that is enforced.
    pub(crate) const fn config(&self) -> &Config {
        self.gate.config()
    }

    /// Whether the request that `caller` shows may pass.
    pub(crate) fn decide(
        &mut self,
        caller: &str,
        request: &RequestView<'_>,
        connection: &dyn Connection,
        now: UnixTime,
    ) -> Result<Permit, Denial> {
        let verdict = match self.unaware(request, now) {
            Some(denial) => {
                self.gate.counters.deny(&denial);
                Err(denial)
            }
            None => {
                let (gate, mut context) = self.gate(connection);
                gate.decide(request, &mut context, now)
            }
        };
        if let Err(denial) = &verdict {
            let _seldom = self.refusals.write(caller, denial, now);
        }
        self.report();
        verdict
    }

    /// Whether the token with these claims, which `caller` has verified, is as good as it was when it
    /// was issued.
    pub(crate) fn recall(
        &mut self,
        caller: &str,
        claims: &Claims<'_>,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let is_aware = self.state.catch_up(now);
        let (config, memory) = (self.gate.config(), self.state.memory());
        let outcome = match unaware(is_aware, config, &mut self.table, memory, now) {
            Some(denial) => Err(denial),
            None => {
                let (gate, mut context) = self.gate(&NoConnection);
                gate.recall(claims, &mut context, now)
            }
        };
        match &outcome {
            Ok(()) => self.gate.counters.add(Id::Permitted, 1),
            Err(denial) => {
                self.gate.counters.deny(denial);
                let _seldom = self.refusals.write(caller, denial, now);
            }
        }
        self.report();
        outcome
    }

    fn gate<'w>(&'w mut self, connection: &'w dyn Connection) -> (&'w mut Gate, Context<'w>) {
        let context = Context {
            table: &mut self.table,
            shared: self.state.memory(),
            keys: &mut self.keys,
            verifier: &RingVerifier,
            connection,
        };
        (&mut self.gate, context)
    }

    /// Refuses a request that could not be read.
    pub(crate) fn refuse(&mut self, caller: &str, denial: &Denial, now: UnixTime) {
        self.gate.counters.deny(denial);
        let _seldom = self.refusals.write(caller, denial, now);
        self.report();
    }

    /// Why this request cannot be decided, if it rests on the state.
    fn unaware(&mut self, request: &RequestView<'_>, now: UnixTime) -> Option<Denial> {
        let is_aware = self.state.catch_up(now);
        if is_aware || !self.gate.rests_on_state(request) {
            return None;
        }
        unaware(is_aware, self.gate.config(), &mut self.table, self.state.memory(), now)
    }

    fn report(&mut self) {
        self.counts.take(&mut self.gate.counters);
        let cached = u64::try_from(self.gate.cached_tokens()).unwrap_or(u64::MAX);
        if cached != self.cached {
            self.counts.shift(Id::TokenCacheEntries, self.cached, cached);
            self.cached = cached;
        }
    }
}

/// Why nothing that rests on the state can be decided: there are signals that could not be applied.
fn unaware(
    is_aware: bool,
    config: &Config,
    table: &mut TableReader,
    memory: &Memory,
    now: UnixTime,
) -> Option<Denial> {
    let Revocation { on_stale, max_staleness: limit, .. } = config.revocation;
    if is_aware || on_stale == OnStale::Allow {
        return None;
    }
    match table.refresh(memory, now) {
        TableStatus::NeverSynchronized => None,
        TableStatus::Synced { fresh_at, .. } => Some(Denial::Stale { fresh_at, now, limit }),
    }
}

#[cfg(test)]
mod tests;
