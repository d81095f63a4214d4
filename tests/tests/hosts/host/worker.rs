//! One worker's VM, and the order in which a host calls it.

use std::path::Path;

use serde_json::Value;
use wasmi::{Engine, Instance, Linker, Module, Store, TypedFunc, WasmParams, WasmResults};

use super::abi::{self, Callout, Phase, State};
use super::exchange::Exchange;
use super::memory::narrow;
use super::{Behaviour, Headers, Outcome, ROOT};

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// A VM.
#[derive(Debug)]
pub(crate) struct Worker {
    store: Store<State>,
    instance: Instance,
    next_request: u32,
}

pub(super) fn read(module: &Path) -> (Engine, Module) {
    let engine = Engine::default();
    let bytes = std::fs::read(module).expect("the module is built");
    let module = Module::new(&engine, &bytes[..]).expect("the module is valid");
    (engine, module)
}

impl Worker {
    pub(super) fn start(engine: &Engine, module: &Module, state: State) -> Self {
        let kong = state.is(Behaviour::Kong);
        let mut store = Store::new(engine, state);
        let mut linker = Linker::new(engine);
        abi::define(&mut linker).expect("functions of different names");
        let instance = linker
            .instantiate_and_start(&mut store, module)
            .expect("every import is one that the host has, with the same signature");
        let memory = instance.get_export(&store, "memory").and_then(|it| it.into_memory());
        store.data_mut().memory = Some(memory.expect("the module exports its memory"));
        let mut worker = Self { store, instance, next_request: 2 };
        worker.call::<_, ()>("_initialize", ());
        worker.call::<_, ()>("proxy_on_context_create", (ROOT, 0_u32));
        if kong {
            assert_eq!(worker.call::<_, u32>("proxy_on_vm_start", (ROOT, 0_u32)), 1);
        }
        worker
    }

    /// Hands over a configuration; whether it was accepted.
    pub(crate) fn configure(&mut self, configuration: &Value) -> bool {
        let text = configuration.to_string().into_bytes();
        let size = narrow(text.len());
        let state = self.store.data_mut();
        state.configuration = text;
        state.phase = Phase::Configure;
        self.call::<_, u32>("proxy_on_configure", (ROOT, size)) == 1
    }

    /// From now on calls of this function fail so, after some more that succeed; of all but the log and the
    /// clock, if none is named.
    pub(crate) fn fail(&mut self, function: Option<&'static str>, after: u64, status: u32) {
        self.store.data_mut().failing = Some((function, after, status));
    }

    /// From now on every call succeeds again.
    pub(crate) fn heal(&mut self) {
        self.store.data_mut().failing = None;
    }

    /// How often each function was called since the last time.
    pub(crate) fn take_calls(&mut self) -> Vec<(&'static str, u64)> {
        std::mem::take(&mut self.store.data_mut().calls).into_iter().collect()
    }

    /// What was logged.
    pub(crate) fn log(&self) -> &[String] {
        &self.store.data().log
    }

    pub(super) fn has_timer(&self) -> bool {
        self.store.data().tick_period > 0
    }

    pub(super) fn refuse_callouts(&mut self, status: Option<u32>) {
        self.store.data_mut().refuse_callouts = status;
    }

    /// The callout of a request or of the root context.
    pub(super) fn take_callout(&mut self, context: u32) -> Option<Callout> {
        let calls = &mut self.store.data_mut().callouts;
        let place = calls.iter().position(|call| call.context == context)?;
        Some(calls.remove(place))
    }

    /// What the service would see of a paused request, should it pass.
    pub(crate) fn paused(&self, request: u32) -> Headers {
        self.store.data().requests[&request].forwarded()
    }

    pub(super) fn tick(&mut self) {
        self.store.data_mut().phase = Phase::Tick;
        self.call::<_, ()>("proxy_on_tick", ROOT);
    }

    /// Begins a request that passes, and leaves it open.
    pub(crate) fn open(&mut self, headers: &Headers) -> u32 {
        let (request, action) = self.show(headers);
        assert_eq!(action, CONTINUE, "{:?}", self.log());
        request
    }

