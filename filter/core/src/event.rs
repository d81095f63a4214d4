//! Every event type of CAEP 1.0, RISC 1.0 and SSF 1.0, and what each does to the state table.
//!
//! [`TABLE`] is the one place that says so; the README shows it ([`reference`]). An event without
//! an effect, and one of a type that is not in the table, is *recorded*: the companion
//! acknowledges and keeps it (SSF asks for that), and no request is ever decided by it.
//!
//! [`records`] is the only way from a SET to the table, and it goes through the transmitter's
//! [`Authority`].
//!
//! # Time
//!
//! An event counts from its `event_timestamp`, else from the SET's `iat`, in whole seconds, and in
//! the transmitter's time, which is the time of the tokens that it speaks about. It is therefore
//! not cut to our own clock: that could spare a token of an issuer whose clock is ahead.

use crate::authority::{Authority, AuthorityError, OpaqueRole, Target};
use crate::record::{Fact, FactKind, FactValue, Record, RecordKey};
use crate::set::{SecurityEventToken, SetError};
use crate::subject::SubjectHasher;

mod payload;
mod table;
#[cfg(test)]
mod tests;

pub use payload::{ChangeType, Detail, PayloadError, RiskLevel};
pub(crate) use payload::{check as check_payload, reason_admin};
pub use table::{TABLE, UNKNOWN_CODE};

/// One type of event.
#[derive(Debug, Eq, PartialEq)]
pub struct EventType {
    /// Its form in records and in the feed; never changes. Zero is no type.
    pub code: u8,
    /// The member of `events` that names it.
    pub uri: &'static str,
    /// The last part of the URI.
    pub name: &'static str,
    /// Where it is defined.
    pub spec: &'static str,
    /// What it does.
    pub effect: Effect,
    pub(crate) fields: &'static [payload::Field],
}

/// What an event does to the state of its subject.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    /// Nothing: it is kept, and decides nothing.
    Recorded,
    /// Tokens issued up to the event are refused.
    Revokes,
    /// The same, unless a credential was only added.
    RevokesUnlessCreated,
    /// Tokens are refused whatever their age, until the opposite event; those issued up to the
    /// event also after it.
    Disables,
    /// Lifts what [`Effect::Disables`] did; tokens from before stay refused.
    Enables,
    /// Marks what tokens issued up to the event say as out of date.
    ChangesClaims,
    /// Says whether a device complies.
    SetsDevice,
    /// Says how great the risk is.
    SetsRisk,
    /// Says how strong the authentication was.
    SetsAssurance,
}

impl EventType {
    /// The type that `uri` names; compared byte for byte.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<&'static Self> {
        TABLE.iter().find(|event| event.uri == uri)
    }

    /// The type with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<&'static Self> {
        TABLE.iter().find(|event| event.code == code)
    }

    /// The type with this name: no two types share one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|event| event.name == name)
    }
}

impl Effect {
    /// The effect in words; for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Recorded => "recorded only",
            Self::Revokes => "refuses tokens issued up to the event",
            Self::RevokesUnlessCreated => {
                "`change_type` `revoke`, `update` or `delete`: refuses tokens issued up to the \
                 event; `create`: recorded only"
            }
            Self::Disables => {
                "refuses all tokens until `account-enabled`, and those issued up to the event for \
                 good"
            }
            Self::Enables => {
                "lifts `account-disabled` and `account-purged`; older tokens stay refused"
            }
            Self::ChangesClaims => "state: claims of tokens issued up to the event have changed",
            Self::SetsDevice => "state: the device complies, or does not",
            Self::SetsRisk => "state: the risk is low, medium or high",
            Self::SetsAssurance => {
                "state: the level of authentication (`NIST-AAL` 1 to 3, `ISO-IEC-29115` 1 to 4; \
                 other namespaces are recorded only)"
            }
        }
    }
}

/// The name of the event type with `code`; `unknown` if there is none.
#[must_use]
pub fn name(code: u8) -> &'static str {
    EventType::from_code(code).map_or("unknown", |event| event.name)
}

/// The table in Markdown, for the README.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from("| event | defined in | effect |\n|---|---|---|\n");
    for event in TABLE {
        let EventType { name, spec, effect, .. } = event;
        text.push_str(&format!("| `{name}` | {spec} | {} |\n", effect.description()));
    }
    text
}

