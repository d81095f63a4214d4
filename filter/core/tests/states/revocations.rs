//! What revokes a token, whose keys verify it, what a permit says, and how much is remembered.

use rescind_core::subject::SubjectKind;
use serde_json::json;

use super::world::{
    ISSUER, START, World, claims, config, ecdsa_token_and_twin, good_token, header, jwk, key, mint,
    token_with, with,
};
use super::{PERMIT, STALE_PERMIT, answer, not_now, refused};

// === Revocation ===

#[test]
fn a_token_is_revoked_by_an_event_in_its_second_or_later_and_never_by_an_earlier_one() {
    for (at, expected) in
        [(START - 61, PERMIT), (START - 60, refused("revoked")), (START, refused("revoked"))]
    {
        let mut world = World::synchronized(&config());
        world.revoke_user(ISSUER, "alice", at);
        assert_eq!(world.get("/", Some(&good_token())), answer(expected), "{at}");
        assert_eq!(world.get("/", Some(&token_with("sub", json!("bob")))), answer(PERMIT), "{at}");
    }
}

#[test]
fn a_token_is_reached_by_everything_that_it_names() {
    use SubjectKind::*;
    let mut rich = claims();
    rich["sub"] = json!("spiffe://example.org/agents/research/7");
    rich["sid"] = json!("session-1");
    rich["email"] = json!("Alice@Example.com");
    rich["azp"] = json!("app-8");
    rich["act"] = json!({"sub": "agent-7", "act": {"sub": "agent-1"}});
    rich["tid"] = json!("tenant-1");
    let claims = json!({"tenant": "tid"});
    let config = with(config(), "/issuers/0/subject_claims", claims);
    let token = mint(&header(), &rich, &key(1));
    let reached: [(SubjectKind, &str); 13] = [
        (IssSub, "spiffe://example.org/agents/research/7"),
        (Opaque, "spiffe://example.org/agents/research/7"),
        (Uri, "spiffe://example.org/agents/research/7"),
        (Uri, "spiffe://example.org/agents/research"),
        (Uri, "spiffe://example.org/agents"),
        (Session, "session-1"),
        (Email, "alice@example.com"),
        (Application, "app-7"),
        (Application, "app-8"),
        (IssSub, "agent-7"),
        (IssSub, "agent-1"),
        (JwtId, "t-1"),
        (Tenant, "tenant-1"),
    ];
    for subject in reached {
        let mut world = World::synchronized(&config);
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
        world.revoke(subject, &[]);
        assert_eq!(world.get("/", Some(&token)), answer(refused("revoked")), "{subject:?}");
    }
    for subject in [
        (Uri, "spiffe://example.org/agents/res"),
        (Uri, "spiffe://example.org/agents/research/77"),
        (Session, "t-1"),
        (Application, "alice"),
        (JwtId, "session-1"),
    ] {
        let mut world = World::synchronized(&config);
        world.revoke(subject, &[]);
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "{subject:?}");
    }
}

#[test]
fn a_conjunction_reaches_only_tokens_with_all_of_its_members() {
    use SubjectKind::*;
    let with_both = token_with("sid", json!("session-1"));
    for (session, conditions, expected) in [
        ("session-1", vec![(IssSub, "alice")], refused("revoked")),
        ("session-1", vec![(IssSub, "alice"), (Application, "app-7")], refused("revoked")),
        ("session-1", vec![(IssSub, "bob")], PERMIT),
        ("session-1", vec![(IssSub, "alice"), (Application, "app-9")], PERMIT),
        ("session-2", vec![(IssSub, "alice")], PERMIT),
    ] {
        let mut world = World::synchronized(&config());
        world.revoke((Session, session), &conditions);
        let got = world.get("/", Some(&with_both));
        assert_eq!(got, answer(expected), "{session} {conditions:?}");
    }
}

