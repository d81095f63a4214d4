//! Keys as they come, change and fail to come; the clock is moved by hand.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::jws::Algorithm;
use crate::shared::{LocalSharedData, SharedData};

mod bundles;
mod discovered;

const SECOND: Duration = Duration::from_secs(1);
const REFRESH: Duration = Duration::from_secs(300);

/// Two P-256 keys: RFC 7517 appendix A.1 and RFC 7515 appendix A.3.
const KEY_A: &str = r#"{"kty":"EC","crv":"P-256","kid":"a","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
const KEY_B: &str = r#"{"kty":"EC","crv":"P-256","kid":"b","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

fn set(keys: &[&str]) -> Vec<u8> {
    format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into_bytes()
}

/// Two issuers with fetched keys, one with inline keys between them.
fn config() -> Config {
    config_with("https://one.example.com/jwks")
}

fn config_with(first_url: &str) -> Config {
    let first = format!(r#"{{"url":"{first_url}","cluster":"one"}}"#);
    config_of(
        &first,
        "one",
        r#"{"url":"http://three/jwks?x=1","cluster":"three","refresh_secs":10}"#,
    )
}

/// The first and the last issuer with these keys, the first with this name.
fn config_of(first: &str, first_name: &str, last: &str) -> Config {
    let issuer = |name: &str, keys: &str| {
        let kind = if keys.contains("bundle_url") || keys.contains("inline_bundle") {
            "trust_domain"
        } else {
            "issuer"
        };
        format!(r#"{{"{kind}":"{name}","audiences":["a"],"algorithms":["ES256"],"keys":{keys}}}"#)
    };
    let issuers = [
        issuer(first_name, first),
        issuer("two", &format!(r#"{{"inline":{{"keys":[{KEY_A}]}}}}"#)),
        issuer("three", last),
    ];
    let text = format!(
        r#"{{"issuers":[{}],"revocation":{{"cluster":"c","authority":"a","gateway_name":"g","gateway_token":"t",
        "feed_key":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "subject_key":"000102030405060708090a0b0c0d0e0f","checksum_key":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"}}}}"#,
        issuers.join(",")
    );
    Config::parse(text.as_bytes()).unwrap()
}

fn start() -> UnixTime {
    UnixTime::from_secs(1_000_000)
}

/// A leader in the middle of its life.
struct Leader {
    refresher: Refresher,
    shared: LocalSharedData,
    now: UnixTime,
    config: Config,
}

impl Leader {
    fn new() -> Self {
        Self::with(LocalSharedData::default(), start())
    }

    fn with(shared: LocalSharedData, now: UnixTime) -> Self {
        Self { refresher: Refresher::new(&config()), shared, now, config: config() }
    }

    fn of(config: &Config) -> Self {
        let refresher = Refresher::new(config);
        let (shared, now) = (LocalSharedData::default(), start());
        Self { refresher, shared, now, config: config.clone() }
    }

    /// Which sources are asked now; `random` is at its least, so that pauses are at their longest.
    fn asks(&mut self) -> Vec<usize> {
        let (fetches, _) = self.refresher.handle_tick(true, &self.shared, self.now, 0);
        fetches.into_iter().map(|fetch| fetch.source).collect()
    }

    fn wait(&mut self, pause: Duration) {
        self.now = self.now.plus(pause);
    }

    fn answer(&mut self, source: usize, status: u16, body: &[u8]) -> Option<KeysNotice> {
        let response = Some((status, body));
        self.refresher.handle_response(source, response, &self.shared, self.now, 0)
    }

    fn store(&self) -> KeyStore {
        let mut store = KeyStore::new(&self.config);
        store.sync(&self.shared, 1);
        store
    }
}

fn kids(store: &KeyStore, issuer: usize) -> Vec<&str> {
    store.keys(issuer).map_or_else(Vec::new, |set| {
        set.keys().iter().map(|key| key.kid().unwrap_or_default()).collect()
    })
}

#[test]
fn at_first_every_set_is_fetched_once_and_inline_keys_are_there() {
    let mut leader = Leader::new();
    let (fetches, notices) = leader.refresher.handle_tick(true, &leader.shared, leader.now, 0);
    let expected = [("one", "one.example.com", "/jwks", 0), ("three", "three", "/jwks?x=1", 1)]
        .map(|(cluster, authority, path, source)| Fetch {
            source,
            cluster: cluster.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            timeout: Duration::from_secs(5),
        });
    assert_eq!((fetches.as_slice(), notices.as_slice()), (expected.as_slice(), [].as_slice()));
    assert!(leader.asks().is_empty());
    let store = leader.store();
    assert_eq!((kids(&store, 0), kids(&store, 1), kids(&store, 2)), (vec![], vec!["a"], vec![]));
}

#[test]
fn who_does_not_lead_asks_nobody() {
    let mut leader = Leader::new();
    let (fetches, notices) = leader.refresher.handle_tick(false, &leader.shared, leader.now, 0);
    assert_eq!((fetches, notices), (vec![], vec![]));
}

#[test]
fn a_good_set_is_stored_for_every_worker_and_fetched_again_when_it_is_due() {
    let mut leader = Leader::new();
    leader.asks();
    let notice = leader.answer(0, 200, &set(&[KEY_A])).unwrap();
    let expected =
        KeysNotice::Fetched { issuer: "one".to_owned(), keys: 1, skipped: 0, changed: true };
    assert_eq!((&notice, notice.changes_keys()), (&expected, true));
    assert_eq!(kids(&leader.store(), 0), ["a"]);
    leader.answer(1, 200, &set(&[KEY_B])).unwrap();
    leader.wait(Duration::from_secs(10).saturating_sub(Duration::from_millis(1)));
    assert!(leader.asks().is_empty());
    leader.wait(Duration::from_millis(1));
    assert_eq!(leader.asks(), [1]);
    leader.answer(1, 200, &set(&[KEY_B]));
    leader.wait(REFRESH.saturating_sub(Duration::from_secs(10)));
    assert_eq!(leader.asks(), [0, 1]);
    // The same set again is no reason for every worker to read it again.
    let notice = leader.answer(0, 200, &set(&[KEY_A])).unwrap();
    assert!(!notice.changes_keys(), "{notice}");
}

#[test]
fn nothing_but_a_good_set_replaces_a_good_set() {
    let too_long = [set(&[KEY_A]), vec![b' '; 64 * 1024]].concat();
    let failures: [(u16, &[u8], &str); 8] = [
        (503, b"", "status 503"),
        (302, b"", "status 302"),
        (404, &set(&[KEY_B]), "status 404"),
        (200, b"", "key set: not JSON at line 1, column 0"),
        (200, b"<html>login</html>", "key set: not JSON at line 1, column 1"),
        (200, br#"{"keys":[]}"#, "none of the 0 keys of the set is usable"),
        (200, br#"{}"#, "key set has no array `keys`"),
        (200, &too_long, "key set has"),
    ];
    for (status, body, complaint) in failures {
        let mut leader = Leader::new();
        leader.asks();
        leader.answer(0, 200, &set(&[KEY_A])).unwrap();
        leader.wait(REFRESH);
        assert_eq!(leader.asks(), [0], "{complaint}");
        let notice = leader.answer(0, status, body).unwrap();
        let KeysNotice::Failed { issuer, error, pause } = &notice else { panic!("{notice}") };
        assert!(error.to_string().starts_with(complaint), "{error}");
        assert_eq!((issuer.as_str(), *pause), ("one", SECOND));
        assert_eq!(kids(&leader.store(), 0), ["a"], "{complaint}");
    }
}

#[test]
fn after_failures_the_pause_doubles_to_a_minute_and_a_success_ends_it() {
    let mut leader = Leader::new();
    leader.asks();
    for secs in [1, 2, 4, 8, 16, 32, 60, 60] {
        let notice = leader.answer(0, 500, b"").unwrap();
        let KeysNotice::Failed { pause, .. } = notice else { panic!("{notice}") };
        assert_eq!(pause, Duration::from_secs(secs));
        leader.wait(pause.saturating_sub(Duration::from_millis(1)));
        assert!(!leader.asks().contains(&0), "{secs}");
        leader.wait(Duration::from_millis(1));
        assert!(leader.asks().contains(&0), "{secs}");
    }
    leader.answer(0, 200, &set(&[KEY_A]));
    leader.wait(REFRESH);
    assert!(leader.asks().contains(&0));
    let notice = leader.answer(0, 500, b"").unwrap();
    assert!(matches!(notice, KeysNotice::Failed { pause: SECOND, .. }), "{notice}");
}

#[test]
fn pauses_are_spread_by_up_to_a_quarter() {
    for (random, pause) in [(0, 1000), (512, 875), (1024, 750), (u64::MAX, 750 + 250)] {
        let mut leader = Leader::new();
        leader.asks();
        let notice = leader.refresher.handle_response(0, None, &leader.shared, leader.now, random);
        let Some(KeysNotice::Failed { pause: found, .. }) = notice else { panic!("{notice:?}") };
        let expected = Duration::from_millis(pause);
        let is_spread = found >= Duration::from_millis(750) && found <= SECOND;
        assert!(
            if random == u64::MAX { is_spread } else { found == expected },
            "{random}: {found:?}"
        );
    }
}

#[test]
fn a_callout_that_never_comes_back_is_a_failure_and_a_late_answer_is_welcome() {
    let mut leader = Leader::new();
    leader.asks();
    leader.wait(Duration::from_secs(7));
    let (fetches, notices) = leader.refresher.handle_tick(true, &leader.shared, leader.now, 0);
    assert_eq!((fetches.len(), notices.len()), (0, 2));
    assert!(notices.iter().all(KeysNotice::is_failure), "{notices:?}");
    assert_eq!(leader.answer(0, 500, b""), None);
    assert!(leader.answer(0, 200, &set(&[KEY_A])).is_some_and(|notice| notice.changes_keys()));
    assert_eq!(kids(&leader.store(), 0), ["a"]);
}

#[test]
fn one_issuers_failure_does_not_touch_the_others() {
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 500, b"");
    leader.answer(1, 200, &set(&[KEY_B]));
    let store = leader.store();
    assert_eq!((kids(&store, 0), kids(&store, 1), kids(&store, 2)), (vec![], vec!["a"], vec!["b"]));
}

#[test]
fn a_new_leader_goes_on_from_what_is_stored() {
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A]));
    leader.answer(1, 200, &set(&[KEY_B]));
    let mut next = Leader::with(leader.shared, leader.now.plus(SECOND));
    assert!(next.asks().is_empty());
    next.wait(Duration::from_secs(9));
    assert_eq!(next.asks(), [1]);
}

#[test]
fn news_are_due_until_they_were_announced_and_again_for_a_new_leader() {
    let mut leader = Leader::new();
    leader.asks();
    assert!(!leader.refresher.has_news());
    leader.answer(0, 500, b"");
    assert!(!leader.refresher.has_news());
    leader.answer(1, 200, &set(&[KEY_A]));
    assert!(leader.refresher.has_news());
    leader.asks();
    assert!(leader.refresher.has_news(), "it was not announced yet");
    leader.refresher.announced();
    leader.wait(Duration::from_secs(10));
    leader.asks();
    leader.answer(1, 200, &set(&[KEY_A]));
    assert!(!leader.refresher.has_news(), "the same set is no news");
    // It may be that the leader before stored the set and died.
    let mut next = Leader::with(leader.shared, leader.now);
    next.asks();
    assert!(next.refresher.has_news());
}

#[test]
fn an_unknown_kid_causes_one_fetch_in_ten_seconds_however_many_workers_wish() {
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A]));
    leader.answer(1, 200, &set(&[KEY_B]));
    let mut workers = [leader.store(), leader.store()];
    leader.wait(SECOND);
    workers.iter_mut().for_each(|worker| worker.wish(0, &leader.shared, leader.now));
    assert!(leader.asks().is_empty(), "too soon after the last fetch");
    leader.wait(Duration::from_millis(8_999));
    assert!(leader.asks().is_empty(), "still too soon");
    leader.wait(Duration::from_millis(1));
    assert!(leader.asks().contains(&0), "the wish is still there");
    leader.answer(0, 200, &set(&[KEY_A, KEY_B]));
    leader.wait(Duration::from_secs(10));
    assert!(!leader.asks().contains(&0), "it was granted");
    workers.iter_mut().for_each(|worker| worker.wish(0, &leader.shared, leader.now));
    leader.wait(Duration::from_millis(1));
    assert!(leader.asks().contains(&0), "a new wish");
}

