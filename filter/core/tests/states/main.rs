//! The executable specification of the gate: in which state of the world does which request get
//! which answer?
//!
//! Read the tables from top to bottom. Everything real takes part: tokens are signed, pages of the
//! feed are signed and travel through the replica into shared data; only the clock is moved by
//! hand.

#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod audiences;
mod delegation;
mod forgeries;
mod hostile;
mod hostile_bytes;
mod in_flight;
mod origins;
mod places;
mod proofs;
mod revocations;
mod session_state;
mod slots;
mod status_lists;
mod svids;
#[path = "../world/mod.rs"]
mod world;

use serde_json::{Value, json};
use world::{
    Answer, ISSUER, START, World, claims, config, good_token, header, jwk, key, mint, token_with,
    with,
};

const CHALLENGE: &str = r#"Bearer realm="api""#;
const CHALLENGE_ADMIN: &str = r#"Bearer realm="api", scope="admin write""#;
const INVALID_REQUEST: &str = r#"Bearer realm="api", error="invalid_request", error_description="send one access token, in the Authorization header""#;
const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token", error_description="the access token is not valid""#;
const INSUFFICIENT_SCOPE: &str = r#"Bearer realm="api", error="insufficient_scope", error_description="the access token lacks a scope", scope="admin write""#;

const PERMIT: Expected = (200, "permit", None);
const STALE_PERMIT: Expected = (200, "permit on stale state", None);

/// Status, metric, challenge.
type Expected = (u16, &'static str, Option<&'static str>);

const fn refused(reason: &'static str) -> Expected {
    (401, reason, Some(INVALID_TOKEN))
}

const fn not_now(reason: &'static str) -> Expected {
    (503, reason, None)
}

fn answer((status, reason, challenge): Expected) -> Answer {
    (status, reason, challenge.map(str::to_owned))
}

// === States × credentials ===

