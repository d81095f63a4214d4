//! Black-box tests of Rescind: real gateways, real servers, and nothing else.
//!
//! The harness speaks only what the outside world speaks: HTTP, command lines, signals and files. It
//! does not link `rescind-core`, so a test cannot pass because both sides share a mistake.
//!
//! - [`site::Site`] is a whole installation: issuer, upstream, companion and Envoy on own ports.
//! - Every process is a guard that dies with its test and shows its log when the test fails.
//! - Every wait is a bounded poll on a condition ([`wait`]), never a sleep of hoped-for length.

pub mod companion;
pub mod cpu;
pub mod deciding;
pub mod dynamic;
pub mod elf;
pub mod envoy;
pub mod h2;
pub mod http;
pub mod images;
pub mod independent;
pub mod issuer;
pub mod istio;
pub mod load;
pub mod middle;
pub mod nginx;
pub mod oci;
pub mod ports;
pub mod process;
pub mod prover;
pub mod site;
pub mod stream;
pub mod tools;
pub mod transmitter;
pub mod upstream;
pub mod wait;
