//! A host for tests: what it answers is set beforehand, what it was told is kept.
#![expect(clippy::too_many_arguments, reason = "the ABI's functions")]

use std::cell::RefCell;
use std::collections::BTreeMap;

/// What the host has and was told.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// If set, the status of every call but those of the clock.
    pub(crate) status: Option<u32>,
    /// If set, the number of calls that still succeed before one fails with this status.
    pub(crate) failing: Option<(u32, u32)>,
    pub(crate) now_nanos: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    pub(crate) callout_status: Vec<u8>,
    pub(crate) shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    pub(crate) removed: Vec<Vec<u8>>,
    pub(crate) set: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) responses: Vec<u32>,
    pub(crate) acts_for: u32,
    pub(crate) calls: u32,
    pub(crate) continued: u32,
    pub(crate) random: u8,
    /// Whether 0 means that there is no value yet, as on Kong.
    pub(crate) refuses_unseen: bool,
    pub(crate) foreign: Option<Vec<u8>>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// A host like new.
#[cfg(test)]
pub(crate) fn reset() {
    with(|host| *host = Host::default());
}

/// Looks at the host, or sets it up.
pub(crate) fn with<R>(act: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with(|host| act(&mut host.borrow_mut()))
}

/// What was logged.
#[cfg(test)]
pub(crate) fn lines() -> Vec<String> {
    with(|host| host.lines.clone())
}

fn call(act: impl FnOnce(&mut Host) -> u32) -> u32 {
    with(|host| {
        if let Some(status) = host.status {
            return status;
        }
        match &mut host.failing {
            Some((0, status)) => {
                let status = *status;
                host.failing = None;
                status
            }
            Some((calls, _)) => {
                *calls = calls.saturating_sub(1);
                act(host)
            }
            None => act(host),
        }
    })
}

unsafe fn bytes(data: *const u8, size: usize) -> Vec<u8> {
    unsafe { std::slice::from_raw_parts(data, size) }.to_vec()
}

unsafe fn give(value: &[u8], data: *mut *mut u8, size: *mut usize) -> u32 {
    let memory = super::callbacks::proxy_on_memory_allocate(value.len());
    unsafe {
        if !memory.is_null() {
            std::ptr::copy_nonoverlapping(value.as_ptr(), memory, value.len());
        }
        *data = memory;
        *size = value.len();
    }
    0
}

pub(super) unsafe fn proxy_log(_level: u32, line: *const u8, size: usize) -> u32 {
    let line = String::from_utf8(unsafe { bytes(line, size) }).unwrap_or_default();
    with(|host| host.lines.push(line));
    0
}

pub(super) unsafe fn proxy_set_tick_period_milliseconds(_period: u32) -> u32 {
    call(|_| 0)
}

pub(super) unsafe fn proxy_get_buffer_bytes(
    _buffer: u32,
    start: usize,
    max: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call(|host| {
        let end = start.saturating_add(max).min(host.buffer.len());
        unsafe { give(host.buffer.get(start..end).unwrap_or_default(), data, size) }
    })
}

pub(super) unsafe fn proxy_get_header_map_pairs(
    _map: u32,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call(|host| unsafe { give(&host.headers, data, size) })
}

pub(super) unsafe fn proxy_get_header_map_value(
    _map: u32,
    name: *const u8,
    name_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let name = unsafe { bytes(name, name_size) };
    call(|host| match name.as_slice() {
        b":status" => unsafe { give(&host.callout_status, data, size) },
        _ => 1,
    })
}

pub(super) unsafe fn proxy_remove_header_map_value(
    _map: u32,
    name: *const u8,
    name_size: usize,
) -> u32 {
    let name = unsafe { bytes(name, name_size) };
    call(|host| {
        host.removed.push(name);
        0
    })
}

pub(super) unsafe fn proxy_replace_header_map_value(
    _map: u32,
    name: *const u8,
    name_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    let header = unsafe { (bytes(name, name_size), bytes(value, value_size)) };
    call(|host| {
        host.set.push(header);
        0
    })
}

