//! Processes that go and come back. Each test is a row of the README's operations table.

use rescind_e2e::http::Request;
use rescind_e2e::site::{Plan, Site};
use serde_json::json;

#[test]
fn restart_of_the_companion_loses_nothing_and_the_gateway_follows_again() {
    for workers in [1, 2] {
        let mut site = Site::with(&Plan { workers, ..Plan::default() });
        let (before, after) = (site.issuer.token("before"), site.issuer.token("after"));
        site.revoke("before", &before);
        site.companion.kill();
        assert_eq!(site.call(&after), 200, "calls go on");
        assert_eq!(site.call(&before), 401);
        site.companion.run();
        site.revoke("after", &after);
        assert_eq!(site.call(&before), 401);
    }
}

#[test]
fn restart_of_envoy_refuses_until_it_has_synchronized_again() {
    let mut site = Site::start();
    let (good, revoked) = (site.issuer.token("good"), site.issuer.token("revoked"));
    site.revoke("revoked", &revoked);
    site.restart_envoy();
    rescind_e2e::wait::until_true("recovery", rescind_e2e::wait::SOON, || {
        assert_ne!(site.call(&revoked), 200, "not even for a moment");
        site.call(&good) == 200
    });
    assert_eq!(site.call(&revoked), 401);
}

#[test]
fn a_wiped_companion_does_not_lift_what_was_refused() {
    let mut site = Site::start();
    let (revoked, later) = (site.issuer.token("revoked"), site.issuer.token("later"));
    site.revoke("revoked", &revoked);
    site.companion.kill();
    site.companion.wipe();
    site.companion.run();
    site.revoke("later", &later);
    assert_eq!(site.call(&revoked), 401, "the old log's facts stand beside the new log's");
    assert_eq!(site.call(&site.issuer.token("somebody")), 200);
}

#[test]
fn a_stopped_companion_costs_calls_nothing_until_the_gateway_is_stale() {
    let revocation = json!({ "max_staleness_secs": 4, "wait_secs": 1 });
    let mut site = Site::with(&Plan { revocation, ..Plan::default() });
    let token = site.issuer.token("agent");
    site.companion.process().signal("STOP");
    let mut client = site.envoy.client();
    let request = Request::get("/orders").bearer(&token);
    let mut passed = 0_u32;
    rescind_e2e::wait::until_true("staleness", rescind_e2e::wait::SOON, || {
        let status = client.send(&request).unwrap().status();
        passed += u32::from(status == 200);
        status == 503
    });
    assert!(passed > 10, "only {passed} calls passed before the gateway was stale");
    site.companion.process().signal("CONT");
    site.reaches("recovery", &token, 200);
}
