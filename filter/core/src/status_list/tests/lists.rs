//! Lists as they are asked for, come, change and fail to come; the clock is moved by hand.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::cell::Cell;

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value as Json, json};

use super::super::sealed::{MAX_WISHES, Shelf};
use super::*;
use crate::config::Config;
use crate::crypto::SoftwareVerifier;
use crate::jws::Algorithm;
use crate::keys::{Fetch, KeyStore};
use crate::shared::{LocalSharedData, Shared, SharedData, SharedDataError};

const ISS: &str = "https://issuer.example.com";
const URI: &str = "https://issuer.example.com/status/1";
const OTHER: &str = "https://other.example.com";
const START: u64 = 1_800_000_000;

fn key() -> SigningKey {
    SigningKey::from_slice(&[4; 32]).unwrap()
}

fn config() -> Config {
    let point = key().verifying_key().to_sec1_point(false);
    let part = |bytes: &[u8]| base64url::encode(bytes);
    let (x, y) = (part(point.x().unwrap()), part(point.y().unwrap()));
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y});
    let issuer = |iss: &str| {
        json!({
            "issuer": iss, "audiences": ["a"], "algorithms": ["ES256"],
            "keys": {"inline": {"keys": [jwk]}},
            "status": {"prefixes": [format!("{iss}/status/")], "cluster": "lists"},
        })
    };
    let text = json!({
        "issuers": [issuer(ISS), issuer(OTHER)],
        "revocation": {
            "cluster": "c", "authority": "a", "gateway_name": "g", "gateway_token": "t",
            "feed_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "subject_key": "000102030405060708090a0b0c0d0e0f",
            "checksum_key": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        },
    });
    Config::parse(text.to_string().as_bytes()).unwrap()
}

/// Shared data that counts how often it is read.
#[derive(Default)]
struct Counted {
    inner: LocalSharedData,
    reads: Cell<u32>,
}

impl SharedData for Counted {
    fn get(&self, key: &str) -> Result<Option<Shared>, SharedDataError> {
        self.reads.set(self.reads.get().saturating_add(1));
        self.inner.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), SharedDataError> {
        self.inner.set(key, value, cas)
    }
}

/// A leader and a worker with one clock.
struct Gateway {
    leader: ListRefresher,
    worker: StatusStore,
    keys: KeyStore,
    shared: Counted,
    version: u32,
    now: u64,
}

/// What a worker is told.
type Told = Result<Result<Status, StatusListError>, Unknown>;

impl Gateway {
    fn new() -> Self {
        let config = config();
        Self {
            leader: ListRefresher::new(&config),
            worker: StatusStore::new(&config),
            keys: KeyStore::new(&config),
            shared: Counted::default(),
            version: 1,
            now: START,
        }
    }

    /// With the list of [`URI`] there, with these bytes of one bit for each place.
    fn with_list(bytes: &[u8]) -> Self {
        let mut gateway = Self::new();
        assert_eq!(gateway.ask(0), Err(Unknown));
        gateway.serve(&list(bytes));
        gateway
    }

    fn ask(&mut self, index: u64) -> Told {
        self.ask_for(ISS, URI, index)
    }

    fn ask_for(&mut self, iss: &str, uri: &str, index: u64) -> Told {
        self.worker.status((iss, uri), index, self.version, &self.shared, at(self.now))
    }

    fn tick(&mut self) -> Vec<Fetch> {
        self.leader.handle_tick(true, &self.shared, at(self.now), 0).0
    }

    fn answer(&mut self, number: usize, response: Option<(u16, &[u8])>) -> Option<ListNotice> {
        let notice = self.leader.handle_response(
            number,
            response,
            (&mut self.keys, &SoftwareVerifier),
            &self.shared,
            at(self.now),
            0,
        );
        if self.leader.has_news() {
            self.version = self.version.saturating_add(1);
            self.leader.announced();
        }
        notice
    }

    /// The leader fetches what it wants, and is answered with this.
    fn serve(&mut self, body: &str) -> Vec<ListNotice> {
        let fetches = self.tick();
        let answer = |fetch: &Fetch| self.answer(fetch.source, Some((200, body.as_bytes())));
        fetches.iter().filter_map(answer).collect()
    }