#[test]
fn a_token_with_more_subjects_than_are_looked_up_is_refused_not_half_checked() {
    let deep = |segments: usize| {
        let path = (0..segments).map(|n| n.to_string()).collect::<Vec<_>>().join("/");
        token_with("sub", json!(format!("spiffe://example.org/{path}")))
    };
    let mut world = World::synchronized(&config());
    let reasons: Vec<&str> =
        (1..60).map(|segments| world.get("/", Some(&deep(segments))).1).collect();
    let first_refused = reasons.iter().position(|reason| *reason == "too_many_subjects").unwrap();
    assert!(first_refused > 20, "{first_refused}");
    assert!(reasons.iter().take(first_refused).all(|reason| *reason == "permit"));
    assert!(reasons.iter().skip(first_refused).all(|reason| *reason == "too_many_subjects"));
}

#[test]
fn a_token_in_the_cache_is_refused_at_the_next_request_and_a_new_one_passes() {
    let mut world = World::synchronized(&config());
    for _ in 0..3 {
        assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    }
    world.revoke_user(ISSUER, "alice", START);
    for _ in 0..3 {
        assert_eq!(world.get("/", Some(&good_token())), answer(refused("revoked")));
    }
    world.wait(1);
    let mut newer = claims();
    newer["iat"] = json!(START + 1);
    newer["jti"] = json!("t-2");
    assert_eq!(world.get("/", Some(&mint(&header(), &newer, &key(1)))), answer(PERMIT));
    assert_eq!(world.get("/", Some(&good_token())), answer(refused("revoked")));
}

#[test]
fn a_revoked_token_stays_revoked_while_the_state_is_stale_and_allowed() {
    let mut world = World::synchronized(&with(config(), "/revocation/on_stale", json!("allow")));
    world.revoke_user(ISSUER, "alice", START);
    world.wait(100);
    assert_eq!(world.get("/", Some(&good_token())), answer(refused("revoked")));
    assert_eq!(world.get("/", Some(&token_with("sub", json!("bob")))), answer(STALE_PERMIT));
}

#[test]
fn a_disabled_subject_is_refused_whenever_its_token_was_issued_until_it_is_enabled() {
    let mut world = World::synchronized(&config());
    world.disable_user(ISSUER, "alice", START - 300);
    assert_eq!(world.get("/", Some(&good_token())), answer(refused("disabled")));
    world.enable_user(ISSUER, "alice", START - 200);
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    world.disable_user(ISSUER, "alice", START - 250);
    assert_eq!(
        world.get("/", Some(&good_token())),
        answer(PERMIT),
        "an older event changes nothing"
    );
}

#[test]
fn a_refusal_names_the_signal_that_caused_it() {
    let mut world = World::synchronized(&config());
    let signal = world.revoke_user(ISSUER, "alice", START);
    assert_eq!(world.denial("/", &good_token()).signal(), Some(signal));
    assert_eq!(world.denial("/", "x").signal(), None);
}

#[test]
fn what_others_do_costs_a_cached_token_no_new_search() {
    let mut world = World::synchronized(&config());
    world.get("/", Some(&good_token()));
    let searches = world.state_lookups();
    assert_eq!(searches, 1);
    for _ in 0..10 {
        world.get("/", Some(&good_token()));
    }
    assert_eq!(world.state_lookups(), 0);
    world.wait(5);
    world.synchronize();
    world.get("/", Some(&good_token()));
    assert_eq!(world.state_lookups(), 0, "an empty page changes nothing");
}

#[test]
fn a_token_older_than_revocations_are_kept_is_refused() {
    let mut world = World::new(&config());
    world.retention_secs = 300;
    world.synchronize();
    assert_eq!(world.get("/", Some(&token_with("iat", json!(START - 300)))), answer(PERMIT));
    let older = token_with("iat", json!(START - 301));
    assert_eq!(world.get("/", Some(&older)), answer(refused("older_than_retention")));
}

#[test]
fn the_twin_of_an_ecdsa_signature_is_revoked_like_the_token_itself() {
    let (token, twin, jwk) = ecdsa_token_and_twin(&claims());
    assert_ne!(token, twin);
    let config = with(config(), "/issuers/0/keys/inline/keys/0", jwk);
    let config = with(config, "/issuers/0/algorithms", json!(["ES256"]));
    let mut world = World::synchronized(&config);
    assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
    world.revoke_user(ISSUER, "alice", START);
    assert_eq!(world.get("/", Some(&token)), answer(refused("revoked")));
    assert_eq!(world.get("/", Some(&twin)), answer(refused("revoked")));
}

