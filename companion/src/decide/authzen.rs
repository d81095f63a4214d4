//! Decisions by the OpenID AuthZEN Authorization API 1.0.
//!
//! | call | answer |
//! |---|---|
//! | `POST /access/v1/evaluation` (§6) | `{"decision": …, "context": …}` |
//! | `POST /access/v1/evaluations` (§7) | `{"evaluations": […]}`, or as above without any |
//! | `GET /.well-known/authzen-configuration` (§9) | the metadata, if `decisions.url` is configured |
//!
//! Two questions can be asked ([`question`]): may this request pass, with the token that came with
//! it; and has anything happened to the token with these claims, which the caller has verified
//! itself. What is answered beside the decision, in `context`:
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
use rescind_core::json::{self, Limits, Object, Value};
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};
use serde_json::json;

use super::forward;
use super::worker::Worker;
use crate::reply::{self, Reply};

mod question;

use question::{Kind, Members, Question};

/// Where one question is asked.
pub(crate) const EVALUATION: &str = "/access/v1/evaluation";
/// Where several are.
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";
/// Where the metadata are.
pub(crate) const METADATA: &str = "/.well-known/authzen-configuration";

/// Questions in one call. A token that was not seen before costs some 50 µs, during which the
/// thread answers nobody else.
pub(crate) const MAX_EVALUATIONS: usize = 32;

/// The longest `X-Request-ID` that is sent back: a UUID has 36 characters, trace contexts some more.
const MAX_REQUEST_ID_BYTES: usize = 256;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When to stop (§7.1.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// Why a call is answered with 400.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("Content-Type must be application/json")]
    MediaType,
    #[error("{0}")]
    Json(#[from] json::JsonError),
    #[error("{0}")]
    Question(#[from] question::QuestionError),
    #[error("`{name}` is {found}, not {expected}")]
    Kind { name: &'static str, found: &'static str, expected: &'static str },
    #[error("`evaluations` has {0} elements, at most {MAX_EVALUATIONS} are answered")]
    TooMany(usize),
    #[error("`options.evaluations_semantic` is not known")]
    Semantic,
}

/// Answers a call of `caller` with this `body`.
pub(crate) fn answer(
    worker: &mut Worker,
    caller: &str,
    (path, headers, body): (&str, &HeaderMap, &[u8]),
    now: UnixTime,
) -> Reply {
    let reply = evaluate(worker, caller, (path, headers, body), now);
    let mut reply = match reply {
        Ok(value) => reply::json(StatusCode::OK, &value),
        Err(error) => reply::problem(StatusCode::BAD_REQUEST, &error.to_string()),
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
    (path, headers, body): (&str, &HeaderMap, &[u8]),
    now: UnixTime,
) -> Result<serde_json::Value, Malformed> {
    if !is_json(headers.get(header::CONTENT_TYPE)) {
        return Err(Malformed::MediaType);
    }
    let value = json::parse(body, &Limits::TOKEN)?;
    let call = value.as_object().ok_or(Malformed::Kind {
        name: "the body",
        found: value.kind(),
        expected: "an object",
    })?;
    let defaults = Members::of(call);
    let evaluations = match call.get("evaluations") {
        Some(_) if path == EVALUATION => None,
        Some(Value::Array(elements)) => Some(elements).filter(|elements| !elements.is_empty()),
        Some(other) => {
            let (name, expected) = ("evaluations", "an array");
            return Err(Malformed::Kind { name, found: other.kind(), expected });
        }
        None => None,
    };
    let Some(evaluations) = evaluations else {
        let question = Question::read(&defaults)?;
        return Ok(decision(worker, caller, &question, now));
    };
    if evaluations.len() > MAX_EVALUATIONS {
        return Err(Malformed::TooMany(evaluations.len()));
    }
    let semantic = semantic(call)?;
    let mut decisions = Vec::with_capacity(evaluations.len());
    for element in evaluations {
        let item = element.as_object().ok_or(Malformed::Kind {
            name: "evaluations[]",
            found: element.kind(),
            expected: "an object",
        })?;
        let value = match Question::read(&Members::of(item).or(&defaults)) {
            Ok(question) => decision(worker, caller, &question, now),
            // The others can be answered (§7.2.1).
            Err(error) => json!({
                "decision": false,
                "context": { "error": { "status": 400, "message": error.to_string() } },
            }),
        };
        let permitted = value.get("decision") == Some(&serde_json::Value::Bool(true));
        decisions.push(value);
        match (semantic, permitted) {
            (Semantic::DenyOnFirstDeny, false) | (Semantic::PermitOnFirstPermit, true) => break,
            _ => {}
        }
    }
    Ok(json!({ "evaluations": decisions }))
}

fn semantic(call: &Object<'_>) -> Result<Semantic, Malformed> {
    let Some(options) = call.get("options") else { return Ok(Semantic::ExecuteAll) };
    let options = options.as_object().ok_or(Malformed::Kind {
        name: "options",
        found: options.kind(),
        expected: "an object",
    })?;
    match options.get("evaluations_semantic").map(Value::as_str) {
        None | Some(Some("execute_all")) => Ok(Semantic::ExecuteAll),
        Some(Some("deny_on_first_deny")) => Ok(Semantic::DenyOnFirstDeny),
        Some(Some("permit_on_first_permit")) => Ok(Semantic::PermitOnFirstPermit),
        Some(_) => Err(Malformed::Semantic),
    }
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
    let headers = permit.headers().map(|(name, value)| (name.clone(), json!(value)));
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
