//! Bodies that come in pieces, too late, not at all, or say something else.

use crate::bodies::MAX_HELD;
use crate::host::{Action, fake};
use crate::pairs::Pairs;
use crate::vm;

const CONFIG: &str = r#"{
    "issuers": [{
        "issuer": "https://idp.example.com", "audiences": ["https://api.example.com"],
        "algorithms": ["EdDSA"], "keys": {"url": "https://idp.example.com/jwks", "cluster": "idp"}
    }],
    "routes": [
        {"path": "/mcp", "access": "public", "mcp": {"methods": ["tools/list"]}},
        {"path": "/mcp", "access": "public", "mcp": {"verify_body": true}},
        {"path": "/unread", "access": "public", "mcp": {}},
        {"path": "/public", "access": "public"}
    ],
    "limits": {"max_mcp_body_bytes": 1024},
    "revocation": {
        "cluster": "rescind", "authority": "rescind.example.com", "gateway_name": "edge-1",
        "gateway_token": "0123456789abcdef0123456789abcdef",
        "feed_key": "hOfYkO_wHdl6bMfnnIIg7jctGHLRZaershnVqpoo2W0",
        "subject_key": "00112233445566778899aabbccddeeff",
        "checksum_key": "ffeeddccbbaa99887766554433221100"
    }
}"#;

const ROOT: u32 = 1;
const REQUEST: u32 = 2;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"transfer"}}"#;

fn configured() {
    fake::reset();
    fake::with(|host| {
        host.buffer = CONFIG.as_bytes().to_vec();
        host.now_nanos = 1_800_000_000_000_000_000;
    });
    vm::on_delete(ROOT);
    vm::on_create(ROOT, 0);
    assert!(vm::on_configure(ROOT, CONFIG.len()), "{:?}", fake::lines());
}

/// The headers of a request come; they say that it lists tools.
fn begin(request: u32, path: &str, more: &[(&str, &str)], ends: bool) -> Action {
    let usual = [
        (":method", "POST"),
        (":path", path),
        (":authority", "api.example.com"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    let all = usual.iter().chain(more);
    let headers = all.fold(Pairs::new(), |pairs, (name, value)| pairs.with(name, value)).bytes();
    fake::with(|host| host.headers = headers);
    vm::on_create(request, ROOT);
    vm::on_request(request, ends)
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// So much of the body is there now.
fn body(text: &str, is_whole: bool) -> Action {
    fake::with(|host| host.buffer = text.as_bytes().to_vec());
    vm::on_body(REQUEST, Some(text.len()), is_whole)
}

fn trailers(text: &str) -> Action {
    fake::with(|host| host.buffer = text.as_bytes().to_vec());
    vm::on_body(REQUEST, None, true)
}

fn responses() -> Vec<u32> {
    fake::with(|host| std::mem::take(&mut host.responses))
}

fn reason() -> Option<String> {
    let reason = fake::with(|host| host.properties.remove(&b"rescind.reason"[..]));
    reason.map(|reason| String::from_utf8(reason).unwrap())
}

#[test]
fn a_body_is_held_until_it_is_whole_and_goes_on_if_it_says_what_the_headers_said() {
    configured();
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
    for end in [0, 1, LIST.len()] {
        assert_eq!(body(LIST.get(..end).unwrap(), false), Action::Pause);
    }
    assert_eq!(body(LIST, true), Action::Continue);
    assert!(responses().is_empty());
    vm::on_delete(REQUEST);
}

#[test]
fn trailers_end_a_body_too() {
    for (text, action, answered) in [
        (LIST, Action::Continue, &[][..]),
        (CALL, Action::Pause, &[400]),
        ("", Action::Pause, &[400]),
    ] {
        configured();
        assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
        if !text.is_empty() {
            assert_eq!(body(text, false), Action::Pause);
        }
        assert_eq!(trailers(text), action, "{text}");
        assert_eq!(responses(), answered, "{text}");
        vm::on_delete(REQUEST);
    }
}

#[test]
fn a_body_that_says_something_else_is_refused_and_nothing_of_it_goes_on_afterwards() {
    configured();
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
    assert_eq!(body(CALL, true), Action::Pause);
    assert_eq!(responses(), [400]);
    assert_eq!(reason().as_deref(), Some("mcp_body_differs"));
    // A host that goes on asking gets no other answer, whatever it shows.
    assert_eq!(body(LIST, false), Action::Pause);
    assert_eq!(body(LIST, true), Action::Pause);
    assert_eq!(trailers(LIST), Action::Pause);
    assert!(responses().is_empty());
    vm::on_delete(REQUEST);
    // A later request of the same number is another one.
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
    assert_eq!(body(LIST, true), Action::Continue);
    vm::on_delete(REQUEST);
}

#[test]
fn a_request_without_a_body_is_refused_where_one_is_to_be_read() {
    configured();
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], true), Action::Pause);
    assert_eq!((responses(), reason().as_deref()), (vec![400], Some("malformed_mcp_body")));
    vm::on_delete(REQUEST);
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
    assert_eq!(body("", true), Action::Pause);
    assert_eq!((responses(), reason().as_deref()), (vec![400], Some("malformed_mcp_body")));
    vm::on_delete(REQUEST);
}

