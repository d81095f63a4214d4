#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json::{self, Limits};

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn authority(issuers: &[&str]) -> Authority {
    Authority {
        issuers: issuers.iter().map(|issuer| (*issuer).to_owned()).collect(),
        ..Authority::default()
    }
}

fn subject(text: &str) -> Subject {
    Subject::parse(&json::parse(text.as_bytes(), &Limits::TOKEN).unwrap()).unwrap()
}

/// Targets as text: `kind issuer name`, conditions after a bar.
fn reached(authority: &Authority, text: &str, opaque: OpaqueRole) -> Vec<String> {
    let show =
        |key: &SubjectKey<'_>| format!("{} {} {}", key.kind().name(), key.issuer(), key.value());
    let subject = subject(text);
    let targets = authority.targets(&subject, opaque).unwrap();
    targets
        .iter()
        .map(|target| {
            let all = std::iter::once(&target.subject).chain(&target.conditions);
            all.map(show).collect::<Vec<_>>().join(" | ")
        })
        .collect()
}

fn refusal(authority: &Authority, text: &str) -> AuthorityError {
    authority.targets(&subject(text), OpaqueRole::Principal).unwrap_err()
}

#[test]
fn a_simple_subject_is_a_principal_a_token_or_a_session() {
    let authority = authority(&[A]);
    for (text, role, target) in [
        (
            r#"{"format":"iss_sub","iss":"https://a.example","sub":"al"}"#,
            OpaqueRole::Session,
            "iss_sub https://a.example al",
        ),
        (
            r#"{"format":"email","email":"Al@Example.com"}"#,
            OpaqueRole::Session,
            "email https://a.example al@example.com",
        ),
        (
            r#"{"format":"phone_number","phone_number":"+1 206 555 0123"}"#,
            OpaqueRole::Session,
            "phone_number https://a.example +12065550123",
        ),
        (
            r#"{"format":"account","uri":"acct:al@example.com"}"#,
            OpaqueRole::Session,
            "account https://a.example acct:al@example.com",
        ),
        (
            r#"{"format":"uri","uri":"spiffe://example.org/agents/"}"#,
            OpaqueRole::Session,
            "uri https://a.example spiffe://example.org/agents",
        ),
        (
            r#"{"format":"did","url":"did:example:1"}"#,
            OpaqueRole::Session,
            "did https://a.example did:example:1",
        ),
        (
            r#"{"format":"jwt_id","iss":"https://a.example","jti":"j1"}"#,
            OpaqueRole::Session,
            "jwt_id https://a.example j1",
        ),
        (r#"{"format":"opaque","id":"x"}"#, OpaqueRole::Session, "session https://a.example x"),
        (r#"{"format":"opaque","id":"x"}"#, OpaqueRole::Principal, "opaque https://a.example x"),
    ] {
        assert_eq!(reached(&authority, text, role), [target], "{text}");
    }
}

#[test]
fn a_subject_without_issuer_means_every_issuer_of_the_transmitter() {
    let authority = authority(&[B, A, B]);
    let text = r#"{"format":"email","email":"al@example.com"}"#;
    assert_eq!(
        reached(&authority, text, OpaqueRole::Principal),
        ["email https://a.example al@example.com", "email https://b.example al@example.com",]
    );
}

#[test]
fn a_foreign_issuer_is_refused_wherever_it_stands() {
    let authority = authority(&[A]);
    for text in [
        r#"{"format":"iss_sub","iss":"https://b.example","sub":"al"}"#,
        r#"{"format":"iss_sub","iss":"https://a.example/","sub":"al"}"#,
        r#"{"format":"iss_sub","iss":"HTTPS://a.example","sub":"al"}"#,
        r#"{"format":"jwt_id","iss":"https://b.example","jti":"j"}"#,
        r#"{"format":"complex","user":{"format":"iss_sub","iss":"https://b.example","sub":"al"}}"#,
        r#"{"format":"complex","user":{"format":"iss_sub","iss":"https://a.example","sub":"al"},
            "device":{"format":"iss_sub","iss":"https://b.example","sub":"d"}}"#,
        r#"{"format":"aliases","identifiers":[{"format":"email","email":"al@example.com"},
            {"format":"iss_sub","iss":"https://b.example","sub":"al"}]}"#,
    ] {
        let error = refusal(&authority, text);
        assert!(matches!(error, AuthorityError::ForeignIssuer { .. }), "{text}: {error}");
        assert!(error.is_denial());
    }
    let own = r#"{"format":"email","email":"al@example.com"}"#;
    assert_eq!(refusal(&Authority::default(), own), AuthorityError::NoIssuers);
}

