//! What changed nothing, for those who ask why: refused SETs, and accepted ones that reach nobody.
//!
//! A SET whose signature is good and that is refused all the same (it is for somebody else, breaks
//! its profile, or speaks about what its transmitter may not) stands in the journal as a [`Note`]
//! before its transmitter hears the code. One whose signature is not good says nothing about the
//! transmitter: it is counted, logged, and remembered only in memory, the last [`RECENT`] of each
//! transmitter, so that `rescind doctor` can explain what a new peer does wrong.
//!
//! Refused SETs cost their sender nothing, so there is a budget ([`HOURLY`]): beyond it they are
//! counted, and the log still names each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rescind_core::crypto::sha256;
use rescind_core::time::UnixTime;

use crate::journal::{Note, NoteKind, Submit, WriteError};
use crate::metrics::{Counter, Metrics};
use crate::receiver::Refusal;

/// Notes taken from one transmitter in an hour: two mistakes a minute are as clear as a thousand.
pub(crate) const HOURLY: usize = 120;

/// SETs with a bad signature that are remembered of each transmitter: with 32 KiB each, at most a
/// quarter of a MiB.
const RECENT: usize = 8;

/// Takes notes within the budget.
#[derive(Debug)]
pub(crate) struct Audit {
    submit: Submit,
    sources: Mutex<BTreeMap<String, Source>>,
}

/// What is known of one transmitter.
#[derive(Debug, Default)]
struct Source {
    hour: u64,
    /// Digests of what was noted in this hour: the same SET again is no news.
    noted: BTreeSet<[u8; 32]>,
    recent: VecDeque<Note>,
}

impl Audit {
    /// Keeps notes through `submit`.
    pub(crate) const fn new(submit: Submit) -> Self {
        Self { submit, sources: Mutex::new(BTreeMap::new()) }
    }

    /// Notes that the SET `raw` of `source`, with a good signature, was refused as `refusal`
    /// says. Returns after the note is durable; what is refused for now only is not noted.
    pub(crate) async fn refused(
        &self,
        source: &str,
        raw: &Bytes,
        refusal: &Refusal,
        metrics: &Metrics,
        now: UnixTime,
    ) -> Result<(), WriteError> {
        match note(source, raw, refusal, now) {
            Some(note) => self.keep(note, metrics, now).await,
            None => Ok(()),
        }
    }

    /// Notes that the accepted SET `raw` of `source` reaches nobody, because of `reason`.
    pub(crate) async fn unmatched(
        &self,
        source: &str,
        raw: &Bytes,
        reason: String,
        metrics: &Metrics,
        now: UnixTime,
    ) {
        let (kind, source, code) = (NoteKind::Unmatched, source.to_owned(), String::new());
        let raw = Bytes::copy_from_slice(raw);
        let note = Note { kind, at: now, source, code, reason, raw };
        if let Err(error) = self.keep(note, metrics, now).await {
            // The SET itself is kept; its transmitter need not hear of this.
            tracing::warn!(%error, "unmatched SET not noted");
        }
    }

    /// Remembers the SET `raw` of `source`, whose signature is not known to be good.
    pub(crate) fn remember(&self, source: &str, raw: &Bytes, refusal: &Refusal, now: UnixTime) {
        let Some(note) = note(source, raw, refusal, now) else { return };
        let mut sources = self.lock();
        let recent = &mut sources.entry(source.to_owned()).or_default().recent;
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back(note);
    }

    /// What [`Self::remember`] remembers, the newest first.
    pub(crate) fn recent(&self) -> Vec<Note> {
        let mut recent: Vec<_> =
            self.lock().values().flat_map(|source| source.recent.iter().cloned()).collect();
        recent.sort_by_key(|note| std::cmp::Reverse(note.at));
        recent
    }

    async fn keep(&self, note: Note, metrics: &Metrics, now: UnixTime) -> Result<(), WriteError> {
        let digest = sha256(&note.raw);
        let taken = self.lock().entry(note.source.clone()).or_default().take(digest, now);
        match taken {
            Taken::Known => Ok(()),
            Taken::Over => {
                metrics.count(Counter::NotesDropped);
                Ok(())
            }
            Taken::New => {
                let source = note.source.clone();
                let kept = self.submit.note(note).await;
                if kept.is_err() {
                    // It was not kept, so the next one is news again.
                    self.lock().entry(source).or_default().noted.remove(&digest);
                }
                kept
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Taken {
    New,
    Known,
    Over,
}

impl Source {
    fn take(&mut self, digest: [u8; 32], now: UnixTime) -> Taken {
        let hour = now.secs().checked_div(3600).unwrap_or_default();
        if hour != self.hour {
            self.hour = hour;
            self.noted.clear();
        }
        if self.noted.contains(&digest) {
            return Taken::Known;
        }
        if self.noted.len() >= HOURLY {
            return Taken::Over;
        }
        self.noted.insert(digest);
        Taken::New
    }
}

fn note(source: &str, raw: &Bytes, refusal: &Refusal, now: UnixTime) -> Option<Note> {
    Some(Note {
        kind: NoteKind::Refused,
        at: now,
        source: source.to_owned(),
        code: refusal.code()?.to_owned(),
        reason: refusal.to_string(),
        // A copy: a slice would keep the whole buffer of the connection.
        raw: Bytes::copy_from_slice(raw),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn a_source_is_noted_up_to_its_budget_each_hour_and_the_same_set_once() {
        let mut source = Source::default();
        let digest = |number: usize| sha256(&number.to_be_bytes());
        for number in 0..HOURLY {
            assert_eq!(source.take(digest(number), at(7200)), Taken::New, "{number}");
            assert_eq!(source.take(digest(number), at(7201)), Taken::Known, "{number}");
        }
        assert_eq!(source.take(digest(HOURLY), at(10_799)), Taken::Over);
        assert_eq!(source.take(digest(0), at(10_799)), Taken::Known);
        assert_eq!(source.take(digest(HOURLY), at(10_800)), Taken::New);
        assert_eq!(source.take(digest(0), at(10_800)), Taken::New, "another hour");
    }
}
