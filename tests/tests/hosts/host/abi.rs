//! The host's functions, Proxy-Wasm ABI 0.2.1, and what each host minds.
//!
//! Misuses, which trap: an unknown foreign function, a second non-zero tick period, a gauge that is incremented, a
//! counter that is recorded, a second reply, a callout from `on_configure`, a property outside of a request, a full
//! zone, an allocator that answers null (Kong); the whole header map or `:authority` of a request without Host, a second
//! callout of one request, a property (APISIX); a metric incremented by 0, a counter that goes down, a callout that
//! never times out (all).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmi::{Linker, Memory};

use super::exchange::Exchange;
use super::headers;
use super::memory::{Answer, Ctx, allocate, give, misuse, narrow, parse, place, read, wide, write};
use super::shared_data::SharedData;
use super::{Behaviour, Headers, ROOT};

pub(super) const OK: u32 = 0;
pub(super) const NOT_FOUND: u32 = 1;
pub(super) const BAD_ARGUMENT: u32 = 2;
pub(super) const INTERNAL_FAILURE: u32 = 10;
pub(super) const UNIMPLEMENTED: u32 = 12;

const COUNTER: u32 = 0;

/// Which callback runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Configure,
    Tick,
    Request(u32),
    RootAnswer,
    RequestAnswer(u32),
    /// Bodies, responses, logs: the request is there no more.
    Other,
}

impl Phase {
    const fn request(self) -> Option<u32> {
        match self {
            Self::Request(request) | Self::RequestAnswer(request) => Some(request),
            Self::Configure | Self::Tick | Self::RootAnswer | Self::Other => None,
        }
    }

    pub(super) const fn is_answer(self) -> bool {
        matches!(self, Self::RootAnswer | Self::RequestAnswer(_))
    }
}

/// A callout under way.
#[derive(Debug)]
pub(super) struct Callout {
    pub(super) token: u32,
    pub(super) context: u32,
    /// A cluster, or an address.
    pub(super) upstream: String,
    pub(super) headers: Headers,
}

/// What the host knows for one VM.
#[derive(Debug)]
pub(super) struct State {
    pub(super) behaviour: Behaviour,
    pub(super) phase: Phase,
    /// The context that calls of this callback are about, if the filter has chosen one.
    pub(super) acts_for: Option<u32>,
    pub(super) memory: Option<Memory>,
    pub(super) configuration: Vec<u8>,
    pub(super) requests: BTreeMap<u32, Exchange>,
    pub(super) callouts: Vec<Callout>,
    pub(super) refuse_callouts: Option<u32>,
    pub(super) answer: (Headers, Vec<u8>),
    pub(super) tick_period: u32,
    pub(super) log: Vec<String>,
    pub(super) calls: BTreeMap<&'static str, u64>,
    /// What fails, after how many more calls, and with which status.
    pub(super) failing: Option<(Option<&'static str>, u64, u32)>,
    shared: Rc<RefCell<SharedData>>,
    /// How far the clock is ahead of the real one.
    ahead: Rc<Cell<Duration>>,
    metrics: Vec<u32>,
    next_token: u32,
    random: u8,
}

impl State {
    pub(super) fn new(
        behaviour: Behaviour,
        shared: Rc<RefCell<SharedData>>,
        ahead: Rc<Cell<Duration>>,
    ) -> Self {
        Self {
            behaviour,
            phase: Phase::Configure,
            acts_for: None,
            memory: None,
            configuration: Vec::new(),
            requests: BTreeMap::new(),
            callouts: Vec::new(),
            refuse_callouts: None,
            answer: Default::default(),
            tick_period: 0,
            log: Vec::new(),
            calls: BTreeMap::new(),
            failing: None,
            shared,
            ahead,
            metrics: Vec::new(),
            // The nginx hosts count from 0.
            next_token: u32::from(behaviour == Behaviour::Envoy),
            random: 0,
        }
    }

    /// Counts a call; a status if it is to fail.
    pub(super) fn enter(&mut self, function: &'static str) -> Result<(), u32> {
        *self.calls.entry(function).or_default() += 1;
        let Some((which, left, status)) = &mut self.failing else { return Ok(()) };
        if which.is_some_and(|name| name != function) {
            return Ok(());
        }
        if *left > 0 {
            *left -= 1;
            return Ok(());
        }
        Err(*status)
    }

    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.requests.get_mut(&self.context())
    }

    /// The context that calls are about.
    fn context(&self) -> u32 {
        self.acts_for.or_else(|| self.phase.request()).unwrap_or(ROOT)
    }

    pub(super) fn is(&self, behaviour: Behaviour) -> bool {
        self.behaviour == behaviour
    }

    /// The headers of a map as this host shows them.
    pub(super) fn map(&mut self, map: u32) -> Option<Headers> {
        match headers::is_request(map)? {
            true => Some(self.exchange()?.shown()),
            false => self.phase.is_answer().then(|| self.answer.0.clone()),
        }
    }
}

/// Leaves with the status that a test wants this call to have.
macro_rules! enter {
    ($ctx:ident, $name:expr) => {
        if let Err(status) = $ctx.data_mut().enter($name) {
            return Ok(status);
        }
    };
}
pub(super) use enter;

