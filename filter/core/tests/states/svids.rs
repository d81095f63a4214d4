//! JWT-SVIDs of workloads as bearer tokens: each trust domain with its own bundle, and no kind of token for another.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use rescind_core::base64url;
use rescind_core::subject::SubjectKind;
use serde_json::{Value, json};

use super::world::{self, AUDIENCE, ISSUER, START, World, config, with};
use super::{PERMIT, answer, refused};

const DOMAIN: &str = "example.org";
const WORKLOAD: &str = "spiffe://example.org/agent/planner";

fn signer(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

/// A key of a bundle.
fn jwk(kid: &str, key: &SigningKey, purpose: &str) -> Value {
    let point = key.verifying_key().to_sec1_bytes();
    let (x, y) = point.get(1..).unwrap().split_at(32);
    json!({
        "kty": "EC", "crv": "P-256", "use": purpose, "kid": kid,
        "x": base64url::encode(x), "y": base64url::encode(y),
    })
}

fn domain(name: &str, keys: &[Value]) -> Value {
    json!({
        "trust_domain": name,
        "audiences": [AUDIENCE],
        "algorithms": ["ES256"],
        "keys": {"inline_bundle": {"keys": keys, "spiffe_sequence": 1}},
    })
}

/// An issuer of access tokens and two trust domains whose keys have the same name.
fn federation() -> Value {
    let mut config = config();
    let issuers = config.pointer_mut("/issuers").unwrap().as_array_mut().unwrap();
    issuers.push(domain(DOMAIN, &[jwk("k", &signer(21), "jwt-svid")]));
    issuers.push(domain("partner.example", &[jwk("k", &signer(22), "jwt-svid")]));
    config
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "JWT", "kid": "k"})
}

fn claims() -> Value {
    json!({"sub": WORKLOAD, "aud": [AUDIENCE], "iat": START - 60, "exp": START + 240})
}

fn svid(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature: Signature = key.sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

fn good() -> String {
    svid(&header(), &claims(), &signer(21))
}

#[test]
fn a_workload_of_a_configured_trust_domain_passes_and_is_told_to_the_service() {
    let mut world = World::synchronized(&federation());
    for typ in [json!("JWT"), json!("JOSE"), Value::Null] {
        let mut header = header();
        header["typ"] = typ;
        if header["typ"].is_null() {
            header.as_object_mut().unwrap().remove("typ");
        }
        let token = svid(&header, &claims(), &signer(21));
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "{header}");
    }
    let permit = world.permit("/", &good());
    assert_eq!(permit.subject(), Some(WORKLOAD));
    assert_eq!(permit.issuer(), Some("spiffe://example.org"));
    assert_eq!(world.get("/", Some(&world::good_token())), answer(PERMIT), "others pass beside it");
}

#[test]
fn an_svid_that_breaks_a_rule_of_the_standard_is_refused() {
    let with_header = |name: &str, value: Value| {
        svid(&with(header(), &format!("/{name}"), value), &claims(), &signer(21))
    };
    let with_claim = |name: &str, value: Value| {
        svid(&header(), &with(claims(), &format!("/{name}"), value), &signer(21))
    };
    let bound = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    for (name, token, reason) in [
        ("at+jwt", with_header("typ", json!("at+jwt")), "invalid_svid"),
        ("jwt in lower case", with_header("typ", json!("jwt")), "invalid_svid"),
        ("a SET", with_header("typ", json!("secevent+jwt")), "invalid_svid"),
        ("another header", with_header("cty", json!("x")), "invalid_svid"),
        ("no path", with_claim("sub", json!("spiffe://example.org")), "invalid_svid"),
        ("for others", with_claim("aud", json!(["x"])), "invalid_svid"),
        ("for nobody", with_claim("aud", json!([])), "invalid_svid"),
        ("a SET's events", with_claim("events", json!({})), "invalid_svid"),
        ("no exp", with_claim("exp", Value::Null), "invalid_svid"),
        ("expired", with_claim("exp", json!(START - 31)), "expired"),
        ("long-lived", with_claim("exp", json!(START + 7200)), "lifetime_too_long"),
        ("bound", with_claim("cnf", bound), "sender_constrained"),
        ("no SPIFFE ID", with_claim("sub", json!("spiffe://Example.org/a")), "unknown_issuer"),
        ("a stranger", with_claim("sub", json!("spiffe://other.example/a")), "unknown_issuer"),
        ("another key", svid(&header(), &claims(), &signer(23)), "bad_signature"),
    ] {
        let mut world = World::synchronized(&federation());
        assert_eq!(world.get("/", Some(&token)), answer(refused(reason)), "{name}");
    }
}

#[test]
fn a_trust_domains_keys_verify_its_own_workloads_and_nobody_else() {
    let mut world = World::synchronized(&federation());
    // The partner signs as one of our workloads, and ours as one of theirs.
    let theirs_as_ours = svid(&header(), &claims(), &signer(22));
    assert_eq!(world.get("/", Some(&theirs_as_ours)), answer(refused("bad_signature")));
    let as_partner = with(claims(), "/sub", json!("spiffe://partner.example/agent"));
    let ours_as_theirs = svid(&header(), &as_partner, &signer(21));
    assert_eq!(world.get("/", Some(&ours_as_theirs)), answer(refused("bad_signature")));
    let theirs = svid(&header(), &as_partner, &signer(22));
    assert_eq!(world.get("/", Some(&theirs)), answer(PERMIT));
    // Naming an issuer of access tokens leads to that issuer's keys and rules.
    let as_issuer = with(claims(), "/iss", json!(ISSUER));
    let found = world.get("/", Some(&svid(&header(), &as_issuer, &signer(21))));
    assert_eq!(found, answer(refused("wrong_type")));
    // And the name of a trust domain is no issuer of access tokens.
    let access = json!({"iss": "spiffe://example.org", "sub": "alice"});
    let found = world.get("/", Some(&svid(&header(), &access, &signer(21))));
    assert_eq!(found, answer(refused("unknown_issuer")));
}

#[test]
fn only_keys_that_a_bundle_gives_for_svids_verify_them_and_an_empty_bundle_ends_the_domain() {
    for (keys, expected) in [
        (vec![jwk("k", &signer(21), "jwt-svid")], PERMIT),
        (vec![jwk("k", &signer(21), "wit-svid")], refused("unknown_key")),
        (vec![jwk("k", &signer(21), "sig")], refused("unknown_key")),
        (vec![], refused("unknown_key")),
    ] {
        let config = with(federation(), "/issuers/1", domain(DOMAIN, &keys));
        let mut world = World::synchronized(&config);
        assert_eq!(world.get("/", Some(&good())), answer(expected), "{keys:?}");
    }
}

#[test]
fn a_signal_reaches_a_workload_by_its_name() {
    let mut world = World::synchronized(&federation());
    assert_eq!(world.get("/", Some(&good())), answer(PERMIT));
    world.revoke_of("spiffe://example.org", (SubjectKind::Uri, WORKLOAD));
    assert_eq!(world.get("/", Some(&good())), answer(refused("revoked")));
}
