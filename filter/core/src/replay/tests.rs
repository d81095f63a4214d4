use std::cell::{Cell, RefCell};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::shared::{LocalSharedData, Shared};

const KEY: [u8; 16] = [3; 16];
const LONGEST: Duration = Duration::from_secs(70);

fn worker() -> ReplayMemory {
    ReplayMemory::new("test", KEY, *CAPACITY.start(), LONGEST)
}

/// A worker with one bucket, so that everything meets there.
fn one_bucket() -> ReplayMemory {
    ReplayMemory { floors: vec![0], ..worker() }
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn used(number: u32, until: u64) -> Used {
    let jti = Fingerprint::of(&number.to_be_bytes());
    Used { key: Fingerprint::of(b"key"), jti, until: at(until) }
}

#[test]
fn a_proof_passes_once_whichever_worker_sees_it() {
    let shared = LocalSharedData::default();
    let (mut first, mut second) = (worker(), worker());
    assert_eq!(first.admit(&used(1, 1_060), &shared, at(1_000)), Ok(()));
    for now in [1_000, 1_030, 1_060] {
        for worker in [&mut first, &mut second] {
            let again = worker.admit(&used(1, 1_060), &shared, at(now));
            assert_eq!(again, Err(ReplayError::Replayed), "{now}");
        }
    }
    assert_eq!(second.admit(&used(2, 1_060), &shared, at(1_000)), Ok(()));
}

#[test]
fn the_same_jti_by_another_key_is_another_proof() {
    let shared = LocalSharedData::default();
    let mut worker = worker();
    let proof = used(1, 1_060);
    assert_eq!(worker.admit(&proof, &shared, at(1_000)), Ok(()));
    let other = Used { key: Fingerprint::of(b"other"), ..proof };
    assert_eq!(worker.admit(&other, &shared, at(1_000)), Ok(()));
}

#[test]
fn what_was_dropped_for_its_age_is_refused_when_the_clock_is_set_back() {
    let shared = LocalSharedData::default();
    let mut worker = one_bucket();
    assert_eq!(worker.admit(&used(1, 1_060), &shared, at(1_000)), Ok(()));
    assert_eq!(worker.admit(&used(2, 1_200), &shared, at(1_140)), Ok(()));
    let refused = Err(ReplayError::Forgotten { until: at(1_060), forgotten: at(1_060) });
    assert_eq!(worker.admit(&used(1, 1_060), &shared, at(1_000)), refused);
    assert_eq!(worker.admit(&used(3, 1_061), &shared, at(1_001)), Ok(()));
}

#[test]
fn a_full_bucket_drops_what_ends_first_and_refuses_all_that_ends_by_then() {
    let shared = LocalSharedData::default();
    let mut worker = one_bucket();
    let full = u32::try_from(BUCKET_ENTRIES).unwrap();
    for number in 0..full {
        let proof = used(number, 1_010 + u64::from(number));
        assert_eq!(worker.admit(&proof, &shared, at(1_000)), Ok(()), "{number}");
    }
    assert_eq!(worker.admit(&used(full, 1_200), &shared, at(1_000)), Ok(()));
    // The one that was dropped, used before, and one that was not.
    for number in [0, 500] {
        let refused = Err(ReplayError::Forgotten { until: at(1_010), forgotten: at(1_010) });
        assert_eq!(worker.admit(&used(number, 1_010), &shared, at(1_000)), refused);
    }
    for number in 1..=full {
        let until = if number == full { 1_200 } else { 1_010 + u64::from(number) };
        let again = worker.admit(&used(number, until), &shared, at(1_000));
        assert_eq!(again, Err(ReplayError::Replayed), "{number}");
    }
}

#[test]
fn a_bucket_that_is_damaged_emptied_or_put_back_refuses_until_all_it_had_is_over() {
    type Damage = fn(&[u8], &[u8]) -> Vec<u8>;
    let damages: [(&str, Damage); 4] = [
        ("emptied", |_, _| Vec::new()),
        ("garbage", |_, _| b"garbage".to_vec()),
        ("torn", |now, _| now.get(..now.len() - 1).unwrap().to_vec()),
        ("put back", |_, before| before.to_vec()),
    ];
    for (name, damage) in damages {
        let shared = LocalSharedData::default();
        let mut worker = one_bucket();
        let bucket = worker.names.bucket(0);
        assert_eq!(worker.admit(&used(0, 1_060), &shared, at(1_000)), Ok(()));
        let before = shared.get(&bucket).unwrap().unwrap().value;
        assert_eq!(worker.admit(&used(1, 1_060), &shared, at(1_000)), Ok(()));
        let last = shared.get(&bucket).unwrap().unwrap().value;
        shared.set(&bucket, &damage(&last, &before), None).unwrap();
        // Made at the latest moment that was allowed then.
        let refused = Err(ReplayError::Forgotten { until: at(1_070), forgotten: at(1_070) });
        assert_eq!(worker.admit(&used(1, 1_070), &shared, at(1_000)), refused, "{name}");
        assert_eq!(worker.admit(&used(1, 1_070), &shared, at(1_005)), refused, "{name}");
        assert_eq!(worker.admit(&used(9, 1_071), &shared, at(1_011)), Ok(()), "{name}");
    }
}

#[test]
fn what_a_neighbour_copies_from_one_bucket_to_another_is_not_believed() {
    let shared = LocalSharedData::default();
    let mut worker = one_bucket();
    assert_eq!(worker.admit(&used(0, 1_060), &shared, at(1_000)), Ok(()));
    let value = shared.get(&worker.names.bucket(0)).unwrap().unwrap().value;
    assert!(worker.names.open(&worker.names.bucket(0), &value).is_some());
    assert!(worker.names.open(&worker.names.bucket(1), &value).is_none());
}

/// Shared data in which something happens before a write: as with workers on other threads.
struct Interrupted<'a> {
    shared: &'a LocalSharedData,
    before_set: &'a dyn Fn(),
}

