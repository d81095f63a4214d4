//! Decisions for gateways that ask before they forward a request.

mod support;

use serde_json::{Value, json};
use support::gate::{Deciding, secret};
use support::{Answer, rescind};

fn outcome(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.header("x-rescind-subject"), answer.header("x-rescind-reason"))
}

#[test]
fn a_good_token_passes_and_its_subject_is_told() {
    let site = Deciding::started(&["headers"]);
    let answer = site.ask("headers", "/orders", Some(&site.token("alice")));
    assert_eq!(outcome(&answer), (200, Some("alice"), None), "{answer:?}");
    assert_eq!(answer.header("x-rescind-client"), Some("app"));
    let answer = site.ask("headers", "/orders", None);
    assert_eq!(outcome(&answer), (401, None, Some("no_credentials")), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{answer:?}");
    let answer = site.ask("headers", "/admin", Some(&site.token("alice")));
    assert_eq!(outcome(&answer), (403, None, Some("insufficient_scope")), "{answer:?}");
    let answer = site.ask("headers", "/public/a", None);
    assert_eq!(outcome(&answer), (200, None, None), "{answer:?}");
}

#[test]
fn a_signal_is_in_force_with_the_next_decision_after_its_202() {
    let site = Deciding::started(&["headers"]);
    for number in 0..50 {
        let subject = format!("user-{number}");
        let token = site.token(&subject);
        assert_eq!(site.ask("headers", "/orders", Some(&token)).status, 200);
        let set = site.companion.transmitter.set(&subject, &json!({}));
        assert_eq!(site.companion.push(&set).status, 202);
        let answer = site.ask("headers", "/orders", Some(&token));
        assert_eq!(outcome(&answer), (401, None, Some("revoked")), "{answer:?}");
        assert_eq!(answer.header("x-rescind-signal").map(str::len), Some(32));
    }
    let page = || String::from_utf8(site.companion.get("/metrics", "").body).unwrap();
    // Written by the task that tends the table, which may be a moment behind those who decide.
    let tended = |page: &str| page.contains("\nrescind_decisions_table_records 50\n");
    support::wait_until("50 records", || tended(&page()));
    let page = page();
    for line in [
        "rescind_decisions_permitted_total 50",
        "rescind_decisions_denied_total{reason=\"revoked\"} 50",
    ] {
        assert!(page.lines().any(|known| known == line), "{line} in\n{page}");
    }
    let log = site.companion.directory.read("log");
    assert!(log.contains("refused") && log.contains("reason=\"revoked\""), "{log}");
}

#[test]
fn what_was_revoked_before_a_restart_is_refused_from_the_first_decision_on() {
    let mut site = Deciding::started(&["headers"]);
    let token = site.token("alice");
    let set = site.companion.transmitter.set("alice", &json!({}));
    assert_eq!(site.companion.push(&set).status, 202);
    assert_eq!(site.companion.terminate(), Some(0));
    site.companion.start();
    let answer = site.ask("headers", "/orders", Some(&token));
    assert_eq!(outcome(&answer), (401, None, Some("revoked")), "{answer:?}");
    let answer = site.ask("headers", "/orders", Some(&site.token("bob")));
    assert_eq!(outcome(&answer), (200, Some("bob"), None), "{answer:?}");
}

#[test]
fn nginx_hears_nothing_but_200_401_and_403() {
    let site = Deciding::started(&["nginx"]);
    let good = site.token("alice");
    let meant = |path, token: Option<&str>| {
        let answer = site.ask("nginx", path, token);
        (answer.status, answer.header("x-rescind-status").map(str::to_owned))
    };
    let said = |status: u16, meant: &str| (status, Some(meant.to_owned()));
    assert_eq!(meant("/orders", Some(&good)), (200, None));
    assert_eq!(meant("/orders", None), said(401, "401"));
    assert_eq!(meant("/admin", Some(&good)), said(403, "403"));
    assert_eq!(meant("/a/%2e%2e/b", Some(&good)), said(403, "400"));
    let answer = site.call("GET", "/v1/check", &[("x-rescind-caller", &secret("nginx"))]);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.header("x-rescind-reason"), Some("unreadable_request"));
}

#[test]
fn whoever_shows_no_callers_secret_or_two_is_told_nothing_about_tokens() {
    let site = Deciding::started(&["headers", "traefik"]);
    let (bearer, right) = (format!("Bearer {}", site.token("alice")), secret("headers"));
    let request = [
        ("authorization", bearer.as_str()),
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders"),
        ("x-original-host", "api.example.com"),
    ];
    for shown in [&[][..], &["wrong"], &[&right, &right], &[&right, "wrong"]] {
        let shown = shown.iter().map(|value| ("x-rescind-caller", *value));
        let headers: Vec<_> = request.into_iter().chain(shown).collect();
        let answer = site.call("GET", "/v1/check", &headers);
        assert_eq!(outcome(&answer), (503, None, None), "{answer:?}");
    }
    let page = String::from_utf8(site.companion.get("/metrics", "").body).unwrap();
    assert!(page.contains("rescind_decisions_unknown_callers_total 4\n"), "{page}");
}

