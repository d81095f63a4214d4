//! Everything the benchmark starts: keys and tokens, companions with their tables, an Envoy for each variant.
//!
//! Each has its own process, since a gateway runs one configuration: a dozen VMs in one thread would get in each other's
//! way, and each would count the others' timers as its own.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jwt_simple::reexports::ct_codecs::{Base64UrlSafeNoPadding, Decoder as _};
use rescind_e2e::companion::Companion;
use rescind_e2e::issuer::{Key, now};
use rescind_e2e::process::{Folder, Process};
use rescind_e2e::prover::{ORIGIN, Prover};
use rescind_e2e::transmitter::{Transmitter, iss_sub};
use rescind_e2e::{load, ports, tools, wait};
use serde_json::{Value, json};

use crate::{authz, envoy};

/// The issuer of all tokens and of all signals.
pub(crate) const ISSUER: &str = "https://idp.example.com";

/// The gateway's audience.
const AUDIENCE: &str = "https://api.example.com";

/// Distinct tokens for the variants in which every token is new. The filter's cache is set to
/// [`SMALL_CACHE`] entries there, so cycling through these never meets a cached one.
const TOKENS: usize = 2_000;

/// See [`TOKENS`].
const SMALL_CACHE: usize = 100;

/// The cache of the variants with one token.
const LARGE_CACHE: usize = 10_000;

/// How long the gateway may take to synchronize a million records.
const SYNCHRONIZE: Duration = Duration::from_secs(120);

/// A variant's name, its HTTP filters and its requests.
type Plan<'a> = (&'a str, Vec<Value>, Requests);

/// The requests of a variant.
#[derive(Debug)]
enum Requests {
    /// These, again and again.
    Prepared(Vec<Vec<u8>>),
    /// With this token and a new proof each time.
    Proved(Prover, String),
}

/// One variant as it is run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    requests: Requests,
    /// Whether signals arrive meanwhile.
    pub(crate) signals: bool,
    /// How long its first good answer took after Envoy's start.
    pub(crate) ready: Duration,
    envoy: Process,
}

impl Run {
    /// What to send next, if that is so many requests; to be sent within a minute.
    pub(crate) fn requests(&self, count: usize) -> Cow<'_, [Vec<u8>]> {
        self.requests.take(count)
    }

    /// The process id of its Envoy.
    pub(crate) fn pid(&self) -> u32 {
        self.envoy.id()
    }
}

impl Requests {
    fn take(&self, count: usize) -> Cow<'_, [Vec<u8>]> {
        match self {
            Self::Prepared(requests) => Cow::Borrowed(requests),
            Self::Proved(prover, token) => {
                let request = || {
                    let proof = prover.proof(PATH, token, None);
                    load::get(
                        PATH,
                        &[("authorization", &format!("DPoP {token}")), ("dpop", &proof)],
                    )
                };
                std::iter::repeat_with(request).take(count).collect()
            }
        }
    }
}

/// The running benchmark. Fields are dropped in order: gateways first, files last.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) runs: Vec<Run>,
    pub(crate) tables: Vec<Table>,
    /// The signing key of tokens.
    pub(crate) key: Key,
    /// Who signals to the companion with an empty table.
    pub(crate) transmitter: Transmitter,
    _folder: Folder,
}

impl Setup {
    /// Starts it all, or what the variants called `wanted` need; returns when every listener answers and every table is
    /// synchronized.
    pub(crate) fn start(wanted: &[String]) -> Self {
        let is_wanted =
            |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
        let folder = Folder::new();
        let transmitter = Transmitter::new("idp", ISSUER);
        let (rs, es) = (Key::generate("RS256", "rs"), Key::generate("ES256", "es"));
        let jwks = json!({ "keys": [rs.jwk(), es.jwk()] });
        let authz_port = authz::serve().expect("a server thread");
        let tables: Vec<Table> = [("empty", 0), ("10k", 10_000), ("1m", 1_000_000)]
            .into_iter()
            .map(|(name, records)| {
                let label = if name == "1m" { "1 M records" } else { "10 k records" };
                let has_user = wanted.is_empty() || wanted.iter().any(|name| name.ends_with(label));
                let records = if has_user { records } else { 0 };
                Table::start(folder.path(), name, records, &transmitter)
            })
            .collect();
        let modules = Modules::write(folder.path(), &rs);
        let runs_and_filters = plans(&rs, &es, &jwks, authz_port, &tables, &modules);

        let mut clusters = vec![("ext_authz".to_owned(), authz_port)];
        clusters.extend(tables.iter().map(|table| (table.name.clone(), table.companion.port)));
        let mut runs = Vec::new();
        for (name, filters, requests) in runs_and_filters {
            if !is_wanted(name) {
                continue;
            }
            let port = ports::free();
            let variant = envoy::Variant { name: name.to_owned(), port, filters };
            let envoy = spawn(folder.path(), &variant, &clusters);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let ready = wait::until_true(name, SYNCHRONIZE, || {
                load::run(address, 1, &requests.take(1), 0, 1, 200).is_ok()
            });
            let signals = name.ends_with("signals/s");
            runs.push(Run { name: name.to_owned(), address, requests, signals, ready, envoy });
        }
        Self { runs, tables, key: es, transmitter, _folder: folder }
    }

