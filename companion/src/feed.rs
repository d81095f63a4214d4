//! The feed: signed pages of the live records, answered at once or when something changes.
//!
//! # Cheap for many followers
//!
//! When a signal arrives, ten thousand gateways ask for the same stretch within milliseconds. A page
//! is made and signed once for all who ask the same in the same quarter of a second, and carries
//! the start of that quarter as its signing time: never later than the truth, and never going back
//! for a gateway that asks twice.
//!
//! # Cursors
//!
//! A cursor of another log, or ahead of this one (a journal restored from an old backup), is
//! answered from the start of this log. Whether that is a reason for alarm is the gateway's to
//! decide: `from` tells it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rescind_core::feed::{
    Cursor, LogId, MAX_GAPS_BYTES, MAX_PAGE_BYTES, MAX_PAGE_RECORDS, Page, SignedPage,
    signing_input,
};
use rescind_core::time::UnixTime;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::gaps::Gaps;
use crate::live::LiveLog;
use crate::metrics::{Counter, Metrics};

/// Pages are shared and dated by such steps. Gateways accept pages some seconds old.
const QUANTUM_MILLIS: u64 = 250;

/// The longest wait for news: below the idle time-outs of common proxies.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);

/// Pages kept for the present quantum. A hundred resynchronizing gateways ask for different
/// stretches; the ten thousand up to date ask for one or two.
const MAX_CACHED: usize = 64;

/// Leaves room for the envelope and the header of a page, and for all gaps that there can be: gateways refuse a page
/// that is too long, and would grow stale just when something is missing.
const RECORDS_BYTES: usize = MAX_PAGE_BYTES - MAX_GAPS_BYTES - 1024;

/// Makes pages.
#[derive(Debug)]
pub(crate) struct Feed {
    live: Arc<LiveLog>,
    gaps: Arc<Gaps>,
    key: Ed25519KeyPair,
    log: LogId,
    retention: Duration,
    metrics: Arc<Metrics>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    quantum: u64,
    /// By (from, head of the log, version of the gaps).
    pages: HashMap<(u64, u64, u32), Bytes>,
}

impl Feed {
    /// The feed of `live` under the name `log`.
    pub(crate) fn new(
        live: Arc<LiveLog>,
        gaps: Arc<Gaps>,
        key: Ed25519KeyPair,
        log: LogId,
        retention: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { live, gaps, key, log, retention, metrics, cache: Mutex::default() }
    }

    /// The key that gateways pin, as base64url.
    pub(crate) fn public_key(&self) -> String {
        rescind_core::base64url::encode(self.key.public_key().as_ref())
    }

    /// The log's name.
    pub(crate) const fn log(&self) -> LogId {
        self.log
    }

    /// Where the page for `cursor` starts.
    pub(crate) fn start(&self, cursor: Option<Cursor>) -> u64 {
        cursor
            .filter(|cursor| cursor.log == self.log && cursor.sequence <= self.live.head())
            .map_or(0, |cursor| cursor.sequence)
    }

    /// Returns as soon as something changed after `from`, or the gaps are others than those of
    /// version `gaps`, at the latest after `wait`.
    pub(crate) async fn news(&self, from: u64, gaps: u32, wait: Duration) {
        let (mut changes, mut versions) = (self.live.watch(), self.gaps.watch());
        let changed = async {
            tokio::select! {
                _ = changes.wait_for(|changed| *changed > from) => {}
                _ = versions.wait_for(|version| *version != gaps) => {}
            }
        };
        let _time_is_up = tokio::time::timeout(wait.min(MAX_WAIT), changed).await;
    }

    /// The signed page after `from`.
    pub(crate) fn signed(&self, from: u64, now: UnixTime) -> Bytes {
        self.metrics.count(Counter::FeedPages);
        let quantum = now.millis().checked_div(QUANTUM_MILLIS).unwrap_or(0);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.quantum < quantum || cache.pages.len() >= MAX_CACHED {
            cache.quantum = cache.quantum.max(quantum);
            cache.pages.clear();
        }
        let key = (from, self.live.head(), self.gaps.version());
        if let Some(page) = cache.pages.get(&key) {
            return page.clone();
        }
        // Made under the lock on purpose: everybody else wants the same page.
        let signed_at = UnixTime::from_millis(cache.quantum.saturating_mul(QUANTUM_MILLIS));
        let page = self.sign(&self.page(from, signed_at));
        cache.pages.insert(key, page.clone());
        page
    }

    /// The same page for people.
    pub(crate) fn json(&self, from: u64, now: UnixTime) -> serde_json::Value {
        self.metrics.count(Counter::FeedPages);
        self.page(from, now).to_json()
    }

    fn page(&self, from: u64, signed_at: UnixTime) -> Page {
        let stretch = self.live.stretch(from, MAX_PAGE_RECORDS, RECORDS_BYTES);
        Page {
            log: self.log,
            from,
            to: stretch.to,
            signed_at,
            more: stretch.more,
            retention_secs: u32::try_from(self.retention.as_secs()).unwrap_or(u32::MAX),
            live: u64::try_from(stretch.live).unwrap_or(u64::MAX),
            records: stretch.records,
            gaps: self.gaps.all(),
        }
    }

    fn sign(&self, page: &Page) -> Bytes {
        self.metrics.count(Counter::FeedSignatures);
        let payload = page.encode();
        let mut signature = [0; 64];
        let signed = self.key.sign(&signing_input(&payload));
        // An Ed25519 signature has 64 bytes; one of zeros would be refused by every gateway.
        if let Ok(bytes) = <[u8; 64]>::try_from(signed.as_ref()) {
            signature = bytes;
        }
        Bytes::from(SignedPage { payload, signature }.encode())
    }
}

/// Reads `wait=25s` or `wait=500ms`.
pub(crate) fn parse_wait(text: &str) -> Option<Duration> {
    let number = |digits: &str| {
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten()
    };
    let wait = if let Some(millis) = text.strip_suffix("ms") {
        Duration::from_millis(u64::from(number(millis)?))
    } else {
        Duration::from_secs(u64::from(number(text.strip_suffix('s')?)?))
    };
    Some(wait.min(MAX_WAIT))
}
