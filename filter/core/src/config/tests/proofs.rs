//! How senders prove that a token is theirs, as it is configured.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::time::Duration;

use super::*;

fn with_proofs(name: &str, value: Value) -> Result<Config, String> {
    let mut config = least();
    config["proofs"] = json!({"origins": ["https://api.example.com"]});
    config["proofs"][name] = value;
    parse(&config)
}

#[test]
fn without_proofs_no_scheme_but_bearer_is_offered() {
    let config = parse(&least()).unwrap();
    assert!(config.proofs.is_none());
    assert_eq!(config.challenge.dpop_algorithms, "");
}

#[test]
fn proofs_have_defaults_for_everything_but_the_names_of_the_gateway() {
    let config = with_proofs("origins", json!(["https://API.example.com:443"])).unwrap();
    let Proofs { rules, workload_rules, remembered } = config.proofs.unwrap();
    assert_eq!(rules.origins.first().unwrap().as_str(), "https://api.example.com");
    assert_eq!(rules.window.whole(), Duration::from_secs(70));
    assert!(rules.nonces.is_none());
    assert_eq!(remembered, 128 * 1024);
    // As long as DPoP proofs, and a little: what is remembered is remembered alike.
    assert_eq!(workload_rules.longest(), Duration::from_secs(80));
    assert!(workload_rules.audiences.is_empty());
    assert_eq!(config.challenge.dpop_algorithms, "ES256 EdDSA");
}

#[test]
fn both_sides_of_each_limit() {
    for (name, good, bad) in [
        ("max_age_secs", [1, 300], [0, 301]),
        ("max_ahead_secs", [0, 300], [301, u64::MAX]),
        ("remembered", [2048, 2_097_152], [2047, 2_097_153]),
        ("max_lifetime_secs", [1, 300], [0, 301]),
    ] {
        for number in good {
            assert!(with_proofs(name, json!(number)).is_ok(), "{name} {number}");
        }
        for number in bad {
            let error = with_proofs(name, json!(number)).unwrap_err();
            assert!(error.contains(&format!("`proofs.{name}`: must be from")), "{error}");
        }
    }
    let names = |count| json!(vec!["https://api.example.com"; count]);
    assert!(with_proofs("origins", names(64)).is_ok());
    assert!(with_proofs("origins", names(65)).is_err());
}

#[test]
fn proofs_are_refused_for_these_reasons() {
    for (name, value, expected) in [
        ("origins", json!([]), "`proofs.origins`: is missing; name what clients call this gateway"),
        (
            "origins",
            json!(["api.example.com"]),
            "`proofs.origins[0]`: it does not begin with https:// or http://; write it as `https://api.example.com`",
        ),
        (
            "origins",
            json!(["https://api.example.com/path"]),
            "`proofs.origins[0]`: it has more than scheme, host and port; write it as `https://api.example.com`",
        ),
        (
            "nonce_key",
            json!("abcd"),
            "`proofs.nonce_key`: must be 64 hexadecimal digits, has 4 characters; make one with `openssl rand -hex 32`",
        ),
    ] {
        let error = with_proofs(name, value).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn one_to_eight_proxies_may_write_which_certificate_a_client_has() {
    let elements = |number: u64| {
        let mut config = least();
        config["danger_xfcc_elements"] = json!(number);
        parse(&config).map(|config| config.xfcc_elements)
    };
    assert_eq!(parse(&least()).unwrap().xfcc_elements, None);
    assert_eq!(elements(1), Ok(Some(1)));
    assert_eq!(elements(8), Ok(Some(8)));
    for number in [0, 9] {
        let error = elements(number).unwrap_err();
        assert!(error.contains("`danger_xfcc_elements`: must be from 1 to 8"), "{error}");
    }
}
