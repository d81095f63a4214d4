//! What routes name: origins and audiences.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn origins_are_written_as_browsers_write_them() {
    let route = |origins: &[&str]| with("/routes", json!([{"path": "/a", "origins": origins}]));
    for origin in [
        "https://app.example.com",
        "https://app.example.com:8443",
        "http://localhost:6274",
        "http://[::1]:6274",
        "https://xn--bcher-kva.example",
        "chrome-extension://abcdefghijklmnop",
    ] {
        assert!(parse(&route(&[origin])).is_ok(), "{origin}");
    }
    for origin in [
        "",
        "null",
        "*",
        "https://*.example.com",
        "app.example.com",
        "https://",
        "https://app.example.com/",
        "https://app.example.com/a",
        "https://app.example.com?a",
        "https://app.example.com#a",
        "https://App.example.com",
        "HTTPS://app.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://user@app.example.com",
        "https://b\u{fc}cher.example",
        "https://a.example https://b.example",
    ] {
        let expected = "`routes[0].origins[1]`: is no origin as browsers write it; write it as `https://app.example.com`: in lower case, without a slash at the end and without the usual port";
        assert_eq!(parse(&route(&["https://a", origin])).unwrap_err(), expected, "{origin}");
    }
    let many: Vec<String> = (0..65).map(|number| format!("https://a{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(parse(&route(&many[..64])).is_ok());
    let expected = "`routes[0].origins`: has 65 entries, at most 64 are allowed; have pages call through their own service";
    assert_eq!(parse(&route(&many)).unwrap_err(), expected);
}

#[test]
fn all_routes_together_have_at_most_64_audiences() {
    let config = |count: usize| {
        let audience = |number| format!("https://api.example.com/{number}");
        let audiences: Vec<String> = (0..count).map(audience).collect();
        let routes: Vec<Value> = audiences
            .iter()
            .enumerate()
            .map(|(place, audience)| json!({"path": format!("/{place}"), "audiences": [audience]}))
            .collect();
        let mut config = with("/routes", json!(routes));
        config["issuers"][0]["audiences"] = json!(audiences);
        config
    };
    assert!(parse(&config(64)).is_ok());
    let expected = "`routes[64].audiences[0]`: more than 64 different audiences in all routes; give services that trust each other one audience";
    assert_eq!(parse(&config(65)).unwrap_err(), expected);
}
