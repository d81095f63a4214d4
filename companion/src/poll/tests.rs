//! Polls driven by hand: the transmitter is a few lines, the clock an argument.

use serde_json::{Value, json};

use super::*;

const SEED: u64 = 7;

fn at(millis: u64) -> UnixTime {
    UnixTime::from_secs(1_000).plus(Duration::from_millis(millis))
}

fn answer(keys: &[&str], more: bool) -> Vec<u8> {
    let sets: Map<String, Value> =
        keys.iter().map(|key| ((*key).to_owned(), json!(format!("set-{key}")))).collect();
    json!({ "sets": sets, "moreAvailable": more }).to_string().into_bytes()
}

/// Polls once at `now`: the transmitter answers `keys`, and all of them are kept.
fn round(poller: &mut Poller, now: UnixTime, keys: &[&str], more: bool) -> Value {
    let body = poller.request(now).body;
    let delivered = poller.answered(200, &answer(keys, more)).unwrap();
    let verdicts = delivered.into_iter().map(|set| (set.key, Verdict::Kept));
    poller.settle(verdicts.collect::<Vec<_>>(), now, SEED);
    body
}

fn refused(description: &str) -> Verdict {
    Verdict::Refused { code: "invalid_key", description: description.to_owned() }
}

#[test]
fn the_first_poll_is_long_and_acknowledges_nothing() {
    let mut poller = Poller::new(25);
    assert!(poller.due() <= at(0));
    let request = poller.request(at(0));
    assert_eq!(request.body, json!({ "maxEvents": 25, "returnImmediately": false }));
    assert!(request.long);
}

#[test]
fn what_was_kept_is_acknowledged_with_the_next_poll_which_follows_at_once() {
    let mut poller = Poller::new(100);
    round(&mut poller, at(0), &["a", "b"], true);
    assert!(poller.more());
    assert_eq!(poller.due(), at(0), "moreAvailable is drained at once");
    let second = round(&mut poller, at(0), &["c"], false);
    assert_eq!(second["ack"], json!(["a", "b"]));
    assert_eq!(poller.due(), at(0), "an acknowledgement does not wait for the next event");
    let third = round(&mut poller, at(0), &[], false);
    assert_eq!(third["ack"], json!(["c"]));
    let fourth = poller.request(at(9000));
    assert_eq!(fourth.body.get("ack"), None, "once heard, not said again");
}

#[test]
fn an_acknowledgement_is_said_until_a_poll_was_answered_200() {
    let mut poller = Poller::new(100);
    round(&mut poller, at(0), &["a"], false);
    for (failure, status) in [(true, 0), (false, 503), (false, 200)] {
        let request = poller.request(at(1));
        assert_eq!(request.body["ack"], json!(["a"]), "{status}");
        if failure {
            poller.failed(&PollFailure::Call("reset".to_owned()), None, at(1), SEED);
        } else if let Err(failure) = poller.answered(status, &answer(&[], false)) {
            poller.failed(&failure, None, at(1), SEED);
        }
    }
    assert_eq!(poller.request(at(2)).body.get("ack"), None);
}

#[test]
fn a_refused_set_is_reported_with_its_code_and_never_acknowledged() {
    let mut poller = Poller::new(100);
    poller.request(at(0));
    let delivered = poller.answered(200, &answer(&["bad", "good"], false)).unwrap();
    assert_eq!(delivered[0].set.as_deref(), Some("set-bad"));
    let verdicts = [("bad".to_owned(), refused("no such key")), ("good".to_owned(), Verdict::Kept)];
    poller.settle(verdicts, at(0), SEED);
    let body = poller.request(at(0)).body;
    let reported = json!({ "bad": { "err": "invalid_key", "description": "no such key" } });
    assert_eq!((&body["ack"], &body["setErrs"]), (&json!(["good"]), &reported));
    poller.answered(200, &answer(&[], false)).unwrap();
    assert_eq!(poller.request(at(1)).body.get("setErrs"), None);
}

#[test]
fn what_cannot_be_kept_now_is_left_unanswered_and_the_rest_acknowledged_alone() {
    let mut poller = Poller::new(100);
    poller.request(at(0));
    poller.answered(200, &answer(&["a", "b"], true)).unwrap();
    let verdicts = [("a".to_owned(), Verdict::Kept), ("b".to_owned(), Verdict::Later)];
    poller.settle(verdicts, at(0), SEED);
    assert_eq!(poller.due(), at(0));
    let request = poller.request(at(0));
    let expected = json!({ "ack": ["a"], "maxEvents": 0, "returnImmediately": true });
    assert_eq!((request.body, request.long), (expected, false));
    poller.answered(200, &answer(&[], true)).unwrap();
    poller.settle([], at(0), SEED);
    assert!(poller.due() >= at(500), "no room: no hurry");
    let after = poller.request(poller.due());
    assert_eq!(after.body, json!({ "maxEvents": 100, "returnImmediately": false }));
    // Nothing could be kept at all: only a pause, which grows.
    for least in [500, 1000, 2000] {
        poller.answered(200, &answer(&["b"], false)).unwrap();
        poller.failures = u32::try_from(least / 500 / 2).unwrap();
        poller.settle([("b".to_owned(), Verdict::Later)], at(0), SEED);
        assert!(poller.due() >= at(least), "{least}");
    }
}

#[test]
fn failures_pause_longer_and_longer_with_jitter_and_never_beyond_a_minute() {
    let failure = PollFailure::Status { status: 500 };
    for (seed, factor) in [(0, 50), (u64::MAX / 2, 50)] {
        let mut poller = Poller::new(100);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pauses.push(poller.failed(&failure, None, at(0), seed));
            assert_eq!(poller.due(), at(0).plus(*pauses.last().unwrap()));
        }
        let mut full = 1000_u64;
        for pause in pauses {
            let millis = u64::try_from(pause.as_millis()).unwrap();
            assert!(millis * 100 >= full * factor && millis <= full, "{millis} of {full}");
            full = (full * 2).min(60_000);
        }
    }
    assert_ne!(jittered(BACK_OFF.1, 1), jittered(BACK_OFF.1, 12_345), "the seed decides");
}

