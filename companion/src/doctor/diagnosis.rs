//! Everything that is wrong with one SET, not only what is found first.
//!
//! The receiver's own code judges: it says the first thing that is wrong, that is repaired in a copy,
//! and the copy is judged again. So nothing can be said here that the receiver would not say. The
//! signature is judged on the SET as it came.

use rescind_core::crypto::SignatureVerifier as _;
use rescind_core::event;
use rescind_core::jwk::KeySet;
use rescind_core::jws::{Jws, JwsError};
use rescind_core::set::{
    DEFAULT_SKEW, MAX_SET_BYTES, Profile, SecurityEventToken, SetError, SetExpectations,
};
use rescind_core::subject::SubjectHasher;
use rescind_core::time::UnixTime;
use rescind_core::{base64url, json};
use serde_json::{Map, Value};

use super::section::{remedy, section};
use crate::config::Transmitter;
use crate::verifier::RingVerifier;

/// More than a SET has parts that can be wrong.
const MAX_FINDINGS: usize = 32;

/// What is known about the one who should have sent it.
#[derive(Debug)]
pub(super) struct Sender<'c> {
    pub(super) transmitter: &'c Transmitter,
    pub(super) keys: Result<KeySet, String>,
    pub(super) hasher: &'c SubjectHasher,
    pub(super) now: UnixTime,
}

impl Sender<'_> {
    /// What is wrong with `token`, in words; nothing if it would be accepted.
    pub(super) fn diagnose(&self, token: &[u8]) -> Vec<String> {
        let token = token.trim_ascii();
        let profile = self.transmitter.profile;
        let errors = self.errors(token, profile);
        let mut findings: Vec<_> = errors.iter().map(described).collect();
        if let Err(wrong) = &self.keys {
            findings
                .push(format!("the signature was not checked: the transmitter's keys: {wrong}"));
        }
        let fewest = |profile: &Profile| self.errors(token, *profile).len();
        let better = Profile::ALL.into_iter().min_by_key(fewest);
        if let Some(better) = better.filter(|better| fewest(better) < errors.len()) {
            let left = fewest(&better);
            let (name, used) = (better.name(), profile.name());
            let rest = match left {
                0 => "would accept it".to_owned(),
                left => format!("would leave {left} of these {}", errors.len()),
            };
            findings.push(format!(
                "profile `{name}` {rest}, `{used}` is configured\n  remedy: if this transmitter is \
                 known to deviate so, write profile = \"{name}\""
            ));
        }
        findings
    }

    fn errors(&self, token: &[u8], profile: Profile) -> Vec<SetError> {
        let mut errors = Vec::new();
        let parsed = Jws::parse(token, MAX_SET_BYTES);
        match &parsed {
            Err(error) => errors.push(SetError::Jws(error.clone())),
            Ok(jws) => errors.extend(self.signature(jws)),
        }
        let mut parts = token.split(|byte| *byte == b'.').map(base64url::decode);
        let mut part = || parts.next()?.ok();
        let (header, payload) = (part(), part());
        let Some(payload) = payload else { return errors };
        if let Err(error) = json::parse(&payload, &json::Limits::TOKEN) {
            errors.push(SetError::Json(error));
        }
        let object = |bytes: Option<Vec<u8>>| serde_json::from_slice(&bytes?).ok();
        let Some(payload) = object(Some(payload)) else { return errors };
        let header = object(header).filter(|_| parsed.is_ok());
        let mut copy = Copy { header: header.unwrap_or_default(), payload, whole: true };
        if parsed.is_err() {
            copy.header.insert("typ".to_owned(), "secevent+jwt".into());
            copy.sign_with(self.transmitter);
        }
        while errors.len() < MAX_FINDINGS {
            match self.judge(&copy, profile) {
                Ok(()) => break,
                Err(error) => {
                    let repaired = copy.repair(&error, self.transmitter, self.now);
                    errors.push(error);
                    if !repaired {
                        break;
                    }
                }
            }
        }
        errors
    }

    fn signature(&self, jws: &Jws<'_>) -> Option<SetError> {
        let keys = self.keys.as_ref().ok()?;
        let (algorithm, kid) = (jws.algorithm(), jws.kid());
        let mut candidates = keys.candidates(algorithm, kid).peekable();
        let kid = kid.map(str::to_owned);
        if candidates.peek().is_none() {
            return Some(SetError::UnknownKey { algorithm, kid });
        }
        let (input, signature) = (jws.signing_input(), jws.signature());
        let good = candidates.any(|key| RingVerifier.verify(algorithm, key, input, signature));
        (!good).then_some(SetError::BadSignature { algorithm, kid })
    }

    fn judge(&self, copy: &Copy, profile: Profile) -> Result<(), SetError> {
        let Transmitter { issuer, audiences, algorithms, authority, .. } = self.transmitter;
        let (now, skew) = (self.now, DEFAULT_SKEW);
        let expect = SetExpectations { issuer, audiences, algorithms, now, skew, profile };
        let token = copy.token();
        // The copy may be longer than the SET that it is of.
        let jws = Jws::parse(&token, MAX_SET_BYTES.saturating_mul(2)).map_err(SetError::Jws)?;
        let set = SecurityEventToken::parse(&jws, &expect)?;
        if copy.whole {
            event::records(&set, authority, self.hasher)?;
        }
        Ok(())
    }
}

