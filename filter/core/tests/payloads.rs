//! What real transmitters send, read strictly and under the profile that is meant for it.
//!
//! `payloads/INDEX.md` says where each comes from, how it deviates and what is to be expected. Each
//! is read as if its issuer were the configured one and its audience ours; authority covers every
//! issuer that its subject names. The expectation is what it does to the table: the facts, with `-`
//! before those that are lifted; nothing if it is only recorded; or the code of RFC 8935.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::collections::BTreeSet;
use std::path::Path;

use rescind_core::authority::Authority;
use rescind_core::base64url::encode;
use rescind_core::event;
use rescind_core::jws::{Algorithm, Jws};
use rescind_core::record::FactValue;
use rescind_core::set::Profile::{
    AuthentikLegacy, GoogleRisc, Keycloak, LegacySubject, Okta, SseId1,
};
use rescind_core::set::{
    DEFAULT_SKEW, MAX_SET_BYTES, Profile, SecurityEventToken, SetError, SetExpectations,
};
use rescind_core::subject::SubjectHasher;
use rescind_core::time::UnixTime;
use serde_json::{Value, json};

/// 2026-11-24.
const NOW: u64 = 1_795_500_000;

/// File, strictly, profile, under that profile.
const EXPECTED: &[(&str, &str, Profile, &str)] = &[
    ("01-ssf-verification-solicited.json", "", LegacySubject, ""),
    ("02-ssf-verification-unsolicited.json", "", LegacySubject, ""),
    ("03-ssf-stream-updated-paused.json", "", LegacySubject, ""),
    ("04-ssf-verification-array-aud.json", "", LegacySubject, ""),
    (
        "05-ssf-proprietary-subject-future-iat.json",
        "invalid_request",
        LegacySubject,
        "invalid_request",
    ),
    ("06-ssf-complex-two-members.json", "revoked_before", LegacySubject, "revoked_before"),
    ("10-caep-session-revoked-opaque.json", "revoked_before", LegacySubject, "revoked_before"),
    (
        "11-caep-session-revoked-complex-session-user-tenant.json",
        "revoked_before",
        LegacySubject,
        "revoked_before",
    ),
    (
        "12-caep-session-revoked-complex-user-device-tenant.json",
        "revoked_before",
        LegacySubject,
        "revoked_before",
    ),
    ("13-caep-token-claims-change-jwt-id.json", "claims_changed", LegacySubject, "claims_changed"),
    ("14-caep-token-claims-change-saml.json", "", LegacySubject, ""),
    ("15-caep-credential-change-fido2.json", "", LegacySubject, ""),
    (
        "16-caep-assurance-level-change.json",
        "-assurance_below_2 assurance_below_3 assurance_below_4",
        LegacySubject,
        "-assurance_below_2 assurance_below_3 assurance_below_4",
    ),
    (
        "17-caep-device-compliance-change.json",
        "device_not_compliant",
        LegacySubject,
        "device_not_compliant",
    ),
    ("18-caep-session-established.json", "", LegacySubject, ""),
    ("19-caep-session-presented.json", "", LegacySubject, ""),
    (
        "20-caep-risk-level-change.json",
        "-risk_high -risk_medium",
        LegacySubject,
        "-risk_high -risk_medium",
    ),
    (
        "30-risc-account-disabled.json",
        "disabled revoked_before",
        LegacySubject,
        "disabled revoked_before",
    ),
    ("31-risc-identifier-changed.json", "claims_changed", LegacySubject, "claims_changed"),
    ("32-risc-credential-compromise.json", "revoked_before", LegacySubject, "revoked_before"),
    (
        "33-risc-account-disabled-phone-with-spaces.json",
        "disabled revoked_before",
        LegacySubject,
        "disabled revoked_before",
    ),
    (
        "40-google-risc-account-disabled.json",
        "invalid_request",
        GoogleRisc,
        "disabled revoked_before",
    ),
    ("41-google-risc-token-revoked.json", "invalid_request", GoogleRisc, ""),
    ("42-google-risc-verification.json", "invalid_request", GoogleRisc, ""),
    ("50-okta-tx-session-revoked.json", "invalid_request", Okta, "revoked_before"),
    ("51-okta-tx-credential-change-fido.json", "invalid_request", Okta, ""),
    ("52-okta-tx-credential-change-all-factors.json", "invalid_request", Okta, "revoked_before"),
    ("53-okta-rx-user-risk-change.json", "invalid_request", Okta, "risk_high risk_medium"),
    ("54-okta-rx-docs-broken-no-events-wrapper.json", "invalid_request", Okta, "invalid_request"),
    ("55-okta-rx-identifier-changed-ms.json", "invalid_request", Okta, "claims_changed"),
    ("56-okta-rx-device-risk-change.json", "invalid_request", Okta, "-risk_high -risk_medium"),
    ("57-okta-rx-conflicting-issuers.json", "", Okta, "-risk_high -risk_medium"),
    ("60-caepdev-session-revoked.json", "revoked_before", Keycloak, "revoked_before"),
    (
        "61-authentik-logout-session-revoked.json",
        "invalid_request",
        AuthentikLegacy,
        "revoked_before",
    ),
    ("62-solarssk-apple-session-revoked.json", "revoked_before", LegacySubject, "revoked_before"),
    ("63-sse-id1-complex-session-revoked.json", "invalid_request", SseId1, "revoked_before"),
    ("64-sse-id1-verification.json", "invalid_request", SseId1, ""),
    ("65-logingov-risc-authorization-fraud.json", "invalid_request", GoogleRisc, ""),
    ("70-conformance-caep-interop-ms-timestamp.json", "invalid_request", Okta, "revoked_before"),
    ("80-neg-sub-claim-present.json", "invalid_request", LegacySubject, "invalid_request"),
    ("81-neg-exp-claim-present.json", "invalid_request", LegacySubject, "invalid_request"),
    ("82-neg-typ-jwt.json", "invalid_request", LegacySubject, "invalid_request"),
    ("83-neg-two-independent-events.json", "invalid_request", LegacySubject, "invalid_request"),
    ("84-neg-critical-member-unknown.json", "invalid_request", LegacySubject, "invalid_request"),
    ("85-neg-nested-aliases.json", "invalid_request", LegacySubject, "invalid_request"),
    ("86-neg-verification-foreign-stream.json", "", LegacySubject, ""),
    ("87-neg-alg-none.json", "invalid_key", LegacySubject, "invalid_key"),
];