    /// The one reason why this answer is refused.
    fn refusal(&mut self, response: Option<(u16, &[u8])>) -> ListError {
        let fetches = self.tick();
        assert_eq!(fetches.len(), 1);
        match self.answer(fetches[0].source, response) {
            Some(ListNotice::Failed { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    }
}

fn claims(uri: &str, bytes: &[u8]) -> Json {
    let lst = base64url::encode(&miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6));
    json!({"sub": uri, "iat": START - 5, "ttl": 60, "status_list": {"bits": 1, "lst": lst}})
}

fn signed(header: &Json, claims: &Json) -> String {
    let part = |value: &Json| base64url::encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature: p256::ecdsa::Signature = key().sign(input.as_bytes());
    format!("{input}.{}", base64url::encode(&signature.to_bytes()))
}

fn header() -> Json {
    json!({"alg": "ES256", "kid": "k", "typ": "statuslist+jwt"})
}

fn list(bytes: &[u8]) -> String {
    signed(&header(), &claims(URI, bytes))
}

fn list_with(member: &str, value: Json) -> String {
    let mut claims = claims(URI, &[0]);
    claims[member] = value;
    signed(&header(), &claims)
}

#[test]
fn a_list_is_fetched_when_a_token_names_it_and_every_worker_finds_it() {
    let mut gateway = Gateway::new();
    assert_eq!(gateway.tick(), [], "nobody has asked");
    assert_eq!(gateway.ask(0), Err(Unknown));
    let fetches = gateway.tick();
    let expected = Fetch {
        source: 1,
        cluster: "lists".to_owned(),
        authority: "issuer.example.com".to_owned(),
        path: "/status/1".to_owned(),
        timeout: Duration::from_secs(5),
    };
    assert_eq!(fetches, [expected]);
    assert_eq!(gateway.tick(), [], "one fetch is under way");
    let notice = gateway.answer(1, Some((200, list(&[0b10]).as_bytes())));
    let fetched = ListNotice::Fetched { uri: URI.to_owned(), places: 8, changed: true };
    assert_eq!(notice, Some(fetched));
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    assert_eq!(gateway.ask(1), Ok(Ok(Status::Invalid)));
    let beyond = StatusListError::OutOfRange { index: 8, places: 8 };
    assert_eq!(gateway.ask(8), Ok(Err(beyond)));
    let mut second = StatusStore::new(&config());
    let told = second.status((ISS, URI), 1, 0, &gateway.shared, at(gateway.now));
    assert_eq!(told, Ok(Ok(Status::Invalid)));
}

#[test]
fn while_a_list_is_good_asking_reads_nothing() {
    let mut gateway = Gateway::with_list(&[0]);
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    let before = gateway.shared.reads.get();
    for _ in 0..100 {
        assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    }
    assert_eq!(gateway.shared.reads.get(), before);
    // One that is not there is looked for once a second, however often it is named.
    let missing = "https://issuer.example.com/status/2";
    for _ in 0..100 {
        assert_eq!(gateway.ask_for(ISS, missing, 0), Err(Unknown));
    }
    assert!(gateway.shared.reads.get() <= before + 2);
}

#[test]
fn a_list_that_changes_reaches_workers_with_the_announcement() {
    let mut gateway = Gateway::with_list(&[0]);
    assert_eq!(gateway.ask(3), Ok(Ok(Status::Valid)));
    gateway.now += 60;
    gateway.serve(&list(&[0b1000]));
    assert_eq!(gateway.ask(3), Ok(Ok(Status::Invalid)));
}

#[test]
fn a_list_is_fetched_again_after_its_ttl_and_used_for_that_long_once_more() {
    let mut gateway = Gateway::with_list(&[0]);
    gateway.now += 59;
    assert_eq!(gateway.tick(), []);
    gateway.now += 1;
    assert_eq!(gateway.tick().len(), 1);
    gateway.answer(1, None);
    for (now, told) in [(119, Ok(Ok(Status::Valid))), (120, Err(Unknown)), (500, Err(Unknown))] {
        gateway.now = START + now;
        assert_eq!(gateway.ask(0), told, "{now}");
    }
    // An unchanged list that was fetched in time is used on without an announcement.
    let mut gateway = Gateway::with_list(&[0]);
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    gateway.now += 60;
    let version = gateway.version;
    gateway.serve(&list(&[0]));
    assert_eq!(gateway.version, version);
    gateway.now += 119;
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
}

#[test]
fn only_lists_below_the_prefixes_of_their_issuer_are_fetched() {
    let mut gateway = Gateway::new();
    for (iss, uri) in [
        (ISS, "https://other.example.com/status/1"),
        (OTHER, URI),
        (ISS, "https://issuer.example.com/status"),
        (ISS, "https://issuer.example.com/statuses/1"),
        (ISS, "https://issuer.example.com.evil/status/1"),
        (ISS, "http://issuer.example.com/status/1"),
        (ISS, "https://issuer.example.com/status/../admin"),
        (ISS, "https://issuer.example.com/status/%2e%2e/admin"),
        (ISS, "https://issuer.example.com/status/1#x"),
        (ISS, "https://issuer.example.com/status/1 HTTP/1.1"),
        ("https://nobody.example.com", URI),
    ] {
        assert_eq!(gateway.ask_for(iss, uri, 0), Err(Unknown));
        assert_eq!(gateway.tick(), [], "{iss} {uri}");
    }
    for uri in ["https://issuer.example.com/status/", "https://issuer.example.com/status/?a=1"] {
        assert_eq!(gateway.ask_for(ISS, uri, 0), Err(Unknown));
        assert_eq!(gateway.tick().len(), 1, "{uri}");
    }
}

#[test]
fn what_is_no_list_of_its_issuer_to_use_now_replaces_nothing() {
    let mut gateway = Gateway::with_list(&[0]);
    let forged = {
        let good = list(&[0]);
        let (signed, _) = good.rsplit_once('.').unwrap();
        format!("{signed}.{}", base64url::encode(&[1; 64]))
    };
    let of_type = |typ: &str| signed(&json!({"alg": "ES256", "typ": typ}), &claims(URI, &[0]));
    let older = ListError::Older { offered: at(START - 6), stored: at(START - 5) };
    let (found, expected) = (format!("{URI}0"), URI.to_owned());
    let found = excerpt(&found);
    let algorithm = Algorithm::Rs256;
    let other_algorithm =
        signed(&json!({"alg": "RS256", "kid": "k", "typ": "statuslist+jwt"}), &claims(URI, &[0]));
    let other_key =
        signed(&json!({"alg": "ES256", "kid": "x", "typ": "statuslist+jwt"}), &claims(URI, &[0]));
    let cases = [
        (forged, ListError::Signature),
        (other_key, ListError::Signature),
        (other_algorithm, ListError::Algorithm { algorithm }),
        (of_type("JWT"), StatusListError::Type.into()),
        (of_type("at+jwt"), StatusListError::Type.into()),
        (
            signed(&header(), &claims(&format!("{URI}0"), &[0])),
            StatusListError::OtherList { found, expected }.into(),
        ),
        (list_with("iat", json!(START - 6)), older),
    ];
    for (body, error) in cases {
        gateway.now += 60;
        assert_eq!(gateway.refusal(Some((200, body.as_bytes()))), error);
    }
    gateway.now += 60;
    for over in [json!(START), json!(gateway.now)] {
        gateway.now += 60;
        let refused = gateway.refusal(Some((200, list_with("exp", over).as_bytes())));
        assert!(matches!(refused, ListError::List(StatusListError::NotNow { .. })), "{refused}");
    }
    gateway.now += 60;
    let future = list_with("iat", json!(gateway.now + 60));
    let refused = gateway.refusal(Some((200, future.as_bytes())));
    assert!(matches!(refused, ListError::List(StatusListError::NotNow { .. })), "{refused}");
    for (status, body) in [(302, ""), (404, ""), (500, "oops"), (200, ""), (200, "<html>")] {
        gateway.now += 60;
        let refused = gateway.refusal(Some((status, body.as_bytes())));
        let is_expected = match status {
            200 => matches!(refused, ListError::Malformed(_)),
            _ => refused == ListError::Status { status },
        };
        assert!(is_expected, "{status} {body}: {refused}");
    }
    let long = "a".repeat(MAX_LIST_TOKEN_BYTES + 1);
    gateway.now += 60;
    let refused = gateway.refusal(Some((200, long.as_bytes())));
    assert!(matches!(refused, ListError::Malformed(_)), "{refused}");
}

#[test]
fn failures_are_tried_again_at_growing_intervals_and_wishes_do_not_hurry_them() {
    let mut gateway = Gateway::new();
    assert_eq!(gateway.ask(0), Err(Unknown));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let fetches = gateway.tick();
        let notice = gateway.answer(fetches[0].source, None);
        let Some(ListNotice::Failed { pause, .. }) = notice else { panic!("{notice:?}") };
        let end = gateway.now + pause.as_secs();
        while gateway.now < end {
            assert_eq!(gateway.ask(0), Err(Unknown));
            assert_eq!(gateway.tick(), [], "during the pause");
            gateway.now += 1;
        }
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    gateway.serve(&list(&[0]));
    gateway.now += 1;
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)), "and it recovers");
}

