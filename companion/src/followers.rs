//! Which gateways follow the feed, and how far behind they are.
//!
//! Kept in memory only: after a restart a gateway shows up with its next poll.

use std::sync::{Mutex, PoisonError};

use rescind_core::time::UnixTime;

/// What a gateway last did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Follower {
    /// When it last asked or was last answered; `None` if not since the start.
    pub(crate) last_poll: Option<UnixTime>,
    /// The sequence it last asked beyond.
    pub(crate) cursor: u64,
    /// Polls that wait for news right now.
    pub(crate) waiting: u32,
    /// Polls since the start.
    pub(crate) polls: u64,
}

/// All configured gateways, by their place in the configuration.
#[derive(Debug)]
pub(crate) struct Followers(Vec<Mutex<Follower>>);

impl Followers {
    /// For `count` gateways.
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Mutex::default()).collect())
    }

    fn with(&self, gateway: usize, change: impl FnOnce(&mut Follower)) {
        if let Some(follower) = self.0.get(gateway) {
            change(&mut follower.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// `gateway` asks beyond `cursor`.
    pub(crate) fn asks(&self, gateway: usize, cursor: u64, now: UnixTime) -> Waiting<'_> {
        self.with(gateway, |follower| {
            follower.last_poll = Some(now);
            follower.cursor = cursor;
            follower.waiting = follower.waiting.saturating_add(1);
            follower.polls = follower.polls.saturating_add(1);
        });
        Waiting { followers: self, gateway }
    }

    /// What all of them last did.
    pub(crate) fn all(&self) -> Vec<Follower> {
        self.0.iter().map(|f| *f.lock().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

/// A poll that is being answered; over when dropped, also when the gateway hangs up.
#[derive(Debug)]
pub(crate) struct Waiting<'f> {
    followers: &'f Followers,
    gateway: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.followers.with(self.gateway, |follower| {
            follower.waiting = follower.waiting.saturating_sub(1);
            follower.last_poll = Some(crate::clock::now());
        });
    }
}