impl SharedData for Interrupted<'_> {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        self.shared.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        (self.before_set)();
        self.shared.set(key, value, cas)
    }
}

#[test]
fn of_two_workers_that_make_a_bucket_at_once_one_wins() {
    let shared = LocalSharedData::default();
    let verdict = Cell::new(None);
    let other = || {
        if verdict.get().is_none() {
            verdict.set(Some(one_bucket().admit(&used(1, 1_060), &shared, at(1_000))));
        }
    };
    let interrupted = Interrupted { shared: &shared, before_set: &other };
    let mine = one_bucket().admit(&used(1, 1_060), &interrupted, at(1_000));
    assert_eq!((verdict.get(), mine), (Some(Ok(())), Err(ReplayError::Replayed)));
}

#[test]
fn a_host_that_never_lets_us_write_is_given_up_after_the_last_try() {
    for (beaten, expected) in [(MAX_TRIES - 1, Ok(())), (MAX_TRIES, Err(ReplayError::Contended))] {
        let shared = LocalSharedData::default();
        let (times, other) = (Cell::new(0), RefCell::new(one_bucket()));
        other.borrow_mut().admit(&used(1_000, 1_060), &shared, at(1_000)).unwrap();
        let before_set = || {
            if times.get() < beaten {
                times.set(times.get() + 1);
                other.borrow_mut().admit(&used(times.get(), 1_060), &shared, at(1_000)).unwrap();
            }
        };
        let interrupted = Interrupted { shared: &shared, before_set: &before_set };
        let mine = one_bucket().admit(&used(0, 1_060), &interrupted, at(1_000));
        assert_eq!(mine, expected, "{beaten}");
    }
}

/// As Kong: a key is made without a number only, and never replaced so.
#[derive(Default)]
struct Kong(LocalSharedData);

impl SharedData for Kong {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        self.0.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        match (self.0.get(key)?, cas) {
            (None, None) | (Some(_), Some(_)) => self.0.set(key, value, cas),
            _ => Err(SharedDataError::CasMismatch),
        }
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<(), SharedDataError> {
        self.set(key, value, None)
    }
}

#[test]
fn buckets_are_made_on_hosts_that_take_no_number_for_a_new_key() {
    let shared = Kong::default();
    assert_eq!(worker().admit(&used(1, 1_060), &shared, at(1_000)), Ok(()));
    assert_eq!(worker().admit(&used(1, 1_060), &shared, at(1_000)), Err(ReplayError::Replayed));
}

struct Broken;

impl SharedData for Broken {
    fn get(&self, _: &str) -> Result<Option<Shared>, SharedDataError> {
        Ok(None)
    }

