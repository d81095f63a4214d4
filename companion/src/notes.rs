//! The audit trail's notes for people: `GET /v1/notes/<kind>`, `rescind refused`.

use rescind_core::base64url;
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::journal::{Journal, JournalError, Note, NoteKind};

/// Notes in one answer: more are for `rescind export`.
const LIMIT: usize = 100;

/// The last notes about `kind`, the newest first. SETs whose signature was not good are not in the
/// journal, so they have no number, and are gone after a restart.
pub(crate) fn list(
    journal: &Journal,
    audit: &Audit,
    kind: NoteKind,
) -> Result<Value, JournalError> {
    let kept = journal.last_notes(kind, LIMIT)?.into_iter();
    let mut notes: Vec<_> = kept.map(|(number, note)| (Some(number), note)).collect();
    if kind == NoteKind::Refused {
        notes.extend(audit.recent().into_iter().map(|note| (None, note)));
    }
    notes.sort_by_key(|(_, note)| std::cmp::Reverse(note.at));
    notes.truncate(LIMIT);
    let notes = notes.iter().map(|(number, note)| described(*number, note));
    Ok(json!({ "notes": notes.collect::<Vec<_>>() }))
}

/// One note.
pub(crate) fn described(number: Option<u64>, note: &Note) -> Value {
    let claims = claims(&note.raw);
    let claim = |name: &str| claims.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "number": number,
        "kind": note.kind.name(),
        "at": note.at.secs(),
        "transmitter": note.source,
        "signature_good": number.is_some(),
        "code": note.code,
        "reason": note.reason,
        "jti": claim("jti"),
        "iss": claim("iss"),
        "sub_id": claim("sub_id"),
        "events": claim("events"),
        "set": String::from_utf8_lossy(&note.raw),
    })
}

/// What a SET says, as far as it can be read.
pub(crate) fn claims(raw: &[u8]) -> Value {
    let part = raw.split(|byte| *byte == b'.').nth(1).unwrap_or_default();
    let text = base64url::decode(part).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or(Value::Null)
}

/// The answer of `GET /v1/notes/<kind>` as a table.
pub(crate) fn table(answer: &Value) -> String {
    let notes = answer.get("notes").and_then(Value::as_array).cloned().unwrap_or_default();
    if notes.is_empty() {
        return "none\n".to_owned();
    }
    let mut out = format!("{:<11} {:<16} {:<18} {}\n", "AT", "TRANSMITTER", "CODE", "JTI: REASON");
    for note in &notes {
        let text = |name: &str| note.get(name).and_then(Value::as_str).unwrap_or("-");
        let at = note.get("at").and_then(Value::as_u64).unwrap_or_default();
        let (from, code, jti) = (text("transmitter"), text("code"), text("jti"));
        // Written by somebody else: nothing that a terminal would obey.
        let line: String = format!("{at:<11} {from:<16} {code:<18} {jti}: {}", text("reason"))
            .chars()
            .map(|character| if character.is_control() { '?' } else { character })
            .collect();
        out.push_str(&line);
        out.push('\n');
    }
    out
}
