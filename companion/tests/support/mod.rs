//! Starts the real binary in a directory of its own and talks to it as others would.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jwt_simple::prelude::*;
use serde_json::{Value, json};

pub(crate) mod gate;
pub(crate) mod peer;
pub(crate) mod queue;
pub(crate) mod ssf;

pub(crate) const IDP: &str = "https://idp.example.com";
pub(crate) const AUDIENCE: &str = "https://rescind.example.com";
pub(crate) const PUSH_TOKEN: &str = "push-token-of-the-idp";
pub(crate) const SESSION_REVOKED: &str =
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
pub(crate) const KEY_ID: &str = "key-1";

static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Waits until `done`, and says `what` did not happen if it never is.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A directory that goes away with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("rescind-companion-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.join(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap().trim().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn rescind(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescind"));
    command.current_dir(directory).args(arguments).env_remove("RESCIND_LOG").output().unwrap()
}

/// A transmitter's key, published under [`KEY_ID`].
pub(crate) struct Transmitter(pub(crate) ES256KeyPair);

impl Transmitter {
    pub(crate) fn new() -> Self {
        Self(ES256KeyPair::generate().with_key_id(KEY_ID))
    }

    pub(crate) fn jwks(&self) -> String {
        let point = self.0.public_key().public_key().to_bytes_uncompressed();
        let encode = |bytes: &[u8]| rescind_core::base64url::encode(bytes);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.0.key_id().clone(),
            "x": encode(&point[1..33]), "y": encode(&point[33..65]),
        }]})
        .to_string()
    }

    /// A SET with the claims of `changes` in place of the usual ones; null removes one.
    pub(crate) fn set(&self, jti: &str, changes: &Value) -> String {
        self.set_of_type("secevent+jwt", jti, changes)
    }

    pub(crate) fn set_of_type(&self, typ: &str, jti: &str, changes: &Value) -> String {
        let mut claims = json!({
            "iss": IDP, "aud": AUDIENCE, "iat": now(), "jti": jti,
            "sub_id": { "format": "iss_sub", "iss": IDP, "sub": jti },
            "events": { SESSION_REVOKED: { "event_timestamp": now() } },
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let mut custom = Claims::with_custom_claims(claims, Duration::ZERO.into());
        (custom.issued_at, custom.expires_at, custom.invalid_before) = (None, None, None);
        let options =
            HeaderOptions { signature_type: Some(typ.to_owned()), ..HeaderOptions::default() };
        self.0.sign_with_options(custom, &options).unwrap()
    }
}

/// A configuration that is right, on a free port.
pub(crate) fn configuration(port: u16) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
[journal]
path = "rescind.redb"
[identity]
issuer = "https://rescind.example.com"
signing_key_file = "set.key.pem"
authority_issuers = ["{IDP}"]
[feed]
signing_key_file = "feed.key.pem"
subject_key_file = "subject.key"
retention_secs = 86400
[[gateways]]
name = "edge-1"
token_file = "gateway.token"
[operator]
token_file = "operator.token"
[[transmitters]]
name = "idp"
issuer = "{IDP}"
audiences = ["{AUDIENCE}"]
push_token_file = "idp.push.token"
jwks_file = "idp.jwks.json"
algorithms = ["ES256"]
authority_issuers = ["{IDP}"]
"#
    )
}

/// A port that nobody listens on, not given out before by this process. Below those that the kernel
/// gives to outgoing connections (32768 and up on Linux): one of these could take the port before the
/// companion does, or be connected with itself where nobody listens. It is found by connecting: a listener's copy would
/// stay in a program that another thread starts at that moment, until that program begins.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < COUNT, "no free port");
        let port = u16::try_from(FIRST + start.wrapping_add(step) % COUNT).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let found = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        if found.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            return port;
        }
    }
}

