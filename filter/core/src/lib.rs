//! Every decision of Rescind, without I/O, clock, randomness or host.

pub mod authority;
pub mod base64url;
pub mod cache;
pub mod claims;
pub mod config;
pub mod credential;
pub mod crypto;
pub mod event;
pub mod feed;
pub mod identity;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod mapping;
pub mod metrics;
pub mod record;
pub mod replica;
pub mod request;
pub mod route;
pub mod set;
pub mod shared;
pub mod subject;
pub mod table;
pub mod time;
pub mod verdict;