#[test]
fn a_callout_that_never_comes_back_is_noticed() {
    let mut gateway = Gateway::new();
    assert_eq!(gateway.ask(0), Err(Unknown));
    assert_eq!(gateway.tick().len(), 1);
    gateway.now += 7;
    let (_, notices) = gateway.leader.handle_tick(true, &gateway.shared, at(gateway.now), 0);
    let (error, pause) = (ListError::NoAnswer, Duration::from_secs(1));
    assert_eq!(notices, [ListNotice::Failed { uri: URI.to_owned(), error, pause }]);
    // Late, and good all the same.
    gateway.answer(1, Some((200, list(&[0]).as_bytes())));
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    assert_eq!(gateway.answer(7, Some((200, b""))), None, "an answer to nobody");
}

#[test]
fn only_the_leader_fetches_and_a_new_one_hears_what_is_wanted() {
    let mut gateway = Gateway::with_list(&[0]);
    let mut follower = ListRefresher::new(&config());
    gateway.now += 60;
    let (fetches, _) = follower.handle_tick(false, &gateway.shared, at(gateway.now), 0);
    assert_eq!(fetches, []);
    // It takes over, and begins with a request that notices what is due.
    let (fetches, _) = follower.handle_tick(true, &gateway.shared, at(gateway.now), 0);
    assert_eq!(fetches, []);
    assert!(follower.has_news(), "the leader before may not have said all");
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    let (fetches, _) = follower.handle_tick(true, &gateway.shared, at(gateway.now), 0);
    assert_eq!(fetches.len(), 1);
}

