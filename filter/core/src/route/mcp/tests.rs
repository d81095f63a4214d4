//! Which route an MCP request meets, and that none gets around one by what it leaves out.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::mcp::McpHeaders;
use crate::request::Field;
use crate::route::{Access, HostMatch, PathMatch, PathPattern, Requirements, RouteError, Routes};

fn asks(scope: &str) -> Access {
    Access::Token(Requirements { scopes: vec![scope.to_owned()], ..Requirements::default() })
}

fn route(mcp: Option<McpMatch>, scope: &str) -> Route {
    let path = PathMatch::Exact(PathPattern::new("/mcp").unwrap());
    Route {
        path,
        methods: Vec::new(),
        hosts: Vec::new(),
        mcp,
        origins: Vec::new(),
        access: asks(scope),
    }
}

fn says(methods: &[&str], names: &[&str]) -> Option<McpMatch> {
    let text = |text: &&str| match text.strip_suffix('*') {
        Some(start) => TextMatch::Prefix(start.to_owned()),
        None => TextMatch::Exact((*text).to_owned()),
    };
    let [methods, names] = [methods, names].map(|texts| texts.iter().map(text).collect());
    Some(McpMatch::Says { methods, names, verify_body: false })
}

/// Payments need `pay`, other calls `call`, all else that the endpoint does `use`.
fn routes(older: Option<&str>) -> Routes {
    let mut routes = vec![
        route(says(&["tools/call"], &["transfer_*", "refund"]), "pay"),
        route(says(&["tools/call"], &[]), "call"),
    ];
    routes.extend(older.map(|scope| route(Some(McpMatch::OlderVersions), scope)));
    routes.push(route(None, "use"));
    Routes::new(routes)
}

fn header(value: &str) -> Field<'_> {
    if value.is_empty() { Field::Absent } else { Field::One(value.as_bytes()) }
}

/// A POST to the endpoint with these headers, empty ones left out.
fn post<'a>([version, method, name]: [&'a str; 3]) -> RequestView<'a> {
    let mcp = McpHeaders {
        protocol_version: header(version),
        method: header(method),
        name: header(name),
    };
    RequestView { method: b"POST", path: b"/mcp", host: b"api", mcp, ..RequestView::default() }
}

fn select(routes: &Routes, request: &RequestView<'_>) -> Result<Access, RouteError> {
    routes.select(request).cloned()
}

const NEW: &str = "2026-07-28";

#[test]
fn a_request_meets_the_first_route_for_what_it_says() {
    for (method, name, scope) in [
        ("tools/call", "transfer_money", "pay"),
        ("tools/call", "transfer_", "pay"),
        ("tools/call", "refund", "pay"),
        ("tools/call", "=?base64?cmVmdW5k?=", "pay"),
        ("tools/call", "=?base64?dHJhbnNmZXJf5LiW?=", "pay"),
        ("tools/call", "refunds", "call"),
        ("tools/call", "transfer", "call"),
        // Names are the server's: it tells these apart from the others.
        ("tools/call", "Transfer_money", "call"),
        ("tools/call", "a refund", "call"),
        ("prompts/get", "refund", "use"),
        ("tools/list", "", "use"),
        ("tools/list", "refund", "use"),
        ("Tools/call", "refund", "use"),
    ] {
        let found = select(&routes(None), &post([NEW, method, name]));
        assert_eq!(found, Ok(asks(scope)), "{method} {name}");
    }
}

