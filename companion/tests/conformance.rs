//! The receiver modules of the OpenID conformance suite (`openid-ssf-receiver-…`), ported: one test
//! for each, under its name, with an emulated transmitter that has the suite's habits.
//!
//! Each runs with push and with poll; the modules of the CAEP interoperability plan also under that
//! profile, where the emulated transmitter answers 405 to changes. Keys are those of the `jwks_uri` of
//! its metadata, tokens are got by client credentials (`ssf_auth_mode` dynamic), SETs are RS256 with a
//! key of 2048 bits. Passing these is not passing the suite.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::ssf::{CAEP, SSF, Ssf, shown, streams};
use support::{Companion, wait_until};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plan {
    Default,
    Interop,
}

const BOTH: &[Plan] = &[Plan::Default, Plan::Interop];
const DEFAULT: &[Plan] = &[Plan::Default];

/// A transmitter and the receiver under test.
struct World {
    ssf: Arc<Ssf>,
    companion: Companion,
}

/// Runs `module` under each plan, with push and with poll, on a stream that is in use.
fn each(plans: &[Plan], module: impl Fn(&mut World)) {
    each_with(
        plans,
        "",
        |_| {},
        |world| {
            wait_until("no stream is in use", || world.ssf.stream_id().is_some());
            module(world);
        },
    );
}

/// The same, with the transmitter bent by `bend` and a stream configured with `more`.
fn each_with(plans: &[Plan], more: &str, bend: impl Fn(&Ssf), module: impl Fn(&mut World)) {
    for plan in plans {
        for polled in [false, true] {
            let ssf = Ssf::start(polled, *plan == Plan::Interop);
            bend(&ssf);
            let mut companion = ssf.receiver(more);
            companion.start();
            module(&mut World { ssf, companion });
        }
    }
}

impl World {
    fn send(&self, jti: &str, changes: &Value) -> Option<String> {
        self.ssf.send(jti, self.ssf.set(jti, changes));
        self.ssf.outcome(jti)
    }

    fn verified(&self) {
        let verified =
            || shown(&self.companion).get("verified_secs_ago").is_some_and(Value::is_f64);
        wait_until("not verified", verified);
    }
}

/// Every event type with a payload that obeys its definition.
fn events() -> Vec<(String, Value)> {
    let caep = |name: &str, payload: Value| (format!("{CAEP}{name}"), payload);
    let mut events = vec![
        caep("session-revoked", json!({})),
        caep("token-claims-change", json!({ "claims": { "role": "ro" } })),
        caep(
            "credential-change",
            json!({ "credential_type": "password", "change_type": "update" }),
        ),
        caep(
            "assurance-level-change",
            json!({ "namespace": "NIST-AAL", "current_level": "nist-aal1" }),
        ),
        caep(
            "device-compliance-change",
            json!({ "previous_status": "compliant", "current_status": "not-compliant" }),
        ),
        caep("session-established", json!({})),
        caep("session-presented", json!({})),
        caep("risk-level-change", json!({ "principal": "USER", "current_level": "LOW" })),
    ];
    for name in [
        "account-credential-change-required",
        "account-purged",
        "account-disabled",
        "account-enabled",
        "identifier-changed",
        "identifier-recycled",
        "credential-compromise",
        "opt-in",
        "opt-out-initiated",
        "opt-out-cancelled",
        "opt-out-effective",
        "recovery-activated",
        "recovery-information-changed",
        "sessions-revoked",
    ] {
        let payload = match name {
            "credential-compromise" => json!({ "credential_type": "password" }),
            _ => json!({}),
        };
        events
            .push((format!("https://schemas.openid.net/secevent/risc/event-type/{name}"), payload));
    }
    events
}

#[test]
fn openid_ssf_receiver_happypath() {
    each(DEFAULT, |world| {
        wait_until("no status read", || world.ssf.called("GET /status") >= 1);
        let (id, before) = (world.ssf.stream_id(), world.ssf.called("GET /stream"));
        // A restart reads the stream that was created before.
        assert_eq!(world.companion.terminate(), Some(0));
        world.companion.start();
        wait_until("not read", || world.ssf.called("GET /stream") > before);
        assert_eq!(world.ssf.called("POST /stream"), 1, "created once");
        streams(&world.companion, &["update", "idp"]);
        streams(&world.companion, &["replace", "idp"]);
        assert_eq!((world.ssf.called("PATCH /stream"), world.ssf.called("PUT /stream")), (1, 1));
        assert_eq!(world.ssf.stream_id(), id);
        streams(&world.companion, &["delete", "idp"]);
        assert_eq!(world.ssf.stream_id(), None);
    });
}

