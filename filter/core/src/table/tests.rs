#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::head::{Head, MAX_CHANGES};
use super::page::{Header, Page, index_of};
use super::*;
use crate::feed::{LogId, MAX_EVENT_SECS};
use crate::record::{Fact, RecordKey};
use crate::shared::{LocalSharedData, Shared, SharedData, SharedDataError};

const KEY: [u8; 16] = [9; 16];

fn hash(first: u8) -> SubjectHash {
    SubjectHash([first; 16])
}

fn record(kind: FactKind, value: FactValue, at: u64, conditions: &[u8]) -> Record {
    Record {
        key: RecordKey {
            subject: hash(1),
            kind,
            conditions: conditions.iter().map(|byte| hash(*byte)).collect(),
        },
        fact: Fact {
            at: UnixTime::from_secs(at),
            value,
            signal: SignalId([at.to_le_bytes()[0]; 16]),
            event: 3,
        },
    }
}

fn revoked(at: u64, conditions: &[u8]) -> Record {
    record(FactKind::RevokedBefore, FactValue::Set, at, conditions)
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

#[test]
fn a_token_is_refused_if_issued_in_the_event_s_second_or_before() {
    let refuses = |iat| revocation(&[hash(1)], iat, &[revoked(100, &[])]).is_some();
    assert!(refuses(Some(at(99))));
    assert!(refuses(Some(UnixTime::from_millis(100_999))));
    assert!(!refuses(Some(at(101))));
    assert!(refuses(None), "a token without iat counts as issued before");
}

#[test]
fn a_disabled_subject_is_refused_until_it_is_lifted() {
    for (value, refused) in [(FactValue::Set, true), (FactValue::Unset, false)] {
        let records = [record(FactKind::Disabled, value, 100, &[])];
        assert_eq!(revocation(&[hash(1)], Some(at(500)), &records).is_some(), refused);
    }
}

#[test]
fn state_holds_until_it_is_lifted_and_refuses_nothing_by_itself() {
    for code in 0..=16 {
        let Some(kind) = FactKind::from_code(code) else { continue };
        assert_eq!(kind.code(), code, "and fits four bits");
        for (value, holds) in [(FactValue::Set, true), (FactValue::Unset, false)] {
            let records = [record(kind, value, 100, &[2])];
            let found = holding(&[hash(1), hash(2)], Some(at(100)), &records).count();
            assert_eq!(found == 1, holds || kind.is_about_the_past(), "{kind:?} {value:?}");
            assert_eq!(holding(&[hash(1)], Some(at(100)), &records).count(), 0, "a condition");
            let later = holding(&[hash(1), hash(2)], Some(at(101)), &records).count();
            assert_eq!(later == 1, holds && !kind.is_about_the_past(), "{kind:?} {value:?}");
            let refuses = revocation(&[hash(1), hash(2)], Some(at(100)), &records).is_some();
            assert_eq!(refuses, found == 1 && kind.refuses(), "{kind:?} {value:?}");
        }
    }
}

#[test]
fn every_condition_must_hold() {
    let records = [revoked(100, &[2, 3])];
    let keys = |keys: &[u8]| keys.iter().map(|key| hash(*key)).collect::<Vec<_>>();
    for (keys, refused) in [
        (keys(&[1, 2, 3]), true),
        (keys(&[1, 2]), false),
        (keys(&[1]), false),
        (keys(&[2, 3]), false),
    ] {
        assert_eq!(revocation(&keys, Some(at(1)), &records).is_some(), refused, "{keys:?}");
    }
}

#[test]
fn the_latest_of_several_signals_is_shown() {
    let records = [revoked(100, &[]), revoked(200, &[1]), revoked(150, &[])];
    let shown = revocation(&[hash(1)], Some(at(1)), &records);
    assert_eq!(shown.map(|shown| shown.at), Some(at(200)));
}

#[test]
fn a_fact_is_forgotten_only_when_no_token_is_young_enough_for_it() {
    let hour = Duration::from_secs(3600);
    let fact = revoked(1000, &[]);
    assert!(!is_forgotten(&fact, hour, at(4601)));
    assert!(is_forgotten(&fact, hour, UnixTime::from_millis(4_601_001)));
    let disabled = record(FactKind::Disabled, FactValue::Set, 1000, &[]);
    assert!(!is_forgotten(&disabled, hour, at(u64::MAX)));
    let lifted = record(FactKind::Disabled, FactValue::Unset, 1000, &[]);
    let end = at(1000).plus(TOMBSTONE_RETENTION);
    assert!(!is_forgotten(&lifted, hour, end));
    assert!(is_forgotten(&lifted, hour, end.plus(Duration::from_millis(1))));
}

#[test]
fn a_seal_holds_for_its_name_its_key_and_its_bytes_only() {
    let sealed = seal(&KEY, "a", b"body".to_vec());
    assert_eq!(open_sealed(&KEY, "a", &sealed), Some(&b"body"[..]));
    assert_eq!(open_sealed(&KEY, "b", &sealed), None);
    assert_eq!(open_sealed(&[8; 16], "a", &sealed), None);
    for position in 0..sealed.len() {
        let mut torn = sealed.clone();
        torn[position] ^= 1;
        assert_eq!(open_sealed(&KEY, "a", &torn), None, "byte {position}");
        assert_eq!(open_sealed(&KEY, "a", &sealed[..position]), None, "{position} bytes");
    }
}

#[test]
fn names_of_pages_differ_in_crc_32() {
    let names = Names::new("default", KEY);
    let mut sums: Vec<u32> = [0, 1]
        .into_iter()
        .flat_map(|slot| (0..20_000).map(move |index| (slot, index * 52)))
        .map(|(slot, index)| crc32(names.page(slot, index).as_bytes()))
        .collect();
    let count = sums.len();
    sums.sort_unstable();
    sums.dedup();
    assert_eq!(sums.len(), count);
    assert_eq!(names.page(1, 5), "rescind.default.pgAAF");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1))
        })
    })
}

