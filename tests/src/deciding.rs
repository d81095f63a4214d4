//! A companion that decides for gateways without Wasm, an issuer, a transmitter and a service.

use serde_json::{Value, json};

use crate::companion::Companion;
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
        let folder = Folder::new();
        let issuer = Issuer::start(ISSUER, "ES256");
        let transmitter = Transmitter::new("idp", ISSUER);
        let mut companion = Companion::prepare(folder.path(), &[&transmitter], &[ISSUER]);
        let port = ports::free();
        let plan = Plan { fetch_keys: true, filter: changes, ..Plan::default() };
        companion.write("gate.json", &filter(&plan, &issuer, &companion).to_string());
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
