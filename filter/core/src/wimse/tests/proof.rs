//! Workload Proof Tokens, and the examples of the drafts.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::claims;
use crate::dpop::MAX_PROOF_BYTES;
use crate::json::JsonError;
use crate::jws::JwsError;
use crate::origin::{Origin, UriProblem};
use crate::replay::Used;
use crate::request::Field;

const ACCESS_TOKEN: &[u8] = b"access-token";
const TXN_TOKEN: &[u8] = b"txn-token";

fn digest(token: &[u8]) -> Json {
    json!(Fingerprint::of(token).to_base64url())
}

fn proof_header() -> Json {
    json!({"typ": "wpt+jwt", "alg": "ES256"})
}

fn proof_claims() -> Json {
    json!({
        "aud": "https://api.example.com/tools", "exp": NOW + 60, "jti": "p-1",
        "wth": digest(wit().0.as_bytes()), "ath": digest(ACCESS_TOKEN), "tth": digest(TXN_TOKEN),
    })
}

fn rules() -> ProofRules {
    ProofRules {
        algorithms: ALGORITHMS.to_vec(),
        origins: vec![Origin::parse("https://api.example.com").unwrap()],
        audiences: vec!["tools-gateway".to_owned()],
        lifetime: LifetimeRules { leeway: LEEWAY, max_lifetime: MAX_PROOF_LIFETIME },
    }
}

fn request<'a>(proof: &'a str, key: &'a PossessionKey, wit: &str) -> ProofRequest<'a> {
    ProofRequest {
        proof: Field::One(proof.as_bytes()),
        path: b"/tools",
        key,
        wit: Fingerprint::of(wit.as_bytes()),
        access_token: Some(Fingerprint::of(ACCESS_TOKEN)),
        txn_token: Some(Fingerprint::of(TXN_TOKEN)),
    }
}

fn prove_at(proof: &str, verifier: &dyn SignatureVerifier, now: u64) -> Result<Proof, ProofError> {
    let (token, key) = wit();
    check_proof(&request(proof, &key, &token), &rules(), verifier, at(now))
}

fn prove(proof: &str) -> Result<Proof, ProofError> {
    prove_at(proof, &SoftwareVerifier, NOW)
}

fn with_header(member: &str, change: impl Into<Option<Json>>) -> Result<Proof, ProofError> {
    prove(&sign(&workload_key(), &with(proof_header(), member, change), &proof_claims()))
}

fn with_claim(member: &str, change: impl Into<Option<Json>>) -> Result<Proof, ProofError> {
    prove(&sign(&workload_key(), &proof_header(), &with(proof_claims(), member, change)))
}

#[test]
fn a_good_proof_passes_and_says_what_to_remember() {
    let proof = prove(&sign(&workload_key(), &proof_header(), &proof_claims())).unwrap();
    let (key, jti) = (wit().1.thumbprint(), Fingerprint::of(b"p-1"));
    assert_eq!(*proof.used(), Used { key, jti, until: at(NOW + 90) });
    assert_eq!(rules().longest(), Duration::from_secs(360));
}

#[test]
fn there_is_exactly_one_proof_and_it_is_a_wpt() {
    let (token, key) = wit();
    for (field, expected) in
        [(Field::Absent, ProofError::Absent), (Field::Many, ProofError::Multiple)]
    {
        let request = ProofRequest { proof: field, ..request("", &key, &token) };
        let refused = check_proof(&request, &rules(), &SoftwareVerifier, at(NOW));
        assert_eq!(refused, Err(expected));
    }
    let proof = sign(&workload_key(), &proof_header(), &proof_claims());
    for wrong in [format!("{proof}, {proof}"), format!("{proof}="), String::new()] {
        assert!(matches!(prove(&wrong), Err(ProofError::Malformed(_))), "{wrong}");
    }
    for typ in ["wit+jwt", "dpop+jwt", "JWT", "at+jwt", "txntoken+jwt", "wpt"] {
        let refused = ProofError::WrongType { typ: Some(typ.to_owned()) };
        assert_eq!(with_header("typ", json!(typ)), Err(refused));
    }
    assert_eq!(with_header("typ", None), Err(ProofError::WrongType { typ: None }));
    assert!(with_header("typ", json!("application/wpt+jwt")).is_ok());
    let not_json = format!("{}.bm8.c2ln", base64url::encode(proof_header().to_string().as_bytes()));
    let syntax = JsonError::Syntax { line: 1, column: 2 };
    assert_eq!(prove(&not_json), Err(ProofError::Payload(syntax)));
}