#[test]
fn a_page_keeps_its_records_to_the_last_bit() {
    let header = Header { generation: u64::MAX, version: 7, hole_at: 3 };
    let records = vec![
        revoked(MAX_EVENT_SECS, &[]),
        revoked(0, &[1, 2, 3, 4, 5, 6, 7]),
        record(FactKind::Disabled, FactValue::Unset, 5, &[]),
    ];
    let page = Page { header, records };
    let bytes = page.encode();
    assert_eq!(bytes.len(), 25 + 3 * 39 + 7 * 16);
    for length in [0, 24, 26, 25 + 38, bytes.len() - 1] {
        assert_eq!(Page::decode(&bytes[..length]), None, "{length} bytes");
    }
    assert_eq!(Page::decode(&bytes), Some(page));
}

#[test]
fn the_first_bits_of_a_hash_choose_its_page() {
    let subject = SubjectHash([0b1010_0000; 16]);
    for (log2, index) in [(0, 0), (1, 1), (3, 5), (8, 0b1010_0000), (20, 0xa0a0a)] {
        assert_eq!(index_of(&subject, log2), index);
    }
}

#[test]
fn a_head_survives_its_form_and_stays_below_512_bytes() {
    let mut head = Head::new(1_800_000_000_000, 77, at(1_800_000_000));
    head.log = Some(LogId([4; 16]));
    head.log2 = Some(16);
    for page in 0..100 {
        head.announce(&[page]);
    }
    let bytes = head.encode();
    assert!(seal(&KEY, "rescind.default.head", bytes.clone()).len() <= 520);
    assert_eq!(Head::decode(&bytes), Some(head));
    assert_eq!(Head::decode(&bytes[..bytes.len() - 1]), None);
}

#[test]
fn a_head_lists_48_changes_and_admits_to_have_forgotten_the_others() {
    let pages: Vec<u32> = (0..49).collect();
    let mut head = Head::new(100, 1, at(0));
    head.announce(&pages[..MAX_CHANGES]);
    assert_eq!((head.changes.len(), head.complete_since), (48, 100));
    head.announce(&[7]);
    assert_eq!((head.changes.len(), head.complete_since), (48, 101));
    head.announce(&pages);
    assert_eq!((head.changes.len(), head.complete_since, head.epoch), (0, 103, 103));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> impl Strategy<Value = Fact> {
        (0..4_u64, any::<bool>(), 0..3_u8, 0..3_u8).prop_map(|(secs, set, signal, event)| Fact {
            at: at(secs),
            value: if set { FactValue::Set } else { FactValue::Unset },
            signal: SignalId([signal; 16]),
            event,
        })
    }

    proptest! {
        #[test]
        fn merging_facts_is_commutative_associative_and_idempotent(a in facts(), b in facts(), c in facts()) {
            prop_assert_eq!(a.merge(b), b.merge(a));
            prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
            prop_assert_eq!(a.merge(a), a);
        }

        #[test]
        fn merging_pages_does_not_depend_on_order_or_chunks(
            records in proptest::collection::vec((0..6_u8, facts()), 0..40),
            chunks in 1..9_usize,
            seed in any::<u64>(),
        ) {
            let records: Vec<Record> = records
                .into_iter()
                .map(|(subject, fact)| Record { fact, key: RecordKey {
                    subject: hash(subject), kind: FactKind::Disabled, conditions: vec![] } })
                .collect();
            let merged = |records: &[Record]| {
                let mut page = Page::default();
                for chunk in records.chunks(chunks) {
                    let mut chunk = chunk.to_vec();
                    chunk.sort_by(|a, b| a.key.cmp(&b.key));
                    page.merge(&chunk);
                    page.merge(&chunk);
                }
                page.records
            };
            let mut shuffled = records.clone();
            shuffled.sort_by_key(|record| record.fact.at.millis() ^ seed.rotate_left(u32::from(record.fact.event)));
            prop_assert_eq!(merged(&records), merged(&shuffled));
        }
    }
}

