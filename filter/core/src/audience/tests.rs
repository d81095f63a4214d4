//! Which texts name the same audience.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn audiences(texts: &[&str]) -> Audiences {
    let mut audiences = Audiences::default();
    for text in texts {
        audiences.add(text).unwrap();
    }
    audiences
}

fn is_same(audience: &str, resource: &str) -> bool {
    !audiences(&[resource]).of([audience]).is_empty()
}

#[test]
fn an_audience_is_compared_as_a_canonical_uri() {
    let resource = "https://mcp.example.com/mcp";
    for (audience, expected) in [
        ("https://mcp.example.com/mcp", true),
        ("HTTPS://MCP.Example.com/mcp", true),
        ("https://mcp.example.com:443/mcp", true),
        ("https://mcp.example.com/mcp/", true),
        ("https://mcp.example.com/MCP", false),
        ("https://mcp.example.com/mcp//", false),
        ("https://mcp.example.com/mcp#f", false),
        ("https://mcp.example.com/mcp?x", false),
        ("https://mcp.example.com/mcp/?x", false),
        ("https://mcp.example.com/mcp?", false),
        ("https://mcp.example.com/%6dcp", false),
        ("https://mcp.example.com/a/../mcp", false),
        ("https://mcp.example.com", false),
        ("https://mcp.example.com./mcp", false),
        ("https://mcp.example.com:8443/mcp", false),
        ("http://mcp.example.com/mcp", false),
        ("https://mcp.example.com.evil/mcp", false),
        ("https://user@mcp.example.com/mcp", false),
        ("https://mcp.example.com/mcp ", false),
        ("https://mcp.example.com\\/mcp", false),
        ("mcp.example.com/mcp", false),
        ("", false),
    ] {
        assert_eq!(is_same(audience, resource), expected, "{audience}");
        assert_eq!(is_same(resource, audience), expected, "{audience}, the other way round");
    }
    assert!(is_same("https://mcp.example.com", "https://mcp.example.com/"));
    assert!(is_same("https://mcp.example.com?x", "https://MCP.example.com/?x"));
}

#[test]
fn what_is_no_https_url_is_compared_byte_for_byte() {
    for text in ["orders", "urn:example:Orders", "http://a/", "https://a#f", ""] {
        assert!(is_same(text, text), "{text}");
    }
    for (audience, resource) in [
        ("Orders", "orders"),
        ("orders/", "orders"),
        ("http://A/", "http://a/"),
        ("https://A#f", "https://a#f"),
    ] {
        assert!(!is_same(audience, resource), "{audience}");
    }
}

#[test]
fn a_token_has_the_audiences_that_routes_name_and_no_others() {
    let known = audiences(&["https://a", "orders", "https://b/mcp"]);
    let of = |texts: &[&str]| {
        let set = known.of(texts.iter().copied());
        known.written(set).collect::<Vec<_>>().join(" ")
    };
    for (texts, expected) in [
        (&["https://a"][..], "https://a"),
        (&["https://b/mcp/", "https://A:443/", "else"], "https://a https://b/mcp"),
        (&["else"], ""),
        (&[], ""),
    ] {
        assert_eq!(of(texts), expected, "{texts:?}");
    }
    assert_eq!(Audiences::default().of(["https://a"]), AudienceSet::EMPTY);
}

#[test]
fn another_spelling_of_the_same_audience_is_not_another_audience() {
    let mut known = audiences(&["https://a/x"]);
    assert_eq!(known.add("https://A:443/x/"), known.add("https://a/x"));
    assert!(!known.add("https://a/y").unwrap().meets(known.add("https://a/x").unwrap()));
    assert_eq!(known, audiences(&["https://a/x", "https://a/y"]));
}

#[test]
fn routes_name_no_more_audiences_than_a_set_has_bits() {
    let mut known = Audiences::default();
    let mut all = AudienceSet::EMPTY;
    for number in 0..MAX_ROUTE_AUDIENCES {
        let set = known.add(&number.to_string()).unwrap();
        assert!(!set.meets(all), "{number}");
        all = all.and(set);
    }
    assert_eq!(known.add("one more"), Err(TooManyAudiences));
    assert_eq!(known.add("63"), Ok(known.of(["63"])), "it is known already");
    assert_eq!(known.written(all).count(), MAX_ROUTE_AUDIENCES);
}
