//! Where tokens are besides `Authorization`, as it is configured.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::place::{MAX_PLACES, Place};

/// The shortest configuration with an issuer for each of `places`.
fn with(places: &[Value]) -> Value {
    let mut config = least();
    let issuer = config["issuers"][0].clone();
    let issuers = places.iter().enumerate().map(|(index, place)| {
        let mut issuer = issuer.clone();
        issuer["issuer"] = json!(format!("https://idp-{index}.example.com"));
        if !place.is_null() {
            issuer["token_from"] = place.clone();
        }
        issuer
    });
    config["issuers"] = issuers.collect();
    config
}

#[test]
fn issuers_may_share_a_place_and_each_place_is_looked_at_once() {
    let app = json!(["https://app.example.com"]);
    let config = parse(&with(&[
        Value::Null,
        json!({"header": "X-Goog-IAP-JWT-Assertion"}),
        json!({"cookie": "__Host-session", "origins": app}),
        json!({"header": "x-goog-iap-jwt-assertion"}),
        json!({"cookie": "__Host-session", "origins": app}),
    ]))
    .unwrap();
    let shown: Vec<String> = config.places.iter().map(Place::to_string).collect();
    assert_eq!(shown, ["the header `x-goog-iap-jwt-assertion`", "the cookie `__Host-session`"]);
    let places: Vec<_> = config.issuers.iter().map(|issuer| issuer.token_from).collect();
    assert_eq!(places, [None, Some(0), Some(1), Some(0), Some(1)]);
    assert_eq!(config.place_name(None), "`Authorization`");
    assert!(config.challenge.other_places);
    let default = parse(&least()).unwrap();
    assert!(default.places.is_empty() && !default.challenge.other_places);
}

#[test]
fn there_are_as_many_places_as_there_are_and_not_one_more() {
    let places = |count: usize| -> Vec<Value> {
        (0..count).map(|index| json!({"header": format!("x-jwt-{index}")})).collect()
    };
    assert_eq!(parse(&with(&places(MAX_PLACES))).unwrap().places.len(), MAX_PLACES);
    let again = [places(MAX_PLACES), places(1)].concat();
    assert!(parse(&with(&again)).is_ok(), "a known place is no further one");
    assert_eq!(
        parse(&with(&places(MAX_PLACES + 1))).unwrap_err(),
        "`issuers[8].token_from`: is one place too many, at most 8 are looked at; let several issuers use one place",
    );
}

#[test]
fn a_place_is_refused_for_these_reasons() {
    let has_meaning = |name: &str| {
        format!(
            "`issuers[0].token_from.header`: `{name}` has a meaning of its own; choose a header that has none"
        )
    };
    for name in ["dpop", "Txn-Token", "workload-identity-token", "host", "origin", "mcp-name"] {
        let refused = parse(&with(&[json!({"header": name})])).unwrap_err();
        assert_eq!(refused, has_meaning(name));
    }
    let name = "write the name alone, such as `x-goog-iap-jwt-assertion`";
    for (place, expected) in [
        (json!({}), "`issuers[0].token_from`: names no place; set `header` or `cookie`".to_owned()),
        (
            json!({"header": "x-a", "cookie": "a"}),
            "`issuers[0].token_from`: has both `header` and `cookie`; remove one of them: an issuer's tokens are in one place".to_owned(),
        ),
        (
            json!({"header": ":path"}),
            format!("`issuers[0].token_from.header`: `:path` is not a header name of letters, digits and hyphens; {name}"),
        ),
        (
            json!({"header": "x_jwt"}),
            format!("`issuers[0].token_from.header`: `x_jwt` is not a header name of letters, digits and hyphens; {name}"),
        ),
        (
            json!({"header": ""}),
            format!("`issuers[0].token_from.header`: `` is not a header name of letters, digits and hyphens; {name}"),
        ),
        (
            json!({"header": "Cookie"}),
            "`issuers[0].token_from.header`: `Cookie` has cookies; set `cookie` to the name of one instead of `header`".to_owned(),
        ),
        (
            json!({"header": "authorization"}),
            "`issuers[0].token_from.header`: `authorization` is where tokens are anyway; remove `token_from`".to_owned(),
        ),
        (
            json!({"header": "x-rescind-subject"}),
            "`issuers[0].token_from.header`: `x-rescind-subject` is one of `identity.headers`; give one of them another name".to_owned(),
        ),
        (
            json!({"header": "x-a", "origins": ["https://a"]}),
            "`issuers[0].token_from.origins`: says nothing about headers: browsers send them for nobody else's page; remove it".to_owned(),
        ),
        (
            json!({"cookie": "a b"}),
            "`issuers[0].token_from.cookie`: `a b` is not the name of a cookie; write the name alone, such as `__Host-session`".to_owned(),
        ),
        (
            json!({"cookie": ""}),
            "`issuers[0].token_from.cookie`: `` is not the name of a cookie; write the name alone, such as `__Host-session`".to_owned(),
        ),
        (
            json!({"cookie": "a", "origins": []}),
            "`issuers[0].token_from.origins`: is empty; remove it, or name whose pages may".to_owned(),
        ),
        (
            json!({"cookie": "a", "origins": ["https://a/b"]}),
            "`issuers[0].token_from.origins[0]`: it has more than scheme, host and port; write it as `https://api.example.com`".to_owned(),
        ),
    ] {
        let refused = parse(&with(std::slice::from_ref(&place))).unwrap_err();
        assert_eq!(refused, expected, "{place}");
    }
}

