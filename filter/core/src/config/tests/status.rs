//! Status lists of an issuer's tokens.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::status_list::OnUnknown;

fn status(value: Value) -> Result<StatusSource, String> {
    let config = parse(&with("/issuers/0/status", value))?;
    Ok(config.issuers.first().unwrap().status.clone().unwrap())
}

fn prefixes(prefixes: &[&str]) -> Result<StatusSource, String> {
    status(json!({"prefixes": prefixes, "cluster": "lists"}))
}

#[test]
fn lists_are_below_the_prefixes_and_a_token_without_its_list_is_refused_by_default() {
    assert!(parse(&least()).unwrap().issuers[0].status.is_none());
    let found = prefixes(&["https://a.example.com:8443/lists/", "https://b.example.com/"]).unwrap();
    assert_eq!((found.cluster(), found.on_unknown()), ("lists", OnUnknown::Deny));
    let location = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
    assert_eq!(
        found.location("https://a.example.com:8443/lists/1?v=2"),
        location("a.example.com:8443", "/lists/1?v=2")
    );
    assert_eq!(found.location("https://b.example.com/x/y"), location("b.example.com", "/x/y"));
    for uri in ["https://a.example.com:8443/", "https://a.example.com/lists/1", "lists/1", ""] {
        assert_eq!(found.location(uri), None, "{uri}");
    }
    let allowed = json!({"prefixes": ["https://a/"], "cluster": "c", "on_unknown": "allow"});
    assert_eq!(status(allowed).unwrap().on_unknown(), OnUnknown::Allow);
}

#[test]
fn what_is_no_prefix_or_no_choice_is_refused_with_its_place() {
    let path = "does not end with the slash of a plain path";
    for (prefix, problem) in [
        ("https://a", path),
        ("https://a/b", path),
        ("https://a/b/?c/", path),
        ("https://a/b/../", path),
        ("https://a/%2e%2e/", path),
        ("http://a/", "does not start with `https://`"),
        ("https://u@a/", "has no plain host"),
        ("https://a/#/", "has a fragment"),
        ("", "does not start with `https://`"),
    ] {
        let expected =
            format!("`issuers[0].status.prefixes[1]`: {problem}; write it as `https://host/path/`");
        assert_eq!(prefixes(&["https://a/", prefix]).unwrap_err(), expected, "{prefix}");
    }
    let most = vec!["https://a/"; 8];
    assert!(prefixes(&most).is_ok());
    let more = prefixes(&[most.as_slice(), &["https://a/"]].concat());
    let expected = "`issuers[0].status.prefixes`: has 9 entries, at most 8 are allowed; name a URL above several of them";
    assert_eq!(more.unwrap_err(), expected);
    let expected = [
        "`issuers[0].status.cluster`: is missing; name a cluster of the gateway",
        "`issuers[0].status.prefixes`: is missing; name the URL below which the lists are",
    ];
    assert_eq!(status(json!({})).unwrap_err(), expected.join("\n"));
    let choice = json!({"prefixes": ["https://a/"], "cluster": "c", "on_unknown": "maybe"});
    let expected =
        "`issuers[0].status.on_unknown`: `maybe` is not a choice; choose `deny` or `allow`";
    assert_eq!(status(choice).unwrap_err(), expected);
}
