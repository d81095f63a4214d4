//! How long to wait before something that failed is tried again: longer each time, and not at the same time as
//! everybody else.

use std::time::Duration;

/// The pause after `failures` failures, not counting the one that just happened: the first of the two, doubled each
/// time, up to the second.
#[must_use]
pub fn doubled(failures: u32, (first, longest): (Duration, Duration)) -> Duration {
    let factor = 1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

/// Between half of `pause` and all of it, in milliseconds, as `random` chooses: those that failed together do not come
/// back together.
#[must_use]
pub fn jittered(pause: Duration, random: u64) -> Duration {
    let half = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).div_ceil(2);
    let extra = random.checked_rem(half.saturating_add(1)).unwrap_or_default();
    Duration::from_millis(half.saturating_add(extra)).min(pause)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_pause_doubles_until_it_is_the_longest() {
        let pauses = (Duration::from_millis(100), Duration::from_secs(5));
        let millis = |failures| doubled(failures, pauses).as_millis();
        assert_eq!([0, 1, 2, 5, 6, 40].map(millis), [100, 200, 400, 3200, 5000, 5000]);
        assert_eq!(doubled(u32::MAX, (Duration::MAX, Duration::MAX)), Duration::MAX);
    }

    #[test]
    fn half_of_a_pause_is_certain_and_all_of_it_the_most() {
        let pause = Duration::from_millis(1001);
        let found: Vec<_> = (0..3000).map(|random| jittered(pause, random)).collect();
        assert_eq!(found.iter().min(), Some(&Duration::from_millis(501)));
        assert_eq!(found.iter().max(), Some(&pause));
        assert_eq!(jittered(Duration::ZERO, u64::MAX), Duration::ZERO);
        assert!(jittered(Duration::MAX, u64::MAX) <= Duration::MAX);
    }
}
