//! Calls of a transmitter's stream API: what is due, what comes back, and what that means.

use std::time::Duration;

use hyper::Method;
use rescind_core::time::UnixTime;
use serde_json::Value;

use super::Status;

/// A call that is due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiCall {
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// How.
    pub(crate) method: Method,
    /// Where.
    pub(crate) url: String,
    /// With what.
    pub(crate) body: Option<Value>,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// To learn where the API is.
    Metadata,
    /// To see the known stream.
    Read,
    /// To find a stream.
    List,
    /// To have one.
    Create,
    /// To bring one up to date.
    Update,
    /// To delete one that is not ours after all.
    Discard,
    /// To learn its status.
    Status,
    /// To see whether it delivers.
    Verify,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// Make this call.
    Call(ApiCall),
    /// Nothing until then, or until something happens.
    Wait(UnixTime),
}

/// The answer to a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ApiAnswer {
    /// The status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// What `Retry-After` says.
    pub(crate) retry_after: Option<Duration>,
}

/// Why a call did not do what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ApiError {
    /// The way there, or the authorization.
    #[error("{0}")]
    Call(String),
    /// Another status than asked for.
    #[error("answered with status {0}")]
    Status(u16),
    /// An answer that is not understood.
    #[error("{0}")]
    Answer(String),
    /// Somebody else's: not to be used.
    #[error("{0}: it is not used")]
    Foreign(&'static str),
    /// The transmitter does not offer this.
    #[error("the transmitter's metadata has no `{0}`")]
    NoEndpoint(&'static str),
    /// Nothing to manage.
    #[error("the configuration has no `[transmitters.stream]` for this transmitter")]
    Unmanaged,
    /// Streams of others are there, none of ours, and no more may be made.
    #[error("the transmitter allows no further stream, and none that exists is delivered to us")]
    Occupied,
}

/// What happened, for the log and for [`health`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Notice {
    /// The stream is used from now on.
    Using {
        /// Whether it was made just now.
        created: bool,
    },
    /// The transmitter does not know the stream any more.
    Lost,
    /// The stream cannot be brought up to date; it is used as it is.
    NotUpdated(ApiError),
    /// The transmitter told the status.
    Status(Status),
    /// A verification was asked for.
    Asked,
    /// The call did what it should.
    Answered,
    /// It did not.
    Failed {
        /// What it was for.
        purpose: Purpose,
        /// Why not.
        error: ApiError,
        /// How often in a row.
        failures: u32,
    },
}
