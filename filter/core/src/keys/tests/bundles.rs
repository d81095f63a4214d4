//! Bundles of SPIFFE trust domains: what differs from key sets.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const X509: &str = r#"{"kty":"EC","crv":"P-256","use":"x509-svid","x5c":["AA"]}"#;

fn domain_config() -> Config {
    let bundle = r#"{"bundle_url":"https://spire.example/bundle","cluster":"spire"}"#;
    let other = r#"{"bundle_url":"https://other.example/bundle","cluster":"other"}"#;
    config_of(bundle, "one", other)
}

fn leader() -> Leader {
    Leader::of(&domain_config())
}

/// A bundle with these keys (name and use) and other members.
fn bundle(keys: &[(&str, &str)], more: &str) -> Vec<u8> {
    let key = |(kid, purpose): &(&str, &str)| {
        let key = if *kid == "a" { KEY_A } else { KEY_B };
        key.replacen('{', &format!(r#"{{"use":"{purpose}","#), 1)
    };
    let keys: Vec<String> = keys.iter().map(key).collect();
    format!(r#"{{"keys":[{}]{more}}}"#, keys.join(",")).into_bytes()
}

fn wit_kids(store: &KeyStore) -> Vec<&str> {
    let set = store.wit_keys(0).unwrap();
    set.keys().iter().map(|key| key.kid().unwrap_or_default()).collect()
}

#[test]
fn a_bundle_is_fetched_and_its_keys_are_kept_apart() {
    let mut leader = leader();
    let (fetches, _) = leader.refresher.handle_tick(true, &leader.shared, leader.now, 0);
    let first = fetches.first().unwrap();
    assert_eq!((first.cluster.as_str(), first.path.as_str()), ("spire", "/bundle"));
    let store = leader.store();
    assert!(store.keys(0).is_none() && store.wit_keys(0).is_none(), "not fetched yet");
    let notice = leader.answer(0, 200, &bundle(&[("a", "jwt-svid"), ("b", "wit-svid")], ""));
    let expected = KeysNotice::Fetched {
        issuer: "spiffe://one".to_owned(),
        keys: 2,
        skipped: 0,
        changed: true,
    };
    assert_eq!(notice, Some(expected));
    let store = leader.store();
    assert_eq!((kids(&store, 0), wit_kids(&store)), (vec!["a"], vec!["b"]));
    assert!(store.keys(2).is_none(), "another trust domain has its own bundle");
}

#[test]
fn an_empty_bundle_revokes_the_domain_and_is_not_the_same_as_none() {
    for empty in [bundle(&[], ""), set(&[X509]), set(&[KEY_A])] {
        let mut leader = leader();
        leader.asks();
        leader.answer(0, 200, &bundle(&[("a", "jwt-svid"), ("b", "wit-svid")], ""));
        let mut store = leader.store();
        let mut mark = {
            let key = store.keys(0).unwrap().keys().first().unwrap();
            store.mark(0, key).unwrap()
        };
        assert!(store.is_current(0, &mut mark));
        leader.wait(REFRESH);
        leader.asks();
        let notice = leader.answer(0, 200, &empty).unwrap();
        assert!(notice.changes_keys() && !notice.is_failure(), "{notice}");
        assert!(notice.to_string().ends_with("no token of it is valid any more"), "{notice}");
        store.sync(&leader.shared, 2);
        assert_eq!((kids(&store, 0), wit_kids(&store)), (vec![], vec![]));
        assert!(store.keys(0).is_some(), "known, and empty");
        assert!(!store.is_current(0, &mut mark), "what was verified before is revoked too");
    }
}

#[test]
fn what_is_no_bundle_leaves_the_last_good_one() {
    let failures: [(u16, &[u8]); 6] = [
        (503, b""),
        (302, b""),
        (200, b""),
        (200, b"<html>login</html>"),
        (200, b"{}"),
        (200, br#"{"keys":[],"spiffe_sequence":"1"}"#),
    ];
    for (status, body) in failures {
        let mut leader = leader();
        leader.asks();
        leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], ""));
        leader.wait(REFRESH);
        assert!(leader.asks().contains(&0));
        assert!(leader.answer(0, status, body).unwrap().is_failure());
        assert_eq!(kids(&leader.store(), 0), ["a"]);
    }
}

#[test]
fn an_older_sequence_is_refused_also_by_the_next_leader() {
    let mut leader = leader();
    leader.asks();
    leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], r#","spiffe_sequence":7"#));
    let old = bundle(&[("b", "jwt-svid")], r#","spiffe_sequence":6"#);
    let refused = FetchError::OlderBundle { offered: 6, stored: 7 };
    leader.wait(REFRESH);
    leader.asks();
    let notice = leader.answer(0, 200, &old);
    assert!(matches!(notice, Some(KeysNotice::Failed { error, .. }) if error == refused));
    let shared = std::mem::take(&mut leader.shared);
    let mut next = Leader { shared, now: leader.now, ..self::leader() };
    next.wait(REFRESH);
    assert!(next.asks().contains(&0));
    let notice = next.answer(0, 200, &old);
    assert!(matches!(notice, Some(KeysNotice::Failed { error, .. }) if error == refused));
    assert_eq!(kids(&next.store(), 0), ["a"]);
    // The same number and a greater one are taken, and an empty bundle needs one too.
    for (sequence, is_taken) in [(7, true), (6, false), (8, true)] {
        next.wait(REFRESH);
        next.asks();
        let empty = bundle(&[], &format!(r#","spiffe_sequence":{sequence}"#));
        assert_eq!(!next.answer(0, 200, &empty).unwrap().is_failure(), is_taken, "{sequence}");
    }
}

#[test]
fn the_bundles_own_refresh_hint_is_followed_within_limits() {
    for (hint, secs) in [(1, 10), (60, 60), (86_400, 3600)] {
        let mut leader = leader();
        leader.asks();
        let more = format!(r#","spiffe_refresh_hint":{hint}"#);
        leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], &more));
        leader.wait(Duration::from_secs(secs).saturating_sub(Duration::from_millis(1)));
        assert!(!leader.asks().contains(&0), "{hint}");
        leader.wait(Duration::from_millis(1));
        assert!(leader.asks().contains(&0), "{hint}");
        // A new leader knows the hint from the stored bundle.
        let shared = std::mem::take(&mut leader.shared);
        let mut next = Leader { shared, now: start(), ..self::leader() };
        assert!(!next.asks().contains(&0));
        next.wait(Duration::from_secs(secs));
        assert!(next.asks().contains(&0), "{hint}");
    }
}

#[test]
fn after_a_failure_a_bundle_is_asked_for_only_when_it_is_due_again() {
    let mut leader = leader();
    leader.asks();
    // Before there is one, a failure is tried again soon: nobody gets in until then.
    let notice = leader.answer(0, 500, b"").unwrap();
    assert!(matches!(notice, KeysNotice::Failed { pause: SECOND, .. }), "{notice}");
    leader.wait(SECOND);
    assert!(leader.asks().contains(&0));
    leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], r#","spiffe_refresh_hint":60"#));
    let minute = Duration::from_secs(60);
    for _ in 0..3 {
        leader.wait(minute);
        assert!(leader.asks().contains(&0));
        let notice = leader.answer(0, 500, b"").unwrap();
        assert!(matches!(notice, KeysNotice::Failed { pause, .. } if pause == minute));
        // Nor do made-up names of keys bring it forward.
        leader.store().wish(0, &leader.shared, leader.now);
        leader.wait(minute.saturating_sub(SECOND));
        assert!(!leader.asks().contains(&0));
        leader.wait(SECOND);
        assert!(leader.asks().contains(&0));
        leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], r#","spiffe_refresh_hint":60"#));
    }
    leader.wait(Duration::from_secs(11));
    leader.store().wish(0, &leader.shared, leader.now);
    leader.wait(SECOND);
    assert!(leader.asks().contains(&0), "a rotation shows at once while the endpoint answers");
}

