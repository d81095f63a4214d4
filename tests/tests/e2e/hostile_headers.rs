//! What reaches the filter depends on the gateway's own parser: duplicates, folds, blanks, sizes,
//! spellings of paths and hosts, headers that only a gateway should write. None passes without a
//! token that was judged for what the service then sees.

use rescind_e2e::http::{self, Request};
use rescind_e2e::site::{Plan, Site};
use serde_json::{Value, json};

/// The status, or 0 where the gateway hangs up.
fn status(site: &Site, request: &Request) -> u16 {
    http::send(site.envoy.port, request).map_or(0, |answer| answer.status())
}

/// Each of these is answered as stated, and the service sees none of them.
fn refused(site: &Site, rows: &[(&str, Request, &[u16])]) {
    let served = site.upstream.served();
    for (what, request, expected) in rows {
        let found = status(site, request);
        assert!(expected.contains(&found), "{what}: {found}");
        assert_eq!(site.upstream.served(), served, "{what} reached the service");
    }
    assert_eq!(site.call(&site.issuer.token("agent")), 200, "the filter lives");
    let log = site.envoy.process.log();
    assert!(!["trap", "panicked"].iter().any(|word| log.contains(word)), "{log}");
}

fn with(value: impl AsRef<[u8]>) -> Request {
    Request::get("/orders").header("authorization", value)
}

#[test]
fn an_authorization_that_can_be_read_in_two_ways_is_refused() {
    let site = Site::start();
    let good = site.issuer.token("agent");
    let bearer = |more: &str| Request::get("/orders").bearer(&good).header("authorization", more);
    let first = |less: &str| with(less).bearer(&good);
    let (head, rest) = good.split_at(20);
    refused(
        &site,
        &[
            ("a bad one after a good one", bearer("Bearer a.b.c"), &[400]),
            ("a bad one before a good one", first("Bearer a.b.c"), &[400]),
            ("another scheme after it", bearer("Basic YTpi"), &[400]),
            // Envoy joins them, and then another scheme is what it looks like.
            ("another scheme before it", first("Basic YTpi"), &[401]),
            (
                "the name in two spellings",
                Request::get("/orders")
                    .bearer(&good)
                    .header("AUTHORIZATION", format!("Bearer {good}")),
                &[400],
            ),
            ("joined by a comma", with(format!("Bearer {good}, Bearer {good}")), &[400]),
            (
                "joined by a comma, without blanks",
                with(format!("Bearer {good},Bearer {good}")),
                &[400],
            ),
            ("another scheme, joined", with(format!("Basic YTpi, Bearer {good}")), &[400, 401]),
            ("a parameter", with(format!("Bearer token=\"{good}\"")), &[400]),
            ("a tab", with(format!("Bearer\t{good}")), &[400]),
            ("two blanks", with(format!("Bearer  {good}")), &[400]),
            ("no blank", with(format!("Bearer{good}")), &[401]),
            ("a colon", with(format!("Bearer: {good}")), &[400, 401]),
            ("in quotes", with(format!("Bearer \"{good}\"")), &[400]),
            ("the token alone", with(&good), &[401]),
            ("a blank within", with(format!("Bearer {head} {rest}")), &[400]),
            ("folded within the token", with(format!("Bearer {head}\r\n {rest}")), &[400, 401]),
            ("a line end alone", with(format!("Bearer {head}\n{rest}")), &[400]),
            ("a NUL", with(format!("Bearer {good}\0")), &[400]),
            ("a delete", with(format!("Bearer {good}\x7f")), &[400]),
            ("a byte above ASCII", with([b"Bearer ", good.as_bytes(), b"\xa0"].concat()), &[400]),
            (
                "a blank before the colon",
                Request::get("/orders").header("authorization ", format!("Bearer {good}")),
                &[400, 401],
            ),
            (
                "an underscore",
                Request::get("/orders").header("authorization_", format!("Bearer {good}")),
                &[401],
            ),
            (
                "for the proxy",
                Request::get("/orders").header("proxy-authorization", format!("Bearer {good}")),
                &[401],
            ),
            (
                "as somebody else forwards it",
                Request::get("/orders")
                    .header("x-forwarded-authorization", format!("Bearer {good}")),
                &[401],
            ),
            (
                "in a cookie",
                Request::get("/orders").header("cookie", format!("access_token={good}")),
                &[401],
            ),
            ("in the query", Request::get(&format!("/orders?access_token={good}")), &[400]),
            (
                "in the query, escaped",
                Request::get(&format!("/orders?a=1&access%5Ftoken={good}")),
                &[400],
            ),
            (
                "in both",
                Request::get(&format!("/orders?access_token={good}")).bearer(&good),
                &[400],
            ),
            (
                "in the body",
                Request::post(
                    "/orders",
                    "application/x-www-form-urlencoded",
                    &format!("access_token={good}"),
                ),
                &[401],
            ),
        ],
    );
    // Envoy unfolds a header (RFC 9112 §5.2) and takes a carriage return out before anybody reads it.
    for edited in [format!("Bearer\r\n {good}"), format!("Bearer {head}\r{rest}")] {
        assert!([200, 400].contains(&status(&site, &with(edited))));
    }
    // Envoy joins it to nothing: one credential is left.
    for beside in [bearer(""), first("")] {
        assert!([200, 400].contains(&status(&site, &beside)), "an empty one beside it");
    }
    for spelling in ["bearer", "BEARER", "bEARER"] {
        assert_eq!(status(&site, &with(format!("{spelling} {good}"))), 200, "{spelling}");
    }
    assert_eq!(status(&site, &with(format!(" \t Bearer {good} \t "))), 200, "blanks around it");
}

