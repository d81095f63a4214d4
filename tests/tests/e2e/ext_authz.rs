//! The examples for an Envoy without Wasm in a real Envoy: allowed, signal, refused.

use rescind_e2e::deciding::{Deciding, secret};
use rescind_e2e::envoy::Envoy;
use rescind_e2e::http::{self, Message, Request};
use rescind_e2e::prover::base64url;
use rescind_e2e::{ports, tools, wait};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::possession::Authority;

/// The caller's form, and the example's file.
pub(crate) const BOTH: [(&str, &str); 2] =
    [("envoy", "envoy-http.yaml"), ("envoy-grpc", "envoy-grpc.yaml")];

/// The example, with other addresses and the caller's token.
fn start(site: &Deciding, example: &str) -> Envoy {
    let envoy = start_changed(site, example, |text| text);
    let token = site.issuer.token("warm-up");
    wait::until_true("keys to be there", wait::SOON, || envoy.get("/orders", &token) == 200);
    envoy
}

/// As [`start`], with a file that was changed, and without waiting for keys.
pub(crate) fn start_changed(
    site: &Deciding,
    example: &str,
    change: impl FnOnce(String) -> String,
) -> Envoy {
    let path = tools::repository().join("examples/envoy-ext-authz").join(example);
    let mut text = std::fs::read_to_string(path).unwrap();
    let (port, admin) = (ports::free(), ports::free());
    for (from, to) in [
        ("port_value: 8710", format!("port_value: {}", site.port)),
        ("port_value: 9000", format!("port_value: {}", site.upstream.port())),
        ("port_value: 8080", format!("port_value: {port}")),
        ("port_value: 9901", format!("port_value: {admin}")),
        ("REPLACE-with-the-callers-token", secret()),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, &to);
    }
    site.companion.write("envoy.yaml", &change(text));
    Envoy::run(&site.folder.path().join("envoy.yaml"), 2, (port, admin), site.folder.path())
}

