//! What decisions rest on: the state table, the issuers' keys and their status lists.
//!
//! It is the filter's own machinery ([`rescind_core::replica`], [`rescind_core::keys`],
//! [`rescind_core::status_list`]) with this process in the place of the gateway: pages of the feed
//! come from the companion's own feed, fetches go out through its own client, and there is one
//! follower for all threads.
//!
//! **A signal is in force when it is acknowledged**: whoever decides calls [`State::catch_up`]
//! first, which costs one comparison while nothing is new. Beside that, [`State::tend`] follows by
//! itself, so that a request seldom finds anything to do.
//!
//! What this module refuses to do: vouch for its own freshness. Pages are signed, dated and judged
//! as in any gateway; if they stop making sense, the state grows stale and the gate says so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Method;
use rescind_core::config::Config;
use rescind_core::crypto::SignatureVerifier;
use rescind_core::feed::Cursor;
use rescind_core::jwk::MAX_KEY_SET_BYTES;
use rescind_core::keys::{Fetch, KeyStore, KeysNotice, Refresher};
use rescind_core::metrics::{Counters, Id};
use rescind_core::replica::{FeedRequest, Level, Notice, Replica, Step};
use rescind_core::staleness::{Change, Watch};
use rescind_core::status_list::{ListNotice, ListRefresher, MAX_LIST_TOKEN_BYTES};
use rescind_core::table::{TableReader, TableStatus};
use rescind_core::time::UnixTime;

use super::counts::Counts;
use super::memory::Memory;
use super::settings::Cluster;
use crate::feed::Feed;
use crate::gaps::Gaps;
use crate::live::LiveLog;
use crate::outbound::{Call, Outbound};
use crate::verifier::RingVerifier;

/// How often a page is taken although nothing changed: the state is never older than that.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How often is looked whether a fetch is due or the table wants sweeping.
const TICK: Duration = Duration::from_millis(100);

/// Steps with less than this before the next one have work left.
const SOON: Duration = Duration::from_millis(50);

/// Steps in a row before others get a turn: a step writes up to 8,192 pages, and an import of a
/// million signals takes some hundred of them.
const MAX_STEPS: usize = 64;

/// The state, for all threads.
#[derive(Debug)]
pub(crate) struct State {
    memory: Memory,
    feed: Arc<Feed>,
    live: Arc<LiveLog>,
    gaps: Arc<Gaps>,
    /// The table has every change up to this sequence.
    seen: AtomicU64,
    following: Mutex<Following>,
    clusters: HashMap<String, Server>,
    /// For servers that are no named clusters.
    public: Outbound,
    counts: Arc<Counts>,
}

#[derive(Clone, Debug)]
struct Server {
    base: String,
    http: Outbound,
}

#[derive(Debug)]
struct Following {
    replica: Replica,
    refresher: Refresher,
    lists: ListRefresher,
    table: TableReader,
    keys: KeyStore,
    staleness: Watch,
    config: Config,
    asked: Option<Asked>,
    counters: Counters,
    records: u64,
}

/// A question to the feed that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    from: u64,
    gaps: u32,
    at: UnixTime,
}

/// What is to be fetched, and for whom.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A key set, a bundle or metadata.
    Keys(Fetch),
    /// A status list.
    List(Fetch),
}

impl State {
    /// The state for `config`, from the companion's own `feed`.
    pub(crate) fn new(
        config: &Config,
        clusters: &[Cluster],
        (feed, live, gaps): (Arc<Feed>, Arc<LiveLog>, Arc<Gaps>),
        counts: Arc<Counts>,
    ) -> Self {
        let following = Following {
            // Nobody else writes this table, and nobody holds an answer back but this module.
            replica: Replica::new(config.replica_on_demand()),
            refresher: Refresher::new(config),
            lists: ListRefresher::new(config),
            table: config.table_reader(),
            keys: KeyStore::new(config),
            staleness: Watch::default(),
            config: config.clone(),
            asked: None,
            counters: Counters::new(),
            records: 0,
        };
        let servers = clusters.iter().map(|cluster| {
            let http = Outbound::new(&cluster.roots);
            (cluster.name.clone(), Server { base: cluster.url.clone(), http })
        });
        Self {
            memory: Memory::default(),
            feed,
            live,
            gaps,
            seen: AtomicU64::new(0),
            following: Mutex::new(following),
            clusters: servers.collect(),
            public: Outbound::new(&[]),
            counts,
        }
    }

