//! Signed SETs from a file: checked as if their transmitter had just pushed them.

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
pub(super) struct Sets<'c> {
    pub(super) transmitters: &'c [Transmitter],
    pub(super) hasher: &'c SubjectHasher,
    pub(super) now: UnixTime,
    /// The keys of each transmitter, once one of its SETs came.
    pub(super) keys: Vec<Option<Result<KeySet, String>>>,
}

impl Sets<'_> {
    /// The signal of one SET.
    pub(super) fn read(&mut self, token: &[u8]) -> Result<NewSet, String> {
        let claims = claims(token);
        let issuer = claims.get("iss").and_then(serde_json::Value::as_str);
        let issuer = issuer.ok_or("no signed SET, or it has no `iss`")?;
        let at = self.transmitters.iter().position(|known| known.issuer == issuer);
        let found = at.and_then(|at| Some((self.transmitters.get(at)?, self.keys.get_mut(at)?)));
        let shown = super::excerpt(issuer);
        let (transmitter, keys) = found
            .ok_or_else(|| format!("no transmitter of the configuration has issuer `{shown}`"))?;
        let expect = SetExpectations {
            issuer: &transmitter.issuer,
            audiences: &transmitter.audiences,
            algorithms: &transmitter.algorithms,
            now: self.now,
            skew: DEFAULT_SKEW,
            profile: transmitter.profile,
        };
        let unverified = UnverifiedSet::parse(token, &expect).map_err(|error| error.to_string())?;
        let keys = keys.get_or_insert_with(|| {
            keys::load(transmitter).map_err(|error| format!("its transmitter's keys: {error}"))
        });
        let keys = keys.as_ref().map_err(Clone::clone)?;
        let set = unverified
            .verify(keys, &RingVerifier)
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
