#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::shared::LocalSharedData;

fn candidate() -> Candidate {
    Candidate::new(Names::new("test", [1; 16]), false)
}

fn at(millis: u64) -> UnixTime {
    UnixTime::from_secs(1_000).plus(Duration::from_millis(millis))
}

#[test]
fn one_leads_until_its_lease_has_ended() {
    let shared = LocalSharedData::default();
    let (mut first, mut second) = (candidate(), candidate());
    assert_eq!(first.campaign(&shared, false, at(0), 1), Ok(true));
    for (millis, leads) in [(0, false), (2_999, false), (3_000, true)] {
        assert_eq!(second.campaign(&shared, false, at(millis), 2), Ok(leads), "{millis} ms");
    }
    assert_eq!(first.campaign(&shared, false, at(3_001), 1), Ok(false));
}

#[test]
fn a_busy_worker_waits_a_second_longer() {
    let shared = LocalSharedData::default();
    let (mut first, mut busy) = (candidate(), candidate());
    assert_eq!(first.campaign(&shared, false, at(0), 1), Ok(true));
    for (millis, leads) in [(3_999, false), (4_000, true)] {
        assert_eq!(busy.campaign(&shared, true, at(millis), 2), Ok(leads), "{millis} ms");
    }
}

#[test]
fn an_idle_worker_takes_over_from_a_busy_one() {
    let shared = LocalSharedData::default();
    let (mut busy, mut idle) = (candidate(), candidate());
    assert_eq!(busy.campaign(&shared, true, at(1_000), 1), Ok(true));
    assert_eq!(idle.campaign(&shared, false, at(1_001), 2), Ok(true));
    assert_eq!(busy.campaign(&shared, true, at(1_002), 1), Ok(false));
}

#[test]
fn whoever_resigns_is_followed_at_once_but_takes_nothing_from_others() {
    let shared = LocalSharedData::default();
    let (mut first, mut busy) = (candidate(), candidate());
    assert_eq!(first.campaign(&shared, false, at(0), 1), Ok(true));
    busy.resign(&shared);
    assert_eq!(busy.campaign(&shared, true, at(0), 2), Ok(false));
    first.resign(&shared);
    assert!(!first.is_leading());
    assert_eq!(busy.campaign(&shared, true, at(0), 2), Ok(true));
    first.resign(&shared);
    assert_eq!(busy.campaign(&shared, true, at(1), 2), Ok(true));
}

#[test]
fn a_lease_from_before_the_clock_was_set_back_does_not_count() {
    let shared = LocalSharedData::default();
    let (mut first, mut second) = (candidate(), candidate());
    assert_eq!(first.campaign(&shared, false, at(60_000), 1), Ok(true));
    assert_eq!(second.campaign(&shared, false, at(0), 2), Ok(true));
}

#[test]
fn a_lease_that_a_stranger_wrote_does_not_count() {
    let shared = LocalSharedData::default();
    shared.set("rescind.test.lease", &[0xff; 33], None).unwrap();
    assert_eq!(candidate().campaign(&shared, false, at(0), 1), Ok(true));
}

#[test]
fn whoever_steps_aside_lets_others_try_and_leads_again_if_nobody_does() {
    let shared = LocalSharedData::default();
    let (mut weary, mut busy) = (candidate(), candidate());
    assert_eq!(weary.campaign(&shared, false, at(0), 1), Ok(true));
    weary.step_aside(&shared, at(100));
    assert!(!weary.is_leading());
    for (millis, leads) in [(100, false), (1_099, false), (1_100, true)] {
        assert_eq!(weary.campaign(&shared, false, at(millis), 1), Ok(leads), "{millis} ms");
    }
    weary.step_aside(&shared, at(1_200));
    assert_eq!(busy.campaign(&shared, true, at(2_199), 2), Ok(false), "it serves requests");
    assert_eq!(busy.campaign(&shared, true, at(2_200), 2), Ok(true));
    assert_eq!(weary.campaign(&shared, false, at(2_300), 1), Ok(false), "it failed");
    weary.recover();
    assert_eq!(weary.campaign(&shared, false, at(2_400), 1), Ok(true), "it is idle");
}

#[test]
fn whoever_is_alone_has_nobody_to_step_aside_for() {
    let shared = LocalSharedData::default();
    let mut alone = Candidate::new(Names::new("test", [1; 16]), true);
    assert_eq!(alone.campaign(&shared, false, at(0), 1), Ok(true));
    alone.step_aside(&shared, at(100));
    assert_eq!(alone.campaign(&shared, false, at(101), 1), Ok(true));
}
