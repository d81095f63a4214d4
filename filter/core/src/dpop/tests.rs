use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value as Json, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base64url;
use crate::crypto::SoftwareVerifier;
use crate::json::JsonError;
use crate::jwk::KeyError;
use crate::jws::JwsError;
use crate::origin::UriProblem;

const NOW: u64 = 1_800_000_000;
const TOKEN: &[u8] = b"header.payload.signature";
const NONCES: NonceKey = NonceKey::new([5; 32]);

fn signing_key() -> SigningKey {
    SigningKey::from_slice(&[9; 32]).unwrap()
}

fn public(key: &SigningKey) -> Json {
    let point = key.verifying_key().to_sec1_point(false);
    let part = |part: &[u8]| base64url::encode(part);
    json!({"kty": "EC", "crv": "P-256", "x": part(point.x().unwrap()), "y": part(point.y().unwrap())})
}

fn thumbprint(jwk: &Json) -> Fingerprint {
    let text = jwk.to_string();
    let jwk = json::parse(text.as_bytes(), &Limits::TOKEN).unwrap();
    Fingerprint::of_jwk(jwk.as_object().unwrap()).unwrap()
}

fn header() -> Json {
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": public(&signing_key())})
}

fn claims() -> Json {
    json!({
        "jti": "p-1", "htm": "POST", "htu": "https://api.example.com/tools",
        "iat": NOW, "ath": Fingerprint::of(TOKEN).to_base64url(),
    })
}

fn sign(header: &Json, claims: &Json) -> String {
    let part = |value: &Json| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature: p256::ecdsa::Signature = signing_key().sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

/// `value` with `member` changed, or without it.
fn with(mut value: Json, member: &str, change: impl Into<Option<Json>>) -> Json {
    match change.into() {
        Some(change) => value[member] = change,
        None => drop(value.as_object_mut().unwrap().remove(member)),
    }
    value
}

fn rules() -> Rules {
    Rules {
        algorithms: DEFAULT_ALGORITHMS.to_vec(),
        origins: vec![Origin::parse("https://api.example.com").unwrap()],
        window: Window::default(),
        nonces: None,
    }
}

fn request(proof: &str) -> Request<'_> {
    Request {
        proof: Field::One(proof.as_bytes()),
        method: b"POST",
        path: b"/tools",
        token: Some(Fingerprint::of(TOKEN)),
        key: Some(thumbprint(&public(&signing_key()))),
    }
}

fn at(proof: &str, rules: &Rules, secs: u64) -> Result<Proof, DpopError> {
    check(&request(proof), rules, &SoftwareVerifier, UnixTime::from_secs(secs))
}

fn with_header(member: &str, change: impl Into<Option<Json>>) -> Result<Proof, DpopError> {
    at(&sign(&with(header(), member, change), &claims()), &rules(), NOW)
}

fn with_claim(member: &str, change: impl Into<Option<Json>>) -> Result<Proof, DpopError> {
    at(&sign(&header(), &with(claims(), member, change)), &rules(), NOW)
}

#[test]
fn a_good_proof_passes_and_says_what_to_remember() {
    let proof = at(&sign(&header(), &claims()), &rules(), NOW).unwrap();
    let key = thumbprint(&public(&signing_key()));
    let until = UnixTime::from_secs(NOW + 60);
    assert_eq!(*proof.used(), Used { key, jti: Fingerprint::of(b"p-1"), until });
    assert_eq!((proof.key(), proof.iat()), (key, UnixTime::from_secs(NOW)));
    assert_eq!(proof.nonce(), None);
}

#[test]
fn check_1_exactly_one_header() {
    let proof = sign(&header(), &claims());
    for (field, expected) in
        [(Field::Absent, DpopError::Absent), (Field::Many, DpopError::Multiple)]
    {
        let request = Request { proof: field, ..request(&proof) };
        let now = UnixTime::from_secs(NOW);
        assert_eq!(check(&request, &rules(), &SoftwareVerifier, now), Err(expected));
    }
}

