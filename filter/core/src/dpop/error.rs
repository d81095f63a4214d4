//! Why a proof is refused, and what the client is told.

use std::time::Duration;

use crate::claims::ClaimsError;
use crate::json::JsonError;
use crate::jwk::KeyError;
use crate::jws::{Algorithm, JwsError};
use crate::origin::UriProblem;
use crate::thumbprint::Fingerprint;
use crate::time::UnixTime;

/// The `error` of a DPoP challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Challenge {
    /// The proof is not good (RFC 9449 §7.1).
    InvalidDpopProof,
    /// It needs a nonce, which comes with the answer (§9).
    UseDpopNonce,
    /// The token is bound to another key (§7.1).
    InvalidToken,
}

impl Challenge {
    /// As it is written.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InvalidToken => "invalid_token",
        }
    }
}

/// Why a proof is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DpopError {
    /// No header.
    #[error("no DPoP header")]
    Absent,
    /// More than one header.
    #[error("more than one DPoP header")]
    Multiple,
    /// Not one signed JWT.
    #[error("proof: {0}")]
    Malformed(JwsError),
    /// Another kind of token.
    #[error("proof has the type {}, not `dpop+jwt`", typ.as_deref().unwrap_or("(none)"))]
    WrongType {
        /// Its `typ`, shortened.
        typ: Option<String>,
    },
    /// An algorithm that the configuration does not allow.
    #[error("proofs by {algorithm} are not accepted")]
    AlgorithmNotAllowed {
        /// Its `alg`.
        algorithm: Algorithm,
    },
    /// A payload that is not strict JSON.
    #[error("payload of the proof: {0}")]
    Payload(JsonError),
    /// A header that is not strict JSON.
    #[error("header of the proof: {0}")]
    Header(JsonError),
    /// A claim that is missing or malformed.
    #[error("proof: {0}")]
    Claims(#[from] ClaimsError),
    /// Made for another method.
    #[error("`htm` is `{htm}`, not the method of the request")]
    WrongMethod {
        /// Its `htm`, shortened.
        htm: String,
    },
    /// Made for an address that can be read in two ways.
    #[error("`htu` is `{htu}`: {problem}")]
    UnclearTarget {
        /// Its `htu`, shortened.
        htu: String,
        /// What is unclear.
        problem: UriProblem,
    },
    /// Made for another address.
    #[error("`htu` is `{htu}`, not the address of the request")]
    WrongTarget {
        /// Its `htu`, shortened.
        htu: String,
    },
    /// Without a nonce, which is asked for.
    #[error("proof has no nonce")]
    NoNonce,
    /// With a nonce that is no longer good, or never was.
    #[error("the nonce of the proof is not one of the last two")]
    StaleNonce,
    /// Made too far in the future.
    #[error("proof made at {iat}, now {now}, at most {}s ahead are allowed", limit.as_secs())]
    InTheFuture {
        /// Its `iat`.
        iat: UnixTime,
        /// The gateway's time.
        now: UnixTime,
        /// The limit in force.
        limit: Duration,
    },
    /// Made too long ago.
    #[error("proof made at {iat}, now {now}, at most {}s ago are allowed", limit.as_secs())]
    TooOld {
        /// Its `iat`.
        iat: UnixTime,
        /// The gateway's time.
        now: UnixTime,
        /// The limit in force.
        limit: Duration,
    },
    /// Made for another access token.
    #[error("`ath` is not the digest of the access token")]
    WrongToken,
    /// No key in its header.
    #[error("header of the proof has no `jwk`")]
    NoKey,
    /// A key of no type that has a thumbprint.
    #[error("`jwk` of the proof is no public key of a known type")]
    NoThumbprint,
    /// A key that is private, too small, or no key.
    #[error("`jwk` of the proof: {0}")]
    Key(KeyError),
    /// Made with another key than the access token is bound to.
    #[error("proof by key {thumbprint}, the token is bound to {expected}")]
    WrongKey {
        /// The thumbprint of its key.
        thumbprint: Fingerprint,
        /// The token's `cnf.jkt`.
        expected: Fingerprint,
    },
    /// A signature that is not by its key, or a key that is not for its algorithm.
    #[error("the signature of the proof ({algorithm}) is not by its key")]
    BadSignature {
        /// Its `alg`.
        algorithm: Algorithm,
    },
}

impl DpopError {
    /// What the client is told.
    #[must_use]
    pub const fn challenge(&self) -> Challenge {
        match self {
            Self::NoNonce | Self::StaleNonce => Challenge::UseDpopNonce,
            Self::WrongKey { .. } => Challenge::InvalidToken,
            Self::Absent
            | Self::Multiple
            | Self::Malformed(_)
            | Self::WrongType { .. }
            | Self::AlgorithmNotAllowed { .. }
            | Self::Payload(_)
            | Self::Header(_)
            | Self::Claims(_)
            | Self::WrongMethod { .. }
            | Self::UnclearTarget { .. }
            | Self::WrongTarget { .. }
            | Self::InTheFuture { .. }
            | Self::TooOld { .. }
            | Self::WrongToken
            | Self::NoKey
            | Self::NoThumbprint
            | Self::Key(_)
            | Self::BadSignature { .. } => Challenge::InvalidDpopProof,
        }
    }
}
