#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::json;

use super::*;
use crate::base64url;

// The example keys of RFC 7515 appendices A.2 and A.3, and RFC 8037 appendix A.2.
const N: &str = concat!(
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz",
    "P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6",
    "3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw",
    "Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW",
    "yuXpoQ"
);
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn rsa() -> serde_json::Value {
    json!({ "kty": "RSA", "n": N, "e": "AQAB" })
}

fn ec() -> serde_json::Value {
    json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y })
}

fn ed() -> serde_json::Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": ED })
}

/// `key` with one member set.
fn with(mut key: serde_json::Value, member: &str, value: impl Into<serde_json::Value>) -> String {
    key[member] = value.into();
    key.to_string()
}

fn refusal(key: &str) -> KeyError {
    PublicKey::parse(key.as_bytes()).expect_err(key)
}

fn set(keys: &[serde_json::Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn kids<'k>(set: &'k KeySet, algorithm: Algorithm, kid: Option<&str>) -> Vec<&'k str> {
    set.candidates(algorithm, kid).filter_map(PublicKey::kid).collect()
}

#[test]
fn keys_of_each_type_fit_the_algorithms_of_their_type_only() {
    for (key, names) in [
        (rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (ec(), &["ES256"]),
        (ed(), &["EdDSA"]),
    ] {
        let key = PublicKey::parse(key.to_string().as_bytes()).unwrap();
        let fits = Algorithm::ALL.into_iter().filter(|algorithm| key.fits(*algorithm));
        assert_eq!(fits.map(Algorithm::name).collect::<Vec<_>>(), names);
    }
}

#[test]
fn a_key_that_declares_its_algorithm_fits_no_other() {
    for (key, name, others) in [
        (rsa(), "RS256", &["PS256", "RS384", "RS512"][..]),
        (rsa(), "PS256", &["RS256", "PS384"]),
        (ec(), "ES256", &["ES384"]),
        (ed(), "EdDSA", &["ES256"]),
    ] {
        let key = PublicKey::parse(with(key, "alg", name).as_bytes()).unwrap();
        assert!(key.fits(Algorithm::from_name(name).unwrap()), "{name}");
        for other in others {
            assert!(!key.fits(Algorithm::from_name(other).unwrap()), "{name} as {other}");
        }
    }
    let key = PublicKey::parse(with(ed(), "alg", "Ed25519").as_bytes()).unwrap();
    assert!(key.fits(Algorithm::EdDsa));
}

#[test]
fn an_algorithm_that_the_key_cannot_have_is_refused() {
    for (key, name) in [(ec(), "ES384"), (rsa(), "ES256"), (ec(), "RS256"), (ed(), "ES256")] {
        let algorithm = Algorithm::from_name(name).unwrap();
        assert_eq!(refusal(&with(key, "alg", name)), KeyError::AlgorithmMismatch { algorithm });
    }
    for name in ["HS256", "none", "RSA-OAEP", "ES521", "rs256"] {
        let unsupported = KeyError::Unsupported { member: "alg", value: name.to_owned() };
        assert_eq!(refusal(&with(rsa(), "alg", name)), unsupported);
    }
}

#[test]
fn a_key_with_private_members_is_refused() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(refusal(&with(rsa(), member, "AQAB")), KeyError::Private { member });
    }
    assert_eq!(refusal(&with(ec(), "d", json!(null))), KeyError::Private { member: "d" });
    assert_eq!(refusal(r#"{"kty":"oct","k":"c2VjcmV0"}"#), KeyError::Private { member: "k" });
}

#[test]
fn a_key_for_other_uses_is_refused() {
    for value in [json!("enc"), json!("SIG"), json!(""), json!(null), json!(["sig"])] {
        let refused = KeyError::NotForSignatures { member: "use" };
        assert_eq!(refusal(&with(rsa(), "use", value)), refused);
    }
    for value in [json!(["sign"]), json!([]), json!("verify"), json!(["Verify"]), json!([1])] {
        let refused = KeyError::NotForSignatures { member: "key_ops" };
        assert_eq!(refusal(&with(rsa(), "key_ops", value)), refused);
    }
    assert!(PublicKey::parse(with(rsa(), "use", "sig").as_bytes()).is_ok());
    assert!(PublicKey::parse(with(ec(), "key_ops", json!(["sign", "verify"])).as_bytes()).is_ok());
}

#[test]
fn types_and_curves_we_do_not_know_are_refused() {
    for (key, member, value) in [
        (with(rsa(), "kty", "rsa"), "kty", "rsa"),
        (with(rsa(), "kty", "oct"), "kty", "oct"),
        (with(ec(), "crv", "P-521"), "crv", "P-521"),
        (with(ec(), "crv", "secp256k1"), "crv", "secp256k1"),
        (with(ed(), "crv", "Ed448"), "crv", "Ed448"),
        (with(ed(), "crv", "X25519"), "crv", "X25519"),
    ] {
        assert_eq!(refusal(&key), KeyError::Unsupported { member, value: value.to_owned() });
    }
    for (key, member) in [("{}", "kty"), (r#"{"kty":1}"#, "kty"), (r#"{"kty":"EC"}"#, "crv")] {
        assert_eq!(refusal(key), KeyError::Member { member });
    }
    assert_eq!(refusal("[]"), KeyError::NotAnObject { kind: "an array" });
}

#[test]
fn an_rsa_modulus_outside_its_sizes_is_refused() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff >> (bits.next_multiple_of(8) - bits);
        base64url::encode(&bytes)
    };
    for bits in [1024, 2047, 8193, 16_384] {
        let refused = KeyError::ModulusSize { bits };
        assert_eq!(refusal(&with(rsa(), "n", modulus(bits))), refused);
    }
    for bits in [2048, 2049, 4096, 8192] {
        let key = PublicKey::parse(with(rsa(), "n", modulus(bits)).as_bytes());
        assert!(key.is_ok(), "{bits}: {key:?}");
    }
}