#[test]
fn headers_past_a_limit_are_refused_by_whoever_meets_them_first() {
    let site = Site::start();
    let good = site.issuer.token("agent");
    let long = |kib: usize| "x".repeat(kib * 1024);
    let mut many = Request::get("/orders").bearer(&good);
    for number in 0..200 {
        many = many.header(&format!("x-{number}"), "1");
    }
    refused(
        &site,
        &[
            ("a token of 40 KiB", with(format!("Bearer {}", long(40))), &[401]),
            ("a token of 100 KiB", with(format!("Bearer {}", long(100))), &[431]),
            ("200 headers", many, &[431]),
            ("a scheme of 40 KiB", with(format!("{} {good}", long(40))), &[401]),
        ],
    );
    // What is long elsewhere is none of the filter's business.
    let path = format!("/orders?{}", long(40));
    assert_eq!(site.envoy.get(&path, &good), 200);
}

#[test]
fn no_spelling_of_a_path_makes_a_private_one_public() {
    let site = Site::start();
    let reader = site.issuer.token("agent");
    let open = [
        "/public/../orders",
        "/public/..",
        "/public/./../orders",
        "/public/%2e%2e/orders",
        "/public/.%2E/orders",
        "/public/..%2forders",
        "/public%2f..%2forders",
        "/public/..%5corders",
        "/public/..\\orders",
        "/public/..;/orders",
        "/public/..;a=b/orders",
        "/public;/../orders",
        "/public//../orders",
        "/public/%00/../orders",
        "/public/%252e%252e/orders",
        "/public/%c0%ae%c0%ae/orders",
        "//public/../orders",
        "/public/\u{ff0e}\u{ff0e}/orders",
        "/PUBLIC/x",
        "/publicity",
        "/public\u{0}/x",
        "public/x",
        "/./orders",
        "/%70ublic/../orders",
        "http://api.example.com/public/../orders",
        "*",
        "?/public",
        "/orders#/public",
        "/orders?/public/",
    ];
    let rows: Vec<_> =
        open.iter().map(|path| (*path, Request::get(path), [400, 401, 404].as_slice())).collect();
    refused(&site, &rows);
    let scoped = [
        "/admin",
        "/admin/",
        "/%61dmin",
        "/%61%64%6d%69%6e",
        "/admin/x?y",
        "/admin?/public",
        "/admin%2fx",
        "/admin;x",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/admin/.",
        "/admin/..%2f",
    ];
    let rows: Vec<_> = scoped
        .iter()
        .map(|path| (*path, Request::get(path).bearer(&reader), [400, 403].as_slice()))
        .collect();
    refused(&site, &rows);
}

