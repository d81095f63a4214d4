//! Keeps the state up to date: sends what the core asks for, and hands the answers back.
//!
//! Where there is a timer, it drives everything. Where there is none, a request does ([`Follower::look`]), and waits
//! for the answer: then one thing is asked at a time.
//!
//! When to ask whom is the core's ([`Replica`] for the feed, [`Refresher`] for key sets,
//! [`ListRefresher`] for status lists); so is what becomes of an answer. What is here: callouts, the
//! timer, and what is said about them in log and metrics. Only one worker leads, and one looks after documents; the others do nothing but watch
//! their leases.

use std::collections::VecDeque;
use std::time::Duration;

use rescind_core::config::Config;
use rescind_core::crypto::SignatureVerifier;
use rescind_core::documents::Documents;
use rescind_core::feed::MAX_PAGE_BYTES;
use rescind_core::jwk::MAX_KEY_SET_BYTES;
use rescind_core::keys::{Fetch, KeyStore, KeysNotice, Refresher};
use rescind_core::metrics::{Counters, Id};
use rescind_core::on_demand::{ANSWER_TIMEOUT, OnDemand};
use rescind_core::replica::{self, CalloutFailure, FeedRequest, Notice, Replica, Step};
use rescind_core::shared::SharedData;
use rescind_core::status_list::{ListNotice, ListRefresher, MAX_LIST_TOKEN_BYTES};
use rescind_core::table::TableStatus;
use rescind_core::time::UnixTime;

use crate::callout::{self, AnswerError, Get};
use crate::family::{Family, Timer};
use crate::host::{self, Level, Token};
use crate::log;

/// How often a worker looks whether there is something to do, if nothing asks for sooner. The
/// companion is asked again at once after each answer, so this bounds how soon a lost lease is
/// noticed, not a revocation.
const TICK: Duration = Duration::from_millis(100);

/// The tick where it cannot be changed: a large feed is applied in steps, which should follow one another soon, and
/// a turn of a worker that does not lead costs one look at the lease.
const FIXED_TICK: Duration = Duration::from_millis(20);

/// How many requests may fail to be sent one right after the other. The core pauses after the
/// first.
const MAX_UNSENT: usize = 2;

/// How many steps of work are done while a request waits: each writes up to 8,192 pages, so this is more than one
/// answer can need.
const MAX_STEPS: usize = 64;

/// One worker's part in keeping the state up to date.
#[derive(Debug)]
pub(crate) struct Follower {
    replica: Replica,
    refresher: Refresher,
    lists: ListRefresher,
    documents: Documents,
    on_demand: OnDemand,
    companion: Companion,
    family: Family,
    to_send: VecDeque<Ask>,
    under_way: Vec<(Token, Purpose)>,
    tick: Duration,
    records: u64,
}

/// A request to be sent.
#[derive(Debug)]
enum Ask {
    Feed(FeedRequest),
    Keys(Fetch),
    StatusList(Fetch),
}

/// The time, a random number, and what the core works on.
pub(crate) struct Turn<'a> {
    pub(crate) shared: &'a dyn SharedData,
    pub(crate) counters: &'a mut Counters,
    pub(crate) now: UnixTime,
    pub(crate) random: u64,
}

/// What a callout is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// The feed.
    Feed,
    /// The key set of this source.
    Keys(usize),
    /// The status list of this number.
    StatusList(usize),
}

#[derive(Debug)]
struct Companion {
    cluster: String,
    authority: String,
    token: String,
}

impl Follower {
    /// Sets the timer, if there is one, which brings everything else about.
    pub(crate) fn start(config: &Config, family: Family) -> Self {
        let revocation = &config.revocation;
        let replica = match family.timer() {
            Timer::Adjustable | Timer::Fixed => config.replica(),
            Timer::Absent => config.replica_on_demand(),
        };
        let mut follower = Self {
            replica: Replica::new(replica),
            refresher: Refresher::new(config),
            lists: ListRefresher::new(config),
            documents: Documents::new(config, family.timer() == Timer::Absent),
            on_demand: OnDemand::new(revocation.refresh_interval),
            companion: Companion {
                cluster: revocation.cluster.clone(),
                authority: revocation.authority.clone(),
                token: revocation.gateway_token.clone(),
            },
            family,
            to_send: VecDeque::new(),
            under_way: Vec::new(),
            tick: Duration::ZERO,
            records: 0,
        };
        follower.set_tick(TICK);
        follower
    }

