#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::json::{self, Limits};

mod lists;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16);
    text.as_bytes().chunks(2).map(|digits| byte(digits).unwrap()).collect()
}

/// The statuses of a list, as numbers.
fn statuses(list: &StatusList) -> Vec<u8> {
    let number = |index| match list.status(index).unwrap() {
        Status::Valid => 0,
        Status::Invalid => 1,
        Status::Suspended => 2,
        Status::Other(other) => other,
    };
    (0..list.places()).map(number).collect()
}

#[test]
fn the_examples_of_the_draft_are_read() {
    // §4.1: one bit, two bytes 0xb9 0xa3.
    let list = StatusList::inflate(1, &hex("78dadbb918000217015d")).unwrap();
    assert_eq!(statuses(&list), [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
    // The same, two bits: three bytes.
    let list = StatusList::inflate(2, &hex("78da3be9f2130003df0207")).unwrap();
    assert_eq!(statuses(&list), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
}

fn packed(bits: u8, bytes: &[u8]) -> StatusList {
    StatusList { bits, packed: bytes.to_vec() }
}

#[test]
fn places_are_counted_from_the_lowest_bits_of_each_byte() {
    assert_eq!(statuses(&packed(1, &[0b0000_0001, 0b1000_0000]))[..1], [1]);
    assert_eq!(statuses(&packed(1, &[0b0000_0001, 0b1000_0000]))[15], 1);
    assert_eq!(statuses(&packed(2, &[0b11_10_01_00])), [0, 1, 2, 3]);
    assert_eq!(statuses(&packed(4, &[0xf2, 0x10])), [2, 15, 0, 1]);
    assert_eq!(statuses(&packed(8, &[0, 1, 2, 255])), [0, 1, 2, 255]);
}

#[test]
fn a_place_beyond_the_list_is_refused() {
    for (bits, places) in [(1, 16), (2, 8), (4, 4), (8, 2)] {
        let list = packed(bits, &[0, 0]);
        assert_eq!((list.places(), list.status(places - 1)), (places, Ok(Status::Valid)));
        for index in [places, places + 1, u64::MAX] {
            let error = StatusListError::OutOfRange { index, places };
            assert_eq!(list.status(index), Err(error));
        }
    }
}

#[test]
fn a_list_that_inflates_to_more_than_the_limit_is_refused() {
    let compress = |length| miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; length], 9);
    assert!(StatusList::inflate(1, &compress(MAX_LIST_BYTES)).is_ok());
    let bomb = compress(MAX_LIST_BYTES + 1);
    assert!(bomb.len() < 2048, "a bomb is small");
    assert_eq!(StatusList::inflate(1, &bomb), Err(StatusListError::TooLong));
    let bomb = compress(64 * MAX_LIST_BYTES);
    assert_eq!(StatusList::inflate(1, &bomb), Err(StatusListError::TooLong));
    let long = vec![0; MAX_COMPRESSED_BYTES + 1];
    assert_eq!(StatusList::inflate(1, &long), Err(StatusListError::CompressedTooLong));
}

#[test]
fn what_is_not_one_whole_zlib_stream_is_refused() {
    let good = hex("78dadbb918000217015d");
    let mut wrong_checksum = good.clone();
    *wrong_checksum.last_mut().unwrap() ^= 1;
    let cut_short = good[..good.len() - 1].to_vec();
    let bare_deflate = good[2..good.len() - 4].to_vec();
    let gzip = hex("1f8b08000000000002ffdbb918003e06a0b802000000");
    for bad in [vec![], vec![0x78], wrong_checksum, cut_short, bare_deflate, gzip] {
        assert_eq!(StatusList::inflate(1, &bad), Err(StatusListError::Compression), "{bad:x?}");
    }
    let empty = miniz_oxide::deflate::compress_to_vec_zlib(&[], 6);
    assert_eq!(StatusList::inflate(1, &empty), Err(StatusListError::EmptyList));
    for bits in [0, 3, 5, 16, 255] {
        assert_eq!(StatusList::inflate(bits, &empty), Err(StatusListError::Bits));
    }
}

fn reference<T>(
    payload: &str,
    see: impl FnOnce(Result<Option<StatusReference<'_>>, StatusListError>) -> T,
) -> T {
    let payload = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
    see(StatusReference::find(payload.as_object().unwrap()))
}

#[test]
fn a_token_names_its_list_and_place() {
    let payload = r#"{"status":{"status_list":{"idx":7,"uri":"https://a/1"},"other":{}}}"#;
    let expected = StatusReference { uri: "https://a/1", index: 7 };
    reference(payload, |found| assert_eq!(found, Ok(Some(expected))));
    reference(r#"{"sub":"a"}"#, |found| assert_eq!(found, Ok(None)));
}

#[test]
fn a_status_that_is_not_understood_is_never_taken_for_none() {
    for payload in [
        r#"{"status":{}}"#,
        r#"{"status":{"identifier_list":{}}}"#,
        r#"{"status":null}"#,
        r#"{"status":"valid"}"#,
        r#"{"status":{"status_list":[]}}"#,
        r#"{"status":{"status_list":{"uri":"u"}}}"#,
        r#"{"status":{"status_list":{"idx":1}}}"#,
        r#"{"status":{"status_list":{"idx":"1","uri":"u"}}}"#,
        r#"{"status":{"status_list":{"idx":-1,"uri":"u"}}}"#,
        r#"{"status":{"status_list":{"idx":1.0,"uri":"u"}}}"#,
        r#"{"status":{"status_list":{"idx":1e30,"uri":"u"}}}"#,
        r#"{"status":{"status_list":{"idx":1,"uri":""}}}"#,
        r#"{"status":{"status_list":{"idx":1,"uri":["u"]}}}"#,
    ] {
        reference(payload, |found| assert!(found.is_err(), "{payload}: {found:?}"));
    }
    let uri = |length| {
        format!(r#"{{"status":{{"status_list":{{"idx":1,"uri":"{}"}}}}}}"#, "u".repeat(length))
    };
    reference(&uri(MAX_URI_BYTES), |found| assert!(found.is_ok()));
    let length = MAX_URI_BYTES + 1;
    reference(&uri(length), |found| {
        assert_eq!(found, Err(StatusListError::UriTooLong { length }));
    });
}

const URI: &str = "https://example.com/statuslists/1";

fn list(payload: &str) -> Result<StatusListToken, StatusListError> {
    let payload = json::parse(payload.as_bytes(), &Limits::TOKEN).unwrap();
    StatusListToken::parse(&payload, URI)
}

fn list_with(members: &str) -> Result<StatusListToken, StatusListError> {
    list(&format!(
        r#"{{"sub":"{URI}","iat":1000,"status_list":{{"bits":1,"lst":"eNrbuRgAAhcBXQ"}}{members}}}"#
    ))
}

#[test]
fn the_claims_of_a_list_are_read() {
    let token = list_with(r#","exp":5000,"ttl":600"#).unwrap();
    assert_eq!((token.iat, token.exp), (at(1000), Some(at(5000))));
    assert_eq!(token.ttl, Some(Duration::from_secs(600)));
    assert_eq!(token.list.status(0), Ok(Status::Invalid));
    assert_eq!(token.list.status(1), Ok(Status::Valid));
    assert_eq!(format!("{:?}", token.list), "StatusList(16 places of 1 bits)");
}

#[test]
fn a_list_of_another_uri_or_without_its_claims_is_refused() {
    let other = list(r#"{"sub":"https://example.com/statuslists/2","iat":1}"#);
    assert!(matches!(other, Err(StatusListError::OtherList { .. })), "{other:?}");
    for payload in [
        "[]".to_owned(),
        "{}".to_owned(),
        format!(r#"{{"sub":"{URI}"}}"#),
        format!(r#"{{"sub":"{URI}","iat":1}}"#),
        format!(r#"{{"sub":"{URI}","iat":1,"status_list":[]}}"#),
        format!(r#"{{"sub":"{URI}","iat":1,"status_list":{{"bits":1}}}}"#),
        format!(r#"{{"sub":"{URI}","iat":1,"status_list":{{"bits":"1","lst":"eNrbuRgAAhcBXQ"}}}}"#),
        format!(r#"{{"sub":"{URI}","iat":"1","status_list":{{"bits":1,"lst":"eNrbuRgAAhcBXQ"}}}}"#),
    ] {
        let found = list(&payload);
        assert!(matches!(found, Err(StatusListError::Claims(_))), "{payload}: {found:?}");
    }
    for (bits, lst, error) in [
        ("3", "eNrbuRgAAhcBXQ", StatusListError::Bits),
        ("257", "eNrbuRgAAhcBXQ", StatusListError::Bits),
        ("1", "eNrbuRgAAhcBXQ==", StatusListError::Encoding),
        ("1", "AAAA", StatusListError::Compression),
    ] {
        let payload =
            format!(r#"{{"sub":"{URI}","iat":1,"status_list":{{"bits":{bits},"lst":"{lst}"}}}}"#);
        assert_eq!(list(&payload), Err(error), "{payload}");
    }
    let long = "A".repeat(MAX_COMPRESSED_BYTES / 3 * 4 + 8);
    let payload = format!(r#"{{"sub":"{URI}","iat":1,"status_list":{{"bits":1,"lst":"{long}"}}}}"#);
    assert_eq!(list(&payload), Err(StatusListError::CompressedTooLong));
    assert!(list_with(r#","ttl":"1""#).is_err());
    assert!(list_with(r#","ttl":-1"#).is_err());
}

#[test]
fn a_list_is_good_from_its_issue_for_twice_its_ttl_and_not_beyond_its_exp() {
    let until = |members: &str| list_with(members).unwrap().good_until(at(2000)).secs();
    assert_eq!(until(""), 2000 + 600);
    assert_eq!(until(r#","ttl":60"#), 2120);
    assert_eq!(until(r#","ttl":0"#), 2020, "not more often than that");
    assert_eq!(until(r#","ttl":9999999"#), 2000 + 3600);
    assert_eq!(until(r#","ttl":600,"exp":2100"#), 2100);
    let refresh = |members: &str| list_with(members).unwrap().refresh().as_secs();
    assert_eq!([refresh(""), refresh(r#","ttl":60"#), refresh(r#","ttl":0"#)], [300, 60, 10]);
    let check = |now| {
        list_with(r#","ttl":300"#)
            .unwrap()
            .check(at(2000), Duration::from_secs(30), at(now))
            .is_ok()
    };
    assert_eq!((check(2000), check(2599), check(2600)), (true, true, false));
    assert_eq!((check(970), check(969)), (true, false), "issued at 1000");
}

#[test]
fn only_the_type_of_a_list_is_one() {
    let header = |header: &str| {
        let [header, payload] = [header, "{}"].map(|part| base64url::encode(part.as_bytes()));
        let token = format!("{header}.{payload}.c2lnbmF0dXJl");
        check_header(&Jws::parse(token.as_bytes(), 8192).unwrap())
    };
    assert_eq!(header(r#"{"alg":"ES256","typ":"statuslist+jwt"}"#), Ok(()));
    assert_eq!(header(r#"{"alg":"ES256","typ":"application/StatusList+JWT"}"#), Ok(()));
    for other in [
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#"{"alg":"ES256","typ":"at+jwt"}"#,
    ] {
        assert_eq!(header(other), Err(StatusListError::Type));
    }
}

#[test]
fn a_list_comes_back_from_its_compact_form_and_nothing_else_does() {
    for members in ["", r#","exp":5000"#, r#","ttl":600"#, r#","exp":5000,"ttl":0"#] {
        let compact = CompactList { fetched_at: at(2000), token: list_with(members).unwrap() };
        let value = compact.to_bytes();
        assert_eq!(CompactList::from_bytes(&value), Some(compact));
        for length in 0..value.len() {
            assert_eq!(CompactList::from_bytes(&value[..length]), None, "{length}");
        }
        let mut other_form = value;
        other_form[0] ^= 1;
        assert_eq!(CompactList::from_bytes(&other_form), None);
    }
}
