//! One signal, for the person who asks why somebody was refused.

use rescind_core::base64url;
use rescind_core::event;
use rescind_core::record::{FactValue, Record, SignalId};
use rescind_core::set::signal_id;
use serde_json::{Value, json};

use crate::journal::{Journal, JournalError, KeptSet};
use crate::secret::hex;

/// The signal whose 32 hex digits or whose `jti` (of one of `issuers`) is `name`.
pub(crate) fn find<'i>(
    journal: &Journal,
    name: &str,
    issuers: impl Iterator<Item = &'i str>,
) -> Result<Option<Value>, JournalError> {
    let by_hash = hex(name).map(SignalId);
    let candidates = by_hash.into_iter().chain(issuers.map(|issuer| signal_id(issuer, name)));
    for candidate in candidates {
        if let Some(found) = journal.find(&candidate)? {
            return Ok(Some(shown(&candidate, &found)));
        }
    }
    Ok(None)
}

fn shown(signal: &SignalId, set: &KeptSet) -> Value {
    json!({
        "signal": signal.to_string(),
        "sequence": set.sequence,
        "received_at": set.received_at.secs(),
        "source": set.source,
        "iss": set.issuer,
        "jti": set.jti,
        "set": payload(&set.raw),
        "records": set.records.iter().map(described).collect::<Vec<_>>(),
    })
}

/// The claims of a signed SET. Its signature was checked before it was kept.
fn payload(raw: &[u8]) -> Value {
    let part = raw.split(|byte| *byte == b'.').nth(1).unwrap_or_default();
    base64url::decode(part)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null)
}

/// One fact.
pub(crate) fn described(record: &Record) -> Value {
    let Record { key, fact } = record;
    json!({
        "subject": format!("{:?}", key.subject),
        "conditions": key.conditions.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>(),
        "fact": key.kind.name(),
        "holds": fact.value == FactValue::Set,
        "at": fact.at.secs(),
        "event": event::name(fact.event),
    })
}