    /// This worker serves requests: others should lead.
    pub(crate) fn saw_request(&mut self) {
        if self.family.timer() != Timer::Absent {
            self.replica.saw_request();
            self.documents.saw_request();
        }
    }

    /// Whether this worker asks the companion.
    pub(crate) const fn is_leader(&self) -> bool {
        self.replica.is_leader()
    }

    /// About how many records the table has, as far as this worker has heard.
    pub(crate) const fn records(&self) -> u64 {
        self.records
    }

    /// The configuration ends: another worker need not wait for this one's lease to end.
    pub(crate) fn resign(&mut self, shared: &dyn SharedData) {
        self.replica.resign(shared);
        self.documents.resign(shared);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        let step = self.replica.handle_tick(turn.shared, turn.now, turn.random);
        self.carry_out(step, turn);
        self.look_after_documents(turn);
        self.send_all(turn);
    }

    /// Where there is no timer: whether a request should wait for something, with the table as it is. If so, it is
    /// to be sent.
    pub(crate) fn look(&mut self, status: TableStatus, turn: &mut Turn<'_>) -> bool {
        if !self.on_demand.looks(turn.now) {
            return false;
        }
        if self.on_demand.wants_news(status, turn.now) {
            let step = self.replica.handle_tick(turn.shared, turn.now, turn.random);
            self.work_off(step, turn);
        }
        self.look_after_documents(turn);
        !self.to_send.is_empty()
    }

    /// What the callout was for, if it was made here. It is over with this.
    pub(crate) fn take_purpose(&mut self, token: Token) -> Option<Purpose> {
        let place = self.under_way.iter().position(|(known, _)| *known == token)?;
        Some(self.under_way.swap_remove(place).1)
    }

    /// Takes the answer that the host has now, with so many headers and bytes.
    pub(crate) fn answer(
        &mut self,
        purpose: Purpose,
        (header_count, size): (usize, usize),
        trusted: (&mut KeyStore, &dyn SignatureVerifier),
        turn: &mut Turn<'_>,
    ) {
        match purpose {
            Purpose::Feed => {
                let answer = match callout::answer(header_count, size, MAX_PAGE_BYTES) {
                    Ok((200, body)) => Ok(body),
                    Ok((status, _)) => Err(CalloutFailure::Status(status)),
                    Err(error) => Err(failure(error)),
                };
                self.feed(answer.as_deref().map_err(|failure| *failure), turn);
            }
            Purpose::Keys(source) => {
                let answer = callout::answer(header_count, size, MAX_KEY_SET_BYTES);
                if let Err(error) = &answer {
                    log::line(Level::Warn, format_args!("keys: {error}"));
                }
                let answer = answer.as_ref().ok().map(|(status, body)| (*status, body.as_slice()));
                self.keys(source, answer, turn);
                self.announce_keys(turn);
            }
            Purpose::StatusList(number) => {
                let answer = callout::answer(header_count, size, MAX_LIST_TOKEN_BYTES);
                if let Err(error) = &answer {
                    log::line(Level::Warn, format_args!("status lists: {error}"));
                }
                let answer = answer.as_ref().ok().map(|(status, body)| (*status, body.as_slice()));
                let (shared, now, random) = (turn.shared, turn.now, turn.random);
                let notice =
                    self.lists.handle_response(number, answer, trusted, shared, now, random);
                if let Some(notice) = notice {
                    Self::tell_list(&notice, turn.counters);
                }
                self.announce_keys(turn);
            }
        }
        match self.family.timer() {
            Timer::Adjustable | Timer::Fixed => self.send_all(turn),
            // Discovery asks twice.
            Timer::Absent => self.look_after_documents(turn),
        }
    }

    /// Nobody waits for this callout any more, and its answer will not come.
    pub(crate) fn abandon(&mut self, token: Token, turn: &mut Turn<'_>) {
        match self.take_purpose(token) {
            Some(Purpose::Feed) => self.feed(Err(CalloutFailure::NoAnswer), turn),
            Some(Purpose::Keys(source)) => self.keys(source, None, turn),
            Some(Purpose::StatusList(number)) => self.list_lost(number, turn),
            None => {}
        }
    }

    /// The request that waits will not wait for another answer from the companion. The next one will.
    pub(crate) fn withdraw(&mut self) {
        let before = self.to_send.len();
        self.to_send.retain(|ask| !matches!(ask, Ask::Feed(_)));
        if self.to_send.len() < before {
            self.replica.withdraw();
        }
    }

