//! Status lists that the gateway fetches: the issuer's own word about its tokens.

use rescind_e2e::http::Request;
use rescind_e2e::issuer::{Endpoint, Issuer, now};
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::wait;
use serde_json::{Value, json};

const LIST: &str = "https://idp.example.com/status/1";

/// Sixteen tokens, of which the first is invalid and the second valid: the example of the draft.
const FIRST_INVALID: &str = "eNrbuRgAAhcBXQ";

/// Sixteen tokens, all valid.
const ALL_VALID: &str = "eJxjYAAAAAIAAQ";

fn plan(workers: u32, on_unknown: &str) -> Plan {
    let status = json!({
        "prefixes": ["https://idp.example.com/status/"], "cluster": "idp",
        "on_unknown": on_unknown,
    });
    Plan { workers, section: json!({ "status": status }), ..Plan::default() }
}

/// From now on the issuer's server says this of its tokens; the list is good for ten seconds.
fn publish(issuer: &Issuer, lst: &str) {
    let claims = json!({
        "sub": LIST, "iat": now(), "ttl": 10, "status_list": { "bits": 1, "lst": lst },
    });
    issuer.behave(Endpoint::Saying(issuer.key().sign("statuslist+jwt", &claims)));
}

fn token_at(site: &Site, uri: &str, index: u64) -> String {
    let status: Value = json!({ "status_list": { "uri": uri, "idx": index } });
    site.issuer.token_with("agent", &json!({ "status": status }))
}

#[test]
fn a_token_that_its_issuers_list_calls_invalid_is_refused_by_every_worker_as_the_list_changes() {
    let site = Site::with(&plan(2, "deny"));
    publish(&site.issuer, ALL_VALID);
    let [first, second] = [0, 1].map(|index| token_at(&site, LIST, index));
    site.reaches("the list", &first, 200);
    publish(&site.issuer, FIRST_INVALID);
    wait::for_the_next_fetch("the list that changed", || site.call(&first) == 401);
    // Connections go to both workers.
    wait::until_true("both workers", wait::SOON, || (0..20).all(|_| site.call(&first) == 401));
    assert_eq!(site.call(&second), 200);
    let refused = || site.envoy.metric("rescind_denied_status_revoked");
    wait::until_true("the metric", wait::SOON, || refused() >= 20);
    publish(&site.issuer, ALL_VALID);
    wait::for_the_next_fetch("a suspension that ends", || site.call(&first) == 200);
}

#[test]
fn without_its_list_a_token_waits_or_passes_as_configured_and_no_other_server_is_asked() {
    for (on_unknown, expected) in [("deny", 503), ("allow", 200)] {
        let site = Site::with(&plan(1, on_unknown));
        for behaviour in [
            Endpoint::Failing(500),
            Endpoint::Saying("<html>maintenance</html>".to_owned()),
            // Signed, and no list.
            Endpoint::Saying(site.issuer.token("agent")),
        ] {
            let failed = site.envoy.metric("rescind_status_lists_failed");
            site.issuer.behave(behaviour);
            let token = token_at(&site, LIST, 1);
            wait::until_true("a failed fetch", wait::SOON, || {
                assert_eq!(site.call(&token), expected);
                site.envoy.metric("rescind_status_lists_failed") > failed
            });
        }
        let answer = site.envoy.send(&Request::get("/orders").bearer(&token_at(&site, LIST, 1)));
        assert_eq!(answer.header("retry-after").is_some(), on_unknown == "deny");
        let asked = site.issuer.fetches();
        for uri in ["https://evil.example.com/status/1", "https://idp.example.com/status/../admin"]
        {
            assert_eq!(site.call(&token_at(&site, uri, 1)), 401);
        }
        // No status, nothing to ask for.
        assert_eq!(site.call(&site.issuer.token("agent")), 200);
        publish(&site.issuer, FIRST_INVALID);
        site.reaches("the list", &token_at(&site, LIST, 0), 401);
        assert_eq!(site.call(&token_at(&site, LIST, 1)), 200);
        // The one list was tried again a few times; nothing else was asked for.
        assert!(site.issuer.fetches() - asked <= 10);
    }
}
