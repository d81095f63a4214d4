//! The forms of answers: statuses, headers and bodies in one place.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer.
pub(crate) type Reply = Response<Full<Bytes>>;

/// What a transmitter waits before it tries again: a full disk is not emptied in less.
const RETRY_AFTER_SECS: &str = "5";

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 202 without a body (RFC 8935 §2.2).
pub(crate) fn accepted() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::ACCEPTED;
    reply
}

/// A signed page.
pub(crate) fn cbor(page: Bytes) -> Reply {
    reply(StatusCode::OK, "application/cbor", page)
}

/// JSON.
pub(crate) fn json(status: StatusCode, value: &Value) -> Reply {
    reply(status, "application/json", Bytes::from(value.to_string()))
}

/// One line for probes.
pub(crate) fn text(status: StatusCode, line: &'static str) -> Reply {
    reply(status, "text/plain; charset=utf-8", Bytes::from_static(line.as_bytes()))
}

/// The page for Prometheus.
pub(crate) fn metrics(page: String) -> Reply {
    reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Bytes::from(page))
}

/// An error that is not about a SET.
pub(crate) fn problem(status: StatusCode, description: &str) -> Reply {
    json(status, &json!({ "error": description }))
}

/// An error about a SET, in the form of RFC 8935 §2.3.
pub(crate) fn set_error(status: StatusCode, code: &str, description: &str) -> Reply {
    let mut reply = json(status, &json!({ "err": code, "description": description }));
    reply.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    reply
}

/// A push without the transmitter's token.
pub(crate) fn unauthenticated() -> Reply {
    let description = "the request needs the transmitter's bearer token";
    challenge(set_error(StatusCode::UNAUTHORIZED, "authentication_failed", description))
}

/// Any other request without its token.
pub(crate) fn unauthorized() -> Reply {
    challenge(problem(StatusCode::UNAUTHORIZED, "the request needs a bearer token"))
}

fn challenge(mut reply: Reply) -> Reply {
    let value = HeaderValue::from_static("Bearer realm=\"rescind\"");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    reply
}

/// Come back later: nothing was kept.
pub(crate) fn unavailable(description: &str) -> Reply {
    let mut reply = problem(StatusCode::SERVICE_UNAVAILABLE, description);
    let value = HeaderValue::from_static(RETRY_AFTER_SECS);
    reply.headers_mut().insert(header::RETRY_AFTER, value);
    reply
}

/// Another method is meant.
pub(crate) fn method(allowed: &'static str) -> Reply {
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here");
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// Why a body could not be read.
pub(crate) fn body_problem(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is longer than 64 KiB",
        StatusCode::REQUEST_TIMEOUT => "the body took longer than 10 s",
        _ => "the body broke off",
    }
}