#[test]
fn a_wish_for_inline_keys_or_an_unknown_issuer_is_nothing() {
    let leader = Leader::new();
    let mut store = leader.store();
    store.wish(1, &leader.shared, leader.now);
    store.wish(7, &leader.shared, leader.now);
    for source in Source::all(&config()) {
        assert_eq!(leader.shared.get(&source.wish_name).unwrap(), None);
    }
}

#[test]
fn a_store_reads_again_only_when_the_version_changes() {
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A]));
    let mut store = leader.store();
    leader.wait(REFRESH);
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_B]));
    store.sync(&leader.shared, 1);
    assert_eq!(kids(&store, 0), ["a"]);
    store.sync(&leader.shared, 2);
    assert_eq!(kids(&store, 0), ["b"]);
}

#[test]
fn values_of_strangers_and_of_other_configurations_are_no_keys() {
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A]));
    let name = &Source::all(&config()).remove(0).set_name;
    let good = leader.shared.get(name).unwrap().unwrap().value;
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    let loaded = |value: &[u8]| {
        let shared = LocalSharedData::default();
        shared.set(name, value, None).unwrap();
        let mut store = KeyStore::new(&config());
        store.sync(&shared, 1);
        store.keys(0).is_some()
    };
    assert!(loaded(&good));
    for at in 0..good.len() {
        assert!(!loaded(&flipped(at)), "byte {at}");
    }
    assert!(!loaded(&[]) && !loaded(&good[..good.len() - 1]) && !loaded(&set(&[KEY_A])));
    // The same place, another issuer's URL: as after a change of the configuration.
    let mut other = KeyStore::new(&config_with("https://elsewhere.example.com/jwks"));
    other.sync(&leader.shared, 1);
    assert!(other.keys(0).is_none());
    // A garbled value does not take away what a worker has.
    let mut store = leader.store();
    leader.shared.set(name, b"garbled", None).unwrap();
    store.sync(&leader.shared, 2);
    assert_eq!(kids(&store, 0), ["a"]);
}

