//! Follows the companion's feed. Says *what* to ask and *when*; the shell does the asking.
//!
//! Each root context has a [`Replica`]; one of them leads at a time ([`lease`]). The leader keeps exactly one long
//! poll under way and applies each answer to the table, in steps bounded by a budget: large for a worker that serves
//! no requests, small for one that does.
//!
//! # When an answer counts
//!
//! It is a page with a right signature, signed neither in the future nor longer ago than [`MAX_PAGE_AGE`] nor before
//! what is already known, and it continues where the table ends, or begins at the start of the log. Everything else
//! is refused with a notice and changes nothing: the table stays, grows stale if that goes on, and the gate does
//! what `on_stale` says.
//!
//! # Reading it all
//!
//! A new table, another log, a log that went back, a lost page, a longer retention: the log is read from its start,
//! onto the table as it is. Merging only ever adds newer facts, so whatever was refused stays refused meanwhile, and
//! a leader that dies on the way leaves a cursor that the next one continues from. The table becomes fresh again with
//! the page that has nothing after it.

mod failure;
mod gaps;
mod judge;
pub(crate) mod lease;
mod notice;
mod pending;
mod poll;

use std::time::Duration;

use lease::Candidate;
pub use notice::{CalloutFailure, Level, Notice};
use pending::Pending;

use crate::feed::{self, Cursor, FeedKey};
use crate::shared::SharedData;
use crate::table::{Loaded, Names, WriteError, Writer};
use crate::time::UnixTime;

/// A page signed longer ago is refused: pages are signed when they are sent, and 10 s is the time a slow network may
/// take to bring one.
pub const MAX_PAGE_AGE: Duration = Duration::from_secs(10);

/// How far the clocks of companion and gateway may differ, in either direction.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(30);

/// How much longer than the wait that it asks for the leader waits for an answer.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// How much longer than the request's timeout the leader waits for the host to say so.
const HOST_GRACE: Duration = Duration::from_secs(2);

/// An answer to a long poll with nothing in it that came sooner than this is followed by a pause: a companion that
/// drains answers at once.
const TOO_SOON: Duration = Duration::from_millis(100);

/// The pause.
const PAUSE: Duration = Duration::from_millis(250);

/// Pages written per step by a worker that serves no requests. One costs about 3 µs.
const IDLE_BUDGET: usize = 8192;

/// Pages written per step by a worker that serves requests, which wait for so long: about 2 ms.
const BUSY_BUDGET: usize = 512;

/// How soon the next step should follow while there is work left.
const NEXT_STEP: Duration = Duration::from_millis(5);

/// How soon otherwise.
const TICK: Duration = Duration::from_millis(100);

/// Pages swept per tick for forgotten records.
const SWEPT_PAGES: u32 = 64;

/// The pause between two sweeps over the whole table.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What a replica needs to know.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The name of the table in shared data.
    pub table: String,
    /// The key of this gateway's checksums.
    pub checksum_key: [u8; 16],
    /// The companion's key.
    pub feed_key: FeedKey,
    /// This gateway's name, shown by the companion.
    pub gateway_name: String,
    /// How long the companion may hold a request for news.
    pub wait: Duration,
    /// How old a token may be that this gateway accepts: the longest `max_token_lifetime` with leeway.
    pub needed_retention: Duration,
    /// Whether nobody else can write this table, which then is in the worker's own memory: nobody is elected.
    pub alone: bool,
}

/// A request to the companion: `GET`, `accept: application/cbor`, with the gateway's token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeedRequest {
    /// Path and query.
    pub path: String,
    /// When the host should give up.
    pub timeout: Duration,
}

/// What is to be done after a tick or an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Step {
    /// Send this; its answer or failure goes to [`Replica::handle_response`].
    pub request: Option<FeedRequest>,
    /// Facts to log and count.
    pub notices: Vec<Notice>,
    /// The next tick should come within this time.
    pub next_tick: Duration,
}

/// Follows the feed, if it leads. One per root context.
#[derive(Debug)]
pub struct Replica {
    config: ReplicaConfig,
    candidate: Candidate,
    writer: Writer,
    busy: bool,
    outstanding: Option<Outstanding>,
    pending: Option<Pending>,
    next_poll: UnixTime,
    next_sweep: UnixTime,
    failures: u32,
    gaps: u32,
    /// It has failed so often that another worker should try.
    steps_aside: bool,
    /// The last answer left nothing to be asked for: the next poll may wait.
    settled: bool,
    warned_retention: Option<u32>,
    /// Pages written per step by an idle and by a busy worker.
    budgets: (usize, usize),
}

#[derive(Debug)]
struct Outstanding {
    asked_at: UnixTime,
    lost_at: UnixTime,
    after: Cursor,
    wait: Duration,
}

