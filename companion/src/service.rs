//! What the companion answers: one function from a request to a response.
//!
//! | request | who | answer |
//! |---|---|---|
//! | `POST /v1/push/<name>` | the transmitter | 202, or 400 with a code of RFC 8935 |
//! | `GET /v1/feed` | a gateway | 200 with a page |
//! | `POST /v1/signals` | the operator | 202 with the SET's names |
//! | `GET /v1/signals/<signal or jti>` | the operator | 200 with the SET and what it means |
//! | `GET /v1/notes/refused`, `/v1/notes/unmatched` | the operator | 200 with the last of the audit trail |
//! | `GET /v1/export/<list>?after=` | the operator | 200 with a page of the live table or the audit trail |
//! | `POST /v1/import` | the operator | see [`import`] |
//! | `GET /v1/status` | the operator | 200 |
//! | `/v1/streams…` | the operator | see [`streams`] |
//! | `GET /healthz`, `/readyz`, `/metrics` | anybody | 200, or 503 from `/readyz` |
//!
//! The listener (see [`crate::server`]) knows nothing of this; this knows nothing of sockets.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request, StatusCode};
use rescind_core::feed::Cursor;
use serde_json::json;
use tokio::sync::watch;

use crate::authorization::Peer;
use crate::body::read;
use crate::config::{Config, Delivery, Gateway, Identity};
use crate::decide::counts::Counts;
use crate::export::List;
use crate::feed::{Feed, parse_wait};
use crate::followers::Followers;
use crate::gaps::Gaps;
use crate::journal::{Journal, JournalError, NoteKind, Submit};
use crate::keys::Keys;
use crate::live::LiveLog;
use crate::metrics::{Counter, Metrics};
use crate::outbound::Outbound;
use crate::receiver::{Intake, Receiver, Refusal};
use crate::reply::{self, Reply};
use crate::secret::TokenDigest;
use crate::signals::{SignalError, signal};
use crate::stream::driver::{Stream, StreamParts};
use crate::stream::event::States;
use crate::unmatched::Reach;

mod import;
mod streams;

/// Everything that requests need.
#[derive(Debug)]
pub(crate) struct Service {
    receivers: Vec<Arc<Receiver>>,
    gateways: Vec<Gateway>,
    operator: Option<TokenDigest>,
    identity: Option<Identity>,
    intake: Intake,
    feed: Arc<Feed>,
    followers: Followers,
    gaps: Arc<Gaps>,
    journal: Arc<Journal>,
    live: Arc<LiveLog>,
    metrics: Arc<Metrics>,
    draining: watch::Receiver<bool>,
    decisions: Option<Arc<Counts>>,
}

impl Service {
    /// Serves `config` from `journal` and `live`; new SETs go to `submit`.
    pub(crate) fn new(
        config: Config,
        journal: Arc<Journal>,
        live: Arc<LiveLog>,
        submit: Submit,
        metrics: Arc<Metrics>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let subject_key = config.feed.subject_key;
        let states = States::new(&subject_key);
        let reach = Reach::new(config.issuers);
        let intake =
            Intake::new(subject_key, Arc::clone(&journal), submit, reach, Arc::clone(&metrics));
        let gaps = Arc::new(Gaps::default());
        let feed = Arc::new(Feed::new(
            Arc::clone(&live),
            Arc::clone(&gaps),
            config.feed.key,
            journal.log(),
            config.feed.retention,
            Arc::clone(&metrics),
        ));
        let receivers = config.transmitters.into_iter().map(|transmitter| {
            let http = Outbound::new(&transmitter.roots);
            let (name, source) = (&transmitter.name, transmitter.keys.clone());
            let keys = Arc::new(Keys::new(name, source, http.clone(), Arc::clone(&metrics)));
            let peer = Arc::new(Peer::new(http, transmitter.credential.clone()));
            let parts = StreamParts {
                name: transmitter.name.clone(),
                settings: transmitter.stream.clone(),
                push_token_file: transmitter.push_token_file.clone(),
                patience: transmitter.gap_after,
                states: states.clone(),
                journal: Arc::clone(&journal),
                metrics: Arc::clone(&metrics),
            };
            let stream = Arc::new(Stream::new(parts, crate::clock::now()));
            Arc::new(Receiver::new(transmitter, keys, peer, stream))
        });
        let receivers: Vec<_> = receivers.collect();
        // Those from before the restart, before any gateway is answered.
        gaps.gather(&receivers);
        Self {
            receivers,
            gaps,
            followers: Followers::new(config.gateways.len()),
            gateways: config.gateways,
            operator: config.operator,
            identity: config.identity,
            intake,
            feed,
            journal,
            live,
            metrics,
            draining,
            decisions: None,
        }
    }