#[test]
fn headers_that_only_a_gateway_should_write_decide_nothing() {
    let site = Site::start();
    let reader = site.issuer.token("agent");
    let forged = |request: Request| {
        [
            ("x-envoy-original-path", "/public/x"),
            ("x-envoy-original-host", "public.example.com"),
            ("x-envoy-internal", "true"),
            ("x-envoy-upstream-alt-stat-name", "x"),
            ("x-original-url", "/public/x"),
            ("x-rewrite-url", "/public/x"),
            ("x-forwarded-path", "/public/x"),
            ("x-forwarded-uri", "/public/x"),
            ("x-forwarded-prefix", "/public"),
            ("x-forwarded-host", "public.example.com"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-client-cert", "Hash=00;URI=spiffe://example.org/admin"),
            ("x-http-method-override", "GET"),
            ("x-rescind-scope", "admin"),
            ("x-rescind-subject", "admin"),
            ("forwarded", "host=public.example.com;proto=https"),
        ]
        .into_iter()
        .fold(request, |request, (name, value)| request.header(name, value))
    };
    refused(
        &site,
        &[
            ("without a token", forged(Request::get("/orders")), &[401]),
            ("without the scope", forged(Request::get("/admin").bearer(&reader)), &[403]),
        ],
    );
    let seen = site.envoy.send(&forged(Request::get("/orders").bearer(&reader))).json();
    let told = |name: &str| values(&seen, name);
    assert_eq!(told("x-rescind-subject"), ["agent"]);
    assert_eq!(told("x-rescind-scope"), ["read"]);
}

#[test]
fn a_client_cannot_have_the_gates_headers_taken_away_on_the_last_mile() {
    let site = Site::start();
    let good = site.issuer.token("agent");
    // Headers that `Connection` names are for the next hop only (RFC 9110 §7.6.1).
    let request = Request::get("/orders")
        .bearer(&good)
        .header("connection", "close, x-rescind-subject, x-rescind-scope, authorization");
    let answer = site.envoy.send(&request);
    if answer.status() == 200 {
        assert_eq!(values(&answer.json(), "x-rescind-subject"), ["agent"]);
        assert_eq!(values(&answer.json(), "x-rescind-scope"), ["read"]);
    } else {
        assert!([400, 401].contains(&answer.status()), "{}", answer.status());
    }
}

#[test]
fn a_subject_with_control_characters_stays_within_its_header() {
    let site = Site::start();
    for (sub, told) in [
        ("alice\r\nx-rescind-scope: admin", "alice%0D%0Ax-rescind-scope:%20admin"),
        ("alice\u{0}", "alice%00"),
        ("zo\u{eb}", "zo%C3%AB"),
        ("\u{202e}ecila", "%E2%80%AEecila"),
        (" alice ", "%20alice%20"),
    ] {
        let answer = site.answer(&site.issuer.token(sub));
        assert_eq!(answer.status(), 200, "{sub:?}");
        let seen = answer.json();
        assert_eq!(values(&seen, "x-rescind-subject"), [told]);
        assert_eq!(values(&seen, "x-rescind-scope"), ["read"], "{sub:?}");
    }
}

#[test]
fn the_host_that_is_judged_is_the_host_that_the_service_sees() {
    let routes = json!([
        { "path_prefix": "/", "hosts": ["public.example.com"], "access": "public" },
        { "path_prefix": "/orders", "methods": ["GET"] },
        { "path_prefix": "/", "scopes": ["admin"] },
    ]);
    let site = Site::with(&Plan { filter: json!({ "routes": routes }), ..Plan::default() });
    let host = |value: &str| Request::get("/orders").header("host", value);
    let open = "public.example.com";
    refused(
        &site,
        &[
            ("another host", host("api.example.com"), &[401]),
            ("ours as a prefix", host("public.example.com.evil.example"), &[401]),
            ("ours as a suffix", host("notpublic.example.com"), &[401]),
            ("ours as user", host("public.example.com@api.example.com"), &[400, 401]),
            ("two hosts in one", host("api.example.com, public.example.com"), &[400, 401]),
            ("two headers", host("api.example.com").header("host", open), &[400]),
            ("two headers, the other way", host(open).header("host", "api.example.com"), &[400]),
            ("a blank within", host("public.example.com evil"), &[400, 401]),
            ("an empty one", host(""), &[400, 401, 404]),
            ("forwarded", host("api.example.com").header("x-forwarded-host", open), &[401]),
            (
                "the target's host goes first",
                Request::get("http://api.example.com/orders").header("host", open),
                &[401],
            ),
            (
                "another method",
                Request::new("DELETE", "/orders").bearer(&site.issuer.token("a")),
                &[403],
            ),
            (
                "a method in lower case",
                Request::new("get", "/orders").bearer(&site.issuer.token("a")),
                &[400, 403],
            ),
            ("an unheard-of method", Request::new("FROBNICATE", "/orders"), &[400, 401]),
            ("a tunnel", Request::new("CONNECT", "public.example.com:443"), &[400, 401, 403, 404]),
        ],
    );
    for value in [open, "PUBLIC.example.com", "public.example.com:8080"] {
        let answer = site.envoy.send(&host(value));
        assert_eq!(answer.status(), 200, "{value}");
        let seen = values(&answer.json(), "host").join(" ").to_ascii_lowercase();
        assert!(seen.starts_with(open), "{seen}");
    }
}

/// What the service saw under a header's name, in order.
fn values(seen: &Value, name: &str) -> Vec<String> {
    let headers = seen["headers"].as_array().expect("headers");
    headers
        .iter()
        .filter(|header| header[0] == name)
        .map(|header| header[1].as_str().expect("text").to_owned())
        .collect()
}
