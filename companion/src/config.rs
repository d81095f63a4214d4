//! The companion's configuration: `rescind.toml`, parsed once.
//!
//! A [`Config`] cannot be wrong: files are read, keys parsed and names checked before a port is
//! bound. [`Config::load`] reports every problem at once, each with the key, what is wrong and the
//! remedy; the process then ends with status 64 (`EX_USAGE` of sysexits.h). Nothing here is ever
//! printed but keys, names and file names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rescind_core::authority::{Authority, Limits};
use rescind_core::event::EventType;
use rescind_core::mapping::Mapping;
use ring::signature::Ed25519KeyPair;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::decide::settings::{self, Decisions};
use crate::secret::TokenDigest;
use crate::signer::SetSigner;

mod section;
mod transmitter;

use section::Problems;
pub(crate) use section::{Problem, Section};
pub(crate) use transmitter::{Delivery, KeySource, Polling, Transmitter, is_safe_url, roots};

/// The shortest retention: below a minute no token lifetime makes sense.
const MIN_RETENTION_SECS: u32 = 60;
/// The longest retention: Entra's CAE tokens live 28 h; 90 days is beyond every access token.
const MAX_RETENTION_SECS: u32 = 90 * 86_400;
/// A day: longer than the access tokens of every large issuer but Entra's CAE ones.
const DEFAULT_RETENTION_SECS: u32 = 86_400;
const DAY: Duration = Duration::from_secs(86_400);
/// A repeat must be recognized for longer than a lifted state is remembered (30 days), or an old
/// `account-disabled` that is delivered again would hold again.
const MIN_AUDIT_DAYS: u32 = 31;
/// Ten years.
const MAX_AUDIT_DAYS: u32 = 3650;
/// A quarter: PCI DSS 10.5.1 wants three months of audit trail at hand.
const DEFAULT_AUDIT_DAYS: u32 = 90;
/// The formats that a subject can be reached by.
const FORMATS: [&str; 8] =
    ["account", "email", "iss_sub", "opaque", "phone_number", "did", "uri", "jwt_id"];
/// Longest name of a transmitter or gateway: they stand in URLs, logs and metric labels.
const MAX_NAME_CHARS: usize = 64;

/// A configuration without mistakes.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// TLS, when configured.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// The journal's file.
    pub(crate) journal: PathBuf,
    /// For how long an accepted SET is kept at least.
    pub(crate) audit_retention: Duration,
    /// Whose tokens the gateways accept, and how they map claims; empty if that is not said.
    pub(crate) issuers: Vec<(String, Mapping)>,
    /// Who signs the SETs made here; without it nothing can be signalled from here.
    pub(crate) identity: Option<Identity>,
    /// The feed.
    pub(crate) feed: Feed,
    /// Who may follow the feed.
    pub(crate) gateways: Vec<Gateway>,
    /// Who may signal and see the status.
    pub(crate) operator: Option<TokenDigest>,
    /// Whose SETs are received.
    pub(crate) transmitters: Vec<Transmitter>,
    /// What gateways without a filter may ask, if they may.
    pub(crate) decisions: Option<Decisions>,
}

/// Who signs the SETs made here.
#[derive(Debug)]
pub(crate) struct Identity {
    /// `iss` of these SETs.
    pub(crate) issuer: String,
    /// Their key.
    pub(crate) signer: SetSigner,
    /// Whose tokens they may speak about.
    pub(crate) authority: Authority,
}

/// The feed's keys and retention.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Signs pages.
    pub(crate) key: Ed25519KeyPair,
    /// Hashes subject keys.
    pub(crate) subject_key: [u8; 16],
    /// For how long a revocation is kept after its event.
    pub(crate) retention: Duration,
}

/// One gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Its name in status and metrics.
    pub(crate) name: String,
    /// What it authenticates with.
    pub(crate) token: TokenDigest,
}

impl Config {
    /// Reads the file `path`, or says everything that is wrong with it.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![Problem {
                key: path.display().to_string(),
                wrong: format!("cannot be read: {error}"),
                remedy: "name the configuration file with --config".to_owned(),
            }]
        })?;
        Self::parse(&text, path.parent().unwrap_or_else(|| Path::new(".")))
    }

    /// Reads `text`; relative file names start at `directory`.
    pub(crate) fn parse(text: &str, directory: &Path) -> Result<Self, Vec<Problem>> {
        let table = text.parse::<toml::Table>().map_err(|error| {
            let place = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(0, |before| before.lines().count());
            vec![Problem {
                key: format!("line {}", place.max(1)),
                wrong: format!("is not TOML: {}", error.message().replace('\n', ", ")),
                remedy: "see https://toml.io".to_owned(),
            }]
        })?;
        let problems = Problems::default();
        let config = read(Section::root(table, directory, &problems));
        let problems = problems.into_vec();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }
}