#[test]
fn retry_after_is_obeyed_up_to_an_hour() {
    let failure = PollFailure::Status { status: 429 };
    for (said, least, most) in [(0, 500, 1000), (30, 30_000, 30_000), (9000, 3_600_000, 3_600_000)]
    {
        let mut poller = Poller::new(100);
        let pause = poller.failed(&failure, Some(Duration::from_secs(said)), at(0), SEED);
        assert!((least..=most).contains(&pause.as_millis()), "{said}: {pause:?}");
    }
}

#[test]
fn success_forgets_failures() {
    let mut poller = Poller::new(100);
    for _ in 0..8 {
        poller.failed(&PollFailure::Status { status: 500 }, None, at(0), SEED);
    }
    round(&mut poller, at(0), &["a"], false);
    assert_eq!((poller.failures(), poller.due()), (0, at(0)));
}

#[test]
fn a_transmitter_that_does_not_hold_polls_is_not_asked_in_a_circle() {
    for (held, more, pause) in
        [(0, false, true), (999, false, true), (1000, false, false), (0, true, false)]
    {
        let mut poller = Poller::new(100);
        poller.request(at(0));
        poller.answered(200, &answer(&[], more)).unwrap();
        poller.settle([], at(held), SEED);
        assert_eq!(poller.due() > at(held), pause, "{held} {more}");
        assert!(poller.due() <= at(held + 2000));
    }
}

#[test]
fn a_transmitter_that_does_not_listen_is_asked_ever_more_slowly() {
    let mut poller = Poller::new(100);
    round(&mut poller, at(0), &["a"], false);
    let mut last = 0;
    for n in 0..5 {
        round(&mut poller, at(0), &["a"], false);
        let pause = poller.due().since(at(0)).as_millis();
        assert!(pause >= 500 << n && pause > last, "{n}: {pause}");
        last = pause;
    }
    round(&mut poller, at(0), &["a", "b"], false);
    assert_eq!(poller.due(), at(0), "something new");
}

#[test]
fn an_answer_that_is_too_long_halves_what_is_asked_for_until_the_backlog_is_drained() {
    let mut poller = Poller::new(5);
    for window in [3, 2, 1, 1] {
        poller.failed(&PollFailure::TooLarge, None, at(0), SEED);
        assert_eq!(poller.request(at(0)).body["maxEvents"], json!(window));
    }
    round(&mut poller, at(0), &["a"], true);
    assert_eq!(poller.request(at(0)).body["maxEvents"], json!(1));
    round(&mut poller, at(0), &["b"], false);
    assert_eq!(poller.request(at(0)).body["maxEvents"], json!(5));
}

#[test]
fn a_transmitter_that_stumbles_over_an_acknowledgement_still_delivers() {
    let mut poller = Poller::new(100);
    round(&mut poller, at(0), &["a"], false);
    for n in 0..STUMBLES {
        assert!(poller.request(at(0)).body.get("ack").is_some(), "{n}");
        let failure = poller.answered(400, b"").unwrap_err();
        assert_eq!(failure, PollFailure::Status { status: 400 });
        poller.failed(&failure, None, at(0), SEED);
    }
    assert_eq!(poller.request(at(0)).body.get("ack"), None);
    let again = round(&mut poller, at(0), &["a"], false);
    assert_eq!(again.get("ack"), None);
    assert_eq!(poller.request(at(0)).body["ack"], json!(["a"]), "it came again");
}

#[test]
fn an_answer_that_is_not_one_is_a_failure_and_changes_nothing() {
    for (body, failure) in [
        ("{}", PollFailure::NoSets),
        ("[]", PollFailure::NoSets),
        ("{\"sets\": []}", PollFailure::NoSets),
        ("{\"sets\": {", PollFailure::Json(JsonError::Syntax { line: 1, column: 10 })),
        (
            "{\"sets\": {\"a\": \"x\", \"a\": \"y\"}}",
            PollFailure::Json(JsonError::DuplicateMember { name: "a".to_owned() }),
        ),
    ] {
        let mut poller = Poller::new(100);
        round(&mut poller, at(0), &["kept"], false);
        assert_eq!(poller.answered(200, body.as_bytes()), Err(failure), "{body}");
        assert_eq!(poller.request(at(0)).body["ack"], json!(["kept"]), "{body}");
    }
    let mut poller = Poller::new(100);
    let delivered = poller.answered(200, b"{\"sets\": {\"a\": 7}, \"extra\": null}").unwrap();
    assert_eq!(delivered, [Delivered { key: "a".to_owned(), set: None }]);
}

#[test]
fn as_many_sets_as_the_reader_allows_are_read_and_not_one_more() {
    let keys: Vec<String> = (0..=ANSWER.members).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut poller = Poller::new(100);
    assert_eq!(poller.answered(200, &answer(&keys[1..], false)).unwrap().len(), ANSWER.members);
    let beyond = poller.answered(200, &answer(&keys, false));
    assert!(matches!(beyond, Err(PollFailure::Json(JsonError::TooManyMembers { .. }))));
}

#[test]
fn max_events_stays_within_its_bounds() {
    for (configured, sent) in [(0, 1), (1, 1), (1000, 1000), (1001, 1000)] {
        let body = Poller::new(configured).request(at(0)).body;
        assert_eq!(body["maxEvents"], json!(sent));
    }
}
