//! What an attacker makes of real keys: tokens minted by another implementation, then turned
//! against us.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use jwt_simple::prelude::*;
use rescind_core::base64url;
use rescind_core::crypto::{SignatureVerifier as _, SoftwareVerifier};
use rescind_core::jwk::KeySet;
use rescind_core::jws::{Algorithm, DEFAULT_MAX_TOKEN_BYTES, Jws, JwsError};

/// What keeps a token out.
#[derive(Debug, PartialEq)]
enum Refused {
    Form(JwsError),
    NoKey,
    Signature,
}

/// What a gate does up to the signature, for an issuer that allows every algorithm.
fn check(token: &str, keys: &KeySet) -> Result<Algorithm, Refused> {
    let jws = Jws::parse(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).map_err(Refused::Form)?;
    let mut candidates = keys.candidates(jws.algorithm(), jws.kid()).peekable();
    candidates.peek().ok_or(Refused::NoKey)?;
    candidates
        .any(|key| {
            SoftwareVerifier.verify(jws.algorithm(), key, jws.signing_input(), jws.signature())
        })
        .then_some(jws.algorithm())
        .ok_or(Refused::Signature)
}

fn unsupported(name: &str) -> Result<Algorithm, Refused> {
    Err(Refused::Form(JwsError::UnknownAlgorithm { name: name.to_owned() }))
}

fn claims() -> JWTClaims<NoCustomClaims> {
    Claims::create(Duration::from_mins(5)).with_issuer("https://idp.example").with_subject("alice")
}

