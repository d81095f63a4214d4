//! Poll delivery (RFC 8936) as a recipient: what to ask the transmitter, when, and what to make of
//! the answer. [`driver`] does the asking; time and randomness are arguments here.
//!
//! # Nothing lost, nothing twice
//!
//! A SET is acknowledged with the poll after it was made durable, never before, and its name stays
//! in every poll until one was answered 200. What is neither acknowledged nor reported in `setErrs`
//! comes again (RFC 8936 §2.4), so a crash at any moment costs a repeat, and the journal knows
//! repeats. A SET that could not be kept for want of disk is left unanswered on purpose.
//!
//! # When
//!
//! Polls are long (`returnImmediately` absent). After SETs the next poll follows at once: it carries
//! the acknowledgements and drains what `moreAvailable` announced. A pause follows
//! - a failure: [`BACK_OFF`], doubling, with jitter, and never less than `Retry-After` says;
//! - an empty answer that came sooner than [`HELD`]: the transmitter does not hold polls;
//! - an answer with nothing but SETs that the poll before has just acknowledged or reported: a
//!   transmitter that does not listen must not be asked in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rescind_core::back_off::{doubled, jittered};
use rescind_core::json::{self, JsonError, Limits, Value};
use rescind_core::time::UnixTime;
use serde_json::{Map, json};

pub(crate) mod driver;
#[cfg(test)]
mod tests;

/// SETs asked for at once, if the configuration does not say otherwise: one group commit, and at
/// 1.5 KiB each an answer of 150 KiB.
pub(crate) const DEFAULT_MAX_EVENTS: u32 = 100;
/// The most that may be configured: with SETs of usual size a body of 1.5 MiB.
pub(crate) const MAX_MAX_EVENTS: u32 = 1000;
/// The longest answer that is read; a thousand SETs of 8 KiB each. What is longer is asked for in
/// smaller pieces.
pub(crate) const MAX_ANSWER_BYTES: u64 = 8 * 1024 * 1024;
/// Reading more members than ever were asked for would only help a hostile transmitter.
const ANSWER: Limits = Limits { depth: 4, members: 4096, elements: 64 };

/// The first and the longest pause after failures. A minute is short against the hours for which
/// transmitters keep what was not polled.
pub(crate) const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The longest pause that a transmitter can impose.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// An empty answer that comes sooner was not held.
const HELD: Duration = Duration::from_secs(1);
/// The pause after it: how late a signal can be when a transmitter does not hold polls.
const NOT_HELD_PAUSE: Duration = Duration::from_secs(2);
/// After so many polls in a row answered 400, acknowledgements and reports are left out: a
/// transmitter that stumbles over one of them must not stop delivery. Their SETs come again.
const STUMBLES: u32 = 3;

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PollRequest {
    /// The body (RFC 8936 §2.2).
    pub(crate) body: serde_json::Value,
    /// Whether the transmitter may hold it.
    pub(crate) long: bool,
}

/// A SET as it came, under the name that the transmitter gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Delivered {
    /// The member of `sets`: the `jti`, if the transmitter obeys RFC 8936 §2.3.
    pub(crate) key: String,
    /// The SET; nothing if the member is no string.
    pub(crate) set: Option<String>,
}

/// What became of a SET.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is in the journal.
    Kept,
    /// It never will be.
    Refused {
        /// A code of RFC 8935 §2.4.
        code: &'static str,
        /// For the transmitter's operator.
        description: String,
    },
    /// Not now; the transmitter shall send it again.
    Later,
}

/// Why a poll brought nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PollFailure {
    /// The way to the transmitter, or its authorization.
    #[error("{0}")]
    Call(String),
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    /// Another status than 200.
    #[error("answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// Not JSON, or JSON that can be read in two ways.
    #[error("the answer is {0}")]
    Json(JsonError),
    /// Not what RFC 8936 §2.3 describes.
    #[error("the answer has no object `sets`")]
    NoSets,
}

/// One transmitter's polls.
#[derive(Debug)]
pub(crate) struct Poller {
    max_events: u32,
    /// How many are asked for at present: fewer after an answer that was too long.
    window: u32,
    acks: Vec<String>,
    errors: BTreeMap<String, (&'static str, String)>,
    /// What the last answered poll told the transmitter about.
    told: BTreeSet<String>,
    next: UnixTime,
    asked: UnixTime,
    failures: u32,
    stumbles: u32,
    fruitless: u32,
    /// Only acknowledges: nothing more can be kept at present.
    full: bool,
    more: bool,
}

impl Poller {
    /// Asks for at most `max_events` SETs at once, the first time at once.
    pub(crate) fn new(max_events: u32) -> Self {
        let max_events = max_events.clamp(1, MAX_MAX_EVENTS);
        Self {
            max_events,
            window: max_events,
            acks: Vec::new(),
            errors: BTreeMap::new(),
            told: BTreeSet::new(),
            next: UnixTime::EPOCH,
            asked: UnixTime::EPOCH,
            failures: 0,
            stumbles: 0,
            fruitless: 0,
            full: false,
            more: false,
        }
    }

