//! Signed SETs from a file: checked as if their transmitter had just pushed them.

use std::sync::Arc;

use bytes::Bytes;
use rescind_core::event;
use rescind_core::jwk::KeySet;
use rescind_core::set::{DEFAULT_SKEW, SetExpectations, UnverifiedSet};
use rescind_core::subject::SubjectHasher;
use rescind_core::time::UnixTime;

use crate::config::Transmitter;
use crate::journal::NewSet;
use crate::keys;
use crate::notes::claims;
use crate::verifier::RingVerifier;

/// Reads SETs of the configured transmitters.
#[derive(Debug)]
pub(super) struct Sets<'c> {
    pub(super) sources: Vec<Source<'c>>,
    pub(super) hasher: &'c SubjectHasher,
    pub(super) now: UnixTime,
}

/// A transmitter, and its keys or why there are none.
#[derive(Debug)]
pub(crate) struct Source<'c> {
    transmitter: &'c Transmitter,
    /// Nothing until they are needed.
    keys: Option<Result<Arc<KeySet>, String>>,
}

impl<'c> Source<'c> {
    /// One whose keys are read when the first of its SETs comes.
    pub(crate) const fn of(transmitter: &'c Transmitter) -> Self {
        Self { transmitter, keys: None }
    }

    /// One whose keys are these, if there are any yet.
    pub(crate) fn with(transmitter: &'c Transmitter, keys: Option<Arc<KeySet>>) -> Self {
        let keys = keys.ok_or_else(|| "they are not known yet".to_owned());
        Self { transmitter, keys: Some(keys) }
    }

    fn keys(&mut self) -> Result<&KeySet, String> {
        let keys = self.keys.get_or_insert_with(|| {
            keys::load(self.transmitter).map(Arc::new).map_err(|error| error.to_string())
        });
        keys.as_deref().map_err(|error| format!("its transmitter's keys: {error}"))
    }
}

impl Sets<'_> {
    /// The signal of one SET.
    pub(super) fn read(&mut self, token: &[u8]) -> Result<NewSet, String> {
        let claims = claims(token);
        let issuer = claims.get("iss").and_then(serde_json::Value::as_str);
        let issuer = issuer.ok_or("no signed SET, or it has no `iss`")?;
        let found = self.sources.iter_mut().find(|known| known.transmitter.issuer == issuer);
        let shown = super::excerpt(issuer);
        let source = found
            .ok_or_else(|| format!("no transmitter of the configuration has issuer `{shown}`"))?;
        let transmitter = source.transmitter;
        let expect = SetExpectations {
            issuer: &transmitter.issuer,
            audiences: &transmitter.audiences,
            algorithms: &transmitter.algorithms,
            now: self.now,
            skew: DEFAULT_SKEW,
            profile: transmitter.profile,
        };
        let unverified = UnverifiedSet::parse(token, &expect).map_err(|error| error.to_string())?;
        let set = unverified
            .verify(source.keys()?, &RingVerifier)
            .and_then(|verified| verified.accept(&expect))
            .map_err(|error| error.to_string())?;
        let records = event::records(&set, &transmitter.authority, self.hasher)
            .map_err(|error| error.to_string())?;
        Ok(NewSet {
            signal: set.signal(),
            received_at: self.now,
            source: transmitter.name.clone(),
            issuer: set.iss,
            jti: set.jti,
            raw: Bytes::copy_from_slice(token),
            records,
        })
    }
}