#[test]
fn the_algorithm_is_the_one_that_the_wit_names() {
    let refused = Err(ProofError::AlgorithmMismatch { algorithm: Algorithm::EdDsa });
    assert_eq!(with_header("alg", json!("EdDSA")), refused);
    let refused = Err(ProofError::AlgorithmNotAllowed { algorithm: Algorithm::Rs256 });
    assert_eq!(with_header("alg", json!("RS256")), refused);
    for alg in ["none", "HS256", "es256"] {
        let refused = JwsError::UnknownAlgorithm { name: alg.to_owned() };
        assert_eq!(with_header("alg", json!(alg)), Err(ProofError::Malformed(refused)));
    }
}

#[test]
fn the_signature_is_by_the_key_in_the_wit_and_never_by_one_in_the_header() {
    let bad = Err(ProofError::BadSignature { algorithm: Algorithm::Es256 });
    let other = SigningKey::from_slice(&[9; 32]).unwrap();
    let header = with(proof_header(), "jwk", public(&other));
    assert_eq!(prove(&sign(&other, &header, &proof_claims())), bad);
    let proof = sign(&workload_key(), &proof_header(), &proof_claims());
    let (signed, _) = proof.rsplit_once('.').unwrap();
    for signature in [vec![0; 64], vec![1; 63], vec![0xff; 64]] {
        assert_eq!(prove(&format!("{signed}.{}", base64url::encode(&signature))), bad);
    }
}

#[test]
fn a_proof_is_for_one_address_of_the_configuration_or_its_name() {
    for aud in [
        json!("HTTPS://API.example.com:443/tools"),
        json!("https://api.example.com/tools?a=b#c"),
        json!(["https://api.example.com/t%6Fols"]),
        json!("tools-gateway"),
    ] {
        assert!(with_claim("aud", aud.clone()).is_ok(), "{aud}");
    }
    for aud in
        ["https://evil.example/tools", "https://api.example.com/", "http://api.example.com/tools"]
    {
        let refused = ProofError::WrongTarget { aud: aud.to_owned() };
        assert_eq!(with_claim("aud", json!(aud)), Err(refused));
    }
    for (aud, problem) in [
        ("Tools-Gateway", UriProblem::Scheme),
        ("https://x@api.example.com/tools", UriProblem::UserInfo),
    ] {
        let refused = ProofError::UnclearTarget { aud: aud.to_owned(), problem };
        assert_eq!(with_claim("aud", json!(aud)), Err(refused));
    }
    let two = json!(["https://api.example.com/tools", "https://evil.example/tools"]);
    assert_eq!(with_claim("aud", two), Err(ProofError::SeveralTargets { count: 2 }));
}

#[test]
fn a_proof_is_good_for_minutes_at_most() {
    let proof = sign(&workload_key(), &proof_header(), &proof_claims());
    for (now, is_good) in
        [(NOW - 240, true), (NOW - 241, false), (NOW + 89, true), (NOW + 90, false)]
    {
        let verdict = prove_at(&proof, &SoftwareVerifier, now);
        assert_eq!(verdict.is_ok(), is_good, "{now}");
    }
    let lifetime = Duration::from_secs(301);
    let too_long = LifetimeError::TooLong { lifetime, limit: MAX_PROOF_LIFETIME };
    assert_eq!(prove_at(&proof, &SoftwareVerifier, NOW - 241), Err(too_long.into()));
    for exp in [json!("1800000060"), json!(-1), json!(1e300), json!(null)] {
        assert!(with_claim("exp", exp.clone()).is_err(), "{exp}");
    }
}

