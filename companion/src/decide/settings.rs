//! `[decisions]`: where gateways ask, which of them may, and by which configuration is decided.

use std::net::SocketAddr;
use std::sync::Arc;

use rescind_core::config::Config as Gate;
use ring::signature::KeyPair as _;
use ureq::tls::Certificate;

use super::form::Form;
use crate::config::{Feed, Section, is_safe_url, name, roots, tls};
use crate::secret::TokenDigest;

/// One thread for each core beyond this many would only add caches.
const MAX_THREADS: u32 = 64;

/// What is configured.
#[derive(Debug)]
pub(crate) struct Decisions {
    /// Where gateways ask.
    pub(crate) listen: SocketAddr,
    /// TLS, when configured.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Under which URL AuthZEN's metadata name it, if they do.
    pub(crate) url: Option<String>,
    /// How many threads decide.
    pub(crate) threads: usize,
    /// What is enforced.
    pub(crate) gate: Gate,
    /// Who may ask; at least one.
    pub(crate) callers: Vec<Caller>,
    /// Where the servers are that the gate's configuration calls clusters.
    pub(crate) clusters: Vec<Cluster>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Its name in the log.
    pub(crate) name: String,
    /// How it asks.
    pub(crate) form: Form,
    /// What it shows; `None` for the only one, if whoever can connect is believed.
    pub(crate) token: Option<TokenDigest>,
}

/// A server that the gate's configuration calls by a name.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The name.
    pub(crate) name: String,
    /// Scheme, host and port.
    pub(crate) url: String,
    /// Whose certificates are trusted; empty for the public authorities.
    pub(crate) roots: Vec<Certificate<'static>>,
}

/// Reads the section. `feed` is the companion's, if that could be read.
pub(crate) fn decisions(mut section: Section<'_>, feed: Option<&Feed>) -> Option<Decisions> {
    let remedy = "write an address and a port: listen = \"127.0.0.1:8710\"";
    let listen = section.text("listen", remedy).and_then(|text| {
        let parsed = text.parse();
        if parsed.is_err() {
            section.problem("listen", format!("`{text}` is not an address and a port"), remedy);
        }
        parsed.ok()
    });
    let tls_given = section.has("tls");
    let tls = section.optional_section("tls").and_then(tls);
    let remedy = "write scheme, host and port by which callers know it, without a slash at the end";
    let url = section.optional_text("url", remedy).filter(|url| {
        let good = is_safe_url(url) && !url.ends_with('/');
        if !good {
            section.problem("url", format!("`{url}` is not such an https URL"), remedy);
        }
        good
    });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(MAX_THREADS).clamp(1, MAX_THREADS);
    let remedy = "how many threads decide; one for each core if absent";
    let threads = section.integer("threads", 1..=MAX_THREADS, cores, remedy);
    let gate = gate(&mut section, feed);
    let callers = callers(&mut section);
    let clusters = clusters(&mut section);
    section.finish();
    Some(Decisions {
        listen: listen?,
        tls: if tls_given { Some(tls?) } else { None },
        url,
        threads: usize::try_from(threads).unwrap_or(1),
        gate: gate?,
        callers: callers?,
        clusters: clusters?,
    })
}

/// The filter's configuration, from the file that `gate_file` names.
fn gate(section: &mut Section<'_>, feed: Option<&Feed>) -> Option<Gate> {
    const KEY: &str = "gate_file";
    let remedy = "name a JSON file with the configuration that a gateway's filter would get";
    let text = section.file(KEY, remedy)?;
    let gate = match Gate::parse(text.as_bytes()) {
        Ok(gate) => gate,
        Err(errors) => {
            for problem in errors.problems() {
                section.problem(KEY, format!("is wrong: {problem}"), "repair the file");
            }
            return None;
        }
    };
    let feed = feed?;
    let revocation = &gate.revocation;
    let mut fits = true;
    if revocation.feed_key.0.as_slice() != feed.key.public_key().as_ref() {
        let remedy = "write this companion's key (`rescind keygen` prints it)";
        section.problem(
            KEY,
            "has another `revocation.feed_key` than `feed.signing_key_file`",
            remedy,
        );
        fits = false;
    }
    if revocation.subject_key != feed.subject_key {
        let remedy = "write what is in `feed.subject_key_file`";
        section.problem(KEY, "has another `revocation.subject_key` than this companion", remedy);
        fits = false;
    }
    if gate.routes.cuts_streams() {
        let remedy = "write `finish`: who is only asked cannot end what it let pass";
        section.problem(KEY, "has a route with `in_flight: cut`", remedy);
        fits = false;
    }
    if !gate.places.is_empty() {
        let remedy = "remove it: who is only asked cannot take a token out of the request";
        section.problem(KEY, "has an issuer with `token_from`", remedy);
        fits = false;
    }
    if gate.routes.verifies_bodies() {
        let remedy = "remove it: who is only asked does not see the whole body";
        section.problem(KEY, "has a route with `mcp.verify_body`", remedy);
        fits = false;
    }
    fits.then_some(gate)
}

fn callers(section: &mut Section<'_>) -> Option<Vec<Caller>> {
    let mut callers: Vec<Caller> = Vec::new();
    let mut complete = true;
    let mut sections = section.sections("callers");
    if sections.is_empty() {
        let remedy = "add `[[decisions.callers]]` for each gateway that asks";
        section.problem("callers", "is missing", remedy);
        return None;
    }
    let alone = sections.len() == 1;
    for caller in &mut sections {
        let name = name(caller, callers.iter().map(|known| known.name.as_str()));
        let form = form(caller);
        let token = if caller.flag("danger_without_token") {
            if !alone {
                let remedy = "give each of several callers a token: it tells them apart";
                caller.problem("danger_without_token", "stands beside other callers", remedy);
                complete = false;
            }
            Some(None)
        } else {
            caller.token("token_file", "token_sha256").map(Some)
        };
        match (name, form, token) {
            (Some(name), Some(form), Some(token)) => callers.push(Caller { name, form, token }),
            _ => complete = false,
        }
    }
    sections.into_iter().for_each(Section::finish);
    complete.then_some(callers)
}

fn form(section: &mut Section<'_>) -> Option<Form> {
    let known = Form::ALL.map(Form::name).join(", ");
    let remedy = format!("write how it asks: one of {known}");
    let text = section.text("form", &remedy)?;
    let form = Form::ALL.into_iter().find(|form| form.name() == text);
    if form.is_none() {
        section.problem("form", format!("`{text}` is not known"), remedy);
    }
    form
}

fn clusters(section: &mut Section<'_>) -> Option<Vec<Cluster>> {
    let mut clusters: Vec<Cluster> = Vec::new();
    let mut complete = true;
    for mut cluster in section.sections("clusters") {
        let name = name(&mut cluster, clusters.iter().map(|known| known.name.as_str()));
        let remedy =
            "write scheme, host and port, https or loopback: \"https://idp.internal:8443\"";
        let url = cluster.text("url", remedy).filter(|url| {
            let path = url.splitn(4, '/').nth(3);
            let good = is_safe_url(url) && path.is_none();
            if !good {
                cluster.problem("url", format!("`{url}` is not such a URL"), remedy);
            }
            good
        });
        let roots = roots(&mut cluster);
        cluster.finish();
        match (name, url) {
            (Some(name), Some(url)) => clusters.push(Cluster { name, url, roots }),
            _ => complete = false,
        }
    }
    complete.then_some(clusters)
}
