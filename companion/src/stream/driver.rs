//! The stream of one transmitter as the rest of the companion sees it: asked by the receiver, tended
//! by a task of its own, shown to the operator.
//!
//! Every lock here is held for as long as a comparison takes, never across a call.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Method;
use rescind_core::subject::Subject;
use rescind_core::time::UnixTime;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::event::{States, StreamEvent, is_about};
use super::health::{Cause, Change, Gap, Health};
use super::{
    ApiAnswer, ApiCall, ApiError, Command, Manager, Next, Notice, Purpose, Settings, Stored,
};
use crate::authorization::Peer;
use crate::journal::{Journal, StoredStream};
use crate::metrics::{Counter, Metrics};
use crate::outbound::{Call, Content};

/// For one call of the API.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer: a list of some hundred streams.
const MAX_ANSWER_BYTES: u64 = 512 * 1024;
/// How long the operator's `verify` waits; the command's own time-out is 10 s.
const VERIFY_WAIT: Duration = Duration::from_secs(8);
/// The longest sleep: a clock that was set must not keep a stream untended.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// Why an event about the stream is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum StreamRefusal {
    /// A verification with a state that was never asked for (SSF 1.0 §8.1.4.1).
    #[error("`state` was not asked for")]
    State,
    /// An event about another stream.
    #[error("`sub_id` does not name this stream")]
    Subject,
}

impl StreamRefusal {
    /// The code of RFC 8935 §2.4 and SSF 1.0 §11.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::State => "invalid_state",
            Self::Subject => "invalid_request",
        }
    }
}

/// What is needed to make a [`Stream`].
#[derive(Debug)]
pub(crate) struct StreamParts {
    /// The transmitter's name.
    pub(crate) name: String,
    /// What is wanted; nothing if the stream is managed elsewhere.
    pub(crate) settings: Option<Settings>,
    /// The file with what the transmitter shall push with.
    pub(crate) push_token_file: Option<PathBuf>,
    /// For how long it may be silent.
    pub(crate) patience: Duration,
    /// Makes states.
    pub(crate) states: States,
    /// Keeps what outlives a restart.
    pub(crate) journal: Arc<Journal>,
    /// The counters.
    pub(crate) metrics: Arc<Metrics>,
}

/// One transmitter's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    push_token_file: Option<PathBuf>,
    states: States,
    journal: Arc<Journal>,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    wake: Notify,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    manager: Option<Manager>,
    health: Health,
    last_error: Option<(UnixTime, String)>,
    kept: StoredStream,
}