/// The states that a gateway can be in, as far as answers depend on them.
type State = (&'static str, fn() -> World);

/// All of them.
const STATES: [State; 5] = [
    ("never synchronized", || World::new(&config())),
    ("synchronized", || World::synchronized(&config())),
    ("stale, on_stale: deny", || {
        let mut world = World::synchronized(&config());
        world.wait(61);
        world
    }),
    ("stale, on_stale: allow", || {
        let mut world =
            World::synchronized(&with(config(), "/revocation/on_stale", json!("allow")));
        world.wait(61);
        world
    }),
    ("keys not fetched", || {
        let keys = json!({"url": "https://idp.example.com/jwks", "cluster": "idp"});
        World::synchronized(&with(config(), "/issuers/0/keys", keys))
    }),
];

#[test]
fn every_state_meets_every_kind_of_request() {
    type Row = (&'static str, fn(&mut World) -> Answer, [Expected; 5]);
    let token_needed = |answer: Expected| {
        [not_now("never_synchronized"), answer, not_now("stale"), answer, answer]
    };
    let rows: [Row; 14] = [
        ("public route, no token", |world| world.get("/public/x", None), [PERMIT; 5]),
        ("public route, bad token", |world| world.get("/public/x", Some("x")), [PERMIT; 5]),
        ("no token", |world| world.get("/", None), [(401, "no_credentials", Some(CHALLENGE)); 5]),
        (
            "no token where scopes are asked for",
            |world| world.get("/admin", None),
            [(401, "no_credentials", Some(CHALLENGE_ADMIN)); 5],
        ),
        (
            "another scheme",
            |world| world.get_with("/", "Basic YTpi"),
            [(401, "unsupported_scheme", Some(CHALLENGE)); 5],
        ),
        (
            "two credentials in one header",
            |world| world.get_with("/", "Bearer a.b.c, Bearer d.e.f"),
            [(400, "multiple_credentials", Some(INVALID_REQUEST)); 5],
        ),
        (
            "two blanks before the token",
            |world| world.get_with("/", "Bearer  a.b.c"),
            [(400, "malformed_credentials", Some(INVALID_REQUEST)); 5],
        ),
        (
            "what is no token",
            |world| world.get("/", Some("a.b.c")),
            token_needed(refused("malformed_token")),
        ),
        (
            "a token in the query",
            |world| world.get("/?access_token=x", Some(&good_token())),
            [(400, "token_in_query", Some(INVALID_REQUEST)); 5],
        ),
        (
            "an ambiguous path",
            |world| world.get("/public/../admin", Some(&good_token())),
            [(400, "ambiguous_path", None); 5],
        ),
        (
            "a good token",
            |world| world.get("/", Some(&good_token())),
            [
                not_now("never_synchronized"),
                PERMIT,
                not_now("stale"),
                STALE_PERMIT,
                not_now("keys_not_ready"),
            ],
        ),
        (
            "a good token without the scope",
            |world| world.get("/admin", Some(&good_token())),
            [
                not_now("never_synchronized"),
                (403, "insufficient_scope", Some(INSUFFICIENT_SCOPE)),
                not_now("stale"),
                (403, "insufficient_scope", Some(INSUFFICIENT_SCOPE)),
                not_now("keys_not_ready"),
            ],
        ),
        (
            "a forged token",
            |world| world.get("/", Some(&mint(&header(), &claims(), &key(2)))),
            [
                not_now("never_synchronized"),
                refused("bad_signature"),
                not_now("stale"),
                refused("bad_signature"),
                not_now("keys_not_ready"),
            ],
        ),
        (
            "an expired token",
            |world| world.get("/", Some(&token_with("exp", json!(START - 30)))),
            [
                not_now("never_synchronized"),
                refused("expired"),
                not_now("stale"),
                refused("expired"),
                not_now("keys_not_ready"),
            ],
        ),
    ];
    for (request, send, expected) in rows {
        for ((state, begin), expected) in STATES.into_iter().zip(expected) {
            assert_eq!(send(&mut begin()), answer(expected), "{request}, {state}");
            // Asked twice, the same: nothing depends on a cache.
            let mut world = begin();
            send(&mut world);
            assert_eq!(send(&mut world), answer(expected), "{request}, {state}, the second time");
        }
    }
}

#[test]
fn the_state_is_stale_after_max_staleness_and_fresh_again_with_the_next_page() {
    let mut world = World::synchronized(&config());
    world.wait(60);
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    world.wait(1);
    assert_eq!(world.get("/", Some(&good_token())), answer(not_now("stale")));
    world.synchronize();
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
}

#[test]
fn a_clock_that_was_set_back_makes_no_state_fresh() {
    let mut world = World::synchronized(&config());
    world.set_clock_back(30);
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    world.set_clock_back(1);
    assert_eq!(world.get("/", Some(&good_token())), answer(not_now("stale")));
}

// === Tokens ===

#[test]
fn every_kind_of_invalid_token_gets_the_same_answer_for_its_own_reason() {
    let header_with = |member: &str, value: Value| {
        let mut header = header();
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(member)),
            value => header[member] = value,
        }
        mint(&header, &claims(), &key(1))
    };
    let (good, huge) = (good_token(), "x".repeat(8193));
    let (input, _) = good.rsplit_once('.').unwrap();
    let no_signature = format!("{input}.");
    let padded = format!("{good}=");
    let rows: Vec<(&str, String, &str)> = vec![
        ("no JWT", "abc".to_owned(), "malformed_token"),
        ("longer than 8 KiB", huge, "malformed_token"),
        ("without a signature", no_signature, "malformed_token"),
        ("with padding", padded, "malformed_token"),
        ("alg none", header_with("alg", json!("none")), "malformed_token"),
        ("alg HS256", header_with("alg", json!("HS256")), "malformed_token"),
        ("an extension it calls critical", header_with("crit", json!(["exp"])), "malformed_token"),
        (
            "another algorithm of the same key's",
            header_with("alg", json!("ES256")),
            "algorithm_not_allowed",
        ),
        ("typ missing", header_with("typ", Value::Null), "wrong_type"),
        ("typ JWT", header_with("typ", json!("JWT")), "wrong_type"),
        ("typ of a transaction token", header_with("typ", json!("txntoken+jwt")), "wrong_type"),
        ("typ of a DPoP proof", header_with("typ", json!("dpop+jwt")), "wrong_type"),
        (
            "typ of a security event",
            header_with("typ", json!("secevent+jwt")),
            "security_event_token",
        ),
        ("an unknown kid", header_with("kid", json!("k2")), "unknown_key"),
        ("kid of nobody, long", header_with("kid", json!("k".repeat(257))), "malformed_token"),
        ("a key in its header", header_with("jwk", jwk("k1", &key(1))), "permit"),
        ("forged", mint(&header(), &claims(), &key(2)), "bad_signature"),
        ("another issuer", token_with("iss", json!("https://evil.example.com")), "unknown_issuer"),
        ("iss with a slash more", token_with("iss", json!(format!("{ISSUER}/"))), "unknown_issuer"),
        ("iss in upper case", token_with("iss", json!(ISSUER.to_uppercase())), "unknown_issuer"),
        ("iss missing", token_with("iss", Value::Null), "unknown_issuer"),
        ("iss a list", token_with("iss", json!([ISSUER])), "unknown_issuer"),
        ("sub missing", token_with("sub", Value::Null), "missing_claim"),
        ("sub empty", token_with("sub", json!("")), "malformed_claims"),
        ("sub a number", token_with("sub", json!(7)), "malformed_claims"),
        ("aud missing", token_with("aud", Value::Null), "missing_claim"),
        ("aud of another", token_with("aud", json!("https://other")), "wrong_audience"),
        (
            "aud with a slash more",
            token_with("aud", json!("https://api.example.com/")),
            "wrong_audience",
        ),
        ("aud among others", token_with("aud", json!(["x", "https://api.example.com"])), "permit"),
        ("client_id missing", token_with("client_id", Value::Null), "missing_claim"),
        ("jti missing", token_with("jti", Value::Null), "missing_claim"),
        ("iat missing", token_with("iat", Value::Null), "missing_claim"),
        ("iat in the future", token_with("iat", json!(START + 31)), "issued_in_the_future"),
        ("exp missing", token_with("exp", Value::Null), "missing_claim"),
        ("exp a text", token_with("exp", json!("1900000000")), "malformed_claims"),
        ("exp below zero", token_with("exp", json!(-1)), "malformed_claims"),
        ("exp passed", token_with("exp", json!(START - 30)), "expired"),
        ("nbf to come", token_with("nbf", json!(START + 31)), "not_yet_valid"),
        (
            "a life of more than an hour",
            token_with("exp", json!(START - 60 + 3601)),
            "lifetime_too_long",
        ),
        (
            "bound to a DPoP key",
            token_with("cnf", json!({"jkt": "A".repeat(43)})),
            "sender_constrained",
        ),
        (
            "bound to a certificate",
            token_with("cnf", json!({"x5t#S256": "A".repeat(43)})),
            "wrong_certificate",
        ),
        ("bound to no digest", token_with("cnf", json!({"jkt": "x"})), "unknown_confirmation"),
        ("with events", token_with("events", json!({})), "security_event_token"),
    ];
    for (what, token, reason) in rows {
        let mut world = World::synchronized(&config());
        let expected = if reason == "permit" { PERMIT } else { refused(reason) };
        assert_eq!(world.get("/", Some(&token)), answer(expected), "{what}");
        assert_eq!(world.get("/", Some(&token)), answer(expected), "{what}, the second time");
    }
}