#[test]
fn an_rsa_exponent_outside_its_range_is_refused() {
    const MAX: u64 = key::MAX_EXPONENT;
    let key = |exponent: u64| with(rsa(), "e", base64url::encode(&exponent.to_be_bytes()));
    for exponent in [1, 2, 4, 65_536, MAX + 1, MAX + 3, u64::MAX] {
        assert_eq!(refusal(&key(exponent)), KeyError::Exponent, "{exponent}");
    }
    for exponent in [3, 17, 65_537, MAX - 1] {
        assert!(PublicKey::parse(key(exponent).as_bytes()).is_ok(), "{exponent}");
    }
    assert_eq!(refusal(&key(0)), KeyError::Member { member: "e" });
    let nine_bytes = with(rsa(), "e", base64url::encode(&[1; 9]));
    assert_eq!(refusal(&nine_bytes), KeyError::Exponent);
}

#[test]
fn an_even_rsa_modulus_is_refused() {
    let mut modulus = base64url::decode(N.as_bytes()).unwrap();
    *modulus.last_mut().unwrap() &= 0xfe;
    assert_eq!(refusal(&with(rsa(), "n", base64url::encode(&modulus))), KeyError::Invalid);
}

#[test]
fn leading_zeros_of_an_rsa_modulus_change_nothing() {
    let modulus = [vec![0], base64url::decode(N.as_bytes()).unwrap()].concat();
    let padded = PublicKey::parse(with(rsa(), "n", base64url::encode(&modulus)).as_bytes());
    assert_eq!(padded, PublicKey::parse(rsa().to_string().as_bytes()));
}

#[test]
fn a_point_off_its_curve_is_refused() {
    let mut y = base64url::decode(Y.as_bytes()).unwrap();
    y[31] ^= 1;
    assert_eq!(refusal(&with(ec(), "y", base64url::encode(&y))), KeyError::Invalid);
    let zeros = json!({
        "kty": "EC", "crv": "P-256",
        "x": base64url::encode(&[0; 32]), "y": base64url::encode(&[0; 32]),
    });
    assert_eq!(refusal(&zeros.to_string()), KeyError::Invalid);
    // The coordinate of a point of P-256 for a key of P-384 has the wrong length already.
    assert_eq!(refusal(&with(ec(), "crv", "P-384")), KeyError::Member { member: "x" });
}

#[test]
fn a_coordinate_of_another_length_is_refused() {
    for (key, member) in [(ec(), "x"), (ec(), "y"), (ed(), "x")] {
        for length in [0, 31, 33, 65] {
            let text = base64url::encode(&vec![1; length]);
            assert_eq!(refusal(&with(key.clone(), member, text)), KeyError::Member { member });
        }
        assert_eq!(refusal(&with(key, member, json!(null))), KeyError::Member { member });
    }
    // A P-256 coordinate with its leading zero cut off, as some libraries write it.
    let point = json!({
        "kty": "EC", "crv": "P-256", "x": base64url::encode(&[7; 31]), "y": Y,
    });
    assert_eq!(refusal(&point.to_string()), KeyError::Member { member: "x" });
}

