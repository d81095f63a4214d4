//! One configuration at work in one worker.

use rescind_core::config::{Config, MAX_CONFIG_BYTES};
use rescind_core::crypto::SignatureVerifier;
use rescind_core::metrics::Counters;
use rescind_core::request::RequestView;
use rescind_core::shared::SharedData;
use rescind_core::verdict::{Denial, Permit};

use crate::host::{self, Buffer, Level, Token};
use crate::log::{self, Refusals};
use crate::metrics::Metrics;
use crate::shared::Store;
use crate::verifier::HostVerifier;

/// How often the worker looks whether there is something to do. The companion is asked at once after each answer,
/// so this bounds how soon a lost lease or callout is noticed, not how soon a revocation is.
const TICK_MILLIS: u32 = 100;

/// What a worker needs for one configuration.
#[derive(Debug)]
pub(crate) struct Worker {
    config: Config,
    counters: Counters,
    store: Store,
    verifier: HostVerifier,
    metrics: Metrics,
    refusals: Refusals,
}

impl Worker {
    /// Reads the configuration of `size` bytes that the host has now. `None` if it cannot be used; the log says why.
    pub(crate) fn configure(size: usize) -> Option<Self> {
        let config =
            match host::buffer(Buffer::Configuration, size.min(MAX_CONFIG_BYTES.saturating_add(1)))
            {
                Ok(text) => Config::parse(&text),
                Err(status) => {
                    log::line(
                        Level::Critical,
                        format_args!("the gateway does not show the configuration ({status})"),
                    );
                    return None;
                }
            };
        let config = match config {
            Ok(config) => config,
            Err(errors) => {
                log::line(Level::Critical, errors);
                return None;
            }
        };
        let verifier = HostVerifier::probe();
        let proven: Vec<&str> =
            verifier.proven().iter().map(|algorithm| algorithm.name()).collect();
        log::line(
            Level::Info,
            format_args!("configured; the gateway checks [{}]", proven.join(" ")),
        );
        if let Err(status) = host::set_tick_period(TICK_MILLIS) {
            log::line(Level::Critical, format_args!("the gateway has no timer ({status})"));
        }
        Some(Self {
            config,
            counters: Counters::new(),
            store: Store::probe(),
            verifier,
            metrics: Metrics::define(),
            refusals: Refusals::default(),
        })
    }

    /// The configuration that is enforced.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the request may pass.
    pub(crate) fn decide(&mut self, _request: &RequestView<'_>) -> Result<Permit, Denial> {
        let _: (&dyn SharedData, &dyn SignatureVerifier) = (&self.store, &self.verifier);
        Err(Denial::NeverSynchronized)
    }

    /// Notes that a request was refused.
    pub(crate) fn refused(&mut self, denial: &Denial) {
        if let Ok(now) = host::now() {
            self.refusals.write(denial, now);
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        let Ok(now) = host::now() else { return };
        self.refusals.roll(now);
        self.metrics.count(&mut self.counters);
    }

    /// Takes the answer to a callout, if it was made here.
    pub(crate) fn take_answer(
        &mut self,
        _token: Token,
        _header_count: usize,
        _body_size: usize,
    ) -> bool {
        false
    }
}