#[test]
fn no_byte_of_a_token_can_be_changed() {
    let token = good_token();
    let mut world = World::synchronized(&config());
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
    for at in 0..token.len() {
        // The good token is in the cache: what is like it but for one byte must not find it.
        for other in [b'A', b'_', b'.', token.as_bytes()[at] ^ 1] {
            let mut changed = token.clone().into_bytes();
            changed[at] = other;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            if changed != token {
                let (status, reason, _) = world.get("/", Some(&changed));
                assert!(status == 401 || status == 400, "byte {at}: {status} {reason}");
            }
        }
    }
    for end in 0..token.len() {
        let (status, reason, _) = world.get("/", token.get(..end));
        assert!(status == 401 || status == 400, "the first {end} bytes: {status} {reason}");
    }
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
}

#[test]
fn times_hold_to_the_second_on_both_sides_of_the_leeway() {
    // (claim, value, leeway, answer)
    let rows = [
        ("exp", START - 29, 30, "permit"),
        ("exp", START - 30, 30, "expired"),
        ("exp", START + 1, 0, "permit"),
        ("exp", START, 0, "expired"),
        ("nbf", START + 30, 30, "permit"),
        ("nbf", START + 31, 30, "not_yet_valid"),
        ("nbf", START, 0, "permit"),
        ("nbf", START + 1, 0, "not_yet_valid"),
        ("iat", START + 30, 30, "permit"),
        ("iat", START + 31, 30, "issued_in_the_future"),
        ("exp", START - 60 + 3600, 30, "permit"),
        ("exp", START - 60 + 3601, 30, "lifetime_too_long"),
    ];
    for (claim, value, leeway, answer) in rows {
        let mut world =
            World::synchronized(&with(config(), "/issuers/0/leeway_secs", json!(leeway)));
        let (_, reason, _) = world.get("/", Some(&token_with(claim, json!(value))));
        assert_eq!(reason, answer, "{claim} {value}, leeway {leeway}");
    }
}

