//! Why claims are refused. The text is for operators; a client learns no more than `invalid_token`.

use super::{MAX_ACTORS, MAX_JTI_BYTES, MAX_NUMERIC_DATE};

/// Why a payload is no set of claims that can be judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClaimsError {
    /// The payload is JSON, but no object.
    #[error("payload is {kind}, not an object")]
    NotAnObject {
        /// What it is.
        kind: &'static str,
    },
    /// A claim that nothing can be decided without.
    #[error("claim `{claim}` is missing")]
    Missing {
        /// Its name.
        claim: &'static str,
    },
    /// A claim of another type.
    #[error("claim `{claim}` is {kind}, not {expected}")]
    WrongType {
        /// Its name.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        kind: &'static str,
    },
    /// An empty string or array where something must be named.
    #[error("claim `{claim}` is empty")]
    Empty {
        /// Its name.
        claim: &'static str,
    },
    /// A time below zero or beyond [`MAX_NUMERIC_DATE`].
    #[error("claim `{claim}` is not between 0 and {MAX_NUMERIC_DATE} seconds")]
    OutOfRange {
        /// Its name.
        claim: &'static str,
    },
    /// A chain longer than [`MAX_ACTORS`].
    #[error("claim `act` is nested deeper than {MAX_ACTORS}")]
    TooManyActors,
    /// A `jti` longer than [`MAX_JTI_BYTES`].
    #[error("claim `jti` has {length} bytes, at most {MAX_JTI_BYTES} are allowed")]
    JtiTooLong {
        /// Its length in bytes.
        length: usize,
    },
}
