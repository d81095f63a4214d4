//! How long a decision takes beside its signature check: of a token that is new, and of one that was seen before.
//!
//! Runs natively with `cargo bench`, and as wasm under Node, whose V8 is Envoy's: see `make bench`. Every signature
//! is believed, so what is left is everything else that the gate does. The fastest round counts, as in `signatures`.
//! For counts of instructions that no other load disturbs, run it natively under Callgrind.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::disallowed_types, reason = "what is measured is time")]
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer as _, SigningKey};
use rescind_core::base64url;
use rescind_core::config::Config;
use rescind_core::crypto::{SignatureVerifier, known_answer_tests};
use rescind_core::feed::{Cursor, LogId, Page, SignedPage, signing_input};
use rescind_core::gate::{Context, Gate};
use rescind_core::jwk::{KeyMaterial, PublicKey};
use rescind_core::jws::Algorithm;
use rescind_core::keys::KeyStore;
use rescind_core::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId, SubjectHash};
use rescind_core::replica::Replica;
use rescind_core::request::{Connection, Field, RequestView};
use rescind_core::shared::LocalSharedData;
use rescind_core::table::{TableReader, TableStatus};
use rescind_core::time::UnixTime;
use serde_json::json;

const START: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// Different tokens; the cache holds a twentieth of them.
const TOKENS: usize = 2_000;

const ROUNDS: u32 = 20;

fn main() {
    println!("| decision | beside the signature |\n|---|---|");
    for (table, records) in [("no table", 0), ("10,000 records", 10_000)] {
        let mut gateway = Gateway::new(records);
        let tokens: Vec<Vec<u8>> = (0..TOKENS).map(token).collect();
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            let [first, ..] = tokens.as_slice() else { return };
            let new = gateway.time(tokens.iter());
            let known = gateway.time(std::iter::repeat_n(first, TOKENS));
            for (best, measured) in best.iter_mut().zip([new, known]) {
                *best = measured.min(*best);
            }
        }
        for (what, time) in ["new token", "token seen before"].iter().zip(best) {
            println!("| {what}, {table} | {:.2} µs |", time.as_secs_f64() * 1e6);
        }
    }
}

/// As an authorization header's value.
fn token(number: usize) -> Vec<u8> {
    let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "rs"});
    let claims = json!({
        "iss": ISSUER,
        "sub": format!("user-{number}"),
        "aud": AUDIENCE,
        "client_id": "agent-runtime",
        "iat": START,
        "exp": START + 3_000,
        "jti": format!("token-of-user-{number}"),
        "sid": format!("session-of-user-{number}"),
        "scope": "orders:read",
    });
    let part = |text: &str| base64url::encode(text.as_bytes());
    let number = number.to_le_bytes();
    let signature: Vec<u8> = number.iter().copied().cycle().take(256).collect();
    let (header, claims) = (part(&header.to_string()), part(&claims.to_string()));
    format!("Bearer {header}.{claims}.{}", base64url::encode(&signature)).into_bytes()
}

struct Everything;

impl SignatureVerifier for Everything {
    fn verify(&self, _: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        black_box((key, message, signature));
        true
    }
}

struct NoCertificate;

impl Connection for NoCertificate {
    fn peer_certificate_digest(&self) -> Option<Vec<u8>> {
        None
    }
}

struct Gateway {
    gate: Gate,
    keys: KeyStore,
    table: TableReader,
    shared: LocalSharedData,
    now: UnixTime,
}

