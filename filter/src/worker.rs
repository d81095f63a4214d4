//! One configuration at work in one worker: decides requests, and between them keeps itself up to
//! date.
//!
//! The state that decisions rest on is shared by all workers, but each worker has its own view of
//! it, its own cache and its own part in the election of the one that follows the companion
//! ([`Follower`]).

use rescind_core::config::{Config, MAX_CONFIG_BYTES};
use rescind_core::gate::{Context, Gate};
use rescind_core::keys::KeyStore;
use rescind_core::request::RequestView;
use rescind_core::staleness::{Change, Watch};
use rescind_core::table::{TableReader, TableStatus};
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};

use crate::follower::{Follower, Purpose};
use crate::host::{self, Buffer, Level, Token};
use crate::log::{self, Refusals};
use crate::metrics::Metrics;
use crate::shared::Store;
use crate::verifier::HostVerifier;

/// What a worker needs for one configuration.
#[derive(Debug)]
pub(crate) struct Worker {
    gate: Gate,
    table: TableReader,
    keys: KeyStore,
    follower: Follower,
    store: Store,
    verifier: HostVerifier,
    metrics: Metrics,
    refusals: Refusals,
    staleness: Watch,
}

impl Worker {
    /// Reads the configuration of `size` bytes that the host has now. `None` if it cannot be used;
    /// the log says why.
    pub(crate) fn configure(size: usize) -> Option<Self> {
        // One byte more than is read shows that there are more.
        let size = size.min(MAX_CONFIG_BYTES.saturating_add(1));
        let text = host::buffer(Buffer::Configuration, size)
            .map_err(|status| {
                let line = format_args!("the gateway does not show the configuration ({status})");
                log::line(Level::Critical, line);
            })
            .ok()?;
        let config = Config::parse(&text)
            .map_err(|problems| {
                for problem in problems.problems() {
                    log::line(Level::Critical, problem);
                }
            })
            .ok()?;
        let seed = [host::random(), host::random()].map(|number| {
            // Without randomness tokens could be made to meet in the cache, which costs time and nothing else.
            number.unwrap_or_default()
        });
        let verifier = HostVerifier::probe();
        let proven: Vec<&str> =
            verifier.proven().iter().map(|algorithm| algorithm.name()).collect();
        let line = format_args!("configured; the gateway checks [{}]", proven.join(" "));
        log::line(Level::Info, line);
        Some(Self {
            table: config.table_reader(),
            keys: KeyStore::new(&config),
            follower: Follower::start(&config),
            gate: Gate::new(config, seed),
            store: Store::probe(),
            verifier,
            metrics: Metrics::define(),
            refusals: Refusals::default(),
            staleness: Watch::default(),
        })
    }

    /// The configuration that is enforced.
    pub(crate) const fn config(&self) -> &Config {
        self.gate.config()
    }

    /// Whether the request may pass.
    pub(crate) fn decide(&mut self, request: &RequestView<'_>) -> Result<Permit, Denial> {
        self.follower.saw_request();
        let now = host::now()
            .map_err(|status| Denial::Unreadable { what: "the time", status: status.0 })?;
        let mut context = Context {
            table: &mut self.table,
            shared: &self.store,
            keys: &mut self.keys,
            verifier: &self.verifier,
        };
        self.gate.decide(request, &mut context, now)
    }

    /// Notes that a request was refused.
    pub(crate) fn refused(&mut self, denial: &Denial) {
        if let Ok(now) = host::now() {
            self.refusals.write(denial, now);
        }
    }

    /// Does what is due. Without a clock nothing is: the state grows stale, and the gate says so.
    pub(crate) fn tick(&mut self) {
        if let (Ok(now), Ok(random)) = (host::now(), host::random()) {
            self.refusals.roll(now);
            self.follower.tick(&self.store, &mut self.gate.counters, now, random);
            self.report(now);
        }
    }

    /// Takes the answer to a callout, if it was made here.
    pub(crate) fn take_answer(
        &mut self,
        token: Token,
        header_count: usize,
        body_size: usize,
    ) -> bool {
        let Some(purpose) = self.follower.take_purpose(token) else { return false };
        if let (Ok(now), Ok(random)) = (host::now(), host::random()) {
            // A status list is checked with its issuer's keys, and the leader may serve no requests.
            if matches!(purpose, Purpose::StatusList(_))
                && let TableStatus::Synced { keys_version, .. } =
                    self.table.refresh(&self.store, now)
            {
                self.keys.sync(&self.store, keys_version);
            }
            self.follower.answer(
                purpose,
                (header_count, body_size),
                (&mut self.keys, &self.verifier),
                &self.store,
                &mut self.gate.counters,
                (now, random),
            );
        }
        true
    }

    /// Ends: hands over at once what it led, and takes its part out of what all workers add up.
    pub(crate) fn retire(mut self) {
        self.follower.resign(&self.store);
        self.metrics.count(&mut self.gate.counters);
        self.metrics.cached_tokens(0);
    }

    fn report(&mut self, now: UnixTime) {
        self.metrics.count(&mut self.gate.counters);
        self.metrics.cached_tokens(self.gate.cached_tokens());
        if self.follower.is_leader() {
            let status = self.table.refresh(&self.store, now);
            self.metrics.table(status, self.follower.records());
            self.watch(status, now);
        }
    }

    fn watch(&mut self, status: TableStatus, now: UnixTime) {
        let TableStatus::Synced { fresh_at, .. } = status else { return };
        let limits = &self.gate.config().revocation;
        let limits = (limits.max_staleness, limits.on_stale);
        match self.staleness.observe(fresh_at, limits, now) {
            Some(change @ Change::Stale { .. }) => log::line(Level::Warn, change),
            Some(change @ Change::Fresh) => log::line(Level::Info, change),
            None => {}
        }
    }
}
