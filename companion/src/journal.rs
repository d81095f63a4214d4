//! The journal: every accepted SET, in the order of acceptance, durable before it is acknowledged.
//!
//! One redb file with six tables, written in one transaction per group of SETs:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | format, log id, fingerprint of the subject key, the tally of all entries |
//! | `sets` | sequence | who sent it and when, `iss`, `jti`, the signed SET as received |
//! | `signals` | the SET's [`SignalId`] | sequence: makes (`iss`, `jti`) unique |
//! | `actions` | sequence | two tags, and the records that the SET stands for, in normal form |
//! | `notes` | number | what was refused or reaches nobody, and why ([`Note`]) |
//! | `streams` | transmitter | what is remembered about its stream ([`StoredStream`]) |
//!
//! Sequences count from 1 without holes; one that was ever visible is never given to another SET,
//! because nothing is visible before it is durable. At start, and after an I/O error, the actions
//! are applied again from here: applying is idempotent.
//!
//! It refuses to guess: a file that is locked, damaged, of another format or made with another
//! subject key is an error that says so, never a reason to start empty. At start every page of the
//! file is read and checked, and every entry must be what was written ([`integrity`]); later, each
//! entry that is read.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use rescind_core::feed::LogId;
use rescind_core::record::{Record, SignalId};
use rescind_core::set::signal_id;
use rescind_core::time::UnixTime;

mod actions;
mod error;
mod integrity;
mod notes;
mod pruning;
mod recover;
mod streams;
mod writer;

#[cfg(test)]
mod tests;

use error::Fault;
pub(crate) use error::JournalError;
use integrity::{Origin, Seal, TAG_BYTES, Tag, Tally};
pub(crate) use notes::{Note, NoteKind};
pub(crate) use recover::recover;
pub(crate) use streams::StoredStream;
pub(crate) use writer::{Accepted, Submit, WriteError, start};

/// The format of the file. A file of another format is refused: 1 had no tags, and no version that
/// wrote it was released.
const FORMAT: u64 = 2;

/// redb's cache: the upper levels of the trees of some million SETs, and the pages in flight.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const SETS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sets");
const SIGNALS: TableDefinition<'_, &[u8; 16], u64> = TableDefinition::new("signals");
const ACTIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("actions");
const NOTES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("notes");
/// Where `meta` has the [`Tally`].
const TALLY: &str = "tally";

/// A SET to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewSet {
    /// The digest of (`iss`, `jti`).
    pub(crate) signal: SignalId,
    /// When it was received.
    pub(crate) received_at: UnixTime,
    /// The transmitter's name in the configuration.
    pub(crate) source: String,
    /// `iss`
    pub(crate) issuer: String,
    /// `jti`
    pub(crate) jti: String,
    /// The signed SET, or the imported line, as received.
    pub(crate) raw: bytes::Bytes,
    /// What it means.
    pub(crate) records: Vec<Record>,
}

/// A SET that was kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeptSet {
    /// Its place in the log.
    pub(crate) sequence: u64,
    /// When it was received.
    pub(crate) received_at: UnixTime,
    /// The transmitter's name in the configuration then.
    pub(crate) source: String,
    /// `iss`
    pub(crate) issuer: String,
    /// `jti`
    pub(crate) jti: String,
    /// The signed SET, or the imported line, as received.
    pub(crate) raw: Vec<u8>,
    /// What it means.
    pub(crate) records: Vec<Record>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    log: LogId,
    origin: Origin,
    seal: Seal,
    /// `None` after an I/O error, until the file could be opened again.
    database: RwLock<Option<Database>>,
}

impl Journal {
    /// Opens or creates the journal at `path` for records made with `subject_key`.
    pub(crate) fn open(path: &Path, subject_key: &[u8; 16]) -> Result<Self, JournalError> {
        let origin = Origin::new(*subject_key);
        let (database, log) = open_database(path, &origin, Check::EveryPage)?;
        let seal = origin.seal(log);
        streams::all(&database, &seal)
            .and_then(|all| all.into_iter().try_for_each(|(_, stream)| stream.map(|_| ())))
            .map_err(|fault| fault.explain(path))?;
        let database = RwLock::new(Some(database));
        Ok(Self { path: path.to_owned(), log, origin, seal, database })
    }