    /// Sends the next request that can be sent.
    pub(crate) fn send_one(&mut self, turn: &mut Turn<'_>) -> Option<Token> {
        let mut unsent = 0_usize;
        while let Some(ask) = self.to_send.pop_front() {
            match self.send(&ask) {
                Ok((token, purpose)) => {
                    self.expect(token, purpose);
                    return Some(token);
                }
                Err(error) => {
                    unsent = unsent.saturating_add(1);
                    self.not_sent(&ask, error, turn);
                    if unsent >= MAX_UNSENT {
                        // What came right after is not sent; its deadline finds it.
                        self.to_send.retain(|ask| !matches!(ask, Ask::Feed(_)));
                    }
                }
            }
        }
        None
    }

    fn send_all(&mut self, turn: &mut Turn<'_>) {
        while self.send_one(turn).is_some() {}
    }

    fn send(&self, ask: &Ask) -> Result<(Token, Purpose), AnswerError> {
        let waits = |timeout: Duration| match self.family.timer() {
            Timer::Adjustable | Timer::Fixed => timeout,
            Timer::Absent => timeout.min(ANSWER_TIMEOUT),
        };
        let (get, purpose) = match ask {
            Ask::Feed(request) => (
                Get {
                    cluster: &self.companion.cluster,
                    authority: &self.companion.authority,
                    path: &request.path,
                    accept: "application/cbor",
                    bearer: Some(&self.companion.token),
                    timeout: waits(request.timeout),
                },
                Purpose::Feed,
            ),
            Ask::Keys(keys) => (
                get(keys, "application/json, application/jwk-set+json", waits(keys.timeout)),
                Purpose::Keys(keys.source),
            ),
            Ask::StatusList(list) => (
                get(list, "application/statuslist+jwt", waits(list.timeout)),
                Purpose::StatusList(list.source),
            ),
        };
        Ok((get.send(self.family.calls_addresses())?, purpose))
    }

    fn not_sent(&mut self, ask: &Ask, error: AnswerError, turn: &mut Turn<'_>) {
        match ask {
            Ask::Feed(_) => self.feed(Err(failure(error)), turn),
            Ask::Keys(fetch) => {
                log::line(Level::Warn, format_args!("keys: {error}"));
                self.keys(fetch.source, None, turn);
            }
            Ask::StatusList(fetch) => {
                log::line(Level::Warn, format_args!("status lists: {error}"));
                self.list_lost(fetch.source, turn);
            }
        }
    }

    fn feed(&mut self, answer: Result<&[u8], CalloutFailure>, turn: &mut Turn<'_>) {
        turn.counters.add(Id::FeedFailures, u64::from(answer.is_err()));
        let step = self.replica.handle_response(answer, turn.shared, turn.now, turn.random);
        match self.family.timer() {
            Timer::Adjustable | Timer::Fixed => self.carry_out(step, turn),
            Timer::Absent => {
                self.work_off(step, turn);
                self.on_demand.answered(self.replica.is_settled(), turn.now);
            }
        }
    }

    fn keys(&mut self, source: usize, answer: Option<(u16, &[u8])>, turn: &mut Turn<'_>) {
        let (shared, now, random) = (turn.shared, turn.now, turn.random);
        let notice = self.refresher.handle_response(source, answer, shared, now, random);
        if let Some(notice) = notice {
            Self::tell_keys(&notice, turn.counters);
        }
    }

    fn list_lost(&mut self, number: usize, turn: &mut Turn<'_>) {
        if let Some(notice) = self.lists.handle_loss(number, turn.now, turn.random) {
            Self::tell_list(&notice, turn.counters);
        }
    }

    /// Key sets and status lists.
    fn look_after_documents(&mut self, turn: &mut Turn<'_>) {
        let leads = self.documents.leads(turn.shared, turn.now, turn.random);
        let (fetches, notices) =
            self.refresher.handle_tick(leads, turn.shared, turn.now, turn.random);
        for notice in notices {
            Self::tell_keys(&notice, turn.counters);
        }
        self.to_send.extend(fetches.into_iter().map(Ask::Keys));
        let (fetches, notices) = self.lists.handle_tick(leads, turn.shared, turn.now, turn.random);
        notices.iter().for_each(|notice| Self::tell_list(notice, turn.counters));
        self.to_send.extend(fetches.into_iter().map(Ask::StatusList));
        self.announce_keys(turn);
    }

    fn carry_out(&mut self, step: Step, turn: &mut Turn<'_>) {
        for notice in &step.notices {
            self.tell(notice, turn.counters);
        }
        self.set_tick(step.next_tick);
        self.to_send.extend(step.request.map(Ask::Feed));
    }

