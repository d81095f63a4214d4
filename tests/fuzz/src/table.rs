//! The table, fed by a companion and damaged by a neighbour, beside a list of all that was ever said.

use std::cell::RefCell;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use rescind_core::feed::{Cursor, FeedKey, LogId, Page, SignedPage, signing_input};
use rescind_core::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId, SubjectHash};
use rescind_core::replica::{FeedRequest, Replica, ReplicaConfig};
use rescind_core::shared::{LocalSharedData, Shared, SharedData, SharedDataError};
use rescind_core::table::{TableReader, TableStatus, is_forgotten};
use rescind_core::time::UnixTime;

const START: u64 = 1_800_000_000;
const CHECKSUM_KEY: [u8; 16] = [5; 16];
const RETENTION: Duration = Duration::from_secs(3600);
/// Enough for a dead leader's lease (3 s), the longest back-off (5 s), and reading everything again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Few records a page, so that reading takes several.
const PAGE_RECORDS: usize = 40;
const MAX_STEPS: usize = 64;
/// So many are read twice within [`PATIENCE`], at one page each 100 ms.
const MAX_SAID: usize = 8_000;

/// What happens next.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    /// A signal about one subject.
    Publish {
        /// Whom.
        subject: u8,
        /// Another key that a token must have.
        condition: Option<u8>,
        /// What.
        kind: u8,
        /// Whether it holds.
        holds: bool,
        /// How many minutes ago.
        minutes_ago: u8,
    },
    /// Signals about this many subjects, in hundreds.
    Flood(u8),
    /// Time passes; nobody does anything.
    Pass(u16),
    /// A worker does what is due.
    Tick(bool),
    /// A worker dies and another one takes its place.
    Restart(bool),
    /// A neighbour changes one byte of a value, or takes all of them.
    Damage {
        /// Which value.
        value: u8,
        /// Which byte, if one.
        byte: Option<u8>,
    },
    /// Both workers go on until they have heard everything.
    Settle,
}

struct Tampered {
    inner: LocalSharedData,
    names: RefCell<Vec<String>>,
}

impl SharedData for Tampered {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        self.inner.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        if !self.names.borrow().iter().any(|known| known == key) {
            self.names.borrow_mut().push(key.to_owned());
        }
        self.inner.set(key, value, cas)
    }
}

struct Worker {
    replica: Replica,
    reader: TableReader,
    request: Option<FeedRequest>,
}

struct World {
    shared: Tampered,
    workers: [Worker; 2],
    /// Everything that was ever said, in order: the companion's log and the model.
    said: Vec<Record>,
    now: UnixTime,
}

/// Runs the steps, and looks after each of them.
///
/// # Panics
///
/// When the table answers what the list does not say, or does not recover.
pub fn run(steps: Vec<Step>) {
    let mut world = World {
        shared: Tampered { inner: LocalSharedData::default(), names: RefCell::default() },
        workers: [worker(), worker()],
        said: Vec::new(),
        now: UnixTime::from_secs(START),
    };
    for step in steps.into_iter().take(MAX_STEPS) {
        world.step(step);
        world.look(false);
    }
    world.settle();
}