#[test]
fn openid_ssf_receiver_stream_create_delete() {
    each(BOTH, |world| {
        let table = streams(&world.companion, &["delete", "idp"]);
        assert!(table.contains("deleted"), "{table}");
        wait_until("not deleted", || world.ssf.stream_id().is_none());
        assert_eq!(world.ssf.called("DELETE /stream"), 1);
        // It stays deleted, also over a restart, until the operator wants it again.
        assert_eq!(world.companion.terminate(), Some(0));
        world.companion.start();
        wait_until("no gap", || shown(&world.companion)["gap"]["cause"] == "deleted");
        assert_eq!(world.ssf.called("POST /stream"), 1);
        wait_until("metadata", || world.ssf.called("GET /.well-known/ssf-configuration") >= 2);
        streams(&world.companion, &["add", "idp"]);
        wait_until("not created", || world.ssf.stream_id().is_some());
        world.verified();
    });
}

#[test]
fn openid_ssf_receiver_stream_status_update() {
    each(DEFAULT, |world| {
        world.verified();
        streams(&world.companion, &["status", "idp"]);
        let paused = streams(&world.companion, &["pause", "idp"]);
        assert!(paused.contains("paused since"), "a paused stream is a gap: {paused}");
        assert_eq!(world.ssf.state().status, "paused");
        let resumed = streams(&world.companion, &["resume", "idp"]);
        assert!(resumed.contains("enabled"), "{resumed}");
        assert_eq!(world.ssf.state().status, "enabled");
        wait_until("the gap stays", || shown(&world.companion)["gap"].is_null());
        assert_eq!(world.ssf.called("POST /status"), 2);
    });
}

#[test]
fn openid_ssf_receiver_stream_verification() {
    each(BOTH, |world| {
        world.verified();
        let before = world.ssf.called("POST /verify");
        let table = streams(&world.companion, &["verify", "idp"]);
        assert!(table.contains(" 0 s ago") && table.contains("none"), "{table}");
        assert!(world.ssf.called("POST /verify") > before);
    });
}

#[test]
fn openid_ssf_receiver_unsolicited_stream_verification() {
    each(BOTH, |world| {
        world.ssf.send_verification("unsolicited", None, None);
        assert_eq!(world.ssf.outcome("unsolicited"), None);
    });
}

#[test]
fn openid_ssf_receiver_stream_supported_events() {
    each(BOTH, |world| {
        let events = events();
        assert_eq!(events.len(), 22);
        for (number, (uri, payload)) in events.into_iter().enumerate() {
            let jti = format!("event-{number}");
            let mut payload = payload;
            payload["event_timestamp"] = json!(support::now());
            assert_eq!(world.send(&jti, &json!({ "events": { &uri: payload } })), None, "{uri}");
        }
        let unknown = json!({ "events": { "https://example.com/event-type/new": {} } });
        assert_eq!(world.send("unknown", &unknown), None, "a type that nobody knows");
    });
}

#[test]
fn openid_ssf_receiver_invalid_set_rejection() {
    each(BOTH, |world| {
        let ssf = &world.ssf;
        ssf.send("signature", ssf.forged("signature"));
        ssf.send("kid", ssf.unknown_kid("kid"));
        ssf.send("iss", ssf.set("iss", &json!({ "iss": "https://other.example.com" })));
        ssf.send("aud", ssf.set("aud", &json!({ "aud": "https://other.example.com" })));
        for (jti, code) in [
            ("signature", "invalid_key"),
            ("kid", "invalid_key"),
            ("iss", "invalid_issuer"),
            ("aud", "invalid_audience"),
        ] {
            assert_eq!(ssf.outcome(jti).as_deref(), Some(code), "{jti}");
            assert!(!ssf.queue.acked().iter().any(|acked| acked == jti), "{jti} was acknowledged");
        }
    });
}

#[test]
fn openid_ssf_receiver_verification_wrong_state() {
    each(BOTH, |world| {
        world.verified();
        world.ssf.send_verification("wrong", None, Some("never asked for".to_owned()));
        assert_eq!(world.ssf.outcome("wrong").as_deref(), Some("invalid_state"));
    });
}

