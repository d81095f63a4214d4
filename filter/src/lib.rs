//! The Proxy-Wasm shell.
