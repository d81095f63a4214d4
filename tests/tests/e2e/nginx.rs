//! The example for nginx in a real nginx: allowed, signal, refused.

use rescind_e2e::deciding::{Deciding, secret};
use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::Endpoint;
use rescind_e2e::nginx::Nginx;
use rescind_e2e::{ports, tools, wait};
use serde_json::json;

/// The example's configuration, with other addresses.
fn start(site: &Deciding) -> Nginx {
    start_changed(site, |text| text)
}

/// As [`start`], with a file that was changed.
pub(crate) fn start_changed(site: &Deciding, change: impl FnOnce(String) -> String) -> Nginx {
    let example = tools::repository().join("examples/nginx/nginx.conf");
    let mut text = std::fs::read_to_string(example).unwrap();
    let port = ports::free();
    for (from, to) in [
        ("127.0.0.1:8710", format!("127.0.0.1:{}", site.port)),
        ("127.0.0.1:9000", format!("127.0.0.1:{}", site.upstream.port())),
        ("127.0.0.1:8080", format!("127.0.0.1:{port}")),
        ("worker_processes auto", "worker_processes 2".to_owned()),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, &to);
    }
    let caller = format!("proxy_set_header X-Rescind-Caller \"{}\";\n", secret());
    site.companion.write("rescind-caller.conf", &caller);
    Nginx::start(&change(text), port, site.folder.path())
}

fn ready(nginx: &Nginx, site: &Deciding) {
    let request = Request::get("/orders").bearer(&site.issuer.token("warm-up"));
    wait::until_true("keys to be there", wait::SOON, || nginx.send(&request).status() == 200);
}

/// The headers of this name that the service got.
fn got(answer: &Message, name: &str) -> Vec<String> {
    let headers = answer.json()["headers"].as_array().cloned().unwrap_or_default();
    let named = headers.into_iter().filter(|header| header[0] == name);
    named.map(|header| header[1].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn nginx_lets_a_good_token_through_and_refuses_it_from_the_signal_on() {
    let site = Deciding::start("nginx", json!({}));
    let nginx = start(&site);
    ready(&nginx, &site);
    for number in 0..10 {
        let sub = format!("agent-{number}");
        let request = Request::get("/orders?a=b").bearer(&site.issuer.token(&sub));
        let answer = nginx.send(&request);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(got(&answer, "x-rescind-subject"), [sub.as_str()]);
        assert_eq!(answer.json()["request"], "GET /orders?a=b");
        site.revoke(&sub);
        let refused = nginx.send(&request);
        assert_eq!(refused.status(), 401, "the next request after the 202");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    wait::until_true("the access log", wait::SOON, || {
        let log = site.companion.read("access.log");
        log.lines().filter(|line| line.contains("401 \"revoked\" ")).count() == 10
    });
}

#[test]
fn behind_nginx_no_client_can_say_who_it_is_or_what_it_asks_for() {
    let site = Deciding::start("nginx", json!({}));
    let nginx = start(&site);
    ready(&nginx, &site);
    let token = site.issuer.token("alice");
    let forged = |path: &str| {
        Request::get(path)
            .header("x-rescind-subject", "admin")
            .header("x_rescind_subject", "admin")
            .header("x-rescind-actor", "admin")
            .header("x-original-uri", "/public")
            .header("x-original-method", "GET")
            .header("x-rescind-caller", "someone")
    };
    let answer = nginx.send(&forged("/orders").bearer(&token));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(got(&answer, "x-rescind-subject"), ["alice"]);
    for name in ["x_rescind_subject", "x-rescind-actor", "authorization"] {
        assert_eq!(got(&answer, name), [""; 0], "{name}");
    }
    let answer = nginx.send(&forged("/public/a"));
    assert_eq!((answer.status(), got(&answer, "x-rescind-subject").len()), (200, 0));
    assert_eq!(nginx.send(&forged("/orders")).status(), 401);
    assert_eq!(nginx.send(&forged("/admin").bearer(&token)).status(), 403);
}

#[test]
fn nginx_says_400_and_503_where_they_are_meant_and_closes_when_nobody_answers() {
    let mut site = Deciding::start("nginx", json!({}));
    let nginx = start(&site);
    ready(&nginx, &site);
    let token = site.issuer.token("alice");
    let get = |path: &str| nginx.send(&Request::get(path).bearer(&token)).status();
    let served = site.upstream.served();
    assert_eq!(get("/a/..%2fadmin"), 400);
    site.companion.process().signal("STOP");
    assert_eq!(get("/orders"), 500);
    site.companion.process().signal("CONT");
    site.companion.kill();
    assert_eq!(get("/orders"), 500);
    assert_eq!(site.upstream.served(), served);
    // Its keys are not there again before the issuer answers.
    site.issuer.behave(Endpoint::Failing(500));
    site.companion.run();
    let answer = nginx.send(&Request::get("/orders").bearer(&token));
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("2")));
    assert_eq!(site.upstream.served(), served);
}
