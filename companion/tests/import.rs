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
