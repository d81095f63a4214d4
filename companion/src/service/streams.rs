//! `/v1/streams`: the streams of the transmitters, for the operator.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/streams` | 200 with all of them |
//! | `GET /v1/streams/<transmitter>` | 200 with one |
//! | `POST /v1/streams/<transmitter>/<verb>` | 200 with the stream as it is then; 502 if the transmitter does not do it |
//!
//! Verbs: `add`, `verify`, `status`, `pause`, `resume`, `disable`, `update`, `replace`, `delete`,
//! `add-subject` and `remove-subject`; the last two take the subject identifier as the body.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{Service, read};
use crate::receiver::Receiver;
use crate::reply::{self, Reply};
use crate::stream::{Command, Status};

impl Service {
    /// Answers a request below `/v1/streams`; `rest` is what follows it.
    pub(super) async fn streams(&self, rest: &str, request: Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let now = crate::clock::now();
        if rest.is_empty() {
            let all: Vec<_> = self.receivers.iter().map(|r| r.stream().shown(now)).collect();
            return if get {
                reply::json(StatusCode::OK, &json!({ "streams": all }))
            } else {
                reply::method("GET, HEAD")
            };
        }
        let (name, verb) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(receiver) = self.receivers.iter().find(|receiver| receiver.name() == name) else {
            return reply::problem(StatusCode::NOT_FOUND, "no transmitter of this name");
        };
        match verb {
            "" if get => reply::json(StatusCode::OK, &receiver.stream().shown(now)),
            "" => reply::method("GET, HEAD"),
            _ if *request.method() != Method::POST => reply::method("POST"),
            verb => self.command(Arc::clone(receiver), verb.to_owned(), request).await,
        }
    }

    async fn command(
        &self,
        receiver: Arc<Receiver>,
        verb: String,
        request: Request<Incoming>,
    ) -> Reply {
        let command = match verb.as_str() {
            "add" => Command::Add,
            "verify" => Command::Verify,
            "status" => Command::Status,
            "pause" => Command::Set(Status::Paused),
            "resume" => Command::Set(Status::Enabled),
            "disable" => Command::Set(Status::Disabled),
            "update" => Command::Update,
            "replace" => Command::Replace,
            "delete" => Command::Delete,
            "add-subject" | "remove-subject" => {
                let body = match read(request).await {
                    Ok(body) => body,
                    Err(status) => return reply::problem(status, reply::body_problem(status)),
                };
                let subject: Option<Value> = serde_json::from_slice(&body).ok();
                let Some(subject) = subject.filter(Value::is_object) else {
                    let wrong = "the body must be a subject identifier (RFC 9493)";
                    return reply::problem(StatusCode::BAD_REQUEST, wrong);
                };
                if verb == "add-subject" {
                    Command::AddSubject(subject)
                } else {
                    Command::RemoveSubject(subject)
                }
            }
            _ => return reply::problem(StatusCode::NOT_FOUND, "nothing of this name can be done"),
        };
        tracing::info!(transmitter = receiver.name(), verb, "stream: the operator's command");
        // Of its own, so that an operator who hangs up does not leave it half done.
        let done =
            tokio::spawn(async move { receiver.stream().command(receiver.peer(), command).await });
        match done.await {
            Ok(Ok(shown)) => reply::json(StatusCode::OK, &shown),
            Ok(Err(error)) => reply::problem(StatusCode::BAD_GATEWAY, &error.to_string()),
            Err(_) => reply::unavailable("the companion is going down"),
        }
    }
}
