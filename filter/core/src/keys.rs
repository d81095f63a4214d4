//! The issuers' keys: where they are kept, when they are fetched, and what survives a failure.
//!
//! Keys come with the configuration, or the gateway's leader fetches them and puts each set into
//! shared data, where every worker finds it. [`Refresher`] is the leader's part: which URL to ask
//! when. [`KeyStore`] is every worker's part: it reads the sets again when the table's head says
//! that one has changed.
//!
//! **The last good set stays** whatever happens: an error page, an empty set, a set without one
//! usable key, a garbled value in shared data. Only a good set replaces a good set, so an issuer's
//! outage costs freshness, never service; and each issuer has its own schedule and its own value,
//! so one's failure never touches another's keys.
//!
//! **The bundle of a SPIFFE trust domain** ([`crate::bundle`]) is different in three ways. One
//! without usable keys is good: it revokes the domain. One that is older than the last is refused.
//! And while there is one, a failed fetch is tried again only when the next is due anyway (SPIFFE
//! Federation §6.2). A redirect is a failure here as for key sets: it would lead to a server that no
//! configuration names.
//!
//! **Discovery** ([`crate::discovery`]) asks twice: for the metadata, then for the key set where
//! they say. The metadata are asked again after [`METADATA_AGE`], and after a failure.
//!
//! **An unknown `kid`** is how a rotation shows first. Any worker may wish for a refresh; wishes go
//! through shared data, so all workers together cause one fetch, and at most one in
//! [`WISH_INTERVAL`] for each issuer, because whoever can send tokens can make up names of keys.
//!
//! **First start**: until the first good set, tokens of that issuer are answered with 503; the
//! others' are served.
//!
//! What this module refuses to do: follow anything that a token says about where its key is (RFC
//! 8725 §3.10).

use std::time::Duration;

use crate::bundle::{Bundle, BundleError};
use crate::config::{Config, Discovery, JwksUrl, KeySource};
use crate::jwk::{KeySet, KeySetError};
use crate::table;
use crate::time::UnixTime;

mod refresher;
mod sealed;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use refresher::spread;
pub use refresher::{Fetch, FetchError, KeysNotice, Refresher};
pub use store::{KeyMark, KeyStore};

/// The least time between two fetches of one set for an unknown `kid`.
pub const WISH_INTERVAL: Duration = Duration::from_secs(10);

/// How long an issuer's metadata are good. Addresses of key sets change once in years, and a failed
/// fetch asks again at once.
pub const METADATA_AGE: Duration = Duration::from_secs(3600);

/// One fetched key set: whose it is, and where in shared data.
#[derive(Clone, Debug)]
struct Source {
    /// The issuer's place in the configuration.
    issuer: usize,
    /// The issuer's `iss`.
    iss: String,
    /// Of the key set or bundle; in discovery, of the metadata.
    url: JwksUrl,
    kind: Kind,
    set_name: String,
    wish_name: String,
    checksum_key: [u8; 16],
}

/// What is fetched.
#[derive(Clone, Debug)]
enum Kind {
    /// A JWK Set.
    KeySet,
    /// The bundle of a trust domain.
    Bundle,
    /// Metadata, and then the JWK Set that they name.
    Discovered(Discovery),
}

/// The keys of one issuer, in the form that its kind of source gives.
#[derive(Clone, Debug)]
enum Keys {
    Set(KeySet),
    Bundle(Bundle),
}

/// Why a stored or fetched text has no keys.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum KeysError {
    #[error("{0}")]
    Set(#[from] KeySetError),
    #[error("{0}")]
    Bundle(#[from] BundleError),
}

/// What `.jwks.<hash>` holds.
#[derive(Clone, Debug, Eq, PartialEq)]
struct StoredSet {
    fetched_at: UnixTime,
    /// The set as it was fetched.
    text: Vec<u8>,
}

impl Source {
    fn all(config: &Config) -> Vec<Self> {
        let sources = config.issuers.iter().enumerate().filter_map(|(issuer, entry)| {
            let (url, kind) = match &entry.keys {
                KeySource::Inline(_) | KeySource::InlineBundle(_) => return None,
                KeySource::Fetched(url) => (url, Kind::KeySet),
                KeySource::Bundle(url) => (url, Kind::Bundle),
                KeySource::Discovered(discovery) => {
                    (&discovery.metadata, Kind::Discovered(discovery.clone()))
                }
            };
            let table = &config.revocation.table;
            let checksum_key = config.revocation.checksum_key;
            let mut source = Self {
                issuer,
                iss: entry.issuer.clone(),
                url: url.clone(),
                kind,
                set_name: String::new(),
                wish_name: String::new(),
                checksum_key,
            };
            // By what it is and not by its place: filters that share a table may list different issuers.
            let hash = table::hash(&checksum_key, "key set", &source.label());
            source.set_name = format!("rescind.{table}.jwks.{hash}");
            source.wish_name = format!("rescind.{table}.want.{hash}");
            Some(source)
        });
        sources.collect()
    }

    /// Names what is stored, so that a value from before a change of the configuration is no one
    /// else's keys.
    fn label(&self) -> String {
        let JwksUrl { authority, path, .. } = &self.url;
        let plain = format!("{}\n{authority}\n{path}", self.iss);
        match &self.kind {
            Kind::KeySet => plain,
            Kind::Bundle => format!("bundle\n{plain}"),
            Kind::Discovered(discovery) => {
                format!("discovered\n{plain}\n{}", discovery.jwks_authority)
            }
        }
    }

    /// Reads the keys in what was fetched or stored.
    fn read(&self, text: &[u8]) -> Result<Keys, KeysError> {
        Ok(match self.kind {
            Kind::Bundle => Keys::Bundle(Bundle::parse(text)?),
            Kind::KeySet | Kind::Discovered(_) => Keys::Set(KeySet::parse(text)?),
        })
    }
}

impl Keys {
    /// How many can be used, and how many were set aside.
    fn counts(&self) -> (usize, usize) {
        match self {
            Self::Set(set) => (set.keys().len(), set.skipped().len()),
            Self::Bundle(bundle) => {
                let wit = bundle.wit_svid_keys().keys().len();
                let usable = bundle.jwt_svid_keys().keys().len().saturating_add(wit);
                (usable, bundle.skipped().len())
            }
        }
    }
}
