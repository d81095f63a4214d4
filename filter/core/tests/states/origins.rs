//! Pages that a browser was lured to: what they may send, and to what.

use rescind_core::request::{Field, RequestView};
use serde_json::json;

use super::world::{World, config, good_token, with};

const APP: &[u8] = b"https://app.example.com";

fn world() -> World {
    let origins = json!(["https://app.example.com", "http://localhost:6274"]);
    let routes = json!([
        {"path": "/mcp", "origins": origins, "scopes": ["read"], "cors_preflight": true},
        {"path": "/strict", "origins": origins},
        {"path": "/public", "origins": origins, "access": "public"},
        {"path": "/any", "scopes": ["read"]},
    ]);
    World::synchronized(&with(config(), "/routes", routes))
}

fn request<'a>(path: &'a str, origin: Field<'a>) -> RequestView<'a> {
    let (method, host) = (&b"POST"[..], &b"api.example.com"[..]);
    RequestView { method, host, path: path.as_bytes(), origin, ..RequestView::default() }
}

#[test]
fn a_page_of_an_origin_that_the_route_does_not_name_is_refused_whatever_it_brings() {
    let mut world = world();
    let good = format!("Bearer {}", good_token());
    for (origin, may) in [
        (Field::Absent, true),
        (Field::One(APP), true),
        (Field::One(b"http://localhost:6274"), true),
        (Field::One(b"http://localhost"), false),
        (Field::One(b"http://localhost:6275"), false),
        (Field::One(b"https://evil.example"), false),
        (Field::One(b"https://app.example.com.evil.example"), false),
        (Field::One(b"https://app.example.com:443"), false),
        (Field::One(b"https://app.example.com/"), false),
        (Field::One(b"http://app.example.com"), false),
        (Field::One(b"https://app.example.com, https://evil.example"), false),
        (Field::One(b"https://app.example.com https://evil.example"), false),
        (Field::One(b"null"), false),
        (Field::One(b""), false),
        (Field::One(b"\xff"), false),
        (Field::Many, false),
    ] {
        for path in ["/mcp", "/strict", "/public", "/any"] {
            let checks = path != "/any";
            let with_token =
                RequestView { authorization: Field::One(good.as_bytes()), ..request(path, origin) };
            let (status, reason, challenge) = world.send(&with_token).0;
            let expected =
                if may || !checks { (200, "permit") } else { (403, "origin_not_allowed") };
            assert_eq!((status, reason), expected, "{path}, {origin:?}");
            assert_eq!(challenge, None);
            // Without a token it is the same refusal: the page learns nothing about tokens.
            if checks && !may {
                assert_eq!(world.send(&request(path, origin)).0, (403, "origin_not_allowed", None));
                let query = "/mcp?access_token=x";
                assert_eq!(
                    world.send(&request(query, origin)).0,
                    (403, "origin_not_allowed", None)
                );
            }
        }
    }
}

#[test]
fn a_preflight_is_answered_for_pages_that_may_call_only() {
    let mut world = world();
    for (path, origin, expected) in [
        ("/mcp", APP, (200, "permit")),
        ("/mcp", b"https://evil.example", (403, "origin_not_allowed")),
        ("/mcp", b"null", (403, "origin_not_allowed")),
        ("/strict", APP, (401, "no_credentials")),
        ("/strict", b"https://evil.example", (403, "origin_not_allowed")),
    ] {
        let preflight = RequestView {
            method: b"OPTIONS",
            preflight: Some(b"POST"),
            ..request(path, Field::One(origin))
        };
        let (status, reason, _) = world.send(&preflight).0;
        assert_eq!((status, reason), expected, "{path}");
    }
}

#[test]
fn a_gateway_that_has_heard_nothing_yet_tells_a_foreign_page_nothing_else() {
    let routes = json!([{"path": "/mcp", "origins": ["https://app.example.com"]}]);
    let mut world = World::new(&with(config(), "/routes", routes));
    let (evil, own) = (Field::One(&b"https://evil.example"[..]), Field::One(APP));
    assert_eq!(world.send(&request("/mcp", evil)).0, (403, "origin_not_allowed", None));
    let good = format!("Bearer {}", good_token());
    let asks = RequestView { authorization: Field::One(good.as_bytes()), ..request("/mcp", own) };
    assert_eq!(world.send(&asks).0, (503, "never_synchronized", None));
}
