//! Whatever happens between any two calls of shared data, the table is what a plain map of all records is.
//!
//! A site of three workers and a companion does random things. Between any two host calls of a worker's step a call
//! can fail (with or without effect), the worker can die, another worker can run a whole step, or every other worker
//! can look at the table. Two promises are checked all the time:
//!
//! - A worker whose head is fresh as of `t` finds everything that was published before `t`, or no answer at all. Its
//!   cached answers obey the same, as long as `changed_since` lets it keep them.
//! - Once things are quiet, every register holds exactly what the merge rule makes of all that was published.

#![expect(clippy::arithmetic_side_effects, reason = "the numbers of these tests are small")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::sim::{CHECKSUM_KEY, Companion, config, fact, subject};
use super::*;
use crate::record::{Fact, FactKind, FactValue, Record, RecordKey};
use crate::shared::{LocalSharedData, Shared, SharedDataError};
use crate::table::{TableReader, TableStatus};

const WORKERS: usize = 3;
const SUBJECTS: u64 = 150;
/// Subjects that each worker keeps a cached answer about.
const WATCHED: u64 = 12;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Fail,
    FailAfterEffect,
    Mismatch,
    Die,
    DieAfterEffect,
    Intrude(usize),
    Look,
}

#[derive(Clone, Debug)]
enum Op {
    Publish(Vec<(u64, bool, bool, u64, u8, u64)>),
    Tick(usize),
    Serve(usize),
    Pass(u64),
    Plan(u64, Fault),
    Restart(usize),
    Busy(usize),
    NewLog,
    Damage(usize, usize),
    PutBack(usize),
    Wipe,
}

struct Worker {
    replica: Replica,
    reader: TableReader,
    request: Option<FeedRequest>,
    cache: BTreeMap<u64, (u64, Vec<Record>)>,
}

struct Site {
    shared: RefCell<LocalSharedData>,
    /// Every value that was ever set.
    history: RefCell<Vec<(String, Vec<u8>)>>,
    companion: RefCell<Companion>,
    workers: RefCell<Vec<Option<Worker>>>,
    published: RefCell<Vec<(UnixTime, Record)>>,
    now: Cell<UnixTime>,
    random: Cell<u64>,
    plan: Cell<Option<(u64, Fault)>>,
    dead: Cell<bool>,
    notices: RefCell<Vec<Notice>>,
}

impl SharedData for Site {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        let lost = self.before_call()?;
        let found = self.shared.borrow().get(key);
        if lost { Err(SharedDataError::Unavailable { status: 10 }) } else { found }
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        let lost = self.before_call()?;
        self.shared.borrow().set(key, value, cas)?;
        self.history.borrow_mut().push((key.to_owned(), value.to_vec()));
        if lost { Err(SharedDataError::Unavailable { status: 10 }) } else { Ok(()) }
    }
}

impl Site {
    fn new() -> Self {
        let site = Self {
            shared: RefCell::default(),
            history: RefCell::default(),
            companion: RefCell::new(Companion { page_records: 40, ..Companion::new(1) }),
            workers: RefCell::default(),
            published: RefCell::default(),
            now: Cell::new(UnixTime::from_secs(1_800_000_000)),
            random: Cell::new(0x1234_5678_9abc_def1),
            plan: Cell::default(),
            dead: Cell::default(),
            notices: RefCell::default(),
        };
        site.workers.borrow_mut().extend((0..WORKERS).map(|_| Some(Self::worker())));
        site
    }

    fn worker() -> Worker {
        let mut replica = Replica::new(config());
        replica.writer.min_log2 = 1;
        replica.budgets = (24, 3);
        Worker {
            replica,
            reader: TableReader::new("test", CHECKSUM_KEY),
            request: None,
            cache: BTreeMap::new(),
        }
    }

