//! Signals that start here (`POST /v1/signals`, `rescind revoke`): a request becomes a real SET.
//!
//! The SET is signed by the companion's own key and then read again by the same code as everybody
//! else's, so that nothing can be said here that a transmitter could not say.

use bytes::Bytes;
use rescind_core::event::EventType;
use rescind_core::json::{self, Limits};
use rescind_core::jws::{Algorithm, Jws};
use rescind_core::record::SignalId;
use rescind_core::set::{
    DEFAULT_SKEW, MAX_SET_BYTES, Profile, SecurityEventToken, SetError, SetExpectations,
};
use rescind_core::time::UnixTime;
use serde::Deserialize;

use crate::config::Identity;
use crate::journal::Accepted;
use crate::receiver::{Intake, Refusal};
use crate::secret::to_hex;
use crate::signer::Statement;

/// The name under which SETs made here stand in the journal.
const SOURCE: &str = "operator";

/// A signal to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sub_id: serde_json::Value,
    event: String,
    #[serde(default)]
    event_timestamp: Option<u64>,
    #[serde(default)]
    reason_admin: Option<String>,
}

/// What was made of it.
#[derive(Debug)]
pub(crate) struct Made {
    /// `jti` of the SET.
    pub(crate) jti: String,
    /// Its name in records and logs.
    pub(crate) signal: SignalId,
    /// Where it is.
    pub(crate) accepted: Accepted,
}

/// Why no SET was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignalError {
    /// Not the JSON that is asked for.
    #[error("{0}")]
    Body(String),
    /// An event that is not in the table.
    #[error("event `{0}` is not known; use a name of CAEP or RISC such as `session-revoked`")]
    Event(String),
    /// The SET was refused like anybody's.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// No random bytes, or the key does not sign.
    #[error("the SET cannot be signed: {0}")]
    Sign(String),
}

/// Makes the SET that `body` asks for and keeps it.
pub(crate) async fn signal(
    body: &[u8],
    identity: &Identity,
    intake: &Intake,
    now: UnixTime,
) -> Result<Made, SignalError> {
    // The strict reader first: serde keeps the last of two members of the same name.
    json::parse(body, &Limits::TOKEN).map_err(|error| SignalError::Body(error.to_string()))?;
    let request: Request =
        serde_json::from_slice(body).map_err(|error| SignalError::Body(error.to_string()))?;
    let event = EventType::from_name(&request.event)
        .or_else(|| EventType::from_uri(&request.event))
        .ok_or_else(|| SignalError::Event(request.event.chars().take(64).collect()))?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| SignalError::Sign(error.to_string()))?;
    let jti = to_hex(&id);
    let statement = Statement {
        issuer: &identity.issuer,
        jti: &jti,
        issued_at: now,
        event: event.uri,
        subject: &request.sub_id,
        event_timestamp: request.event_timestamp,
        reason: request.reason_admin.as_deref(),
    };
    let token =
        identity.signer.sign(&statement).map_err(|error| SignalError::Sign(error.to_string()))?;
    let set = read(token.as_bytes(), identity, now).map_err(Refusal::from)?;
    let raw = Bytes::from(token);
    let accepted = intake.keep(SOURCE, &set, raw, &identity.authority, now).await?;
    Ok(Made { signal: set.signal(), jti, accepted })
}

fn read(token: &[u8], identity: &Identity, now: UnixTime) -> Result<SecurityEventToken, SetError> {
    let audiences = [identity.issuer.clone()];
    let expect = SetExpectations {
        issuer: &identity.issuer,
        audiences: &audiences,
        algorithms: &[Algorithm::Es256, Algorithm::EdDsa],
        now,
        skew: DEFAULT_SKEW,
        profile: Profile::Strict,
    };
    let jws = Jws::parse(token, MAX_SET_BYTES).map_err(SetError::Jws)?;
    SecurityEventToken::parse(&jws, &expect)
}
