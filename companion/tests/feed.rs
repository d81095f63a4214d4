//! The feed and its cursors, against the real binary.

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Companion, PUSH_TOKEN, rescind};

#[test]
fn a_page_continues_after_its_cursor_and_a_strange_cursor_starts_from_the_beginning() {
    let companion = Companion::started();
    for jti in ["one", "two", "three"] {
        assert_eq!(companion.push(&companion.transmitter.set(jti, &json!({}))).status, 202);
    }
    let log = companion.page("").log;
    let foreign = "0123456789abcdef0123456789abcdef";
    let cases = [
        (String::new(), 0, 3),
        (format!("after={log}.0"), 0, 3),
        (format!("after={log}.2"), 2, 1),
        (format!("after={log}.3"), 3, 0),
        (format!("after={log}.4"), 0, 3),
        (format!("after={foreign}.2"), 0, 3),
        (format!("after={foreign}.2&wait=20s"), 0, 3),
    ];
    for (query, from, records) in cases {
        let page = companion.page(&query);
        assert_eq!((page.from, page.to, page.records.len()), (from, 3, records), "{query}");
    }
    let token = companion.directory.read("gateway.token");
    for wrong in ["after=nonsense", "wait=25", "wait=s", "wait=-1s"] {
        assert_eq!(companion.get(&format!("/v1/feed?{wrong}"), &token).status, 400, "{wrong}");
    }
}

#[test]
fn only_gateways_may_follow() {
    let companion = Companion::started();
    let operator = companion.directory.read("operator.token");
    for token in ["", "wrong", PUSH_TOKEN, &operator] {
        assert_eq!(companion.get("/v1/feed?gateway=edge-1", token).status, 401, "{token}");
    }
}

/// Waits until a poll waits for news.
fn somebody_waits(companion: &Companion) {
    let operator = companion.directory.read("operator.token");
    support::wait_until("nobody waits", || {
        let status = companion.get("/v1/status", &operator).json();
        status.pointer("/gateways/0/waiting").and_then(serde_json::Value::as_u64) == Some(1)
    });
}

#[test]
fn a_long_poll_ends_with_the_first_change_and_an_empty_one_when_its_time_is_up() {
    let companion = Companion::started();
    let log = companion.page("").log;
    let start = Instant::now();
    let page = companion.page(&format!("after={log}.0&wait=300ms"));
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!((page.from, page.to), (0, 0));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| companion.page(&format!("after={log}.0&wait=20s")));
        somebody_waits(&companion);
        let start = Instant::now();
        assert_eq!(companion.push(&companion.transmitter.set("one", &json!({}))).status, 202);
        let page = waiting.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!((page.from, page.to, page.records.len()), (0, 1, 1));
    });
}

#[test]
fn a_restart_keeps_the_log_and_its_sequences() {
    let mut companion = Companion::started();
    assert_eq!(companion.push(&companion.transmitter.set("one", &json!({}))).status, 202);
    let before = companion.page("");
    assert_eq!(companion.terminate(), Some(0));
    companion.start();
    let after = companion.page("");
    assert_eq!((after.log, after.to, &after.records), (before.log, 1, &before.records));
    assert_eq!(companion.push(&companion.transmitter.set("two", &json!({}))).status, 202);
    assert_eq!(companion.page("").to, 2);
}

