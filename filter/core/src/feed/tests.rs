#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn record(subject: u8, conditions: &[u8]) -> Record {
    Record {
        key: RecordKey {
            subject: SubjectHash([subject; 16]),
            kind: FactKind::RevokedBefore,
            conditions: conditions.iter().map(|byte| SubjectHash([*byte; 16])).collect(),
        },
        fact: Fact {
            at: UnixTime::from_secs(1_000),
            value: FactValue::Set,
            signal: SignalId([9; 16]),
            event: 1,
        },
    }
}

fn page(records: Vec<Record>) -> Page {
    Page {
        log: LogId([1; 16]),
        from: 3,
        to: 5,
        signed_at: UnixTime::from_millis(1_000_500),
        more: true,
        retention_secs: 3_600,
        live: 2,
        records,
        gaps: Vec::new(),
    }
}

fn open_signed(bytes: &[u8]) -> Result<Page, PageError> {
    open_with(bytes, |_, signature| signature == &[5; 64])
}

fn seal(payload: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    SignedPage { payload: payload.to_vec(), signature: *signature }.encode()
}

#[test]
fn a_page_survives_the_wire() {
    let page = page(vec![record(1, &[]), record(2, &[3, 4])]);
    assert_eq!(open_signed(&seal(&page.encode(), &[5; 64])), Ok(page));
}

#[test]
fn a_page_is_not_decoded_before_its_signature_verifies() {
    assert_eq!(open_signed(&seal(b"not cbor", &[6; 64])), Err(PageError::BadSignature));
}

#[test]
fn the_signature_covers_context_and_payload() {
    let sealed = seal(b"payload", &[5; 64]);
    let mut seen = Vec::new();
    let _malformed = open_with(&sealed, |message, _| {
        seen = message.to_vec();
        false
    });
    assert_eq!(seen, b"rescind-feed-v1\0payload");
}

#[test]
fn a_page_opens_with_its_own_key_only() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let (companion, other) = (SigningKey::from_bytes(&[3; 32]), SigningKey::from_bytes(&[4; 32]));
    let page = page(vec![record(1, &[])]);
    let payload = page.encode();
    let signature = companion.sign(&signing_input(&payload)).to_bytes();
    let bytes = seal(&payload, &signature);
    assert_eq!(open(&bytes, &FeedKey(companion.verifying_key().to_bytes())), Ok(page));
    assert_eq!(
        open(&bytes, &FeedKey(other.verifying_key().to_bytes())),
        Err(PageError::BadSignature)
    );
    let unprefixed = seal(&payload, &companion.sign(&payload).to_bytes());
    assert_eq!(
        open(&unprefixed, &FeedKey(companion.verifying_key().to_bytes())),
        Err(PageError::BadSignature)
    );
}

#[test]
fn every_truncation_is_refused() {
    let bytes = seal(&page(vec![record(1, &[2])]).encode(), &[5; 64]);
    for length in 0..bytes.len() {
        assert!(open_signed(&bytes[..length]).is_err(), "accepted {length} bytes");
    }
    let payload = page(vec![record(1, &[2])]).encode();
    for length in 0..payload.len() {
        assert!(open_signed(&seal(&payload[..length], &[5; 64])).is_err(), "payload of {length}");
    }
}

#[test]
fn bytes_after_the_page_are_refused() {
    let mut bytes = seal(&page(vec![]).encode(), &[5; 64]);
    bytes.push(0);
    assert_eq!(
        open_signed(&bytes),
        Err(PageError::Malformed { what: "nothing after the signature" })
    );
    let mut payload = page(vec![]).encode();
    payload.push(0);
    assert_eq!(
        open_signed(&seal(&payload, &[5; 64])),
        Err(PageError::Malformed { what: "nothing after the records and gaps" })
    );
}

#[test]
fn a_page_may_have_512_kib_and_no_more() {
    let overhead = seal(&vec![0; 70_000], &[5; 64]).len() - 70_000;
    let sealed = |total: usize| seal(&vec![0; total - overhead], &[6; 64]);
    assert_eq!(sealed(MAX_PAGE_BYTES).len(), MAX_PAGE_BYTES);
    assert_eq!(open_signed(&sealed(MAX_PAGE_BYTES)), Err(PageError::BadSignature));
    assert_eq!(
        open_signed(&sealed(MAX_PAGE_BYTES + 1)),
        Err(PageError::TooLarge { length: MAX_PAGE_BYTES + 1 })
    );
}

