//! Signals from a transmitter that is not ours, signed by a library that is not ours, in every type
//! that the standards define, pushed and polled; and the published examples as they stand.

use std::collections::BTreeSet;

use rescind_e2e::independent::{ALGORITHMS, Independent};
use rescind_e2e::issuer::now;
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::transmitter::{AUDIENCE, iss_sub};
use rescind_e2e::{tools, wait};
use serde_json::{Value, json};

const NAME: &str = "https://transmitter.example.net";
const TOKEN: &str = "push-token-of-the-independent-transmitter-0001";

/// A site whose companion also hears of the independent transmitter, pushing and polled; `more` is
/// appended to its configuration.
fn site(more: impl Fn(&Independent) -> String) -> (Independent, Site) {
    let routes = json!([
        { "path_prefix": "/device", "compliant_device": true },
        { "path_prefix": "/risk", "max_risk": "low" },
        { "path_prefix": "/assured", "min_assurance": 2 },
        { "path_prefix": "/claims", "unchanged_claims": true },
    ]);
    let mut site = Site::with(&Plan { filter: json!({ "routes": routes }), ..Plan::default() });
    let independent = Independent::start(site.folder.path());
    site.companion.kill();
    site.companion.write("independent.token", TOKEN);
    let section = |name: &str, delivery: &str| {
        section(&independent, name, &format!("{NAME}/{name}"), AUDIENCE, &[ISSUER], delivery)
    };
    let poll = format!(
        "delivery = \"poll\"\npoll_url = \"http://127.0.0.1:{}/poll\"\npoll_wait_secs = 2\n",
        independent.port,
    );
    let toml = [
        site.companion.read("rescind.toml"),
        section("pushing", "push_token_file = \"independent.token\"\n"),
        section("polled", &poll),
        more(&independent),
    ];
    site.companion.write("rescind.toml", &toml.join("\n"));
    site.companion.run();
    (independent, site)
}

fn section(
    independent: &Independent,
    name: &str,
    issuer: &str,
    audience: &str,
    authority: &[&str],
    delivery: &str,
) -> String {
    let strings = |strings: &[&str]| serde_json::to_string(strings).unwrap();
    format!(
        "\n[[transmitters]]\nname = \"{name}\"\nissuer = \"{issuer}\"\n\
         audiences = {}\njwks_url = \"http://127.0.0.1:{}/jwks\"\nalgorithms = {}\n\
         authority_issuers = {}\n{delivery}",
        strings(&[audience]),
        independent.port,
        strings(&ALGORITHMS),
        strings(authority),
    )
}

fn claims(transmitter: &str, jti: &str, event: &str, sub: &str, payload: Value) -> Value {
    let mut payload = payload;
    payload["event_timestamp"] = json!(now());
    json!({
        "iss": format!("{NAME}/{transmitter}"),
        "aud": [AUDIENCE, "https://somebody-else.example.com"],
        "iat": now(),
        "jti": jti,
        "txn": 8_675_309.to_string(),
        "sub_id": iss_sub(ISSUER, sub),
        "events": { event: payload },
    })
}

