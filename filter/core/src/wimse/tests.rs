#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value as Json, json};

use super::*;
use crate::base64url;
use crate::claims::ClaimsError;
use crate::crypto::{SignatureVerifier, SoftwareVerifier};
use crate::json::{self as strict, Limits};
use crate::jwk::{KeyError, KeySet, PublicKey};
use crate::jws::{Algorithm, Jws};
use crate::lifetime::{LifetimeError, LifetimeRules};
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;

mod proof;

const NOW: u64 = 1_800_000_000;
const LEEWAY: Duration = Duration::from_secs(30);
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];
const ID: &str = "spiffe://example.org/agents/research";

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn domain_key() -> SigningKey {
    SigningKey::from_slice(&[5; 32]).unwrap()
}

fn workload_key() -> SigningKey {
    SigningKey::from_slice(&[6; 32]).unwrap()
}

fn public(key: &SigningKey) -> Json {
    let point = key.verifying_key().to_sec1_point(false);
    let part = |bytes: &[u8]| base64url::encode(bytes);
    let (x, y) = (part(point.x().unwrap()), part(point.y().unwrap()));
    json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y})
}

/// `value` with `member` changed, or without it.
fn with(mut value: Json, member: &str, change: impl Into<Option<Json>>) -> Json {
    match change.into() {
        Some(change) => value[member] = change,
        None => drop(value.as_object_mut().unwrap().remove(member)),
    }
    value
}

