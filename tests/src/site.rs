//! A whole installation on loopback: issuer, upstream, companion, and Envoy with the filter.

use std::time::Duration;

use serde_json::{Value, json};

use crate::companion::Companion;
use crate::envoy::{Bootstrap, Envoy};
use crate::http::Message;
use crate::issuer::{AUDIENCE, Issuer};
use crate::middle::Middle;
use crate::process::Folder;
use crate::transmitter::Transmitter;
use crate::upstream::Upstream;
use crate::{tools, wait};

/// The issuer's name, unless a test says otherwise.
pub const ISSUER: &str = "https://idp.example.com";

/// The trust domain about whose workloads the transmitter may speak as well.
pub const TRUST_DOMAIN: &str = "spiffe://example.org";

/// What to build a site from. The default is what the README's quick start shows.
#[derive(Debug)]
pub struct Plan {
    /// Envoy's worker threads.
    pub workers: u32,
    /// The issuer's algorithm.
    pub algorithm: &'static str,
    /// Whether keys come from the issuer's endpoint instead of the configuration.
    pub fetch_keys: bool,
    /// Whether a man in the middle stands before the companion.
    pub middle: bool,
    /// Members to replace in the issuer's section of the filter's configuration.
    pub section: Value,
    /// Members to replace in the filter's `revocation` section.
    pub revocation: Value,
    /// Top-level members to replace in the filter's configuration.
    pub filter: Value,
    /// The module, if not the shipped one.
    pub wasm: Option<std::path::PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            workers: 1,
            algorithm: "ES256",
            fetch_keys: false,
            middle: false,
            section: json!({}),
            revocation: json!({}),
            filter: json!({}),
            wasm: None,
        }
    }
}

/// A running installation. Fields are dropped in order: Envoy first, files last.
#[derive(Debug)]
pub struct Site {
    /// The gateway.
    pub envoy: Envoy,
    /// What it was started from.
    pub bootstrap: Bootstrap,
    /// Between gateway and companion, if planned.
    pub middle: Option<Middle>,
    /// The companion.
    pub companion: Companion,
    /// The identity provider.
    pub issuer: Issuer,
    /// Its signal stream.
    pub transmitter: Transmitter,
    /// The API.
    pub upstream: Upstream,
    /// Where every file is.
    pub folder: Folder,
}

