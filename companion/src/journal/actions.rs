//! The records of one SET as bytes: fixed width, nothing optional.
//!
//! `count:u16`, then for each record `subject:16 kind:1 at:8 value:1 event:1 signal:16
//! conditions:u8`, then 16 bytes for each condition.

use rescind_core::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId, SubjectHash};
use rescind_core::time::UnixTime;

pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    // At most two facts for each issuer of an authority, whose number the configuration limits.
    let mut bytes = Vec::with_capacity(records.len().saturating_mul(60).saturating_add(2));
    bytes.extend(u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes());
    for Record { key, fact } in records {
        bytes.extend(key.subject.0);
        bytes.push(key.kind.code());
        bytes.extend(fact.at.millis().to_be_bytes());
        bytes.extend([fact.value.code(), fact.event]);
        bytes.extend(fact.signal.0);
        bytes.push(u8::try_from(key.conditions.len()).unwrap_or(u8::MAX));
        bytes.extend(key.conditions.iter().flat_map(|condition| condition.0));
    }
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Record>> {
    let mut rest = bytes;
    let count = u16::from_be_bytes(take(&mut rest)?);
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let subject = SubjectHash(take(&mut rest)?);
        let [kind] = take(&mut rest)?;
        let at = UnixTime::from_millis(u64::from_be_bytes(take(&mut rest)?));
        let [value, event] = take(&mut rest)?;
        let signal = SignalId(take(&mut rest)?);
        let [count] = take(&mut rest)?;
        let mut conditions = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            conditions.push(SubjectHash(take(&mut rest)?));
        }
        let kind = FactKind::from_code(kind)?;
        let value = FactValue::from_code(value)?;
        let key = RecordKey { subject, kind, conditions };
        records.push(Record { key, fact: Fact { at, value, signal, event } });
    }
    rest.is_empty().then_some(records)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_and_truncated_ones_not_at_all() {
        let record = |conditions: Vec<SubjectHash>| Record {
            key: RecordKey { subject: SubjectHash([7; 16]), kind: FactKind::Disabled, conditions },
            fact: Fact {
                at: UnixTime::from_secs(1_700_000_000),
                value: FactValue::Set,
                signal: SignalId([9; 16]),
                event: 3,
            },
        };
        for records in [
            vec![],
            vec![record(vec![])],
            vec![record(vec![SubjectHash([1; 16]), SubjectHash([2; 16])]), record(vec![])],
        ] {
            let bytes = encode(&records);
            assert_eq!(decode(&bytes), Some(records));
            for length in 0..bytes.len() {
                assert_eq!(decode(&bytes[..length]), None);
            }
        }
    }
}