    /// The log's name.
    pub(crate) const fn log(&self) -> LogId {
        self.log
    }

    /// Gives every entry after sequence `after` to `apply`, in order. From 0 on it also finds out
    /// whether any is missing; what was applied until then must not be served.
    pub(crate) fn replay(
        &self,
        after: u64,
        mut apply: impl FnMut(u64, Vec<Record>),
    ) -> Result<(), JournalError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let kept = self.tally(&transaction.open_table(META)?)?;
            let (mut found, mut last) = (Tally::default(), after);
            for entry in transaction.open_table(ACTIONS)?.range(after.saturating_add(1)..)? {
                let (sequence, bytes) = entry?;
                let sequence = sequence.value();
                let entry = Entry::open(sequence, bytes.value(), &self.seal)?;
                if sequence <= last {
                    return Err(Fault::Entry(sequence, "it stands out of order"));
                }
                last = sequence;
                found.add(&entry.tag);
                apply(sequence, entry.records);
            }
            if after == 0 && found != kept {
                return Err(Fault::file("entries are missing, or are there that were not written"));
            }
            Ok(())
        })
    }

    fn tally(
        &self,
        meta: &impl redb::ReadableTable<&'static str, &'static [u8]>,
    ) -> Result<Tally, Fault> {
        let bytes = meta.get(TALLY)?.ok_or_else(|| Fault::file("`meta` without `tally`"))?;
        Tally::open(bytes.value(), &self.seal)
            .ok_or_else(|| Fault::file("the checksum of `tally` does not match"))
    }

    /// The SET that `signal` names.
    pub(crate) fn find(&self, signal: &SignalId) -> Result<Option<KeptSet>, JournalError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let Some(sequence) = transaction.open_table(SIGNALS)?.get(&signal.0)? else {
                return Ok(None);
            };
            let sequence = sequence.value();
            let (sets, actions) = (transaction.open_table(SETS)?, transaction.open_table(ACTIONS)?);
            let missing = || Fault::Entry(sequence, "a part of it is missing");
            let set = sets.get(sequence)?.ok_or_else(missing)?;
            let records = actions.get(sequence)?.ok_or_else(missing)?;
            let found = KeptSet::open(sequence, set.value(), records.value(), &self.seal)?;
            if signal_id(&found.issuer, &found.jti) != *signal {
                return Err(Fault::Entry(sequence, "it is filed under another signal"));
            }
            Ok(Some(found))
        })
    }

    /// At most `limit` SETs after sequence `after`, in order.
    pub(crate) fn entries_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<KeptSet>, JournalError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let (sets, actions) = (transaction.open_table(SETS)?, transaction.open_table(ACTIONS)?);
            let range = sets.range(after.saturating_add(1)..)?;
            range
                .take(limit)
                .map(|entry| {
                    let (sequence, set) = entry?;
                    let sequence = sequence.value();
                    let missing = || Fault::Entry(sequence, "a part of it is missing");
                    let records = actions.get(sequence)?.ok_or_else(missing)?;
                    KeptSet::open(sequence, set.value(), records.value(), &self.seal)
                })
                .collect()
        })
    }

    /// The sequence of the SET that `signal` names.
    pub(crate) fn sequence(&self, signal: &SignalId) -> Result<Option<u64>, JournalError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(SIGNALS)?;
            Ok(table.get(&signal.0)?.map(|sequence| sequence.value()))
        })
    }

    /// The size of the file; 0 if it cannot be told.
    pub(crate) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// The last sequence; 0 if there is none.
    pub(crate) fn last(&self) -> Result<u64, JournalError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(ACTIONS)?;
            let last = table.last()?.map_or(0, |(sequence, _)| sequence.value());
            Ok(last)
        })
    }

    fn with<T>(&self, read: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, JournalError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(JournalError::Closed)?;
        read(database).map_err(|fault| fault.explain(&self.path))
    }

    /// Writes `sets` in one durable transaction. The answer says for each its sequence, and whether
    /// it is new; sequences continue after `last`.
    pub(crate) fn append<'s>(
        &self,
        sets: impl Iterator<Item = &'s NewSet>,
        last: u64,
    ) -> Result<Vec<Accepted>, JournalError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let mut accepted = Vec::new();
            {
                let mut meta = transaction.open_table(META)?;
                let mut signals = transaction.open_table(SIGNALS)?;
                let mut table = transaction.open_table(SETS)?;
                let mut actions = transaction.open_table(ACTIONS)?;
                let mut tally = self.tally(&meta)?;
                let mut sequence = last;
                for set in sets {
                    let known = signals.get(&set.signal.0)?.map(|known| known.value());
                    if let Some(sequence) = known {
                        accepted.push(Accepted { sequence, new: false });
                        continue;
                    }
                    sequence = sequence.saturating_add(1);
                    signals.insert(&set.signal.0, sequence)?;
                    let bytes = encode(set);
                    let entry = Entry::seal(sequence, &bytes, &set.records, &self.seal);
                    table.insert(sequence, bytes.as_slice())?;
                    actions.insert(sequence, entry.bytes.as_slice())?;
                    tally.add(&entry.tag);
                    accepted.push(Accepted { sequence, new: true });
                }
                meta.insert(TALLY, tally.seal(&self.seal).as_slice())?;
            }
            if accepted.iter().any(|accepted| accepted.new) {
                transaction.commit()?;
            } else {
                transaction.abort()?;
            }
            Ok(accepted)
        })
    }

    /// Closes the file and opens it again: after an I/O error redb answers nothing else.
    pub(crate) fn reopen(&self) -> Result<(), JournalError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        *database = None;
        // Its pages were checked at start: to do it again would make every attempt on a full disk
        // last for seconds.
        let (opened, log) = open_database(&self.path, &self.origin, Check::Recovery)?;
        if log != self.log {
            let reason = "it was replaced by another log while open".to_owned();
            return Err(JournalError::Damaged { path: self.path.clone(), reason });
        }
        *database = Some(opened);
        Ok(())
    }
}