#[test]
fn a_key_that_moves_to_the_other_purpose_is_another_key() {
    let mut leader = leader();
    leader.asks();
    leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], ""));
    let mut store = leader.store();
    let mut mark = store.mark(0, store.keys(0).unwrap().keys().first().unwrap()).unwrap();
    leader.wait(REFRESH);
    leader.asks();
    leader.answer(0, 200, &bundle(&[("a", "wit-svid")], ""));
    store.sync(&leader.shared, 2);
    assert!(!store.is_current(0, &mut mark));
    let mark = store.mark(0, store.wit_keys(0).unwrap().keys().first().unwrap());
    assert!(mark.is_some_and(|mut mark| store.is_current(0, &mut mark)));
}

#[test]
fn a_key_set_stored_for_another_kind_of_source_is_no_bundle() {
    let mut leader = leader();
    leader.asks();
    leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], ""));
    let same_url = r#"{"url":"https://spire.example/bundle","cluster":"spire"}"#;
    let mut other = KeyStore::new(&config_of(same_url, "one", same_url));
    other.sync(&leader.shared, 1);
    assert!(other.keys(0).is_none());
}

#[test]
fn an_inline_bundle_is_there_from_the_start() {
    let inline = String::from_utf8(bundle(&[("a", "jwt-svid"), ("b", "wit-svid")], "")).unwrap();
    let empty = r#"{"inline_bundle":{"keys":[]}}"#;
    let store =
        KeyStore::new(&config_of(&format!(r#"{{"inline_bundle":{inline}}}"#), "one", empty));
    assert_eq!((kids(&store, 0), wit_kids(&store)), (vec!["a"], vec!["b"]));
    assert!(store.keys(2).is_some_and(|set| set.keys().is_empty()));
    assert!(store.wit_keys(1).is_none(), "a key set has none");
}

#[test]
fn no_bundle_is_ever_merged_with_another_domains() {
    let mut leader = leader();
    leader.asks();
    leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], ""));
    // The other domain uses the same name for another key.
    let theirs = KEY_B.replacen(r#""kid":"b""#, r#""kid":"a","use":"jwt-svid""#, 1);
    leader.answer(1, 200, &set(&[&theirs]));
    let mut store = leader.store();
    let of = |issuer| store.keys(issuer).unwrap().keys();
    assert_eq!((of(0).len(), of(2).len()), (1, 1));
    assert_ne!(of(0).first().unwrap().spki_der(), of(2).first().unwrap().spki_der());
    let mut mark = store.mark(0, of(0).first().unwrap()).unwrap();
    assert!(store.mark(2, of(0).first().unwrap()).is_none());
    assert!(!store.is_current(2, &mut mark), "what one domain's key verified is not the other's");
    // A newer bundle replaces the old one whole.
    leader.wait(REFRESH);
    leader.asks();
    leader.answer(0, 200, &bundle(&[("b", "jwt-svid")], ""));
    store.sync(&leader.shared, 2);
    assert_eq!(kids(&store, 0), ["b"]);
}

#[test]
fn an_older_bundle_put_back_into_shared_data_replaces_nothing() {
    let mut leader = leader();
    let name = &Source::all(&leader.config).remove(0).set_name;
    leader.asks();
    leader.answer(0, 200, &bundle(&[("a", "jwt-svid")], r#","spiffe_sequence":1"#));
    let old = leader.shared.get(name).unwrap().unwrap().value;
    leader.wait(REFRESH);
    leader.asks();
    leader.answer(0, 200, &bundle(&[], r#","spiffe_sequence":2"#));
    let mut store = leader.store();
    leader.shared.set(name, &old, None).unwrap();
    store.sync(&leader.shared, 2);
    assert_eq!(kids(&store, 0), Vec::<&str>::new());
}
