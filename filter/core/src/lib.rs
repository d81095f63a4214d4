//! Every decision of Rescind, without I/O, clock, randomness or host.
//!
//! One question is answered here: may this request pass, *now*? Everything else in the repository
//! carries bytes to this crate and answers back. Whoever deletes the Proxy-Wasm shell loses no
//! decision; whoever reads [`gate`], [`verdict`] and [`table`] can predict every status code.
//!
//! # What happens to a request
//!
//! ```text
//! request ─▶ route ─▶ credential ─▶ head of the table ─▶ cache ─known─┬▶ time ─▶ table ─▶ scope
//!                                   (fresh? new keys?)     └──new──┐  │                     │
//!                                                jws ─▶ keys ─▶ claims┘            Permit or Denial
//! ```
//!
//! [`gate`] is that line, in code. [`request`], [`route`] and [`credential`] read what a client
//! sent; [`jws`], [`jwk`], [`crypto`] and [`claims`] verify a token; [`mapping`] says which
//! subjects it speaks of; [`table`] says what happened to them; [`identity`] says what the service
//! behind the gateway is told.
//!
//! # What happens to a signal
//!
//! The companion verifies a security event token ([`set`]), sees whom its transmitter may speak
//! about ([`authority`]) and turns it into records ([`event`], [`subject`], [`record`]). They
//! travel in signed pages ([`feed`]), one worker of a gateway follows them ([`replica`]) and writes
//! them into shared data ([`table`], [`shared`]), where all workers find them at their next
//! request. One worker fetches key sets ([`documents`], [`keys`]). On a host without a timer a request does
//! so ([`on_demand`]).
//!
//! # Kinds of tokens and of keys
//!
//! Beside access tokens there are transaction tokens ([`txn_token`]), workload identities
//! ([`spiffe`]) and lists of token statuses ([`status_list`]); [`lifetime`] holds what they share.
//! Keys come from a key set, from the bundle of a trust domain ([`bundle`]), or from where an
//! issuer's metadata say ([`discovery`]). [`resource_metadata`] tells clients where to get a token,
//! [`mcp`] reads what the Model Context Protocol puts into headers, [`place`] tokens that are in a cookie or a header of
//! their own.
//!
//! # Who sends a token
//!
//! A token can be bound to its sender: to a key of which each request brings a proof ([`dpop`],
//! with the nonces of [`nonce`]; it is for an address, [`origin`], and passes once, [`replay`]), or
//! to the certificate of the connection ([`xfcc`]). [`thumbprint`] is what the binding names.
//! Workloads have a token and a proof of their own ([`wimse`]).
//!
//! # Streams
//!
//! What passed can stay open for hours. Where a route says so, [`in_flight`] watches it, and what
//! would be refused now ends.
//!
//! # How to read the code
//!
//! - **Time is an argument** named `now`, and so is randomness. Functions say what to do; they
//!   never do it.
//! - **A value is the proof.** Only [`gate::Gate::decide`] can make a [`verdict::Permit`]; a
//!   [`config::Config`] exists only if nothing is wrong with it.
//! - **Whatever comes from outside has a budget**, each a constant with its reason: tokens,
//!   headers, key sets, pages, caches, configurations.
//! - **Nothing panics**; the lints forbid what could.
//! - **In doubt, the answer is no**, and says why: [`verdict::Denial`] carries the facts that were
//!   compared.
//!
//! `tests/states.rs` is the executable specification: every state of the world, every kind of
//! credential, and the answer.
#![cfg_attr(
    all(test, target_arch = "wasm32"),
    expect(clippy::arithmetic_side_effects, reason = "clippy knows tests by `#[test]` only")
)]

pub mod audience;
pub mod authority;
pub mod back_off;
pub mod base64url;
pub mod bundle;
pub mod cache;
pub mod claims;
pub mod config;
pub mod credential;
pub mod crypto;
pub mod delegation;
pub mod discovery;
pub mod documents;
pub mod dpop;
pub mod event;
pub mod feed;
pub mod gate;
pub mod https_url;
pub mod identity;
pub mod in_flight;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod keys;
pub mod lifetime;
pub mod mapping;
pub mod mcp;
pub mod metrics;
pub mod nonce;
pub mod on_demand;
pub mod origin;
pub mod place;
pub mod record;
pub mod replay;
pub mod replica;
pub mod request;
pub mod resource_metadata;
pub mod route;
pub mod set;
pub mod shared;
pub mod slots;
pub mod spiffe;
pub mod staleness;
pub mod status_list;
pub mod subject;
pub mod table;
pub mod thumbprint;
pub mod time;
pub mod txn_token;
pub mod verdict;
pub mod wimse;
pub mod xfcc;
