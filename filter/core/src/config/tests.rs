//! Each way to be wrong, one by one, with the exact words; then what a right one means.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use super::*;
use crate::request::{Field, RequestView};
use crate::route::Access;

mod keys;

/// A P-256 key from RFC 7517 appendix A.1.
fn key_set() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]})
}

/// The shortest configuration there is.
fn least() -> Value {
    json!({
        "issuers": [{
            "issuer": "https://idp.example.com",
            "audiences": ["https://api.example.com"],
            "algorithms": ["ES256"],
            "keys": {"inline": key_set()},
        }],
        "revocation": {
            "cluster": "rescind",
            "authority": "rescind.example.com",
            "gateway_name": "edge-1",
            "gateway_token": "gateway-secret",
            "feed_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "subject_key": "000102030405060708090a0b0c0d0e0f",
            "checksum_key": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        },
    })
}

/// Every name there is.
fn most() -> Value {
    let mut config = least();
    config["issuers"][0]["types"] = json!(["at+jwt", "JWT"]);
    config["issuers"][0]["leeway_secs"] = json!(0);
    config["issuers"][0]["max_token_lifetime_secs"] = json!(900);
    config["issuers"][0]["assumed_lifetime_secs"] = json!(600);
    config["issuers"][0]["subject_claims"] = json!({
        "session": "session_id", "device": "did", "tenant": "tid", "org_unit": "ou",
        "groups": "groups", "email": "mail", "phone": "phone_number",
    });
    config["issuers"].as_array_mut().unwrap().push(json!({
        "issuer": "https://other.example.com", "audiences": ["a", "b"], "algorithms": ["EdDSA"],
        "keys": {"url": "https://other.example.com:8443/jwks?v=1", "cluster": "other", "refresh_secs": 60},
    }));
    let sources = [
        json!({"bundle_url": "https://spiffe.example.com/bundle", "cluster": "spire"}),
        json!({"inline_bundle": {"keys": []}}),
        json!({"discovery": "openid-configuration", "cluster": "idp",
            "jwks_authority": "keys.example.com", "jwks_cluster": "keys"}),
    ];
    for (place, keys) in sources.into_iter().enumerate() {
        config["issuers"].as_array_mut().unwrap().push(json!({
            "issuer": format!("https://source{place}.example.com"), "audiences": ["a"],
            "algorithms": ["ES256"], "keys": keys,
        }));
    }
    config["routes"] = json!([
        {"path_prefix": "/public", "access": "public", "methods": ["GET"], "hosts": ["*.example.com"]},
        {"path": "/admin", "access": "token", "scopes": ["admin", "write"]},
    ]);
    config["revocation"]["table"] = json!("blue");
    config["revocation"]["max_staleness_secs"] = json!(30);
    config["revocation"]["on_stale"] = json!("allow");
    config["revocation"]["wait_secs"] = json!(20);
    config["identity"] = json!({
        "headers": {"subject": "X-Sub", "issuer": "x-iss", "client_id": "x-client", "scope": "x-scope", "actor": "x-actor"},
        "filter_state": true,
    });
    config["challenge"] =
        json!({"realm": "api", "resource_metadata": "https://api.example.com/.well-known/x"});
    config["limits"] =
        json!({"max_token_bytes": 4096, "token_cache_entries": 10, "token_cache_bytes": 1000});
    config
}

fn parse(config: &Value) -> Result<Config, String> {
    Config::parse(config.to_string().as_bytes()).map_err(|errors| errors.to_string())
}

/// `least` with one value set.
fn with(pointer: &str, value: Value) -> Value {
    set(least(), pointer, value)
}

fn set(mut config: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match config.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(elements) if name == "-" => elements.push(value),
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other}"),
    }
    config
}

