//! Several services behind one gateway: a token for one of them is none for the others.

use rescind_core::request::{Field, RequestView};
use serde_json::{Value, json};

use super::world::{AUDIENCE, START, World, config, good_token, token_with, with};

const A: &str = "https://mcp.example.com/a";
const B: &str = "https://mcp.example.com/b";

/// Two services that have an audience each, one that takes both, and the rest, which takes any of the issuer's.
fn services() -> Value {
    let routes = json!([
        {"path_prefix": "/a", "audiences": [A]},
        {"path_prefix": "/b", "audiences": [B], "scopes": ["write"]},
        {"path_prefix": "/both", "audiences": [A, B]},
        {"path_prefix": "/open", "audiences": [A], "cors_preflight": true},
    ]);
    let config = with(config(), "/routes", routes);
    let config = with(config, "/issuers/0/audiences", json!([AUDIENCE, A, B]));
    let resource = |resource: &str| json!({"resource": resource});
    with(config, "/resources", json!([resource(A), resource(B), resource(AUDIENCE)]))
}

fn token_for(audience: Value) -> String {
    token_with("aud", audience)
}

fn send(world: &mut World, path: &str, token: &str) -> (u16, &'static str, Option<String>) {
    let authorization = format!("Bearer {token}");
    let request = RequestView {
        method: b"POST",
        path: path.as_bytes(),
        host: b"gateway.internal",
        authorization: Field::One(authorization.as_bytes()),
        ..RequestView::default()
    };
    world.send(&request).0
}

#[test]
fn a_token_for_one_service_is_refused_at_another_whichever_saw_it_first() {
    const YES: &str = "permit";
    const NO: &str = "not_for_route";
    const NOBODY: &str = "wrong_audience";
    let tokens = [
        ("for a", json!(A), [YES, NO, YES, YES]),
        ("for b", json!([B]), [NO, "insufficient_scope", YES, YES]),
        ("for both", json!([B, A]), [YES, "insufficient_scope", YES, YES]),
        ("for the gateway", json!(AUDIENCE), [NO, NO, NO, YES]),
        ("for a and others", json!(["x", "https://other.example", A]), [YES, NO, YES, YES]),
        ("for a, spelled otherwise", json!("HTTPS://MCP.example.com:443/a/"), [YES, NO, YES, YES]),
        ("for a path below", json!(format!("{A}/c")), [NOBODY; 4]),
        ("for a with a fragment", json!(format!("{A}#b")), [NOBODY; 4]),
        ("for a with a query", json!(format!("{A}?b")), [NOBODY; 4]),
        ("for a over http", json!("http://mcp.example.com/a"), [NOBODY; 4]),
        ("for two in one text", json!(format!("{A} {B}")), [NOBODY; 4]),
        ("for another", json!("https://mcp.example.com.evil/a"), [NOBODY; 4]),
    ];
    let paths = ["/a", "/b", "/both/x", "/elsewhere"];
    for (name, audience, expected) in tokens {
        let token = token_for(audience);
        // Every service is the first once; then all of them, with the token known.
        for first in 0..paths.len() {
            let mut world = World::synchronized(&services());
            for place in (first..paths.len()).chain(0..paths.len()) {
                let (_, found, _) = send(&mut world, paths[place], &token);
                assert_eq!(found, expected[place], "{name} at {} after {first}", paths[place]);
            }
        }
    }
}

#[test]
fn a_refused_client_is_told_about_the_service_that_it_called() {
    let mut world = World::synchronized(&services());
    let (token, all) = (token_for(json!(A)), token_for(json!([A, B])));
    let metadata = |service: &str| {
        format!(
            r#"resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/{service}""#
        )
    };
    for (path, token, status, service, error) in [
        ("/b", &*token, 401, "b", r#"error="invalid_token""#),
        ("/b", &*all, 403, "b", r#"error="insufficient_scope""#),
        ("/a", "garbage", 401, "a", r#"error="invalid_token""#),
        ("/both", "garbage", 401, "a", r#"error="invalid_token""#),
    ] {
        let (found, _, challenge) = send(&mut world, path, token);
        let challenge = challenge.unwrap();
        assert_eq!(found, status, "{path}");
        assert!(challenge.contains(&metadata(service)), "{path}: {challenge}");
        assert!(challenge.contains(error), "{path}: {challenge}");
    }
}

#[test]
fn what_a_refusal_says_to_operators() {
    let mut world = World::synchronized(&services());
    for (audience, expected) in [
        (
            json!(A),
            "of the routes' audiences the token has `https://mcp.example.com/a`, this route asks for `https://mcp.example.com/b`",
        ),
        (
            json!(AUDIENCE),
            "of the routes' audiences the token has ``, this route asks for `https://mcp.example.com/b`",
        ),
    ] {
        let denial = world.denial("/b", &token_for(audience));
        assert_eq!(denial.to_string(), expected);
    }
}

#[test]
fn a_service_elses_token_is_refused_before_its_scopes_are_looked_at_and_after_it_is_revoked() {
    let mut world = World::synchronized(&services());
    let token = token_for(json!(A));
    assert_eq!(send(&mut world, "/b", &token).1, "not_for_route");
    world.revoke_user("https://idp.example.com", "alice", START);
    assert_eq!(send(&mut world, "/b", &token).1, "revoked");
    assert_eq!(send(&mut world, "/a", &token).1, "revoked");
}

#[test]
fn without_audiences_at_routes_the_issuers_are_compared_byte_for_byte() {
    let config = with(config(), "/issuers/0/audiences", json!([AUDIENCE, A]));
    let mut world = World::synchronized(&config);
    for (token, expected) in [
        (token_for(json!(A)), "permit"),
        (token_for(json!(format!("{A}/"))), "wrong_audience"),
        (token_for(json!("https://MCP.example.com/a")), "wrong_audience"),
        (good_token(), "permit"),
    ] {
        assert_eq!(world.get("/any", Some(&token)).1, expected);
    }
}

/// A route's spelling does not make another issuer's tokens good.
#[test]
fn a_token_of_an_issuer_that_does_not_have_the_audience_is_refused() {
    let mut other = services()["issuers"][0].clone();
    other["issuer"] = json!("https://other.example.com");
    other["audiences"] = json!(["https://elsewhere.example.com"]);
    let config = with(services(), "/issuers", json!([services()["issuers"][0], other]));
    let mut world = World::synchronized(&config);
    let mut claims = super::claims();
    claims["iss"] = json!("https://other.example.com");
    for (aud, expected) in [
        (json!(A), "wrong_audience"),
        (json!("https://MCP.example.com/a/"), "wrong_audience"),
        // It is for somebody here, and not for this one, whatever else it says.
        (json!(["https://elsewhere.example.com", A]), "not_for_route"),
    ] {
        claims["aud"] = aud.clone();
        let token = super::mint(&super::header(), &claims, &super::key(1));
        assert_eq!(send(&mut world, "/a", &token).1, expected, "{aud}");
    }
}
