//! Every metric of the companion, in one table, and the page that Prometheus reads.
//!
//! Labels have few values: the transmitter's or the gateway's configured name, an outcome, a code of
//! RFC 8935. Never a subject, an issuer of somebody's making or a path.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a metric's number means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One metric, as its help line says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Metric {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its number means.
    pub(crate) kind: Kind,
    /// The text for people.
    pub(crate) help: &'static str,
}

/// All of them.
pub(crate) const TABLE: [Metric; 24] = [
    counter("rescind_sets_total", "SETs by outcome: accepted, duplicate, refused or unavailable"),
    counter("rescind_sets_refused_total", "refused SETs by error code (RFC 8935)"),
    counter("rescind_sets_recorded_total", "accepted SETs without effect on any token"),
    counter("rescind_pushes_unauthenticated_total", "pushes without the transmitter's token"),
    counter(
        "rescind_polls_total",
        "polls (RFC 8936) by outcome: answered, held too long or failed",
    ),
    counter(
        "rescind_poll_reports_total",
        "polled SETs told to the transmitter: `ack` or `setErrs`",
    ),
    counter("rescind_sets_unmatched_total", "accepted SETs whose subject no gateway maps"),
    counter(
        "rescind_notes_dropped_total",
        "refused or unmatched SETs beyond what the audit trail takes an hour",
    ),
    counter("rescind_stream_calls_total", "calls of transmitters' stream APIs, by outcome"),
    counter("rescind_verifications_total", "stream verifications: asked for, and come"),
    gauge("rescind_stream_gap", "1 while a transmitter's events may be missed, by transmitter"),
    gauge("rescind_stream_verified_seconds", "time since a stream was verified, by transmitter"),
    counter("rescind_journal_commits_total", "groups of SETs made durable"),
    counter("rescind_journal_commit_seconds_total", "time spent in making groups durable"),
    counter("rescind_journal_failures_total", "groups that could not be made durable"),
    counter("rescind_feed_pages_total", "pages given to gateways"),
    counter("rescind_feed_signatures_total", "pages signed; the others came from the cache"),
    counter("rescind_keys_fetched_total", "key sets read from a URL or file, by outcome"),
    gauge("rescind_connections", "open connections"),
    gauge("rescind_journal_bytes", "size of the journal's file"),
    gauge("rescind_live_records", "records that gateways hold"),
    gauge("rescind_log_head", "sequence of the last accepted SET"),
    gauge("rescind_gateway_lag", "accepted SETs that a gateway has not asked beyond, by gateway"),
    gauge("rescind_gateway_last_poll_seconds", "time since a gateway last asked, by gateway"),
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

/// What is counted: a metric with its labels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Counter {
    /// A SET was kept.
    SetsAccepted,
    /// A SET was there already.
    SetsDuplicate,
    /// A SET was refused.
    SetsRefused,
    /// A SET could not be kept at present.
    SetsUnavailable,
    /// Refused as `invalid_request`.
    InvalidRequest,
    /// Refused as `invalid_key`.
    InvalidKey,
    /// Refused as `invalid_issuer`.
    InvalidIssuer,
    /// Refused as `invalid_audience`.
    InvalidAudience,
    /// Refused as `access_denied`.
    AccessDenied,
    /// Refused with another code.
    OtherCode,
    /// A SET was kept that changes nothing.
    SetsRecorded,
    /// A push without the right token.
    Unauthenticated,
    /// A poll was answered.
    PollsAnswered,
    /// A poll was held for longer than this side waits.
    PollsHeld,
    /// A poll failed.
    PollsFailed,
    /// A polled SET was kept, to be acknowledged.
    PollAcks,
    /// A polled SET was refused, to be reported.
    PollErrors,
    /// A stream API did what it should.
    StreamCallsAnswered,
    /// It did not.
    StreamCallsFailed,
    /// A verification was asked for.
    VerificationsAsked,
    /// It came.
    StreamsVerified,
    /// A group was made durable.
    Commits,
    /// A group could not be made durable.
    CommitFailures,
    /// A page was given out.
    FeedPages,
    /// A page was signed.
    FeedSignatures,
    /// A key set was read.
    KeysFetched,
    /// A key set could not be read.
    KeysFailed,
    /// A refused SET was too many for the audit trail.
    NotesDropped,
    /// A SET was kept that no token can be reached by.
    SetsUnmatched,
}

