//! Who asks for a decision, and what is answered: one function from a call to a reply.
//!
//! | call | who | answer |
//! |---|---|---|
//! | any method, `/v1/check…` | a gateway, by `X-Rescind-Caller` | see [`forward`](super::forward) |
//! | `POST /access/v1/evaluation`, `/evaluations` | a caller, by a bearer token | see [`authzen`](super::authzen) |
//! | gRPC, `envoy.service.auth.v3.Authorization/Check` | Envoy, by `x-rescind-caller` | see [`grpc`](super::grpc) |
//! | `GET /.well-known/authzen-configuration` | anybody | AuthZEN's metadata |
//! | `GET /.well-known/oauth-protected-resource…` | anybody | a resource's metadata (RFC 9728) |
//! | `GET /healthz`, `/readyz` | anybody | 200 |
//!
//! The caller's secret is in a header of its own, because `Authorization` is the client's. A gateway
//! that shows none, or a wrong one, gets 503 rather than 401: whatever it hands on, no client must
//! believe that its token is the problem.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use rescind_core::request::RequestView;
use rescind_core::time::UnixTime;

use super::counts::Counts;
use super::form::{Form, Forward};
use super::original::{self, CHECK};
use super::settings::Caller;
use super::worker::{NoConnection, Worker};
use super::{authzen, forward, grpc};
use crate::reply::{self, Reply};
use crate::secret::TokenDigest;

/// What a caller shows.
const CALLER: HeaderName = HeaderName::from_static("x-rescind-caller");

/// Where resources' metadata are.
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// An answer, of HTTP or of gRPC.
pub(crate) type Answered = Response<Either<Full<Bytes>, grpc::Answer>>;

/// One thread's answers.
#[derive(Debug)]
pub(crate) struct Service {
    callers: Arc<[Caller]>,
    worker: RefCell<Worker>,
    counts: Arc<Counts>,
    /// For AuthZEN's metadata.
    url: Option<String>,
}

impl Service {
    /// Answers `callers` with what `worker` decides.
    pub(crate) const fn new(
        callers: Arc<[Caller]>,
        worker: Worker,
        counts: Arc<Counts>,
        url: Option<String>,
    ) -> Self {
        Self { callers, worker: RefCell::new(worker), counts, url }
    }

