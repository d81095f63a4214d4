//! Bounded waiting. A test states a condition and a deadline; it never sleeps and hopes.

use std::time::{Duration, Instant};

/// How long a started process may take to answer. Generous: CI runs on two busy cores.
pub const START: Duration = Duration::from_secs(30);

/// How long a change may take to be seen where nothing is promised about its speed.
pub const SOON: Duration = Duration::from_secs(20);

/// The pause between two polls: short against everything measured here, long enough to idle.
const PAUSE: Duration = Duration::from_millis(2);

/// The pause where something happens only every ten seconds, such as the next fetch of a key set.
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// How long such a thing may take: twice its time and its jitter, on a busy machine.
const LATER: Duration = Duration::from_secs(40);

/// Polls until `condition` yields a value.
///
/// # Panics
///
/// When the deadline passes first, naming what was waited for.
pub fn until<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    until_at(what, deadline, PAUSE, condition)
}

/// Polls now and then for something that happens only every ten seconds.
pub fn for_the_next_fetch(what: &str, mut condition: impl FnMut() -> bool) {
    until_at(what, LATER, LONG_PAUSE, || condition().then_some(()));
}

fn until_at<T>(
    what: &str,
    deadline: Duration,
    pause: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        std::thread::sleep(pause);
    }
}

/// Polls until `condition` holds, and says how long that took.
pub fn until_true(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    until(what, deadline, || condition().then_some(()));
    started.elapsed()
}

/// Asserts that `condition` holds at every poll for as long as `period`.
///
/// For promises of the kind "keeps refusing": there is no event to wait for, only time to pass.
pub fn throughout(what: &str, period: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < period {
        assert!(condition(), "no longer true after {:?}: {what}", started.elapsed());
        std::thread::sleep(PAUSE);
    }
}
