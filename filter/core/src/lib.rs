//! Every decision of Rescind, without I/O, clock, randomness or host.

pub mod base64url;
pub mod claims;
pub mod crypto;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod record;
pub mod shared;
pub mod time;
