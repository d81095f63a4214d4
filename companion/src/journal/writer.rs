//! The one thread that writes the journal: commits in groups, then shows, then acknowledges.
//!
//! # Order
//!
//! For each group: durable commit, apply to the live records, wake the followers, answer the
//! waiting pushes. A push that hears `202` can therefore rely on both: the SET survives a crash,
//! and the next poll of any gateway sees it.
//!
//! # Groups
//!
//! While one commit waits for the disk, the next group gathers in the queue. So an idle companion
//! commits a SET at once, and a busy one shares each fsync among everything that arrived during the
//! last: no timer, no tuning.
//!
//! # Failure
//!
//! When a commit fails (disk full, read-only, broken) the whole group is refused and nothing of it
//! is applied. The file is then reopened before the next group, and entries that reached the disk
//! despite the error are applied: their transmitters will send them again and must be told the
//! truth when they hear "duplicate".

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::{Journal, JournalError, NewSet, Note};
use crate::live::LiveLog;
use crate::metrics::Metrics;

/// How many pushes may wait: at 10,000 SETs/s half a second's worth. Beyond that they are told to
/// come back.
const QUEUE: usize = 4096;

/// The largest group: bounds the memory of a transaction to some megabytes.
const MAX_GROUP: usize = 1024;

/// What became of a SET.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Accepted {
    /// Its place in the log.
    pub(crate) sequence: u64,
    /// Whether it was not there before.
    pub(crate) new: bool,
}

/// Why a SET was not kept. The sender should try again later.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WriteError {
    /// The disk is full, read-only or broken.
    #[error("the journal cannot be written at present")]
    Journal,
    /// More arrives than the disk takes.
    #[error("too many signals are waiting to be written")]
    Overloaded,
    /// The companion is going down.
    #[error("the companion is shutting down")]
    Draining,
}

/// A SET on its way to the journal, and who waits for it.
#[derive(Debug)]
struct Submission {
    set: NewSet,
    reply: oneshot::Sender<Result<Accepted, WriteError>>,
}

/// What the thread does.
#[derive(Debug)]
enum Work {
    Keep(Submission),
    KeepMany(Vec<NewSet>, oneshot::Sender<Result<Vec<Accepted>, WriteError>>),
    Other(Edit, oneshot::Sender<Result<(), WriteError>>),
}

/// A change that makes no record.
#[derive(Debug)]
enum Edit {
    Remove(Vec<u64>),
    Note(Note),
    ForgetNotes(Vec<u64>),
}

/// Where SETs are handed in. The writer ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Submit(mpsc::Sender<Work>);

impl Submit {
    /// Keeps `set`. Returns after it is durable and visible.
    pub(crate) async fn submit(&self, set: NewSet) -> Result<Accepted, WriteError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Keep(Submission { set, reply });
        self.0.try_send(work).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => WriteError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => WriteError::Draining,
        })?;
        answer.await.unwrap_or(Err(WriteError::Draining))
    }

    /// Keeps `sets`, at most as many as a group has, in one transaction. Returns after they are durable
    /// and visible; waits for a place in the queue.
    pub(crate) async fn submit_many(&self, sets: Vec<NewSet>) -> Result<Vec<Accepted>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Work::KeepMany(sets, reply)).await.map_err(|_| WriteError::Draining)?;
        answer.await.unwrap_or(Err(WriteError::Draining))
    }

    /// Removes entries that nobody needs. Waits for a place in the queue.
    pub(crate) async fn remove(&self, sequences: Vec<u64>) -> Result<(), WriteError> {
        self.edit(Edit::Remove(sequences)).await
    }

    /// Keeps a note. Returns after it is durable; waits for a place in the queue.
    pub(crate) async fn note(&self, note: Note) -> Result<(), WriteError> {
        self.edit(Edit::Note(note)).await
    }

    /// Removes notes that are too old or too many. Waits for a place in the queue.
    pub(crate) async fn forget_notes(&self, numbers: Vec<u64>) -> Result<(), WriteError> {
        self.edit(Edit::ForgetNotes(numbers)).await
    }

    async fn edit(&self, edit: Edit) -> Result<(), WriteError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Work::Other(edit, reply)).await.map_err(|_| WriteError::Draining)?;
        answer.await.unwrap_or(Err(WriteError::Draining))
    }
}

