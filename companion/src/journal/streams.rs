//! What is remembered about each transmitter's stream: a table of its own in the same file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `streams` | the transmitter's name | a tag, then `stream_id`, whether the operator deleted it, the gap's start and cause |
//!
//! All of them are checked when the journal is opened: a gap that was forgotten because a byte flipped
//! would tell gateways that nothing was missed.

use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::integrity::{Seal, TAG_BYTES};
use super::{Fault, Journal, JournalError};

pub(super) const STREAMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("streams");

/// One stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct StoredStream {
    /// `stream_id`
    pub(crate) id: Option<String>,
    /// The operator deleted it.
    pub(crate) deleted: bool,
    /// Since when (milliseconds) and why events may be missed.
    pub(crate) gap: Option<(u64, String)>,
}

impl Journal {
    /// What is remembered about the stream of `transmitter`.
    pub(crate) fn stream(&self, transmitter: &str) -> Result<Option<StoredStream>, JournalError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let table = match transaction.open_table(STREAMS) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let Some(entry) = table.get(transmitter)? else { return Ok(None) };
            open(transmitter, entry.value(), &self.seal).map(Some)
        })
    }

    /// Remembers `stream`, durably.
    pub(crate) fn keep_stream(
        &self,
        transmitter: &str,
        stream: &StoredStream,
    ) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail; the Result is the encoder's general form.
        let _infallible = minicbor::encode((&stream.id, stream.deleted, &stream.gap), &mut bytes);
        let sealed = [&self.seal.stream(transmitter, &bytes)[..], &bytes].concat();
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(STREAMS)?.insert(transmitter, sealed.as_slice())?;
            transaction.commit()?;
            Ok(())
        })
    }
}

/// A transmitter's name and its stream, or why that is not what was written.
type Found = (String, Result<StoredStream, Fault>);

/// Everything that is remembered in `database`
pub(super) fn all(database: &Database, seal: &Seal) -> Result<Vec<Found>, Fault> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(STREAMS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let entries = table.range::<&str>(..)?.map(|entry| {
        let (name, bytes) = entry?;
        Ok((name.value().to_owned(), open(name.value(), bytes.value(), seal)))
    });
    entries.collect()
}

/// Reads an entry and checks that it is what was written.
fn open(transmitter: &str, bytes: &[u8], seal: &Seal) -> Result<StoredStream, Fault> {
    let damaged = || {
        let name: String = transmitter.escape_debug().take(64).collect();
        Fault::file(&format!("the checksum of the stream of `{name}` does not match"))
    };
    let (tag, bytes) = bytes.split_first_chunk::<TAG_BYTES>().ok_or_else(damaged)?;
    if seal.stream(transmitter, bytes) != *tag {
        return Err(damaged());
    }
    let (id, deleted, gap) = minicbor::decode(bytes).map_err(|_| damaged())?;
    Ok(StoredStream { id, deleted, gap })
}