/// Every type of CAEP 1.0, RISC 1.0 and SSF 1.0: its own members; a route, and what that route then
/// answers to a token from before the event.
fn events() -> Vec<(String, Value, &'static str, u16)> {
    let caep = |name| format!("https://schemas.openid.net/secevent/caep/event-type/{name}");
    let risc = |name| format!("https://schemas.openid.net/secevent/risc/event-type/{name}");
    let ssf = |name| format!("https://schemas.openid.net/secevent/ssf/event-type/{name}");
    let none = || json!({});
    vec![
        (caep("session-revoked"), none(), "/orders", 401),
        (caep("token-claims-change"), json!({ "claims": { "role": "ro" } }), "/claims", 401),
        (
            caep("credential-change"),
            json!({ "credential_type": "password", "change_type": "update" }),
            "/orders",
            401,
        ),
        (
            caep("assurance-level-change"),
            json!({ "namespace": "NIST-AAL", "current_level": "nist-aal1" }),
            "/assured",
            401,
        ),
        (
            caep("device-compliance-change"),
            json!({ "previous_status": "compliant", "current_status": "not-compliant" }),
            "/device",
            403,
        ),
        (caep("session-established"), json!({ "acr": "phr", "amr": ["hwk"] }), "/orders", 200),
        (caep("session-presented"), json!({ "ext_id": "x" }), "/orders", 200),
        (
            caep("risk-level-change"),
            json!({ "principal": "USER", "current_level": "HIGH" }),
            "/risk",
            403,
        ),
        (risc("account-credential-change-required"), none(), "/orders", 401),
        (risc("account-purged"), none(), "/orders", 401),
        (risc("account-disabled"), json!({ "reason": "hijacking" }), "/orders", 401),
        (risc("account-enabled"), none(), "/orders", 200),
        (risc("identifier-changed"), json!({ "new-value": "x@example.com" }), "/claims", 401),
        (risc("identifier-recycled"), none(), "/orders", 401),
        (risc("credential-compromise"), json!({ "credential_type": "password" }), "/orders", 401),
        (risc("opt-in"), none(), "/orders", 200),
        (risc("opt-out-initiated"), none(), "/orders", 200),
        (risc("opt-out-cancelled"), none(), "/orders", 200),
        (risc("opt-out-effective"), none(), "/orders", 200),
        (risc("recovery-activated"), none(), "/orders", 200),
        (risc("recovery-information-changed"), none(), "/orders", 200),
        (risc("sessions-revoked"), none(), "/orders", 401),
        (ssf("verification"), json!({ "state": "s" }), "/orders", 200),
        (ssf("stream-updated"), json!({ "status": "enabled" }), "/orders", 200),
    ]
}

#[test]
fn every_event_type_of_an_independent_transmitter_has_its_effect_pushed_and_polled() {
    let (independent, site) = site(|_| String::new());
    let mut expected = Vec::new();
    for (number, (event, payload, path, status)) in events().into_iter().enumerate() {
        let alg = ALGORITHMS[number % ALGORITHMS.len()];
        for transmitter in ["pushing", "polled"] {
            let sub = format!("{transmitter}-{number}");
            let token = site.issuer.token(&sub);
            let mut claims = claims(transmitter, &sub, &event, &sub, payload.clone());
            if event.contains("/ssf/") {
                claims["sub_id"] = json!({ "format": "opaque", "id": "stream-1" });
            }
            let order = json!({ "alg": alg, "claims": claims });
            if transmitter == "pushing" {
                let path = "/v1/push/pushing";
                let answer = independent.push(site.companion.port, path, TOKEN, order);
                assert_eq!(
                    (&answer["status"], &answer["body"]),
                    (&json!(202), &json!("")),
                    "{event}"
                );
            } else {
                independent.queue(&order);
            }
            expected.push((format!("{event}, {transmitter}"), token, path, status));
        }
    }
    // What comes after them has come through: so have they.
    let (pushed, polled) = (site.issuer.token("pushed"), site.issuer.token("fetched"));
    let revoked = &events()[0].0;
    let last = json!({ "alg": "ES256", "claims": claims("pushing", "last", revoked, "pushed", json!({})) });
    let _ = independent.push(site.companion.port, "/v1/push/pushing", TOKEN, last);
    independent.queue(&json!({
        "alg": "RS256", "claims": claims("polled", "last", revoked, "fetched", json!({})),
    }));
    site.reaches("the last pushed SET", &pushed, 401);
    site.reaches("the last polled SET", &polled, 401);
    for (what, token, path, status) in expected {
        assert_eq!(site.envoy.get(path, &token), status, "{what}");
        if path != "/orders" {
            assert_eq!(site.call(&token), 200, "{what} touches nothing else");
        }
    }
    wait::until_true("every polled SET to be acknowledged", wait::SOON, || {
        independent.state()["acked"].as_array().unwrap().len() == events().len() + 1
    });
    assert_eq!(independent.state()["reported"], json!({}));
}

