//! What a configuration means, and what it cannot mean.
//!
//! Each function turns one raw object into its parsed form or notes why not, and goes on: a missing
//! value costs the result, never the rest of the check.

use std::sync::Arc;
use std::time::Duration;

use super::problems::Problems;
use super::raw::{RawConfig, RawHeaders, RawIdentity, RawLimits, RawRevocation};
use super::schema;
use super::shape::{self, join};
use super::{
    Challenge, Config, ConfigErrors, IdentityOutput, Issuer, Limits, MAX_CONFIG_BYTES, OnStale,
    Proofs, Revocation,
};
use crate::base64url;
use crate::credential::Schemes;
use crate::feed::FeedKey;
use crate::identity::{IdentityHeaders, MAX_HYPHENS};
use crate::mcp::body::{DEFAULT_BODY_BYTES, MAX_BODY_BYTES};
use crate::{json, jws, xfcc};

mod challenge;
mod issuers;
mod keys;
mod mcp;
mod places;
mod proofs;
mod resources;
mod routes;
mod status;

/// A companion further away than this is not followed but guessed at.
const MAX_STALENESS_SECS: u64 = 24 * 60 * 60;

/// The longest poll unless the configuration says otherwise: proxies commonly close idle requests
/// after 30 s.
const DEFAULT_WAIT_SECS: u64 = 25;

/// How old the state may be before a request waits for news, where there is no timer, unless the configuration says
/// otherwise: one request a second in each worker then waits for a round trip.
const DEFAULT_REFRESH_SECS: u64 = 1;

/// The longest poll at all: Envoy's callout works at least up to a minute.
const MAX_WAIT_SECS: u64 = 55;

/// Names of gateways and tables end up in URLs, shared-data keys and metrics.
const MAX_NAME_BYTES: usize = 64;

/// More is no cache but a leak: 256 MiB in each worker.
const MAX_CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Collects what is wrong.
struct Check {
    problems: Problems,
}

pub(super) fn config(text: &[u8]) -> Result<Config, ConfigErrors> {
    let mut check = Check { problems: Problems::default() };
    let config = check.document(text).and_then(|mut document| {
        shape::prune(&mut document, schema::CONFIG, "", &mut check.problems);
        match serde_json::from_value::<RawConfig>(document) {
            Ok(raw) => check.whole(raw),
            Err(error) => {
                check.add("", error.to_string(), "see the configuration reference");
                None
            }
        }
    });
    check.problems.unless_any(config)
}

impl Check {
    fn document(&mut self, text: &[u8]) -> Option<serde_json::Value> {
        let limits = json::Limits { elements: 4096, ..json::Limits::TOKEN };
        if text.len() > MAX_CONFIG_BYTES {
            let problem = format!("has {} bytes, at most {MAX_CONFIG_BYTES} are read", text.len());
            self.add("", problem, "fetch large key sets from a URL");
        } else if text.iter().all(u8::is_ascii_whitespace) {
            self.add("", "is empty", "set the filter's configuration to a JSON object");
        } else if let Err(error) = json::parse(text, &limits) {
            self.add("", error.to_string(), "write strict JSON");
        } else {
            return serde_json::from_slice(text).ok();
        }
        None
    }