    /// From now on the metrics also show what was decided, which is to be counted there.
    pub(crate) fn count_decisions(&mut self) -> Arc<Counts> {
        Arc::clone(self.decisions.get_or_insert_default())
    }

    /// The gaps that the feed tells.
    pub(crate) const fn gaps(&self) -> &Arc<Gaps> {
        &self.gaps
    }

    /// The feed.
    pub(crate) const fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// What receives SETs.
    pub(crate) fn receivers(&self) -> &[Arc<Receiver>] {
        &self.receivers
    }

    /// Where received SETs go.
    pub(crate) const fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The keys that have to be kept fresh.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Arc<Keys>> {
        self.receivers.iter().map(|receiver| Arc::clone(receiver.keys()))
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = *request.method() == Method::POST;
        match path.strip_prefix("/v1/").unwrap_or(&path) {
            "/healthz" if get => reply::text(StatusCode::OK, "ok\n"),
            "/readyz" if get && *self.draining.borrow() => {
                reply::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/readyz" if get => reply::text(StatusCode::OK, "ready\n"),
            "/metrics" if get => reply::metrics(self.metrics_page()),
            "feed" if get => self.follow(&request).await,
            "status" if get => self.status(&request),
            "signals" if post => self.make(request).await,
            "import" if post => self.import(request).await,
            "streams" => self.streams("", request).await,
            "feed" | "status" | "/healthz" | "/readyz" | "/metrics" => reply::method("GET, HEAD"),
            "signals" | "import" => reply::method("POST"),
            "notes/refused" if get => self.notes(NoteKind::Refused, &request),
            "notes/unmatched" if get => self.notes(NoteKind::Unmatched, &request),
            "notes/refused" | "notes/unmatched" => reply::method("GET, HEAD"),
            other if other.starts_with("streams/") => {
                self.streams(other.trim_start_matches("streams/"), request).await
            }
            other => match (other.strip_prefix("push/"), other.strip_prefix("signals/")) {
                (Some(name), _) if post => self.push(name, request).await,
                (Some(_), _) => reply::method("POST"),
                (_, Some(name)) if get => self.show(name, &request),
                (_, Some(_)) => reply::method("GET, HEAD"),
                (None, None) if other.starts_with("export/") && get => {
                    self.export(other.trim_start_matches("export/"), &request)
                }
                (None, None) => reply::problem(StatusCode::NOT_FOUND, "there is nothing here"),
            },
        }
    }

    async fn push(&self, name: &str, request: Request<Incoming>) -> Reply {
        let named = |receiver: &&Arc<Receiver>| {
            receiver.name() == name && matches!(receiver.delivery(), Delivery::Push(_))
        };
        let Some(receiver) = self.receivers.iter().find(named) else {
            return reply::problem(StatusCode::NOT_FOUND, "no transmitter of this name pushes");
        };
        if !bearer(request.headers()).is_some_and(|token| receiver.admits(&token)) {
            self.metrics.count(Counter::Unauthenticated);
            return reply::unauthenticated();
        }
        if !is_set(request.headers()) {
            let description = "Content-Type must be application/secevent+jwt";
            return self.refuse(StatusCode::BAD_REQUEST, description);
        }
        let body = match read(request).await {
            Ok(body) => body,
            Err(status) => return self.refuse(status, reply::body_problem(status)),
        };
        match receiver.receive(body, None, &self.intake, crate::clock::now()).await {
            Ok(_) => reply::accepted(),
            Err(refusal) => refused(&refusal),
        }
    }

    fn refuse(&self, status: StatusCode, description: &str) -> Reply {
        self.metrics.count(Counter::SetsRefused);
        self.metrics.count(Counter::InvalidRequest);
        reply::set_error(status, "invalid_request", description)
    }

    async fn follow(&self, request: &Request<Incoming>) -> Reply {
        let Some(gateway) = self.gateway(request) else { return reply::unauthorized() };
        let query = request.uri().query().unwrap_or_default();
        let cursor = match parameter(query, "after") {
            None | Some("") => None,
            Some(text) => match Cursor::parse(text) {
                Some(cursor) => Some(cursor),
                None => {
                    let wrong = "`after` is not a cursor: <32 hex digits>.<sequence>";
                    return reply::problem(StatusCode::BAD_REQUEST, wrong);
                }
            },
        };
        let wait = match parameter(query, "wait").map(parse_wait) {
            None => Duration::ZERO,
            Some(Some(wait)) => wait,
            Some(None) => {
                let wrong = "`wait` is not a duration such as `25s` or `500ms`";
                return reply::problem(StatusCode::BAD_REQUEST, wrong);
            }
        };
        let from = self.feed.start(cursor);
        let _waiting = self.followers.asks(gateway, from, crate::clock::now());
        let gaps = parameter(query, "gaps").and_then(|gaps| u32::from_str_radix(gaps, 16).ok());
        // A foreign cursor is answered at once: the gateway has to know before anything happens.
        let known = cursor.is_none_or(|cursor| cursor.sequence == from);
        if known && !wait.is_zero() {
            let mut draining = self.draining.clone();
            let drained = async move {
                let _last_value = draining.wait_for(|draining| *draining).await.map(|value| *value);
            };
            tokio::select! {
                () = self.feed.news(from, gaps.unwrap_or(0), wait) => {}
                () = drained => {}
            }
        }
        let now = crate::clock::now();
        let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("json") && !accept.contains("cbor")) {
            return reply::json(StatusCode::OK, &self.feed.json(from, now));
        }
        reply::cbor(self.feed.signed(from, now))
    }

