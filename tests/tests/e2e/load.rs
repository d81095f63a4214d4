//! Much at once: signals, and tokens.

use std::sync::atomic::{AtomicBool, Ordering};

use rescind_e2e::http::{Client, Request};
use rescind_e2e::issuer::{Key, now};
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::transmitter::{SESSION_REVOKED, iss_sub};
use rescind_e2e::wait;
use serde_json::json;

#[test]
fn a_flood_of_10_000_signals_does_not_stop_calls() {
    const SIGNALS: usize = 10_000;
    const PUSHERS: usize = 8;
    let site = Site::with(&Plan { workers: 2, ..Plan::default() });
    let bystander = site.issuer.token("bystander");
    let done = AtomicBool::new(false);
    let calls = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut client = site.envoy.client();
            let request = Request::get("/orders").bearer(&bystander);
            let mut calls = 0_u32;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(client.send(&request).unwrap().status(), 200, "after {calls} calls");
                calls += 1;
            }
            calls
        });
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                let site = &site;
                scope.spawn(move || {
                    let mut client = Client::new(site.companion.port);
                    for number in (pusher..SIGNALS).step_by(PUSHERS) {
                        let subject = iss_sub(ISSUER, &format!("flooded-{number}"));
                        let payload = json!({ "event_timestamp": now() + 1 });
                        let transmitter = &site.transmitter;
                        let claims = transmitter.claims(SESSION_REVOKED, &subject, &payload);
                        let push = transmitter.push_request(&transmitter.sign(&claims));
                        let answer = client.send(&push).unwrap();
                        assert_eq!(answer.status(), 202, "{}", answer.text());
                    }
                })
            })
            .collect();
        let pushed: Vec<_> = pushers.into_iter().map(|pusher| pusher.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(pushed.iter().all(Result::is_ok), "a pusher failed");
        caller.join().unwrap()
    });
    assert!(calls > 100, "only {calls} calls while signals arrived");
    site.envoy.metric_reaches("rescind_table_records", u64::try_from(SIGNALS).unwrap());
    for number in [0, 1, SIGNALS / 2, SIGNALS - 1] {
        // Issued before the event's second: revoked, though first seen now.
        let sub = format!("flooded-{number}");
        let token = site.issuer.token_with(&sub, &json!({ "iat": now() - 60 }));
        assert_eq!(site.call(&token), 401, "{sub}");
    }
    assert_eq!(site.call(&bystander), 200);
}

#[test]
fn the_filters_memory_is_bounded_after_100_000_distinct_tokens() {
    const TOKENS: usize = 100_000;
    const CLIENTS: usize = 2;
    /// More than the token cache's 16 MiB with its map, and what V8 and malloc keep: a leak of one
    /// token each would be 50 MiB.
    const GROWTH_KIB: u64 = 40 * 1024;
    // EdDSA is the quickest to mint and to check here, where neither is the subject.
    let site = Site::with(&Plan { algorithm: "EdDSA", ..Plan::default() });
    let call = |from: usize, to: usize| {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let site = &site;
                scope.spawn(move || {
                    let mut connection = site.envoy.client();
                    for number in (from + client..to).step_by(CLIENTS) {
                        let token = site.issuer.token(&format!("agent-{number}"));
                        let request = Request::get("/orders").bearer(&token);
                        assert_eq!(connection.send(&request).unwrap().status(), 200);
                    }
                });
            }
        });
    };
    // Fill the cache (10,000 entries by default) in both of its generations, then go on.
    call(0, TOKENS / 4);
    let full = site.envoy.process.resident_kib();
    call(TOKENS / 4, TOKENS);
    let end = site.envoy.process.resident_kib();
    assert!(end <= full + GROWTH_KIB, "{full} KiB after a quarter, {end} KiB at the end");
    let entries = site.envoy.metric("rescind_token_cache_entries");
    assert!(entries <= 10_000, "{entries} tokens remembered");
}

#[test]
fn an_attackers_invalid_tokens_do_not_push_out_good_ones() {
    let site = Site::start();
    let good = site.issuer.token("agent");
    assert_eq!(site.call(&good), 200);
    site.envoy.metric_reaches("rescind_token_cache_misses", 1);
    let stranger = Key::generate("ES256", "k1");
    let mut client = site.envoy.client();
    for number in 0..500 {
        let token = stranger.sign("at+jwt", &site.issuer.claims(&format!("nobody-{number}")));
        let answer = client.send(&Request::get("/orders").bearer(&token)).unwrap();
        assert_eq!(answer.status(), 401);
    }
    let hits = site.envoy.metric("rescind_token_cache_hits");
    assert_eq!(site.call(&good), 200);
    wait::until_true("a hit", wait::SOON, || site.envoy.metric("rescind_token_cache_hits") > hits);
}
