//! How requests are read.

use super::*;
use crate::host::fake;

fn map(headers: &[(&str, &str)]) -> Vec<u8> {
    headers.iter().fold(Pairs::new(), |pairs, (name, value)| pairs.with(name, value)).bytes()
}

fn read(map: &[u8]) -> Headers<'_> {
    Headers::read(map, true, &[], |name| name.starts_with(b"x-rescind")).unwrap()
}

fn places() -> Vec<Place> {
    let cookie = |name: &str| Place::Cookie { name: name.to_owned(), origins: Vec::new() };
    vec![Place::Header("x-iap-jwt".to_owned()), cookie("session")]
}

#[test]
fn a_request_is_read_as_it_came() {
    let map = map(&[
        (":method", "GET"),
        (":path", "/a?b"),
        (":authority", "api"),
        ("Authorization", "Bearer x"),
        ("x-rescind-subject", "root"),
    ]);
    let Headers { view, cookies, reserved, count } = read(&map);
    assert!(cookies.is_empty());
    assert_eq!(count, 5);
    assert_eq!((view.method, view.path, view.host), (&b"GET"[..], &b"/a?b"[..], &b"api"[..]));
    assert!(view.authorization == Field::One(b"Bearer x"));
    assert!(!view.grpc);
    assert_eq!(reserved, [b"x-rescind-subject"]);
}

#[test]
fn a_second_authorization_header_in_any_case_makes_many() {
    let map = map(&[("authorization", "Bearer a"), ("Authorization", "Bearer a")]);
    assert!(read(&map).view.authorization == Field::Many);
}

#[test]
fn a_preflight_is_what_a_browser_sends_and_nothing_else() {
    let browser = [
        (":method", "OPTIONS"),
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
    ];
    let preflight = |headers: &[(&str, &str)]| {
        let map = map(headers);
        read(&map).view.preflight.map(<[u8]>::to_vec)
    };
    assert_eq!(preflight(&browser), Some(b"PUT".to_vec()));
    for left_out in 0..browser.len() {
        let mut headers = browser.to_vec();
        headers.remove(left_out);
        assert_eq!(preflight(&headers), None, "without {:?}", browser[left_out]);
    }
    for more in [
        ("authorization", "Bearer x"),
        ("access-control-request-method", "PUT"),
        (":method", "GET"),
    ] {
        let headers = [browser.as_slice(), &[more]].concat();
        assert_eq!(preflight(&headers), None, "with {more:?}");
    }
}

#[test]
fn hosts_that_differ_are_no_host() {
    for (headers, host) in [
        (&[("host", "a"), (":authority", "a")][..], "a"),
        (&[("host", "a"), (":authority", "b")], ","),
        (&[("host", "a"), ("host", "b")], ","),
        (&[("host", "a")], "a"),
        (&[], ""),
    ] {
        assert_eq!(read(&map(headers)).view.host, host.as_bytes(), "{headers:?}");
    }
}

