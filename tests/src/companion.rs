//! The companion as a process: keys by `rescind keygen`, a `rescind.toml`, start, stop, wipe.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jwt_simple::prelude::Ed25519KeyPair;
use serde_json::json;

use crate::http::{self, Message, Request};
use crate::process::Process;
use crate::transmitter::{AUDIENCE, Transmitter};
use crate::{ports, tools, wait};

/// A companion with its files in one folder.
#[derive(Debug)]
pub struct Companion {
    /// Where it listens, across restarts.
    pub port: u16,
    folder: PathBuf,
    process: Option<Process>,
}

impl Companion {
    /// Makes keys and configuration, and starts it.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path, transmitters: &[&Transmitter], authority: &[&str]) -> Self {
        let mut companion = Self::prepare(folder, transmitters, authority);
        companion.run();
        companion
    }

    /// Makes keys and configuration only.
    ///
    /// # Panics
    ///
    /// When `rescind keygen` fails.
    #[must_use]
    pub fn prepare(folder: &Path, transmitters: &[&Transmitter], authority: &[&str]) -> Self {
        let keys = Command::new(tools::companion())
            .args(["keygen", "--out"])
            .arg(folder)
            .output()
            .expect("rescind starts");
        assert!(keys.status.success(), "{}", String::from_utf8_lossy(&keys.stderr));
        let companion = Self { port: ports::free(), folder: folder.to_owned(), process: None };
        for transmitter in transmitters {
            let set = json!({ "keys": [transmitter.key.jwk()] });
            companion.write(&format!("{}.jwks.json", transmitter.name), &set.to_string());
            companion.write(&format!("{}.push.token", transmitter.name), &transmitter.push_token);
        }
        companion.write("rescind.toml", &companion.configuration(transmitters, authority));
        companion
    }

    fn configuration(&self, transmitters: &[&Transmitter], authority: &[&str]) -> String {
        let authority = serde_json::to_string(authority).expect("strings");
        let path = |name: &str| format!("{:?}", self.folder.join(name).display().to_string());
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:{}\"\n\n[journal]\npath = {}\n\n\
             [identity]\nissuer = \"https://rescind.example.com\"\nsigning_key_file = {}\n\
             authority_issuers = {authority}\n\n\
             [feed]\nsigning_key_file = {}\nsubject_key_file = {}\nretention_secs = 86400\n\n\
             [[gateways]]\nname = \"edge-1\"\ntoken_file = {}\n\n\
             [operator]\ntoken_file = {}\n",
            self.port,
            path("rescind.redb"),
            path("set.key.pem"),
            path("feed.key.pem"),
            path("subject.key"),
            path("gateway.token"),
            path("operator.token"),
        );
        for Transmitter { name, issuer, .. } in transmitters {
            text.push_str(&format!(
                "\n[[transmitters]]\nname = \"{name}\"\nissuer = \"{issuer}\"\n\
                 audiences = [\"{AUDIENCE}\"]\npush_token_file = {}\njwks_file = {}\n\
                 algorithms = [\"ES256\"]\nauthority_issuers = {authority}\n",
                path(&format!("{name}.push.token")),
                path(&format!("{name}.jwks.json")),
            ));
        }
        text
    }

    /// Starts it (again) on the same port and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub fn run(&mut self) {
        let mut command = self.command(&["serve"]);
        let log = self.folder.join("companion.log");
        let mut process = Process::spawn("companion", &mut command, &log);
        wait::until("the companion to be ready", wait::START, || {
            if let Some(status) = process.ended() {
                panic!("the companion ended at start: {status}");
            }
            let answer = http::send(self.port, &Request::get("/readyz")).ok()?;
            (answer.status() == 200).then_some(())
        });
        self.process = Some(process);
    }

    /// The running process.
    ///
    /// # Panics
    ///
    /// When it is stopped.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the companion runs")
    }

    /// Pulls the plug: SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Deletes the journal: a companion that starts anew knows nothing and has another log id.
    ///
    /// # Panics
    ///
    /// While it runs.
    pub fn wipe(&self) {
        assert!(self.process.is_none(), "stop it first");
        std::fs::remove_file(self.folder.join("rescind.redb")).unwrap();
    }

    /// Runs a subcommand of `rescind` with this companion's configuration.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("rescind starts")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tools::companion());
        command.args(arguments).arg("--config").arg(self.folder.join("rescind.toml"));
        command
    }

    /// Sends a request to it.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[must_use]
    pub fn send(&self, request: &Request) -> Message {
        http::send(self.port, request).expect("the companion answers")
    }

    /// A file of its folder, without the line end.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap().trim_end().to_owned()
    }

    /// Writes a file of its folder.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    /// The feed's public key as the filter's configuration wants it (base64url).
    #[must_use]
    pub fn feed_key(&self) -> String {
        let pair = Ed25519KeyPair::from_pem(&self.read("feed.key.pem")).expect("a PEM key");
        let jwk: serde_json::Value =
            serde_json::from_str(&pair.public_key().to_jwk()).expect("JSON");
        jwk["x"].as_str().expect("an OKP key has x").to_owned()
    }
}
