//! What is remembered about each transmitter's stream: a table of its own in the same file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `streams` | the transmitter's name | `stream_id`, whether the operator deleted it, the gap's start and cause |

use redb::{ReadableDatabase as _, TableDefinition};

use super::{Fault, Journal, JournalError};

const STREAMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("streams");

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
            let corrupted = || Fault::file("an entry of `streams` is damaged");
            let (id, deleted, gap) = minicbor::decode(entry.value()).map_err(|_| corrupted())?;
            Ok(Some(StoredStream { id, deleted, gap }))
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
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(STREAMS)?.insert(transmitter, bytes.as_slice())?;
            transaction.commit()?;
            Ok(())
        })
    }
}
