//! What a transmitter's stream that may have lost events means at the gateway: `on_gap` of a route
//! decides, for the tokens of the issuers that the transmitter speaks for.

use std::time::Duration;

use rescind_e2e::deciding::Deciding;
use rescind_e2e::http::{Message, Request};
use rescind_e2e::issuer::{AUDIENCE, Issuer};
use rescind_e2e::site::{Plan, Site};
use rescind_e2e::stream::{StreamApi, Verification};
use rescind_e2e::wait;
use serde_json::{Value, json};

/// A site whose transmitter's stream the companion manages, and an issuer that this transmitter does
/// not speak for.
struct Gapped {
    site: Site,
    stream: StreamApi,
    other: Issuer,
}

/// A route that denies on a gap, and one that allows.
fn plan() -> Plan {
    let routes = json!([
        { "path_prefix": "/payments", "on_gap": "deny" },
        { "path_prefix": "/orders", "on_gap": "allow" },
    ]);
    Plan { filter: json!({ "routes": routes }), ..Plan::default() }
}

/// Whose tokens the transmitter does not speak about.
fn partner() -> Issuer {
    Issuer::start("https://partner.example.com", "ES256")
}

/// The partner's section of the filter's configuration.
fn section(partner: &Issuer) -> Value {
    json!({
        "issuer": partner.name, "audiences": [AUDIENCE], "algorithms": ["ES256"],
        "keys": { "inline": partner.key_set() },
    })
}

impl Gapped {
    fn start() -> Self {
        let mut site = Site::with(&plan());
        let stream = StreamApi::start(&site.transmitter, site.companion.port);
        site.companion.kill();
        let configuration = site.companion.read("rescind.toml");
        site.companion.write("rescind.toml", &format!("{configuration}\n{}", stream.section()));
        site.companion.run();
        let other = partner();
        site.bootstrap.filter["issuers"].as_array_mut().unwrap().push(section(&other));
        site.restart_envoy();
        let gapped = Self { site, stream, other };
        gapped.reaches("the first verification", "/payments", 200);
        wait::until_true("the stream to be verified", wait::SOON, || {
            gapped.stream.answers().contains(&None)
        });
        gapped
    }

    fn call(&self, path: &str, issuer: &Issuer) -> Message {
        self.site.envoy.send(&Request::get(path).bearer(&issuer.token("agent")))
    }

    fn reaches(&self, what: &str, path: &str, status: u16) -> Message {
        wait::until(what, wait::SOON, || {
            let answer = self.call(path, &self.site.issuer);
            (answer.status() == status).then_some(answer)
        })
    }

    /// The gap is where it belongs, and nowhere else.
    fn refuses_where_told(&self) {
        let refused = self.reaches("the gap to be refused", "/payments", 503);
        assert!(refused.header("retry-after").is_some(), "it may pass later: {refused:?}");
        let line = self.site.envoy.logged("the refusal", |line| line["reason"] == "gap");
        assert_eq!((&line["path"], &line["status"]), (&json!("/payments"), &json!(503)));
        assert_eq!(self.call("/orders", &self.site.issuer).status(), 200, "a route that allows");
        assert_eq!(self.call("/other", &self.site.issuer).status(), 200, "one that says nothing");
        let other = self.call("/payments", &self.other);
        assert_eq!(other.status(), 200, "an issuer that this transmitter does not speak for");
        self.site.envoy.metric_reaches("rescind_denied_gap", 1);
        // Of the identity provider and the trust domain that its transmitter speaks for.
        self.site.envoy.metric_reaches("rescind_feed_gaps", 2);
    }

    fn passes_again(&self) {
        self.reaches("the gap to end", "/payments", 200);
        wait::until_true("no gap to be counted", wait::SOON, || {
            self.site.envoy.metric("rescind_feed_gaps") == 0
        });
    }
}

#[test]
fn a_stream_that_falls_silent_closes_the_routes_that_deny_on_a_gap_until_it_is_verified() {
    let mut gapped = Gapped::start();
    gapped.stream.behave(Verification::Silent);
    gapped.refuses_where_told();
    // A companion that starts again knows of the gap before it answers any gateway.
    gapped.site.companion.kill();
    gapped.site.companion.run();
    wait::throughout("the gap is known after a restart", Duration::from_secs(1), || {
        gapped.call("/payments", &gapped.site.issuer).status() == 503
    });
    // What did come is enforced meanwhile.
    let token = gapped.site.issuer.token("mallory");
    gapped.site.revoke("mallory", &token);
    gapped.stream.behave(Verification::Comes);
    gapped.passes_again();
    assert_eq!(gapped.site.call(&token), 401, "what was revoked stays so");
}

#[test]
fn a_stream_that_fails_its_verification_closes_them_too() {
    let gapped = Gapped::start();
    gapped.stream.behave(Verification::WrongState);
    gapped.refuses_where_told();
    let refused = Some("invalid_state".to_owned());
    assert_eq!(gapped.stream.answers().last(), Some(&refused), "the transmitter is told");
    gapped.stream.behave(Verification::Comes);
    gapped.passes_again();
}

#[test]
fn a_stream_that_its_transmitter_pauses_closes_them_until_it_is_enabled_and_verified() {
    let gapped = Gapped::start();
    gapped.stream.set_status("paused");
    gapped.refuses_where_told();
    gapped.stream.set_status("enabled");
    gapped.passes_again();
}

#[test]
fn gateways_that_ask_hear_no_of_a_gap_where_a_route_denies_on_it() {
    let mut site = Deciding::with("headers", &plan());
    let (stream, other) = (StreamApi::start(&site.transmitter, site.companion.port), partner());
    site.companion.kill();
    let mut gate: Value = serde_json::from_str(&site.companion.read("gate.json")).unwrap();
    gate["issuers"].as_array_mut().unwrap().push(section(&other));
    site.companion.write("gate.json", &gate.to_string());
    let configuration = site.companion.read("rescind.toml");
    let (before, after) = configuration.split_once("\n[decisions]\n").unwrap();
    // It ends its transmitter's section.
    let configuration = format!("{before}\n{}\n[decisions]\n{after}", stream.section());
    site.companion.write("rescind.toml", &configuration);
    site.companion.run();
    let ask = |site: &Deciding, path: &str, issuer: &Issuer| {
        let bearer = format!("Bearer {}", issuer.token("agent"));
        let answer = site.ask(path, &[("authorization", &bearer)]);
        (answer.status(), answer.header("x-rescind-reason").map(str::to_owned))
    };
    let (passed, gap) = ((200, None), (503, Some("gap".to_owned())));
    wait::until_true("the stream to be verified", wait::SOON, || {
        stream.answers().contains(&None) && ask(&site, "/payments", &site.issuer) == passed
    });
    stream.behave(Verification::Silent);
    wait::until_true("the gap to be refused", wait::SOON, || {
        ask(&site, "/payments", &site.issuer) == gap
    });
    assert_eq!(ask(&site, "/orders", &site.issuer), passed, "a route that allows");
    assert_eq!(ask(&site, "/other", &site.issuer), passed, "one that says nothing");
    assert_eq!(ask(&site, "/payments", &other), passed, "nobody speaks for that issuer");
    // It is known from the first decision after a restart on.
    site.companion.kill();
    site.companion.run();
    wait::throughout("the gap is known after a restart", Duration::from_secs(1), || {
        ask(&site, "/payments", &site.issuer) == gap
    });
    stream.behave(Verification::Comes);
    wait::until_true("the gap to end", wait::SOON, || {
        ask(&site, "/payments", &site.issuer) == passed
    });
}
