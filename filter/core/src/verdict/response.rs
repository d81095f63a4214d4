//! A refusal as it is sent, for shells that should not have to put it together.

use super::Denial;
use crate::config::Challenge;

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
}
