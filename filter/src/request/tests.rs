//! How requests are read.

use super::*;

fn map(headers: &[(&str, &str)]) -> Vec<u8> {
    headers.iter().fold(Pairs::new(), |pairs, (name, value)| pairs.with(name, value)).bytes()
}

fn read(map: &[u8]) -> Headers<'_> {
    Headers::read(map, true, |name| name.starts_with(b"x-rescind")).unwrap()
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
    let Headers { view, reserved, count } = read(&map);
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
        let read = Headers::read(&map, false, |_| false).unwrap();
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
