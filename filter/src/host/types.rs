//! The ABI's numbers, by name.

use std::fmt;

/// What the host answered, if not success. Hosts use numbers beyond those of the specification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Status(pub(crate) u32);

impl Status {
    const OK: u32 = 0;
    /// There is no such thing.
    pub(crate) const NOT_FOUND: Self = Self(1);
    /// The compare-and-swap number is an old one.
    pub(crate) const CAS_MISMATCH: Self = Self(8);
    /// The host does not have this function.
    pub(crate) const UNIMPLEMENTED: Self = Self(12);

    pub(super) const fn check(code: u32) -> Result<(), Self> {
        if code == Self::OK { Ok(()) } else { Err(Self(code)) }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0)
    }
}

/// How loud a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// Which headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Map {
    Request = 0,
    CalloutResponse = 6,
}

/// Which bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Buffer {
    RequestBody = 0,
    CalloutResponse = 4,
    Configuration = 7,
}

/// What the host does with a request after a callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    Continue = 0,
    Pause = 1,
    /// No action of the ABI: for a request that could not even be answered. Envoy holds it back, Kong and APISIX end
    /// it with an error. A pause that nothing ends would kill APISIX's worker.
    Fail = -1,
}

/// What a metric's number means to the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MetricKind {
    Counter = 0,
    Gauge = 1,
}

macro_rules! code {
    ($($type:ident),*) => {$(
        impl $type {
            /// Its number in the ABI.
            pub(super) const fn code(self) -> u32 {
                #[expect(clippy::as_conversions, reason = "the discriminants are the ABI's numbers")]
                { self as u32 }
            }
        }
    )*};
}
code!(Level, Map, Buffer, Action, MetricKind);

/// A callout on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Token(pub(crate) u32);
