//! A gateway in one process: gate, table, replica and a companion's log, with a clock that is moved
//! by hand.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod streams;
mod tokens;

use std::cell::Cell;
use std::time::Duration;

use ed25519_dalek::Signer as _;
use rescind_core::base64url;
use rescind_core::config::{Challenge, Config};
use rescind_core::crypto::{SignatureVerifier, SoftwareVerifier};
use rescind_core::feed::{Cursor, LogId, Page, SignedPage, signing_input};
use rescind_core::gate::{Context, Gate};
use rescind_core::jwk::PublicKey;
use rescind_core::jws::Algorithm;
use rescind_core::keys::{Fetch, KeyStore, Refresher};
use rescind_core::metrics;
use rescind_core::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId};
use rescind_core::replica::{FeedRequest, Replica, Step};
use rescind_core::request::{Connection, Field, RequestView};
use rescind_core::shared::LocalSharedData;
use rescind_core::status_list::ListRefresher;
use rescind_core::subject::{SubjectHasher, SubjectKey, SubjectKind};
use rescind_core::table::{TableReader, TableStatus};
use rescind_core::time::UnixTime;
use rescind_core::verdict::{Denial, Permit};
use serde_json::{Value, json};

pub(crate) use tokens::{
    claims, ecdsa_token_and_twin, good_token, header, jwk, key, mint, token_with,
};

/// Now, when a world begins.
pub(crate) const START: u64 = 1_800_000_000;

/// The issuer of most tokens.
pub(crate) const ISSUER: &str = "https://idp.example.com";

/// What most tokens are for.
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// The configuration of most worlds: one issuer, a public route, and one that asks for a scope.
pub(crate) fn config() -> Value {
    json!({
        "issuers": [{
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["EdDSA"],
            "keys": {"inline": {"keys": [jwk("k1", &key(1))]}},
        }],
        "routes": [
            {"path_prefix": "/public", "access": "public"},
            {"path_prefix": "/admin", "scopes": ["admin", "write"]},
        ],
        "revocation": {
            "cluster": "rescind",
            "authority": "rescind.example.com",
            "gateway_name": "edge-1",
            "gateway_token": "gateway-secret",
            "feed_key": base64url::encode(key(9).verifying_key().as_bytes()),
            "subject_key": "000102030405060708090a0b0c0d0e0f",
            "checksum_key": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            "max_staleness_secs": 60,
        },
        "challenge": {"realm": "api"},
    })
}

/// `value` with `change` at `pointer`.
pub(crate) fn with(mut value: Value, pointer: &str, change: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = change,
        parent => parent[name] = change,
    }
    value
}

/// What a client gets: status, metric, challenge.
pub(crate) type Answer = (u16, &'static str, Option<String>);

struct Peer(Option<String>);

impl Connection for Peer {
    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        self.0.clone().map(String::into_bytes)
    }
}

/// Checks signatures, and counts them.
#[derive(Default)]
struct Counting(Cell<usize>);

impl SignatureVerifier for Counting {
    fn verify(&self, algorithm: Algorithm, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
        self.0.set(self.0.get() + 1);
        SoftwareVerifier.verify(algorithm, key, text, signature)
    }
}

/// The companion's key.
const FEED_KEY: u8 = 9;

/// A gateway of one worker, its companion and its issuer.
pub(crate) struct World {
    gate: Gate,
    keys: KeyStore,
    verifier: Counting,
    table: TableReader,
    refresher: Refresher,
    lists: ListRefresher,
    fetches: Vec<Fetch>,
    replica: Replica,
    request: Option<FeedRequest>,
    shared: LocalSharedData,
    /// The companion's log: a record's place is its sequence.
    log: Vec<Record>,
    hasher: SubjectHasher,
    /// The digest of the certificate of the client's connections, in hexadecimal.
    pub(crate) certificate: Option<String>,
    now: UnixTime,
    /// How long the companion keeps revocations.
    pub(crate) retention_secs: u32,
    pub(crate) gaps: Vec<rescind_core::feed::Gap>,
}

