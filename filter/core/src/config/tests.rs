//! Each way to be wrong, one by one, with the exact words; then what a right one means.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use super::*;
use crate::record::FactKind;
use crate::request::RequestView;
use crate::route::{Access, Requirements, StepUp};
use crate::slots::{Credentials, SlotSet};

mod keys;
mod places;
mod proofs;
mod reasons;
mod reference;
mod routes;
mod slots;
mod status;

/// A P-256 key from RFC 7517 appendix A.1.
fn key_set() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]})
}

/// The shortest configuration there is.
fn least() -> Value {
    json!({
        "issuers": [{
            "issuer": "https://idp.example.com",
            "audiences": ["https://api.example.com"],
            "algorithms": ["ES256"],
            "keys": {"inline": key_set()},
        }],
        "revocation": {
            "cluster": "rescind",
            "authority": "rescind.example.com",
            "gateway_name": "edge-1",
            "gateway_token": "gateway-secret",
            "feed_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "subject_key": "000102030405060708090a0b0c0d0e0f",
            "checksum_key": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        },
    })
}

/// Every name there is.
fn most() -> Value {
    let mut config = least();
    config["issuers"][0]["types"] = json!(["at+jwt", "JWT"]);
    config["issuers"][0]["leeway_secs"] = json!(0);
    config["issuers"][0]["max_token_lifetime_secs"] = json!(900);
    config["issuers"][0]["assumed_lifetime_secs"] = json!(600);
    config["issuers"][0]["status"] = json!({
        "prefixes": ["https://idp.example.com/status/"], "cluster": "idp", "on_unknown": "allow",
    });
    config["issuers"][0]["subject_claims"] = json!({
        "session": "session_id", "device": "did", "tenant": "tid", "org_unit": "ou",
        "groups": "groups", "email": "mail", "phone": "phone_number",
        "transaction": "tx", "workload": "workload", "may_act": true,
    });
    config["issuers"].as_array_mut().unwrap().push(json!({
        "issuer": "https://other.example.com", "audiences": ["a", "b"], "algorithms": ["EdDSA"],
        "keys": {"url": "https://other.example.com:8443/jwks?v=1", "cluster": "other", "refresh_secs": 60},
    }));
    let sources = [
        json!({"bundle_url": "https://spiffe.example.com/bundle", "cluster": "spire"}),
        json!({"inline_bundle": {"keys": []}}),
        json!({"discovery": "openid-configuration", "cluster": "idp",
            "jwks_authority": "keys.example.com", "jwks_cluster": "keys"}),
    ];
    for (place, keys) in sources.into_iter().enumerate() {
        let name = match keys.get("discovery") {
            Some(_) => ("issuer", format!("https://source{place}.example.com")),
            None => ("trust_domain", format!("source{place}.example.com")),
        };
        let mut issuer = json!({"audiences": ["a"], "algorithms": ["ES256"], "keys": keys});
        issuer[name.0] = json!(name.1);
        config["issuers"].as_array_mut().unwrap().push(issuer);
    }
    config["issuers"].as_array_mut().unwrap().push(json!({
        "txn_domain": "trust.example.com", "issuer": "https://tts.example.com",
        "algorithms": ["ES256"], "keys": {"inline": key_set()},
    }));
    config["routes"] = json!([
        {"path_prefix": "/public", "access": "public", "methods": ["GET"], "hosts": ["*.example.com"],
         "mcp": {"older_versions": true}},
        {"path": "/admin", "access": "token", "scopes": ["admin", "write"],
         "credentials": ["access_token+txn_token", "workload_token"]},
        {"path": "/payments", "acr_values": ["phrh", "phr"], "max_age_secs": 300, "cors_preflight": true,
         "compliant_device": true, "max_risk": "low", "min_assurance": 3, "unchanged_claims": true, "on_gap": "deny",
         "in_flight": "cut"},
        {"path": "/mcp", "mcp": {"methods": ["tools/call"], "names": ["transfer_*"], "verify_body": true}, "scopes": ["pay"],
         "audiences": ["https://API.example.com/", "a"],
         "origins": ["https://app.example.com", "http://localhost:6274"]},
    ]);
    config["revocation"]["table"] = json!("blue");
    config["revocation"]["max_staleness_secs"] = json!(30);
    config["revocation"]["on_stale"] = json!("allow");
    config["revocation"]["wait_secs"] = json!(20);
    config["revocation"]["refresh_interval_secs"] = json!(2);
    config["identity"] = json!({
        "headers": {"subject": "X-Sub", "issuer": "x-iss", "client_id": "x-client", "scope": "x-scope", "actor": "x-actor",
                    "may_act": "x-may-act",
                    "transaction": "x-transaction", "workload": "x-workload"},
        "filter_state": true,
        "forward_token": true,
    });
    config["challenge"] =
        json!({"realm": "api", "resource_metadata": "https://api.example.com/.well-known/x"});
    config["resources"] = json!([{
        "resource": "https://api.example.com",
        "authorization_servers": ["https://idp.example.com"],
        "scopes": ["admin", "write"],
        "name": "API",
        "documentation": "https://docs.example.com",
    }]);
    config["issuers"][0]["bound_tokens_only"] = json!(true);
    config["issuers"][0]["token_from"] =
        json!({"cookie": "__Host-session", "origins": ["https://app.example.com"]});
    config["issuers"][1]["token_from"] = json!({"header": "x-goog-iap-jwt-assertion"});
    config["proofs"] = json!({
        "origins": ["https://api.example.com", "http://[::1]:8080"], "algorithms": ["ES256"],
        "max_age_secs": 30, "max_ahead_secs": 5, "nonce_key": "ab".repeat(32), "remembered": 2048,
        "audiences": ["api"], "max_lifetime_secs": 20,
    });
    config["danger_xfcc_elements"] = json!(1);
    config["limits"] = json!({"max_token_bytes": 4096, "token_cache_entries": 10, "token_cache_bytes": 1000, "max_mcp_body_bytes": 4096});
    config
}

