//! Every decision of Rescind, without I/O, clock, randomness or host.

pub mod base64url;
pub mod cache;
pub mod claims;
pub mod config;
pub mod credential;
pub mod crypto;
pub mod feed;
pub mod identity;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod metrics;
pub mod record;
pub mod request;
pub mod route;
pub mod shared;
pub mod time;
pub mod verdict;