#[test]
fn a_complex_subject_is_filed_under_its_most_selective_member() {
    let authority = authority(&[A]);
    let members = [
        ("session", "session"),
        ("user", "opaque"),
        ("device", "device"),
        ("application", "application"),
        ("group", "group"),
        ("org_unit", "org_unit"),
        ("tenant", "tenant"),
    ];
    for (skipped, (_, first)) in members.iter().enumerate().take(4) {
        // Least selective first: the order of the text must not matter.
        let text: Vec<_> = members[skipped..]
            .iter()
            .rev()
            .map(|(member, _)| format!(r#""{member}":{{"format":"opaque","id":"x"}}"#))
            .collect();
        let text = format!(r#"{{"format":"complex",{}}}"#, text.join(","));
        let reached = reached(&authority, &text, OpaqueRole::Session);
        assert_eq!(reached.len(), 1);
        let mut keys = reached[0].split(" | ");
        assert_eq!(keys.next(), Some(format!("{first} {A} x").as_str()));
        assert_eq!(keys.count(), members.len() - skipped - 1);
    }
    let text = r#"{"format":"complex","user":{"format":"opaque","id":"x"},
        "session":{"format":"jwt_id","iss":"https://a.example","jti":"j"}}"#;
    assert_eq!(
        reached(&authority, text, OpaqueRole::Session),
        ["jwt_id https://a.example j | opaque https://a.example x"]
    );
}

#[test]
fn caeps_examples_of_complex_subjects_are_conjunctions() {
    const IDP: &str = "https://idp.example.com/123456789/";
    let authority = authority(&[IDP]);
    let figure_2 = r#"{"format":"complex",
        "session":{"format":"opaque","id":"dMTlD|1600802906337.16|16008.16"},
        "user":{"format":"iss_sub","iss":"https://idp.example.com/123456789/","sub":"99beb27c"},
        "tenant":{"format":"opaque","id":"123456789"}}"#;
    assert_eq!(
        reached(&authority, figure_2, OpaqueRole::Session),
        [format!(
            "session {IDP} dMTlD|1600802906337.16|16008.16 | iss_sub {IDP} 99beb27c | \
         tenant {IDP} 123456789"
        )]
    );
    let figure_3 = r#"{"format":"complex",
        "user":{"format":"iss_sub","iss":"https://idp.example.com/123456789/",
            "sub":"jane.smith@example.com"},
        "device":{"format":"iss_sub","iss":"https://idp.example.com/123456789/","sub":"e9297990"},
        "tenant":{"format":"opaque","id":"123456789"}}"#;
    assert_eq!(
        reached(&authority, figure_3, OpaqueRole::Session),
        [format!(
            "iss_sub {IDP} jane.smith@example.com | device {IDP} e9297990 | tenant {IDP} 123456789"
        )]
    );
}

#[test]
fn members_with_and_without_issuer_meet_in_each_issuers_tokens() {
    let text = r#"{"format":"complex","device":{"format":"opaque","id":"d"},
        "user":{"format":"iss_sub","iss":"https://a.example","sub":"al"}}"#;
    assert_eq!(
        reached(&authority(&[A, B]), text, OpaqueRole::Principal),
        [
            "iss_sub https://a.example al | device https://a.example d",
            "iss_sub https://a.example al | device https://b.example d",
        ]
    );
}

#[test]
fn aliases_are_alternatives_and_those_we_cannot_use_are_left_out() {
    let authority = authority(&[A]);
    let text = r#"{"format":"aliases","identifiers":[
        {"format":"saml_assertion_id","issuer":"https://a.example","assertion_id":"_1"},
        {"format":"email","email":"al@example.com"},{"format":"email","email":"AL@example.com"},
        {"format":"phone_number","phone_number":"unknown"},
        {"format":"iss_sub","iss":"https://a.example","sub":"al"}]}"#;
    assert_eq!(
        reached(&authority, text, OpaqueRole::Principal),
        ["iss_sub https://a.example al", "email https://a.example al@example.com",]
    );
    let none = r#"{"format":"aliases","identifiers":[{"format":"catalog_item"}]}"#;
    assert!(matches!(refusal(&authority, none), AuthorityError::Unmappable { .. }));
}

