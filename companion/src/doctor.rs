//! `rescind doctor`: what is wrong with what a peer sent, and with the way to everybody.
//!
//! Given a SET it says everything that is wrong with it, each with the section that it breaks, the
//! code that the transmitter is answered, and the remedy; also which compatibility profile would
//! accept it. Without one it looks at the running companion, the transmitters' keys and the gateways.
//! It changes nothing, and prints no subject: only what the receiver's errors say.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use rescind_core::subject::SubjectHasher;
use serde_json::Value;

use crate::client::{Access, Client};
use crate::config::{Config, Transmitter};
use crate::keys;
use crate::notes::claims;

mod diagnosis;
mod section;

use diagnosis::Sender;

/// The longest file that is read as a SET: twice what a SET may have.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// How many refused SETs are explained.
const MAX_REFUSED: usize = 5;

/// What to look at.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Explain the SET in this file; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Explain the SETs that the running companion refused last.
    #[arg(long, conflicts_with = "set")]
    refused: bool,
    /// The transmitter that sent it, if not the one whose `issuer` is its `iss`.
    #[arg(long, value_name = "NAME")]
    transmitter: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The text.
    pub(crate) text: String,
    /// Whether anything is wrong.
    pub(crate) wrong: bool,
}

impl Report {
    fn good(&mut self, line: &str) {
        self.text.push_str(&format!("good  {line}\n"));
    }

    fn look(&mut self, line: &str) {
        self.text.push_str(&format!("look  {line}\n"));
    }

    fn wrong(&mut self, line: &str) {
        self.wrong = true;
        self.text.push_str(&format!("WRONG {}\n", line.replace('\n', "\n      ")));
    }
}

impl Options {
    /// The configuration's file.
    pub(crate) fn config(&self) -> &std::path::Path {
        self.access.config()
    }

    /// Looks.
    pub(crate) fn examine(&self, config: &Config) -> Result<Report, String> {
        let mut report = Report::default();
        if let Some(file) = &self.set {
            let token = read(file)?;
            let transmitter = self.sender(config, &token)?;
            explain(&token, transmitter, config, &mut report);
        } else if self.refused {
            let client = Client::new(&self.access).map_err(|problems| first(&problems))?;
            let answer = client.notes_json("refused")?;
            let notes = answer.get("notes").and_then(Value::as_array).cloned().unwrap_or_default();
            for note in notes.iter().take(MAX_REFUSED) {
                let text = |name: &str| note.get(name).and_then(Value::as_str).unwrap_or_default();
                let named = |known: &&Transmitter| known.name == text("transmitter");
                match config.transmitters.iter().find(named) {
                    Some(known) => explain(text("set").as_bytes(), known, config, &mut report),
                    None => report.look(&format!("{}: no longer configured", text("transmitter"))),
                }
            }
            if notes.is_empty() {
                report.good("nothing was refused");
            }
        } else {
            self.surroundings(config, &mut report);
        }
        Ok(report)
    }

    fn sender<'c>(&self, config: &'c Config, token: &[u8]) -> Result<&'c Transmitter, String> {
        let mut all = config.transmitters.iter();
        if let Some(name) = &self.transmitter {
            let found = all.find(|known| known.name == *name);
            return found.ok_or_else(|| format!("no transmitter is called `{name}`"));
        }
        let claims = claims(token);
        let issuer = claims.get("iss").and_then(Value::as_str);
        let by_issuer = all.find(|known| Some(known.issuer.as_str()) == issuer);
        let only = match config.transmitters.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        by_issuer.or(only).ok_or_else(|| {
            let names: Vec<_> = config.transmitters.iter().map(|known| &*known.name).collect();
            format!(
                "its `iss` is of no transmitter; name one with --transmitter: {}",
                names.join(", ")
            )
        })
    }

    fn surroundings(&self, config: &Config, report: &mut Report) {
        report.good("the configuration has no mistakes");
        if config.tls.is_none() && !config.listen.ip().is_loopback() {
            report.wrong(
                "`server.tls` is missing: signals and tokens cross the network readably\n\
                 breaks: RFC 8935 §5.1, SSF 1.0 §10\n\
                 remedy: configure `[server.tls]`, or listen on a loopback address behind a proxy",
            );
        }
        for transmitter in &config.transmitters {
            keys_of(transmitter, report);
        }
        match Client::new(&self.access) {
            Err(problems) => report.wrong(&first(&problems)),
            Ok(client) => match client.status_json() {
                Err(error) => report.wrong(&format!(
                    "the companion does not answer: {error}\nremedy: start it with `rescind serve`"
                )),
                Ok(status) => running(&status, &client, report),
            },
        }
    }
}

