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

use crate::config::{Config, JwksUrl, KeySource};
use crate::time::UnixTime;

mod refresher;
mod sealed;
mod store;
#[cfg(test)]
mod tests;

pub use refresher::{Fetch, FetchError, KeysNotice, Refresher};
pub use store::{KeyMark, KeyStore};

/// The least time between two fetches of one set for an unknown `kid`.
pub const WISH_INTERVAL: Duration = Duration::from_secs(10);

/// One fetched key set: whose it is, and where in shared data.
#[derive(Clone, Debug)]
struct Source {
    /// The issuer's place in the configuration.
    issuer: usize,
    /// The issuer's `iss`.
    iss: String,
    url: JwksUrl,
    set_name: String,
    wish_name: String,
    checksum_key: [u8; 16],
}

/// What `.jwks.<n>` holds.
#[derive(Clone, Debug, Eq, PartialEq)]
struct StoredSet {
    fetched_at: UnixTime,
    /// The set as it was fetched.
    text: Vec<u8>,
}

impl Source {
    fn all(config: &Config) -> Vec<Self> {
        let sources = config.issuers.iter().enumerate().filter_map(|(issuer, entry)| {
            let KeySource::Fetched(url) = &entry.keys else { return None };
            let table = &config.revocation.table;
            Some(Self {
                issuer,
                iss: entry.issuer.clone(),
                url: url.clone(),
                set_name: format!("rescind.{table}.jwks.{issuer}"),
                wish_name: format!("rescind.{table}.want.{issuer}"),
                checksum_key: config.revocation.checksum_key,
            })
        });
        sources.collect()
    }

    /// Names what is stored, so that a value from before a change of the configuration is no one
    /// else's keys.
    fn label(&self) -> String {
        let JwksUrl { authority, path, .. } = &self.url;
        format!("{}\n{authority}\n{path}", self.iss)
    }
}
