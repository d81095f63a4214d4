#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base64url;
use crate::jwk::PublicKey;

const ISSUER: &str = "https://transmitter.example.com";
const AUDIENCE: &str = "https://receiver.example.com";
const HEADER: &str = r#"{"typ":"secevent+jwt","alg":"ES256","kid":"k1"}"#;
const NOW: u64 = 1_615_305_160;
const SUBJECT: &str = r#""sub_id":{"format":"email","email":"user@example.com"}"#;
const EVENTS: &str = r#""events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{"event_timestamp":1615304991}}"#;

/// A signed token with this header and payload; the signature is any 64 bytes.
fn token(header: &str, payload: &str) -> Vec<u8> {
    let [header, payload, signature] =
        [header.as_bytes(), payload.as_bytes(), &[1; 64]].map(base64url::encode);
    format!("{header}.{payload}.{signature}").into_bytes()
}

/// A payload with all that a SET must have, with these members instead of subject and event.
fn payload(members: &str) -> String {
    format!(
        r#"{{"iss":"{ISSUER}","jti":"24c63fb56e5a","iat":1615305159,"aud":"{AUDIENCE}",{members}}}"#
    )
}

fn with_expectations<T>(check: impl FnOnce(&SetExpectations<'_>) -> T) -> T {
    check(&SetExpectations {
        issuer: ISSUER,
        audiences: &["https://other.example.com".to_owned(), AUDIENCE.to_owned()],
        algorithms: &[Algorithm::Es256, Algorithm::Rs256],
        now: UnixTime::from_secs(NOW),
        skew: DEFAULT_SKEW,
        profile: Profile::Strict,
    })
}

fn read(header: &str, payload: &str) -> Result<SecurityEventToken, SetError> {
    let token = token(header, payload);
    with_expectations(|expect| {
        let jws = Jws::parse(&token, MAX_SET_BYTES).map_err(SetError::Jws)?;
        SecurityEventToken::parse(&jws, expect)
    })
}

/// The SET with these members for subject and event.
pub(crate) fn accept(members: &str) -> SecurityEventToken {
    read(HEADER, &payload(members)).unwrap_or_else(|error| panic!("{members}: {error}"))
}

/// Why the SET with these members is refused.
pub(crate) fn error(members: &str) -> SetError {
    match read(HEADER, &payload(members)) {
        Ok(set) => panic!("{members}: {set:?}"),
        Err(error) => error,
    }
}

/// Says of every signature the same.
struct Always(bool);

impl SignatureVerifier for Always {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        self.0
    }
}

fn keys() -> KeySet {
    // RFC 7517 §A.1.
    KeySet::parse(
        br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","use":"sig",
            "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#,
    )
    .unwrap()
}

/// The way of the companion: all three steps.
fn receive(token: &[u8], good: bool) -> Result<SecurityEventToken, SetError> {
    with_expectations(|expect| {
        UnverifiedSet::parse(token, expect)?.verify(&keys(), &Always(good))?.accept(expect)
    })
}

