//! The bounds hold whatever comes, and what is in use stays.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SEED: [u64; 2] = [1, 2];

/// A token whose tail differs from all others, as signatures do.
fn token(number: usize) -> Vec<u8> {
    format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.{number:064}").into_bytes()
}

fn cost(number: usize, value_bytes: usize) -> usize {
    [token(number).len(), value_bytes, ENTRY_OVERHEAD_BYTES].iter().sum()
}

#[test]
fn a_token_is_known_after_it_was_inserted_and_unknown_before_and_after() {
    let mut cache = TokenCache::new(10, 1 << 20, SEED);
    assert_eq!(cache.get(&token(1)), None);
    cache.insert(&token(1), "one", 0);
    assert_eq!(cache.get(&token(1)), Some(&mut "one"));
    assert_eq!(cache.get(&token(2)), None);
    cache.remove(&token(1));
    assert_eq!(cache.get(&token(1)), None);
    assert_eq!((cache.len(), cache.bytes()), (0, 0));
}

#[test]
fn every_byte_of_the_token_counts() {
    let mut cache = TokenCache::new(10, 1 << 20, SEED);
    let known = token(7);
    cache.insert(&known, (), 0);
    for at in 0..known.len() {
        let mut other = known.clone();
        other[at] ^= 1;
        assert_eq!(cache.get(&other), None, "byte {at}");
        cache.remove(&other);
    }
    assert_eq!(cache.get(&known[..known.len() - 1]), None);
    assert_eq!(cache.get(&[known.clone(), vec![b'A']].concat()), None);
    assert_eq!(cache.get(&[]), None);
    assert_eq!(cache.get(&known), Some(&mut ()));
}

#[test]
fn inserting_again_replaces_and_is_counted_once() {
    let mut cache = TokenCache::new(10, 1 << 20, SEED);
    cache.insert(&token(1), 1, 10);
    cache.insert(&token(1), 2, 20);
    assert_eq!(cache.get(&token(1)), Some(&mut 2));
    assert_eq!((cache.len(), cache.bytes()), (1, cost(1, 20)));
}

#[test]
fn at_the_limit_of_entries_all_are_kept_and_one_more_forgets_the_older_half() {
    let mut cache = TokenCache::new(8, 1 << 20, SEED);
    for number in 0..8 {
        cache.insert(&token(number), number, 0);
    }
    assert_eq!(cache.len(), 8);
    cache.insert(&token(8), 8, 0);
    assert_eq!(cache.len(), 5);
    assert_eq!(cache.get(&token(3)), None);
    assert_eq!(cache.get(&token(4)), Some(&mut 4));
    assert_eq!(cache.get(&token(8)), Some(&mut 8));
}

#[test]
fn at_the_limit_of_bytes_all_are_kept_and_one_more_byte_forgets_the_older_half() {
    let budget = 2 * 4 * cost(0, 100);
    for (last, kept) in [(100, 8), (101, 4)] {
        let mut cache = TokenCache::new(1000, budget, SEED);
        for number in 0..7 {
            cache.insert(&token(number), number, 100);
        }
        cache.insert(&token(7), 7, last);
        assert_eq!(cache.len(), kept, "the last value has {last} bytes");
        assert!(cache.bytes() <= budget);
        assert_eq!(cache.get(&token(7)), Some(&mut 7));
    }
}

#[test]
fn the_bounds_hold_after_any_number_of_tokens() {
    let mut cache = TokenCache::new(100, 40_000, SEED);
    for number in 0..10_000 {
        cache.insert(&token(number), (), number % 700);
        cache.get(&token(number / 2));
        assert!(cache.len() <= 100, "{} entries", cache.len());
        assert!(cache.bytes() <= 40_000, "{} bytes", cache.bytes());
    }
}

#[test]
fn a_token_in_use_survives_any_number_of_others() {
    let mut cache = TokenCache::new(8, 1 << 20, SEED);
    cache.insert(&token(0), "in use", 0);
    for number in 1..1000 {
        cache.insert(&token(number), "passing", 0);
        assert_eq!(cache.get(&token(0)), Some(&mut "in use"), "after {number}");
    }
}

#[test]
fn what_is_beyond_half_the_budget_is_not_kept_and_drives_nothing_out() {
    let budget = 2 * cost(0, 500);
    let mut cache = TokenCache::new(100, budget, SEED);
    cache.insert(&token(0), "fits", 500);
    cache.insert(&token(1), "does not", 501);
    assert_eq!(cache.get(&token(0)), Some(&mut "fits"));
    assert_eq!(cache.get(&token(1)), None);
}

#[test]
fn a_cache_for_nothing_keeps_nothing() {
    for (entries, bytes) in [(0, 1 << 20), (1, 1 << 20), (100, 0)] {
        let mut cache = TokenCache::new(entries, bytes, SEED);
        cache.insert(&token(0), (), 0);
        assert!(cache.is_empty(), "{entries} entries, {bytes} bytes");
    }
}

#[test]
fn tokens_shorter_than_the_hashed_tail_are_told_apart() {
    let mut cache = TokenCache::new(10, 1 << 20, SEED);
    cache.insert(b"a", 1, 0);
    cache.insert(b"", 0, 0);
    assert_eq!((cache.get(b"a").copied(), cache.get(b"").copied()), (Some(1), Some(0)));
    assert_eq!(cache.get(b"b"), None);
}

#[test]
fn what_is_printed_holds_no_token() {
    let mut cache = TokenCache::new(10, 1 << 20, SEED);
    cache.insert(b"secret", 1, 0);
    assert!(!format!("{cache:?}").contains("secret"));
    assert!(!format!("{cache:?}").contains("115, 101, 99"));
}
