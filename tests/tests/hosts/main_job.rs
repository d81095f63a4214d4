//! The main job on each kind of host, and what a client could try there.

use rescind_e2e::site::Plan;
use serde_json::json;

use crate::host::{Behaviour, Outcome};
use crate::installation::{Installation, LATER, call, forwarded, is_forwarded, request};

#[test]
fn a_call_passes_a_signal_comes_the_token_is_refused_and_a_new_one_passes() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let mut gateway = site.synchronized(behaviour, 2);
        let sub = format!("agent-{behaviour:?}");
        let (token, bystander) = (site.issuer.token(&sub), site.issuer.token("bystander"));
        for worker in 0..2 {
            let outcome = gateway.send(worker, &call(&token));
            assert_eq!(forwarded(&outcome, "x-rescind-subject"), [sub.as_str()], "{behaviour:?}");
            assert!(!forwarded(&outcome, "authorization").concat().contains(&token));
        }
        site.revoke(&sub);
        let later = site.later_token(&sub);
        gateway.advance(LATER);
        gateway.turn(2);
        for worker in 0..2 {
            let case = format!("{behaviour:?}, worker {worker}");
            let outcome = gateway.send(worker, &call(&token));
            assert_eq!(
                outcome,
                Outcome::Answered(401),
                "{case}: {:#?}",
                gateway.workers[worker].log()
            );
            assert!(is_forwarded(&gateway.send(worker, &call(&later))), "{case}");
            assert!(is_forwarded(&gateway.send(worker, &call(&bystander))), "{case}");
            assert!(is_forwarded(&gateway.send(worker, &request("/public", &[]))), "{case}");
            assert_eq!(gateway.send(worker, &request("/orders", &[])), Outcome::Answered(401));
        }
    }
}

#[test]
fn keys_are_fetched_and_a_rotated_key_is_found() {
    let site = Installation::start();
    let plan = Plan { fetch_keys: true, ..Plan::default() };
    for behaviour in Behaviour::ALL {
        let mut gateway = site.gateway(behaviour, 1, &plan);
        gateway.turn(4);
        let token = site.issuer.token("agent");
        assert!(is_forwarded(&gateway.send(0, &call(&token))), "{behaviour:?}");
        let kid = format!("next-{behaviour:?}");
        site.issuer.rotate(rescind_e2e::issuer::Key::generate("EdDSA", &kid));
        let token = site.issuer.token("agent");
        // Ten seconds after the last fetch a strange key may cause one.
        gateway.advance(3 * LATER);
        let before = gateway.send(0, &call(&token));
        assert!(matches!(before, Outcome::Answered(401 | 503)), "{behaviour:?}: {before:?}");
        gateway.turn(2);
        let after = gateway.send(0, &call(&token));
        assert!(is_forwarded(&after), "{behaviour:?}: {after:?}\n{:#?}", gateway.workers[0].log());
    }
}

#[test]
fn nobody_can_pretend_to_be_another_whatever_the_host_does_with_headers() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let mut gateway = site.synchronized(behaviour, 1);
        let bearer = format!("Bearer {}", site.issuer.token("agent"));
        let forged = [
            ("authorization", bearer.as_str()),
            ("X-Rescind-Subject", "admin"),
            ("x_rescind_issuer", "https://elsewhere.example.com"),
        ];
        let outcome = gateway.send(0, &request("/orders", &forged));
        assert_eq!(forwarded(&outcome, "x-rescind-subject"), ["agent"], "{behaviour:?}");
        assert_eq!(forwarded(&outcome, "x_rescind_issuer").concat(), "", "{behaviour:?}");
        let public = gateway.send(0, &request("/public", &forged[1..]));
        for name in ["x-rescind-subject", "x_rescind_issuer"] {
            assert_eq!(forwarded(&public, name).concat(), "", "{behaviour:?}");
        }
        // Kong changes only the first of two, and the other one reaches the service.
        let twice = [&forged[..], &[("x-rescind-subject", "admin")]].concat();
        match gateway.send(0, &request("/orders", &twice)) {
            Outcome::Answered(status) => assert_eq!((behaviour, status), (Behaviour::Kong, 503)),
            outcome => assert_eq!(forwarded(&outcome, "x-rescind-subject"), ["agent"]),
        }
    }
}

#[test]
fn a_token_bound_to_a_certificate_is_refused_where_nobody_can_tell_the_certificate() {
    let site = Installation::start();
    let cnf = json!({ "cnf": { "x5t#S256": "A".repeat(43) } });
    for behaviour in Behaviour::ALL {
        let mut gateway = site.synchronized(behaviour, 1);
        let token = site.issuer.token_with("agent", &cnf);
        assert_eq!(gateway.send(0, &call(&token)), Outcome::Answered(401), "{behaviour:?}");
    }
}

