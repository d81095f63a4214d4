//! Who looks after key sets and status lists.
//!
//! The table has one leader ([`crate::replica`]), whatever the configurations of those that share it. Documents are
//! different: which ones there are, and where, is what a configuration says. So each configuration has its own, elected
//! in the same way among the workers that have it. A new issuer's keys are fetched as soon as one worker has the new
//! configuration, although an old one may lead the table for as long as the gateway drains; and two filters that share
//! a table may know different issuers.
//!
//! What is fetched is stored under its own name ([`crate::keys`]), so a set that several configurations need is there
//! for all of them.
//!
//! This module refuses to say what is to be fetched; it says who fetches.

use crate::config::{Config, KeySource};
use crate::replica::lease::Candidate;
use crate::shared::SharedData;
use crate::table::{self, Names};
use crate::time::UnixTime;

/// One worker's part in it.
#[derive(Debug)]
pub struct Documents {
    /// Nothing if there are no documents.
    candidate: Option<Candidate>,
    busy: bool,
}

impl Documents {
    /// For the documents of `config`. `alone` if no other worker can see what is stored.
    #[must_use]
    pub fn new(config: &Config, alone: bool) -> Self {
        let candidate = group(config).map(|group| {
            let names = Names::new(&config.revocation.table, config.revocation.checksum_key);
            Candidate::new(names.with_lease(&group), alone)
        });
        Self { candidate, busy: false }
    }

    /// This worker serves requests: one that does not goes first.
    pub const fn saw_request(&mut self) {
        self.busy = true;
    }

    /// Whether this worker fetches, now. To be asked at each turn.
    pub fn leads(&mut self, shared: &dyn SharedData, now: UnixTime, random: u64) -> bool {
        let candidate = self.candidate.as_mut();
        candidate.is_some_and(|it| it.campaign(shared, self.busy, now, random) == Ok(true))
    }

    /// This worker ends, or its configuration does.
    pub fn resign(&mut self, shared: &dyn SharedData) {
        if let Some(candidate) = &mut self.candidate {
            candidate.resign(shared);
        }
    }
}

/// Names all that decides which documents are fetched and how; nothing if none are.
pub(crate) fn group(config: &Config) -> Option<String> {
    let mut text = String::new();
    for issuer in &config.issuers {
        let keys = match &issuer.keys {
            KeySource::Inline(_) | KeySource::InlineBundle(_) => None,
            keys @ (KeySource::Fetched(_) | KeySource::Bundle(_) | KeySource::Discovered(_)) => {
                Some(keys)
            }
        };
        if keys.is_none() && issuer.status.is_none() {
            continue;
        }
        // All who share a table run the same code, so that the form need not be stable.
        let decides = (&issuer.issuer, keys, &issuer.status, &issuer.algorithms, issuer.leeway);
        text.push_str(&format!("{decides:?}\n"));
    }
    let key = &config.revocation.checksum_key;
    (!text.is_empty()).then(|| table::hash(key, "documents", &text))
}

#[cfg(test)]
mod tests;
