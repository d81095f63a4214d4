//! The filter against a host that fails in every way it can.

use crate::host::{Action, Status, Token, fake};
use crate::pairs::Pairs;
use crate::vm;

const CONFIG: &str = r#"{
    "issuers": [{
        "issuer": "https://idp.example.com", "audiences": ["https://api.example.com"],
        "algorithms": ["EdDSA"], "keys": {"url": "https://idp.example.com/jwks", "cluster": "idp"}
    }],
    "routes": [{"path_prefix": "/public", "access": "public"}],
    "revocation": {
        "cluster": "rescind", "authority": "rescind.example.com", "gateway_name": "edge-1",
        "gateway_token": "0123456789abcdef0123456789abcdef",
        "feed_key": "hOfYkO_wHdl6bMfnnIIg7jctGHLRZaershnVqpoo2W0",
        "subject_key": "00112233445566778899aabbccddeeff",
        "checksum_key": "ffeeddccbbaa99887766554433221100"
    }
}"#;

const ROOT: u32 = 1;

/// Statuses of the ABI, of hosts beyond it, and of none.
const STATUSES: [u32; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 255, u32::MAX];

fn configure(config: &str) -> bool {
    fake::reset();
    fake::with(|host| {
        host.buffer = config.as_bytes().to_vec();
        host.now_nanos = 1_800_000_000_000_000_000;
    });
    vm::on_delete(ROOT);
    vm::on_create(ROOT, 0);
    vm::on_configure(ROOT, config.len())
}

fn request(path: &str) -> Action {
    let headers = Pairs::new()
        .with(":method", "GET")
        .with(":path", path)
        .with(":authority", "api.example.com")
        .with("x-rescind-subject", "root")
        .with("authorization", "Bearer a.b.c");
    fake::with(|host| host.headers = headers.bytes());
    vm::on_create(2, ROOT);
    let action = vm::on_request(2, true);
    vm::on_delete(2);
    action
}

fn elsewhere() -> String {
    let place = r#""algorithms": ["EdDSA"], "token_from": {"cookie": "session"},"#;
    let issuer = r#"{"issuer": "https://iap.example.com", "audiences": ["https://api.example.com"],
        "algorithms": ["EdDSA"], "keys": {"url": "https://idp.example.com/iap", "cluster": "idp"},
        "token_from": {"header": "x-iap-jwt"}}"#;
    let config = CONFIG.replace(r#""algorithms": ["EdDSA"],"#, place);
    config.replacen("}],\n    \"routes\"", &format!("}}, {issuer}],\n    \"routes\""), 1)
}

fn request_with(path: &str, more: &[(&str, &str)]) -> Action {
    let headers = Pairs::new()
        .with(":method", "GET")
        .with(":path", path)
        .with(":authority", "api.example.com");
    let headers = more.iter().fold(headers, |headers, (name, value)| headers.with(name, value));
    fake::with(|host| host.headers = headers.bytes());
    vm::on_create(2, ROOT);
    let action = vm::on_request(2, true);
    vm::on_delete(2);
    action
}

fn responses() -> Vec<u32> {
    fake::with(|host| std::mem::take(&mut host.responses))
}

#[test]
fn a_public_request_goes_on_without_the_headers_that_only_the_gate_may_set() {
    assert!(configure(CONFIG));
    assert_eq!(request("/public"), Action::Continue);
    assert_eq!(fake::with(|host| host.removed.clone()), [b"x-rescind-subject"]);
    assert!(responses().is_empty());
}

#[test]
fn what_looks_like_a_place_of_tokens_never_reaches_the_service_and_the_place_as_authorization_does()
{
    assert!(configure(&elsewhere()), "{:?}", fake::lines());
    let own = [("cookie", "a=1; session=x"), ("x-iap-jwt", "y")];
    assert_eq!(request_with("/public", &own), Action::Continue);
    assert!(fake::with(|host| host.set.is_empty() && host.removed.is_empty()));
    let shadows = [("cookie", "a=1; Session=x; session=y"), ("x_iap-jwt", "z")];
    assert_eq!(request_with("/public", &shadows), Action::Continue);
    assert_eq!(fake::with(|host| host.removed.clone()), [b"x_iap-jwt"]);
    let left = (b"cookie".to_vec(), b"a=1; session=y".to_vec());
    assert_eq!(fake::with(|host| host.set.clone()), [left]);
    assert!(responses().is_empty());
}

#[test]
fn a_host_that_does_not_change_cookies_gets_no_request_through() {
    for status in STATUSES {
        assert!(configure(&elsewhere()));
        // The headers are read before.
        fake::with(|host| host.failing = Some((1, status)));
        assert_eq!(request_with("/public", &[("cookie", "Session=x")]), Action::Pause, "{status}");
        assert_eq!(responses(), [503], "{status}");
    }
}

#[test]
fn before_the_first_synchronization_a_token_is_answered_with_503() {
    assert!(configure(CONFIG));
    assert_eq!(request("/a"), Action::Pause);
    assert_eq!(responses(), [503]);
    let reason = fake::with(|host| host.properties.get(&b"rescind.reason"[..]).cloned());
    assert_eq!(reason.as_deref(), Some(&b"never_synchronized"[..]));
}

#[test]
fn whatever_status_every_call_returns_no_request_goes_on_and_nothing_panics() {
    for status in STATUSES {
        assert!(configure(CONFIG));
        fake::with(|host| host.status = Some(status));
        for path in ["/a", "/public"] {
            assert_eq!(request(path), Action::Fail, "{status}");
        }
        vm::on_tick(ROOT);
        vm::on_callout_response(Token(1), 1, 1);
        vm::on_delete(ROOT);
    }
}

