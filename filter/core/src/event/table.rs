//! The table itself. Codes are in journals, pages and feeds: a new type gets a new code, and an old
//! code is never used again.

use super::payload::{Field, Form};
use super::{Effect, EventType};

/// The code of an event type that is not in the table.
pub const UNKNOWN_CODE: u8 = 0;

pub(super) const SESSION_REVOKED: u8 = 1;

macro_rules! caep {
    ($code:expr, $name:literal, $section:literal, $effect:ident, $fields:expr) => {
        EventType {
            code: $code,
            uri: concat!("https://schemas.openid.net/secevent/caep/event-type/", $name),
            name: $name,
            spec: concat!("CAEP 1.0 §", $section),
            effect: Effect::$effect,
            fields: $fields,
        }
    };
}

macro_rules! risc {
    ($code:expr, $name:literal, $section:literal, $effect:ident, $fields:expr) => {
        EventType {
            code: $code,
            uri: concat!("https://schemas.openid.net/secevent/risc/event-type/", $name),
            name: $name,
            spec: concat!("RISC 1.0 §", $section),
            effect: Effect::$effect,
            fields: $fields,
        }
    };
}

macro_rules! ssf {
    ($code:expr, $name:literal, $section:literal, $fields:expr) => {
        EventType {
            code: $code,
            uri: concat!("https://schemas.openid.net/secevent/ssf/event-type/", $name),
            name: $name,
            spec: concat!("SSF 1.0 §", $section),
            effect: Effect::Recorded,
            fields: $fields,
        }
    };
}

const CREDENTIAL_TYPE: Field = Field { name: "credential_type", form: Form::Text };
const COMPLIANCE: &[&str] = &["compliant", "not-compliant"];

/// The 8 types of CAEP, the 14 of RISC and the 2 of SSF itself.
pub const TABLE: &[EventType] = &[
    caep!(SESSION_REVOKED, "session-revoked", "3.1", Revokes, &[]),
    caep!(
        2,
        "token-claims-change",
        "3.2",
        Recorded,
        &[Field { name: "claims", form: Form::Object },]
    ),
    caep!(
        3,
        "credential-change",
        "3.3",
        RevokesUnlessCreated,
        &[
            CREDENTIAL_TYPE,
            Field {
                name: "change_type",
                form: Form::OneOf(&["create", "revoke", "update", "delete"])
            },
        ]
    ),
    caep!(
        4,
        "assurance-level-change",
        "3.4",
        Recorded,
        &[
            Field { name: "namespace", form: Form::Text },
            Field { name: "current_level", form: Form::Text },
        ]
    ),
    caep!(
        5,
        "device-compliance-change",
        "3.5",
        Recorded,
        &[
            Field { name: "previous_status", form: Form::OneOf(COMPLIANCE) },
            Field { name: "current_status", form: Form::OneOf(COMPLIANCE) },
        ]
    ),
    caep!(6, "session-established", "3.6", Recorded, &[]),
    caep!(7, "session-presented", "3.7", Recorded, &[]),
    caep!(
        8,
        "risk-level-change",
        "3.8",
        Recorded,
        &[
            Field { name: "principal", form: Form::Text },
            Field { name: "current_level", form: Form::OneOf(&["LOW", "MEDIUM", "HIGH"]) },
        ]
    ),
    risc!(16, "account-credential-change-required", "2.1", Recorded, &[]),
    risc!(17, "account-purged", "2.2", Recorded, &[]),
    risc!(18, "account-disabled", "2.3", Disables, &[]),
    risc!(19, "account-enabled", "2.4", Enables, &[]),
    risc!(20, "identifier-changed", "2.5", Recorded, &[]),
    risc!(21, "identifier-recycled", "2.6", Recorded, &[]),
    risc!(22, "credential-compromise", "2.7", Recorded, &[CREDENTIAL_TYPE]),
    risc!(23, "opt-in", "2.8.1", Recorded, &[]),
    risc!(24, "opt-out-initiated", "2.8.2", Recorded, &[]),
    risc!(25, "opt-out-cancelled", "2.8.3", Recorded, &[]),
    risc!(26, "opt-out-effective", "2.8.4", Recorded, &[]),
    risc!(27, "recovery-activated", "2.9", Recorded, &[]),
    risc!(28, "recovery-information-changed", "2.10", Recorded, &[]),
    risc!(29, "sessions-revoked", "2.11", Revokes, &[]),
    ssf!(32, "verification", "8.1.4", &[]),
    ssf!(
        33,
        "stream-updated",
        "8.1.5",
        &[Field { name: "status", form: Form::OneOf(&["enabled", "paused", "disabled"]) },]
    ),
];