#[test]
fn a_known_token_is_refused_from_exp_plus_leeway_on() {
    let mut world = World::synchronized(&config());
    let token = token_with("exp", json!(START + 20));
    for (wait, expected) in [(0, PERMIT), (49, PERMIT), (1, refused("expired"))] {
        world.wait(wait);
        assert_eq!(world.get("/", Some(&token)), answer(expected));
    }
}

#[test]
fn a_jwt_without_typ_passes_only_where_the_issuers_configuration_says_so() {
    let both = with(config(), "/issuers/0/types", json!(["at+jwt", "JWT"]));
    let only_jwt = with(config(), "/issuers/0/types", json!(["JWT"]));
    let plain = |typ: Option<&str>| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("client_id");
        claims.as_object_mut().unwrap().remove("jti");
        let header = typ.map_or(json!({"alg": "EdDSA"}), |typ| json!({"alg": "EdDSA", "typ": typ}));
        mint(&header, &claims, &key(1))
    };
    for (config, typ, reason) in [
        (&both, None, "permit"),
        (&both, Some("JWT"), "permit"),
        (&both, Some("jwt"), "permit"),
        (&both, Some("at+jwt"), "missing_claim"),
        (&both, Some("logout+jwt"), "wrong_type"),
        (&only_jwt, Some("application/jwt"), "permit"),
        (&only_jwt, Some("at+jwt"), "wrong_type"),
    ] {
        let mut world = World::synchronized(config);
        assert_eq!(world.get("/", Some(&plain(typ))).1, reason, "{typ:?}");
    }
}

#[test]
fn a_token_without_iat_passes_only_with_an_assumed_lifetime_and_any_revocation_refuses_it() {
    let config = with(config(), "/issuers/0/assumed_lifetime_secs", json!(600));
    let mut world = World::synchronized(&config);
    let token = token_with("iat", Value::Null);
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
    let mut far = claims();
    far.as_object_mut().unwrap().remove("iat");
    far["exp"] = json!(START + 601);
    let far = mint(&header(), &far, &key(1));
    assert_eq!(world.get("/", Some(&far)), answer(refused("lifetime_too_long")));
    // Even one from long before: nobody knows when the token was issued.
    world.revoke_user(ISSUER, "alice", START - 500);
    assert_eq!(world.get("/", Some(&token)), answer(refused("revoked")));
}

#[test]
fn one_issuers_keys_and_rules_are_no_other_issuers() {
    let mut second = config()["issuers"][0].clone();
    second["issuer"] = json!("https://second.example.com");
    second["keys"] = json!({"inline": {"keys": [jwk("k1", &key(3))]}});
    let mut both = config();
    both["issuers"].as_array_mut().unwrap().push(second);
    let mut world = World::synchronized(&both);
    let second = |key_number: u8| {
        let mut claims = claims();
        claims["iss"] = json!("https://second.example.com");
        mint(&header(), &claims, &key(key_number))
    };
    assert_eq!(world.get("/", Some(&second(3))), answer(PERMIT));
    assert_eq!(world.get("/", Some(&second(1))), answer(refused("bad_signature")));
    assert_eq!(
        world.get("/", Some(&mint(&header(), &claims(), &key(3)))),
        answer(refused("bad_signature"))
    );
    // The same `sub` at two issuers is two people.
    world.revoke_user("https://second.example.com", "alice", START);
    assert_eq!(world.get("/", Some(&second(3))), answer(refused("revoked")));
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
}
