//! Key sets that an issuer's metadata lead to.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::discovery::DiscoveryError;

const NAME: &str = "https://idp.example/a";

fn leader() -> Leader {
    let first = r#"{"discovery":"openid-configuration","cluster":"idp","jwks_authority":"keys.example","jwks_cluster":"keys"}"#;
    let last = r#"{"inline_bundle":{"keys":[]}}"#;
    Leader::of(&config_of(first, NAME, last))
}

fn metadata(uri: &str) -> Vec<u8> {
    format!(r#"{{"issuer":"{NAME}","jwks_uri":"{uri}"}}"#).into_bytes()
}

/// Cluster, host and path of what is asked now.
fn asked(leader: &mut Leader) -> Vec<(String, String, String)> {
    let (fetches, _) = leader.refresher.handle_tick(true, &leader.shared, leader.now, 0);
    fetches.into_iter().map(|fetch| (fetch.cluster, fetch.authority, fetch.path)).collect()
}

fn ask(cluster: &str, authority: &str, path: &str) -> Vec<(String, String, String)> {
    vec![(cluster.to_owned(), authority.to_owned(), path.to_owned())]
}

fn ask_for_metadata() -> Vec<(String, String, String)> {
    ask("idp", "idp.example", "/a/.well-known/openid-configuration")
}

#[test]
fn the_metadata_are_asked_first_and_then_the_keys_where_they_say() {
    let mut leader = leader();
    assert_eq!(asked(&mut leader), ask_for_metadata());
    let notice = leader.answer(0, 200, &metadata("https://keys.example/jwks?v=1")).unwrap();
    let path = "/jwks?v=1".to_owned();
    let located = KeysNotice::Located { issuer: NAME.to_owned(), path, changed: true };
    assert_eq!((&notice, notice.is_news()), (&located, true));
    assert!(!notice.changes_keys() && !notice.is_failure());
    assert!(leader.store().keys(0).is_none());
    assert_eq!(asked(&mut leader), ask("keys", "keys.example", "/jwks?v=1"));
    assert!(leader.answer(0, 200, &set(&[KEY_A])).unwrap().changes_keys());
    assert_eq!(kids(&leader.store(), 0), ["a"]);
    // Within the hour only the keys are asked again.
    leader.wait(REFRESH);
    assert_eq!(asked(&mut leader), ask("keys", "keys.example", "/jwks?v=1"));
    leader.answer(0, 200, &set(&[KEY_B]));
    leader.wait(METADATA_AGE);
    assert_eq!(asked(&mut leader), ask_for_metadata());
    let notice = leader.answer(0, 200, &metadata("https://keys.example/jwks?v=1")).unwrap();
    assert!(!notice.is_news(), "{notice}");
}

#[test]
fn metadata_that_lead_elsewhere_or_are_another_issuers_bring_no_request() {
    for (body, error) in [
        (
            metadata("https://evil.example/jwks"),
            DiscoveryError::OtherServer {
                found: "evil.example".to_owned(),
                allowed: "keys.example".to_owned(),
            },
        ),
        (
            metadata("https://idp.example/jwks"),
            DiscoveryError::OtherServer {
                found: "idp.example".to_owned(),
                allowed: "keys.example".to_owned(),
            },
        ),
        (
            br#"{"issuer":"https://idp.example/b","jwks_uri":"https://keys.example/"}"#.to_vec(),
            DiscoveryError::OtherIssuer {
                found: "https://idp.example/b".to_owned(),
                expected: NAME.to_owned(),
            },
        ),
        (set(&[KEY_A]), DiscoveryError::Member { member: "issuer" }),
    ] {
        let mut leader = leader();
        asked(&mut leader);
        let notice = leader.answer(0, 200, &body).unwrap();
        let expected = FetchError::Metadata(error);
        assert!(
            matches!(&notice, KeysNotice::Failed { error, .. } if *error == expected),
            "{notice}"
        );
        assert_eq!(asked(&mut leader), []);
        leader.wait(SECOND);
        assert_eq!(asked(&mut leader), ask_for_metadata());
        assert!(leader.store().keys(0).is_none());
    }
}

#[test]
fn keys_that_have_moved_are_found_again_and_the_last_good_set_stays_meanwhile() {
    let mut leader = leader();
    asked(&mut leader);
    leader.answer(0, 200, &metadata("https://keys.example/old"));
    asked(&mut leader);
    leader.answer(0, 200, &set(&[KEY_A]));
    leader.wait(REFRESH);
    assert_eq!(asked(&mut leader), ask("keys", "keys.example", "/old"));
    assert!(leader.answer(0, 404, b"").unwrap().is_failure());
    assert_eq!(kids(&leader.store(), 0), ["a"]);
    leader.wait(SECOND);
    assert_eq!(asked(&mut leader), ask_for_metadata());
    leader.answer(0, 200, &metadata("https://keys.example/new"));
    assert_eq!(asked(&mut leader), ask("keys", "keys.example", "/new"));
    leader.answer(0, 200, &set(&[KEY_B]));
    assert_eq!(kids(&leader.store(), 0), ["b"]);
}

#[test]
fn good_metadata_and_bad_keys_do_not_make_a_busy_loop() {
    let mut leader = leader();
    for secs in [1, 2, 4] {
        assert_eq!(asked(&mut leader), ask_for_metadata());
        leader.answer(0, 200, &metadata("https://keys.example/jwks"));
        asked(&mut leader);
        let notice = leader.answer(0, 200, br#"{"keys":[]}"#).unwrap();
        let pause = Duration::from_secs(secs);
        assert!(matches!(notice, KeysNotice::Failed { pause: found, .. } if found == pause));
        leader.wait(pause);
    }
}

#[test]
fn an_answer_that_comes_too_late_is_never_taken_for_the_other_kind() {
    let mut leader = leader();
    asked(&mut leader);
    leader.answer(0, 200, &metadata("https://keys.example/jwks"));
    asked(&mut leader);
    // The metadata once more, when keys are awaited.
    let notice = leader.answer(0, 200, &metadata("https://keys.example/elsewhere")).unwrap();
    assert!(notice.is_failure(), "{notice}");
    leader.wait(SECOND);
    assert_eq!(asked(&mut leader), ask_for_metadata());
    let notice = leader.answer(0, 200, &set(&[KEY_A])).unwrap();
    assert!(notice.is_failure(), "{notice}");
    assert!(leader.store().keys(0).is_none());
}
