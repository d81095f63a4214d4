//! A companion and a gateway of several workers in one process, with time moved by hand.

#![expect(clippy::arithmetic_side_effects, reason = "the numbers of these tests are small")]

use std::collections::BTreeMap;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};

use super::*;
use crate::feed::{LogId, Page, SignedPage, signing_input};
use crate::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId, SubjectHash};
use crate::shared::LocalSharedData;
use crate::table::{TableReader, TableStatus, revocation};

pub(crate) const CHECKSUM_KEY: [u8; 16] = [0xc5; 16];

/// A subject whose hash spreads as a real one does.
pub(crate) fn subject(n: u64) -> SubjectHash {
    let high =
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    SubjectHash(((u128::from(high) << 64) | u128::from(n)).to_be_bytes())
}

pub(crate) fn fact(at: u64, value: FactValue, signal: u8) -> Fact {
    Fact { at: UnixTime::from_secs(at), value, signal: SignalId([signal; 16]), event: 1 }
}

pub(crate) fn revoked(n: u64, at: u64) -> Record {
    Record {
        key: RecordKey {
            subject: subject(n),
            kind: FactKind::RevokedBefore,
            conditions: Vec::new(),
        },
        fact: fact(at, FactValue::Set, 7),
    }
}

/// The companion: live records, each at the sequence that last changed it.
#[derive(Clone)]
pub(crate) struct Companion {
    pub(crate) key: SigningKey,
    pub(crate) log: LogId,
    pub(crate) live: BTreeMap<RecordKey, (u64, Fact)>,
    pub(crate) by_sequence: BTreeMap<u64, RecordKey>,
    pub(crate) sequence: u64,
    pub(crate) page_records: usize,
    pub(crate) retention_secs: u32,
    pub(crate) gaps: Vec<feed::Gap>,
    pub(crate) clock_ahead_ms: i64,
}

impl Companion {
    pub(crate) fn new(log: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[3; 32]),
            log: LogId([log; 16]),
            live: BTreeMap::new(),
            by_sequence: BTreeMap::new(),
            sequence: 0,
            page_records: 4096,
            retention_secs: 3600,
            gaps: Vec::new(),
            clock_ahead_ms: 0,
        }
    }

    pub(crate) fn publish(&mut self, record: &Record) {
        let known = self.live.get(&record.key).copied();
        let merged = known.map_or(record.fact, |(_, fact)| fact.merge(record.fact));
        if let Some((sequence, fact)) = known {
            if fact == merged {
                return;
            }
            self.by_sequence.remove(&sequence);
        }
        self.sequence += 1;
        self.live.insert(record.key.clone(), (self.sequence, merged));
        self.by_sequence.insert(self.sequence, record.key.clone());
    }

    pub(crate) fn page(&self, after: Option<Cursor>, now: UnixTime) -> Page {
        let from = after
            .filter(|after| after.log == self.log && after.sequence <= self.sequence)
            .map_or(0, |after| after.sequence);
        let mut rest = self.by_sequence.range(from + 1..);
        let taken: Vec<_> = rest.by_ref().take(self.page_records).collect();
        let more = rest.next().is_some();
        let to = if more { *taken[taken.len() - 1].0 } else { self.sequence };
        let millis = i64::try_from(now.millis()).unwrap() + self.clock_ahead_ms;
        Page {
            log: self.log,
            from,
            to,
            signed_at: UnixTime::from_millis(u64::try_from(millis).unwrap()),
            more,
            retention_secs: self.retention_secs,
            gaps: self.gaps.clone(),
            live: u64::try_from(self.live.len()).unwrap(),
            records: taken
                .into_iter()
                .map(|(_, key)| Record { key: key.clone(), fact: self.live[key].1 })
                .collect(),
        }
    }

    pub(crate) fn sign(&self, page: &Page) -> Vec<u8> {
        let payload = page.encode();
        let signature = self.key.sign(&signing_input(&payload)).to_bytes();
        SignedPage { payload, signature }.encode()
    }

    pub(crate) fn answer(&self, path: &str, now: UnixTime) -> Vec<u8> {
        let after = path
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix("after="))
            .map(|cursor| Cursor::parse(cursor).unwrap());
        self.sign(&self.page(after, now))
    }
}