#[test]
fn openid_ssf_receiver_verification_wrong_subject() {
    each(BOTH, |world| {
        world.verified();
        world.ssf.send_verification("wrong", Some("another-stream".to_owned()), None);
        assert_eq!(world.ssf.outcome("wrong").as_deref(), Some("invalid_request"));
    });
}

#[test]
fn openid_ssf_receiver_stream_issuer_mismatch() {
    each_with(
        BOTH,
        "",
        |ssf| ssf.state().foreign = true,
        |world| {
            wait_until("not deleted", || world.ssf.called("DELETE /stream") == 1);
            let shown = shown(&world.companion);
            assert_eq!(
                (&shown["stream_id"], &shown["gap"]["cause"]),
                (&Value::Null, &json!("foreign"))
            );
            assert_eq!(world.ssf.called("POST /verify") + world.ssf.called("GET /status"), 0);
            assert!(world.ssf.queue.polls().is_empty());
        },
    );
}

#[test]
fn openid_ssf_receiver_transmitter_initiated_status_change() {
    each(DEFAULT, |world| {
        world.verified();
        let updated = |status: &str| {
            let subject = json!({ "format": "opaque", "id": world.ssf.stream_id() });
            let event = json!({ "status": status, "reason": "maintenance" });
            json!({ "sub_id": subject, "events": { format!("{SSF}stream-updated"): event } })
        };
        world.ssf.state().status = "paused".to_owned();
        assert_eq!(world.send("pauses", &updated("paused")), None);
        wait_until("no gap", || shown(&world.companion)["gap"]["cause"] == "paused");
        world.ssf.state().status = "enabled".to_owned();
        assert_eq!(world.send("resumes", &updated("enabled")), None);
        wait_until("the gap stays", || shown(&world.companion)["gap"].is_null());
    });
}

#[test]
fn openid_ssf_receiver_verification_behind_queued_events() {
    each(BOTH, |world| {
        world.verified();
        let queued = ["first", "second", "third"];
        let sets = queued.map(|jti| (jti.to_owned(), world.ssf.set(jti, &json!({}))));
        world.ssf.state().before = sets.to_vec();
        let table = streams(&world.companion, &["verify", "idp"]);
        assert!(table.contains("none"), "{table}");
        for jti in queued {
            assert_eq!(world.ssf.outcome(jti), None, "{jti}");
        }
    });
}

#[test]
fn openid_ssf_receiver_redelivered_set() {
    each(BOTH, |world| {
        let set = world.ssf.set("again", &json!({}));
        world.ssf.send("again", set.clone());
        assert_eq!(world.ssf.outcome("again"), None);
        let head = world.companion.page("").to;
        world.ssf.state().pushed.clear();
        world.ssf.send("again", set);
        if world.ssf.polled {
            let acked = || world.ssf.queue.acked().iter().filter(|jti| *jti == "again").count();
            wait_until("not acknowledged again", || acked() >= 2);
        } else {
            assert_eq!(world.ssf.outcome("again"), None);
        }
        // A verification may have come meanwhile; the repeat made no entry of its own.
        let signal = rescind_core::set::signal_id(&world.ssf.base, "again");
        let records = world.companion.page("").records;
        assert_eq!(records.iter().filter(|record| record.fact.signal == signal).count(), 1);
        assert!(world.companion.page("").to <= head + 1);
    });
}

#[test]
fn openid_ssf_receiver_removed_subject_event() {
    each(DEFAULT, |world| {
        world.verified();
        let subject = json!({ "format": "email", "email": "alice@example.com" });
        streams(&world.companion, &["add-subject", "idp", &subject.to_string()]);
        streams(&world.companion, &["remove-subject", "idp", &subject.to_string()]);
        let told = world.ssf.state().subjects.clone();
        assert_eq!(
            told,
            [
                ("/subjects:add".to_owned(), subject.clone()),
                ("/subjects:remove".to_owned(), subject.clone()),
            ]
        );
        assert_eq!(world.send("removed", &json!({ "sub_id": subject })), None);
    });
}

