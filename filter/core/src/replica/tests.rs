#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::sim::*;
use super::*;
use crate::table::TableStatus;

const SECOND: Duration = Duration::from_secs(1);
/// A time of issue well before every event of these tests.
const EARLY: u64 = 1_700_000_000;
const EVENT: u64 = 1_799_999_000;

fn synced(workers: usize) -> World {
    let mut world = World::new(workers);
    world.companion.publish(&revoked(1, EVENT));
    world.run(SECOND);
    assert_eq!(world.refuses(0, 1, EARLY), Some(true));
    world
}

#[test]
fn a_gateway_synchronizes_and_every_worker_sees_it() {
    let mut world = World::new(3);
    assert_eq!(world.status(0), TableStatus::NeverSynchronized);
    world.companion.publish(&revoked(1, EVENT));
    world.run(SECOND);
    for worker in 0..3 {
        assert_eq!(world.refuses(worker, 1, EARLY), Some(true));
        assert_eq!(world.refuses(worker, 1, EVENT), Some(true), "the same second is refused");
        assert_eq!(world.refuses(worker, 1, EVENT + 1), Some(false));
        assert_eq!(world.refuses(worker, 2, EARLY), Some(false));
    }
    assert_eq!(world.workers.iter().filter(|w| w.replica.is_leader()).count(), 1);
}

#[test]
fn an_empty_log_is_synchronized_at_once() {
    let mut world = World::new(1);
    world.run_tick();
    assert!(
        matches!(world.status(0), TableStatus::Synced { fresh_at, .. } if fresh_at == world.now)
    );
}

#[test]
fn a_signal_is_applied_with_the_answer_to_the_poll_under_way() {
    let mut world = synced(2);
    world.companion.publish(&revoked(2, EVENT));
    assert!(world.serve(0) || world.serve(1));
    assert_eq!(world.refuses(0, 2, EARLY), Some(true));
    assert_eq!(world.refuses(1, 2, EARLY), Some(true));
}

#[test]
fn another_log_is_read_from_its_start_and_lifts_nothing() {
    let mut world = synced(2);
    world.companion = Companion::new(2);
    world.companion.publish(&revoked(3, EVENT));
    world.run(Duration::from_secs(60));
    assert_eq!(world.count(|notice| matches!(notice, Notice::ForeignLog { .. })), 1);
    for n in [1, 3] {
        assert_eq!(world.refuses(1, n, EARLY), Some(true), "subject {n}");
    }
}
