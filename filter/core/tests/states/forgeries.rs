//! Tokens whose signature is bad, sent again: refused as before, and checked no second time.

#![expect(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use ed25519_dalek::SigningKey;
use rescind_core::request::{Field, RequestView};
use serde_json::{Value, json};

use super::slots::{self, Brought};
use super::world::{World, claims, config, good_token, header, jwk, key, mint, with};
use super::{PERMIT, answer, proofs, refused};

/// A configuration whose issuer's keys are fetched.
fn rotating() -> Value {
    let keys = json!({"url": "https://idp.example.com/jwks", "cluster": "idp"});
    with(config(), "/issuers/0/keys", keys)
}

/// A token that says it was signed by `kid`, and was by `key`.
fn signed(kid: Option<&str>, key: &SigningKey) -> String {
    let mut header = header();
    match kid {
        Some(kid) => header["kid"] = json!(kid),
        None => drop(header.as_object_mut().unwrap().remove("kid")),
    }
    mint(&header, &claims(), key)
}

#[test]
fn a_forged_token_is_checked_once_and_refused_with_the_same_words_each_time() {
    let mut world = World::synchronized(&config());
    let forged = signed(Some("k1"), &key(2));
    let first = world.denial("/", &forged);
    assert_eq!((first.reason(), world.signature_checks()), ("bad_signature", 1));
    for _ in 0..5 {
        assert_eq!(world.denial("/", &forged), first);
    }
    assert_eq!(world.signature_checks(), 0);
    assert_eq!(world.denial("/admin", &forged), first, "another route");
    assert_eq!(world.counted("rescind_signature_checks_spared"), 6);
    assert_eq!(world.denial("/", &forged), first);
    assert_eq!(world.counted("rescind_denied_bad_signature"), 1, "counted under its reason");
    // The token that it is a copy of.
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    assert_eq!((world.signature_checks(), world.cached_tokens()), (1, 1));
}

#[test]
fn a_token_that_was_refused_is_checked_again_as_soon_as_there_is_another_key() {
    let mut world = World::synchronized(&rotating());
    world.serve_keys(&[jwk("k1", &key(1))]);
    let (early, forged) = (signed(Some("k1"), &key(2)), signed(Some("k1"), &key(3)));
    for token in [&early, &forged, &early, &forged] {
        assert_eq!(world.get("/", Some(token)), answer(refused("bad_signature")));
    }
    assert_eq!(world.signature_checks(), 2);
    world.wait(300);
    world.synchronize();
    // The issuer gives the name to its new key.
    world.serve_keys(&[jwk("k1", &key(2))]);
    for _ in 0..2 {
        assert_eq!(world.get("/", Some(&early)), answer(PERMIT));
        assert_eq!(world.get("/", Some(&forged)), answer(refused("bad_signature")));
    }
    assert_eq!(world.signature_checks(), 2, "each once by the new key");
    world.wait(100);
    world.synchronize();
    assert_eq!(world.get("/", Some(&early)), answer(PERMIT));
}

#[test]
fn a_key_that_stays_is_not_asked_again_when_another_comes_and_that_one_is() {
    let mut world = World::synchronized(&rotating());
    world.serve_keys(&[jwk("k1", &key(1))]);
    let nameless = signed(None, &key(2));
    for _ in 0..2 {
        assert_eq!(world.get("/", Some(&nameless)), answer(refused("bad_signature")));
    }
    assert_eq!(world.signature_checks(), 1);
    world.wait(10);
    world.serve_keys(&[jwk("k1", &key(1)), jwk("k2", &key(2))]);
    assert_eq!(world.get("/", Some(&nameless)), answer(PERMIT));
    assert_eq!(world.signature_checks(), 1, "by the second key only");
}

#[test]
fn a_forged_token_without_a_kid_wishes_for_new_keys_each_time_as_if_it_were_new() {
    let mut world = World::synchronized(&rotating());
    world.serve_keys(&[jwk("k1", &key(1))]);
    let (nameless, named) = (signed(None, &key(2)), signed(Some("k1"), &key(2)));
    let asked = |world: &mut World, token: &str| {
        world.wait(10);
        world.synchronize();
        assert_eq!(world.get("/", Some(token)), answer(refused("bad_signature")));
        world.leader_asks_for_keys()
    };
    for _ in 0..3 {
        assert_eq!(asked(&mut world, &named), 0, "its key is there");
    }
    for _ in 0..3 {
        assert_eq!(asked(&mut world, &nameless), 1);
    }
    assert_eq!(world.signature_checks(), 2);
}

#[test]
fn forged_tokens_drive_no_verified_one_out() {
    let mut world = World::synchronized(&config());
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    for number in 0..100 {
        let mut claims = claims();
        claims["jti"] = json!(format!("forged-{number}"));
        let forged = mint(&header(), &claims, &key(2));
        assert_eq!(world.get("/", Some(&forged)), answer(refused("bad_signature")));
    }
    assert_eq!((world.signature_checks(), world.cached_tokens()), (101, 1));
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    assert_eq!(world.signature_checks(), 0);
}

#[test]
fn what_was_refused_in_one_place_is_judged_by_the_rules_of_another() {
    let mut world = World::synchronized(&slots::gateway());
    let forge = |token: &str| {
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        format!("{rest}.{other}{}", signature.get(1..).unwrap())
    };
    let (txn, wit) =
        (forge(&slots::txn_token()), forge(slots::workload("/any", "1").wit.as_ref().unwrap()));
    let brought = [
        Brought { txn: Some(txn.clone()), ..Brought::default() },
        Brought { wit: Some(wit.clone()), ..slots::workload("/any", "1") },
    ];
    for brought in &brought {
        let first = brought.send(&mut world, "/any").unwrap_err();
        assert_eq!(world.signature_checks(), 1, "{first}");
        assert_eq!(brought.send(&mut world, "/any").unwrap_err(), first);
        assert_eq!(world.signature_checks(), 0, "{first}");
    }
    // In `Authorization` neither is worth a look at its signature.
    for token in [txn, wit] {
        let brought = Brought { bearer: Some(token), ..Brought::default() };
        let (denial, again) = (brought.send(&mut world, "/any"), brought.send(&mut world, "/any"));
        assert_ne!(denial.as_ref().unwrap_err().reason(), "bad_signature");
        assert_eq!(denial.unwrap_err(), again.unwrap_err());
    }
    assert_eq!(world.signature_checks(), 0);
}

#[test]
fn a_bad_proof_is_checked_each_time() {
    let mut world = World::synchronized(&proofs::gateway());
    let token = proofs::bound_token();
    let authorization = format!("DPoP {token}");
    let good = proofs::proof("/", &token, "p-1");
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{rest}.{other}{}", signature.get(1..).unwrap());
    for checks in [2, 1, 1] {
        let ((_, reason, _), _) = world.send(&RequestView {
            method: b"GET",
            path: b"/",
            host: b"api.example.com",
            authorization: Field::One(authorization.as_bytes()),
            proof: Field::One(forged.as_bytes()),
            ..RequestView::default()
        });
        assert_eq!((reason, world.signature_checks()), ("invalid_proof", checks));
    }
}