#[test]
fn leaving_out_doubling_or_garbling_a_header_is_no_way_around_a_route() {
    let good = post([NEW, "tools/call", "refund"]);
    let many = |change: fn(&mut McpHeaders<'_>)| {
        let mut request = good;
        change(&mut request.mcp);
        request
    };
    let missing = |header| McpError::Missing { header };
    let several = |header| McpError::Several { header };
    for (request, error) in [
        (post([NEW, "tools/call", ""]), missing("Mcp-Name")),
        (post([NEW, "", "refund"]), missing("Mcp-Method")),
        (post(["", "tools/call", "refund"]), McpError::Silent { version: "2025-03-26" }),
        (post(["2025-11-25", "tools/list", ""]), McpError::Silent { version: "2025-11-25" }),
        (post([NEW, "tools/call", "=?BASE64?cmVmdW5k?="]), McpError::MalformedName),
        (post([NEW, "tools/call", "=?base64?cmVmdW5k"]), McpError::MalformedName),
        (post([NEW, "tools/call", "caf\u{e9}"]), McpError::RawName),
        (post([NEW, "tools/call,tools/list", "refund"]), McpError::MalformedMethod),
        (many(|mcp| mcp.protocol_version = Field::Many), several("MCP-Protocol-Version")),
        (many(|mcp| mcp.method = Field::Many), several("Mcp-Method")),
        (many(|mcp| mcp.name = Field::Many), several("Mcp-Name")),
        (RequestView { method: b"PUT", ..good }, McpError::NoMessage),
        (RequestView { method: b"GET", ..post([NEW, "", ""]) }, missing("Mcp-Method")),
        (RequestView { method: b"GET", ..post(["", "", ""]) }, McpError::NoMessage),
    ] {
        let found = select(&routes(None), &request);
        assert_eq!(found, Err(RouteError::UnclearMessage(error)), "{request:?}");
    }
    let unknown = McpError::UnknownVersion { version: "2027-01-01".to_owned() };
    for routes in [routes(None), routes(Some("all"))] {
        let found = select(&routes, &post(["2027-01-01", "tools/list", ""]));
        assert_eq!(found, Err(RouteError::UnclearMessage(unknown.clone())));
    }
}

#[test]
fn older_versions_meet_the_route_for_them_and_newer_ones_do_not() {
    let routes = routes(Some("all"));
    for version in ["", "2025-03-26", "2025-06-18", "2025-11-25"] {
        // What their headers say is compared with nothing.
        for headers in [[version, "", ""], [version, "tools/list", ""]] {
            assert_eq!(select(&routes, &post(headers)), Ok(asks("all")), "{headers:?}");
        }
    }
    for method in [b"GET".as_slice(), b"DELETE"] {
        let request = RequestView { method, ..post(["2025-11-25", "", ""]) };
        assert_eq!(select(&routes, &request), Ok(asks("all")));
    }
    assert_eq!(select(&routes, &post([NEW, "tools/list", ""])), Ok(asks("use")));
    assert_eq!(select(&routes, &post([NEW, "tools/call", "refund"])), Ok(asks("pay")));
    let twice = RequestView {
        mcp: McpHeaders { protocol_version: Field::Many, ..McpHeaders::default() },
        ..post(["", "", ""])
    };
    let error = McpError::Several { header: "MCP-Protocol-Version" };
    assert_eq!(select(&routes, &twice), Err(RouteError::UnclearMessage(error)));
}

#[test]
fn a_route_before_them_all_takes_what_it_matches_whatever_the_headers_say() {
    let get = Route { methods: vec!["GET".to_owned()], ..route(None, "stream") };
    let routes = Routes::new(vec![get, route(says(&["tools/call"], &[]), "call")]);
    let request = RequestView { method: b"GET", ..post(["2025-11-25", "", ""]) };
    assert_eq!(select(&routes, &request), Ok(asks("stream")));
    // The last route is for calls, and nothing tells what this is: the default is no way around it either.
    let silent = RouteError::UnclearMessage(McpError::Silent { version: "2025-11-25" });
    assert_eq!(select(&routes, &post(["2025-11-25", "", ""])), Err(silent));
    let nothing = Access::Token(Requirements::default());
    assert_eq!(select(&routes, &post([NEW, "tools/list", ""])), Ok(nothing));
}

#[test]
fn elsewhere_nobody_needs_the_headers() {
    let routes = routes(None);
    let request = RequestView { path: b"/orders", ..post(["", "", ""]) };
    assert_eq!(select(&routes, &request), Ok(Access::Token(Requirements::default())));
    // In any spelling of the path.
    let request = RequestView { path: b"/%6dcp/", ..post(["", "", ""]) };
    let silent = RouteError::UnclearMessage(McpError::Silent { version: "2025-03-26" });
    assert_eq!(select(&routes, &request), Err(silent));
}