fn read(mut root: Section<'_>) -> Option<Config> {
    let server = server(root.section("server", "where to listen"));
    let mut journal = root.section("journal", "where accepted signals are kept");
    let journal_path =
        journal.path("path", "name the file of the journal: path = \"rescind.redb\"");
    let audit_days = journal.integer(
        "audit_retention_days",
        MIN_AUDIT_DAYS..=MAX_AUDIT_DAYS,
        DEFAULT_AUDIT_DAYS,
        "for how many days an accepted SET is kept at least",
    );
    journal.finish();
    let issuers = issuers(&mut root);
    let identity_given = root.has("identity");
    let identity = root.optional_section("identity").and_then(identity);
    let feed = feed(root.section("feed", "the keys that gateways trust"));
    let gateways = gateways(&mut root);
    let operator = root.optional_section("operator").and_then(|mut operator| {
        let token = operator.token("token_file", "token_sha256");
        operator.finish();
        token
    });
    let transmitters = transmitter::transmitters(&mut root);
    let decisions_given = root.has("decisions");
    let decisions = root.optional_section("decisions");
    let decisions = decisions.and_then(|section| settings::decisions(section, feed.as_ref()));
    root.finish();
    let (listen, tls) = server?;
    Some(Config {
        listen,
        tls,
        journal: journal_path?,
        audit_retention: DAY.saturating_mul(audit_days),
        issuers,
        identity: if identity_given { Some(identity?) } else { None },
        feed: feed?,
        gateways: gateways?,
        operator,
        transmitters: transmitters?,
        decisions: if decisions_given { Some(decisions?) } else { None },
    })
}

/// The `issuers` of the gateways' configuration, as far as they decide whom a signal can reach.
fn issuers(root: &mut Section<'_>) -> Vec<(String, Mapping)> {
    let mut issuers: Vec<(String, Mapping)> = Vec::new();
    for mut section in root.sections("issuers") {
        let remedy = "write an `issuer` of the gateways' configuration, character by character";
        let issuer = section.text("issuer", remedy);
        if issuer.as_ref().is_some_and(|name| issuers.iter().any(|(known, _)| known == name)) {
            section.problem("issuer", "stands twice", "remove one of them");
        }
        let mut mapping = Mapping::default();
        if let Some(mut claims) = section.optional_section("subject_claims") {
            let remedy = "name a claim, as in `subject_claims` of the gateways' configuration";
            mapping = Mapping {
                session: claims.optional_text("session", remedy),
                device: claims.optional_text("device", remedy),
                tenant: claims.optional_text("tenant", remedy),
                org_unit: claims.optional_text("org_unit", remedy),
                groups: claims.optional_text("groups", remedy),
                email: claims.optional_text("email", remedy),
                phone: claims.optional_text("phone", remedy),
                transaction: claims.optional_text("transaction", remedy),
                workload: claims.optional_text("workload", remedy),
                may_act: claims.flag("may_act"),
            };
            claims.finish();
        }
        section.finish();
        issuers.extend(issuer.map(|issuer| (issuer, mapping)));
    }
    issuers
}

type Server = (SocketAddr, Option<Arc<rustls::ServerConfig>>);

fn server(mut server: Section<'_>) -> Option<Server> {
    let remedy = "write an address and a port: listen = \"127.0.0.1:8700\"";
    let listen = server.text("listen", remedy).and_then(|text| {
        let parsed = text.parse();
        if parsed.is_err() {
            server.problem("listen", format!("`{text}` is not an address and a port"), remedy);
        }
        parsed.ok()
    });
    let tls_given = server.has("tls");
    let tls = server.optional_section("tls").and_then(tls);
    server.finish();
    Some((listen?, if tls_given { Some(tls?) } else { None }))
}

/// The TLS of a listener.
pub(crate) fn tls(mut section: Section<'_>) -> Option<Arc<rustls::ServerConfig>> {
    let remedy = "name a PEM file with the certificate, then its chain";
    let certificates = section.file("certificate_file", remedy).and_then(|pem| {
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let parsed = parsed.ok().filter(|certificates| !certificates.is_empty());
        if parsed.is_none() {
            section.problem("certificate_file", "holds no PEM certificate", remedy);
        }
        parsed
    });
    let remedy = "name a PEM file with the certificate's private key";
    let key = section.file("key_file", remedy).and_then(|pem| {
        let parsed = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok();
        if parsed.is_none() {
            section.problem("key_file", "holds no PEM private key", remedy);
        }
        parsed
    });
    let path = section.key("key_file");
    let config = match (certificates, key) {
        (Some(certificates), Some(key)) => {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let built = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map(|builder| builder.with_no_client_auth())
                .and_then(|builder| builder.with_single_cert(certificates, key));
            match built {
                Ok(mut config) => {
                    config.alpn_protocols = vec![b"http/1.1".to_vec()];
                    Some(Arc::new(config))
                }
                Err(error) => {
                    let wrong = format!("does not fit the certificate: {error}");
                    section.problem("key_file", wrong, format!("check {path} and the certificate"));
                    None
                }
            }
        }
        _ => None,
    };
    section.finish();
    config
}

