//! Tokens in a cookie or a header of their own, on hosts that remove headers, only say so, or let a request wait.

use std::time::Duration;

use rescind_e2e::site::Plan;
use serde_json::json;

use crate::host::{Behaviour, Gateway, Outcome};
use crate::installation::{Installation, forwarded, is_forwarded, request};

/// A gateway with the issuer's tokens in a cookie, or in a header, that every request is decided by.
fn gateway(site: &Installation, behaviour: Behaviour, place: &serde_json::Value) -> Gateway {
    let mut configuration = site.configuration(behaviour, &Plan::default());
    configuration["issuers"][0]["token_from"] = place.clone();
    let mut gateway = Gateway::start(behaviour, 1, &configuration, &site.clusters());
    gateway.turn(6);
    let token = site.issuer.token("warm-up");
    let header = match place.get("header") {
        Some(_) => ("x-iap-jwt", token),
        None => ("cookie", format!("session={token}")),
    };
    let outcome = gateway.send(0, &request("/orders", &[(header.0, &header.1)]));
    assert!(is_forwarded(&outcome), "{outcome:?}; {:#?}", gateway.workers[0].log());
    gateway
}

#[test]
fn a_token_in_a_cookie_ends_at_every_gateway_and_other_cookies_go_on() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let mut gateway = gateway(&site, behaviour, &json!({"cookie": "session"}));
        // A signal ends all that was issued within its second.
        let subject = format!("agent-{behaviour:?}");
        let session = format!("session={}", site.issuer.token(&subject));
        let mut send = |cookies: &[&str]| {
            let headers: Vec<_> = cookies.iter().map(|value| ("cookie", *value)).collect();
            gateway.send(0, &request("/orders", &headers))
        };
        let passed = send(&[&format!("a=1; {session}; b=\"2 3\"")]);
        assert_eq!(forwarded(&passed, "x-rescind-subject"), [subject.as_str()], "{behaviour:?}");
        assert_eq!(forwarded(&passed, "cookie"), ["a=1; b=\"2 3\""], "{behaviour:?}");
        let nothing: &[&str] = match behaviour {
            // It cannot remove a header.
            Behaviour::Kong => &[""],
            Behaviour::Envoy | Behaviour::Apisix => &[],
        };
        assert_eq!(forwarded(&send(&[&session]), "cookie"), nothing, "{behaviour:?}");
        let split = send(&["a=1", &format!("{session}; b=2")]);
        match behaviour {
            // The second one would go on, whatever is done.
            Behaviour::Kong => assert_eq!(split, Outcome::Answered(503)),
            Behaviour::Envoy | Behaviour::Apisix => {
                assert_eq!(forwarded(&split, "cookie"), ["a=1; b=2"], "{behaviour:?}");
            }
        }
        assert_eq!(send(&[&session, &session]), Outcome::Answered(400), "{behaviour:?}");
        assert_eq!(send(&["a=1", "b=2"]), Outcome::Answered(401), "{behaviour:?}");
        site.revoke(&subject);
        gateway.turn(6);
        gateway.advance(Duration::from_secs(2));
        let again = gateway.send(0, &request("/orders", &[("cookie", &session)]));
        assert_eq!(again, Outcome::Answered(401), "{behaviour:?}");
    }
}

#[test]
fn a_token_in_a_header_of_its_own_ends_at_every_gateway() {
    let site = Installation::start();
    for behaviour in Behaviour::ALL {
        let mut gateway = gateway(&site, behaviour, &json!({"header": "x-iap-jwt"}));
        let token = site.issuer.token("agent");
        let headers = [("x-iap-jwt", token.as_str()), ("X_Iap_Jwt", "forged"), ("cookie", "a=1")];
        let passed = gateway.send(0, &request("/orders", &headers));
        assert_eq!(forwarded(&passed, "x-rescind-subject"), ["agent"], "{behaviour:?}");
        assert_eq!(forwarded(&passed, "cookie"), ["a=1"], "{behaviour:?}");
        let Outcome::Forwarded(headers) = &passed else { panic!("not forwarded") };
        for (name, value) in headers {
            let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            assert!(!value.contains(&token) && value != "forged", "{behaviour:?}: {name}: {value}");
        }
        let bearer = format!("Bearer {token}");
        let elsewhere = gateway.send(0, &request("/orders", &[("authorization", &bearer)]));
        assert_eq!(elsewhere, Outcome::Answered(401), "{behaviour:?}");
        // Nobody's tokens are there, so nobody looks, and it ends here.
        let both = [("authorization", bearer.as_str()), ("x-iap-jwt", &token)];
        let both = gateway.send(0, &request("/orders", &both));
        let left = forwarded(&both, "authorization");
        assert!(left.iter().all(String::is_empty), "{behaviour:?}: {left:?}");
        let twice = [("x-iap-jwt", token.as_str()), ("x-iap-jwt", &token)];
        let twice = gateway.send(0, &request("/orders", &twice));
        assert_eq!(twice, Outcome::Answered(400), "{behaviour:?}");
    }
}

#[test]
fn a_request_that_waits_has_its_cookies_taken_out_and_gets_the_others_back() {
    let site = Installation::start();
    let mut gateway = gateway(&site, Behaviour::Apisix, &json!({"cookie": "session"}));
    let token = site.issuer.token("agent");
    let call =
        request("/orders", &[("cookie", &format!("a=1; session={token}")), ("cookie", "b=2")]);
    gateway.advance(Duration::from_secs(2));
    let Outcome::Paused(paused) = gateway.begin(0, &call) else { panic!("it does not wait") };
    let headers = gateway.workers[0].paused(paused);
    let cookies: Vec<_> = headers.iter().filter(|(name, _)| name == b"cookie").collect();
    assert_eq!(cookies, [&(b"cookie".to_vec(), b"Rescind refused".to_vec())]);
    assert!(!headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(&token)));
    let passed = gateway.resume(0, paused);
    assert_eq!(forwarded(&passed, "cookie"), ["a=1; b=2"]);
    assert_eq!(forwarded(&passed, "x-rescind-subject"), ["agent"]);
    site.revoke("agent");
    gateway.advance(Duration::from_secs(2));
    assert_eq!(gateway.send(0, &call), Outcome::Answered(401));
}