/// Each counter's line: metric and labels, in the order of [`Counter`].
const LINES: [(&str, &str); 29] = [
    ("rescind_sets_total", "{outcome=\"accepted\"}"),
    ("rescind_sets_total", "{outcome=\"duplicate\"}"),
    ("rescind_sets_total", "{outcome=\"refused\"}"),
    ("rescind_sets_total", "{outcome=\"unavailable\"}"),
    ("rescind_sets_refused_total", "{code=\"invalid_request\"}"),
    ("rescind_sets_refused_total", "{code=\"invalid_key\"}"),
    ("rescind_sets_refused_total", "{code=\"invalid_issuer\"}"),
    ("rescind_sets_refused_total", "{code=\"invalid_audience\"}"),
    ("rescind_sets_refused_total", "{code=\"access_denied\"}"),
    ("rescind_sets_refused_total", "{code=\"other\"}"),
    ("rescind_sets_recorded_total", ""),
    ("rescind_pushes_unauthenticated_total", ""),
    ("rescind_polls_total", "{outcome=\"answered\"}"),
    ("rescind_polls_total", "{outcome=\"held\"}"),
    ("rescind_polls_total", "{outcome=\"failed\"}"),
    ("rescind_poll_reports_total", "{as=\"ack\"}"),
    ("rescind_poll_reports_total", "{as=\"setErrs\"}"),
    ("rescind_stream_calls_total", "{outcome=\"answered\"}"),
    ("rescind_stream_calls_total", "{outcome=\"failed\"}"),
    ("rescind_verifications_total", "{outcome=\"asked\"}"),
    ("rescind_verifications_total", "{outcome=\"verified\"}"),
    ("rescind_journal_commits_total", ""),
    ("rescind_journal_failures_total", ""),
    ("rescind_feed_pages_total", ""),
    ("rescind_feed_signatures_total", ""),
    ("rescind_keys_fetched_total", "{outcome=\"ok\"}"),
    ("rescind_keys_fetched_total", "{outcome=\"failed\"}"),
    ("rescind_notes_dropped_total", ""),
    ("rescind_sets_unmatched_total", ""),
];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counters: [AtomicU64; LINES.len()],
    commit_micros: AtomicU64,
    connections: AtomicU64,
}

/// The gauges, as they are when the page is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    /// Records that gateways hold.
    pub(crate) live: u64,
    /// Sequence of the last accepted SET.
    pub(crate) head: u64,
    /// Size of the journal's file.
    pub(crate) journal_bytes: u64,
    /// Name, lag and seconds since the last poll of each gateway that asked since the start.
    pub(crate) gateways: Vec<(String, u64, f64)>,
    /// Name of each transmitter, whether it has a gap, and seconds since it was verified.
    pub(crate) streams: Vec<(String, bool, Option<f64>)>,
}

impl Counter {
    const fn index(self) -> usize {
        match self {
            Self::SetsAccepted => 0,
            Self::SetsDuplicate => 1,
            Self::SetsRefused => 2,
            Self::SetsUnavailable => 3,
            Self::InvalidRequest => 4,
            Self::InvalidKey => 5,
            Self::InvalidIssuer => 6,
            Self::InvalidAudience => 7,
            Self::AccessDenied => 8,
            Self::OtherCode => 9,
            Self::SetsRecorded => 10,
            Self::Unauthenticated => 11,
            Self::PollsAnswered => 12,
            Self::PollsHeld => 13,
            Self::PollsFailed => 14,
            Self::PollAcks => 15,
            Self::PollErrors => 16,
            Self::StreamCallsAnswered => 17,
            Self::StreamCallsFailed => 18,
            Self::VerificationsAsked => 19,
            Self::StreamsVerified => 20,
            Self::Commits => 21,
            Self::CommitFailures => 22,
            Self::FeedPages => 23,
            Self::FeedSignatures => 24,
            Self::KeysFetched => 25,
            Self::KeysFailed => 26,
            Self::NotesDropped => 27,
            Self::SetsUnmatched => 28,
        }
    }

    /// The counter of refusals with `code`.
    pub(crate) fn refusal(code: &str) -> Self {
        match code {
            "invalid_request" => Self::InvalidRequest,
            "invalid_key" => Self::InvalidKey,
            "invalid_issuer" => Self::InvalidIssuer,
            "invalid_audience" => Self::InvalidAudience,
            "access_denied" => Self::AccessDenied,
            _ => Self::OtherCode,
        }
    }
}