    /// Whether the call has its effect but fails all the same.
    fn before_call(&self) -> Result<bool, SharedDataError> {
        let failed = Err(SharedDataError::Unavailable { status: 10 });
        if self.dead.get() {
            return failed;
        }
        let Some((left, fault)) = self.plan.get() else { return Ok(false) };
        if left > 0 {
            self.plan.set(Some((left - 1, fault)));
            return Ok(false);
        }
        self.plan.set(None);
        match fault {
            Fault::Fail => failed,
            Fault::FailAfterEffect => Ok(true),
            Fault::Mismatch => Err(SharedDataError::CasMismatch),
            Fault::Die => {
                self.dead.set(true);
                failed
            }
            Fault::DieAfterEffect => {
                self.dead.set(true);
                Ok(true)
            }
            Fault::Intrude(worker) => {
                // The worker in the middle of its step has not been heard of for long.
                let before = self.now.get();
                self.now.set(before.plus(Duration::from_secs(5)));
                self.tick(worker);
                self.serve(worker);
                self.serve(worker);
                Ok(false)
            }
            Fault::Look => {
                self.look();
                Ok(false)
            }
        }
    }

    fn random(&self) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random
    }

    fn step(&self, index: usize, act: impl FnOnce(&mut Worker, u64) -> Step) {
        let taken = self.workers.borrow_mut()[index].take();
        // A worker does not interrupt itself.
        let Some(mut worker) = taken else { return };
        let step = act(&mut worker, self.random());
        self.notices.borrow_mut().extend(step.notices);
        if step.request.is_some() {
            worker.request = step.request;
        }
        if self.dead.take() {
            worker = Self::worker();
        }
        self.workers.borrow_mut()[index] = Some(worker);
    }

    fn tick(&self, index: usize) {
        self.step(index, |worker, random| worker.replica.handle_tick(self, self.now.get(), random));
    }

    fn serve(&self, index: usize) {
        self.step(index, |worker, random| {
            let Some(request) = worker.request.take() else { return Step::default() };
            let answer = self.companion.borrow().answer(&request.path, self.now.get());
            worker.replica.handle_response(Ok(&answer), self, self.now.get(), random)
        });
    }

    fn publish(&self, record: &Record) {
        self.companion.borrow_mut().publish(record);
        self.published.borrow_mut().push((self.now.get(), record.clone()));
    }

    fn look(&self) {
        let plan = self.plan.take();
        let dead = self.dead.take();
        for index in 0..WORKERS {
            let taken = self.workers.borrow_mut()[index].take();
            let Some(mut worker) = taken else { continue };
            self.look_as(&mut worker);
            self.workers.borrow_mut()[index] = Some(worker);
        }
        self.plan.set(plan);
        self.dead.set(dead);
    }

    fn look_as(&self, worker: &mut Worker) {
        let status = worker.reader.refresh(self, self.now.get());
        let TableStatus::Synced { fresh_at, epoch, .. } = status else { return };
        for n in 0..WATCHED {
            let keys = [subject(n)];
            let cached = worker.cache.get(&n).filter(|(known, _)| {
                *known == epoch || !worker.reader.changed_since(*known, &keys)
            });
            let found = match cached {
                Some((_, records)) => records.clone(),
                None => match worker.reader.lookup(self, &keys) {
                    Ok(records) => records,
                    Err(_) => continue,
                },
            };
            for (at, record) in self.published.borrow().iter() {
                if *at < fresh_at && record.key.subject == keys[0] {
                    let known = found.iter().find(|found| found.key == record.key);
                    assert!(
                        known.is_some_and(|known| known.fact.merge(record.fact) == known.fact),
                        "lost: subject {n}, published at {at}, fresh at {fresh_at}, cached: {:?}\n\
                         {record:?}\n{found:?}",
                        cached.map(|(epoch, _)| epoch),
                    );
                }
            }
            worker.cache.insert(n, (epoch, found));
        }
    }

    fn perform(&self, op: &Op) {
        self.now.set(self.now.get().plus(Duration::from_millis(7)));
        match op {
            Op::Publish(records) => {
                for (n, disabled, set, at, signal, condition) in records {
                    let conditions =
                        if *condition < 3 { vec![subject(condition + 900)] } else { vec![] };
                    let (kind, value) = match (disabled, set) {
                        (false, _) => (FactKind::RevokedBefore, FactValue::Set),
                        (true, true) => (FactKind::Disabled, FactValue::Set),
                        (true, false) => (FactKind::Disabled, FactValue::Unset),
                    };
                    self.publish(&Record {
                        key: RecordKey { subject: subject(*n), kind, conditions },
                        fact: fact(1_799_999_990 + at, value, *signal),
                    });
                }
            }
            Op::Tick(worker) => self.tick(*worker),
            Op::Serve(worker) => self.serve(*worker),
            Op::Pass(millis) => {
                self.now.set(self.now.get().plus(Duration::from_millis(*millis)));
            }
            Op::Plan(calls, fault) => self.plan.set(Some((*calls, *fault))),
            Op::Restart(worker) => self.workers.borrow_mut()[*worker] = Some(Self::worker()),
            Op::Busy(worker) => {
                if let Some(worker) = &mut self.workers.borrow_mut()[*worker] {
                    worker.replica.saw_request();
                }
            }
            Op::NewLog => {
                let mut companion = self.companion.borrow_mut();
                let log = companion.log.0[0] + 1;
                *companion = Companion { page_records: 40, ..Companion::new(log) };
                // A companion that was wiped holds nothing of what was; what it will hold is published later.
            }
            Op::Damage(which, byte) => {
                let history = self.history.borrow();
                let Some((key, _)) = history.get(which % history.len().max(1)) else { return };
                let shared = self.shared.borrow();
                if let Ok(Some(mut found)) = shared.get(key)
                    && let Some(byte) = {
                        let n = found.value.len().max(1);
                        found.value.get_mut(byte % n)
                    }
                {
                    *byte ^= 0x10;
                    shared.set(key, &found.value, None).unwrap();
                }
            }
            Op::PutBack(which) => {
                let history = self.history.borrow();
                let Some((key, value)) = history.get(which % history.len().max(1)) else { return };
                self.shared.borrow().set(key, value, None).unwrap();
            }
            Op::Wipe => {
                self.shared.take();
            }
        }
    }

    /// Lets everything settle while the first `workers` take part.
    fn settle(&self, workers: usize) {
        self.plan.set(None);
        for round in 0..120 {
            self.now.set(self.now.get().plus(Duration::from_millis(100)));
            for worker in 0..workers {
                self.tick(worker);
                self.serve(worker);
            }
            if round % 8 == 0 {
                self.look();
                self.use_every_page();
            }
        }
    }

    /// A lost page is mended once somebody needs it.
    fn use_every_page(&self) {
        for worker in self.workers.borrow_mut().iter_mut().flatten() {
            let _status = worker.reader.refresh(self, self.now.get());
            for n in 0..SUBJECTS {
                let _found = worker.reader.lookup(self, &[subject(n)]);
            }
        }
    }

    /// Every register as each worker finds it.
    fn assert_is(&self, model: &BTreeMap<RecordKey, Fact>) {
        for index in 0..WORKERS {
            let mut worker = self.workers.borrow_mut()[index].take().unwrap();
            let status = worker.reader.refresh(self, self.now.get());
            assert!(
                matches!(status, TableStatus::Synced { fresh_at, .. }
                    if self.now.get().since(fresh_at) < Duration::from_secs(10)),
                "{status:?} at {:?}; {:?}",
                self.now.get(),
                self.notices.borrow().iter().rev().take(20).collect::<Vec<_>>()
            );
            let mut found = BTreeMap::new();
            for n in 0..SUBJECTS {
                for record in worker.reader.lookup(self, &[subject(n)]).unwrap() {
                    found.insert(record.key, record.fact);
                }
            }
            let differ: Vec<_> =
                model.iter().filter(|(key, fact)| found.get(key) != Some(fact)).collect();
            assert!(differ.is_empty(), "worker {index}: {differ:?}");
            assert_eq!(found.len(), model.len(), "worker {index}");
            self.workers.borrow_mut()[index] = Some(worker);
        }
    }

    fn model(&self) -> BTreeMap<RecordKey, Fact> {
        let mut model: BTreeMap<RecordKey, Fact> = BTreeMap::new();
        for (_, record) in self.published.borrow().iter() {
            let known = model.get(&record.key).map_or(record.fact, |fact| fact.merge(record.fact));
            model.insert(record.key.clone(), known);
        }
        model
    }
}

