//! Security event tokens (RFC 8417) under the profile of SSF 1.0 §4, as a recipient must read them.
//!
//! The order of the checks decides which error a transmitter is told (RFC 8935 §2.4), so the types
//! leave no other:
//!
//! 1. [`UnverifiedSet::parse`]: spelling, `typ`, the allow-list of algorithms, and `iss`. A SET of
//!    another issuer is `invalid_issuer` even if its signature is good, and no key is looked for.
//! 2. [`UnverifiedSet::verify`]: a key of the transmitter, and the signature.
//! 3. [`VerifiedSet::accept`]: `aud`, then the claims, the subject and the one event.
//!
//! Refuses what could be another kind of token (`sub`, `exp`, another `typ`), several events in one
//! SET, and times in the future, milliseconds among them: read as seconds, a revocation would last
//! for ever. Does *not* refuse event types and members that it does not know, nor old SETs: they
//! may arrive late and in any order (RFC 8417 §5.3).

use std::fmt;
use std::time::Duration;

use crate::crypto::{SignatureVerifier, sha256};
use crate::event::{Detail, EventType};
use crate::jwk::KeySet;
use crate::jws::{Algorithm, Jws, typ_matches};
use crate::record::SignalId;
use crate::subject::Subject;
use crate::time::UnixTime;

mod error;
mod profile;
mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use error::{ErrorCode, SetError};
pub use profile::Profile;

/// The longest SET. Real ones have 1–2 KiB; a subject with many aliases and reasons in several
/// languages stays below this.
pub const MAX_SET_BYTES: usize = 32 * 1024;

/// The longest `jti`: it is kept for ever to recognize a repetition. Longest seen: 52 bytes.
pub const MAX_JTI_BYTES: usize = 256;

/// How far a transmitter's clock may be ahead of ours, if the configuration does not say otherwise.
pub const DEFAULT_SKEW: Duration = Duration::from_secs(300);

/// No date in seconds is greater (it would be the year 5138), every date in milliseconds since 1973
/// is.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// The media type of a SET, as `typ` has it.
pub const TYPE: &str = "secevent+jwt";

/// What a stream's configuration says about its SETs.
#[derive(Clone, Copy, Debug)]
pub struct SetExpectations<'a> {
    /// The transmitter's issuer.
    pub issuer: &'a str,
    /// Our names; one of them must be in `aud`.
    pub audiences: &'a [String],
    /// The algorithms that the transmitter may sign with.
    pub algorithms: &'a [Algorithm],
    /// The present time.
    pub now: UnixTime,
    /// How far the transmitter's clock may be ahead of ours.
    pub skew: Duration,
    /// How the transmitter deviates from SSF 1.0.
    pub profile: Profile,
}

/// A SET that claims to be from the expected issuer. Its signature is still to be checked.
pub struct UnverifiedSet<'a> {
    jws: Jws<'a>,
}

/// A SET with a good signature: proof that the transmitter said it, not yet that it said it to us.
pub struct VerifiedSet<'a> {
    jws: Jws<'a>,
}

/// A SET that passed every check.
#[derive(Clone, Eq, PartialEq)]
pub struct SecurityEventToken {
    /// Who says it.
    pub iss: String,
    /// Its name; with `iss`, unique for ever.
    pub jti: String,
    /// When it was issued, in whole seconds.
    pub iat: UnixTime,
    /// The transaction it belongs to; shared with others of the same cause.
    pub txn: Option<String>,
    /// Whom it is about.
    pub subject: Subject,
    /// The type of the event; nothing if it is not in the table.
    pub event: Option<&'static EventType>,
    /// The URI of the event's type.
    pub event_uri: String,
    /// When the event happened, if it says, in whole seconds.
    pub event_timestamp: Option<UnixTime>,
    /// What else decides about its effect.
    pub detail: Detail,
    /// Why, for administrators; shortened.
    pub reason_admin: Option<String>,
}

impl<'a> UnverifiedSet<'a> {
    /// Reads a SET far enough to know whose keys to look for.
    pub fn parse(token: &'a [u8], expect: &SetExpectations<'_>) -> Result<Self, SetError> {
        let jws = Jws::parse(token, MAX_SET_BYTES).map_err(SetError::Jws)?;
        check_envelope(&jws, expect)?;
        Ok(Self { jws })
    }