#[test]
fn openid_ssf_receiver_access_token_expiry() {
    // The suite's tokens live for 20 s, these for 6: renewed 2 s ahead, which no busy machine takes.
    let bend = |ssf: &Ssf| ssf.state().token_lifetime = 6;
    let module = |world: &mut World| {
        wait_until("not renewed", || world.ssf.state().tokens.len() >= 3);
        world.verified();
        assert!(shown(&world.companion)["gap"].is_null());
        assert_eq!(world.ssf.state().late, 0, "renewed ahead of its end");
        // One that is withdrawn early is replaced as soon as it is not taken.
        let withdrawn = world.ssf.state().tokens.len();
        for (_, expires) in &mut world.ssf.state().tokens {
            *expires = std::time::Instant::now();
        }
        wait_until("not replaced", || world.ssf.state().tokens.len() > withdrawn);
        let calls = world.ssf.called("POST /verify");
        wait_until("does not go on", || world.ssf.called("POST /verify") > calls);
        let log = world.companion.directory.read("log");
        assert!(!log.contains("access-0") && !log.contains("s3cret"), "a secret in the log");
    };
    // What is long here is waiting.
    std::thread::scope(|scope| {
        for plan in BOTH {
            scope.spawn(|| {
                each_with(std::slice::from_ref(plan), "verify_every_secs = 1", bend, module);
            });
        }
    });
}

#[test]
fn openid_ssf_receiver_stream_caep_interop() {
    let more = "events = [\"session-revoked\", \"credential-change\"]";
    each_with(
        &[Plan::Interop],
        more,
        |_| {},
        |world| {
            wait_until("no stream is in use", || world.ssf.stream_id().is_some());
            let requested = world.ssf.state().stream.as_ref().unwrap()["events_requested"].clone();
            assert_eq!(
                requested,
                json!([format!("{CAEP}session-revoked"), format!("{CAEP}credential-change")])
            );
            world.verified();
            streams(&world.companion, &["status", "idp"]);
            let base = world.ssf.base.clone();
            let email = json!({ "format": "email", "email": "alice@example.com" });
            let iss_sub = json!({ "format": "iss_sub", "iss": base, "sub": "alice" });
            let complex = json!({ "format": "complex", "user": email, "session": { "format": "opaque", "id": "s" } });
            for (jti, subject) in [("email", email), ("iss_sub", iss_sub), ("complex", complex)] {
                let event =
                    json!({ "event_timestamp": support::now(), "reason_admin": { "en": "test" } });
                let changes = json!({ "sub_id": subject, "events": { format!("{CAEP}session-revoked"): event } });
                assert_eq!(world.send(jti, &changes), None, "{jti}");
            }
            let refused = world.companion.run(&["streams", "pause", "idp"]);
            assert_eq!(refused.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&refused.stderr).contains("405"), "{refused:?}");
            streams(&world.companion, &["delete", "idp"]);
            assert_eq!(world.ssf.stream_id(), None);
        },
    );
}

/// Not a module of its own in the suite: what an operator sees when the transmitter goes silent.
#[test]
fn a_stream_that_is_silent_is_a_gap_until_it_is_verified_again() {
    each_with(
        DEFAULT,
        "verify_every_secs = 1",
        |_| {},
        |world| {
            world.verified();
            world.ssf.state().mute = true;
            wait_until("no gap", || shown(&world.companion)["gap"]["cause"] == "silent");
            let gaps = || world.companion.page("").gaps;
            wait_until("not in the feed", || !gaps().is_empty());
            assert_eq!(gaps()[0].issuer, world.ssf.base);
            let metrics = || String::from_utf8(world.companion.get("/metrics", "").body).unwrap();
            assert!(
                metrics().contains("rescind_stream_gap{transmitter=\"idp\"} 1\n"),
                "{}",
                metrics()
            );
            // Also over a restart: nothing has been proven since.
            world.companion.sigkill();
            world.companion.start();
            assert_eq!(shown(&world.companion)["gap"]["cause"], "silent");
            world.ssf.state().mute = false;
            wait_until("the gap stays", || shown(&world.companion)["gap"].is_null());
            let log = || world.companion.directory.read("log");
            // The line follows what is shown.
            wait_until("no line on its end", || log().contains("stream: gap ends"));
            assert!(log().contains("stream: gap: events may be missed"), "{}", log());
        },
    );
}

/// SSF 1.0 §8.1.1: pushes do not restart `inactivity_timeout`, calls that name the stream do.
#[test]
fn a_stream_is_kept_alive_by_calls_within_its_inactivity_timeout() {
    let bend = |ssf: &Ssf| ssf.state().extra = Some(json!({ "inactivity_timeout": 2 }));
    each_with(DEFAULT, "verify_every_secs = 600", bend, |world| {
        wait_until("no stream is in use", || world.ssf.called("GET /status") > 0);
        let begin = std::time::Instant::now();
        wait_until("not kept alive", || world.ssf.called("GET /status") >= 4);
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    });
}
