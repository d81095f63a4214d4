//! A stolen token that is bound to a key: DPoP (RFC 9449), with the proofs of a client that is not ours to write.

use std::sync::atomic::{AtomicU64, Ordering};

use jwt_simple::reexports::ct_codecs::{Base64UrlSafeNoPadding, Encoder as _};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use rescind_e2e::http::Request;
use rescind_e2e::issuer::now;
use rescind_e2e::site::{Plan, Site};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ORIGIN: &str = "https://api.example.com";

/// An agent with a key of its own.
struct Client {
    key: SigningKey,
    proofs: AtomicU64,
}

fn text(bytes: &[u8]) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).expect("base64url")
}

fn digest(input: &str) -> String {
    text(&Sha256::digest(input.as_bytes()))
}

impl Client {
    fn new(number: u8) -> Self {
        let key = SigningKey::from_slice(&[number; 32]).expect("a key");
        Self { key, proofs: AtomicU64::new(0) }
    }

    fn coordinates(&self) -> (String, String) {
        let point = self.key.verifying_key().to_sec1_bytes();
        (text(&point[1..33]), text(&point[33..65]))
    }

    /// RFC 7638 §3.
    fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        digest(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    /// A proof for a GET of `path` with `token`; with a nonce, if there is one.
    fn proof(&self, path: &str, token: &str, nonce: Option<&str>) -> String {
        let (x, y) = self.coordinates();
        let header = json!({
            "typ": "dpop+jwt", "alg": "ES256",
            "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        });
        let jti = format!("p-{}", self.proofs.fetch_add(1, Ordering::Relaxed));
        let mut claims = json!({
            "jti": jti, "htm": "GET", "htu": format!("{ORIGIN}{path}"), "iat": now(), "ath": digest(token),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let part = |value: &Value| text(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature: Signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", text(&signature.to_bytes()))
    }
}

fn site(workers: u32, more: &Value) -> Site {
    let mut proofs = json!({"origins": [ORIGIN]});
    for (name, value) in more.as_object().expect("an object") {
        proofs[name] = value.clone();
    }
    let filter = json!({"proofs": proofs});
    Site::with(&Plan { workers, filter, ..Plan::default() })
}

fn bound_token(site: &Site, client: &Client) -> String {
    site.issuer.token_with("agent", &json!({"cnf": {"jkt": client.thumbprint()}}))
}

fn get(token: &str, proof: &str) -> Request {
    Request::get("/orders?page=2")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof)
}

#[test]
fn a_stolen_token_is_worth_nothing_without_its_key() {
    let site = site(1, &json!({}));
    let (client, thief) = (Client::new(5), Client::new(6));
    let token = bound_token(&site, &client);
    let passed = site.envoy.send(&get(&token, &client.proof("/orders", &token, None)));
    assert_eq!(passed.status(), 200, "{}", passed.text());
    let headers = passed.json()["headers"].to_string().to_ascii_lowercase();
    assert!(
        !headers.contains("dpop") && !headers.contains(&token.to_ascii_lowercase()),
        "{headers}"
    );

    assert_eq!(site.call(&token), 401, "as a bearer token");
    for (what, proof) in [
        ("by another key", thief.proof("/orders", &token, None)),
        ("for another path", client.proof("/payments", &token, None)),
        ("for another token", client.proof("/orders", &site.issuer.token("agent"), None)),
        ("no proof at all", token.clone()),
    ] {
        let refused = site.envoy.send(&get(&token, &proof));
        assert_eq!(refused.status(), 401, "{what}");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.starts_with("DPoP ") && challenge.contains("algs=\"ES256 EdDSA\""),
            "{what}: {challenge}"
        );
    }
    let plain = site.issuer.token("agent");
    let unbound = site.envoy.send(&get(&plain, &client.proof("/orders", &plain, None)));
    assert_eq!(unbound.status(), 401, "a token that is bound to nothing");
    assert_eq!(site.call(&plain), 200);
}

#[test]
fn a_proof_passes_once_whichever_worker_sees_it() {
    let site = site(2, &json!({}));
    let client = Client::new(5);
    let token = bound_token(&site, &client);
    for _ in 0..10 {
        let request = get(&token, &client.proof("/orders", &token, None));
        // Each on a connection of its own, all at once: they spread over the workers.
        let passed = std::thread::scope(|scope| {
            let calls: Vec<_> =
                (0..8).map(|_| scope.spawn(|| site.envoy.send(&request).status())).collect();
            let answers = calls.into_iter().map(|call| call.join().expect("an answer"));
            answers.filter(|status| *status == 200).count()
        });
        assert_eq!(passed, 1);
    }
}

#[test]
fn a_client_gets_the_nonce_that_it_needs_and_passes_with_it() {
    let site = site(1, &json!({"nonce_key": "5a".repeat(32)}));
    let client = Client::new(5);
    let token = bound_token(&site, &client);
    let refused = site.envoy.send(&get(&token, &client.proof("/orders", &token, None)));
    assert_eq!(refused.status(), 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = refused.header("dpop-nonce").expect("a nonce");
    let proof = client.proof("/orders", &token, Some(nonce));
    assert_eq!(site.envoy.send(&get(&token, &proof)).status(), 200);
}

#[test]
fn a_revoked_agent_is_refused_although_it_has_its_key() {
    let site = site(1, &json!({}));
    let client = Client::new(5);
    let token = bound_token(&site, &client);
    let call = || {
        let proof = client.proof("/orders", &token, None);
        site.envoy.send(&get(&token, &proof)).status()
    };
    assert_eq!(call(), 200);
    let bearer = site.issuer.token("agent");
    site.revoke("agent", &bearer);
    assert_eq!(call(), 401);
}
