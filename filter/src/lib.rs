//! The Proxy-Wasm shell: shows requests to [`rescind_core::gate`], carries out its verdicts, and
//! calls the companion.
//!
//! Every decision is the core's. What is here is how a gateway is spoken to ([`host`]), which
//! context a callback belongs to ([`vm`]), one configuration at work ([`worker`]), and one request
//! ([`request`]). Whoever deletes this crate loses no decision, only the gateways.
//!
//! Two rules hold throughout. **No panic**: a panic is a trap, and after a trap requests pass
//! unchecked or nobody gets through. **No way on without a permit**: every branch that is not a
//! permit ends in an answer.

mod bodies;
mod callout;
mod family;
mod filter_state;
mod follower;
mod host;
mod log;
mod metrics;
mod pairs;
mod protobuf;
mod request;
mod shared;
#[cfg(test)]
mod tests;
#[cfg(feature = "vectors")]
mod vectors;
mod verifier;
mod vm;
mod withheld;
mod worker;