fn encode(set: &NewSet) -> Vec<u8> {
    let raw: &minicbor::bytes::ByteSlice = set.raw.as_ref().into();
    let entry = (set.received_at.millis(), &set.source, &set.issuer, &set.jti, raw);
    let mut bytes = Vec::with_capacity(set.raw.len().saturating_add(256));
    // Writing to a Vec cannot fail; the Result is the encoder's general form.
    let _infallible = minicbor::encode(entry, &mut bytes);
    bytes
}

/// When it was received (milliseconds), source, `iss`, `jti`, the SET.
type Fields<'b> = (u64, &'b str, &'b str, &'b str, &'b [u8]);

fn decode(bytes: &[u8]) -> Option<Fields<'_>> {
    let (received_at, source, issuer, jti, raw): (_, _, _, _, &minicbor::bytes::ByteSlice) =
        minicbor::decode(bytes).ok()?;
    Some((received_at, source, issuer, jti, raw))
}

/// What the file says of one SET's records, sealed.
struct SealedEntry {
    bytes: Vec<u8>,
    tag: Tag,
}

/// The same, opened.
struct Entry {
    /// Its own tag.
    tag: Tag,
    /// The tag of the SET.
    set: Tag,
    records: Vec<Record>,
}

impl Entry {
    /// Two tags, then the records.
    fn seal(sequence: u64, set: &[u8], records: &[Record], seal: &Seal) -> SealedEntry {
        let records = actions::encode(records);
        let set = seal.set(sequence, set);
        let tag = seal.entry(sequence, &set, &records);
        SealedEntry { bytes: [&tag[..], &set[..], &records].concat(), tag }
    }

