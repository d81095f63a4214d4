//! What signals say of a device, a risk, an assurance or claims, at the routes that ask for it: each
//! pushed as a SET, each lifted by the next one where it can be.

use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::now;
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::transmitter::iss_sub;
use rescind_e2e::wait;
use serde_json::{Value, json};

fn site() -> Site {
    let routes = json!([
        { "path_prefix": "/device", "compliant_device": true },
        { "path_prefix": "/risk/none", "max_risk": "low" },
        { "path_prefix": "/risk/some", "max_risk": "medium" },
        { "path_prefix": "/assured", "min_assurance": 2, "acr_values": ["phr", "mfa"] },
        { "path_prefix": "/claims", "unchanged_claims": true },
    ]);
    let section = json!({ "subject_claims": { "device": "device_id" } });
    Site::with(&Plan { filter: json!({ "routes": routes }), section, ..Plan::default() })
}

/// Pushes a CAEP event about a subject, effective at `at`; the name of the signal.
fn push(site: &Site, event: &str, subject: &Value, at: u64, members: &Value) {
    let uri = format!("https://schemas.openid.net/secevent/caep/event-type/{event}");
    let mut payload = members.clone();
    payload["event_timestamp"] = json!(at);
    let claims = site.transmitter.claims(&uri, subject, &payload);
    let answer = site.transmitter.push(site.companion.port, &site.transmitter.sign(&claims));
    assert_eq!(answer.status(), 202, "{event}: {}", answer.text());
}

fn call(site: &Site, path: &str, token: &str) -> Message {
    site.envoy.send(&Request::get(path).bearer(token))
}

fn reaches(site: &Site, path: &str, token: &str, status: u16) -> Message {
    wait::until(&format!("{path} to answer {status}"), wait::SOON, || {
        let answer = call(site, path, token);
        (answer.status() == status).then_some(answer)
    })
}

/// Nobody else is touched: another route, and another subject on this one.
fn others_pass(site: &Site, path: &str, token: &str) {
    let other = site.issuer.token_with("bystander", &json!({ "acr": "phr" }));
    assert_eq!(call(site, path, &other).status(), 200, "{path} for somebody else");
    assert_eq!(call(site, "/orders", token).status(), 200, "a route that does not ask");
}

#[test]
fn a_device_that_no_longer_complies_is_refused_where_the_route_asks_until_it_does() {
    let site = site();
    let (agent, start) = (iss_sub(ISSUER, "agent"), now());
    let token = site.issuer.token("agent");
    assert_eq!(call(&site, "/device", &token).status(), 200);
    let change = |at, previous: &str, current: &str| {
        let members = json!({ "previous_status": previous, "current_status": current });
        push(&site, "device-compliance-change", &agent, at, &members);
    };
    change(start - 2, "compliant", "not-compliant");
    let refused = reaches(&site, "/device", &token, 403);
    assert_eq!(refused.header("www-authenticate"), None, "another token would not help");
    let line = site.envoy.logged("the refusal", |line| line["reason"] == "device_not_compliant");
    site.envoy.metric_reaches("rescind_denied_device_not_compliant", 1);
    let signal = line["signal"].as_str().unwrap();
    let operator = site.companion.read("operator.token");
    let show = Request::get(&format!("/v1/signals/{signal}")).bearer(&operator);
    assert!(site.companion.send(&show).text().contains("device-compliance-change"));
    others_pass(&site, "/device", &token);
    change(start - 1, "not-compliant", "compliant");
    reaches(&site, "/device", &token, 200);
    // One that was sent before and comes late.
    change(start - 3, "compliant", "not-compliant");
    site.revoke("marker", &site.issuer.token("marker"));
    assert_eq!(call(&site, "/device", &token).status(), 200);
}

