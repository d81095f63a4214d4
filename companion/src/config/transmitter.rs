//! `[[transmitters]]`: whose SETs are received, how they come, and how the transmitter is called.

use std::path::PathBuf;
use std::time::Duration;

use rescind_core::authority::Authority;
use rescind_core::jws::Algorithm;
use rescind_core::set::Profile;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::tls::Certificate;

use super::section::Section;
use super::{authority, name};
use crate::authorization::Credential;
use crate::authorization::oauth::{Client, ClientProof, MIN_HMAC_SECRET_BYTES};
use crate::poll::{DEFAULT_MAX_EVENTS, MAX_MAX_EVENTS};
use crate::secret::TokenDigest;
use crate::signer::SetSigner;
use crate::stream::{Settings, metadata};

mod stream;

/// How long a poll may be held, if the configuration does not say otherwise: longer than the idle
/// time-out of common proxies, so that it is not this side that gives up.
const DEFAULT_POLL_WAIT_SECS: u32 = 90;
const MIN_POLL_WAIT_SECS: u32 = 1;
/// Ten minutes: beyond that a dead connection would not be noticed for too long.
const MAX_POLL_WAIT_SECS: u32 = 600;

/// From a verification that was asked for, or the last poll that was answered.
const DEFAULT_GAP_AFTER_SECS: u32 = 60;
const MIN_GAP_AFTER_SECS: u32 = 1;
const MAX_GAP_AFTER_SECS: u32 = 86_400;

/// One transmitter.
#[derive(Debug)]
pub(crate) struct Transmitter {
    /// Its name: the last segment of its push endpoint.
    pub(crate) name: String,
    /// `iss` of its SETs.
    pub(crate) issuer: String,
    /// Any of these must be an `aud`.
    pub(crate) audiences: Vec<String>,
    /// How its SETs come.
    pub(crate) delivery: Delivery,
    /// Where its keys are.
    pub(crate) keys: KeySource,
    /// What it may sign with.
    pub(crate) algorithms: Vec<Algorithm>,
    /// How it deviates from SSF 1.0.
    pub(crate) profile: Profile,
    /// Whose tokens it may speak about.
    pub(crate) authority: Authority,
    /// What is shown to it.
    pub(crate) credential: Option<Credential>,
    /// Whose certificates are trusted when it is called; empty for the public authorities.
    pub(crate) roots: Vec<Certificate<'static>>,
    /// How its stream is managed, if it is.
    pub(crate) stream: Option<Settings>,
    /// The file with what it pushes with, if the stream's configuration has to tell it.
    pub(crate) push_token_file: Option<PathBuf>,
    /// For how long it may be silent or out of reach before that is a gap.
    pub(crate) gap_after: Duration,
}

/// How SETs come.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// The transmitter pushes them (RFC 8935) and authenticates with this.
    Push(TokenDigest),
    /// They are fetched (RFC 8936).
    Poll(Polling),
}

/// How SETs are fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Polling {
    /// Where from, if not where the stream's configuration says.
    pub(crate) url: Option<String>,
    /// How many at once.
    pub(crate) max_events: u32,
    /// How long a poll may be held.
    pub(crate) wait: Duration,
}

/// Where a transmitter's JWK set is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeySource {
    /// A file, read again when it changes.
    File(PathBuf),
    /// A URL.
    Url(String),
    /// Where the transmitter's metadata (SSF 1.0 §7) says.
    Metadata {
        /// Where the metadata is.
        url: String,
        /// Whose it must be.
        issuer: String,
    },
}

pub(super) fn transmitters(root: &mut Section<'_>) -> Option<Vec<Transmitter>> {
    let mut transmitters: Vec<Transmitter> = Vec::new();
    let mut complete = true;
    for mut section in root.sections("transmitters") {
        let name = name(&mut section, transmitters.iter().map(|known| known.name.as_str()));
        match transmitter(section, name) {
            Some(transmitter) => transmitters.push(transmitter),
            None => complete = false,
        }
    }
    complete.then_some(transmitters)
}

fn transmitter(mut section: Section<'_>, name: Option<String>) -> Option<Transmitter> {
    let issuer = section.text("issuer", "write the `iss` of its SETs, character by character");
    let audiences = section.texts("audiences", "list the values of `aud` that mean this receiver");
    let delivery = delivery(&mut section);
    let algorithms = algorithms(&mut section);
    let profile = profile(&mut section);
    let authority = authority(&mut section);
    let credential = credential(&mut section);
    let roots = roots(&mut section);
    let push_token_file = section.known_path("push_token_file");
    let named = (name.as_deref(), issuer.as_deref(), audiences.as_slice(), profile);
    let stream = stream::stream(&mut section, named);
    let found = stream.as_ref().and_then(Option::as_ref).map(|stream| stream.metadata_url.clone());
    let found = found.or_else(|| metadata::url(issuer.as_deref()?, profile));
    let keys = key_source(&mut section, found.zip(issuer.clone()));
    let gap_after = section.integer(
        "gap_after_secs",
        MIN_GAP_AFTER_SECS..=MAX_GAP_AFTER_SECS,
        DEFAULT_GAP_AFTER_SECS,
        "for how many seconds it may be silent or out of reach",
    );
    section.finish();
    Some(Transmitter {
        stream: stream?,
        push_token_file,
        gap_after: Duration::from_secs(u64::from(gap_after)),
        name: name?,
        issuer: issuer?,
        audiences,
        delivery: delivery?,
        keys: keys?,
        algorithms,
        profile,
        authority,
        credential: credential?,
        roots,
    })
}

