//! Whether an event's payload obeys its definition (RFC 8935 §2.4 asks the recipient to look).
//!
//! Required members are checked, and those that decide something; members that nobody defined are
//! ignored (SSF 1.0 §4.2.3). Reasons are for people: one in another form than CAEP's map from
//! language to text is read if it is text, and else left out. A revocation is not refused for it.

use super::EventType;
use crate::json::{Object, Value, excerpt};

/// The longest reason that is kept; the signed SET keeps it whole.
const MAX_REASON_CHARS: usize = 500;

/// A required member.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Field {
    pub(super) name: &'static str,
    pub(super) form: Form,
}

/// What a required member must be.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// A string with something in it.
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// An object.
    Object,
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
    /// A required member of the wrong type.
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

/// Checks the required members of an event.
pub(crate) fn check(event: &EventType, payload: &Object<'_>) -> Result<(), PayloadError> {
    event.fields.iter().try_for_each(|field| check_field(event.name, field, payload))
}

fn check_field(
    event: &'static str,
    field: &Field,
    payload: &Object<'_>,
) -> Result<(), PayloadError> {
    let member = field.name;
    let value = payload.get(member).ok_or(PayloadError::Missing { event, member })?;
    let expected = match (&field.form, value) {
        (Form::Object, Value::Object(_)) => return Ok(()),
        (Form::Object, _) => "an object",
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

impl ChangeType {
    /// The change that a payload tells of.
    pub(crate) fn of(payload: &Object<'_>) -> Option<Self> {
        match payload.get("change_type")?.as_str()? {
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