impl Gateway {
    fn new(records: usize) -> Self {
        let signer = SigningKey::from_bytes(&[9; 32]);
        let answer = known_answer_tests().iter().find(|test| test.algorithm() == Algorithm::Rs256);
        let key = answer.and_then(|answer| answer.key()).unwrap();
        let KeyMaterial::Rsa { modulus, exponent } = key.material() else {
            return Self::new(records);
        };
        let config = json!({
            "issuers": [{
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "algorithms": ["RS256", "ES256"],
                "keys": {"inline": {"keys": [{
                    "kty": "RSA", "kid": "rs",
                    "n": base64url::encode(modulus), "e": base64url::encode(exponent),
                }]}},
                "max_token_lifetime_secs": 3600,
            }],
            "revocation": {
                "cluster": "rescind",
                "authority": "rescind.example.com",
                "gateway_name": "bench",
                "gateway_token": "secret-of-the-gateway",
                "feed_key": base64url::encode(signer.verifying_key().as_bytes()),
                "subject_key": "000102030405060708090a0b0c0d0e0f",
                "checksum_key": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                "max_staleness_secs": 60,
            },
            "limits": {"token_cache_entries": TOKENS / 20},
        });
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let mut gateway = Self {
            keys: KeyStore::new(&config),
            table: config.table_reader(),
            shared: LocalSharedData::default(),
            now: UnixTime::from_secs(START),
            gate: Gate::new(config, [1, 2]),
        };
        gateway.synchronize(&signer, records);
        gateway
    }

    /// Follows a log with so many revocations.
    fn synchronize(&mut self, signer: &SigningKey, records: usize) {
        let log: Vec<Record> = (0..records).map(revoked).collect();
        let mut replica = Replica::new(self.gate.config().replica());
        let mut request = None;
        loop {
            let step = replica.handle_tick(&self.shared, self.now, 7);
            request = step.request.or(request);
            if let Some(asked) = request.take() {
                let page = page(&asked.path, &log, self.now);
                let payload = page.encode();
                let signature = signer.sign(&signing_input(&payload)).to_bytes();
                let page = SignedPage { payload, signature }.encode();
                request = replica.handle_response(Ok(&page), &self.shared, self.now, 7).request;
            }
            match self.table.refresh(&self.shared, self.now) {
                TableStatus::Synced { fresh_at, .. } if self.now == fresh_at => return,
                _ => self.now = self.now.plus(Duration::from_millis(50)),
            }
        }
    }

    /// The average time of one decision.
    fn time<'t>(&mut self, tokens: impl ExactSizeIterator<Item = &'t Vec<u8>>) -> Duration {
        let count = u32::try_from(tokens.len()).unwrap();
        let start = Instant::now();
        for token in tokens {
            self.decide(token);
        }
        start.elapsed().checked_div(count).unwrap()
    }

    #[inline(never)]
    fn decide(&mut self, authorization: &[u8]) {
        let request = RequestView {
            method: b"GET",
            path: b"/orders",
            host: b"api.example.com",
            authorization: Field::One(authorization),
            ..RequestView::default()
        };
        let mut context = Context {
            table: &mut self.table,
            shared: &self.shared,
            keys: &mut self.keys,
            verifier: &Everything,
            connection: &NoCertificate,
        };
        let permit = self.gate.decide(&request, &mut context, self.now);
        assert!(black_box(permit).is_ok());
    }
}

fn page(path: &str, log: &[Record], now: UnixTime) -> Page {
    const RECORDS: usize = 4_000;
    let after = path.split(['?', '&']).find_map(|pair| pair.strip_prefix("after="));
    let from = after.map_or(0, |cursor| Cursor::parse(cursor).unwrap().sequence);
    let start = usize::try_from(from).unwrap();
    let records: Vec<Record> = log.iter().skip(start).take(RECORDS).cloned().collect();
    let to = start.checked_add(records.len()).unwrap();
    Page {
        log: LogId([5; 16]),
        from,
        to: u64::try_from(to).unwrap(),
        signed_at: now,
        more: to < log.len(),
        retention_secs: 86_400,
        gaps: Vec::new(),
        live: u64::try_from(log.len()).unwrap(),
        records,
    }
}

/// Somebody's revocation; subjects' hashes are spread as a hash is.
fn revoked(number: usize) -> Record {
    let mixed =
        u128::try_from(number).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let subject = SubjectHash(mixed.to_be_bytes());
    let fact = Fact {
        at: UnixTime::from_secs(START),
        value: FactValue::Set,
        signal: SignalId(mixed.to_le_bytes()),
        event: 1,
    };
    Record {
        key: RecordKey { subject, kind: FactKind::RevokedBefore, conditions: Vec::new() },
        fact,
    }
}
