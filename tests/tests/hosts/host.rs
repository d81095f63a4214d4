//! A gateway in the test's own process: loads the shipped `rescind.wasm` and treats it as Envoy, Kong or
//! APISIX would, in what is known of them.
//!
//! Real gateways answer the question whether the filter works there. This one answers another: whether it steps on
//! something that a real one answers by letting a request pass, or by losing a worker. Such a step is a **misuse**:
//! the host traps, and the test fails with what was done ([`abi`] lists them, each with the host that minds).
//! Besides, any call can be made to fail with any status, and a test moves the clock on instead of waiting.
//!
//! The companion is the real one. Callouts go to it over loopback, without its long polls: one thing happens after
//! the other here.
//!
//! The interpreter `wasmi` runs the module and not the compiler `wasmtime`, which is three times as many crates to
//! build: what is tested here is what a host does, not how fast.

mod abi;
mod exchange;
mod headers;
mod memory;
mod shared_data;
mod worker;

use std::cell::{Cell, RefCell, RefMut};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rescind_e2e::http::{self, Message, Request};
use rescind_e2e::tools;
use serde_json::Value;

use abi::State;
use shared_data::SharedData;
pub(crate) use worker::Worker;

/// The root context of the one configuration.
const ROOT: u32 = 1;

/// Whose behaviour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Behaviour {
    /// Envoy 1.40.
    Envoy,
    /// Kong's ngx_wasm_module.
    Kong,
    /// APISIX's wasm-nginx-module 0.7.
    Apisix,
}

impl Behaviour {
    pub(crate) const ALL: [Self; 3] = [Self::Envoy, Self::Kong, Self::Apisix];

    /// What a configuration says for the server on this port: the nginx hosts know no clusters.
    pub(crate) fn upstream(self, name: &str, port: u16) -> String {
        match self {
            Self::Envoy => name.to_owned(),
            Self::Kong | Self::Apisix => format!("http://127.0.0.1:{port}"),
        }
    }
}

/// Headers in order, with pseudo-headers.
pub(crate) type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It went on to the service, with these headers.
    Forwarded(Headers),
    /// The filter answered it with this status.
    Answered(u16),
    /// The host ended it without an answer of the filter's, or lets it wait until it times out.
    Stopped,
    /// It waits for the answer to a callout.
    Paused(u32),
}

/// What becomes of callouts.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// The one that was called answers.
    Answered,
    /// The host does not send the request.
    NotSent(u32),
    /// The host has no answer: reset, refused, timed out, too large, no such name.
    Lost,
    /// The host made this answer itself, or somebody else did.
    Says(&'static str, Vec<u8>),
    /// The body is half as long as announced.
    CutShort,
    /// Headers of success, and no body.
    BodyLost,
    /// Kong: half of an answer came, and then the connection ended.
    Broken,
}

/// One gateway process.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) behaviour: Behaviour,
    pub(crate) fate: Fate,
    pub(crate) workers: Vec<Worker>,
    /// What clusters are called, and where they are.
    clusters: Vec<(String, u16)>,
    shared: Rc<RefCell<SharedData>>,
    ahead: Rc<Cell<Duration>>,
}

impl Gateway {
    /// Starts workers with this configuration.
    pub(crate) fn start(
        behaviour: Behaviour,
        workers: usize,
        configuration: &Value,
        clusters: &[(&str, u16)],
    ) -> Self {
        let mut gateway = Self::unconfigured(behaviour, workers, clusters);
        for worker in &mut gateway.workers {
            assert!(worker.configure(configuration), "{:?}", worker.log());
        }
        gateway
    }

    /// Starts workers without a configuration.
    pub(crate) fn unconfigured(
        behaviour: Behaviour,
        workers: usize,
        clusters: &[(&str, u16)],
    ) -> Self {
        Self::with_module(&tools::wasm(), behaviour, workers, clusters)
    }

    /// The same with this module.
    pub(crate) fn with_module(
        module: &Path,
        behaviour: Behaviour,
        workers: usize,
        clusters: &[(&str, u16)],
    ) -> Self {
        let shared = Rc::new(RefCell::new(SharedData::new(behaviour)));
        let ahead = Rc::new(Cell::new(Duration::ZERO));
        let (engine, module) = worker::read(module);
        let start = || {
            let state = State::new(behaviour, Rc::clone(&shared), Rc::clone(&ahead));
            Worker::start(&engine, &module, state)
        };
        let workers = (0..workers).map(|_| start()).collect();
        let clusters = clusters.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        Self { behaviour, fate: Fate::Answered, workers, clusters, shared, ahead }
    }

