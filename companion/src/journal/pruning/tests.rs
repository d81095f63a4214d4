use std::path::PathBuf;
use std::time::Duration;

use rescind_core::record::{Fact, FactKind, FactValue, Record, RecordKey, SubjectHash};

use super::*;
use crate::journal::notes::MAX_PER_SOURCE;
use crate::journal::{NewSet, Note, NoteKind};
use crate::live::LiveLog;

const KEY: [u8; 16] = [7; 16];
const DAY: Duration = Duration::from_secs(86_400);
const NOTHING: [u64; 0] = [];

/// A journal in a directory that goes away.
struct Fixture {
    directory: PathBuf,
    journal: Option<Journal>,
    live: LiveLog,
    last: u64,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("rescind-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let journal = Some(Journal::open(&directory.join("journal"), &KEY).unwrap());
        Self { directory, journal, live: LiveLog::new(DAY), last: 0 }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    /// Keeps a SET about `subject`, received at `secs`.
    fn keep(&mut self, secs: u64, subject: u8, kind: FactKind, value: FactValue, at: u64) -> u64 {
        let jti = format!("{}", self.last.saturating_add(1));
        let signal = signal_id("iss", &jti);
        let key = RecordKey { subject: SubjectHash([subject; 16]), kind, conditions: vec![] };
        let fact = Fact { at: UnixTime::from_secs(at), value, signal, event: 1 };
        let set = NewSet {
            signal,
            received_at: UnixTime::from_secs(secs),
            source: "idp".to_owned(),
            issuer: "iss".to_owned(),
            jti,
            raw: vec![b'x'; 1000].into(),
            records: vec![Record { key, fact }],
        };
        let accepted = self.journal().append([&set].into_iter(), self.last).unwrap();
        self.last = accepted[0].sequence;
        self.live.apply([(self.last, set.records)], UnixTime::from_secs(secs));
        self.last
    }

    fn revoke(&mut self, secs: u64, subject: u8) -> u64 {
        self.keep(secs, subject, FactKind::RevokedBefore, FactValue::Set, secs)
    }

    fn prunable(&self, before: u64, limit: usize) -> Vec<u64> {
        let needed = |records: &[Record]| self.live.is_needed(records);
        self.journal().prunable(UnixTime::from_secs(before), limit, needed).unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.journal = None;
        let _best_effort = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn an_entry_stays_while_it_decides_and_while_it_is_young() {
    let mut fixture = Fixture::new("stays");
    let (first, second) = (fixture.revoke(1000, 1), fixture.revoke(1001, 1));
    let third = fixture.revoke(1002, 2);
    assert_eq!((first, second, third), (1, 2, 3));
    assert_eq!(fixture.prunable(1000, 10), NOTHING, "young");
    assert_eq!(fixture.prunable(2000, 10), [1], "the second decides, the third is the last");
    fixture.live.sweep(100, UnixTime::from_secs(1002 + 86_400 + 2));
    assert_eq!(fixture.prunable(2000, 10), [1, 2]);
    assert_eq!(fixture.prunable(2000, 1), [1]);
    fixture.journal().remove(&[1, 2]).unwrap();
    assert_eq!(fixture.journal().entries().unwrap(), 1);
    assert_eq!(fixture.journal().sequence(&signal_id("iss", "1")).unwrap(), None);
    assert_eq!(fixture.journal().sequence(&signal_id("iss", "3")).unwrap(), Some(3));
    assert_eq!(fixture.prunable(9_999_999, 10), NOTHING, "holes are walked over");
    assert_eq!(fixture.revoke(3000, 3), 4, "sequences go on");
}

#[test]
fn what_was_lifted_goes_before_what_lifted_it() {
    let mut fixture = Fixture::new("lifted");
    // The lifting event arrives first.
    let lifting = fixture.keep(1000, 1, FactKind::Disabled, FactValue::Unset, 900);
    let lifted = fixture.keep(1001, 1, FactKind::Disabled, FactValue::Set, 800);
    fixture.revoke(1002, 2);
    assert_eq!(fixture.prunable(2000, 10), [lifted], "the lifting one is remembered");
    fixture.live.sweep(100, UnixTime::from_secs(900 + 31 * 86_400));
    assert_eq!(fixture.prunable(2000, 10), [lifted, lifting]);
    assert_eq!(fixture.prunable(2000, 1), [lifted]);
}

#[test]
fn a_disabled_account_is_kept_for_ever() {
    let mut fixture = Fixture::new("disabled");
    let kept = fixture.keep(1000, 1, FactKind::Disabled, FactValue::Set, 1000);
    fixture.revoke(1001, 2);
    fixture.live.sweep(100, UnixTime::from_secs(100 * 365 * 86_400));
    assert_eq!(fixture.prunable(99_999_999, 10), NOTHING);
    let replayed = LiveLog::new(DAY);
    let now = UnixTime::from_secs(99_999_999);
    let apply = |sequence, records| replayed.apply([(sequence, records)], now);
    fixture.journal().replay(0, apply).unwrap();
    assert_eq!((kept, replayed.len()), (1, 1));
}

#[test]
fn a_pruned_journal_stops_growing_and_compacting_makes_it_small() {
    let mut fixture = Fixture::new("bounded");
    let mut sizes = Vec::new();
    for round in 0..6_u64 {
        for n in 0..200 {
            fixture.revoke(1000 + round, u8::try_from(n).unwrap());
        }
        let old = fixture.prunable(9_999, 10_000);
        fixture.journal().remove(&old).unwrap();
        sizes.push(fixture.journal().bytes());
    }
    assert_eq!(sizes[2], sizes[5], "{sizes:?}");
    let late = UnixTime::from_secs(2000 + 2 * 86_400);
    fixture.live.sweep(1000, late);
    let old = fixture.prunable(99_999, 10_000);
    fixture.journal().remove(&old).unwrap();
    assert_eq!(fixture.journal().entries().unwrap(), 1);
    let journal = fixture.journal.as_mut().unwrap();
    while journal.compact().unwrap() {}
    assert!(journal.bytes() < sizes[5], "{} of {}", journal.bytes(), sizes[5]);
    assert_eq!(fixture.revoke(3000, 3), 1201, "sequences go on");
}

#[test]
fn notes_stay_as_long_as_told_and_of_one_source_only_so_many() {
    let fixture = Fixture::new("notes");
    let journal = fixture.journal();
    let note = |source: &str, secs: u64| Note {
        kind: NoteKind::Refused,
        at: UnixTime::from_secs(secs),
        source: source.to_owned(),
        code: "access_denied".to_owned(),
        reason: String::new(),
        raw: bytes::Bytes::new(),
    };
    let flood: Vec<_> = (0..MAX_PER_SOURCE).map(|_| note("loud", 2000)).collect();
    journal.note_all(&[note("quiet", 999), note("quiet", 1000)]).unwrap();
    journal.note_all(&flood).unwrap();
    let old = |before: u64| journal.old_notes(UnixTime::from_secs(before)).unwrap();
    assert_eq!(old(999), NOTHING);
    assert_eq!(old(1000), [1], "from before, and no other");
    journal.note(&note("loud", 2001)).unwrap();
    assert_eq!(old(999), [3], "the oldest of the one that says too much");
    journal.forget_notes(&[1, 3]).unwrap();
    assert_eq!((old(1000), old(3000).len()), (vec![], MAX_PER_SOURCE + 1));
    // The last one stays, so that no number is given twice.
    journal.forget_notes(&old(3000)).unwrap();
    let last = u64::try_from(MAX_PER_SOURCE).unwrap() + 3;
    let numbers = |notes: Vec<(u64, Note)>| notes.iter().map(|note| note.0).collect::<Vec<_>>();
    assert_eq!(numbers(journal.notes(0, 10).unwrap()), [last]);
    journal.note(&note("quiet", 3000)).unwrap();
    assert_eq!(numbers(journal.notes(last, 10).unwrap()), [last + 1]);
}