    /// The key that the header names.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.jws.kid()
    }

    /// What the header says the signature is; one of the allowed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.jws.algorithm()
    }

    /// Checks the signature with the transmitter's keys. After [`SetError::UnknownKey`] it is worth
    /// fetching them anew, but not more often than the transmitter can bear.
    pub fn verify(
        &self,
        keys: &KeySet,
        verifier: &dyn SignatureVerifier,
    ) -> Result<VerifiedSet<'a>, SetError> {
        let (algorithm, kid) = (self.jws.algorithm(), self.jws.kid());
        let mut candidates = keys.candidates(algorithm, kid).peekable();
        if candidates.peek().is_none() {
            return Err(SetError::UnknownKey { algorithm, kid: kid.map(str::to_owned) });
        }
        let (input, signature) = (self.jws.signing_input(), self.jws.signature());
        if candidates.any(|key| verifier.verify(algorithm, key, input, signature)) {
            Ok(VerifiedSet { jws: self.jws.clone() })
        } else {
            Err(SetError::BadSignature { algorithm, kid: kid.map(str::to_owned) })
        }
    }
}

impl VerifiedSet<'_> {
    /// Checks everything else.
    pub fn accept(&self, expect: &SetExpectations<'_>) -> Result<SecurityEventToken, SetError> {
        read::set(&self.jws, expect)
    }
}

impl SecurityEventToken {
    /// All checks but that of the signature: for a SET whose signature was checked when it was
    /// received, such as one in the journal.
    pub fn parse(jws: &Jws<'_>, expect: &SetExpectations<'_>) -> Result<Self, SetError> {
        check_envelope(jws, expect)?;
        read::set(jws, expect)
    }

    /// When the event counts from: its own time, else that of the SET.
    #[must_use]
    pub fn at(&self) -> UnixTime {
        self.event_timestamp.unwrap_or(self.iat)
    }

    /// The name of this SET in records and in the feed.
    #[must_use]
    pub fn signal(&self) -> SignalId {
        signal_id(&self.iss, &self.jti)
    }

    /// The name of the event's type; `unknown` if it is not in the table.
    #[must_use]
    pub fn event_name(&self) -> &'static str {
        self.event.map_or("unknown", |event| event.name)
    }
}

/// The name of a SET: see [`SignalId`].
#[must_use]
pub fn signal_id(iss: &str, jti: &str) -> SignalId {
    let mut text = Vec::with_capacity(iss.len().saturating_add(jti.len()).saturating_add(1));
    text.extend_from_slice(iss.as_bytes());
    text.push(0);
    text.extend_from_slice(jti.as_bytes());
    let digest = sha256(&text);
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    SignalId(id)
}

/// The checks that come before any key is looked for.
fn check_envelope(jws: &Jws<'_>, expect: &SetExpectations<'_>) -> Result<(), SetError> {
    let plain = || jws.typ().is_none_or(|typ| typ_matches(typ, "JWT"));
    let is_set = jws.typ().is_some_and(|typ| typ_matches(typ, TYPE));
    if !(is_set || expect.profile.plain_type() && plain()) {
        return Err(SetError::Type { found: jws.typ().map(crate::json::excerpt) });
    }
    let algorithm = jws.algorithm();
    if !expect.algorithms.contains(&algorithm) {
        return Err(SetError::Algorithm { algorithm });
    }
    read::issuer(jws, expect.issuer)
}

impl fmt::Debug for UnverifiedSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnverifiedSet").field(&self.jws).finish()
    }
}

impl fmt::Debug for VerifiedSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedSet").field(&self.jws).finish()
    }
}

/// Names the SET and its event, and nobody whom it is about.
impl fmt::Debug for SecurityEventToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityEventToken")
            .field("iss", &self.iss)
            .field("jti", &self.jti)
            .field("iat", &self.iat)
            .field("event_uri", &self.event_uri)
            .field("event_timestamp", &self.event_timestamp)
            .finish_non_exhaustive()
    }
}
