//! The companion: receives Security Event Tokens, keeps them durably, feeds every gateway.
//!
//! Where to look: [`receiver`] is the life of one SET up to its `202`, [`journal`] keeps it,
//! [`live`] is what it means now, [`feed`] tells the gateways. [`server`] and [`service`] are the
//! HTTP around them; [`config`] cannot be wrong once it is there. The commands besides `serve` are
//! clients of a running companion ([`client`]) or work on files ([`keygen`], [`import`]).

use std::process::ExitCode;

use clap::Parser as _;

mod audit;
mod authorization;
mod body;
mod cli;
mod client;
mod clock;
mod config;
mod decide;
mod doctor;
mod export;
mod feed;
mod followers;
mod front;
mod gaps;
mod import;
mod journal;
mod keygen;
mod keys;
mod live;
mod metrics;
mod named;
mod notes;
mod outbound;
mod patient;
mod poll;
mod prune;
mod receiver;
mod reply;
mod secret;
mod server;
mod service;
mod show;
mod signals;
mod signer;
mod stream;
mod unmatched;
mod verifier;

/// That of the C library that is linked in is one for small programs: with it a decision costs twice
/// as much.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