#[test]
fn whole_populations_need_the_operators_leave() {
    let careful = authority(&[A]);
    let trusting = Authority { danger_allow_tenant_wide: true, ..authority(&[A]) };
    for text in [
        r#"{"format":"complex","tenant":{"format":"opaque","id":"t"}}"#,
        r#"{"format":"complex","group":{"format":"opaque","id":"g"}}"#,
        r#"{"format":"complex","org_unit":{"format":"opaque","id":"o"}}"#,
        r#"{"format":"complex","tenant":{"format":"opaque","id":"t"},
            "group":{"format":"opaque","id":"g"}}"#,
        r#"{"format":"uri","uri":"spiffe://example.org/"}"#,
        r#"{"format":"complex","user":{"format":"uri","uri":"spiffe://example.org"}}"#,
        r#"{"format":"aliases","identifiers":[{"format":"uri","uri":"spiffe://example.org"}]}"#,
    ] {
        let error = refusal(&careful, text);
        assert!(matches!(error, AuthorityError::TooWide { .. }), "{text}: {error}");
        assert!(error.is_denial());
        assert_eq!(reached(&trusting, text, OpaqueRole::Principal).len(), 1, "{text}");
    }
    let narrowed = r#"{"format":"complex","tenant":{"format":"opaque","id":"t"},
        "application":{"format":"opaque","id":"a"}}"#;
    assert_eq!(
        reached(&careful, narrowed, OpaqueRole::Principal),
        ["application https://a.example a | tenant https://a.example t"]
    );
}

#[test]
fn what_no_token_can_be_compared_with_is_refused_as_malformed() {
    let authority = authority(&[A]);
    for (text, message) in [
        (
            r#"{"format":"saml_assertion_id","issuer":"https://a.example","assertion_id":"_1"}"#,
            "subject of format `saml_assertion_id` cannot be matched with tokens",
        ),
        (
            r#"{"format":"ip-addresses","ip-addresses":["10.0.0.1"]}"#,
            "subject of format `ip-addresses` cannot be matched with tokens",
        ),
        (
            r#"{"format":"complex","user":{"format":"jwt_id","iss":"https://a.example","jti":"j"}}"#,
            "`user` of format `jwt_id` cannot be matched with tokens",
        ),
        (
            r#"{"format":"complex","device":{"format":"jwt_id","iss":"https://a.example","jti":"j"}}"#,
            "`device` of format `jwt_id` cannot be matched with tokens",
        ),
        (
            r#"{"format":"complex","user":{"format":"opaque","id":"1"},
                "tenant":{"format":"catalog_item"}}"#,
            "`tenant` of format `catalog_item` cannot be matched with tokens",
        ),
        (
            r#"{"format":"complex","user":{"format":"aliases","identifiers":[
                {"format":"opaque","id":"1"}]}}"#,
            "`user` of format `aliases` cannot be matched with tokens",
        ),
        (
            r#"{"format":"complex","user":{"format":"opaque","id":"1"},
                "robot_arm":{"format":"opaque","id":"7"}}"#,
            "member `robot_arm` of the complex subject is not known",
        ),
        (
            r#"{"format":"phone_number","phone_number":"unknown"}"#,
            "subject of format `phone_number` is empty in canonical form",
        ),
    ] {
        let error = refusal(&authority, text);
        assert_eq!(error.to_string(), message);
        assert!(!error.is_denial(), "{text}");
    }
}

#[test]
fn one_subject_means_a_limited_number_of_targets() {
    let issuers = |count: usize| Authority {
        issuers: (0..count).map(|issuer| format!("https://{issuer}.example")).collect(),
        ..Authority::default()
    };
    let text = r#"{"format":"email","email":"al@example.com"}"#;
    let allowed = issuers(MAX_TARGETS);
    assert_eq!(reached(&allowed, text, OpaqueRole::Principal).len(), MAX_TARGETS);
    let count = MAX_TARGETS + 1;
    assert_eq!(refusal(&issuers(count), text), AuthorityError::TooManyTargets { count });
}