#[test]
fn check_2_one_well_formed_jwt() {
    let proof = sign(&header(), &claims());
    for wrong in [
        String::new(),
        "x".to_owned(),
        format!("{proof}, {proof}"),
        format!(" {proof}"),
        format!("{proof}="),
        format!("{proof}.x"),
        proof.replace('.', ".."),
    ] {
        assert!(matches!(at(&wrong, &rules(), NOW), Err(DpopError::Malformed(_))), "{wrong}");
    }
    let not_json = format!("{}.bm8.c2ln", base64url::encode(header().to_string().as_bytes()));
    let syntax = JsonError::Syntax { line: 1, column: 2 };
    assert_eq!(at(&not_json, &rules(), NOW), Err(DpopError::Payload(syntax)));
    let array = at(&sign(&header(), &json!([])), &rules(), NOW);
    assert_eq!(array, Err(ClaimsError::NotAnObject { kind: "an array" }.into()));
}

#[test]
fn check_3_every_required_claim() {
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        let missing = Err(ClaimsError::Missing { claim }.into());
        assert_eq!(with_claim(claim, None), missing, "{claim}");
        for wrong in [json!(null), json!([]), json!({}), json!(true)] {
            let refused = with_claim(claim, wrong.clone());
            let is_type = matches!(refused, Err(DpopError::Claims(ClaimsError::WrongType { .. })));
            assert!(is_type, "{claim} {wrong}");
        }
    }
    let long = "j".repeat(claims::MAX_JTI_BYTES);
    assert!(with_claim("jti", json!(long)).is_ok());
    let too_long = ClaimsError::JtiTooLong { length: long.len() + 1 };
    assert_eq!(with_claim("jti", json!(format!("{long}j"))), Err(too_long.into()));
    assert_eq!(with_claim("jti", json!("")), Err(ClaimsError::Empty { claim: "jti" }.into()));
}

#[test]
fn check_4_the_type_dpop_jwt() {
    for typ in ["dpop+jwt", "DPOP+JWT", "application/dpop+jwt"] {
        assert!(with_header("typ", json!(typ)).is_ok(), "{typ}");
    }
    for typ in ["at+jwt", "JWT", "dpop", "wpt+jwt", "txntoken+jwt", "secevent+jwt", "wit+jwt"] {
        let refused = DpopError::WrongType { typ: Some(typ.to_owned()) };
        assert_eq!(with_header("typ", json!(typ)), Err(refused));
    }
    assert_eq!(with_header("typ", None), Err(DpopError::WrongType { typ: None }));
}

#[test]
fn check_5_an_asymmetric_algorithm_that_is_allowed() {
    for name in ["none", "HS256", "es256", "ES256K"] {
        let refused = JwsError::UnknownAlgorithm { name: name.to_owned() };
        assert_eq!(with_header("alg", json!(name)), Err(DpopError::Malformed(refused)));
    }
    let algorithm = Algorithm::Rs256;
    let refused = Err(DpopError::AlgorithmNotAllowed { algorithm });
    assert_eq!(with_header("alg", json!("RS256")), refused);
}

#[test]
fn check_6_the_signature_by_the_key_in_the_header() {
    let proof = sign(&header(), &claims());
    let (signed, _) = proof.rsplit_once('.').unwrap();
    let bad = Err(DpopError::BadSignature { algorithm: Algorithm::Es256 });
    for signature in [vec![0; 64], vec![1; 64], vec![1; 63], vec![1; 65], vec![0xff; 64]] {
        let forged = format!("{signed}.{}", base64url::encode(&signature));
        assert_eq!(at(&forged, &rules(), NOW), bad);
    }
    // Somebody else's key in the header, signed with one's own.
    let other = SigningKey::from_slice(&[8; 32]).unwrap();
    let forged = sign(&with(header(), "jwk", public(&other)), &claims());
    let key = Some(thumbprint(&public(&other)));
    let request = Request { key, ..request(&forged) };
    assert_eq!(check(&request, &rules(), &SoftwareVerifier, UnixTime::from_secs(NOW)), bad);
    // A key that says it is for another algorithm, or is of another type.
    assert_eq!(
        with_header("alg", json!("EdDSA")),
        Err(DpopError::BadSignature { algorithm: Algorithm::EdDsa })
    );
}

