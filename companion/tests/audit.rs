//! Refused SETs in the audit trail, against the real binary.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use support::{Companion, Transmitter};

fn refused(companion: &Companion) -> Vec<Value> {
    let output = companion.run(&["refused", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["notes"].as_array().unwrap().clone()
}

#[test]
fn a_refused_set_is_recorded_with_what_was_asked_by_whom_and_why_and_never_applied() {
    let mut companion = Companion::started();
    let foreign = json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "alice" });
    let set = companion.transmitter.set("foreign", &json!({ "sub_id": foreign }));
    assert_eq!(companion.push(&set).json()["err"], "access_denied");
    let set = companion.transmitter.set("no-audience", &json!({ "aud": null }));
    assert_eq!(companion.push(&set).json()["err"], "invalid_audience");
    let forged = Transmitter::new().set("forged", &json!({}));
    assert_eq!(companion.push(&forged).json()["err"], "invalid_key");
    let notes = refused(&companion);
    let mut found: Vec<_> = notes
        .iter()
        .map(|note| {
            let text = |name: &str| note[name].as_str().unwrap().to_owned();
            (text("jti"), text("code"), note["signature_good"].as_bool().unwrap())
        })
        .collect();
    found.sort();
    let expected = [
        ("foreign".to_owned(), "access_denied".to_owned(), true),
        ("forged".to_owned(), "invalid_key".to_owned(), false),
        ("no-audience".to_owned(), "invalid_audience".to_owned(), true),
    ];
    assert_eq!(found, expected);
    let note = notes.iter().find(|note| note["jti"] == "foreign").unwrap();
    assert_eq!((&note["transmitter"], &note["sub_id"]), (&json!("idp"), &foreign));
    assert!(note["reason"].as_str().unwrap().contains("https://other.example"), "{note}");
    assert_eq!(companion.page("").to, 0, "nothing was applied");

    // What its transmitter said stays; what anybody could have said does not.
    assert_eq!(companion.terminate(), Some(0));
    companion.start();
    let mut left: Vec<_> = refused(&companion).iter().map(|note| note["jti"].clone()).collect();
    left.sort_by_key(ToString::to_string);
    assert_eq!(left, [json!("foreign"), json!("no-audience")]);
    assert_eq!(companion.page("").to, 0);
    let table = String::from_utf8(companion.run(&["refused"]).stdout).unwrap();
    assert!(table.contains("access_denied") && table.contains("may not speak for"), "{table}");
}

#[test]
fn a_flood_of_refused_sets_is_noted_up_to_its_budget_and_answered_all_the_same() {
    let companion = Companion::started();
    // The budget is of the clock's hour: two at most are touched.
    for number in 0..300 {
        let changes = json!({ "aud": "https://elsewhere.example" });
        let set = companion.transmitter.set(&format!("flood-{number}"), &changes);
        assert_eq!(companion.push(&set).json()["err"], "invalid_audience");
    }
    let page = String::from_utf8(companion.get("/metrics", "").body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("rescind_notes_dropped_total "));
    let dropped: u64 = line.unwrap().parse().unwrap();
    assert!((60..=180).contains(&dropped), "{dropped} of 300 beyond 120 an hour");
    assert_eq!(refused(&companion).len(), 100, "one answer has the last hundred");
}

#[test]
fn an_accepted_set_of_which_no_token_can_know_is_counted_and_listed_until_a_mapping_says_otherwise()
{
    let mut companion = Companion::started();
    let phone = json!({ "format": "phone_number", "phone_number": "+15550100" });
    let changes = json!({ "sub_id": phone });
    assert_eq!(companion.push(&companion.transmitter.set("one", &changes)).status, 202);
    assert_eq!(companion.push(&companion.transmitter.set("usual", &json!({}))).status, 202);
    let unmatched = |companion: &Companion| {
        let output = companion.run(&["unmatched"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = unmatched(&companion);
    assert!(text.contains("one: no claim is mapped to `phone` for issuer"), "{text}");
    assert!(!text.contains("usual"), "{text}");
    let page = String::from_utf8(companion.get("/metrics", "").body).unwrap();
    assert!(page.contains("\nrescind_sets_unmatched_total 1\n"), "{page}");
    assert_eq!(companion.terminate(), Some(0));
    let toml = companion.directory.read("rescind.toml");
    let issuers = "\n[[issuers]]\nissuer = \"https://idp.example.com\"\n\
                   subject_claims = { phone = \"phone_number\", may_act = true }\n";
    companion.directory.write("rescind.toml", &format!("{toml}{issuers}"));
    companion.start();
    assert_eq!(companion.push(&companion.transmitter.set("two", &changes)).status, 202);
    let text = unmatched(&companion);
    assert!(text.contains("one: ") && !text.contains("two"), "{text}");
}
