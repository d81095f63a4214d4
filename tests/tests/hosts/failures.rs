//! Callouts that fail in every form, and calls that fail with every status: nothing traps, and nothing passes that
//! must not.

use std::time::Duration;

use rescind_e2e::site::Plan;
use serde_json::json;

use crate::host::{Behaviour, Fate, Headers, Outcome};
use crate::installation::{Installation, call, is_forwarded, request};

/// Statuses of the ABI, of hosts beyond it, and of none.
const STATUSES: [u32; 8] = [1, 2, 3, 8, 10, 12, 255, u32::MAX];

/// The functions that the filter calls, but the log and the clock.
const FUNCTIONS: [&str; 18] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_property",
    "proxy_set_shared_data",
];

fn fates() -> Vec<Fate> {
    vec![
        Fate::NotSent(10),
        Fate::NotSent(2),
        Fate::Lost,
        Fate::Says("503", b"upstream connect error".to_vec()),
        Fate::Says("504", b"upstream request timeout".to_vec()),
        Fate::Says("200", b"not a page".to_vec()),
        Fate::Says("302", Vec::new()),
        Fate::Says("what", Vec::new()),
        Fate::CutShort,
        Fate::BodyLost,
        Fate::Broken,
    ]
}

#[test]
fn whatever_becomes_of_callouts_a_gateway_that_never_synchronized_refuses_and_recovers() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        for fate in fates() {
            let mut gateway = site.gateway(behaviour, 1, &Plan::default());
            gateway.fate = fate.clone();
            let token = site.issuer.token("agent");
            for _ in 0..3 {
                gateway.turn(2);
                let outcome = gateway.send(0, &call(&token));
                assert_eq!(outcome, Outcome::Answered(503), "{behaviour:?} {fate:?}");
                assert!(is_forwarded(&gateway.send(0, &request("/public", &[]))));
            }
            gateway.fate = Fate::Answered;
            // The longest pause after a failure is five seconds.
            gateway.advance(Duration::from_secs(6));
            gateway.turn(3);
            let outcome = gateway.send(0, &call(&token));
            assert!(is_forwarded(&outcome), "{behaviour:?} {fate:?} {outcome:?}");
        }
    }
}

#[test]
fn whatever_becomes_of_callouts_the_last_state_stands_until_it_is_stale() {
    let site = Installation::start();
    let plan = Plan { revocation: json!({ "max_staleness_secs": 20 }), ..Plan::default() };
    for behaviour in Behaviour::ALL {
        for fate in fates() {
            let mut gateway = site.gateway(behaviour, 1, &plan);
            gateway.turn(4);
            let (token, revoked) = (
                site.issuer.token("agent"),
                site.issuer.token_with(
                    "revoked",
                    &json!({ "iat": 1_700_000_000, "exp": rescind_e2e::issuer::now() + 60 }),
                ),
            );
            let _ = &revoked;
            assert!(is_forwarded(&gateway.send(0, &call(&token))), "{behaviour:?} {fate:?}");
            gateway.fate = fate.clone();
            gateway.advance(Duration::from_secs(8));
            gateway.turn(2);
            let outcome = gateway.send(0, &call(&token));
            assert!(is_forwarded(&outcome), "{behaviour:?} {fate:?} {outcome:?}");
            gateway.advance(Duration::from_secs(14));
            gateway.turn(2);
            let outcome = gateway.send(0, &call(&token));
            assert_eq!(outcome, Outcome::Answered(503), "{behaviour:?} {fate:?}");
        }
    }
}

#[test]
fn whichever_call_fails_with_whatever_status_nothing_traps_and_no_revoked_token_passes() {
    let site = Installation::start();
    let token = site.issuer.token("revoked");
    site.revoke("revoked");
    for behaviour in Behaviour::ALL {
        for status in STATUSES {
            let mut gateway = site.synchronized(behaviour, 1);
            for function in FUNCTIONS.map(Some).into_iter().chain([None]) {
                for after in [0, 1, 2] {
                    gateway.workers[0].fail(function, after, status);
                    gateway.turn(1);
                    gateway.workers[0].fail(function, after, status);
                    gateway.advance(Duration::from_secs(1));
                    let case = format!("{behaviour:?} {function:?} {after} {status}");
                    refused(&gateway.send(0, &call(&token)), &token, &case);
                    refused(&gateway.send(0, &request("/orders", &[])), &token, &case);
                    forged(
                        &gateway.send(0, &request("/public", &[("x-rescind-subject", "admin")])),
                    );
                }
            }
            gateway.workers[0].heal();
            gateway.advance(Duration::from_secs(6));
            gateway.turn(2);
            refused(&gateway.send(0, &call(&token)), &token, "healed");
        }
    }
}

#[test]
fn whichever_call_fails_at_configuration_the_filter_is_configured_or_says_no() {
    let site = Installation::start();
    let token = site.issuer.token("revoked");
    site.revoke("revoked");
    for behaviour in Behaviour::ALL {
        let configuration = site.configuration(behaviour, &Plan::default());
        for function in FUNCTIONS {
            for status in [1, 8, 10, 12] {
                let mut gateway =
                    crate::host::Gateway::unconfigured(behaviour, 1, &site.clusters());
                gateway.workers[0].fail(Some(function), 0, status);
                let configured = gateway.workers[0].configure(&configuration);
                gateway.workers[0].heal();
                if !configured {
                    // No host sends requests through a filter that refused its configuration.
                    assert!(!gateway.workers[0].log().is_empty());
                    continue;
                }
                // What was found out wrongly at configuration must not become a way through.
                gateway.turn(3);
                let case = format!("{behaviour:?} {function} {status}");
                refused(&gateway.send(0, &call(&token)), &token, &case);
            }
        }
    }
}

fn refused(outcome: &Outcome, token: &str, case: &str) {
    match outcome {
        Outcome::Answered(status) => assert!((400..600).contains(status), "{case}: {status}"),
        Outcome::Stopped => {}
        // After a callout APISIX lets go on what nobody answered: without the credential.
        Outcome::Forwarded(headers) if case.contains("Apisix") => {
            assert!(!shows(headers, token), "{case}: {headers:?}");
            assert!(shows(headers, "Rescind refused"), "{case}: {headers:?}");
        }
        Outcome::Forwarded(_) | Outcome::Paused(_) => panic!("{case}: {outcome:?}"),
    }
}

fn forged(outcome: &Outcome) {
    if let Outcome::Forwarded(headers) = outcome {
        assert!(!shows(headers, "admin"), "{headers:?}");
    }
}

fn shows(headers: &Headers, text: &str) -> bool {
    headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(text))
}