fn parse(config: &Value) -> Result<Config, String> {
    Config::parse(config.to_string().as_bytes()).map_err(|errors| errors.to_string())
}

/// `least` with one value set.
fn with(pointer: &str, value: Value) -> Value {
    set(least(), pointer, value)
}

fn set(mut config: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match config.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(elements) if name == "-" => elements.push(value),
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other}"),
    }
    config
}

#[test]
fn the_shortest_configuration_has_these_defaults() {
    let config = parse(&least()).unwrap();
    let [issuer] = config.issuers.as_slice() else { panic!("{config:?}") };
    assert_eq!(issuer.types, [TokenType::AccessToken]);
    assert_eq!(issuer.leeway, Duration::from_secs(30));
    assert_eq!(issuer.max_token_lifetime, Duration::from_secs(3600));
    assert_eq!(issuer.assumed_lifetime, None);
    assert_eq!(issuer.subject_claims, Mapping::default());
    assert_eq!(config.routes, Routes::new(Vec::new()));
    assert_eq!(config.revocation.table, "default");
    assert_eq!(config.revocation.max_staleness, Duration::from_secs(60));
    assert_eq!(config.revocation.on_stale, OnStale::Deny);
    assert_eq!(config.revocation.wait, Duration::from_secs(20));
    assert_eq!(config.identity.headers.spellings().len(), 28);
    assert!(!config.identity.filter_state);
    assert!(!config.identity.forward_token);
    assert_eq!(config.challenge, Challenge::default());
    let limits = Limits {
        max_token_bytes: 8192,
        token_cache_entries: 10_000,
        token_cache_bytes: 16 << 20,
        max_mcp_body_bytes: 256 << 10,
    };
    assert_eq!(config.limits, limits);
}

