#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::cell::Cell;

use super::sim::*;
use super::*;
use crate::feed::Page;
use crate::shared::{LocalSharedData, Shared, SharedDataError};
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

/// Shared data that counts how many values are read.
struct Reads<'a>(&'a LocalSharedData, Cell<usize>);

impl SharedData for Reads<'_> {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        self.1.set(self.1.get().saturating_add(1));
        self.0.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        self.0.set(key, value, cas)
    }
}

/// How many records of subject `n` there are, and how many pages are read for it.
fn looked_up(world: &mut World, n: u64) -> (usize, usize) {
    world.status(0);
    let shared = Reads(&world.shared, Cell::new(0));
    let found = world.workers[0].reader.lookup(&shared, &[subject(n)]).unwrap();
    (found.len(), shared.1.get())
}

#[test]
fn a_page_that_is_known_is_read_only_for_what_it_may_have_and_after_it_changed() {
    let mut world = synced(1);
    assert_eq!(looked_up(&mut world, 1), (1, 1));
    assert_eq!(looked_up(&mut world, 1), (1, 1), "there is a record");
    assert_eq!(looked_up(&mut world, 2), (0, 1), "another page, not read yet");
    assert_eq!(looked_up(&mut world, 2), (0, 0));
    world.companion.publish(&revoked(1, EVENT + 1));
    world.run(SECOND);
    assert_eq!(looked_up(&mut world, 2), (0, 0), "a page changed, but not this one");
    world.companion.publish(&revoked(2, EVENT));
    world.run(SECOND);
    assert_eq!(looked_up(&mut world, 2), (1, 1));
    // More changes at once than a head lists: any page may be among them.
    assert_eq!(looked_up(&mut world, 3), (0, 1));
    assert_eq!(looked_up(&mut world, 3), (0, 0));
    for n in 100..200 {
        world.companion.publish(&revoked(n, EVENT));
    }
    world.run(SECOND);
    assert_eq!(looked_up(&mut world, 3), (0, 1));
    assert_eq!(looked_up(&mut world, 3), (0, 0));
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

#[test]
fn a_leader_that_dies_is_replaced_within_four_seconds() {
    let mut world = synced(2);
    let leader = world.workers.iter().position(|worker| worker.replica.is_leader()).unwrap();
    world.workers.remove(leader);
    world.companion.publish(&revoked(2, EVENT));
    world.run(Duration::from_secs(4));
    assert_eq!(world.refuses(0, 2, EARLY), Some(true));
}

#[test]
fn a_worker_that_serves_requests_hands_over_to_one_that_does_not() {
    let mut world = synced(2);
    let leader = world.workers.iter().position(|worker| worker.replica.is_leader()).unwrap();
    world.workers[leader].replica.saw_request();
    world.run(SECOND);
    assert!(!world.workers[leader].replica.is_leader());
    assert!(world.workers[1 - leader].replica.is_leader());
}

#[test]
fn the_table_grows_stale_while_the_companion_is_away_and_recovers() {
    let mut world = synced(1);
    let TableStatus::Synced { fresh_at, .. } = world.status(0) else { panic!("not synced") };
    for _ in 0..300 {
        world.now = world.now.plus(Duration::from_millis(100));
        world.tick(0);
        if world.workers[0].request.is_some() {
            world.respond(0, Err(CalloutFailure::Status(503)));
        }
    }
    let status = world.status(0);
    assert!(matches!(status, TableStatus::Synced { fresh_at: now, .. } if now == fresh_at));
    assert_eq!(world.refuses(0, 1, EARLY), Some(true));
    world.run(Duration::from_secs(6));
    let status = world.status(0);
    assert!(matches!(status, TableStatus::Synced { fresh_at, .. }
        if world.now.since(fresh_at) < Duration::from_secs(6)));
    assert_eq!(world.count(|notice| matches!(notice, Notice::Found { .. })), 1);
}

#[test]
fn a_replayed_an_early_and_a_broken_page_change_nothing() {
    let mut world = synced(1);
    world.companion.publish(&revoked(2, EVENT));
    let before = world.status(0);
    type Forge = fn(&Companion, &str, UnixTime) -> Vec<u8>;
    let pages: [(Forge, &str); 6] = [
        (|c, path, now| c.answer(path, now.minus(Duration::from_millis(40_001))), "old"),
        (|c, path, now| c.answer(path, now.plus(Duration::from_millis(30_001))), "early"),
        (
            |c, path, now| {
                let mut page = c.answer(path, now);
                page.pop();
                page
            },
            "truncated",
        ),
        (
            |c, path, now| {
                let mut page = c.answer(path, now);
                page[40] ^= 1;
                page
            },
            "flipped",
        ),
        (|_, _, _| b"garbage".to_vec(), "garbage"),
        (|c, _, now| c.sign(&Page { from: 7, to: 9, ..c.page(None, now) }), "gap"),
    ];
    for (forge, what) in pages {
        world.now = world.now.plus(Duration::from_secs(6));
        world.tick(0);
        // After some failures it steps aside for a second, and nobody else is there.
        world.now = world.now.plus(SECOND);
        world.tick(0);
        let request = world.workers[0].request.clone().unwrap();
        let page = forge(&world.companion, &request.path, world.now);
        let notices = world.notices.len();
        world.respond(0, Ok(&page));
        assert_eq!(world.notices.len(), notices + 1, "{what}: {:?}", &world.notices[notices..]);
        assert!(
            matches!((before, world.status(0)),
                (TableStatus::Synced { fresh_at: a, .. }, TableStatus::Synced { fresh_at: b, .. }) if a == b),
            "{what}"
        );
    }
    world.run(Duration::from_secs(6));
    assert_eq!(world.refuses(0, 2, EARLY), Some(true));
}

#[test]
fn a_longer_retention_counts_once_the_log_has_been_read_again() {
    let mut world = synced(1);
    world.companion.retention_secs = 7200;
    world.companion.publish(&revoked(2, EVENT));
    world.run(SECOND);
    assert_eq!(world.count(|notice| matches!(notice, Notice::RetentionGrew { .. })), 1);
    assert!(matches!(world.status(0), TableStatus::Synced { retention, .. }
        if retention == Duration::from_secs(7200)));
    assert_eq!(world.refuses(0, 2, EARLY), Some(true));
}

#[test]
fn a_retention_below_the_lifetime_of_tokens_is_an_error_said_once() {
    let mut world = World::new(1);
    world.companion.retention_secs = 3599;
    world.run(Duration::from_secs(60));
    assert_eq!(world.count(|notice| matches!(notice, Notice::RetentionTooShort { .. })), 1);
}

#[test]
fn ten_thousand_records_of_one_page_are_applied_and_found() {
    let mut world = World::new(1);
    world.run(SECOND);
    for condition in 0..10_000 {
        let mut record = revoked(1, EVENT);
        record.key.conditions = vec![subject(condition + 10)];
        world.companion.publish(&record);
    }
    world.run(Duration::from_secs(3));
    world.status(0);
    let found = world.workers[0].reader.lookup(&world.shared, &[subject(1)]).unwrap();
    assert_eq!(found.len(), 10_000);
}

#[test]
#[expect(clippy::disallowed_types, reason = "a measurement")]
#[ignore = "measures; cargo test --release -p rescind-core --lib million -- --ignored --nocapture"]
fn a_million_records_are_read_within_ten_seconds_at_96_bytes_each() {
    let mut world = World::new(1);
    for n in 0..1_000_000 {
        world.companion.publish(&revoked(n, EVENT));
    }
    let (mut spent, mut longest, mut steps, mut ticks) =
        (Duration::ZERO, Duration::ZERO, 0_u32, 0_u32);
    let mut timed = |act: &mut dyn FnMut()| {
        let begin = std::time::Instant::now();
        act();
        spent += begin.elapsed();
        longest = longest.max(begin.elapsed());
        steps += 1;
    };
    while world.status(0) == TableStatus::NeverSynchronized {
        world.now = world.now.plus(Duration::from_millis(5));
        ticks += 1;
        timed(&mut || world.tick(0));
        while let Some(request) = world.workers[0].request.clone() {
            let answer = world.companion.answer(&request.path, world.now);
            timed(&mut || world.respond(0, Ok(&answer)));
            if world.status(0) != TableStatus::NeverSynchronized {
                break;
            }
        }
    }
    let (keys, bytes) = world.shared.cost();
    println!(
        "{steps} steps ({ticks} ticks), {spent:?} in all, longest {longest:?}; {keys} keys, {} bytes per record",
        bytes / 1_000_000
    );
    assert_eq!(world.refuses(0, 999_999, EARLY), Some(true));
    assert!(bytes <= 96_000_000);
    let begin = std::time::Instant::now();
    for n in 0..10_000 {
        world.workers[0].reader.lookup(&world.shared, &[subject(n)]).unwrap();
    }
    println!("a look-up of one key: {:?}", begin.elapsed() / 10_000);
}

#[test]
fn the_companions_gaps_are_in_the_head_are_told_once_and_end() {
    let mut world = synced(2);
    let issuer = "https://idp.example.com";
    let gap = feed::Gap { issuer: issuer.to_owned(), since: UnixTime::from_secs(EVENT) };
    let seen = |world: &mut World| {
        (0..2)
            .map(|worker| {
                world.status(worker);
                world.workers[worker].reader.gap(issuer)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&mut world), [None, None]);
    world.companion.gaps = vec![gap.clone()];
    world.run(Duration::from_secs(30));
    assert_eq!(seen(&mut world), [Some(gap.since); 2]);
    world.status(0);
    assert_eq!(world.workers[0].reader.gap("https://other.example.com"), None);
    let missed = |world: &World| {
        let told = world.notices.iter().filter(|n| matches!(n, Notice::SignalsMissed { .. }));
        told.count()
    };
    assert_eq!(missed(&world), 1);
    world.companion.gaps = Vec::new();
    world.run(Duration::from_secs(30));
    assert_eq!((seen(&mut world), missed(&world)), (vec![None, None], 1));
    assert!(world.notices.contains(&Notice::SignalsComplete));
}

#[test]
fn a_leader_whom_the_companion_does_not_answer_is_followed_by_one_whom_it_does() {
    let mut world = synced(2);
    let leader = world.workers.iter().position(|worker| worker.replica.is_leader()).unwrap();
    world.companion.publish(&revoked(2, EVENT));
    // Its configuration names a companion that is gone; the other's is right.
    for _ in 0..40 {
        world.now = world.now.plus(Duration::from_millis(100));
        for worker in 0..2 {
            world.tick(worker);
            match world.workers[worker].request {
                Some(_) if worker == leader => {
                    world.respond(worker, Err(CalloutFailure::NoAnswer));
                }
                _ => _ = world.serve(worker),
            }
        }
    }
    assert!(world.workers[1 - leader].replica.is_leader());
    assert_eq!(world.refuses(leader, 2, EARLY), Some(true), "within four seconds");
    world.notices.clear();
    world.run(Duration::from_secs(60));
    assert_eq!(world.count(|notice| matches!(notice, Notice::Leading)), 0, "nobody takes turns");
}

#[test]
fn only_a_leader_makes_a_table_to_announce_key_sets_in() {
    let mut world = World::new(2);
    let bump = |world: &mut World, worker: usize| {
        let replica = &mut world.workers[worker].replica;
        replica.bump_keys_version(&world.shared, world.now, 1)
    };
    let version = |world: &mut World| match world.status(0) {
        TableStatus::Synced { keys_version, .. } => Some(keys_version),
        TableStatus::NeverSynchronized => None,
    };
    assert!(!bump(&mut world, 0), "there is none");
    world.run(SECOND);
    let before = version(&mut world).unwrap();
    let follower = world.workers.iter().position(|worker| !worker.replica.is_leader()).unwrap();
    assert!(bump(&mut world, follower));
    assert_eq!(version(&mut world), Some(before.wrapping_add(1)));
    world.companion.publish(&revoked(5, EVENT));
    world.run(SECOND);
    assert_eq!(world.refuses(0, 5, EARLY), Some(true), "the leader goes on");
}
