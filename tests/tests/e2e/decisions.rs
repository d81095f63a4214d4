//! What the companion's decisions rest on beside signals: keys that rotate, status lists, proofs.

use rescind_e2e::deciding::Deciding;
use rescind_e2e::issuer::{Endpoint, Key, now};
use rescind_e2e::prover::{ORIGIN, Prover};
use rescind_e2e::site::Plan;
use rescind_e2e::wait;
use serde_json::{Value, json};

fn status(site: &Deciding, token: &str) -> u16 {
    site.ask("/orders", &[("authorization", &format!("Bearer {token}"))]).status()
}

fn metric(site: &Deciding, name: &str) -> u64 {
    let page = site.companion.send(&rescind_e2e::http::Request::get("/metrics")).text();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name} in {page}"))
}

#[test]
fn decisions_follow_a_rotation_of_keys_and_keep_the_last_good_ones() {
    let site = Deciding::start("headers", json!({}));
    let old = site.issuer.token("alice");
    wait::until_true("keys to be there", wait::SOON, || status(&site, &old) == 200);
    site.issuer.rotate(Key::generate("ES256", "k2"));
    let new = site.issuer.token("alice");
    wait::for_the_next_fetch("the new key", || status(&site, &new) == 200);
    assert_eq!(status(&site, &old), 401, "a key that is no longer the issuer's");
    site.issuer.behave(Endpoint::Saying("<html>maintenance</html>".to_owned()));
    let unknown = Key::generate("ES256", "k3").sign("at+jwt", &site.issuer.claims("alice"));
    let failed = || metric(&site, "rescind_decisions_keys_failed_total");
    wait::for_the_next_fetch("a failed fetch", || {
        assert_eq!(status(&site, &unknown), 401);
        failed() > 0
    });
    assert_eq!(status(&site, &new), 200);
}

#[test]
fn decisions_follow_the_issuers_status_list() {
    const LIST: &str = "https://idp.example.com/status/1";
    let prefixes = ["https://idp.example.com/status/"];
    let section = json!({ "status": { "prefixes": prefixes, "cluster": "idp" } });
    let site = Deciding::with("headers", &Plan { section, ..Plan::default() });
    let place = |index: u64| -> Value { json!({ "status_list": { "uri": LIST, "idx": index } }) };
    let [first, second] =
        [0, 1].map(|index| site.issuer.token_with("agent", &json!({ "status": place(index) })));
    // Sixteen tokens, of which the first is invalid and the second valid.
    let list = json!({ "bits": 1, "lst": "eNrbuRgAAhcBXQ" });
    let claims = json!({ "sub": LIST, "iat": now(), "ttl": 10, "status_list": list });
    let signed = site.issuer.key().sign("statuslist+jwt", &claims);
    site.issuer.behave(Endpoint::Failing(500));
    assert_eq!(status(&site, &second), 503, "on_unknown is deny");
    site.issuer.behave(Endpoint::Saying(signed));
    wait::for_the_next_fetch("the list", || status(&site, &second) == 200);
    let refused = site.ask("/orders", &[("authorization", &format!("Bearer {first}"))]);
    let reason = refused.header("x-rescind-reason");
    assert_eq!((refused.status(), reason), (401, Some("status_revoked")));
}

#[test]
fn a_proof_passes_once_whichever_thread_of_the_companion_sees_it() {
    let proofs = json!({ "proofs": { "origins": [ORIGIN] } });
    let site = Deciding::start("headers", proofs);
    let client = Prover::new(7);
    let confirmation = json!({ "cnf": { "jkt": client.thumbprint() } });
    let token = site.issuer.token_with("agent", &confirmation);
    let ask = |proof: &str| {
        let authorization = format!("DPoP {token}");
        let answer = site.ask("/orders", &[("authorization", &authorization), ("dpop", proof)]);
        (answer.status(), answer.header("x-rescind-reason").map(str::to_owned))
    };
    wait::until_true("keys to be there", wait::SOON, || {
        ask(&client.proof("/orders", &token, None)).0 == 200
    });
    for _ in 0..20 {
        let proof = client.proof("/orders", &token, None);
        assert_eq!(ask(&proof), (200, None));
        assert_eq!(ask(&proof), (401, Some("proof_replayed".to_owned())));
    }
    assert_eq!(status(&site, &token), 401, "without a proof");
}
