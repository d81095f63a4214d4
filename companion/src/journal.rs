//! The journal: every accepted SET, in the order of acceptance, durable before it is acknowledged.
//!
//! One redb file with four tables, written in one transaction per group of SETs:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | format, log id, fingerprint of the subject key |
//! | `sets` | sequence | who sent it and when, `iss`, `jti`, the signed SET as received |
//! | `signals` | the SET's [`SignalId`] | sequence: makes (`iss`, `jti`) unique |
//! | `actions` | sequence | the records that the SET stands for, in normal form |
//!
//! Sequences count from 1 without holes; one that was ever visible is never given to another SET,
//! because nothing is visible before it is durable. At start, and after an I/O error, the actions
//! are applied again from here: applying is idempotent.
//!
//! It refuses to guess: a file that is locked, damaged, of another format or made with another
//! subject key is an error that says so, never a reason to start empty.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use rescind_core::feed::LogId;
use rescind_core::record::{Record, SignalId};
use rescind_core::time::UnixTime;

mod actions;
mod pruning;
mod writer;

pub(crate) use writer::{Accepted, Submit, WriteError, start};

/// The format of the file. A file of another format is refused.
const FORMAT: u64 = 1;

/// redb's cache: the upper levels of the trees of some million SETs, and the pages in flight.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const SETS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sets");
const SIGNALS: TableDefinition<'_, &[u8; 16], u64> = TableDefinition::new("signals");
const ACTIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("actions");

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Another process has it.
    #[error("journal `{}` is in use by another process; stop that one first", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Not a redb file, or a damaged one.
    #[error(
        "journal `{}` is damaged or no journal: {reason}; restore it from a backup, or move it \
         away to start a new log", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What redb says.
        reason: String,
    },
    /// A journal, but of another version.
    #[error(
        "journal `{}` has format {found}, this version reads format {FORMAT}; use the version \
         that wrote it", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// Made with another subject key: its records name nobody any more.
    #[error(
        "journal `{}` was made with another subject key; put the old `feed.subject_key_file` back, \
         or move the journal away to start a new log", path.display()
    )]
    SubjectKey {
        /// The file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("journal `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
    /// An earlier I/O error has closed the file, and it could not be opened again yet.
    #[error("the journal is closed after an I/O error")]
    Closed,
    /// The operating system gives no random bytes.
    #[error("no random bytes for a log id: {0}")]
    Random(getrandom::Error),
}

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
    fingerprint: [u8; 32],
    /// `None` after an I/O error, until the file could be opened again.
    database: RwLock<Option<Database>>,
}

impl Journal {
    /// Opens or creates the journal at `path` for records made with `subject_key`.
    pub(crate) fn open(path: &Path, subject_key: &[u8; 16]) -> Result<Self, JournalError> {
        let fingerprint =
            rescind_core::crypto::sha256(&[b"rescind-subject-key\0", &subject_key[..]].concat());
        let (database, log) = open_database(path, &fingerprint)?;
        let database = RwLock::new(Some(database));
        Ok(Self { path: path.to_owned(), log, fingerprint, database })
    }

    /// The log's name.
    pub(crate) const fn log(&self) -> LogId {
        self.log
    }