impl Site {
    /// The default site.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&Plan::default())
    }

    /// Builds and starts everything, and waits until the gateway has synchronized.
    ///
    /// # Panics
    ///
    /// When a part does not come up.
    #[must_use]
    pub fn with(plan: &Plan) -> Self {
        let site = Self::unsynchronized(plan);
        site.synchronized();
        site
    }

    /// Builds and starts everything, without waiting for the first synchronization.
    ///
    /// # Panics
    ///
    /// When a part does not come up.
    #[must_use]
    pub fn unsynchronized(plan: &Plan) -> Self {
        let folder = Folder::new();
        let upstream = Upstream::start();
        let issuer = Issuer::start(ISSUER, plan.algorithm);
        let transmitter = Transmitter::new("idp", ISSUER);
        let companion = Companion::start(folder.path(), &[&transmitter], &[ISSUER, TRUST_DOMAIN]);
        let middle = plan.middle.then(|| Middle::start(companion.port));
        let bootstrap = Bootstrap {
            workers: plan.workers,
            wasm: Some(plan.wasm.clone().unwrap_or_else(tools::wasm)),
            filter: filter(plan, &issuer, &companion),
            clusters: vec![
                ("upstream".to_owned(), upstream.port()),
                ("rescind".to_owned(), middle.as_ref().map_or(companion.port, Middle::port)),
                ("idp".to_owned(), issuer.port()),
            ],
            failure_policy: Envoy::FAIL_RELOAD.to_owned(),
        };
        let envoy = Envoy::start(&bootstrap, folder.path());
        Self { envoy, bootstrap, middle, companion, issuer, transmitter, upstream, folder }
    }

    /// Waits until the gateway lets a good call through (so it has keys and a table).
    pub fn synchronized(&self) {
        let token = self.issuer.token("warm-up");
        // Fresh connections, so that every worker of several gets its turn.
        for _ in 0..8 * self.bootstrap.workers {
            self.reaches("the gateway to synchronize", &token, 200);
        }
    }

    /// Calls the API.
    #[must_use]
    pub fn call(&self, token: &str) -> u16 {
        self.envoy.get("/orders", token)
    }

    /// Calls the API and returns the whole answer.
    #[must_use]
    pub fn answer(&self, token: &str) -> Message {
        self.envoy.send(&crate::http::Request::get("/orders").bearer(token))
    }

    /// Waits until a call with this token is answered so, and says how long that took.
    pub fn reaches(&self, what: &str, token: &str, status: u16) -> Duration {
        wait::until_true(what, wait::SOON, || self.call(token) == status)
    }

    /// Revokes all of a subject's tokens by a SET, and waits for the first refusal.
    pub fn revoke(&self, sub: &str, token: &str) -> Duration {
        self.transmitter.revoke(self.companion.port, ISSUER, sub);
        self.reaches("the revocation to arrive", token, 401)
    }

    /// The man in the middle.
    ///
    /// # Panics
    ///
    /// When the plan had none.
    #[must_use]
    pub fn middle(&self) -> &Middle {
        self.middle.as_ref().expect("a plan with a man in the middle")
    }

    /// A second gateway of this site that also accepts tokens of `issuer`, a section of the filter's
    /// configuration; the cluster `other` leads to a server on this port.
    #[must_use]
    pub fn second_gateway(&self, issuer: Value, other: u16) -> (Folder, Envoy) {
        let mut bootstrap = self.bootstrap.clone();
        bootstrap.clusters.push(("other".to_owned(), other));
        bootstrap.filter["issuers"].as_array_mut().expect("an array").push(issuer);
        let folder = Folder::new();
        let envoy = Envoy::start(&bootstrap, folder.path());
        (folder, envoy)
    }

    /// Stops Envoy and starts it again on the same ports, with the bootstrap as it is now.
    pub fn restart_envoy(&mut self) {
        let (port, admin) = (self.envoy.port, self.envoy.admin);
        self.envoy.process.kill();
        self.envoy = Envoy::start_on(&self.bootstrap, self.folder.path(), port, admin);
    }
}

/// The filter's configuration for a site: what Envoy's clusters are called, `rescind` and `idp`.
///
/// # Panics
///
/// When the companion has no keys.
#[must_use]
pub fn filter(plan: &Plan, issuer: &Issuer, companion: &Companion) -> Value {
    let keys = if plan.fetch_keys {
        json!({ "url": "https://idp.example.com/jwks", "cluster": "idp" })
    } else {
        json!({ "inline": issuer.key_set() })
    };
    let mut filter = json!({
        "issuers": [{
            "issuer": issuer.name,
            "audiences": [AUDIENCE],
            "algorithms": [plan.algorithm],
            "keys": keys,
        }],
        "routes": [
            { "path_prefix": "/public", "access": "public" },
            { "path_prefix": "/admin", "scopes": ["admin"] },
        ],
        "identity": { "filter_state": true },
        "revocation": {
            "cluster": "rescind",
            "authority": "rescind.example.com",
            "gateway_name": "edge-1",
            "gateway_token": companion.read("gateway.token"),
            "feed_key": companion.feed_key(),
            "subject_key": companion.read("subject.key"),
            "checksum_key": companion.read("checksum.key"),
        },
    });
    replace(&mut filter["issuers"][0], &plan.section);
    replace(&mut filter["revocation"], &plan.revocation);
    replace(&mut filter, &plan.filter);
    filter
}

fn replace(target: &mut Value, members: &Value) {
    for (name, value) in members.as_object().expect("an object") {
        target[name] = value.clone();
    }
}