    /// Answers one call.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answered {
        if grpc::is_grpc(request.method(), request.headers()) {
            return self.call(request).await.map(Either::Right);
        }
        self.reply(request).await.map(Either::Left)
    }

    async fn reply(&self, request: Request<Incoming>) -> Reply {
        if matches!(request.uri().path(), authzen::EVALUATION | authzen::EVALUATIONS) {
            return self.evaluate(request).await;
        }
        // No gateway sends the body that it asks about, and nothing here would read it.
        let (call, _body) = request.into_parts();
        let path = call.uri.path();
        let get = matches!(call.method, Method::GET | Method::HEAD);
        match path {
            "/healthz" | "/readyz" if get => reply::text(StatusCode::OK, "ok\n"),
            _ if path == CHECK || path.strip_prefix(CHECK).is_some_and(|p| p.starts_with('/')) => {
                self.check(&call, crate::clock::now())
            }
            _ if path.starts_with(METADATA) => self.metadata(&call),
            authzen::METADATA => match &self.url {
                Some(url) => authzen::metadata(&call.method, url),
                None => reply::problem(StatusCode::NOT_FOUND, "`decisions.url` is not configured"),
            },
            _ => reply::problem(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    fn check(&self, call: &Parts, now: UnixTime) -> Reply {
        let shown = only(&call.headers, &CALLER).map(|value| TokenDigest::of(value.as_bytes()));
        let is_forward = |form| match form {
            Form::Forward(forward) => Some(forward),
            Form::AuthZen | Form::EnvoyGrpc => None,
        };
        let Some((caller, form)) = self.caller(shown, is_forward) else {
            self.counts.unknown_caller();
            return reply::unavailable("the gateway that asks is not known by `x-rescind-caller`");
        };
        // Nobody else has it: nothing waits between here and the end.
        let Ok(mut worker) = self.worker.try_borrow_mut() else {
            return reply::unavailable("the gate is busy");
        };
        if form != Forward::Envoy && call.uri.path() != CHECK {
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
            Ok(permit) => forward::permitted(form, &permit, &view, worker.config()),
            Err(denial) => {
                let challenge = worker.config().challenge_to(&view);
                forward::refused(form, &denial, &challenge)
            }
        }
    }

    /// Answers a call of AuthZEN.
    async fn evaluate(&self, request: Request<Incoming>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let headers = request.headers().clone();
        let reply = self.evaluate_as(request, &method, &path, &headers).await;
        reply.unwrap_or_else(|mut refusal| {
            authzen::identify(&mut refusal, &headers);
            refusal
        })
    }

    async fn evaluate_as(
        &self,
        request: Request<Incoming>,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Reply, Reply> {
        let asks = |form| (form == Form::AuthZen).then_some(());
        let Some((caller, ())) = self.caller(crate::service::bearer(headers), asks) else {
            self.counts.unknown_caller();
            return Err(reply::unauthorized());
        };
        if *method != Method::POST {
            return Err(reply::method("POST"));
        }
        let body = crate::body::read(request)
            .await
            .map_err(|status| reply::problem(status, reply::body_problem(status)))?;
        let Ok(mut worker) = self.worker.try_borrow_mut() else {
            return Err(reply::unavailable("the gate is busy"));
        };
        let now = crate::clock::now();
        Ok(authzen::answer(&mut worker, &caller.name, (path, headers, &body), now))
    }

    /// Answers a call of gRPC.
    async fn call(&self, request: Request<Incoming>) -> Response<grpc::Answer> {
        if request.uri().path() != grpc::CHECK {
            return grpc::failed(grpc::Status::Unimplemented);
        }
        let shown = only(request.headers(), &CALLER);
        let shown = shown.map(|value| TokenDigest::of(value.as_bytes()));
        let asks = |form| (form == Form::EnvoyGrpc).then_some(());
        let Some((caller, ())) = self.caller(shown, asks) else {
            self.counts.unknown_caller();
            return grpc::failed(grpc::Status::Unauthenticated);
        };
        let body = match crate::body::read_up_to(grpc::MAX_MESSAGE_BYTES, request).await {
            Ok(body) => body,
            Err(StatusCode::PAYLOAD_TOO_LARGE) => {
                return grpc::failed(grpc::Status::ResourceExhausted);
            }
            Err(_) => return grpc::failed(grpc::Status::InvalidArgument),
        };
        let Ok(mut worker) = self.worker.try_borrow_mut() else {
            return grpc::failed(grpc::Status::Unavailable);
        };
        grpc::check(&mut worker, &caller.name, body, crate::clock::now())
    }

    /// Who asks, if that is known and asks in such a form.
    fn caller<F>(
        &self,
        shown: Option<TokenDigest>,
        asks: impl Fn(Form) -> Option<F>,
    ) -> Option<(&Caller, F)> {
        let caller = match &*self.callers {
            [caller @ Caller { token: None, .. }] => caller,
            callers => {
                let shown = shown?;
                let is_it =
                    |caller: &&Caller| caller.token.is_some_and(|token| token.matches(&shown));
                callers.iter().find(is_it)?
            }
        };
        Some((caller, asks(caller.form)?))
    }

    fn metadata(&self, call: &Parts) -> Reply {
        let nothing = || reply::problem(StatusCode::NOT_FOUND, "there is nothing here");
        let Some(host) = only(&call.headers, &hyper::header::HOST) else { return nothing() };
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
        let mut reply = Reply::new(Full::from(answer.body.to_vec()));
        *reply.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::NOT_FOUND);
        for (name, value) in &answer.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                reply.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        reply
    }
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}
