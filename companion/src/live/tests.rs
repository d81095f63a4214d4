use rescind_core::record::{Fact, FactKind, FactValue, RecordKey, SignalId, SubjectHash};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn record(subject: u8, secs: u64) -> Record {
    let fact = Fact { at: at(secs), value: FactValue::Set, signal: SignalId([0; 16]), event: 1 };
    let subject = SubjectHash([subject; 16]);
    let key = RecordKey { subject, kind: FactKind::RevokedBefore, conditions: Vec::new() };
    Record { key, fact }
}

#[test]
fn a_record_stands_where_it_last_changed_and_an_older_fact_does_not_move_it() {
    let log = LiveLog::new(DAY);
    log.apply([(1, vec![record(1, 10)]), (2, vec![record(2, 10)])], at(20));
    log.apply([(3, vec![record(1, 11)])], at(20));
    log.apply([(4, vec![record(2, 9)]), (5, vec![])], at(20));
    let all = log.stretch(0, 100, 10_000);
    let expected = vec![record(2, 10), record(1, 11)];
    assert_eq!(all, Stretch { to: 5, more: false, live: 2, records: expected });
    assert_eq!(log.stretch(2, 100, 10_000).records, [record(1, 11)]);
    assert_eq!(*log.watch().borrow(), 3, "followers need not wake for the last two");
}

#[test]
fn a_stretch_is_cut_between_sequences_never_within_one() {
    let log = LiveLog::new(DAY);
    log.apply([(1, vec![record(1, 10)]), (2, vec![record(2, 10), record(3, 10)])], at(20));
    let cut = log.stretch(0, 2, 10_000);
    assert_eq!((cut.to, cut.more, cut.records.len()), (1, true, 1));
    let rest = log.stretch(1, 1, 10_000);
    assert_eq!((rest.to, rest.more, rest.records.len()), (2, false, 2));
    let bytes = log.stretch(0, 100, RECORD_BYTES);
    assert_eq!((bytes.to, bytes.more), (1, true));
}

#[test]
fn many_changes_of_few_records_take_little_room() {
    let log = LiveLog::new(DAY);
    for sequence in 1..10_000 {
        log.apply([(sequence, vec![record(1, sequence)])], at(10_000));
    }
    assert!(log.lock().order.len() <= 1027);
    assert_eq!(log.stretch(0, 100, 10_000).records, [record(1, 9_999)]);
}

#[test]
fn what_can_be_forgotten_is_swept_and_its_place_used_again() {
    let log = LiveLog::new(DAY);
    log.apply([(1, vec![record(1, 10)]), (2, vec![record(2, 5_000)])], at(10));
    assert_eq!(log.sweep(100, at(86_400 + 11)), 0);
    assert_eq!(log.sweep(100, at(86_400 + 12)), 1);
    assert_eq!(log.stretch(0, 100, 10_000).records, [record(2, 5_000)]);
    log.apply([(3, vec![record(3, 5_000)])], at(86_400 + 12));
    assert_eq!((log.len(), log.lock().slots.len()), (2, 2));
    assert_eq!(log.stretch(0, 100, 10_000).records, [record(2, 5_000), record(3, 5_000)]);
    log.apply([(4, vec![record(4, 10)])], at(86_400 + 12));
    assert_eq!((log.len(), log.head()), (2, 4), "too old to matter to anybody");
}

#[test]
fn an_account_enabled_long_ago_stays_enabled_when_the_journal_is_replayed() {
    let account = |value, secs| {
        let mut record = record(1, secs);
        record.key.kind = FactKind::Disabled;
        record.fact.value = value;
        record
    };
    let (disabled, enabled) = (account(FactValue::Set, 10), account(FactValue::Unset, 20));
    let years_later = at(100_000_000);
    let log = LiveLog::new(DAY);
    log.apply([(1, vec![disabled]), (2, vec![enabled.clone()])], years_later);
    assert_eq!(log.stretch(0, 100, 10_000).records, [enabled]);
    log.sweep(1, years_later);
    assert_eq!(log.len(), 0);
}
