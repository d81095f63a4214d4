#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const LIMIT: usize = DEFAULT_MAX_TOKEN_BYTES;

/// A token with this header and payload, and some signature.
fn token(header: &str, payload: &str) -> String {
    let [header, payload] = [header, payload].map(|part| base64url::encode(part.as_bytes()));
    format!("{header}.{payload}.c2lnbmF0dXJl")
}

fn parse(token: &str) -> Result<Jws<'_>, JwsError> {
    Jws::parse(token.as_bytes(), LIMIT)
}

/// What becomes of a token with this header.
fn with_header(header: &str) -> Result<Algorithm, JwsError> {
    parse(&token(header, "{}")).map(|jws| jws.algorithm())
}

fn unknown(name: &str) -> Result<Algorithm, JwsError> {
    Err(JwsError::UnknownAlgorithm { name: name.to_owned() })
}

#[test]
fn a_token_is_taken_apart() {
    let header = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","jku":"https://evil.example/"}"#;
    let text = token(header, r#"{"iss":"a"}"#);
    let jws = parse(&text).unwrap();
    assert_eq!(jws.algorithm(), Algorithm::Es256);
    assert_eq!(jws.kid(), Some("k1"));
    assert_eq!(jws.typ(), Some("at+jwt"));
    assert_eq!(jws.payload(), br#"{"iss":"a"}"#);
    assert_eq!(jws.signature(), b"signature");
    assert_eq!(jws.signing_input(), text.rsplit_once('.').unwrap().0.as_bytes());
}

#[test]
fn kid_and_typ_may_be_absent() {
    let text = token(r#"{"alg":"RS256"}"#, "{}");
    let jws = parse(&text).unwrap();
    assert_eq!((jws.kid(), jws.typ()), (None, None));
}

#[test]
fn every_algorithm_is_known_by_its_exact_name_only() {
    for algorithm in Algorithm::ALL {
        assert_eq!(with_header(&format!(r#"{{"alg":"{algorithm}"}}"#)), Ok(algorithm));
        let lower = algorithm.name().to_lowercase();
        assert_eq!(with_header(&format!(r#"{{"alg":"{lower}"}}"#)), unknown(&lower));
    }
    assert_eq!(with_header(r#"{"alg":"Ed25519"}"#), Ok(Algorithm::EdDsa));
    assert_eq!(with_header(r#"{"\u0061lg":"\u0045S256"}"#), Ok(Algorithm::Es256));
}

#[test]
fn alg_none_in_every_spelling_is_refused() {
    for name in ["none", "None", "NONE", "nOnE", "", " none", "none ", "none\u{0}", "ｎｏｎｅ"]
    {
        let header = serde_json::json!({ "alg": name }).to_string();
        assert_eq!(with_header(&header), unknown(&excerpt(name)), "{name:?}");
    }
}

#[test]
fn alg_missing_or_of_another_type_is_refused() {
    assert_eq!(with_header("{}"), Err(JwsError::NoAlgorithm));
    assert_eq!(with_header(r#"{"Alg":"RS256"}"#), Err(JwsError::NoAlgorithm));
    for (value, kind) in [
        (r#"["RS256"]"#, "an array"),
        ("null", "null"),
        ("256", "a number"),
        ("true", "a truth value"),
        (r#"{"alg":"RS256"}"#, "an object"),
    ] {
        let refused = Err(JwsError::MemberKind { member: "alg", kind });
        assert_eq!(with_header(&format!(r#"{{"alg":{value}}}"#)), refused);
    }
}

#[test]
fn hmac_and_encryption_algorithms_are_refused() {
    for name in ["HS256", "HS384", "HS512", "ES256K", "ES512", "RSA-OAEP", "dir", "Ed448", "ES256 "]
    {
        assert_eq!(with_header(&format!(r#"{{"alg":"{name}"}}"#)), unknown(name));
    }
}

#[test]
fn a_long_algorithm_name_is_shortened_in_the_message() {
    let JwsError::UnknownAlgorithm { name } =
        with_header(&format!(r#"{{"alg":"{}"}}"#, "x".repeat(1000))).unwrap_err()
    else {
        panic!("an unknown algorithm");
    };
    assert_eq!(name, format!("{}…", "x".repeat(40)));
}

#[test]
fn members_that_carry_or_locate_keys_are_not_read() {
    for value in [r#""https://evil.example/jwks""#, "null", "17", r#"{"kty":"oct"}"#, r#"["MII="]"#]
    {
        for member in ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"] {
            let header = format!(r#"{{"alg":"ES256","{member}":{value}}}"#);
            assert_eq!(with_header(&header), Ok(Algorithm::Es256), "{header}");
        }
    }
}

#[test]
fn crit_with_an_extension_is_refused() {
    for (header, name) in [
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, "exp"),
        (r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, "b64"),
        (r#"{"alg":"ES256","crit":["b64"],"b64":true}"#, "b64"),
        (r#"{"alg":"ES256","crit":["a","b"],"a":1,"b":2}"#, "a"),
    ] {
        let refused = Err(JwsError::CriticalExtension { name: name.to_owned() });
        assert_eq!(with_header(header), refused, "{header}");
    }
}

#[test]
fn crit_that_breaks_its_rules_is_refused() {
    for crit in [
        "[]",
        "null",
        "{}",
        "\"b64\"",
        "true",
        "[1]",
        "[null]",
        "[\"exp\",1]", // no list of names
        "[\"absent\"]",
        "[\"\"]",
        "[\"exp\",\"exp\"]",
        "[\"exp\",\"absent\"]",
        "[\"alg\"]",
        "[\"crit\"]",
        "[\"exp\",\"kid\"]", // what the standard defines
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"k","exp":1,"crit":{crit}}}"#);
        assert_eq!(with_header(&header), Err(JwsError::MalformedCritical), "{header}");
    }
}

#[test]
fn the_negative_example_of_rfc_7515_appendix_e_is_refused() {
    let text = concat!(
        "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQog",
        "Imh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA."
    );
    assert_eq!(
        parse(&format!("{text}AAAA")).unwrap_err(),
        JwsError::CriticalExtension { name: "http://example.com/UNDEFINED".to_owned() }
    );
}

#[test]
fn members_that_change_the_meaning_of_the_parts_are_refused() {
    for (header, member) in [
        (r#"{"alg":"ES256","b64":false}"#, "b64"),
        (r#"{"alg":"ES256","b64":true}"#, "b64"),
        (r#"{"alg":"ES256","enc":"A256GCM"}"#, "enc"),
    ] {
        assert_eq!(with_header(header), Err(JwsError::ForeignMember { member }));
    }
}

#[test]
fn a_header_member_that_occurs_twice_is_refused() {
    for header in [
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","jwk":{"kty":"EC","kty":"oct"}}"#,
    ] {
        let refused = with_header(header).unwrap_err();
        let duplicate = JwsError::HeaderJson(JsonError::DuplicateMember { name: String::new() });
        assert_eq!(std::mem::discriminant(&refused), std::mem::discriminant(&duplicate));
    }
}

#[test]
fn kid_is_a_string_with_a_limit_and_otherwise_only_a_name() {
    let header = |kid: &str| serde_json::json!({ "alg": "ES256", "kid": kid }).to_string();
    for kid in ["", "../../etc/passwd", "' OR 1=1 --", "a\0b", "\u{202e}", "k".repeat(256).as_str()]
    {
        let text = token(&header(kid), "{}");
        assert_eq!(parse(&text).unwrap().kid(), Some(kid));
    }
    assert_eq!(with_header(&header(&"k".repeat(257))), Err(JwsError::KidTooLong { length: 257 }));
    let refused = Err(JwsError::MemberKind { member: "kid", kind: "a number" });
    assert_eq!(with_header(r#"{"alg":"ES256","kid":1}"#), refused);
    let megabyte = token(&header(&"k".repeat(1 << 20)), "{}");
    assert!(matches!(parse(&megabyte), Err(JwsError::TooLong { .. })));
}

#[test]
fn typ_must_be_a_string() {
    for (value, kind) in [("null", "null"), ("[\"at+jwt\"]", "an array")] {
        let refused = Err(JwsError::MemberKind { member: "typ", kind });
        assert_eq!(with_header(&format!(r#"{{"alg":"ES256","typ":{value}}}"#)), refused);
    }
}

#[test]
fn a_header_that_is_no_object_is_refused() {
    for (header, kind) in [("[]", "an array"), ("\"alg\"", "a string"), ("null", "null")] {
        assert_eq!(with_header(header), Err(JwsError::HeaderKind { kind }));
    }
    for header in ["alg", "{", "{\"alg\":\"ES256\"} ", "\u{feff}{\"alg\":\"ES256\"}"] {
        let expected_ok = header.ends_with(' ');
        assert_eq!(with_header(header).is_ok(), expected_ok, "{header:?}");
    }
}

#[test]
fn a_header_past_its_limit_is_refused() {
    let header = |length: usize| {
        let empty = r#"{"alg":"ES256","x":""}"#.len();
        format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(length - empty))
    };
    assert_eq!(with_header(&header(2048)), Ok(Algorithm::Es256));
    assert_eq!(with_header(&header(2049)), Err(JwsError::HeaderTooLong { length: 2049 }));
}

#[test]
fn a_token_past_its_limit_is_refused() {
    let text = token(r#"{"alg":"ES256"}"#, "{}");
    assert!(Jws::parse(text.as_bytes(), text.len()).is_ok());
    assert_eq!(
        Jws::parse(text.as_bytes(), text.len() - 1).unwrap_err(),
        JwsError::TooLong { length: text.len(), limit: text.len() - 1 }
    );
    let long = token(r#"{"alg":"ES256"}"#, &"x".repeat(64 * 1024));
    assert_eq!(parse(&long).unwrap_err(), JwsError::TooLong { length: long.len(), limit: 8192 });
}

#[test]
fn anything_but_three_parts_is_refused() {
    for (text, parts) in [
        ("", 1),
        ("eyJhbGciOiJFUzI1NiJ9", 1),
        ("eyJhbGciOiJFUzI1NiJ9.e30", 2),
        ("eyJhbGciOiJFUzI1NiJ9.e30.AAAA.AAAA", 4),
        ("eyJhbGciOiJFUzI1NiJ9.e30.AAAA.", 4),
        ("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA", 5), // JWE
        (r#"{"payload":"e30","signatures":[{"protected":"eyJ9","signature":"AA"}]}"#, 1),
        (r#"{"payload":"e30","protected":"eyJhbGciOiJFUzI1NiJ9","signature":"AA"}"#, 1),
    ] {
        assert_eq!(parse(text).unwrap_err(), JwsError::Parts { parts }, "{text}");
    }
    assert_eq!(parse(&".".repeat(8000)).unwrap_err(), JwsError::Parts { parts: 8001 });
}

#[test]
fn an_empty_part_is_refused() {
    for (text, part) in [
        ("eyJhbGciOiJFUzI1NiJ9.e30.", Part::Signature),
        ("eyJhbGciOiJFUzI1NiJ9..AAAA", Part::Payload),
        (".e30.AAAA", Part::Header),
        ("..", Part::Header),
    ] {
        assert_eq!(parse(text).unwrap_err(), JwsError::EmptyPart { part }, "{text}");
    }
    // The unsecured example of RFC 7515 appendix A.5 fails by its algorithm already.
    assert_eq!(
        parse("eyJhbGciOiJub25lIn0.e30.").unwrap_err(),
        JwsError::UnknownAlgorithm { name: "none".to_owned() }
    );
}

#[test]
fn any_part_that_is_not_canonical_base64url_is_refused() {
    let good = ["eyJhbGciOiJFUzI1NiJ9", "e30", "AAAA"];
    assert!(parse(&good.join(".")).is_ok());
    for (index, part) in [Part::Header, Part::Payload, Part::Signature].into_iter().enumerate() {
        for bad in [
            "AA==", "A+A/", "AA AA", " AAAA", "AAAA\n", "\tAAAA", "AAB", "A", "\"e30\"", "e3\u{e9}",
        ] {
            let mut parts = good;
            parts[index] = bad;
            let refused = JwsError::Encoding { part, source: Base64UrlError };
            assert_eq!(parse(&parts.join(".")).unwrap_err(), refused, "{part}: {bad:?}");
        }
    }
}

#[test]
fn typ_is_compared_as_a_media_type() {
    for (typ, matches) in [
        ("at+jwt", true),
        ("AT+JWT", true),
        ("application/at+jwt", true),
        ("Application/At+Jwt", true),
        ("JWT", false),
        ("", false),
        ("application/", false),
        ("application/application/at+jwt", false),
        ("application/at+jwt/x", false),
        ("text/at+jwt", false),
        ("at+jwt ", false),
        (" at+jwt", false),
        ("at+jwt;q=1", false),
        ("at\u{2215}jwt", false),
        ("applicatioñ/at+jwt", false),
    ] {
        assert_eq!(typ_matches(typ, "at+jwt"), matches, "{typ:?}");
    }
}

#[test]
fn each_kind_of_token_matches_its_own_typ_only() {
    let kinds = [
        "at+jwt",
        "txntoken+jwt",
        "dpop+jwt",
        "wit+jwt",
        "wpt+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "oauth-id-jag+jwt",
        "JWT",
        "JOSE",
        "logout+jwt",
    ];
    for typ in kinds {
        for slot in kinds {
            assert_eq!(typ_matches(typ, slot), typ == slot, "{typ} in a slot for {slot}");
        }
    }
}

#[test]
fn a_token_in_a_log_shows_neither_payload_nor_signature() {
    let text = token(r#"{"alg":"ES256","kid":"k1"}"#, r#"{"sub":"alice"}"#);
    let shown = format!("{:?}", parse(&text).unwrap());
    assert_eq!(shown, r#"Jws { algorithm: Es256, kid: Some("k1"), typ: None, .. }"#);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Jws::parse(&text, LIMIT);
        }

        #[test]
        fn what_is_accepted_is_the_one_spelling_of_its_bytes(
            header in r#"\{"alg":"(ES256|RS256|EdDSA)"(,"[a-z]{1,3}":[0-9]{1,3}){0,1}\}"#,
            payload in proptest::collection::vec(any::<u8>(), 1..100),
            signature in proptest::collection::vec(any::<u8>(), 1..100),
            flip in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            let [h, p, s] = [header.as_bytes(), &payload, &signature].map(base64url::encode);
            let mut text = format!("{h}.{p}.{s}").into_bytes();
            prop_assume!(Jws::parse(&text, LIMIT).is_ok());
            let original = Jws::parse(&text, LIMIT).unwrap().signature().to_vec();
            let at = flip.index(text.len());
            prop_assume!(text[at] != to);
            text[at] = to;
            if let Ok(changed) = Jws::parse(&text, LIMIT) {
                let same_bytes = changed.payload() == payload && changed.signature() == original
                    && at >= h.len();
                prop_assert!(!same_bytes, "two spellings of one token");
            }
        }
    }
}