impl Stream {
    /// The stream as the journal remembers it.
    pub(crate) fn new(parts: StreamParts, now: UnixTime) -> Self {
        let kept = match parts.journal.stream(&parts.name) {
            Ok(kept) => kept.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(transmitter = parts.name, %error, "stream: not remembered");
                StoredStream::default()
            }
        };
        let managed = parts.settings.is_some();
        let gap = kept.gap.as_ref().and_then(|(since, name)| {
            let cause = Cause::ALL.into_iter().find(|cause| cause.name() == name)?;
            Some(Gap { since: UnixTime::from_millis(*since), cause })
        });
        let stored = Stored { id: kept.id.clone(), deleted: kept.deleted };
        let mut health = Health::new(managed, parts.patience, gap, now);
        if managed && stored.deleted {
            health.usable(Some(Cause::Deleted));
        }
        let manager = parts.settings.map(|settings| Manager::new(settings, stored));
        Self {
            name: parts.name,
            push_token_file: parts.push_token_file,
            states: parts.states,
            journal: parts.journal,
            metrics: parts.metrics,
            inner: Mutex::new(Inner { manager, health, last_error: None, kept }),
            wake: Notify::new(),
            changed: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is managed here.
    pub(crate) fn is_managed(&self) -> bool {
        self.lock().manager.is_some()
    }

    /// Where it is polled, once the transmitter has said so.
    pub(crate) fn poll_url(&self) -> Option<String> {
        let inner = self.lock();
        let configuration = inner.manager.as_ref()?.configuration()?;
        configuration.endpoint.clone().filter(|_| configuration.polled)
    }

    /// Whether an event about the stream may be accepted.
    pub(crate) fn judge(
        &self,
        event: &StreamEvent,
        subject: &Subject,
    ) -> Result<(), StreamRefusal> {
        let inner = self.lock();
        // Who manages the stream elsewhere also asks for verifications there.
        let Some(manager) = &inner.manager else { return Ok(()) };
        if manager.stored().id.as_ref().is_some_and(|id| !is_about(subject, id)) {
            return Err(StreamRefusal::Subject);
        }
        match event {
            StreamEvent::Verification(Some(state)) => {
                self.states.asked_at(&self.name, state).map(|_| ()).ok_or(StreamRefusal::State)
            }
            StreamEvent::Verification(None) | StreamEvent::Updated(_) => Ok(()),
        }
    }

    /// An event about the stream was accepted for the first time.
    pub(crate) fn apply(&self, event: &StreamEvent, now: UnixTime) {
        {
            let mut inner = self.lock();
            match event {
                StreamEvent::Verification(Some(state)) => {
                    if let Some(asked) = self.states.asked_at(&self.name, state) {
                        let seconds = now.since(asked).as_secs_f64();
                        tracing::info!(transmitter = self.name, seconds, "stream: verified");
                        self.metrics.count(Counter::StreamsVerified);
                        inner.health.verify(now);
                    }
                }
                // Not asked for: proves no more than any other SET does.
                StreamEvent::Verification(None) => {}
                StreamEvent::Updated(status) => {
                    tracing::warn!(
                        transmitter = self.name,
                        status = status.name(),
                        "stream: updated"
                    );
                    inner.health.updated(*status);
                    if let Some(manager) = &mut inner.manager {
                        manager.verify_soon(now);
                    }
                }
            }
        }
        self.check(now);
        self.changed.send_replace(());
        self.wake.notify_one();
    }

    /// A SET came.
    pub(crate) fn received(&self, now: UnixTime) {
        self.lock().health.received(now);
    }

    /// A poll was answered, or not.
    pub(crate) fn polled(&self, answered: bool, now: UnixTime) {
        self.lock().health.polled(answered, now);
    }

    /// The gap, if there is one.
    pub(crate) fn gap(&self) -> Option<Gap> {
        self.lock().health.gap()
    }

    /// Looks whether a gap begins or ends, and says so.
    pub(crate) fn check(&self, now: UnixTime) -> Option<Change> {
        let change = self.lock().health.check(now);
        let transmitter = &self.name;
        match change {
            None => return None,
            Some(Change::Begins(Gap { since, cause }) | Change::Turns(Gap { since, cause })) => {
                let cause = cause.name();
                tracing::error!(transmitter, cause, %since, "stream: gap: events may be missed");
            }
            Some(Change::Ends { gap: Gap { since, cause }, at }) => {
                let (cause, seconds) = (cause.name(), at.since(since).as_secs());
                tracing::warn!(
                    transmitter, cause, %since, seconds,
                    "stream: gap ends: what was sent meanwhile may be missing, see `rescind import`"
                );
            }
        }
        self.changed.send_replace(());
        change
    }

    /// Tells whenever something changed.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tends the stream for ever.
    pub(crate) async fn tend(self: Arc<Self>, peer: Arc<Peer>) {
        loop {
            let now = crate::clock::now();
            let next = {
                let mut inner = self.lock();
                let Some(manager) = &mut inner.manager else { return };
                let state = self.states.make(&self.name, now);
                manager.next(self.push_token().as_deref(), &state, now)
            };
            match next {
                Next::Call(call) => {
                    self.call(&peer, call).await;
                    self.keep().await;
                }
                Next::Wait(until) => {
                    let pause = until.since(crate::clock::now()).min(MAX_SLEEP);
                    let _either = tokio::time::timeout(pause, self.wake.notified()).await;
                }
            }
        }
    }

    fn push_token(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.push_token_file.as_ref()?).ok()?;
        Some(text.trim().to_owned())
    }