    /// Where it is.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Applies every signal that was acknowledged before this call. `false` if that cannot be done
    /// at present: then there is something that decisions do not know of.
    pub(crate) fn catch_up(&self, now: UnixTime) -> bool {
        let target = self.live.changed();
        if self.seen.load(Ordering::Acquire) >= target {
            return true;
        }
        let mut following = self.lock();
        while self.follow(&mut following, now) && self.seen.load(Ordering::Acquire) < target {}
        self.seen.load(Ordering::Acquire) >= target
    }

    /// Reads the whole log and makes the first answer possible. At the start.
    pub(crate) fn synchronize(&self, now: UnixTime) {
        while self.follow(&mut self.lock(), now) {}
    }

    /// Follows for ever: news at once, the rest in time.
    pub(crate) async fn tend(self: Arc<Self>) {
        let (mut changes, mut gaps) = (self.live.watch(), self.gaps.watch());
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = changes.changed() => {}
                _ = gaps.changed() => {}
            }
            for ask in self.turn(crate::clock::now()) {
                tokio::spawn(Arc::clone(&self).fetch(ask));
            }
        }
    }

    /// Does what is due, and says what is to be fetched.
    fn turn(&self, now: UnixTime) -> Vec<Ask> {
        let mut following = self.lock();
        let _more = self.follow(&mut following, now);
        let (keys, key_notices) =
            following.refresher.handle_tick(true, &self.memory, now, random());
        let (lists, list_notices) = following.lists.handle_tick(true, &self.memory, now, random());
        key_notices.iter().for_each(|notice| tell_keys(notice, &mut following.counters));
        list_notices.iter().for_each(|notice| tell_list(notice, &mut following.counters));
        self.announce(&mut following, now);
        self.report(&mut following, now);
        keys.into_iter().map(Ask::Keys).chain(lists.into_iter().map(Ask::List)).collect()
    }

    async fn fetch(self: Arc<Self>, ask: Ask) {
        let (fetch, limit) = match &ask {
            Ask::Keys(fetch) => (fetch, MAX_KEY_SET_BYTES),
            Ask::List(fetch) => (fetch, MAX_LIST_TOKEN_BYTES),
        };
        let (url, http) = self.address(fetch);
        let call = Call {
            method: Method::GET,
            url,
            content: None,
            timeout: fetch.timeout,
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
        };
        let answer = match http.call(call, None).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::warn!(cluster = fetch.cluster, %error, "decisions: fetch failed");
                None
            }
        };
        let answer = answer.as_ref().map(|answer| (answer.status, answer.body.as_slice()));
        self.take(&ask, answer, crate::clock::now());
    }

    fn address(&self, fetch: &Fetch) -> (String, Outbound) {
        match self.clusters.get(&fetch.cluster) {
            Some(server) => (format!("{}{}", server.base, fetch.path), server.http.clone()),
            None => (format!("https://{}{}", fetch.authority, fetch.path), self.public.clone()),
        }
    }

    fn take(&self, ask: &Ask, answer: Option<(u16, &[u8])>, now: UnixTime) {
        let mut guard = self.lock();
        let following = &mut *guard;
        match ask {
            Ask::Keys(Fetch { source, .. }) => {
                let (memory, random) = (&self.memory, random());
                let refresher = &mut following.refresher;
                if let Some(notice) =
                    refresher.handle_response(*source, answer, memory, now, random)
                {
                    tell_keys(&notice, &mut following.counters);
                }
            }
            Ask::List(Fetch { source, .. }) => {
                // A list is checked with its issuer's keys.
                if let TableStatus::Synced { keys_version, .. } =
                    following.table.refresh(&self.memory, now)
                {
                    following.keys.sync(&self.memory, keys_version);
                }
                let Following { lists, keys, counters, .. } = following;
                let trusted: (&mut KeyStore, &dyn SignatureVerifier) = (keys, &RingVerifier);
                let notice =
                    lists.handle_response(*source, answer, trusted, &self.memory, now, random());
                if let Some(notice) = notice {
                    tell_list(&notice, counters);
                }
            }
        }
        self.announce(following, now);
        self.counts.take(&mut following.counters);
    }

    /// Takes what the feed has and the table wants; `true` if there is more to do at once.
    fn follow(&self, following: &mut Following, now: UnixTime) -> bool {
        let mut goes_on = true;
        for _ in 0..MAX_STEPS {
            let answers = following.asked.filter(|asked| self.has_answer(following, *asked, now));
            let step = match answers {
                Some(asked) => {
                    following.asked = None;
                    let page = self.feed.signed(asked.from, now);
                    following.replica.handle_response(Ok(&page), &self.memory, now, random())
                }
                None => following.replica.handle_tick(&self.memory, now, random()),
            };
            let has_work = step.next_tick < SOON;
            self.carry_out(step, following, now);
            goes_on = match following.asked {
                Some(asked) => has_work || self.has_answer(following, asked, now),
                // After an answer comes the next question; after a tick without one, a pause.
                None => has_work || answers.is_some(),
            };
            if !goes_on {
                break;
            }
        }
        if let Some(asked) = following.asked {
            self.seen.store(asked.from, Ordering::Release);
        }
        self.counts.take(&mut following.counters);
        goes_on
    }

    /// Whether there is news, or a question that must not wait for any.
    fn has_answer(&self, following: &Following, asked: Asked, now: UnixTime) -> bool {
        !following.replica.is_settled()
            || self.live.changed() > asked.from
            || self.gaps.version() != asked.gaps
            || now < asked.at
            || now.since(asked.at) >= HEARTBEAT
    }

    fn carry_out(&self, step: Step, following: &mut Following, now: UnixTime) {
        for notice in &step.notices {
            following.tell(notice);
        }
        if let Some(FeedRequest { path, .. }) = step.request {
            let query = path.split_once('?').map_or("", |(_, query)| query);
            let cursor = crate::service::parameter(query, "after").and_then(Cursor::parse);
            let gaps = crate::service::parameter(query, "gaps");
            let gaps = gaps.and_then(|gaps| u32::from_str_radix(gaps, 16).ok());
            following.asked =
                Some(Asked { from: self.feed.start(cursor), gaps: gaps.unwrap_or(0), at: now });
        }
    }

    /// Tells all threads that key sets or status lists changed.
    fn announce(&self, following: &mut Following, now: UnixTime) {
        let has_news = following.refresher.has_news() || following.lists.has_news();
        if has_news && following.replica.bump_keys_version(&self.memory, now, random()) {
            following.refresher.announced();
            following.lists.announced();
        }
    }

    fn report(&self, following: &mut Following, now: UnixTime) {
        let TableStatus::Synced { fresh_at, .. } = following.table.refresh(&self.memory, now)
        else {
            return;
        };
        self.counts.record(Id::TableFreshAt, fresh_at.secs());
        self.counts.record(Id::TableRecords, following.records);
        let gaps = following.table.gaps();
        self.counts.record(Id::FeedGaps, u64::try_from(gaps).unwrap_or(u64::MAX));
        let limits = &following.config.revocation;
        let limits = (limits.max_staleness, limits.on_stale);
        match following.staleness.observe(fresh_at, limits, now) {
            Some(change @ Change::Stale { .. }) => tracing::warn!("decisions: {change}"),
            Some(change @ Change::Fresh) => tracing::info!("decisions: {change}"),
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    fn tell(&mut self, notice: &Notice) {
        match notice {
            Notice::Applied { records, live, .. } => {
                self.records = *live;
                self.counters.add(Id::FeedPages, 1);
                self.counters.add(Id::FeedRecords, u64::try_from(*records).unwrap_or(u64::MAX));
            }
            Notice::Synchronized { records, .. } => self.records = *records,
            Notice::Refused(_)
            | Notice::Old { .. }
            | Notice::Backwards { .. }
            | Notice::Future { .. } => self.counters.add(Id::FeedPagesRefused, 1),
            _ => {}
        }
        match notice.level() {
            Level::Debug => tracing::debug!("decisions: {notice}"),
            Level::Info => tracing::info!("decisions: {notice}"),
            Level::Warn => tracing::warn!("decisions: {notice}"),
            Level::Error => tracing::error!("decisions: {notice}"),
        }
    }
}

fn tell_keys(notice: &KeysNotice, counters: &mut Counters) {
    match notice {
        KeysNotice::Failed { .. } => {
            counters.add(Id::KeysFailed, 1);
            tracing::warn!("decisions: {notice}");
        }
        KeysNotice::Fetched { .. } => {
            counters.add(Id::KeysFetched, 1);
            if notice.is_news() {
                tracing::info!("decisions: {notice}");
            }
        }
        KeysNotice::Located { .. } => tracing::debug!("decisions: {notice}"),
    }
}

fn tell_list(notice: &ListNotice, counters: &mut Counters) {
    match notice {
        ListNotice::Failed { .. } => {
            counters.add(Id::StatusListsFailed, 1);
            tracing::warn!("decisions: {notice}");
        }
        ListNotice::Fetched { .. } => {
            counters.add(Id::StatusListsFetched, 1);
            if notice.is_news() {
                tracing::info!("decisions: {notice}");
            }
        }
        ListNotice::GaveWay { .. } => tracing::warn!("decisions: {notice}"),
    }
}

/// For pauses and names that nobody should guess; without randomness they are only less spread.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
