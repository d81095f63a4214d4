//! Somebody on the path between gateway and companion. Nobody there can add, hide or replay a
//! revocation: the gateway keeps refusing what was refused, says what is wrong, goes stale in the
//! end, and recovers by itself.

use rescind_e2e::middle::Mischief;
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::wait;
use serde_json::json;

/// A site with a revoked token and a good one, and somebody in the middle.
fn watched() -> (Site, String, String) {
    let revocation = json!({ "max_staleness_secs": 3, "wait_secs": 1 });
    let site = Site::with(&Plan { middle: true, revocation, ..Plan::default() });
    let (revoked, good) = (site.issuer.token("revoked"), site.issuer.token("good"));
    site.revoke("revoked", &revoked);
    assert_eq!(site.call(&good), 200);
    (site, revoked, good)
}

/// Does `mischief` until the gateway is stale, with a revocation hidden behind it, then stops.
fn survives(mischief: Mischief, metric: &str) {
    let (site, revoked, good) = watched();
    let hidden = site.issuer.token("hidden");
    if mischief == Mischief::Replay {
        site.middle().remember();
    }
    site.middle().set(mischief);
    site.transmitter.revoke(site.companion.port, rescind_e2e::site::ISSUER, "hidden");
    wait::until_true("staleness", wait::SOON, || {
        assert_ne!(site.call(&revoked), 200, "{mischief:?} lifted a revocation");
        site.call(&good) == 503
    });
    assert!(site.middle().spoilt() > 0);
    site.envoy.metric_reaches(metric, 1);
    site.middle().set(Mischief::None);
    site.reaches("recovery", &good, 200);
    site.reaches("the hidden revocation to come through", &hidden, 401);
    assert_eq!(site.call(&revoked), 401);
}

#[test]
fn a_feed_of_garbage_changes_nothing() {
    survives(Mischief::Garbage, "rescind_feed_pages_refused");
}

#[test]
fn a_page_cut_off_by_a_broken_connection_changes_nothing() {
    survives(Mischief::Truncate, "rescind_feed_failures");
}

#[test]
fn half_a_page_sent_as_a_whole_one_changes_nothing() {
    survives(Mischief::CutShort, "rescind_feed_pages_refused");
}

#[test]
fn a_page_with_a_bad_signature_changes_nothing() {
    survives(Mischief::FlipSignature, "rescind_feed_pages_refused");
}

#[test]
fn a_page_whose_content_was_changed_changes_nothing() {
    survives(Mischief::FlipPayload, "rescind_feed_pages_refused");
}

#[test]
fn an_old_page_replayed_does_not_keep_the_gateway_fresh() {
    // To the gateway it looks like a companion that lost its latest signals: read again, never fresh.
    survives(Mischief::Replay, "rescind_feed_resynchronizations");
}

#[test]
fn a_companion_that_never_answers_leaves_the_gateway_stale() {
    survives(Mischief::Stall, "rescind_feed_failures");
}

#[test]
fn a_companion_that_hangs_up_leaves_the_gateway_stale() {
    survives(Mischief::Refuse, "rescind_feed_failures");
}

#[test]
fn a_companion_that_answers_with_errors_leaves_the_gateway_stale() {
    survives(Mischief::Fail, "rescind_feed_failures");
}

#[test]
fn a_gap_in_the_feed_is_noticed_and_filled() {
    let (site, revoked, good) = watched();
    let before = site.envoy.metric("rescind_feed_resynchronizations");
    // Two signals while the link is down; then the middle hides the first of them.
    site.middle().set(Mischief::Fail);
    let (first, second) = (site.issuer.token("first"), site.issuer.token("second"));
    for sub in ["first", "second"] {
        site.transmitter.revoke(site.companion.port, rescind_e2e::site::ISSUER, sub);
    }
    site.middle().set(Mischief::Skip);
    site.envoy.metric_reaches("rescind_feed_resynchronizations", before + 1);
    assert_ne!(site.call(&revoked), 200);
    site.middle().set(Mischief::None);
    site.reaches("the first signal", &first, 401);
    site.reaches("the second signal", &second, 401);
    assert_eq!(site.call(&revoked), 401);
    site.reaches("calls to go on", &good, 200);
}
