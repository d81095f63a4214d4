//! What a client that is refused can do about it: find its authorization server, authenticate again, ask first.

use rescind_e2e::http::Request;
use rescind_e2e::issuer::{AUDIENCE, now};
use rescind_e2e::site::{ISSUER, Plan, Site};
use serde_json::json;

#[test]
fn a_client_without_a_token_finds_its_authorization_server() {
    let filter = json!({ "resources": [{
        "resource": AUDIENCE, "scopes": ["orders:read"], "name": "Orders",
    }] });
    let site = Site::with(&Plan { filter, ..Plan::default() });
    let refused = site.envoy.send(&Request::get("/orders"));
    assert_eq!(refused.status(), 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    let url = format!("{AUDIENCE}/.well-known/oauth-protected-resource");
    assert!(challenge.contains(&format!("resource_metadata=\"{url}\"")), "{challenge}");

    let found = site.envoy.send(&Request::get("/.well-known/oauth-protected-resource"));
    assert_eq!(found.status(), 200);
    assert_eq!(found.header("content-type"), Some("application/json"));
    let document = found.json();
    assert_eq!(document["resource"], AUDIENCE);
    assert_eq!(document["authorization_servers"], json!([ISSUER]));
    assert_eq!(document["scopes_supported"], json!(["orders:read"]));

    let elsewhere = site.envoy.send(&Request::get("/.well-known/oauth-protected-resource/x"));
    assert_eq!(elsewhere.status(), 401, "no other path is open");
}

#[test]
fn a_client_whose_user_was_authenticated_too_weakly_is_told_what_would_do() {
    let filter = json!({ "routes": [{
        "path_prefix": "/payments", "acr_values": ["phr"], "max_age_secs": 300,
    }] });
    let site = Site::with(&Plan { filter, ..Plan::default() });
    let call = |claims| {
        let token = site.issuer.token_with("agent", &claims);
        site.envoy.send(&Request::get("/payments/7").bearer(&token))
    };
    let weak = call(json!({ "acr": "pwd", "auth_time": now() }));
    assert_eq!(weak.status(), 401);
    let challenge = weak.header("www-authenticate").unwrap_or_default();
    for part in
        ["error=\"insufficient_user_authentication\"", "acr_values=\"phr\"", "max_age=\"300\""]
    {
        assert!(challenge.contains(part), "{part} in {challenge}");
    }
    assert_eq!(call(json!({ "acr": "phr", "auth_time": now() - 600 })).status(), 401);
    assert_eq!(call(json!({ "acr": "phr", "auth_time": now() })).status(), 200);
    assert_eq!(site.call(&site.issuer.token("agent")), 200, "other routes ask for nothing");
}

#[test]
fn the_service_gets_the_token_only_where_the_configuration_says_so() {
    let site = Site::with(&Plan {
        filter: json!({ "identity": { "forward_token": true } }),
        ..Plan::default()
    });
    let token = site.issuer.token("agent");
    assert!(site.answer(&token).text().contains(&token));
}

#[test]
fn a_browser_may_ask_before_it_sends_and_only_ask() {
    let filter = json!({ "routes": [{
        "path_prefix": "/orders", "methods": ["PUT"], "cors_preflight": true,
    }] });
    let site = Site::with(&Plan { filter, ..Plan::default() });
    let options = |path: &str, method: &str| {
        let request = Request::new("OPTIONS", path)
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", method);
        site.envoy.send(&request).status()
    };
    assert_eq!(options("/orders/7", "PUT"), 200);
    assert_eq!(options("/orders/7", "DELETE"), 401);
    assert_eq!(options("/users", "PUT"), 401);
    let no_question = Request::new("OPTIONS", "/orders/7");
    assert_eq!(site.envoy.send(&no_question).status(), 401);
}