    fn open(sequence: u64, bytes: &[u8], seal: &Seal) -> Result<Self, Fault> {
        let damaged = || Fault::Entry(sequence, "its checksum does not match");
        let (tag, rest) = bytes.split_first_chunk::<TAG_BYTES>().ok_or_else(damaged)?;
        let (set, records) = rest.split_first_chunk::<TAG_BYTES>().ok_or_else(damaged)?;
        if seal.entry(sequence, set, records) != *tag {
            return Err(damaged());
        }
        let records = actions::decode(records).ok_or_else(damaged)?;
        Ok(Self { tag: *tag, set: *set, records })
    }
}

impl KeptSet {
    /// Reads both parts of an entry and checks that they are what was written.
    fn open(sequence: u64, set: &[u8], records: &[u8], seal: &Seal) -> Result<Self, Fault> {
        let entry = Entry::open(sequence, records, seal)?;
        if seal.set(sequence, set) != entry.set {
            return Err(Fault::Entry(sequence, "the checksum of its SET does not match"));
        }
        let (received_at, source, issuer, jti, raw) =
            decode(set).ok_or(Fault::Entry(sequence, "its SET cannot be read"))?;
        Ok(Self {
            sequence,
            received_at: UnixTime::from_millis(received_at),
            source: source.to_owned(),
            issuer: issuer.to_owned(),
            jti: jti.to_owned(),
            raw: raw.to_vec(),
            records: entry.records,
        })
    }
}

/// How much of the file is checked when it is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    /// All of it.
    EveryPage,
    /// Only what redb needs after an unclean end.
    Recovery,
}

fn open_database(
    path: &Path,
    origin: &Origin,
    check: Check,
) -> Result<(Database, LogId), JournalError> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(check == Check::EveryPage)
        .create(path)
        .map_err(|error| Fault::from(error).explain(path))?;
    let known = read_meta(&database).map_err(|fault| fault.explain(path))?;
    let Some((format, log, made_with)) = known else {
        let mut log = [0; 16];
        getrandom::fill(&mut log).map_err(JournalError::Random)?;
        let log = LogId(log);
        create(&database, log, origin).map_err(|fault| fault.explain(path))?;
        return Ok((database, log));
    };
    if format != FORMAT {
        return Err(JournalError::Format { path: path.to_owned(), found: format });
    }
    if made_with != origin.fingerprint() {
        return Err(JournalError::SubjectKey { path: path.to_owned() });
    }
    Ok((database, log))
}

type Meta = (u64, LogId, Vec<u8>);

fn read_meta(database: &Database) -> Result<Option<Meta>, Fault> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        // A new file, or one whose creation was interrupted before anything was in it.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let incomplete = |name: &str| Fault::file(&format!("`meta` without `{name}`"));
    let fixed = |name: &'static str| -> Result<Vec<u8>, Fault> {
        Ok(meta.get(name)?.ok_or_else(|| incomplete(name))?.value().to_vec())
    };
    let format = fixed("format")?.try_into().map_err(|_| incomplete("format"))?;
    let format = u64::from_be_bytes(format);
    if format != FORMAT {
        return Ok(Some((format, LogId::default(), Vec::new())));
    }
    let log = fixed("log")?.try_into().map_err(|_| incomplete("log"))?;
    Ok(Some((format, LogId(log), fixed("subject_key")?)))
}

fn create(database: &Database, log: LogId, origin: &Origin) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", &FORMAT.to_be_bytes()[..])?;
        meta.insert("log", &log.0[..])?;
        meta.insert("subject_key", &origin.fingerprint()[..])?;
        let tally = Tally::default().seal(&origin.seal(log));
        meta.insert(TALLY, tally.as_slice())?;
        transaction.open_table(SETS)?;
        transaction.open_table(SIGNALS)?;
        transaction.open_table(ACTIONS)?;
        transaction.open_table(NOTES)?;
    }
    transaction.commit()?;
    Ok(())
}
