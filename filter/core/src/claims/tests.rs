#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json::{self, Limits};

/// What `check` sees of the claims in `payload`.
fn with<T>(payload: &str, check: impl FnOnce(Result<Claims<'_>, ClaimsError>) -> T) -> T {
    let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
    check(Claims::parse(&value))
}

/// Why the claims of an otherwise good token with `member` added are refused.
fn refusal(member: &str) -> ClaimsError {
    with(&format!(r#"{{"iss":"https://idp.example",{member}}}"#), |claims| claims.unwrap_err())
}

#[test]
fn the_claims_of_a_usual_access_token_are_read() {
    let payload = r#"{"iss":"https://idp.example","sub":"alice","aud":["https://api.example"],
        "exp":2000,"nbf":1000,"iat":1001,"jti":"j1","client_id":"agent-7","azp":"agent-7",
        "scope":"read write","sid":"s1","email":"a@b.example","acr":"urn:mfa","auth_time":900,
        "act":{"iss":"https://agents.example","sub":"agent-7","act":{"sub":"planner"}},
        "txn":"t1","cnf":{"jkt":"thumb"},"groups":["a","b"],"tid":"tenant"}"#;
    with(payload, |claims| {
        let claims = claims.unwrap();
        assert_eq!(claims.iss, "https://idp.example");
        assert_eq!(claims.sub, Some("alice"));
        assert_eq!(claims.aud, ["https://api.example"]);
        assert_eq!(claims.exp, Some(UnixTime::from_secs(2000)));
        assert_eq!(claims.nbf, Some(UnixTime::from_secs(1000)));
        assert_eq!(claims.iat, Some(UnixTime::from_secs(1001)));
        assert_eq!(claims.auth_time, Some(UnixTime::from_secs(900)));
        assert_eq!(claims.jti, Some("j1"));
        assert_eq!((claims.client_id, claims.azp), (Some("agent-7"), Some("agent-7")));
        assert_eq!(claims.scope, ["read", "write"]);
        assert!(claims.has_scope("read") && !claims.has_scope("rea"));
        assert!(claims.has_audience("https://api.example"));
        assert_eq!((claims.sid, claims.txn), (Some("s1"), Some("t1")));
        assert_eq!((claims.email, claims.acr), (Some("a@b.example"), Some("urn:mfa")));
        let present = Actor { iss: Some("https://agents.example"), sub: "agent-7" };
        assert_eq!(claims.act, [present, Actor { iss: None, sub: "planner" }]);
        assert_eq!(claims.cnf, Some(Confirmation { jkt: Some("thumb"), x5t_s256: None }));
        assert!(!claims.events);
        assert_eq!(claims.texts("groups").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(claims.texts("tid").collect::<Vec<_>>(), ["tenant"]);
        assert_eq!(claims.texts("exp").count() + claims.texts("absent").count(), 0);
    });
}

#[test]
fn only_iss_is_always_needed() {
    with(r#"{"iss":"a"}"#, |claims| {
        let claims = claims.unwrap();
        assert_eq!((claims.sub, claims.exp, claims.iat), (None, None, None));
        assert!(claims.aud.is_empty() && claims.scope.is_empty() && claims.act.is_empty());
    });
    for payload in ["{}", r#"{"Iss":"a"}"#, r#"{"sub":"a"}"#] {
        let missing = ClaimsError::Missing { claim: "iss" };
        assert_eq!(with(payload, |claims| claims.unwrap_err()), missing);
    }
}

#[test]
fn a_payload_that_is_no_object_is_refused() {
    for (payload, kind) in [("[]", "an array"), ("null", "null"), ("\"iss\"", "a string")] {
        assert_eq!(with(payload, |claims| claims.unwrap_err()), ClaimsError::NotAnObject { kind });
    }
}

#[test]
fn a_text_claim_of_another_type_or_empty_is_refused() {
    for claim in ["sub", "jti", "client_id", "azp", "sid", "email", "acr", "txn"] {
        for (value, kind) in [
            ("1", "a number"),
            ("null", "null"),
            ("[\"x\"]", "an array"),
            ("{}", "an object"),
            ("true", "a truth value"),
        ] {
            assert_eq!(
                refusal(&format!(r#""{claim}":{value}"#)),
                ClaimsError::WrongType { claim, expected: "a string", kind }
            );
        }
        assert_eq!(refusal(&format!(r#""{claim}":"""#)), ClaimsError::Empty { claim });
    }
}

#[test]
fn an_iss_of_another_type_or_empty_is_refused() {
    assert_eq!(
        with(r#"{"iss":""}"#, |claims| claims.unwrap_err()),
        ClaimsError::Empty { claim: "iss" }
    );
    with(r#"{"iss":["https://idp.example"]}"#, |claims| {
        assert!(matches!(claims, Err(ClaimsError::WrongType { claim: "iss", .. })));
    });
}

#[test]
fn an_iss_is_compared_byte_for_byte() {
    let ours = "https://idp.example";
    for theirs in [
        "https://idp.example/",
        "https://IDP.example",
        "https://idp.ex\u{430}mple", // a Cyrillic a
        "https://idp.example\u{200b}",
        " https://idp.example",
        "http://idp.example",
        "https://idp.example\u{0}",
    ] {
        let payload = serde_json::json!({ "iss": theirs }).to_string();
        let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
        assert_eq!(peek_issuer(&value), Some(theirs));
        assert_ne!(peek_issuer(&value), Some(ours));
    }
}

#[test]
fn an_issuer_is_peeked_at_only_where_it_is_a_text() {
    for (payload, issuer) in [
        (r#"{"iss":"a"}"#, Some("a")),
        (r#"{"\u0069ss":"\u0061"}"#, Some("a")),
        (r#"{"iss":1}"#, None),
        (r#"{"act":{"iss":"a"}}"#, None),
        (r#"["iss"]"#, None),
    ] {
        let value = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
        assert_eq!(peek_issuer(&value), issuer);
    }
}

#[test]
fn a_time_that_is_no_number_is_refused() {
    for claim in ["exp", "nbf", "iat", "auth_time"] {
        for (value, kind) in [
            (r#""1""#, "a string"),
            ("null", "null"),
            ("[1]", "an array"),
            ("true", "a truth value"),
            ("{}", "an object"),
        ] {
            assert_eq!(
                refusal(&format!(r#""{claim}":{value}"#)),
                ClaimsError::WrongType { claim, expected: "a number", kind }
            );
        }
    }
}

#[test]
fn a_time_below_zero_or_past_2_to_the_53_is_refused() {
    for claim in ["exp", "nbf", "iat", "auth_time"] {
        for value in [
            "-1",
            "-9223372036854775808",
            "-1e300",
            "-1.5",
            "-0.5",
            "-1e-300",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
            "9007199254740994.0",
        ] {
            assert_eq!(
                refusal(&format!(r#""{claim}":{value}"#)),
                ClaimsError::OutOfRange { claim },
                "{value}"
            );
        }
    }
    // No f64 holds it: not JSON that means the same to everybody.
    assert!(json::parse(br#"{"exp":1e400}"#, &Limits::TOKEN).is_err());
}

#[test]
fn times_are_rounded_so_that_a_token_lives_shorter() {
    let payload = r#"{"iss":"a","exp":1000.9,"nbf":1000.1,"iat":1000.9,"auth_time":1e3}"#;
    with(payload, |claims| {
        let claims = claims.unwrap();
        assert_eq!(claims.exp, Some(UnixTime::from_secs(1000)));
        assert_eq!(claims.nbf, Some(UnixTime::from_secs(1001)));
        assert_eq!(claims.iat, Some(UnixTime::from_secs(1000)));
        assert_eq!(claims.auth_time, Some(UnixTime::from_secs(1000)));
    });
    with(r#"{"iss":"a","exp":9007199254740992,"nbf":0,"iat":-0.0}"#, |claims| {
        let claims = claims.unwrap();
        assert_eq!(claims.exp, Some(UnixTime::from_secs(MAX_NUMERIC_DATE)));
        assert_eq!(claims.nbf, Some(UnixTime::EPOCH));
        assert_eq!(claims.iat, Some(UnixTime::EPOCH));
    });
}

#[test]
fn a_claim_in_another_case_is_another_claim() {
    with(r#"{"iss":"a","Exp":1,"EXP":2,"Sub":"b"}"#, |claims| {
        let claims = claims.unwrap();
        assert_eq!((claims.exp, claims.sub), (None, None));
    });
}

#[test]
fn an_audience_is_one_text_or_several() {
    with(r#"{"iss":"a","aud":"one"}"#, |claims| assert_eq!(claims.unwrap().aud, ["one"]));
    with(r#"{"iss":"a","aud":["one","two"]}"#, |claims| {
        assert_eq!(claims.unwrap().aud, ["one", "two"]);
    });
    for (value, refused) in [
        (r#""""#, ClaimsError::Empty { claim: "aud" }),
        ("[]", ClaimsError::Empty { claim: "aud" }),
        (r#"["one",""]"#, ClaimsError::Empty { claim: "aud" }),
    ] {
        assert_eq!(refusal(&format!(r#""aud":{value}"#)), refused);
    }
    for (value, kind) in [
        (r#"[["one"]]"#, "an array"),
        (r#"["one",1]"#, "a number"),
        ("1", "a number"),
        ("null", "null"),
        (r#"{"one":1}"#, "an object"),
    ] {
        let refused = ClaimsError::WrongType { claim: "aud", expected: "a string", kind };
        assert_eq!(refusal(&format!(r#""aud":{value}"#)), refused);
    }
}

#[test]
fn a_scope_is_names_between_spaces() {
    for (scope, names) in [
        ("", &[][..]),
        ("read", &["read"]),
        ("read write", &["read", "write"]),
        (" read  write ", &["read", "write"]),
        ("read\twrite", &["read\twrite"]),
    ] {
        let payload = serde_json::json!({ "iss": "a", "scope": scope }).to_string();
        with(&payload, |claims| assert_eq!(claims.unwrap().scope, names));
    }
    assert!(matches!(
        refusal(r#""scope":["read"]"#),
        ClaimsError::WrongType { claim: "scope", kind: "an array", .. }
    ));
}

#[test]
fn subjects_keep_their_spelling() {
    // The composed and the decomposed é, and a text with direction marks: three subjects, never one.
    for sub in ["\u{e9}", "e\u{301}", "\u{202e}nimda", "\u{0}"] {
        let payload = serde_json::json!({ "iss": "a", "sub": sub }).to_string();
        with(&payload, |claims| assert_eq!(claims.unwrap().sub, Some(sub)));
    }
}

fn chain(actors: usize) -> String {
    format!(r#"{}"x":1{}"#, r#""act":{"sub":"a","#.repeat(actors), "}".repeat(actors))
}

#[test]
fn a_chain_of_actors_is_refused_past_its_limit() {
    with(&format!(r#"{{"iss":"a",{}}}"#, chain(MAX_ACTORS)), |claims| {
        assert_eq!(claims.unwrap().act.len(), MAX_ACTORS);
    });
    assert_eq!(refusal(&chain(MAX_ACTORS + 1)), ClaimsError::TooManyActors);
    let hostile = format!(r#"{{"iss":"a",{}}}"#, chain(1000));
    let refused = json::parse(hostile.as_bytes(), &Limits::TOKEN).unwrap_err();
    assert_eq!(refused, json::JsonError::TooDeep { limit: 16 });
}

#[test]
fn an_actor_without_a_name_is_refused() {
    for act in [r#"{}"#, r#"{"iss":"b"}"#, r#"{"sub":"x","act":{"client_id":"c"}}"#] {
        let refused = ClaimsError::Missing { claim: "act.sub" };
        assert_eq!(refusal(&format!(r#""act":{act}"#)), refused, "{act}");
    }
    assert_eq!(refusal(r#""act":{"sub":""}"#), ClaimsError::Empty { claim: "act.sub" });
    for act in ["null", "[]", "\"agent\"", r#"{"sub":"x","act":null}"#] {
        let refused = refusal(&format!(r#""act":{act}"#));
        assert!(matches!(refused, ClaimsError::WrongType { claim: "act", .. }), "{act}");
    }
}

#[test]
fn a_long_jti_is_refused() {
    let payload = |length: usize| format!(r#""jti":"{}""#, "j".repeat(length));
    with(&format!(r#"{{"iss":"a",{}}}"#, payload(256)), |claims| assert!(claims.is_ok()));
    assert_eq!(refusal(&payload(257)), ClaimsError::JtiTooLong { length: 257 });
}

#[test]
fn a_confirmation_that_we_cannot_check_is_visible() {
    for (cnf, x5t_s256) in [(r#"{"x5t#S256":"x"}"#, Some("x")), (r#"{"kid":"x"}"#, None)] {
        with(&format!(r#"{{"iss":"a","cnf":{cnf}}}"#), |claims| {
            assert_eq!(claims.unwrap().cnf, Some(Confirmation { jkt: None, x5t_s256 }));
        });
    }
    assert!(matches!(refusal(r#""cnf":null"#), ClaimsError::WrongType { claim: "cnf", .. }));
    assert!(matches!(
        refusal(r#""cnf":{"jkt":1}"#),
        ClaimsError::WrongType { claim: "cnf.jkt", .. }
    ));
}

#[test]
fn an_events_claim_is_seen_whatever_its_value() {
    for events in ["{}", "null", "[]", "\"\"", r#"{"https://example/":{}}"#] {
        with(&format!(r#"{{"iss":"a","events":{events}}}"#), |claims| {
            assert!(claims.unwrap().events, "{events}");
        });
    }
}

#[test]
fn claims_in_a_log_name_no_person() {
    with(r#"{"iss":"a","sub":"alice","email":"alice@b.example","jti":"j"}"#, |claims| {
        let shown = format!("{:?}", claims.unwrap());
        assert!(!shown.contains("alice") && shown.contains("\"j\""), "{shown}");
    });
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Any JSON value, not too large.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::hash_map("sub|act|iss|jkt|x", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_of_any_claim_is_taken_or_refused_without_panic(
            claim in "iss|sub|aud|exp|nbf|iat|jti|scope|act|cnf|events|auth_time",
            value in value(),
        ) {
            let mut payload = serde_json::json!({ "iss": "a" });
            payload[claim.as_str()] = value;
            let text = payload.to_string();
            let value = json::parse(text.as_bytes(), &Limits::TOKEN).unwrap();
            if let Ok(claims) = Claims::parse(&value) {
                prop_assert!(!claims.iss.is_empty());
                prop_assert!(claims.exp.is_none_or(|exp| exp.secs() <= MAX_NUMERIC_DATE));
                prop_assert!(claims.aud.iter().all(|audience| !audience.is_empty()));
            }
        }
    }
}
