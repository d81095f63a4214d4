//! Decisions by the OpenID AuthZEN Authorization API 1.0.
//!
//! | call | answer |
//! |---|---|
//! | `POST /access/v1/evaluation` (§6) | `{"decision": …, "context": …}` |
//! | `POST /access/v1/evaluations` (§7) | `{"evaluations": […]}`, or as above without any |
//! | `GET /.well-known/authzen-configuration` (§9) | the metadata, if `decisions.url` is configured |
//!
//! Three questions can be asked ([`question`]): may this request pass, or this MCP message, with the
//! token that came with it; and has anything happened to the token with these claims, which the
//! caller has verified itself. What is answered beside the decision, in `context`:
//!
//! - of a permit: `subject` and `issuer` of the token, and what to do to the request: `headers` to set
//!   and `remove`, names that must not reach the service;
//! - of a refusal: `reason` (as in metrics), `signal` if there was one, and `response`: the status,
//!   headers and body that the client should get. `reason` and `signal` are not for clients.
//!
//! 400 if a call cannot be read, 401 without the caller's bearer token; a refusal is a 200 with
//! `"decision": false`. `X-Request-ID` comes back as it was sent (§10).

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use rescind_core::config::{Challenge, Config};
use rescind_core::json::{self, Limits};
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};
use serde_json::json;

use super::forward;
use super::worker::Worker;
use crate::reply::{self, Reply};

mod call;
mod message;
mod question;

use call::{Call, Malformed};
use question::{Kind, Question};

/// Where one question is asked.
pub(crate) const EVALUATION: &str = "/access/v1/evaluation";
/// Where several are.
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";
/// Where the metadata are.
pub(crate) const METADATA: &str = "/.well-known/authzen-configuration";

/// The longest `X-Request-ID` that is sent back: a UUID has 36 characters, trace contexts some more.
const MAX_REQUEST_ID_BYTES: usize = 256;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a call of `caller` with this `body`.
pub(crate) fn answer(
    worker: &mut Worker,
    caller: &str,
    (path, headers, body): (&str, &HeaderMap, &[u8]),
    now: UnixTime,
) -> Reply {
    let malformed = |why: &str| reply::problem(StatusCode::BAD_REQUEST, why);
    let mut reply = if is_json(headers.get(header::CONTENT_TYPE)) {
        match evaluate(worker, caller, (path, body), now) {
            Ok(value) => reply::json(StatusCode::OK, &value),
            Err(error) => malformed(&error.to_string()),
        }
    } else {
        malformed("Content-Type must be application/json")
    };
    identify(&mut reply, headers);
    reply
}

/// The metadata of the decision point at `url`.
pub(crate) fn metadata(method: &Method, url: &str) -> Reply {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return reply::method("GET, HEAD");
    }
    let metadata = json!({
        "policy_decision_point": url,
        "access_evaluation_endpoint": format!("{url}{EVALUATION}"),
        "access_evaluations_endpoint": format!("{url}{EVALUATIONS}"),
    });
    reply::json(StatusCode::OK, &metadata)
}

/// Sends `X-Request-ID` back.
pub(crate) fn identify(reply: &mut Reply, asked: &HeaderMap) {
    let mut ids = asked.get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (ids.next(), ids.next())
        && id.len() <= MAX_REQUEST_ID_BYTES
    {
        reply.headers_mut().insert(REQUEST_ID, id.clone());
    }
}

fn evaluate(
    worker: &mut Worker,
    caller: &str,
    (path, body): (&str, &[u8]),
    now: UnixTime,
) -> Result<serde_json::Value, Malformed> {
    let value = json::parse(body, &Limits::TOKEN)?;
    let (semantic, questions) = match Call::read(&value, path == EVALUATIONS)? {
        Call::One(question) => return Ok(decision(worker, caller, &question, now)),
        Call::Several { semantic, questions } => (semantic, questions),
    };
    let mut decisions = Vec::with_capacity(questions.len());
    for question in &questions {
        let value = match question {
            Ok(question) => decision(worker, caller, question, now),
            Err(error) => json!({
                "decision": false,
                "context": { "error": { "status": 400, "message": error.to_string() } },
            }),
        };
        let permitted = value.get("decision") == Some(&serde_json::Value::Bool(true));
        decisions.push(value);
        if semantic.ends_with(permitted) {
            break;
        }
    }
    Ok(json!({ "evaluations": decisions }))
}

fn decision(
    worker: &mut Worker,
    caller: &str,
    question: &Question<'_>,
    now: UnixTime,
) -> serde_json::Value {
    match &question.kind {
        Kind::Request(request) => {
            let view = request.view();
            match worker.decide(caller, &view, &request.connection(), now) {
                Ok(permit) if !question.is_about(permit.subject()) => json!({
                    "decision": false,
                    "context": { "reason": "another_subject" },
                }),
                Ok(permit) => permitted(&permit, worker.config()),
                Err(denial) => {
                    let challenge = worker.config().challenge_to(&view);
                    refused(&denial, &challenge)
                }
            }
        }
        Kind::Claims(claims) => match worker.recall(caller, claims, now) {
            Ok(()) => json!({ "decision": true }),
            Err(denial) => refused(&denial, &challenge(worker.config())),
        },
    }
}

fn challenge(config: &Config) -> Challenge {
    config.challenge.clone()
}

fn permitted(permit: &Permit, config: &Config) -> serde_json::Value {
    let headers = permit.headers().map(|(name, value)| (name.to_owned(), json!(value)));
    let headers: serde_json::Map<_, _> = headers.collect();
    let mut context = json!({ "headers": headers, "remove": forward::removed(permit, config) });
    for (name, value) in [("subject", permit.subject()), ("issuer", permit.issuer())] {
        if let (Some(value), Some(members)) = (value, context.as_object_mut()) {
            members.insert(name.to_owned(), json!(value));
        }
    }
    json!({ "decision": true, "context": context })
}

fn refused(denial: &Denial, challenge: &Challenge) -> serde_json::Value {
    let response = denial.response(challenge);
    let mut headers = serde_json::Map::new();
    for (name, value) in &response.headers {
        // Several challenges are one list (RFC 9110 §5.3).
        let joined = match headers.get(*name).and_then(serde_json::Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        headers.insert((*name).to_owned(), json!(joined));
    }
    let mut context = json!({
        "reason": denial.reason(),
        "response": { "status": response.status, "headers": headers, "body": response.body },
    });
    if let (Some(signal), Some(members)) = (denial.signal(), context.as_object_mut()) {
        members.insert("signal".to_owned(), json!(signal.to_string()));
    }
    json!({ "decision": false, "context": context })
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