    /// When the next poll is due.
    pub(crate) const fn due(&self) -> UnixTime {
        self.next
    }

    /// How many polls have failed in a row.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the transmitter said that it has more.
    pub(crate) const fn more(&self) -> bool {
        self.more
    }

    /// The poll to send now.
    pub(crate) fn request(&mut self, now: UnixTime) -> PollRequest {
        self.asked = now;
        let mut body = Map::new();
        if self.stumbles < STUMBLES {
            if !self.acks.is_empty() {
                body.insert("ack".to_owned(), json!(self.acks));
            }
            if !self.errors.is_empty() {
                let errors = self.errors.iter().map(|(key, (code, description))| {
                    (key.clone(), json!({ "err": code, "description": description }))
                });
                body.insert("setErrs".to_owned(), errors.collect::<Map<_, _>>().into());
            }
        }
        let long = !self.full;
        body.insert("maxEvents".to_owned(), json!(if self.full { 0 } else { self.window }));
        // RFC 8936 §2.4.2: else a poll that only acknowledges is held like any other.
        body.insert("returnImmediately".to_owned(), json!(!long));
        PollRequest { body: body.into(), long }
    }

    /// Takes an answer. The SETs in it are to be kept, then [`Self::settle`]d.
    pub(crate) fn answered(
        &mut self,
        status: u16,
        body: &[u8],
    ) -> Result<Vec<Delivered>, PollFailure> {
        if status == 400 {
            self.stumbles = self.stumbles.saturating_add(1);
        }
        if status != 200 {
            return Err(PollFailure::Status { status });
        }
        let (delivered, more) = read(body)?;
        let acks = std::mem::take(&mut self.acks);
        let errors = std::mem::take(&mut self.errors);
        self.told = acks.into_iter().chain(errors.into_keys()).collect();
        (self.failures, self.stumbles, self.more) = (0, 0, more);
        if !more {
            self.window = self.max_events;
        }
        Ok(delivered)
    }

    /// What became of the SETs of the last answer: decides what the next poll says, and when it goes.
    pub(crate) fn settle(
        &mut self,
        verdicts: impl IntoIterator<Item = (String, Verdict)>,
        now: UnixTime,
        seed: u64,
    ) {
        let (mut any, mut later, mut fresh) = (false, false, false);
        for (key, verdict) in verdicts {
            any = true;
            fresh |= !self.told.contains(&key);
            match verdict {
                Verdict::Kept => self.acks.push(key),
                Verdict::Refused { code, description } => {
                    self.errors.insert(key, (code, description));
                }
                Verdict::Later => later = true,
            }
        }
        let was_full = std::mem::replace(&mut self.full, false);
        if later {
            // What was kept is acknowledged before the pause.
            self.full = !self.acks.is_empty() || !self.errors.is_empty();
            self.failures = self.failures.saturating_add(1);
            let pause = if self.full { Duration::ZERO } else { self.back_off(seed) };
            self.next = now.plus(pause);
            return;
        }
        if any {
            self.fruitless = if fresh { 0 } else { self.fruitless.saturating_add(1) };
            self.next = if fresh { now } else { now.plus(pause(self.fruitless, BACK_OFF, seed)) };
            return;
        }
        self.fruitless = 0;
        self.next = if was_full {
            self.failures = 1;
            now.plus(self.back_off(seed))
        } else if now.since(self.asked) < HELD && !self.more {
            now.plus(jittered(NOT_HELD_PAUSE, seed))
        } else {
            now
        };
    }

    /// A poll failed. Says for how long nothing is asked.
    pub(crate) fn failed(
        &mut self,
        failure: &PollFailure,
        retry_after: Option<Duration>,
        now: UnixTime,
        seed: u64,
    ) -> Duration {
        if *failure == PollFailure::TooLarge {
            self.window = self.window.div_ceil(2).max(1);
        }
        self.failures = self.failures.saturating_add(1);
        let least = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        let pause = self.back_off(seed).max(least);
        self.next = now.plus(pause);
        pause
    }

    /// A poll was held for as long as this side waits, which is no failure of the transmitter's.
    pub(crate) const fn unanswered(&mut self, now: UnixTime) {
        self.next = now;
    }

    fn back_off(&self, seed: u64) -> Duration {
        pause(self.failures, BACK_OFF, seed)
    }
}

/// The pause after `failures` failures in a row.
pub(crate) fn pause(failures: u32, limits: (Duration, Duration), seed: u64) -> Duration {
    jittered(doubled(failures.saturating_sub(1), limits), seed)
}

fn read(body: &[u8]) -> Result<(Vec<Delivered>, bool), PollFailure> {
    let value = json::parse(body, &ANSWER).map_err(PollFailure::Json)?;
    let members = value.as_object().ok_or(PollFailure::NoSets)?;
    let sets = members.get("sets").and_then(Value::as_object).ok_or(PollFailure::NoSets)?;
    let delivered = sets
        .iter()
        .map(|(key, set)| Delivered { key: key.to_owned(), set: set.as_str().map(str::to_owned) })
        .collect();
    Ok((delivered, members.get("moreAvailable").and_then(Value::as_bool).unwrap_or(false)))
}
