//! The commands that talk to a running companion: `revoke`, `show`, `status`, `streams`
//! and others.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::config::Problem;

mod streams;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach the companion: from its own configuration, or as said.
#[derive(Args, Debug)]
pub(crate) struct Access {
    /// The companion's configuration, for its address and the operator's token.
    #[arg(long, default_value = "rescind.toml")]
    config: PathBuf,
    /// The companion's URL, if not the address it listens on.
    #[arg(long)]
    url: Option<String>,
    /// The file with the operator's token, if not the one of the configuration.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// A PEM file with the certificates to trust, if not the companion's own.
    #[arg(long)]
    ca: Option<PathBuf>,
}

impl Access {
    /// Whether its URL was given.
    pub(crate) const fn has_url(&self) -> bool {
        self.url.is_some()
    }

    /// The companion's configuration.
    pub(crate) fn config(&self) -> &std::path::Path {
        &self.config
    }
}

/// A subject, and the event that suits it if the operator names none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Revocation {
    subject: Value,
    /// Replaces `session-revoked`, where an `opaque` subject would mean a session.
    event: Option<&'static str>,
}

impl Revocation {
    const fn of(subject: Value) -> Self {
        Self { subject, event: None }
    }

    /// A user.
    pub(crate) fn user(iss: &str, sub: &str) -> Vec<Self> {
        vec![Self::of(json!({ "format": "iss_sub", "iss": iss, "sub": sub }))]
    }

    /// A session.
    pub(crate) fn session(id: &str) -> Vec<Self> {
        vec![Self::of(json!({ "format": "opaque", "id": id }))]
    }

    /// One token.
    pub(crate) fn token(iss: &str, jti: &str) -> Vec<Self> {
        vec![Self::of(json!({ "format": "jwt_id", "iss": iss, "jti": jti }))]
    }

    /// An agent, wherever tokens name it: as client, and as subject or actor.
    pub(crate) fn agent(id: &str) -> Vec<Self> {
        let client = json!({
            "format": "complex",
            "application": { "format": "opaque", "id": id },
        });
        let principal = if id.contains(':') {
            Self::of(json!({ "format": "uri", "uri": id }))
        } else {
            let subject = json!({ "format": "opaque", "id": id });
            Self { subject, event: Some("sessions-revoked") }
        };
        vec![Self::of(client), principal]
    }
}

/// A client of a running companion.
#[derive(Debug)]
pub(crate) struct Client {
    url: String,
    authorization: String,
    agent: ureq::Agent,
}

/// What the client needs of a configuration.
#[derive(Debug, Default)]
struct Found {
    url: Option<String>,
    token_file: Option<PathBuf>,
    certificate: Option<PathBuf>,
}

