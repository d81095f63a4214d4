//! The transmitter's end of a stream: mints Security Event Tokens (RFC 8417) and pushes them
//! (RFC 8935).

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::http::{self, Message, Request};
use crate::issuer::{Key, now};

/// The companion's audience.
pub const AUDIENCE: &str = "https://rescind.example.com";

/// CAEP 1.0 §3.1.
pub const SESSION_REVOKED: &str =
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
/// RISC 1.0 §2.3.
pub const ACCOUNT_DISABLED: &str =
    "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
/// RISC 1.0 §2.4.
pub const ACCOUNT_ENABLED: &str =
    "https://schemas.openid.net/secevent/risc/event-type/account-enabled";

/// A transmitter, as the companion's configuration knows it.
#[derive(Debug)]
pub struct Transmitter {
    /// Its name in the push path.
    pub name: String,
    /// The `iss` of its SETs.
    pub issuer: String,
    /// The bearer token of its stream.
    pub push_token: String,
    /// Its signing key.
    pub key: Key,
    sent: AtomicU64,
}

impl Transmitter {
    /// A transmitter with a fresh ES256 key.
    #[must_use]
    pub fn new(name: &str, issuer: &str) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            push_token: format!("push-token-of-{name}-{:032x}", u128::from(std::process::id())),
            key: Key::generate("ES256", "set-1"),
            sent: AtomicU64::new(0),
        }
    }

    /// The claims of a SET about a subject, now, with a fresh `jti`.
    #[must_use]
    pub fn claims(&self, event: &str, subject: &Value, payload: &Value) -> Value {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        json!({
            "iss": self.issuer,
            "aud": AUDIENCE,
            "iat": now(),
            "jti": format!("{}-{number}", self.name),
            "sub_id": subject,
            "events": { event: payload },
        })
    }

    /// A signed SET.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.key.sign("secevent+jwt", claims)
    }

    /// Pushes a SET and returns the companion's answer.
    ///
    /// # Panics
    ///
    /// When the companion does not answer.
    #[must_use]
    pub fn push(&self, companion: u16, set: &str) -> Message {
        http::send(companion, &self.push_request(set)).expect("the companion answers a push")
    }

    /// The push as a request, for callers with a connection of their own.
    #[must_use]
    pub fn push_request(&self, set: &str) -> Request {
        Request::post(&format!("/v1/push/{}", self.name), "application/secevent+jwt", set)
            .header("accept", "application/json")
            .bearer(&self.push_token)
    }

    /// Makes and pushes a `session-revoked` about (iss, sub), effective now.
    ///
    /// # Panics
    ///
    /// When it is not accepted.
    pub fn revoke(&self, companion: u16, iss: &str, sub: &str) {
        self.signal(companion, SESSION_REVOKED, &iss_sub(iss, sub));
    }

    /// Makes and pushes an event about a subject, effective now.
    ///
    /// # Panics
    ///
    /// When it is not accepted.
    pub fn signal(&self, companion: u16, event: &str, subject: &Value) {
        let payload = json!({ "event_timestamp": now() });
        let answer = self.push(companion, &self.sign(&self.claims(event, subject, &payload)));
        assert_eq!(answer.status(), 202, "{}", answer.text());
    }
}

/// A subject identifier of format `iss_sub` (RFC 9493 §3.2.3).
#[must_use]
pub fn iss_sub(iss: &str, sub: &str) -> Value {
    json!({ "format": "iss_sub", "iss": iss, "sub": sub })
}
