//! A public route cannot be used to reach a private path, whatever a client sends and however the
//! service behind the gateway reads it: thousands of spellings against models of real servers.

#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use rescind_core::credential::Schemes;
use rescind_core::request::{Field, RequestView};
use rescind_core::route::{Access, PathMatch, PathPattern, Requirements, Route, Routes};

/// What paths are made of, and what attacks on them are made of.
const PIECES: [&str; 33] = [
    "/", "/", "/", "public", "admin", "a", ".", "..", "%2e", "%2E", "%2e%2e", "%2f", "%2F", "%5c",
    "\\", ";", ";x=1", "..;", "%3b", "%00", "%61dmin", "%70ublic", "%", "%25", "2e", "%252e",
    "%c0%ae", "%c0%af", "?", "#", "*", " ", "\u{e9}",
];

/// A server's way to find out which resource a path names.
type Server = fn(&str) -> String;

/// In the order in which they decode, cut parameters and resolve dots; from what servers do.
const SERVERS: [(&str, Server); 7] = [
    ("decodes unreserved characters only (RFC 3986 §6.2.2.2)", unreserved),
    ("resolves dots, then decodes", |path| decode(&resolve(path))),
    ("decodes, then resolves dots", |path| resolve(&decode(path))),
    ("decodes twice, then resolves dots", |path| resolve(&decode(&decode(path)))),
    ("cuts parameters, decodes, resolves (Java servlets)", |path| {
        resolve(&decode(&without_parameters(path)))
    }),
    ("takes backslashes for slashes (IIS)", |path| resolve(&decode(path).replace('\\', "/"))),
    ("takes overlong encodings (Tomcat, CVE-2008-2938)", |path| {
        resolve(&decode(&path.replace("%c0%ae", ".").replace("%c0%af", "/")))
    }),
];

/// Enough of it: the pieces escape no other unreserved characters than these.
fn unreserved(path: &str) -> String {
    path.replace("%61", "a").replace("%70", "p").replace("%2e", ".").replace("%2E", ".")
}

fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Resolves dot segments and merges slashes; a NUL ends the path.
fn resolve(path: &str) -> String {
    let path = path.split('\0').next().unwrap_or_default();
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

fn without_parameters(path: &str) -> String {
    let segments: Vec<&str> =
        path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    segments.join("/")
}

fn routes() -> Routes {
    let route = |path: PathMatch, access| Route {
        path,
        methods: vec![],
        hosts: vec![],
        mcp: None,
        origins: vec![],
        access,
    };
    let pattern = |path| PathPattern::new(path).expect("a good pattern");
    let admin =
        Access::Token(Requirements { scopes: vec!["admin".to_owned()], ..Requirements::default() });
    Routes::new(vec![
        route(PathMatch::Prefix(pattern("/public")), Access::Public),
        route(PathMatch::Prefix(pattern("/admin")), admin),
    ])
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_spelling_makes_a_server_serve_what_the_gate_did_not_judge(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..9),
        absolute in any::<bool>(),
    ) {
        let target = format!("{}{}", if absolute { "/" } else { "/public/" }, pieces.concat());
        let request = RequestView {
            method: b"GET",
            path: target.as_bytes(),
            host: b"api",
            ..RequestView::default()
        };
        let routes = routes();
        let Ok(access) = routes.select(&request) else { return Ok(()) };
        let path = target.split('?').next().unwrap_or_default();
        for (server, resource) in SERVERS {
            let resource = resource(path);
            if *access == Access::Public {
                prop_assert!(is_below(&resource, "/public"), "{target}: {server}: {resource}");
            }
            if is_below(&resource, "/admin") {
                let admin = Access::Token(Requirements { scopes: vec!["admin".to_owned()], ..Requirements::default() });
                prop_assert_eq!(access, &admin, "{}: {}: {}", target, server, resource);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_path_that_is_judged_without_a_panic(path in prop::collection::vec(any::<u8>(), 0..40)) {
        let request = RequestView {
            method: &path,
            path: &path,
            host: &path,
            authorization: Field::One(&path),
            ..RequestView::default()
        };
        let _ = routes().select(&request);
        let _ = request.has_token_in_query();
        let _ = rescind_core::credential::find(&request, Schemes { any: true, dpop: true }).map(|presented| presented.token().is_ok());
        let _ = rescind_core::config::Config::parse(&path);
    }
}
