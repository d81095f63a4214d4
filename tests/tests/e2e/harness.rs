//! The harness itself, against a bare Envoy: what it starts answers, what it drops is gone.

use rescind_e2e::envoy::{Bootstrap, Envoy};
use rescind_e2e::http::{self, Request};
use rescind_e2e::issuer::{Endpoint, Issuer, Key};
use rescind_e2e::process::Folder;
use rescind_e2e::upstream::Upstream;

#[test]
fn a_bare_envoy_forwards_to_the_upstream_and_dies_with_its_guard() {
    let folder = Folder::new();
    let upstream = Upstream::start();
    let envoy = Envoy::start(&Bootstrap::bare(upstream.port()), folder.path());
    let answer = envoy.send(&Request::get("/orders").header("x-one", "1").header("x-one", "2"));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["request"], "GET /orders");
    assert_eq!(upstream.served(), 1);
    assert!(envoy.process.resident_kib() > 0);

    let port = envoy.port;
    drop(envoy);
    assert!(http::send(port, &Request::get("/")).is_err());
}

#[test]
fn an_issuer_serves_its_keys_rotates_and_fails_as_told() {
    let issuer = Issuer::start("https://idp.example.com", "ES256");
    let fetch = || http::send(issuer.port(), &Request::get("/jwks")).unwrap();
    assert_eq!(fetch().json()["keys"][0]["kid"], "k1");
    issuer.rotate(Key::generate("EdDSA", "k2"));
    assert_eq!(fetch().json()["keys"][0]["kid"], "k2");
    issuer.behave(Endpoint::Failing(500));
    assert_eq!(fetch().status(), 500);
    assert_eq!(issuer.fetches(), 3);
}

#[test]
fn validate_tells_a_good_bootstrap_from_a_bad_one() {
    let good = Bootstrap::bare(1);
    assert!(Envoy::validate(&good).0.success());
    let mut bad = good;
    bad.clusters = vec![("elsewhere".to_owned(), 1)];
    let (status, text) = Envoy::validate(&bad);
    assert!(!status.success(), "{text}");
    assert!(text.contains("unknown cluster 'upstream'"), "{text}");
}