    /// Ends an open request of which the filter said so; with which status it did.
    pub(crate) fn close_if_told(&mut self, request: u32) -> Option<u16> {
        let status = self.store.data().requests[&request].answered.as_ref()?.0;
        self.end(request, &Outcome::Answered(status));
        Some(status)
    }

    pub(super) fn begin(&mut self, headers: &Headers) -> Outcome {
        let (request, action) = self.show(headers);
        self.outcome(request, Some(action))
    }

    /// Shows the headers of a new request; its number and the filter's action.
    fn show(&mut self, headers: &Headers) -> (u32, u32) {
        let request = self.next_request;
        self.next_request += 1;
        let state = self.store.data_mut();
        let exchange = Exchange::new(state.behaviour, headers);
        let count = narrow(exchange.count());
        state.requests.insert(request, exchange);
        state.phase = Phase::Request(request);
        self.call::<_, ()>("proxy_on_context_create", (request, ROOT));
        let action = self.call::<_, u32>("proxy_on_request_headers", (request, count, 1_u32));
        (request, action)
    }

    pub(super) fn answer(&mut self, call: &Callout, answer: (Headers, Vec<u8>, usize)) {
        let (headers, body, size) = answer;
        let count = narrow(headers.len());
        let state = self.store.data_mut();
        state.answer = (headers, body);
        state.phase = match call.context {
            ROOT => Phase::RootAnswer,
            request => Phase::RequestAnswer(request),
        };
        // The nginx hosts name the root context, whoever asked.
        let context = if state.is(Behaviour::Envoy) { call.context } else { ROOT };
        let arguments = (context, call.token, count, narrow(size), 0_u32);
        self.call::<_, ()>("proxy_on_http_call_response", arguments);
    }

    /// What the host does with the request now; `action` is that of the headers' callback.
    pub(super) fn outcome(&mut self, request: u32, action: Option<u32>) -> Outcome {
        let state = self.store.data_mut();
        let waits = state.callouts.iter().any(|call| call.context == request);
        let apisix = state.is(Behaviour::Apisix);
        let exchange = state.requests.get_mut(&request).expect("a request of this worker");
        let answered = exchange.answered.as_ref().map(|(status, _)| *status);
        let outcome = match (answered, action) {
            (Some(_), _) if waits => panic!("misuse: a callout and a reply in one callback"),
            (Some(status), _) => Outcome::Answered(status),
            (None, Some(CONTINUE)) if waits => panic!("misuse: a callout, and the request goes on"),
            (None, Some(PAUSE) | None) if waits => return Outcome::Paused(request),
            (None, Some(CONTINUE)) => Outcome::Forwarded(exchange.forwarded()),
            (None, Some(PAUSE)) if apisix => {
                panic!("misuse: a pause without a callout or a reply kills the worker")
            }
            (None, Some(_)) => Outcome::Stopped,
            // After the callout's answer.
            (None, None) if exchange.continued || apisix => {
                Outcome::Forwarded(exchange.forwarded())
            }
            (None, None) => Outcome::Stopped,
        };
        self.end(request, &outcome);
        outcome
    }

    /// The rest of a request's life.
    pub(super) fn end(&mut self, request: u32, outcome: &Outcome) {
        self.store.data_mut().phase = Phase::Other;
        if matches!(outcome, Outcome::Forwarded(_)) {
            for name in
                ["proxy_on_request_body", "proxy_on_response_headers", "proxy_on_response_body"]
            {
                assert_eq!(self.call::<_, u32>(name, (request, 1_u32, 1_u32)), CONTINUE, "{name}");
            }
        }
        assert_eq!(self.call::<_, u32>("proxy_on_done", request), 1);
        self.call::<_, ()>("proxy_on_log", request);
        self.call::<_, ()>("proxy_on_delete", request);
        self.store.data_mut().requests.remove(&request);
    }

    /// Calls an export.
    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> R {
        let function: TypedFunc<P, R> =
            self.instance.get_typed_func(&self.store, name).expect("an export of this type");
        self.store.data_mut().acts_for = None;
        let result = function.call(&mut self.store, parameters);
        result.unwrap_or_else(|error| panic!("{name}: {error}; log: {:#?}", self.log()))
    }
}