impl World {
    /// A gateway that has just started, two seconds before [`START`].
    pub(crate) fn new(config: &Value) -> Self {
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        Self {
            keys: KeyStore::new(&config),
            verifier: Counting::default(),
            table: config.table_reader(),
            refresher: Refresher::new(&config),
            lists: ListRefresher::new(&config),
            fetches: Vec::new(),
            replica: Replica::new(config.replica()),
            request: None,
            shared: LocalSharedData::default(),
            log: Vec::new(),
            hasher: SubjectHasher::new(config.revocation.subject_key),
            certificate: None,
            now: UnixTime::from_secs(START - 2),
            retention_secs: 86_400,
            gaps: Vec::new(),
            gate: Gate::new(config, [1, 2]),
        }
    }

    /// A gateway that has heard from its companion, at [`START`].
    pub(crate) fn synchronized(config: &Value) -> Self {
        let mut world = Self::new(config);
        world.synchronize();
        world
    }

    /// Time passes, without news.
    pub(crate) fn wait(&mut self, secs: u64) {
        self.now = self.now.plus(Duration::from_secs(secs));
    }

    /// The gateway's clock is set back.
    pub(crate) fn set_clock_back(&mut self, secs: u64) {
        self.now = self.now.minus(Duration::from_secs(secs));
    }

    /// The companion answers, and everything it knows is known here. Takes no time if a request is
    /// waiting there.
    pub(crate) fn synchronize(&mut self) {
        self.follow();
        if self.now < UnixTime::from_secs(START) {
            self.now = UnixTime::from_secs(START);
            self.follow();
        }
    }

    fn follow(&mut self) {
        for _ in 0..200 {
            let step = self.replica.handle_tick(&self.shared, self.now, 7);
            self.take(step);
            if let Some(request) = self.request.take() {
                let page = self.page(&request.path);
                let step = self.replica.handle_response(Ok(&page), &self.shared, self.now, 7);
                self.take(step);
            }
            match self.table.refresh(&self.shared, self.now) {
                TableStatus::Synced { fresh_at, .. } if fresh_at == self.now => return,
                _ => self.now = self.now.plus(Duration::from_millis(50)),
            }
        }
        panic!("the replica does not follow");
    }

    fn take(&mut self, step: Step) {
        self.request = step.request.or(self.request.take());
    }

    fn page(&self, path: &str) -> Vec<u8> {
        let after = path.split(['?', '&']).find_map(|pair| pair.strip_prefix("after="));
        let from = after.map_or(0, |cursor| Cursor::parse(cursor).unwrap().sequence);
        let page = Page {
            log: LogId([5; 16]),
            from,
            to: u64::try_from(self.log.len()).unwrap(),
            signed_at: self.now,
            more: false,
            retention_secs: self.retention_secs,
            gaps: self.gaps.clone(),
            live: u64::try_from(self.log.len()).unwrap(),
            records: self.log.iter().skip(usize::try_from(from).unwrap()).cloned().collect(),
        };
        let payload = page.encode();
        let signature = key(FEED_KEY).sign(&signing_input(&payload)).to_bytes();
        SignedPage { payload, signature }.encode()
    }

    /// All tokens of the subject that were issued until [`START`] are revoked, and the gateway
    /// hears of it; `conditions` are what a token must be besides.
    pub(crate) fn revoke(
        &mut self,
        (kind, name): (SubjectKind, &str),
        conditions: &[(SubjectKind, &str)],
    ) {
        let hash = |(kind, name): &(SubjectKind, &str)| {
            self.hasher.hash(&SubjectKey::new(*kind, ISSUER, name).unwrap())
        };
        let mut conditions: Vec<_> = conditions.iter().map(hash).collect();
        conditions.sort_unstable();
        let key =
            RecordKey { subject: hash(&(kind, name)), kind: FactKind::RevokedBefore, conditions };
        let (at, value) = (UnixTime::from_secs(START), FactValue::Set);
        let fact = Fact { at, value, signal: SignalId([1; 16]), event: 1 };
        self.log.push(Record { key, fact });
        self.synchronize();
    }

    /// A state of the user holds or is lifted, as of `at`, and the gateway hears of it.
    pub(crate) fn signal(&mut self, kind: FactKind, holds: bool, at: u64) -> SignalId {
        let value = if holds { FactValue::Set } else { FactValue::Unset };
        self.publish(ISSUER, "alice", kind, value, at)
    }

