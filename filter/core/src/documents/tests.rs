#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::shared::LocalSharedData;

/// The keys of each issuer, by name.
fn config(issuers: &[(&str, &str)]) -> Config {
    let issuer = |(name, keys): &(&str, &str)| {
        format!(r#"{{"issuer":"{name}","audiences":["a"],"algorithms":["ES256"],"keys":{keys}}}"#)
    };
    let issuers: Vec<_> = issuers.iter().map(issuer).collect();
    let text = format!(
        r#"{{"issuers":[{}],"revocation":{{"cluster":"c","authority":"a","gateway_name":"g","gateway_token":"t",
        "feed_key":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "subject_key":"000102030405060708090a0b0c0d0e0f","checksum_key":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"}}}}"#,
        issuers.join(",")
    );
    Config::parse(text.as_bytes()).unwrap()
}

const ONE: (&str, &str) = ("one", r#"{"url":"https://one.example.com/jwks","cluster":"one"}"#);
const TWO: (&str, &str) = ("two", r#"{"url":"https://two.example.com/jwks","cluster":"two"}"#);
const INLINE: (&str, &str) = (
    "inline",
    r#"{"inline":{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}}"#,
);

fn now() -> UnixTime {
    UnixTime::from_secs(1_800_000_000)
}

#[test]
fn one_worker_of_a_configuration_looks_after_its_documents() {
    let shared = LocalSharedData::default();
    let [mut first, mut second] = [(); 2].map(|()| Documents::new(&config(&[ONE, TWO]), false));
    assert!(first.leads(&shared, now(), 1));
    assert!(!second.leads(&shared, now(), 2));
    first.resign(&shared);
    assert!(second.leads(&shared, now(), 2));
    assert!(!first.leads(&shared, now(), 1));
}

#[test]
fn a_configuration_with_other_documents_has_a_worker_of_its_own() {
    let shared = LocalSharedData::default();
    let mut known = Documents::new(&config(&[ONE]), false);
    assert!(known.leads(&shared, now(), 1));
    let elsewhere = (ONE.0, r#"{"url":"https://one.example.com/jwks","cluster":"moved"}"#);
    for other in [&[ONE, TWO][..], &[TWO], &[elsewhere]] {
        let mut other = Documents::new(&config(other), false);
        assert!(other.leads(&shared, now(), 2));
        assert!(known.leads(&shared, now(), 1));
    }
    let mut same = Documents::new(&config(&[ONE, INLINE]), false);
    assert!(!same.leads(&shared, now(), 3), "with an issuer more that needs nothing");
}

#[test]
fn where_there_are_no_documents_shared_data_is_not_looked_at() {
    let shared = LocalSharedData::default();
    let mut documents = Documents::new(&config(&[INLINE]), false);
    assert!(!documents.leads(&shared, now(), 1));
    assert!(group(&config(&[INLINE])).is_none());
}

#[test]
fn a_worker_that_serves_requests_waits_for_one_that_does_not() {
    let shared = LocalSharedData::default();
    let [mut busy, mut idle] = [(); 2].map(|()| Documents::new(&config(&[ONE]), false));
    busy.saw_request();
    assert!(busy.leads(&shared, now(), 1));
    assert!(idle.leads(&shared, now(), 2));
    assert!(!busy.leads(&shared, now(), 1));
}

#[test]
fn where_nobody_else_can_see_what_is_stored_everybody_looks_after_it() {
    let shared = LocalSharedData::default();
    let [mut first, mut second] = [(); 2].map(|()| Documents::new(&config(&[ONE]), true));
    assert!(first.leads(&shared, now(), 1));
    assert!(second.leads(&shared, now(), 2));
}
