//! Tells the host what was counted.
//!
//! Metrics are defined once, by the table of [`rescind_core::metrics`], and counted in the VM; the
//! host hears of them at each tick, so that a request costs no call. A host without metrics
//! (APISIX) is no error.

use rescind_core::metrics::{Counters, Id, Kind, TABLE};
use rescind_core::table::TableStatus;

use crate::host::{self, MetricKind};

/// The host's numbers for our metrics.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// In the order of [`TABLE`]; `None` where the host has none.
    ids: Vec<Option<u32>>,
    /// What this worker has added to gauges that are a sum over all workers.
    cached_tokens: i64,
    watched_streams: i64,
    increments_gauges: bool,
}

impl Metrics {
    /// Defines all metrics, for a host that can increment gauges, or not.
    pub(crate) fn define(increments_gauges: bool) -> Self {
        let ids = TABLE.iter().map(|metric| {
            let kind = match metric.kind {
                Kind::Counter => MetricKind::Counter,
                Kind::Gauge => MetricKind::Gauge,
            };
            host::define_metric(kind, metric.name).ok()
        });
        Self { ids: ids.collect(), cached_tokens: 0, watched_streams: 0, increments_gauges }
    }

    /// Adds what was counted since the last time.
    pub(crate) fn count(&self, counters: &mut Counters) {
        counters.drain(|index, number| {
            self.add(index, i64::try_from(number).unwrap_or(i64::MAX));
        });
    }

    /// Says how many tokens this worker remembers: where gauges cannot be incremented, of the one that said so last.
    pub(crate) fn cached_tokens(&mut self, number: usize) {
        self.cached_tokens = self.contribute(Id::TokenCacheEntries, self.cached_tokens, number);
    }

    /// Says how many open requests this worker watches, likewise.
    pub(crate) fn watched_streams(&mut self, number: usize) {
        self.watched_streams = self.contribute(Id::StreamsWatched, self.watched_streams, number);
    }

    /// Changes this worker's part of a sum; returns what it is now.
    fn contribute(&self, gauge: Id, before: i64, number: usize) -> i64 {
        let part = i64::try_from(number).unwrap_or(i64::MAX);
        match self.increments_gauges {
            true => self.add(gauge.index(), part.saturating_sub(before)),
            false => self.record(gauge, u64::try_from(number).unwrap_or(u64::MAX)),
        }
        part
    }

    /// Says how the table stands, which is one for all workers, and what the companion may have missed.
    pub(crate) fn table(&self, status: TableStatus, records: u64, gaps: usize) {
        if let TableStatus::Synced { fresh_at, .. } = status {
            self.record(Id::TableFreshAt, fresh_at.secs());
            self.record(Id::TableRecords, records);
            self.record(Id::FeedGaps, u64::try_from(gaps).unwrap_or(u64::MAX));
        }
    }

    fn record(&self, gauge: Id, value: u64) {
        if let Some(Some(id)) = self.ids.get(gauge.index()) {
            let _ = host::record_metric(*id, value);
        }
    }

    fn add(&self, index: usize, number: i64) {
        if let Some(Some(id)) = self.ids.get(index) {
            let _ = host::increment_metric(*id, number);
        }
    }
}
