//! What the gates have counted, added up for the page that Prometheus reads.
//!
//! The names are the filter's (`rescind_core::metrics`) with `decisions` in them, since this page
//! has feeds and keys of its own; the reason of a refusal is a label here.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use rescind_core::metrics::{Counters, Id, Kind, TABLE};

/// One number for each metric of the core, and one of our own.
#[derive(Debug)]
pub(crate) struct Counts {
    cells: Vec<AtomicU64>,
    unknown_callers: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let cells = TABLE.iter().map(|_| AtomicU64::new(0)).collect();
        Self { cells, unknown_callers: AtomicU64::new(0) }
    }
}

impl Counts {
    /// Takes over what was counted since the last time.
    pub(crate) fn take(&self, counters: &mut Counters) {
        counters.drain(|index, number| {
            if let Some(cell) = self.cells.get(index) {
                cell.fetch_add(number, Ordering::Relaxed);
            }
        });
    }

    /// Sets a gauge.
    pub(crate) fn record(&self, gauge: Id, value: u64) {
        if let Some(cell) = self.cells.get(gauge.index()) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    /// Changes a gauge that threads add up, from one thread's `before` to its `after`.
    pub(crate) fn shift(&self, gauge: Id, before: u64, after: u64) {
        if let Some(cell) = self.cells.get(gauge.index()) {
            // Each thread takes back no more than it added.
            cell.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Somebody asked who shows no caller's token.
    pub(crate) fn unknown_caller(&self) {
        self.unknown_callers.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends the lines of all metrics.
    pub(crate) fn write(&self, page: &mut String) {
        let unknown = self.unknown_callers.load(Ordering::Relaxed);
        let _infallible = writeln!(
            page,
            "# HELP rescind_decisions_unknown_callers_total calls without a caller's token\n\
             # TYPE rescind_decisions_unknown_callers_total counter\n\
             rescind_decisions_unknown_callers_total {unknown}"
        );
        let mut reasons_begun = false;
        for (metric, cell) in TABLE.iter().zip(&self.cells) {
            let (name, value) = (metric.name, cell.load(Ordering::Relaxed));
            let name = name.strip_prefix("rescind_").unwrap_or(name);
            let _infallible = match (name.strip_prefix("denied_"), metric.kind) {
                (Some(reason), _) => {
                    if !std::mem::replace(&mut reasons_begun, true) {
                        page.push_str(
                            "# HELP rescind_decisions_denied_total refusals by reason\n\
                             # TYPE rescind_decisions_denied_total counter\n",
                        );
                    }
                    writeln!(page, "rescind_decisions_denied_total{{reason=\"{reason}\"}} {value}")
                }
                (None, Kind::Counter) => {
                    let name = format!("rescind_decisions_{name}_total");
                    let help = metric.help;
                    writeln!(page, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}")
                }
                (None, Kind::Gauge) => {
                    let name = format!("rescind_decisions_{name}");
                    let help = metric.help;
                    writeln!(page, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use rescind_core::verdict::Denial;

    use super::*;

    #[test]
    fn the_page_has_what_all_threads_counted_with_reasons_as_labels() {
        let counts = Counts::default();
        for _ in 0..2 {
            let mut counters = Counters::new();
            counters.add(Id::Permitted, 2);
            counters.deny(&Denial::NeverSynchronized);
            counts.take(&mut counters);
        }
        counts.record(Id::TableRecords, 7);
        counts.shift(Id::TokenCacheEntries, 0, 5);
        counts.shift(Id::TokenCacheEntries, 0, 4);
        counts.shift(Id::TokenCacheEntries, 5, 1);
        let mut page = String::new();
        counts.write(&mut page);
        for line in [
            "rescind_decisions_permitted_total 4",
            "rescind_decisions_denied_total{reason=\"never_synchronized\"} 2",
            "rescind_decisions_denied_total{reason=\"revoked\"} 0",
            "rescind_decisions_table_records 7",
            "rescind_decisions_token_cache_entries 5",
        ] {
            assert!(page.lines().any(|known| known == line), "{line} in\n{page}");
        }
        let types = page.lines().filter(|line| line.starts_with("# TYPE")).count();
        let names = page.lines().filter(|line| !line.starts_with('#'));
        let mut names: Vec<_> = names.filter_map(|line| line.split(['{', ' ']).next()).collect();
        names.dedup();
        assert_eq!(names.len(), types);
    }
}