#[test]
fn the_form_is_the_callers_and_headers_of_another_form_are_not_read() {
    let site = Deciding::started(&["headers", "traefik", "envoy"]);
    let bearer = format!("Bearer {}", site.token("alice"));
    let ask = |form: &str, path: &str| {
        let secret = secret(form);
        let answer = site.call(
            "GET",
            path,
            &[
                ("x-rescind-caller", secret.as_str()),
                ("authorization", &bearer),
                ("host", "api.example.com"),
                ("x-original-method", "GET"),
                ("x-original-uri", if form == "headers" { "/admin" } else { "/public" }),
                ("x-original-host", "api.example.com"),
                ("x-forwarded-method", "GET"),
                ("x-forwarded-uri", if form == "traefik" { "/admin" } else { "/public" }),
                ("x-forwarded-host", "api.example.com"),
            ],
        );
        answer.status
    };
    assert_eq!(ask("headers", "/v1/check"), 403);
    assert_eq!(ask("traefik", "/v1/check"), 403);
    assert_eq!(ask("envoy", "/v1/check/admin"), 403);
    assert_eq!(ask("envoy", "/v1/check/orders"), 200);
    assert_eq!(ask("headers", "/v1/check/public"), 404, "no path follows here");
}

#[test]
fn envoy_is_told_which_of_the_clients_headers_to_remove() {
    let site = Deciding::started(&["envoy"]);
    let (bearer, secret) = (format!("Bearer {}", site.token("alice")), secret("envoy"));
    let call = |path: &str| {
        let headers = [
            ("x-rescind-caller", secret.as_str()),
            ("authorization", &bearer),
            ("host", "api.example.com"),
        ];
        let answer = site.call("GET", path, &headers);
        assert_eq!(answer.status, 200, "{answer:?}");
        let removed = answer.header("x-envoy-auth-headers-to-remove").unwrap().to_owned();
        removed.split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    let removed = call("/v1/check/orders");
    let has = |removed: &[String], name: &str| removed.iter().any(|known| known == name);
    for (name, expected) in [
        ("authorization", true),
        ("x_rescind_subject", true),
        ("x-rescind-actor", true),
        ("x-rescind-subject", false),
    ] {
        assert_eq!(has(&removed, name), expected, "{name} in {removed:?}");
    }
    let removed = call("/v1/check/public");
    assert!(has(&removed, "x-rescind-subject") && !has(&removed, "authorization"), "{removed:?}");
}

#[test]
fn the_state_stays_fresh_without_signals() {
    let changes = json!({});
    let mut site = Deciding::prepared(&["headers"], &changes);
    let mut gate: Value =
        serde_json::from_str(&site.companion.directory.read("gate.json")).unwrap();
    gate["revocation"]["max_staleness_secs"] = json!(2);
    site.companion.directory.write("gate.json", &gate.to_string());
    site.companion.start();
    let (token, start) = (site.token("alice"), support::now());
    support::wait_until("five seconds to pass", || {
        assert_eq!(site.ask("headers", "/orders", Some(&token)).status, 200);
        support::now() >= start + 5
    });
}

#[test]
fn resources_describe_themselves_to_anybody() {
    let resources = json!([{ "resource": support::gate::API }]);
    let mut site = Deciding::prepared(&["headers"], &json!({ "resources": resources }));
    site.companion.start();
    let path = "/.well-known/oauth-protected-resource";
    let answer = site.call("GET", path, &[("host", "api.example.com")]);
    assert_eq!((answer.status, &answer.json()["resource"]), (200, &json!(support::gate::API)));
    let answer = site.call("GET", &format!("{path}/other"), &[("host", "api.example.com")]);
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[test]
fn each_wrong_setting_is_named_with_the_remedy() {
    let site = Deciding::prepared(&["headers", "nginx"], &json!({}));
    let files = &site.companion.directory;
    let right = files.read("rescind.toml");
    let mut gate: Value = serde_json::from_str(&files.read("gate.json")).unwrap();
    gate["revocation"]["feed_key"] = json!("A".repeat(43));
    gate["revocation"]["subject_key"] = json!("0".repeat(32));
    gate["routes"] = json!([
        { "path": "/mcp", "mcp": { "verify_body": true } },
        { "path_prefix": "/", "in_flight": "cut" },
    ]);
    gate["issuers"][0]["token_from"] = json!({ "cookie": "session" });
    files.write("foreign.json", &gate.to_string());
    files.write("wrong.json", "{ \"isuers\": [] }");
    let cases: [(&str, &str, &str); 14] = [
        ("listen = \"127.0.0.1:", "listen = \"x", "is not an address and a port"),
        ("threads = 2", "threads = 65", "`decisions.threads`: is 65, allowed are 1 to 64"),
        ("threads = 2", "threads = 0", "`decisions.threads`: is 0, allowed are 1 to 64"),
        ("\"gate.json\"", "\"none.json\"", "`decisions.gate_file`: cannot read"),
        ("\"gate.json\"", "\"wrong.json\"", "`decisions.gate_file`: is wrong: `isuers`"),
        ("\"gate.json\"", "\"foreign.json\"", "another `revocation.feed_key`"),
        ("\"gate.json\"", "\"foreign.json\"", "another `revocation.subject_key`"),
        ("\"gate.json\"", "\"foreign.json\"", "a route with `in_flight: cut`"),
        ("\"gate.json\"", "\"foreign.json\"", "an issuer with `token_from`"),
        ("\"gate.json\"", "\"foreign.json\"", "a route with `mcp.verify_body`"),
        ("form = \"nginx\"", "form = \"apache\"", "`decisions.callers[1].form`: `apache`"),
        ("name = \"nginx\"", "name = \"headers\"", "`headers` is used twice"),
        (
            "token_file = \"nginx.token\"",
            "danger_without_token = true",
            "`decisions.callers[1].danger_without_token`: stands beside other callers",
        ),
        (
            "threads = 2",
            "clusters = [{ name = \"idp\", url = \"http://idp.example.com\" }]",
            "`decisions.clusters[0].url`: `http://idp.example.com` is not such a URL",
        ),
    ];
    for (from, to, expected) in cases {
        // In the section itself, not in what stands before it.
        let (before, section) = right.split_once("[decisions]").unwrap();
        assert!(section.contains(from), "{from}");
        files.write("wrong.toml", &format!("{before}[decisions]{}", section.replacen(from, to, 1)));
        let output = rescind(&files.0, &["serve", "--check", "--config", "wrong.toml"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains(expected), "{from} -> {to}:\n{text}\nlacks {expected}");
    }
    let output = rescind(&files.0, &["serve", "--check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn the_service_gets_the_credentials_that_come_back_with_the_answer_and_no_others() {
    for (forward, expected) in [(false, false), (true, true)] {
        let identity = json!({ "forward_token": forward });
        let mut site = Deciding::prepared(&["headers"], &json!({ "identity": identity }));
        site.companion.start();
        let token = site.token("alice");
        let bearer = format!("Bearer {token}");
        let answer = site.ask("headers", "/orders", Some(&token));
        let passed_on = (answer.status, answer.header("authorization"));
        assert_eq!(passed_on, (200, expected.then_some(bearer.as_str())));
        let answer = site.ask("headers", "/public", Some("anything"));
        assert_eq!(answer.header("authorization"), Some("Bearer anything"), "left alone");
    }
}

#[test]
fn the_only_caller_may_be_whoever_connects_if_that_is_said() {
    let mut site = Deciding::prepared(&["headers"], &json!({}));
    let files = &site.companion.directory;
    let text = files.read("rescind.toml");
    files.write(
        "rescind.toml",
        &text.replace("token_file = \"headers.token\"", "danger_without_token = true"),
    );
    site.companion.start();
    let bearer = format!("Bearer {}", site.token("alice"));
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders"),
        ("x-original-host", "api.example.com"),
        ("authorization", &bearer),
    ];
    assert_eq!(site.call("GET", "/v1/check", &headers).status, 200);
    assert_eq!(site.call("GET", "/v1/check", &headers[..3]).status, 401);
}

#[test]
fn a_call_of_grpc_that_cannot_be_answered_has_a_status_that_says_why() {
    const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
    // Envoy's limits for headers, certificate and all, twice.
    const MAX_MESSAGE_BYTES: usize = 192 * 1024;
    let site = Deciding::started(&["envoy-grpc", "headers"]);
    let ask = |path: &str, caller: &str, body: &str| {
        let headers =
            [("content-type", "application/grpc".to_owned()), ("x-rescind-caller", secret(caller))];
        let answer = site.post_with(path, &headers, body);
        assert_eq!(answer.status, 200, "gRPC has statuses of its own: {answer:?}");
        answer.header("grpc-status").map(str::to_owned)
    };
    for (path, caller, length, status) in [
        (CHECK, "envoy-grpc", 0, "3"),
        (CHECK, "envoy-grpc", MAX_MESSAGE_BYTES, "12"),
        (CHECK, "envoy-grpc", MAX_MESSAGE_BYTES + 1, "8"),
        (CHECK, "headers", 0, "16"),
        (CHECK, "nobody", 0, "16"),
        ("/envoy.service.auth.v3.Authorization/Other", "envoy-grpc", 0, "12"),
    ] {
        // The first byte says that the message is compressed.
        let found = ask(path, caller, &"x".repeat(length));
        assert_eq!(found.as_deref(), Some(status), "{path} by {caller}, {length} bytes");
    }
    let page = String::from_utf8(site.companion.get("/metrics", "").body).unwrap();
    assert!(page.contains("rescind_decisions_unknown_callers_total 2\n"), "{page}");
}
