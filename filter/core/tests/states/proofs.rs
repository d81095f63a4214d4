//! Tokens that are bound to a key: worth nothing to whoever has only the token.

use ed25519_dalek::SigningKey;
use rescind_core::base64url;
use rescind_core::request::{Field, RequestView};
use rescind_core::thumbprint::Fingerprint;
use serde_json::{Value, json};

use super::world::{
    Answer, START, World, claims, config, good_token, header, jwk, key, mint, token_with, with,
};
use super::{PERMIT, answer};

const ORIGIN: &str = "https://api.example.com";
const NONCE_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

pub(super) fn gateway() -> Value {
    let proofs = json!({"origins": [ORIGIN], "algorithms": ["EdDSA"]});
    with(config(), "/proofs", proofs)
}

fn public(key: &SigningKey) -> Value {
    let mut jwk = jwk("", key);
    jwk.as_object_mut().unwrap().retain(|name, _| ["kty", "crv", "x"].contains(&name.as_str()));
    jwk
}

/// The thumbprint of the client's key (RFC 7638), put together by hand.
fn thumbprint(key: &SigningKey) -> String {
    let x = base64url::encode(key.verifying_key().as_bytes());
    Fingerprint::of(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes())
        .to_base64url()
}

pub(super) fn bound_token() -> String {
    token_with("cnf", json!({"jkt": thumbprint(&key(5))}))
}

/// What the claims of a good proof say.
fn said(path: &str, token: &str, jti: &str) -> Value {
    json!({
        "htm": "GET", "htu": format!("{ORIGIN}{path}"), "jti": jti, "iat": START,
        "ath": Fingerprint::of(token.as_bytes()).to_base64url(),
    })
}

fn proof_by(key: &SigningKey, said: &Value) -> String {
    mint(&json!({"alg": "EdDSA", "typ": "dpop+jwt", "jwk": public(key)}), said, key)
}

pub(super) fn proof(path: &str, token: &str, jti: &str) -> String {
    proof_by(&key(5), &said(path, token, jti))
}

fn send(world: &mut World, path: &str, authorization: &str, proof: Option<&str>) -> Answer {
    send_for_nonce(world, path, authorization, proof).0
}

fn send_for_nonce(
    world: &mut World,
    path: &str,
    authorization: &str,
    proof: Option<&str>,
) -> (Answer, Option<String>) {
    world.send(&RequestView {
        method: b"GET",
        path: path.as_bytes(),
        host: b"api.example.com",
        authorization: Field::One(authorization.as_bytes()),
        proof: proof.map_or(Field::Absent, |proof| Field::One(proof.as_bytes())),
        ..RequestView::default()
    })
}

fn reason(world: &mut World, authorization: &str, proof: Option<&str>) -> (u16, &'static str) {
    let (status, reason, _) = send(world, "/", authorization, proof);
    (status, reason)
}

#[test]
fn a_bound_token_passes_with_a_proof_and_each_proof_passes_once() {
    let mut world = World::synchronized(&gateway());
    let token = bound_token();
    let authorization = format!("DPoP {token}");
    let first = proof("/a", &token, "p-1");
    assert_eq!(send(&mut world, "/a?b=c", &authorization, Some(&first)), answer(PERMIT));
    let again = send(&mut world, "/a?b=c", &authorization, Some(&first));
    assert_eq!((again.0, again.1), (401, "proof_replayed"));
    let second = proof("/a", &token, "p-2");
    assert_eq!(send(&mut world, "/a?b=d", &authorization, Some(&second)), answer(PERMIT));
    world.wait(59);
    world.synchronize();
    let late = send(&mut world, "/a", &authorization, Some(&proof("/a", &token, "p-3")));
    assert_eq!(late, answer(PERMIT));
    world.wait(2);
    world.synchronize();
    let later = send(&mut world, "/a", &authorization, Some(&proof("/a", &token, "p-4")));
    assert_eq!((later.0, later.1), (401, "invalid_proof"));
}