fn records() -> impl Strategy<Value = Vec<(u64, bool, bool, u64, u8, u64)>> {
    let record = (
        prop_oneof![0..WATCHED, 0..SUBJECTS],
        any::<bool>(),
        any::<bool>(),
        0..8_u64,
        0..4_u8,
        0..12_u64,
    );
    prop_oneof![
        3 => proptest::collection::vec(record.clone(), 1..4),
        1 => proptest::collection::vec(record, 20..90),
    ]
}

fn calm(workers: usize) -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => records().prop_map(Op::Publish),
        8 => (0..workers).prop_map(Op::Tick),
        8 => (0..workers).prop_map(Op::Serve),
        2 => prop_oneof![Just(100_u64), Just(1_500), Just(3_100), Just(4_500)].prop_map(Op::Pass),
        1 => (0..workers).prop_map(Op::Busy),
    ]
}

fn faults() -> impl Strategy<Value = Op> {
    let fault = prop_oneof![
        Just(Fault::Fail),
        Just(Fault::FailAfterEffect),
        Just(Fault::Mismatch),
        Just(Fault::Die),
        Just(Fault::DieAfterEffect),
        (0..WORKERS).prop_map(Fault::Intrude),
        Just(Fault::Look),
    ];
    (0..40_u64, fault).prop_map(|(calls, fault)| Op::Plan(calls, fault))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_whoever_dies_or_interferes_between_any_two_host_calls(
        ops in proptest::collection::vec(
            prop_oneof![8 => calm(WORKERS), 4 => faults(), 1 => (0..WORKERS).prop_map(Op::Restart)],
            1..120,
        ),
    ) {
        let site = Site::new();
        for op in &ops {
            site.perform(op);
            site.look();
        }
        site.settle(WORKERS);
        site.assert_is(&site.model());
    }

    #[test]
    fn another_log_adds_to_the_table_and_takes_nothing(
        ops in proptest::collection::vec(
            prop_oneof![20 => calm(WORKERS), 4 => faults(), 1 => Just(Op::NewLog)],
            1..120,
        ),
    ) {
        let site = Site::new();
        for op in &ops {
            if matches!(op, Op::NewLog) {
                // What the gateway never heard of before the companion was wiped is nobody's to know.
                site.settle(WORKERS);
            }
            site.perform(op);
            site.look();
        }
        site.settle(WORKERS);
        site.assert_is(&site.model());
    }

    // One leader throughout: a new one does not know of every page how old it may be.
    #[test]
    fn a_neighbour_that_damages_puts_back_or_wipes_values_lifts_nothing(
        ops in proptest::collection::vec(
            prop_oneof![
                20 => calm(1),
                2 => (any::<usize>(), any::<usize>()).prop_map(|(key, byte)| Op::Damage(key, byte)),
                2 => any::<usize>().prop_map(Op::PutBack),
                1 => Just(Op::Wipe),
            ],
            1..120,
        ),
    ) {
        let site = Site::new();
        for op in &ops {
            site.perform(op);
            site.look();
        }
        site.settle(1);
        site.assert_is(&site.model());
    }
}
