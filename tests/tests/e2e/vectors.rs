//! Project Wycheproof in the real gateway: thousands of signatures that some library once took
//! wrongly, before Envoy's own cryptography, before the module's in Envoy's V8, and before both as
//! they judge tokens together.

use jwt_simple::reexports::ct_codecs::{Base64UrlSafeNoPadding, Encoder as _};
use rescind_e2e::http::{Client, Request};
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::tools;
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// What the host's function says of algorithms that it is not asked for.
const UNSERVED: &str = "status-12";

/// A connection to a gateway whose module answers questions about vectors.
struct Judge {
    client: Client,
    tried: usize,
    _site: Site,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).expect("base64url")
}

fn rsa_key(n: &[u8], e: &[u8]) -> Value {
    json!({ "kty": "RSA", "n": encode(n), "e": encode(e) })
}

impl Judge {
    fn new() -> Self {
        let site = Site::with(&Plan { wasm: Some(tools::trapping_wasm()), ..Plan::default() });
        Self { client: site.envoy.client(), tried: 0, _site: site }
    }

    /// A valid vector must be accepted, an invalid one refused, and so the few that Wycheproof leaves
    /// open: each deviates from the encoding in some way. `name` is for the message.
    fn judge(
        &mut self,
        name: &str,
        (algorithm, key): (&str, &Value),
        result: TestResult,
        message: &[u8],
        signature: &[u8],
    ) {
        let vector = [key.to_string().as_bytes(), message, signature].map(encode).join(".");
        let request = Request::get("/").header("x-rescind-vector", format!("{algorithm}.{vector}"));
        let answer = self.client.send(&request).expect("an answer").text();
        let expected = (result == TestResult::Valid).to_string();
        let host = match algorithm {
            "RS256" | "RS384" | "RS512" | "ES256" => &expected,
            _ => UNSERVED,
        };
        let verdicts = format!("host {host}, module {expected}, together {expected}");
        assert_eq!(answer, verdicts, "{algorithm} {name}");
        self.tried += 1;
    }
}

#[test]
fn every_wycheproof_vector_of_ecdsa_and_ed25519_is_judged_rightly_by_the_gateway_and_the_module() {
    let mut judge = Judge::new();
    let mut expected = 0;
    for (set, curve, algorithm) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "P-256", "ES256"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "P-384", "ES384"),
    ] {
        let set = ecdsa::TestSet::load(set).unwrap();
        for group in set.test_groups {
            let (x, y) = group.key.key[1..].split_at(group.key.key.len() / 2);
            let key = json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) });
            for test in group.tests {
                let name = format!("{}: {}", test.tc_id, test.comment);
                judge.judge(&name, (algorithm, &key), test.result, &test.msg, &test.sig);
            }
        }
        expected += set.number_of_tests;
    }
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in set.test_groups {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk) });
        for test in group.tests {
            let name = format!("{}: {}", test.tc_id, test.comment);
            judge.judge(&name, ("EdDSA", &key), test.result, &test.msg, &test.sig);
        }
    }
    assert_eq!(judge.tried, expected + set.number_of_tests);
}

#[test]
fn every_wycheproof_vector_of_rsa_is_judged_rightly_by_the_gateway_and_the_module() {
    use rsa_pkcs1_verify::TestName as Pkcs1;
    use rsa_pss_verify::TestName as Pss;
    let mut judge = Judge::new();
    let mut expected = 0;
    for (set, algorithm) in [
        (Pkcs1::Rsa2048Sha256, "RS256"),
        (Pkcs1::Rsa2048Sha384, "RS384"),
        (Pkcs1::Rsa2048Sha512, "RS512"),
        (Pkcs1::Rsa3072Sha256, "RS256"),
        (Pkcs1::Rsa4096Sha512, "RS512"),
        (Pkcs1::Rsa8192Sha256, "RS256"),
    ] {
        let set = rsa_pkcs1_verify::TestSet::load(set).unwrap();
        for group in set.test_groups {
            let key = rsa_key(&group.key.n, &group.key.e);
            for test in group.tests {
                let name = format!("{}: {}", test.tc_id, test.comment);
                judge.judge(&name, (algorithm, &key), test.result, &test.msg, &test.sig);
            }
        }
        expected += set.number_of_tests;
    }
    for (set, algorithm) in [
        (Pss::RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
        (Pss::RsaPss2048Sha384Mgf1SaltLen48, "PS384"),
        (Pss::RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
    ] {
        let set = rsa_pss_verify::TestSet::load(set).unwrap();
        for group in set.test_groups {
            let key = rsa_key(&group.key.n, &group.key.e);
            for test in group.tests {
                let name = format!("{}: {}", test.tc_id, test.comment);
                judge.judge(&name, (algorithm, &key), test.result, &test.msg, &test.sig);
            }
        }
        expected += set.number_of_tests;
    }
    assert_eq!(judge.tried, expected);
}

#[test]
fn the_shipped_module_does_not_answer_questions_about_signatures() {
    // A part of the answer.
    let text = b", together ";
    let knows = |module| std::fs::read(module).unwrap().windows(text.len()).any(|at| at == text);
    assert!(knows(tools::trapping_wasm()) && !knows(tools::wasm()));
}