fn delivery(section: &mut Section<'_>) -> Option<Delivery> {
    let remedy = "write \"push\" or \"poll\"; `push` if absent";
    match section.optional_text("delivery", remedy).as_deref() {
        None | Some("push") => {
            section.token("push_token_file", "push_token_sha256").map(Delivery::Push)
        }
        Some("poll") => {
            let given = section.has("poll_url") || !section.has("stream");
            let url = if given {
                url(section, "poll_url").map(Some)
            } else {
                let _known = section.optional_text("poll_url", "");
                Some(None)
            };
            let remedy = "how many SETs are asked for at once";
            let max_events =
                section.integer("poll_max_events", 1..=MAX_MAX_EVENTS, DEFAULT_MAX_EVENTS, remedy);
            let wait = section.integer(
                "poll_wait_secs",
                MIN_POLL_WAIT_SECS..=MAX_POLL_WAIT_SECS,
                DEFAULT_POLL_WAIT_SECS,
                "for how many seconds the transmitter may hold a poll",
            );
            let wait = Duration::from_secs(u64::from(wait));
            Some(Delivery::Poll(Polling { url: url?, max_events, wait }))
        }
        Some(other) => {
            section.problem("delivery", format!("`{other}` is not known"), remedy);
            None
        }
    }
}

/// What is shown to the transmitter: `Some(None)` for nothing, `None` after a complaint.
fn credential(section: &mut Section<'_>) -> Option<Option<Credential>> {
    let both = section.has("authorization_token_file") && section.has("oauth");
    if both {
        let wrong = "stands beside `oauth`";
        section.problem("authorization_token_file", wrong, "keep one of the two");
    }
    let token = section
        .has("authorization_token_file")
        .then(|| secret_file(section, "authorization_token_file", "name a file with one line"));
    let oauth = section.has("oauth");
    let client = section.optional_section("oauth").and_then(client);
    match (token, oauth) {
        _ if both => None,
        (Some(path), _) => Some(Some(Credential::Token(path?))),
        (None, true) => Some(Some(Credential::OAuth(Box::new(client?)))),
        (None, false) => Some(None),
    }
}

fn client(mut section: Section<'_>) -> Option<Client> {
    let token_url = url(&mut section, "token_url");
    let client_id = section.text("client_id", "write the id the authorization server gave you");
    let remedy = "use one of client_secret_basic, client_secret_post, client_secret_jwt, \
                  private_key_jwt; `client_secret_basic` if absent";
    let method = section.optional_text("client_authentication", remedy);
    let secret = |section: &mut Section<'_>| {
        secret_file(section, "client_secret_file", "name a file with one line, the secret")
    };
    let proof = match method.as_deref() {
        None | Some("client_secret_basic") => secret(&mut section).map(ClientProof::SecretBasic),
        Some("client_secret_post") => secret(&mut section).map(ClientProof::SecretPost),
        Some("client_secret_jwt") => {
            let secret_file = secret(&mut section);
            check_secret(&mut section);
            let audience = audience(&mut section, token_url.as_deref());
            secret_file
                .zip(audience)
                .map(|(secret_file, audience)| ClientProof::SecretJwt { secret_file, audience })
        }
        Some("private_key_jwt") => {
            let remedy = "name a PEM file with an ES256 or Ed25519 key in PKCS#8";
            let pem = section.file("client_key_file", remedy);
            if pem.as_deref().is_some_and(|pem| SetSigner::from_pem(pem).is_none()) {
                let wrong = "holds neither an ES256 nor an Ed25519 private key";
                section.problem("client_key_file", wrong, remedy);
            }
            let key_file = section.known_path("client_key_file");
            let key_id = section.optional_text("client_key_id", "write the key's `kid`");
            let audience = audience(&mut section, token_url.as_deref());
            key_file.zip(audience).map(|(key_file, audience)| ClientProof::PrivateKeyJwt {
                key_file,
                key_id,
                audience,
            })
        }
        Some(other) => {
            let wrong = format!("`{other}` is not known");
            section.problem("client_authentication", wrong, remedy);
            None
        }
    };
    let scope = section.optional_text("scope", "write the scopes with blanks between them");
    section.finish();
    Some(Client { token_url: token_url?, client_id: client_id?, proof: proof?, scope })
}