#[test]
fn the_number_of_lists_is_bounded_and_the_longest_unused_gives_way() {
    let mut gateway = Gateway::new();
    let uri = |number: usize| format!("https://issuer.example.com/status/{number}");
    let mut gave_way = Vec::new();
    for number in 0..=MAX_LISTS_OF_ISSUER {
        gateway.now += 10;
        assert_eq!(gateway.ask_for(ISS, &uri(number), 0), Err(Unknown));
        let (_, notices) = gateway.leader.handle_tick(true, &gateway.shared, at(gateway.now), 0);
        let lost = |notice: &ListNotice| matches!(notice, ListNotice::GaveWay { .. });
        gave_way.extend(notices.into_iter().filter(lost));
    }
    assert_eq!(gave_way, [ListNotice::GaveWay { uri: uri(0) }]);
    // Another issuer has room of its own.
    assert_eq!(gateway.ask_for(OTHER, "https://other.example.com/status/1", 0), Err(Unknown));
    let (_, notices) = gateway.leader.handle_tick(true, &gateway.shared, at(gateway.now), 0);
    assert!(!notices.iter().any(|notice| matches!(notice, ListNotice::GaveWay { .. })));
}

#[test]
fn wishes_are_bounded_and_what_found_no_room_is_wished_for_later() {
    let mut gateway = Gateway::new();
    let uri = |number: usize| format!("https://other.example.com/status/{number}");
    for number in 0..=MAX_WISHES {
        assert_eq!(gateway.ask_for(OTHER, &uri(number), 0), Err(Unknown));
    }
    let shelf = Shelf::of(&config());
    let wishes = shelf.take_wishes(&gateway.shared);
    assert_eq!(wishes.len(), MAX_WISHES);
    let last = (OTHER.to_owned(), uri(MAX_WISHES));
    assert!(!wishes.contains(&last));
    gateway.now += 1;
    assert_eq!(gateway.ask_for(OTHER, &last.1, 0), Err(Unknown));
    assert_eq!(gateway.ask_for(OTHER, &last.1, 0), Err(Unknown));
    assert_eq!(shelf.take_wishes(&gateway.shared), [last]);
    assert_eq!(shelf.take_wishes(&gateway.shared), []);
}

#[test]
fn a_list_that_nobody_asks_for_is_forgotten_and_its_memory_given_back() {
    let mut gateway = Gateway::with_list(&[0]);
    let mut fetches = 0;
    for _ in 0..200 {
        gateway.now += 60;
        fetches += gateway.serve(&list(&[0])).len();
    }
    assert!((110..=120).contains(&fetches), "{fetches} in two hours of disuse");
    assert_eq!(gateway.tick(), []);
    let mut worker = StatusStore::new(&config());
    let told = worker.status((ISS, URI), 0, 0, &gateway.shared, at(gateway.now));
    assert_eq!(told, Err(Unknown));
}

#[test]
fn what_a_stranger_writes_into_shared_data_is_no_list_and_no_wish() {
    let mut gateway = Gateway::with_list(&[0b1]);
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Invalid)));
    let mut other_key = config();
    other_key.revocation.checksum_key = [9; 16];
    let mut stranger = Gateway { leader: ListRefresher::new(&other_key), ..Gateway::new() };
    stranger.worker = StatusStore::new(&other_key);
    std::mem::swap(&mut stranger.shared, &mut gateway.shared);
    // With another key, names and seals differ; its wish is in the same place.
    assert_eq!(stranger.ask(0), Err(Unknown));
    std::mem::swap(&mut stranger.shared, &mut gateway.shared);
    gateway.now += 1;
    assert_eq!(gateway.tick(), []);
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Invalid)));
}

#[test]
fn a_list_from_before_the_clock_was_set_back_is_replaced() {
    let mut gateway = Gateway::with_list(&[0]);
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
    gateway.now -= 3;
    assert_eq!(gateway.ask(0), Err(Unknown), "it would be good for too long");
    gateway.serve(&list(&[0]));
    gateway.now += 1;
    assert_eq!(gateway.ask(0), Ok(Ok(Status::Valid)));
}