    /// Carries out a step and those that would follow soon, where no timer brings them.
    fn work_off(&mut self, step: Step, turn: &mut Turn<'_>) {
        let mut step = step;
        for _ in 0..MAX_STEPS {
            let is_done = step.request.is_some() || step.next_tick >= TICK;
            self.carry_out(step, turn);
            if is_done {
                return;
            }
            step = self.replica.handle_tick(turn.shared, turn.now, turn.random);
        }
        self.carry_out(step, turn);
    }

    /// The core has one request of each purpose under way at most: an earlier one is lost.
    fn expect(&mut self, token: Token, purpose: Purpose) {
        self.under_way.retain(|(_, known)| *known != purpose);
        self.under_way.push((token, purpose));
    }

    fn tell(&mut self, notice: &Notice, counters: &mut Counters) {
        match notice {
            Notice::Applied { records, live, .. } => {
                self.records = *live;
                counters.add(Id::FeedPages, 1);
                counters.add(Id::FeedRecords, u64::try_from(*records).unwrap_or(u64::MAX));
            }
            Notice::Synchronized { records, .. } => self.records = *records,
            Notice::Refused(_)
            | Notice::Old { .. }
            | Notice::Backwards { .. }
            | Notice::Future { .. } => counters.add(Id::FeedPagesRefused, 1),
            Notice::Gap { .. } => {
                counters.add(Id::FeedPagesRefused, 1);
                counters.add(Id::FeedResynchronizations, 1);
            }
            Notice::ForeignLog { .. }
            | Notice::Rewound { .. }
            | Notice::RetentionGrew { .. }
            | Notice::PageLost { .. } => counters.add(Id::FeedResynchronizations, 1),
            Notice::Lost { failure: CalloutFailure::Lost, .. } => {
                counters.add(Id::FeedFailures, 1);
            }
            _ => {}
        }
        let level = match notice.level() {
            replica::Level::Debug => return,
            replica::Level::Info => Level::Info,
            replica::Level::Warn => Level::Warn,
            replica::Level::Error => Level::Error,
        };
        log::line(level, notice);
    }

    fn tell_keys(notice: &KeysNotice, counters: &mut Counters) {
        let level = match notice {
            KeysNotice::Failed { .. } => {
                counters.add(Id::KeysFailed, 1);
                Level::Warn
            }
            KeysNotice::Fetched { .. } => {
                counters.add(Id::KeysFetched, 1);
                Level::Info
            }
            KeysNotice::Located { .. } => Level::Info,
        };
        if notice.is_news() {
            log::line(level, notice);
        }
    }

    fn tell_list(notice: &ListNotice, counters: &mut Counters) {
        let level = match notice {
            ListNotice::Failed { .. } => {
                counters.add(Id::StatusListsFailed, 1);
                Level::Warn
            }
            ListNotice::Fetched { .. } => {
                counters.add(Id::StatusListsFetched, 1);
                Level::Info
            }
            ListNotice::GaveWay { .. } => Level::Warn,
        };
        if notice.is_news() {
            log::line(level, notice);
        }
    }

    /// Tells all workers that key sets or status lists changed; what does not succeed now is due at
    /// the next tick.
    fn announce_keys(&mut self, turn: &mut Turn<'_>) {
        let has_news = self.refresher.has_news() || self.lists.has_news();
        if has_news && self.replica.bump_keys_version(turn.shared, turn.now, turn.random) {
            self.refresher.announced();
            self.lists.announced();
        }
    }

    fn set_tick(&mut self, period: Duration) {
        let period = match self.family.timer() {
            Timer::Adjustable => period.clamp(Duration::from_millis(1), TICK),
            Timer::Fixed => FIXED_TICK,
            Timer::Absent => return,
        };
        if period != self.tick {
            self.tick = period;
            let millis = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
            if let Err(status) = host::set_tick_period(millis) {
                log::line(Level::Error, format_args!("the gateway has no timer ({status})"));
            }
        }
    }
}

fn failure(error: AnswerError) -> CalloutFailure {
    match error {
        AnswerError::NotSent(_) => CalloutFailure::NotSent,
        _ => CalloutFailure::NoAnswer,
    }
}

fn get<'a>(fetch: &'a Fetch, accept: &'a str, timeout: Duration) -> Get<'a> {
    let Fetch { cluster, authority, path, .. } = fetch;
    Get { cluster, authority, path, accept, bearer: None, timeout }
}
