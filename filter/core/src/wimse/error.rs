//! Why a WIT or a proof is refused.
//!
//! A client is told 400 and nothing more (draft-ietf-wimse-wpt, Error Conditions): there is no
//! scheme for `WWW-Authenticate`.

use crate::claims::ClaimsError;
use crate::json::JsonError;
use crate::jwk::KeyError;
use crate::jws::{Algorithm, JwsError};
use crate::lifetime::LifetimeError;
use crate::origin::UriProblem;
use crate::spiffe::SpiffeIdError;

/// Why a token is no WIT that can be accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WitError {
    /// Another kind of token.
    #[error("typ is {}, a workload identity token has `wit+jwt`", typ.as_deref().unwrap_or("missing"))]
    Type {
        /// What the header says, shortened.
        typ: Option<String>,
    },
    /// An algorithm that is not configured for its trust domain, or not allowed for an SVID.
    #[error("workload identity tokens by {algorithm} are not accepted")]
    Algorithm {
        /// What the header says.
        algorithm: Algorithm,
    },
    /// A header without `kid`.
    #[error("workload identity token does not name its key (`kid`)")]
    NoKid,
    /// Claims of the wrong type or size, or missing.
    #[error("workload identity token: {0}")]
    Claims(#[from] ClaimsError),
    /// A `sub` that is no workload identifier.
    #[error("claim `sub` is no workload identifier: {0}")]
    Subject(#[from] SpiffeIdError),
    /// A `sub` that names a trust domain, not a workload.
    #[error("claim `sub` has no path: it names a trust domain, not a workload")]
    NoWorkload,
    /// A workload of another trust domain than the one whose keys are there.
    #[error("workload is of trust domain `{found}`, not `{expected}`")]
    ForeignTrustDomain {
        /// Its own, shortened.
        found: String,
        /// Whose keys they are.
        expected: String,
    },
    /// A security event token.
    #[error("a security event token is no workload identity token")]
    SecurityEventToken,
    /// A token for an audience.
    #[error("claim `aud` must not be in a workload identity token")]
    HasAudience,
    /// Not now.
    #[error("workload identity token {0}")]
    Lifetime(#[from] LifetimeError),
    /// A key that says no algorithm, or none that is known.
    #[error("`cnf.jwk` has no known `alg`")]
    NoProofAlgorithm,
    /// A key that no SVID may have.
    #[error("a proof by {algorithm} is not allowed for an SVID")]
    ProofAlgorithm {
        /// What `cnf.jwk` says.
        algorithm: Algorithm,
    },
    /// A key that is private, too small, or no key.
    #[error("`cnf.jwk`: {0}")]
    Key(KeyError),
    /// None of the trust domain's keys fits.
    #[error("trust domain `{trust_domain}` has no key `{kid}` for {algorithm}")]
    UnknownKey {
        /// Its name.
        trust_domain: String,
        /// The key that the header names, shortened.
        kid: String,
        /// The algorithm that the header names.
        algorithm: Algorithm,
    },
    /// A signature that none of the keys made.
    #[error("bad {algorithm} signature, key `{kid}` of trust domain `{trust_domain}`")]
    BadSignature {
        /// Its name.
        trust_domain: String,
        /// The key that the header names, shortened.
        kid: String,
        /// The algorithm that the header names.
        algorithm: Algorithm,
    },
}

impl WitError {
    /// For metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Type { .. } => "wrong_type",
            Self::Algorithm { .. } => "algorithm_not_allowed",
            Self::SecurityEventToken => "security_event_token",
            Self::UnknownKey { .. } => "unknown_key",
            Self::BadSignature { .. } => "bad_signature",
            Self::Lifetime(LifetimeError::Expired { .. }) => "expired",
            Self::Lifetime(LifetimeError::NotYetValid { .. }) => "not_yet_valid",
            Self::Lifetime(LifetimeError::IssuedInTheFuture { .. }) => "issued_in_the_future",
            Self::Lifetime(LifetimeError::TooLong { .. }) => "lifetime_too_long",
            Self::NoKid
            | Self::Claims(_)
            | Self::Subject(_)
            | Self::NoWorkload
            | Self::ForeignTrustDomain { .. }
            | Self::HasAudience
            | Self::NoProofAlgorithm
            | Self::ProofAlgorithm { .. }
            | Self::Key(_) => "invalid_wit",
        }
    }
}

