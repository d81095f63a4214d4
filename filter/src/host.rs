//! Every call between the filter and its host, in both directions: Proxy-Wasm ABI 0.2.1 and two
//! functions of WASI.
//!
//! **Why not the crate `proxy-wasm`.** Its wrappers panic on any status they do not know, on header
//! values that are not UTF-8 and on the headers of a failed callout; its dispatcher panics on a
//! callout that was not made through those wrappers. A panic is a trap, and after a trap Envoy
//! answers 503 for everybody, Kong lets the paused request pass and APISIX loses the worker.
//!
//! So the functions are declared here, and each is wrapped in one that returns what the host
//! answered as a [`Status`], whatever number that is. Bytes stay bytes. Only functions that every
//! known host provides are imported; a missing one stops the module from loading, and APISIX then
//! runs without it (so neither `proxy_get_log_level` nor `proxy_get_metric`).
//!
//! This file and its folder are the only ones with `unsafe`, and they refuse to decide anything: what the host says to
//! the filter goes on to [`crate::vm`] at once ([`callbacks`]).
#![expect(
    unsafe_code,
    reason = "the host is called through pointers; see the comments at each block"
)]

use std::alloc::Layout;

use rescind_core::time::UnixTime;

use crate::pairs::Pairs;

mod callbacks;
#[cfg(target_arch = "wasm32")]
mod imports;
mod types;
pub(crate) use types::{Action, Buffer, Level, Map, MetricKind, Status, Token};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod fake;
#[cfg(not(target_arch = "wasm32"))]
use fake as abi;
#[cfg(target_arch = "wasm32")]
use imports as abi;

/// Writes one line to the host's log. There is nobody to tell if that fails.
pub(crate) fn log(level: Level, line: &str) {
    // SAFETY: the host reads `line` during the call only.
    unsafe { abi::proxy_log(level.code(), line.as_ptr(), line.len()) };
}

/// The time. Not `std::time::SystemTime`, which panics if the clock cannot be read, and not the
/// ABI's own function, which APISIX does not have.
pub(crate) fn now() -> Result<UnixTime, Status> {
    const REALTIME: u32 = 0;
    const PRECISION_NANOS: u64 = 1_000_000;
    let mut nanos = 0_u64;
    // SAFETY: the host writes eight bytes to `nanos`.
    Status::check(unsafe { abi::clock_time_get(REALTIME, PRECISION_NANOS, &raw mut nanos) })?;
    Ok(UnixTime::from_millis(nanos / PRECISION_NANOS))
}

/// A random number.
pub(crate) fn random() -> Result<u64, Status> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the host writes at most eight bytes to `bytes`.
    Status::check(unsafe { abi::random_get(bytes.as_mut_ptr(), bytes.len()) })?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Asks for a call of [`vm::on_tick`] every `millis` milliseconds.
pub(crate) fn set_tick_period(millis: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { abi::proxy_set_tick_period_milliseconds(millis) })
}

/// At most `max` bytes of a buffer.
pub(crate) fn buffer(which: Buffer, max: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: see `returned`.
    returned(|data, size| unsafe { abi::proxy_get_buffer_bytes(which.code(), 0, max, data, size) })
}

/// All headers, serialized as [`Pairs`] reads them.
pub(crate) fn headers(map: Map) -> Result<Vec<u8>, Status> {
    // SAFETY: see `returned`.
    returned(|data, size| unsafe { abi::proxy_get_header_map_pairs(map.code(), data, size) })
}

/// The first value of a header.
pub(crate) fn header(map: Map, name: &str) -> Result<Vec<u8>, Status> {
    // SAFETY: the host reads `name` during the call only; else see `returned`.
    returned(|data, size| unsafe {
        abi::proxy_get_header_map_value(map.code(), name.as_ptr(), name.len(), data, size)
    })
}

/// Removes all values of a header of the request.
pub(crate) fn remove_header(name: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads `name` during the call only.
    Status::check(unsafe {
        abi::proxy_remove_header_map_value(Map::Request.code(), name.as_ptr(), name.len())
    })
}

