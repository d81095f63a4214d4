//! The filter's configuration: parsed once, into values that cannot be wrong.
//!
//! JSON becomes a `RawConfig`, that becomes a [`Config`]; nothing else in the crate sees raw text.
//! **Every problem is reported at once**, with its path, what is wrong and what to do, because a
//! gateway is configured through a pipeline and each round costs minutes. The shape (names, kinds
//! of values) is checked against one table, `config/schema.rs`, from which [`reference()`] also
//! writes the documentation; meaning is checked in `config/check.rs`.
//!
//! What this module refuses to do: guess. A name it does not know is an error even where ignoring
//! it would be harmless, because the next one will be `max_token_lifetime` without `_secs`. And it
//! never prints a secret: a value that is wrong is described, not repeated, if it could be one.

use std::time::Duration;

use crate::bundle::Bundle;
use crate::credential::{self, Schemes};
use crate::dpop;
use crate::feed::FeedKey;
use crate::identity::IdentityHeaders;
use crate::jwk::KeySet;
use crate::jws::Algorithm;
use crate::mapping::Mapping;
use crate::place::Place;
use crate::replica::ReplicaConfig;
use crate::request::RequestView;
use crate::resource_metadata::{self, MetadataAnswer, MetadataDocument};
use crate::route::{Access, Routes};
use crate::slots::SlotSet;
use crate::spiffe::TrustDomain;
use crate::status_list::StatusSource;
use crate::table::TableReader;
use crate::wimse;

mod check;
mod problems;
mod raw;
mod reference;
mod schema;
mod shape;
#[cfg(test)]
mod tests;

pub use problems::{ConfigErrors, Problem};
pub use reference::reference;

/// The longest configuration that is read: 64 issuers with inline key sets of usual size.
pub const MAX_CONFIG_BYTES: usize = 1024 * 1024;

/// The most issuers. Each adds shared-data keys and refreshes; one gateway trusting more is a
/// broker's task.
pub const MAX_ISSUERS: usize = 64;

/// The most routes: they are tried one after the other at each request.
pub const MAX_ROUTES: usize = 256;

/// The most protected resources: each is compared with the path of every request.
pub const MAX_RESOURCES: usize = 64;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose tokens are accepted; at least one, each `iss` once.
    pub issuers: Vec<Issuer>,
    /// Where their tokens may be besides `Authorization`; at most [`crate::place::MAX_PLACES`], each once.
    pub places: Vec<Place>,
    /// How they may be in `Authorization`.
    pub schemes: Schemes,
    /// What each request has to bring.
    pub routes: Routes,
    /// Where revocations come from.
    pub revocation: Revocation,
    /// What the service behind the gateway is told.
    pub identity: IdentityOutput,
    /// What clients are told.
    pub challenge: Challenge,
    /// What the protected resources say about themselves.
    pub resources: Vec<MetadataDocument>,
    /// How senders prove that a token is theirs; without it, nobody can.
    pub proofs: Option<Proofs>,
    /// How many elements of `x-forwarded-client-cert` trusted proxies write; without it, certificates are those of the
    /// gateway's own connections.
    pub xfcc_elements: Option<usize>,
    /// Budgets.
    pub limits: Limits,
}

/// How senders prove that a token is theirs.
#[derive(Clone, Debug)]
pub struct Proofs {
    /// What a proof must say.
    pub rules: dpop::Rules,
    /// What a workload's proof must say.
    pub workload_rules: wimse::ProofRules,
    /// How many are remembered, so that each passes once.
    pub remembered: u32,
}

/// One issuer of access tokens, one SPIFFE trust domain, or one token service that issues Txn-Tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its `iss`, compared byte for byte; of a SPIFFE trust domain, its SPIFFE ID, `spiffe://` and the name. Signals name
    /// the subjects of its tokens under this name.
    pub issuer: String,
    /// The trust domain that it is; then its tokens are JWT-SVIDs, which name it in `sub`.
    pub trust_domain: Option<TrustDomain>,
    /// The trust domain that its tokens are for, if they are Txn-Tokens: what `aud` must be.
    pub txn_domain: Option<String>,
    /// One of them must be in `aud`.
    pub audiences: Vec<String>,
    /// The algorithms it signs with.
    pub algorithms: Vec<Algorithm>,
    /// The kinds of tokens that are accepted.
    pub types: Vec<TokenType>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Where the status lists of its tokens are; without it, what a token says of its status is ignored.
    pub status: Option<StatusSource>,
    /// How far its clock may be off.
    pub leeway: Duration,
    /// The longest accepted time from `iat` to `exp`.
    pub max_token_lifetime: Duration,
    /// What is assumed for tokens without `iat`; they are refused without it.
    pub assumed_lifetime: Option<Duration>,
    /// Which claims name subjects beyond the standard ones.
    pub subject_claims: Mapping,
    /// Whether tokens without `cnf` are refused.
    pub bound_tokens_only: bool,
    /// Where its access tokens or JWT-SVIDs are: the index of one of [`Config::places`], or `Authorization`.
    pub token_from: Option<usize>,
}

