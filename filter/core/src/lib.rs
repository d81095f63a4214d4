//! Every decision of Rescind, without I/O, clock, randomness or host.

pub mod record;
pub mod shared;
pub mod time;
