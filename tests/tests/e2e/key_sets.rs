//! Key sets fetched by the gateway: rotation, unknown keys, failing endpoints, isolation.

use rescind_e2e::envoy::Envoy;
use rescind_e2e::http::{Answer, Request};
use rescind_e2e::issuer::{AUDIENCE, Endpoint, Issuer, Key};
use rescind_e2e::process::Folder;
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::wait;
use serde_json::json;

#[test]
fn rotation_is_followed_when_a_token_names_an_unknown_key() {
    for workers in [1, 2] {
        let site = Site::with(&Plan { workers, fetch_keys: true, ..Plan::default() });
        let old = site.issuer.token("agent");
        assert_eq!(site.call(&old), 200);
        site.issuer.rotate(Key::generate("ES256", "k2"));
        let new = site.issuer.token("agent");
        site.reaches("the new key", &new, 200);
    }
}

#[test]
fn a_flood_of_unknown_keys_does_not_become_a_flood_of_fetches() {
    let site = Site::with(&Plan { fetch_keys: true, ..Plan::default() });
    let before = site.issuer.fetches();
    for number in 0..200 {
        let key = Key::generate("ES256", &format!("unknown-{number}"));
        let token = key.sign("at+jwt", &site.issuer.claims("agent"));
        assert_eq!(site.call(&token), 401);
    }
    let more = site.issuer.fetches() - before;
    assert!(more <= 5, "{more} fetches for 200 tokens");
    assert_eq!(site.call(&site.issuer.token("agent")), 200);
}

#[test]
fn the_last_good_keys_stay_while_the_endpoint_fails() {
    let site = Site::with(&Plan { fetch_keys: true, ..Plan::default() });
    let behaviours = [
        Endpoint::Failing(500),
        Endpoint::Saying("{\"keys\":[]}".to_owned()),
        Endpoint::Saying("<html>maintenance</html>".to_owned()),
        Endpoint::Stalling,
    ];
    for behaviour in behaviours {
        let what = format!("{behaviour:?}");
        let failed = site.envoy.metric("rescind_keys_failed");
        site.issuer.behave(behaviour);
        wait::until_true(&format!("a failed fetch: {what}"), wait::SOON, || {
            // Unknown keys make the gateway ask.
            let token = Key::generate("ES256", "k9").sign("at+jwt", &site.issuer.claims("agent"));
            assert_eq!(site.call(&token), 401, "{what}");
            site.envoy.metric("rescind_keys_failed") > failed
        });
        assert_eq!(site.call(&site.issuer.token("agent")), 200, "{what}");
    }
    site.issuer.behave(Endpoint::Honest);
    site.issuer.rotate(Key::generate("ES256", "k2"));
    site.reaches("recovery", &site.issuer.token("agent"), 200);
}

#[test]
fn no_answer_but_a_whole_key_set_with_a_good_status_replaces_the_keys() {
    let site = Site::start();
    let thief = Key::generate("ES256", "k1");
    let stolen = json!({ "keys": [thief.jwk()] }).to_string();
    let json = |status, body: &str| Answer::status(status, "application/json", body);
    let with = |name: &str, value: &str| {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Answer::Respond(200, headers, stolen.as_bytes().to_vec())
    };
    let mut private = thief.jwk();
    private["d"] = json!("AAAA");
    let oversize = format!("{{\"x\":\"{}\",{}", "x".repeat(10 << 20), &stolen[1..]);
    let answers = [
        ("moved", json(302, &stolen)),
        ("not found", json(404, &stolen)),
        ("a failure", json(503, &stolen)),
        ("empty", json(200, "")),
        ("no content", Answer::Respond(204, Vec::new(), Vec::new())),
        ("an array", json(200, &format!("[{stolen}]"))),
        ("keys twice", json(200, &format!("{{\"keys\":[],{}", &stolen[1..]))),
        ("something after it", json(200, &format!("{stolen}{stolen}"))),
        ("a private key", json(200, &json!({ "keys": [private] }).to_string())),
        ("ten megabytes", json(200, &oversize)),
        (
            "compressed",
            Answer::Respond(
                200,
                vec![("content-encoding".to_owned(), "gzip".to_owned())],
                vec![0x1f, 0x8b, 8, 0],
            ),
        ),
        ("half of it", Answer::Truncate(Vec::new(), stolen.clone().into_bytes())),
        ("nothing", Answer::Close),
    ];
    let issuers: Vec<_> = (0..=answers.len())
        .map(|number| Issuer::start(&format!("https://idp-{number}.example.com"), "ES256"))
        .collect();
    let mut bootstrap = site.bootstrap.clone();
    for (number, issuer) in issuers.iter().enumerate() {
        let cluster = format!("idp-{number}");
        bootstrap.filter["issuers"].as_array_mut().unwrap().push(json!({
            "issuer": issuer.name,
            "audiences": [AUDIENCE],
            "algorithms": ["ES256"],
            "keys": { "url": format!("{}/jwks", issuer.name), "cluster": cluster },
        }));
        bootstrap.clusters.push((cluster, issuer.port()));
    }
    let folder = Folder::new();
    let envoy = Envoy::start(&bootstrap, folder.path());
    let status = |token: &str| envoy.get("/orders", token);
    for issuer in &issuers {
        let token = issuer.token("agent");
        wait::until_true(&issuer.name, wait::SOON, || status(&token) == 200);
    }
    let before: Vec<_> = issuers.iter().map(Issuer::fetches).collect();
    for (issuer, (_, answer)) in issuers.iter().zip(&answers) {
        issuer.behave(Endpoint::Answering(answer.clone()));
    }
    // The last one shows that a good answer would have done it.
    issuers[answers.len()].behave(Endpoint::Answering(with("content-type", "text/plain")));
    wait::for_the_next_fetch("every issuer to be asked again", || {
        issuers.iter().zip(&before).all(|(issuer, before)| {
            let stranger = Key::generate("ES256", "unknown");
            assert_eq!(status(&stranger.sign("at+jwt", &issuer.claims("agent"))), 401);
            issuer.fetches() > *before
        })
    });
    let forged = |issuer: &Issuer| thief.sign("at+jwt", &issuer.claims("agent"));
    let convinced = &issuers[answers.len()];
    wait::until_true("the good answer", wait::SOON, || status(&forged(convinced)) == 200);
    for (issuer, (what, _)) in issuers.iter().zip(&answers) {
        assert_eq!(status(&forged(issuer)), 401, "{what}");
        assert_eq!(status(&issuer.token("agent")), 200, "{what}");
    }
}

