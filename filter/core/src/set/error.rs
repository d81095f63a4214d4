//! Why a SET is refused, and what its transmitter is told.
//!
//! `Display` is the `description` of RFC 8935 §2.3: it says enough to repair the transmitter, and
//! nothing about our keys or other streams.

use std::fmt;
use std::time::Duration;

use crate::authority::AuthorityError;
use crate::event::PayloadError;
use crate::json::JsonError;
use crate::jws::{Algorithm, JwsError};
use crate::subject::SubjectError;
use crate::time::UnixTime;

use super::{MAX_JTI_BYTES, TYPE};

/// The `err` of an answer (RFC 8935 §2.4; the last one SSF 1.0 §11).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorCode {
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_key`
    InvalidKey,
    /// `invalid_issuer`
    InvalidIssuer,
    /// `invalid_audience`
    InvalidAudience,
    /// `authentication_failed`
    AuthenticationFailed,
    /// `access_denied`
    AccessDenied,
    /// `invalid_state`
    InvalidState,
}

/// Why a SET is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SetError {
    /// No JWS that can be checked.
    #[error("{0}")]
    Jws(JwsError),
    /// Another kind of token.
    #[error("`typ` is {}, not `{TYPE}`", quoted(found.as_deref()))]
    Type {
        /// The header's `typ`, shortened.
        found: Option<String>,
    },
    /// An algorithm that this transmitter must not use.
    #[error("algorithm {} is not allowed for this transmitter", algorithm.name())]
    Algorithm {
        /// The header's `alg`.
        algorithm: Algorithm,
    },
    /// No key of the transmitter is named so and fits the algorithm.
    #[error("no key with `kid` {} for {}", quoted(kid.as_deref()), algorithm.name())]
    UnknownKey {
        /// The header's `alg`.
        algorithm: Algorithm,
        /// The header's `kid`.
        kid: Option<String>,
    },
    /// The signature does not match.
    #[error("signature is not by key {} with {}", quoted(kid.as_deref()), algorithm.name())]
    BadSignature {
        /// The header's `alg`.
        algorithm: Algorithm,
        /// The header's `kid`.
        kid: Option<String>,
    },
    /// The payload is not strict JSON.
    #[error("payload: {0}")]
    Json(JsonError),
    /// The payload is JSON, but no object.
    #[error("payload is {kind}, not an object")]
    NotAnObject {
        /// What it is.
        kind: &'static str,
    },
    /// A claim that every SET has.
    #[error("claim `{claim}` is missing")]
    Missing {
        /// Its name.
        claim: &'static str,
    },
    /// A claim of the wrong type.
    #[error("`{claim}` is {kind}, not {expected}")]
    WrongType {
        /// Its name.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        kind: &'static str,
    },
    /// A claim with nothing in it.
    #[error("claim `{claim}` is empty")]
    Empty {
        /// Its name.
        claim: &'static str,
    },
    /// A `jti` longer than [`MAX_JTI_BYTES`].
    #[error("claim `jti` has {length} bytes, at most {MAX_JTI_BYTES} are allowed")]
    JtiTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A claim that a SET must not have (SSF 1.0 §4.1.2 and §4.1.7).
    #[error("claim `{claim}` must not stand in a security event token")]
    Forbidden {
        /// Its name.
        claim: &'static str,
    },
    /// Another issuer than the stream's.
    #[error("`iss` is `{found}`, this stream is for `{expected}`")]
    Issuer {
        /// The `iss`, shortened.
        found: String,
        /// The stream's issuer.
        expected: String,
    },
    /// For somebody else.
    #[error("`aud` does not name this recipient")]
    Audience,
    /// A time below zero, or no time at all.
    #[error("`{claim}` is not a time in seconds since 1970")]
    NotATime {
        /// Its name.
        claim: &'static str,
    },
    /// A time in milliseconds.
    #[error("`{claim}` {value} looks like milliseconds; it must be in seconds")]
    Milliseconds {
        /// Its name.
        claim: &'static str,
        /// The number.
        value: u64,
    },
    /// A time that has not come.
    #[error("`{claim}` {at} is in the future, now {now}, skew {}s", skew.as_secs())]
    Future {
        /// Its name.
        claim: &'static str,
        /// The time.
        at: UnixTime,
        /// Our time.
        now: UnixTime,
        /// How far ahead it may be.
        skew: Duration,
    },
    /// A `sub_id` that is no subject identifier.
    #[error("{0}")]
    Subject(SubjectError),
    /// Not exactly one event.
    #[error("`events` has {count} members, it must have exactly one")]
    EventCount {
        /// How many there are.
        count: usize,
    },
    /// A payload that does not obey the event's definition.
    #[error("{0}")]
    Payload(PayloadError),
    /// A subject that this transmitter cannot reach.
    #[error("{0}")]
    Authority(#[from] AuthorityError),
}

impl SetError {
    /// What the transmitter is told.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::Jws(JwsError::UnknownAlgorithm { .. })
            | Self::Algorithm { .. }
            | Self::UnknownKey { .. }
            | Self::BadSignature { .. } => ErrorCode::InvalidKey,
            Self::Issuer { .. } => ErrorCode::InvalidIssuer,
            Self::Audience => ErrorCode::InvalidAudience,
            Self::Authority(error) if error.is_denial() => ErrorCode::AccessDenied,
            Self::Jws(_)
            | Self::Type { .. }
            | Self::Json(_)
            | Self::NotAnObject { .. }
            | Self::Missing { .. }
            | Self::WrongType { .. }
            | Self::Empty { .. }
            | Self::JtiTooLong { .. }
            | Self::Forbidden { .. }
            | Self::NotATime { .. }
            | Self::Milliseconds { .. }
            | Self::Future { .. }
            | Self::Subject(_)
            | Self::EventCount { .. }
            | Self::Payload(_)
            | Self::Authority(_) => ErrorCode::InvalidRequest,
        }
    }

    /// The same as RFC 8935 spells it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.error_code().name()
    }
}

impl ErrorCode {
    /// As RFC 8935 spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::AuthenticationFailed => "authentication_failed",
            Self::AccessDenied => "access_denied",
            Self::InvalidState => "invalid_state",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(|| "absent".to_owned(), |text| format!("`{text}`"))
}