#[test]
fn conditions_are_limited_ordered_and_unique() {
    let seven: Vec<u8> = (1..=7).collect();
    let eight: Vec<u8> = (1..=8).collect();
    let open = |conditions: &[u8]| {
        open_signed(&seal(&page(vec![record(9, conditions)]).encode(), &[5; 64]))
    };
    assert!(open(&seven).is_ok());
    assert_eq!(open(&eight), Err(PageError::Malformed { what: "at most seven conditions" }));
    for wrong in [&[2, 1][..], &[1, 1]] {
        assert_eq!(
            open(wrong),
            Err(PageError::Malformed { what: "conditions in order, each once" })
        );
    }
}

#[test]
fn a_full_page_of_records_fits_into_the_size_limit() {
    let records = vec![record(1, &[1, 2, 3]); MAX_PAGE_RECORDS];
    assert!(seal(&page(records).encode(), &[5; 64]).len() <= MAX_PAGE_BYTES);
}

#[test]
fn a_cursor_has_one_text_form() {
    let cursor = Cursor { log: LogId([0xab; 16]), sequence: 17 };
    assert_eq!(cursor.to_string(), format!("{}.17", "ab".repeat(16)));
    assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
    for wrong in ["", "ab.1", ".1", &format!("{}.-1", "ab".repeat(16)), &"ab".repeat(16)] {
        assert_eq!(Cursor::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn an_event_time_has_forty_bits_and_no_more() {
    for (secs, fits) in [(MAX_EVENT_SECS, true), (MAX_EVENT_SECS + 1, false)] {
        let mut late = record(1, &[]);
        late.fact.at = UnixTime::from_secs(secs);
        let opened = open_signed(&seal(&page(vec![late]).encode(), &[5; 64]));
        assert_eq!(opened.is_ok(), fits, "{secs}");
    }
}

fn gap(issuer: &str, since: u64) -> Gap {
    Gap { issuer: issuer.to_owned(), since: UnixTime::from_secs(since) }
}

#[test]
fn gaps_are_a_tenth_element_and_a_page_without_them_has_the_form_of_before() {
    let without = page(vec![record(1, &[])]);
    assert_eq!(without.encode().first(), Some(&0x89), "an array of nine");
    let mut with = without.clone();
    with.gaps = vec![gap("https://a.example", 7), gap("https://b.example", 9)];
    assert_eq!(with.encode().first(), Some(&0x8a), "an array of ten");
    for page in [without, with] {
        assert_eq!(Page::decode(&page.encode()), Ok(page));
    }
}

#[test]
fn a_page_has_up_to_sixteen_gaps_in_order_each_issuer_once() {
    let many =
        |count: u64| (0..count).map(|n| gap(&format!("https://{n:02}.example"), n)).collect();
    let swapped = vec![gap("b", 1), gap("a", 1)];
    let twice = vec![gap("a", 1), gap("a", 2)];
    for (gaps, good) in [
        (many(16), true),
        (many(17), false),
        (swapped, false),
        (twice, false),
        (vec![gap("", 1)], false),
        (vec![gap(&"x".repeat(2048), 1)], true),
        (vec![gap(&"x".repeat(2049), 1)], false),
    ] {
        let mut page = page(Vec::new());
        page.gaps = gaps;
        assert_eq!(Page::decode(&page.encode()).is_ok(), good, "{:?}", page.gaps);
    }
}

#[test]
fn what_is_known_of_gaps_has_a_version_that_changes_with_them() {
    assert_eq!(gaps_version(&[]), 0);
    let of = |gaps: &[Gap]| gaps_version(&gap_digests(gaps));
    let one = of(&[gap("a", 1)]);
    assert_ne!(one, 0);
    assert_ne!(one, of(&[gap("a", 2)]));
    assert_ne!(one, of(&[gap("b", 1)]));
}

#[test]
fn all_gaps_that_there_can_be_take_no_more_than_companions_leave_room_for() {
    let plain = page(vec![record(1, &[])]);
    let gap = |number: usize| {
        let issuer = format!("{number:02}{}", "i".repeat(MAX_ISSUER_BYTES - 2));
        Gap { issuer, since: UnixTime::from_secs(u64::from(u32::MAX) * 1000) }
    };
    let full = Page { gaps: (0..MAX_GAPS).map(gap).collect(), ..plain.clone() };
    let added = full.encode().len() - plain.encode().len();
    assert!(added <= MAX_GAPS_BYTES, "{added}");
    assert_eq!(open_signed(&seal(&full.encode(), &[5; 64])), Ok(full));
}