/// The records that `set` makes when a transmitter with `authority` sent it: none if it is only
/// recorded; sorted by key.
pub fn records(
    set: &SecurityEventToken,
    authority: &Authority,
    hasher: &SubjectHasher,
) -> Result<Vec<Record>, SetError> {
    let Some(event) = set.event else { return Ok(Vec::new()) };
    let facts = facts(event, set.detail);
    if facts.is_empty() {
        return Ok(Vec::new());
    }
    authority.limits.event(event)?;
    let targets = match authority.targets(&set.subject, opaque_role(event, set.detail)) {
        // State of something that no token names, such as a SAML assertion: nobody will ask for it.
        // A revocation of such a thing is refused, so that its transmitter hears of it.
        Err(error) if !error.is_denial() && !facts.iter().any(|(kind, _)| kind.refuses()) => {
            return Ok(Vec::new());
        }
        targets => targets?,
    };
    let signal = set.signal();
    let mut records = Vec::with_capacity(targets.len().saturating_mul(facts.len()));
    for target in &targets {
        for (kind, value) in &facts {
            records.push(Record {
                key: record_key(target, *kind, hasher),
                fact: Fact { at: set.at(), value: *value, signal, event: event.code },
            });
        }
    }
    records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    records.dedup_by(|a, b| a.key == b.key);
    Ok(records)
}

/// Whom `set` reaches when a transmitter with `authority` sent it; nobody if it is only recorded.
pub fn targets<'s>(
    set: &'s SecurityEventToken,
    authority: &'s Authority,
) -> Result<Vec<Target<'s>>, AuthorityError> {
    match set.event {
        Some(event) if !facts(event, set.detail).is_empty() => {
            authority.targets(&set.subject, opaque_role(event, set.detail))
        }
        _ => Ok(Vec::new()),
    }
}

/// The facts that an event states about each of its targets.
fn facts(event: &EventType, detail: Detail) -> Vec<(FactKind, FactValue)> {
    use FactKind::{
        AssuranceBelow2, AssuranceBelow3, AssuranceBelow4, ClaimsChanged, DeviceNotCompliant,
        Disabled, RevokedBefore, RiskHigh, RiskMedium,
    };
    use FactValue::{Set, Unset};
    let when = |holds| if holds { Set } else { Unset };
    match (event.effect, detail) {
        (Effect::RevokesUnlessCreated, Detail::Credential(ChangeType::Create))
        | (Effect::Recorded, _) => Vec::new(),
        (Effect::Revokes | Effect::RevokesUnlessCreated, _) => vec![(RevokedBefore, Set)],
        (Effect::Disables, _) => vec![(RevokedBefore, Set), (Disabled, Set)],
        (Effect::Enables, _) => vec![(Disabled, Unset)],
        (Effect::ChangesClaims, _) => vec![(ClaimsChanged, Set)],
        (Effect::SetsDevice, Detail::Device { compliant }) => {
            vec![(DeviceNotCompliant, when(!compliant))]
        }
        (Effect::SetsRisk, Detail::Risk { level, .. }) => vec![
            (RiskMedium, when(level >= RiskLevel::Medium)),
            (RiskHigh, when(level >= RiskLevel::High)),
        ],
        (Effect::SetsAssurance, Detail::Assurance(level)) => vec![
            (AssuranceBelow2, when(level < 2)),
            (AssuranceBelow3, when(level < 3)),
            (AssuranceBelow4, when(level < 4)),
        ],
        // A level in a namespace that does not grade authentication.
        (Effect::SetsDevice | Effect::SetsRisk | Effect::SetsAssurance, _) => Vec::new(),
    }
}

/// CAEP's `session-revoked` names sessions by `opaque` (§3.1.2), and an event about a device names
/// the device; in every other event it is an account.
fn opaque_role(event: &EventType, detail: Detail) -> OpaqueRole {
    match detail {
        Detail::Device { .. } | Detail::Risk { of_device: true, .. } => OpaqueRole::Device,
        _ if event.code == table::SESSION_REVOKED => OpaqueRole::Session,
        _ => OpaqueRole::Principal,
    }
}

fn record_key(target: &Target<'_>, kind: FactKind, hasher: &SubjectHasher) -> RecordKey {
    let subject = hasher.hash(&target.subject);
    let mut conditions: Vec<_> = target.conditions.iter().map(|key| hasher.hash(key)).collect();
    // By hash, not by name: a record must look the same whoever makes it.
    conditions.sort_unstable();
    conditions.dedup();
    RecordKey { subject, kind, conditions }
}