impl Replica {
    /// A follower that has not looked at anything yet.
    pub fn new(config: ReplicaConfig) -> Self {
        let names = Names::new(&config.table, config.checksum_key);
        Self {
            candidate: Candidate::new(names.clone(), config.alone),
            writer: Writer::new(names),
            config,
            busy: false,
            outstanding: None,
            pending: None,
            next_poll: UnixTime::EPOCH,
            next_sweep: UnixTime::EPOCH,
            failures: 0,
            gaps: 0,
            steps_aside: false,
            settled: false,
            warned_retention: None,
            budgets: (IDLE_BUDGET, BUSY_BUDGET),
        }
    }

    /// This worker serves requests.
    pub fn saw_request(&mut self) {
        self.busy = true;
    }

    /// Whether this worker follows the feed, as of the last tick.
    pub const fn is_leader(&self) -> bool {
        self.candidate.is_leading()
    }

    /// Tells all workers that a key set in shared data changed; `false` if it must be tried again. Whoever looks after
    /// documents need not lead ([`crate::documents`]), but only a leader makes a table.
    pub fn bump_keys_version(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> bool {
        if !self.is_leader() && !self.writer.finds_head(shared) {
            return false;
        }
        self.writer
            .load(shared, now, random)
            .and_then(|_| {
                self.writer.head.keys_version = self.writer.head.keys_version.wrapping_add(1);
                self.writer.commit(shared)
            })
            .is_ok()
    }

    /// This worker ends, or its configuration does: another one can lead at once.
    pub fn resign(&mut self, shared: &dyn SharedData) {
        self.candidate.resign(shared);
    }

    /// What is due now. To be called every [`Step::next_tick`], more or less.
    pub fn handle_tick(&mut self, shared: &dyn SharedData, now: UnixTime, random: u64) -> Step {
        let mut step = Step { next_tick: TICK, ..Step::default() };
        if !self.lead(shared, now, random, &mut step) {
            return step;
        }
        if self.outstanding.as_ref().is_some_and(|outstanding| now >= outstanding.lost_at) {
            self.outstanding = None;
            self.fail(CalloutFailure::Lost, now, random, &mut step);
        }
        let had_work = self.pending.is_some() || self.writer.is_growing();
        self.work(shared, now, random, true, &mut step);
        if !had_work || self.goes_on() {
            self.poll(now, &mut step);
        }
        step
    }

    /// Whether the last answer left nothing to be asked for.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// The last request was not sent: nobody had the time to wait for its answer.
    pub fn withdraw(&mut self) {
        self.outstanding = None;
    }

    /// Takes the answer to the last request.
    pub fn handle_response(
        &mut self,
        answer: Result<&[u8], CalloutFailure>,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> Step {
        let mut step = Step { next_tick: TICK, ..Step::default() };
        let Some(outstanding) = self.outstanding.take() else { return step };
        if !self.lead(shared, now, random, &mut step) {
            return step;
        }
        match answer {
            Err(failure) => self.fail(failure, now, random, &mut step),
            Ok(bytes) => match feed::open(bytes, &self.config.feed_key) {
                Err(error) => {
                    step.notices.push(Notice::Refused(error));
                    self.pause_after_failure(now, random);
                }
                Ok(page) => self.receive(page, &outstanding, shared, now, random, &mut step),
            },
        }
        if self.goes_on() {
            self.poll(now, &mut step);
        }
        step
    }

    /// Whether there is a next request right after an answer. With nobody but requests to wait for one, only while
    /// there is more to come.
    const fn goes_on(&self) -> bool {
        !(self.config.alone && self.settled)
    }

    /// Takes part in the election; loads the head if this worker leads.
    fn lead(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
        step: &mut Step,
    ) -> bool {
        let led = self.candidate.is_leading();
        if std::mem::take(&mut self.steps_aside) {
            self.candidate.step_aside(shared, now);
        }
        let leads = match self.candidate.campaign(shared, self.busy, now, random) {
            Ok(leads) => leads,
            Err(error) => {
                step.notices.push(Notice::SharedData(error));
                false
            }
        };
        if !leads {
            if led {
                step.notices.push(Notice::NotLeading);
            }
            self.outstanding = None;
            self.pending = None;
            self.writer.give_up();
            self.writer.observe(shared);
            return false;
        }
        if !led {
            step.notices.push(Notice::Leading);
            self.settled = false;
            self.next_poll = UnixTime::EPOCH;
        }
        match self.writer.load(shared, now, random) {
            Ok(Loaded::Same) => true,
            Ok(Loaded::Newer) => {
                self.pending = None;
                true
            }
            Ok(Loaded::Created) => {
                self.pending = None;
                step.notices.push(Notice::TableCreated);
                true
            }
            Ok(Loaded::Restored) => {
                self.pending = None;
                step.notices.push(Notice::HeadRestored);
                true
            }
            Err(error) => {
                self.broken_off(error, step);
                false
            }
        }
    }

    /// Does one step of whatever there is to do: repair, apply, grow, clear, sweep.
    fn work(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
        tick: bool,
        step: &mut Step,
    ) {
        if let Err(error) = self.try_work(shared, now, random, tick, step) {
            self.broken_off(error, step);
        }
    }

    fn try_work(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
        tick: bool,
        step: &mut Step,
    ) -> Result<(), WriteError> {
        let (idle, busy) = self.budgets;
        let mut budget = if self.busy { busy } else { idle };
        if tick && self.writer.repair(shared)?.is_some() {
            step.notices.push(Notice::Repaired);
            self.pending = None;
            self.writer.commit(shared)?;
        }
        if self.writer.is_beyond_repair() {
            step.notices.push(Notice::BeyondRepair);
            self.pending = None;
            return self.writer.create(shared, now, random);
        }
        self.apply(shared, now, random, &mut budget, step)?;
        if self.writer.is_growing() {
            let pending = self.pending.is_some();
            if self.writer.grow(shared, &mut budget)? {
                step.notices.push(Notice::Grown);
                if pending {
                    self.apply(shared, now, random, &mut budget, step)?;
                }
            } else if self.writer.is_dirty() {
                self.pending = None;
                self.writer.commit(shared)?;
            }
        }
        if tick && self.pending.is_none() && !self.writer.is_growing() {
            if self.writer.clear_old(shared, &mut budget)? {
                self.writer.commit(shared)?;
            }
            self.sweep(shared, now, step)?;
        }
        if self.pending.is_some() || self.writer.is_growing() || budget == 0 {
            step.next_tick = NEXT_STEP;
        }
        Ok(())
    }

    /// Applies what is pending as far as the budget allows, and announces it.
    fn apply(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
        budget: &mut usize,
        step: &mut Step,
    ) -> Result<(), WriteError> {
        let Some(mut pending) = self.pending.take() else { return Ok(()) };
        let head = &self.writer.head;
        let expected = head.records.max(pending.live);
        let needs_pages = self.writer.has_pages() || !pending.rest().is_empty();
        if needs_pages
            && !self.writer.is_growing()
            && let Some(log2) = self.writer.wanted_growth(expected.max(1))
        {
            step.notices.push(Notice::Growing { log2, records: expected });
            self.writer.begin_growth(shared, log2, now, random)?;
        }
        if !pending.rest().is_empty() && !self.writer.has_pages() {
            if !self.writer.grow(shared, budget)? {
                self.pending = Some(pending);
                return Ok(());
            }
            step.notices.push(Notice::Grown);
        }
        let progress = self.writer.apply(shared, pending.rest(), budget)?;
        if let Some(index) = progress.hole {
            step.notices.push(Notice::PageLost { index });
            return self.writer.commit(shared);
        }
        pending.advance(progress.records);
        if !pending.rest().is_empty() {
            self.writer.commit(shared)?;
            self.pending = Some(pending);
            return Ok(());
        }
        self.finish(&pending, shared, now, step)
    }

    /// All records of a page are applied: advances the cursor.
    fn finish(
        &mut self,
        pending: &Pending,
        shared: &dyn SharedData,
        now: UnixTime,
        step: &mut Step,
    ) -> Result<(), WriteError> {
        self.note_gaps(&pending.gaps, step);
        let head = &mut self.writer.head;
        let in_pass = head.pass_started != 0;
        head.cursor = pending.to;
        if !pending.more {
            head.fresh_at = head.fresh_at.max(pending.signed_at.min(now));
            if in_pass {
                head.retention_secs = pending.retention_secs;
                step.notices.push(Notice::Synchronized {
                    log: head.log.unwrap_or_default(),
                    sequence: pending.to,
                    records: head.records,
                });
            }
            self.writer.complete_pass();
        }
        self.settled = !pending.more;
        self.writer.commit(shared)?;
        if pending.total > 0 {
            step.notices.push(Notice::Applied {
                records: pending.total,
                sequence: pending.to,
                epoch: self.writer.head.epoch,
                live: self.writer.head.records,
            });
        }
        Ok(())
    }

    fn sweep(
        &mut self,
        shared: &dyn SharedData,
        now: UnixTime,
        step: &mut Step,
    ) -> Result<(), WriteError> {
        if now < self.next_sweep {
            return Ok(());
        }
        // By both clocks: a gateway whose clock runs ahead must not forget what still refuses.
        let by_both = now.min(self.writer.head.fresh_at);
        let (records, complete) = self.writer.sweep(shared, SWEPT_PAGES, by_both)?;
        if complete {
            self.next_sweep = now.plus(SWEEP_INTERVAL);
        }
        if records > 0 {
            step.notices.push(Notice::Forgot { records });
        }
        if self.writer.is_dirty() {
            self.writer.commit(shared)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod model;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
