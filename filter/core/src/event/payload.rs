//! Whether an event's payload obeys its definition (RFC 8935 §2.4 asks the recipient to look).
//!
//! The members that the event's own definition has must have their types, and values where these
//! decide something; members that nobody defined are ignored (SSF 1.0 §4.2.3). Reasons are for people: one in another form than CAEP's map from
//! language to text is read if it is text, and else left out. A revocation is not refused for it.

use super::{Effect, EventType};
use crate::json::{Object, Value, excerpt};

/// The longest reason that is kept; the signed SET keeps it whole.
const MAX_REASON_CHARS: usize = 500;

/// A member that the event defines.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Field {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) required: bool,
}

/// What a member must be.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// A string with something in it.
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// An object.
    Object,
    /// An array.
    Array,
}

/// What a payload says that decides about the effect of its event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// Nothing.
    None,
    /// `credential-change`: what happened to it.
    Credential(ChangeType),
    /// `device-compliance-change`: whether it complies now.
    Device {
        /// `current_status` is `compliant`.
        compliant: bool,
    },
    /// `risk-level-change`: the level now, and whose it is.
    Risk {
        /// `current_level`
        level: RiskLevel,
        /// Whether `principal` is `DEVICE`.
        of_device: bool,
    },
    /// `assurance-level-change`: the level now, from 1 to 4, if it is one of authentication.
    Assurance(u8),
}

/// How great a risk is (CAEP 1.0 §3.8).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RiskLevel {
    /// `LOW`
    Low,
    /// `MEDIUM`
    Medium,
    /// `HIGH`
    High,
}

/// What happened to a credential (CAEP 1.0 §3.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeType {
    /// It was added.
    Create,
    /// It was revoked.
    Revoke,
    /// It was replaced.
    Update,
    /// It was removed.
    Delete,
}

/// Why a payload does not obey the definition of its event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PayloadError {
    /// A required member is missing.
    #[error("event `{event}` has no `{member}`")]
    Missing {
        /// The event's name.
        event: &'static str,
        /// The member's.
        member: &'static str,
    },
    /// A member of the wrong type.
    #[error("`{member}` of event `{event}` is {kind}, not {expected}")]
    WrongType {
        /// The event's name.
        event: &'static str,
        /// The member's.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        kind: &'static str,
    },
    /// A required member with a value that is not defined.
    #[error("`{member}` of event `{event}` is `{found}`, not one of {}", allowed.join(", "))]
    NotOneOf {
        /// The event's name.
        event: &'static str,
        /// The member's.
        member: &'static str,
        /// What it is, shortened.
        found: String,
        /// What it may be.
        allowed: &'static [&'static str],
    },
}

/// Checks the members of an event.
pub(crate) fn check(event: &EventType, payload: &Object<'_>) -> Result<(), PayloadError> {
    event.fields.iter().try_for_each(|field| check_field(event.name, field, payload))
}

fn check_field(
    event: &'static str,
    field: &Field,
    payload: &Object<'_>,
) -> Result<(), PayloadError> {
    let member = field.name;
    let value = match payload.get(member) {
        Some(value) => value,
        None if field.required => return Err(PayloadError::Missing { event, member }),
        None => return Ok(()),
    };
    let expected = match (&field.form, value) {
        (Form::Object, Value::Object(_)) => return Ok(()),
        (Form::Object, _) => "an object",
        (Form::Array, Value::Array(_)) => return Ok(()),
        (Form::Array, _) => "an array",
        (Form::Text, Value::String(text)) if text.is_empty() => "a string with something in it",
        (Form::Text, Value::String(_)) => return Ok(()),
        (Form::OneOf(allowed), Value::String(text)) => {
            return if allowed.contains(&text.as_ref()) {
                Ok(())
            } else {
                Err(PayloadError::NotOneOf { event, member, found: excerpt(text), allowed })
            };
        }
        (Form::Text | Form::OneOf(_), _) => "a string",
    };
    Err(PayloadError::WrongType { event, member, expected, kind: value.kind() })
}

impl Detail {
    /// What `payload`, which obeys the definition of `event`, says.
    pub(crate) fn of(event: &EventType, payload: &Object<'_>) -> Self {
        let text = |member| payload.get(member).and_then(Value::as_str).unwrap_or_default();
        match event.effect {
            Effect::RevokesUnlessCreated => {
                ChangeType::from_name(text("change_type")).map_or(Self::None, Self::Credential)
            }
            Effect::SetsDevice => Self::Device { compliant: text("current_status") == "compliant" },
            Effect::SetsRisk => {
                RiskLevel::from_name(text("current_level")).map_or(Self::None, |level| Self::Risk {
                    level,
                    of_device: text("principal") == "DEVICE",
                })
            }
            Effect::SetsAssurance => assurance(text("namespace"), text("current_level"))
                .map_or(Self::None, Self::Assurance),
            Effect::Recorded
            | Effect::Revokes
            | Effect::Disables
            | Effect::Enables
            | Effect::ChangesClaims => Self::None,
        }
    }
}

/// The level of authentication: NIST SP 800-63B has three (CAEP's example writes `nist-aal2`),
/// ISO/IEC 29115 four. The other namespaces grade something else, or do not order it.
fn assurance(namespace: &str, level: &str) -> Option<u8> {
    let (highest, prefixes) = match namespace {
        "NIST-AAL" => (3, ["nist-aal", "aal", ""]),
        "ISO-IEC-29115" => (4, ["iso-iec-29115-loa", "loa", ""]),
        _ => return None,
    };
    let level = level.to_ascii_lowercase();
    let digit =
        prefixes.iter().find_map(|prefix| level.strip_prefix(prefix)?.parse::<u8>().ok())?;
    (1..=highest).contains(&digit).then_some(digit)
}

impl RiskLevel {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "LOW" => Some(Self::Low),
            "MEDIUM" => Some(Self::Medium),
            "HIGH" => Some(Self::High),
            _ => None,
        }
    }
}

impl ChangeType {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "create" => Some(Self::Create),
            "revoke" => Some(Self::Revoke),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// The administrator's reason: in English if there is one, else in the first language given.
pub(crate) fn reason_admin(payload: &Object<'_>) -> Option<String> {
    let text = match payload.get("reason_admin")? {
        // The drafts before CAEP 1.0 had plain text here.
        Value::String(text) => Some(text.as_ref()),
        Value::Object(texts) => texts
            .get("en")
            .and_then(Value::as_str)
            .or_else(|| texts.iter().find_map(|(_, text)| text.as_str())),
        _ => None,
    };
    text.filter(|text| !text.is_empty()).map(|text| text.chars().take(MAX_REASON_CHARS).collect())
}