#[test]
fn a_browser_that_asks_beforehand_meets_the_first_route() {
    let asking = RequestView { preflight: Some(b"POST"), ..post(["", "", ""]) };
    assert_eq!(select(&routes(None), &asking), Ok(asks("pay")));
    // The question itself is not what it asks for.
    let question = RequestView { method: b"OPTIONS", ..asking };
    let error = RouteError::UnclearMessage(McpError::NoMessage);
    assert_eq!(select(&routes(None), &question), Err(error));
}

/// What a request's body has to say where these routes are.
fn announced(routes: Vec<Route>, request: &RequestView<'_>) -> bool {
    Routes::new(routes).announced(request).unwrap().is_some()
}

fn verifying(methods: &[&str], names: &[&str]) -> Route {
    let Some(McpMatch::Says { methods, names, .. }) = says(methods, names) else { panic!() };
    route(Some(McpMatch::Says { methods, names, verify_body: true }), "verified")
}

/// The first route is for whoever lists tools, and what is said of a call chooses it no less.
#[test]
fn one_route_that_verifies_has_all_messages_verified_that_could_meet_it() {
    let list = || route(says(&["tools/list"], &[]), "list");
    let call = || verifying(&["tools/call"], &["transfer_*"]);
    for method in ["tools/list", "tools/call", "prompts/get", "x/other"] {
        let request = post([NEW, method, "a"]);
        assert!(announced(vec![list(), call(), route(None, "use")], &request), "{method}");
        assert!(announced(vec![call(), list()], &request), "{method}");
        assert!(!announced(vec![list(), route(None, "use")], &request), "{method}");
        assert!(!announced(vec![], &request), "{method}");
    }
}

#[test]
fn bodies_are_verified_where_the_path_host_and_method_of_a_route_that_verifies_are_the_requests() {
    let request = post([NEW, "tools/call", "a"]);
    for (path, expected) in [
        (&b"/mcp"[..], true),
        (b"/mcp/", true),
        (b"/mcp?x=/other", true),
        (b"/%6dcp", true),
        (b"/mcp;a=b", true),
        (b"/other", false),
        (b"/mcp/below", false),
    ] {
        let request = RequestView { path, ..request };
        let shown = String::from_utf8_lossy(path);
        assert_eq!(announced(vec![verifying(&[], &[])], &request), expected, "{shown}");
    }
    let hosts = vec![HostMatch::Below(".example.com".to_owned())];
    for (host, expected) in [(&b"A.Example.com:8443"[..], true), (b"example.com", false)] {
        let routes = vec![Route { hosts: hosts.clone(), ..verifying(&[], &[]) }];
        assert_eq!(announced(routes, &RequestView { host, ..request }), expected);
    }
    let put = vec![Route { methods: vec!["PUT".to_owned()], ..verifying(&[], &[]) }];
    assert!(!announced(put, &request));
    let any = vec![Route { path: PathMatch::Any, ..verifying(&[], &[]) }];
    assert!(announced(any, &RequestView { path: b"/else/where", ..request }));
}

#[test]
fn what_says_nothing_in_its_headers_has_no_body_to_compare() {
    let routes =
        || vec![verifying(&["tools/call"], &[]), route(Some(McpMatch::OlderVersions), "old")];
    let old = post(["2025-11-25", "", ""]);
    assert!(!announced(routes(), &old));
    assert!(!announced(routes(), &RequestView { method: b"GET", ..old }));
    let preflight = RequestView { method: b"OPTIONS", preflight: Some(b"OPTIONS"), ..old };
    assert!(!announced(routes(), &preflight));
    // No route would take it without asking for more.
    let unclear = post([NEW, "", ""]);
    assert!(select(&Routes::new(routes()), &unclear).is_err());
}

#[test]
fn a_body_has_to_say_the_name_as_it_is_meant() {
    let request = post([NEW, "tools/call", "=?base64?dHJhbnNmZXI=?="]);
    let announced = Routes::new(vec![verifying(&[], &[])]).announced(&request).unwrap().unwrap();
    let body = |name: &str| format!(r#"{{"method":"tools/call","params":{{"name":"{name}"}}}}"#);
    assert_eq!(announced.check(body("transfer").as_bytes()), Ok(()));
    assert!(announced.check(body("=?base64?dHJhbnNmZXI=?=").as_bytes()).is_err());
}
