//! Configurations that are replaced while requests come, and several at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rescind_e2e::dynamic::{Dynamic, Kind};
use rescind_e2e::envoy::{Bootstrap, Envoy};
use rescind_e2e::http::{Client, Request};
use rescind_e2e::issuer::{AUDIENCE, Issuer};
use rescind_e2e::process::Folder;
use rescind_e2e::site::{ISSUER, Plan, Site};
use rescind_e2e::{ports, wait};
use serde_json::{Value, json};

/// Another gateway of the site, whose configuration is in a file.
struct Gateway {
    envoy: Envoy,
    file: Dynamic,
    kind: Kind,
    bootstrap: Bootstrap,
    folder: Folder,
}

impl Gateway {
    fn start(kind: Kind, bootstrap: Bootstrap) -> Self {
        let folder = Folder::new();
        let mut file = None;
        let ports = (ports::free(), ports::free());
        let envoy = Envoy::start_changed(&bootstrap, folder.path(), ports, |rendered| {
            file = Some(Dynamic::split(kind, rendered, folder.path()));
        });
        Self { envoy, file: file.unwrap(), kind, bootstrap, folder }
    }

    /// The listener with the filter's configuration as it is now.
    fn listener(&self, port: u16) -> Value {
        let log = self.folder.path().join("access.log");
        let mut rendered = self.bootstrap.render(port, self.envoy.admin, &log);
        rendered["static_resources"]["listeners"][0].take()
    }

    /// Hands over the filter's configuration as it is now.
    fn update(&self) {
        let mut listener = self.listener(self.envoy.port);
        match self.kind {
            Kind::Listeners => self.file.write_listeners(&json!([listener])),
            Kind::Filter => {
                self.file.write_filter(&Dynamic::filter(&mut listener)["typed_config"]);
            }
        }
    }

    fn reaches(&self, what: &str, (path, token): (&str, &str), status: u16) {
        wait::until_true(what, wait::SOON, || self.envoy.get(path, token) == status);
    }
}

/// A section of the filter's configuration for an issuer whose keys are fetched from the cluster `other`.
fn section(issuer: &Issuer) -> Value {
    json!({
        "issuer": issuer.name,
        "audiences": [AUDIENCE],
        "algorithms": ["ES256"],
        "keys": { "url": format!("{}/jwks", issuer.name), "cluster": "other" },
    })
}

/// A site and a bootstrap that knows the cluster `other`, for another issuer.
fn site(fetch_keys: bool) -> (Site, Issuer, Bootstrap) {
    let site = Site::with(&Plan { workers: 2, fetch_keys, ..Plan::default() });
    let other = Issuer::start("https://other.example.com", "ES256");
    let mut bootstrap = site.bootstrap.clone();
    bootstrap.clusters.push(("other".to_owned(), other.port()));
    (site, other, bootstrap)
}