#[test]
fn every_name_means_what_the_reference_says() {
    let config = parse(&most()).unwrap();
    let [first, second, ..] = config.issuers.as_slice() else { panic!("{config:?}") };
    assert_eq!(first.types, TokenType::ALL);
    assert_eq!(first.leeway, Duration::ZERO);
    assert_eq!(first.max_token_lifetime, Duration::from_secs(900));
    assert_eq!(first.assumed_lifetime, Some(Duration::from_secs(600)));
    assert_eq!(first.subject_claims.session.as_deref(), Some("session_id"));
    assert_eq!(first.subject_claims.phone.as_deref(), Some("phone_number"));
    assert!(first.subject_claims.may_act);
    let KeySource::Fetched(url) = &second.keys else { panic!("{second:?}") };
    let expected = JwksUrl {
        cluster: "other".to_owned(),
        authority: "other.example.com:8443".to_owned(),
        path: "/jwks?v=1".to_owned(),
        refresh: Duration::from_secs(60),
    };
    assert_eq!(*url, expected);
    assert_eq!(config.issuer("https://other.example.com").unwrap().0, 1);
    assert!(config.issuer("https://other.example.com/").is_none());
    let access = |method: &'static str, path: &'static str| {
        let (method, path, host) = (method.as_bytes(), path.as_bytes(), b"a.example.com");
        let request = RequestView { method, path, host, ..RequestView::default() };
        config.routes.select(&request).unwrap().clone()
    };
    let scopes = |scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Access::Token(Requirements { scopes, ..Requirements::default() })
    };
    let strong = Requirements {
        step_up: StepUp {
            acr_values: vec!["phrh".to_owned(), "phr".to_owned()],
            max_age: Some(Duration::from_secs(300)),
        },
        refused_state: vec![
            FactKind::DeviceNotCompliant,
            FactKind::ClaimsChanged,
            FactKind::RiskMedium,
            FactKind::RiskHigh,
            FactKind::AssuranceBelow3,
        ],
        on_gap: crate::route::OnGap::Deny,
        cors_preflight: true,
        in_flight: crate::in_flight::InFlight::Cut,
        ..Requirements::default()
    };
    assert_eq!(access("POST", "/payments"), Access::Token(strong));
    assert_eq!(access("GET", "/public/x"), Access::Public);
    assert_eq!(access("POST", "/public/x"), scopes(&[]));
    let choices = ["access_token+txn_token", "workload_token"];
    let choices = choices.map(|choice| SlotSet::parse(choice).unwrap());
    let Access::Token(admin) = scopes(&["admin", "write"]) else { panic!() };
    let admin = Requirements { credentials: Credentials::new(choices.to_vec()), ..admin };
    assert_eq!(access("POST", "/admin"), Access::Token(admin));
    let workload_rules = config.proofs.unwrap().workload_rules;
    assert_eq!(workload_rules.audiences, ["api"]);
    assert_eq!(workload_rules.longest(), Duration::from_secs(30));
    assert_eq!(config.revocation.on_stale, OnStale::Allow);
    assert_eq!(config.revocation.wait, Duration::from_secs(20));
    assert_eq!(config.identity.headers.subject.as_deref(), Some("x-sub"));
    assert_eq!(config.identity.headers.may_act.as_deref(), Some("x-may-act"));
    assert_eq!(config.challenge.realm, "api");
    assert_eq!(config.limits.max_token_bytes, 4096);
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_paths() {
    let mut config = least();
    config["issuers"][0]["audiences"] = json!([]);
    config["issuers"][0]["algorithms"] = json!(["HS256"]);
    config["issuers"][0]["leeway"] = json!(60);
    config["revocation"]["max_staleness_secs"] = json!(0);
    config["revocation"]["gateway_token"] = Value::Null;
    config["routes"] = json!([{"path": "admin"}]);
    config["extra"] = json!(1);
    let expected = "\
        `extra`: unknown name; known here are `issuers`, `routes`, `revocation`, `identity`, `challenge`, `resources`, `proofs`, `danger_xfcc_elements`, `limits`\n\
        `issuers[0].algorithms[0]`: `HS256` is not a choice; choose from `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`\n\
        `issuers[0].audiences`: is missing; name what tokens for this gateway have in `aud`\n\
        `issuers[0].leeway`: unknown name; did you mean `leeway_secs`\n\
        `revocation.gateway_token`: is missing; set it to the token that the companion has for this gateway\n\
        `revocation.max_staleness_secs`: must be at least 2; to refuse on any doubt, set `on_stale: deny`\n\
        `routes[0].path`: does not start with a slash; write it as `/path`";
    assert_eq!(parse(&config).unwrap_err(), expected);
}

#[test]
fn a_wrong_value_costs_only_its_own_message() {
    // Not also "is missing", and nothing about what depends on it.
    for (pointer, value, expected) in [
        (
            "/issuers/0/issuer",
            json!(7),
            "`issuers[0].issuer`: must be a text, is a number; see the configuration reference",
        ),
        (
            "/issuers/0/audiences",
            json!("a"),
            "`issuers[0].audiences`: must be a list of texts, is a text; see the configuration reference",
        ),
        (
            "/issuers/0/audiences",
            json!(["a", 1, "c"]),
            "`issuers[0].audiences[1]`: must be a text, is a number; put it in quotes",
        ),
        (
            "/issuers/0/leeway_secs",
            json!("30"),
            "`issuers[0].leeway_secs`: must be a whole number from zero on, is a text; see the configuration reference",
        ),
        (
            "/issuers/0/leeway_secs",
            json!(-1),
            "`issuers[0].leeway_secs`: must be a whole number from zero on, is a number; see the configuration reference",
        ),
        (
            "/issuers/0/leeway_secs",
            json!(1.5),
            "`issuers[0].leeway_secs`: must be a whole number from zero on, is a number; see the configuration reference",
        ),
        (
            "/issuers/0/keys",
            json!([]),
            "`issuers[0].keys`: must be an object, is a list; see the configuration reference",
        ),
        (
            "/issuers/0",
            json!("x"),
            "`issuers[0]`: must be an object, is a text; see the configuration reference",
        ),
        (
            "/issuers",
            json!({}),
            "`issuers`: must be a list of objects, is an object; see the configuration reference",
        ),
        (
            "/revocation",
            json!("x"),
            "`revocation`: must be an object, is a text; see the configuration reference",
        ),
        (
            "/identity",
            json!({"filter_state": "yes"}),
            "`identity.filter_state`: must be true or false, is a text; see the configuration reference",
        ),
    ] {
        assert_eq!(parse(&with(pointer, value)).unwrap_err(), expected, "{pointer}");
    }
}

