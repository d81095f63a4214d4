//! Polls one transmitter for ever, as [`Poller`] says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use rescind_core::time::UnixTime;
use tokio::task::JoinSet;

use super::{Delivered, MAX_ANSWER_BYTES, PollFailure, PollRequest, Poller, Verdict};
use crate::authorization::PeerError;
use crate::config::Polling;
use crate::metrics::Counter;
use crate::outbound::{Answer, Call, CallError, Content};
use crate::receiver::{Intake, Receiver};

/// For a poll that is not to be held.
const SHORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long is waited for the transmitter's word where to poll, before it is looked for again.
const NOWHERE_PAUSE: Duration = Duration::from_secs(5);
/// While polls fail, every such one is a line in the log: one a quarter of an hour or so.
const TOLD_EVERY: u32 = 16;

/// Polls until the task is aborted.
pub(crate) async fn poll(receiver: Arc<Receiver>, polling: Polling, intake: Intake) {
    let mut poller = Poller::new(polling.max_events);
    loop {
        let pause = poller.due().since(crate::clock::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let Some(url) = polling.url.clone().or_else(|| receiver.stream().poll_url()) else {
            // The transmitter has not said yet where.
            let mut changed = receiver.stream().watch();
            let _either = tokio::time::timeout(NOWHERE_PAUSE, changed.changed()).await;
            continue;
        };
        once(&mut poller, &receiver, (&polling, url), &intake).await;
    }
}

async fn once(
    poller: &mut Poller,
    receiver: &Arc<Receiver>,
    (polling, url): (&Polling, String),
    intake: &Intake,
) {
    let request = poller.request(crate::clock::now());
    let answer = receiver.peer().call(call(&request, polling, url)).await;
    let (now, seed) = (crate::clock::now(), getrandom::u64().unwrap_or_default());
    let (metrics, transmitter) = (intake.metrics(), receiver.name());
    let failures = poller.failures();
    let outcome = match answer {
        Err(PeerError::Call(CallError::Timeout(_))) if request.long => {
            metrics.count(Counter::PollsHeld);
            receiver.stream().polled(false, now);
            tracing::debug!(transmitter, "poll: held too long");
            poller.unanswered(now);
            return;
        }
        Err(PeerError::Call(CallError::TooLarge(_))) => Err((PollFailure::TooLarge, None)),
        Err(error) => Err((PollFailure::Call(error.to_string()), None)),
        Ok(answer) => read(poller, &answer, now),
    };
    match outcome {
        Ok(delivered) => {
            metrics.count(Counter::PollsAnswered);
            receiver.stream().polled(true, now);
            if failures > 0 {
                tracing::info!(transmitter, failures, "poll: answered again");
            }
            let more = poller.more();
            tracing::debug!(transmitter, sets = delivered.len(), more, "poll: answered");
            let verdicts = keep(delivered, receiver, intake).await;
            poller.settle(verdicts, crate::clock::now(), seed);
        }
        Err((failure, retry_after)) => {
            metrics.count(Counter::PollsFailed);
            receiver.stream().polled(false, now);
            let pause = poller.failed(&failure, retry_after, now, seed).as_secs_f64();
            // Once when it begins, and now and then while it lasts.
            if failures.checked_rem(TOLD_EVERY) == Some(0) {
                tracing::warn!(transmitter, %failure, failures, pause, "poll: failed");
            }
        }
    }
}

type Read = Result<Vec<Delivered>, (PollFailure, Option<Duration>)>;

fn read(poller: &mut Poller, answer: &Answer, now: UnixTime) -> Read {
    poller
        .answered(answer.status, &answer.body)
        .map_err(|failure| (failure, answer.retry_after(now)))
}

fn call(request: &PollRequest, polling: &Polling, url: String) -> Call {
    let text = request.body.to_string();
    Call {
        method: Method::POST,
        url,
        content: Some(Content { media_type: "application/json", text }),
        timeout: if request.long { polling.wait } else { SHORT_TIMEOUT },
        limit: MAX_ANSWER_BYTES,
    }
}

/// Keeps all SETs of an answer at the same time, so that they share a commit of the journal.
async fn keep(
    delivered: Vec<Delivered>,
    receiver: &Arc<Receiver>,
    intake: &Intake,
) -> Vec<(String, Verdict)> {
    let mut tasks = JoinSet::new();
    for Delivered { key, set } in delivered {
        let (receiver, intake) = (Arc::clone(receiver), intake.clone());
        tasks.spawn(async move {
            let verdict = match set {
                Some(set) => verdict(&key, set, &receiver, &intake).await,
                None => Verdict::Refused {
                    code: "invalid_request",
                    description: "the member of `sets` is no string".to_owned(),
                },
            };
            (key, verdict)
        });
    }
    tasks.join_all().await
}

async fn verdict(key: &str, set: String, receiver: &Receiver, intake: &Intake) -> Verdict {
    let outcome = receiver.receive(Bytes::from(set), Some(key), intake, crate::clock::now()).await;
    let metrics = intake.metrics();
    match outcome {
        Ok(_) => {
            metrics.count(Counter::PollAcks);
            Verdict::Kept
        }
        Err(refusal) => match refusal.code() {
            Some(code) => {
                metrics.count(Counter::PollErrors);
                Verdict::Refused { code, description: refusal.to_string() }
            }
            None => Verdict::Later,
        },
    }
}
