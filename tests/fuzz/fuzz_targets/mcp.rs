#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rescind_fuzz::documents::mcp_body(data));