// === Permits ===

#[test]
fn a_permit_says_who_calls_and_on_a_public_route_nobody() {
    let mut world = World::synchronized(&config());
    let permit = world.permit("/", &good_token());
    assert_eq!((permit.subject(), permit.issuer()), (Some("alice"), Some(ISSUER)));
    let headers: Vec<(&str, &str)> = permit.headers().collect();
    let expected = [
        ("x-rescind-subject", "alice"),
        ("x-rescind-issuer", ISSUER),
        ("x-rescind-client", "app-7"),
        ("x-rescind-scope", "read"),
    ];
    assert_eq!(headers, expected);
    let permit = world.permit("/public/x", &good_token());
    assert_eq!((permit.subject(), permit.headers().count()), (None, 0));
}

#[test]
fn all_scopes_of_a_route_are_needed() {
    for (scope, reason) in [
        ("admin write", "permit"),
        ("write read admin", "permit"),
        ("admin", "insufficient_scope"),
        ("administrator write", "insufficient_scope"),
        ("Admin write", "insufficient_scope"),
    ] {
        let mut world = World::synchronized(&config());
        let token = token_with("scope", json!(scope));
        assert_eq!(world.get("/admin/users", Some(&token)).1, reason, "{scope}");
        assert_eq!(world.get("/admin/users", Some(&token)).1, reason, "{scope}, the second time");
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "{scope}");
    }
}

#[test]
fn a_route_that_asks_for_stronger_or_fresher_authentication_says_which_until_it_gets_it() {
    let config = with(
        config(),
        "/routes/1",
        json!({
            "path_prefix": "/admin", "scopes": ["read"], "acr_values": ["phrh", "phr"], "max_age_secs": 300,
        }),
    );
    let challenge = r#"Bearer realm="api", error="insufficient_user_authentication", error_description="the user has to be authenticated again", acr_values="phrh phr", max_age="300", scope="read""#;
    let step_up = (401, "insufficient_authentication", Some(challenge));
    // The issuer's leeway is 30 s.
    for (acr, auth_time, expected) in [
        (json!("phr"), json!(START - 300), PERMIT),
        (json!("phrh"), json!(START), PERMIT),
        (json!("phr"), json!(START - 330), PERMIT),
        (json!("phr"), json!(START - 331), step_up),
        (json!("phr"), json!(START + 30), PERMIT),
        (json!("phr"), json!(START + 31), step_up),
        (json!("phr"), json!(null), step_up),
        (json!(null), json!(START), step_up),
        (json!("PHR"), json!(START), step_up),
        (json!("pwd"), json!(START), step_up),
    ] {
        let mut world = World::synchronized(&config);
        let mut claims = claims();
        for (name, value) in [("acr", &acr), ("auth_time", &auth_time)] {
            if !value.is_null() {
                claims[name] = value.clone();
            }
        }
        let token = mint(&header(), &claims, &key(1));
        for time in ["new", "known"] {
            let found = world.get("/admin/users", Some(&token));
            assert_eq!(found, answer(expected), "{acr} {auth_time}, {time}");
        }
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "{acr} {auth_time} elsewhere");
    }
}

#[test]
fn a_known_token_grows_too_old_for_a_route_that_asks_for_fresh_authentication() {
    let config = with(config(), "/routes/1", json!({"path_prefix": "/admin", "max_age_secs": 100}));
    let config = with(config, "/revocation/max_staleness_secs", json!(600));
    let mut world = World::synchronized(&config);
    let token = token_with("auth_time", json!(START - 60));
    for (secs, reason) in [(70, "permit"), (1, "insufficient_authentication")] {
        world.wait(secs);
        assert_eq!(world.get("/admin", Some(&token)).1, reason, "{secs} s later");
    }
}