    async fn call(&self, peer: &Peer, call: ApiCall) {
        let purpose = call.purpose;
        if purpose == Purpose::Verify {
            // Before the call: the verification may come before the answer to the question.
            self.lock().health.asked(crate::clock::now());
        }
        let open = purpose == Purpose::Metadata;
        let answer = make(peer, open, call.method, call.url, call.body).await;
        let (now, seed) = (crate::clock::now(), getrandom::u64().unwrap_or_default());
        {
            let mut inner = self.lock();
            let Inner { manager: Some(manager), .. } = &mut *inner else { return };
            for notice in manager.handle(purpose, answer, now, seed) {
                self.note(&mut inner, notice, now);
            }
        }
        self.check(now);
    }

    fn note(&self, inner: &mut Inner, notice: Notice, now: UnixTime) {
        let transmitter = &self.name;
        match notice {
            Notice::Using { created } => {
                let id = inner.manager.as_ref().and_then(|manager| manager.stored().id.clone());
                tracing::info!(transmitter, created, id, "stream: in use");
                inner.health.usable(None);
            }
            Notice::Lost => {
                tracing::warn!(transmitter, "stream: the transmitter does not know it any more");
                inner.health.called(false, now);
            }
            Notice::NotUpdated(error) => {
                tracing::warn!(transmitter, %error, "stream: not brought up to date");
            }
            Notice::Status(status) => {
                if inner.health.status() != status {
                    tracing::warn!(transmitter, status = status.name(), "stream: status");
                    if let Some(manager) = &mut inner.manager {
                        manager.verify_soon(now);
                    }
                }
                inner.health.updated(status);
            }
            Notice::Asked => self.metrics.count(Counter::VerificationsAsked),
            Notice::Answered => {
                self.metrics.count(Counter::StreamCallsAnswered);
                inner.health.called(true, now);
            }
            Notice::Failed { purpose, error, failures } => {
                self.metrics.count(Counter::StreamCallsFailed);
                tracing::warn!(transmitter, ?purpose, %error, failures, "stream: call failed");
                // A transmitter that says "not so often" is there.
                inner.health.called(error == ApiError::Status(429), now);
                if let ApiError::Foreign(_) = error {
                    inner.health.usable(Some(Cause::Foreign));
                }
                inner.last_error = Some((now, error.to_string()));
            }
        }
        self.changed.send_replace(());
    }

    /// Writes down what must outlive a restart, if it changed.
    pub(crate) async fn keep(&self) {
        let new = {
            let inner = self.lock();
            let stored = inner.manager.as_ref().map(|manager| manager.stored().clone());
            let stored = stored.unwrap_or_default();
            let gap = inner.health.gap();
            let gap = gap.map(|gap| (gap.since.millis(), gap.cause.name().to_owned()));
            let new = StoredStream { id: stored.id, deleted: stored.deleted, gap };
            if new == inner.kept {
                return;
            }
            new
        };
        let (journal, name, entry) = (Arc::clone(&self.journal), self.name.clone(), new.clone());
        let written = tokio::task::spawn_blocking(move || journal.keep_stream(&name, &entry)).await;
        match written {
            Ok(Ok(())) => self.lock().kept = new,
            Ok(Err(error)) => {
                tracing::error!(transmitter = self.name, %error, "stream: cannot be remembered");
            }
            // Going down.
            Err(_) => {}
        }
    }

