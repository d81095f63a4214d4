//! A refusal as it is sent, for shells that should not have to put it together.

use super::{Class, Denial};
use crate::config::Challenge;

/// After how long a client may try again while the gate waits for its companion or a key set: both
/// are asked again within a second or two.
const RETRY_AFTER_SECS: u32 = 2;

/// An answer, ready to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC status that says the same.
    pub grpc_status: u32,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: &'static str,
}

impl Denial {
    /// The whole answer.
    #[must_use]
    pub fn response(&self, with: &Challenge) -> Response {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        // What was refused once may pass a moment later, and the other way round.
        headers.push(("cache-control", "no-store".to_owned()));
        let challenges = self.challenges(with).into_iter();
        headers.extend(challenges.map(|challenge| ("www-authenticate", challenge)));
        headers.extend(self.nonce().map(|nonce| ("dpop-nonce", nonce.to_owned())));
        headers.extend(self.retry_after().map(|seconds| ("retry-after", seconds.to_string())));
        Response {
            status: self.status(),
            grpc_status: self.grpc_status(),
            headers,
            body: self.body(),
        }
    }

    /// Whether it is the gate that cannot judge, now, and not the token that is refused.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        self.class() == Class::NotNow
    }

    /// The body: one for each class, so that it tells nothing about the token.
    #[must_use]
    pub fn body(&self) -> &'static str {
        match self.class() {
            Class::NoCredentials => r#"{"error":"unauthorized"}"#,
            Class::InvalidRequest | Class::BadRequest | Class::TooLong => {
                r#"{"error":"invalid_request"}"#
            }
            Class::InvalidToken => r#"{"error":"invalid_token"}"#,
            Class::InvalidProof => r#"{"error":"invalid_dpop_proof"}"#,
            Class::UseNonce => r#"{"error":"use_dpop_nonce"}"#,
            Class::InsufficientAuthentication => r#"{"error":"insufficient_user_authentication"}"#,
            Class::InsufficientScope => r#"{"error":"insufficient_scope"}"#,
            Class::Forbidden => r#"{"error":"forbidden"}"#,
            Class::NotNow => r#"{"error":"temporarily_unavailable"}"#,
        }
    }

    /// How many seconds a client should wait before it tries again, if that can help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self.class() {
            Class::NotNow => Some(RETRY_AFTER_SECS),
            _ => None,
        }
    }
}