fn first(problems: &[crate::config::Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

fn keys_of(transmitter: &Transmitter, report: &mut Report) {
    let name = &transmitter.name;
    let keys = match keys::load(transmitter) {
        Ok(keys) => keys,
        Err(error) => {
            report.wrong(&format!(
                "transmitter `{name}`: its keys: {error}\nbreaks: SSF 1.0 §7 (`jwks_uri`)\n\
                 remedy: check `jwks_url` or `jwks_file`"
            ));
            return;
        }
    };
    for algorithm in &transmitter.algorithms {
        if keys.candidates(*algorithm, None).next().is_none() {
            report.look(&format!("transmitter `{name}`: no key fits {}", algorithm.name()));
        }
    }
    let (usable, skipped) = (keys.keys().len(), keys.skipped().len());
    report.good(&format!("transmitter `{name}`: {usable} keys, {skipped} of no use here"));
}

fn running(status: &Value, client: &Client, report: &mut Report) {
    let version = status.get("version").and_then(Value::as_str).unwrap_or("?");
    report.good(&format!("the companion answers, version {version}"));
    let gateways = status.get("gateways").and_then(Value::as_array).cloned().unwrap_or_default();
    if gateways.is_empty() {
        report.look("no gateway is configured: nobody hears of any signal");
    }
    for gateway in &gateways {
        let name = gateway.get("name").and_then(Value::as_str).unwrap_or("?");
        let lag = gateway.get("lag").and_then(Value::as_u64);
        match (gateway.get("following").and_then(Value::as_bool), lag) {
            (_, None) => report.look(&format!(
                "gateway `{name}` has not asked since the start: is its token the one of `gateways`?"
            )),
            (Some(true), Some(0)) => report.good(&format!("gateway `{name}` follows")),
            (_, Some(lag)) => report.look(&format!("gateway `{name}` is {lag} SETs behind")),
        }
    }
    for (kind, advice) in [
        ("refused", "`rescind doctor --refused` explains them"),
        ("unmatched", "`rescind unmatched` lists them"),
    ] {
        let notes = client.notes_json(kind).unwrap_or_default();
        let notes = notes.get("notes").and_then(Value::as_array).map_or(0, Vec::len);
        if notes > 0 {
            report.look(&format!("{notes} or more SETs {kind}: {advice}"));
        }
    }
}

fn explain(token: &[u8], transmitter: &Transmitter, config: &Config, report: &mut Report) {
    let claims = claims(token);
    let jti = claims.get("jti").and_then(Value::as_str).unwrap_or("(no jti)");
    let jti: String = jti.chars().take(64).flat_map(char::escape_debug).collect();
    let name = &transmitter.name;
    let sender = Sender {
        transmitter,
        keys: keys::load(transmitter).map_err(|error| error.to_string()),
        hasher: &SubjectHasher::new(config.feed.subject_key),
        now: crate::clock::now(),
    };
    let findings = sender.diagnose(token);
    if findings.is_empty() {
        report.good(&format!("SET {jti} of transmitter `{name}` would be accepted"));
    } else {
        report.look(&format!("SET {jti} of transmitter `{name}`:"));
    }
    for finding in &findings {
        report.wrong(finding);
    }
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("`{}`: {error}", file.display());
    let mut token = Vec::new();
    if file == std::path::Path::new("-") {
        std::io::stdin().take(MAX_FILE_BYTES).read_to_end(&mut token).map_err(wrong)?;
    } else {
        let opened = std::fs::File::open(file).map_err(wrong)?;
        opened.take(MAX_FILE_BYTES).read_to_end(&mut token).map_err(wrong)?;
    }
    Ok(token)
}
