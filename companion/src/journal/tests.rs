//! Bytes flipped and files cut in real journals after a clean stop: found, or without effect.

use std::path::PathBuf;

use rescind_core::record::{Fact, FactKind, FactValue, RecordKey, SubjectHash};

use super::recover::Recovered;
use super::*;

const KEY: [u8; 16] = [7; 16];
const SETS_KEPT: u8 = 60;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rescind-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("journal")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

fn set(number: u8) -> NewSet {
    let jti = format!("jti-{number}");
    let signal = signal_id("iss", &jti);
    let key = RecordKey {
        subject: SubjectHash([number; 16]),
        kind: FactKind::RevokedBefore,
        conditions: vec![],
    };
    let at = UnixTime::from_secs(1_700_000_000);
    let fact = Fact { at, value: FactValue::Set, signal, event: 1 };
    NewSet {
        signal,
        received_at: at,
        source: "idp".to_owned(),
        issuer: "iss".to_owned(),
        jti,
        raw: vec![number; 700].into(),
        records: vec![Record { key, fact }],
    }
}

/// A journal in several transactions, one of which removes, cleanly closed.
fn write(path: &Path) {
    let journal = Journal::open(path, &KEY).unwrap();
    for number in 0..SETS_KEPT {
        journal.append([&set(number)].into_iter(), u64::from(number)).unwrap();
    }
    journal.remove(&[3, 20, 21]).unwrap();
    let note = |reason: &str| Note {
        kind: NoteKind::Refused,
        at: UnixTime::from_secs(1_700_000_000),
        source: "idp".to_owned(),
        code: "access_denied".to_owned(),
        reason: reason.to_owned(),
        raw: bytes::Bytes::from_static(b"a.b.c"),
    };
    journal.note(&note("one")).unwrap();
    journal.note(&note("two")).unwrap();
    journal.keep_stream("idp", &stream("s-1")).unwrap();
    journal.keep_stream("soc", &StoredStream::default()).unwrap();
}

fn stream(id: &str) -> StoredStream {
    let gap = Some((1_700_000_000_000, "silent".to_owned()));
    StoredStream { id: Some(id.to_owned()), deleted: false, gap }
}

/// All that can be read of a journal.
type Content = (
    LogId,
    Vec<(u64, Vec<Record>)>,
    Vec<Option<KeptSet>>,
    Vec<(u64, Note)>,
    [Option<StoredStream>; 2],
);

fn read(path: &Path) -> Result<Content, JournalError> {
    let journal = Journal::open(path, &KEY)?;
    let mut records = Vec::new();
    journal.replay(0, |sequence, entry| records.push((sequence, entry)))?;
    let sets: Result<_, _> =
        (0..SETS_KEPT).map(|number| journal.find(&set(number).signal)).collect();
    let streams = [journal.stream("idp")?, journal.stream("soc")?];
    Ok((journal.log(), records, sets?, journal.notes(0, 10)?, streams))
}

#[test]
fn what_was_written_is_read_again_and_what_was_removed_is_gone() {
    let directory = Directory::new("intact");
    write(&directory.file());
    let (_, records, sets, notes, streams) = read(&directory.file()).unwrap();
    assert_eq!(records.len(), 57);
    assert_eq!(sets.iter().flatten().count(), 57);
    let reasons: Vec<_> = notes.iter().map(|(number, note)| (*number, &*note.reason)).collect();
    assert_eq!(reasons, [(1, "one"), (2, "two")]);
    assert_eq!(streams, [Some(stream("s-1")), Some(StoredStream::default())]);
}

#[test]
fn a_flipped_byte_is_found_when_the_journal_is_opened_or_changes_nothing() {
    let directory = Directory::new("flipped");
    write(&directory.file());
    let good = std::fs::read(directory.file()).unwrap();
    let expected = read(&directory.file()).unwrap();
    // Every part of the file: its header byte by byte, then where there is anything.
    let used = (0..good.len()).filter(|at| *at < 512 || good[*at] != 0);
    let used: Vec<_> = used.collect();
    let (mut found, mut harmless) = (0, 0);
    let steps = used.iter().take(512).chain(used.iter().skip(512).step_by(used.len() / 600 + 1));
    for &at in steps {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(directory.file(), &bytes).unwrap();
        match read(&directory.file()) {
            Ok(content) => {
                assert!(content == expected, "byte {at} flipped is served");
                harmless += 1;
            }
            Err(error) => {
                assert!(!matches!(error, JournalError::Closed), "byte {at}: {error}");
                found += 1;
            }
        }
    }
    println!("{} bytes, {found} flips found, {harmless} without effect", good.len());
    assert!(found > 200, "{found}");
}

#[test]
fn a_file_cut_short_is_found_when_the_journal_is_opened_or_nothing_is_missing() {
    let directory = Directory::new("cut");
    write(&directory.file());
    let good = std::fs::read(directory.file()).unwrap();
    let expected = read(&directory.file()).unwrap();
    let mut found = 0;
    for part in 1..64 {
        let length = good.len() / 64 * part - 1;
        std::fs::write(directory.file(), &good[..length]).unwrap();
        match read(&directory.file()) {
            Ok(content) => assert!(content == expected, "{length} bytes are served"),
            Err(_) => found += 1,
        }
    }
    println!("{found} of 63 cuts found");
    assert!(found > 0);
}

