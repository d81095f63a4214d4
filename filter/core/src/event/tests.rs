#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::record::SubjectHash;
use crate::set::tests::{accept, error};
use crate::subject::{SubjectKey, SubjectKind};
use crate::time::UnixTime;

const IDP: &str = "https://idp.example.com/";
const USER: &str = r#"{"format":"iss_sub","iss":"https://idp.example.com/","sub":"alice"}"#;

/// An event of this type whose payload has what it must have.
fn good_payload(name: &str) -> &'static str {
    match name {
        "token-claims-change" => r#"{"claims":{"role":"ro-admin"}}"#,
        "credential-change" => r#"{"credential_type":"fido2-roaming","change_type":"revoke"}"#,
        "assurance-level-change" => r#"{"namespace":"NIST-AAL","current_level":"nist-aal2"}"#,
        "device-compliance-change" => {
            r#"{"previous_status":"compliant","current_status":"not-compliant"}"#
        }
        "risk-level-change" => r#"{"principal":"USER","current_level":"LOW"}"#,
        "credential-compromise" => r#"{"credential_type":"password"}"#,
        "stream-updated" => r#"{"status":"paused","reason":"Internal error"}"#,
        _ => "{}",
    }
}

fn members(uri: &str, subject: &str, payload: &str) -> String {
    format!(r#""sub_id":{subject},"events":{{"{uri}":{payload}}}"#)
}

fn hasher() -> SubjectHasher {
    SubjectHasher::new([3; 16])
}

fn authority() -> Authority {
    Authority { issuers: vec![IDP.to_owned()], ..Authority::default() }
}

fn hash(kind: SubjectKind, value: &str) -> SubjectHash {
    hasher().hash(&SubjectKey::new(kind, IDP, value).unwrap())
}

/// What the event does to `subject`: the facts' kinds and values.
fn effect(name: &str, subject: &str, payload: &str) -> Vec<(SubjectHash, FactKind, FactValue)> {
    let event = EventType::from_name(name).unwrap();
    let set = accept(&members(event.uri, subject, payload));
    let records = records(&set, &authority(), &hasher()).unwrap();
    for record in &records {
        assert_eq!(record.fact.event, event.code);
        assert_eq!(record.fact.signal, set.signal());
        assert_eq!(record.fact.at, set.at());
    }
    records.iter().map(|r| (r.key.subject, r.key.kind, r.fact.value)).collect()
}

#[test]
fn every_type_keeps_its_code() {
    let codes: Vec<_> = TABLE.iter().map(|event| (event.code, event.name)).collect();
    assert_eq!(
        codes,
        [
            (1, "session-revoked"),
            (2, "token-claims-change"),
            (3, "credential-change"),
            (4, "assurance-level-change"),
            (5, "device-compliance-change"),
            (6, "session-established"),
            (7, "session-presented"),
            (8, "risk-level-change"),
            (16, "account-credential-change-required"),
            (17, "account-purged"),
            (18, "account-disabled"),
            (19, "account-enabled"),
            (20, "identifier-changed"),
            (21, "identifier-recycled"),
            (22, "credential-compromise"),
            (23, "opt-in"),
            (24, "opt-out-initiated"),
            (25, "opt-out-cancelled"),
            (26, "opt-out-effective"),
            (27, "recovery-activated"),
            (28, "recovery-information-changed"),
            (29, "sessions-revoked"),
            (32, "verification"),
            (33, "stream-updated"),
        ]
    );
    for event in TABLE {
        assert_eq!(EventType::from_uri(event.uri), Some(event));
        assert_eq!(EventType::from_code(event.code), Some(event));
        assert_eq!(EventType::from_name(event.name), Some(event));
        assert!(event.uri.ends_with(&format!("/event-type/{}", event.name)));
        assert_eq!(name(event.code), event.name);
    }
    assert_eq!(name(UNKNOWN_CODE), "unknown");
}

#[test]
fn every_type_has_its_effect_on_every_form_of_subject() {
    use FactKind::{
        AssuranceBelow2, AssuranceBelow3, AssuranceBelow4, ClaimsChanged, DeviceNotCompliant,
        Disabled, RevokedBefore, RiskHigh, RiskMedium,
    };
    use FactValue::{Set, Unset};
    let subjects = [
        (USER, hash(SubjectKind::IssSub, "alice")),
        (
            r#"{"format":"email","email":"Al@example.com"}"#,
            hash(SubjectKind::Email, "al@example.com"),
        ),
        (
            r#"{"format":"phone_number","phone_number":"+1 206 555 0123"}"#,
            hash(SubjectKind::Phone, "+12065550123"),
        ),
        (
            r#"{"format":"account","uri":"acct:al@example.com"}"#,
            hash(SubjectKind::Account, "acct:al@example.com"),
        ),
        (
            r#"{"format":"uri","uri":"spiffe://example.org/agents"}"#,
            hash(SubjectKind::Uri, "spiffe://example.org/agents"),
        ),
        (r#"{"format":"did","url":"did:example:1"}"#, hash(SubjectKind::Did, "did:example:1")),
        (
            r#"{"format":"jwt_id","iss":"https://idp.example.com/","jti":"j1"}"#,
            hash(SubjectKind::JwtId, "j1"),
        ),
        (
            r#"{"format":"complex","device":{"format":"opaque","id":"d1"}}"#,
            hash(SubjectKind::Device, "d1"),
        ),
    ];
    for event in TABLE {
        let facts: &[(FactKind, FactValue)] = match event.name {
            "session-revoked"
            | "sessions-revoked"
            | "credential-change"
            | "account-credential-change-required"
            | "identifier-recycled"
            | "credential-compromise" => &[(RevokedBefore, Set)],
            "account-disabled" | "account-purged" => &[(RevokedBefore, Set), (Disabled, Set)],
            "account-enabled" => &[(Disabled, Unset)],
            "token-claims-change" | "identifier-changed" => &[(ClaimsChanged, Set)],
            "device-compliance-change" => &[(DeviceNotCompliant, Set)],
            "risk-level-change" => &[(RiskMedium, Unset), (RiskHigh, Unset)],
            "assurance-level-change" => {
                &[(AssuranceBelow2, Unset), (AssuranceBelow3, Set), (AssuranceBelow4, Set)]
            }
            _ => &[],
        };
        for (subject, hash) in &subjects {
            let expected: Vec<_> =
                facts.iter().map(|(kind, value)| (*hash, *kind, *value)).collect();
            let effect = effect(event.name, subject, good_payload(event.name));
            assert_eq!(effect, expected, "{} {subject}", event.name);
        }
    }
}

#[test]
fn an_opaque_subject_is_a_session_or_a_device_where_the_event_is_about_one() {
    let subject = r#"{"format":"opaque","id":"x"}"#;
    for event in TABLE.iter().filter(|event| event.effect != Effect::Recorded) {
        let kind = match event.name {
            "session-revoked" => SubjectKind::Session,
            "device-compliance-change" => SubjectKind::Device,
            _ => SubjectKind::Opaque,
        };
        for (filed_under, _, _) in effect(event.name, subject, good_payload(event.name)) {
            assert_eq!(filed_under, hash(kind, "x"), "{}", event.name);
        }
    }
}

#[test]
fn a_new_credential_revokes_nothing() {
    for (change, count) in [("create", 0), ("revoke", 1), ("update", 1), ("delete", 1)] {
        // A type of credential that is not registered, as Okta has it.
        let payload = format!(r#"{{"credential_type":"ALL_FACTORS","change_type":"{change}"}}"#);
        assert_eq!(effect("credential-change", USER, &payload).len(), count, "{change}");
    }
}

#[test]
fn the_conditions_of_a_complex_subject_are_sorted_hashes() {
    let subject = r#"{"format":"complex","session":{"format":"opaque","id":"s"},
        "user":{"format":"iss_sub","iss":"https://idp.example.com/","sub":"alice"},
        "tenant":{"format":"opaque","id":"t"}}"#;
    let set = accept(&members(EventType::from_code(1).unwrap().uri, subject, "{}"));
    let records = records(&set, &authority(), &hasher()).unwrap();
    let mut conditions = vec![hash(SubjectKind::IssSub, "alice"), hash(SubjectKind::Tenant, "t")];
    conditions.sort_unstable();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].key.subject, hash(SubjectKind::Session, "s"));
    assert_eq!(records[0].key.conditions, conditions);
}

