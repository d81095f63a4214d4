//! Decisions for gateways that load no Wasm: the same core as in the filter, asked over HTTP.
//!
//! A gateway shows a request, or what it knows of one, and gets the core's verdict
//! ([`rescind_core::gate`]). The gate's configuration is the filter's, character by character: a
//! route or an issuer is written once, whatever gateway enforces it.
//!
//! | file | question |
//! |---|---|
//! | [`settings`] | what is configured, and what is wrong with it |
//! | [`listener`] | sockets and threads: one gate for each |
//! | [`worker`] | one thread's gate, and what it says in log and metrics |
//! | [`state`] | what decisions rest on: the table, key sets, status lists |
//! | [`memory`] | where that is, for all threads |
//! | [`service`] | who asks |
//! | [`form`] | how, and what the forms are called |
//! | [`original`] | which request is asked about |
//! | [`authzen`] | OpenID AuthZEN: questions and answers in JSON |
//! | [`grpc`] | Envoy's `ext_authz` over gRPC |
//! | [`forward`] | verdicts as answers to `auth_request`, ForwardAuth and `ext_authz` |
//!
//! **Nothing a client can send chooses how its request is read.** The form comes with the caller's
//! own secret, or is the only one that is configured. What cannot be read is refused.
//!
//! **A signal is in force when it is acknowledged.** The writer shows a SET in the live records
//! before it answers 202; a decision first looks whether it knows all of them ([`state`]).

pub(crate) mod authzen;
pub(crate) mod counts;
pub(crate) mod form;
pub(crate) mod forward;
pub(crate) mod grpc;
pub(crate) mod listener;
pub(crate) mod memory;
pub(crate) mod original;
pub(crate) mod refusals;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod worker;
