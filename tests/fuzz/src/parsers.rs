//! Everything that reads bytes from outside.

use ed25519_dalek::{Signer as _, SigningKey};
use rescind_core::authority::Authority;
use rescind_core::claims::{Claims, peek_issuer};
use rescind_core::config::Config;
use rescind_core::crypto::{SignatureVerifier, SoftwareVerifier};
use rescind_core::delegation::MayAct;
use rescind_core::dpop;
use rescind_core::feed::{FeedKey, LogId, Page, SignedPage, open, signing_input};
use rescind_core::gate::Gate;
use rescind_core::https_url::HttpsUrl;
use rescind_core::json::{self, Limits};
use rescind_core::jwk::{KeySet, PublicKey};
use rescind_core::jws::{Algorithm, DEFAULT_MAX_TOKEN_BYTES, Jws, typ_matches};
use rescind_core::mapping::{Mapping, token_keys};
use rescind_core::nonce::NonceKey;
use rescind_core::origin::{self, Origin};
use rescind_core::place::{self, Elsewhere, Place};
use rescind_core::request::Field;
use rescind_core::set::{DEFAULT_SKEW, Profile, SetExpectations, UnverifiedSet};
use rescind_core::spiffe::{JwtSvid, SpiffeId};
use rescind_core::status_list::StatusReference;
use rescind_core::subject::{SubjectHasher, SubjectKey, SubjectKind};
use rescind_core::thumbprint::Fingerprint;
use rescind_core::time::UnixTime;
use rescind_core::txn_token::TxnToken;
use rescind_core::xfcc::{MAX_ELEMENTS, PeerCertificate};
use rescind_core::{base64url, event};

/// A token, and a header within an otherwise good token.
///
/// # Panics
///
/// When what is accepted is not the one spelling of its bytes.
pub fn jws(data: &[u8]) {
    let parts = [data, b"{}", b"s"].map(base64url::encode);
    for token in [data, parts.join(".").as_bytes()] {
        let Ok(jws) = Jws::parse(token, DEFAULT_MAX_TOKEN_BYTES) else { continue };
        let signature = base64url::encode(jws.signature());
        assert_eq!([jws.signing_input(), b".", signature.as_bytes()].concat(), token);
        let payload = base64url::encode(jws.payload());
        assert!(jws.signing_input().ends_with(payload.as_bytes()));
        let kinds = ["at+jwt", "txntoken+jwt", "dpop+jwt", "wit+jwt", "wpt+jwt", "secevent+jwt"];
        let typ = jws.typ().unwrap_or_default();
        assert!(kinds.iter().filter(|kind| typ_matches(typ, kind)).count() <= 1, "{typ:?}");
    }
}

/// A key set, one key, and signatures made of the same bytes.
///
/// # Panics
///
/// When a key that is kept fits no algorithm.
pub fn jwk(data: &[u8]) {
    let set = KeySet::parse(data).ok();
    let keys = set.as_ref().map(|set| set.keys().to_vec()).unwrap_or_default();
    for key in keys.into_iter().chain(PublicKey::parse(data)) {
        let fitting: Vec<_> = Algorithm::ALL.into_iter().filter(|name| key.fits(*name)).collect();
        assert!(!fitting.is_empty());
        let mut signature = data.to_vec();
        signature.resize(key.material().signature_bytes(), 0);
        for algorithm in fitting {
            let _ = SoftwareVerifier.verify(algorithm, &key, b"message", &signature);
        }
        assert!(!key.spki_der().is_empty());
    }
}

/// A payload, read as each kind of token.
///
/// # Panics
///
/// When another JSON parser does not accept what ours does, or a token's keys are not a set.
pub fn claims(data: &[u8]) {
    let Ok(payload) = json::parse(data, &Limits::TOKEN) else { return };
    let theirs = serde_json::from_slice::<serde_json::Value>(data).expect("JSON for everybody");
    let iss = peek_issuer(&payload);
    assert_eq!(iss, theirs.get("iss").and_then(serde_json::Value::as_str));
    let hasher = SubjectHasher::new([7; 16]);
    if let Ok(claims) = Claims::parse(&payload) {
        assert_eq!(Some(claims.iss), iss);
        assert_eq!(claims.sub, theirs.get("sub").and_then(serde_json::Value::as_str));
        let keys = token_keys(&claims, &Mapping::default(), &hasher);
        assert!(keys.is_sorted_by(|one, other| one < other));
        let mapping = Mapping { may_act: true, ..Mapping::default() };
        let more = token_keys(&claims, &mapping, &hasher);
        assert!(keys.iter().all(|key| more.contains(key)));
        assert!(claims.may_act.is_some() || more == keys);
    }
    let _ = Claims::parse_as(&payload, "spiffe://example.org").is_ok();
    let _ = JwtSvid::parse(&payload).is_ok();
    let _ = TxnToken::parse(&payload, "https://tts.example").is_ok();
    if let Some(object) = payload.as_object() {
        let _ = MayAct::find(object).is_ok();
        let _ = StatusReference::find(object).is_ok();
    }
}

