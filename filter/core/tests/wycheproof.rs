//! The software verifier against Project Wycheproof: thousands of signatures that some library once
//! took wrongly.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rescind_core::base64url::encode;
use rescind_core::crypto::{SignatureVerifier as _, SoftwareVerifier, ecdsa_raw_to_der};
use rescind_core::jwk::PublicKey;
use rescind_core::jws::Algorithm;
use serde_json::{Value, json};
use wycheproof::TestResult;
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// One vector: a valid one must be accepted, an invalid one refused, and so the few that Wycheproof
/// leaves open: each deviates from the encoding in some way.
fn vector(name: &str, expected: TestResult, accepted: bool) {
    assert_eq!(accepted, expected == TestResult::Valid, "{name}");
}

fn verify(algorithm: Algorithm, key: &Value, message: &[u8], signature: &[u8]) -> bool {
    let key = PublicKey::parse(key.to_string().as_bytes()).unwrap();
    SoftwareVerifier.verify(algorithm, &key, message, signature)
}

#[test]
fn ecdsa_signatures_are_judged_as_wycheproof_does() {
    for (set, curve, algorithm) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "P-256", Algorithm::Es256),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "P-384", Algorithm::Es384),
    ] {
        let set = ecdsa::TestSet::load(set).unwrap();
        let mut tried = 0;
        for group in set.test_groups {
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let key = json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) });
            // A key that has verified a signature goes another way from then on.
            let known_key = PublicKey::parse(key.to_string().as_bytes()).unwrap();
            for test in &group.tests {
                SoftwareVerifier.verify(algorithm, &known_key, &test.msg, &test.sig);
            }
            for test in group.tests {
                let name = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                let accepted = verify(algorithm, &key, &test.msg, &test.sig);
                vector(&name, test.result, accepted);
                let again = SoftwareVerifier.verify(algorithm, &known_key, &test.msg, &test.sig);
                assert_eq!(again, accepted, "{name}, known key");
                assert!(!accepted || ecdsa_raw_to_der(&test.sig).is_some(), "{name}");
                tried += 1;
            }
        }
        assert_eq!(tried, set.number_of_tests);
    }
}

#[test]
fn ecdsa_signatures_in_asn1_are_written_as_wycheproof_has_them() {
    for (set, size) in
        [(ecdsa::TestName::EcdsaSecp256r1Sha256, 32), (ecdsa::TestName::EcdsaSecp384r1Sha384, 48)]
    {
        let groups = ecdsa::TestSet::load(set).unwrap().test_groups;
        for test in groups.iter().flat_map(|group| &group.tests) {
            if test.result == TestResult::Valid {
                let raw = numbers_in_a_row(&test.sig, size);
                assert_eq!(ecdsa_raw_to_der(&raw).as_deref(), Some(&test.sig[..]));
            }
        }
    }
}

/// The two numbers of a valid ASN.1 signature, each of `size` bytes.
fn numbers_in_a_row(der: &[u8], size: usize) -> Vec<u8> {
    let mut rest = der.split_at(2).1;
    let mut raw = Vec::new();
    while let [_, length, content @ ..] = rest {
        let (number, after) = content.split_at((*length).into());
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        raw.extend(std::iter::repeat_n(0, size.saturating_sub(digits.len())));
        raw.extend(digits);
        rest = after;
    }
    raw
}

#[test]
fn ed25519_signatures_are_judged_as_wycheproof_does() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tried = 0;
    for group in set.test_groups {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk) });
        for test in group.tests {
            let accepted = verify(Algorithm::EdDsa, &key, &test.msg, &test.sig);
            vector(&format!("{}: {}", test.tc_id, test.comment), test.result, accepted);
            tried += 1;
        }
    }
    assert_eq!(tried, set.number_of_tests);
}

#[test]
fn rsa_pkcs1_signatures_are_judged_as_wycheproof_does() {
    use wycheproof::rsa_pkcs1_verify::TestName as Set;
    for (set, algorithm) in [
        (Set::Rsa2048Sha256, Algorithm::Rs256),
        (Set::Rsa2048Sha384, Algorithm::Rs384),
        (Set::Rsa2048Sha512, Algorithm::Rs512),
        (Set::Rsa3072Sha256, Algorithm::Rs256),
        (Set::Rsa4096Sha512, Algorithm::Rs512),
        (Set::Rsa8192Sha256, Algorithm::Rs256),
    ] {
        let set = rsa_pkcs1_verify::TestSet::load(set).unwrap();
        let mut tried = 0;
        for group in set.test_groups {
            let key = json!({
                "kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e),
            });
            for test in group.tests {
                let accepted = verify(algorithm, &key, &test.msg, &test.sig);
                let name = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                vector(&name, test.result, accepted);
                tried += 1;
            }
        }
        assert_eq!(tried, set.number_of_tests);
    }
}

#[test]
fn rsa_pss_signatures_are_judged_as_wycheproof_does() {
    use wycheproof::rsa_pss_verify::TestName as Set;
    for (set, algorithm) in [
        (Set::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Set::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (Set::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        let set = rsa_pss_verify::TestSet::load(set).unwrap();
        let mut tried = 0;
        for group in set.test_groups {
            let key = json!({
                "kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e),
            });
            for test in group.tests {
                let accepted = verify(algorithm, &key, &test.msg, &test.sig);
                let name = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                vector(&name, test.result, accepted);
                tried += 1;
            }
        }
        assert_eq!(tried, set.number_of_tests);
    }
}
