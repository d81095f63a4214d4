//! APISIX: no timer and no shared data, so a request waits for news, one at a time in each worker.

use std::time::Duration;

use rescind_e2e::site::Plan;

use crate::host::{Behaviour, Fate, Gateway, Outcome};
use crate::installation::{Installation, call, forwarded, is_forwarded, request};

const SECOND: Duration = Duration::from_secs(1);

fn paused(outcome: &Outcome) -> u32 {
    let Outcome::Paused(request) = outcome else { panic!("not paused: {outcome:?}") };
    *request
}

fn poisoned(gateway: &Gateway, request: u32, token: &str) {
    let headers = gateway.workers[0].paused(request);
    let values: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name == b"authorization")
        .map(|(_, value)| value)
        .collect();
    assert_eq!(values, [b"Rescind refused"]);
    assert!(!headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(token)));
}

#[test]
fn the_request_that_finds_the_state_old_waits_without_its_credential_and_others_use_what_is_there()
{
    let site = Installation::start();
    let mut gateway = site.synchronized(Behaviour::Apisix, 1);
    let token = site.issuer.token("agent");
    // Fresh: nobody waits.
    assert!(is_forwarded(&gateway.begin(0, &call(&token))));
    site.revoke("agent");
    gateway.advance(2 * SECOND);
    let first = paused(&gateway.begin(0, &call(&token)));
    poisoned(&gateway, first, &token);
    assert!(is_forwarded(&gateway.begin(0, &call(&token))), "the state is within its limit");
    // Requests that rest on no state never wait.
    gateway.advance(SECOND);
    assert!(is_forwarded(&gateway.begin(0, &request("/public", &[]))));
    assert_eq!(gateway.begin(0, &request("/orders", &[])), Outcome::Answered(401));
    assert_eq!(gateway.resume(0, first), Outcome::Answered(401), "the news came");
    assert_eq!(gateway.begin(0, &call(&token)), Outcome::Answered(401));
}

#[test]
fn before_the_first_synchronization_one_request_waits_and_the_others_are_told_to_come_again() {
    let site = Installation::start();
    let mut gateway = site.gateway(Behaviour::Apisix, 1, &Plan::default());
    let token = site.issuer.token("agent");
    let first = paused(&gateway.begin(0, &call(&token)));
    for _ in 0..3 {
        assert_eq!(gateway.begin(0, &call(&token)), Outcome::Answered(503));
    }
    let mut outcome = gateway.resume(0, first);
    while let Outcome::Paused(request) = outcome {
        poisoned(&gateway, request, &token);
        outcome = gateway.resume(0, request);
    }
    assert_eq!(forwarded(&outcome, "x-rescind-subject"), ["agent"]);
    assert!(is_forwarded(&gateway.begin(0, &call(&token))));
}

#[test]
fn a_client_that_leaves_while_its_request_waits_keeps_nobody_from_the_news() {
    let site = Installation::start();
    let mut gateway = site.synchronized(Behaviour::Apisix, 1);
    let token = site.issuer.token("agent");
    site.revoke("agent");
    gateway.advance(2 * SECOND);
    let left = paused(&gateway.begin(0, &call(&token)));
    gateway.leave(0, left);
    gateway.advance(SECOND);
    assert_eq!(gateway.send(0, &call(&token)), Outcome::Answered(401));
}

#[test]
fn a_callout_that_cannot_be_sent_makes_nobody_wait_and_a_flood_of_requests_asks_seldom() {
    let site = Installation::start();
    let mut gateway = site.synchronized(Behaviour::Apisix, 1);
    let token = site.issuer.token("agent");
    gateway.fate = Fate::NotSent(10);
    gateway.advance(2 * SECOND);
    gateway.workers[0].take_calls();
    for _ in 0..50 {
        let outcome = gateway.begin(0, &call(&token));
        assert!(is_forwarded(&outcome), "{outcome:?}");
        assert_eq!(forwarded(&outcome, "authorization"), Vec::<String>::new());
    }
    let calls = gateway.workers[0].take_calls();
    let asked = calls.iter().find(|(name, _)| *name == "proxy_http_call").map_or(0, |(_, n)| *n);
    // At most ten times a second, and with growing pauses after failures.
    assert!((1..=10).contains(&asked), "{asked}");
}