    /// The same for a subject as `issuer` names it.
    pub(crate) fn revoke_of(&mut self, issuer: &str, (kind, name): (SubjectKind, &str)) {
        let subject = self.hasher.hash(&SubjectKey::new(kind, issuer, name).unwrap());
        let at = UnixTime::from_secs(START);
        let fact = Fact { at, value: FactValue::Set, signal: SignalId([1; 16]), event: 1 };
        let key = RecordKey { subject, kind: FactKind::RevokedBefore, conditions: Vec::new() };
        self.log.push(Record { key, fact });
        self.synchronize();
    }

    /// All tokens of the user that were issued until `at` are revoked, and the gateway hears of it.
    pub(crate) fn revoke_user(&mut self, iss: &str, sub: &str, at: u64) -> SignalId {
        self.publish(iss, sub, FactKind::RevokedBefore, FactValue::Set, at)
    }

    /// The user is disabled as of `at`, and the gateway hears of it.
    pub(crate) fn disable_user(&mut self, iss: &str, sub: &str, at: u64) -> SignalId {
        self.publish(iss, sub, FactKind::Disabled, FactValue::Set, at)
    }

    /// The user is enabled as of `at`, and the gateway hears of it.
    pub(crate) fn enable_user(&mut self, iss: &str, sub: &str, at: u64) -> SignalId {
        self.publish(iss, sub, FactKind::Disabled, FactValue::Unset, at)
    }

    fn publish(
        &mut self,
        iss: &str,
        sub: &str,
        kind: FactKind,
        value: FactValue,
        at: u64,
    ) -> SignalId {
        let subject = SubjectKey::new(SubjectKind::IssSub, iss, sub).unwrap();
        let subject = self.hasher.hash(&subject);
        let signal = SignalId([u8::try_from(self.log.len() + 1).unwrap(); 16]);
        let fact = Fact { at: UnixTime::from_secs(at), value, signal, event: 1 };
        self.log.push(Record { key: RecordKey { subject, kind, conditions: Vec::new() }, fact });
        self.synchronize();
        signal
    }

    /// The issuer answers the leader, who must have asked, with these keys.
    pub(crate) fn serve_keys(&mut self, keys: &[Value]) {
        let body = json!({"keys": keys}).to_string();
        let (fetches, _) = self.refresher.handle_tick(true, &self.shared, self.now, 0);
        self.fetches.extend(fetches);
        let fetch = self.fetches.pop().expect("the leader asks for keys");
        let response = Some((200, body.as_bytes()));
        let notice =
            self.refresher.handle_response(fetch.source, response, &self.shared, self.now, 0);
        assert!(!notice.unwrap().is_failure());
        if self.refresher.has_news() {
            assert!(self.replica.bump_keys_version(&self.shared, self.now, 7));
            self.refresher.announced();
        }
    }

    /// The leader asks for the status lists that tokens have named, and is answered with this. Returns the paths that
    /// it asked for.
    pub(crate) fn serve_list(&mut self, response: Option<(u16, &str)>) -> Vec<String> {
        let (fetches, _) = self.lists.handle_tick(true, &self.shared, self.now, 0);
        for fetch in &fetches {
            let response = response.map(|(status, body)| (status, body.as_bytes()));
            self.lists.handle_response(
                fetch.source,
                response,
                (&mut self.keys, &SoftwareVerifier),
                &self.shared,
                self.now,
                0,
            );
        }
        if self.lists.has_news() {
            assert!(self.replica.bump_keys_version(&self.shared, self.now, 7));
            self.lists.announced();
        }
        fetches.into_iter().map(|fetch| fetch.path).collect()
    }

    /// How many key sets the leader asks for now; the issuer answers what it answered before.
    pub(crate) fn leader_asks_for_keys(&mut self) -> usize {
        let (fetches, _) = self.refresher.handle_tick(true, &self.shared, self.now, 0);
        let body = json!({"keys": [jwk("k1", &key(1))]}).to_string();
        for fetch in &fetches {
            let response = Some((200, body.as_bytes()));
            self.refresher.handle_response(fetch.source, response, &self.shared, self.now, 0);
        }
        fetches.len()
    }

    /// A GET with a bearer token.
    pub(crate) fn get(&mut self, path: &str, token: Option<&str>) -> Answer {
        let header = token.map(|token| format!("Bearer {token}"));
        self.answer(path, header.as_deref())
    }

