#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn location(well_known: WellKnown, issuer: &str) -> Result<(String, String), DiscoveryError> {
    well_known.location(issuer).map(|location| (location.authority, location.path))
}

#[test]
fn the_address_of_the_metadata_follows_from_the_issuer() {
    // RFC 8414 §3 and OpenID Connect Discovery §4.1 have the examples with and without a path.
    for (issuer, authority, oauth, openid) in [
        (
            "https://example.com",
            "example.com",
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ),
        (
            "https://example.com/",
            "example.com",
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ),
        (
            "https://example.com/issuer1",
            "example.com",
            "/.well-known/oauth-authorization-server/issuer1",
            "/issuer1/.well-known/openid-configuration",
        ),
        (
            "https://Example.com:8443/realms/a/",
            "Example.com:8443",
            "/.well-known/oauth-authorization-server/realms/a",
            "/realms/a/.well-known/openid-configuration",
        ),
    ] {
        let expected = |path: &str| Ok((authority.to_owned(), path.to_owned()));
        assert_eq!(location(WellKnown::OAuth, issuer), expected(oauth), "{issuer}");
        assert_eq!(location(WellKnown::OpenId, issuer), expected(openid), "{issuer}");
    }
}

#[test]
fn an_issuer_that_is_no_plain_https_url_has_no_metadata() {
    for (issuer, error) in [
        ("http://example.com", DiscoveryError::Issuer(UrlError::Scheme)),
        ("example.com", DiscoveryError::Issuer(UrlError::Scheme)),
        ("spiffe://example.org", DiscoveryError::Issuer(UrlError::Scheme)),
        ("https://user@example.com", DiscoveryError::Issuer(UrlError::Host)),
        ("https://example.com#a", DiscoveryError::Issuer(UrlError::Fragment)),
        ("https://example.com/?tenant=a", DiscoveryError::IssuerQuery),
        ("https://example.com/a\r\nb", DiscoveryError::Issuer(UrlError::Byte { byte: b'\r' })),
    ] {
        for well_known in WellKnown::ALL {
            assert_eq!(location(well_known, issuer), Err(error.clone()), "{issuer:?}");
        }
    }
}

const ISSUER: &str = "https://idp.example/a";

fn jwks(document: &str) -> Result<String, DiscoveryError> {
    jwks_location(document.as_bytes(), ISSUER, "idp.example").map(|location| {
        assert_eq!(location.authority, "idp.example", "never the document's own spelling");
        location.path
    })
}

fn with_uri(uri: &str) -> Result<String, DiscoveryError> {
    jwks(&format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{uri}"}}"#))
}

#[test]
fn the_keys_are_where_the_document_says_on_the_configured_server() {
    assert_eq!(with_uri("https://idp.example/a/jwks?v=1"), Ok("/a/jwks?v=1".to_owned()));
    assert_eq!(with_uri("https://IDP.example:443/jwks"), Ok("/jwks".to_owned()));
    assert_eq!(with_uri("https://idp.example"), Ok("/".to_owned()));
    let more = format!(
        r#"{{"issuer":"{ISSUER}","jwks_uri":"https://idp.example/jwks","scopes_supported":["a"],"x":{{}}}}"#
    );
    assert_eq!(jwks(&more), Ok("/jwks".to_owned()));
}

#[test]
fn a_document_cannot_send_the_gateway_elsewhere() {
    for uri in [
        "https://evil.example/jwks",
        "https://idp.example.evil.example/jwks",
        "https://idp.example:8443/jwks",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/jwks",
    ] {
        let found = with_uri(uri).unwrap_err();
        assert!(matches!(found, DiscoveryError::OtherServer { .. }), "{uri}: {found}");
    }
    for (uri, error) in [
        ("http://idp.example/jwks", UrlError::Scheme),
        ("file:///etc/passwd", UrlError::Scheme),
        ("/jwks", UrlError::Scheme),
        ("", UrlError::Scheme),
        ("https://idp.example@evil.example/jwks", UrlError::Host),
        ("https://idp.example/jwks#x", UrlError::Fragment),
        ("https://evil.example#.idp.example/", UrlError::Fragment),
        ("https://idp.example/a b", UrlError::Byte { byte: b' ' }),
        ("https://idp.example/a\\r\\nhost: evil", UrlError::Byte { byte: b'\r' }),
    ] {
        assert_eq!(with_uri(uri), Err(DiscoveryError::JwksUri(error)), "{uri}");
    }
}

#[test]
fn the_document_of_another_issuer_is_refused() {
    let others = ["https://idp.example/b", "https://idp.example/a/", "https://IDP.example/a", ""];
    for found in others {
        let document = format!(r#"{{"issuer":"{found}","jwks_uri":"https://idp.example/jwks"}}"#);
        let (found, expected) = (found.to_owned(), ISSUER.to_owned());
        assert_eq!(jwks(&document), Err(DiscoveryError::OtherIssuer { found, expected }));
    }
}

#[test]
fn what_is_no_metadata_is_refused() {
    let uri = r#""jwks_uri":"https://idp.example/jwks""#;
    for (document, member) in [
        ("{}".to_owned(), "issuer"),
        ("[]".to_owned(), "issuer"),
        (format!(r#"{{"issuer":["{ISSUER}"],{uri}}}"#), "issuer"),
        (format!(r#"{{"issuer":"{ISSUER}"}}"#), "jwks_uri"),
        (format!(r#"{{"issuer":"{ISSUER}","jwks_uri":null}}"#), "jwks_uri"),
    ] {
        assert_eq!(jwks(&document), Err(DiscoveryError::Member { member }), "{document}");
    }
    let twice = format!(r#"{{"issuer":"x","issuer":"{ISSUER}",{uri}}}"#);
    for document in ["", "<html>login</html>", &twice] {
        assert!(matches!(jwks(document), Err(DiscoveryError::Json(_))), "{document}");
    }
    let document = format!(r#"{{"issuer":"{ISSUER}",{uri}}}"#);
    let padded =
        |length: usize| jwks(&format!("{document}{}", " ".repeat(length - document.len())));
    assert!(padded(MAX_METADATA_BYTES).is_ok());
    let length = MAX_METADATA_BYTES + 1;
    assert_eq!(padded(length), Err(DiscoveryError::TooLong { length }));
}