#[test]
fn one_signal_makes_a_record_for_each_issuer_of_the_transmitter() {
    let authority =
        Authority { issuers: vec![IDP.to_owned(), "https://b.example".to_owned()], ..authority() };
    let subject = r#"{"format":"email","email":"al@example.com"}"#;
    let set =
        accept(&members(EventType::from_name("account-disabled").unwrap().uri, subject, "{}"));
    let records = records(&set, &authority, &hasher()).unwrap();
    assert_eq!(records.len(), 4);
    assert!(records.is_sorted_by(|a, b| a.key < b.key));
}

#[test]
fn a_recorded_event_may_have_any_subject() {
    let foreign = r#"{"format":"iss_sub","iss":"https://foreign.example","sub":"x"}"#;
    for subject in [r#"{"format":"catalog_item","catalog_id":"c0384/winter"}"#, foreign] {
        assert_eq!(effect("session-established", subject, "{}"), []);
    }
    let unknown = accept(&members("https://vendor.example/event", foreign, r#"{"a":1}"#));
    assert_eq!((unknown.event, unknown.event_name()), (None, "unknown"));
    assert_eq!(records(&unknown, &authority(), &hasher()), Ok(Vec::new()));
}

#[test]
fn a_transmitter_cannot_reach_beyond_its_authority() {
    for (subject, code) in [
        (r#"{"format":"iss_sub","iss":"https://foreign.example","sub":"x"}"#, "access_denied"),
        (r#"{"format":"complex","tenant":{"format":"opaque","id":"t"}}"#, "access_denied"),
        (r#"{"format":"catalog_item"}"#, "invalid_request"),
        (
            r#"{"format":"complex","user":{"format":"email","email":"a@b"},
                "robot_arm":{"format":"opaque","id":"7"}}"#,
            "invalid_request",
        ),
    ] {
        for name in ["session-revoked", "account-disabled", "account-enabled"] {
            let set = accept(&members(EventType::from_name(name).unwrap().uri, subject, "{}"));
            let error = records(&set, &authority(), &hasher()).unwrap_err();
            assert_eq!(error.code(), code, "{name} {subject}: {error}");
        }
    }
}

#[test]
fn every_required_member_is_required() {
    for event in TABLE {
        for field in event.fields.iter().filter(|field| field.required) {
            let payload = good_payload(event.name);
            let renamed = payload.replace(field.name, "x");
            let missing = error(&members(event.uri, USER, &renamed));
            assert_eq!(missing.code(), "invalid_request");
            let message = format!("event `{}` has no `{}`", event.name, field.name);
            assert_eq!(missing.to_string(), message);
            let broken = payload.replace(
                &format!(r#""{}":"#, field.name),
                &format!(r#""{}":null,"x":"#, field.name),
            );
            assert_eq!(error(&members(event.uri, USER, &broken)).code(), "invalid_request");
        }
    }
}

#[test]
fn a_value_that_is_not_defined_is_named_with_those_that_are() {
    let uri = EventType::from_name("credential-change").unwrap().uri;
    let payload = r#"{"credential_type":"pin","change_type":"Revoke"}"#;
    assert_eq!(
        error(&members(uri, USER, payload)).to_string(),
        "`change_type` of event `credential-change` is `Revoke`, not one of create, revoke, \
         update, delete"
    );
    let payload = r#"{"credential_type":"","change_type":"revoke"}"#;
    assert_eq!(error(&members(uri, USER, payload)).code(), "invalid_request");
}

#[test]
fn reasons_never_stand_in_the_way_of_a_revocation() {
    let uri = EventType::from_code(1).unwrap().uri;
    for (reason, read) in [
        (r#"{"de":"Regel","en":"Policy"}"#, Some("Policy")),
        (r#"{"de":"Regel"}"#, Some("Regel")),
        (r#""Policy""#, Some("Policy")),
        (r#"{}"#, None),
        (r#""""#, None),
        ("7", None),
    ] {
        let set = accept(&members(uri, USER, &format!(r#"{{"reason_admin":{reason}}}"#)));
        assert_eq!(set.reason_admin.as_deref(), read, "{reason}");
    }
    let long = format!(r#"{{"reason_admin":"{}"}}"#, "x".repeat(600));
    assert_eq!(accept(&members(uri, USER, &long)).reason_admin.unwrap().len(), 500);
}

#[test]
fn an_event_counts_from_its_own_time_else_from_the_sets() {
    let uri = EventType::from_code(1).unwrap().uri;
    let at = |payload: &str| accept(&members(uri, USER, payload)).at();
    assert_eq!(at(r#"{"event_timestamp":1615304991}"#), UnixTime::from_secs(1_615_304_991));
    assert_eq!(at(r#"{"event_timestamp":1615304991.9}"#), UnixTime::from_secs(1_615_304_991));
    assert_eq!(at("{}"), UnixTime::from_secs(1_615_305_159));
}

#[test]
fn the_reference_has_a_row_for_every_type() {
    let reference = reference();
    assert_eq!(reference.lines().count(), TABLE.len() + 2);
    assert!(reference.contains(
        "| `account-enabled` | RISC 1.0 §2.4 | lifts `account-disabled` and `account-purged`; older \
         tokens stay refused |"
    ));
}

#[test]
fn levels_are_thresholds_that_any_later_level_moves() {
    use FactKind::{AssuranceBelow2, AssuranceBelow3, AssuranceBelow4, RiskHigh, RiskMedium};
    let held = |name: &str, payload: &str| -> Vec<FactKind> {
        let facts = effect(name, USER, payload);
        facts.into_iter().filter(|f| f.2 == FactValue::Set).map(|f| f.1).collect()
    };
    let risks: [(&str, &[FactKind]); 3] =
        [("LOW", &[]), ("MEDIUM", &[RiskMedium]), ("HIGH", &[RiskMedium, RiskHigh])];
    for (level, expected) in risks {
        let payload = format!(r#"{{"principal":"USER","current_level":"{level}"}}"#);
        assert_eq!(held("risk-level-change", &payload), expected, "{level}");
    }
    let below = [AssuranceBelow2, AssuranceBelow3, AssuranceBelow4];
    for (namespace, level, expected) in [
        ("NIST-AAL", "nist-aal1", &below[..]),
        ("NIST-AAL", "AAL2", &below[1..]),
        ("NIST-AAL", "3", &below[2..]),
        ("ISO-IEC-29115", "LoA4", &[]),
    ] {
        let payload = format!(r#"{{"namespace":"{namespace}","current_level":"{level}"}}"#);
        assert_eq!(held("assurance-level-change", &payload), expected, "{namespace} {level}");
    }
    for (namespace, level) in [
        ("NIST-AAL", "nist-aal4"),
        ("NIST-AAL", "0"),
        ("NIST-AAL", "high"),
        ("ISO-IEC-29115", "5"),
        ("NIST-IAL", "nist-ial2"),
        ("RFC8176", "mfa"),
    ] {
        let payload = format!(r#"{{"namespace":"{namespace}","current_level":"{level}"}}"#);
        assert_eq!(effect("assurance-level-change", USER, &payload), [], "{namespace} {level}");
    }
}

#[test]
fn effects_that_lift_work_in_any_order_of_arrival() {
    let order = |name: &str, older: &str, newer: &str| {
        let event = EventType::from_name(name).unwrap();
        let at = |payload: &str, secs: u64| {
            let payload = payload.replace('}', &format!(r#","event_timestamp":{secs}}}"#));
            let set = accept(&members(event.uri, USER, &payload));
            records(&set, &authority(), &hasher()).unwrap()
        };
        let (older, newer) = (at(older, 1_615_304_000), at(newer, 1_615_304_001));
        for (old, new) in older.iter().zip(&newer) {
            assert_eq!(old.key, new.key);
            assert_eq!(old.fact.merge(new.fact), new.fact, "{name}");
            assert_eq!(new.fact.merge(old.fact), new.fact, "{name}");
        }
        assert_eq!(older.len(), newer.len());
    };
    let device =
        |now: &str| format!(r#"{{"previous_status":"compliant","current_status":"{now}"}}"#);
    order("device-compliance-change", &device("not-compliant"), &device("compliant"));
    let risk = |now: &str| format!(r#"{{"principal":"USER","current_level":"{now}"}}"#);
    order("risk-level-change", &risk("HIGH"), &risk("LOW"));
    order("risk-level-change", &risk("LOW"), &risk("MEDIUM"));
    let level = |now: &str| format!(r#"{{"namespace":"NIST-AAL","current_level":"{now}"}}"#);
    order("assurance-level-change", &level("1"), &level("3"));
}

#[test]
fn risk_of_a_device_is_about_the_device() {
    let subject = r#"{"format":"opaque","id":"x"}"#;
    for (principal, kind) in [("DEVICE", SubjectKind::Device), ("USER", SubjectKind::Opaque)] {
        let payload = format!(r#"{{"principal":"{principal}","current_level":"HIGH"}}"#);
        let effect = effect("risk-level-change", subject, &payload);
        assert!(effect.iter().all(|(filed, _, _)| *filed == hash(kind, "x")), "{principal}");
        assert_eq!(effect.len(), 2);
    }
}

#[test]
fn state_of_what_no_token_names_is_recorded_and_a_foreign_one_is_refused() {
    let payload = good_payload("token-claims-change");
    let saml = r#"{"format":"saml_assertion_id","issuer":"https://idp.example.com/",
        "assertion_id":"_a75adf55"}"#;
    assert_eq!(effect("token-claims-change", saml, payload), []);
    let foreign = r#"{"format":"iss_sub","iss":"https://foreign.example","sub":"x"}"#;
    let event = EventType::from_name("token-claims-change").unwrap();
    let set = accept(&members(event.uri, foreign, payload));
    assert_eq!(records(&set, &authority(), &hasher()).unwrap_err().code(), "access_denied");
}

#[test]
fn an_optional_member_may_be_absent_but_not_of_another_type() {
    for event in TABLE {
        for field in event.fields.iter().filter(|field| !field.required) {
            let wrong = match good_payload(event.name) {
                "{}" => format!(r#"{{"{}":7}}"#, field.name),
                good => good.replace(r#""reason":"Internal error""#, r#""x":1"#).replacen(
                    '{',
                    &format!(r#"{{"{}":7,"#, field.name),
                    1,
                ),
            };
            let message = error(&members(event.uri, USER, &wrong)).to_string();
            let expected = format!("`{}` of event `{}` is a number, not ", field.name, event.name);
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}
