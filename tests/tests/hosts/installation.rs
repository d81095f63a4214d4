//! Everything but the gateway: issuer, transmitter and companion are real.

use std::time::Duration;

use rescind_e2e::companion::Companion;
use rescind_e2e::issuer::{Issuer, now};
use rescind_e2e::process::Folder;
use rescind_e2e::site::{self, ISSUER, Plan};
use rescind_e2e::transmitter::Transmitter;
use serde_json::{Value, json};

use crate::host::{Behaviour, Gateway, Headers, Outcome};

/// Several seconds after every signal of a test: tokens of that second are new ones.
pub(crate) const LATER: Duration = Duration::from_secs(5);

/// Issuer, transmitter and companion.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) companion: Companion,
    pub(crate) issuer: Issuer,
    pub(crate) transmitter: Transmitter,
    _folder: Folder,
}

impl Installation {
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        let issuer = Issuer::start(ISSUER, "EdDSA");
        let transmitter = Transmitter::new("idp", ISSUER);
        let companion = Companion::start(folder.path(), &[&transmitter], &[ISSUER]);
        Self { companion, issuer, transmitter, _folder: folder }
    }

    /// The configuration of `plan` as such a host has it.
    pub(crate) fn configuration(&self, behaviour: Behaviour, plan: &Plan) -> Value {
        let plan = Plan {
            algorithm: "EdDSA",
            fetch_keys: plan.fetch_keys,
            filter: plan.filter.clone(),
            revocation: plan.revocation.clone(),
            ..Plan::default()
        };
        let mut configuration = site::filter(&plan, &self.issuer, &self.companion);
        let companion = behaviour.upstream("rescind", self.companion.port);
        configuration["revocation"]["cluster"] = json!(companion);
        if plan.fetch_keys {
            let idp = behaviour.upstream("idp", self.issuer.port());
            configuration["issuers"][0]["keys"]["cluster"] = json!(idp);
        }
        if behaviour != Behaviour::Envoy && plan.filter.get("identity").is_none() {
            configuration["identity"]["filter_state"] = json!(false);
        }
        configuration
    }

    /// A gateway that has not heard anything yet.
    pub(crate) fn gateway(&self, behaviour: Behaviour, workers: usize, plan: &Plan) -> Gateway {
        let configuration = self.configuration(behaviour, plan);
        Gateway::start(behaviour, workers, &configuration, &self.clusters())
    }

    /// Where Envoy's clusters are.
    pub(crate) fn clusters(&self) -> [(&'static str, u16); 2] {
        [("rescind", self.companion.port), ("idp", self.issuer.port())]
    }

    /// A gateway of the default plan that every request is decided by.
    pub(crate) fn synchronized(&self, behaviour: Behaviour, workers: usize) -> Gateway {
        let mut gateway = self.gateway(behaviour, workers, &Plan::default());
        gateway.turn(6);
        let token = self.issuer.token("warm-up");
        for worker in 0..workers {
            let outcome = gateway.send(worker, &call(&token));
            assert!(is_forwarded(&outcome), "{outcome:?}; {:#?}", gateway.workers[worker].log());
        }
        gateway
    }

    /// A token that is issued some seconds from now.
    pub(crate) fn later_token(&self, sub: &str) -> String {
        let iat = now() + LATER.as_secs();
        self.issuer.token_with(sub, &json!({ "iat": iat, "exp": iat + 600 }))
    }

    /// Revokes all tokens of a subject that are issued so far.
    pub(crate) fn revoke(&self, sub: &str) {
        self.transmitter.revoke(self.companion.port, ISSUER, sub);
    }
}

/// A call of the API with a token.
pub(crate) fn call(token: &str) -> Headers {
    request("/orders", &[("authorization", &format!("Bearer {token}"))])
}

/// A request.
pub(crate) fn request(path: &str, headers: &[(&str, &str)]) -> Headers {
    let start = [
        (":method", "GET"),
        (":path", path),
        (":scheme", "https"),
        (":authority", "api.example.com"),
        ("host", "api.example.com"),
    ];
    let bytes =
        |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    start.iter().chain(headers).map(bytes).collect()
}

pub(crate) const fn is_forwarded(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Forwarded(_))
}

/// The values of a header that the service gets.
pub(crate) fn forwarded(outcome: &Outcome, name: &str) -> Vec<String> {
    let Outcome::Forwarded(headers) = outcome else { panic!("not forwarded: {outcome:?}") };
    let values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}
