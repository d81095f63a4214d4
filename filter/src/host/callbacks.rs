//! What the host calls: what the module exports.
//!
//! Envoy and APISIX leave out callbacks that are not exported. Kong needs `proxy_on_vm_start` to load a filter at
//! all, and calls those of bodies, responses and logs without looking whether they are there, which ends the
//! worker. So all of them are here. Nothing is decided in the additional ones, and the build for Envoy alone (feature
//! `envoy`) leaves them out.

use std::alloc::Layout;

use super::Token;
use crate::vm;

const TRUE: u32 = 1;

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
/// nothing else. Never null for nothing at all: Kong traps where a value is empty and this fails.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size.max(1)) {
        // SAFETY: the layout has a size other than zero.
        Ok(layout) => unsafe { std::alloc::alloc(layout) },
        Err(_) => std::ptr::null_mut(),
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

/// Everything is set up in `proxy_on_configure`: hosts do not agree on when this is called.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    TRUE
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
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, end: u32) -> u32 {
    vm::on_request(context, end != 0).code()
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

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> u32 {
    vm::on_body(context, Some(size), end != 0).code()
}

/// A body before trailers has no end of its own.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _count: usize) -> u32 {
    vm::on_body(context, None, true).code()
}

/// What Envoy need not call.
#[cfg(not(feature = "envoy"))]
mod elsewhere {
    use super::TRUE;

    const CONTINUE: u32 = 0;

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_headers(_context: u32, _count: usize, _end: u32) -> u32 {
        CONTINUE
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_body(_context: u32, _size: usize, _end: u32) -> u32 {
        CONTINUE
    }

    /// Whether the context may be deleted. APISIX writes a line to its error log unless it may.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_done(_context: u32) -> u32 {
        TRUE
    }

    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_log(_context: u32) {}
}