fn sign(key: &SigningKey, header: &Json, claims: &Json) -> String {
    let part = |value: &Json| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

fn wit_header() -> Json {
    json!({"typ": "wit+jwt", "alg": "ES256", "kid": "d-1"})
}

fn wit_claims() -> Json {
    json!({
        "sub": ID, "iat": NOW - 100, "exp": NOW + 3_000, "jti": "w-1",
        "cnf": {"jwk": public(&workload_key())},
    })
}

fn keys(kid: &str) -> KeySet {
    let key = with(public(&domain_key()), "kid", json!(kid));
    KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap()
}

fn lifetime(max_secs: u64) -> LifetimeRules {
    LifetimeRules { leeway: LEEWAY, max_lifetime: Duration::from_secs(max_secs) }
}

/// What is kept of a WIT that was accepted, and of the key that signed it.
type Accepted = (String, PossessionKey, Option<String>);

fn verify_with(
    token: &str,
    keys: &KeySet,
    domain: &str,
    verifier: &dyn SignatureVerifier,
    now: u64,
) -> Result<Accepted, WitError> {
    let domain = TrustDomain::parse(domain).unwrap();
    let trust = Trust { domain: &domain, keys, algorithms: &ALGORITHMS, lifetime: lifetime(3_600) };
    let jws = Jws::parse(token.as_bytes(), 8 * 1024).unwrap();
    let payload = strict::parse(jws.payload(), &Limits::TOKEN).unwrap();
    let (wit, signer) = verify(&jws, &payload, &trust, verifier, at(now))?;
    Ok((wit.id.as_str().to_owned(), wit.key, signer.kid().map(str::to_owned)))
}

fn accept(token: &str) -> Result<Accepted, WitError> {
    verify_with(token, &keys("d-1"), "example.org", &SoftwareVerifier, NOW)
}

fn with_wit_header(member: &str, change: impl Into<Option<Json>>) -> Result<Accepted, WitError> {
    accept(&sign(&domain_key(), &with(wit_header(), member, change), &wit_claims()))
}

fn with_wit_claim(member: &str, change: impl Into<Option<Json>>) -> Result<Accepted, WitError> {
    accept(&sign(&domain_key(), &wit_header(), &with(wit_claims(), member, change)))
}

fn with_jwk(member: &str, change: impl Into<Option<Json>>) -> Result<Accepted, WitError> {
    let jwk = with(public(&workload_key()), member, change);
    with_wit_claim("cnf", json!({"jwk": jwk}))
}

/// The WIT and the key in it.
fn wit() -> (String, PossessionKey) {
    let token = sign(&domain_key(), &wit_header(), &wit_claims());
    let (_, key, _) = accept(&token).unwrap();
    (token, key)
}

#[test]
fn a_good_wit_names_its_workload_its_key_and_who_signed_it() {
    let thumbprint = Fingerprint::of_jwk(
        strict::parse(public(&workload_key()).to_string().as_bytes(), &Limits::TOKEN)
            .unwrap()
            .as_object()
            .unwrap(),
    );
    let (id, key, signer) = accept(&wit().0).unwrap();
    assert_eq!((id.as_str(), signer.as_deref()), (ID, Some("d-1")));
    assert_eq!(Some(key.thumbprint()), thumbprint);
    // Who issued it may be said, and counts for nothing.
    assert!(with_wit_claim("iss", json!("https://evil.example")).is_ok());
    for claim in ["jti", "iat"] {
        assert!(with_wit_claim(claim, None).is_ok(), "{claim}");
    }
}

#[test]
fn only_the_type_of_a_wit_is_one() {
    for typ in ["wit+jwt", "WIT+JWT", "application/wit+jwt"] {
        assert!(with_wit_header("typ", json!(typ)).is_ok(), "{typ}");
    }
    for typ in ["JWT", "JOSE", "at+jwt", "wpt+jwt", "dpop+jwt", "txntoken+jwt", "secevent+jwt"] {
        let refused = WitError::Type { typ: Some(typ.to_owned()) };
        assert_eq!(with_wit_header("typ", json!(typ)), Err(refused));
    }
    assert_eq!(with_wit_header("typ", None), Err(WitError::Type { typ: None }));
    assert_eq!(with_wit_claim("events", json!({})), Err(WitError::SecurityEventToken));
}

#[test]
fn a_wit_is_signed_by_the_key_of_its_trust_domain_that_it_names() {
    let (trust_domain, algorithm) = ("example.org".to_owned(), Algorithm::Es256);
    let forged = sign(&workload_key(), &wit_header(), &wit_claims());
    let kid = "d-1".to_owned();
    let bad =
        WitError::BadSignature { trust_domain: trust_domain.clone(), kid: kid.clone(), algorithm };
    assert_eq!(accept(&forged), Err(bad));
    let unknown = WitError::UnknownKey { trust_domain, kid, algorithm };
    let other = verify_with(&wit().0, &keys("d-2"), "example.org", &SoftwareVerifier, NOW);
    assert_eq!(other, Err(unknown));
    assert_eq!(with_wit_header("kid", None), Err(WitError::NoKid));
    let foreign = verify_with(&wit().0, &keys("d-1"), "example.com", &SoftwareVerifier, NOW);
    let (found, expected) = ("example.org".to_owned(), "example.com".to_owned());
    assert_eq!(foreign, Err(WitError::ForeignTrustDomain { found, expected }));
}

#[test]
fn an_algorithm_has_to_be_configured_and_for_an_svid_allowed_by_spiffe() {
    let refused = Err(WitError::Algorithm { algorithm: Algorithm::Rs256 });
    assert_eq!(with_wit_header("alg", json!("RS256")), refused);
    let refused = Err(WitError::Algorithm { algorithm: Algorithm::EdDsa });
    assert_eq!(with_wit_header("alg", json!("EdDSA")), refused);
    let okp = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
        "x": "1CXXvflN_LVVsIsYXsUvB03JmlGWeCHqQVuouCF92bg",
    });
    let claims = with(wit_claims(), "cnf", json!({"jwk": okp}));
    let refused = Err(WitError::ProofAlgorithm { algorithm: Algorithm::EdDsa });
    assert_eq!(accept(&sign(&domain_key(), &wit_header(), &claims)), refused);
    let claims = with(claims, "sub", json!("wimse://example.org/agents/research"));
    assert!(accept(&sign(&domain_key(), &wit_header(), &claims)).is_ok());
}

