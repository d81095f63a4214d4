//! Routes as a table: request → what it needs.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn public() -> Access {
    Access::Public
}

fn scopes(scopes: &[&str]) -> Access {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    Access::Token(Requirements { scopes, ..Requirements::default() })
}

fn prefix(path: &str, access: Access) -> Route {
    let path = PathMatch::Prefix(PathPattern::new(path).unwrap());
    Route { path, methods: Vec::new(), hosts: Vec::new(), mcp: None, origins: Vec::new(), access }
}

fn exact(path: &str, access: Access) -> Route {
    Route { path: PathMatch::Exact(PathPattern::new(path).unwrap()), ..prefix("/", access) }
}

fn select(routes: &Routes, method: &str, host: &str, path: &str) -> Result<Access, RouteError> {
    let (method, host, path) = (method.as_bytes(), host.as_bytes(), path.as_bytes());
    let request = RequestView { method, path, host, ..RequestView::default() };
    routes.select(&request).cloned()
}

fn by_path(routes: &Routes, path: &str) -> Result<Access, RouteError> {
    select(routes, "GET", "api", path)
}

#[test]
fn without_routes_every_request_needs_a_token_however_its_path_is_spelled() {
    let routes = Routes::new(Vec::new());
    for path in ["/", "/a/../b", "//", "/a%2fb", "*", "", "/\\"] {
        assert_eq!(by_path(&routes, path), Ok(scopes(&[])), "{path}");
    }
}

#[test]
fn a_single_route_that_names_a_path_already_makes_spelling_matter() {
    // Its counterpart is the default: what is under /public needs nothing, the rest needs a token.
    let routes = Routes::new(vec![prefix("/public", public())]);
    assert_eq!(by_path(&routes, "/public/a"), Ok(public()));
    for path in ["/public/../admin", "/public//a", "/public/%2e%2e/admin", "/public/..;/admin"] {
        let refused = by_path(&routes, path);
        assert!(matches!(refused, Err(RouteError::AmbiguousPath { .. })), "{path}: {refused:?}");
    }
}

#[test]
fn a_prefix_ends_at_the_end_of_a_segment() {
    let routes =
        Routes::new(vec![prefix("/public", public()), prefix("/admin/", scopes(&["admin"]))]);
    for (path, access) in [
        ("/public", public()),
        ("/public/", public()),
        ("/public/a/b", public()),
        ("/public?x=1", public()),
        ("/publication", scopes(&[])),
        ("/public.json", scopes(&[])),
        ("/Public", scopes(&[])),
        ("/admin", scopes(&["admin"])),
        ("/admin/users", scopes(&["admin"])),
        ("/administrator", scopes(&[])),
        ("/", scopes(&[])),
        ("/a?/public", scopes(&[])),
    ] {
        assert_eq!(by_path(&routes, path), Ok(access), "{path}");
    }
}

#[test]
fn an_exact_path_matches_itself_with_or_without_a_slash_at_its_end() {
    let routes = Routes::new(vec![exact("/health", public()), exact("/", scopes(&["root"]))]);
    for (path, access) in [
        ("/health", public()),
        ("/health/", public()),
        ("/health/x", scopes(&[])),
        ("/healthy", scopes(&[])),
        ("/", scopes(&["root"])),
        ("/x", scopes(&[])),
    ] {
        assert_eq!(by_path(&routes, path), Ok(access), "{path}");
    }
}

#[test]
fn the_first_match_decides() {
    let routes = Routes::new(vec![
        prefix("/a/b", scopes(&["deep"])),
        prefix("/a", public()),
        prefix("/", scopes(&["rest"])),
    ]);
    assert_eq!(by_path(&routes, "/a/b/c"), Ok(scopes(&["deep"])));
    assert_eq!(by_path(&routes, "/a/c"), Ok(public()));
    assert_eq!(by_path(&routes, "/c"), Ok(scopes(&["rest"])));
}

#[test]
fn unreserved_characters_may_be_escaped_without_a_change() {
    let routes = Routes::new(vec![prefix("/admin", scopes(&["admin"]))]);
    for path in ["/%61dmin", "/%61%64%6d%69%6E/x", "/admin/%7Euser", "/admin/a%20b", "/admin/a;v=1"]
    {
        assert_eq!(by_path(&routes, path), Ok(scopes(&["admin"])), "{path}");
    }
}

#[test]
fn a_path_whose_readings_lead_to_different_routes_is_refused() {
    let routes = Routes::new(vec![
        exact("/users:batch", scopes(&["batch"])),
        prefix("/admin", scopes(&["admin"])),
    ]);
    for path in
        ["/users%3Abatch", "/users%3abatch", "/admin;x", "/admin;x/users", "/admin%3Bx/users"]
    {
        assert_eq!(by_path(&routes, path), Err(RouteError::AmbiguousRoute), "{path}");
    }
    assert_eq!(by_path(&routes, "/users;x:batch"), Ok(scopes(&[])));
}

#[test]
fn a_path_with_letters_beyond_ascii_is_written_decoded() {
    let routes = Routes::new(vec![prefix("/zürich café", public())]);
    assert_eq!(by_path(&routes, "/z%C3%BCrich%20caf%c3%a9/x"), Ok(public()));
    assert_eq!(by_path(&routes, "/zurich"), Ok(scopes(&[])));
}

#[test]
fn methods_are_compared_exactly_and_head_counts_as_get() {
    let only_get = Route { methods: vec!["GET".to_owned()], ..prefix("/a", public()) };
    let routes = Routes::new(vec![only_get, prefix("/a", scopes(&["write"]))]);
    for (method, access) in [
        ("GET", public()),
        ("HEAD", public()),
        ("POST", scopes(&["write"])),
        ("get", scopes(&["write"])),
        ("", scopes(&["write"])),
    ] {
        assert_eq!(select(&routes, method, "api", "/a"), Ok(access), "{method}");
    }
}

#[test]
fn hosts_are_compared_without_case_port_and_root_dot() {
    let admin = Route {
        path: PathMatch::Any,
        methods: Vec::new(),
        hosts: vec![
            HostMatch::Name("admin.example.com".to_owned()),
            HostMatch::Below(".internal.example.com".to_owned()),
        ],
        mcp: None,
        origins: Vec::new(),
        access: scopes(&["admin"]),
    };
    let routes = Routes::new(vec![admin]);
    for (host, access) in [
        ("admin.example.com", scopes(&["admin"])),
        ("ADMIN.example.com.", scopes(&["admin"])),
        ("admin.example.com:8443", scopes(&["admin"])),
        ("admin.example.com.:8443", scopes(&["admin"])),
        ("a.internal.example.com", scopes(&["admin"])),
        ("internal.example.com", scopes(&[])),
        (".internal.example.com", scopes(&[])),
        ("xadmin.example.com", scopes(&[])),
        ("[::1]:80", scopes(&[])),
        ("", scopes(&[])),
    ] {
        // The path is nobody's business here, so its spelling is not either.
        assert_eq!(select(&routes, "GET", host, "/a/../b"), Ok(access), "{host}");
    }
    for (host, byte) in
        [("a@admin.example.com", b'@'), ("admin.example.com,b", b','), ("a b", b' ')]
    {
        let refused = select(&routes, "GET", host, "/");
        assert_eq!(refused, Err(RouteError::AmbiguousHost { byte }), "{host}");
    }
}