/// Shared data that counts reads of the head, on a host with or without pulses.
struct Counted {
    inner: LocalSharedData,
    has_pulses: bool,
    heads: std::cell::Cell<u32>,
}

impl SharedData for Counted {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        if key.ends_with("head") {
            self.heads.set(self.heads.get().saturating_add(1));
        }
        self.inner.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        self.inner.set(key, value, cas)
    }

    fn pulse(&self, key: &str) -> Option<u32> {
        self.has_pulses.then(|| self.inner.pulse(key)).flatten()
    }

    fn beat(&self, key: &str) {
        self.inner.beat(key);
    }
}

/// How often the head is read if a synchronized table is looked at now, `millis` later, and then once more after the
/// leader or, without a beat, somebody else wrote a new head.
fn head_reads(has_pulses: bool, millis: u64, with_beat: bool) -> (u32, TableStatus) {
    let shared =
        Counted { inner: LocalSharedData::default(), has_pulses, heads: std::cell::Cell::new(0) };
    let mut writer = Writer::new(Names::new("t", KEY));
    writer.load(&shared, at(1), 0).unwrap();
    writer.head.whole_since = 1;
    writer.commit(&shared).unwrap();
    let mut reader = TableReader::new("t", KEY);
    reader.refresh(&shared, at(10));
    if with_beat {
        writer.load(&shared, at(10), 0).unwrap();
        writer.head.fresh_at = at(9);
        writer.commit(&shared).unwrap();
    } else {
        shared.set("rescind.t.head", b"somebody else's", None).unwrap();
    }
    shared.heads.set(0);
    let status = reader.refresh(&shared, at(10).plus(Duration::from_millis(millis)));
    (shared.heads.get(), status)
}

#[test]
fn a_new_head_is_read_at_once_and_an_old_one_only_now_and_then() {
    let fresh_at = |status| match status {
        TableStatus::Synced { fresh_at, .. } => Some(fresh_at),
        TableStatus::NeverSynchronized => None,
    };
    for has_pulses in [true, false] {
        let (reads, status) = head_reads(has_pulses, 0, true);
        assert_eq!((reads, fresh_at(status)), (1, Some(at(9))), "{has_pulses}");
    }
    // A head that changed without a beat: seen after the interval, or at once where there are no pulses.
    assert_eq!(head_reads(true, 99, false).0, 0);
    assert_eq!(head_reads(true, 100, false), (1, TableStatus::NeverSynchronized));
    assert_eq!(head_reads(false, 0, false), (1, TableStatus::NeverSynchronized));
}

/// Shared data in which somebody else makes each page between the first look at it and what follows.
#[derive(Default)]
struct Overtaken(LocalSharedData);

impl SharedData for Overtaken {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        let found = self.0.get(key)?;
        if found.is_none() && key.contains(".p") {
            self.0.set(key, b"a successor's", None)?;
        }
        Ok(found)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        self.0.set(key, value, cas)
    }
}

#[test]
fn a_leader_that_slept_writes_over_no_page_that_its_successor_has_made() {
    let shared = Overtaken::default();
    let mut writer = Writer::new(Names::new("t", KEY));
    writer.load(&shared, at(1), 0).unwrap();
    writer.begin_growth(&shared, 8, at(1), 7).unwrap();
    let error = writer.grow(&shared, &mut 1000).unwrap_err();
    assert!(matches!(error, WriteError::Contended), "{error:?}");
    let page = Names::new("t", KEY).page(1, 0);
    let pages = [page, Names::new("t", KEY).page(0, 0)];
    let found = pages.iter().find_map(|page| shared.0.get(page).unwrap()).unwrap();
    assert_eq!(found.value, b"a successor's");
}