/// The values of this header that the service got.
fn got(answer: &Message, name: &str) -> Vec<String> {
    let headers = answer.json()["headers"].as_array().cloned().unwrap_or_default();
    let named = headers.into_iter().filter(|header| header[0] == name);
    named.map(|header| header[1].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_envoy_without_wasm_lets_a_good_token_through_and_refuses_it_from_the_signal_on() {
    for (form, example) in BOTH {
        let site = Deciding::start(form, json!({}));
        let envoy = start(&site, example);
        for number in 0..10 {
            let sub = format!("agent-{number}");
            let request = Request::get("/orders?a=b").bearer(&site.issuer.token(&sub));
            let answer = envoy.send(&request);
            assert_eq!(answer.status(), 200, "{form}: {}", answer.text());
            assert_eq!(got(&answer, "x-rescind-subject"), [sub.as_str()], "{form}");
            assert_eq!(answer.json()["request"], "GET /orders?a=b", "{form}");
            site.revoke(&sub);
            let refused = envoy.send(&request);
            assert_eq!(refused.status(), 401, "{form}: the next request after the 202");
            let challenge = refused.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains("error=\"invalid_token\""), "{form}: {challenge}");
            assert_eq!(refused.text(), r#"{"error":"invalid_token"}"#, "{form}");
        }
    }
}

#[test]
fn the_access_log_of_an_envoy_that_asks_by_grpc_has_subject_reason_and_signal() {
    let site = Deciding::start("envoy-grpc", json!({}));
    let envoy = start(&site, "envoy-grpc.yaml");
    let token = site.issuer.token("alice");
    assert_eq!(envoy.get("/orders", &token), 200);
    site.revoke("alice");
    assert_eq!(envoy.get("/orders", &token), 401);
    let logged = |wanted: &dyn Fn(&Value) -> bool| {
        wait::until("the access log", wait::SOON, || {
            let log = envoy.process.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
            lines.find(|line: &Value| wanted(line))
        })
    };
    let _permitted = logged(&|line| line["subject"] == "alice" && line["status"] == 200);
    let refused = logged(&|line| line["reason"] == "revoked" && line["status"] == 401);
    assert_eq!(refused["signal"].as_str().map(str::len), Some(32), "{refused}");
}

#[test]
fn behind_an_envoy_without_wasm_no_client_can_say_who_it_is_or_what_it_asks_for() {
    for (form, example) in BOTH {
        let site = Deciding::start(form, json!({}));
        let envoy = start(&site, example);
        let token = site.issuer.token("alice");
        let forged = |path: &str| {
            Request::get(path)
                .header("x-rescind-subject", "admin")
                .header("x_rescind_subject", "admin")
                .header("x-rescind-actor", "admin")
                .header("x-original-uri", "/public")
                .header("x-rescind-caller", "someone")
                .header("x-envoy-original-path", "/public")
        };
        let answer = envoy.send(&forged("/orders").bearer(&token));
        assert_eq!(answer.status(), 200, "{form}: {}", answer.text());
        assert_eq!(got(&answer, "x-rescind-subject"), ["alice"], "{form}");
        for name in ["x_rescind_subject", "x-rescind-actor", "authorization"] {
            assert_eq!(got(&answer, name), [""; 0], "{form}: {name}");
        }
        let answer = envoy.send(&forged("/public/a"));
        let names = ["x-rescind-subject", "x_rescind_subject"].map(|name| got(&answer, name).len());
        assert_eq!((answer.status(), names), (200, [0, 0]), "{form}");
        assert_eq!(envoy.send(&forged("/orders")).status(), 401, "{form}");
        assert_eq!(envoy.send(&forged("/admin").bearer(&token)).status(), 403, "{form}");
        assert_eq!(envoy.get("/a/..%2fadmin", &token), 400, "{form}");
        let twice = Request::get("/orders").bearer(&token).bearer(&token);
        assert_eq!(envoy.send(&twice).status(), 400, "{form}: two credentials");
        let preflight = Request::new("OPTIONS", "/orders").header("origin", "https://a.example");
        let preflight = preflight.header("access-control-request-method", "PUT");
        assert_eq!(envoy.send(&preflight).status(), 401, "{form}: no route lets preflights pass");
    }
}

#[test]
fn an_envoy_without_wasm_closes_when_the_companion_does_not_answer_or_know_it() {
    for (form, example) in BOTH {
        let mut site = Deciding::start(form, json!({}));
        let envoy = start(&site, example);
        let token = site.issuer.token("alice");
        let served = site.upstream.served();
        site.companion.process().signal("STOP");
        assert_eq!(envoy.get("/orders", &token), 503, "{form}");
        site.companion.process().signal("CONT");
        site.companion.kill();
        assert_eq!(envoy.get("/orders", &token), 503, "{form}");
        site.companion.write("caller.token", "another-secret-than-the-gateways");
        site.companion.run();
        assert_eq!(envoy.get("/orders", &token), 503, "{form}");
        assert_eq!(site.upstream.served(), served, "{form}");
    }
}

#[test]
fn an_envoy_that_asks_by_grpc_shows_the_certificate_that_a_token_is_bound_to() {
    let site = Deciding::start("envoy-grpc", json!({}));
    let authority = Authority::new();
    let tls = authority.server();
    let envoy = start_changed(&site, "envoy-grpc.yaml", |text| {
        let filters = "        - filters:\n";
        assert_eq!(text.matches(filters).count(), 1);
        text.replace(filters, &format!("        - transport_socket: {tls}\n          filters:\n"))
    });
    let (client, thief) = (authority.sign("client"), authority.sign("thief"));
    let digest = base64url(&Sha256::digest(client.0.der()));
    let bound = site.issuer.token_with("agent", &json!({"cnf": {"x5t#S256": digest}}));
    let plain = site.issuer.token("agent");
    let call = |token: &str, certificate| {
        let mut stream = authority.connect(envoy.port, certificate);
        let request = Request::get("/orders").bearer(token);
        http::exchange(&mut stream, envoy.port, &request).expect("an answer").status()
    };
    wait::until_true("keys to be there", wait::SOON, || call(&plain, None) == 200);
    assert_eq!(call(&bound, Some(&client)), 200);
    assert_eq!(call(&bound, Some(&thief)), 401, "with another certificate");
    assert_eq!(call(&bound, None), 401, "without one");
}