/// `aud` of the client's assertion.
fn audience(section: &mut Section<'_>, token_url: Option<&str>) -> Option<String> {
    let remedy = "write what the server wants as `aud`; `token_url` if absent";
    let audience = section.optional_text("assertion_audience", remedy);
    audience.or_else(|| token_url.map(str::to_owned))
}

/// A secret that signs must be as long as what it signs with (RFC 7518 §3.2).
fn check_secret(section: &mut Section<'_>) {
    let Some(path) = section.known_path("client_secret_file") else { return };
    let secret = std::fs::read_to_string(path).unwrap_or_default();
    if secret.trim().len() < MIN_HMAC_SECRET_BYTES {
        let wrong = "holds fewer than 32 bytes, which is too short for `client_secret_jwt`";
        section.problem("client_secret_file", wrong, "use another client authentication");
    }
}

/// The name of a file with one line that may stand in a header.
fn secret_file(section: &mut Section<'_>, key: &'static str, remedy: &str) -> Option<PathBuf> {
    let text = section.file(key, remedy)?;
    let secret = text.trim();
    if secret.is_empty() || !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        section.problem(key, "does not hold one line of printable ASCII", remedy);
        return None;
    }
    section.known_path(key)
}

/// Certificates to trust in place of the public authorities.
/// The certificates of `ca_file`, if it is there.
pub(crate) fn roots(section: &mut Section<'_>) -> Vec<Certificate<'static>> {
    if !section.has("ca_file") {
        let _known = section.optional_text("ca_file", "");
        return Vec::new();
    }
    let remedy = "name a PEM file with the certificates to trust";
    let pem = section.file("ca_file", remedy).unwrap_or_default();
    let roots: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .flatten()
        .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
        .collect();
    if roots.is_empty() {
        section.problem("ca_file", "holds no PEM certificate", remedy);
    }
    roots
}

/// A URL that secrets may be sent to and keys fetched from.
fn url(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let remedy = "write an https URL (http only for a loopback address)";
    let url = section.text(key, remedy)?;
    if !is_safe_url(&url) {
        section.problem(key, format!("`{url}` is not an https URL"), remedy);
        return None;
    }
    Some(url)
}

/// `metadata` is where the transmitter's metadata is, and whose.
fn key_source(section: &mut Section<'_>, metadata: Option<(String, String)>) -> Option<KeySource> {
    match (section.has("jwks_file"), section.has("jwks_url")) {
        (true, false) => {
            let path = section.path("jwks_file", "name a file with a JWK set")?;
            let remedy = "name a file with a JWK set: {\"keys\": […]}";
            match crate::keys::read_file(&path) {
                Ok(_) => Some(KeySource::File(path)),
                Err(error) => {
                    section.problem("jwks_file", format!("`{}`: {error}", path.display()), remedy);
                    None
                }
            }
        }
        (false, true) => Some(KeySource::Url(url(section, "jwks_url")?)),
        (both, _) => {
            let _known = (
                section.optional_text("jwks_file", "name a file"),
                section.optional_text("jwks_url", "write a URL"),
            );
            if let (false, Some((url, issuer))) = (both, metadata) {
                return Some(KeySource::Metadata { url, issuer });
            }
            let wrong = if both {
                "stands beside `jwks_url`"
            } else {
                "is missing, and `issuer` is no https URL whose metadata could name the keys"
            };
            section.problem("jwks_file", wrong, "give either `jwks_file` or `jwks_url`");
            None
        }
    }
}

/// Keys fetched over a readable connection could be anybody's, and so could whoever gets a token.
pub(crate) fn is_safe_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return false };
    let loopback = matches!(uri.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => loopback,
        _ => false,
    }
}

fn algorithms(section: &mut Section<'_>) -> Vec<Algorithm> {
    let known = Algorithm::ALL.map(Algorithm::name).join(", ");
    let remedy = format!("list what this transmitter signs with, of {known}");
    let mut algorithms = Vec::new();
    for name in section.texts("algorithms", &remedy) {
        match Algorithm::from_name(&name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => section.problem("algorithms", format!("`{name}` is not supported"), &remedy),
        }
    }
    algorithms
}

fn profile(section: &mut Section<'_>) -> Profile {
    let known = Profile::ALL.map(Profile::name).join(", ");
    let remedy = format!("use one of {known}; `strict` if absent");
    match section.optional_text("profile", &remedy) {
        None => Profile::Strict,
        Some(name) => Profile::from_name(&name).unwrap_or_else(|| {
            section.problem("profile", format!("`{name}` is not known"), &remedy);
            Profile::Strict
        }),
    }
}
