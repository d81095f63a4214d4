#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json::{self, Limits};

/// The thumbprint of a JWK in text form.
fn thumbprint(jwk: &str) -> Option<String> {
    let jwk = json::parse(jwk.as_bytes(), &Limits::TOKEN).unwrap();
    Fingerprint::of_jwk(jwk.as_object().unwrap()).map(Fingerprint::to_base64url)
}

const RSA: &str = concat!(
    r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFx"#,
    "uhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YG",
    "jQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4v",
    r#"MQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg""#,
    r#":"RS256","kid":"2011-04-29"}"#
);

#[test]
fn the_example_of_rfc_7638_section_3_1_is_reproduced() {
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint(RSA).as_deref(), Some(expected));
}

#[test]
fn the_examples_of_rfc_8037_and_rfc_9449_are_reproduced() {
    // RFC 8037 §A.3
    let okp = r#"{"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kty":"OKP"}"#;
    assert_eq!(thumbprint(okp).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // RFC 9449 §4.1 has the key, §6.1 its thumbprint.
    let ec = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
    assert_eq!(thumbprint(ec).unwrap(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

#[test]
fn what_is_no_public_key_of_a_known_type_has_no_thumbprint() {
    for jwk in [
        "{}",
        r#"{"kty":"oct","k":"AAAA"}"#,
        r#"{"kty":"ec","crv":"P-256","x":"AA","y":"AA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AA","y":7}"#,
        r#"{"kty":"OKP","x":"AA"}"#,
        r#"{"kty":"RSA","n":"AA"}"#,
        r#"{"kty":["RSA"],"n":"AA","e":"AQAB"}"#,
        // One member written so that the whole looks like another key.
        r#"{"kty":"OKP","crv":"Ed25519","x":"AA\",\"y\":\"AA"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"A\u0000"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"AA="}"#,
    ] {
        assert_eq!(thumbprint(jwk), None, "{jwk}");
    }
}

#[test]
fn escapes_and_other_members_change_nothing() {
    let plain = r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#;
    let other =
        r#"{"use":"sig","\u0078":"\u0041A","\u006bty":"OK\u0050","kid":"k","crv":"Ed25519"}"#;
    assert_eq!(thumbprint(plain), thumbprint(other));
    assert!(thumbprint(plain).is_some());
}

#[test]
fn a_digest_reads_the_same_in_both_forms() {
    let digest = Fingerprint::of(b"certificate");
    let hex: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Fingerprint::from_hex(hex.as_bytes()), Some(digest));
    assert_eq!(Fingerprint::from_hex(hex.to_uppercase().as_bytes()), Some(digest));
    assert_eq!(Fingerprint::from_base64url(&digest.to_base64url()), Some(digest));
    assert!(digest.is_written_as(&digest.to_base64url()));
    assert_eq!(digest.to_string(), digest.to_base64url());
}

#[test]
fn anything_but_32_bytes_in_their_form_is_no_digest() {
    let digest = Fingerprint::of(b"x");
    let text = digest.to_base64url();
    for wrong in [
        "",
        "AA",
        text.get(1..).unwrap(),
        &format!("{text}A"),
        &format!("{text}="),
        &format!(" {text}"),
    ] {
        assert!(!digest.is_written_as(wrong), "{wrong}");
        assert_eq!(Fingerprint::from_base64url(wrong), None, "{wrong}");
    }
    let hex = "0".repeat(64);
    assert!(Fingerprint::from_hex(hex.as_bytes()).is_some());
    for wrong in [
        "",
        "0",
        hex.get(1..).unwrap(),
        hex.get(2..).unwrap(),
        &format!("{hex}0"),
        &format!("{hex}00"),
    ] {
        assert_eq!(Fingerprint::from_hex(wrong.as_bytes()), None, "{wrong}");
    }
    let colons = "00:".repeat(32);
    assert_eq!(Fingerprint::from_hex(colons.as_bytes()), None);
    assert_eq!(Fingerprint::from_hex(hex.replace("00", "0g").as_bytes()), None);
    assert_eq!(Fingerprint::from_hex(hex.replace("00", "+0").as_bytes()), None);
}