/// Starts the thread.
pub(crate) fn start(
    journal: Arc<Journal>,
    live: Arc<LiveLog>,
    metrics: Arc<Metrics>,
) -> std::io::Result<(Submit, std::thread::JoinHandle<()>)> {
    let (sender, queue) = mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || Writer { journal, live, metrics, broken: false }.run(queue))?;
    Ok((Submit(sender), thread))
}

struct Writer {
    journal: Arc<Journal>,
    live: Arc<LiveLog>,
    metrics: Arc<Metrics>,
    broken: bool,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        let mut group = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut last = None;
            let mut next = Some(first);
            while let Some(work) = next.take() {
                match work {
                    Work::Keep(submission) => group.push(submission),
                    other => last = Some(other),
                }
                if group.len() < MAX_GROUP && last.is_none() {
                    next = queue.try_recv().ok();
                }
            }
            self.keep(&mut group);
            match last {
                Some(Work::KeepMany(sets, reply)) => {
                    let _gone = reply.send(self.keep_many(sets));
                }
                Some(Work::Other(edit, reply)) => {
                    let _gone = reply.send(self.edit(edit));
                }
                Some(Work::Keep(_)) | None => {}
            }
        }
    }

    fn keep(&mut self, group: &mut Vec<Submission>) {
        if !group.is_empty() {
            let start = Instant::now();
            let outcome = self.commit(group.iter().map(|submission| &submission.set));
            self.metrics.commit(group.len(), start.elapsed(), outcome.is_ok());
            self.answer(group, outcome);
        }
    }

    fn keep_many(&mut self, sets: Vec<NewSet>) -> Result<Vec<Accepted>, WriteError> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let start = Instant::now();
        let outcome = self.commit(sets.iter());
        self.metrics.commit(sets.len(), start.elapsed(), outcome.is_ok());
        let accepted = outcome.map_err(|error| {
            tracing::error!(%error, refused = sets.len(), "journal: cannot be written");
            WriteError::Journal
        })?;
        let fresh = sets.into_iter().zip(&accepted).filter(|(_, accepted)| accepted.new);
        let fresh = fresh.map(|(set, accepted)| (accepted.sequence, set.records));
        self.live.apply(fresh, crate::clock::now());
        Ok(accepted)
    }

    fn edit(&mut self, edit: Edit) -> Result<(), WriteError> {
        let repaired = if self.broken { self.repair() } else { Ok(()) };
        let outcome = repaired.and_then(|()| {
            let edited = match edit {
                Edit::Remove(sequences) => self.journal.remove(&sequences),
                Edit::Note(note) => self.journal.note(&note),
                Edit::ForgetNotes(numbers) => self.journal.forget_notes(&numbers),
            };
            self.broken = edited.is_err();
            edited
        });
        outcome.map_err(|error| {
            tracing::error!(%error, "journal: cannot be written");
            WriteError::Journal
        })
    }

    fn commit<'s>(
        &mut self,
        sets: impl Iterator<Item = &'s NewSet>,
    ) -> Result<Vec<Accepted>, JournalError> {
        if self.broken {
            self.repair()?;
        }
        let outcome = self.journal.append(sets, self.live.head());
        self.broken = outcome.is_err();
        outcome
    }

    fn repair(&mut self) -> Result<(), JournalError> {
        self.journal.reopen()?;
        let (journal, live) = (&self.journal, &self.live);
        journal.replay(live.head(), |sequence, records| {
            live.apply([(sequence, records)], crate::clock::now());
        })?;
        self.broken = false;
        tracing::info!("journal: writable again");
        Ok(())
    }

    fn answer(
        &mut self,
        group: &mut Vec<Submission>,
        outcome: Result<Vec<Accepted>, JournalError>,
    ) {
        let accepted = match outcome {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, refused = group.len(), "journal: cannot be written");
                for submission in group.drain(..) {
                    let _gone = submission.reply.send(Err(WriteError::Journal));
                }
                return;
            }
        };
        let mut waiting = Vec::with_capacity(group.len());
        let mut fresh = Vec::with_capacity(group.len());
        for (submission, accepted) in group.drain(..).zip(accepted) {
            if accepted.new {
                fresh.push((accepted.sequence, submission.set.records));
            }
            waiting.push((submission.reply, accepted));
        }
        self.live.apply(fresh, crate::clock::now());
        for (reply, accepted) in waiting {
            let _gone = reply.send(Ok(accepted));
        }
    }
}