#[test]
fn no_two_places_are_one_for_some_service_or_differ_in_whose_pages_may_use_them() {
    for (one, other, expected) in [
        (
            json!({"cookie": "session"}),
            json!({"cookie": "Session"}),
            "`issuers[1].token_from`: is the cookie `Session`, and the cookie `session` is one that some service takes for it; write the same, or choose another name",
        ),
        (
            json!({"cookie": "a_b"}),
            json!({"cookie": "a.b"}),
            "`issuers[1].token_from`: is the cookie `a.b`, and the cookie `a_b` is one that some service takes for it; write the same, or choose another name",
        ),
        (
            json!({"cookie": "session"}),
            json!({"cookie": "session", "origins": ["https://app.example.com"]}),
            "`issuers[1].token_from`: has other `origins` for the cookie `session` than another issuer; write the same, or choose another name",
        ),
    ] {
        assert_eq!(parse(&with(&[one, other])).unwrap_err(), expected);
    }
}

#[test]
fn a_trust_domains_svids_may_have_a_place_and_a_token_services_tokens_have_their_own() {
    let mut config = with(&[json!({"header": "x-svid"})]);
    let issuer = &mut config["issuers"][0];
    issuer.as_object_mut().unwrap().remove("issuer");
    issuer["trust_domain"] = json!("example.org");
    issuer["keys"] = json!({"inline_bundle": {"keys": []}});
    assert_eq!(parse(&config).unwrap().issuers[0].token_from, Some(0));

    let mut config = with(&[json!({"header": "x-txn"})]);
    let issuer = &mut config["issuers"][0];
    issuer.as_object_mut().unwrap().remove("audiences");
    issuer["txn_domain"] = json!("trust.example");
    assert_eq!(
        parse(&config).unwrap_err(),
        "`issuers[0].token_from`: says nothing about Txn-Tokens: they are in `Txn-Token`; remove it",
    );
}

#[test]
fn a_resource_says_header_only_if_some_token_for_it_may_be_in_authorization() {
    let body = |places: &[Value]| {
        let mut config = with(places);
        config["resources"] = json!([{"resource": "https://api.example.com"}]);
        let config = parse(&config).unwrap();
        serde_json::from_slice::<Value>(config.resources[0].body()).unwrap()
    };
    let cookie = json!({"cookie": "session"});
    assert_eq!(body(std::slice::from_ref(&cookie)).get("bearer_methods_supported"), None);
    assert_eq!(body(&[cookie, Value::Null])["bearer_methods_supported"], json!(["header"]));
}