    fn set(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<(), SharedDataError> {
        Err(SharedDataError::Unavailable { status: 8 })
    }
}

#[test]
fn a_host_without_room_admits_nothing() {
    let refused = Err(SharedDataError::Unavailable { status: 8 }.into());
    assert_eq!(worker().admit(&used(1, 1_060), &Broken, at(1_000)), refused);
}

#[test]
fn the_capacity_of_proofs_finds_room_nearly_always() {
    let shared = LocalSharedData::default();
    let mut worker = worker();
    let capacity = *CAPACITY.start();
    let refused = (0..capacity)
        .filter(|number| worker.admit(&used(*number, 1_060), &shared, at(1_000)).is_err())
        .count();
    assert_eq!(refused, 0);
    let (keys, bytes) = shared.cost();
    assert_eq!(keys, 64);
    assert!(bytes < 64 * 1024, "{bytes}");
}

#[cfg(not(target_arch = "wasm32"))]
mod model {
    use proptest::prelude::*;

    use super::*;

    /// What a worker does; the attempts of others that come between its reads and its writes follow.
    #[derive(Clone, Debug)]
    struct Step {
        worker: usize,
        proof: u32,
        later: u64,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (0..4_usize, 0..90_u32, 0..4_u64).prop_map(|(worker, proof, later)| Step {
            worker,
            proof,
            later,
        });
        prop::collection::vec(step, 1..400)
    }

    /// Each proof ends at a time of its own, so that a bucket has many ends.
    fn proof(number: u32) -> Used {
        used(number, 1_060_u64.saturating_add(u64::from(number % 40)))
    }

    struct World {
        shared: LocalSharedData,
        workers: [RefCell<ReplayMemory>; 4],
        steps: RefCell<std::vec::IntoIter<Step>>,
        now: Cell<u64>,
        admitted: RefCell<Vec<(u32, u64)>>,
    }

    impl World {
        /// Takes the next step, if its worker is not busy; before each of its writes, one more.
        fn step(&self) -> bool {
            let Some(step) = self.steps.borrow_mut().next() else { return false };
            let now = self.now.get().saturating_add(step.later);
            self.now.set(now);
            let Ok(mut worker) = self.workers[step.worker].try_borrow_mut() else { return true };
            let before_set = || {
                self.step();
            };
            let shared = Interrupted { shared: &self.shared, before_set: &before_set };
            let proof = proof(step.proof);
            // A proof whose time is over never comes here.
            if at(now) <= proof.until && worker.admit(&proof, &shared, at(now)).is_ok() {
                self.admitted.borrow_mut().push((step.proof, now));
            }
            true
        }
    }

    proptest! {
        #[test]
        fn no_proof_passes_twice_however_workers_meet(steps in steps()) {
            let world = World {
                shared: LocalSharedData::default(),
                workers: std::array::from_fn(|_| RefCell::new(one_bucket())),
                steps: RefCell::new(steps.into_iter()),
                now: Cell::new(1_000),
                admitted: RefCell::default(),
            };
            while world.step() {}
            let mut admitted: Vec<u32> =
                world.admitted.borrow().iter().map(|(proof, _)| *proof).collect();
            let count = admitted.len();
            admitted.sort_unstable();
            admitted.dedup();
            prop_assert_eq!(admitted.len(), count);
            prop_assert!(count > 0);
        }
    }

    /// One lock around everything, as Envoy has.
    struct Locked<'a>(&'a std::sync::Mutex<LocalSharedData>);

    impl SharedData for Locked<'_> {
        fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
            self.0.lock().unwrap().get(key)
        }

        fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
            self.0.lock().unwrap().set(key, value, cas)
        }
    }

    #[test]
    fn of_four_threads_with_the_same_proofs_each_proof_is_admitted_by_one() {
        const PROOFS: u32 = 2_000;
        let shared = std::sync::Mutex::new(LocalSharedData::default());
        let admitted: Vec<u32> = std::thread::scope(|scope| {
            let run = || {
                let mut worker = worker();
                let admits =
                    |n: &u32| worker.admit(&used(*n, 1_060), &Locked(&shared), at(1_000)).is_ok();
                (0..PROOFS).filter(admits).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut distinct = admitted.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(admitted.len(), distinct.len());
        assert_eq!(distinct.len(), usize::try_from(PROOFS).unwrap());
    }
}
