//! Events about the stream itself (SSF 1.0 §8.1.4, §8.1.5): `verification` and `stream-updated`.
//!
//! The `state` of a verification that this side asks for is made so that it can be recognized without
//! being remembered: the time of the question and a keyed checksum over it and the transmitter's
//! name. So an answer counts also after a restart, and nobody else can make one.

use rescind_core::base64url;
use rescind_core::json::{self, Limits, Value};
use rescind_core::jws::Jws;
use rescind_core::set::{MAX_SET_BYTES, SecurityEventToken};
use rescind_core::subject::{Subject, SubjectIdentifier};
use rescind_core::time::UnixTime;
use ring::hmac;
use subtle::ConstantTimeEq as _;

use super::Status;

/// Bytes of the checksum that are kept: 128 bits, as no one has more than a few tries.
const CHECKSUM_BYTES: usize = 16;

/// What a SET says about its stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum StreamEvent {
    /// `verification`, with the state that was asked for, if it was asked for.
    Verification(Option<String>),
    /// `stream-updated`
    Updated(Status),
}

/// Makes and recognizes states.
#[derive(Clone, Debug)]
pub(crate) struct States(hmac::Key);

impl States {
    /// Keyed by the companion's secret.
    pub(crate) fn new(subject_key: &[u8; 16]) -> Self {
        let key = [b"rescind-verification\0", &subject_key[..]].concat();
        let key = rescind_core::crypto::sha256(&key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The state of a question asked at `now` about the stream of `transmitter`.
    pub(crate) fn make(&self, transmitter: &str, now: UnixTime) -> String {
        let time = now.millis().to_be_bytes();
        let tag = hmac::sign(&self.0, &[&time[..], transmitter.as_bytes()].concat());
        let tag = tag.as_ref().get(..CHECKSUM_BYTES).unwrap_or_default();
        base64url::encode(&[&time[..], tag].concat())
    }

    /// When the question was asked that `state` answers; nothing if it never was.
    pub(crate) fn asked_at(&self, transmitter: &str, state: &str) -> Option<UnixTime> {
        let bytes = base64url::decode(state.as_bytes()).ok()?;
        let (time, _) = bytes.split_first_chunk::<8>()?;
        let at = UnixTime::from_millis(u64::from_be_bytes(*time));
        let expected = self.make(transmitter, at);
        let same: bool = expected.as_bytes().ct_eq(state.as_bytes()).into();
        same.then_some(at)
    }
}

/// What `set`, spelled `token`, says about its stream.
pub(crate) fn read(set: &SecurityEventToken, token: &[u8]) -> Option<StreamEvent> {
    let name = set.event_name();
    if !matches!(name, "verification" | "stream-updated") {
        return None;
    }
    // Its form was checked when it was accepted; the core keeps only what the state table needs.
    let jws = Jws::parse(token, MAX_SET_BYTES).ok()?;
    let claims = json::parse(jws.payload(), &Limits::TOKEN).ok()?;
    let events = claims.as_object()?.get("events")?.as_object()?;
    let event = events.get(&set.event_uri)?.as_object()?;
    if name == "verification" {
        let state = event.get("state").and_then(Value::as_str);
        return Some(StreamEvent::Verification(state.map(str::to_owned)));
    }
    Status::from_name(event.get("status")?.as_str()?).map(StreamEvent::Updated)
}

/// Whether `subject` names the stream `id` (SSF 1.0 §8.1.4.1); older transmitters name nobody.
pub(crate) fn is_about(subject: &Subject, id: &str) -> bool {
    match subject {
        Subject::Simple(SubjectIdentifier::Opaque { id: found }) => found == id,
        other => *other == Subject::absent(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_recognized_for_its_transmitter_and_key_only() {
        let states = States::new(&[7; 16]);
        let now = UnixTime::from_millis(1_700_000_000_123);
        let state = states.make("idp", now);
        assert_eq!(state.len(), 32);
        assert_eq!(states.asked_at("idp", &state), Some(now));
        assert_eq!(states.asked_at("soc", &state), None);
        assert_eq!(States::new(&[8; 16]).asked_at("idp", &state), None);
        for wrong in [
            "",
            "a",
            "wrong-state",
            state.trim_start_matches("A"),
            &format!("{state}A"),
            &format!("{state}="),
        ] {
            assert_eq!(states.asked_at("idp", wrong), None, "{wrong}");
        }
    }
}
