//! Decisions for Envoy's `ext_authz` over gRPC: `envoy.service.auth.v3.Authorization/Check`.
//!
//! Envoy shows the whole request: its own `:path`, so nothing is lost on the way, and with
//! `encode_raw_headers` each header as it came. Without that it joins headers of one name by commas;
//! two credentials are then one that is malformed, and are refused as well. With
//! `include_peer_certificate` it shows the client's certificate, and tokens that are bound to one
//! can pass.
//!
//! The answer sets the identity headers and removes what a client must not send; dynamic metadata
//! say `subject`, or `reason` and `signal`, for access logs. Whatever goes wrong in the call itself
//! is an error of gRPC, which Envoy refuses (`failure_mode_allow: false`, its default).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response};
use prost::Message as _;
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};

use super::forward;
use super::worker::Worker;

mod asked;
mod messages;

use asked::{Asked, PREFIX_BYTES, Unread, message};
use messages::CheckResponse;

/// Where Envoy asks.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The longest message: Envoy's own limit for a request's headers is 60 KiB, a certificate has some
/// more, and everything may be there twice (`headers` and `header_map`).
pub(crate) const MAX_MESSAGE_BYTES: usize = 192 * 1024;

/// Statuses of gRPC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    /// An answer, whatever it says.
    Ok = 0,
    /// The call cannot be read.
    InvalidArgument = 3,
    /// The call is too long.
    ResourceExhausted = 8,
    /// The message is compressed, or it is another method.
    Unimplemented = 12,
    /// Nobody can answer now.
    Unavailable = 14,
    /// The caller is not known.
    Unauthenticated = 16,
}

/// An answer: at most one message, and trailers.
#[derive(Debug)]
pub(crate) struct Answer {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.message.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

/// Whether this is a call of gRPC at all.
pub(crate) fn is_grpc(method: &Method, headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    *method == Method::POST
        && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// A call that is answered with nothing but a status.
pub(crate) fn failed(status: Status) -> Response<Answer> {
    let mut response = with(Answer { message: None, trailers: None });
    // Without a message the status stands in the headers (gRPC over HTTP/2, "Trailers-Only").
    response.headers_mut().insert("grpc-status", number(status));
    response
}

/// Answers `caller`'s call with this body.
pub(crate) fn check(
    worker: &mut Worker,
    caller: &str,
    body: Bytes,
    now: UnixTime,
) -> Response<Answer> {
    let request = match message(body) {
        Ok(request) => request,
        Err(Unread::Malformed) => return failed(Status::InvalidArgument),
        Err(Unread::Compressed) => return failed(Status::Unimplemented),
    };
    let Some(asked) = Asked::new(&request) else { return failed(Status::InvalidArgument) };
    let view = asked.view();
    let answer = match worker.decide(caller, &view, &asked, now) {
        Ok(permit) => permitted(&permit, worker),
        Err(denial) => {
            let challenge = worker.config().challenge_to(&view);
            refused(&denial, &challenge)
        }
    };
    let bytes = answer.encode_to_vec();
    let mut framed = BytesMut::with_capacity(bytes.len().saturating_add(PREFIX_BYTES));
    framed.extend_from_slice(&[0]);
    framed.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(&bytes);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", number(Status::Ok));
    with(Answer { message: Some(framed.freeze()), trailers: Some(trailers) })
}

fn with(answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    let value = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

const fn number(status: Status) -> HeaderValue {
    HeaderValue::from_static(match status {
        Status::Ok => "0",
        Status::InvalidArgument => "3",
        Status::ResourceExhausted => "8",
        Status::Unimplemented => "12",
        Status::Unavailable => "14",
        Status::Unauthenticated => "16",
    })
}

fn permitted(permit: &Permit, worker: &Worker) -> CheckResponse {
    let headers = permit.headers();
    let removed = forward::removed(permit, worker.config());
    let known = permit.subject().map(|subject| ("subject", subject.to_owned()));
    CheckResponse::ok(headers, removed, known.into_iter())
}

fn refused(denial: &Denial, challenge: &rescind_core::config::Challenge) -> CheckResponse {
    let response = denial.response(challenge);
    let headers = response.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signal = denial.signal().map(|signal| ("signal", signal.to_string()));
    let known = [("reason", denial.reason().to_owned())].into_iter().chain(signal);
    CheckResponse::denied(response.status, headers, response.body, known)
}

#[cfg(test)]
mod tests;
