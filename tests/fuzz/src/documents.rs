//! What is fetched, and what workloads present.

use std::time::Duration;

use rescind_core::audience::Audiences;
use rescind_core::bundle::Bundle;
use rescind_core::discovery::{WellKnown, jwks_location};
use rescind_core::json::{self, Limits};
use rescind_core::jwk::KeySet;
use rescind_core::jws::{Algorithm, DEFAULT_MAX_TOKEN_BYTES, Jws};
use rescind_core::lifetime::LifetimeRules;
use rescind_core::mcp::body::{Announced, Content};
use rescind_core::mcp::{McpHeaders, McpRequest};
use rescind_core::origin::Origin;
use rescind_core::request::Field;
use rescind_core::spiffe::TrustDomain;
use rescind_core::status_list::{CompactList, StatusList, StatusListToken};
use rescind_core::thumbprint::Fingerprint;
use rescind_core::time::UnixTime;
use rescind_core::wimse::{ProofRequest, ProofRules, Trust, check_proof, verify};
use rescind_core::{base64url, mcp};

use crate::parsers::Credulous;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A bundle, metadata of an issuer, the token of a status list.
///
/// # Panics
///
/// When an address leads elsewhere than the configuration says.
pub fn fetched(data: &[u8]) {
    if let Ok(bundle) = Bundle::parse(data) {
        assert!(bundle.may_replace(&bundle));
        let refresh = bundle.refresh(Duration::from_secs(300));
        assert!(refresh >= Duration::from_secs(10) && refresh <= Duration::from_secs(3600));
    }
    if let Ok(found) = jwks_location(data, "https://a/", "a") {
        assert!(found.authority == "a" && found.path.starts_with('/'));
    }
    if let Ok(payload) = json::parse(data, &Limits::TOKEN) {
        let _ = StatusListToken::parse(&payload, "https://a/").is_ok();
    }
    if let Ok(text) = std::str::from_utf8(data) {
        for kind in WellKnown::ALL {
            if let Ok(found) = kind.location(text) {
                assert!(found.path.contains("/.well-known/") && !found.authority.contains('@'));
            }
        }
        let mut known = Audiences::default();
        let added = known.add(text);
        assert_eq!(added, Ok(known.of([text])));
        // Whatever else is written for the same is the same both ways round.
        let is_other = known.of(["https://a/"]).is_empty();
        assert_eq!(known.add("https://a/") == added, !is_other);
    }
    let _ = mcp::name(data).is_ok();
}

/// A body of an MCP request that is announced as a call of the tool `a`.
///
/// # Panics
///
/// When one passes that a general reader sees something else in.
pub fn mcp_body(data: &[u8]) {
    let one = |text: &'static str| Field::One(text.as_bytes());
    let headers = McpHeaders {
        protocol_version: one("2026-07-28"),
        method: one("tools/call"),
        name: one("a"),
    };
    let Ok(announced) = McpRequest::parse(&headers).map(|message| Announced::by(&message)) else {
        return;
    };
    if announced.is_ok_and(|announced| announced.check(data).is_ok()) {
        let body: serde_json::Value = serde_json::from_slice(data).expect("strict JSON is JSON");
        assert_eq!(body["method"], "tools/call");
        assert_eq!(body["params"]["name"], "a");
        let members = |value: &serde_json::Value| {
            let members = value.as_object().into_iter().flatten();
            members.map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>()
        };
        let count = |value, name| members(value).iter().filter(|known| *known == name).count();
        assert!(count(&body, "method") == 1 && count(&body, "params") == 1);
        assert_eq!(count(&body["params"], "name"), 1);
    }
    let content = Content { media_type: Field::One(data), encoding: Field::Absent };
    if content.check().is_ok() {
        assert!(data.is_ascii());
    }
}

/// A list of statuses, compressed and as it is kept.
///
/// # Panics
///
/// When a list has places without a status, or other than it says.
pub fn statuses(data: &[u8]) {
    let _ = CompactList::from_bytes(data).is_some();
    let [bits, index, compressed @ ..] = data else { return };
    if let Ok(list) = StatusList::inflate(*bits, compressed) {
        let last = list.places().saturating_sub(1);
        for index in [u64::from(*index), last, list.places()] {
            assert_eq!(list.status(index).is_ok(), index < list.places());
        }
    }
}

/// The payload of a workload's identity token, a line end, and the payload of its proof.
///
/// # Panics
///
/// When an accepted proof could be used at another time than the rules say.
pub fn wimse(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (wit, proof) = data.split_at(at);
    let token =
        |header: &[u8], payload: &[u8]| [header, payload, b"s"].map(base64url::encode).join(".");
    let wit = token(br#"{"typ":"wit+jwt","alg":"ES256","kid":"k"}"#, wit);
    let domain = TrustDomain::parse("example.org").expect("a trust domain");
    let keys = br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","use":"sig","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    let keys = KeySet::parse(keys).expect("a key set");
    let lifetime =
        LifetimeRules { leeway: Duration::from_secs(30), max_lifetime: Duration::from_secs(3600) };
    let trust = Trust { domain: &domain, keys: &keys, algorithms: &Algorithm::ALL, lifetime };
    let Ok(jws) = Jws::parse(wit.as_bytes(), DEFAULT_MAX_TOKEN_BYTES) else { return };
    let Ok(payload) = json::parse(jws.payload(), &Limits::TOKEN) else { return };
    let Ok((verified, _)) = verify(&jws, &payload, &trust, &Credulous, NOW) else { return };
    assert_eq!(verified.id.trust_domain(), "example.org");
    let proof = token(br#"{"typ":"wpt+jwt","alg":"ES256"}"#, proof);
    let rules = ProofRules {
        algorithms: Algorithm::ALL.to_vec(),
        origins: vec![Origin::parse("https://api.example.com").expect("an origin")],
        audiences: vec!["https://alias.example.com".to_owned()],
        lifetime,
    };
    let request = ProofRequest {
        proof: Field::One(proof.as_bytes()),
        path: b"/tools",
        key: &verified.key,
        wit: Fingerprint::of(wit.as_bytes()),
        access_token: None,
        txn_token: None,
    };
    if let Ok(proof) = check_proof(&request, &rules, &Credulous, NOW) {
        assert!(proof.used().until >= NOW && proof.used().until <= NOW.plus(rules.longest()));
    }
}
