//! Who leads: one worker at a time, by a lease in shared data that is taken and renewed by compare-and-swap.
//!
//! A worker that serves no requests (Envoy's main thread) leads before one that does, so that applying a large feed
//! does not delay requests. Any worker can lead: the main thread's VM never comes back after a trap.
//!
//! A worker that leads and fails again and again steps aside. During an update of the configuration the old one and
//! the new one run side by side for as long as the gateway drains, and only one of them may be right about where the
//! companion is.
//!
//! Two workers may believe that they lead, for a tick: hosts cannot create a key exclusively, and a worker can be
//! held up in the middle of a step. The table is written so that this costs work, never facts.

use std::time::Duration;

use crate::shared::{SharedData, SharedDataError};
use crate::table::Names;
use crate::time::UnixTime;

/// How much longer than others a worker that failed lets a lease be free.
const WEARY_PATIENCE: Duration = Duration::from_secs(1);

/// How long a lease lasts. A leader that dies is replaced after this time.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// A lease is renewed once less than this is left: two renewals may fail before it ends.
const RENEW_BELOW: Duration = Duration::from_secs(2);

/// How much longer than an idle worker a busy one lets a lease be free.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);

/// What the lease's value says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Lease {
    owner: u64,
    until: UnixTime,
    busy: bool,
}

/// One worker's part in the election.
#[derive(Debug)]
pub(crate) struct Candidate {
    names: Names,
    /// Names this worker; zero until the first tick brings randomness.
    id: u64,
    leading: bool,
    /// There is nobody else.
    alone: bool,
    /// Has led in vain: others should try.
    weary: bool,
}

impl Candidate {
    pub(crate) const fn new(names: Names, alone: bool) -> Self {
        Self { names, id: 0, leading: false, alone, weary: false }
    }

    pub(crate) const fn is_leading(&self) -> bool {
        self.leading
    }

    /// Takes, renews or gives up the lease. Whether this worker leads now.
    pub(crate) fn campaign(
        &mut self,
        shared: &dyn SharedData,
        busy: bool,
        now: UnixTime,
        random: u64,
    ) -> Result<bool, SharedDataError> {
        if self.alone {
            self.leading = true;
            return Ok(true);
        }
        if self.id == 0 {
            self.id = random.max(1);
        }
        let led = self.try_campaign(shared, busy, now);
        self.leading = matches!(led, Ok(true));
        match led {
            Err(SharedDataError::CasMismatch) => Ok(false),
            led => led,
        }
    }

    /// Lets another worker try: one with another configuration may succeed.
    pub(crate) fn step_aside(&mut self, shared: &dyn SharedData, now: UnixTime) {
        self.weary = !self.alone;
        self.give_up(shared, now);
    }

    /// What it leads succeeds.
    pub(crate) const fn recover(&mut self) {
        self.weary = false;
    }

    /// Gives up the lease, so that the next worker need not wait for its end.
    pub(crate) fn resign(&mut self, shared: &dyn SharedData) {
        self.give_up(shared, UnixTime::EPOCH);
    }

    fn give_up(&mut self, shared: &dyn SharedData, until: UnixTime) {
        if !std::mem::take(&mut self.leading) || self.alone {
            return;
        }
        let name = &self.names.lease;
        let Ok(Some(found)) = shared.get(name) else { return };
        let lease = self.names.open(name, &found.value).and_then(decode);
        if lease.is_some_and(|lease| lease.owner == self.id) {
            let free = Lease { owner: 0, until, busy: false };
            // Whoever was faster has a lease of its own; without an answer this one ends by itself.
            let _ = shared.set(name, &self.sealed(free), Some(found.cas));
        }
    }

    fn try_campaign(
        &self,
        shared: &dyn SharedData,
        busy: bool,
        now: UnixTime,
    ) -> Result<bool, SharedDataError> {
        let name = &self.names.lease;
        let seed = || self.sealed(Lease { owner: 0, until: UnixTime::EPOCH, busy: false });
        let mut found = shared.get(name)?;
        if found.as_ref().is_none_or(|found| found.value.is_empty()) {
            shared.set(name, &seed(), None)?;
            found = shared.get(name)?;
        }
        let Some(found) = found else { return Ok(false) };
        let lease = self.names.open(name, &found.value).and_then(decode);
        let lease = lease.unwrap_or(Lease { owner: 0, until: UnixTime::EPOCH, busy: false });
        let mine = lease.owner == self.id;
        // A lease that ends later than any given now is from before the clock was set back.
        let left = lease.until.since(now);
        let held = left > Duration::ZERO && left <= LEASE;
        if mine && held && left >= RENEW_BELOW && lease.busy == busy {
            return Ok(true);
        }
        let patience = |is: bool, patience| if is { patience } else { Duration::ZERO };
        let patience =
            patience(busy, BUSY_PATIENCE).saturating_add(patience(self.weary, WEARY_PATIENCE));
        let free = !held && (left > LEASE || now >= lease.until.plus(patience));
        let outranked = held && lease.busy && !busy && !self.weary;
        if !(mine || free || outranked) {
            return Ok(false);
        }
        let lease = Lease { owner: self.id, until: now.plus(LEASE), busy };
        shared.set(name, &self.sealed(lease), Some(found.cas))?;
        Ok(true)
    }

    fn sealed(&self, lease: Lease) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        bytes.extend_from_slice(&lease.owner.to_be_bytes());
        bytes.extend_from_slice(&lease.until.millis().to_be_bytes());
        bytes.push(u8::from(lease.busy));
        self.names.seal(&self.names.lease, bytes)
    }
}

fn decode(bytes: &[u8]) -> Option<Lease> {
    let (owner, rest) = bytes.split_first_chunk()?;
    let (until, rest) = rest.split_first_chunk()?;
    let [busy] = rest else { return None };
    Some(Lease {
        owner: u64::from_be_bytes(*owner),
        until: UnixTime::from_millis(u64::from_be_bytes(*until)),
        busy: *busy == 1,
    })
}

#[cfg(test)]
mod tests;