#[test]
fn a_verification_outlives_a_rotation_if_its_key_does() {
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A, KEY_B]));
    let mut store = leader.store();
    let mark = |kid: &str| {
        let key = store.keys(0).unwrap().candidates(Algorithm::Es256, Some(kid)).next().unwrap();
        store.mark(0, key).unwrap()
    };
    let (mut a, mut b) = (mark("a"), mark("b"));
    leader.wait(REFRESH);
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_B]));
    store.sync(&leader.shared, 2);
    assert_eq!((store.is_current(0, &mut a), store.is_current(0, &mut b)), (false, true));
    // A key that comes back is one to verify with again, not one that never was away.
    leader.wait(REFRESH);
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A, KEY_B]));
    store.sync(&leader.shared, 3);
    assert_eq!((store.is_current(0, &mut a), store.is_current(0, &mut b)), (false, true));
    assert!(!store.is_current(1, &mut b), "one issuer's keys are no other's");
}

#[test]
fn filters_that_share_a_table_find_each_others_key_sets_in_whatever_order_they_list_their_issuers()
{
    let mut leader = Leader::new();
    leader.asks();
    leader.answer(0, 200, &set(&[KEY_A]));
    leader.answer(1, 200, &set(&[KEY_B]));
    // The same issuers the other way round, and one of them with keys from elsewhere.
    let first = r#"{"url":"https://one.example.com/jwks","cluster":"other"}"#;
    let last = r#"{"url":"http://three/jwks?x=1","cluster":"three"}"#;
    let stored = |config: &Config| {
        let mut store = KeyStore::new(config);
        store.sync(&leader.shared, 1);
        [0, 2].map(|issuer| store.keys(issuer).map(|_| kids(&store, issuer).join(" ")))
    };
    let swap = |config: &mut Config| config.issuers.swap(0, 2);
    let mut other = config_of(first, "one", last);
    assert_eq!(stored(&other), [Some("a".to_owned()), Some("b".to_owned())]);
    swap(&mut other);
    assert_eq!(stored(&other), [Some("b".to_owned()), Some("a".to_owned())]);
    let mut elsewhere = config_of(&first.replace("jwks", "keys"), "one", last);
    swap(&mut elsewhere);
    assert_eq!(stored(&elsewhere), [Some("b".to_owned()), None], "nobody else's keys");
}