/// Adds a header to the request.
pub(crate) fn add_header(name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads `name` and `value` during the call only.
    Status::check(unsafe {
        abi::proxy_add_header_map_value(
            Map::Request.code(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Gives a header of the request exactly one value.
pub(crate) fn set_header(name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads `name` and `value` during the call only.
    Status::check(unsafe {
        abi::proxy_replace_header_map_value(
            Map::Request.code(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// From now on, until this callback ends, calls are about that context. The nginx hosts say yes and do nothing.
pub(crate) fn act_for(context: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { abi::proxy_set_effective_context(context) })
}

/// Lets a paused request go on.
pub(crate) fn continue_request() -> Result<(), Status> {
    const HTTP_REQUEST: u32 = 0;
    // SAFETY: no pointers.
    Status::check(unsafe { abi::proxy_continue_stream(HTTP_REQUEST) })
}

/// A property of the request; its path's parts are separated by zero bytes.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, Status> {
    // SAFETY: the host reads `path` during the call only; else see `returned`.
    returned(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property of the request: in Envoy, filter state `wasm.<name>`.
pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads `name` and `value` during the call only.
    Status::check(unsafe {
        abi::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// The value of a shared-data key and its compare-and-swap number.
pub(crate) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), Status> {
    let mut cas = 0_u32;
    // SAFETY: the host reads `key` during the call only and writes four bytes to `cas`; else see `returned`.
    let value = returned(|data, size| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    })?;
    Ok((value, cas))
}

/// Replaces the value of a shared-data key; with `cas` 0, whatever it is.
pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: the host reads `key` and `value` during the call only.
    Status::check(unsafe {
        abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

/// Answers the request; `grpc_status` -1 lets the host choose. The `details` show in the access
/// log.
pub(crate) fn send_response(
    status: u16,
    details: &str,
    headers: &Pairs,
    body: &[u8],
    grpc_status: i32,
) -> Result<(), Status> {
    let headers = headers.bytes();
    // SAFETY: the host reads all four during the call only.
    Status::check(unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Sends a request without a body to a cluster. The answer, of whatever kind, comes to
/// [`vm::on_callout_response`], unless it is lost: see [`crate::callout`].
pub(crate) fn call(cluster: &str, headers: &Pairs, timeout_millis: u32) -> Result<Token, Status> {
    let mut token = 0_u32;
    let (headers, trailers) = (headers.bytes(), Pairs::new());
    let (trailers, body) = (trailers.bytes(), [0_u8; 0]);
    // SAFETY: the host reads all four during the call only and writes four bytes to `token`.
    Status::check(unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_millis,
            &raw mut token,
        )
    })?;
    Ok(Token(token))
}

/// Calls a function that only some hosts have.
pub(crate) fn call_foreign_function(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: the host reads `name` and `arguments` during the call only; else see `returned`.
    returned(|data, size| unsafe {
        abi::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}

/// Defines a metric, or finds it if it is defined already.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Status> {
    let mut id = 0_u32;
    // SAFETY: the host reads `name` during the call only and writes four bytes to `id`.
    Status::check(unsafe {
        abi::proxy_define_metric(kind.code(), name.as_ptr(), name.len(), &raw mut id)
    })?;
    Ok(id)
}

/// Adds to a metric. Zero is no call: some hosts refuse it.
pub(crate) fn increment_metric(id: u32, by: i64) -> Result<(), Status> {
    if by == 0 {
        return Ok(());
    }
    // SAFETY: no pointers.
    Status::check(unsafe { abi::proxy_increment_metric(id, by) })
}

/// Sets a metric.
pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { abi::proxy_record_metric(id, value) })
}

/// Makes a call that returns bytes, and takes them over.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let mut data: *mut u8 = std::ptr::null_mut();
    let mut size = 0_usize;
    Status::check(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    if size == 0 {
        // SAFETY: where a host asked for no bytes at all it got one: see `callbacks::proxy_on_memory_allocate`.
        unsafe { std::alloc::dealloc(data, Layout::new::<u8>()) };
        return Ok(Vec::new());
    }
    // SAFETY: a host that returns bytes has asked `proxy_on_memory_allocate` for `size` bytes during this call, has
    // written all of them and keeps no pointer. That function allocates as `Vec<u8>` does.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}