#[test]
fn check_7_a_public_key_without_private_members() {
    for member in ["d", "k", "p"] {
        let jwk = with(public(&signing_key()), member, json!("AA"));
        let refused = Err(DpopError::Key(KeyError::Private { member }));
        assert_eq!(with_header("jwk", jwk), refused);
    }
    assert_eq!(with_header("jwk", None), Err(DpopError::NoKey));
    for jwk in [json!("key"), json!({"kty": "oct", "k": "AAAA"}), json!({"kty": "EC"}), json!([])] {
        assert_eq!(with_header("jwk", jwk), Err(DpopError::NoThumbprint));
    }
    // RSA of 1024 bits, whatever it is bound to.
    let modulus = base64url::encode(&[0xff; 128]);
    let jwk = json!({"kty": "RSA", "e": "AQAB", "n": modulus});
    let proof = sign(&with(header(), "jwk", jwk.clone()), &claims());
    let request = Request { key: Some(thumbprint(&jwk)), ..request(&proof) };
    let refused = Err(DpopError::Key(KeyError::ModulusSize { bits: 1024 }));
    assert_eq!(check(&request, &rules(), &SoftwareVerifier, UnixTime::from_secs(NOW)), refused);
}

#[test]
fn check_8_the_method_case_counts() {
    for htm in ["GET", "post", "POST ", "Post"] {
        let refused = Err(DpopError::WrongMethod { htm: htm.to_owned() });
        assert_eq!(with_claim("htm", json!(htm)), refused);
    }
}

#[test]
fn check_9_the_address_from_the_configuration() {
    for htu in [
        "HTTPS://API.example.com:443/tools",
        "https://api.example.com/tools?a=b",
        "https://api.example.com/t%6Fols#x",
    ] {
        assert!(with_claim("htu", json!(htu)).is_ok(), "{htu}");
    }
    for htu in [
        "https://api.example.com/",
        "https://evil.example/tools",
        "http://api.example.com/tools",
        "https://api.example.com:8443/tools",
    ] {
        let refused = Err(DpopError::WrongTarget { htu: htu.to_owned() });
        assert_eq!(with_claim("htu", json!(htu)), refused);
    }
    for (htu, problem) in
        [("/tools", UriProblem::Scheme), ("https://x@api.example.com/tools", UriProblem::UserInfo)]
    {
        let refused = Err(DpopError::UnclearTarget { htu: htu.to_owned(), problem });
        assert_eq!(with_claim("htu", json!(htu)), refused);
    }
    let dots = with_claim("htu", json!("https://api.example.com/a/../tools"));
    assert!(matches!(dots, Err(DpopError::UnclearTarget { problem: UriProblem::Path(_), .. })));
}

#[test]
fn check_10_a_nonce_where_one_is_asked_for_and_no_way_around_it() {
    let rules = Rules { nonces: Some(NONCES), ..rules() };
    let now = UnixTime::from_secs(NOW);
    let with_nonce =
        |nonce: Option<Json>| at(&sign(&header(), &with(claims(), "nonce", nonce)), &rules, NOW);
    let nonce = |proof: Proof| proof.nonce();
    assert_eq!(with_nonce(Some(json!(NONCES.issue(now)))).map(nonce), Ok(Some(Age::Current)));
    let before = NONCES.issue(now.minus(crate::nonce::STEP));
    assert_eq!(with_nonce(Some(json!(before))).map(nonce), Ok(Some(Age::Previous)));
    let old = NONCES.issue(now.minus(crate::nonce::STEP).minus(crate::nonce::STEP));
    assert_eq!(with_nonce(Some(json!(old))), Err(DpopError::StaleNonce));
    assert_eq!(with_nonce(Some(json!("made-up"))), Err(DpopError::StaleNonce));
    assert_eq!(with_nonce(None), Err(DpopError::NoNonce));
    assert_eq!(with_nonce(Some(json!(null))), Err(DpopError::NoNonce));
    // Where none is asked for, one that is there is no harm.
    assert!(with_claim("nonce", json!("made-up")).is_ok());
}

#[test]
fn check_11_a_time_within_the_window() {
    let proof = sign(&header(), &claims());
    for (now, passes) in
        [(NOW - 11, false), (NOW - 10, true), (NOW, true), (NOW + 60, true), (NOW + 61, false)]
    {
        assert_eq!(at(&proof, &rules(), now).is_ok(), passes, "{now}");
    }
    let [iat, now] = [NOW, NOW + 61].map(UnixTime::from_secs);
    assert_eq!(
        at(&proof, &rules(), NOW + 61),
        Err(DpopError::TooOld { iat, now, limit: DEFAULT_PAST })
    );
    let now = UnixTime::from_secs(NOW - 11);
    let refused = Err(DpopError::InTheFuture { iat, now, limit: DEFAULT_FUTURE });
    assert_eq!(at(&proof, &rules(), NOW - 11), refused);
    for iat in [json!("1800000000"), json!(-1), json!(1e300), json!(NOW * 1000)] {
        assert!(with_claim("iat", iat.clone()).is_err(), "{iat}");
    }
}

