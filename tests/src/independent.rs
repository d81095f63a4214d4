//! A transmitter that is not ours: `tests/independent/transmitter.mjs`, with the npm library `jose`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::http::{self, Request};
use crate::process::Process;
use crate::{ports, tools, wait};

/// What it can sign with; each name is also its key's `kid`.
pub const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// The running transmitter.
#[derive(Debug)]
pub struct Independent {
    /// Where it serves `/jwks` and `/poll`.
    pub port: u16,
    process: Process,
}

impl Independent {
    /// Starts it; its log goes into `folder`.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let port = ports::free();
        let mut command = Command::new("node");
        command
            .arg(tools::repository().join("tests/independent/transmitter.mjs"))
            .arg(port.to_string())
            .arg(tools::jose());
        let log = folder.join("independent.log");
        let mut process = Process::spawn("independent transmitter", &mut command, &log);
        wait::until("the independent transmitter to be ready", wait::START, || {
            if let Some(status) = process.ended() {
                panic!("it ended at start: {status}");
            }
            http::send(port, &Request::get("/jwks")).ok()
        });
        Self { port, process }
    }

    /// Signs claims and pushes them to this path of the companion, with this token; the answer's
    /// `status`, `type`, `language` and `body`. More members of the order: `typ`, `spoil`.
    #[must_use]
    pub fn push(&self, companion: u16, path: &str, token: &str, mut order: Value) -> Value {
        order["url"] = json!(format!("http://127.0.0.1:{companion}{path}"));
        order["token"] = json!(token);
        self.control("push", &order)
    }

    /// Signs claims and offers them to the next poll.
    pub fn queue(&self, order: &Value) {
        self.control("queue", order);
    }

    /// How many `polls` came, which SETs were `acked`, which `reported` with an error.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[must_use]
    pub fn state(&self) -> Value {
        http::send(self.port, &Request::get("/control/state")).expect("it runs").json()
    }

    fn control(&self, what: &str, order: &Value) -> Value {
        let target = format!("/control/{what}");
        let request = Request::post(&target, "application/json", &order.to_string());
        let answer = http::send(self.port, &request);
        answer.unwrap_or_else(|error| panic!("{error}: {}", self.process.log())).json()
    }
}