/// A SPIFFE ID, a subject of any kind, a URL.
///
/// # Panics
///
/// When an accepted name has two spellings.
pub fn spiffe(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(id) = SpiffeId::parse(text) {
        assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
        assert!(!text.contains(['%', '?', '#', '@']) && !text.ends_with('/'));
        let key = SubjectKey::new(SubjectKind::Uri, "issuer", text).expect("an id is a subject");
        assert_eq!(key.value(), text, "a signal reaches what a token is accepted as");
    }
    for kind in SubjectKind::ALL {
        let Some(key) = SubjectKey::new(kind, "issuer", text) else { continue };
        let canonical = key.value().to_owned();
        let again = SubjectKey::new(kind, "issuer", &canonical).expect("its own canonical form");
        assert_eq!(again.value(), canonical, "{kind:?}");
    }
    if let Ok(url) = HttpsUrl::parse(text) {
        assert!(url.target().starts_with('/'));
    }
}

/// The filter's configuration.
///
/// # Panics
///
/// When a configuration is refused without a word.
pub fn config(data: &[u8]) {
    match Config::parse(data) {
        Ok(config) => drop(Gate::new(config, [1, 2])),
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}

/// Believes everything: what is looked at comes after the signature.
pub(crate) struct Credulous;

impl SignatureVerifier for Credulous {
    fn verify(&self, _: Algorithm, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// A proof: its header, a line end, its claims. All of it as an address, too.
///
/// # Panics
///
/// When an accepted proof could be used at another time than the rules say.
pub fn dpop(data: &[u8]) {
    let origins = vec![Origin::parse("https://api.example.com").expect("an origin")];
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = origin::names_target(text, &origins, b"/tools/a%20b").is_ok();
    }
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, claims) = data.split_at(at);
    let proof = [header, claims, b"s"].map(base64url::encode).join(".");
    let now = UnixTime::from_secs(1_800_000_000);
    for nonces in [None, Some(NonceKey::new([5; 32]))] {
        let rules = dpop::Rules {
            algorithms: Algorithm::ALL.to_vec(),
            origins: origins.clone(),
            window: dpop::Window::default(),
            nonces,
        };
        let request = dpop::Request {
            proof: Field::One(proof.as_bytes()),
            method: b"POST",
            path: b"/tools",
            token: Some(Fingerprint::of(b"header.payload.signature")),
            key: None,
        };
        let Ok(proof) = dpop::check(&request, &rules, &Credulous, now) else { continue };
        assert!(proof.iat() <= now.plus(dpop::DEFAULT_FUTURE));
        assert!(now <= proof.used().until && proof.used().key == proof.key());
    }
}

/// What a client sends as `x-forwarded-client-cert`, alone and with our proxy's element after it.
///
/// # Panics
///
/// When a header reads as two numbers of elements, or hides the last one.
pub fn xfcc(data: &[u8]) {
    let read = |header: &[u8], elements| PeerCertificate::from_xfcc(Field::One(header), elements);
    let counts = 0..=MAX_ELEMENTS + 1;
    assert!(counts.clone().filter(|count| read(data, *count).is_ok()).count() <= 1);
    let digest = "0123456789abcdef".repeat(4);
    let element = format!(",Hash={digest};URI=spiffe://a/b");
    let expected = Fingerprint::from_hex(digest.as_bytes());
    let header = [data, element.as_bytes()].concat();
    for certificate in counts.filter_map(|count| read(&header, count).ok().flatten()) {
        assert_eq!(Some(certificate.thumbprint), expected);
        assert_eq!(certificate.uri_sans, ["spiffe://a/b"]);
    }
}

/// The values of a request's `cookie` headers, one a line.
///
/// # Panics
///
/// When a token stays that should not, another cookie does not, or one is read in two ways.
pub fn cookies(data: &[u8]) {
    const NAMES: [&str; 2] = ["session", "__Host-jwt"];
    let places =
        NAMES.map(|name| Place::Cookie { name: name.to_owned(), origins: Vec::new() }).to_vec();
    let values: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let mut found = Elsewhere::default();
    values.iter().for_each(|value| found.add(&places, b"cookie", value));
    let without_any = place::without(values.iter().copied(), &places, &places);
    let mut again = Elsewhere::default();
    again.add(&places, b"cookie", &without_any);
    assert!(!again.has_cookies(&places));
    assert_eq!(place::without([without_any.as_slice()], &places, &places), without_any);
    let without_shadows = place::without(values.iter().copied(), &places, &[]);
    let mut again = Elsewhere::default();
    again.add(&places, b"cookie", &without_shadows);
    assert!(!again.has_shadows());
    if !found.has_shadows() {
        assert!(again.fields().eq(found.fields()));
    }
    // What does not even hold a name stays, in its order.
    let innocent = |part: &&[u8]| {
        let text = part.to_ascii_lowercase().escape_ascii().to_string();
        let text = text.replace(['.', ' ', '['], "_");
        !part.is_empty() && !NAMES.iter().any(|name| text.contains(&name.to_ascii_lowercase()))
    };
    let parts = |values: &[&[u8]]| -> Vec<Vec<u8>> {
        let parts = values.iter().flat_map(|value| value.split(|byte| *byte == b';'));
        parts.map(<[u8]>::trim_ascii_start).filter(innocent).map(<[u8]>::to_vec).collect()
    };
    assert_eq!(parts(&values), parts(&[&without_any]));
}

/// The payload of a SET from a transmitter of each profile, and what it does to the table. A file of
/// the collection of real payloads, which has the payload as its member `claims`, is a good start.
///
/// # Panics
///
/// When a SET makes records that the feed cannot carry, or that lie in the future.
pub fn set(data: &[u8]) {
    let document = serde_json::from_slice::<serde_json::Value>(data).unwrap_or_default();
    let payload = document.get("claims").map_or(data.to_vec(), |claims| claims.to_string().into());
    let claims = document.get("claims").unwrap_or(&document);
    let issuer = claims["iss"].as_str().unwrap_or("https://i");
    let audiences = [claims["aud"].as_str().unwrap_or("https://a").to_owned()];
    let header = br#"{"alg":"EdDSA","typ":"secevent+jwt","kid":"k"}"#;
    let token = [header, payload.as_slice(), b"s"].map(base64url::encode).join(".");
    let x = base64url::encode(signer().verifying_key().as_bytes());
    let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}]}}"#);
    let keys = KeySet::parse(keys.as_bytes()).expect("a key set");
    let authority = Authority {
        issuers: vec![issuer.to_owned(), "https://j".to_owned()],
        ..Authority::default()
    };
    let now = UnixTime::from_secs(1_800_000_000);
    for profile in Profile::ALL {
        let expect = SetExpectations {
            issuer,
            audiences: &audiences,
            algorithms: &[Algorithm::EdDsa],
            now,
            skew: DEFAULT_SKEW,
            profile,
        };
        let Ok(set) = UnverifiedSet::parse(token.as_bytes(), &expect) else { return };
        let Ok(set) = set.verify(&keys, &Credulous) else { return };
        let Ok(set) = set.accept(&expect) else { continue };
        let hasher = SubjectHasher::new([7; 16]);
        let Ok(records) = event::records(&set, &authority, &hasher) else { continue };
        assert!(records.iter().all(|record| record.fact.at <= now.plus(DEFAULT_SKEW)));
        let page = Page {
            log: LogId([1; 16]),
            from: 0,
            to: 1,
            signed_at: now,
            more: false,
            retention_secs: 1,
            live: 1,
            records,
            gaps: Vec::new(),
        };
        assert_eq!(open(&signed(page.encode()), &key()).as_ref(), Ok(&page));
    }
}

/// A page under a good signature, and an envelope.
///
/// # Panics
///
/// When an accepted page cannot be written and read again.
pub fn feed(data: &[u8]) {
    let _ = SignedPage::decode(data).is_ok();
    if let Ok(page) = open(&signed(data.to_vec()), &key()) {
        assert_eq!(open(&signed(page.encode()), &key()).as_ref(), Ok(&page));
        assert!(page.to_json().is_object());
    }
}

fn signed(payload: Vec<u8>) -> Vec<u8> {
    let signature = signer().sign(&signing_input(&payload)).to_bytes();
    SignedPage { payload, signature }.encode()
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn key() -> FeedKey {
    FeedKey(signer().verifying_key().to_bytes())
}
