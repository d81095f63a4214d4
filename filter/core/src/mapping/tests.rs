#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::authority::{Authority, OpaqueRole};
use crate::json::{self, Limits};
use crate::subject::Subject;

const IDP: &str = "https://idp.example";

fn hasher() -> SubjectHasher {
    SubjectHasher::new([9; 16])
}

fn mapping() -> Mapping {
    let claim = |name: &str| Some(name.to_owned());
    Mapping {
        device: claim("device_id"),
        tenant: claim("tid"),
        org_unit: claim("ou"),
        groups: claim("groups"),
        phone: claim("phone_number"),
        ..Mapping::default()
    }
}

/// The keys of a token of [`IDP`] with these members.
fn keys_with(mapping: &Mapping, members: &str) -> Vec<SubjectHash> {
    let payload = format!(r#"{{"iss":"{IDP}",{members}}}"#);
    let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
    token_keys(&Claims::parse(&value).unwrap(), mapping, &hasher())
}

fn keys(members: &str) -> Vec<SubjectHash> {
    keys_with(&mapping(), members)
}

/// Whether a signal about `subject` reaches the token with `members`.
fn meets(members: &str, subject: &str, opaque: OpaqueRole) -> bool {
    let authority = Authority {
        issuers: vec![IDP.to_owned(), "https://agents.example".to_owned()],
        danger_allow_tenant_wide: true,
        ..Authority::default()
    };
    let value = json::parse(subject.as_bytes(), &Limits::TOKEN).unwrap();
    let subject = Subject::parse(&value).unwrap();
    let keys = keys(members);
    let has = |key: &SubjectKey<'_>| keys.binary_search(&hasher().hash(key)).is_ok();
    authority
        .targets(&subject, opaque)
        .unwrap()
        .iter()
        .any(|target| has(&target.subject) && target.conditions.iter().all(has))
}

fn key(kind: SubjectKind, value: &str) -> SubjectHash {
    hasher().hash(&SubjectKey::new(kind, IDP, value).unwrap())
}

const AGENT: &str = r#""sub":"alice","jti":"j1","client_id":"agent-7","azp":"app-8","sid":"s1",
    "email":"Alice@Example.com","device_id":"d1","tid":123456789,"ou":"sales",
    "groups":["staff","ops"],"phone_number":"+1 206 555 0123",
    "act":{"sub":"spiffe://example.org/agents/research/r1",
        "act":{"iss":"https://agents.example","sub":"planner"}}"#;

#[test]
fn a_token_and_a_signal_about_it_meet() {
    let principal = OpaqueRole::Principal;
    for (subject, opaque) in [
        (r#"{"format":"iss_sub","iss":"https://idp.example","sub":"alice"}"#, principal),
        (r#"{"format":"opaque","id":"alice"}"#, principal),
        (r#"{"format":"opaque","id":"s1"}"#, OpaqueRole::Session),
        (r#"{"format":"jwt_id","iss":"https://idp.example","jti":"j1"}"#, principal),
        (r#"{"format":"email","email":"alice@example.COM"}"#, principal),
        (r#"{"format":"phone_number","phone_number":"+12065550123"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://example.org/agents/research/r1"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://example.org/agents/research/"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://example.org/agents"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://EXAMPLE.org"}"#, principal),
        (r#"{"format":"iss_sub","iss":"https://agents.example","sub":"planner"}"#, principal),
        (r#"{"format":"opaque","id":"planner"}"#, principal),
        (r#"{"format":"complex","application":{"format":"opaque","id":"agent-7"}}"#, principal),
        (r#"{"format":"complex","application":{"format":"opaque","id":"app-8"}}"#, principal),
        (r#"{"format":"complex","application":{"format":"opaque","id":"planner"}}"#, principal),
        (r#"{"format":"complex","session":{"format":"opaque","id":"s1"}}"#, principal),
        (r#"{"format":"complex","device":{"format":"opaque","id":"d1"}}"#, principal),
        (
            r#"{"format":"complex","device":{"format":"iss_sub","iss":"https://idp.example",
                "sub":"d1"}}"#,
            principal,
        ),
        (r#"{"format":"complex","tenant":{"format":"opaque","id":"123456789"}}"#, principal),
        (r#"{"format":"complex","org_unit":{"format":"opaque","id":"sales"}}"#, principal),
        (r#"{"format":"complex","group":{"format":"opaque","id":"staff"}}"#, principal),
        (r#"{"format":"complex","group":{"format":"opaque","id":"ops"}}"#, principal),
        (
            r#"{"format":"complex","session":{"format":"opaque","id":"s1"},
                "user":{"format":"email","email":"alice@example.com"},
                "tenant":{"format":"opaque","id":"123456789"}}"#,
            principal,
        ),
    ] {
        assert!(meets(AGENT, subject, opaque), "{subject}");
    }
}

#[test]
fn a_near_miss_is_a_miss() {
    let principal = OpaqueRole::Principal;
    for (subject, opaque) in [
        // Another issuer.
        (r#"{"format":"iss_sub","iss":"https://agents.example","sub":"alice"}"#, principal),
        (r#"{"format":"iss_sub","iss":"https://idp.example","sub":"planner"}"#, principal),
        (r#"{"format":"jwt_id","iss":"https://agents.example","jti":"j1"}"#, principal),
        // Another spelling.
        (r#"{"format":"iss_sub","iss":"https://idp.example","sub":"Alice"}"#, principal),
        (r#"{"format":"phone_number","phone_number":"12065550123"}"#, principal),
        // Another role.
        (r#"{"format":"opaque","id":"alice"}"#, OpaqueRole::Session),
        (r#"{"format":"opaque","id":"s1"}"#, principal),
        (r#"{"format":"opaque","id":"Alice@Example.com"}"#, principal),
        (r#"{"format":"email","email":"alice"}"#, principal),
        (r#"{"format":"complex","application":{"format":"opaque","id":"alice"}}"#, principal),
        (r#"{"format":"complex","device":{"format":"opaque","id":"s1"}}"#, principal),
        (r#"{"format":"complex","tenant":{"format":"opaque","id":"staff"}}"#, principal),
        // A prefix that is no class.
        (r#"{"format":"uri","uri":"spiffe://example.org/agents/res"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://example.org/agents/research/r"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://example.org/agents/research/r1/x"}"#, principal),
        (r#"{"format":"uri","uri":"spiffe://example.or"}"#, principal),
        // All of a conjunction must match.
        (
            r#"{"format":"complex","session":{"format":"opaque","id":"s2"},
                "user":{"format":"email","email":"alice@example.com"}}"#,
            principal,
        ),
        (
            r#"{"format":"complex","session":{"format":"opaque","id":"s1"},
                "tenant":{"format":"opaque","id":"12345678"}}"#,
            principal,
        ),
    ] {
        assert!(!meets(AGENT, subject, opaque), "{subject}");
    }
}

#[test]
fn a_user_whose_name_is_a_uri_is_reached_by_every_format_that_can_say_it() {
    for (sub, subject) in [
        ("did:example:1", r#"{"format":"did","url":"did:example:1"}"#),
        ("did:example:1", r#"{"format":"uri","uri":"did:example:1"}"#),
        ("acct:al@example.com", r#"{"format":"account","uri":"acct:al@example.com"}"#),
        ("acct:al@example.com", r#"{"format":"uri","uri":"acct:al@example.com"}"#),
        ("urn:uuid:4e851e98", r#"{"format":"uri","uri":"urn:uuid:4e851e98"}"#),
        ("spiffe://example.org/a/b", r#"{"format":"uri","uri":"spiffe://example.org/a"}"#),
        ("SPIFFE://Example.org/a/b", r#"{"format":"uri","uri":"spiffe://example.org/a/b"}"#),
    ] {
        let members = format!(r#""sub":"{sub}""#);
        assert!(meets(&members, subject, OpaqueRole::Principal), "{sub} {subject}");
    }
}

#[test]
fn a_client_with_a_spiffe_id_is_reached_through_its_class() {
    let members = r#""sub":"alice","client_id":"spiffe://example.org/agents/r1""#;
    let class = r#"{"format":"uri","uri":"spiffe://example.org/agents"}"#;
    assert!(meets(members, class, OpaqueRole::Principal));
}

#[test]
fn a_foreign_actors_uri_belongs_to_its_own_issuer_and_to_the_tokens() {
    let members = r#""sub":"alice","act":{"iss":"https://agents.example","sub":"urn:agent:7"}"#;
    let keys = keys(members);
    for issuer in [IDP, "https://agents.example"] {
        let uri = SubjectKey::new(SubjectKind::Uri, issuer, "urn:agent:7").unwrap();
        assert!(keys.contains(&hasher().hash(&uri)), "{issuer}");
    }
    let foreign = SubjectKey::new(SubjectKind::Uri, "https://other.example", "urn:agent:7");
    assert!(!keys.contains(&hasher().hash(&foreign.unwrap())));
}

#[test]
fn a_configured_claim_takes_the_place_of_the_standard_one() {
    let members =
        r#""sub":"a","sid":"s1","email":"a@example.com","sess":"s2","mail":"b@example.com""#;
    let renamed = Mapping {
        session: Some("sess".to_owned()),
        email: Some("mail".to_owned()),
        ..Mapping::default()
    };
    let (standard, renamed) =
        (keys_with(&Mapping::default(), members), keys_with(&renamed, members));
    for (kind, first, second) in
        [(SubjectKind::Session, "s1", "s2"), (SubjectKind::Email, "a@example.com", "b@example.com")]
    {
        assert!(standard.contains(&key(kind, first)) && !standard.contains(&key(kind, second)));
        assert!(renamed.contains(&key(kind, second)) && !renamed.contains(&key(kind, first)));
    }
}

#[test]
fn claims_that_name_nothing_yield_nothing() {
    let bare = keys(r#""sub":"a""#);
    for member in [
        r#""groups":[]"#,
        r#""groups":{"a":1}"#,
        r#""groups":["",null,true,["nested"]]"#,
        r#""phone_number":"unknown""#,
        r#""tid":1.5"#,
        r#""tid":null"#,
    ] {
        assert_eq!(keys(&format!(r#""sub":"a",{member}"#)), bare, "{member}");
    }
}

#[test]
fn keys_are_sorted_distinct_and_never_left_out() {
    let groups: Vec<_> = (0..1000).map(|group| format!(r#""g{group}""#)).collect();
    let members = format!(
        r#""sub":"a","client_id":"a","azp":"a","act":{{"sub":"a"}},"groups":[{}]"#,
        groups.join(",")
    );
    let keys = keys(&members);
    assert!(keys.is_sorted_by(|a, b| a < b));
    // `iss_sub`, `opaque` and `application`, once each, and the groups.
    assert_eq!(keys.len(), 1003);
    assert!(keys.len() > MAX_TOKEN_KEYS);
}

#[test]
fn a_usual_agents_token_has_far_fewer_keys_than_allowed() {
    assert!(keys(AGENT).len() <= 24, "{}", keys(AGENT).len());
}