    /// Gives every entry after sequence `after` to `apply`, in order.
    pub(crate) fn replay(
        &self,
        after: u64,
        mut apply: impl FnMut(u64, Vec<Record>),
    ) -> Result<(), JournalError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(ACTIONS)?;
            for entry in table.range(after.saturating_add(1)..)? {
                let (sequence, bytes) = entry?;
                let records = actions::decode(bytes.value())
                    .ok_or_else(|| redb::Error::Corrupted("an entry of `actions`".to_owned()))?;
                apply(sequence.value(), records);
            }
            Ok(())
        })
    }

    /// The SET that `signal` names.
    pub(crate) fn find(&self, signal: &SignalId) -> Result<Option<KeptSet>, JournalError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let Some(sequence) = transaction.open_table(SIGNALS)?.get(&signal.0)? else {
                return Ok(None);
            };
            let sequence = sequence.value();
            let corrupted = || redb::Error::Corrupted(format!("entry {sequence}"));
            let set = transaction.open_table(SETS)?.get(sequence)?.ok_or_else(corrupted)?;
            let records = transaction.open_table(ACTIONS)?.get(sequence)?.ok_or_else(corrupted)?;
            let records = actions::decode(records.value()).ok_or_else(corrupted)?;
            let (received_at, source, issuer, jti, raw) =
                decode(set.value()).ok_or_else(corrupted)?;
            Ok(Some(KeptSet {
                sequence,
                received_at: UnixTime::from_millis(received_at),
                source: source.to_owned(),
                issuer: issuer.to_owned(),
                jti: jti.to_owned(),
                raw: raw.to_vec(),
                records,
            }))
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

    fn with<T>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, JournalError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(JournalError::Closed)?;
        read(database).map_err(|error| explain(&self.path, error))
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
                let mut signals = transaction.open_table(SIGNALS)?;
                let mut table = transaction.open_table(SETS)?;
                let mut actions = transaction.open_table(ACTIONS)?;
                let mut sequence = last;
                for set in sets {
                    let known = signals.get(&set.signal.0)?.map(|known| known.value());
                    if let Some(sequence) = known {
                        accepted.push(Accepted { sequence, new: false });
                        continue;
                    }
                    sequence = sequence.saturating_add(1);
                    signals.insert(&set.signal.0, sequence)?;
                    table.insert(sequence, encode(set).as_slice())?;
                    actions.insert(sequence, actions::encode(&set.records).as_slice())?;
                    accepted.push(Accepted { sequence, new: true });
                }
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
        let (opened, log) = open_database(&self.path, &self.fingerprint)?;
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
type Entry<'b> = (u64, &'b str, &'b str, &'b str, &'b [u8]);

fn decode(bytes: &[u8]) -> Option<Entry<'_>> {
    let (received_at, source, issuer, jti, raw): (_, _, _, _, &minicbor::bytes::ByteSlice) =
        minicbor::decode(bytes).ok()?;
    Some((received_at, source, issuer, jti, raw))
}

fn open_database(path: &Path, fingerprint: &[u8; 32]) -> Result<(Database, LogId), JournalError> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|error| explain(path, error.into()))?;
    let known = read_meta(&database).map_err(|error| explain(path, error))?;
    let Some((format, log, made_with)) = known else {
        let mut log = [0; 16];
        getrandom::fill(&mut log).map_err(JournalError::Random)?;
        create(&database, &log, fingerprint).map_err(|error| explain(path, error))?;
        return Ok((database, LogId(log)));
    };
    if format != FORMAT {
        return Err(JournalError::Format { path: path.to_owned(), found: format });
    }
    if made_with != fingerprint {
        return Err(JournalError::SubjectKey { path: path.to_owned() });
    }
    Ok((database, log))
}

type Meta = (u64, LogId, Vec<u8>);

fn read_meta(database: &Database) -> Result<Option<Meta>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        // A new file, or one whose creation was interrupted before anything was in it.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let incomplete = |name: &str| redb::Error::Corrupted(format!("`meta` without `{name}`"));
    let fixed = |name: &'static str| -> Result<Vec<u8>, redb::Error> {
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

fn create(database: &Database, log: &[u8; 16], fingerprint: &[u8; 32]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", &FORMAT.to_be_bytes()[..])?;
        meta.insert("log", &log[..])?;
        meta.insert("subject_key", &fingerprint[..])?;
        transaction.open_table(SETS)?;
        transaction.open_table(SIGNALS)?;
        transaction.open_table(ACTIONS)?;
    }
    transaction.commit()?;
    Ok(())
}

fn explain(path: &Path, error: redb::Error) -> JournalError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => JournalError::Locked { path },
        // A file that starts with something else than redb's magic number.
        redb::Error::Io(source) if source.kind() == std::io::ErrorKind::InvalidData => {
            JournalError::Damaged { path, reason: "it does not start as a journal does".to_owned() }
        }
        redb::Error::Io(source) => JournalError::Io { path, source },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => JournalError::Closed,
        other => JournalError::Damaged { path, reason: other.to_string() },
    }
}
