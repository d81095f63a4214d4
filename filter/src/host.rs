//! Every call between the filter and its host, in both directions: Proxy-Wasm ABI 0.2.1 and two
//! functions of WASI.
//!
//! **Why not the crate `proxy-wasm`.** Its wrappers panic on any status they do not know, on header
//! values that are not UTF-8 and on the headers of a failed callout; its dispatcher panics on a
//! callout that was not made through those wrappers. A panic is a trap, and after a trap Envoy
//! answers 503 for everybody, Kong lets the paused request pass and APISIX loses the worker.
//! Linking it, even for its types, also exports callbacks for bodies, responses and logs, each of
//! which then costs a call into the VM at each request.
//!
//! So the functions are declared here, and each is wrapped in one that returns what the host
//! answered as a [`Status`], whatever number that is. Bytes stay bytes. Only functions that every
//! known host provides are imported; a missing one stops the module from loading, and APISIX then
//! runs without it (so neither `proxy_get_log_level` nor `proxy_get_metric`).
//!
//! This is the only file with `unsafe`, and it refuses to decide anything: what the host says to
//! the filter goes on to [`crate::vm`] at once.
#![expect(
    unsafe_code,
    reason = "the host is called through pointers; see the comments at each block"
)]

use std::alloc::Layout;

use rescind_core::time::UnixTime;

use crate::pairs::Pairs;
use crate::vm;

mod types;
pub(crate) use types::{Action, Buffer, Level, Map, MetricKind, Status, Token};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod fake;
#[cfg(not(target_arch = "wasm32"))]
use fake as abi;

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
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: a host that returns bytes has asked `proxy_on_memory_allocate` for `size` bytes during this call, has
    // written all of them and keeps no pointer. That function allocates as `Vec<u8>` does.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

// === What the host calls ===
//
// The host leaves out callbacks that are not exported. There is none for bodies, trailers, responses and logs:
// nothing is decided there.

/// Says which ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Called once, before anything else.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function, to be called once. Without the call it would wrap every export in one.
    unsafe { __wasm_call_ctors() };
}

/// Memory for bytes that the host returns; null if there is none, which fails the host's call and
/// nothing else.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout has a size other than zero.
        Ok(layout) if size > 0 => unsafe { std::alloc::alloc(layout) },
        _ => std::ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    vm::on_create(context, root);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    vm::on_delete(context);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    u32::from(vm::on_configure(root, size))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    vm::on_tick(root);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, _end: u32) -> u32 {
    vm::on_request(context).code()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    _context: u32,
    token: u32,
    header_count: usize,
    body_size: usize,
    _trailer_count: usize,
) {
    vm::on_callout_response(Token(token), header_count, body_size);
}

/// The host's functions.
#[cfg(target_arch = "wasm32")]
mod abi {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, line: *const u8, size: usize) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(
            map: u32,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_http_call(
            cluster: *const u8,
            cluster_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            arguments: *const u8,
            arguments_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_define_metric(
            kind: u32,
            name: *const u8,
            name_size: usize,
            id: *mut u32,
        ) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
        pub(super) fn random_get(buffer: *mut u8, size: usize) -> u32;
    }
}