#[test]
fn going_down_answers_long_polls_at_once_and_ends_with_0() {
    let mut companion = Companion::started();
    let log = companion.page("").log;
    let url = companion.url(&format!("/v1/feed?after={log}.0&wait=60s"));
    let token = companion.directory.read("gateway.token");
    let waiting = std::thread::spawn(move || {
        let request = support::agent().get(url).header("authorization", format!("Bearer {token}"));
        request.call().unwrap().status().as_u16()
    });
    somebody_waits(&companion);
    let start = Instant::now();
    assert_eq!(companion.terminate(), Some(0));
    assert_eq!(waiting.join().unwrap(), 200);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_import_is_paged_in_full_and_importing_again_changes_nothing() {
    let mut companion = Companion::prepared();
    let mut lines = String::new();
    for n in 0..10_000 {
        let sub_id = json!({"format": "iss_sub", "iss": support::IDP, "sub": format!("user-{n}")});
        lines.push_str(&format!(
            "{}\n",
            json!({ "sub_id": sub_id, "event_timestamp": support::now() })
        ));
    }
    companion.directory.write("lines", &lines);
    let done = companion.run(&["import", "lines"]);
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        "imported 10000 signals, 0 were there before\n"
    );
    let again = companion.run(&["import", "lines"]);
    let text = String::from_utf8(again.stdout).unwrap();
    assert_eq!(text, "imported 0 signals, 10000 were there before\n");
    companion.start();
    let through_it = companion.run(&["import", "lines"]);
    assert_eq!(String::from_utf8(through_it.stdout).unwrap(), text);
    let (mut from, mut records, mut pages) = (0, 0, 0);
    loop {
        let page = companion.page(&format!("after={}.{from}", companion.page("").log));
        assert_eq!((page.from, page.live), (from, 10_000));
        (from, records, pages) = (page.to, records + page.records.len(), pages + 1);
        if !page.more {
            break;
        }
    }
    assert_eq!((from, records, pages), (10_000, 10_000, 3));
}

#[test]
fn an_operator_revokes_looks_and_sees_who_follows() {
    let companion = Companion::started();
    let page = companion.page("gateway=edge-1");
    let made =
        companion.run(&["revoke", "--user", support::IDP, "alice", "--reason", "theft", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let signal = made[0]["signal"].as_str().unwrap();
    assert_eq!(made[0]["sequence"], 1);
    for name in [signal, made[0]["jti"].as_str().unwrap()] {
        let shown = companion.run(&["show", name]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["set"]["sub_id"]["sub"], "alice");
        let event = &shown["set"]["events"][support::SESSION_REVOKED];
        assert_eq!(event["reason_admin"], json!({"und": "theft"}));
        assert_eq!(shown["records"][0]["fact"], "revoked_before");
    }
    let status = companion.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["head"], &status["live_records"]), (&json!(1), &json!(1)));
    assert_eq!(status["log"], page.log.to_string());
    assert_eq!((&status["gateways"][0]["lag"], &status["accepted"]), (&json!(1), &json!(1)));
    let table = String::from_utf8(companion.run(&["status"]).stdout).unwrap();
    assert!(table.contains("edge-1") && table.contains("idp"), "{table}");
    let foreign = companion.run(&["revoke", "--user", "https://other", "alice"]);
    assert_eq!(foreign.status.code(), Some(1));
    let operator = companion.directory.read("operator.token");
    let body = json!({"sub_id": {"format": "opaque", "id": "x"}, "event": "session-revoked"});
    assert_eq!(companion.signal_request(PUSH_TOKEN, &body).status, 401);
    assert_eq!(companion.signal_request(&operator, &body).status, 202);
    for wrong in [json!({}), json!({"sub_id": {}, "event": "x"}), json!([])] {
        assert_eq!(companion.signal_request(&operator, &wrong).status, 400, "{wrong}");
    }
}

#[test]
fn a_damaged_journal_is_an_error_that_says_so() {
    let companion = Companion::prepared();
    companion.directory.write("rescind.redb", &"not a journal ".repeat(1000));
    let output = rescind(&companion.directory.0, &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("is damaged or no journal"), "{text}");
    assert_eq!(companion.directory.read("rescind.redb").len(), 14_000 - 1, "left as it was");
}

#[test]
fn a_journal_of_another_subject_key_is_refused() {
    let mut companion = Companion::started();
    assert_eq!(companion.terminate(), Some(0));
    companion.directory.write("subject.key", "000102030405060708090a0b0c0d0e0f");
    let output = rescind(&companion.directory.0, &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("another subject key"));
}
