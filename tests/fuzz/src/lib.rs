//! What the fuzz targets assert. A target is one call of a function here, so that a saved input can
//! be run again from a test or a debugger.
//!
//! A parser's promise is more than not to panic: what it accepts has one spelling, means the same
//! to another parser, and survives being written and read again.

pub mod decide;
pub mod documents;
pub mod parsers;
#[allow(dead_code, reason = "of the companion's file only the digits are used here")]
#[path = "../../../companion/src/secret.rs"]
mod secret;
pub mod table;
