//! `rescind import`: many signals at once, from a file, into the journal of a stopped companion.
//!
//! For moving from another system, and for measurements. Each line is checked and turned into
//! records by the same code as a SET, under the authority of `[identity]`, but is not signed: there
//! is nobody to prove anything to, and a million signatures take minutes. A line's name is a hash
//! of the line, so importing a file twice changes nothing. A wrong line stops the import before
//! anything after its group is written, and is named.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rescind_core::crypto::sha256;
use rescind_core::event::{self, Detail, EventType};
use rescind_core::json::{self, Limits, Value};
use rescind_core::set::SecurityEventToken;
use rescind_core::subject::{Subject, SubjectHasher};
use rescind_core::time::UnixTime;

use crate::config::{Config, Identity};
use crate::journal::{Journal, JournalError, NewSet};
use crate::secret::to_hex;

/// Lines in one transaction.
const GROUP: usize = 20_000;

/// The name under which imported lines stand in the journal.
const SOURCE: &str = "import";

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file cannot be read.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("line {line}: {wrong}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        wrong: String,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody to speak for.
    #[error("the configuration has no `[identity]`, which says whose tokens may be revoked")]
    NoIdentity,
}

/// Imports `file` and says what was done.
pub(crate) fn import(file: &Path, config: &Config) -> Result<String, ImportError> {
    let io = |source| ImportError::Io { path: file.to_owned(), source };
    let identity = config.identity.as_ref().ok_or(ImportError::NoIdentity)?;
    let hasher = SubjectHasher::new(config.feed.subject_key);
    let journal = Journal::open(&config.journal, &config.feed.subject_key)?;
    let mut last = journal.last()?;
    let now = crate::clock::now();
    let (mut new, mut known, mut number) = (0_u64, 0_u64, 0_u64);
    let mut group = Vec::with_capacity(GROUP);
    let mut lines = BufReader::new(File::open(file).map_err(io)?).lines();
    loop {
        let line = lines.next().transpose().map_err(io)?;
        if let Some(line) = &line {
            number = number.saturating_add(1);
            if !line.trim().is_empty() {
                let set = read(line.trim(), identity, &hasher, now)
                    .map_err(|wrong| ImportError::Line { line: number, wrong })?;
                group.push(set);
            }
        }
        if group.len() >= GROUP || line.is_none() {
            for accepted in journal.append(group.iter(), last)? {
                last = last.max(accepted.sequence);
                let counter = if accepted.new { &mut new } else { &mut known };
                *counter = counter.saturating_add(1);
            }
            group.clear();
        }
        if line.is_none() {
            return Ok(format!("imported {new} signals, {known} were there before\n"));
        }
    }
}

fn read(
    line: &str,
    identity: &Identity,
    hasher: &SubjectHasher,
    now: UnixTime,
) -> Result<NewSet, String> {
    let value = json::parse(line.as_bytes(), &Limits::TOKEN).map_err(|error| error.to_string())?;
    let members = value.as_object().ok_or_else(|| "not an object".to_owned())?;
    let name = match members.get("event") {
        None => "session-revoked",
        Some(event) => event.as_str().ok_or_else(|| "`event` is not a string".to_owned())?,
    };
    let event = EventType::from_name(name).ok_or_else(|| "`event` is not known".to_owned())?;
    let at = match members.get("event_timestamp") {
        None => now,
        Some(at) => {
            let at = at.as_u64().ok_or_else(|| "`event_timestamp` is not a number".to_owned())?;
            let at = UnixTime::from_secs(at);
            if at > now.plus(rescind_core::set::DEFAULT_SKEW) {
                return Err("`event_timestamp` is in the future (seconds are meant)".to_owned());
            }
            at
        }
    };
    let subject: &Value<'_> =
        members.get("sub_id").ok_or_else(|| "`sub_id` is missing".to_owned())?;
    let subject = Subject::parse(subject).map_err(|error| error.to_string())?;
    let digest = sha256(line.as_bytes());
    let set = SecurityEventToken {
        iss: identity.issuer.clone(),
        jti: format!("import-{}", to_hex(digest.first_chunk::<16>().unwrap_or(&[0; 16]))),
        iat: UnixTime::from_secs(now.secs()),
        txn: None,
        subject,
        event: Some(event),
        event_uri: event.uri.to_owned(),
        event_timestamp: Some(UnixTime::from_secs(at.secs())),
        detail: Detail::None,
        reason_admin: None,
    };
    let records =
        event::records(&set, &identity.authority, hasher).map_err(|error| error.to_string())?;
    Ok(NewSet {
        signal: set.signal(),
        received_at: now,
        source: SOURCE.to_owned(),
        issuer: set.iss,
        jti: set.jti,
        raw: Bytes::copy_from_slice(line.as_bytes()),
        records,
    })
}