    /// Moves the clock ahead of the real one. The companion's pages are too old for it from 40 s on.
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.set(self.ahead.get() + by);
    }

    /// Shared data, to look at and to spoil.
    pub(crate) fn shared(&self) -> RefMut<'_, SharedData> {
        self.shared.borrow_mut()
    }

    /// Some turns of the timer in all workers, 0.3 s apart, each with the answers to what they asked. Where there is
    /// no timer only the time passes.
    pub(crate) fn turn(&mut self, times: u32) {
        for _ in 0..times {
            self.advance(Duration::from_millis(300));
            for index in 0..self.workers.len() {
                self.begin_callback(index);
                if self.workers[index].has_timer() {
                    self.workers[index].tick();
                }
                self.answer_root(index);
            }
        }
    }

    /// Sends a request through a worker, and waits for what it waits for.
    pub(crate) fn send(&mut self, index: usize, headers: &Headers) -> Outcome {
        let mut outcome = self.begin(index, headers);
        while let Outcome::Paused(request) = outcome {
            outcome = self.resume(index, request);
        }
        outcome
    }

    /// Shows a worker the headers of a request.
    pub(crate) fn begin(&mut self, index: usize, headers: &Headers) -> Outcome {
        self.begin_callback(index);
        self.workers[index].begin(headers)
    }

    /// Hands a paused request the answer to its callout.
    pub(crate) fn resume(&mut self, index: usize, request: u32) -> Outcome {
        let call = self.workers[index].take_callout(request).expect("a paused request has one");
        let answer = self.answer_of(&call);
        self.begin_callback(index);
        self.workers[index].answer(&call, answer);
        self.workers[index].outcome(request, None)
    }

    /// The client of a paused request goes away, and the answer to its callout with it.
    pub(crate) fn leave(&mut self, index: usize, request: u32) {
        let call = self.workers[index].take_callout(request);
        assert!(call.is_some(), "a paused request has one");
        self.workers[index].end(request, &Outcome::Stopped);
    }

    fn answer_root(&mut self, index: usize) {
        for _ in 0..16 {
            let Some(call) = self.workers[index].take_callout(ROOT) else { return };
            let answer = self.answer_of(&call);
            self.begin_callback(index);
            self.workers[index].answer(&call, answer);
        }
    }

    fn begin_callback(&mut self, index: usize) {
        let refusal = match self.fate {
            Fate::NotSent(status) => Some(status),
            _ => None,
        };
        self.workers[index].refuse_callouts(refusal);
    }

    /// The answer to a callout: headers, body, and how long the body is said to be.
    fn answer_of(&self, call: &abi::Callout) -> (Headers, Vec<u8>, usize) {
        let whole = |status: &str, body: Vec<u8>| {
            let mut headers = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
            if self.behaviour == Behaviour::Kong {
                headers.push((b":dispatch_status".to_vec(), b"ok".to_vec()));
            }
            let size = body.len();
            (headers, body, size)
        };
        match &self.fate {
            Fate::Lost | Fate::NotSent(_) => (Headers::new(), Vec::new(), 0),
            Fate::Says(status, body) => whole(status, body.clone()),
            Fate::Answered => {
                let Message { start, body, .. } = self.ask(call);
                whole(&start, body)
            }
            Fate::BodyLost => whole(&self.ask(call).start, Vec::new()),
            Fate::CutShort => {
                let (headers, mut body, size) = whole("200", self.ask(call).body);
                body.truncate(size / 2);
                (headers, body, size)
            }
            Fate::Broken => {
                let mut body = self.ask(call).body;
                body.truncate(body.len() / 2);
                let (mut headers, body, size) = whole("200", body);
                for (name, value) in &mut headers {
                    if name == b":dispatch_status" {
                        *value = b"reader_error".to_vec();
                    }
                }
                (headers, body, size)
            }
        }
    }

    fn ask(&self, call: &abi::Callout) -> Message {
        let header = |name: &str| {
            let found = call.headers.iter().find(|(known, _)| known == name.as_bytes());
            found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap_or_default()
        };
        let port = match self.behaviour {
            Behaviour::Envoy => {
                self.clusters.iter().find(|(name, _)| *name == call.upstream).map(|(_, port)| *port)
            }
            Behaviour::Kong | Behaviour::Apisix => {
                call.upstream.strip_prefix("127.0.0.1:").and_then(|port| port.parse().ok())
            }
        };
        let port = port.unwrap_or_else(|| panic!("no server is called {}", call.upstream));
        let path = header(":path");
        let parts: Vec<_> = path
            .split_inclusive(['?', '&'])
            .map(|part| match part.starts_with("wait=") {
                true if part.ends_with('&') => "wait=0s&",
                true => "wait=0s",
                false => part,
            })
            .collect();
        let request = Request::get(&parts.concat())
            .header("accept", header("accept"))
            .header("authorization", header("authorization"));
        http::send(port, &request).expect("the server answers")
    }
}
