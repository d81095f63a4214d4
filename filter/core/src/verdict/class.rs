//! What a client is told of a refusal: one of few answers, the same for every cause that it should not tell apart.

use super::Denial;
use crate::credential::CredentialError;
use crate::dpop;
use crate::mcp::body::BodyError;
use crate::record::FactKind;
use crate::replay::ReplayError;
use crate::route::RouteError;
use crate::slots::Slot;

/// What a client is told; all it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    NoCredentials,
    InvalidRequest,
    InvalidToken,
    InvalidProof,
    UseNonce,
    InsufficientAuthentication,
    InsufficientScope,
    Forbidden,
    BadRequest,
    TooLong,
    NotNow,
}

impl Denial {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.class() {
            Class::InvalidRequest | Class::BadRequest => 400,
            Class::NoCredentials
            | Class::InvalidToken
            | Class::InvalidProof
            | Class::UseNonce
            | Class::InsufficientAuthentication => 401,
            Class::InsufficientScope | Class::Forbidden => 403,
            Class::TooLong => 413,
            Class::NotNow => 503,
        }
    }

    /// The gRPC status: `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `PERMISSION_DENIED` or
    /// `UNAVAILABLE`.
    #[must_use]
    pub fn grpc_status(&self) -> u32 {
        match self.class() {
            Class::InvalidRequest | Class::BadRequest | Class::TooLong => 3,
            Class::NoCredentials
            | Class::InvalidToken
            | Class::InvalidProof
            | Class::UseNonce
            | Class::InsufficientAuthentication => 16,
            Class::InsufficientScope | Class::Forbidden => 7,
            Class::NotNow => 14,
        }
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::InSlot { slot, cause } => in_slot(*slot, cause.class()),
            Self::MissingCredential { slot } => in_slot(*slot, Class::NoCredentials),
            Self::WrongCredential { .. }
            | Self::WrongPlace { .. }
            | Self::TxnToken(_)
            | Self::WorkloadToken(_)
            | Self::WorkloadProof(_) => Class::InvalidToken,
            Self::Credential { error, .. } => match error {
                CredentialError::Absent | CredentialError::UnsupportedScheme { .. } => {
                    Class::NoCredentials
                }
                CredentialError::Multiple
                | CredentialError::InQuery
                | CredentialError::NoToken
                | CredentialError::Blanks
                | CredentialError::ForbiddenByte { .. } => Class::InvalidRequest,
            },
            Self::MalformedToken(_)
            | Self::MalformedPayload(_)
            | Self::MalformedClaims(_)
            | Self::UnknownIssuer { .. }
            | Self::WrongType { .. }
            | Self::SecurityEventToken
            | Self::Svid(_)
            | Self::AlgorithmNotAllowed { .. }
            | Self::UnknownKey { .. }
            | Self::KeyWithdrawn(_)
            | Self::BadSignature { .. }
            | Self::MissingClaim { .. }
            | Self::WrongAudience { .. }
            | Self::NotForRoute { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::IssuedInTheFuture { .. }
            | Self::LifetimeTooLong { .. }
            | Self::OlderThanRetention { .. }
            | Self::SenderConstrained
            | Self::MalformedConfirmation { .. }
            | Self::UnknownConfirmation
            | Self::BindingRequired { .. }
            | Self::NotBound
            | Self::WrongCertificate { .. }
            | Self::UnclearCertificate(_)
            | Self::TooManySubjects { .. }
            | Self::Revoked { .. }
            | Self::Disabled { .. }
            | Self::Status(_)
            | Self::StatusRevoked { .. } => Class::InvalidToken,
            Self::Proof { error, .. } => match error.challenge() {
                dpop::Challenge::InvalidDpopProof => Class::InvalidProof,
                dpop::Challenge::UseDpopNonce => Class::UseNonce,
                dpop::Challenge::InvalidToken => Class::InvalidToken,
            },
            Self::Replay(error) => match error {
                ReplayError::Replayed | ReplayError::Forgotten { .. } => Class::InvalidProof,
                ReplayError::Contended | ReplayError::SharedData(_) => Class::NotNow,
            },
            Self::State { kind, .. } => match kind {
                // A new token would have the new claims.
                FactKind::ClaimsChanged | FactKind::RevokedBefore | FactKind::Disabled => {
                    Class::InvalidToken
                }
                FactKind::AssuranceBelow2
                | FactKind::AssuranceBelow3
                | FactKind::AssuranceBelow4 => Class::InsufficientAuthentication,
                // No token helps.
                FactKind::DeviceNotCompliant | FactKind::RiskMedium | FactKind::RiskHigh => {
                    Class::Forbidden
                }
            },
            Self::InsufficientAuthentication { .. } => Class::InsufficientAuthentication,
            Self::InsufficientScope { .. } => Class::InsufficientScope,
            // No other token helps: the page must not.
            Self::ForeignOrigin { .. } | Self::Route(RouteError::OriginNotAllowed { .. }) => {
                Class::Forbidden
            }
            Self::Body(BodyError::TooLong { .. }) => Class::TooLong,
            Self::Route(_) | Self::Body(_) => Class::BadRequest,
            Self::NotConfigured
            | Self::Unreadable { .. }
            | Self::KeysNotReady { .. }
            | Self::StatusUnknown { .. }
            | Self::NeverSynchronized
            | Self::Gap { .. }
            | Self::Stale { .. }
            | Self::TooManyStreams(_)
            | Self::TooManyBodies(_)
            | Self::TableUnavailable(_) => Class::NotNow,
        }
    }
}

/// What `class` means if it is about the credential in `slot`. Only for those in `Authorization` is there a challenge
/// that says what is wrong. A client that has no good Txn-Token may get one for an access token; a workload's token is
/// part of the request (draft-ietf-wimse-wpt, Error Conditions).
const fn in_slot(slot: Slot, class: Class) -> Class {
    match (slot, class) {
        (Slot::AccessToken | Slot::JwtSvid, class)
        | (_, class @ (Class::NotNow | Class::Forbidden | Class::BadRequest | Class::TooLong)) => {
            class
        }
        (_, Class::InsufficientScope | Class::InsufficientAuthentication) => Class::Forbidden,
        (_, Class::InvalidRequest) | (Slot::WorkloadToken, _) => Class::BadRequest,
        (Slot::TxnToken, _) => Class::NoCredentials,
    }
}