    /// Does what the operator wants, and says how it stands then.
    pub(crate) async fn command(&self, peer: &Peer, command: Command) -> Result<Value, ApiError> {
        let before = crate::clock::now();
        let call = {
            let inner = self.lock();
            let manager = inner.manager.as_ref().ok_or(ApiError::Unmanaged)?;
            manager.command(&command, self.push_token().as_deref())?
        };
        let answer = match call {
            None => None,
            Some((method, url, body)) => Some(make(peer, false, method, url, body).await?),
        };
        {
            let mut inner = self.lock();
            let Inner { manager: Some(manager), health, .. } = &mut *inner else {
                return Err(ApiError::Unmanaged);
            };
            let status = manager.commanded(&command, answer.as_ref(), before)?;
            if let Some(status) = status {
                health.updated(status);
                manager.verify_soon(before);
            }
            match command {
                Command::Delete => health.usable(Some(Cause::Deleted)),
                Command::Add => health.usable(None),
                _ => {}
            }
        }
        self.check(crate::clock::now());
        self.wake.notify_one();
        self.keep().await;
        if command == Command::Verify {
            self.wait_for_verification(before).await?;
        }
        Ok(self.shown(crate::clock::now()))
    }

    async fn wait_for_verification(&self, since: UnixTime) -> Result<(), ApiError> {
        let mut changed = self.watch();
        let waited = tokio::time::timeout(VERIFY_WAIT, async {
            loop {
                {
                    let inner = self.lock();
                    if inner.health.verified().is_some_and(|verified| verified >= since) {
                        return Ok(());
                    }
                    let failed = inner.last_error.as_ref().filter(|(at, _)| *at >= since);
                    if let Some((_, error)) = failed {
                        return Err(ApiError::Answer(error.clone()));
                    }
                }
                if changed.changed().await.is_err() {
                    return Ok(());
                }
            }
        });
        waited.await.unwrap_or(Ok(()))
    }

    /// For the operator.
    pub(crate) fn shown(&self, now: UnixTime) -> Value {
        let inner = self.lock();
        let manager = inner.manager.as_ref();
        let found = manager.and_then(Manager::configuration);
        let ago = |at: UnixTime| now.since(at).as_secs_f64();
        json!({
            "transmitter": self.name,
            "managed": manager.is_some(),
            "stream_id": manager.and_then(|manager| manager.stored().id.clone()),
            "deleted": manager.is_some_and(|manager| manager.stored().deleted),
            "status": manager.map(|_| inner.health.status().name()),
            "events_delivered": found.map(|found| found.delivered.clone()),
            "verified_secs_ago": inner.health.verified().map(ago),
            "gap": inner.health.gap().map(|gap| {
                json!({ "cause": gap.cause.name(), "since": gap.since.secs() })
            }),
            "last_error": inner.last_error.as_ref().map(|(at, error)| {
                json!({ "secs_ago": ago(*at), "error": error })
            }),
        })
    }

    /// For the metrics: whether there is a gap, and how long ago the stream was verified.
    pub(crate) fn gauges(&self, now: UnixTime) -> (String, bool, Option<f64>) {
        let inner = self.lock();
        let verified = inner.health.verified().map(|at| now.since(at).as_secs_f64());
        (self.name.clone(), inner.health.gap().is_some(), verified)
    }
}

/// Makes a call of the API; metadata is public, and nothing is shown for it.
async fn make(
    peer: &Peer,
    open: bool,
    method: Method,
    url: String,
    body: Option<Value>,
) -> Result<ApiAnswer, ApiError> {
    let media_type = "application/json";
    let content = body.map(|body| Content { media_type, text: body.to_string() });
    let call = Call { method, url, content, timeout: TIMEOUT, limit: MAX_ANSWER_BYTES };
    let answer = if open { peer.call_openly(call).await } else { peer.call(call).await };
    let answer = answer.map_err(|error| ApiError::Call(error.to_string()))?;
    let retry_after = answer.retry_after(crate::clock::now());
    Ok(ApiAnswer { status: answer.status, body: answer.body, retry_after })
}