/// Somebody with redb at hand, who makes the page checksums fit.
fn tamper(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) -> JournalError {
    let _first_time = std::fs::remove_file(path);
    write(path);
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
    drop(database);
    read(path).unwrap_err()
}

fn edit_stream(from: &'static str, to: &'static str) -> impl Fn(&redb::WriteTransaction) {
    move |transaction| {
        let mut table = transaction.open_table(streams::STREAMS).unwrap();
        let mut value = table.get(from).unwrap().unwrap().value().to_vec();
        if from == to {
            *value.last_mut().unwrap() ^= 1;
        }
        table.insert(to, value.as_slice()).unwrap();
    }
}

#[test]
fn an_entry_that_was_changed_removed_or_put_elsewhere_is_named_though_the_pages_fit() {
    let directory = Directory::new("tampered");
    let path = directory.file();
    let edit = |table: TableDefinition<'static, u64, &'static [u8]>, from: u64, to: u64| {
        move |transaction: &redb::WriteTransaction| {
            let mut table = transaction.open_table(table).unwrap();
            let mut value = table.get(from).unwrap().unwrap().value().to_vec();
            if from == to {
                let middle = value.len() / 2;
                value[middle] ^= 1;
            }
            table.insert(to, value.as_slice()).unwrap();
        }
    };
    for (error, expected) in [
        (tamper(&path, edit(ACTIONS, 7, 7)), "entry 7 is damaged: its checksum"),
        (tamper(&path, edit(ACTIONS, 7, 8)), "entry 8 is damaged: its checksum"),
        (tamper(&path, edit(SETS, 7, 7)), "entry 7 is damaged: the checksum of its SET"),
        (tamper(&path, edit(SETS, 7, 8)), "entry 8 is damaged: the checksum of its SET"),
        (tamper(&path, edit(NOTES, 1, 1)), "note 1 does not match"),
        (tamper(&path, edit_stream("idp", "idp")), "the stream of `idp` does not match"),
        (
            tamper(&path, |transaction| {
                let mut meta = transaction.open_table(META).unwrap();
                let mut tally = meta.get(TALLY).unwrap().unwrap().value().to_vec();
                tally[0] ^= 1;
                meta.insert(TALLY, tally.as_slice()).unwrap();
            }),
            "checksum of `tally`",
        ),
        (tamper(&path, edit_stream("idp", "soc")), "the stream of `soc` does not match"),
        (
            tamper(&path, |transaction| {
                transaction.open_table(ACTIONS).unwrap().remove(9).unwrap();
            }),
            "entries are missing",
        ),
        (
            tamper(&path, |transaction| {
                let mut signals = transaction.open_table(SIGNALS).unwrap();
                signals.insert(&set(5).signal.0, 10).unwrap();
            }),
            "entry 10 is damaged: it is filed under another signal",
        ),
        (
            tamper(&path, |transaction| {
                let mut meta = transaction.open_table(META).unwrap();
                meta.insert("log", &[1; 16][..]).unwrap();
            }),
            // Whatever is read first: every tag is of one log.
            "does not match",
        ),
    ] {
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn what_is_good_of_a_damaged_journal_is_saved_and_the_rest_is_named() {
    let directory = Directory::new("recover");
    let (path, saved) = (directory.file(), directory.0.join("saved"));
    write(&path);
    let (log, records, sets, notes, streams) = read(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // The middle of a SET, wherever copies of it stand.
    for at in 0..bytes.len() - 700 {
        if bytes[at..at + 700].iter().all(|byte| *byte == 30) {
            bytes[at + 350] ^= 1;
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    let damaged = read(&path).unwrap_err().to_string();
    assert!(damaged.contains("rescind recover"), "{damaged}");
    let recovered = recover(&path, &saved, &KEY).unwrap();
    let expected = Recovered {
        saved: 56,
        expected: Some(57),
        notes: 2,
        damaged: vec![31],
        damaged_streams: vec![],
    };
    assert_eq!(recovered, expected);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the damaged file is as it was");
    let (new_log, left, new_sets, new_notes, new_streams) = read(&saved).unwrap();
    assert_ne!(log, new_log, "gateways have to know");
    assert_eq!((left.len(), records.len()), (56, 57));
    let raw = |set: &KeptSet| set.raw.clone();
    let without: Vec<_> = sets.iter().flatten().map(raw).filter(|raw| raw[0] != 30).collect();
    assert_eq!(new_sets.iter().flatten().map(raw).collect::<Vec<_>>(), without);
    assert_eq!((new_notes, new_streams), (notes, streams), "a gap stays one");
    let again = recover(&path, &saved, &KEY).unwrap_err().to_string();
    assert!(again.contains("exists"), "{again}");
}

#[test]
fn a_stream_that_cannot_be_read_is_named_by_the_recovery() {
    let directory = Directory::new("stream");
    let (path, saved) = (directory.file(), directory.0.join("saved"));
    let error = tamper(&path, edit_stream("idp", "idp")).to_string();
    assert!(error.contains("rescind recover"), "{error}");
    let recovered = recover(&path, &saved, &KEY).unwrap();
    assert_eq!(recovered.damaged_streams, ["idp"]);
    assert!(recovered.report(&saved).contains("stream of `idp`: damaged"));
    let (.., streams) = read(&saved).unwrap();
    assert_eq!(streams, [None, Some(StoredStream::default())]);
}