#[test]
fn whichever_single_call_fails_a_request_goes_on_only_as_the_gate_wants_it() {
    for status in STATUSES {
        for succeed in 0..12 {
            assert!(configure(CONFIG));
            fake::with(|host| host.failing = Some((succeed, status)));
            let action = request("/public");
            let removed = fake::with(|host| host.removed.len());
            match action {
                Action::Continue => assert_eq!((removed, responses()), (1, Vec::new())),
                Action::Pause => assert_eq!(responses().len(), 1, "{status} {succeed}"),
                Action::Fail => panic!("the second reply succeeds: {status} {succeed}"),
            }
        }
    }
}

#[test]
fn a_configuration_that_a_host_hands_over_badly_or_not_at_all_is_refused() {
    for config in ["", "{}", "\u{feff}{}", "[]", "{\"issuers\": 1}"] {
        assert!(!configure(config));
        assert!(!fake::lines().is_empty(), "{config}");
        assert_eq!(request("/public"), Action::Pause);
        assert_eq!(responses(), [503]);
    }
    for status in STATUSES {
        configure(CONFIG);
        fake::with(|host| host.status = Some(status));
        assert!(!vm::on_configure(ROOT, CONFIG.len()));
    }
}

#[test]
fn a_filter_is_configured_whichever_of_its_other_calls_fails() {
    for status in STATUSES {
        for succeed in 1..200 {
            configure(CONFIG);
            fake::with(|host| host.failing = Some((succeed, status)));
            assert!(vm::on_configure(ROOT, CONFIG.len()), "{status} {succeed}");
        }
    }
}

#[test]
fn callbacks_for_contexts_that_nobody_knows_change_nothing() {
    assert!(configure(CONFIG));
    vm::on_tick(99);
    vm::on_delete(99);
    vm::on_create(ROOT, 0);
    assert!(!vm::on_configure(99, CONFIG.len()));
    vm::on_callout_response(Token(77), 3, 10);
    vm::on_create(5, 99);
    for stranger in [5, 6] {
        assert_eq!(vm::on_request(stranger, true), Action::Pause);
        assert_eq!(responses(), [503]);
    }
    assert_eq!(request("/public"), Action::Continue);
}

#[test]
fn a_request_is_decided_by_its_own_configuration() {
    assert!(configure(CONFIG));
    let other = CONFIG.replace("/public", "/open");
    fake::with(|host| host.buffer = other.as_bytes().to_vec());
    vm::on_create(9, 0);
    assert!(vm::on_configure(9, other.len()));
    assert_eq!(request("/public"), Action::Continue);
    vm::on_create(3, 9);
    assert_eq!(vm::on_request(3, true), Action::Pause);
    vm::on_delete(9);
    assert_eq!(request("/public"), Action::Continue);
}

#[test]
fn a_configuration_that_ends_hands_over_the_lease_at_once() {
    assert!(configure(CONFIG));
    vm::on_create(9, 0);
    assert!(vm::on_configure(9, CONFIG.len()));
    vm::on_tick(ROOT);
    let calls = || fake::with(|host| host.calls);
    let asked = calls();
    vm::on_tick(9);
    assert_eq!(calls(), asked, "only one follows");
    vm::on_delete(ROOT);
    vm::on_tick(9);
    assert!(calls() > asked, "now the other does");
    vm::on_delete(9);
}

#[test]
fn headers_that_are_not_of_the_abis_form_are_answered_with_503() {
    for headers in [&[1][..], &[0xff; 40], &[1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, b'a', 0, 0]] {
        assert!(configure(CONFIG));
        fake::with(|host| host.headers = headers.to_vec());
        vm::on_create(2, ROOT);
        assert_eq!(vm::on_request(2, true), Action::Pause);
        assert_eq!(responses(), [503]);
    }
}

#[test]
fn every_form_of_a_failed_callout_is_only_a_failure() {
    let answers: [(&[u8], usize, &[u8], usize); 7] = [
        (b"", 0, b"", 0),                // no headers: the host lost the answer
        (b"200", 1, b"", 0),             // no body
        (b"200", 1, b"abc", 100),        // cut short
        (b"200", 1, b"abc", 3),          // no page
        (b"200", 1, b"", 1_000_000_000), // too long
        (b"503", 1, b"upstream", 8),     // the gateway's own
        (b"\xff", 1, b"", 0),            // no status
    ];
    for (status, header_count, body, size) in answers {
        assert!(configure(CONFIG));
        vm::on_tick(ROOT);
        let calls = fake::with(|host| {
            host.callout_status = status.to_vec();
            host.buffer = body.to_vec();
            host.calls
        });
        assert!(calls > 0, "the first tick asks");
        for token in 1..=calls {
            vm::on_callout_response(Token(token), header_count, size);
            // Twice is once.
            vm::on_callout_response(Token(token), header_count, size);
        }
        assert_eq!(request("/a"), Action::Pause);
        assert_eq!(responses(), [503]);
    }
}

#[test]
fn what_is_logged_holds_neither_the_gateways_token_nor_a_key() {
    assert!(configure(CONFIG));
    vm::on_tick(ROOT);
    fake::with(|host| host.status = Some(Status::NOT_FOUND.0));
    vm::on_tick(ROOT);
    request("/a");
    assert!(!configure(&CONFIG.replace("\"edge-1\"", "1")));
    for line in fake::lines() {
        for secret in ["0123456789abcdef", "ffeeddcc", "00112233", "a.b.c"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
