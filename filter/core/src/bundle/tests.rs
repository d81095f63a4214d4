#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::jws::Algorithm;

/// RFC 7517 appendix A.1 and RFC 7515 appendix A.3.
const X_Y_A: &str = r#""x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;
const X_Y_B: &str = r#""x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn ec(members: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"P-256",{X_Y_A},{members}}}"#)
}

fn bundle(keys: &[String], more: &str) -> Result<Bundle, BundleError> {
    Bundle::parse(format!(r#"{{"keys":[{}]{more}}}"#, keys.join(",")).as_bytes())
}

fn kids(set: &KeySet) -> Vec<&str> {
    set.keys().iter().map(|key| key.kid().unwrap_or_default()).collect()
}

#[test]
fn keys_are_told_apart_by_what_they_are_for() {
    let keys = [
        ec(r#""use":"jwt-svid","kid":"j""#),
        ec(r#""use":"wit-svid","kid":"w""#),
        r#"{"kty":"EC","crv":"P-256","use":"x509-svid","x5c":["AAAA"]}"#.to_owned(),
    ];
    let more = r#","spiffe_sequence":7,"spiffe_refresh_hint":60,"vendor_member":{"a":[1]}"#;
    let bundle = bundle(&keys, more).unwrap();
    assert_eq!(
        (kids(bundle.jwt_svid_keys()), kids(bundle.wit_svid_keys())),
        (vec!["j"], vec!["w"])
    );
    assert_eq!(bundle.sequence(), Some(7));
    assert_eq!(bundle.refresh(DEFAULT_REFRESH), Duration::from_secs(60));
    assert!(!bundle.revokes_domain());
    assert_eq!(bundle.skipped().len(), 1);
    let found = |set: &KeySet, kid| set.candidates(Algorithm::Es256, Some(kid)).count();
    assert_eq!(found(bundle.jwt_svid_keys(), "w"), 0, "no key checks what it is not for");
    assert_eq!(found(bundle.wit_svid_keys(), "j"), 0);
}

#[test]
fn keys_without_a_known_use_or_a_name_are_set_aside() {
    let use_missing = KeyError::NotForSignatures { member: "use" };
    let kid_missing = KeyError::Member { member: "kid" };
    for (key, reason) in [
        (ec(r#""kid":"a""#), use_missing.clone()),
        (ec(r#""use":"sig","kid":"a""#), use_missing.clone()),
        (ec(r#""use":"JWT-SVID","kid":"a""#), use_missing.clone()),
        (ec(r#""use":["jwt-svid"],"kid":"a""#), use_missing.clone()),
        (ec(r#""use":null,"kid":"a""#), use_missing),
        (ec(r#""use":"jwt-svid""#), kid_missing.clone()),
        (ec(r#""use":"jwt-svid","kid":"""#), kid_missing.clone()),
        (ec(r#""use":"wit-svid","kid":7"#), kid_missing),
        (ec(r#""use":"jwt-svid","kid":"a","d":"AA""#), KeyError::Private { member: "d" }),
        ("7".to_owned(), KeyError::NotAnObject { kind: "a number" }),
    ] {
        let good = format!(r#"{{"kty":"EC","crv":"P-256",{X_Y_B},"use":"jwt-svid","kid":"good"}}"#);
        let bundle = bundle(&[key.clone(), good], "").unwrap();
        assert_eq!(kids(bundle.jwt_svid_keys()), ["good"], "{key}");
        assert_eq!(bundle.skipped().first().unwrap().reason, reason, "{key}");
    }
}

#[test]
fn an_empty_bundle_and_one_without_usable_keys_revoke_the_domain() {
    for keys in [
        vec![],
        vec![ec(r#""use":"x509-svid""#)],
        vec![ec(r#""kid":"a""#)],
        vec![r#"{"kty":"oct","use":"jwt-svid","kid":"a","k":"AA"}"#.to_owned()],
    ] {
        let bundle = bundle(&keys, "").unwrap();
        assert!(bundle.revokes_domain());
        assert!(!bundle.jwt_svid_keys().contains_kid("a"));
    }
}

#[test]
fn what_is_no_bundle_is_an_error_and_not_an_empty_bundle() {
    let parse = |text: &[u8]| Bundle::parse(text).unwrap_err();
    for text in ["{}", "[]", "7", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"Keys":[]}"#] {
        assert_eq!(parse(text.as_bytes()), BundleError::NoKeys, "{text}");
    }
    for text in ["", "<html>", r#"{"keys":[]"#, r#"{"keys":[],"keys":[]}"#, "\u{feff}{\"keys\":[]}"]
    {
        assert!(matches!(parse(text.as_bytes()), BundleError::Json(_)), "{text}");
    }
    for (member, value) in [
        ("spiffe_sequence", "-1"),
        ("spiffe_sequence", "\"1\""),
        ("spiffe_sequence", "1.5"),
        ("spiffe_sequence", "18446744073709551616"),
        ("spiffe_sequence", "null"),
        ("spiffe_refresh_hint", "-1"),
        ("spiffe_refresh_hint", "[]"),
    ] {
        let found = bundle(&[], &format!(r#","{member}":{value}"#)).unwrap_err();
        assert!(matches!(found, BundleError::NotANumber { member: name } if name == member));
    }
}

#[test]
fn a_bundle_has_a_greatest_size() {
    let padded = |length: usize| {
        let mut text = br#"{"keys":[]}"#.to_vec();
        text.resize(length, b' ');
        text
    };
    assert!(Bundle::parse(&padded(MAX_KEY_SET_BYTES)).is_ok());
    let length = MAX_KEY_SET_BYTES + 1;
    assert_eq!(Bundle::parse(&padded(length)), Err(BundleError::TooLong { length }));
    let keys = |count| vec!["{}".to_owned(); count];
    assert!(bundle(&keys(MAX_KEYS), "").is_ok());
    let count = MAX_KEYS + 1;
    assert_eq!(bundle(&keys(count), "").unwrap_err(), BundleError::TooManyKeys { count });
}

#[test]
fn an_older_bundle_replaces_nothing() {
    let with = |sequence: Option<u64>| {
        let more = sequence.map(|sequence| format!(r#","spiffe_sequence":{sequence}"#));
        bundle(&[], &more.unwrap_or_default()).unwrap()
    };
    for (offered, stored, may) in [
        (Some(2), Some(1), true),
        (Some(2), Some(2), true),
        (Some(1), Some(2), false),
        (Some(0), Some(u64::MAX), false),
        (Some(u64::MAX), Some(u64::MAX - 1), true),
        (None, Some(1), true),
        (Some(1), None, true),
        (None, None, true),
    ] {
        assert_eq!(with(offered).may_replace(&with(stored)), may, "{offered:?} {stored:?}");
    }
}

#[test]
fn a_refresh_hint_is_followed_within_limits() {
    for (hint, secs) in [(0, 10), (9, 10), (10, 10), (3600, 3600), (3601, 3600), (u64::MAX, 3600)] {
        let bundle = bundle(&[], &format!(r#","spiffe_refresh_hint":{hint}"#)).unwrap();
        assert_eq!(bundle.refresh(DEFAULT_REFRESH), Duration::from_secs(secs), "{hint}");
    }
    assert_eq!(bundle(&[], "").unwrap().refresh(DEFAULT_REFRESH), DEFAULT_REFRESH);
}

#[test]
fn the_same_key_twice_is_one_key() {
    let key = ec(r#""use":"jwt-svid","kid":"a""#);
    let bundle = bundle(&[key.clone(), key], "").unwrap();
    assert_eq!(kids(bundle.jwt_svid_keys()), ["a"]);
}
