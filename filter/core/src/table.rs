//! The state table: every live record, in the shared data of one gateway process.
//!
//! One *head* says what is true, and a power of two of *pages* holds the records, each in the page that the first
//! bits of its subject's hash choose. All workers read; one at a time, the leader, writes ([`crate::replica`]).
//!
//! # Why a revocation cannot get lost
//!
//! - The leader writes pages first and then the head, which announces them and advances the cursor. If it dies in
//!   between, the next leader asks for the same stretch of the log again; merging is idempotent.
//! - Every page touched by a stretch is rewritten and announced, even if the merge changes nothing: the page may
//!   have been written by a leader that died before it announced it, and a cached token would stay clean for ever.
//! - All writes are compare-and-swap against what was read. Two leaders (a lease ran out in the middle of a step)
//!   merge into each other's pages, and only one of their heads wins; the other one starts again from it.
//! - A table grows into the pages of the other slot, under a generation that its leader claimed in the head before.
//!   Until the head names the new generation, everything is read from the old one.
//! - Every value carries a keyed checksum over its name and its bytes: neighbours that share the namespace cannot
//!   write facts, and a torn or misplaced value is not a value. A page that is absent, damaged, of another
//!   generation or older than what was announced is *unavailable*, never empty: its tokens are refused.
//! - Requests look at the head's *pulse*, an empty value that the leader sets after each head; the head itself is read
//!   when its pulse changed, and ten times a second. A leader that dies between the two delays its head by a tenth of a
//!   second; a host without pulses has the head read at each request.
//! - A lost page is replaced by a *hole*. It collects records, but answers only after a pass over the whole log that
//!   began after it was made.
//!
//! # What it does not do
//!
//! It does not hide that state is old: the head says how fresh it is and the gate decides. It never drops a fact by
//! its age before `retention` is over by both clocks.
//!
//! It cannot notice everything that a neighbour puts back. Whoever has seen a page's later version announced refuses
//! the older one; a worker that has just started, or that missed an announcement of more than 48 pages, takes it for
//! true until the log is read again. Keep plugins that you do not trust out of the gateway's process.

mod growth;
mod head;
mod page;
mod reader;
mod seal;
mod writer;

use std::time::Duration;

use crate::record::{FactKind, FactValue, Record, SignalId, SubjectHash};
use crate::time::UnixTime;

pub use reader::{TableReader, TableStatus, TableUnavailable};
pub(crate) use seal::Names;
pub(crate) use seal::hash;
pub use seal::{open_sealed, seal};
pub(crate) use writer::{Loaded, WriteError, Writer};

/// How long a lifted state is remembered, so that a late and older `account-disabled` cannot bring it back. SETs are
/// delivered late when a stream was paused; transmitters keep undelivered SETs for days, not for a month.
pub const TOMBSTONE_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// A fact that holds for a token, and where it comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// The SET that said so.
    pub signal: SignalId,
    /// Its event type, as numbered in [`crate::event`].
    pub event: u8,
    /// What holds.
    pub kind: FactKind,
    /// When the event happened.
    pub at: UnixTime,
}

/// Whether `records` refuse a token with these subject `keys` (sorted), issued at `issued_at`.
///
/// A token without a time of issue counts as issued before every event that is still recorded.
pub fn revocation(
    keys: &[SubjectHash],
    issued_at: Option<UnixTime>,
    records: &[Record],
) -> Option<Revocation> {
    holding(keys, issued_at, records)
        .filter(|record| record.key.kind.refuses())
        // The latest event is the one to show; the rest only makes the choice the same everywhere.
        .max_by_key(|record| (record.fact.at, record.fact.signal, record.key.kind))
        .map(|Record { key, fact }| Revocation {
            signal: fact.signal,
            event: fact.event,
            kind: key.kind,
            at: fact.at,
        })
}

/// The state that holds for such a token: of each kind that does not refuse by itself, the latest.
pub fn state(
    keys: &[SubjectHash],
    issued_at: Option<UnixTime>,
    records: &[Record],
) -> Vec<Revocation> {
    let mut latest: Vec<Revocation> = Vec::new();
    for Record { key, fact } in holding(keys, issued_at, records) {
        if key.kind.refuses() {
            continue;
        }
        let found =
            Revocation { signal: fact.signal, event: fact.event, kind: key.kind, at: fact.at };
        match latest.iter_mut().find(|known| known.kind == key.kind) {
            Some(known) if (known.at, known.signal) < (found.at, found.signal) => *known = found,
            Some(_) => {}
            None => latest.push(found),
        }
    }
    latest
}

/// The facts that hold for such a token: those that refuse it, and the state of its subjects.
pub fn holding<'r>(
    keys: &[SubjectHash],
    issued_at: Option<UnixTime>,
    records: &'r [Record],
) -> impl Iterator<Item = &'r Record> {
    let has = move |key: &SubjectHash| keys.binary_search(key).is_ok();
    records.iter().filter(move |Record { key, fact }| {
        let holds = if key.kind.is_about_the_past() {
            issued_at.is_none_or(|issued_at| issued_at.secs() <= fact.at.secs())
        } else {
            fact.value == FactValue::Set
        };
        holds && has(&key.subject) && key.conditions.iter().all(has)
    })
}

/// Whether `record` can be dropped at `now`, when every token that it could refuse is refused for its age.
///
/// The companion follows the same rule, with some minutes more of `retention` than it tells the gateways: their
/// clocks differ.
pub fn is_forgotten(record: &Record, retention: Duration, now: UnixTime) -> bool {
    if record.key.kind.is_about_the_past() {
        // The fact covers its whole second.
        return now > record.fact.at.plus(retention).plus(Duration::from_secs(1));
    }
    match record.fact.value {
        FactValue::Set => false,
        FactValue::Unset => now > record.fact.at.plus(TOMBSTONE_RETENTION),
    }
}

#[cfg(test)]
mod tests;
