//! What an issuer's own list says of its tokens.

use rescind_core::base64url;

use super::*;

const LIST: &str = "https://idp.example.com/status/1";

fn with_lists(on_unknown: &str) -> Value {
    let status = json!({
        "prefixes": ["https://idp.example.com/status/"], "cluster": "idp",
        "on_unknown": on_unknown,
    });
    with(config(), "/issuers/0/status", status)
}

fn token_at(uri: &str, index: u64) -> String {
    token_with("status", json!({"status_list": {"uri": uri, "idx": index}}))
}

/// The draft's example: one bit for each of sixteen tokens.
const BITS: (u8, [u8; 10]) = (1, [0x78, 0xda, 0xdb, 0xb9, 0x18, 0x00, 0x02, 0x17, 0x01, 0x5d]);

/// Its other one: two bits for each of twelve.
const TWO_BITS: (u8, [u8; 11]) =
    (2, [0x78, 0xda, 0x3b, 0xe9, 0xf2, 0x13, 0x00, 0x03, 0xdf, 0x02, 0x07]);

fn list((bits, lst): (u8, &[u8])) -> String {
    let header = json!({"alg": "EdDSA", "typ": "statuslist+jwt", "kid": "k1"});
    let lst = base64url::encode(lst);
    let claims = json!({
        "sub": LIST, "iat": START - 10, "ttl": 60, "status_list": {"bits": bits, "lst": lst},
    });
    mint(&header, &claims, &key(1))
}

fn bits() -> String {
    list((BITS.0, &BITS.1))
}

#[test]
fn a_token_passes_as_its_list_says_and_waits_until_it_is_there() {
    let mut world = World::synchronized(&with_lists("deny"));
    let (revoked, valid, beyond) = (token_at(LIST, 0), token_at(LIST, 1), token_at(LIST, 16));
    assert_eq!(world.get("/", Some(&valid)), answer(not_now("status_unknown")));
    assert_eq!(world.serve_list(Some((200, &bits()))), ["/status/1"]);
    assert_eq!(world.get("/", Some(&valid)), answer(PERMIT));
    assert_eq!(world.get("/", Some(&revoked)), answer(refused("status_revoked")));
    assert_eq!(world.get("/", Some(&beyond)), answer(refused("invalid_status")));
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT), "without a status");
}

#[test]
fn suspended_and_unregistered_statuses_refuse_as_invalid_does() {
    let mut world = World::synchronized(&with_lists("deny"));
    world.get("/", Some(&token_at(LIST, 0)));
    world.serve_list(Some((200, &list((TWO_BITS.0, &TWO_BITS.1)))));
    for (index, expected) in [
        (0, refused("status_revoked")),
        (1, refused("status_revoked")),
        (2, PERMIT),
        (3, refused("status_revoked")),
    ] {
        assert_eq!(world.get("/", Some(&token_at(LIST, index))), answer(expected), "{index}");
    }
    let denial = world.denial("/", &token_at(LIST, 1)).to_string();
    assert_eq!(denial, format!("status list `{LIST}` says suspended at place 1"));
}

#[test]
fn a_token_that_passed_is_refused_once_its_list_has_changed() {
    let mut world = World::synchronized(&with_lists("deny"));
    let token = token_at(LIST, 0);
    world.get("/", Some(&token));
    let none_revoked = [0x78, 0x9c, 0x63, 0x60, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01];
    world.serve_list(Some((200, &list((1, &none_revoked)))));
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "from the cache");
    world.wait(50);
    world.synchronize();
    world.serve_list(Some((200, &bits())));
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "not due yet");
    world.wait(10);
    world.synchronize();
    world.serve_list(Some((200, &bits())));
    assert_eq!(world.get("/", Some(&token)), answer(refused("status_revoked")));
}

#[test]
fn without_its_list_a_token_meets_what_the_configuration_says() {
    for (on_unknown, expected) in [("deny", not_now("status_unknown")), ("allow", PERMIT)] {
        let mut world = World::synchronized(&with_lists(on_unknown));
        let (revoked, valid) = (token_at(LIST, 0), token_at(LIST, 1));
        assert_eq!(world.get("/", Some(&valid)), answer(expected));
        world.serve_list(Some((503, "")));
        assert_eq!(world.get("/", Some(&valid)), answer(expected));
        // Once there, it counts in both cases, and after it is over nobody knows.
        world.wait(2);
        world.serve_list(Some((200, &bits())));
        assert_eq!(world.get("/", Some(&revoked)), answer(refused("status_revoked")));
        world.wait(120);
        world.synchronize();
        assert_eq!(world.get("/", Some(&revoked)), answer(expected));
    }
}

#[test]
fn a_list_elsewhere_and_a_status_of_another_form_are_refused_whatever_is_allowed() {
    let mut world = World::synchronized(&with_lists("allow"));
    for uri in [
        "https://evil.example.com/status/1",
        "https://idp.example.com/status/../admin",
        "https://idp.example.com/statuses",
        "file:///etc/passwd",
    ] {
        assert_eq!(world.get("/", Some(&token_at(uri, 1))), answer(refused("invalid_status")));
    }
    for status in [json!({}), json!("valid"), json!({"status_list": {"idx": 1}})] {
        let token = token_with("status", status);
        assert_eq!(world.get("/", Some(&token)), answer(refused("invalid_status")));
    }
    assert_eq!(world.serve_list(None), [""; 0], "nothing is asked for");
    // Without lists in the configuration, a status says nothing to anybody.
    let mut world = World::synchronized(&config());
    assert_eq!(world.get("/", Some(&token_at(LIST, 0))), answer(PERMIT));
}

#[test]
fn a_forged_token_makes_nobody_fetch_anything() {
    let mut world = World::synchronized(&with_lists("deny"));
    let mut claims = claims();
    claims["status"] = json!({"status_list": {"uri": LIST, "idx": 1}});
    let forged = mint(&header(), &claims, &key(2));
    assert_eq!(world.get("/", Some(&forged)), answer(refused("bad_signature")));
    assert_eq!(world.serve_list(None), [""; 0]);
}

#[test]
fn a_revocation_by_signal_goes_before_the_list() {
    let mut world = World::synchronized(&with_lists("deny"));
    let token = token_at(LIST, 1);
    world.get("/", Some(&token));
    world.serve_list(Some((200, &bits())));
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
    world.revoke_user(ISSUER, "alice", START);
    assert_eq!(world.get("/", Some(&token)), answer(refused("revoked")));
}