#[test]
fn one_of_a_users_devices_that_no_longer_complies_leaves_the_others_alone() {
    let site = site();
    let of = |device| site.issuer.token_with("agent", &json!({ "device_id": device }));
    let (laptop, phone) = (of("laptop-7"), of("phone-2"));
    let subject = json!({
        "format": "complex",
        "user": iss_sub(ISSUER, "agent"),
        "device": { "format": "opaque", "id": "laptop-7" },
    });
    let members = json!({ "previous_status": "compliant", "current_status": "not-compliant" });
    push(&site, "device-compliance-change", &subject, now(), &members);
    reaches(&site, "/device", &laptop, 403);
    assert_eq!(call(&site, "/device", &phone).status(), 200);
}

#[test]
fn a_risk_above_what_the_route_takes_is_refused_until_it_is_lower() {
    let site = site();
    let (agent, start) = (iss_sub(ISSUER, "agent"), now());
    let token = site.issuer.token("agent");
    let risk = |at, level: &str| {
        let members =
            json!({ "principal": "USER", "current_level": level, "risk_reason": "odd hours" });
        push(&site, "risk-level-change", &agent, at, &members);
    };
    risk(start - 3, "MEDIUM");
    reaches(&site, "/risk/none", &token, 403);
    assert_eq!(call(&site, "/risk/some", &token).status(), 200);
    risk(start - 2, "HIGH");
    reaches(&site, "/risk/some", &token, 403);
    site.envoy.logged("the refusal", |line| line["reason"] == "risk_too_high");
    site.envoy.metric_reaches("rescind_denied_risk_too_high", 1);
    others_pass(&site, "/risk/none", &token);
    risk(start - 1, "LOW");
    reaches(&site, "/risk/some", &token, 200);
    assert_eq!(call(&site, "/risk/none", &token).status(), 200);
}

#[test]
fn an_assurance_below_what_the_route_needs_is_answered_with_a_step_up() {
    let site = site();
    let (agent, start) = (iss_sub(ISSUER, "agent"), now());
    let token = site.issuer.token_with("agent", &json!({ "acr": "mfa" }));
    let level = |at, level: &str, direction: &str| {
        let members = json!({
            "namespace": "NIST-AAL", "current_level": level, "change_direction": direction,
        });
        push(&site, "assurance-level-change", &agent, at, &members);
    };
    assert_eq!(call(&site, "/assured", &token).status(), 200);
    level(start - 2, "nist-aal1", "decrease");
    let refused = reaches(&site, "/assured", &token, 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    for part in ["error=\"insufficient_user_authentication\"", "acr_values=\"phr mfa\""] {
        assert!(challenge.contains(part), "{part} in {challenge}");
    }
    site.envoy.logged("the refusal", |line| line["reason"] == "assurance_too_low");
    site.envoy.metric_reaches("rescind_denied_assurance_too_low", 1);
    others_pass(&site, "/assured", &token);
    level(start - 1, "nist-aal2", "increase");
    reaches(&site, "/assured", &token, 200);
}

#[test]
fn a_token_from_before_its_claims_changed_is_answered_with_invalid_token_and_a_new_one_passes() {
    let site = site();
    let event = now() - 5;
    let old = site.issuer.token_with("agent", &json!({ "iat": event }));
    let new = site.issuer.token_with("agent", &json!({ "iat": event + 1 }));
    let members = json!({ "claims": { "role": "read-only" } });
    push(&site, "token-claims-change", &iss_sub(ISSUER, "agent"), event, &members);
    let refused = reaches(&site, "/claims", &old, 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    site.envoy.logged("the refusal", |line| line["reason"] == "claims_changed");
    site.envoy.metric_reaches("rescind_denied_claims_changed", 1);
    assert_eq!(call(&site, "/claims", &new).status(), 200);
    others_pass(&site, "/claims", &old);
    // One token alone (CAEP 1.0 §3.2.2).
    let marked = site.issuer.token_with("other", &json!({ "jti": "t-77" }));
    let beside = site.issuer.token_with("other", &json!({ "jti": "t-78" }));
    let jwt = json!({ "format": "jwt_id", "iss": ISSUER, "jti": "t-77" });
    push(&site, "token-claims-change", &jwt, now(), &members);
    reaches(&site, "/claims", &marked, 401);
    assert_eq!(call(&site, "/claims", &beside).status(), 200);
}
