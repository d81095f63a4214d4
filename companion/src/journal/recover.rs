//! Saves what is good of a damaged journal into a new one.
//!
//! The new journal has another log id: gateways merge it with what they hold, and lift nothing. The
//! damaged file is never written to, not even by the repair that redb does when it opens a file: that
//! happens to a copy. What cannot be shown to be what was written is left out and named. Where redb
//! cannot even open the copy, nothing can be saved here.

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::integrity::{Origin, Tally};
use super::{
    ACTIONS, Fault, Journal, JournalError, KeptSet, META, NOTES, NewSet, SETS, TALLY, streams,
};

/// Entries in one transaction of the new journal.
const GROUP: usize = 1000;

/// What was saved, and what was not.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Recovered {
    /// Entries in the new journal.
    pub(crate) saved: u64,
    /// How many there were, if that can still be read.
    pub(crate) expected: Option<u64>,
    /// Notes of the audit trail in the new journal.
    pub(crate) notes: u64,
    /// Sequences (in the old journal) of entries that are there, but not what was written.
    pub(crate) damaged: Vec<u64>,
    /// The transmitters of whose streams what was remembered is damaged.
    pub(crate) damaged_streams: Vec<String>,
}

impl Recovered {
    /// For the operator.
    pub(crate) fn report(&self, to: &Path) -> String {
        let mut text = format!("saved {} entries and {} notes", self.saved, self.notes);
        match self.expected {
            Some(expected) => text.push_str(&format!(" of {expected} entries\n")),
            None => text.push_str("; how many there were cannot be read\n"),
        }
        for sequence in &self.damaged {
            text.push_str(&format!("entry {sequence}: damaged, not saved\n"));
        }
        for transmitter in &self.damaged_streams {
            let name = transmitter.escape_debug();
            text.push_str(&format!(
                "stream of `{name}`: damaged, not saved; a gap may be forgotten\n"
            ));
        }
        let to = to.display();
        text.push_str(&format!(
            "to use it, let `journal.path` name `{to}`; gateways will merge it with what they hold. \
             Have transmitters send again what is lost\n"
        ));
        text
    }
}

/// Saves the good entries of the journal `from` into a new journal `to`.
pub(crate) fn recover(
    from: &Path,
    to: &Path,
    subject_key: &[u8; 16],
) -> Result<Recovered, JournalError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| JournalError::Io { path, source }
    };
    if to.exists() {
        return Err(io(to)(std::io::ErrorKind::AlreadyExists.into()));
    }
    let copy = Copy(to.with_extension("copy"));
    std::fs::copy(from, &copy.0).map_err(io(from))?;
    let database = Database::open(&copy.0).map_err(|error| Fault::from(error).explain(from))?;
    let journal = Journal::open(to, subject_key)?;
    save(&database, &journal, &Origin::new(*subject_key)).map_err(|failure| match failure {
        Failure::Source(fault) => fault.explain(from),
        Failure::Target(error) => error,
    })
}

/// A file that goes away.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_file(&self.0);
    }
}

enum Failure {
    Source(Fault),
    Target(JournalError),
}

impl<E: Into<Fault>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Source(error.into())
    }
}

fn save(from: &Database, to: &Journal, origin: &Origin) -> Result<Recovered, Failure> {
    let transaction = from.begin_read()?;
    let Some((_, log, made_with)) = super::read_meta(from)? else {
        return Err(Fault::file("it has no `meta`").into());
    };
    if made_with != origin.fingerprint() {
        return Err(Fault::file("it was made with another subject key").into());
    }
    let seal = origin.seal(log);
    let mut done = Recovered::default();
    let meta = transaction.open_table(META)?;
    let tally = meta.get(TALLY).ok().flatten();
    done.expected = tally.and_then(|bytes| Tally::open(bytes.value(), &seal)).map(Tally::count);
    let (sets, actions) = (transaction.open_table(SETS)?, transaction.open_table(ACTIONS)?);
    let greatest = |last: Result<Option<u64>, redb::StorageError>| last.ok().flatten();
    let last = [
        greatest(sets.last().map(|last| last.map(|(sequence, _)| sequence.value()))),
        greatest(actions.last().map(|last| last.map(|(sequence, _)| sequence.value()))),
    ];
    let mut group = Vec::new();
    // One by one: an iteration ends at the first damaged page.
    for sequence in 1..=last.into_iter().flatten().max().unwrap_or(0) {
        match (sets.get(sequence), actions.get(sequence)) {
            (Ok(None), Ok(None)) => {}
            (Ok(Some(set)), Ok(Some(entry))) => {
                match KeptSet::open(sequence, set.value(), entry.value(), &seal) {
                    Ok(set) => group.push(NewSet::from(set)),
                    Err(_) => done.damaged.push(sequence),
                }
            }
            _ => done.damaged.push(sequence),
        }
        if group.len() >= GROUP {
            done.saved = append(to, &mut group, done.saved)?;
        }
    }
    done.saved = append(to, &mut group, done.saved)?;
    let notes = transaction.open_table(NOTES)?;
    let good = notes.range::<u64>(..)?.map_while(Result::ok).filter_map(|(number, bytes)| {
        super::notes::open(number.value(), bytes.value(), &seal).ok()
    });
    let good: Vec<_> = good.collect();
    to.note_all(&good).map_err(Failure::Target)?;
    done.notes = u64::try_from(good.len()).unwrap_or(u64::MAX);
    for (transmitter, stream) in streams::all(from, &seal)? {
        match stream {
            Ok(stream) => to.keep_stream(&transmitter, &stream).map_err(Failure::Target)?,
            Err(_) => done.damaged_streams.push(transmitter),
        }
    }
    Ok(done)
}

fn append(to: &Journal, group: &mut Vec<NewSet>, last: u64) -> Result<u64, Failure> {
    let accepted = to.append(group.iter(), last).map_err(Failure::Target)?;
    group.clear();
    Ok(accepted.last().map_or(last, |accepted| last.max(accepted.sequence)))
}

impl From<KeptSet> for NewSet {
    fn from(set: KeptSet) -> Self {
        Self {
            signal: rescind_core::set::signal_id(&set.issuer, &set.jti),
            received_at: set.received_at,
            source: set.source,
            issuer: set.issuer,
            jti: set.jti,
            raw: set.raw.into(),
            records: set.records,
        }
    }
}
