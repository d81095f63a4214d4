//! One configuration at work in one worker: decides requests, and between them keeps itself up to
//! date.
//!
//! The state that decisions rest on is shared by all workers, but each worker has its own view of
//! it, its own cache and its own part in the election of the one that follows the companion
//! ([`Follower`]).

use rescind_core::config::{Config, MAX_CONFIG_BYTES};
use rescind_core::crypto::SignatureVerifier;
use rescind_core::gate::{Context, Gate};
use rescind_core::identity::Identity;
use rescind_core::in_flight::Cut;
use rescind_core::keys::KeyStore;
use rescind_core::metrics::Id;
use rescind_core::on_demand::OnDemand;
use rescind_core::request::{Connection, RequestView};
use rescind_core::staleness::{Change, Watch};
use rescind_core::table::{TableReader, TableStatus};
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};

use crate::bodies::{Bodies, Judged};
use crate::family::{Family, Timer};
use crate::follower::{Follower, Purpose, Turn};
use crate::host::{self, Buffer, Level, Token};
use crate::log::{self, Refusals, Refused};
use crate::metrics::Metrics;
use crate::request;
use crate::shared::Store;
use crate::verifier::HostVerifier;
use crate::withheld::Withheld;

/// What a worker needs for one configuration.
#[derive(Debug)]
pub(crate) struct Worker {
    family: Family,
    gate: Gate,
    table: TableReader,
    keys: KeyStore,
    follower: Follower,
    store: Store,
    verifier: HostVerifier,
    connection: HostConnection,
    metrics: Metrics,
    refusals: Refusals,
    staleness: Watch,
    bodies: Bodies,
    /// Where there is no timer: requests that wait for news.
    waiting: Vec<Waiting>,
}

/// A request that waits for the answer to a callout.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Its context.
    pub(crate) request: u32,
    /// Its credentials, which were overwritten.
    pub(crate) credentials: Withheld,
    since: UnixTime,
    token: Token,
}

/// Whose answer came.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Not one of this worker's.
    Foreign,
    /// It is taken, and nobody waits for it; or somebody waits for another one now.
    Quietly,
    /// This request need not wait any longer.
    For(Waiting),
}

/// The connection of the request that the host is handling.
#[derive(Debug)]
struct HostConnection(Family);