#[test]
fn a_gateway_without_keys_yet_says_try_again() {
    let site = Site::start();
    let issuer = Issuer::start("https://slow.example.com", "ES256");
    issuer.behave(Endpoint::Failing(500));
    let envoy = two_issuers(&site, &issuer);
    let token = issuer.token("agent");
    wait::until_true("the table", wait::SOON, || {
        envoy.1.get("/orders", &site.issuer.token("agent")) == 200
    });
    let answer = envoy.1.send(&Request::get("/orders").bearer(&token));
    assert_eq!(answer.status(), 503);
    assert!(answer.header("retry-after").is_some());
    issuer.behave(Endpoint::Honest);
    wait::until_true("keys", wait::SOON, || envoy.1.get("/orders", &token) == 200);
}

#[test]
fn one_issuers_keys_never_vouch_for_another_and_its_failure_touches_nobody() {
    let site = Site::start();
    let other = Issuer::start("https://other.example.com", "ES256");
    let envoy = two_issuers(&site, &other).1;
    wait::until_true("both issuers", wait::SOON, || {
        envoy.get("/orders", &other.token("agent")) == 200
            && envoy.get("/orders", &site.issuer.token("agent")) == 200
    });
    // The same kid, k1, in both sets; each signs in the other's name.
    let confused = other.key().sign("at+jwt", &site.issuer.claims("agent"));
    assert_eq!(envoy.get("/orders", &confused), 401);
    let confused = site.issuer.key().sign("at+jwt", &other.claims("agent"));
    assert_eq!(envoy.get("/orders", &confused), 401);
    // One endpoint fails while its issuer has rotated; the other's calls go on.
    other.behave(Endpoint::Stalling);
    other.rotate(Key::generate("ES256", "k2"));
    assert_eq!(envoy.get("/orders", &other.token("agent")), 401);
    assert_eq!(envoy.get("/orders", &site.issuer.token("agent")), 200);
    // A revocation of (issuer, sub) does not touch the same sub of the other issuer.
    other.behave(Endpoint::Honest);
    let (ours, theirs) = (site.issuer.token("twin"), other.token("twin"));
    wait::until_true("the rotated key", wait::SOON, || envoy.get("/orders", &theirs) == 200);
    site.transmitter.revoke(site.companion.port, ISSUER, "twin");
    wait::until_true("the revocation", wait::SOON, || envoy.get("/orders", &ours) == 401);
    assert_eq!(envoy.get("/orders", &theirs), 200);
}

/// A second gateway of this site that also accepts tokens of `issuer`, whose keys it fetches.
fn two_issuers(site: &Site, issuer: &Issuer) -> (Folder, Envoy) {
    let section = json!({
        "issuer": issuer.name,
        "audiences": [AUDIENCE],
        "algorithms": ["ES256"],
        "keys": { "url": "https://other.example.com/jwks", "cluster": "other" },
    });
    site.second_gateway(section, issuer.port())
}