/// Leaves with 12 on a host without this function.
macro_rules! not_on_apisix {
    ($ctx:ident) => {
        if $ctx.data().is(Behaviour::Apisix) {
            return Ok(UNIMPLEMENTED);
        }
    };
}

/// Defines what all three hosts provide, and nothing else: a module that imports more does not load.
pub(super) fn define(linker: &mut Linker<State>) -> Result<(), wasmi::errors::LinkerError> {
    const ENV: &str = "env";
    const WASI: &str = "wasi_snapshot_preview1";
    linker
        .func_wrap(WASI, "clock_time_get", |mut ctx: Ctx<'_>, _: u32, _: u64, at: u32| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = since + ctx.data().ahead.get();
            let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            write(&mut ctx, at, &nanos.to_le_bytes());
            OK
        })?
        .func_wrap(WASI, "random_get", |mut ctx: Ctx<'_>, at: u32, size: u32| -> Answer {
            enter!(ctx, "random_get");
            ctx.data_mut().random = ctx.data().random.wrapping_add(1);
            let bytes = vec![ctx.data().random; wide(size)];
            write(&mut ctx, at, &bytes);
            Ok(OK)
        })?
        // What Rust's library asks at its start, and would do at a panic.
        .func_wrap(WASI, "environ_sizes_get", |mut ctx: Ctx<'_>, count: u32, size: u32| {
            write(&mut ctx, count, &[0; 4]);
            write(&mut ctx, size, &[0; 4]);
            OK
        })?
        .func_wrap(WASI, "environ_get", |_: Ctx<'_>, _: u32, _: u32| OK)?
        .func_wrap(WASI, "fd_write", |_: Ctx<'_>, _: u32, _: u32, _: u32, _: u32| -> Answer {
            Err(misuse("a panic, or something else written to standard error"))
        })?
        .func_wrap(WASI, "proc_exit", |_: Ctx<'_>, _: u32| -> Result<(), wasmi::Error> {
            Err(misuse("the end of the process"))
        })?
        .func_wrap(ENV, "proxy_log", |mut ctx: Ctx<'_>, _: u32, at: u32, size: u32| {
            let line = String::from_utf8_lossy(&read(&ctx, (at, size))).into_owned();
            ctx.data_mut().log.push(line);
            OK
        })?
        .func_wrap(ENV, "proxy_set_tick_period_milliseconds", set_tick_period)?
        .func_wrap(ENV, "proxy_get_buffer_bytes", headers::get_buffer_bytes)?
        .func_wrap(ENV, "proxy_get_header_map_pairs", headers::get_header_map_pairs)?
        .func_wrap(ENV, "proxy_get_header_map_value", headers::get_header_map_value)?
        .func_wrap(ENV, "proxy_remove_header_map_value", headers::remove_header)?
        .func_wrap(ENV, "proxy_replace_header_map_value", headers::replace_header)?
        .func_wrap(ENV, "proxy_add_header_map_value", headers::add_header)?
        .func_wrap(ENV, "proxy_get_property", headers::get_property)?
        .func_wrap(ENV, "proxy_set_property", headers::set_property)?
        .func_wrap(ENV, "proxy_send_local_response", headers::send_local_response)?
        .func_wrap(ENV, "proxy_continue_stream", headers::continue_stream)?
        .func_wrap(ENV, "proxy_set_effective_context", set_effective_context)?
        .func_wrap(ENV, "proxy_get_shared_data", get_shared_data)?
        .func_wrap(ENV, "proxy_set_shared_data", set_shared_data)?
        .func_wrap(ENV, "proxy_http_call", http_call)?
        .func_wrap(ENV, "proxy_call_foreign_function", call_foreign_function)?
        .func_wrap(ENV, "proxy_define_metric", define_metric)?
        .func_wrap(ENV, "proxy_increment_metric", increment_metric)?
        .func_wrap(ENV, "proxy_record_metric", record_metric)?;
    Ok(())
}

fn set_tick_period(mut ctx: Ctx<'_>, period: u32) -> Answer {
    enter!(ctx, "proxy_set_tick_period_milliseconds");
    not_on_apisix!(ctx);
    let state = ctx.data_mut();
    if state.is(Behaviour::Kong) {
        if state.tick_period > 0 {
            return Err(misuse("a second tick period: it traps, or makes a second timer"));
        }
        if state.phase.request().is_some() {
            return Err(misuse("a tick period set by a request"));
        }
    }
    state.tick_period = period;
    Ok(OK)
}

/// The nginx hosts do nothing, and say that it is done.
fn set_effective_context(mut ctx: Ctx<'_>, context: u32) -> Answer {
    enter!(ctx, "proxy_set_effective_context");
    let state = ctx.data_mut();
    if !state.is(Behaviour::Envoy) {
        return Ok(OK);
    }
    if context != ROOT && !state.requests.contains_key(&context) {
        return Ok(BAD_ARGUMENT);
    }
    state.acts_for = Some(context);
    Ok(OK)
}