#[test]
fn headers_of_one_length_are_told_apart() {
    let map = map(&[
        (":authority", "api"),
        ("Mcp-Method", "tools/call"),
        ("workload-proof-token", "p"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp_name", "a"),
    ]);
    let view = read(&map).view;
    assert_eq!(view.host, b"api");
    assert!(view.workload_proof == Field::One(b"p"));
    assert!(view.mcp.method == Field::One(b"tools/call"));
    assert!(view.mcp.protocol_version == Field::One(b"2026-07-28"));
    assert!(view.mcp.name == Field::One(b"a"));
}

#[test]
fn where_authority_is_the_servers_own_name_only_the_header_host_counts() {
    for (headers, host) in [
        (&[("host", "a"), (":authority", "kong")][..], "a"),
        (&[("host", "a"), ("host", "b")], ","),
        (&[(":authority", "kong")], ","),
    ] {
        let map = map(headers);
        let read = Headers::read(&map, false, &[], |_| false).unwrap();
        assert_eq!(read.view.host, host.as_bytes(), "{headers:?}");
    }
}

#[test]
fn twins_are_told_in_any_case() {
    assert!(has_twins(&[b"x-a", b"x-b", b"X-A"]));
    assert!(!has_twins(&[b"x-a", b"x-b", b"x_a"]));
    assert!(!has_twins(&[]));
}

#[test]
fn grpc_is_told_by_its_content_type_as_envoy_does() {
    for (content_type, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("Application/GRPC; a=b", true),
        ("application/grpc-web", false),
        ("application/json", false),
        ("", false),
    ] {
        let map = map(&[("content-type", content_type)]);
        assert_eq!(read(&map).view.grpc, grpc, "{content_type}");
    }
}

#[test]
fn tokens_are_read_from_the_places_of_the_configuration_and_cookies_kept_as_they_came() {
    let map = map(&[
        ("Cookie", "a=1"),
        ("cookie", "session=x; b=2"),
        ("origin", "https://a"),
        ("Sec-Fetch-Site", "same-site"),
        ("x-iap-jwt", "y"),
    ]);
    let Headers { view, cookies, .. } = Headers::read(&map, true, &places(), |_| false).unwrap();
    let found: Vec<_> = view.elsewhere.fields().take(2).collect();
    assert_eq!(found, [Field::One(b"y"), Field::One(b"x")]);
    assert_eq!(cookies, [&b"a=1"[..], b"session=x; b=2"]);
    assert_eq!(view.origin, Field::One(b"https://a"));
    assert_eq!(view.fetch_site, Field::One(b"same-site"));
    assert!(!view.upgrades);
    let Headers { view, cookies, .. } = read(&map);
    assert!(view.elsewhere.token().is_none() && cookies.is_empty(), "nothing without places");
}

#[test]
fn a_request_that_asks_for_another_protocol_is_told_in_http_1_and_2() {
    for (header, upgrades) in [
        (("Upgrade", "websocket"), true),
        (("sec-websocket-version", "13"), true),
        (("connection", "upgrade"), false),
    ] {
        assert_eq!(read(&map(&[header])).view.upgrades, upgrades, "{header:?}");
    }
}

#[test]
fn a_question_with_a_token_in_any_place_is_no_preflight() {
    let browser = [
        (":method", "OPTIONS"),
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
    ];
    for (more, preflight) in
        [(("cookie", "a=1"), true), (("cookie", "session=x"), false), (("x-iap-jwt", "x"), false)]
    {
        let map = map(&[browser.as_slice(), &[more]].concat());
        let read = Headers::read(&map, true, &places(), |_| false).unwrap();
        assert_eq!(read.view.preflight.is_some(), preflight, "{more:?}");
    }
}

#[test]
fn cookies_are_rewritten_where_the_host_does_what_it_says_and_refused_elsewhere() {
    let (one, two): (&[&[u8]], &[&[u8]]) = (&[b"a"], &[b"a", b"b"]);
    let none: [Vec<u8>; 0] = [];
    for (family, cookies, left, set, removed) in [
        (Family::Envoy, one, "a=1", &[("cookie", "a=1")][..], &none[..]),
        (Family::Envoy, two, "a=1", &[("cookie", "a=1")], &none),
        (Family::Envoy, two, "", &[], &[b"cookie".to_vec()]),
        (Family::Apisix, one, "", &[], &[b"cookie".to_vec()]),
        (Family::Kong, one, "a=1", &[("cookie", "a=1")], &none),
        (Family::Kong, one, "", &[("cookie", "")], &none),
    ] {
        fake::reset();
        assert_eq!(rewrite_cookies(cookies, left.as_bytes(), family), Ok(()));
        let bytes =
            |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let expected: Vec<_> = set.iter().map(bytes).collect();
        assert_eq!(fake::with(|host| host.set.clone()), expected, "{family:?} {left}");
        assert_eq!(fake::with(|host| host.removed.clone()), removed, "{family:?} {left}");
    }
    fake::reset();
    for left in [&b""[..], b"a=1"] {
        assert!(rewrite_cookies(two, left, Family::Kong).is_err(), "the second one would stay");
    }
    assert!(fake::with(|host| host.set.is_empty() && host.removed.is_empty()));
}

#[test]
fn the_origin_is_shown_once_or_as_many() {
    for (headers, origin) in [
        (&[("Origin", "https://a")][..], Field::One(&b"https://a"[..])),
        (&[("origin", "https://a"), ("Origin", "https://a")], Field::Many),
        (&[("origin", "")], Field::One(b"")),
        (&[("origins", "https://a")], Field::Absent),
    ] {
        assert!(read(&map(headers)).view.origin == origin, "{headers:?}");
    }
}
