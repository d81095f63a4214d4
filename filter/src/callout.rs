//! Requests of the filter itself, to the companion and to issuers, through the gateway.
//!
//! A callout can fail in many forms: not sent at all, an answer without headers (reset, or larger
//! than the host keeps), an answer made by the gateway (503, 504), one cut short, one that never
//! comes. Here all of them but the last become an [`AnswerError`]; that one is noticed by its
//! deadline, by whoever asked. Nothing but a status and a whole body of bounded size is ever handed
//! on as an answer.

use std::time::Duration;

use crate::host::{self, Buffer, Map, Status, Token};
use crate::pairs::Pairs;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The host did not send the request: no such cluster, no healthy endpoint, too many requests.
    #[error("the gateway did not send the request ({0})")]
    NotSent(Status),
    /// The connection was reset, or the answer was larger than the host keeps.
    #[error("the answer was lost")]
    Lost,
    /// The host has an answer but does not show it.
    #[error("the gateway does not show the answer ({0})")]
    Unreadable(Status),
    /// The host says that the answer is not all there.
    #[error("the gateway says that the answer is not whole")]
    Broken,
    /// Its status is no number.
    #[error("the answer has no status")]
    NoStatus,
    /// Reading it would hold up the worker.
    #[error("the answer has {size} bytes, at most {limit} are read")]
    TooLong {
        /// How many it has.
        size: usize,
        /// How many are read.
        limit: usize,
    },
    /// The host promised more bytes than it gave.
    #[error("the answer was cut short at {got} of {size} bytes")]
    CutShort {
        /// How many came.
        got: usize,
        /// How many were promised.
        size: usize,
    },
}

/// A request to send.
#[derive(Debug)]
pub(crate) struct Get<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    pub(crate) accept: &'a str,
    /// For `authorization: Bearer`.
    pub(crate) bearer: Option<&'a str>,
    pub(crate) timeout: Duration,
}

impl Get<'_> {
    /// Sends it; where there are no clusters, to the address that stands for one, by TLS unless it begins with
    /// `http://`.
    pub(crate) fn send(&self, calls_addresses: bool) -> Result<Token, AnswerError> {
        let mut headers = Pairs::new()
            .with(":method", "GET")
            .with(":path", self.path)
            .with(":authority", self.authority)
            .with("accept", self.accept);
        let mut upstream = self.cluster;
        if calls_addresses {
            let (scheme, address) = address(self.cluster);
            headers = headers.with(":scheme", scheme);
            upstream = address;
        }
        if let Some(bearer) = self.bearer {
            headers = headers.with("authorization", &format!("Bearer {bearer}"));
        }
        let timeout = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        // No timeout at all is what 0 means to a host.
        host::call(upstream, &headers, timeout.max(1)).map_err(AnswerError::NotSent)
    }
}

/// The scheme and the address in `https://host:port`, `http://host:port` or `host:port`.
fn address(cluster: &str) -> (&'static str, &str) {
    match (cluster.strip_prefix("http://"), cluster.strip_prefix("https://")) {
        (Some(address), _) => ("http", address),
        (None, Some(address)) => ("https", address),
        (None, None) => ("https", cluster),
    }
}

/// The status and the body of the answer that the host has now.
pub(crate) fn answer(
    header_count: usize,
    size: usize,
    limit: usize,
) -> Result<(u16, Vec<u8>), AnswerError> {
    if header_count == 0 {
        return Err(AnswerError::Lost);
    }
    // Kong shows what it has of an answer that broke off, and says here that it did.
    match host::header(Map::CalloutResponse, ":dispatch_status") {
        Ok(dispatch) if dispatch == b"ok" => {}
        Err(Status::NOT_FOUND) => {}
        Ok(_) => return Err(AnswerError::Broken),
        Err(status) => return Err(AnswerError::Unreadable(status)),
    }
    let status = host::header(Map::CalloutResponse, ":status").map_err(AnswerError::Unreadable)?;
    let status = str::from_utf8(&status).ok().and_then(|status| status.parse().ok());
    let status = status.ok_or(AnswerError::NoStatus)?;
    if size > limit {
        return Err(AnswerError::TooLong { size, limit });
    }
    if size == 0 {
        return Ok((status, Vec::new()));
    }
    let body = host::buffer(Buffer::CalloutResponse, size).map_err(AnswerError::Unreadable)?;
    if body.len() != size {
        return Err(AnswerError::CutShort { got: body.len(), size });
    }
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_called_by_tls() {
        for (cluster, expected) in [
            ("http://a:1", ("http", "a:1")),
            ("https://a:1", ("https", "a:1")),
            ("a:1", ("https", "a:1")),
        ] {
            assert_eq!(address(cluster), expected);
        }
    }
}