#[test]
fn the_shortest_configuration_has_these_defaults() {
    let config = parse(&least()).unwrap();
    let [issuer] = config.issuers.as_slice() else { panic!("{config:?}") };
    assert_eq!(issuer.types, [TokenType::AccessToken]);
    assert_eq!(issuer.leeway, Duration::from_secs(30));
    assert_eq!(issuer.max_token_lifetime, Duration::from_secs(3600));
    assert_eq!(issuer.assumed_lifetime, None);
    assert_eq!(issuer.subject_claims, SubjectClaims::default());
    assert_eq!(config.routes, Routes::new(Vec::new()));
    assert_eq!(config.revocation.table, "default");
    assert_eq!(config.revocation.max_staleness, Duration::from_secs(60));
    assert_eq!(config.revocation.on_stale, OnStale::Deny);
    assert_eq!(config.revocation.wait, Duration::from_secs(20));
    assert_eq!(config.identity.headers.spellings().len(), 20);
    assert!(!config.identity.filter_state);
    assert_eq!(config.challenge, Challenge::default());
    let limits =
        Limits { max_token_bytes: 8192, token_cache_entries: 10_000, token_cache_bytes: 16 << 20 };
    assert_eq!(config.limits, limits);
}

#[test]
fn every_name_means_what_the_reference_says() {
    let config = parse(&most()).unwrap();
    let [first, second, ..] = config.issuers.as_slice() else { panic!("{config:?}") };
    assert_eq!(first.types, TokenType::ALL);
    assert_eq!(first.leeway, Duration::ZERO);
    assert_eq!(first.max_token_lifetime, Duration::from_secs(900));
    assert_eq!(first.assumed_lifetime, Some(Duration::from_secs(600)));
    assert_eq!(first.subject_claims.session.as_deref(), Some("session_id"));
    assert_eq!(first.subject_claims.phone.as_deref(), Some("phone_number"));
    let KeySource::Fetched(url) = &second.keys else { panic!("{second:?}") };
    let expected = JwksUrl {
        cluster: "other".to_owned(),
        authority: "other.example.com:8443".to_owned(),
        path: "/jwks?v=1".to_owned(),
        refresh: Duration::from_secs(60),
    };
    assert_eq!(*url, expected);
    assert_eq!(config.issuer("https://other.example.com").unwrap().0, 1);
    assert!(config.issuer("https://other.example.com/").is_none());
    let access = |method: &'static str, path: &'static str| {
        let (method, path, host) = (method.as_bytes(), path.as_bytes(), b"a.example.com");
        let request = RequestView { method, path, host, authorization: Field::Absent, grpc: false };
        config.routes.select(&request).unwrap().clone()
    };
    let scopes = |scopes: &[&str]| Access::Token {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    assert_eq!(access("GET", "/public/x"), Access::Public);
    assert_eq!(access("POST", "/public/x"), scopes(&[]));
    assert_eq!(access("POST", "/admin"), scopes(&["admin", "write"]));
    assert_eq!(config.revocation.on_stale, OnStale::Allow);
    assert_eq!(config.revocation.wait, Duration::from_secs(20));
    assert_eq!(config.identity.headers.subject.as_deref(), Some("x-sub"));
    assert_eq!(config.challenge.realm, "api");
    assert_eq!(config.limits.max_token_bytes, 4096);
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_paths() {
    let mut config = least();
    config["issuers"][0]["audiences"] = json!([]);
    config["issuers"][0]["algorithms"] = json!(["HS256"]);
    config["issuers"][0]["leeway"] = json!(60);
    config["revocation"]["max_staleness_secs"] = json!(0);
    config["revocation"]["gateway_token"] = Value::Null;
    config["routes"] = json!([{"path": "admin"}]);
    config["extra"] = json!(1);
    let expected = "\
        `extra`: unknown name; known here are `issuers`, `routes`, `revocation`, `identity`, `challenge`, `limits`\n\
        `issuers[0].algorithms[0]`: `HS256` is not a choice; choose from `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`\n\
        `issuers[0].audiences`: is missing; name what tokens for this gateway have in `aud`\n\
        `issuers[0].leeway`: unknown name; did you mean `leeway_secs`\n\
        `revocation.gateway_token`: is missing; set it to the token that the companion has for this gateway\n\
        `revocation.max_staleness_secs`: must be at least 2; to refuse on any doubt, set `on_stale: deny`\n\
        `routes[0].path`: does not start with a slash; write it as `/path`";
    assert_eq!(parse(&config).unwrap_err(), expected);
}

#[test]
fn a_wrong_value_costs_only_its_own_message() {
    // Not also "is missing", and nothing about what depends on it.
    for (pointer, value, expected) in [
        (
            "/issuers/0/issuer",
            json!(7),
            "`issuers[0].issuer`: must be a text, is a number; see the configuration reference",
        ),
        (
            "/issuers/0/audiences",
            json!("a"),
            "`issuers[0].audiences`: must be a list of texts, is a text; see the configuration reference",
        ),
        (
            "/issuers/0/audiences",
            json!(["a", 1, "c"]),
            "`issuers[0].audiences[1]`: must be a text, is a number; put it in quotes",
        ),
        (
            "/issuers/0/leeway_secs",
            json!("30"),
            "`issuers[0].leeway_secs`: must be a whole number from zero on, is a text; see the configuration reference",
        ),
        (
            "/issuers/0/leeway_secs",
            json!(-1),
            "`issuers[0].leeway_secs`: must be a whole number from zero on, is a number; see the configuration reference",
        ),
        (
            "/issuers/0/leeway_secs",
            json!(1.5),
            "`issuers[0].leeway_secs`: must be a whole number from zero on, is a number; see the configuration reference",
        ),
        (
            "/issuers/0/keys",
            json!([]),
            "`issuers[0].keys`: must be an object, is a list; see the configuration reference",
        ),
        (
            "/issuers/0",
            json!("x"),
            "`issuers[0]`: must be an object, is a text; see the configuration reference",
        ),
        (
            "/issuers",
            json!({}),
            "`issuers`: must be a list of objects, is an object; see the configuration reference",
        ),
        (
            "/revocation",
            json!("x"),
            "`revocation`: must be an object, is a text; see the configuration reference",
        ),
        (
            "/identity",
            json!({"filter_state": "yes"}),
            "`identity.filter_state`: must be true or false, is a text; see the configuration reference",
        ),
    ] {
        assert_eq!(parse(&with(pointer, value)).unwrap_err(), expected, "{pointer}");
    }
}

#[test]
fn issuers_are_refused_for_these_reasons() {
    let keys = "see";
    for (pointer, value, expected) in [
        ("/issuers", json!([]), "`issuers`: is missing; name at least one issuer of access tokens"),
        (
            "/issuers/0/issuer",
            json!(""),
            "`issuers[0].issuer`: is missing; set it to the `iss` of the issuer's tokens",
        ),
        (
            "/issuers/-",
            least()["issuers"][0].clone(),
            "`issuers[1].issuer`: is configured twice; merge the two entries",
        ),
        (
            "/issuers/0/audiences",
            json!([""]),
            "`issuers[0].audiences[0]`: is empty; fill it in, or remove it",
        ),
        (
            "/issuers/0/algorithms",
            json!([]),
            "`issuers[0].algorithms`: is missing; name the algorithms that the issuer signs with",
        ),
        (
            "/issuers/0/algorithms",
            json!(["ES256", "none"]),
            "`issuers[0].algorithms[1]`: `none` is not a choice; choose from `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`",
        ),
        (
            "/issuers/0/types",
            json!([]),
            "`issuers[0].types`: is empty; remove it, or name `at+jwt`, `JWT` or both",
        ),
        (
            "/issuers/0/types",
            json!(["secevent+jwt"]),
            "`issuers[0].types[0]`: `secevent+jwt` is not a choice; choose `at+jwt` or `JWT`",
        ),
        (
            "/issuers/0/leeway_secs",
            json!(301),
            "`issuers[0].leeway_secs`: must be from 0 to 300, is 301; choose a number within",
        ),
        (
            "/issuers/0/max_token_lifetime_secs",
            json!(0),
            "`issuers[0].max_token_lifetime_secs`: must be from 1 to 2678400, is 0; choose a number within",
        ),
        (
            "/issuers/0/max_token_lifetime_secs",
            json!(2_678_401),
            "`issuers[0].max_token_lifetime_secs`: must be from 1 to 2678400, is 2678401; choose a number within",
        ),
        (
            "/issuers/0/assumed_lifetime_secs",
            json!(3601),
            "`issuers[0].assumed_lifetime_secs`: must be from 1 to 3600, is 3601; choose a number within",
        ),
        (
            "/issuers/0/subject_claims",
            json!({"tenant": ""}),
            "`issuers[0].subject_claims.tenant`: is empty; name a claim, or remove it",
        ),
        (
            "/issuers/0/subject_claims",
            json!({"user": "x"}),
            "`issuers[0].subject_claims.user`: unknown name; known here are `session`, `device`, `tenant`, `org_unit`, `groups`, `email`, `phone`",
        ),
        (
            "/issuers/0/keys",
            json!({}),
            "`issuers[0].keys`: does not say where keys come from; set `inline`, or `url` and `cluster`",
        ),
        (
            "/issuers/0/keys",
            json!({"inline": key_set(), "url": "https://x/", "cluster": "x"}),
            "`issuers[0].keys`: has both `inline` and `url`; remove one of them",
        ),
        (
            "/issuers/0/keys",
            json!({"inline": key_set(), "cluster": "x"}),
            "`issuers[0].keys.cluster`: belongs to `url`; remove it",
        ),
        (
            "/issuers/0/keys",
            json!({"inline": {"keys": []}}),
            "`issuers[0].keys.inline`: none of the 0 keys of the set is usable; set it to a JWK Set (RFC 7517)",
        ),
        (
            "/issuers/0/keys",
            json!({"url": "https://x/"}),
            "`issuers[0].keys.cluster`: is missing; name a cluster of the gateway",
        ),
        (
            "/issuers/0/keys",
            json!({"url": "idp/jwks", "cluster": "x"}),
            "`issuers[0].keys.url`: is not an http or https URL; write it as `https://host/path`",
        ),
        (
            "/issuers/0/keys",
            json!({"url": "https:///jwks", "cluster": "x"}),
            "`issuers[0].keys.url`: has no plain host, or a fragment; write it as `https://host/path`, without user and fragment",
        ),
        (
            "/issuers/0/keys",
            json!({"url": "https://u:p@idp/jwks", "cluster": "x"}),
            "`issuers[0].keys.url`: has no plain host, or a fragment; write it as `https://host/path`, without user and fragment",
        ),
        (
            "/issuers/0/keys",
            json!({"url": "https://x/", "cluster": "x", "refresh_secs": 9}),
            "`issuers[0].keys.refresh_secs`: must be from 10 to 86400, is 9; choose a number within",
        ),
    ] {
        assert_eq!(parse(&with(pointer, value)).unwrap_err(), expected, "{keys} {pointer}");
    }
}

#[test]
fn routes_are_refused_for_these_reasons() {
    for (route, expected) in [
        (
            json!({"path": "/a", "path_prefix": "/b"}),
            "`routes[0]`: has both `path` and `path_prefix`; remove one of them",
        ),
        (
            json!({"path": "a"}),
            "`routes[0].path`: does not start with a slash; write it as `/path`",
        ),
        (
            json!({"path_prefix": "/a*"}),
            "`routes[0].path_prefix`: has one of `%`, `;`, `?`, `#` and `*`; write the path decoded, without query, parameters and wildcards",
        ),
        (
            json!({"path": "/a%20b"}),
            "`routes[0].path`: has one of `%`, `;`, `?`, `#` and `*`; write the path decoded, without query, parameters and wildcards",
        ),
        (
            json!({"path": "/a/../b"}),
            "`routes[0].path`: can match no request: it has a dot segment; write it without that",
        ),
        (
            json!({"path_prefix": "/a//"}),
            "`routes[0].path_prefix`: can match no request: it has an empty segment; write it without that",
        ),
        (json!({"prefix": "/a"}), "`routes[0].prefix`: unknown name; did you mean `path_prefix`"),
        (json!({"methods": []}), "`routes[0].methods`: is empty; remove it to mean all methods"),
        (
            json!({"methods": ["GET", "post"]}),
            "`routes[0].methods[1]`: is not a method; methods are case-sensitive; write it as `GET`",
        ),
        (json!({"hosts": []}), "`routes[0].hosts`: is empty; remove it to mean all hosts"),
        (
            json!({"hosts": ["a:80"]}),
            "`routes[0].hosts[0]`: is not a host name; write it as `api.example.com` or `*.example.com`, without port",
        ),
        (
            json!({"hosts": ["*"]}),
            "`routes[0].hosts[0]`: is not a host name; write it as `api.example.com` or `*.example.com`, without port",
        ),
        (
            json!({"access": "open"}),
            "`routes[0].access`: `open` is not a choice; choose `token` or `public`",
        ),
        (
            json!({"access": "public", "scopes": ["a"]}),
            "`routes[0].scopes`: a public route asks for no scopes; remove `scopes`, or set `access: token`",
        ),
        (
            json!({"scopes": ["a b"]}),
            "`routes[0].scopes[0]`: is not a scope: empty, or with a blank, quote or backslash; list each scope as an entry of its own",
        ),
    ] {
        let config = with("/routes", json!([route]));
        assert_eq!(parse(&config).unwrap_err(), expected, "{config}");
    }
    let unreachable = json!([{"path_prefix": "/"}, {"path_prefix": "/admin", "scopes": ["admin"]}]);
    let expected = "`routes[1]`: is never reached, `routes[0]` matches every request; move the route that matches every request to the end";
    assert_eq!(parse(&with("/routes", unreachable)).unwrap_err(), expected);
}

#[test]
fn revocation_is_refused_for_these_reasons() {
    let key = "must be 32 hexadecimal digits, has";
    let write = "set it to the contents of the key file that `rescind keygen` writes";
    for (name, value, expected) in [
        ("cluster", json!(""), "is empty or has control characters; name a cluster of the gateway".to_owned()),
        ("authority", json!("https://x"), "is not a host name; set it to the companion's host name, such as `rescind.example.com`".to_owned()),
        ("gateway_name", json!("edge 1"), "must be 1 to 64 letters, digits, `-`, `_` or `.`; choose another name".to_owned()),
        ("gateway_name", json!("x".repeat(65)), "must be 1 to 64 letters, digits, `-`, `_` or `.`; choose another name".to_owned()),
        ("gateway_token", json!("a\nb"), "is empty or has bytes that a header cannot carry; set it to the token that the companion has for this gateway".to_owned()),
        ("feed_key", json!("AAAA"), "is not 32 bytes in base64url without padding; set it to the public key that `rescind keygen` prints".to_owned()),
        ("subject_key", json!("00"), format!("{key} 2 characters; {write}")),
        ("checksum_key", json!("+0010203040506070809a0b0c0d0e0f1"), format!("{key} 32 characters; {write}")),
        ("checksum_key", json!("000102030405060708090A0B0C0D0E0F"), "is the same as `subject_key`; make one for this gateway alone: whoever has it can un-revoke tokens here".to_owned()),
        ("table", json!(""), "must be 1 to 64 letters, digits, `-`, `_` or `.`; choose another name".to_owned()),
        ("max_staleness_secs", json!(1), "must be at least 2; to refuse on any doubt, set `on_stale: deny`".to_owned()),
        ("max_staleness_secs", json!(86_401), "must be at most 86400; choose how long a revoked token may still pass when the companion is away".to_owned()),
        ("on_stale", json!("permit"), "`permit` is not a choice; choose `deny` or `allow`".to_owned()),
        ("wait_secs", json!(60), "must be below `max_staleness_secs` (60); an idle companion answers after that time, and must be heard before the state is stale".to_owned()),
        ("wait_secs", json!(0), "must be from 1 to 55, is 0; choose a number within".to_owned()),
    ] {
        let config = with(&format!("/revocation/{name}"), value);
        assert_eq!(parse(&config).unwrap_err(), format!("`revocation.{name}`: {expected}"));
    }
}

#[test]
fn what_is_told_to_services_and_clients_is_refused_for_these_reasons() {
    for (name, value, expected) in [
        (
            "identity",
            json!({"headers": {"subject": "x sub"}}),
            "`identity.headers.subject`: is not a header name of letters, digits and hyphens; choose a name such as `x-rescind-subject`",
        ),
        (
            "identity",
            json!({"headers": {"subject": "x_sub"}}),
            "`identity.headers.subject`: is not a header name of letters, digits and hyphens; choose a name such as `x-rescind-subject`",
        ),
        (
            "identity",
            json!({"headers": {"subject": "a-b-c-d-e-f"}}),
            "`identity.headers.subject`: has more than 4 hyphens; choose a shorter name",
        ),
        (
            "identity",
            json!({"headers": {"subject": "Authorization"}}),
            "`identity.headers.subject`: `authorization` has a meaning of its own; choose a name such as `x-rescind-subject`",
        ),
        (
            "identity",
            json!({"headers": {"subject": "x-a", "issuer": "X-A"}}),
            "`identity.headers.issuer`: `x-a` is used twice; give each fact its own header",
        ),
        (
            "challenge",
            json!({"realm": "a\"b"}),
            "`challenge.realm`: has a quote, a backslash or a special character; use printable ASCII without them",
        ),
        (
            "challenge",
            json!({"resource_metadata": "/x"}),
            "`challenge.resource_metadata`: is not an http or https URL; write it as `https://host/.well-known/oauth-protected-resource`",
        ),
        (
            "challenge",
            json!({"resource_metadata": "https://x/\""}),
            "`challenge.resource_metadata`: is not an http or https URL; write it as `https://host/.well-known/oauth-protected-resource`",
        ),
        (
            "limits",
            json!({"max_token_bytes": 255}),
            "`limits.max_token_bytes`: must be from 256 to 65536, is 255; choose a number within",
        ),
        (
            "limits",
            json!({"token_cache_entries": 1_000_001}),
            "`limits.token_cache_entries`: must be from 0 to 1000000, is 1000001; choose a number within",
        ),
        (
            "limits",
            json!({"token_cache_bytes": 268_435_457}),
            "`limits.token_cache_bytes`: must be from 0 to 268435456, is 268435457; choose a number within",
        ),
    ] {
        let config = with(&format!("/{name}"), value);
        assert_eq!(parse(&config).unwrap_err(), expected, "{config}");
    }
}

#[test]
fn what_is_no_configuration_at_all_says_so() {
    let text = |text: &[u8]| Config::parse(text).unwrap_err().to_string();
    let empty = "configuration: is empty; set the filter's configuration to a JSON object";
    assert_eq!(text(b""), empty);
    assert_eq!(text(b" \n"), empty);
    assert_eq!(
        text(b"issuers: []"),
        "configuration: not JSON at line 1, column 1; write strict JSON"
    );
    assert_eq!(
        text(b"[]"),
        "configuration: must be an object, is a list; see the configuration reference"
    );
    assert_eq!(
        text(br#"{"issuers":[],"issuers":[]}"#),
        "configuration: member `issuers` occurs twice in one object; write strict JSON"
    );
    let long = vec![b' '; MAX_CONFIG_BYTES.saturating_add(1)];
    let expected = "configuration: has 1048577 bytes, at most 1048576 are read; fetch large key sets from a URL";
    assert_eq!(text(&long), expected);
    let padded = [least().to_string().into_bytes(), long].concat();
    assert!(Config::parse(&padded[..MAX_CONFIG_BYTES]).is_ok());
}

#[test]
fn numbers_may_be_written_as_envoys_protobuf_writes_them() {
    let config = least().to_string().replace(
        r#""algorithms""#,
        r#""leeway_secs": 60.0, "max_token_lifetime_secs": 3.6e3, "algorithms""#,
    );
    let config = Config::parse(config.as_bytes()).unwrap();
    assert_eq!(config.issuers[0].leeway, Duration::from_secs(60));
    assert_eq!(config.issuers[0].max_token_lifetime, Duration::from_secs(3600));
}

#[test]
fn limits_on_the_number_of_issuers_and_routes_hold_on_both_sides() {
    let issuers = |count: usize| {
        let named = |index| set(least(), "/issuers/0/issuer", json!(format!("https://{index}")));
        Value::Array((0..count).map(|index| named(index)["issuers"][0].clone()).collect())
    };
    assert!(parse(&with("/issuers", issuers(MAX_ISSUERS))).is_ok());
    let expected = "`issuers`: has 65 entries, at most 64 are allowed; remove some, or accept them on another gateway";
    let too_many = issuers(MAX_ISSUERS.saturating_add(1));
    assert_eq!(parse(&with("/issuers", too_many)).unwrap_err(), expected);
    let routes = |count: usize| Value::Array(vec![json!({"path": "/a"}); count]);
    assert!(parse(&with("/routes", routes(MAX_ROUTES))).is_ok());
    let too_many = routes(MAX_ROUTES.saturating_add(1));
    let expected = "`routes`: has 257 entries, at most 256 are allowed; use prefixes";
    assert_eq!(parse(&with("/routes", too_many)).unwrap_err(), expected);
}

#[test]
fn the_shortest_wait_fits_the_shortest_staleness() {
    for (staleness, wait) in [(2, 1), (3, 1), (6, 2), (60, 20), (75, 25), (3600, 25)] {
        let config = parse(&with("/revocation/max_staleness_secs", json!(staleness))).unwrap();
        assert_eq!(config.revocation.wait, Duration::from_secs(wait), "{staleness}");
    }
}

#[test]
fn no_secret_is_ever_printed() {
    let shown = format!("{:?}", parse(&least()).unwrap());
    for secret in ["gateway-secret", "000102030405", "[0, 1, 2, 3", "f0f1f2f3", "240, 241"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let mistyped = "zzzz02030405060708090a0b0c0d0e0f";
    let complaint = parse(&with("/revocation/subject_key", json!(mistyped))).unwrap_err();
    assert!(!complaint.contains("0203"), "{complaint}");
}

/// The table in [`schema`] and the types in [`raw`] are two: this holds them together.
#[test]
fn the_reference_and_the_types_have_the_same_names() {
    fn compare(fields: &[schema::Field], path: &str) {
        for field in fields {
            let path = schema::join(path, field.name);
            match field.kind {
                schema::Kind::Object(below) => compare(below, &path),
                schema::Kind::Objects(below) => compare(below, &format!("{path}/0")),
                _ => {
                    let pointer = format!("/{}", path.replace('.', "/"));
                    assert!(
                        most().pointer(&pointer).is_some() || is_alternative(&pointer),
                        "{pointer}"
                    );
                }
            }
        }
    }
    /// Names that cannot stand beside others: `most` has them elsewhere.
    fn is_alternative(pointer: &str) -> bool {
        let elsewhere = match pointer {
            "/issuers/0/keys/url" => "/issuers/1/keys/url",
            "/issuers/0/keys/cluster" => "/issuers/1/keys/cluster",
            "/issuers/0/keys/refresh_secs" => "/issuers/1/keys/refresh_secs",
            "/issuers/0/keys/bundle_url" => "/issuers/2/keys/bundle_url",
            "/issuers/0/keys/inline_bundle" => "/issuers/3/keys/inline_bundle",
            "/issuers/0/keys/discovery" => "/issuers/4/keys/discovery",
            "/issuers/0/keys/jwks_authority" => "/issuers/4/keys/jwks_authority",
            "/issuers/0/keys/jwks_cluster" => "/issuers/4/keys/jwks_cluster",
            "/routes/0/path" => "/routes/1/path",
            "/routes/0/scopes" => "/routes/1/scopes",
            _ => return false,
        };
        most().pointer(elsewhere).is_some()
    }
    // Every name of the table is accepted by the types, because `most` has all and is accepted …
    compare(schema::CONFIG, "");
    serde_json::from_value::<raw::RawConfig>(most()).unwrap();
    // … and every name of the types is in the table: serde lists those it knows.
    for (pointer, fields) in objects(schema::CONFIG, String::new()) {
        let config = set(most(), &format!("{pointer}/no_such_name"), json!(0));
        let complaint = serde_json::from_value::<raw::RawConfig>(config).unwrap_err().to_string();
        let known = complaint
            .split("expected one of ")
            .nth(1)
            .or(complaint.split("expected ").nth(1))
            .unwrap();
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let ours: Vec<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(known, ours, "{pointer}");
    }
}

fn objects(
    fields: &'static [schema::Field],
    pointer: String,
) -> Vec<(String, &'static [schema::Field])> {
    let below = fields.iter().flat_map(|field| match field.kind {
        schema::Kind::Object(below) => objects(below, format!("{pointer}/{}", field.name)),
        schema::Kind::Objects(below) => objects(below, format!("{pointer}/{}/0", field.name)),
        _ => Vec::new(),
    });
    let below: Vec<_> = below.collect();
    [vec![(pointer, fields)], below].concat()
}

#[test]
fn the_reference_has_a_row_for_every_name_and_no_secret() {
    let reference = reference();
    for row in [
        "| `issuers[].keys.refresh_secs` | number | 300 | How often it is fetched; from 10 on. An unknown `kid` fetches it sooner. A bundle's own `spiffe_refresh_hint` goes before, from 10 to 3600. |",
        "| `revocation.on_stale` | text | `deny` | After that: `deny` answers 503; `allow` goes on with the last known state. |",
        "| `routes[].path_prefix` | text |  | This path and all below it. Without `path` and `path_prefix`, all paths. |",
    ] {
        assert!(reference.lines().any(|line| line == row), "{row}\n{reference}");
    }
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_code() {
    let config = parse(&least()).unwrap();
    let default = |name: &str| {
        let start = format!("| `{name}` |");
        let row = reference().lines().find(|line| line.starts_with(&start)).unwrap().to_owned();
        row.split('|').nth(3).unwrap().trim().to_owned()
    };
    let issuer = &config.issuers[0];
    for (name, value) in [
        ("issuers[].leeway_secs", issuer.leeway.as_secs().to_string()),
        ("issuers[].max_token_lifetime_secs", issuer.max_token_lifetime.as_secs().to_string()),
        ("revocation.table", format!("`{}`", config.revocation.table)),
        ("revocation.max_staleness_secs", config.revocation.max_staleness.as_secs().to_string()),
        ("identity.filter_state", config.identity.filter_state.to_string()),
        ("identity.headers.subject", format!("`{}`", config.identity.headers.subject.unwrap())),
        ("identity.headers.client_id", format!("`{}`", config.identity.headers.client_id.unwrap())),
        ("limits.max_token_bytes", config.limits.max_token_bytes.to_string()),
        ("limits.token_cache_entries", config.limits.token_cache_entries.to_string()),
        ("limits.token_cache_bytes", config.limits.token_cache_bytes.to_string()),
    ] {
        assert_eq!(default(name), value, "{name}");
    }
}