#[test]
fn a_token_is_forwarded_where_that_is_configured_also_by_a_request_that_has_waited() {
    let site = Installation::start();
    let plan = Plan { filter: json!({ "identity": { "forward_token": true } }), ..Plan::default() };
    for behaviour in Behaviour::ALL {
        let mut gateway = site.gateway(behaviour, 1, &plan);
        gateway.turn(4);
        let bearer = format!("Bearer {}", site.issuer.token("agent"));
        for _ in 0..2 {
            let outcome = gateway.send(0, &request("/orders", &[("authorization", &bearer)]));
            assert_eq!(forwarded(&outcome, "authorization"), [bearer.as_str()], "{behaviour:?}");
        }
    }
}

#[test]
fn routes_are_chosen_by_the_host_and_the_path_that_the_service_will_see() {
    let site = Installation::start();
    let routes = json!({ "routes": [
        { "path_prefix": "/open", "hosts": ["open.example.com"], "access": "public" },
        { "path_prefix": "/admin", "scopes": ["admin"] },
    ]});
    let plan = Plan { filter: routes, ..Plan::default() };
    for behaviour in Behaviour::ALL {
        let mut gateway = site.gateway(behaviour, 1, &plan);
        gateway.turn(4);
        let mut send = |path: &str, host: &str| {
            let mut headers = request(path, &[]);
            for (name, value) in &mut headers {
                if name == b":authority" || name == b"host" {
                    *value = host.as_bytes().to_vec();
                }
            }
            gateway.send(0, &headers)
        };
        assert!(is_forwarded(&send("/open/a?b=c", "open.example.com")), "{behaviour:?}");
        assert_eq!(send("/open/a", "api.example.com"), Outcome::Answered(401), "{behaviour:?}");
        // nginx decodes this to /open/a, and the service gets it as it was.
        for path in ["/admin%2f..%2fopen/a", "/admin/..%2fopen/a", "/x/%2e%2e/open/a"] {
            assert_eq!(
                send(path, "open.example.com"),
                Outcome::Answered(400),
                "{behaviour:?} {path}"
            );
        }
    }
}

#[test]
fn what_an_mcp_request_says_it_does_is_read_alike_on_every_host() {
    let site = Installation::start();
    let mcp = json!({ "methods": ["tools/call"], "names": ["transfer_*"] });
    let routes = json!({ "routes": [{ "path": "/mcp", "mcp": mcp, "scopes": ["pay"] }] });
    let plan = Plan { filter: routes, ..Plan::default() };
    for behaviour in Behaviour::ALL {
        let mut gateway = site.gateway(behaviour, 1, &plan);
        gateway.turn(4);
        let bearer = format!("Bearer {}", site.issuer.token("agent"));
        let mut post = |more: &[(&str, &str)]| {
            let first =
                [("authorization", bearer.as_str()), ("MCP-Protocol-Version", "2026-07-28")];
            let mut headers = request("/mcp", &[&first, more].concat());
            headers[0].1 = b"POST".to_vec();
            gateway.send(0, &headers)
        };
        let method = ("Mcp-Method", "tools/call");
        assert!(is_forwarded(&post(&[method, ("Mcp-Name", "get_weather")])), "{behaviour:?}");
        for name in ["transfer_money", "=?base64?dHJhbnNmZXJfbW9uZXk=?="] {
            let outcome = post(&[method, ("mcp-name", name)]);
            assert_eq!(outcome, Outcome::Answered(403), "{behaviour:?} {name}");
        }
        for more in [&[][..], &[method], &[method, ("Mcp-Name", "a"), ("Mcp_Name", "transfer_a")]] {
            assert_eq!(post(more), Outcome::Answered(400), "{behaviour:?} {more:?}");
        }
    }
}

#[test]
fn a_request_without_host_ends_no_worker() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let mut gateway = site.synchronized(behaviour, 1);
        let token = site.issuer.token("agent");
        let mut headers = call(&token);
        headers.retain(|(name, _)| name != b"host" && name != b":authority");
        let outcome = gateway.send(0, &headers);
        match behaviour {
            Behaviour::Envoy => assert!(is_forwarded(&outcome)),
            Behaviour::Kong | Behaviour::Apisix => assert_eq!(outcome, Outcome::Answered(503)),
        }
        assert!(is_forwarded(&gateway.send(0, &call(&token))), "{behaviour:?}");
    }
}

#[test]
fn headers_that_the_host_leaves_out_hide_nothing() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let mut gateway = site.synchronized(behaviour, 1);
        let token = site.issuer.token("agent");
        for others in [90, 94, 95, 96, 100, 200] {
            let mut headers = call(&token);
            let position = headers.len();
            for number in 0..others {
                headers.insert(position, (format!("x-{number}").into_bytes(), b"1".to_vec()));
            }
            headers.push((b"x-rescind-subject".to_vec(), b"admin".to_vec()));
            match gateway.send(0, &headers) {
                Outcome::Answered(status) => {
                    assert_eq!((behaviour, status), (Behaviour::Kong, 503), "{others}");
                }
                outcome => assert_eq!(forwarded(&outcome, "x-rescind-subject"), ["agent"]),
            }
        }
    }
}
