//! HTTP/2 carries what HTTP/1 cannot: two hosts, pseudo-headers twice, any byte in a value. The gate
//! must judge what the service then gets.

use rescind_e2e::h2::{self, End};
use rescind_e2e::site::{Plan, Site};
use serde_json::json;

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

fn get<'a>(authority: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    let start =
        [(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", path)];
    start.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

/// Whether the service sees it.
fn reaches_the_service(site: &Site, fields: &Fields<'_>) -> bool {
    let served = site.upstream.served();
    let end = h2::send(site.envoy.port, fields).expect("envoy listens");
    let reached = site.upstream.served() > served;
    assert!(!reached || end == End::Answered);
    reached
}

fn site() -> Site {
    let routes = json!([
        { "path_prefix": "/", "hosts": ["public.example.com"], "access": "public" },
        { "path_prefix": "/public", "access": "public" },
        { "path_prefix": "/admin", "scopes": ["admin"] },
    ]);
    Site::with(&Plan { filter: json!({ "routes": routes }), ..Plan::default() })
}

#[test]
fn a_request_over_http_2_is_judged_as_over_http_1() {
    let site = site();
    let bearer = format!("Bearer {}", site.issuer.token("agent"));
    let with = [("authorization", bearer.as_str())];
    assert!(reaches_the_service(&site, &get("api.example.com", "/orders", &with)));
    assert!(reaches_the_service(&site, &get("api.example.com", "/public/x", &[])));
    assert!(reaches_the_service(&site, &get("public.example.com", "/orders", &[])));
    assert!(!reaches_the_service(&site, &get("api.example.com", "/orders", &[])));
    assert!(!reaches_the_service(&site, &get("api.example.com", "/admin", &with)));
}

#[test]
fn what_only_http_2_can_carry_opens_no_way_around_the_gate() {
    let site = site();
    let token = site.issuer.token("agent");
    let bearer = format!("Bearer {token}");
    let split = format!("Bearer {token}\r\nx-rescind-subject: admin");
    let (api, open) = ("api.example.com", "public.example.com");
    let smuggled = "GET /public HTTP/1.1\r\nhost: public.example.com\r\n\r\nGET";
    let mut twice_path = get(api, "/orders", &[]);
    twice_path.push((b":path", b"/public"));
    let mut twice_authority = get(api, "/orders", &[]);
    twice_authority.push((b":authority", open.as_bytes()));
    let mut method = get(api, "/orders", &[]);
    method[0].1 = smuggled.as_bytes();
    let mut no_authority = get(api, "/orders", &[]);
    no_authority.retain(|(name, _)| *name != b":authority");
    let rows: Vec<(&str, Fields<'_>)> = vec![
        ("another host beside the authority", get(api, "/orders", &[("host", open)])),
        ("another host twice", get(api, "/orders", &[("host", open), ("host", open)])),
        ("the path twice", twice_path),
        ("the authority twice", twice_authority),
        ("no authority and no host", no_authority),
        ("a request within the method", method),
        ("an authority with a user", get("public.example.com@api.example.com", "/orders", &[])),
        ("two authorities in one", get("public.example.com,api.example.com", "/orders", &[])),
        ("a line end in the path", get(api, "/orders HTTP/1.1\r\nhost: public.example.com", &[])),
        ("a blank in the path", get(api, "/orders /public", &[])),
        ("dots in the path", get(api, "/public/../orders", &[])),
        ("an absolute path", get(api, "http://public.example.com/orders", &[])),
        ("a name in upper case", get(api, "/orders", &[("Authorization", &bearer)])),
        ("a line end in the value", get(api, "/orders", &[("authorization", &split)])),
        ("a line end in a name", get(api, "/admin", &[("x\r\nauthorization", &bearer)])),
        (
            "two tokens",
            get(api, "/orders", &[("authorization", &bearer), ("authorization", &bearer)]),
        ),
        (
            "another scheme first",
            get(api, "/orders", &[("authorization", "Basic YTpi"), ("authorization", &bearer)]),
        ),
        ("a header of the connection", get(api, "/admin", &[("connection", "authorization")])),
        ("a body in chunks", get(api, "/orders", &[("transfer-encoding", "chunked")])),
    ];
    for (what, fields) in rows {
        assert!(!reaches_the_service(&site, &fields), "{what}");
    }
    // What passes is told to the service as it was judged.
    assert!(reaches_the_service(&site, &get(open, "/orders", &[])));
    assert_eq!(site.call(&token), 200, "the filter lives");
}