pub(super) unsafe fn proxy_add_header_map_value(
    map: u32,
    name: *const u8,
    name_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    unsafe { proxy_replace_header_map_value(map, name, name_size, value, value_size) }
}

pub(super) unsafe fn proxy_set_effective_context(context: u32) -> u32 {
    call(|host| {
        host.acts_for = context;
        0
    })
}

pub(super) unsafe fn proxy_continue_stream(_stream: u32) -> u32 {
    call(|host| {
        host.continued = host.continued.saturating_add(1);
        0
    })
}

pub(super) unsafe fn proxy_get_property(
    path: *const u8,
    path_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let path = unsafe { bytes(path, path_size) };
    call(|host| match host.properties.get(&path) {
        Some(value) => unsafe { give(value, data, size) },
        None => 1,
    })
}

pub(super) unsafe fn proxy_set_property(
    path: *const u8,
    path_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    let (path, value) = unsafe { (bytes(path, path_size), bytes(value, value_size)) };
    call(|host| {
        host.properties.insert(path, value);
        0
    })
}

pub(super) unsafe fn proxy_get_shared_data(
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
    cas: *mut u32,
) -> u32 {
    let key = unsafe { bytes(key, key_size) };
    call(|host| match host.shared.get(&key) {
        Some((value, number)) => unsafe {
            *cas = *number;
            give(value, data, size)
        },
        None => 1,
    })
}

pub(super) unsafe fn proxy_set_shared_data(
    key: *const u8,
    key_size: usize,
    value: *const u8,
    value_size: usize,
    cas: u32,
) -> u32 {
    let (key, value) = unsafe { (bytes(key, key_size), bytes(value, value_size)) };
    call(|host| {
        let number = host.shared.get(&key).map_or(0, |(_, number)| *number);
        let refused = match host.refuses_unseen {
            true => cas != number,
            false => cas != 0 && number != 0 && cas != number,
        };
        if refused {
            return 8;
        }
        host.shared.insert(key, (value, number.saturating_add(1)));
        0
    })
}

pub(super) unsafe fn proxy_send_local_response(
    status: u32,
    _details: *const u8,
    _details_size: usize,
    _body: *const u8,
    _body_size: usize,
    _headers: *const u8,
    _headers_size: usize,
    _grpc_status: i32,
) -> u32 {
    call(|host| {
        host.responses.push(status);
        0
    })
}

pub(super) unsafe fn proxy_http_call(
    _cluster: *const u8,
    _cluster_size: usize,
    _headers: *const u8,
    _headers_size: usize,
    _body: *const u8,
    _body_size: usize,
    _trailers: *const u8,
    _trailers_size: usize,
    _timeout: u32,
    token: *mut u32,
) -> u32 {
    call(|host| {
        host.calls = host.calls.saturating_add(1);
        unsafe { *token = host.calls };
        0
    })
}

pub(super) unsafe fn proxy_call_foreign_function(
    _name: *const u8,
    _name_size: usize,
    _arguments: *const u8,
    _arguments_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call(|host| match &host.foreign {
        Some(answer) => unsafe { give(answer, data, size) },
        None => 1,
    })
}

pub(super) unsafe fn proxy_define_metric(
    _kind: u32,
    _name: *const u8,
    _name_size: usize,
    id: *mut u32,
) -> u32 {
    unsafe { *id = 1 };
    call(|_| 0)
}

pub(super) unsafe fn proxy_increment_metric(_id: u32, by: i64) -> u32 {
    // As Envoy, which the filter must never ask for it.
    call(|_| if by == 0 { 2 } else { 0 })
}

pub(super) unsafe fn proxy_record_metric(_id: u32, _value: u64) -> u32 {
    call(|_| 0)
}

pub(super) unsafe fn clock_time_get(_clock: u32, _precision: u64, time: *mut u64) -> u32 {
    with(|host| {
        unsafe { *time = host.now_nanos };
        0
    })
}

pub(super) unsafe fn random_get(buffer: *mut u8, size: usize) -> u32 {
    call(|host| {
        host.random = host.random.wrapping_add(1);
        unsafe { std::ptr::write_bytes(buffer, host.random, size) };
        0
    })
}
