//! Tools that ask for more than others: routes by what an MCP request says it does.

use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::{AUDIENCE, now};
use rescind_e2e::site::{Plan, Site};
use serde_json::json;

const NEW: [(&str, &str); 1] = [("MCP-Protocol-Version", "2026-07-28")];

fn site() -> Site {
    let routes = json!([
        { "path": "/mcp", "mcp": { "methods": ["tools/call"], "names": ["transfer_*"] },
          "scopes": ["pay"], "max_age_secs": 300 },
        { "path": "/mcp", "mcp": { "methods": ["tools/call"] }, "scopes": ["call"] },
        { "path": "/mcp", "mcp": { "methods": ["server/discover"] }, "access": "public" },
        { "path": "/mcp" },
    ]);
    Site::with(&Plan { filter: json!({ "routes": routes }), ..Plan::default() })
}

fn post(site: &Site, token: &str, headers: &[(&str, &str)]) -> Message {
    let request = Request::post("/mcp", "application/json", "{}");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = if token.is_empty() { request } else { request.bearer(token) };
    site.envoy.send(&request)
}

#[test]
fn a_tool_that_moves_money_asks_for_more_than_the_others() {
    let site = site();
    let token = |scope: &str| {
        let claims = json!({ "scope": scope, "auth_time": now() });
        site.issuer.token_with("agent", &claims)
    };
    let (caller, payer) = (token("call"), token("call pay"));
    let call = |token: &str, method: &str, name: &str| {
        let headers = [NEW.as_slice(), &[("Mcp-Method", method), ("Mcp-Name", name)]].concat();
        post(&site, token, &headers)
    };
    for name in ["transfer_money", "=?base64?dHJhbnNmZXJfbW9uZXk=?="] {
        let refused = call(&caller, "tools/call", name);
        assert_eq!(refused.status(), 403, "{name}");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("scope=\"pay\""), "{challenge}");
        assert_eq!(call(&payer, "tools/call", name).status(), 200, "{name}");
    }
    assert_eq!(call(&caller, "tools/call", "get_weather").status(), 200);
    assert_eq!(call(&token("read"), "tools/call", "get_weather").status(), 403);
    assert_eq!(call(&token("read"), "prompts/get", "greeting").status(), 200);
    let discovery = [NEW.as_slice(), &[("mcp-method", "server/discover")]].concat();
    assert_eq!(post(&site, "", &discovery).status(), 200, "that route is public");

    let weak =
        site.issuer.token_with("agent", &json!({ "scope": "pay", "auth_time": now() - 900 }));
    let refused = call(&weak, "tools/call", "transfer_money");
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");

    site.revoke("agent", &payer);
    assert_eq!(call(&payer, "tools/call", "get_weather").status(), 401);
}

#[test]
fn no_request_gets_around_a_tools_route_by_its_headers() {
    let site = site();
    let claims = json!({ "scope": "call", "auth_time": now() });
    let token = site.issuer.token_with("agent", &claims);
    let served = site.upstream.served();
    let method = ("Mcp-Method", "tools/call");
    for headers in [
        &[][..],
        &[("MCP-Protocol-Version", "2025-11-25"), method, ("Mcp-Name", "get_weather")],
        &[("MCP-Protocol-Version", "2026-07-29"), method, ("Mcp-Name", "get_weather")],
        &[NEW[0], method],
        &[NEW[0], ("Mcp-Name", "get_weather")],
        &[NEW[0], NEW[0], method, ("Mcp-Name", "get_weather")],
        &[NEW[0], method, ("Mcp-Method", "tools/list"), ("Mcp-Name", "get_weather")],
        &[NEW[0], method, ("Mcp-Name", "get_weather"), ("mcp-name", "transfer_money")],
        &[NEW[0], method, ("Mcp-Name", "get_weather"), ("Mcp_Name", "transfer_money")],
        &[NEW[0], method, ("Mcp-Name", "=?Base64?dHJhbnNmZXJfbW9uZXk=?=")],
        &[NEW[0], method, ("Mcp-Name", "=?base64?dHJhbnNmZXJfbW9uZXk?=")],
        &[NEW[0], method, ("Mcp-Name", "=?base64??=")],
    ] {
        let refused = post(&site, &token, headers);
        assert_eq!(refused.status(), 400, "{headers:?}: {}", refused.text());
    }
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::new(method, "/mcp").bearer(&token);
        assert_eq!(site.envoy.send(&request).status(), 400, "{method}");
    }
    assert_eq!(site.upstream.served(), served, "none of them reached the service");
    site.envoy.logged("the reason", |line| line["reason"] == "unclear_mcp_message");
    assert_eq!(site.call(&token), 200, "elsewhere the headers are nobody's business");
}