/// A key set of these JWKs, without what they say about their algorithm.
fn set(jwks: &[String]) -> KeySet {
    let keys: Vec<serde_json::Value> = jwks
        .iter()
        .map(|jwk| {
            let mut key: serde_json::Value = serde_json::from_str(jwk).unwrap();
            key.as_object_mut().unwrap().remove("alg");
            key
        })
        .collect();
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// `token` with its header replaced, signature untouched.
fn with_header(token: &str, header: &serde_json::Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", base64url::encode(header.to_string().as_bytes()))
}

#[test]
fn tokens_of_another_implementation_are_accepted_in_every_algorithm() {
    let rsa = RS256KeyPair::generate(2048).unwrap().with_key_id("rsa");
    let der = rsa.to_der().unwrap();
    let es256 = ES256KeyPair::generate().with_key_id("es256");
    let es384 = ES384KeyPair::generate().with_key_id("es384");
    let ed = Ed25519KeyPair::generate().with_key_id("ed");
    let keys = set(&[
        rsa.public_key().to_jwk(),
        es256.public_key().to_jwk(),
        es384.public_key().to_jwk(),
        ed.public_key().to_jwk(),
    ]);
    let minted = [
        rsa.sign(claims()),
        RS384KeyPair::from_der(&der).unwrap().sign(claims()),
        RS512KeyPair::from_der(&der).unwrap().sign(claims()),
        PS256KeyPair::from_der(&der).unwrap().sign(claims()),
        PS384KeyPair::from_der(&der).unwrap().sign(claims()),
        PS512KeyPair::from_der(&der).unwrap().sign(claims()),
        es256.sign(claims()),
        es384.sign(claims()),
        ed.sign(claims()),
    ];
    let accepted = minted.map(|token| check(&token.unwrap(), &keys));
    assert_eq!(accepted, Algorithm::ALL.map(Ok));
}

#[test]
fn the_spki_form_of_a_key_is_the_one_another_implementation_writes() {
    let rsa = RS256KeyPair::generate(2048).unwrap().public_key();
    let es256 = ES256KeyPair::generate().public_key();
    let es384 = ES384KeyPair::generate().public_key();
    let ed = Ed25519KeyPair::generate().public_key();
    for (jwk, der) in [
        (rsa.to_jwk(), rsa.to_der().unwrap()),
        (es256.to_jwk(), es256.public_key().to_der().unwrap()),
        (es384.to_jwk(), es384.public_key().to_der().unwrap()),
        (ed.to_jwk(), ed.to_der()),
    ] {
        assert_eq!(set(&[jwk]).keys()[0].spki_der(), der);
    }
}

#[test]
fn hs256_with_a_public_key_as_secret_is_refused() {
    let rsa = RS256KeyPair::generate(2048).unwrap().public_key();
    let ec = ES256KeyPair::generate().public_key();
    let keys = set(&[rsa.to_jwk(), ec.to_jwk()]);
    let pem = rsa.to_pem().unwrap();
    for secret in [
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        &rsa.to_der().unwrap(),
        rsa.to_jwk().as_bytes(),
        &rsa.to_components().n,
        &ec.public_key().to_der().unwrap(),
        ec.public_key().to_pem().unwrap().as_bytes(),
        ec.to_jwk().as_bytes(),
        &[0; 32],
    ] {
        let token = HS256Key::from_bytes(secret).authenticate(claims()).unwrap();
        assert_eq!(check(&token, &keys), unsupported("HS256"));
    }
}

#[test]
fn es256k_is_refused() {
    let token = ES256kKeyPair::generate().sign(claims()).unwrap();
    assert_eq!(
        check(&token, &set(&[ES256KeyPair::generate().public_key().to_jwk()])),
        unsupported("ES256K")
    );
}

#[test]
fn an_rs256_key_is_not_usable_as_ps256() {
    let rsa = RS256KeyPair::generate(2048).unwrap();
    let jwk: serde_json::Value = serde_json::from_str(&rsa.public_key().to_jwk()).unwrap();
    assert_eq!(jwk["alg"], "RS256");
    let declared = serde_json::json!({ "keys": [jwk] }).to_string();
    let declared = KeySet::parse(declared.as_bytes()).unwrap();
    let pss = PS256KeyPair::from_der(&rsa.to_der().unwrap()).unwrap().sign(claims()).unwrap();
    assert_eq!(check(&pss, &declared), Err(Refused::NoKey));
    let v15 = rsa.sign(claims()).unwrap();
    assert_eq!(check(&v15, &declared), Ok(Algorithm::Rs256));
    // The signature stays one of RS256, whatever the header says.
    let renamed = with_header(&v15, &serde_json::json!({ "alg": "PS256" }));
    assert_eq!(check(&renamed, &set(&[rsa.public_key().to_jwk()])), Err(Refused::Signature));
}

#[test]
fn an_es256_token_is_not_checked_with_a_p384_key() {
    let p384 = ES384KeyPair::generate().with_key_id("k");
    let token = ES256KeyPair::generate().with_key_id("k").sign(claims()).unwrap();
    let keys = set(&[p384.public_key().to_jwk()]);
    assert_eq!(check(&token, &keys), Err(Refused::NoKey));
    let renamed = with_header(&token, &serde_json::json!({ "alg": "ES384", "kid": "k" }));
    assert_eq!(check(&renamed, &keys), Err(Refused::Signature));
}

#[test]
fn a_token_that_brings_its_own_key_is_refused() {
    let keys = set(&[ES256KeyPair::generate().with_key_id("ours").public_key().to_jwk()]);
    let theirs = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = theirs.verifying_key().to_sec1_point(false);
    let jwk = serde_json::json!({
        "kty": "EC", "crv": "P-256", "kid": "ours",
        "x": base64url::encode(point.x().unwrap()), "y": base64url::encode(point.y().unwrap()),
    });
    for header in [
        serde_json::json!({ "alg": "ES256", "jwk": jwk }),
        serde_json::json!({ "alg": "ES256", "kid": "ours", "jwk": jwk }),
        serde_json::json!({ "alg": "ES256", "jku": "https://evil.example/jwks" }),
        serde_json::json!({ "alg": "ES256", "x5u": "https://evil.example/chain.pem" }),
        serde_json::json!({ "alg": "ES256", "x5c": ["MIIBszCCAVmgAwIBAgIUQ"] }),
    ] {
        let token = sign(&theirs, &header, br#"{"iss":"https://idp.example"}"#);
        assert_eq!(check(&token, &keys), Err(Refused::Signature), "{header}");
        // What was refused is the key, not the header: in a set that has this key it passes.
        assert_eq!(check(&token, &set(&[jwk.to_string()])), Ok(Algorithm::Es256));
    }
}

#[test]
fn a_kid_of_another_issuer_finds_that_issuers_key_nowhere_else() {
    let evil = ES256KeyPair::generate().with_key_id("2026-01");
    let good = ES256KeyPair::generate().with_key_id("2026-01");
    let token = evil.sign(claims()).unwrap();
    assert_eq!(check(&token, &set(&[evil.public_key().to_jwk()])), Ok(Algorithm::Es256));
    assert_eq!(check(&token, &set(&[good.public_key().to_jwk()])), Err(Refused::Signature));
}

#[test]
fn a_key_that_left_the_set_checks_nothing_any_more() {
    let old = Ed25519KeyPair::generate().with_key_id("old");
    let new = Ed25519KeyPair::generate().with_key_id("new");
    let token = old.sign(claims()).unwrap();
    let both = set(&[old.public_key().to_jwk(), new.public_key().to_jwk()]);
    assert_eq!(check(&token, &both), Ok(Algorithm::EdDsa));
    assert_eq!(check(&token, &set(&[new.public_key().to_jwk()])), Err(Refused::NoKey));
}

#[test]
fn parts_of_two_good_tokens_make_no_good_token() {
    let pair = Ed25519KeyPair::generate();
    let keys = set(&[pair.public_key().to_jwk()]);
    let [alice, root] = ["alice", "root"].map(|sub| {
        let claims = Claims::create(Duration::from_mins(5)).with_subject(sub);
        pair.sign(claims).unwrap()
    });
    let part = |token: &str, index: usize| token.split('.').nth(index).unwrap().to_owned();
    for sources in [[&alice, &root, &alice], [&alice, &alice, &root], [&root, &alice, &alice]] {
        let mixed: Vec<String> =
            sources.iter().enumerate().map(|(index, token)| part(token, index)).collect();
        let same = mixed.join(".") == alice;
        assert_eq!(check(&mixed.join("."), &keys).is_ok(), same);
    }
}

#[test]
fn the_psychic_signature_is_refused() {
    let pair = ES256KeyPair::generate();
    let token = pair.sign(claims()).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let psychic = format!("{signed}.{}", base64url::encode(&[0; 64]));
    assert_eq!(check(&psychic, &set(&[pair.public_key().to_jwk()])), Err(Refused::Signature));
}

#[test]
fn the_twin_of_an_ecdsa_token_is_the_same_token_in_other_bytes() {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let jwk = serde_json::json!({
        "kty": "EC", "crv": "P-256",
        "x": base64url::encode(point.x().unwrap()), "y": base64url::encode(point.y().unwrap()),
    });
    let keys = set(&[jwk.to_string()]);
    let header = serde_json::json!({ "alg": "ES256" });
    let token = sign(&key, &header, br#"{"iss":"https://idp.example","jti":"j1"}"#);
    let jws = Jws::parse(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(jws.signature()).unwrap();
    let (r, s) = signature.split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(r, -*s).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let twin = format!("{signed}.{}", base64url::encode(&twin.to_bytes()));
    assert_ne!(twin, token);
    // Accepted, so whoever looks for a revoked token must look for its claims: they are the same.
    assert_eq!(check(&twin, &keys), Ok(Algorithm::Es256));
    let twin = Jws::parse(twin.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).unwrap();
    assert_eq!(twin.payload(), jws.payload());
}

/// A token with any header, by a key we hold.
fn sign(key: &p256::ecdsa::SigningKey, header: &serde_json::Value, payload: &[u8]) -> String {
    use p256::ecdsa::signature::Signer as _;
    let header = base64url::encode(header.to_string().as_bytes());
    let input = format!("{header}.{}", base64url::encode(payload));
    let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}