#[test]
fn what_is_no_configuration_at_all_says_so() {
    let text = |text: &[u8]| Config::parse(text).unwrap_err().to_string();
    let empty = "configuration: is empty; set the filter's configuration to a JSON object";
    assert_eq!(text(b""), empty);
    assert_eq!(text(b" \n"), empty);
    assert_eq!(
        text(b"issuers: []"),
        "configuration: not JSON at line 1, column 1; write strict JSON"
    );
    assert_eq!(
        text(b"[]"),
        "configuration: must be an object, is a list; see the configuration reference"
    );
    assert_eq!(
        text(br#"{"issuers":[],"issuers":[]}"#),
        "configuration: member `issuers` occurs twice in one object; write strict JSON"
    );
    let long = vec![b' '; MAX_CONFIG_BYTES.saturating_add(1)];
    let expected = "configuration: has 1048577 bytes, at most 1048576 are read; fetch large key sets from a URL";
    assert_eq!(text(&long), expected);
    let padded = [least().to_string().into_bytes(), long].concat();
    assert!(Config::parse(&padded[..MAX_CONFIG_BYTES]).is_ok());
}

#[test]
fn numbers_may_be_written_as_envoys_protobuf_writes_them() {
    let config = least().to_string().replace(
        r#""algorithms""#,
        r#""leeway_secs": 60.0, "max_token_lifetime_secs": 3.6e3, "algorithms""#,
    );
    let config = Config::parse(config.as_bytes()).unwrap();
    assert_eq!(config.issuers[0].leeway, Duration::from_secs(60));
    assert_eq!(config.issuers[0].max_token_lifetime, Duration::from_secs(3600));
}

#[test]
fn limits_on_the_number_of_issuers_and_routes_hold_on_both_sides() {
    let issuers = |count: usize| {
        let named = |index| set(least(), "/issuers/0/issuer", json!(format!("https://{index}")));
        Value::Array((0..count).map(|index| named(index)["issuers"][0].clone()).collect())
    };
    assert!(parse(&with("/issuers", issuers(MAX_ISSUERS))).is_ok());
    let expected = "`issuers`: has 65 entries, at most 64 are allowed; remove some, or accept them on another gateway";
    let too_many = issuers(MAX_ISSUERS.saturating_add(1));
    assert_eq!(parse(&with("/issuers", too_many)).unwrap_err(), expected);
    let routes = |count: usize| Value::Array(vec![json!({"path": "/a"}); count]);
    assert!(parse(&with("/routes", routes(MAX_ROUTES))).is_ok());
    let too_many = routes(MAX_ROUTES.saturating_add(1));
    let expected = "`routes`: has 257 entries, at most 256 are allowed; use prefixes";
    assert_eq!(parse(&with("/routes", too_many)).unwrap_err(), expected);
}

#[test]
fn the_shortest_wait_fits_the_shortest_staleness() {
    for (staleness, wait) in [(2, 1), (3, 1), (6, 2), (60, 20), (75, 25), (3600, 25)] {
        let config = parse(&with("/revocation/max_staleness_secs", json!(staleness))).unwrap();
        assert_eq!(config.revocation.wait, Duration::from_secs(wait), "{staleness}");
    }
}

#[test]
fn no_secret_is_ever_printed() {
    let shown = format!("{:?}", parse(&least()).unwrap());
    for secret in ["gateway-secret", "000102030405", "[0, 1, 2, 3", "f0f1f2f3", "240, 241"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let mistyped = "zzzz02030405060708090a0b0c0d0e0f";
    let complaint = parse(&with("/revocation/subject_key", json!(mistyped))).unwrap_err();
    assert!(!complaint.contains("0203"), "{complaint}");
}