impl Client {
    /// A client as `access` says.
    pub(crate) fn new(access: &Access) -> Result<Self, Vec<Problem>> {
        let problem = |key: &str, wrong: String, remedy: &str| {
            vec![Problem { key: key.to_owned(), wrong, remedy: remedy.to_owned() }]
        };
        let complete = access.url.is_some() && access.token_file.is_some();
        let found = match std::fs::read_to_string(&access.config) {
            Ok(text) => find(&text, &access.config),
            Err(_) if complete => Found::default(),
            Err(error) => {
                let key = access.config.display().to_string();
                let remedy = "name it with --config, or give --url and --token-file";
                return Err(problem(&key, format!("cannot be read: {error}"), remedy));
            }
        };
        let url = access.url.clone().or(found.url).ok_or_else(|| {
            let remedy = "write the address the companion listens on, or give --url";
            problem("server.listen", "is missing".to_owned(), remedy)
        })?;
        let file = access.token_file.clone().or(found.token_file).ok_or_else(|| {
            let remedy = "name the file with the operator's token, or give --token-file";
            problem("operator.token_file", "is missing".to_owned(), remedy)
        })?;
        let token = std::fs::read_to_string(&file).map_err(|error| {
            let wrong = format!("cannot read `{}`: {error}", file.display());
            problem("operator.token_file", wrong, "name a readable file, or give --token-file")
        })?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0);
        let own = found.certificate.and_then(|path| std::fs::read(path).ok());
        let roots = match &access.ca {
            None => own.map(|pem| certificates(&pem)).filter(|roots| !roots.is_empty()),
            Some(path) => {
                let remedy = "name a PEM file with the certificates to trust";
                let wrong = |what: String| problem("--ca", what, remedy);
                let pem = std::fs::read(path)
                    .map_err(|error| wrong(format!("cannot read `{}`: {error}", path.display())))?;
                let roots = certificates(&pem);
                if roots.is_empty() {
                    return Err(wrong(format!("`{}` holds no PEM certificate", path.display())));
                }
                Some(roots)
            }
        };
        if let Some(roots) = roots {
            let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build();
            config = config.tls_config(tls);
        }
        let authorization = format!("Bearer {}", token.trim());
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authorization,
            agent: config.build().into(),
        })
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let answer = request.header("authorization", &self.authorization).call();
        self.read(answer)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("authorization", &self.authorization);
        let answer = request.content_type("application/json").send(body.to_string());
        self.read(answer)
    }

    fn read(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, String> {
        let mut answer = answer.map_err(|error| format!("{}: {error}", self.url))?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if answer.status().is_success() {
            return Ok(value);
        }
        let said = ["description", "error"].iter().find_map(|member| value.get(member)?.as_str());
        let said = said.unwrap_or("no explanation");
        Err(format!("{} answered {}: {said}", self.url, answer.status().as_u16()))
    }

    /// Signals each of `subjects`.
    pub(crate) fn revoke(
        &self,
        subjects: &[Revocation],
        event: &str,
        at: Option<u64>,
        reason: Option<&str>,
        json: bool,
    ) -> Result<String, String> {
        let mut made = Vec::new();
        for revocation in subjects {
            let event = match revocation.event {
                Some(other) if event == "session-revoked" => other,
                _ => event,
            };
            let mut body = json!({ "sub_id": revocation.subject, "event": event });
            if let Some(members) = body.as_object_mut() {
                at.map(|at| members.insert("event_timestamp".to_owned(), json!(at)));
                reason.map(|reason| members.insert("reason_admin".to_owned(), json!(reason)));
            }
            made.push(self.post("/v1/signals", &body)?);
        }
        if json {
            return Ok(Value::Array(made).to_string());
        }
        let lines = made.iter().map(|made| {
            let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or("?");
            format!("revoked: signal {} (jti {})\n", text("signal"), text("jti"))
        });
        Ok(lines.collect())
    }

    /// One signal.
    pub(crate) fn show(&self, signal: &str) -> Result<String, String> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if !signal.bytes().all(unreserved) {
            return Err("a signal is named by 32 hex digits or a `jti` of plain characters".into());
        }
        let value = self.get(&format!("/v1/signals/{signal}"))?;
        serde_json::to_string_pretty(&value).map_err(|error| error.to_string())
    }

    /// The last notes of the audit trail about `kind`, as the companion says them.
    pub(crate) fn notes_json(&self, kind: &str) -> Result<Value, String> {
        self.get(&format!("/v1/notes/{kind}"))
    }

    /// Sends a part of a file with signals.
    pub(crate) fn post_lines(&self, path: &str, lines: String) -> Result<Value, String> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("authorization", &self.authorization);
        let answer = request.content_type("text/plain; charset=utf-8").send(lines);
        self.read(answer)
    }

    /// A page of the list `name` after `after`.
    pub(crate) fn export(&self, name: &str, after: u64) -> Result<Value, String> {
        self.get(&format!("/v1/export/{name}?after={after}"))
    }

    /// The state of the log and of the gateways, as the companion says it.
    pub(crate) fn status_json(&self) -> Result<Value, String> {
        self.get("/v1/status")
    }

    /// The last notes of the audit trail about `kind`.
    pub(crate) fn notes(&self, kind: &str, json: bool) -> Result<String, String> {
        let notes = self.notes_json(kind)?;
        if json { Ok(notes.to_string()) } else { Ok(crate::notes::table(&notes)) }
    }

    /// The state of the log and of the gateways.
    pub(crate) fn status(&self, json: bool) -> Result<String, String> {
        let status = self.status_json()?;
        if json { Ok(status.to_string()) } else { Ok(table(&status)) }
    }
}

/// Reads leniently: the client needs three values, not a configuration that could serve.
fn find(text: &str, path: &std::path::Path) -> Found {
    let Ok(table) = text.parse::<toml::Table>() else { return Found::default() };
    let directory = path.parent().unwrap_or_else(|| std::path::Path::new("."));
    let text = |section: &str, key: &str| table.get(section)?.get(key)?.as_str().map(str::to_owned);
    let certificate = table
        .get("server")
        .and_then(|server| server.get("tls")?.get("certificate_file")?.as_str())
        .map(|name| directory.join(name));
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let listen = text("server", "listen").and_then(|listen| listen.parse().ok());
    let url = listen.map(|address: std::net::SocketAddr| {
        let host = match address.ip() {
            std::net::IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            std::net::IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            ip @ std::net::IpAddr::V4(_) => ip.to_string(),
        };
        format!("{scheme}://{host}:{}", address.port())
    });
    let token_file = text("operator", "token_file").map(|name| directory.join(name));
    Found { url, token_file, certificate }
}

/// The companion's own certificate and its chain: trusted because the operator has the file.
fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .flatten()
        .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
        .collect()
}

fn table(status: &Value) -> String {
    let text = |value: &Value, name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let mut out = String::new();
    for (label, name) in [
        ("version", "version"),
        ("log", "log"),
        ("feed key", "feed_key"),
        ("accepted up to", "head"),
        ("live records", "live_records"),
    ] {
        out.push_str(&format!("{label:<16} {}\n", text(status, name)));
    }
    let list = |name: &str| status.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let row = ["GATEWAY", "FOLLOWING", "LAG", "LAST POLL"];
    out.push_str(&format!("\n{:<24} {:<10} {:>8} {:>12}\n", row[0], row[1], row[2], row[3]));
    for gateway in list("gateways") {
        let following = gateway.get("following").and_then(Value::as_bool) == Some(true);
        let asked = gateway.get("last_poll_secs_ago").and_then(Value::as_f64);
        let asked = asked.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s ago"));
        let following = if following { "yes" } else { "no" };
        let (name, lag) = (text(&gateway, "name"), text(&gateway, "lag"));
        out.push_str(&format!("{name:<24} {following:<10} {lag:>8} {asked:>12}\n"));
    }
    out.push_str(&format!("\n{:<24} {:>5}  {}\n", "TRANSMITTER", "KEYS", "ISSUER"));
    for transmitter in list("transmitters") {
        let (name, keys) = (text(&transmitter, "name"), text(&transmitter, "keys"));
        out.push_str(&format!("{name:<24} {keys:>5}  {}\n", text(&transmitter, "issuer")));
    }
    out
}