    fn whole(&mut self, raw: RawConfig) -> Option<Config> {
        let mut places = Vec::new();
        let issuers = self.issuers(raw.issuers, &mut places);
        let routes = self.routes(raw.routes.unwrap_or_default());
        let revocation = match raw.revocation {
            Some(revocation) => self.revocation(revocation),
            None => self.missing("revocation", "say where revocations come from"),
        };
        let identity = self.identity(raw.identity.unwrap_or_default());
        let challenge = self.challenge(raw.challenge.unwrap_or_default());
        let resources = self
            .resources(raw.resources.unwrap_or_default(), issuers.as_deref().unwrap_or_default());
        let proofs = match raw.proofs {
            None => Some(None),
            Some(proofs) => self.proofs(proofs).map(Some),
        };
        let xfcc_elements = match raw.danger_xfcc_elements {
            None => Some(None),
            Some(elements) => {
                let most = u64::try_from(xfcc::MAX_ELEMENTS).ok()?;
                self.number(elements, "danger_xfcc_elements", 1, most).map(Some)
            }
        };
        let limits = self.limits(&raw.limits.unwrap_or_default());
        let (challenge, proofs) = (challenge?, proofs?);
        let schemes = Schemes {
            any: places.is_empty() || issuers.iter().flatten().any(Issuer::is_in_authorization),
            dpop: proofs.is_some(),
        };
        if let (Some(issuers), Some(identity)) = (&issuers, &identity) {
            self.refuse_reserved_places(issuers, &places, &identity.headers);
        }
        self.refuse_unusable(routes.as_ref(), issuers.as_deref(), proofs.is_some());
        self.refuse_foreign_audiences(routes.as_ref(), issuers.as_deref());
        let dpop_algorithms = proofs.as_ref().map(Proofs::algorithm_names).unwrap_or_default();
        Some(Config {
            issuers: issuers?,
            challenge: Challenge { dpop_algorithms, other_places: !places.is_empty(), ..challenge },
            places,
            schemes,
            routes: routes?,
            revocation: revocation?,
            identity: identity?,
            resources: resources?,
            proofs,
            xfcc_elements: xfcc_elements?.and_then(|elements| usize::try_from(elements).ok()),
            limits: limits?,
        })
    }

    fn revocation(&mut self, raw: RawRevocation) -> Option<Revocation> {
        let at = |name| join("revocation", name);
        let cluster = self.cluster(raw.cluster, &at("cluster"));
        let authority = self.authority(raw.authority, &at("authority"));
        let gateway_name = self.name(raw.gateway_name, &at("gateway_name"));
        let gateway_token = self.gateway_token(raw.gateway_token, &at("gateway_token"));
        let feed_key = self.feed_key(raw.feed_key, &at("feed_key"));
        let subject_key = self.hex_key(raw.subject_key, &at("subject_key"));
        let checksum_key = self.hex_key(raw.checksum_key, &at("checksum_key"));
        if subject_key.is_some() && subject_key == checksum_key {
            self.add(
                &at("checksum_key"),
                "is the same as `subject_key`",
                "make one for this gateway alone: whoever has it can un-revoke tokens here",
            );
        }
        let table = raw.table.unwrap_or_else(|| "default".to_owned());
        let table = self.name(Some(table), &at("table"));
        let max_staleness = raw.max_staleness_secs.unwrap_or(60);
        let max_staleness = self.staleness(max_staleness, &at("max_staleness_secs"));
        let wait =
            max_staleness.and_then(|limit| self.wait(raw.wait_secs, limit, &at("wait_secs")));
        let refresh_interval = max_staleness.and_then(|limit| {
            self.refresh_interval(raw.refresh_interval_secs, limit, &at("refresh_interval_secs"))
        });
        let on_stale = match raw.on_stale.as_deref() {
            None | Some("deny") => Some(OnStale::Deny),
            Some("allow") => Some(OnStale::Allow),
            Some(other) => self.no_choice(&at("on_stale"), other, "`deny` or `allow`"),
        };
        Some(Revocation {
            cluster: cluster?,
            authority: authority?,
            gateway_name: gateway_name?,
            gateway_token: gateway_token?,
            feed_key: feed_key?,
            subject_key: subject_key?,
            checksum_key: checksum_key?,
            table: table?,
            max_staleness: Duration::from_secs(max_staleness?),
            on_stale: on_stale?,
            wait: wait?,
            refresh_interval: refresh_interval?,
        })
    }

    fn staleness(&mut self, seconds: u64, path: &str) -> Option<u64> {
        match seconds {
            0 | 1 => self.wrong(
                path,
                "must be at least 2",
                "to refuse on any doubt, set `on_stale: deny`",
            ),
            2..=MAX_STALENESS_SECS => Some(seconds),
            _ => self.wrong(
                path,
                format!("must be at most {MAX_STALENESS_SECS}"),
                "choose how long a revoked token may still pass when the companion is away",
            ),
        }
    }

    fn wait(&mut self, seconds: Option<u64>, max_staleness: u64, path: &str) -> Option<Duration> {
        let default = (max_staleness / 3).clamp(1, DEFAULT_WAIT_SECS);
        let seconds = seconds.unwrap_or(default);
        if seconds >= max_staleness {
            let remedy = "an idle companion answers after that time, and must be heard before the state is stale";
            return self.wrong(
                path,
                format!("must be below `max_staleness_secs` ({max_staleness})"),
                remedy,
            );
        }
        self.seconds(seconds, path, 1, MAX_WAIT_SECS)
    }

