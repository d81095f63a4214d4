//! Keeps the journal's size bounded: what is old and decides nothing any more goes.
//!
//! An entry stays while any of its facts is in force, so that every refusal leads back to its SET,
//! and for `journal.audit_retention_days` after it was received, for audit and so that a repeat is
//! still recognized. Notes of what was refused stay as long, unless they are too many
//! ([`crate::journal::Note`]). Then its place in the file is used for new entries; `rescind compact` makes
//! the file itself smaller.

use std::sync::Arc;
use std::time::Duration;

use crate::journal::{Journal, JournalError, Submit};
use crate::live::LiveLog;

/// How often is looked for old entries. Against retentions of months an hour is nothing.
const EVERY: Duration = Duration::from_secs(3600);

/// Entries found in one pass: some megabytes of numbers.
const PASS: usize = 100_000;

/// Entries removed in one transaction, between groups of new SETs: some milliseconds.
const GROUP: usize = 500;

/// Removes for ever what `live` does not need, and `retention` is over for.
pub(crate) async fn keep_bounded(
    journal: Arc<Journal>,
    live: Arc<LiveLog>,
    submit: Submit,
    retention: Duration,
) {
    loop {
        if let Err(error) = notes(&journal, &submit, retention).await {
            tracing::warn!(%error, "journal: notes not pruned");
        }
        let mut more = true;
        while more {
            match pass(&journal, &live, &submit, retention).await {
                Ok(found) => more = found >= PASS,
                Err(error) => {
                    tracing::warn!(%error, "journal: not pruned");
                    more = false;
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn pass(
    journal: &Arc<Journal>,
    live: &Arc<LiveLog>,
    submit: &Submit,
    retention: Duration,
) -> Result<usize, JournalError> {
    let before = crate::clock::now().minus(retention);
    let (reader, known) = (Arc::clone(journal), Arc::clone(live));
    let scan = move || reader.prunable(before, PASS, |records| known.is_needed(records));
    let found = match tokio::task::spawn_blocking(scan).await {
        Ok(found) => found?,
        // Going down.
        Err(_) => return Ok(0),
    };
    for group in found.chunks(GROUP) {
        if submit.remove(group.to_vec()).await.is_err() {
            return Ok(0);
        }
    }
    if !found.is_empty() {
        tracing::info!(entries = found.len(), "journal: old entries removed");
    }
    Ok(found.len())
}

async fn notes(
    journal: &Arc<Journal>,
    submit: &Submit,
    retention: Duration,
) -> Result<(), JournalError> {
    let before = crate::clock::now().minus(retention);
    let reader = Arc::clone(journal);
    let Ok(found) = tokio::task::spawn_blocking(move || reader.old_notes(before)).await else {
        // Going down.
        return Ok(());
    };
    for group in found?.chunks(GROUP) {
        if submit.forget_notes(group.to_vec()).await.is_err() {
            break;
        }
    }
    Ok(())
}