/// What the `typ` header of an access token may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenType {
    /// `at+jwt` (RFC 9068): what is checked are its rules.
    AccessToken,
    /// `JWT`, or no `typ` at all: any JWT of the issuer, also one that was made for something else.
    Jwt,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// From the configuration.
    Inline(KeySet),
    /// From a URL, through the gateway.
    Fetched(JwksUrl),
    /// The bundle of a SPIFFE trust domain, from the configuration.
    InlineBundle(Bundle),
    /// The bundle of a SPIFFE trust domain, from a URL.
    Bundle(JwksUrl),
    /// From where the issuer's metadata say (RFC 8414).
    Discovered(Discovery),
}

/// Where an issuer's metadata are, and where its keys may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Discovery {
    /// The address of the metadata.
    pub metadata: JwksUrl,
    /// The gateway's name for the server with the keys.
    pub jwks_cluster: String,
    /// The only host and port that `jwks_uri` may have.
    pub jwks_authority: String,
}

/// The address of a key set, a bundle or metadata.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwksUrl {
    /// The gateway's name for the server.
    pub cluster: String,
    /// Host and port of the URL.
    pub authority: String,
    /// The URL's path and query.
    pub path: String,
    /// How long what was fetched is good before it is fetched again.
    pub refresh: Duration,
}

/// Where revocations come from, and what to do without news.
#[derive(Clone)]
pub struct Revocation {
    /// The gateway's name for the companion.
    pub cluster: String,
    /// The `host` header for the companion.
    pub authority: String,
    /// This gateway's name at the companion.
    pub gateway_name: String,
    /// The bearer token that the companion knows this gateway by.
    pub gateway_token: String,
    /// The companion's Ed25519 key, which signs the feed.
    pub feed_key: FeedKey,
    /// The key of subject hashes, shared with the companion.
    pub subject_key: [u8; 16],
    /// The key of checksums in shared data, this gateway's own.
    pub checksum_key: [u8; 16],
    /// Names the table in shared data.
    pub table: String,
    /// How old the state may be.
    pub max_staleness: Duration,
    /// What to do when it is older.
    pub on_stale: OnStale,
    /// How long the companion holds a request for news.
    pub wait: Duration,
    /// How old the state may be before a request waits for news, on hosts without a timer.
    pub refresh_interval: Duration,
}

/// What a request meets when the companion has not been heard from for `max_staleness`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnStale {
    /// 503.
    Deny,
    /// A decision on the state as it was last known.
    Allow,
}

/// What the service behind the gateway is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdentityOutput {
    /// In headers.
    pub headers: IdentityHeaders,
    /// In the gateway's filter state: for access logs and other filters.
    pub filter_state: bool,
    /// Whether it gets the token itself.
    pub forward_token: bool,
}

/// What clients are told in `WWW-Authenticate`. No field has a quote or a backslash.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Challenge {
    /// The protection space (RFC 9110 §11.5); empty for none.
    pub realm: String,
    /// Where the resource describes itself (RFC 9728 §5.1); empty for nowhere.
    pub resource_metadata: String,
    /// The algorithms of DPoP proofs (RFC 9449 §7.1), with blanks between; empty if there are no proofs.
    pub dpop_algorithms: String,
    /// Whether tokens may be in other places than `Authorization`.
    pub other_places: bool,
    /// Whether the refused request had a token under `DPoP`.
    pub dpop_attempted: bool,
}

/// Budgets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest token that is looked at.
    pub max_token_bytes: usize,
    /// How many verified tokens each worker remembers.
    pub token_cache_entries: usize,
    /// How much memory they may take.
    pub token_cache_bytes: usize,
    /// The longest body of an MCP request that is read.
    pub max_mcp_body_bytes: usize,
}