#[test]
fn a_workload_identifier_has_one_spelling() {
    for id in [ID, "wimse://example.org/a", "spiffe://example.org/a/b"] {
        assert!(with_wit_claim("sub", json!(id)).is_ok(), "{id}");
    }
    let subject = |error| Err(WitError::Subject(error));
    for (id, refused) in [
        ("https://example.org/a", subject(SpiffeIdError::Scheme)),
        ("SPIFFE://example.org/a", subject(SpiffeIdError::Scheme)),
        ("wimse:example.org/a", subject(SpiffeIdError::Scheme)),
        ("wimse:///a", subject(SpiffeIdError::NoTrustDomain)),
        ("wimse://Example.org/a", subject(SpiffeIdError::TrustDomainByte { byte: b'E' })),
        ("wimse://example.org:443/a", subject(SpiffeIdError::TrustDomainByte { byte: b':' })),
        ("wimse://u@example.org/a", subject(SpiffeIdError::TrustDomainByte { byte: b'@' })),
        ("wimse://example.org/a/../b", subject(SpiffeIdError::DotSegment)),
        ("wimse://example.org/a/", subject(SpiffeIdError::EmptySegment)),
        ("wimse://example.org/a?b", subject(SpiffeIdError::PathByte { byte: b'?' })),
        ("wimse://example.org", Err(WitError::NoWorkload)),
        ("spiffe://example.org", Err(WitError::NoWorkload)),
    ] {
        assert_eq!(with_wit_claim("sub", json!(id)), refused, "{id}");
    }
    let missing = ClaimsError::Missing { claim: "sub" };
    assert_eq!(with_wit_claim("sub", None), Err(missing.into()));
}

#[test]
fn a_wit_is_for_no_audience_and_for_hours_only() {
    for aud in [json!("https://api.example.com"), json!([]), json!(null)] {
        assert_eq!(with_wit_claim("aud", aud), Err(WitError::HasAudience));
    }
    assert_eq!(with_wit_claim("exp", None), Err(ClaimsError::Missing { claim: "exp" }.into()));
    let token = wit().0;
    for (now, is_good) in [(NOW - 131, false), (NOW - 130, true), (NOW + 3_029, true)] {
        let verdict = verify_with(&token, &keys("d-1"), "example.org", &SoftwareVerifier, now);
        assert_eq!(verdict.is_ok(), is_good, "{now}");
    }
    let (exp, now) = (at(NOW + 3_000), at(NOW + 3_030));
    let over = verify_with(&token, &keys("d-1"), "example.org", &SoftwareVerifier, NOW + 3_030);
    assert_eq!(over, Err(LifetimeError::Expired { exp, now, leeway: LEEWAY }.into()));
    let too_long = with_wit_claim("exp", json!(NOW + 3_501));
    assert!(matches!(too_long, Err(WitError::Lifetime(LifetimeError::TooLong { .. }))));
}

#[test]
fn the_key_of_a_workload_is_public_and_names_its_algorithm() {
    assert_eq!(with_jwk("alg", None), Err(WitError::NoProofAlgorithm));
    for alg in [json!("none"), json!("HS256"), json!("ES256K"), json!(256), json!("es256")] {
        assert_eq!(with_jwk("alg", alg), Err(WitError::NoProofAlgorithm));
    }
    let mismatch = KeyError::AlgorithmMismatch { algorithm: Algorithm::Es384 };
    assert_eq!(with_jwk("alg", json!("ES384")), Err(WitError::Key(mismatch)));
    for member in ["d", "k"] {
        let private = KeyError::Private { member };
        assert_eq!(with_jwk(member, json!("AA")), Err(WitError::Key(private)));
    }
    let missing = |claim| Err(WitError::Claims(ClaimsError::Missing { claim }));
    assert_eq!(with_wit_claim("cnf", None), missing("cnf"));
    assert_eq!(with_wit_claim("cnf", json!({"jkt": "x"})), missing("cnf.jwk"));
    for cnf in [json!("x"), json!([]), json!({"jwk": "x"}), json!({"jwk": []})] {
        let refused = with_wit_claim("cnf", cnf);
        let wrong = matches!(refused, Err(WitError::Claims(ClaimsError::WrongType { .. })));
        assert!(wrong, "{refused:?}");
    }
}