#[test]
fn a_set_says_who_what_and_when() {
    let token = token(HEADER, &payload(&format!(r#"{SUBJECT},{EVENTS},"txn":"8675309""#)));
    let set = receive(&token, true).unwrap();
    assert_eq!((set.iss.as_str(), set.jti.as_str()), (ISSUER, "24c63fb56e5a"));
    assert_eq!(set.iat, UnixTime::from_secs(1_615_305_159));
    assert_eq!(set.at(), UnixTime::from_secs(1_615_304_991));
    assert_eq!(set.txn.as_deref(), Some("8675309"));
    assert_eq!(set.event_name(), "session-revoked");
    assert_eq!(set.signal(), signal_id(ISSUER, "24c63fb56e5a"));
    assert!(!format!("{set:?}").contains("user@example.com"));
}

/// RFC 8417 §2.2, RFC 8935 §2.4 and SSF 1.0 §4.1, row by row.
#[test]
fn every_rule_of_the_profile_has_its_code() {
    let event = r#"{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}"#;
    let base = [
        ("iss", format!(r#""{ISSUER}""#)),
        ("jti", r#""j1""#.to_owned()),
        ("iat", "1615305159".to_owned()),
        ("aud", format!(r#""{AUDIENCE}""#)),
        ("sub_id", r#"{"format":"opaque","id":"x"}"#.to_owned()),
        ("events", event.to_owned()),
    ];
    let changed = |name: &str, value: Option<&str>| {
        let mut members: Vec<_> = base
            .iter()
            .filter(|(member, _)| *member != name)
            .map(|(member, value)| format!(r#""{member}":{value}"#))
            .collect();
        members.extend(value.map(|value| format!(r#""{name}":{value}"#)));
        format!("{{{}}}", members.join(","))
    };
    let jti_257 = format!(r#""{}""#, "j".repeat(257));
    let two = r#"{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{},
        "https://schemas.openid.net/secevent/risc/event-type/account-purged":{}}"#;
    let ms = r#"{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":
        {"event_timestamp":1615304991643}}"#;
    let future = r#"{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":
        {"event_timestamp":1615305461}}"#;
    for (name, value, code) in [
        // Required claims.
        ("iss", None, "invalid_request"),
        ("iss", Some("7"), "invalid_request"),
        ("jti", None, "invalid_request"),
        ("jti", Some(r#""""#), "invalid_request"),
        ("jti", Some("7"), "invalid_request"),
        ("jti", Some(jti_257.as_str()), "invalid_request"),
        ("iat", None, "invalid_request"),
        ("iat", Some(r#""1615305159""#), "invalid_request"),
        ("iat", Some("-1"), "invalid_request"),
        ("events", None, "invalid_request"),
        ("events", Some("{}"), "invalid_request"),
        ("events", Some("[]"), "invalid_request"),
        ("events", Some(r#"{"":{}}"#), "invalid_request"),
        ("events", Some(r#"{"https://vendor.example/event":7}"#), "invalid_request"),
        ("events", Some(two), "invalid_request"),
        ("sub_id", None, "invalid_request"),
        ("sub_id", Some("{}"), "invalid_request"),
        ("sub_id", Some("null"), "invalid_request"),
        // What makes it another kind of token.
        ("sub", Some(r#""alice""#), "invalid_request"),
        ("sub", Some("null"), "invalid_request"),
        ("exp", Some("1615308759"), "invalid_request"),
        // Who and for whom.
        ("iss", Some(r#""https://transmitter.example.com/""#), "invalid_issuer"),
        ("iss", Some(r#""https://evil.example""#), "invalid_issuer"),
        ("aud", None, "invalid_audience"),
        ("aud", Some("null"), "invalid_audience"),
        ("aud", Some("[]"), "invalid_audience"),
        ("aud", Some(r#""https://receiver.example.com/""#), "invalid_audience"),
        ("aud", Some(r#"["https://elsewhere.example"]"#), "invalid_audience"),
        // Times.
        ("iat", Some("15203800012"), "invalid_request"),
        ("iat", Some("1615305461"), "invalid_request"),
        ("iat", Some("1615305159643"), "invalid_request"),
        ("events", Some(ms), "invalid_request"),
        ("events", Some(future), "invalid_request"),
    ] {
        let error = read(HEADER, &changed(name, value)).unwrap_err();
        assert_eq!(error.code(), code, "{name} {value:?}: {error}");
    }
    for (name, value) in [
        ("aud", Some(r#"["https://receiver.example.com","https://elsewhere.example"]"#)),
        ("aud", Some(r#""https://other.example.com""#)),
        ("jti", Some(jti_257.replacen('j', "", 1).as_str())),
        // At the edge of the skew.
        ("iat", Some("1615305460")),
        ("iat", Some("0")),
        ("unknown", Some("[1,2]")),
        ("events", Some(r#"{"https://vendor.example/event":{"event_timestamp":"yesterday"}}"#)),
    ] {
        let accepted = read(HEADER, &changed(name, value));
        assert!(accepted.is_ok(), "{name} {value:?}: {accepted:?}");
    }
}

#[test]
fn the_header_must_be_a_sets() {
    let payload = payload(&format!("{SUBJECT},{EVENTS}"));
    for (header, code) in [
        (r#"{"alg":"ES256","kid":"k1"}"#, "invalid_request"),
        (r#"{"typ":"JWT","alg":"ES256"}"#, "invalid_request"),
        (r#"{"typ":"at+jwt","alg":"ES256"}"#, "invalid_request"),
        (r#"{"typ":"secevent+jwt","alg":"ES256","crit":["x"],"x":1}"#, "invalid_request"),
        (r#"{"typ":"secevent+jwt","kid":"k1"}"#, "invalid_request"),
        (r#"{"typ":"secevent+jwt","alg":"none"}"#, "invalid_key"),
        (r#"{"typ":"secevent+jwt","alg":"HS256"}"#, "invalid_key"),
        (r#"{"typ":"secevent+jwt","alg":"PS256"}"#, "invalid_key"),
    ] {
        let error = read(header, &payload).unwrap_err();
        assert_eq!(error.code(), code, "{header}: {error}");
    }
    for typ in ["secevent+jwt", "application/secevent+jwt", "SecEvent+JWT"] {
        let header = format!(r#"{{"typ":"{typ}","alg":"ES256","kid":"k1"}}"#);
        assert!(read(&header, &payload).is_ok(), "{typ}");
    }
}

#[test]
fn what_is_no_token_is_no_request() {
    let huge = vec![b'a'; MAX_SET_BYTES + 1];
    for body in [&b""[..], b"a.b", b"{}", &huge, &token(HEADER, "[]"), &token(HEADER, "not json")] {
        assert_eq!(receive(body, true).unwrap_err().code(), "invalid_request");
    }
}

#[test]
fn the_issuer_is_judged_before_the_key_and_the_audience_after_the_signature() {
    let unknown_kid = r#"{"typ":"secevent+jwt","alg":"ES256","kid":"k9"}"#;
    let good = payload(&format!("{SUBJECT},{EVENTS}"));
    let foreign = good.replace(ISSUER, "https://evil.example");
    let elsewhere = good.replace(AUDIENCE, "https://elsewhere.example");
    for (header, payload, signature_good, code) in [
        (HEADER, &good, false, "invalid_key"),
        (unknown_kid, &good, true, "invalid_key"),
        (r#"{"typ":"secevent+jwt","alg":"RS256"}"#, &good, true, "invalid_key"),
        (unknown_kid, &foreign, false, "invalid_issuer"),
        (HEADER, &foreign, true, "invalid_issuer"),
        (HEADER, &elsewhere, false, "invalid_key"),
        (HEADER, &elsewhere, true, "invalid_audience"),
    ] {
        let error = receive(&token(header, payload), signature_good).unwrap_err();
        assert_eq!(error.code(), code, "{header} {payload}: {error}");
    }
    // Only an unknown key is a reason to fetch the keys anew.
    let unknown = receive(&token(unknown_kid, &good), true).unwrap_err();
    let kid = Some("k9".to_owned());
    assert_eq!(unknown, SetError::UnknownKey { algorithm: Algorithm::Es256, kid });
    let no_kid = r#"{"typ":"secevent+jwt","alg":"ES256"}"#;
    assert!(receive(&token(no_kid, &good), true).is_ok());
}

#[test]
fn milliseconds_are_called_by_their_name() {
    let event = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    let members =
        format!(r#"{SUBJECT},"events":{{"{event}":{{"event_timestamp":1615304991643}}}}"#);
    assert_eq!(
        error(&members).to_string(),
        "`event_timestamp` 1615304991643 looks like milliseconds; it must be in seconds"
    );
    let future = members.replace("1615304991643", "1615305461");
    assert_eq!(
        error(&future).to_string(),
        "`event_timestamp` 1615305461 is in the future, now 1615305160, skew 300s"
    );
    // An event may be later than the SET that tells of it: SSF's own examples are.
    accept(&members.replace("1615304991643", "1615305460"));
}

#[test]
fn the_same_member_twice_is_refused() {
    let twice = format!(r#"{SUBJECT},{SUBJECT},{EVENTS}"#);
    assert!(matches!(error(&twice), SetError::Json(_)));
}

/// Shapes that vendors send, and that the strict profile does not accept.
#[test]
fn old_and_vendor_shapes_are_refused_with_a_reason() {
    for (members, message) in [
        // Google: the subject in the event only.
        (
            r#""events":{"https://schemas.openid.net/secevent/risc/event-type/account-disabled":
                {"subject":{"subject_type":"iss-sub","iss":"https://accounts.google.com/",
                "sub":"7375626A656374"},"reason":"hijacking"}}"#,
            "claim `sub_id` is missing",
        ),
        // A guide of Okta: no `events`.
        (
            r#""sub_id":{"format":"email","email":"user@issuer.com"},
            "https://schemas.okta.com/secevent/okta/event-type/user-risk-change":
                {"current_level":"high"}"#,
            "claim `events` is missing",
        ),
        // SSE ID1: complex without saying so.
        (
            r#""sub_id":{"user":{"format":"email","email":"a@b.example"}},"events":{"x":{}}"#,
            "`sub_id` has no `format`",
        ),
    ] {
        assert_eq!(error(members).to_string(), message);
    }
    // caep.dev repeats the subject inside the event, which SSF §3.1.1 allows: `sub_id` counts.
    let both = accept(
        r#""sub_id":{"format":"email","email":"tester@local.test"},
        "events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":
            {"event_timestamp":1615304991,"subject":{"format":"iss_sub","iss":"x","sub":"y"}}}"#,
    );
    let Subject::Simple(identifier) = both.subject else { panic!("complex") };
    assert_eq!(identifier.format(), "email");
}

#[test]
fn a_signal_is_named_by_issuer_and_jti() {
    let id = signal_id("https://idp.example.com", "j1");
    assert_eq!(id.to_string(), "a08f10b0fad95908d14da7bd9f89c448");
    assert_ne!(id, signal_id("https://idp.example.com", "j2"));
    assert_ne!(signal_id("ab", "c"), signal_id("a", "bc"));
}

#[test]
fn every_code_is_one_that_is_registered() {
    let codes = [
        (ErrorCode::InvalidRequest, "invalid_request"),
        (ErrorCode::InvalidKey, "invalid_key"),
        (ErrorCode::InvalidIssuer, "invalid_issuer"),
        (ErrorCode::InvalidAudience, "invalid_audience"),
        (ErrorCode::AuthenticationFailed, "authentication_failed"),
        (ErrorCode::AccessDenied, "access_denied"),
        (ErrorCode::InvalidState, "invalid_state"),
    ];
    for (code, name) in codes {
        assert_eq!(code.to_string(), name);
    }
}
