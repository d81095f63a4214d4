//! What becomes of a request that passed and is still open when its token would be refused.
//!
//! A stream of events, a WebSocket or a gRPC call can last for hours, and a token is looked at when it begins. On a
//! route that says `in_flight: cut` it is looked at until it ends: **a stream may last as long as the same request
//! would pass now**. One rule for everything that can change: a revocation, a status list, a state that the route
//! does not accept, a key that its issuer withdrew, and time.
//!
//! **Time is part of it** on purpose. Once a token has expired its issuer need not say anything about it any more,
//! and the companion forgets what was said: nobody could tell such a stream from a revoked one. Whoever wants longer
//! streams lets tokens live longer, which a revocation that takes a second makes safe.
//!
//! **When.** At the next turn of the worker's timer after the state table or a key set changed, and otherwise once in
//! [`RECHECK_INTERVAL`], for what changes without them.
//!
//! **In doubt** a stream is not ended at once, as a request is refused at once: a damaged page is repaired within
//! tenths of a second, and a client cannot try a stream again without losing what it holds. If the doubt lasts for
//! [`PATIENCE`], the stream ends.
//!
//! **`finish` is the default**, because watching costs: memory for each open request, work at each change, and
//! streams that break where clients do not expect it. A route that does not say `cut` costs a comparison.
//!
//! What this module refuses to do: end anything. It says which streams are over and why; a host that cannot end them
//! does not get a configuration with `cut`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::UnixTime;
use crate::verdict::Denial;

/// How many requests one worker watches at a time. Each takes about 2 KiB and, at each change of the table, a tenth of
/// a microsecond, or two if the change may concern it (measured natively): 20 MiB, a pause of a millisecond, and one of
/// 20 if all are of one subject. Envoy itself needs several times that memory for a stream.
pub const MAX_WATCHED: usize = 10_000;

/// How long a stream may go without being looked at while nothing changes.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stream may last that cannot be judged. A worker asks for a repair five times a second.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What a route says about requests that passed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InFlight {
    /// They finish, whatever happens.
    #[default]
    Finish,
    /// They are watched, and end as soon as they would be refused.
    Cut,
}

/// The state of the world that streams were last judged in: the table's epoch and the version of the key sets;
/// nothing if there is none that can be relied on.
pub type Mark = Option<(u64, u32)>;

/// The open requests of one worker that are watched, by the numbers that the host gave them.
#[derive(Debug)]
pub struct Streams<W> {
    open: BTreeMap<u32, Open<W>>,
    judged: Option<(Mark, UnixTime)>,
}

#[derive(Debug)]
struct Open<W> {
    watched: W,
    /// Since when nobody can tell whether it may go on.
    in_doubt_since: Option<UnixTime>,
}

/// A stream that is to be ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cut {
    /// The host's number of it.
    pub stream: u32,
    /// What the same request would be told now.
    pub denial: Denial,
}

impl<W> Streams<W> {
    /// Whether one more can be watched.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.open.len() < MAX_WATCHED
    }

    /// How many are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Watches `stream` from now on.
    pub fn watch(&mut self, stream: u32, watched: W) {
        self.open.insert(stream, Open { watched, in_doubt_since: None });
    }

    /// The stream has ended.
    pub fn forget(&mut self, stream: u32) {
        // For every request of a worker that watches none.
        if !self.open.is_empty() {
            self.open.remove(&stream);
        }
    }

    /// Asks `judge` about every stream, if that is due, and says which are over. They stay until they are forgotten:
    /// one that the host did not end is named again.
    pub fn judge(
        &mut self,
        mark: Mark,
        now: UnixTime,
        mut judge: impl FnMut(&mut W) -> Result<(), Denial>,
    ) -> Vec<Cut> {
        let is_recent = |at: UnixTime| at <= now && now.since(at) < RECHECK_INTERVAL;
        if self.judged.is_some_and(|(before, at)| before == mark && is_recent(at)) {
            return Vec::new();
        }
        self.judged = Some((mark, now));
        let judged = self.open.iter_mut().filter_map(|(stream, open)| {
            let verdict = judge(&mut open.watched);
            let denial = open.weigh(verdict, now)?;
            Some(Cut { stream: *stream, denial })
        });
        judged.collect()
    }
}

impl<W> Open<W> {
    /// Why the stream ends with this verdict, if it does.
    fn weigh(&mut self, verdict: Result<(), Denial>, now: UnixTime) -> Option<Denial> {
        let Err(denial) = verdict else {
            self.in_doubt_since = None;
            return None;
        };
        if !denial.is_doubt() {
            return Some(denial);
        }
        let since = *self.in_doubt_since.get_or_insert(now);
        // With a clock that was set back nobody knows how long it has lasted.
        let lasts = now < since || now.since(since) >= PATIENCE;
        lasts.then_some(denial)
    }
}

impl<W> Default for Streams<W> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), judged: None }
    }
}

#[cfg(test)]
mod tests;