impl Config {
    /// Reads the configuration, or says everything that is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigErrors> {
        check::config(text)
    }

    /// This worker's view of the state table.
    #[must_use]
    pub fn table_reader(&self) -> TableReader {
        TableReader::new(&self.revocation.table, self.revocation.checksum_key)
    }

    /// The answer to `request` if it asks for a resource's document (RFC 9728 §3), which needs no token.
    #[must_use]
    pub fn metadata(&self, request: &RequestView<'_>) -> Option<MetadataAnswer<'_>> {
        let path = request.path_without_query();
        let document = resource_metadata::find(&self.resources, path, request.host)?;
        Some(document.answer(request.method))
    }

    /// What a client is told whose `request` is refused: where the resource that it asked for describes itself.
    #[must_use]
    pub fn challenge_to(&self, request: &RequestView<'_>) -> Challenge {
        let (path, host) = (request.path_without_query(), request.host);
        let document = self
            .document_of_route(request)
            .or_else(|| resource_metadata::of_request(&self.resources, path, host));
        let resource_metadata =
            document.map_or(&*self.challenge.resource_metadata, MetadataDocument::url);
        Challenge {
            resource_metadata: resource_metadata.to_owned(),
            dpop_attempted: self.schemes.any
                && self.schemes.dpop
                && credential::attempts_dpop(request),
            ..self.challenge.clone()
        }
    }

    /// The document of the resource that the route of `request` says its tokens are for.
    fn document_of_route(&self, request: &RequestView<'_>) -> Option<&MetadataDocument> {
        let Ok(Access::Token(required)) = self.routes.select(request) else { return None };
        let asked = required.audiences;
        if asked.is_empty() {
            return None;
        }
        let is_of_route = |document: &&MetadataDocument| {
            self.routes.audiences().of([document.resource()]).meets(asked)
        };
        self.resources.iter().find(is_of_route)
    }

    /// What the follower of the feed needs to know.
    #[must_use]
    pub fn replica(&self) -> ReplicaConfig {
        let Revocation { table, checksum_key, feed_key, gateway_name, wait, .. } = &self.revocation;
        let oldest = |issuer: &Issuer| issuer.max_token_lifetime.saturating_add(issuer.leeway);
        ReplicaConfig {
            table: table.clone(),
            checksum_key: *checksum_key,
            feed_key: *feed_key,
            gateway_name: gateway_name.clone(),
            wait: *wait,
            needed_retention: self.issuers.iter().map(oldest).max().unwrap_or_default(),
            alone: false,
        }
    }

    /// What it needs to know on a host without a timer and without shared data: the companion must not hold an
    /// answer that a client's request waits for.
    #[must_use]
    pub fn replica_on_demand(&self) -> ReplicaConfig {
        ReplicaConfig { wait: Duration::ZERO, alone: true, ..self.replica() }
    }

    /// The issuer of access tokens with this `iss`, and its place.
    #[must_use]
    pub fn issuer(&self, iss: &str) -> Option<(usize, &Issuer)> {
        let is_it = |issuer: &Issuer| issuer.issues_access_tokens() && issuer.issuer == iss;
        self.issuers.iter().enumerate().find(|(_, issuer)| is_it(issuer))
    }

    /// The SPIFFE trust domain with this name, and its place among the issuers.
    #[must_use]
    pub fn trust_domain(&self, name: &str) -> Option<(usize, &Issuer)> {
        let is_it = |issuer: &Issuer| {
            issuer.trust_domain.as_ref().is_some_and(|domain| domain.as_str() == name)
        };
        self.issuers.iter().enumerate().find(|(_, issuer)| is_it(issuer))
    }

    /// The token service of the trust domain with this name, and its place among the issuers.
    #[must_use]
    pub fn txn_domain(&self, name: &str) -> Option<(usize, &Issuer)> {
        let is_it = |issuer: &Issuer| issuer.txn_domain.as_deref() == Some(name);
        self.issuers.iter().enumerate().find(|(_, issuer)| is_it(issuer))
    }

    /// What one of [`Config::places`] is called, or `Authorization`.
    #[must_use]
    pub fn place_name(&self, place: Option<usize>) -> String {
        let place = place.and_then(|place| self.places.get(place));
        place.map_or_else(|| "`Authorization`".to_owned(), Place::to_string)
    }

    /// Whether any route looks at credentials outside `Authorization`. Then nobody but the gate says which of them a
    /// service sees.
    #[must_use]
    pub const fn has_slots(&self) -> bool {
        !self.routes.accepted().without(SlotSet::BEARER).is_empty()
    }
}

impl Issuer {
    /// Whether its tokens are access tokens, and nothing else.
    #[must_use]
    pub const fn issues_access_tokens(&self) -> bool {
        self.trust_domain.is_none() && self.txn_domain.is_none()
    }

    /// Whether its access tokens or JWT-SVIDs are in `Authorization`.
    #[must_use]
    pub const fn is_in_authorization(&self) -> bool {
        self.txn_domain.is_none() && self.token_from.is_none()
    }
}

impl Proofs {
    /// The algorithms as a challenge names them.
    fn algorithm_names(&self) -> String {
        self.rules.algorithms.iter().map(|known| known.name()).collect::<Vec<_>>().join(" ")
    }
}

impl TokenType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::AccessToken, Self::Jwt];

    /// Its media type without `application/`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
        }
    }
}

/// Never shows a key or the gateway's token.
impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocation")
            .field("cluster", &self.cluster)
            .field("authority", &self.authority)
            .field("gateway_name", &self.gateway_name)
            .field("table", &self.table)
            .field("max_staleness", &self.max_staleness)
            .field("on_stale", &self.on_stale)
            .field("wait", &self.wait)
            .field("refresh_interval", &self.refresh_interval)
            .finish_non_exhaustive()
    }
}