impl Connection for HostConnection {
    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        const DIGEST: &str = "connection\0sha256_peer_certificate_digest";
        self.0.tells_certificates().then(|| host::property(DIGEST).ok()).flatten()
    }
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
        let family = Family::probe();
        if !family.is_served(cfg!(feature = "envoy")) {
            let name = family.name();
            let line = format_args!(
                "this module is for Envoy and Istio alone, and the gateway is of {name}'s kind; load rescind.wasm"
            );
            log::line(Level::Critical, line);
            return None;
        }
        if config.identity.filter_state && !family.has_filter_state() {
            let line = "`identity.filter_state`: this gateway has none; set it to false";
            log::line(Level::Critical, line);
            return None;
        }
        if config.routes.cuts_streams() && !family.ends_streams() {
            let line =
                "`routes[].in_flight`: this gateway cannot end what is open; set it to finish";
            log::line(Level::Critical, line);
            return None;
        }
        if config.routes.verifies_bodies() && !family.holds_bodies() {
            let line =
                "`routes[].mcp.verify_body`: this gateway does not hold bodies back; remove it";
            log::line(Level::Critical, line);
            return None;
        }
        let verifier = match family.has_foreign_functions() {
            true => HostVerifier::probe(),
            false => HostVerifier::default(),
        };
        let proven: Vec<&str> =
            verifier.proven().iter().map(|algorithm| algorithm.name()).collect();
        let (name, proven) = (family.name(), proven.join(" "));
        let line =
            format_args!("configured; the gateway is of {name}'s kind and checks [{proven}]");
        log::line(Level::Info, line);
        Some(Self {
            table: config.table_reader(),
            keys: KeyStore::new(&config),
            follower: Follower::start(&config, family),
            gate: Gate::new(config, seed),
            store: Store::of(family),
            verifier,
            connection: HostConnection(family),
            metrics: Metrics::define(family.increments_gauges()),
            refusals: Refusals::default(),
            staleness: Watch::default(),
            bodies: Bodies::default(),
            waiting: Vec::new(),
            family,
        })
    }

    /// The configuration that is enforced.
    pub(crate) const fn config(&self) -> &Config {
        self.gate.config()
    }

    /// What kind of host this is.
    pub(crate) const fn family(&self) -> Family {
        self.family
    }

    /// Whether `request` should wait for news before it is decided: there is something to ask, and no timer to do it.
    pub(crate) fn has_question(&mut self, request: &RequestView<'_>) -> bool {
        if self.family.timer() != Timer::Absent || !self.gate.rests_on_state(request) {
            return false;
        }
        let (Ok(now), Ok(random)) = (host::now(), host::random()) else { return false };
        let status = self.table.refresh(&self.store, now);
        let (shared, counters) = (&self.store, &mut self.gate.counters);
        let has_question = self.follower.look(status, &mut Turn { shared, counters, now, random });
        if has_question {
            self.refusals.roll(now);
            self.report(now);
        }
        has_question
    }

    /// Asks, and lets `request` wait for the answer; if that cannot be, gives its credentials back.
    pub(crate) fn ask(&mut self, request: u32, credentials: Withheld) -> Result<(), Withheld> {
        let (Ok(now), Ok(random)) = (host::now(), host::random()) else { return Err(credentials) };
        let (shared, counters) = (&self.store, &mut self.gate.counters);
        let token = self.follower.send_one(&mut Turn { shared, counters, now, random });
        let Some(token) = token else { return Err(credentials) };
        self.waiting.push(Waiting { request, credentials, since: now, token });
        Ok(())
    }

    /// The request goes on with this permit.
    pub(crate) fn watch(&mut self, request: u32, permit: &mut Permit) {
        self.gate.watch(request, permit);
    }

    /// The request goes on, and its body when it is whole and says what this permit asks for.
    pub(crate) fn hold(
        &mut self,
        request: u32,
        permit: &mut Permit,
        ends: bool,
    ) -> Result<(), Denial> {
        let Some(announced) = permit.take_announced() else { return Ok(()) };
        self.bodies
            .hold(request, announced, ends)
            .inspect_err(|denial| self.gate.counters.deny(denial))
    }

    /// What becomes of what has come of a body.
    pub(crate) fn judge_body(
        &mut self,
        request: u32,
        size: Option<usize>,
        is_whole: bool,
    ) -> Judged {
        let limit = self.config().limits.max_mcp_body_bytes;
        let judged = self.bodies.judge(request, size, is_whole, limit);
        if let Judged::Refused(denial) = &judged {
            self.gate.counters.deny(denial);
        }
        judged
    }

    /// A request ended. If it waited, nobody hears the answer.
    pub(crate) fn forget(&mut self, request: u32) {
        self.bodies.forget(request);
        self.gate.forget(request);
        let Some(place) = self.waiting.iter().position(|waiting| waiting.request == request) else {
            return;
        };
        let waiting = self.waiting.swap_remove(place);
        if let (Ok(now), Ok(random)) = (host::now(), host::random()) {
            let (shared, counters) = (&self.store, &mut self.gate.counters);
            self.follower.abandon(waiting.token, &mut Turn { shared, counters, now, random });
        }
    }

    /// Whether the request may pass.
    pub(crate) fn decide(&mut self, request: &RequestView<'_>) -> Result<Permit, Denial> {
        self.follower.saw_request();
        let now = host::now()
            .map_err(|status| Denial::Unreadable { what: "the time", status: status.0 })?;
        let (gate, mut context) = self.gate();
        gate.decide(request, &mut context, now)
    }

    fn gate(&mut self) -> (&mut Gate, Context<'_>) {
        let context = Context {
            table: &mut self.table,
            shared: &self.store,
            keys: &mut self.keys,
            verifier: &self.verifier,
            connection: &self.connection,
        };
        (&mut self.gate, context)
    }

    /// Whose the last request was, as far as that was found out.
    pub(crate) fn caller(&self) -> Option<&Identity> {
        self.gate.caller()
    }

    /// Notes that a request was refused.
    pub(crate) fn refused(&mut self, denial: &Denial) {
        if let Ok(now) = host::now() {
            self.refusals.write(Refused::Request, denial, now);
        }
    }

    /// Ends what would be refused now.
    fn cut_streams(&mut self, root: u32, now: UnixTime) {
        let (gate, mut context) = self.gate();
        let cuts = gate.cut(&mut context, now);
        for Cut { stream, denial } in &cuts {
            match request::cut(*stream, denial, self.config()) {
                Ok(()) => {
                    self.gate.forget(*stream);
                    self.gate.counters.add(Id::StreamsCut, 1);
                    self.refusals.write(Refused::Stream, denial, now);
                }
                // It is tried again at the next turn, and the host has no such context if it ended meanwhile.
                Err(status) => {
                    let line =
                        format_args!("the gateway does not end a stream ({status}): {denial}");
                    log::line(Level::Error, line);
                }
            }
        }
        if !cuts.is_empty() {
            // What else is done in this callback is about no request.
            let _ = host::act_for(root);
        }
    }

    /// Does what is due. Without a clock nothing is: the state grows stale, and the gate says so.
    pub(crate) fn tick(&mut self, root: u32) {
        if let (Ok(now), Ok(random)) = (host::now(), host::random()) {
            self.refusals.roll(now);
            let (shared, counters) = (&self.store, &mut self.gate.counters);
            self.follower.tick(&mut Turn { shared, counters, now, random });
            self.cut_streams(root, now);
            self.report(now);
        }
    }

    /// Takes the answer to a callout, if it was made here.
    pub(crate) fn take_answer(
        &mut self,
        token: Token,
        header_count: usize,
        body_size: usize,
    ) -> Taken {
        let Some(purpose) = self.follower.take_purpose(token) else { return Taken::Foreign };
        let waiting = self.waiting.iter().position(|waiting| waiting.token == token);
        let waiting = waiting.map(|place| self.waiting.swap_remove(place));
        let (Ok(now), Ok(random)) = (host::now(), host::random()) else {
            return waiting.map_or(Taken::Quietly, Taken::For);
        };
        // A status list is checked with its issuer's keys, and the leader may serve no requests.
        if matches!(purpose, Purpose::StatusList(_))
            && let TableStatus::Synced { keys_version, .. } = self.table.refresh(&self.store, now)
        {
            self.keys.sync(&self.store, keys_version);
        }
        let (shared, counters) = (&self.store, &mut self.gate.counters);
        let mut turn = Turn { shared, counters, now, random };
        let trusted: (&mut KeyStore, &dyn SignatureVerifier) = (&mut self.keys, &self.verifier);
        self.follower.answer(purpose, (header_count, body_size), trusted, &mut turn);
        let Some(mut waiting) = waiting else { return Taken::Quietly };
        if OnDemand::may_go_on(waiting.since, now)
            && let Some(token) = self.follower.send_one(&mut turn)
        {
            waiting.token = token;
            self.waiting.push(waiting);
            return Taken::Quietly;
        }
        self.follower.withdraw();
        Taken::For(waiting)
    }

    /// Ends: hands over at once what it led, and takes its part out of what all workers add up.
    pub(crate) fn retire(mut self) {
        self.follower.resign(&self.store);
        self.metrics.count(&mut self.gate.counters);
        self.metrics.cached_tokens(0);
        self.metrics.watched_streams(0);
    }

    fn report(&mut self, now: UnixTime) {
        self.metrics.count(&mut self.gate.counters);
        self.metrics.cached_tokens(self.gate.cached_tokens());
        self.metrics.watched_streams(self.gate.watched_streams());
        if self.follower.is_leader() {
            let status = self.table.refresh(&self.store, now);
            self.metrics.table(status, self.follower.records(), self.table.gaps());
            self.watch_staleness(status, now);
        }
    }

    fn watch_staleness(&mut self, status: TableStatus, now: UnixTime) {
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