#[test]
fn what_an_independent_transmitter_spoils_is_refused_with_the_registered_code() {
    let (independent, site) = site(|_| String::new());
    let event = events()[0].0.clone();
    let orders = |transmitter: &str| {
        let claims = |jti: &str| claims(transmitter, jti, &event, "agent", json!({}));
        let with = |jti: &str, name: &str, value: Value| {
            let mut claims = claims(jti);
            claims[name] = value;
            claims
        };
        let mut two = claims("two");
        two["events"][&events()[8].0] = json!({});
        [
            (json!({ "claims": claims("sig"), "spoil": "signature" }), "invalid_key"),
            (json!({ "claims": claims("kid"), "spoil": "kid" }), "invalid_key"),
            (
                json!({ "claims": with("iss", "iss", json!("https://evil.example.net")) }),
                "invalid_issuer",
            ),
            (
                json!({ "claims": with("aud", "aud", json!("https://other.example.com")) }),
                "invalid_audience",
            ),
            (json!({ "claims": claims("typ"), "typ": "JWT" }), "invalid_request"),
            (json!({ "claims": with("sub", "sub", json!("agent")) }), "invalid_request"),
            (json!({ "claims": with("exp", "exp", json!(now() + 60)) }), "invalid_request"),
            (json!({ "claims": with("iat", "iat", json!(now() + 3600)) }), "invalid_request"),
            (json!({ "claims": two }), "invalid_request"),
            (
                json!({ "claims": with("far", "sub_id", iss_sub("https://far.example.com", "agent")) }),
                "access_denied",
            ),
        ]
    };
    let token = site.issuer.token("agent");
    for (mut order, code) in orders("pushing") {
        order["alg"] = json!("ES256");
        let what = order["claims"]["jti"].clone();
        let answer = independent.push(site.companion.port, "/v1/push/pushing", TOKEN, order);
        assert_eq!(answer["status"], 400, "{what}: {answer}");
        assert!(answer["type"].as_str().unwrap().starts_with("application/json"), "{answer}");
        assert!(answer["language"].is_string(), "{what}: RFC 8935 §2.3 asks for Content-Language");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["err"], code, "{what}");
        assert!(body["description"].is_string(), "{what}");
    }
    for (mut order, _) in orders("polled") {
        order["alg"] = json!("RS256");
        independent.queue(&order);
    }
    wait::until_true("every polled SET to be reported", wait::SOON, || {
        independent.state()["reported"].as_object().unwrap().len() == orders("polled").len()
    });
    let state = independent.state();
    for (order, code) in orders("polled") {
        let jti = order["claims"]["jti"].as_str().unwrap();
        assert_eq!(state["reported"][jti]["err"], code, "{jti}");
    }
    assert_eq!(state["acked"], json!([]));
    assert_eq!(site.call(&token), 200, "none of them had an effect");
}

/// Those that a strict receiver refuses; `payloads/INDEX.md` says why.
const REFUSED: [&str; 22] = [
    "05", "40", "41", "42", "50", "51", "52", "53", "54", "55", "56", "61", "63", "64", "65", "70",
    "80", "81", "82", "83", "84", "85",
];

#[test]
fn the_published_examples_are_taken_or_refused_as_a_strict_receiver_should() {
    let folder = tools::repository().join("filter/core/tests/payloads");
    let mut files: Vec<(String, Value)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let name = entry.file_name().to_string_lossy()[..2].to_owned();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(files.len() > 40, "only {} payloads", files.len());
    // `jose` does not sign with `none`: the core's tests have that one.
    files.retain(|(name, _)| name != "87");
    let (independent, site) = site(|independent| {
        let sections = files.iter().map(|(name, file)| {
            let claims = &file["claims"];
            let aud = claims["aud"].as_str().or_else(|| claims["aud"][0].as_str()).unwrap();
            let issuers = issuers(claims);
            let issuers: Vec<_> = issuers.iter().map(String::as_str).collect();
            let delivery = "push_token_file = \"independent.token\"\n";
            let iss = claims["iss"].as_str().unwrap();
            section(independent, &format!("payload-{name}"), iss, aud, &issuers, delivery)
        });
        sections.collect()
    });
    for (name, file) in &files {
        let typ = file["jose_header"]["typ"].as_str().unwrap_or("secevent+jwt");
        let order = json!({ "alg": "RS256", "typ": typ, "claims": file["claims"] });
        let path = format!("/v1/push/payload-{name}");
        let answer = independent.push(site.companion.port, &path, TOKEN, order);
        let expected = if REFUSED.contains(&name.as_str()) { 400 } else { 202 };
        assert_eq!(answer["status"], expected, "{name}: {answer}");
    }
}

/// Every issuer that a payload names.
fn issuers(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match (name.as_str(), value) {
                ("iss" | "issuer", Value::String(issuer)) => BTreeSet::from([issuer.clone()]),
                _ => issuers(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(issuers).collect(),
        _ => BTreeSet::new(),
    }
}
