//! A companion that decides for gateways without Wasm, an issuer, a transmitter and a service.

use serde_json::{Value, json};

use crate::companion::Companion;
use crate::http::{self, Message, Request};
use crate::issuer::Issuer;
use crate::ports;
use crate::process::Folder;
use crate::site::{ISSUER, Plan, filter};
use crate::transmitter::Transmitter;
use crate::upstream::Upstream;

/// An installation without a gateway. Fields are dropped in order: files last.
#[derive(Debug)]
pub struct Deciding {
    /// The companion.
    pub companion: Companion,
    /// Where gateways ask.
    pub port: u16,
    /// The identity provider.
    pub issuer: Issuer,
    /// Its signal stream.
    pub transmitter: Transmitter,
    /// The API.
    pub upstream: Upstream,
    /// Where every file is.
    pub folder: Folder,
}

impl Deciding {
    /// Starts one whose only caller is of this form; `changes` replace members of the gate's
    /// configuration. Key sets are fetched from the issuer's endpoint.
    ///
    /// # Panics
    ///
    /// When a part does not come up.
    #[must_use]
    pub fn start(form: &str, changes: Value) -> Self {
        Self::with(form, &Plan { fetch_keys: true, filter: changes, ..Plan::default() })
    }

    /// As [`Deciding::start`], with what `plan` says of the gate's configuration.
    ///
    /// # Panics
    ///
    /// When a part does not come up.
    #[must_use]
    pub fn with(form: &str, plan: &Plan) -> Self {
        let folder = Folder::new();
        let issuer = Issuer::start(ISSUER, "ES256");
        let transmitter = Transmitter::new("idp", ISSUER);
        let mut companion = Companion::prepare(folder.path(), &[&transmitter], &[ISSUER]);
        let port = ports::free();
        companion.write("gate.json", &filter(plan, &issuer, &companion).to_string());
        companion.write("caller.token", &secret());
        let path = |name: &str| json!(folder.path().join(name).display().to_string());
        let section = format!(
            "\n[decisions]\nlisten = \"127.0.0.1:{port}\"\ngate_file = {}\nthreads = 2\n\
             [[decisions.callers]]\nname = \"gateway\"\nform = \"{form}\"\ntoken_file = {}\n\
             [[decisions.clusters]]\nname = \"idp\"\nurl = \"http://127.0.0.1:{}\"\n",
            path("gate.json"),
            path("caller.token"),
            issuer.port(),
        );
        companion.write("rescind.toml", &(companion.read("rescind.toml") + &section));
        companion.run();
        Self { companion, port, issuer, transmitter, upstream: Upstream::start(), folder }
    }

    /// Asks about `GET path` as a gateway of the form `headers`, on a connection of its own, with
    /// these headers of the client's.
    ///
    /// # Panics
    ///
    /// When the companion does not answer.
    #[must_use]
    pub fn ask(&self, path: &str, client: &[(&str, &str)]) -> Message {
        let mut request = Request::get("/v1/check")
            .header("x-rescind-caller", secret())
            .header("x-original-method", "GET")
            .header("x-original-uri", path)
            .header("x-original-host", "api.example.com");
        for (name, value) in client {
            request = request.header(name, value);
        }
        http::send(self.port, &request).expect("the companion answers")
    }

    /// Revokes all of a subject's tokens by a SET; returns after its 202.
    pub fn revoke(&self, sub: &str) {
        self.transmitter.revoke(self.companion.port, ISSUER, sub);
    }
}

/// What the caller shows.
#[must_use]
pub fn secret() -> String {
    format!("secret-of-the-caller-{:032x}", u128::from(std::process::id()))
}
