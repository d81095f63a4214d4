#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const START: UnixTime = UnixTime::from_secs(1_800_000_000);
/// No stream.
const NONE: [u32; 0] = [];

const EPOCH: Mark = Some((1, 1));

fn millis(millis: u64) -> UnixTime {
    START.plus(Duration::from_millis(millis))
}

fn streams(numbers: impl IntoIterator<Item = u32>) -> Streams<u32> {
    let mut streams = Streams::default();
    numbers.into_iter().for_each(|number| streams.watch(number, number));
    streams
}

/// Which streams end, if `judge` decides.
fn ended(
    streams: &mut Streams<u32>,
    mark: Mark,
    now: UnixTime,
    judge: impl Fn(u32) -> Result<(), Denial>,
) -> Vec<u32> {
    let cuts = streams.judge(mark, now, |watched| judge(*watched));
    cuts.into_iter().map(|cut| cut.stream).collect()
}

/// How many streams are judged.
fn judged(streams: &mut Streams<u32>, mark: Mark, now: UnixTime) -> u32 {
    let mut judged = 0_u32;
    streams.judge(mark, now, |_| {
        judged = judged.saturating_add(1);
        Ok(())
    });
    judged
}

fn refused() -> Result<(), Denial> {
    Err(Denial::BindingRequired { issuer: "https://idp.example.com".to_owned() })
}

#[test]
fn streams_are_judged_when_something_changed_and_otherwise_once_a_second() {
    let mut streams = streams([3, 5]);
    assert_eq!(judged(&mut streams, EPOCH, millis(0)), 2, "for the first time");
    assert_eq!(judged(&mut streams, EPOCH, millis(100)), 0, "nothing changed");
    assert_eq!(judged(&mut streams, Some((2, 1)), millis(200)), 2, "a new epoch");
    assert_eq!(judged(&mut streams, Some((2, 2)), millis(300)), 2, "a new key set");
    assert_eq!(judged(&mut streams, None, millis(400)), 2, "no state");
    assert_eq!(judged(&mut streams, Some((2, 2)), millis(500)), 2, "and again");
    assert_eq!(judged(&mut streams, Some((2, 2)), millis(1499)), 0);
    assert_eq!(judged(&mut streams, Some((2, 2)), millis(1500)), 2, "a second later");
    assert_eq!(judged(&mut streams, Some((2, 2)), millis(1400)), 2, "the clock was set back");
}

#[test]
fn what_is_refused_ends_until_it_is_forgotten_and_the_rest_goes_on() {
    let mut streams = streams([3, 5, 7]);
    let judge = |number| if number == 5 { refused() } else { Ok(()) };
    assert_eq!(ended(&mut streams, EPOCH, millis(0), judge), [5]);
    assert_eq!(ended(&mut streams, EPOCH, millis(1000), judge), [5], "the host did not end it");
    streams.forget(5);
    assert_eq!(ended(&mut streams, EPOCH, millis(2000), judge), NONE);
    assert_eq!(streams.len(), 2);
}

#[test]
fn a_doubt_ends_a_stream_only_if_it_lasts() {
    let doubt = |_| Err(Denial::NeverSynchronized);
    let mut streams = streams([3]);
    assert_eq!(ended(&mut streams, None, millis(0), doubt), NONE);
    assert_eq!(ended(&mut streams, EPOCH, millis(900), doubt), NONE);
    assert_eq!(ended(&mut streams, None, millis(999), doubt), NONE);
    assert_eq!(ended(&mut streams, EPOCH, millis(1000), doubt), [3]);
}

#[test]
fn a_doubt_that_is_resolved_begins_anew() {
    let doubt = |_| Err(Denial::NeverSynchronized);
    let mut streams = streams([3]);
    assert_eq!(ended(&mut streams, None, millis(0), doubt), NONE);
    assert_eq!(ended(&mut streams, EPOCH, millis(500), |_| Ok(())), NONE);
    assert_eq!(ended(&mut streams, None, millis(1200), doubt), NONE);
    assert_eq!(ended(&mut streams, EPOCH, millis(1300), |_| refused()), [3], "no doubt");
}

#[test]
fn a_doubt_whose_age_nobody_knows_ends_a_stream() {
    let doubt = |_| Err(Denial::NeverSynchronized);
    let mut streams = streams([3]);
    assert_eq!(ended(&mut streams, None, millis(500), doubt), NONE);
    assert_eq!(ended(&mut streams, None, millis(0), doubt), [3], "the clock was set back");
}

#[test]
fn as_many_streams_are_watched_as_the_limit_says() {
    let limit = u32::try_from(MAX_WATCHED).unwrap();
    let mut streams = streams(1..limit);
    assert!(streams.has_room());
    streams.watch(limit, limit);
    assert!(!streams.has_room());
    streams.forget(7);
    assert!(streams.has_room());
    assert_eq!(streams.len(), MAX_WATCHED - 1);
}

#[test]
fn a_number_that_comes_again_names_the_new_stream() {
    let mut streams = Streams::default();
    streams.watch(3, 30);
    streams.watch(3, 31);
    assert_eq!(streams.len(), 1);
    assert_eq!(
        ended(&mut streams, EPOCH, millis(0), |watched| {
            if watched == 30 { refused() } else { Ok(()) }
        }),
        NONE
    );
    streams.forget(4);
    streams.forget(3);
    assert!(streams.is_empty());
}