/// The payloads, by their numbers, that a profile reads otherwise than strictly, and how.
const OTHERWISE: &[(Profile, &[(&str, &str)])] = &[
    (Profile::Strict, &[]),
    (LegacySubject, &[("53", ""), ("56", ""), ("63", "revoked_before")]),
    (
        Okta,
        &[
            ("50", "revoked_before"),
            ("51", ""),
            ("52", "revoked_before"),
            ("53", "risk_high risk_medium"),
            ("55", "claims_changed"),
            ("56", "-risk_high -risk_medium"),
            ("57", "-risk_high -risk_medium"),
            ("63", "revoked_before"),
            ("70", "revoked_before"),
        ],
    ),
    (
        GoogleRisc,
        &[
            ("40", "disabled revoked_before"),
            ("41", ""),
            ("42", ""),
            ("64", ""),
            ("65", ""),
            ("82", "revoked_before"),
        ],
    ),
    (
        SseId1,
        &[
            ("40", "disabled revoked_before"),
            ("41", ""),
            ("42", ""),
            ("50", "revoked_before"),
            ("51", ""),
            ("52", "revoked_before"),
            ("53", ""),
            ("55", "claims_changed"),
            ("56", ""),
            ("63", "revoked_before"),
            ("64", ""),
            ("65", ""),
            ("70", "revoked_before"),
        ],
    ),
    (
        AuthentikLegacy,
        &[
            ("53", ""),
            ("56", ""),
            ("61", "revoked_before"),
            ("63", "revoked_before"),
            ("82", "revoked_before"),
        ],
    ),
    (
        Keycloak,
        &[
            ("42", ""),
            ("50", "revoked_before"),
            ("51", ""),
            ("52", "revoked_before"),
            ("53", ""),
            ("55", "claims_changed"),
            ("56", ""),
            ("63", "revoked_before"),
            ("64", ""),
            ("70", "revoked_before"),
        ],
    ),
];

/// Where we differ from INDEX.md, and why.
const DIFFERENT: [(&str, &str); 3] = [
    ("05", "a SET from the year 2451 is refused under every profile: its revocations would last"),
    (
        "84",
        "an unknown member is refused also if it is not critical: to leave it out would revoke more than was said",
    ),
    (
        "86",
        "whose stream it is the companion knows, and refuses it (openid_ssf_receiver_verification_wrong_subject)",
    ),
];

fn issuers(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let ("iss" | "issuer", Value::String(issuer)) = (name.as_str(), value) {
                    found.insert(issuer.clone());
                }
                issuers(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| issuers(value, found)),
        _ => {}
    }
}

