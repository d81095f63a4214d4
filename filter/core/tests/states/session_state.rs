//! State that signals tell of and routes ask for: device, risk, assurance, claims (CAEP 1.0 §3.2 to §3.8).

use rescind_core::feed::Gap;
use rescind_core::record::FactKind;
use rescind_core::time::UnixTime;
use serde_json::{Value, json};

use super::world::{ISSUER, START, World, config, good_token, token_with, with};
use super::{PERMIT, answer};

/// The world's route `/admin` asks for this.
fn asking(requirement: &str, value: &Value) -> Value {
    with(config(), "/routes/1", json!({"path_prefix": "/admin", requirement: value}))
}

const RENEW: &str = r#"Bearer realm="api", error="invalid_token", error_description="the access token is not valid""#;
const STEP_UP: &str = r#"Bearer realm="api", error="insufficient_user_authentication", error_description="the user has to be authenticated again""#;

#[test]
fn a_route_refuses_the_state_that_it_asks_for_and_others_do_not() {
    use FactKind::{
        AssuranceBelow2, AssuranceBelow3, AssuranceBelow4, ClaimsChanged, DeviceNotCompliant,
        RiskHigh, RiskMedium,
    };
    let device = (403, "device_not_compliant", None);
    let risk = (403, "risk_too_high", None);
    let assurance = (401, "assurance_too_low", Some(STEP_UP));
    let claims = (401, "claims_changed", Some(RENEW));
    for (requirement, value, kind, expected) in [
        ("compliant_device", json!(true), DeviceNotCompliant, device),
        ("compliant_device", json!(false), DeviceNotCompliant, PERMIT),
        ("max_risk", json!("low"), RiskMedium, risk),
        ("max_risk", json!("low"), RiskHigh, risk),
        ("max_risk", json!("medium"), RiskMedium, PERMIT),
        ("max_risk", json!("medium"), RiskHigh, risk),
        ("min_assurance", json!(2), AssuranceBelow2, assurance),
        ("min_assurance", json!(2), AssuranceBelow3, PERMIT),
        ("min_assurance", json!(3), AssuranceBelow3, assurance),
        ("min_assurance", json!(4), AssuranceBelow4, assurance),
        ("unchanged_claims", json!(true), ClaimsChanged, claims),
        ("unchanged_claims", json!(true), RiskHigh, PERMIT),
    ] {
        let mut world = World::synchronized(&asking(requirement, &value));
        let token = good_token();
        assert_eq!(world.get("/admin", Some(&token)), answer(PERMIT), "before any signal");
        let signal = world.signal(kind, true, START);
        let name = format!("{requirement}: {value}, {kind:?}");
        assert_eq!(world.get("/admin", Some(&token)), answer(expected), "{name}");
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "{name}, another route");
        if expected != PERMIT {
            assert_eq!(world.denial("/admin", &token).signal(), Some(signal), "{name}");
        }
    }
}

#[test]
fn state_is_lifted_by_the_next_signal_and_an_older_one_that_comes_late_changes_nothing() {
    let mut world = World::synchronized(&asking("compliant_device", &json!(true)));
    let token = good_token();
    world.signal(FactKind::DeviceNotCompliant, true, START);
    assert_eq!(world.get("/admin", Some(&token)).1, "device_not_compliant");
    world.signal(FactKind::DeviceNotCompliant, false, START + 2);
    assert_eq!(world.get("/admin", Some(&token)), answer(PERMIT));
    world.signal(FactKind::DeviceNotCompliant, true, START + 1);
    assert_eq!(world.get("/admin", Some(&token)), answer(PERMIT));
}

#[test]
fn a_token_issued_after_its_claims_changed_passes() {
    let mut world = World::synchronized(&asking("unchanged_claims", &json!(true)));
    world.signal(FactKind::ClaimsChanged, true, START - 30);
    assert_eq!(world.get("/admin", Some(&good_token())).1, "claims_changed");
    let new = token_with("iat", json!(START - 29));
    assert_eq!(world.get("/admin", Some(&new)), answer(PERMIT));
}

#[test]
fn a_revocation_is_told_before_any_state() {
    let mut world = World::synchronized(&asking("compliant_device", &json!(true)));
    world.signal(FactKind::DeviceNotCompliant, true, START);
    world.revoke_user(ISSUER, "alice", START);
    assert_eq!(world.get("/admin", Some(&good_token())).1, "revoked");
}

#[test]
fn a_route_refuses_tokens_whose_signals_may_have_been_missed_if_it_says_so() {
    let gap = |issuer: &str| {
        vec![Gap { issuer: issuer.to_owned(), since: UnixTime::from_secs(START - 60) }]
    };
    let refused = (503, "gap", None);
    for (on_gap, gaps, expected) in [
        (json!("deny"), vec![], PERMIT),
        (json!("deny"), gap(ISSUER), refused),
        (json!("deny"), gap(Gap::EVERYBODY), refused),
        (json!("deny"), gap("https://other.example"), PERMIT),
        (json!("allow"), gap(ISSUER), PERMIT),
        (Value::Null, gap(ISSUER), PERMIT),
    ] {
        let configuration = match &on_gap {
            Value::Null => asking("cors_preflight", &json!(false)),
            on_gap => asking("on_gap", on_gap),
        };
        let mut world = World::synchronized(&configuration);
        let token = good_token();
        assert_eq!(world.get("/admin", Some(&token)), answer(PERMIT), "before any gap");
        world.gaps = gaps;
        world.wait(1);
        world.synchronize();
        let name = format!("{on_gap}, {:?}", world.gaps);
        assert_eq!(world.get("/admin", Some(&token)), answer(expected), "{name}");
        assert_eq!(world.get("/", Some(&token)), answer(PERMIT), "{name}, another route");
        world.gaps = vec![];
        world.wait(1);
        world.synchronize();
        assert_eq!(world.get("/admin", Some(&token)), answer(PERMIT), "{name}, after the gap");
    }
}
