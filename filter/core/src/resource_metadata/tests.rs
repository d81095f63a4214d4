#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn metadata(resource: &str) -> ResourceMetadata {
    ResourceMetadata {
        resource: resource.to_owned(),
        authorization_servers: vec!["https://as.example".to_owned()],
        ..ResourceMetadata::default()
    }
}

fn document(resource: &str) -> MetadataDocument {
    MetadataDocument::new(&metadata(resource)).unwrap()
}

#[test]
fn the_address_has_the_resources_path_inserted() {
    // RFC 9728 §3.1.
    for (resource, path) in [
        ("https://resource.example.com", "/.well-known/oauth-protected-resource"),
        ("https://resource.example.com/", "/.well-known/oauth-protected-resource"),
        (
            "https://resource.example.com/resource1",
            "/.well-known/oauth-protected-resource/resource1",
        ),
        ("https://resource.example.com/a/", "/.well-known/oauth-protected-resource/a/"),
    ] {
        let document = document(resource);
        assert_eq!(document.path(), path, "{resource}");
        assert_eq!(document.url(), format!("https://resource.example.com{path}"));
    }
    let document = document("https://api.example:8443/mcp");
    let url = "https://api.example:8443/.well-known/oauth-protected-resource/mcp";
    assert_eq!(document.url(), url);
}

#[test]
fn a_resource_that_is_no_plain_https_url_is_refused() {
    let error = |resource: &str| MetadataDocument::new(&metadata(resource)).unwrap_err();
    assert_eq!(error(""), ResourceMetadataError::Resource(UrlError::Scheme));
    assert_eq!(error("http://a/"), ResourceMetadataError::Resource(UrlError::Scheme));
    assert_eq!(error("https://a/#b"), ResourceMetadataError::Resource(UrlError::Fragment));
    assert_eq!(
        error("https://a/\"b"),
        ResourceMetadataError::Resource(UrlError::Byte { byte: b'"' })
    );
    assert_eq!(error("https://a/?b"), ResourceMetadataError::Query);
    for path in ["//b", "/b//c", "/..", "/b/./c", "/%62", "/b;c"] {
        assert_eq!(error(&format!("https://a{path}")), ResourceMetadataError::Path, "{path}");
    }
}

fn members_of(document: &MetadataDocument) -> Value {
    serde_json::from_slice(document.body()).unwrap()
}

#[test]
fn the_document_says_what_is_configured_and_leaves_out_the_rest() {
    let least = serde_json::json!({
        "resource": "https://api.example/mcp",
        "authorization_servers": ["https://as.example"],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(members_of(&document("https://api.example/mcp")), least);
    let elsewhere =
        ResourceMetadata { elsewhere_only: true, ..metadata("https://api.example/mcp") };
    let said = members_of(&MetadataDocument::new(&elsewhere).unwrap());
    assert_eq!(said.get("bearer_methods_supported"), None);
    let all = ResourceMetadata {
        jwks_uri: Some("https://api.example/jwks".to_owned()),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        name: Some("The \"API\"\u{2028}".to_owned()),
        documentation: Some("https://docs.example".to_owned()),
        accepts_certificate_bound_tokens: true,
        dpop_algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
        requires_dpop: true,
        authorization_details_types: vec!["payment".to_owned()],
        ..metadata("https://api.example/mcp")
    };
    let expected = serde_json::json!({
        "resource": "https://api.example/mcp",
        "authorization_servers": ["https://as.example"],
        "jwks_uri": "https://api.example/jwks",
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "The \"API\"\u{2028}",
        "resource_documentation": "https://docs.example",
        "tls_client_certificate_bound_access_tokens": true,
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
        "dpop_bound_access_tokens_required": true,
        "authorization_details_types_supported": ["payment"],
    });
    assert_eq!(members_of(&MetadataDocument::new(&all).unwrap()), expected);
}

fn header<'a>(answer: &'a MetadataAnswer<'_>, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn anybody_may_read_the_document_and_a_browser_may_ask_first() {
    let document = document("https://api.example/mcp");
    for method in [&b"GET"[..], b"HEAD"] {
        let answer = document.answer(method);
        assert_eq!((answer.status, answer.body), (200, document.body()));
        assert_eq!(header(&answer, "content-type"), Some("application/json"));
        assert_eq!(header(&answer, "cache-control"), Some("public, max-age=3600"));
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    }
    let preflight = document.answer(b"OPTIONS");
    assert_eq!((preflight.status, preflight.body), (204, &b""[..]));
    assert_eq!(header(&preflight, "access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert!(header(&preflight, "access-control-allow-headers").unwrap().contains("authorization"));
    for method in [&b"POST"[..], b"DELETE", b"get", b"", b"\xff"] {
        let answer = document.answer(method);
        assert_eq!((answer.status, answer.body), (405, &b""[..]));
        assert_eq!(header(&answer, "allow"), Some("GET, HEAD, OPTIONS"));
    }
}

#[test]
fn a_document_is_found_by_its_exact_path_and_only_then_by_host() {
    let documents = [
        document("https://one.example/mcp"),
        document("https://two.example/mcp"),
        document("https://one.example"),
    ];
    let found = |path: &str, host: &str| {
        find(&documents, path.as_bytes(), host.as_bytes()).map(MetadataDocument::url)
    };
    let mcp = "/.well-known/oauth-protected-resource/mcp";
    let url = |host: &str| format!("https://{host}.example{mcp}");
    assert_eq!(found(mcp, "one.example"), Some(url("one").as_str()));
    assert_eq!(found(mcp, "TWO.example:443"), Some(url("two").as_str()));
    assert_eq!(found(mcp, "three.example"), None);
    assert_eq!(found(mcp, ""), None);
    // The only one at its path: the gateway may be reached by an inner name.
    assert!(found(WELL_KNOWN_PATH, "inner.example").is_some());
    for path in ["/", "/mcp", "/.well-known/oauth-protected-resource/", &format!("{mcp}/")] {
        assert_eq!(found(path, "one.example"), None, "{path}");
    }
}

#[test]
fn a_refused_request_is_told_of_the_resource_that_names_most_of_its_path() {
    let documents = [
        document("https://api.example"),
        document("https://api.example/mcp"),
        document("https://other.example/mcp/"),
    ];
    for (host, path, place) in [
        ("api.example", "/", Some(0)),
        ("api.example", "/orders", Some(0)),
        ("api.example", "/mcp", Some(1)),
        ("API.example:443", "/mcp/tools", Some(1)),
        ("api.example", "/mcpx", Some(0)),
        ("other.example", "/mcp", Some(2)),
        ("other.example", "/orders", None),
        ("stranger.example", "/mcp", None),
        ("", "/mcp", None),
    ] {
        let found = of_request(&documents, path.as_bytes(), host.as_bytes());
        assert_eq!(found, place.and_then(|place: usize| documents.get(place)), "{host}{path}");
    }
    assert_eq!(of_request(&[], b"/", b"api.example"), None);
    let only = of_request(&documents[1..2], b"/elsewhere", b"stranger.example");
    assert_eq!(only, documents.get(1), "one document is everybody's");
}
