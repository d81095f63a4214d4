//! All gaps there are, as gateways are told: about whose tokens signals may have been missed.
//!
//! A transmitter's gap concerns the tokens of all issuers that it may speak about
//! (`authority_issuers`), since the earliest gap of any of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rescind_core::feed::{Gap, MAX_GAPS, MAX_ISSUER_BYTES, gap_digests, gaps_version};
use rescind_core::time::UnixTime;
use tokio::sync::watch;

use crate::receiver::Receiver;

/// What the feed says of gaps.
#[derive(Debug)]
pub(crate) struct Gaps {
    all: Mutex<Vec<Gap>>,
    version: watch::Sender<u32>,
}

impl Default for Gaps {
    fn default() -> Self {
        Self { all: Mutex::default(), version: watch::Sender::new(0) }
    }
}

impl Gaps {
    /// All of them, as a page has them.
    pub(crate) fn all(&self) -> Vec<Gap> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes whenever they do.
    pub(crate) fn version(&self) -> u32 {
        *self.version.borrow()
    }

    /// Tells of changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u32> {
        self.version.subscribe()
    }

    /// Takes the gaps of `receivers`, and wakes the followers if they changed.
    pub(crate) fn gather(&self, receivers: &[Arc<Receiver>]) {
        let all = gathered(receivers.iter().filter_map(|receiver| {
            Some((receiver.token_issuers(), receiver.stream().gap()?.since))
        }));
        let version = gaps_version(&gap_digests(&all));
        // The list first: who hears of the version must find it.
        *self.all.lock().unwrap_or_else(PoisonError::into_inner) = all;
        self.version.send_if_modified(|known| std::mem::replace(known, version) != version);
    }
}

fn gathered<'r>(gaps: impl Iterator<Item = (&'r [String], UnixTime)>) -> Vec<Gap> {
    let mut by_issuer: BTreeMap<&str, UnixTime> = BTreeMap::new();
    for (issuers, since) in gaps {
        let since = UnixTime::from_secs(since.secs());
        for issuer in issuers {
            let known = by_issuer.entry(issuer).or_insert(since);
            *known = (*known).min(since);
        }
    }
    let fits = |issuer: &str| (1..=MAX_ISSUER_BYTES).contains(&issuer.len());
    if by_issuer.len() > MAX_GAPS || !by_issuer.keys().all(|issuer| fits(issuer)) {
        let since = by_issuer.values().min().copied().unwrap_or_default();
        return vec![Gap { issuer: Gap::EVERYBODY.to_owned(), since }];
    }
    let gaps = by_issuer.into_iter();
    gaps.map(|(issuer, since)| Gap { issuer: issuer.to_owned(), since }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_by_issuer_of_tokens_since_the_earliest_and_too_many_as_everybodys() {
        let at = UnixTime::from_secs;
        let issuers = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (one, two): (Vec<String>, Vec<String>) = (issuers(&["b", "a"]), issuers(&["b"]));
        let gaps = gathered([(one.as_slice(), at(9)), (two.as_slice(), at(7))].into_iter());
        let expected = [("a", 9), ("b", 7)]
            .map(|(issuer, since)| Gap { issuer: issuer.to_owned(), since: at(since) });
        assert_eq!(gaps, expected);
        let many: Vec<String> = (0..=MAX_GAPS).map(|n| format!("issuer-{n}")).collect();
        let all = gathered([(many.as_slice(), at(5))].into_iter());
        assert_eq!(all, [Gap { issuer: "*".to_owned(), since: at(5) }]);
        for (length, issuer) in [(MAX_ISSUER_BYTES, None), (MAX_ISSUER_BYTES + 1, Some("*"))] {
            let long = ["i".repeat(length)];
            let all = gathered([(&long[..], at(5))].into_iter());
            let expected = issuer.unwrap_or(&long[0]);
            assert_eq!(all.first().map(|gap| gap.issuer.as_str()), Some(expected), "{length}");
        }
        let most = many.get(1..).unwrap();
        assert_eq!(gathered([(most, at(5))].into_iter()).len(), MAX_GAPS);
    }
}
