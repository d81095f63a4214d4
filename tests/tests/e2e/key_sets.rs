//! Key sets fetched by the gateway: rotation, unknown keys, failing endpoints, isolation.

use rescind_e2e::envoy::Envoy;
use rescind_e2e::http::Request;
use rescind_e2e::issuer::{AUDIENCE, Endpoint, Issuer, Key};
use rescind_e2e::process::Folder;
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::wait;
use serde_json::json;

#[test]
fn rotation_is_followed_when_a_token_names_an_unknown_key() {
    for workers in [1, 2] {
        let site = Site::with(&Plan { workers, fetch_keys: true, ..Plan::default() });
        let old = site.issuer.token("agent");
        assert_eq!(site.call(&old), 200);
        site.issuer.rotate(Key::generate("ES256", "k2"));
        let new = site.issuer.token("agent");
        site.reaches("the new key", &new, 200);
    }
}

#[test]
fn a_flood_of_unknown_keys_does_not_become_a_flood_of_fetches() {
    let site = Site::with(&Plan { fetch_keys: true, ..Plan::default() });
    let before = site.issuer.fetches();
    for number in 0..200 {
        let key = Key::generate("ES256", &format!("unknown-{number}"));
        let token = key.sign("at+jwt", &site.issuer.claims("agent"));
        assert_eq!(site.call(&token), 401);
    }
    let more = site.issuer.fetches() - before;
    assert!(more <= 5, "{more} fetches for 200 tokens");
    assert_eq!(site.call(&site.issuer.token("agent")), 200);
}

#[test]
fn the_last_good_keys_stay_while_the_endpoint_fails() {
    let site = Site::with(&Plan { fetch_keys: true, ..Plan::default() });
    let behaviours = [
        Endpoint::Failing(500),
        Endpoint::Saying("{\"keys\":[]}".to_owned()),
        Endpoint::Saying("<html>maintenance</html>".to_owned()),
        Endpoint::Stalling,
    ];
    for behaviour in behaviours {
        let what = format!("{behaviour:?}");
        let failed = site.envoy.metric("rescind_keys_failed");
        site.issuer.behave(behaviour);
        wait::until_true(&format!("a failed fetch: {what}"), wait::SOON, || {
            // Unknown keys make the gateway ask.
            let token = Key::generate("ES256", "k9").sign("at+jwt", &site.issuer.claims("agent"));
            assert_eq!(site.call(&token), 401, "{what}");
            site.envoy.metric("rescind_keys_failed") > failed
        });
        assert_eq!(site.call(&site.issuer.token("agent")), 200, "{what}");
    }
    site.issuer.behave(Endpoint::Honest);
    site.issuer.rotate(Key::generate("ES256", "k2"));
    site.reaches("recovery", &site.issuer.token("agent"), 200);
}

#[test]
fn a_gateway_without_keys_yet_says_try_again() {
    let site = Site::start();
    let issuer = Issuer::start("https://slow.example.com", "ES256");
    issuer.behave(Endpoint::Failing(500));
    let envoy = two_issuers(&site, &issuer);
    let token = issuer.token("agent");
    wait::until_true("the table", wait::SOON, || {
        envoy.1.get("/orders", &site.issuer.token("agent")) == 200
    });
    let answer = envoy.1.send(&Request::get("/orders").bearer(&token));
    assert_eq!(answer.status(), 503);
    assert!(answer.header("retry-after").is_some());
    issuer.behave(Endpoint::Honest);
    wait::until_true("keys", wait::SOON, || envoy.1.get("/orders", &token) == 200);
}

#[test]
fn one_issuers_keys_never_vouch_for_another_and_its_failure_touches_nobody() {
    let site = Site::start();
    let other = Issuer::start("https://other.example.com", "ES256");
    let envoy = two_issuers(&site, &other).1;
    wait::until_true("both issuers", wait::SOON, || {
        envoy.get("/orders", &other.token("agent")) == 200
            && envoy.get("/orders", &site.issuer.token("agent")) == 200
    });
    // The same kid, k1, in both sets; each signs in the other's name.
    let confused = other.key().sign("at+jwt", &site.issuer.claims("agent"));
    assert_eq!(envoy.get("/orders", &confused), 401);
    let confused = site.issuer.key().sign("at+jwt", &other.claims("agent"));
    assert_eq!(envoy.get("/orders", &confused), 401);
    // One endpoint fails while its issuer has rotated; the other's calls go on.
    other.behave(Endpoint::Stalling);
    other.rotate(Key::generate("ES256", "k2"));
    assert_eq!(envoy.get("/orders", &other.token("agent")), 401);
    assert_eq!(envoy.get("/orders", &site.issuer.token("agent")), 200);
    // A revocation of (issuer, sub) does not touch the same sub of the other issuer.
    other.behave(Endpoint::Honest);
    let (ours, theirs) = (site.issuer.token("twin"), other.token("twin"));
    wait::until_true("the rotated key", wait::SOON, || envoy.get("/orders", &theirs) == 200);
    site.transmitter.revoke(site.companion.port, ISSUER, "twin");
    wait::until_true("the revocation", wait::SOON, || envoy.get("/orders", &ours) == 401);
    assert_eq!(envoy.get("/orders", &theirs), 200);
}

/// A second gateway of this site that also accepts tokens of `issuer`, whose keys it fetches.
fn two_issuers(site: &Site, issuer: &Issuer) -> (Folder, Envoy) {
    let section = json!({
        "issuer": issuer.name,
        "audiences": [AUDIENCE],
        "algorithms": ["ES256"],
        "keys": { "url": "https://other.example.com/jwks", "cluster": "other" },
    });
    site.second_gateway(section, issuer.port())
}