pub(crate) struct Worker {
    pub(crate) replica: Replica,
    pub(crate) reader: TableReader,
    pub(crate) request: Option<FeedRequest>,
    pub(crate) asked_at: UnixTime,
}

/// A gateway with its companion.
pub(crate) struct World {
    pub(crate) shared: LocalSharedData,
    pub(crate) companion: Companion,
    pub(crate) workers: Vec<Worker>,
    pub(crate) now: UnixTime,
    pub(crate) random: u64,
    pub(crate) notices: Vec<Notice>,
}

pub(crate) fn config() -> ReplicaConfig {
    ReplicaConfig {
        table: "test".to_owned(),
        checksum_key: CHECKSUM_KEY,
        feed_key: FeedKey(SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes()),
        gateway_name: "edge 1".to_owned(),
        wait: Duration::from_secs(25),
        needed_retention: Duration::from_secs(3600),
        alone: false,
    }
}

impl World {
    pub(crate) fn new(workers: usize) -> Self {
        let mut world = Self {
            shared: LocalSharedData::default(),
            companion: Companion::new(1),
            workers: Vec::new(),
            now: UnixTime::from_secs(1_800_000_000),
            random: 0x1234_5678_9abc_def1,
            notices: Vec::new(),
        };
        for _ in 0..workers {
            world.workers.push(world.worker());
        }
        world
    }

    /// A worker that has just started.
    pub(crate) fn worker(&self) -> Worker {
        Worker {
            replica: Replica::new(config()),
            reader: TableReader::new("test", CHECKSUM_KEY),
            request: None,
            asked_at: UnixTime::EPOCH,
        }
    }

    pub(crate) fn random(&mut self) -> u64 {
        // xorshift64 (Marsaglia, 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub(crate) fn tick(&mut self, worker: usize) {
        let random = self.random();
        let step = self.workers[worker].replica.handle_tick(&self.shared, self.now, random);
        self.take(worker, step);
    }

    pub(crate) fn respond(&mut self, worker: usize, answer: Result<&[u8], CalloutFailure>) {
        let random = self.random();
        self.workers[worker].request = None;
        let step =
            self.workers[worker].replica.handle_response(answer, &self.shared, self.now, random);
        self.take(worker, step);
    }

    fn take(&mut self, worker: usize, step: Step) {
        self.notices.extend(step.notices);
        if step.request.is_some() {
            self.workers[worker].request = step.request;
            self.workers[worker].asked_at = self.now;
        }
    }

    /// The companion answers the worker's request, if it has something new or the wait is over.
    pub(crate) fn serve(&mut self, worker: usize) -> bool {
        let Some(request) = self.workers[worker].request.clone() else { return false };
        let waits = request.path.contains("wait=25s")
            && request
                .path
                .contains(&format!("after={}.{}", self.companion.log, self.companion.sequence));
        if waits && self.now.since(self.workers[worker].asked_at) < Duration::from_secs(25) {
            return false;
        }
        let answer = self.companion.answer(&request.path, self.now);
        self.respond(worker, Ok(&answer));
        true
    }

    /// Lets 100 ms pass, with everything that happens in them.
    pub(crate) fn run_tick(&mut self) {
        self.now = self.now.plus(Duration::from_millis(100));
        for worker in 0..self.workers.len() {
            self.tick(worker);
        }
        for _ in 0..64 {
            let served: Vec<bool> = (0..self.workers.len()).map(|w| self.serve(w)).collect();
            if !served.contains(&true) {
                break;
            }
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while self.now < end {
            self.run_tick();
        }
    }

    pub(crate) fn status(&mut self, worker: usize) -> TableStatus {
        self.workers[worker].reader.refresh(&self.shared, self.now)
    }

    /// Whether the worker refuses a token of subject `n` issued at `iat`; `None` if it cannot tell.
    pub(crate) fn refuses(&mut self, worker: usize, n: u64, iat: u64) -> Option<bool> {
        if self.status(worker) == TableStatus::NeverSynchronized {
            return None;
        }
        let keys = [subject(n)];
        let records = self.workers[worker].reader.lookup(&self.shared, &keys).ok()?;
        Some(revocation(&keys, Some(UnixTime::from_secs(iat)), &records).is_some())
    }

    pub(crate) fn count(&self, wanted: fn(&Notice) -> bool) -> usize {
        self.notices.iter().filter(|notice| wanted(notice)).count()
    }
}