fn read(file: &Value, profile: Profile) -> Result<SecurityEventToken, SetError> {
    let (header, claims) = (&file["jose_header"], &file["claims"]);
    let usual = json!({"typ": "secevent+jwt", "alg": "RS256", "kid": "k"});
    let header = if header.is_null() { &usual } else { header };
    let parts = [header.to_string().into_bytes(), claims.to_string().into_bytes(), vec![1; 256]];
    let token = parts.map(|part| encode(&part)).join(".");
    let aud = &claims["aud"];
    let audience = aud.as_str().or_else(|| aud[0].as_str()).unwrap().to_owned();
    let expect = SetExpectations {
        issuer: claims["iss"].as_str().unwrap(),
        audiences: &[audience],
        algorithms: &[Algorithm::Rs256],
        now: UnixTime::from_secs(NOW),
        skew: DEFAULT_SKEW,
        profile,
    };
    let jws = Jws::parse(token.as_bytes(), MAX_SET_BYTES).map_err(SetError::Jws)?;
    SecurityEventToken::parse(&jws, &expect)
}

fn outcome(file: &Value, profile: Profile) -> String {
    let mut covered = BTreeSet::new();
    issuers(&file["claims"], &mut covered);
    let authority = Authority { issuers: covered.into_iter().collect(), ..Authority::default() };
    let records = read(file, profile)
        .and_then(|set| event::records(&set, &authority, &SubjectHasher::new([7; 16])));
    match records {
        Err(error) => error.code().to_owned(),
        Ok(records) => {
            let facts = records.iter().map(|record| {
                let lifted = if record.fact.value == FactValue::Set { "" } else { "-" };
                format!("{lifted}{}", record.key.kind.name())
            });
            facts.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
        }
    }
}

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

fn load(name: &str) -> Value {
    let text = std::fs::read_to_string(directory().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_payload_has_its_effect_strictly_and_under_its_profile() {
    for (name, strict, profile, lenient) in EXPECTED {
        let file = load(name);
        assert_eq!(outcome(&file, Profile::Strict), *strict, "{name} strictly");
        assert_eq!(outcome(&file, *profile), *lenient, "{name} under {}", profile.name());
    }
    let entries = std::fs::read_dir(directory()).unwrap();
    let names: BTreeSet<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let files = names.iter().filter(|name| name.ends_with(".json")).count();
    assert_eq!(files, EXPECTED.len(), "every file has its expectation");
    for (number, _) in DIFFERENT {
        assert!(names.iter().any(|name| name.starts_with(number)), "{number}");
    }
}

#[test]
fn no_profile_relaxes_what_makes_a_set_one() {
    for name in ["54", "80", "81", "83", "85", "87"] {
        let row = EXPECTED.iter().find(|row| row.0.starts_with(name)).unwrap();
        for profile in Profile::ALL {
            let outcome = outcome(&load(row.0), profile);
            assert!(outcome.starts_with("invalid_"), "{name} under {}: {outcome}", profile.name());
        }
    }
    for profile in Profile::ALL {
        let mut file = load("60-caepdev-session-revoked.json");
        let claims = file["claims"].as_object_mut().unwrap();
        claims.insert("iat".to_owned(), json!(NOW * 1000));
        assert_eq!(outcome(&file, profile), "invalid_request", "iat is never in milliseconds");
    }
}

#[test]
fn a_subject_at_the_top_wins_over_one_in_the_event() {
    let file = load("57-okta-rx-conflicting-issuers.json");
    for profile in Profile::ALL {
        let set = read(&file, profile).unwrap();
        let own = Authority { issuers: vec![set.iss.clone()], ..Authority::default() };
        assert!(event::records(&set, &own, &SubjectHasher::new([7; 16])).is_ok());
    }
}

#[test]
fn every_profile_has_its_name() {
    for profile in Profile::ALL {
        assert_eq!(Profile::from_name(profile.name()), Some(profile));
    }
    assert_eq!(Profile::from_name("Okta"), None);
    assert_eq!(Profile::default(), Profile::Strict);
}

#[test]
fn each_profile_reads_what_it_is_meant_for_otherwise_and_everything_else_strictly() {
    assert_eq!(OTHERWISE.len(), Profile::ALL.len());
    for (profile, expected) in OTHERWISE {
        let otherwise: Vec<_> = EXPECTED
            .iter()
            .map(|(name, strict, ..)| (name, strict, outcome(&load(name), *profile)))
            .filter(|(_, strict, found)| found != *strict)
            .map(|(name, _, found)| (name.get(..2).unwrap(), found))
            .collect();
        let found: Vec<_> = otherwise.iter().map(|(name, found)| (*name, found.as_str())).collect();
        assert_eq!(found, *expected, "{}", profile.name());
    }
}