#[test]
fn a_configuration_that_is_replaced_under_load_fails_no_request_and_forgets_no_revocation() {
    for kind in [Kind::Listeners, Kind::Filter] {
        let (site, other, bootstrap) = site(true);
        let mut gateway = Gateway::start(kind, bootstrap);
        let (good, bad) = (site.issuer.token("good"), site.issuer.token("bad"));
        site.transmitter.revoke(site.companion.port, ISSUER, "bad");
        // Fresh connections, so that every worker gets its turn.
        for _ in 0..16 {
            gateway.reaches("the gateway to synchronize", ("/orders", &good), 200);
            gateway.reaches("the revocation", ("/orders", &bad), 401);
        }
        let (port, done, calls) = (gateway.envoy.port, AtomicBool::new(false), AtomicU64::new(0));
        let (done, calls) = (&done, &calls);
        std::thread::scope(|scope| {
            let call = |token: &str, expected: u16| {
                let request = Request::get("/orders").bearer(token);
                scope.spawn(move || {
                    let mut client = Client::new(port);
                    while !done.load(Ordering::Relaxed) {
                        let status = client.send(&request).unwrap().status();
                        assert_eq!(status, expected, "after {calls:?} calls");
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                })
            };
            let callers = [call(&good, 200), call(&good, 200), call(&bad, 401)];
            // Whoever panics here would leave the callers running.
            let updates = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for update in 0..4 {
                    let scopes =
                        json!([{ "path": format!("/{update}"), "scopes": ["none-has-it"] }]);
                    gateway.bootstrap.filter["routes"] = scopes;
                    gateway.update();
                    let path = format!("/{update}");
                    gateway.reaches("the new configuration", (&path, &good), 403);
                }
                // The keys of a new issuer come although the old configurations are there still.
                let issuers = gateway.bootstrap.filter["issuers"].as_array_mut().unwrap();
                issuers.insert(0, section(&other));
                gateway.update();
                gateway.reaches("the new issuer", ("/orders", &other.token("new")), 200);
                let more = calls.load(Ordering::Relaxed) + 100;
                let called = || calls.load(Ordering::Relaxed) > more;
                wait::until_true("calls with it", wait::SOON, called);
            }));
            done.store(true, Ordering::Relaxed);
            let ended = callers.map(|caller| caller.join());
            updates.unwrap();
            assert!(ended.iter().all(Result::is_ok), "{kind:?}: a call failed");
        });
        // Signals go on to take effect.
        let later = site.issuer.token("later");
        assert_eq!(gateway.envoy.get("/orders", &later), 200);
        site.transmitter.revoke(site.companion.port, ISSUER, "later");
        gateway.reaches("a later revocation", ("/orders", &later), 401);
        assert_eq!(gateway.envoy.get("/orders", &bad), 401);
    }
}

#[test]
fn a_correction_takes_effect_although_the_wrong_configuration_is_there_still() {
    let (site, _, mut bootstrap) = site(false);
    bootstrap.clusters.push(("nobody".to_owned(), ports::free()));
    bootstrap.filter["revocation"]["cluster"] = json!("nobody");
    let mut gateway = Gateway::start(Kind::Listeners, bootstrap);
    let token = site.issuer.token("agent");
    // Until it has failed some times.
    gateway.envoy.metric_reaches("rescind_feed_failures", 3);
    assert_eq!(gateway.envoy.get("/orders", &token), 503);
    gateway.bootstrap.filter["revocation"]["cluster"] = json!("rescind");
    gateway.update();
    gateway.reaches("the right companion", ("/orders", &token), 200);
}

#[test]
fn two_filters_with_different_configurations_share_a_table() {
    let (site, other, bootstrap) = site(true);
    let mut gateway = Gateway::start(Kind::Listeners, bootstrap);
    let second_port = ports::free();
    let first = gateway.listener(gateway.envoy.port);
    // The same table, but other routes, and another issuer before the one that both know.
    let filter = &mut gateway.bootstrap.filter;
    filter["issuers"].as_array_mut().unwrap().insert(0, section(&other));
    filter["routes"] = json!([{ "path_prefix": "/", "scopes": [] }]);
    let mut second = gateway.listener(second_port);
    second["name"] = json!("second");
    gateway.file.write_listeners(&json!([first, second]));
    let call = |port: u16, path: &str, token: &str| {
        let answer = rescind_e2e::http::send(port, &Request::get(path).bearer(token));
        answer.map_or(0, |answer| answer.status())
    };
    let ports = [gateway.envoy.port, second_port];
    let reaches = |what: &str, path: &str, token: &str, expected: [u16; 2]| {
        wait::until_true(what, wait::SOON, || {
            ports.map(|port| call(port, path, token)) == expected
        });
    };
    let (agent, stranger) = (site.issuer.token("agent"), other.token("stranger"));
    reaches("tokens that both accept", "/orders", &agent, [200, 200]);
    reaches("tokens that one accepts", "/orders", &stranger, [401, 200]);
    reaches("a route that one has", "/admin", &agent, [403, 200]);
    site.transmitter.revoke(site.companion.port, ISSUER, "agent");
    reaches("a revocation for both", "/orders", &agent, [401, 401]);
    assert_eq!(call(second_port, "/orders", &stranger), 200);
}