#[test]
fn a_bound_token_is_no_bearer_token_and_another_token_is_no_bound_one() {
    let mut world = World::synchronized(&gateway());
    let (bound, plain) = (bound_token(), good_token());
    for round in ["new", "known"] {
        let proof = proof("/", &bound, round);
        let under_bearer = reason(&mut world, &format!("Bearer {bound}"), Some(&proof));
        assert_eq!(under_bearer, (401, "sender_constrained"), "{round}");
        let unbound = reason(&mut world, &format!("DPoP {plain}"), Some(&proof));
        assert_eq!(unbound, (401, "not_bound"), "{round}");
        assert_eq!(reason(&mut world, &format!("Bearer {plain}"), None), (200, "permit"));
        assert_eq!(reason(&mut world, &format!("DPoP {bound}"), Some(&proof)), (200, "permit"));
    }
}

#[test]
fn a_proof_for_anything_else_is_refused() {
    let mut world = World::synchronized(&gateway());
    let token = bound_token();
    let authorization = format!("DPoP {token}");
    let good = said("/", &token, "x");
    for (pointer, value, expected) in [
        ("/htm", json!("POST"), "invalid_proof"),
        ("/htu", json!("https://api.example.com/other"), "invalid_proof"),
        ("/htu", json!("https://evil.example.com/"), "invalid_proof"),
        ("/htu", json!("http://api.example.com/"), "invalid_proof"),
        ("/iat", json!(START - 61), "invalid_proof"),
        ("/iat", json!(START + 11), "invalid_proof"),
        ("/ath", json!(Fingerprint::of(b"another token").to_base64url()), "invalid_proof"),
        ("/jti", json!(""), "invalid_proof"),
        ("/iat", json!(START - 60), "permit"),
        ("/iat", json!(START + 10), "permit"),
        ("/htu", json!("HTTPS://API.example.com:443"), "permit"),
    ] {
        let mut changed = with(good.clone(), pointer, value.clone());
        if expected == "permit" {
            changed["jti"] = json!(format!("{pointer} {value}"));
        }
        let proof = proof_by(&key(5), &changed);
        let found = send(&mut world, "/", &authorization, Some(&proof));
        assert_eq!(found.1, expected, "{pointer} {value}");
    }
    let thief = proof_by(&key(6), &good);
    assert_eq!(reason(&mut world, &authorization, Some(&thief)), (401, "wrong_key"));
    assert_eq!(reason(&mut world, &authorization, None), (401, "invalid_proof"));
    let unsigned =
        mint(&json!({"alg": "EdDSA", "typ": "dpop+jwt", "jwk": public(&key(5))}), &good, &key(6));
    assert_eq!(reason(&mut world, &authorization, Some(&unsigned)), (401, "invalid_proof"));
}

#[test]
fn a_request_that_is_refused_for_something_else_uses_no_proof_up() {
    let mut world = World::synchronized(&gateway());
    let token = bound_token();
    let authorization = format!("DPoP {token}");
    let proof = proof("/admin", &token, "p");
    let mut send = || send(&mut world, "/admin", &authorization, Some(&proof)).1;
    assert_eq!([send(), send()], ["insufficient_scope"; 2]);
}

#[test]
fn a_revoked_bound_token_is_refused_with_the_best_of_proofs() {
    let mut world = World::synchronized(&gateway());
    let token = bound_token();
    let authorization = format!("DPoP {token}");
    let first = proof("/", &token, "1");
    assert_eq!(reason(&mut world, &authorization, Some(&first)), (200, "permit"));
    world.revoke_user(super::ISSUER, "alice", START);
    let second = proof("/", &token, "2");
    assert_eq!(reason(&mut world, &authorization, Some(&second)), (401, "revoked"));
}

