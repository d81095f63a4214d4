//! Who asks for a decision, and what is answered: one function from a call to a reply.
//!
//! | call | who | answer |
//! |---|---|---|
//! | any method, `/v1/check…` | a gateway, by `X-Rescind-Caller` | see [`forward`](super::forward) |
//! | `GET /.well-known/oauth-protected-resource…` | anybody | a resource's metadata (RFC 9728) |
//! | `GET /healthz`, `/readyz` | anybody | 200 |
//!
//! The caller's secret is in a header of its own, because `Authorization` is the client's. A gateway
//! that shows none, or a wrong one, gets 503 rather than 401: whatever it hands on, no client must
//! believe that its token is the problem.

use std::cell::RefCell;
use std::sync::Arc;

use hyper::body::Body;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use rescind_core::request::RequestView;
use rescind_core::time::UnixTime;

use super::counts::Counts;
use super::forward;
use super::original::{self, CHECK};
use super::settings::{Caller, Form};
use super::worker::{NoConnection, Worker};
use crate::reply::{self, Reply};
use crate::secret::TokenDigest;

/// What a caller shows.
const CALLER: HeaderName = HeaderName::from_static("x-rescind-caller");

/// Where resources' metadata are.
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// One thread's answers.
#[derive(Debug)]
pub(crate) struct Service {
    callers: Arc<[Caller]>,
    worker: RefCell<Worker>,
    counts: Arc<Counts>,
}

impl Service {
    /// Answers `callers` with what `worker` decides.
    pub(crate) const fn new(callers: Arc<[Caller]>, worker: Worker, counts: Arc<Counts>) -> Self {
        Self { callers, worker: RefCell::new(worker), counts }
    }

    /// Answers one call.
    pub(crate) async fn answer<B: Body>(&self, request: Request<B>) -> Reply {
        let (call, _body) = request.into_parts();
        let path = call.uri.path();
        let get = matches!(call.method, Method::GET | Method::HEAD);
        match path {
            "/healthz" | "/readyz" if get => reply::text(StatusCode::OK, "ok\n"),
            _ if path == CHECK || path.strip_prefix(CHECK).is_some_and(|p| p.starts_with('/')) => {
                self.check(&call, crate::clock::now())
            }
            _ if path.starts_with(METADATA) => self.metadata(&call),
            _ => reply::problem(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    fn check(&self, call: &Parts, now: UnixTime) -> Reply {
        let Some(caller) = self.caller(&call.headers) else {
            self.counts.unknown_caller();
            return reply::unavailable("the gateway that asks is not known by `x-rescind-caller`");
        };
        // Nobody else has it: nothing waits between here and the end.
        let Ok(mut worker) = self.worker.try_borrow_mut() else {
            return reply::unavailable("the gate is busy");
        };
        let form = caller.form;
        if form != Form::Envoy && call.uri.path() != CHECK {
            return reply::problem(StatusCode::NOT_FOUND, "there is nothing here");
        }
        let view = match original::view(form, call) {
            Ok(view) => view,
            Err(denial) => {
                worker.refuse(&caller.name, &denial, now);
                let challenge = worker.config().challenge.clone();
                return forward::refused(form, &denial, &challenge);
            }
        };
        match worker.decide(&caller.name, &view, &NoConnection, now) {
            Ok(permit) => forward::permitted(form, &permit, worker.config()),
            Err(denial) => {
                let challenge = worker.config().challenge_to(&view);
                forward::refused(form, &denial, &challenge)
            }
        }
    }

    /// Who asks, if that is known.
    fn caller(&self, headers: &HeaderMap) -> Option<&Caller> {
        if let [Caller { token: None, .. }] = *self.callers {
            return self.callers.first();
        }
        let mut shown = headers.get_all(CALLER).iter();
        let (Some(value), None) = (shown.next(), shown.next()) else { return None };
        let shown = TokenDigest::of(value.as_bytes());
        let is_it = |caller: &&Caller| caller.token.is_some_and(|token| token.matches(&shown));
        self.callers.iter().find(is_it)
    }

    fn metadata(&self, call: &Parts) -> Reply {
        let nothing = || reply::problem(StatusCode::NOT_FOUND, "there is nothing here");
        let mut hosts = call.headers.get_all(hyper::header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return nothing() };
        let view = RequestView {
            method: call.method.as_str().as_bytes(),
            path: call.uri.path().as_bytes(),
            host: host.as_bytes(),
            ..RequestView::default()
        };
        let Ok(worker) = self.worker.try_borrow() else {
            return reply::unavailable("the gate is busy");
        };
        let Some(answer) = worker.config().metadata(&view) else { return nothing() };
        let mut reply = Reply::new(http_body_util::Full::from(answer.body.to_vec()));
        *reply.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::NOT_FOUND);
        for (name, value) in &answer.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                reply.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        reply
    }
}