/// Why a proof is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// No header.
    #[error("no Workload-Proof-Token header")]
    Absent,
    /// More than one header.
    #[error("more than one Workload-Proof-Token header")]
    Multiple,
    /// Not one signed JWT.
    #[error("workload proof: {0}")]
    Malformed(JwsError),
    /// Another kind of token.
    #[error("workload proof has the type {}, not `wpt+jwt`", typ.as_deref().unwrap_or("(none)"))]
    WrongType {
        /// Its `typ`, shortened.
        typ: Option<String>,
    },
    /// An algorithm that the configuration does not allow.
    #[error("workload proofs by {algorithm} are not accepted")]
    AlgorithmNotAllowed {
        /// Its `alg`.
        algorithm: Algorithm,
    },
    /// An algorithm other than the one that the WIT names.
    #[error("workload proof is by {algorithm}, the workload's key is for another algorithm")]
    AlgorithmMismatch {
        /// Its `alg`.
        algorithm: Algorithm,
    },
    /// A payload that is not strict JSON.
    #[error("payload of the workload proof: {0}")]
    Payload(JsonError),
    /// A claim that is missing or malformed.
    #[error("workload proof: {0}")]
    Claims(#[from] ClaimsError),
    /// Made for several targets.
    #[error("`aud` of the workload proof has {count} values, a proof is for one target")]
    SeveralTargets {
        /// How many.
        count: usize,
    },
    /// Made for an address that can be read in two ways.
    #[error("`aud` of the workload proof is `{aud}`: {problem}")]
    UnclearTarget {
        /// Its `aud`, shortened.
        aud: String,
        /// What is unclear.
        problem: UriProblem,
    },
    /// Made for another address.
    #[error("`aud` of the workload proof is `{aud}`, not the address of the request")]
    WrongTarget {
        /// Its `aud`, shortened.
        aud: String,
    },
    /// Not now.
    #[error("workload proof {0}")]
    Lifetime(#[from] LifetimeError),
    /// Made for another WIT, access token or Txn-Token.
    #[error("`{claim}` of the workload proof is not the digest of the request's token")]
    WrongToken {
        /// `wth`, `ath` or `tth`.
        claim: &'static str,
    },
    /// Made for a token that the request does not have.
    #[error("workload proof has `{claim}`, but the request has no such token")]
    NoSuchToken {
        /// `ath` or `tth`.
        claim: &'static str,
    },
    /// Made for other tokens, which are not looked for.
    #[error("workload proof has `oth`, which is not supported")]
    OtherTokens,
    /// A signature that is not by the workload's key.
    #[error("the signature of the workload proof ({algorithm}) is not by the workload's key")]
    BadSignature {
        /// Its `alg`.
        algorithm: Algorithm,
    },
}

impl ProofError {
    /// For metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Absent
            | Self::Multiple
            | Self::Malformed(_)
            | Self::WrongType { .. }
            | Self::AlgorithmNotAllowed { .. }
            | Self::AlgorithmMismatch { .. }
            | Self::Payload(_)
            | Self::Claims(_)
            | Self::SeveralTargets { .. }
            | Self::UnclearTarget { .. }
            | Self::WrongTarget { .. }
            | Self::Lifetime(_)
            | Self::WrongToken { .. }
            | Self::NoSuchToken { .. }
            | Self::OtherTokens
            | Self::BadSignature { .. } => "invalid_wpt",
        }
    }
}
