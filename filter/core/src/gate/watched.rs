//! What passed and is judged again while it is open: see [`crate::in_flight`].

use super::verified::Verified;
use super::{Context, Gate, Standing, standing};
use crate::audience::Audiences;
use crate::in_flight::Cut;
use crate::metrics::Counters;
use crate::route::Requirements;
use crate::status_list::StatusStore;
use crate::time::UnixTime;
use crate::verdict::{Denial, Permit};

/// A token that a request passed with, and what its route asks for.
#[derive(Clone, Debug)]
pub struct Watched {
    verified: Verified,
    required: Requirements,
    /// Whether it says who calls, and what for.
    is_first: bool,
}

impl Watched {
    pub(super) fn new(verified: &Verified, required: &Requirements, is_first: bool) -> Self {
        Self { verified: verified.clone(), required: required.clone(), is_first }
    }

    /// Checks 4 to 7 once more. Whose the token is (8) the connection has settled.
    fn judge(
        &mut self,
        standing: Standing,
        known: &Audiences,
        context: &mut Context<'_>,
        statuses: &mut StatusStore,
        counters: &mut Counters,
        now: UnixTime,
    ) -> Result<(), Denial> {
        if !self.verified.key_is_current(context.keys) {
            return Err(Denial::KeyWithdrawn(self.verified.identity.issuer().to_owned()));
        }
        self.verified.judge(standing, &self.required, context, statuses, counters, now)?;
        if self.is_first { self.verified.authorize(&self.required, known, now) } else { Ok(()) }
    }
}

impl Gate {
    /// The request that passed with `permit` is open, and the host calls it `stream`: if its route watches what
    /// passes, it is watched until [`Gate::forget`].
    pub fn watch(&mut self, stream: u32, permit: &mut Permit) {
        if !permit.watched.is_empty() {
            self.streams.watch(stream, std::mem::take(&mut permit.watched));
        }
    }

    /// The request `stream` has ended, watched or not.
    pub fn forget(&mut self, stream: u32) {
        self.streams.forget(stream);
    }

    /// How many open requests are watched.
    #[must_use]
    pub fn watched_streams(&self) -> usize {
        self.streams.len()
    }

    /// Which open requests are to be ended at `now`, and what each would be told. To be asked at each turn of a timer;
    /// without streams it costs nothing. One that the host did not end is named again.
    pub fn cut(&mut self, context: &mut Context<'_>, now: UnixTime) -> Vec<Cut> {
        if self.streams.is_empty() {
            return Vec::new();
        }
        let standing = standing(&self.config, context, now);
        let mark = standing.as_ref().ok().map(|standing| (standing.epoch, standing.keys_version));
        let known = self.config.routes.audiences();
        let (statuses, counters) = (&mut self.statuses, &mut self.counters);
        self.streams.judge(mark, now, |tokens| {
            let standing = standing.clone()?;
            tokens.iter_mut().try_for_each(|token| {
                token.judge(standing, known, context, statuses, counters, now)
            })
        })
    }
}
