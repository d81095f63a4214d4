//! Each value that is refused, with the exact words.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

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
            "`issuers[0].subject_claims.user`: unknown name; known here are `session`, `device`, `tenant`, `org_unit`, `groups`, `email`, `phone`, `transaction`, `workload`, `may_act`",
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
            "`routes[0]`: a public route asks for nothing, and this one asks for more; remove what it asks for, or set `access: token`",
        ),
        (
            json!({"scopes": ["a b"]}),
            "`routes[0].scopes[0]`: is not a scope: empty, or with a blank, quote or backslash; list each as an entry of its own",
        ),
        (
            json!({"acr_values": ["phr phrh"]}),
            "`routes[0].acr_values[0]`: is not an `acr`: empty, or with a blank, quote or backslash; list each as an entry of its own",
        ),
        (
            json!({"max_age_secs": 31_536_001}),
            "`routes[0].max_age_secs`: must be from 0 to 31536000, is 31536001; choose a number within",
        ),
        (
            json!({"max_risk": "high"}),
            "`routes[0].max_risk`: `high` is not a choice; choose `low` or `medium`",
        ),
        (
            json!({"min_assurance": 1}),
            "`routes[0].min_assurance`: must be from 2 to 4, is 1; choose a number within",
        ),
        (
            json!({"access": "public", "compliant_device": true}),
            "`routes[0]`: a public route asks for nothing, and this one asks for more; remove what it asks for, or set `access: token`",
        ),
        (
            json!({"access": "public", "max_age_secs": 0}),
            "`routes[0]`: a public route asks for nothing, and this one asks for more; remove what it asks for, or set `access: token`",
        ),
        (
            json!({"audiences": []}),
            "`routes[0].audiences`: is empty; remove it to take those of the issuer",
        ),
        (
            json!({"audiences": ["https://api.example.com", ""]}),
            "`routes[0].audiences[1]`: is empty; fill it in, or remove it",
        ),
        (
            json!({"audiences": ["https://api.example.com/", "https://api.example.com/b"]}),
            "`routes[0].audiences`: `https://api.example.com/b` is no issuer's audience: tokens for it are refused; add it to the `audiences` of the issuer whose tokens are meant for it",
        ),
        (
            json!({"access": "public", "audiences": ["https://api.example.com"]}),
            "`routes[0]`: a public route asks for nothing, and this one asks for more; remove what it asks for, or set `access: token`",
        ),
        (
            json!({"credentials": ["access_token", "txn_token"], "audiences": ["https://api.example.com"]}),
            "`routes[0].audiences`: a choice of `credentials` has neither `access_token` nor `jwt_svid`, and no other names any; remove it, or that choice",
        ),
        (
            json!({"origins": []}),
            "`routes[0].origins`: is empty; remove it to let pages of all origins call",
        ),
        (
            json!({"mcp": {"methods": []}}),
            "`routes[0].mcp.methods`: is empty; remove it to mean all",
        ),
        (
            json!({"mcp": {"methods": ["tools/call", "tools call"]}}),
            "`routes[0].mcp.methods[1]`: is not a method, nor the beginning of one with `*` after it; write it as the protocol has it; a `*` stands at the end only",
        ),
        (
            json!({"mcp": {"names": ["*_money"]}}),
            "`routes[0].mcp.names[0]`: is not a name, nor the beginning of one with `*` after it; write it as the protocol has it; a `*` stands at the end only",
        ),
        (
            json!({"mcp": {"names": ["a", "*"]}}),
            "`routes[0].mcp.names[1]`: is not a name, nor the beginning of one with `*` after it; write it as the protocol has it; a `*` stands at the end only",
        ),
        (
            json!({"mcp": {"methods": ["tools/list"], "names": ["a"]}}),
            "`routes[0].mcp.names`: none of `methods` names anything; remove it: only `tools/call`, `prompts/get` and `resources/read` have names",
        ),
        (
            json!({"mcp": {"older_versions": true, "names": ["a"]}}),
            "`routes[0].mcp.older_versions`: requests of older versions say neither method nor name; remove `methods` and `names`, or give older versions a route of their own",
        ),
        (
            json!({"methods": ["GET"], "mcp": {}}),
            "`routes[0].methods`: leaves out `POST`, and MCP requests are sent by nothing else; remove it",
        ),
        (
            json!({"mcp": {"tools": ["a"]}}),
            "`routes[0].mcp.tools`: unknown name; known here are `methods`, `names`, `older_versions`, `verify_body`",
        ),
        (
            json!({"mcp": {"older_versions": true, "verify_body": true}}),
            "`routes[0].mcp.verify_body`: requests of older versions have no headers to compare the body with; remove it, and let this route ask for all that any tool needs",
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
fn a_route_for_mcp_after_one_for_all_that_its_path_gets_is_refused() {
    let tool = |path: Value| set(path, "/mcp", json!({"names": ["transfer_*"]}));
    let reached =
        |before: Value, after: Value| parse(&with("/routes", json!([before, tool(after)])));
    let expected = "`routes[1]`: is never reached, `routes[0]` matches all its paths; move it before that route";
    for (before, after) in [
        (json!({"path": "/mcp"}), json!({"path": "/mcp/"})),
        (json!({"path_prefix": "/a"}), json!({"path": "/a/mcp"})),
        (json!({"path_prefix": "/a"}), json!({"path_prefix": "/a/mcp"})),
    ] {
        assert_eq!(
            reached(before.clone(), after.clone()).unwrap_err(),
            expected,
            "{before} {after}"
        );
    }
    for (before, after) in [
        (json!({"path": "/mcp", "methods": ["GET"]}), json!({"path": "/mcp"})),
        (json!({"path": "/mcp", "hosts": ["a"]}), json!({"path": "/mcp"})),
        (json!({"path": "/mcp", "mcp": {}}), json!({"path": "/mcp"})),
        (json!({"path": "/mcp"}), json!({"path_prefix": "/mcp"})),
        (json!({"path_prefix": "/a"}), json!({"path": "/mcp"})),
        (json!({"path": "/mcp"}), json!({})),
    ] {
        assert!(reached(before.clone(), after.clone()).is_ok(), "{before} {after}");
    }
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
        ("refresh_interval_secs", json!(60), "must be below `max_staleness_secs` (60); one lost answer must not make the state stale".to_owned()),
        ("refresh_interval_secs", json!(0), "must be from 1 to 86400, is 0; choose a number within".to_owned()),
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
            json!({"max_mcp_body_bytes": 1023}),
            "`limits.max_mcp_body_bytes`: must be from 1024 to 524288, is 1023; choose a number within",
        ),
        (
            "limits",
            json!({"max_mcp_body_bytes": 524_289}),
            "`limits.max_mcp_body_bytes`: must be from 1024 to 524288, is 524289; choose a number within",
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
fn resources_are_refused_for_these_reasons() {
    let audience = "https://api.example.com";
    for (resource, message) in [
        (json!({}), "`resources[0].resource`: is missing; set it to the resource's https URL"),
        (
            json!({"resource": "https://other.example.com"}),
            "`resources[0].resource`: is no issuer's audience: tokens for it are refused; add it to the `audiences` of the issuer whose tokens are meant for it",
        ),
        (
            json!({"resource": audience, "authorization_servers": ["idp"]}),
            "`resources[0].authorization_servers[0]`: does not start with `https://`; write it as `https://host/path`",
        ),
        (
            json!({"resource": audience, "documentation": "http://docs"}),
            "`resources[0].documentation`: does not start with `https://`; write it as `https://host/path`",
        ),
        (
            json!({"resource": audience, "scopes": ["a b"]}),
            "`resources[0].scopes[0]`: is not a scope: empty, or with a blank, quote or backslash; list each as an entry of its own",
        ),
    ] {
        let errors = parse(&set(least(), "/resources", json!([resource]))).unwrap_err();
        assert!(errors.lines().any(|line| line.contains(message)), "{message}\n{errors}");
    }
    let config = set(least(), "/issuers/0/audiences", json!(["api"]));
    let errors = parse(&set(config, "/resources", json!([{"resource": "api"}]))).unwrap_err();
    let message = "`resources[0].resource`: does not start with `https://`; write it as `https://api.example.com/path`";
    assert!(errors.contains(message), "{errors}");
    let twice = json!([{"resource": audience}, {"resource": audience}]);
    let errors = parse(&set(least(), "/resources", twice)).unwrap_err();
    assert!(errors.contains("`resources[1].resource`: has its document at"), "{errors}");
}

#[test]
fn limits_on_the_number_of_resources_hold_on_both_sides() {
    let config = |count: usize| {
        let names: Vec<String> =
            (0..count).map(|number| format!("https://api.example.com/{number}")).collect();
        let resources: Vec<Value> = names.iter().map(|name| json!({"resource": name})).collect();
        let config = set(least(), "/issuers/0/audiences", json!(names));
        set(config, "/resources", json!(resources))
    };
    assert_eq!(parse(&config(MAX_RESOURCES)).unwrap().resources.len(), MAX_RESOURCES);
    let errors = parse(&config(MAX_RESOURCES + 1)).unwrap_err();
    assert!(errors.contains("`resources`: has 65 entries, at most 64 are allowed"), "{errors}");
}
