//! What passed and is open, on hosts that can end it and on those that cannot.

use rescind_e2e::site::Plan;
use serde_json::json;

use crate::host::{Behaviour, Gateway};
use crate::installation::{Installation, call, is_forwarded};

fn plan(in_flight: &str) -> Plan {
    let routes = json!([{ "path_prefix": "/", "in_flight": in_flight }]);
    Plan { filter: json!({ "routes": routes }), ..Plan::default() }
}

fn synchronized(site: &Installation, in_flight: &str) -> Gateway {
    let mut gateway = site.gateway(Behaviour::Envoy, 2, &plan(in_flight));
    gateway.turn(6);
    gateway
}

#[test]
fn a_revocation_ends_what_is_open_in_every_worker_and_calls_go_on() {
    let site = Installation::start();
    let mut gateway = synchronized(&site, "cut");
    let (agent, other) = (site.issuer.token("agent"), site.issuer.token("other"));
    let open: Vec<[u32; 2]> = gateway
        .workers
        .iter_mut()
        .map(|worker| [&agent, &other].map(|token| worker.open(&call(token))))
        .collect();
    site.revoke("agent");
    gateway.turn(2);
    for (worker, [cut, kept]) in gateway.workers.iter_mut().zip(&open) {
        assert_eq!(worker.close_if_told(*cut), Some(401));
        assert_eq!(worker.close_if_told(*kept), None);
        let line = "ended a stream (revoked): revoked by signal";
        assert!(worker.log().iter().any(|logged| logged.contains(line)), "{:?}", worker.log());
    }
    // Callouts are the root context's again, which a host with a lost answer would show.
    gateway.turn(2);
    for worker in 0..2 {
        assert!(is_forwarded(&gateway.send(worker, &call(&other))));
    }
}

#[test]
fn what_is_to_finish_finishes() {
    let site = Installation::start();
    let mut gateway = synchronized(&site, "finish");
    let open = gateway.workers[0].open(&call(&site.issuer.token("agent")));
    site.revoke("agent");
    gateway.turn(6);
    assert_eq!(gateway.workers[0].close_if_told(open), None);
}

#[test]
fn a_host_that_does_not_end_a_stream_is_asked_again() {
    let site = Installation::start();
    for function in ["proxy_set_effective_context", "proxy_send_local_response"] {
        for status in [1, 2, 12, u32::MAX] {
            let mut gateway = synchronized(&site, "cut");
            let sub = format!("agent-{function}-{status}");
            let open = gateway.workers[0].open(&call(&site.issuer.token(&sub)));
            gateway.workers[0].fail(Some(function), 0, status);
            site.revoke(&sub);
            gateway.turn(2);
            assert_eq!(gateway.workers[0].close_if_told(open), None);
            gateway.workers[0].heal();
            gateway.turn(4);
            let ended = gateway.workers[0].close_if_told(open);
            assert_eq!(ended, Some(401), "{function} {status}");
        }
    }
}

#[test]
fn a_host_that_cannot_end_streams_does_not_take_a_configuration_that_says_so() {
    let site = Installation::start();
    for behaviour in [Behaviour::Kong, Behaviour::Apisix] {
        let configuration = site.configuration(behaviour, &plan("cut"));
        let mut gateway = Gateway::unconfigured(behaviour, 1, &site.clusters());
        let worker = &mut gateway.workers[0];
        assert!(!worker.configure(&configuration), "{behaviour:?}");
        let named = |line: &String| line.contains("`routes[].in_flight`");
        assert!(worker.log().iter().any(named), "{:?}", worker.log());
        assert!(worker.configure(&site.configuration(behaviour, &plan("finish"))));
    }
}
