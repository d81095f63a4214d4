//! Facts that may be missing, as messages show them.

use std::fmt;

use crate::time::UnixTime;

/// A header member as a message shows it.
pub(super) struct Quoted<'a>(pub(super) Option<&'a str>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, "`{text}`"),
            None => f.write_str("absent"),
        }
    }
}

/// `iat` as a message shows it.
pub(super) struct Issued(pub(super) Option<UnixTime>);

impl fmt::Display for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => at.fmt(f),
            None => f.write_str("an unknown time"),
        }
    }
}
