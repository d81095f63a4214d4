//! The report: medians over the rounds, as a Markdown table of ratios.

use std::fmt::Write;
use std::time::Duration;

/// What one variant cost in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Processor time of the gateway's worker per request.
    pub(crate) gateway: Duration,
    /// Processor time of a helper server per request (`ext_authz`).
    pub(crate) server: Duration,
}

/// All samples of one variant.
#[derive(Debug)]
pub(crate) struct Row {
    /// The variant's name.
    pub(crate) name: String,
    /// One sample per round.
    pub(crate) samples: Vec<Sample>,
    /// Latency of single requests: median and 99th percentile.
    pub(crate) latency: (Duration, Duration),
}

impl Row {
    fn median(&self, value: impl Fn(&Sample) -> Duration) -> f64 {
        let mut values: Vec<f64> =
            self.samples.iter().map(|sample| value(sample).as_secs_f64() * 1e6).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Median gateway time per request in µs.
    pub(crate) fn gateway(&self) -> f64 {
        self.median(|sample| sample.gateway)
    }

    /// Median gateway and server time per request in µs.
    pub(crate) fn total(&self) -> f64 {
        self.median(|sample| sample.gateway.saturating_add(sample.server))
    }
}

/// The `fraction` quantile of sorted `values`.
pub(crate) fn quantile(values: &[Duration], percent: usize) -> Duration {
    let last = values.len().saturating_sub(1);
    let at = last.saturating_mul(percent) / 100;
    values.get(at).copied().unwrap_or_default()
}

/// The table. `bare` is the row that the added cost is counted from.
pub(crate) fn table(rows: &[Row]) -> String {
    let added = |name: &str| {
        let bare = rows.first().map_or(f64::NAN, Row::total);
        rows.iter().find(|row| row.name == name).map_or(f64::NAN, |row| row.total() - bare)
    };
    let (rs256, cached) = (added("jwt_authn RS256"), added("jwt_authn RS256, its cache"));
    let mut text = String::from(
        "| variant | gateway CPU/request | added, server included | × `jwt_authn` RS256 | × `jwt_authn` cached | p50 | p99 |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let mine = added(&row.name);
        let _infallible = writeln!(
            text,
            "| {} | {:.1} µs | {:+.1} µs | {:.2} | {:.2} | {} µs | {} µs |",
            row.name,
            row.gateway(),
            mine,
            mine / rs256,
            mine / cached,
            row.latency.0.as_micros(),
            row.latency.1.as_micros(),
        );
    }
    text
}
