//! A stream driven by hand: what is asked of the transmitter, call by call.

use serde_json::Value;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const ISSUER: &str = "https://idp.example.com";
const EVENT: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

fn at(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

fn settings(wanted: Wanted) -> Settings {
    Settings {
        name: "idp".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec!["us".to_owned()],
        metadata_url: format!("{ISSUER}/metadata"),
        wanted,
        events: vec![EVENT.to_owned()],
        description: "rescind idp".to_owned(),
        verify_every: Duration::from_secs(300),
    }
}

fn push() -> Wanted {
    Wanted::Push { url: "https://us.example.com/v1/push/idp".to_owned() }
}

fn metadata() -> Value {
    let url = |path| format!("{ISSUER}/{path}");
    json!({
        "issuer": ISSUER, "configuration_endpoint": url("stream"), "status_endpoint": url("status"),
        "verification_endpoint": url("verify"),
    })
}

fn stream(id: &str, changes: &Value) -> Value {
    let mut stream = json!({
        "stream_id": id, "iss": ISSUER, "aud": "us", "events_requested": [EVENT],
        "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": "https://us.example.com/v1/push/idp" },
    });
    stream.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    stream
}

/// The call that is due.
fn due(manager: &mut Manager, now: UnixTime) -> (Purpose, String) {
    match manager.next(Some("token"), "state", now) {
        Next::Call(call) => (call.purpose, format!("{} {}", call.method, call.url)),
        Next::Wait(until) => panic!("nothing is due until {until}"),
    }
}

fn wait(manager: &mut Manager, now: UnixTime) -> UnixTime {
    match manager.next(None, "state", now) {
        Next::Wait(until) => until,
        Next::Call(call) => panic!("{call:?}"),
    }
}

fn answer(
    manager: &mut Manager,
    purpose: Purpose,
    status: u16,
    body: &Value,
    now: UnixTime,
) -> Vec<Notice> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    manager.handle(purpose, Ok(ApiAnswer { status, body, retry_after: None }), now, 1)
}

/// A manager whose stream is in use.
fn ready(changes: &Value) -> Manager {
    let mut manager = Manager::new(settings(push()), Stored::default());
    answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
    answer(&mut manager, Purpose::List, 200, &json!([]), NOW);
    answer(&mut manager, Purpose::Create, 201, &stream("s", changes), NOW);
    manager
}

#[test]
fn metadata_then_the_list_then_a_new_stream_then_a_verification_and_the_status() {
    let mut manager = Manager::new(settings(push()), Stored::default());
    let expected = (Purpose::Metadata, format!("GET {ISSUER}/metadata"));
    assert_eq!(due(&mut manager, NOW), expected);
    answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
    assert_eq!(due(&mut manager, NOW), (Purpose::List, format!("GET {ISSUER}/stream")));
    answer(&mut manager, Purpose::List, 200, &json!([]), NOW);
    let Next::Call(call) = manager.next(Some("token"), "", NOW) else { panic!("no call") };
    assert_eq!((call.purpose, call.method), (Purpose::Create, Method::POST));
    assert_eq!(
        call.body.unwrap(),
        json!({
            "delivery": {
                "method": "urn:ietf:rfc:8935", "endpoint_url": "https://us.example.com/v1/push/idp",
                "authorization_header": "Bearer token",
            },
            "events_requested": [EVENT], "description": "rescind idp",
        })
    );
    let notices = answer(&mut manager, Purpose::Create, 201, &stream("s 1", &json!({})), NOW);
    assert_eq!(notices, [Notice::Using { created: true }, Notice::Answered]);
    assert_eq!(manager.stored(), &Stored { id: Some("s 1".to_owned()), deleted: false });
    assert_eq!(due(&mut manager, NOW), (Purpose::Verify, format!("POST {ISSUER}/verify")));
    answer(&mut manager, Purpose::Verify, 204, &Value::Null, NOW);
    let expected = (Purpose::Status, format!("GET {ISSUER}/status?stream_id=s%201"));
    assert_eq!(due(&mut manager, NOW), expected);
    answer(&mut manager, Purpose::Status, 200, &json!({ "status": "enabled" }), NOW);
    assert!(wait(&mut manager, NOW) >= at(149), "half an interval at the least");
}

