//! Keeps the shared state up to date: sends what the core asks for, and hands the answers back.
//!
//! When to ask whom is the core's ([`Replica`] for the feed, [`Refresher`] for key sets,
//! [`ListRefresher`] for status lists); so is what becomes of an answer. What is here: callouts, the timer, and what is said about them in log
//! and metrics. Only one worker leads; the others do nothing but watch its lease.

use std::time::Duration;

use rescind_core::config::Config;
use rescind_core::crypto::SignatureVerifier;
use rescind_core::feed::MAX_PAGE_BYTES;
use rescind_core::jwk::MAX_KEY_SET_BYTES;
use rescind_core::keys::{Fetch, KeyStore, KeysNotice, Refresher};
use rescind_core::metrics::{Counters, Id};
use rescind_core::replica::{self, CalloutFailure, FeedRequest, Notice, Replica, Step};
use rescind_core::shared::SharedData;
use rescind_core::status_list::{ListNotice, ListRefresher, MAX_LIST_TOKEN_BYTES};
use rescind_core::time::UnixTime;

use crate::callout::{self, AnswerError, Get};
use crate::host::{self, Level, Token};
use crate::log;

/// How often a worker looks whether there is something to do, if nothing asks for sooner. The
/// companion is asked again at once after each answer, so this bounds how soon a lost lease is
/// noticed, not a revocation.
const TICK: Duration = Duration::from_millis(100);

/// How many requests may fail to be sent one right after the other. The core pauses after the
/// first.
const MAX_UNSENT: usize = 2;

/// One worker's part in keeping the shared state up to date.
#[derive(Debug)]
pub(crate) struct Follower {
    replica: Replica,
    refresher: Refresher,
    lists: ListRefresher,
    companion: Companion,
    under_way: Vec<(Token, Purpose)>,
    tick: Duration,
    records: u64,
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
    /// Sets the timer, which brings everything else about.
    pub(crate) fn start(config: &Config) -> Self {
        let revocation = &config.revocation;
        let mut follower = Self {
            replica: Replica::new(config.replica()),
            refresher: Refresher::new(config),
            lists: ListRefresher::new(config),
            companion: Companion {
                cluster: revocation.cluster.clone(),
                authority: revocation.authority.clone(),
                token: revocation.gateway_token.clone(),
            },
            under_way: Vec::new(),
            tick: Duration::ZERO,
            records: 0,
        };
        follower.set_tick(TICK);
        follower
    }

    /// This worker serves requests: others should lead.
    pub(crate) fn saw_request(&mut self) {
        self.replica.saw_request();
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
    }

    /// Does what is due.
    pub(crate) fn tick(
        &mut self,
        shared: &dyn SharedData,
        counters: &mut Counters,
        now: UnixTime,
        random: u64,
    ) {
        let step = self.replica.handle_tick(shared, now, random);
        self.carry_out(step, shared, counters, now, random);
        let (fetches, notices) =
            self.refresher.handle_tick(self.replica.is_leader(), shared, now, random);
        for notice in notices {
            Self::tell_keys(&notice, counters);
        }
        for fetch in fetches {
            match get(&fetch, "application/json, application/jwk-set+json").send() {
                Ok(token) => self.expect(token, Purpose::Keys(fetch.source)),
                Err(error) => {
                    log::line(Level::Warn, format_args!("keys: {error}"));
                    let notice =
                        self.refresher.handle_response(fetch.source, None, shared, now, random);
                    if let Some(notice) = notice {
                        Self::tell_keys(&notice, counters);
                    }
                }
            }
        }
        self.tick_lists(shared, counters, now, random);
        self.announce_keys(shared, now, random);
    }