    /// The variant called `name`.
    pub(crate) fn run(&self, name: &str) -> &Run {
        self.runs.iter().find(|run| run.name == name).expect("a variant of that name")
    }
}

/// Modules to compare with.
#[derive(Debug)]
struct Modules {
    nothing: PathBuf,
    signature: PathBuf,
}

impl Modules {
    fn write(folder: &Path, key: &Key) -> Self {
        let (nothing, signature) = (folder.join("nothing.wasm"), folder.join("signature.wasm"));
        let arguments = signature_arguments(key);
        let escaped: String = arguments.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let asking = include_str!("signature.wat")
            .replace(
                "(data (i32.const 1024) \"ARGUMENTS\")",
                &format!("(data (i32.const 1024) \"{escaped}\")"),
            )
            .replace("(i32.const SIZE)", &format!("(i32.const {})", arguments.len()));
        for (path, text) in [(&nothing, include_str!("nothing.wat")), (&signature, &asking)] {
            fs::write(path, wat::parse_str(text).expect("a module")).expect("a file");
        }
        Self { nothing, signature }
    }
}

/// What Envoy's `verify_signature` is asked about a token by `key`: hash function, key, signature, text.
fn signature_arguments(key: &Key) -> Vec<u8> {
    let token = token(key, "user-0");
    let (text, signature) = token.rsplit_once('.').expect("a token");
    let signature = Base64UrlSafeNoPadding::decode_to_vec(signature, None).expect("base64url");
    let spki = key.spki();
    let mut message = Vec::new();
    for (number, field) in
        [b"sha256", spki.as_slice(), &signature, text.as_bytes()].iter().enumerate()
    {
        let [tag, ..] = (number.saturating_add(1) << 3 | 2).to_le_bytes();
        message.push(tag);
        // A length below 16384.
        let ([low, ..], [high, ..]) = (field.len().to_le_bytes(), (field.len() >> 7).to_le_bytes());
        match high {
            0 => message.push(low),
            _ => message.extend([low | 0x80, high]),
        }
        message.extend_from_slice(field);
    }
    message
}

/// An Envoy with one worker for one variant.
fn spawn(folder: &Path, variant: &envoy::Variant, clusters: &[(String, u16)]) -> Process {
    let bootstrap = envoy::bootstrap(ports::free(), variant, clusters);
    let config = folder.join(format!("{}.json", variant.port));
    fs::write(&config, bootstrap.to_string()).expect("a file");
    Process::spawn(
        "envoy",
        Command::new(tools::envoy())
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"])
            .arg("--config-path")
            .arg(&config),
        &folder.join(format!("{}.log", variant.port)),
    )
}

