//! A poll transmitter (RFC 8936): SETs wait in a queue until they are acknowledged or refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::peer::{Asked, Said};

/// How long a long poll is held here.
const HOLD: Duration = Duration::from_millis(1500);

/// The queue, and everything that was heard from the recipient.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<String, String>,
    acked: Vec<String>,
    errors: BTreeMap<String, Value>,
    polls: Vec<Asked>,
    /// Answered in place of SETs, once each.
    instead: VecDeque<Said>,
    /// Forgets to hear acknowledgements.
    deaf: bool,
}

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn put(&self, jti: &str, set: String) {
        self.state.lock().unwrap().waiting.insert(jti.to_owned(), set);
        self.changed.notify_all();
    }

    pub(crate) fn answer_once(&self, said: Said) {
        self.state.lock().unwrap().instead.push_back(said);
        self.changed.notify_all();
    }

    pub(crate) fn deafen(&self, deaf: bool) {
        self.state.lock().unwrap().deaf = deaf;
    }

    /// Every `jti` that was acknowledged, as often as it was.
    pub(crate) fn acked(&self) -> Vec<String> {
        self.state.lock().unwrap().acked.clone()
    }

    pub(crate) fn errors(&self) -> BTreeMap<String, Value> {
        self.state.lock().unwrap().errors.clone()
    }

    pub(crate) fn polls(&self) -> Vec<Asked> {
        self.state.lock().unwrap().polls.clone()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting.len()
    }

    /// Answers a poll as RFC 8936 §2.3 says.
    pub(crate) fn answer(&self, asked: &Asked) -> Said {
        let body = asked.json();
        let mut state = self.state.lock().unwrap();
        state.polls.push(asked.clone());
        if state.instead.front().is_some() {
            return state.instead.pop_front().unwrap();
        }
        for jti in body["ack"].as_array().into_iter().flatten() {
            let jti = jti.as_str().unwrap().to_owned();
            if !state.deaf {
                state.waiting.remove(&jti);
            }
            state.acked.push(jti);
        }
        for (jti, error) in body["setErrs"].as_object().into_iter().flatten() {
            state.waiting.remove(jti);
            state.errors.insert(jti.clone(), error.clone());
        }
        let max =
            body["maxEvents"].as_u64().map_or(usize::MAX, |max| usize::try_from(max).unwrap());
        if body["returnImmediately"] != json!(true) {
            let nothing = |state: &mut State| state.waiting.is_empty() && state.instead.is_empty();
            state = self.changed.wait_timeout_while(state, HOLD, nothing).unwrap().0;
        }
        if let Some(said) = state.instead.pop_front() {
            return said;
        }
        let sets: serde_json::Map<_, _> =
            state.waiting.iter().take(max).map(|(jti, set)| (jti.clone(), json!(set))).collect();
        let more = state.waiting.len() > sets.len();
        Said::json(200, &json!({ "sets": sets, "moreAvailable": more }))
    }
}
