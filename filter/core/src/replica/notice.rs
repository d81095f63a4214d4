//! What the replica has to say: facts for the log, each said once when it becomes true.

use std::time::Duration;

use crate::feed::{LogId, PageError};
use crate::shared::SharedDataError;
use crate::time::UnixTime;

/// How much a notice matters to an operator.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// For tracing one event through the system.
    Debug,
    /// A change of state that is as it should be.
    Info,
    /// Something is wrong; revocation still works, or soon will again.
    Warn,
    /// Somebody must act.
    Error,
}

/// Why a request to the companion brought no page.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CalloutFailure {
    /// The host did not send it: no such cluster, no endpoint, or too many requests under way.
    #[error("the gateway could not send the request")]
    NotSent,
    /// The host got no answer.
    #[error("no answer")]
    NoAnswer,
    /// The companion, or the gateway in its place, answered with another status than 200.
    #[error("status {0}")]
    Status(u16),
    /// Neither an answer nor a failure came in time: the host lost the request.
    #[error("the request was lost")]
    Lost,
}

/// A fact about the feed or the table.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Notice {
    /// This worker follows the feed from now on.
    #[error("feed: this worker follows the companion")]
    Leading,
    /// This worker no longer follows the feed.
    #[error("feed: another worker follows the companion")]
    NotLeading,
    /// The table holds all that the companion knows.
    #[error("feed: synchronized with log {log} up to {sequence}, {records} records")]
    Synchronized {
        /// The log.
        log: LogId,
        /// Up to where.
        sequence: u64,
        /// About how many records.
        records: u64,
    },
    /// The companion may have missed signals.
    #[error("feed: the companion may have missed signals about tokens of {issuers} since {since}")]
    SignalsMissed {
        /// Whose tokens; `*` for everybody's.
        issuers: String,
        /// Since when, at the earliest.
        since: UnixTime,
    },
    /// It hears from all its transmitters again.
    #[error("feed: the companion hears from all its transmitters again")]
    SignalsComplete,
    /// News were applied.
    #[error("feed: applied {records} records up to {sequence}, epoch {epoch}")]
    Applied {
        /// How many.
        records: usize,
        /// Up to where.
        sequence: u64,
        /// The epoch that announced them.
        epoch: u64,
        /// How many records the table has now.
        live: u64,
    },
    /// The companion cannot be reached.
    #[error("feed: lost: {failure}; next try in {} ms", retry.as_millis())]
    Lost {
        /// Why.
        failure: CalloutFailure,
        /// When it is tried again.
        retry: Duration,
    },
    /// The companion can be reached again.
    #[error("feed: found again after {failures} failures")]
    Found {
        /// How many requests failed in between.
        failures: u32,
    },
    /// An answer was refused.
    #[error("feed: refused an answer: {0}")]
    Refused(PageError),
    /// A page was signed too long ago: it is a replay, or a clock is wrong.
    #[error("feed: refused a page signed at {signed_at}, now {now}: a replay, or a clock is wrong")]
    Old {
        /// When it was signed.
        signed_at: UnixTime,
        /// This gateway's clock.
        now: UnixTime,
    },
    /// A page was signed before one that was applied already.
    #[error(
        "feed: refused a page signed at {signed_at}, before {fresh_at} which was known already"
    )]
    Backwards {
        /// When it was signed.
        signed_at: UnixTime,
        /// The time of signing that the table had reached.
        fresh_at: UnixTime,
    },
    /// A page was signed in the future.
    #[error("feed: refused a page signed at {signed_at}, now {now}: a clock is wrong")]
    Future {
        /// When it was signed.
        signed_at: UnixTime,
        /// This gateway's clock.
        now: UnixTime,
    },
    /// A page does not continue where the table ends.
    #[error("feed: gap: the table ends at {cursor}, the page begins at {from}")]
    Gap {
        /// Where the table ends.
        cursor: u64,
        /// Where the page begins.
        from: u64,
    },
    /// The companion began at the start of the log that the gateway already followed.
    #[error("feed: the companion went back from {cursor} to the start of its log; reading it all")]
    Rewound {
        /// How far the table had been.
        cursor: u64,
    },
    /// The companion serves another log than before. What was refused stays refused.
    #[error("feed: the companion has another log, {found} instead of {known}; reading it all")]
    ForeignLog {
        /// The log followed so far.
        known: LogId,
        /// The companion's.
        found: LogId,
    },
    /// The companion keeps records for a shorter time than tokens live here.
    #[error("feed: the companion keeps records for {}s, but tokens may be {}s old: those older than \
             that are refused; raise its `retention_secs`", .retention.as_secs(), .needed.as_secs())]
    RetentionTooShort {
        /// How long the companion keeps records.
        retention: Duration,
        /// How old a token can be that the gateway accepts.
        needed: Duration,
    },
    /// The companion keeps records for longer than before, so there are some that the table no longer has.
    #[error("feed: the companion now keeps records for {}s; reading it all", .retention.as_secs())]
    RetentionGrew {
        /// How long the companion keeps records.
        retention: Duration,
    },
    /// There was no table.
    #[error("table: made a new one; requests are refused until it is synchronized")]
    TableCreated,
    /// The head in shared data was damaged or older than one seen before. It was put right.
    #[error("table: the head in shared data was damaged or rolled back by somebody; restored")]
    HeadRestored,
    /// A page in shared data was lost. Its tokens are refused until the log has been read again.
    #[error(
        "table: page {index} in shared data was absent, damaged or rolled back; reading it all"
    )]
    PageLost {
        /// Its number.
        index: u32,
    },
    /// Too many pages were lost.
    #[error("table: too many pages were lost; making a new one")]
    BeyondRepair,
    /// A reader asked for a repair.
    #[error("table: repaired at a worker's request")]
    Repaired,
    /// The table grows.
    #[error("table: growing to 2^{log2} pages for {records} records")]
    Growing {
        /// The new number of pages, as a power of two.
        log2: u8,
        /// The number of records expected.
        records: u64,
    },
    /// The table has grown.
    #[error("table: grown")]
    Grown,
    /// Records were dropped that can no longer refuse a token.
    #[error("table: forgot {records} records")]
    Forgot {
        /// How many.
        records: u64,
    },
    /// Somebody else wrote the table at the same time.
    #[error("table: another worker was writing; starting the step again")]
    Contended,
    /// Shared data failed.
    #[error("table: {0}")]
    SharedData(SharedDataError),
}

impl Notice {
    /// How much it matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::Applied { .. } | Self::Contended | Self::Forgot { .. } => Level::Debug,
            Self::Leading
            | Self::NotLeading
            | Self::Synchronized { .. }
            | Self::SignalsComplete
            | Self::Found { .. }
            | Self::RetentionGrew { .. }
            | Self::TableCreated
            | Self::Growing { .. }
            | Self::Grown => Level::Info,
            Self::Lost { .. }
            | Self::Gap { .. }
            | Self::SignalsMissed { .. }
            | Self::Rewound { .. }
            | Self::ForeignLog { .. }
            | Self::Repaired
            | Self::Old { .. }
            | Self::Backwards { .. }
            | Self::Future { .. }
            | Self::Refused(_) => Level::Warn,
            Self::RetentionTooShort { .. }
            | Self::HeadRestored
            | Self::PageLost { .. }
            | Self::BeyondRepair
            | Self::SharedData(_) => Level::Error,
        }
    }
}