/// A companion's files, and its process while it runs.
pub(crate) struct Companion {
    pub(crate) directory: Directory,
    pub(crate) transmitter: Transmitter,
    pub(crate) port: u16,
    child: Option<Child>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Companion {
    /// Files for a companion that is not started yet.
    pub(crate) fn prepared() -> Self {
        let (directory, transmitter, port) = (Directory::new(), Transmitter::new(), free_port());
        let made = rescind(&directory.0, &["keygen", "--out", "."]);
        assert!(made.status.success(), "{made:?}");
        directory.write("idp.push.token", PUSH_TOKEN);
        directory.write("idp.jwks.json", &transmitter.jwks());
        directory.write("rescind.toml", &configuration(port));
        Self { directory, transmitter, port, child: None }
    }

    /// A running companion.
    pub(crate) fn started() -> Self {
        let mut companion = Self::prepared();
        companion.start();
        companion
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts it by the command `wrapper`.
    pub(crate) fn start_with(&mut self, wrapper: &[&str]) {
        self.spawn(wrapper);
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.try_get("/readyz", "").is_none_or(|answer| answer.status != 200) {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let waits = ended.is_none() && Instant::now() < deadline;
            assert!(waits, "not ready ({ended:?}): {}", self.directory.read("log"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it and does not wait.
    pub(crate) fn spawn(&mut self, wrapper: &[&str]) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.0.join("log"))
            .unwrap();
        let command = [wrapper, &[env!("CARGO_BIN_EXE_rescind"), "serve"]].concat();
        let child = Command::new(command[0])
            .current_dir(&self.directory.0)
            .args(&command[1..])
            .env("RESCIND_LOG", std::env::var("RESCIND_LOG").unwrap_or("trace".to_owned()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The end that no process can prepare for.
    pub(crate) fn sigkill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and the status it ends with.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.take().unwrap().wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn try_get(&self, path: &str, token: &str) -> Option<Answer> {
        let request = agent().get(self.url(path)).header("accept", "application/json");
        let request = match token {
            "" => request,
            token => request.header("authorization", format!("Bearer {token}")),
        };
        request.call().ok().map(answer)
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Answer {
        self.try_get(path, token).expect("an answer")
    }

    /// Asks for the feed, as JSON.
    pub(crate) fn feed(&self, query: &str) -> Value {
        let token = self.directory.read("gateway.token");
        let answer = self.get(&format!("/v1/feed?gateway=edge-1&{query}"), &token);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Asks for the feed as gateways do, and opens the page with the pinned key.
    pub(crate) fn page(&self, query: &str) -> rescind_core::feed::Page {
        let token = self.directory.read("gateway.token");
        let request = agent().get(self.url(&format!("/v1/feed?{query}")));
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = answer(request.header("accept", "application/cbor").call().unwrap());
        assert_eq!(answer.header("content-type"), Some("application/cbor"));
        rescind_core::feed::open(&answer.body, &self.feed_key()).unwrap()
    }

    pub(crate) fn feed_key(&self) -> rescind_core::feed::FeedKey {
        let kept = rescind(&self.directory.0, &["keygen", "--out", "."]);
        let text = String::from_utf8(kept.stdout).unwrap();
        let key = text.lines().find_map(|line| line.strip_prefix("feed_key ")).unwrap();
        let bytes = rescind_core::base64url::decode(key.as_bytes()).unwrap();
        rescind_core::feed::FeedKey(bytes.try_into().unwrap())
    }

    pub(crate) fn push(&self, set: &str) -> Answer {
        self.push_as(PUSH_TOKEN, "application/secevent+jwt", set.as_bytes()).unwrap()
    }

    pub(crate) fn push_as(&self, token: &str, media_type: &str, body: &[u8]) -> Option<Answer> {
        let request = agent().post(self.url("/v1/push/idp")).content_type(media_type);
        let request = request.header("authorization", format!("Bearer {token}"));
        request.send(body).ok().map(answer)
    }

    pub(crate) fn signal_request(&self, token: &str, body: &Value) -> Answer {
        let request = agent().post(self.url("/v1/signals"));
        let request = request.header("authorization", format!("Bearer {token}"));
        answer(request.content_type("application/json").send(body.to_string()).unwrap())
    }

    /// Runs a command of the operator.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        rescind(&self.directory.0, arguments)
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(90)))
        .build()
        .into()
}

pub(crate) fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let body = response.body_mut().read_to_vec().unwrap();
    Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
}
