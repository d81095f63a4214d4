use std::time::Duration;

use jwt_simple::prelude::{ECDSAP256KeyPairLike as _, ES256KeyPair, HeaderOptions, JWTClaims};
use rescind_core::feed::LogId;
use rescind_core::record::{Fact, FactKind, FactValue, Record, RecordKey, SignalId};
use rescind_core::request::Field;
use rescind_core::subject::{SubjectHasher, SubjectKey, SubjectKind};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::feed::Feed;
use crate::gaps::Gaps;
use crate::live::LiveLog;
use crate::metrics::Metrics;

const ISSUER: &str = "https://idp.example.com";
const START: u64 = 1_800_000_000;

/// One thread's gate, on the live records of a companion, with a clock that is moved by hand.
struct World {
    worker: Worker,
    state: Arc<State>,
    live: Arc<LiveLog>,
    key: ES256KeyPair,
    sequence: u64,
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(START.saturating_add(secs))
}

impl World {
    fn new(on_stale: &str) -> Self {
        let (key, signer) = (
            ES256KeyPair::generate().with_key_id("k"),
            Ed25519KeyPair::from_seed_unchecked(&[7; 32]),
        );
        let signer = signer.unwrap();
        let mut jwk: Value = serde_json::from_str(&key.public_key().to_jwk()).unwrap();
        jwk["kid"] = json!("k");
        let config = json!({
            "issuers": [{
                "issuer": ISSUER, "audiences": ["https://api.example.com"],
                "algorithms": ["ES256"], "keys": { "inline": { "keys": [jwk] } },
            }],
            "routes": [{ "path_prefix": "/public", "access": "public" }],
            "revocation": {
                "cluster": "c", "authority": "a", "gateway_name": "g", "gateway_token": "t",
                "feed_key": rescind_core::base64url::encode(signer.public_key().as_ref()),
                "subject_key": "00000000000000000000000000000000",
                "checksum_key": "11111111111111111111111111111111",
                "on_stale": on_stale,
            },
        });
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let retention = Duration::from_secs(86_400);
        let (live, gaps) = (Arc::new(LiveLog::new(retention)), Arc::new(Gaps::default()));
        let metrics = Arc::new(Metrics::default());
        let log = LogId([3; 16]);
        let (shared, told) = (Arc::clone(&live), Arc::clone(&gaps));
        let feed = Arc::new(Feed::new(shared, told, signer, log, retention, metrics));
        let counts = Arc::new(Counts::default());
        let state = State::new(&config, &[], (feed, Arc::clone(&live), gaps), Arc::clone(&counts));
        let state = Arc::new(state);
        state.synchronize(at(0));
        let worker = Worker::new(config, Arc::clone(&state), counts);
        Self { worker, state, live, key, sequence: 0 }
    }

    /// A signal was acknowledged.
    fn revoke(&mut self, sub: &str, now: UnixTime) {
        self.sequence = self.sequence.saturating_add(1);
        let key = SubjectKey::new(SubjectKind::IssSub, ISSUER, sub).unwrap();
        let record = Record {
            key: RecordKey {
                subject: SubjectHasher::new([0; 16]).hash(&key),
                kind: FactKind::RevokedBefore,
                conditions: Vec::new(),
            },
            fact: Fact {
                at: at(1),
                value: FactValue::Set,
                signal: SignalId([u8::try_from(self.sequence).unwrap(); 16]),
                event: 3,
            },
        };
        self.live.apply([(self.sequence, vec![record])], now);
    }

    fn reason(&mut self, path: &str, sub: &str, now: UnixTime) -> Option<&'static str> {
        let claims = json!({
            "iss": ISSUER, "sub": sub, "aud": "https://api.example.com", "client_id": "c",
            "iat": START, "exp": START + 600, "jti": sub,
        });
        let custom = claims.as_object().unwrap().clone();
        let claims = JWTClaims {
            issued_at: None,
            expires_at: None,
            invalid_before: None,
            issuer: None,
            subject: None,
            audiences: None,
            jwt_id: None,
            nonce: None,
            custom,
        };
        let options =
            HeaderOptions { signature_type: Some("at+jwt".to_owned()), ..HeaderOptions::default() };
        let bearer = format!("Bearer {}", self.key.sign_with_options(claims, &options).unwrap());
        let view = RequestView {
            method: b"GET",
            path: path.as_bytes(),
            host: b"api.example.com",
            authorization: Field::One(bearer.as_bytes()),
            ..RequestView::default()
        };
        let verdict = self.worker.decide("test", &view, &NoConnection, now);
        verdict.err().map(|denial| denial.reason())
    }
}

#[test]
fn a_decision_knows_every_signal_that_was_shown_before_it() {
    let mut world = World::new("deny");
    for number in 0..50 {
        let (sub, now) = (format!("user-{number}"), at(2 + number));
        assert_eq!(world.reason("/orders", &sub, now), None);
        world.revoke(&sub, now);
        assert_eq!(world.reason("/orders", &sub, now), Some("revoked"));
    }
}

#[test]
fn without_signals_the_state_is_as_old_as_the_last_look_and_then_stale() {
    let mut world = World::new("deny");
    assert_eq!(world.reason("/orders", "alice", at(60)), None);
    assert_eq!(world.reason("/orders", "alice", at(61)), Some("stale"), "nobody tends it");
    assert_eq!(world.reason("/public", "alice", at(61)), None);
    world.revoke("bob", at(61));
    assert_eq!(world.reason("/orders", "alice", at(61)), None, "news make it fresh");
}

#[test]
fn what_could_not_be_applied_refuses_what_rests_on_it_unless_staleness_is_allowed() {
    for (on_stale, expected) in [("deny", Some("stale")), ("allow", None)] {
        let mut world = World::new(on_stale);
        world.revoke("bob", at(40));
        assert_eq!(world.reason("/orders", "alice", at(40)), None);
        // Set back by so much, the clock says that pages come from the future.
        world.revoke("alice", at(5));
        assert!(!world.state.catch_up(at(5)));
        assert_eq!(world.reason("/orders", "alice", at(5)), expected, "{on_stale}");
        assert_eq!(world.reason("/public", "alice", at(5)), None);
        // And when it is right again, so is the answer.
        assert_eq!(world.reason("/orders", "alice", at(41)), Some("revoked"));
    }
}