    fn refresh_interval(
        &mut self,
        seconds: Option<u64>,
        max_staleness: u64,
        path: &str,
    ) -> Option<Duration> {
        let seconds = seconds.unwrap_or(DEFAULT_REFRESH_SECS);
        if seconds >= max_staleness {
            let remedy = "one lost answer must not make the state stale";
            return self.wrong(
                path,
                format!("must be below `max_staleness_secs` ({max_staleness})"),
                remedy,
            );
        }
        self.seconds(seconds, path, 1, MAX_STALENESS_SECS)
    }

    fn feed_key(&mut self, text: Option<String>, path: &str) -> Option<FeedKey> {
        let remedy = "set it to the public key that `rescind keygen` prints";
        let Some(text) = text else { return self.missing(path, remedy) };
        match base64url::decode(text.as_bytes()).ok().and_then(|key| key.try_into().ok()) {
            Some(key) => Some(FeedKey(key)),
            None => self.wrong(path, "is not 32 bytes in base64url without padding", remedy),
        }
    }

    /// Says only how long a wrong key is: it may be the right one, mistyped.
    fn hex_key(&mut self, text: Option<String>, path: &str) -> Option<[u8; 16]> {
        let remedy = "set it to the contents of the key file that `rescind keygen` writes";
        let Some(text) = text else { return self.missing(path, remedy) };
        let text = text.trim();
        match u128::from_str_radix(text, 16) {
            Ok(key) if text.len() == 32 && !text.starts_with('+') => Some(key.to_be_bytes()),
            _ => {
                let problem = format!(
                    "must be 32 hexadecimal digits, has {} characters",
                    text.chars().count()
                );
                self.wrong(path, problem, remedy)
            }
        }
    }

