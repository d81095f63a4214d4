//! Tools that ask for more than others: routes by what an MCP request says it does.

use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::now;
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