#[test]
fn every_required_claim_is_required() {
    for claim in ["aud", "exp", "jti", "wth", "ath", "tth"] {
        let missing = ClaimsError::Missing { claim };
        assert_eq!(with_claim(claim, None), Err(missing.into()), "{claim}");
        for wrong in [json!(null), json!({}), json!(true)] {
            assert!(with_claim(claim, wrong.clone()).is_err(), "{claim} {wrong}");
        }
    }
    let long = "j".repeat(claims::MAX_JTI_BYTES);
    assert!(with_claim("jti", json!(long)).is_ok());
    let too_long = ClaimsError::JtiTooLong { length: long.len() + 1 };
    assert_eq!(with_claim("jti", json!(format!("{long}j"))), Err(too_long.into()));
}

#[test]
fn a_proof_covers_exactly_the_tokens_of_the_request() {
    for claim in ["wth", "ath", "tth"] {
        let refused = Err(ProofError::WrongToken { claim });
        assert_eq!(with_claim(claim, digest(b"another")), refused);
        let padded = json!(format!("{}=", proof_claims()[claim].as_str().unwrap()));
        assert_eq!(with_claim(claim, padded), refused);
    }
    let (token, key) = wit();
    let proof = sign(&workload_key(), &proof_header(), &proof_claims());
    let whole = request(&proof, &key, &token);
    for (request, claim) in [
        (ProofRequest { access_token: None, ..whole }, "ath"),
        (ProofRequest { txn_token: None, ..whole }, "tth"),
    ] {
        let refused = check_proof(&request, &rules(), &SoftwareVerifier, at(NOW));
        assert_eq!(refused, Err(ProofError::NoSuchToken { claim }));
    }
    for oth in [json!({"x-token": digest(b"a")}), json!({}), json!(null)] {
        assert_eq!(with_claim("oth", oth), Err(ProofError::OtherTokens));
    }
    // Of a request without other tokens, a proof names none.
    let claims = with(with(proof_claims(), "ath", None), "tth", None);
    let proof = sign(&workload_key(), &proof_header(), &claims);
    let bare =
        ProofRequest { access_token: None, txn_token: None, ..request(&proof, &key, &token) };
    assert!(check_proof(&bare, &rules(), &SoftwareVerifier, at(NOW)).is_ok());
}

/// Counts how often a signature was checked.
#[derive(Default)]
struct Counting(std::cell::Cell<u32>);

impl SignatureVerifier for Counting {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        self.0.set(self.0.get().saturating_add(1));
        true
    }
}

#[test]
fn everything_that_costs_less_is_checked_before_the_signature() {
    let counting = Counting::default();
    for (claim, value) in [
        ("sub", json!("spiffe://example.org")),
        ("aud", json!("x")),
        ("exp", json!(NOW - 40)),
        ("cnf", json!({})),
        ("jti", json!(7)),
    ] {
        let token = sign(&domain_key(), &wit_header(), &with(wit_claims(), claim, value));
        let refused = verify_with(&token, &keys("d-1"), "example.org", &counting, NOW);
        assert!(refused.is_err(), "{claim}");
    }
    for (claim, value) in [
        ("aud", json!("https://evil.example/")),
        ("exp", json!(1)),
        ("wth", json!("x")),
        ("ath", json!("x")),
        ("jti", json!(7)),
        ("oth", json!({})),
    ] {
        let proof = sign(&workload_key(), &proof_header(), &with(proof_claims(), claim, value));
        assert!(prove_at(&proof, &counting, NOW).is_err(), "{claim}");
    }
    assert_eq!(counting.0.get(), 0);
    let proof = sign(&workload_key(), &proof_header(), &proof_claims());
    assert!(prove_at(&proof, &counting, NOW).is_ok());
    assert_eq!(counting.0.get(), 1);
}

