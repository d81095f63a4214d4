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

const fn needs(name: &'static str, form: Form) -> Field {
    Field { name, form, required: true }
}

const fn may(name: &'static str, form: Form) -> Field {
    Field { name, form, required: false }
}

const COMPLIANCE: Form = Form::OneOf(&["compliant", "not-compliant"]);
const RISK: Form = Form::OneOf(&["LOW", "MEDIUM", "HIGH"]);
const REASON: Field = may("reason", Form::Text);

const CREDENTIAL_CHANGE: &[Field] = &[
    needs("credential_type", Form::Text),
    needs("change_type", Form::OneOf(&["create", "revoke", "update", "delete"])),
    may("friendly_name", Form::Text),
    may("x509_issuer", Form::Text),
    may("x509_serial", Form::Text),
    may("fido2_aaguid", Form::Text),
];
const ASSURANCE: &[Field] = &[
    needs("namespace", Form::Text),
    needs("current_level", Form::Text),
    may("previous_level", Form::Text),
    may("change_direction", Form::OneOf(&["increase", "decrease"])),
];
const DEVICE: &[Field] =
    &[needs("previous_status", COMPLIANCE), needs("current_status", COMPLIANCE)];
const ESTABLISHED: &[Field] = &[
    may("fp_ua", Form::Text),
    may("acr", Form::Text),
    may("amr", Form::Array),
    may("ext_id", Form::Text),
];
const PRESENTED: &[Field] = &[may("fp_ua", Form::Text), may("ext_id", Form::Text)];
const RISK_CHANGE: &[Field] = &[
    needs("principal", Form::Text),
    needs("current_level", RISK),
    may("previous_level", RISK),
    may("risk_reason", Form::Text),
];
const STATUS: Form = Form::OneOf(&["enabled", "paused", "disabled"]);

/// The 8 types of CAEP, the 14 of RISC and the 2 of SSF itself.
pub const TABLE: &[EventType] = &[
    caep!(SESSION_REVOKED, "session-revoked", "3.1", Revokes, &[]),
    caep!(2, "token-claims-change", "3.2", ChangesClaims, &[needs("claims", Form::Object)]),
    caep!(3, "credential-change", "3.3", RevokesUnlessCreated, CREDENTIAL_CHANGE),
    caep!(4, "assurance-level-change", "3.4", SetsAssurance, ASSURANCE),
    caep!(5, "device-compliance-change", "3.5", SetsDevice, DEVICE),
    caep!(6, "session-established", "3.6", Recorded, ESTABLISHED),
    caep!(7, "session-presented", "3.7", Recorded, PRESENTED),
    caep!(8, "risk-level-change", "3.8", SetsRisk, RISK_CHANGE),
    risc!(16, "account-credential-change-required", "2.1", Revokes, &[]),
    risc!(17, "account-purged", "2.2", Disables, &[]),
    risc!(18, "account-disabled", "2.3", Disables, &[REASON]),
    risc!(19, "account-enabled", "2.4", Enables, &[]),
    risc!(20, "identifier-changed", "2.5", ChangesClaims, &[may("new-value", Form::Text)]),
    risc!(21, "identifier-recycled", "2.6", Revokes, &[]),
    risc!(22, "credential-compromise", "2.7", Revokes, &[needs("credential_type", Form::Text)]),
    risc!(23, "opt-in", "2.8.1", Recorded, &[]),
    risc!(24, "opt-out-initiated", "2.8.2", Recorded, &[]),
    risc!(25, "opt-out-cancelled", "2.8.3", Recorded, &[]),
    risc!(26, "opt-out-effective", "2.8.4", Recorded, &[]),
    risc!(27, "recovery-activated", "2.9", Recorded, &[]),
    risc!(28, "recovery-information-changed", "2.10", Recorded, &[]),
    risc!(29, "sessions-revoked", "2.11", Revokes, &[]),
    ssf!(32, "verification", "8.1.4", &[may("state", Form::Text)]),
    ssf!(33, "stream-updated", "8.1.5", &[needs("status", STATUS), REASON]),
];