#[test]
fn a_stream_of_before_the_restart_is_read_and_a_vanished_one_is_made_again() {
    let stored = Stored { id: Some("s".to_owned()), deleted: false };
    let mut manager = Manager::new(settings(push()), stored);
    answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
    assert_eq!(due(&mut manager, NOW), (Purpose::Read, format!("GET {ISSUER}/stream?stream_id=s")));
    assert_eq!(answer(&mut manager, Purpose::Read, 404, &Value::Null, NOW), [Notice::Lost]);
    assert_eq!(due(&mut manager, NOW).0, Purpose::List);
    let mut manager = ready(&json!({}));
    assert_eq!(answer(&mut manager, Purpose::Verify, 404, &Value::Null, NOW), [Notice::Lost]);
    assert_eq!(due(&mut manager, NOW).0, Purpose::List);
}

#[test]
fn of_the_streams_that_exist_the_one_delivered_to_us_is_used_and_no_other_receivers() {
    let elsewhere =
        json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": "https://other/" } });
    let polled = |description: &str| {
        json!({ "description": description, "delivery": {
            "method": "urn:ietf:rfc:8936", "endpoint_url": "https://idp.example.com/poll" } })
    };
    for (wanted, list, used) in [
        (push(), json!([stream("a", &elsewhere), stream("b", &json!({}))]), Some("b")),
        (push(), json!([stream("a", &elsewhere)]), None),
        (push(), json!([stream("a", &json!({ "iss": "https://evil.example" }))]), None),
        (
            Wanted::Poll,
            json!([stream("a", &polled("other")), stream("b", &polled("rescind idp"))]),
            Some("b"),
        ),
        (Wanted::Poll, json!([stream("a", &polled("other"))]), None),
        (push(), stream("only", &json!({})), Some("only")),
    ] {
        let mut manager = Manager::new(settings(wanted), Stored::default());
        answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
        answer(&mut manager, Purpose::List, 200, &list, NOW);
        assert_eq!(manager.stored().id.as_deref(), used, "{list}");
        assert_eq!(due(&mut manager, NOW).0 == Purpose::Create, used.is_none(), "{list}");
    }
}

#[test]
fn where_only_one_stream_is_allowed_it_is_taken_over_and_brought_up_to_date() {
    let mut manager = Manager::new(settings(push()), Stored::default());
    answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
    let old =
        json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": "https://old/" } });
    answer(&mut manager, Purpose::List, 200, &json!([stream("a", &old)]), NOW);
    answer(&mut manager, Purpose::Create, 409, &Value::Null, NOW);
    assert_eq!(due(&mut manager, NOW).0, Purpose::List);
    answer(&mut manager, Purpose::List, 200, &json!([stream("a", &old)]), NOW);
    let Next::Call(call) = manager.next(Some("t"), "", NOW) else { panic!("no call") };
    assert_eq!((call.method, &call.body.unwrap()["stream_id"]), (Method::PATCH, &json!("a")));
    answer(&mut manager, Purpose::Update, 200, &stream("a", &json!({})), NOW);
    assert_eq!(due(&mut manager, NOW).0, Purpose::Verify);
}

#[test]
fn a_stream_that_is_not_ours_is_deleted_and_left_alone() {
    for changes in [json!({ "iss": "https://other.example.com" }), json!({ "aud": "them" })] {
        let mut manager = Manager::new(settings(push()), Stored::default());
        answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
        answer(&mut manager, Purpose::List, 200, &json!([]), NOW);
        let notices = answer(&mut manager, Purpose::Create, 201, &stream("s", &changes), NOW);
        let [Notice::Failed { error: ApiError::Foreign(_), .. }] = &notices[..] else {
            panic!("{notices:?}")
        };
        assert_eq!(
            due(&mut manager, NOW),
            (Purpose::Discard, format!("DELETE {ISSUER}/stream?stream_id=s"))
        );
        answer(&mut manager, Purpose::Discard, 500, &Value::Null, NOW);
        assert_eq!(wait(&mut manager, at(60)), at(600), "no use for longer than a minute");
        assert_eq!(manager.stored().id, None);
    }
    let mut manager = Manager::new(settings(push()), Stored::default());
    let other = json!({ "issuer": "https://other.example.com" });
    answer(&mut manager, Purpose::Metadata, 200, &other, NOW);
    assert_eq!(wait(&mut manager, NOW), at(600));
}

