//! Who may act, and does not: what is made of `may_act`, and what is not.

use rescind_core::subject::SubjectKind;
use serde_json::{Value, json};

use super::world::{ISSUER, World, config, good_token, token_with, with};
use super::{PERMIT, answer, refused};

/// A token of somebody who lets others act.
fn letting(party: Value) -> String {
    token_with("may_act", party)
}

#[test]
fn a_signal_about_who_may_act_reaches_a_token_only_where_the_issuers_configuration_says_so() {
    use SubjectKind::*;
    let here = json!({"sub": "spiffe://example.org/agents/7", "client_id": "app-9"});
    let abroad = json!({"iss": "https://agents.example.com", "sub": "agent-7"});
    let reaching = with(config(), "/issuers/0/subject_claims", json!({"may_act": true}));
    for (party, issuer, subject) in [
        (&here, ISSUER, (IssSub, "spiffe://example.org/agents/7")),
        (&here, ISSUER, (Application, "spiffe://example.org/agents/7")),
        (&here, ISSUER, (Uri, "spiffe://example.org/agents")),
        (&here, ISSUER, (Application, "app-9")),
        (&abroad, "https://agents.example.com", (IssSub, "agent-7")),
        (&abroad, "https://agents.example.com", (Application, "agent-7")),
    ] {
        let token = letting(party.clone());
        for (config, expected) in [(&config(), PERMIT), (&reaching, refused("revoked"))] {
            let mut world = World::synchronized(config);
            assert_eq!(world.get("/", Some(&token)), answer(PERMIT));
            world.revoke_of(issuer, subject);
            assert_eq!(world.get("/", Some(&token)), answer(expected), "{subject:?}");
            assert_eq!(world.get("/", Some(&good_token())), answer(PERMIT), "{subject:?}");
        }
    }
    // Another issuer's agent of the same name.
    let mut world = World::synchronized(&reaching);
    world.revoke_of(ISSUER, (IssSub, "agent-7"));
    assert_eq!(world.get("/", Some(&letting(abroad))), answer(PERMIT));
}

#[test]
fn a_permission_to_act_that_cannot_be_read_makes_a_token_malformed() {
    let mut world = World::synchronized(&config());
    for party in [
        json!("agent-7"),
        json!([{"sub": "agent-7"}]),
        json!(true),
        json!({}),
        json!({"iss": ISSUER}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "agent-7", "iss": null}),
        json!({"sub": "agent-7", "client_id": ["app-9"]}),
    ] {
        let verdict = world.get("/", Some(&letting(party.clone())));
        assert_eq!(verdict, answer(refused("malformed_claims")), "{party}");
    }
    let party = json!({"sub": "agent-7", "email": ["a@example.com"], "exp": "never", "act": 1});
    assert_eq!(world.get("/", Some(&letting(party))), answer(PERMIT));
}

#[test]
fn a_permission_to_act_allows_nothing_and_forbids_nothing() {
    let mut world = World::synchronized(&config());
    let wide = json!({"sub": "agent-7", "scope": "admin write", "aud": "everybody"});
    let verdict = world.get("/admin/x", Some(&letting(wide)));
    assert_eq!((verdict.0, verdict.1), (403, "insufficient_scope"));
    // Who exchanged the token for this one has decided that agent-1 may act.
    let mut claims = super::world::claims();
    claims["act"] = json!({"sub": "agent-1"});
    claims["may_act"] = json!({"sub": "agent-7"});
    let token = super::mint(&super::header(), &claims, &super::key(1));
    let permit = world.permit("/", &token);
    let identity = permit.identity().unwrap();
    assert_eq!((identity.actors(), identity.may_act()), ("agent-1", "sub=agent-7"));
}

#[test]
fn the_service_is_told_who_may_act_only_in_a_header_that_the_configuration_names() {
    let token = letting(json!({"iss": "https://agents.example.com", "sub": "agent 7"}));
    let told = |config: &Value| {
        let permit = World::synchronized(config).permit("/", &token);
        let told = permit.headers().find(|(name, _)| *name == "x-may-act");
        (told.map(|(_, value)| value.to_owned()), permit.headers().count())
    };
    assert_eq!(told(&config()), (None, 4));
    let named = with(config(), "/identity", json!({"headers": {"may_act": "X-May-Act"}}));
    let value = "iss=https://agents.example.com sub=agent%207".to_owned();
    assert_eq!(told(&named), (Some(value), 1));
    let permit = World::synchronized(&named).permit("/", &good_token());
    assert_eq!(permit.headers().count(), 0);
}
