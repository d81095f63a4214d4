//! Which credentials routes ask for, and whose count, as it is configured.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::slots::Slot;

fn token_service() -> Value {
    json!({
        "txn_domain": "trust.example",
        "issuer": "https://tts.example.com",
        "algorithms": ["ES256"],
        "keys": {"inline": key_set()},
    })
}

fn with_service(name: &str, value: Value) -> Result<Config, String> {
    let mut service = token_service();
    service[name] = value;
    let mut config = least();
    config["issuers"].as_array_mut().unwrap().push(service);
    parse(&config)
}

fn with_route(credentials: &Value, mut config: Value) -> Result<Config, String> {
    config["routes"] = json!([{"path_prefix": "/a", "credentials": credentials}]);
    parse(&config)
}

#[test]
fn a_token_service_has_its_trust_domain_as_audience_and_its_tokens_live_for_minutes() {
    let config = with_service("leeway_secs", json!(5)).unwrap();
    let (place, service) = config.txn_domain("trust.example").unwrap();
    assert_eq!((place, service.audiences.as_slice()), (1, &["trust.example".to_owned()][..]));
    assert_eq!(service.max_token_lifetime.as_secs(), 300);
    assert_eq!(service.subject_claims.transaction.as_deref(), Some("txn"));
    assert_eq!(service.subject_claims.workload.as_deref(), Some("req_wl"));
    // Its keys verify no access token.
    assert!(config.issuer("https://tts.example.com").is_none());
    assert!(config.txn_domain("https://tts.example.com").is_none());
}

#[test]
fn one_server_may_issue_access_tokens_and_txn_tokens_each_from_its_own_entry() {
    let issuer = least()["issuers"][0]["issuer"].clone();
    assert!(with_service("issuer", issuer).is_ok());
}

#[test]
fn a_token_service_is_refused_for_these_reasons() {
    for (name, value, expected) in [
        (
            "txn_domain",
            json!(""),
            "`issuers[1].txn_domain`: is empty; set it to the `aud` of the token service's tokens",
        ),
        (
            "issuer",
            json!(""),
            "`issuers[1].issuer`: is missing; set it to the `iss` of the issuer's tokens",
        ),
        (
            "trust_domain",
            json!("example.org"),
            "`issuers[1]`: has both `trust_domain` and `txn_domain`; remove one of them: make an entry for each",
        ),
        (
            "audiences",
            json!(["a"]),
            "`issuers[1].audiences`: says nothing about Txn-Tokens: their `aud` is `txn_domain`; remove it",
        ),
        (
            "types",
            json!(["JWT"]),
            "`issuers[1].types`: says nothing about Txn-Tokens: their `typ` is `txntoken+jwt`; remove it",
        ),
        (
            "assumed_lifetime_secs",
            json!(60),
            "`issuers[1].assumed_lifetime_secs`: says nothing about Txn-Tokens: they have an `iat`; remove it",
        ),
        (
            "bound_tokens_only",
            json!(true),
            "`issuers[1].bound_tokens_only`: says nothing about Txn-Tokens: they are bound to nothing; remove it",
        ),
    ] {
        let error = with_service(name, value).unwrap_err();
        assert_eq!(error, expected, "{name}");
    }
    let mut config = least();
    let issuers = config["issuers"].as_array_mut().unwrap();
    issuers.extend([token_service(), token_service()]);
    let error = parse(&config).unwrap_err();
    assert_eq!(error, "`issuers[2].txn_domain`: is configured twice; merge the two entries");
}

#[test]
fn a_route_chooses_between_combinations_of_what_the_configuration_knows() {
    let mut config = least();
    config["issuers"].as_array_mut().unwrap().push(token_service());
    let config = with_route(&json!(["access_token", "jwt_svid+txn_token"]), config).unwrap();
    assert!(config.has_slots());
    assert!(config.routes.accepted().contains(Slot::TxnToken));
    assert!(!config.routes.accepted().contains(Slot::WorkloadToken));
    assert!(!parse(&least()).unwrap().has_slots());
}

#[test]
fn what_a_route_asks_for_is_refused_for_these_reasons() {
    let names = "combine `access_token`, `jwt_svid`, `txn_token`, `workload_token` with `+`";
    for (credentials, expected) in [
        (
            json!([]),
            "`routes[0].credentials`: is empty; remove it, or set `access: public` to ask for none"
                .to_owned(),
        ),
        (
            json!(["access_token", "token"]),
            format!("`routes[0].credentials[1]`: `token` is no kind of credential; {names}"),
        ),
        (
            json!(["access_token+jwt_svid"]),
            format!(
                "`routes[0].credentials[0]`: asks for two credentials in one `Authorization` header; {names}"
            ),
        ),
        (
            json!(["txn_token"]),
            "`issuers`: has no token service, and a route accepts `txn_token`; add an entry with `txn_domain`"
                .to_owned(),
        ),
    ] {
        assert_eq!(with_route(&credentials, least()).unwrap_err(), expected);
    }
    let error = with_route(&json!(["workload_token"]), least()).unwrap_err();
    for expected in [
        "`issuers`: has no trust domain, and a route accepts `workload_token`; add an entry with `trust_domain`",
        "`proofs`: is missing, and a route accepts `workload_token`; say under which `origins` workloads know this gateway",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}