#[test]
fn check_12_the_token_and_the_key_it_is_bound_to() {
    let ath = Fingerprint::of(b"another token").to_base64url();
    assert_eq!(with_claim("ath", json!(ath)), Err(DpopError::WrongToken));
    let padded = format!("{}=", Fingerprint::of(TOKEN));
    assert_eq!(with_claim("ath", json!(padded)), Err(DpopError::WrongToken));
    let proof = sign(&header(), &claims());
    let expected = Fingerprint::of(b"another key");
    let request = Request { key: Some(expected), ..request(&proof) };
    let refused = DpopError::WrongKey { thumbprint: thumbprint(&public(&signing_key())), expected };
    let verdict = check(&request, &rules(), &SoftwareVerifier, UnixTime::from_secs(NOW));
    assert_eq!(verdict, Err(refused));
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
    let now = UnixTime::from_secs(NOW);
    let bad_claims = [
        ("htm", json!("GET")),
        ("htu", json!("https://evil.example/")),
        ("iat", json!(1)),
        ("ath", json!("x")),
        ("jti", json!(7)),
    ];
    for (claim, value) in bad_claims {
        let proof = sign(&header(), &with(claims(), claim, value));
        assert!(check(&request(&proof), &rules(), &counting, now).is_err(), "{claim}");
    }
    let proof = sign(&header(), &claims());
    let other = Request { key: Some(Fingerprint::of(b"x")), ..request(&proof) };
    assert!(check(&other, &rules(), &counting, now).is_err());
    assert_eq!(counting.0.get(), 0);
    assert!(check(&request(&proof), &rules(), &counting, now).is_ok());
    assert_eq!(counting.0.get(), 1);
}

#[test]
fn the_longest_proof_is_read_and_one_byte_more_is_not() {
    let error = |proof: String| at(&proof, &rules(), NOW).unwrap_err();
    let longest = error("a".repeat(MAX_PROOF_BYTES));
    assert_eq!(longest, DpopError::Malformed(JwsError::Parts { parts: 1 }));
    let (length, limit) = (MAX_PROOF_BYTES + 1, MAX_PROOF_BYTES);
    let refused = DpopError::Malformed(JwsError::TooLong { length, limit });
    assert_eq!(error("a".repeat(length)), refused);
}

#[test]
fn the_example_of_rfc_9449_section_7_1_passes_at_its_time() {
    let proof = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik",
        "VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR",
        "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE",
        "QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj",
        "oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z",
        "WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF",
        "c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E",
        "OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    );
    let token = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let origins = vec![Origin::parse("https://resource.example.org").unwrap()];
    let request = Request {
        method: b"GET",
        path: b"/protectedresource",
        token: Some(Fingerprint::of(token)),
        key: Fingerprint::from_base64url("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        ..request(proof)
    };
    let rules = Rules { origins, ..rules() };
    let now = UnixTime::from_secs(1_562_262_618);
    assert!(check(&request, &rules, &SoftwareVerifier, now).is_ok());
}

#[test]
fn a_client_is_told_how_to_recover() {
    let thumbprint = Fingerprint::of(b"a");
    let wrong_key = DpopError::WrongKey { thumbprint, expected: thumbprint };
    for (error, code) in [
        (DpopError::NoNonce, "use_dpop_nonce"),
        (DpopError::StaleNonce, "use_dpop_nonce"),
        (wrong_key, "invalid_token"),
        (DpopError::WrongToken, "invalid_dpop_proof"),
        (DpopError::Absent, "invalid_dpop_proof"),
    ] {
        assert_eq!(error.challenge().code(), code, "{error}");
    }
}

#[test]
fn what_is_printed_holds_no_proof() {
    let shown = format!("{:?}", request("secret.secret.secret"));
    assert!(!shown.contains("secret"), "{shown}");
}
