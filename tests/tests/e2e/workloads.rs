//! Workloads of SPIFFE trust domains, with JWT-SVIDs as bearer tokens, and the bundles that verify them.

use rescind_e2e::envoy::Envoy;
use rescind_e2e::http::Request;
use rescind_e2e::issuer::{AUDIENCE, Endpoint, Issuer, Key, now};
use rescind_e2e::process::Folder;
use rescind_e2e::site::Site;
use rescind_e2e::transmitter::SESSION_REVOKED;
use rescind_e2e::wait;
use serde_json::{Value, json};

const DOMAIN: &str = "example.org";
const WORKLOAD: &str = "spiffe://example.org/agents/research/7";

/// The bundle of a trust domain with these keys, to be asked for again as soon as that is allowed.
fn bundle(sequence: u64, keys: &[&Key]) -> Value {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut jwk = key.jwk();
            jwk["use"] = json!("jwt-svid");
            jwk
        })
        .collect();
    json!({ "keys": keys, "spiffe_sequence": sequence, "spiffe_refresh_hint": 10 })
}

fn svid(key: &Key, sub: &str) -> String {
    let (iat, exp) = (now(), now() + 300);
    key.sign("JWT", &json!({ "sub": sub, "aud": [AUDIENCE], "iat": iat, "exp": exp }))
}

fn domain(name: &str, keys: &Value) -> Value {
    json!({
        "trust_domain": name,
        "audiences": [AUDIENCE],
        "algorithms": ["ES256"],
        "keys": keys,
    })
}

fn reaches(envoy: &Envoy, what: &str, token: &str, status: u16) {
    wait::until_true(what, wait::SOON, || envoy.get("/orders", token) == status);
}

#[test]
fn a_workload_is_accepted_with_its_own_domains_inline_bundle_only_and_a_signal_reaches_it() {
    let site = Site::start();
    let (ours, theirs) = (Key::generate("ES256", "k"), Key::generate("ES256", "k"));
    let section = domain(DOMAIN, &json!({ "inline_bundle": bundle(1, &[&ours]) }));
    let (_folder, envoy) = site.second_gateway(section, site.issuer.port());
    let token = svid(&ours, WORKLOAD);
    reaches(&envoy, "the workload to be let in", &token, 200);
    let seen = envoy.send(&Request::get("/orders").bearer(&token)).json();
    let told = |name: &str| {
        let headers = seen["headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).map(|header| header[1].clone())
    };
    assert_eq!(told("x-rescind-subject"), Some(json!(WORKLOAD)));
    assert_eq!(told("x-rescind-issuer"), Some(json!("spiffe://example.org")));

    for (name, token) in [
        ("a stranger's key of the same name", svid(&theirs, WORKLOAD)),
        ("a workload of a domain that is not configured", svid(&ours, "spiffe://other.org/agent")),
        ("a name in upper case", svid(&ours, "spiffe://Example.org/agent")),
        ("an access token of that key", ours.sign("at+jwt", &site.issuer.claims("agent"))),
        ("an SVID signed by an issuer of access tokens", svid(&site.issuer.key(), WORKLOAD)),
    ] {
        assert_eq!(envoy.get("/orders", &token), 401, "{name}");
    }
    assert_eq!(envoy.get("/orders", &site.issuer.token("agent")), 200, "others beside it");

    // One signal about a class of workloads.
    let beside = svid(&ours, "spiffe://example.org/agents/billing/1");
    let class = json!({ "format": "uri", "uri": "spiffe://example.org/agents/research" });
    site.transmitter.signal(site.companion.port, SESSION_REVOKED, &class);
    reaches(&envoy, "the signal to reach the workload", &token, 401);
    assert_eq!(envoy.get("/orders", &beside), 200, "another class");
}

/// A gateway that fetches the bundle of [`DOMAIN`] from this server.
fn fetching(site: &Site, server: &Issuer) -> (Folder, Envoy) {
    let keys = json!({ "bundle_url": "https://bundle.example.org/b", "cluster": "other" });
    site.second_gateway(domain(DOMAIN, &keys), server.port())
}

#[test]
fn a_bundle_is_fetched_and_followed_through_rotation_and_an_empty_one_ends_the_domain() {
    let site = Site::start();
    let server = Issuer::start("https://bundle.example.org", "ES256");
    let serve = |bundle: Value| server.behave(Endpoint::Saying(bundle.to_string()));
    let (old, new) = (Key::generate("ES256", "old"), Key::generate("ES256", "new"));
    serve(bundle(5, &[&old]));
    let (_folder, envoy) = fetching(&site, &server);
    let (by_old, by_new) = (svid(&old, WORKLOAD), svid(&new, WORKLOAD));
    let status = |token: &str| envoy.get("/orders", token);
    reaches(&envoy, "the first bundle", &by_old, 200);
    serve(bundle(6, &[&new]));
    wait::for_the_next_fetch("the rotation", || status(&by_new) == 200);
    assert_eq!(status(&by_old), 401, "a key that left the bundle");

    serve(json!({ "keys": [], "spiffe_sequence": 7, "spiffe_refresh_hint": 10 }));
    wait::for_the_next_fetch("the end of the domain", || {
        assert_eq!(status(&by_old), 401);
        status(&by_new) == 401
    });
    assert_eq!(status(&site.issuer.token("agent")), 200, "others go on");
    serve(bundle(8, &[&new]));
    wait::for_the_next_fetch("the domain to be trusted again", || status(&by_new) == 200);
}

#[test]
fn what_is_no_bundle_and_an_older_bundle_leave_the_last_one() {
    let site = Site::start();
    let (old, new) = (Key::generate("ES256", "old"), Key::generate("ES256", "new"));
    std::thread::scope(|scope| {
        for spoilt in [json!({ "error": "maintenance" }), bundle(4, &[&new])] {
            let (site, old, new) = (&site, &old, &new);
            scope.spawn(move || {
                let server = Issuer::start("https://bundle.example.org", "ES256");
                server.behave(Endpoint::Saying(bundle(5, &[old]).to_string()));
                let (_folder, envoy) = fetching(site, &server);
                let (by_old, by_new) = (svid(old, WORKLOAD), svid(new, WORKLOAD));
                reaches(&envoy, "the first bundle", &by_old, 200);
                server.behave(Endpoint::Saying(spoilt.to_string()));
                wait::for_the_next_fetch("a failure to be counted", || {
                    envoy.metric("rescind_keys_failed") > 0
                });
                assert_eq!(envoy.get("/orders", &by_old), 200, "{spoilt}");
                assert_eq!(envoy.get("/orders", &by_new), 401, "{spoilt}");
            });
        }
    });
}