#[test]
fn a_client_is_told_of_both_schemes_and_the_error_stands_with_its_own() {
    let mut world = World::synchronized(&gateway());
    let token = bound_token();
    let challenge = |answer: Answer| answer.2.unwrap();
    let both = r#"Bearer realm="api", DPoP realm="api", algs="EdDSA""#;
    assert_eq!(world.get("/", None), answer((401, "no_credentials", Some(both))));
    let with_bearer = challenge(send(&mut world, "/", &format!("Bearer {token}"), None));
    assert!(with_bearer.starts_with(r#"Bearer realm="api", error="invalid_token""#));
    assert!(with_bearer.ends_with(r#", DPoP realm="api", algs="EdDSA""#), "{with_bearer}");
    let with_dpop = challenge(send(&mut world, "/", &format!("DPoP {token}"), None));
    assert!(with_dpop.starts_with(r#"DPoP realm="api", error="invalid_dpop_proof""#));
    assert!(with_dpop.ends_with(r#", Bearer realm="api""#), "{with_dpop}");
    let proof = proof("/admin", &token, "p");
    let scope = challenge(send(&mut world, "/admin", &format!("DPoP {token}"), Some(&proof)));
    assert!(scope.starts_with(r#"DPoP realm="api", error="insufficient_scope""#), "{scope}");
    assert!(!scope.contains("Bearer"), "{scope}");
}

#[test]
fn without_proofs_in_the_configuration_dpop_is_no_scheme_and_bound_tokens_do_not_pass() {
    let mut world = World::synchronized(&config());
    let token = bound_token();
    let proof = proof("/", &token, "p");
    let reason =
        |world: &mut World, scheme| reason(world, &format!("{scheme} {token}"), Some(&proof));
    assert_eq!(reason(&mut world, "DPoP"), (401, "unsupported_scheme"));
    assert_eq!(reason(&mut world, "Bearer"), (401, "sender_constrained"));
}

#[test]
fn a_gateway_with_a_nonce_key_asks_for_its_nonce_and_for_a_new_one_in_time() {
    let mut world = World::synchronized(&with(gateway(), "/proofs/nonce_key", json!(NONCE_KEY)));
    let token = bound_token();
    let authorization = format!("DPoP {token}");
    let plain = proof("/", &token, "p-1");
    let (refused, nonce) = send_for_nonce(&mut world, "/", &authorization, Some(&plain));
    assert_eq!((refused.0, refused.1), (401, "nonce_needed"));
    assert!(refused.2.unwrap().starts_with(r#"DPoP realm="api", error="use_dpop_nonce""#));
    let mut claims = said("/", &token, "p-2");
    claims["nonce"] = json!(nonce.unwrap());
    let good = proof_by(&key(5), &claims);
    assert_eq!(reason(&mut world, &authorization, Some(&good)), (200, "permit"));
    // Long after, in a proof that is new: an old nonce shows when it was made.
    world.wait(180);
    world.synchronize();
    claims["jti"] = json!("p-3");
    claims["iat"] = json!(START + 180);
    let stale = proof_by(&key(5), &claims);
    let (refused, nonce) = send_for_nonce(&mut world, "/", &authorization, Some(&stale));
    assert_eq!((refused.0, refused.1), (401, "nonce_needed"));
    assert!(nonce.is_some());
    // What is wrong otherwise gets none: a nonce does not help.
    let (_, nonce) = send_for_nonce(&mut world, "/", &authorization, None);
    assert_eq!(nonce, None);
}

#[test]
fn an_issuer_can_be_held_to_bound_tokens() {
    let mut world =
        World::synchronized(&with(gateway(), "/issuers/0/bound_tokens_only", json!(true)));
    let plain = format!("Bearer {}", good_token());
    assert_eq!(reason(&mut world, &plain, None), (401, "not_bound"));
    let token = bound_token();
    let proof = proof("/", &token, "p");
    assert_eq!(reason(&mut world, &format!("DPoP {token}"), Some(&proof)), (200, "permit"));
}

#[test]
fn a_token_bound_to_a_certificate_passes_on_a_connection_with_it() {
    let digest = Fingerprint::of(b"the DER of a certificate");
    let token = token_with("cnf", json!({"x5t#S256": digest.to_base64url()}));
    let authorization = format!("Bearer {token}");
    let hex =
        |digest: Fingerprint| digest.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut world = World::synchronized(&config());
    for (certificate, expected) in [
        (None, (401, "wrong_certificate")),
        (Some(hex(digest)), (200, "permit")),
        (Some(hex(digest).to_uppercase()), (200, "permit")),
        (Some(hex(Fingerprint::of(b"another"))), (401, "wrong_certificate")),
        (Some(String::new()), (401, "wrong_certificate")),
    ] {
        world.certificate = certificate.clone();
        assert_eq!(reason(&mut world, &authorization, None), expected, "{certificate:?}");
    }
}

#[test]
fn a_token_bound_to_key_and_certificate_needs_both() {
    let digest = Fingerprint::of(b"the DER of a certificate");
    let token =
        token_with("cnf", json!({"jkt": thumbprint(&key(5)), "x5t#S256": digest.to_base64url()}));
    let authorization = format!("DPoP {token}");
    let mut world = World::synchronized(&gateway());
    let alone = proof("/", &token, "1");
    assert_eq!(reason(&mut world, &authorization, Some(&alone)), (401, "wrong_certificate"));
    world.certificate = Some(digest.0.iter().map(|byte| format!("{byte:02x}")).collect());
    assert_eq!(reason(&mut world, &authorization, Some(&alone)), (200, "permit"));
    assert_eq!(reason(&mut world, &format!("Bearer {token}"), None), (401, "sender_constrained"));
}

#[test]
fn a_token_that_is_bound_in_unknown_ways_passes_nowhere() {
    let mut world = World::synchronized(&gateway());
    for cnf in [
        json!({}),
        json!({"kid": "k1"}),
        json!({"jwk": public(&key(5))}),
        json!({"jkt": "short"}),
        json!({"x5t#S256": "short"}),
    ] {
        let token = mint(&header(), &with(claims(), "/cnf", cnf.clone()), &key(1));
        let proof = proof("/", &token, "p");
        for scheme in ["Bearer", "DPoP"] {
            let found = reason(&mut world, &format!("{scheme} {token}"), Some(&proof));
            assert_eq!(found, (401, "unknown_confirmation"), "{cnf} {scheme}");
        }
    }
}

#[test]
fn a_certificate_in_a_header_counts_only_where_the_configuration_trusts_it() {
    let digest = Fingerprint::of(b"the DER of a certificate");
    let token = token_with("cnf", json!({"x5t#S256": digest.to_base64url()}));
    let hex: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let header = format!("By=spiffe://api;Hash={hex};URI=spiffe://client");
    let two = format!("{header},Hash={}", "00".repeat(32));
    let (authorization, one) = (format!("Bearer {token}"), header.clone());
    let reason = |world: &mut World, header: &str| {
        let request = RequestView {
            method: b"GET",
            path: b"/",
            authorization: Field::One(authorization.as_bytes()),
            forwarded_certificate: Field::One(header.as_bytes()),
            ..RequestView::default()
        };
        world.send(&request).0.1
    };
    let mut plain = World::synchronized(&config());
    assert_eq!(reason(&mut plain, &one), "wrong_certificate");
    let mut trusting = World::synchronized(&with(config(), "/danger_xfcc_elements", json!(1)));
    assert_eq!(reason(&mut trusting, &one), "permit");
    // One element more than the proxies write: somebody else wrote it.
    assert_eq!(reason(&mut trusting, &two), "wrong_certificate");
    assert_eq!(reason(&mut trusting, &format!("{two},{header}")), "wrong_certificate");
    // The connection's own certificate is the proxy's then, not the client's.
    trusting.certificate = Some(hex);
    assert_eq!(reason(&mut trusting, ""), "wrong_certificate");
}

#[test]
fn a_request_whose_body_cannot_be_compared_with_its_headers_uses_no_proof_up() {
    let routes = json!([{"path": "/mcp", "mcp": {"verify_body": true}}]);
    let mut world = World::synchronized(&with(gateway(), "/routes", routes));
    let token = bound_token();
    let authorization = format!("DPoP {token}");
    let proof = proof_by(&key(5), &with(said("/mcp", &token, "p-1"), "/htm", json!("POST")));
    let mut send = |media_type: &str| {
        let mut request = RequestView {
            method: b"POST",
            path: b"/mcp",
            authorization: Field::One(authorization.as_bytes()),
            proof: Field::One(proof.as_bytes()),
            ..RequestView::default()
        };
        request.content.media_type = Field::One(media_type.as_bytes());
        for (name, value) in [("mcp-method", "ping"), ("mcp-protocol-version", "2026-07-28")] {
            request.mcp.add(name.as_bytes(), value.as_bytes());
        }
        let (status, reason, _) = world.send(&request).0;
        (status, reason)
    };
    assert_eq!(send("text/plain"), (400, "malformed_mcp_body"));
    assert_eq!(send("application/json"), (200, "permit"));
    assert_eq!(send("application/json"), (401, "proof_replayed"));
}
