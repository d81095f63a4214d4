#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const KEY: NonceKey = NonceKey::new([7; 32]);

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

#[test]
fn a_nonce_is_good_in_its_step_and_the_next_and_a_little_before() {
    let nonce = KEY.issue(at(6_000));
    for (now, age) in [
        (5_994, None),
        (5_995, Some(Age::Current)),
        (5_999, Some(Age::Current)),
        (6_000, Some(Age::Current)),
        (6_059, Some(Age::Current)),
        (6_060, Some(Age::Previous)),
        (6_119, Some(Age::Previous)),
        (6_120, None),
        (12_000, None),
    ] {
        assert_eq!(KEY.check(&nonce, at(now)), age, "{now}");
    }
}

#[test]
fn the_nonce_stays_the_same_for_one_step() {
    assert_eq!(KEY.issue(at(6_000)), KEY.issue(at(6_059)));
    assert_ne!(KEY.issue(at(6_059)), KEY.issue(at(6_060)));
}

#[test]
fn a_nonce_of_another_key_or_spelling_is_refused() {
    let now = at(6_000);
    let nonce = KEY.issue(now);
    assert_eq!(nonce.len(), 22);
    let other = NonceKey::new([8; 32]).issue(now);
    let changed = nonce.replacen('t', "u", 1);
    let (short, long) = (nonce.get(..20).unwrap(), format!("{nonce}AA"));
    let padded = format!("{nonce}==");
    for wrong in ["", &other, &changed, short, &long, &padded, "e\u{301}"] {
        assert_eq!(KEY.check(wrong, now), None, "{wrong}");
    }
}

#[test]
fn the_first_step_of_time_has_none_before_it() {
    assert_eq!(KEY.check("AAAAAAAAAAAAAAAAAAAAAA", UnixTime::EPOCH), None);
    assert_eq!(KEY.check(&KEY.issue(UnixTime::EPOCH), UnixTime::EPOCH), Some(Age::Current));
    let last = UnixTime::from_millis(u64::MAX);
    assert_eq!(KEY.check(&KEY.issue(last), last), Some(Age::Current));
}

#[test]
fn the_mac_is_hmac_sha256_over_purpose_and_step() {
    // Python: hmac.new(bytes([7]*32), b"rescind nonce 1" + (100).to_bytes(8), "sha256").digest()[:16]
    assert_eq!(KEY.issue(at(6_000)), "tQeEwkEsQZhnqv5GRMPTRA");
}

#[test]
fn what_is_printed_holds_no_key() {
    assert_eq!(format!("{KEY:?}"), "NonceKey");
}