fn plans<'a>(
    rs: &Key,
    es: &Key,
    jwks: &Value,
    authz_port: u16,
    tables: &[Table],
    modules: &Modules,
) -> Vec<Plan<'a>> {
    let rs256 = requests(rs, TOKENS);
    let es256 = requests(es, TOKENS);
    let one = |requests: &[Vec<u8>]| requests.iter().take(1).cloned().collect::<Vec<_>>();
    let wasm = tools::wasm();
    let jwt_authn = |cached| vec![envoy::jwt_authn(ISSUER, AUDIENCE, jwks, cached)];
    let rescind = |table: usize, cache: usize| {
        let table = &tables[table];
        let vm_id = format!("{}-{cache}", table.name);
        vec![envoy::rescind(&vm_id, &wasm.to_string_lossy(), &table.filter(jwks, cache))]
    };
    let telling = |wasm: &Path, cache: usize, headers: Value| {
        let mut filter = tables[0].filter(jwks, cache);
        filter["identity"] = json!({ "headers": headers });
        vec![envoy::rescind("telling", &wasm.to_string_lossy(), &filter)]
    };
    let module =
        |name, path: &Path| vec![envoy::rescind(name, &path.to_string_lossy(), &json!({}))];
    let nothing = module("nothing", &modules.nothing);
    let signature = module("signature", &modules.signature);
    // What `jwt_authn` is told to do here.
    let subject = json!({ "subject": "x-rescind-subject" });
    let one_header = |cache| telling(&wasm, cache, subject.clone());
    let for_envoy = |cache| telling(&tools::envoys_wasm(), cache, subject.clone());
    let silent = telling(&wasm, LARGE_CACHE, json!({}));
    let mut proving = tables[0].filter(jwks, LARGE_CACHE);
    proving["proofs"] = json!({ "origins": [ORIGIN] });
    let proving = vec![envoy::rescind("proving", &wasm.to_string_lossy(), &proving)];
    let prover = Prover::new(7);
    let bound = token_with(rs, "user-0", &json!({ "cnf": { "jkt": prover.thumbprint() } }));
    let mut plans: Vec<Plan<'a>> = [
        ("bare", vec![], one(&es256)),
        ("jwt_authn RS256", jwt_authn(false), rs256.clone()),
        ("jwt_authn ES256", jwt_authn(false), es256.clone()),
        ("jwt_authn RS256, its cache", jwt_authn(true), one(&rs256)),
        ("jwt_authn ES256, its cache", jwt_authn(true), one(&es256)),
        ("ext_authz (HTTP)", vec![envoy::ext_authz(authz_port)], one(&es256)),
        ("a Wasm filter that does nothing", nothing, one(&es256)),
        ("a Wasm filter that only has the host check RS256", signature, rs256.clone()),
        ("rescind, token seen before", rescind(0, LARGE_CACHE), one(&rs256)),
        ("rescind, token seen before, one header", one_header(LARGE_CACHE), one(&rs256)),
        ("rescind, token seen before, no header", silent, one(&rs256)),
        ("rescind-envoy.wasm, token seen before, one header", for_envoy(LARGE_CACHE), one(&rs256)),
        ("rescind, token seen before, 10 k records", rescind(1, LARGE_CACHE), one(&rs256)),
        ("rescind, token seen before, 1 M records", rescind(2, LARGE_CACHE), one(&rs256)),
        ("rescind, token seen before, 100 signals/s", rescind(0, LARGE_CACHE), one(&rs256)),
        ("rescind, new RS256 token", rescind(0, SMALL_CACHE), rs256.clone()),
        ("rescind, new ES256 token", rescind(0, SMALL_CACHE), es256.clone()),
        ("rescind, new RS256 token, one header", one_header(SMALL_CACHE), rs256.clone()),
        ("rescind, new ES256 token, one header", one_header(SMALL_CACHE), es256.clone()),
        ("rescind-envoy.wasm, new RS256 token, one header", for_envoy(SMALL_CACHE), rs256.clone()),
        ("rescind-envoy.wasm, new ES256 token, one header", for_envoy(SMALL_CACHE), es256.clone()),
        ("rescind, new RS256 token, 1 M records", rescind(2, SMALL_CACHE), rs256),
        ("rescind, new ES256 token, 1 M records", rescind(2, SMALL_CACHE), es256),
    ]
    .map(|(name, filters, requests)| (name, filters, Requests::Prepared(requests)))
    .into();
    let name = "rescind, token seen before, new ES256 proof";
    plans.push((name, proving, Requests::Proved(prover, bound)));
    plans
}

/// Requests with `count` different tokens.
fn requests(key: &Key, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| request(&token(key, &format!("user-{number}")))).collect()
}

/// An access token as RFC 9068 asks for, good for the whole run.
pub(crate) fn token(key: &Key, sub: &str) -> String {
    token_with(key, sub, &json!({}))
}

fn token_with(key: &Key, sub: &str, more: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER,
        "sub": sub,
        "aud": AUDIENCE,
        "client_id": "agent-runtime",
        "iat": now(),
        "exp": now() + 3_000,
        "jti": format!("token-of-{sub}"),
        "sid": format!("session-of-{sub}"),
        "scope": "orders:read",
    });
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    key.sign("at+jwt", &claims)
}

/// What is asked for.
const PATH: &str = "/orders";

/// A request with `token`.
pub(crate) fn request(token: &str) -> Vec<u8> {
    load::get(PATH, &[("authorization", &format!("Bearer {token}"))])
}

/// A file with `records` revocations, to be imported.
pub(crate) fn list(folder: &Path, records: usize) -> io::Result<PathBuf> {
    let list = folder.join("import.ndjson");
    let mut file = BufWriter::new(File::create(&list)?);
    for number in 0..records {
        let line = json!({
            "sub_id": iss_sub(ISSUER, &format!("revoked-{number}")),
            "event": "session-revoked",
            "event_timestamp": now(),
        });
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(list)
}

/// Imports a file into the journal of a stopped companion.
pub(crate) fn import(companion: &Companion, list: &Path) {
    let output = companion.cli(&["import", &list.to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A companion and the gateway's table that follows it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) companion: Companion,
}

impl Table {
    fn start(folder: &Path, name: &str, records: usize, transmitter: &Transmitter) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let mut companion = Companion::prepare(&folder, &[transmitter], &[ISSUER]);
        if records > 0 {
            import(&companion, &list(&folder, records).expect("a file"));
        }
        companion.run();
        Self { name: name.to_owned(), companion }
    }

    fn filter(&self, jwks: &Value, cache: usize) -> Value {
        json!({
            "issuers": [{
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "algorithms": ["RS256", "ES256"],
                "keys": { "inline": jwks },
                "max_token_lifetime_secs": 3600,
            }],
            "revocation": {
                "cluster": self.name,
                "authority": "rescind.example.com",
                "gateway_name": "bench",
                "gateway_token": self.companion.read("gateway.token"),
                "feed_key": self.companion.feed_key(),
                "subject_key": self.companion.read("subject.key"),
                "checksum_key": self.companion.read("checksum.key"),
                "max_staleness_secs": 60,
            },
            "limits": { "token_cache_entries": cache },
        })
    }
}