    fn gateway_token(&mut self, token: Option<String>, path: &str) -> Option<String> {
        let remedy = "set it to the token that the companion has for this gateway";
        match token {
            None => self.missing(path, remedy),
            Some(token)
                if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                self.wrong(path, "is empty or has bytes that a header cannot carry", remedy)
            }
            Some(token) => Some(token),
        }
    }

    fn identity(&mut self, raw: RawIdentity) -> Option<IdentityOutput> {
        let default = |name: &str| Some(format!("x-rescind-{name}"));
        let raw_headers = raw.headers.unwrap_or_else(|| RawHeaders {
            subject: default("subject"),
            issuer: default("issuer"),
            client_id: default("client"),
            scope: default("scope"),
            actor: default("actor"),
            // Of no use to most services, and each header costs.
            may_act: None,
            transaction: default("transaction"),
            workload: default("workload"),
        });
        let RawHeaders { subject, issuer, client_id, scope, actor, may_act, transaction, workload } =
            raw_headers;
        let mut taken = Vec::new();
        let mut header = |key: &str, name: Option<String>| {
            let path = join("identity.headers", key);
            name.and_then(|name| self.header_name(&name, &path, &mut taken)).map(Arc::from)
        };
        let headers = IdentityHeaders {
            subject: header("subject", subject),
            issuer: header("issuer", issuer),
            client_id: header("client_id", client_id),
            scope: header("scope", scope),
            actor: header("actor", actor),
            may_act: header("may_act", may_act),
            transaction: header("transaction", transaction),
            workload: header("workload", workload),
        };
        Some(IdentityOutput {
            headers,
            filter_state: raw.filter_state.unwrap_or(false),
            forward_token: raw.forward_token.unwrap_or(false),
        })
    }

    /// The name in lower case, if a service can take it for nothing else.
    fn header_name(&mut self, name: &str, path: &str, taken: &mut Vec<String>) -> Option<String> {
        const OTHERS: [&str; 15] = [
            "authorization",
            "txn-token",
            "workload-identity-token",
            "workload-proof-token",
            "host",
            "cookie",
            "content-length",
            "content-type",
            "transfer-encoding",
            "connection",
            "te",
            "upgrade",
            "x-forwarded-for",
            "x-request-id",
            "trailer",
        ];
        let name = name.to_ascii_lowercase();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let remedy = "choose a name such as `x-rescind-subject`";
        if name.is_empty() || !name.bytes().all(is_name) {
            self.wrong(path, "is not a header name of letters, digits and hyphens", remedy)
        } else if name.bytes().filter(|byte| *byte == b'-').count() > MAX_HYPHENS {
            self.wrong(
                path,
                format!("has more than {MAX_HYPHENS} hyphens"),
                "choose a shorter name",
            )
        } else if OTHERS.contains(&name.as_str()) {
            self.wrong(path, format!("`{name}` has a meaning of its own"), remedy)
        } else if taken.contains(&name) {
            self.wrong(path, format!("`{name}` is used twice"), "give each fact its own header")
        } else {
            taken.push(name.clone());
            Some(name)
        }
    }

    fn limits(&mut self, raw: &RawLimits) -> Option<Limits> {
        let at = |name| join("limits", name);
        let token =
            raw.max_token_bytes.unwrap_or(u64::try_from(jws::DEFAULT_MAX_TOKEN_BYTES).ok()?);
        let token = self.number(token, &at("max_token_bytes"), 256, 65_536);
        let entries = raw.token_cache_entries.unwrap_or(10_000);
        let entries = self.number(entries, &at("token_cache_entries"), 0, 1_000_000);
        let bytes = raw.token_cache_bytes.unwrap_or(16 * 1024 * 1024);
        let bytes = self.number(bytes, &at("token_cache_bytes"), 0, MAX_CACHE_BYTES);
        let body = raw.max_mcp_body_bytes.unwrap_or(u64::try_from(DEFAULT_BODY_BYTES).ok()?);
        let most = u64::try_from(MAX_BODY_BYTES).ok()?;
        let body = self.number(body, &at("max_mcp_body_bytes"), 1024, most);
        Some(Limits {
            max_token_bytes: usize::try_from(token?).ok()?,
            token_cache_entries: usize::try_from(entries?).ok()?,
            token_cache_bytes: usize::try_from(bytes?).ok()?,
            max_mcp_body_bytes: usize::try_from(body?).ok()?,
        })
    }

    // What several parts of a configuration have in common.

    fn cluster(&mut self, cluster: Option<String>, path: &str) -> Option<String> {
        let remedy = "name a cluster of the gateway";
        match cluster {
            None => self.missing(path, remedy),
            Some(cluster) if cluster.is_empty() || cluster.contains(char::is_control) => {
                self.wrong(path, "is empty or has control characters", remedy)
            }
            Some(cluster) => Some(cluster),
        }
    }

    fn authority(&mut self, authority: Option<String>, path: &str) -> Option<String> {
        let remedy = "set it to the companion's host name, such as `rescind.example.com`";
        let is_host_byte = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        };
        match authority {
            None => self.missing(path, remedy),
            Some(authority) if authority.is_empty() || !authority.bytes().all(is_host_byte) => {
                self.wrong(path, "is not a host name", remedy)
            }
            Some(authority) => Some(authority),
        }
    }

    fn name(&mut self, name: Option<String>, path: &str) -> Option<String> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match name {
            None => self.missing(path, "set it as in the companion's configuration"),
            Some(name)
                if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_name) =>
            {
                let problem =
                    format!("must be 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.`");
                self.wrong(path, problem, "choose another name")
            }
            Some(name) => Some(name),
        }
    }

    fn seconds(&mut self, seconds: u64, path: &str, least: u64, most: u64) -> Option<Duration> {
        self.number(seconds, path, least, most).map(Duration::from_secs)
    }

    fn number(&mut self, number: u64, path: &str, least: u64, most: u64) -> Option<u64> {
        if (least..=most).contains(&number) {
            Some(number)
        } else {
            let problem = format!("must be from {least} to {most}, is {number}");
            self.wrong(path, problem, "choose a number within")
        }
    }

    fn no_choice<T>(&mut self, path: &str, found: &str, choices: &str) -> Option<T> {
        let found = json::excerpt(found);
        self.wrong(path, format!("`{found}` is not a choice"), format!("choose {choices}"))
    }

    fn missing<T>(&mut self, path: &str, remedy: &str) -> Option<T> {
        self.wrong(path, "is missing", remedy)
    }

    fn wrong<T>(
        &mut self,
        path: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<T> {
        self.add(path, problem, remedy);
        None
    }

    fn add(&mut self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.problems.add(path, problem, remedy);
    }
}