fn worker() -> Worker {
    let config = ReplicaConfig {
        table: "fuzz".to_owned(),
        checksum_key: CHECKSUM_KEY,
        feed_key: FeedKey(signer().verifying_key().to_bytes()),
        gateway_name: "edge".to_owned(),
        wait: Duration::from_secs(1),
        needed_retention: RETENTION,
        alone: false,
    };
    Worker {
        replica: Replica::new(config),
        reader: TableReader::new("fuzz", CHECKSUM_KEY),
        request: None,
    }
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

/// Spread over the pages as real hashes are.
fn subject(number: u32) -> SubjectHash {
    let high = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    SubjectHash(((u128::from(high) << 64) | u128::from(number)).to_be_bytes())
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Publish { subject: about, condition, kind, holds, minutes_ago } => {
                let kinds = FactKind::ALL;
                let kind = kinds[usize::from(kind) % kinds.len()];
                let value = if holds || kind.is_about_the_past() {
                    FactValue::Set
                } else {
                    FactValue::Unset
                };
                let conditions = condition.map(|number| subject(number.into()));
                let at = self.now.minus(Duration::from_secs(60 * u64::from(minutes_ago)));
                self.say(subject(about.into()), kind, conditions.into_iter().collect(), at, value);
            }
            Step::Flood(hundreds) => {
                let room = u32::try_from(MAX_SAID.saturating_sub(self.said.len())).unwrap_or(0);
                for number in 0..room.min(100 * u32::from(hundreds % 16)) {
                    let about = subject(1000 + number);
                    let at = self.now;
                    self.say(about, FactKind::RevokedBefore, Vec::new(), at, FactValue::Set);
                }
            }
            Step::Pass(secs) => self.now = self.now.plus(Duration::from_secs(secs.into())),
            Step::Tick(which) => self.tick(usize::from(which)),
            Step::Restart(which) => self.workers[usize::from(which)] = worker(),
            Step::Damage { value, byte } => self.damage(value, byte),
            Step::Settle => self.settle(),
        }
    }

    fn say(
        &mut self,
        subject: SubjectHash,
        kind: FactKind,
        conditions: Vec<SubjectHash>,
        at: UnixTime,
        value: FactValue,
    ) {
        let at = UnixTime::from_secs(at.secs());
        let number = u32::try_from(self.said.len()).expect("few signals").to_be_bytes();
        let mut signal = [0; 16];
        signal[..4].copy_from_slice(&number);
        let fact = Fact { at, value, signal: SignalId(signal), event: 1 };
        self.said.push(Record { key: RecordKey { subject, kind, conditions }, fact });
    }

    fn damage(&self, value: u8, byte: Option<u8>) {
        let names = self.shared.names.borrow();
        let Some(name) = names.get(usize::from(value) % names.len().max(1)) else { return };
        let mut bytes =
            self.shared.inner.get(name).ok().flatten().map_or_else(Vec::new, |found| found.value);
        let length = bytes.len().max(1);
        match byte {
            None => bytes.clear(),
            Some(byte) => {
                if let Some(byte) = bytes.get_mut(usize::from(byte) % length) {
                    *byte ^= 1;
                }
            }
        }
        self.shared.inner.set(name, &bytes, None).expect("a set without a number");
    }

    fn tick(&mut self, which: usize) {
        let worker = &mut self.workers[which];
        let step = worker.replica.handle_tick(&self.shared, self.now, 7);
        worker.request = step.request.or(worker.request.take());
        if let Some(request) = worker.request.take() {
            let page = page(&self.said, &request.path, self.now);
            let step = worker.replica.handle_response(Ok(&page), &self.shared, self.now, 7);
            worker.request = step.request;
        }
    }

    fn settle(&mut self) {
        let (began, end) = (self.now, self.now.plus(PATIENCE));
        loop {
            self.now = self.now.plus(Duration::from_millis(100));
            self.tick(0);
            self.tick(1);
            let fresh =
                |status| matches!(status, TableStatus::Synced { fresh_at, .. } if fresh_at > began);
            let all = self
                .workers
                .iter_mut()
                .all(|worker| fresh(worker.reader.refresh(&self.shared, self.now)));
            if all && self.look(true) {
                return;
            }
            assert!(self.now < end, "not whole again after {PATIENCE:?}");
        }
    }

    /// Compares every worker's answer about every subject with the list; whether all had one. What
    /// is known to be `complete` must hold everything; else an answer may be behind.
    fn look(&mut self, complete: bool) -> bool {
        let said = &self.said;
        let now = self.now;
        let about: Vec<_> = (0..=255).chain((1000..2600).step_by(37)).map(subject).collect();
        for worker in &mut self.workers {
            if worker.reader.refresh(&self.shared, now) == TableStatus::NeverSynchronized {
                return false;
            }
            let Ok(found) = worker.reader.lookup(&self.shared, &about) else { return false };
            for record in &found {
                assert!(said.contains(record), "nobody said {record:?}");
            }
            if !complete {
                continue;
            }
            for record in said.iter().filter(|record| about.contains(&record.key.subject)) {
                let latest = merged(said, &record.key);
                let found = found.iter().find(|found| found.key == record.key);
                let latest_record = Record { key: record.key.clone(), fact: latest };
                if !is_forgotten(&latest_record, RETENTION, now) {
                    assert_eq!(found, Some(&latest_record), "at {now:?}");
                }
            }
        }
        true
    }
}

fn merged(said: &[Record], key: &RecordKey) -> Fact {
    let facts = said.iter().filter(|record| record.key == *key).map(|record| record.fact);
    facts.reduce(Fact::merge).expect("a key that was named")
}

fn page(said: &[Record], path: &str, now: UnixTime) -> Vec<u8> {
    let after = path.split(['?', '&']).find_map(|pair| pair.strip_prefix("after="));
    let from = after.and_then(Cursor::parse).map_or(0, |cursor| cursor.sequence);
    let from_index = usize::try_from(from).expect("few signals").min(said.len());
    let records: Vec<_> = said[from_index..].iter().take(PAGE_RECORDS).cloned().collect();
    let to = from_index + records.len();
    let page = Page {
        log: LogId([5; 16]),
        from: u64::try_from(from_index).expect("few signals"),
        to: u64::try_from(to).expect("few signals"),
        signed_at: now,
        more: to < said.len(),
        retention_secs: u32::try_from(RETENTION.as_secs()).expect("an hour"),
        live: u64::try_from(said.len()).expect("few signals"),
        records,
        gaps: Vec::new(),
    };
    let payload = page.encode();
    let signature = signer().sign(&signing_input(&payload)).to_bytes();
    SignedPage { payload, signature }.encode()
}
