//! Why the journal cannot be used, in words for the person who has to do something about it.

use std::path::{Path, PathBuf};

use super::FORMAT;

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
        "journal `{}` is damaged or no journal: {reason}; restore it from a backup, save what is \
         good with `rescind recover`, or move it away to start a new log", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What redb says.
        reason: String,
    },
    /// One entry is not what was written.
    #[error(
        "journal `{}`: entry {sequence} is damaged: {reason}; restore the file from a backup, or \
         save the other entries with `rescind recover`", path.display()
    )]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry's sequence.
        sequence: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A journal, but of another version.
    #[error(
        "journal `{}` has format {found}, this version reads format {FORMAT}; use the version \
         that wrote it, or move it away to start a new log", path.display()
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

/// What a look into the file found wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// What redb says.
    Redb(redb::Error),
    /// An entry that is not what was written: its sequence, and what is wrong.
    Entry(u64, &'static str),
}

impl Fault {
    /// The whole file, not one entry.
    pub(super) fn file(reason: &str) -> Self {
        Self::Redb(redb::Error::Corrupted(reason.to_owned()))
    }

    /// As an error about the file at `path`.
    pub(super) fn explain(self, path: &Path) -> JournalError {
        let path = path.to_owned();
        match self {
            Self::Entry(sequence, reason) => JournalError::Entry { path, sequence, reason },
            Self::Redb(redb::Error::DatabaseAlreadyOpen) => JournalError::Locked { path },
            // A file that starts with something else than redb's magic number.
            Self::Redb(redb::Error::Io(source))
                if source.kind() == std::io::ErrorKind::InvalidData =>
            {
                let reason = "it does not start as a journal does".to_owned();
                JournalError::Damaged { path, reason }
            }
            Self::Redb(redb::Error::Io(source)) => JournalError::Io { path, source },
            Self::Redb(redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
                JournalError::Closed
            }
            Self::Redb(other) => JournalError::Damaged { path, reason: other.to_string() },
        }
    }
}

macro_rules! from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Redb(error.into())
            }
        }
    )+};
}

from_redb!(
    redb::CommitError,
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);