#[test]
fn an_ed25519_key_of_small_order_or_no_point_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    for bytes in [identity, [0; 32], no_point] {
        assert_eq!(refusal(&with(ed(), "x", base64url::encode(&bytes))), KeyError::Invalid);
    }
}

#[test]
fn numbers_must_be_canonical_base64url() {
    for text in ["", "AQAB=", "AQ AB", "AQ+B", "AQA\n", "AR"] {
        assert_eq!(refusal(&with(rsa(), "e", text)), KeyError::Member { member: "e" }, "{text:?}");
    }
}

#[test]
fn a_kid_must_be_a_text_within_its_limit() {
    assert_eq!(refusal(&with(rsa(), "kid", 1)), KeyError::Member { member: "kid" });
    assert_eq!(refusal(&with(rsa(), "kid", "k".repeat(257))), KeyError::Member { member: "kid" });
    assert!(PublicKey::parse(with(rsa(), "kid", "k".repeat(256)).as_bytes()).is_ok());
}

#[test]
fn a_member_that_occurs_twice_is_refused() {
    let twice = format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB","e":"Aw"}}"#);
    assert!(matches!(refusal(&twice), KeyError::Json(JsonError::DuplicateMember { .. })));
    let set = format!(r#"{{"keys":[{twice}]}}"#);
    assert!(matches!(KeySet::parse(set.as_bytes()), Err(KeySetError::Json(_))));
}

#[test]
fn keys_that_are_not_for_us_do_not_take_the_others_away() {
    let mut good = ec();
    good["kid"] = "good".into();
    good["x5c"] = json!(["MIIC"]);
    good["custom"] = json!({ "any": 1 });
    let set = set(&[
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "shared" }),
        json!("key"),
        json!({ "kty": "FUTURE" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        good,
    ])
    .unwrap();
    assert_eq!(kids(&set, Algorithm::Es256, None), ["good"]);
    let reasons: Vec<String> = set.skipped().iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "key 0 (`shared`): has the private member `k`; a published private key must be replaced",
            "key 1: a string, not an object",
            "key 2: `kty` is `FUTURE`, which is not supported",
            "key 3: RSA modulus has 17 bits, allowed are 2048 to 8192",
        ]
    );
}

#[test]
fn what_is_no_key_set_is_refused() {
    for (text, refused) in [
        ("{}", KeySetError::NoKeys),
        (r#"{"keys":{}}"#, KeySetError::NoKeys),
        (r#"{"Keys":[]}"#, KeySetError::NoKeys),
        ("[]", KeySetError::NoKeys),
        (r#"{"keys":[]}"#, KeySetError::NoUsableKey { skipped: vec![] }),
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()), Err(refused), "{text}");
    }
    for text in ["", "<html><body>Please sign in</body></html>", "null null", "\u{1f}\u{8b}"] {
        assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeySetError::Json(_))), "{text}");
    }
}

#[test]
fn a_set_without_a_usable_key_says_why() {
    let refused = set(&[json!({ "kty": "oct", "k": "AA", "kid": "k1" })]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "none of the 1 keys of the set is usable; key 0 (`k1`): has the private member `k`; a \
         published private key must be replaced"
    );
}

#[test]
fn a_set_past_its_limits_is_refused() {
    let numbered = |index: usize| {
        let mut key = ed();
        key["kid"] = format!("k{index}").into();
        key
    };
    let keys: Vec<serde_json::Value> = (0..65).map(numbered).collect();
    assert_eq!(set(&keys[..64]).unwrap().keys().len(), MAX_KEYS);
    assert_eq!(set(&keys), Err(KeySetError::TooManyKeys { count: 65 }));

    let text = json!({ "keys": [ed()] }).to_string();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    assert!(KeySet::parse(padded(MAX_KEY_SET_BYTES).as_bytes()).is_ok());
    assert_eq!(
        KeySet::parse(padded(MAX_KEY_SET_BYTES + 1).as_bytes()),
        Err(KeySetError::TooLong { length: MAX_KEY_SET_BYTES + 1 })
    );
}

