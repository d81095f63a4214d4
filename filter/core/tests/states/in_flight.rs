//! What passed and is open when something changes.

use rescind_core::feed::Gap;
use rescind_core::in_flight::MAX_WATCHED;
use rescind_core::record::FactKind;
use rescind_core::subject::SubjectKind;
use rescind_core::time::UnixTime;

use super::*;

/// Every path is watched, and some more is asked for; but `/admin` is not watched.
fn cutting(more: &Value) -> Value {
    let mut route = json!({"path_prefix": "/", "in_flight": "cut"});
    let members = more.as_object().unwrap().clone();
    route.as_object_mut().unwrap().extend(members);
    with(config(), "/routes", json!([{"path_prefix": "/admin", "in_flight": "finish"}, route]))
}

/// A world with one open request, which is watched; nothing is wrong with it.
fn world(more: &Value) -> World {
    let mut world = World::synchronized(&cutting(more));
    world.open(1, "/", &good_token());
    assert_eq!(world.cut(), []);
    world
}

/// The streams that end, and the metric of each.
fn ends(world: &mut World) -> Vec<(u32, &'static str)> {
    world.cut().into_iter().map(|(stream, denial)| (stream, denial.reason())).collect()
}

/// A second passes with good news from the companion.
fn second(world: &mut World) {
    world.wait(1);
    world.synchronize();
}

#[test]
fn a_revocation_ends_what_is_open_of_its_subject_on_routes_that_say_so() {
    let mut world = world(&json!({}));
    let bob = token_with("sub", json!("bob"));
    world.open(2, "/", &bob);
    world.open(3, "/admin", &good_token());
    assert_eq!(world.watched(), 2);
    let signal = world.revoke_user(ISSUER, "alice", START);
    let cuts = world.cut();
    let [(1, denial)] = cuts.as_slice() else { panic!("{cuts:?}") };
    assert_eq!((denial.reason(), denial.signal()), ("revoked", Some(signal)));
    world.close(1);
    second(&mut world);
    assert_eq!(ends(&mut world), []);
    assert_eq!(world.watched(), 1);
}

#[test]
fn whatever_would_refuse_the_request_now_ends_it() {
    type Change = fn(&mut World);
    let gap = |world: &mut World| {
        let since = UnixTime::from_secs(START);
        world.gaps = vec![Gap { issuer: ISSUER.to_owned(), since }];
        // The second one finds that it lasts.
        for _ in 0..2 {
            second(world);
            world.cut();
        }
    };
    let cases: [(Value, Change, &str); 6] = [
        (json!({}), |world| _ = world.disable_user(ISSUER, "alice", START), "disabled"),
        (json!({}), |world| world.revoke((SubjectKind::Application, "app-7"), &[]), "revoked"),
        (
            json!({"compliant_device": true}),
            |world| _ = world.signal(FactKind::DeviceNotCompliant, true, START),
            "device_not_compliant",
        ),
        (json!({"on_gap": "deny"}), gap, "gap"),
        (json!({}), |world| (0..570).for_each(|_| second(world)), "expired"),
        (
            json!({"max_age_secs": 100}),
            |world| (0..71).for_each(|_| second(world)),
            "insufficient_authentication",
        ),
    ];
    for (more, change, reason) in cases {
        let mut world = World::synchronized(&cutting(&more));
        world.open(1, "/", &token_with("auth_time", json!(START - 60)));
        change(&mut world);
        second(&mut world);
        assert_eq!(ends(&mut world), [(1, reason)], "{more}");
    }
}

#[test]
fn what_the_route_does_not_ask_for_ends_nothing() {
    let mut world = world(&json!({}));
    world.signal(FactKind::DeviceNotCompliant, true, START);
    let since = UnixTime::from_secs(START);
    world.gaps = vec![Gap { issuer: ISSUER.to_owned(), since }];
    for _ in 0..3 {
        second(&mut world);
        assert_eq!(ends(&mut world), []);
    }
}

#[test]
fn a_stream_lasts_as_long_as_its_token_and_the_leeway() {
    let mut world = world(&json!({}));
    // 540 s and 30 s.
    world.wait(569);
    world.synchronize();
    assert_eq!(ends(&mut world), []);
    second(&mut world);
    assert_eq!(ends(&mut world), [(1, "expired")]);
}

#[test]
fn a_key_that_its_issuer_withdrew_ends_what_it_signed() {
    let fetched = json!({"url": "https://idp.example.com/jwks", "cluster": "idp"});
    let configuration = with(cutting(&json!({})), "/issuers/0/keys", fetched);
    let (one, two) = (jwk("k1", &key(1)), jwk("k2", &key(2)));
    for (keys, expected) in
        [(vec![one.clone(), two.clone()], vec![]), (vec![two], vec![(1, "unknown_key")])]
    {
        let mut world = World::synchronized(&configuration);
        world.serve_keys(std::slice::from_ref(&one));
        world.open(1, "/", &good_token());
        // When the next fetch is due, at the latest.
        world.wait(400);
        world.synchronize();
        world.serve_keys(&keys);
        world.wait(1);
        world.synchronize();
        assert_eq!(ends(&mut world), expected);
    }
}

#[test]
fn a_state_that_is_stale_ends_streams_only_if_requests_are_refused_then() {
    for (on_stale, expected) in [("deny", vec![(1, "stale")]), ("allow", vec![])] {
        let configuration = with(cutting(&json!({})), "/revocation/on_stale", json!(on_stale));
        let mut world = World::synchronized(&configuration);
        world.open(1, "/", &good_token());
        world.wait(60);
        assert_eq!(ends(&mut world), [], "{on_stale}: not stale yet");
        world.wait(1);
        assert_eq!(ends(&mut world), [], "{on_stale}: it may be fresh again at once");
        world.wait(1);
        assert_eq!(ends(&mut world), expected, "{on_stale}");
    }
}

#[test]
fn what_concerns_nobody_who_is_watched_costs_no_look_up() {
    let mut world = world(&json!({}));
    world.state_lookups();
    for number in 0..20_u64 {
        world.revoke_user(ISSUER, &format!("somebody-{number}"), START);
        assert_eq!(ends(&mut world), []);
    }
    // The table is small: a few of them share a page with the stream's subjects.
    let lookups = world.state_lookups();
    assert!(lookups < 20, "{lookups}");
}

#[test]
fn beyond_the_limit_a_request_is_refused_where_it_would_have_to_be_watched() {
    let mut world = world(&json!({}));
    let token = good_token();
    for stream in 2..u32::try_from(MAX_WATCHED).unwrap() {
        world.open(stream, "/", &token);
    }
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "the last one");
    world.open(0, "/", &token);
    assert_eq!(world.watched(), MAX_WATCHED);
    assert_eq!(world.get("/", Some(&token)), answer(not_now("too_many_streams")));
    assert_eq!(world.get("/admin", Some(&token)), answer(PERMIT), "is not watched");
    world.close(7);
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "one has ended");
}
