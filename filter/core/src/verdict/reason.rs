//! What metrics and audit say of a refusal.

use super::Denial;
use crate::credential::CredentialError;
use crate::dpop;
use crate::mcp::body::BodyError;
use crate::record::{FactKind, SignalId};
use crate::replay::ReplayError;
use crate::route::RouteError;

impl Denial {
    /// The value of the `reason` metric. Part of the interface: renaming one is breaking.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InSlot { cause, .. } => cause.reason(),
            Self::MissingCredential { .. } => "missing_credential",
            Self::WrongCredential { .. } => "wrong_credential",
            Self::WrongPlace { .. } => "wrong_place",
            Self::ForeignOrigin { .. } => "foreign_origin",
            Self::TxnToken(error) => error.reason(),
            Self::WorkloadToken(error) => error.reason(),
            Self::WorkloadProof(error) => error.reason(),
            Self::NotConfigured => "not_configured",
            Self::Unreadable { .. } => "unreadable_request",
            Self::Route(RouteError::AmbiguousPath { .. } | RouteError::AmbiguousRoute) => {
                "ambiguous_path"
            }
            Self::Route(RouteError::AmbiguousHost { .. }) => "ambiguous_host",
            Self::Route(RouteError::UnclearMessage(_)) => "unclear_mcp_message",
            Self::Route(RouteError::OriginNotAllowed { .. }) => "origin_not_allowed",
            Self::Body(error) => match error {
                BodyError::Method { .. } | BodyError::Name { .. } | BodyError::Version { .. } => {
                    "mcp_body_differs"
                }
                BodyError::TooLong { .. } => "mcp_body_too_long",
                BodyError::MediaType
                | BodyError::Encoded
                | BodyError::Json(_)
                | BodyError::Kind { .. }
                | BodyError::Lookalike { .. } => "malformed_mcp_body",
            },
            Self::TooManyBodies(_) => "too_many_bodies",
            Self::Credential { error, .. } => match error {
                CredentialError::Absent => "no_credentials",
                CredentialError::UnsupportedScheme { .. } => "unsupported_scheme",
                CredentialError::Multiple => "multiple_credentials",
                CredentialError::InQuery => "token_in_query",
                CredentialError::NoToken
                | CredentialError::Blanks
                | CredentialError::ForbiddenByte { .. } => "malformed_credentials",
            },
            Self::MalformedToken(_) => "malformed_token",
            Self::MalformedPayload(_) => "malformed_payload",
            Self::MalformedClaims(_) => "malformed_claims",
            Self::UnknownIssuer { .. } => "unknown_issuer",
            Self::WrongType { .. } => "wrong_type",
            Self::SecurityEventToken => "security_event_token",
            Self::Svid(_) => "invalid_svid",
            Self::AlgorithmNotAllowed { .. } => "algorithm_not_allowed",
            Self::UnknownKey { .. } | Self::KeyWithdrawn(_) => "unknown_key",
            Self::BadSignature { .. } => "bad_signature",
            Self::MissingClaim { .. } => "missing_claim",
            Self::WrongAudience { .. } => "wrong_audience",
            Self::NotForRoute { .. } => "not_for_route",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::IssuedInTheFuture { .. } => "issued_in_the_future",
            Self::LifetimeTooLong { .. } => "lifetime_too_long",
            Self::OlderThanRetention { .. } => "older_than_retention",
            Self::SenderConstrained => "sender_constrained",
            Self::MalformedConfirmation { .. } | Self::UnknownConfirmation => {
                "unknown_confirmation"
            }
            Self::BindingRequired { .. } | Self::NotBound => "not_bound",
            Self::Proof { error, .. } => match error.challenge() {
                dpop::Challenge::InvalidDpopProof => "invalid_proof",
                dpop::Challenge::UseDpopNonce => "nonce_needed",
                dpop::Challenge::InvalidToken => "wrong_key",
            },
            Self::Replay(error) => match error {
                ReplayError::Replayed => "proof_replayed",
                ReplayError::Forgotten { .. } => "proof_forgotten",
                ReplayError::Contended | ReplayError::SharedData(_) => "proof_memory_unavailable",
            },
            Self::WrongCertificate { .. } | Self::UnclearCertificate(_) => "wrong_certificate",
            Self::TooManySubjects { .. } => "too_many_subjects",
            Self::Revoked { .. } => "revoked",
            Self::Disabled { .. } => "disabled",
            Self::Status(_) => "invalid_status",
            Self::StatusRevoked { .. } => "status_revoked",
            Self::StatusUnknown { .. } => "status_unknown",
            Self::State { kind, .. } => match kind {
                FactKind::ClaimsChanged => "claims_changed",
                FactKind::DeviceNotCompliant => "device_not_compliant",
                FactKind::AssuranceBelow2
                | FactKind::AssuranceBelow3
                | FactKind::AssuranceBelow4 => "assurance_too_low",
                FactKind::RiskMedium | FactKind::RiskHigh => "risk_too_high",
                FactKind::RevokedBefore | FactKind::Disabled => "revoked",
            },
            Self::InsufficientAuthentication { .. } => "insufficient_authentication",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::KeysNotReady { .. } => "keys_not_ready",
            Self::NeverSynchronized => "never_synchronized",
            Self::Gap { .. } => "gap",
            Self::Stale { .. } => "stale",
            Self::TooManyStreams(_) => "too_many_streams",
            Self::TableUnavailable(_) => "table_unavailable",
        }
    }

    /// The signal that the request was refused for, if one was: the thread from a refusal to its
    /// cause.
    #[must_use]
    pub fn signal(&self) -> Option<SignalId> {
        match self {
            Self::InSlot { cause, .. } => cause.signal(),
            Self::Revoked { signal, .. }
            | Self::Disabled { signal, .. }
            | Self::State { signal, .. } => Some(*signal),
            _ => None,
        }
    }
}