    /// A GET with an `Authorization` header.
    pub(crate) fn get_with(&mut self, path: &str, authorization: &str) -> Answer {
        self.answer(path, Some(authorization))
    }

    /// A browser's question whether it may send a request with `method`.
    pub(crate) fn preflight(&mut self, method: &str, path: &str) -> Answer {
        let (host, path) = (b"api.example.com".as_slice(), path.as_bytes());
        let preflight = Some(method.as_bytes());
        let request =
            RequestView { method: b"OPTIONS", path, host, preflight, ..RequestView::default() };
        let verdict = self.judge(&request);
        self.told(verdict)
    }

    /// The permit for a GET that passes.
    pub(crate) fn permit(&mut self, path: &str, token: &str) -> Permit {
        self.decide(path, Some(&format!("Bearer {token}"))).unwrap()
    }

    /// Why a GET does not pass.
    pub(crate) fn denial(&mut self, path: &str, token: &str) -> Denial {
        self.decide(path, Some(&format!("Bearer {token}"))).unwrap_err()
    }

    /// How many times tokens were looked up in the table since the last call.
    pub(crate) fn state_lookups(&mut self) -> u64 {
        self.counted("rescind_state_lookups")
    }

    /// How many signatures were checked for requests since the last call.
    pub(crate) fn signature_checks(&mut self) -> usize {
        self.verifier.0.take()
    }

    /// What was counted under this name since the last call for any name.
    pub(crate) fn counted(&mut self, name: &str) -> u64 {
        let mut counted = 0;
        self.gate.counters.drain(|index, count| {
            if metrics::TABLE[index].name == name {
                counted = count;
            }
        });
        counted
    }

    /// How many verified tokens are remembered.
    pub(crate) fn cached_tokens(&self) -> usize {
        self.gate.cached_tokens()
    }

    fn answer(&mut self, path: &str, authorization: Option<&str>) -> Answer {
        let verdict = self.decide(path, authorization);
        self.told(verdict)
    }

    fn told(&self, verdict: Result<Permit, Denial>) -> Answer {
        Self::told_with(verdict, &self.gate.config().challenge)
    }

    fn told_with(verdict: Result<Permit, Denial>, challenge: &Challenge) -> Answer {
        match verdict {
            Ok(permit) if permit.is_stale() => (200, "permit on stale state", None),
            Ok(_) => (200, "permit", None),
            Err(denial) => {
                assert_eq!(denial.retry_after().is_some(), denial.status() == 503);
                let challenges = denial.challenges(challenge);
                let challenge = (!challenges.is_empty()).then(|| challenges.join(", "));
                (denial.status(), denial.reason(), challenge)
            }
        }
    }

    fn decide(&mut self, path: &str, authorization: Option<&str>) -> Result<Permit, Denial> {
        let authorization = authorization.map_or(Field::Absent, |text| Field::One(text.as_bytes()));
        let (method, host, path) =
            (b"GET".as_slice(), b"api.example.com".as_slice(), path.as_bytes());
        let request = RequestView { method, path, host, authorization, ..RequestView::default() };
        self.judge(&request)
    }

    /// Any request; what a client is told then, the nonce for its next proof included.
    pub(crate) fn send(&mut self, request: &RequestView<'_>) -> (Answer, Option<String>) {
        let verdict = self.judge(request);
        let config = self.gate.config();
        let nonce = verdict.as_ref().err().and_then(|denial| {
            let response = denial.response(&config.challenge_to(request));
            let mut headers = response.headers.into_iter();
            headers.find(|(name, _)| *name == "dpop-nonce").map(|(_, nonce)| nonce)
        });
        let challenge = config.challenge_to(request);
        (Self::told_with(verdict, &challenge), nonce)
    }

    /// The verdict on any request.
    pub(crate) fn judge(&mut self, request: &RequestView<'_>) -> Result<Permit, Denial> {
        let mut context = Context {
            table: &mut self.table,
            shared: &self.shared,
            keys: &mut self.keys,
            verifier: &self.verifier,
            connection: &Peer(self.certificate.clone()),
        };
        self.gate.decide(request, &mut context, self.now)
    }
}
