//! `rescind import` of SETs and of subjects with times, against the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod support;

use std::process::Output;

use serde_json::json;
use support::{Companion, IDP, Transmitter};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_same_pairs_are_the_same_signals_as_json_and_as_comma_separated_values() {
    let mut companion = Companion::prepared();
    companion.directory.write(
        "pairs.csv",
        &format!(
            "iss,sub,email,phone_number,jti,uri,time,event\n\
             {IDP},alice,,,,,1700000000,\n\
             ,,\"al\"\"ice\"\"@example.com\",,,,2023-11-14T22:13:20Z,account-disabled\n\
             ,,,+15550100,,,1700000000,\n\
             {IDP},,,,token-1,,1700000000,\n\
             ,,,,,spiffe://example.org/agents/a,1700000000,\n"
        ),
    );
    let pair =
        |sub_id: serde_json::Value| json!({"sub_id": sub_id, "event_timestamp": 1_700_000_000});
    let disabled = json!({
        "sub_id": {"email": "al\"ice\"@example.com", "format": "email"},
        "event": "account-disabled", "event_timestamp": "2023-11-14T23:13:20+01:00",
    });
    let lines = [
        pair(json!({"format": "iss_sub", "iss": IDP, "sub": "alice"})),
        disabled,
        pair(json!({"format": "phone_number", "phone_number": "+15550100"})),
        pair(json!({"format": "jwt_id", "iss": IDP, "jti": "token-1"})),
        pair(json!({"format": "uri", "uri": "spiffe://example.org/agents/a"})),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    companion.directory.write("pairs.ndjson", &text);
    let first = companion.run(&["import", "pairs.csv"]);
    assert_eq!(out(&first), "imported 5 signals, 0 were there before\n", "{first:?}");
    let second = companion.run(&["import", "pairs.ndjson"]);
    assert_eq!(out(&second), "imported 0 signals, 5 were there before\n", "{second:?}");
    companion.start();
    let page = companion.page("");
    assert_eq!(
        (page.to, page.records.len()),
        (5, 1),
        "what is older than the retention is not fed"
    );
}

#[test]
fn every_wrong_line_is_named_and_ends_the_import_or_is_kept_to_be_corrected() {
    let companion = Companion::prepared();
    let lines = [
        "iss,sub,time,event",
        &format!("{IDP},alice,1700000000,"),
        &format!("{IDP},bob,yesterday,"),
        "https://other.example,carol,1700000000,",
        &format!("{IDP},dave,1700000000"),
        &format!("{IDP},erin,,"),
        &format!("{IDP},frank,1700000000000,"),
        &format!("{IDP},grace,1700000000,risk-level-change"),
        &format!("{IDP},\"heidi,1700000000,"),
        &format!("{IDP},ivan,1700000000,sessions-revoked"),
    ];
    companion.directory.write("pairs.csv", &lines.join("\n"));
    let stopped = companion.run(&["import", "pairs.csv"]);
    assert_eq!(stopped.status.code(), Some(1));
    let text = err(&stopped);
    assert!(text.contains("line 3: `yesterday` is neither"), "{text}");
    assert!(
        text.contains("imported 1 signals") && text.contains("nothing from line 3 on"),
        "{text}"
    );
    let arguments = ["import", "pairs.csv", "--keep-going", "--rejects", "rejects.csv"];
    let went_on = companion.run(&arguments);
    assert_eq!(went_on.status.code(), Some(1), "lines are missing, so it is not done");
    let text = err(&went_on);
    for expected in [
        "line 3: `yesterday` is neither",
        "line 4: this transmitter may not speak for issuer `https://other.example`",
        "line 5: 3 fields, the header names 4",
        "line 6: it has no time",
        "line 7: the time 1700000000000 looks like milliseconds",
        "line 8: event `risk-level-change` says more",
        "line 9: a quoted field does not end",
        "imported 1 signals, 1 were there before, 7 lines left out",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let rejects = companion.directory.read("rejects.csv");
    assert_eq!(rejects.lines().collect::<Vec<_>>(), [&lines[..1], &lines[2..9]].concat());
    let corrected = rejects
        .replace("yesterday", "1700000000")
        .replace("https://other.example", IDP)
        .replace("dave,1700000000", "dave,1700000000,")
        .replace("1700000000000", "1700000000")
        .replace("risk-level-change", "")
        .replace("\"heidi", "heidi");
    companion.directory.write("corrected.csv", &corrected);
    let done = companion.run(&["import", "corrected.csv", "--at", "2023-11-14T22:13:20Z"]);
    assert_eq!(out(&done), "imported 7 signals, 0 were there before\n", "{done:?}");
}

#[test]
fn signed_sets_are_imported_as_if_pushed_and_forged_or_foreign_ones_are_not() {
    let mut companion = Companion::started();
    let pushed = companion.transmitter.set("pushed", &json!({}));
    assert_eq!(companion.push(&pushed).status, 202);
    assert_eq!(companion.terminate(), Some(0));
    let missed = companion.transmitter.set("missed", &json!({}));
    let exported =
        json!({ "set": companion.transmitter.set("exported", &json!({})), "sequence": 9 });
    let sets = [
        pushed,
        missed,
        Transmitter::new().set("forged", &json!({})),
        companion.transmitter.set("foreign", &json!({ "iss": "https://other.example" })),
        companion.transmitter.set("elsewhere", &json!({ "aud": "https://elsewhere.example" })),
    ];
    companion.directory.write("sets", &sets.join("\n"));
    let output = companion.run(&["import", "sets", "--keep-going"]);
    let text = err(&output);
    for expected in [
        "line 3: signature is not by key",
        "line 4: no transmitter of the configuration has issuer `https://other.example`",
        "line 5: `aud` does not name",
        "imported 1 signals, 1 were there before, 3 lines left out",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    companion.directory.write("exported.ndjson", &exported.to_string());
    let output = companion.run(&["import", "exported.ndjson"]);
    assert_eq!(out(&output), "imported 1 signals, 0 were there before\n", "{output:?}");
    companion.start();
    let mut found: Vec<_> =
        companion.page("").records.iter().map(|record| record.fact.signal).collect();
    let jtis = ["pushed", "missed", "exported"];
    let mut expected = jtis.map(|jti| rescind_core::set::signal_id(IDP, jti)).to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn progress_is_told_in_lines_where_nobody_watches_a_terminal() {
    let companion = Companion::prepared();
    let line = |n: u32| format!("{IDP},user-{n},1700000000\n");
    let text: String =
        std::iter::once("iss,sub,time\n".to_owned()).chain((0..120_000).map(line)).collect();
    companion.directory.write("many.csv", &text);
    let output = companion.run(&["import", "many.csv"]);
    assert_eq!(out(&output), "imported 120000 signals, 0 were there before\n");
    let text = err(&output);
    let told: Vec<_> = text.lines().filter(|line| line.contains("lines/s")).collect();
    assert_eq!(told.len(), 1, "{text}");
    assert!(told.iter().all(|line| line.starts_with("100001 lines, 8")), "{told:?}");
    assert!(!text.contains('\r'));
}

#[test]
fn a_running_companion_takes_the_same_lines_and_gateways_hear_of_them() {
    let mut companion = Companion::started();
    let pushed = companion.transmitter.set("pushed", &json!({}));
    assert_eq!(companion.push(&pushed).status, 202);
    // More than one part, by lines.
    let line = |n: u32| format!("{IDP},user-{n},{}\n", support::now());
    let pairs: String =
        std::iter::once("iss,sub,time\n".to_owned()).chain((0..2500).map(line)).collect();
    companion.directory.write("pairs.csv", &pairs);
    let imported = companion.run(&["import", "pairs.csv"]);
    assert_eq!(out(&imported), "imported 2500 signals, 0 were there before\n", "{imported:?}");
    let sets = [pushed, companion.transmitter.set("missed", &json!({}))].join("\n\n");
    companion.directory.write("sets", &sets);
    let imported = companion.run(&["import", "sets"]);
    assert_eq!(out(&imported), "imported 1 signals, 1 were there before\n", "{imported:?}");
    let status = companion.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["head"], &status["live_records"]), (&json!(2502), &json!(2502)));
    let log = companion.page("").log;
    let last = companion.page(&format!("after={log}.2501")).records;
    let signals: Vec<_> = last.iter().map(|record| record.fact.signal).collect();
    assert_eq!(signals, [rescind_core::set::signal_id(IDP, "missed")]);
    // A file from elsewhere, without the companion's configuration.
    let url = companion.url("");
    let token = companion.directory.0.join("operator.token");
    let elsewhere = support::Directory::new();
    elsewhere.write("pairs.csv", &pairs);
    let token = token.to_str().unwrap();
    let arguments = ["import", "pairs.csv", "--url", &url, "--token-file", token];
    let again = support::rescind(&elsewhere.0, &arguments);
    assert_eq!(out(&again), "imported 0 signals, 2500 were there before\n", "{again:?}");
    assert_eq!(companion.terminate(), Some(0));
    let stopped = companion.run(&["import", "pairs.csv"]);
    assert_eq!(out(&stopped), "imported 0 signals, 2500 were there before\n", "{stopped:?}");
}

#[test]
fn a_running_companion_names_wrong_lines_by_their_place_in_the_file() {
    let companion = Companion::started();
    let time = support::now();
    let good = |n: u32| format!("{IDP},user-{n},{time}");
    let mut lines = vec!["iss,sub,time".to_owned(), String::new()];
    lines.extend((0..1500).map(good));
    lines[1200] = format!("{IDP},bob,yesterday");
    lines[1400] = format!("https://other.example,carol,{time}");
    companion.directory.write("pairs.csv", &lines.join("\n"));
    let stopped = companion.run(&["import", "pairs.csv"]);
    assert_eq!(stopped.status.code(), Some(1));
    let text = err(&stopped);
    assert!(text.contains("line 1201: `yesterday` is neither"), "{text}");
    assert!(text.contains("imported 1198 signals") && text.contains("from line 1201 on"), "{text}");
    let arguments = ["import", "pairs.csv", "--keep-going", "--rejects", "rejects.csv"];
    let went_on = companion.run(&arguments);
    assert_eq!(went_on.status.code(), Some(1), "lines are missing, so it is not done");
    let text = err(&went_on);
    for expected in [
        "line 1201: `yesterday` is neither",
        "line 1401: this transmitter may not speak for issuer `https://other.example`",
        "imported 300 signals, 1198 were there before, 2 lines left out",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let rejects = companion.directory.read("rejects.csv");
    let expected = [&*lines[0], &*lines[1200], &*lines[1400]];
    assert_eq!(rejects.lines().collect::<Vec<_>>(), expected);
    companion.directory.write("headless.csv", &good(1));
    let headless = companion.run(&["import", "headless.csv", "--keep-going"]);
    assert!(err(&headless).contains("line 1: column `https://idp.example.com`"), "{headless:?}");
}

#[test]
fn only_the_operator_imports_and_a_part_has_its_limits() {
    let companion = Companion::started();
    let operator = companion.directory.read("operator.token");
    let post = |token: &str, query: &str, body: String| {
        let request = support::agent().post(companion.url(&format!("/v1/import?{query}")));
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = request.content_type("text/plain").send(body).ok().map(support::answer)?;
        Some((answer.status, answer.json()))
    };
    let time = support::now();
    let lines = |count: usize| {
        let line = |n: usize| format!("{IDP},user-{n},{time}\n");
        std::iter::once("iss,sub,time\n".to_owned()).chain((1..count).map(line)).collect::<String>()
    };
    let stranger = companion.directory.read("gateway.token");
    assert_eq!(post(&stranger, "format=csv", lines(2)).unwrap().0, 401);
    for (query, body, status) in [
        ("format=csv", lines(1000), 200),
        ("format=csv", lines(1001), 413),
        ("format=xml", lines(2), 400),
        ("format=csv&at=noon", lines(2), 400),
        ("", String::new(), 200),
    ] {
        let (got, answer) = post(&operator, query, body).unwrap();
        assert_eq!(got, status, "{query}: {answer}");
    }
    // Refused by its length alone, perhaps while it is still sent.
    let beyond = post(&operator, "", "x".repeat(512 * 1024 + 1));
    assert!(beyond.is_none_or(|(status, _)| status == 413));
    let (_, at_limit) = post(&operator, "", "x".repeat(512 * 1024)).unwrap();
    assert_eq!(at_limit["wrong"][0]["line"], 1, "{at_limit}");
    let pair = json!({ "sub_id": { "format": "email", "email": "a@example.com" } }).to_string();
    let (_, answer) = post(&operator, &format!("at={time}"), pair.clone()).unwrap();
    assert_eq!(answer, json!({ "new": 1, "known": 0, "wrong": [] }));
    let (_, answer) = post(&operator, "", pair).unwrap();
    assert_eq!(
        answer["wrong"][0]["wrong"],
        "it has no time; add one, or give --at for all such lines"
    );
}

#[test]
fn an_import_that_a_crash_broke_off_is_continued_by_running_it_again() {
    let mut companion = Companion::started();
    let time = support::now();
    let line = |n: u32| format!("{IDP},user-{n},{time}\n");
    let pairs: String =
        std::iter::once("iss,sub,time\n".to_owned()).chain((0..40_000).map(line)).collect();
    companion.directory.write("pairs.csv", &pairs);
    let directory = companion.directory.0.clone();
    let import = std::thread::spawn(move || support::rescind(&directory, &["import", "pairs.csv"]));
    let status = |companion: &Companion| {
        let status = companion.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        status["head"].as_u64().unwrap()
    };
    support::wait_until("nothing is imported", || status(&companion) > 0);
    companion.sigkill();
    let broken_off = import.join().unwrap();
    assert_eq!(broken_off.status.code(), Some(1), "{broken_off:?}");
    assert!(err(&broken_off).contains("run the same command again to go on"), "{broken_off:?}");
    companion.start();
    let before = status(&companion);
    assert!((1..40_000).contains(&before), "{before}");
    let again = companion.run(&["import", "pairs.csv"]);
    let expected = format!("imported {} signals, {before} were there before\n", 40_000 - before);
    assert_eq!(out(&again), expected, "{again:?}");
    assert_eq!(status(&companion), 40_000);
}