    fn tick_lists(
        &mut self,
        shared: &dyn SharedData,
        counters: &mut Counters,
        now: UnixTime,
        random: u64,
    ) {
        let is_leader = self.replica.is_leader();
        let (fetches, notices) = self.lists.handle_tick(is_leader, shared, now, random);
        notices.iter().for_each(|notice| Self::tell_list(notice, counters));
        for fetch in fetches {
            match get(&fetch, "application/statuslist+jwt").send() {
                Ok(token) => self.expect(token, Purpose::StatusList(fetch.source)),
                Err(error) => {
                    log::line(Level::Warn, format_args!("status lists: {error}"));
                    if let Some(notice) = self.lists.handle_loss(fetch.source, now, random) {
                        Self::tell_list(&notice, counters);
                    }
                }
            }
        }
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
        shared: &dyn SharedData,
        counters: &mut Counters,
        (now, random): (UnixTime, u64),
    ) {
        match purpose {
            Purpose::Feed => {
                let answer = match callout::answer(header_count, size, MAX_PAGE_BYTES) {
                    Ok((200, body)) => Ok(body),
                    Ok((status, _)) => Err(CalloutFailure::Status(status)),
                    Err(error) => Err(failure(error)),
                };
                self.feed(
                    answer.as_deref().map_err(|failure| *failure),
                    shared,
                    counters,
                    now,
                    random,
                );
            }
            Purpose::Keys(source) => {
                let answer = callout::answer(header_count, size, MAX_KEY_SET_BYTES);
                if let Err(error) = &answer {
                    log::line(Level::Warn, format_args!("keys: {error}"));
                }
                let answer = answer.as_ref().ok().map(|(status, body)| (*status, body.as_slice()));
                let notice = self.refresher.handle_response(source, answer, shared, now, random);
                if let Some(notice) = notice {
                    Self::tell_keys(&notice, counters);
                }
                self.announce_keys(shared, now, random);
            }
            Purpose::StatusList(number) => {
                let answer = callout::answer(header_count, size, MAX_LIST_TOKEN_BYTES);
                if let Err(error) = &answer {
                    log::line(Level::Warn, format_args!("status lists: {error}"));
                }
                let answer = answer.as_ref().ok().map(|(status, body)| (*status, body.as_slice()));
                let notice =
                    self.lists.handle_response(number, answer, trusted, shared, now, random);
                if let Some(notice) = notice {
                    Self::tell_list(&notice, counters);
                }
                self.announce_keys(shared, now, random);
            }
        }
    }

    fn feed(
        &mut self,
        answer: Result<&[u8], CalloutFailure>,
        shared: &dyn SharedData,
        counters: &mut Counters,
        now: UnixTime,
        random: u64,
    ) {
        counters.add(Id::FeedFailures, u64::from(answer.is_err()));
        let step = self.replica.handle_response(answer, shared, now, random);
        self.carry_out(step, shared, counters, now, random);
    }

    fn carry_out(
        &mut self,
        mut step: Step,
        shared: &dyn SharedData,
        counters: &mut Counters,
        now: UnixTime,
        random: u64,
    ) {
        for _ in 0..MAX_UNSENT {
            for notice in &step.notices {
                self.tell(notice, counters);
            }
            self.set_tick(step.next_tick);
            let Some(request) = step.request.take() else { return };
            let Err(error) = self.send(&request) else { return };
            counters.add(Id::FeedFailures, 1);
            step = self.replica.handle_response(Err(failure(error)), shared, now, random);
        }
        // A request that came right after one that could not be sent is not sent; its deadline finds it.
        step.notices.iter().for_each(|notice| self.tell(notice, counters));
    }

    fn send(&mut self, request: &FeedRequest) -> Result<(), AnswerError> {
        let token = Get {
            cluster: &self.companion.cluster,
            authority: &self.companion.authority,
            path: &request.path,
            accept: "application/cbor",
            bearer: Some(&self.companion.token),
            timeout: request.timeout,
        }
        .send()?;
        self.expect(token, Purpose::Feed);
        Ok(())
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
    fn announce_keys(&mut self, shared: &dyn SharedData, now: UnixTime, random: u64) {
        let has_news = self.refresher.has_news() || self.lists.has_news();
        if has_news && self.replica.bump_keys_version(shared, now, random) {
            self.refresher.announced();
            self.lists.announced();
        }
    }

    fn set_tick(&mut self, period: Duration) {
        let period = period.clamp(Duration::from_millis(1), TICK);
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

fn get<'a>(fetch: &'a Fetch, accept: &'a str) -> Get<'a> {
    Get {
        cluster: &fetch.cluster,
        authority: &fetch.authority,
        path: &fetch.path,
        accept,
        bearer: None,
        timeout: fetch.timeout,
    }
}