impl Metrics {
    /// Counts one.
    pub(crate) fn count(&self, counter: Counter) {
        if let Some(cell) = self.counters.get(counter.index()) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted.
    pub(crate) fn value(&self, counter: Counter) -> u64 {
        self.counters.get(counter.index()).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// Counts a group of SETs that took `time` to write.
    pub(crate) fn commit(&self, sets: usize, time: Duration, good: bool) {
        self.count(if good { Counter::Commits } else { Counter::CommitFailures });
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.commit_micros.fetch_add(micros, Ordering::Relaxed);
        tracing::trace!(sets, micros, good, "journal: group written");
    }

    /// A connection was opened; it counts until the guard is dropped.
    pub(crate) fn connection(&self) -> ConnectionGuard<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(&self.connections)
    }

    /// The page, in the text format of Prometheus.
    pub(crate) fn page(&self, gauges: &Gauges) -> String {
        let mut page = String::with_capacity(4096);
        for metric in TABLE {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let name = metric.name;
            let _infallible = write!(page, "# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help);
            self.lines(&mut page, name, gauges);
        }
        page
    }

    fn lines(&self, page: &mut String, name: &str, gauges: &Gauges) {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        for ((_, labels), cell) in
            LINES.iter().zip(&self.counters).filter(|((metric, _), _)| *metric == name)
        {
            let _infallible = writeln!(page, "{name}{labels} {}", load(cell));
        }
        let single = match name {
            "rescind_journal_commit_seconds_total" => {
                let time = Duration::from_micros(load(&self.commit_micros));
                let _infallible = writeln!(page, "{name} {}", time.as_secs_f64());
                return;
            }
            "rescind_connections" => load(&self.connections),
            "rescind_live_records" => gauges.live,
            "rescind_log_head" => gauges.head,
            "rescind_journal_bytes" => gauges.journal_bytes,
            "rescind_gateway_lag" => {
                for (gateway, lag, _) in &gauges.gateways {
                    let _infallible = writeln!(page, "{name}{{gateway=\"{gateway}\"}} {lag}");
                }
                return;
            }
            "rescind_gateway_last_poll_seconds" => {
                for (gateway, _, seconds) in &gauges.gateways {
                    let _infallible =
                        writeln!(page, "{name}{{gateway=\"{gateway}\"}} {seconds:.3}");
                }
                return;
            }
            "rescind_stream_gap" => {
                for (transmitter, gap, _) in &gauges.streams {
                    let gap = u8::from(*gap);
                    let _infallible =
                        writeln!(page, "{name}{{transmitter=\"{transmitter}\"}} {gap}");
                }
                return;
            }
            "rescind_stream_verified_seconds" => {
                for (transmitter, _, verified) in &gauges.streams {
                    let Some(seconds) = verified else { continue };
                    let _infallible =
                        writeln!(page, "{name}{{transmitter=\"{transmitter}\"}} {seconds:.3}");
                }
                return;
            }
            _ => return,
        };
        let _infallible = writeln!(page, "{name} {single}");
    }
}

/// Counts a connection as open while it lives.
#[derive(Debug)]
pub(crate) struct ConnectionGuard<'m>(&'m AtomicU64);

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_line_and_every_line_a_metric() {
        let metrics = Metrics::default();
        metrics.count(Counter::SetsAccepted);
        let gauges = Gauges {
            live: 2,
            head: 3,
            journal_bytes: 4096,
            gateways: vec![("edge-1".to_owned(), 1, 0.25)],
            streams: vec![("idp".to_owned(), true, Some(1.5))],
        };
        let page = metrics.page(&gauges);
        for metric in TABLE {
            let prefixes = [format!("{} ", metric.name), format!("{}{{", metric.name)];
            let found = page.lines().any(|line| prefixes.iter().any(|p| line.starts_with(p)));
            assert!(found, "{}", metric.name);
        }
        for (name, _) in LINES {
            assert!(TABLE.iter().any(|metric| metric.name == name), "{name}");
        }
        assert!(page.contains("rescind_sets_total{outcome=\"accepted\"} 1\n"), "{page}");
        assert!(page.contains("rescind_gateway_lag{gateway=\"edge-1\"} 1\n"), "{page}");
    }
}
