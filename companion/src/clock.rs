//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use rescind_core::time::UnixTime;

/// What time it is; the epoch if the clock says a time before it.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::EPOCH.plus(since)
}