fn described(error: &SetError) -> String {
    let (section, remedy, code) = (section(error), remedy(error), error.code());
    format!("{error}\n  breaks: {section}\n  answered: {code}\n  remedy: {remedy}")
}

/// A SET with repairs.
struct Copy {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    /// Whether subject and event are still those that came.
    whole: bool,
}

impl Copy {
    fn token(&self) -> Vec<u8> {
        let encode = |part: &Map<String, Value>| {
            base64url::encode(Value::Object(part.clone()).to_string().as_bytes())
        };
        let (header, payload) = (encode(&self.header), encode(&self.payload));
        format!("{header}.{payload}.{}", base64url::encode(&[1; 64])).into_bytes()
    }

    fn sign_with(&mut self, transmitter: &Transmitter) {
        let allowed = transmitter.algorithms.first().map(|algorithm| algorithm.name());
        self.header.insert("alg".to_owned(), allowed.into());
    }

    /// Makes `error` go away; `false` if that would leave nothing to judge.
    fn repair(&mut self, error: &SetError, transmitter: &Transmitter, now: UnixTime) -> bool {
        match error {
            SetError::Type { .. } => self.put_header("typ", "secevent+jwt"),
            SetError::Algorithm { .. } | SetError::Jws(JwsError::UnknownAlgorithm { .. }) => {
                self.sign_with(transmitter);
                true
            }
            SetError::Issuer { expected, .. } => self.put("iss", expected.clone().into()),
            SetError::Audience => self.put("aud", transmitter.audiences.first().cloned().into()),
            SetError::JtiTooLong { .. } => self.put("jti", "doctor".into()),
            SetError::Forbidden { claim } => self.payload.remove(*claim).is_some(),
            SetError::Missing { claim }
            | SetError::WrongType { claim, .. }
            | SetError::Empty { claim }
            | SetError::NotATime { claim }
            | SetError::Milliseconds { claim, .. }
            | SetError::Future { claim, .. } => match *claim {
                "iss" => self.put("iss", transmitter.issuer.clone().into()),
                "jti" => self.put("jti", "doctor".into()),
                "iat" => self.put("iat", now.secs().into()),
                "txn" => self.payload.remove("txn").is_some(),
                "sub_id" => self.replace_subject(),
                "event_timestamp" => self.remove_from_event("event_timestamp"),
                _ => false,
            },
            SetError::Subject(_) => self.replace_subject(),
            SetError::EventCount { .. } => self.keep_one_event(),
            SetError::Payload(_) => {
                self.whole = false;
                let mut events = Map::new();
                events.insert("urn:rescind:doctor".to_owned(), Value::Object(Map::new()));
                self.put("events", Value::Object(events))
            }
            SetError::Jws(_)
            | SetError::UnknownKey { .. }
            | SetError::BadSignature { .. }
            | SetError::Json(_)
            | SetError::NotAnObject { .. }
            | SetError::Authority(_) => false,
        }
    }

    fn put(&mut self, claim: &str, value: Value) -> bool {
        self.payload.insert(claim.to_owned(), value);
        true
    }

    fn put_header(&mut self, member: &str, value: &str) -> bool {
        self.header.insert(member.to_owned(), value.into());
        true
    }

    fn replace_subject(&mut self) -> bool {
        self.whole = false;
        self.put("sub_id", serde_json::json!({ "format": "opaque", "id": "doctor" }))
    }

    fn events(&mut self) -> Option<&mut Map<String, Value>> {
        self.payload.get_mut("events")?.as_object_mut()
    }

    fn remove_from_event(&mut self, member: &str) -> bool {
        let events = self.events().into_iter().flat_map(Map::values_mut);
        let payloads: Vec<_> = events.filter_map(Value::as_object_mut).collect();
        payloads.into_iter().any(|payload| payload.remove(member).is_some())
    }

    fn keep_one_event(&mut self) -> bool {
        let Some(events) = self.events() else { return false };
        let first = events.keys().next().cloned();
        events.retain(|uri, _| Some(uri) == first.as_ref());
        !events.is_empty()
    }
}