fn get_shared_data(
    mut ctx: Ctx<'_>,
    key: u32,
    key_size: u32,
    data: u32,
    size: u32,
    cas: u32,
) -> Answer {
    enter!(ctx, "proxy_get_shared_data");
    not_on_apisix!(ctx);
    let key = read(&ctx, (key, key_size));
    let found = ctx.data().shared.borrow_mut().get(&key);
    let Some((value, found)) = found else { return Ok(NOT_FOUND) };
    write(&mut ctx, cas, &found.to_le_bytes());
    if ctx.data().is(Behaviour::Envoy) {
        return give(&mut ctx, &value, data, size);
    }
    let at = allocate(&mut ctx, value.len())?;
    if at == 0 {
        return Err(misuse("an allocator that answers null, if only for no bytes"));
    }
    place(&mut ctx, at, &value, data, size);
    Ok(OK)
}

fn set_shared_data(
    mut ctx: Ctx<'_>,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
    cas: u32,
) -> Answer {
    enter!(ctx, "proxy_set_shared_data");
    not_on_apisix!(ctx);
    let (key, value) = (read(&ctx, (key, key_size)), read(&ctx, (value, value_size)));
    let set = ctx.data().shared.borrow_mut().set(&key, &value, cas);
    match set {
        Ok(true) => Ok(OK),
        Ok(false) => Err(misuse("a full zone without eviction")),
        Err(status) => Ok(status),
    }
}

#[expect(clippy::too_many_arguments, reason = "the ABI's function")]
fn http_call(
    mut ctx: Ctx<'_>,
    upstream: u32,
    upstream_size: u32,
    headers: u32,
    headers_size: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    timeout: u32,
    token: u32,
) -> Answer {
    enter!(ctx, "proxy_http_call");
    if timeout == 0 {
        return Err(misuse("a callout that never times out"));
    }
    let upstream = String::from_utf8(read(&ctx, (upstream, upstream_size))).expect("text");
    let headers = parse(&read(&ctx, (headers, headers_size)));
    let state = ctx.data_mut();
    if let Some(status) = state.refuse_callouts {
        return Ok(status);
    }
    let context = state.context();
    match state.behaviour {
        Behaviour::Apisix if context == ROOT => return Ok(BAD_ARGUMENT),
        Behaviour::Apisix if state.callouts.iter().any(|call| call.context == context) => {
            return Err(misuse("a second callout of one request"));
        }
        Behaviour::Kong if state.phase == Phase::Configure => {
            return Err(misuse("a callout from on_configure"));
        }
        _ => {}
    }
    let has = |name: &[u8]| headers.iter().any(|(known, _)| known == name);
    let needed: &[&[u8]] = match state.behaviour {
        Behaviour::Envoy => &[b":method", b":path", b":authority"],
        // Without a scheme they speak plain HTTP.
        Behaviour::Kong | Behaviour::Apisix => &[b":method", b":path", b":authority", b":scheme"],
    };
    if !needed.iter().all(|name| has(name)) {
        return Ok(BAD_ARGUMENT);
    }
    let number = state.next_token;
    state.next_token += 1;
    state.callouts.push(Callout { token: number, context, upstream, headers });
    write(&mut ctx, token, &number.to_le_bytes());
    Ok(OK)
}

fn call_foreign_function(
    mut ctx: Ctx<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Answer {
    enter!(ctx, "proxy_call_foreign_function");
    match ctx.data().behaviour {
        Behaviour::Envoy => Ok(NOT_FOUND),
        Behaviour::Kong => Err(misuse("an unknown foreign function")),
        Behaviour::Apisix => Ok(UNIMPLEMENTED),
    }
}

fn define_metric(mut ctx: Ctx<'_>, kind: u32, _: u32, _: u32, id: u32) -> Answer {
    enter!(ctx, "proxy_define_metric");
    let number = narrow(ctx.data().metrics.len());
    ctx.data_mut().metrics.push(kind);
    write(&mut ctx, id, &number.to_le_bytes());
    Ok(OK)
}

fn increment_metric(mut ctx: Ctx<'_>, id: u32, by: i64) -> Answer {
    enter!(ctx, "proxy_increment_metric");
    let kong = ctx.data().is(Behaviour::Kong);
    match (ctx.data().metrics.get(wide(id)).copied(), by) {
        (None, _) => Err(misuse("a metric that was not defined")),
        (_, 0) => Err(misuse("a metric incremented by 0")),
        (Some(COUNTER), ..0) => Err(misuse("a counter that goes down")),
        (Some(COUNTER), _) => Ok(OK),
        (Some(_), _) if kong => Err(misuse("a gauge that is incremented")),
        (Some(_), _) => Ok(OK),
    }
}

fn record_metric(mut ctx: Ctx<'_>, id: u32, _: u64) -> Answer {
    enter!(ctx, "proxy_record_metric");
    match ctx.data().metrics.get(wide(id)).copied() {
        None => Err(misuse("a metric that was not defined")),
        Some(COUNTER) => Err(misuse("a counter that is recorded")),
        Some(_) => Ok(OK),
    }
}
