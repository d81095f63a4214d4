//! How much processor time a process has used, thread by thread, from `/proc` (nanoseconds).

use std::fs;
use std::time::Duration;

/// Processor time of all threads of process `pid` whose name starts with `prefix`.
///
/// `/proc/<pid>/task/<tid>/schedstat` counts nanoseconds on the processor, where `stat` counts
/// hundredths of a second.
pub fn used(pid: u32, prefix: &str) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = threads.flatten().filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        if !name.starts_with(prefix) {
            return None;
        }
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