#[test]
fn a_body_is_refused_as_soon_as_it_is_too_long() {
    let long = |length: usize| format!("{LIST}{}", " ".repeat(length - LIST.len()));
    for (length, is_whole, action) in [
        (1024, false, Action::Pause),
        (1024, true, Action::Continue),
        (1025, false, Action::Pause),
        (1025, true, Action::Pause),
    ] {
        configured();
        assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
        assert_eq!(body(&long(length), is_whole), action, "{length} {is_whole}");
        let expected = if length > 1024 { vec![413] } else { vec![] };
        assert_eq!(responses(), expected, "{length} {is_whole}");
        vm::on_delete(REQUEST);
    }
    configured();
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
    assert_eq!(trailers(&long(1025)), Action::Pause, "nobody said how long it is");
    assert_eq!(responses(), [413]);
    vm::on_delete(REQUEST);
}

#[test]
fn a_body_that_the_host_does_not_show_whole_is_refused() {
    configured();
    assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
    fake::with(|host| host.buffer = LIST.as_bytes().to_vec());
    assert_eq!(vm::on_body(REQUEST, Some(LIST.len() + 1), true), Action::Pause);
    assert_eq!((responses(), reason().as_deref()), (vec![503], Some("unreadable_request")));
    vm::on_delete(REQUEST);
    for status in [1, 2, 6, 7, 10, 12, 255] {
        configured();
        assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
        fake::with(|host| host.buffer = LIST.as_bytes().to_vec());
        fake::with(|host| host.failing = Some((0, status)));
        assert_eq!(vm::on_body(REQUEST, Some(LIST.len()), true), Action::Pause, "{status}");
        assert_eq!(responses().len(), 1, "{status}");
        vm::on_delete(REQUEST);
        // And where nothing works at all.
        assert_eq!(begin(REQUEST, "/mcp", &[JSON], false), Action::Continue);
        fake::with(|host| host.status = Some(status));
        assert_eq!(vm::on_body(REQUEST, Some(LIST.len()), true), Action::Pause, "{status}");
        vm::on_delete(REQUEST);
    }
}

#[test]
fn a_body_in_a_form_that_others_read_otherwise_is_refused_before_it_comes() {
    for more in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-7")],
        &[JSON, JSON],
        &[JSON, ("Content-Encoding", "gzip")],
    ] {
        configured();
        assert_eq!(begin(REQUEST, "/mcp", more, false), Action::Pause, "{more:?}");
        assert_eq!((responses(), reason().as_deref()), (vec![400], Some("malformed_mcp_body")));
        vm::on_delete(REQUEST);
    }
}

#[test]
fn bodies_that_nobody_asked_to_read_go_on_in_pieces() {
    configured();
    for path in ["/unread", "/public"] {
        assert_eq!(begin(REQUEST, path, &[], false), Action::Continue);
        assert_eq!(body(CALL, false), Action::Continue);
        assert_eq!(body(CALL, true), Action::Continue);
        vm::on_delete(REQUEST);
    }
    assert_eq!(vm::on_body(99, Some(1), true), Action::Continue, "of a request that nobody knows");
}

#[test]
fn as_many_bodies_are_held_as_the_memory_is_made_for() {
    configured();
    let first = 10;
    let last = first + u32::try_from(MAX_HELD).unwrap();
    for request in first..last {
        assert_eq!(begin(request, "/mcp", &[JSON], false), Action::Continue);
    }
    assert_eq!(begin(last, "/mcp", &[JSON], false), Action::Pause);
    assert_eq!((responses(), reason().as_deref()), (vec![503], Some("too_many_bodies")));
    vm::on_delete(last);
    vm::on_delete(first);
    assert_eq!(begin(last, "/mcp", &[JSON], false), Action::Continue, "one has ended");
    (first..=last).for_each(vm::on_delete);
}

#[test]
fn a_gateway_that_does_not_hold_bodies_refuses_a_configuration_that_asks_for_it() {
    for kong in [false, true] {
        fake::reset();
        fake::with(|host| {
            host.buffer = CONFIG.as_bytes().to_vec();
            host.refuses_unseen = kong;
        });
        vm::on_delete(ROOT);
        vm::on_create(ROOT, 0);
        assert_eq!(vm::on_configure(ROOT, CONFIG.len()), !kong);
    }
    let line = "`routes[].mcp.verify_body`: this gateway does not hold bodies back; remove it";
    assert!(fake::lines().iter().any(|found| found.contains(line)), "{:?}", fake::lines());
}