#[test]
fn verifications_keep_the_interval_that_the_transmitter_asks_for() {
    let mut manager = ready(&json!({ "min_verification_interval": 1000 }));
    answer(&mut manager, Purpose::Verify, 204, &Value::Null, NOW);
    answer(&mut manager, Purpose::Status, 200, &json!({ "status": "enabled" }), NOW);
    manager.verify_soon(at(1));
    assert_ne!(due(&mut manager, at(999)).0, Purpose::Verify);
    assert_eq!(due(&mut manager, at(1000)).0, Purpose::Verify);
}

#[test]
fn a_transmitter_that_says_not_so_often_is_asked_later_and_its_status_still_read() {
    let mut manager = ready(&json!({}));
    let retry_after = Some(Duration::from_secs(500));
    let refused = ApiAnswer { status: 429, body: Vec::new(), retry_after };
    let notices = manager.handle(Purpose::Verify, Ok(refused), NOW, 1);
    let error = ApiError::Status(429);
    assert_eq!(notices, [Notice::Failed { purpose: Purpose::Verify, error, failures: 1 }]);
    assert_eq!(due(&mut manager, NOW).0, Purpose::Status);
    answer(&mut manager, Purpose::Status, 200, &json!({ "status": "enabled" }), NOW);
    assert_ne!(due(&mut manager, at(499)).0, Purpose::Verify);
    assert_eq!(due(&mut manager, at(500)).0, Purpose::Verify);
}

#[test]
fn failures_pause_longer_and_longer_and_lead_back_to_the_metadata() {
    let mut manager = Manager::new(settings(push()), Stored::default());
    answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
    let mut now = NOW;
    for purpose in [Purpose::List, Purpose::List, Purpose::List, Purpose::Metadata] {
        assert_eq!(due(&mut manager, now).0, purpose);
        manager.handle(purpose, Err(ApiError::Call("refused".to_owned())), now, 1);
        let until = wait(&mut manager, now);
        assert!(until.since(now) >= Duration::from_secs(1));
        now = until;
    }
}

#[test]
fn what_the_operator_deleted_stays_deleted_until_he_adds_it() {
    let mut manager = ready(&json!({}));
    let (method, url, _) = manager.command(&Command::Delete, None).unwrap().unwrap();
    assert_eq!((method, url), (Method::DELETE, format!("{ISSUER}/stream?stream_id=s")));
    let gone = ApiAnswer { status: 204, body: Vec::new(), retry_after: None };
    manager.commanded(&Command::Delete, Some(&gone), NOW).unwrap();
    assert_eq!(manager.stored(), &Stored { id: None, deleted: true });
    wait(&mut manager, at(10_000));
    let mut again = Manager::new(settings(push()), manager.stored().clone());
    answer(&mut again, Purpose::Metadata, 200, &metadata(), NOW);
    wait(&mut again, at(10_000));
    again.commanded(&Command::Add, None, NOW).unwrap();
    assert_eq!(due(&mut again, NOW).0, Purpose::List);
    assert!(!again.stored().deleted);
}

#[test]
fn a_stream_that_was_being_made_when_the_operator_deleted_it_is_deleted_too() {
    let mut manager = Manager::new(settings(push()), Stored::default());
    answer(&mut manager, Purpose::Metadata, 200, &metadata(), NOW);
    answer(&mut manager, Purpose::List, 200, &json!([]), NOW);
    assert_eq!(due(&mut manager, NOW).0, Purpose::Create);
    assert_eq!(manager.command(&Command::Delete, None), Ok(None), "there is nothing yet");
    manager.commanded(&Command::Delete, None, NOW).unwrap();
    answer(&mut manager, Purpose::Create, 201, &stream("s", &json!({})), NOW);
    let expected = (Purpose::Discard, format!("DELETE {ISSUER}/stream?stream_id=s"));
    assert_eq!(due(&mut manager, NOW), expected);
    answer(&mut manager, Purpose::Discard, 204, &Value::Null, NOW);
    wait(&mut manager, NOW);
    assert_eq!(manager.stored(), &Stored { id: None, deleted: true });
}