    /// Which gateway asks. The name it gives only saves comparisons; its token decides.
    fn gateway(&self, request: &Request<Incoming>) -> Option<usize> {
        let presented = bearer(request.headers())?;
        let name = parameter(request.uri().query().unwrap_or_default(), "gateway");
        let named = self.gateways.iter().position(|gateway| Some(gateway.name.as_str()) == name);
        let matches = |gateway: &Gateway| gateway.token.matches(&presented);
        match named {
            Some(at) if self.gateways.get(at).is_some_and(matches) => Some(at),
            _ => self.gateways.iter().position(matches),
        }
    }

    fn is_operator(&self, headers: &HeaderMap) -> bool {
        match (&self.operator, bearer(headers)) {
            (Some(operator), Some(presented)) => operator.matches(&presented),
            _ => false,
        }
    }

    async fn make(&self, request: Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        let Some(identity) = &self.identity else {
            let wrong = "nothing can be signalled from here: the configuration has no `[identity]`";
            return reply::problem(StatusCode::CONFLICT, wrong);
        };
        let body = match read(request).await {
            Ok(body) => body,
            Err(status) => return reply::problem(status, reply::body_problem(status)),
        };
        match signal(&body, identity, &self.intake, crate::clock::now()).await {
            Ok(made) => reply::json(
                StatusCode::ACCEPTED,
                &json!({
                    "iss": identity.issuer,
                    "jti": made.jti,
                    "signal": made.signal.to_string(),
                    "sequence": made.accepted.sequence,
                }),
            ),
            Err(SignalError::Refused(refusal)) => refused(&refusal),
            Err(error @ SignalError::Sign(_)) => {
                tracing::error!(%error, "signal not made");
                reply::problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
            }
            Err(error) => reply::problem(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn show(&self, name: &str, request: &Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        let issuers = self.receivers.iter().map(|receiver| receiver.issuer());
        let issuers = issuers.chain(self.identity.iter().map(|identity| identity.issuer.as_str()));
        match crate::show::find(&self.journal, name, issuers) {
            Ok(Some(shown)) => reply::json(StatusCode::OK, &shown),
            Ok(None) => reply::problem(StatusCode::NOT_FOUND, "no signal of this name"),
            Err(error) => unreadable(&error),
        }
    }

    fn notes(&self, kind: NoteKind, request: &Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        match crate::notes::list(&self.journal, self.intake.audit(), kind) {
            Ok(notes) => reply::json(StatusCode::OK, &notes),
            Err(error) => unreadable(&error),
        }
    }

    fn export(&self, list: &str, request: &Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        let after = parameter(request.uri().query().unwrap_or_default(), "after").unwrap_or("0");
        let (Some(list), Ok(after)) = (List::from_name(list), after.parse()) else {
            return reply::problem(
                StatusCode::BAD_REQUEST,
                "no such list, or `after` is no number",
            );
        };
        match crate::export::page(&self.journal, &self.live, list, after) {
            Ok(page) => reply::json(StatusCode::OK, &page),
            Err(error) => unreadable(&error),
        }
    }

    fn status(&self, request: &Request<Incoming>) -> Reply {
        if !self.is_operator(request.headers()) {
            return reply::unauthorized();
        }
        let (now, head) = (crate::clock::now(), self.live.head());
        let gateways = self.gateways.iter().zip(self.followers.all()).map(|(gateway, follower)| {
            let asked = follower.last_poll;
            json!({
                "name": gateway.name,
                "following": follower.waiting > 0,
                "waiting": follower.waiting,
                "cursor": asked.map(|_| follower.cursor),
                "lag": asked.map(|_| head.saturating_sub(follower.cursor)),
                "last_poll_secs_ago": asked.map(|asked| now.since(asked).as_secs_f64()),
                "polls": follower.polls,
            })
        });
        let transmitters = self.receivers.iter().map(|receiver| {
            let keys = receiver.keys().current().map_or(0, |keys| keys.keys().len());
            let delivery = match receiver.delivery() {
                Delivery::Push(_) => "push",
                Delivery::Poll(_) => "poll",
            };
            let (name, issuer) = (receiver.name(), receiver.issuer());
            json!({ "name": name, "issuer": issuer, "keys": keys, "delivery": delivery })
        });
        reply::json(
            StatusCode::OK,
            &json!({
                "version": env!("CARGO_PKG_VERSION"),
                "log": self.feed.log().to_string(),
                "feed_key": self.feed.public_key(),
                "head": head,
                "live_records": self.live.len(),
                "draining": *self.draining.borrow(),
                "gateways": gateways.collect::<Vec<_>>(),
                "transmitters": transmitters.collect::<Vec<_>>(),
                "accepted": self.metrics.value(Counter::SetsAccepted),
                "duplicates": self.metrics.value(Counter::SetsDuplicate),
                "refused": self.metrics.value(Counter::SetsRefused),
            }),
        )
    }

    fn metrics_page(&self) -> String {
        let mut page = self.metrics.page(&self.gauges());
        if let Some(decisions) = &self.decisions {
            decisions.write(&mut page);
        }
        page
    }

    fn gauges(&self) -> crate::metrics::Gauges {
        let (now, head) = (crate::clock::now(), self.live.head());
        let gateways = self.gateways.iter().zip(self.followers.all());
        let gateways = gateways.filter_map(|(gateway, follower)| {
            let lag = head.saturating_sub(follower.cursor);
            let asked = now.since(follower.last_poll?).as_secs_f64();
            Some((gateway.name.clone(), lag, asked))
        });
        let live = u64::try_from(self.live.len()).unwrap_or(u64::MAX);
        let journal_bytes = self.journal.bytes();
        let streams = self.receivers.iter().map(|receiver| receiver.stream().gauges(now));
        let (gateways, streams) = (gateways.collect(), streams.collect());
        crate::metrics::Gauges { live, head, journal_bytes, gateways, streams }
    }
}

fn refused(refusal: &Refusal) -> Reply {
    match refusal.code() {
        Some(code) => reply::set_error(StatusCode::BAD_REQUEST, code, &refusal.to_string()),
        None => reply::unavailable(&refusal.to_string()),
    }
}

/// The details are the log's: the answer may be anybody's to read.
fn unreadable(error: &JournalError) -> Reply {
    tracing::error!(%error, "journal: cannot be read");
    reply::unavailable("the journal cannot be read at present")
}

/// The digest of the bearer token, if there is exactly one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<TokenDigest> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| TokenDigest::of(token.trim_ascii()))
}

fn is_set(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/secevent+jwt")
}

pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