fn identity(mut section: Section<'_>) -> Option<Identity> {
    let issuer =
        section.text("issuer", "write the URL that names this companion: `iss` of its SETs");
    let remedy = "name a PEM file with an ES256 or Ed25519 key in PKCS#8 (`rescind keygen`)";
    let signer = section.file("signing_key_file", remedy).and_then(|pem| {
        let signer = SetSigner::from_pem(&pem);
        if signer.is_none() {
            let wrong = "holds neither an ES256 nor an Ed25519 private key";
            section.problem("signing_key_file", wrong, remedy);
        }
        signer
    });
    let authority = authority(&mut section);
    section.finish();
    Some(Identity { issuer: issuer?, signer: signer?, authority })
}

fn authority(section: &mut Section<'_>) -> Authority {
    let remedy =
        "list the issuers of the tokens that may be revoked: [\"https://idp.example.com\"]";
    let issuers = section.texts("authority_issuers", remedy);
    let danger_allow_tenant_wide = section.flag("danger_allow_tenant_wide");
    let limits = limits(section);
    Authority { issuers, danger_allow_tenant_wide, limits }
}

/// What a list leaves out is refused with `access_denied`; without the list nothing is left out.
fn limits(section: &mut Section<'_>) -> Limits {
    let mut list = |key, remedy: &str, known: &dyn Fn(&str) -> bool| {
        section.has(key).then(|| {
            let names = section.texts(key, remedy);
            for name in names.iter().filter(|name| !known(name)) {
                section.problem(key, format!("`{name}` is not known"), remedy);
            }
            names
        })
    };
    let remedy = "list names of event types, such as [\"session-revoked\"]";
    let events = list("authority_events", remedy, &|name| EventType::from_name(name).is_some());
    let remedy = format!("list formats of subject identifiers, of {}", FORMATS.join(", "));
    let formats = list("authority_formats", &remedy, &|name| FORMATS.contains(&name));
    let remedy = "list trust domains in lower case, without `spiffe://`: [\"example.org\"]";
    let is_domain = |name: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        name.bytes().all(allowed)
    };
    let trust_domains = list("authority_trust_domains", remedy, &is_domain);
    let remedy = "list the ids of tenants, of which each subject must name one";
    let tenants = list("authority_tenants", remedy, &|_| true);
    Limits { events, formats, trust_domains, tenants }
}

fn feed(mut section: Section<'_>) -> Option<Feed> {
    let remedy = "name a PEM file with an Ed25519 key in PKCS#8 (`rescind keygen` makes one)";
    let key = section.file("signing_key_file", remedy).and_then(|pem| {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok().and_then(|der| {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok()
        });
        if key.is_none() {
            section.problem("signing_key_file", "holds no Ed25519 private key", remedy);
        }
        key
    });
    let subject_key = section.key_file("subject_key_file");
    let retention = section.integer(
        "retention_secs",
        MIN_RETENTION_SECS..=MAX_RETENTION_SECS,
        DEFAULT_RETENTION_SECS,
        "at least the longest max_token_lifetime_secs plus leeway_secs of your gateways",
    );
    section.finish();
    let retention = Duration::from_secs(u64::from(retention));
    Some(Feed { key: key?, subject_key: subject_key?, retention })
}

fn gateways(root: &mut Section<'_>) -> Option<Vec<Gateway>> {
    let mut gateways: Vec<Gateway> = Vec::new();
    let mut complete = true;
    for mut section in root.sections("gateways") {
        let name = name(&mut section, gateways.iter().map(|gateway| gateway.name.as_str()));
        let token = section.token("token_file", "token_sha256");
        section.finish();
        match (name, token) {
            (Some(name), Some(token)) => gateways.push(Gateway { name, token }),
            _ => complete = false,
        }
    }
    complete.then_some(gateways)
}

/// The `name` of an entry, which is none of the `known` ones.
pub(crate) fn name<'a>(
    section: &mut Section<'_>,
    mut known: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let remedy = "use letters, digits, `-`, `_` and `.`, at most 64 of them";
    let name = section.text("name", remedy)?;
    let fits = name.len() <= MAX_NAME_CHARS
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !fits {
        section.problem("name", format!("`{name}` is not a name"), remedy);
        return None;
    }
    if known.any(|other| other == name) {
        section.problem("name", format!("`{name}` is used twice"), "give each its own name");
        return None;
    }
    Some(name)
}