#[test]
fn a_preflight_passes_without_a_token_only_where_the_route_of_the_announced_request_says_so() {
    let config = with(
        config(),
        "/routes/1",
        json!({"path_prefix": "/orders", "methods": ["PUT"], "cors_preflight": true}),
    );
    let mut world = World::synchronized(&config);
    for (method, path, reason) in [
        ("PUT", "/orders/7", "permit"),
        ("DELETE", "/orders/7", "no_credentials"),
        ("PUT", "/users", "no_credentials"),
        ("PUT", "/orders/%2e%2e/users", "ambiguous_path"),
    ] {
        assert_eq!(world.preflight(method, path).1, reason, "{method} {path}");
    }
    assert_eq!(world.get("/orders/7", None).1, "no_credentials", "the request itself");
}

// === Keys ===

#[test]
fn a_rotation_is_followed_and_a_withdrawn_key_verifies_no_more_not_even_from_the_cache() {
    let keys = json!({"url": "https://idp.example.com/jwks", "cluster": "idp"});
    let mut world = World::synchronized(&with(config(), "/issuers/0/keys", keys));
    world.serve_keys(&[jwk("k1", &key(1))]);
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    let mut new_header = header();
    new_header["kid"] = json!("k2");
    let new_token = mint(&new_header, &claims(), &key(2));
    assert_eq!(world.get("/", Some(&new_token)), answer(refused("unknown_key")));
    world.wait(10);
    world.serve_keys(&[jwk("k1", &key(1)), jwk("k2", &key(2))]);
    assert_eq!(
        world.get("/", Some(&new_token)),
        answer(PERMIT),
        "the unknown kid made the leader ask again"
    );
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    world.wait(300);
    world.synchronize();
    world.serve_keys(&[jwk("k2", &key(2))]);
    assert_eq!(world.get("/", Some(&new_token)), answer(PERMIT));
    assert_eq!(world.get("/", Some(&good_token())), answer(refused("unknown_key")));
}

#[test]
fn an_issuer_without_keys_yet_does_not_keep_the_others_waiting() {
    let mut second = config()["issuers"][0].clone();
    second["issuer"] = json!("https://second.example.com");
    second["keys"] = json!({"url": "https://second.example.com/jwks", "cluster": "second"});
    let mut both = config();
    both["issuers"].as_array_mut().unwrap().push(second);
    let mut world = World::synchronized(&both);
    let mut claims = claims();
    claims["iss"] = json!("https://second.example.com");
    let second = mint(&header(), &claims, &key(3));
    assert_eq!(world.get("/", Some(&second)), answer(not_now("keys_not_ready")));
    assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT));
    world.serve_keys(&[jwk("k1", &key(3))]);
    assert_eq!(world.get("/", Some(&second)), answer(PERMIT));
}

#[test]
fn with_the_unknown_keys_of_strangers_the_leader_is_asked_once_in_ten_seconds() {
    let keys = json!({"url": "https://idp.example.com/jwks", "cluster": "idp"});
    let mut world = World::synchronized(&with(config(), "/issuers/0/keys", keys));
    world.serve_keys(&[jwk("k1", &key(1))]);
    let mut asked = 0;
    for second in 0..100 {
        let mut header = header();
        header["kid"] = json!(format!("made-up-{second}"));
        let forged = mint(&header, &claims(), &key(2));
        assert_eq!(world.get("/", Some(&forged)), answer(refused("unknown_key")));
        asked += world.leader_asks_for_keys();
        world.wait(1);
        world.synchronize();
    }
    assert!((9..=10).contains(&asked), "{asked}");
}

// === Budgets ===

#[test]
fn many_distinct_tokens_stay_within_the_budget_and_all_pass() {
    let limits = json!({"token_cache_entries": 50, "token_cache_bytes": 1_000_000});
    let mut world = World::synchronized(&with(config(), "/limits", limits));
    for number in 0..200 {
        let token = token_with("jti", json!(format!("t-{number}")));
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
        assert!(world.cached_tokens() <= 50);
    }
}

#[test]
fn a_token_at_the_limit_of_bytes_passes_and_one_beyond_is_refused() {
    let token = good_token();
    for (limit, expected) in [(token.len(), PERMIT), (token.len() - 1, refused("malformed_token"))]
    {
        let limits = json!({"max_token_bytes": limit});
        let mut world = World::synchronized(&with(config(), "/limits", limits));
        assert_eq!(world.get("/", Some(&token)), answer(expected));
    }
}
