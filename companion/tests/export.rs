//! `rescind export` of the live table and the audit trail, from a running and a stopped companion.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod support;

use serde_json::{Value, json};
use support::{Companion, IDP};

fn exported(companion: &Companion, arguments: &[&str]) -> String {
    let output = companion.run(&[&["export"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_audit_trail_and_the_live_table_are_the_same_from_a_running_and_a_stopped_companion() {
    let mut companion = Companion::started();
    // More than one page.
    for number in 0..620 {
        let set = companion.transmitter.set(&format!("jti-{number}"), &json!({}));
        assert_eq!(companion.push(&set).status, 202);
    }
    let elsewhere = companion.transmitter.set("elsewhere", &json!({ "aud": "https://x.example" }));
    assert_eq!(companion.push(&elsewhere).status, 400);
    let running = ["audit", "live"].map(|what| exported(&companion, &[what]));
    let running_csv = exported(&companion, &["audit", "--format", "csv"]);
    assert_eq!(companion.terminate(), Some(0));
    let stopped = ["audit", "live"].map(|what| exported(&companion, &[what]));
    assert_eq!(running, stopped);
    assert_eq!(running_csv, exported(&companion, &["audit", "--format", "csv"]));

    let audit = lines(&running[0]);
    assert_eq!(audit.len(), 621);
    for (number, entry) in audit.iter().take(620).enumerate() {
        let expected = ("accepted", number + 1, format!("jti-{number}"));
        let found =
            (entry["kind"].as_str().unwrap(), &entry["number"], entry["jti"].as_str().unwrap());
        assert_eq!((found.0, found.1, found.2), (expected.0, &json!(expected.1), &*expected.2));
        assert_eq!(entry["sub_id"], json!({ "format": "iss_sub", "iss": IDP, "sub": expected.2 }));
    }
    let refused = audit.last().unwrap();
    assert_eq!(
        (&refused["kind"], &refused["code"]),
        (&json!("refused"), &json!("invalid_audience"))
    );
    assert_eq!(refused["set"].as_str(), Some(&*elsewhere));
    let live = lines(&running[1]);
    assert_eq!(live.len(), 620);
    assert!(
        live.iter().all(|record| record["fact"] == "revoked_before" && record["holds"] == true)
    );
    assert_eq!(live[7]["sub_id"]["sub"], live[7]["jti"], "a record leads to who is meant");
    assert_eq!(running_csv.lines().count(), 622);
    assert!(running_csv.starts_with("kind,number,at,transmitter,iss,jti,"), "{running_csv}");
}

#[test]
fn what_was_exported_is_imported_again_into_another_companion() {
    let mut companion = Companion::started();
    for number in 0..5 {
        let set = companion.transmitter.set(&format!("jti-{number}"), &json!({}));
        assert_eq!(companion.push(&set).status, 202);
    }
    exported(&companion, &["audit", "--out", "audit.ndjson"]);
    let before = companion.page("").records;
    assert_eq!(companion.terminate(), Some(0));
    std::fs::remove_file(companion.directory.0.join("rescind.redb")).unwrap();
    let output = companion.run(&["import", "audit.ndjson"]);
    assert_eq!(output.stdout, b"imported 5 signals, 0 were there before\n", "{output:?}");
    companion.start();
    assert_eq!(companion.page("").records, before);
}

#[test]
fn only_the_operator_exports() {
    let companion = Companion::started();
    for list in ["live", "accepted", "notes"] {
        let path = format!("/v1/export/{list}");
        assert_eq!(companion.get(&path, &companion.directory.read("gateway.token")).status, 401);
        assert_eq!(companion.get(&path, &companion.directory.read("operator.token")).status, 200);
    }
    let operator = companion.directory.read("operator.token");
    assert_eq!(companion.get("/v1/export/secrets", &operator).status, 400);
    assert_eq!(companion.get("/v1/export/live?after=x", &operator).status, 400);
}