#[test]
fn a_named_key_is_the_only_candidate() {
    let mut keys = [rsa(), ec(), ed()];
    for (key, kid) in keys.iter_mut().zip(["r", "e", "d"]) {
        key["kid"] = kid.into();
    }
    let set = set(&keys).unwrap();
    assert_eq!(kids(&set, Algorithm::Rs256, Some("r")), ["r"]);
    assert_eq!(kids(&set, Algorithm::Rs256, Some("e")), [""; 0]);
    assert_eq!(kids(&set, Algorithm::Es256, Some("R")), [""; 0]);
    assert_eq!(kids(&set, Algorithm::Es256, Some("")), [""; 0]);
    assert_eq!(kids(&set, Algorithm::Es256, None), ["e"]);
    assert!(set.contains_kid("e") && !set.contains_kid("x"));
}

#[test]
fn a_token_without_kid_is_tried_on_a_bounded_number_of_keys() {
    let keys: Vec<serde_json::Value> = (0..20)
        .map(|index| json!({ "kty": "OKP", "crv": "Ed25519", "x": ED, "kid": format!("k{index}") }))
        .collect();
    let set = set(&keys).unwrap();
    assert_eq!(set.candidates(Algorithm::EdDsa, None).count(), MAX_CANDIDATES);
    assert_eq!(kids(&set, Algorithm::EdDsa, Some("k19")), ["k19"]);
}

#[test]
fn keys_of_the_same_name_are_told_apart_by_type_or_all_tried() {
    let mut keys = [rsa(), ec(), ec(), rsa()];
    for key in &mut keys {
        key["kid"] = "same".into();
    }
    keys[3]["alg"] = "PS256".into();
    let set = set(&keys).unwrap();
    assert_eq!(set.keys().len(), 3, "the repeated key counts once");
    assert_eq!(set.candidates(Algorithm::Es256, Some("same")).count(), 1);
    assert_eq!(set.candidates(Algorithm::Rs256, Some("same")).count(), 1);
    assert_eq!(set.candidates(Algorithm::Ps256, Some("same")).count(), 2);
}

#[test]
fn the_same_name_in_two_issuers_sets_finds_each_its_own_key() {
    let named = |mut key: serde_json::Value| {
        key["kid"] = "1".into();
        set(&[key]).unwrap()
    };
    let (ours, theirs) = (named(ec()), named(ed()));
    assert_eq!(ours.candidates(Algorithm::EdDsa, Some("1")).count(), 0);
    assert_eq!(theirs.candidates(Algorithm::Es256, Some("1")).count(), 0);
}

#[test]
fn keys_have_the_form_that_other_cryptography_takes() {
    let decode = |text: &str| base64url::decode(text.as_bytes()).unwrap();
    let spki = |key: serde_json::Value| {
        let key = PublicKey::parse(key.to_string().as_bytes()).unwrap();
        base64url::encode(key.spki_der())
    };
    // The prefixes are those of RFC 8410 §10.1 and of what openssl writes.
    assert_eq!(spki(ed()), format!("MCowBQYDK2VwAyEA{ED}"));
    let point = [vec![4], decode(X), decode(Y)].concat();
    let prefix = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    assert_eq!(spki(ec()), format!("{prefix}{}", base64url::encode(&point[1..])));
    let der = base64url::decode(spki(rsa()).as_bytes()).unwrap();
    assert_eq!(der.len(), 294);
    assert_eq!(der[..33], decode("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA")[..]);
    assert_eq!(der[33..289], decode(N)[..]);
    assert_eq!(der[289..], [2, 3, 1, 0, 1]);
}

#[test]
fn a_signature_has_the_length_of_its_key() {
    for (key, length) in [(rsa(), 256), (ec(), 64), (ed(), 64)] {
        let key = PublicKey::parse(key.to_string().as_bytes()).unwrap();
        assert_eq!(key.material().signature_bytes(), length);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_key_makes_a_set_panic(
            kty in "RSA|EC|OKP|oct",
            crv in "P-256|P-384|Ed25519|P-521",
            x in proptest::collection::vec(any::<u8>(), 0..50),
            y in proptest::collection::vec(any::<u8>(), 0..50),
            n in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let [x, y, n] = [x, y, n].map(|bytes| base64url::encode(&bytes));
            let key = json!({ "kty": kty, "crv": crv, "x": x, "y": y, "n": n, "e": x });
            let _ = set(&[key, ed()]).map(|set| set.keys().len()).unwrap();
        }
    }
}
