//! How the SETs of real transmitters deviate from SSF 1.0, as named profiles.
//!
//! A profile is chosen per transmitter by the operator, never guessed from a SET: a forger must not
//! choose how he is read. None relaxes `aud`, `iss`, signatures or the claims that a SET must not
//! have.
//!
//! | profile | `subject` in the event | complex without `format` | `subject_type` | milliseconds | `typ` may be `JWT` or absent | verification without subject, under older URIs | vendor's risk events |
//! |---|---|---|---|---|---|---|---|
//! | `strict` | | | | | | | |
//! | `legacy-subject` | yes | yes | | | | | |
//! | `okta` | yes | yes | | yes | | | yes |
//! | `google-risc` | yes | | yes | | yes | yes | |
//! | `sse-id1` | yes | yes | yes | yes | | yes | |
//! | `authentik-legacy` | yes | yes | | | yes | | |
//! | `keycloak` | yes | yes | | yes | | yes | |

use crate::event::{Detail, EventType, RiskLevel};
use crate::json::{Object, Value};
use crate::subject::Forms;

/// How a transmitter's SETs are read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// As SSF 1.0 has them.
    #[default]
    Strict,
    /// The subject inside the event, as CAEP and RISC had it before SSF 1.0.
    LegacySubject,
    /// Okta, in both directions.
    Okta,
    /// Google's Cross-Account Protection, and others of the RISC of 2018.
    GoogleRisc,
    /// The first implementer's draft of the SSE framework (2021).
    SseId1,
    /// authentik before it was SSF 1.0.
    AuthentikLegacy,
    /// Keycloak's `SSE_CAEP` streams.
    Keycloak,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Strict,
        Self::LegacySubject,
        Self::Okta,
        Self::GoogleRisc,
        Self::SseId1,
        Self::AuthentikLegacy,
        Self::Keycloak,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::LegacySubject => "legacy-subject",
            Self::Okta => "okta",
            Self::GoogleRisc => "google-risc",
            Self::SseId1 => "sse-id1",
            Self::AuthentikLegacy => "authentik-legacy",
            Self::Keycloak => "keycloak",
        }
    }

    /// The profile with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Whether a SET without `sub_id` may have `subject` in its event.
    pub(super) const fn subject_in_event(self) -> bool {
        !matches!(self, Self::Strict)
    }

    /// How the subject may be spelled.
    pub(super) const fn forms(self) -> Forms {
        Forms {
            complex_without_format: !matches!(self, Self::Strict | Self::GoogleRisc),
            subject_type: matches!(self, Self::GoogleRisc | Self::SseId1),
        }
    }

    /// Whether `event_timestamp` may be in milliseconds.
    pub(super) const fn milliseconds(self) -> bool {
        matches!(self, Self::Okta | Self::SseId1 | Self::Keycloak)
    }

    /// Whether `typ` may be `JWT` or absent.
    pub(super) const fn plain_type(self) -> bool {
        matches!(self, Self::GoogleRisc | Self::AuthentikLegacy)
    }

    /// The event type that `uri` names, and what it implies if it is a vendor's.
    pub(super) fn event(self, uri: &str) -> Option<Named> {
        if let Some(event) = EventType::from_uri(uri) {
            return Some(Named { event, risk: None });
        }
        let named = |name, risk| Some(Named { event: EventType::from_name(name)?, risk });
        match (self, uri) {
            (
                Self::GoogleRisc | Self::SseId1 | Self::Keycloak,
                "https://schemas.openid.net/secevent/risc/event-type/verification"
                | "https://schemas.openid.net/secevent/sse/event-type/verification",
            ) => named("verification", None),
            (Self::Okta, "https://schemas.okta.com/secevent/okta/event-type/user-risk-change") => {
                named("risk-level-change", Some(RiskOf::User))
            }
            (
                Self::Okta,
                "https://schemas.okta.com/secevent/okta/event-type/device-risk-change",
            ) => named("risk-level-change", Some(RiskOf::Device)),
            _ => None,
        }
    }

    /// Whether an event may be about nobody: it is about the stream that it came on.
    pub(super) fn may_lack_subject(self, event: Option<&EventType>) -> bool {
        matches!(self, Self::GoogleRisc | Self::SseId1 | Self::Keycloak)
            && event.is_some_and(|event| event.name == "verification")
    }
}

/// An event type, by its own URI or by another.
pub(super) struct Named {
    pub(super) event: &'static EventType,
    /// A vendor's event about risk: whose risk its URI says.
    pub(super) risk: Option<RiskOf>,
}

/// Whose risk a vendor's event is about.
#[derive(Clone, Copy)]
pub(super) enum RiskOf {
    User,
    Device,
}

impl RiskOf {
    /// What such an event says: the level in any case, and the principal by its URI.
    pub(super) fn detail(self, payload: &Object<'_>) -> Option<Detail> {
        let level = payload.get("current_level").and_then(Value::as_str)?;
        let level = RiskLevel::from_name(&level.to_ascii_uppercase())?;
        Some(Detail::Risk { level, of_device: matches!(self, Self::Device) })
    }
}