#[test]
fn the_longest_proof_is_read_and_one_byte_more_is_not() {
    let longest = prove(&"a".repeat(MAX_PROOF_BYTES));
    assert_eq!(longest, Err(ProofError::Malformed(JwsError::Parts { parts: 1 })));
    let (length, limit) = (MAX_PROOF_BYTES + 1, MAX_PROOF_BYTES);
    let refused = ProofError::Malformed(JwsError::TooLong { length, limit });
    assert_eq!(prove(&"a".repeat(length)), Err(refused));
}

#[test]
fn the_examples_of_the_drafts_pass_at_their_time() {
    let token = concat!(
        "eyJhbGciOiJFUzI1NiIsImtpZCI6Ikp1bmUgNSIsInR5cCI6IndpdCtqd3QifQ.eyJjbmYiOnsiandrIjp7Im",
        "FsZyI6IkVkRFNBIiwiY3J2IjoiRWQyNTUxOSIsImt0eSI6Ik9LUCIsIngiOiIxQ1hYdmZsTl9MVlZzSXNZWHN",
        "VdkIwM0ptbEdXZUNIcVFWdW91Q0Y5MmJnIn19LCJleHAiOjE3NDU1MTI1MTAsImlhdCI6MTc0NTUwODkxMCwi",
        "anRpIjoieC1fMUNUTDJjY2EzQ1NFNGN3Yl9sIiwic3ViIjoid2ltc2U6Ly9leGFtcGxlLmNvbS9zcGVjaWZpY",
        "y13b3JrbG9hZCJ9.6KraSQUxWdl9dxFQ3Fj6dPY0Vi88OkwFwZpAIOhLeq6AbXAnLLQgOp8U9UDGcBuYF3KiN",
        "v6oKQD1ZWAzrMZOJw",
    );
    let proof = concat!(
        "eyJhbGciOiJFZERTQSIsInR5cCI6IndwdCtqd3QifQ.eyJhdGgiOiJDTDR3amZwUm1OZi1iZFlJYllMblY5ZD",
        "VyTUFSR3dLWUUxMHdVd3pDMGpJIiwiYXVkIjoiaHR0cHM6Ly93b3JrbG9hZC5leGFtcGxlLmNvbS9wYXRoIiw",
        "iZXhwIjoxNzQ1NTEwMDE2LCJqdGkiOiJfX2J3YzRFU0MzYWNjMkxUQzEtX3giLCJ3dGgiOiJBYVlVZkMzNEQx",
        "ZGkyRnhRTHBpSUpKN1NnOFZaNm84T0Nkd1NmOUlUb0xnIn0.PI7d9AcYhLoEgPgbJvcM132lkBKnM1NXU-5hZ",
        "UzVTIyj2dRJaTLFs6e5NYv5gg6AqcV7NvkYCwfgMgWasWQzCA",
    );
    let key = json!({
        "kty": "EC", "kid": "June 5", "crv": "P-256",
        "x": "kXqnA2Op7hgd4zRMbw0iFcc_hDxUxhojxOFVGjE2gks",
        "y": "n__VndPMR021-59UAs0b9qDTFT-EZtT6xSNs_xFskLo",
    });
    let keys = KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
    let now = 1_745_509_800;
    let (id, key, signer) =
        verify_with(token, &keys, "example.com", &SoftwareVerifier, now).unwrap();
    assert_eq!(id, "wimse://example.com/specific-workload");
    assert_eq!(signer.as_deref(), Some("June 5"));
    let rules = ProofRules {
        origins: vec![Origin::parse("https://workload.example.com").unwrap()],
        ..rules()
    };
    let request = ProofRequest {
        path: b"/path",
        access_token: Some(Fingerprint::of(b"16_mAd0GiwaZokU26_0902100")),
        txn_token: None,
        ..request(proof, &key, token)
    };
    let proof = check_proof(&request, &rules, &SoftwareVerifier, at(now)).unwrap();
    assert_eq!(proof.used().jti, Fingerprint::of(b"__bwc4ESC3acc2LTC1-_x"));
}

#[test]
fn what_is_printed_holds_no_proof() {
    let (token, key) = wit();
    let shown = format!("{:?}", request("secret.secret.secret", &key, &token));
    assert!(!shown.contains("secret"), "{shown}");
}