/// Two servers behind one gateway, each with an audience of its own, and one path that is for neither.
#[test]
fn a_token_for_one_server_is_refused_at_the_other() {
    const A: &str = "https://mcp.example.com/a";
    const B: &str = "https://mcp.example.com/b";
    let filter = json!({
        "routes": [
            { "path_prefix": "/a", "audiences": [A] },
            { "path_prefix": "/b", "audiences": [B] },
        ],
        "resources": [{ "resource": A }, { "resource": B }],
    });
    let section = json!({ "audiences": [AUDIENCE, A, B] });
    let site = Site::with(&Plan { filter, section, ..Plan::default() });
    let token = |aud: serde_json::Value| site.issuer.token_with("agent", &json!({ "aud": aud }));
    let served = site.upstream.served();
    let mut passed = 0;
    for (aud, a, b) in [
        (json!(A), 200, 401),
        (json!("https://MCP.example.com:443/a/"), 200, 401),
        (json!(B), 401, 200),
        (json!([A, B]), 200, 200),
        (json!(AUDIENCE), 401, 401),
        (json!(format!("{A}/other")), 401, 401),
    ] {
        let token = token(aud.clone());
        // Known to the gateway or not, in either order.
        for (path, expected) in [("/a", a), ("/b/x", b), ("/a", a), ("/b", b)] {
            let answer = site.envoy.send(&Request::get(path).bearer(&token));
            assert_eq!(answer.status(), expected, "{aud} at {path}");
            passed += u64::from(expected == 200);
            if expected == 401 {
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                let document = path.trim_end_matches("/x");
                let document = format!(
                    "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource{document}\""
                );
                assert!(challenge.contains(&document), "{challenge}");
                assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            }
        }
    }
    assert_eq!(site.upstream.served(), served + passed);
    site.envoy.logged("the reason", |line| line["reason"] == "not_for_route");
    assert_eq!(site.call(&token(json!(A))), 200, "elsewhere any audience of the issuer does");
}

#[test]
fn a_page_that_may_not_call_is_refused_before_its_token_is_looked_at() {
    let origins = json!(["https://app.example.com"]);
    let routes = json!([
        { "path": "/mcp", "origins": origins, "cors_preflight": true },
        { "path": "/public", "origins": origins, "access": "public" },
    ]);
    let site = Site::with(&Plan { filter: json!({ "routes": routes }), ..Plan::default() });
    let token = site.issuer.token("agent");
    let served = site.upstream.served();
    let evil = "https://evil.example";
    for origins in [
        &[evil][..],
        &["null"],
        &[""],
        &["https://app.example.com", evil],
        &["https://app.example.com", "https://app.example.com"],
        &["https://app.example.com:443"],
        &["https://app.example.com.evil.example"],
    ] {
        for path in ["/mcp", "/public", "/mcp?access_token=x"] {
            for token in [&*token, "garbage"] {
                let request = Request::post(path, "application/json", "{}").bearer(token);
                let request =
                    origins.iter().fold(request, |request, o| request.header("Origin", o));
                let refused = site.envoy.send(&request);
                assert_eq!(refused.status(), 403, "{path}, {origins:?}");
                assert_eq!(refused.header("www-authenticate"), None);
            }
        }
    }
    let preflight = |origin: &str| {
        let request = Request::new("OPTIONS", "/mcp").header("origin", origin);
        site.envoy.send(&request.header("access-control-request-method", "POST")).status()
    };
    assert_eq!(preflight(evil), 403);
    assert_eq!(site.upstream.served(), served, "none of them reached the service");
    assert_eq!(preflight("https://app.example.com"), 200);
    for origin in [None, Some("https://app.example.com")] {
        let request = Request::post("/mcp", "application/json", "{}").bearer(&token);
        let request = origin.into_iter().fold(request, |request, o| request.header("origin", o));
        assert_eq!(site.envoy.send(&request).status(), 200, "{origin:?}");
    }
    site.envoy.logged("the reason", |line| line["reason"] == "origin_not_allowed");
    let elsewhere = Request::get("/orders").bearer(&token).header("origin", evil);
    assert_eq!(site.envoy.send(&elsewhere).status(), 200, "no other route asks");
}
