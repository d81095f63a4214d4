//! `rescind doctor` names everything that is wrong with a SET and whose remedy it is.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod support;

use serde_json::{Value, json};
use support::{AUDIENCE, Companion, IDP, SESSION_REVOKED, Transmitter};

fn examined(companion: &Companion, set: &str, code: i32) -> String {
    companion.directory.write("set", set);
    let output = companion.run(&["doctor", "--set", "set"]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_good_set_would_be_accepted() {
    let companion = Companion::prepared();
    let text = examined(&companion, &companion.transmitter.set("fine", &json!({})), 0);
    assert_eq!(text, "good  SET fine of transmitter `idp` would be accepted\n");
}

#[test]
fn each_mistake_is_named_with_the_section_that_it_breaks() {
    let companion = Companion::prepared();
    let foreign = json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "a" });
    let nested =
        json!({ "format": "aliases", "identifiers": [{ "format": "aliases", "identifiers": [] }] });
    for (changes, error, section) in [
        (json!({ "aud": "https://elsewhere.example" }), "`aud` does not name", "SSF 1.0 §4.1.8"),
        (json!({ "sub": "alice" }), "claim `sub` must not stand", "SSF 1.0 §4.1.2"),
        (json!({ "exp": 1 }), "claim `exp` must not stand", "SSF 1.0 §4.1.7"),
        (json!({ "jti": null }), "claim `jti` is missing", "RFC 8417 §2.2"),
        (json!({ "iat": 1_700_000_000_000_u64 }), "looks like milliseconds", "NumericDate"),
        (json!({ "sub_id": null }), "claim `sub_id` is missing", "SSF 1.0 §3.1"),
        (json!({ "sub_id": nested }), "must not be nested", "RFC 9493 §3.2.8"),
        (json!({ "sub_id": foreign }), "may not speak for issuer", "configuration"),
        (json!({ "events": { SESSION_REVOKED: {}, "urn:x": {} } }), "2 members", "SSF 1.0 §4.2.1"),
        (
            json!({ "events": { "https://schemas.openid.net/secevent/caep/event-type/credential-change": {} } }),
            "event `credential-change` has no `credential_type`",
            "CAEP 1.0 §3.3",
        ),
    ] {
        let text = examined(&companion, &companion.transmitter.set("one", &changes), 1);
        assert!(text.contains(error) && text.contains(section), "{changes}: {text}");
        assert_eq!(text.matches("breaks:").count(), 1, "{changes}: {text}");
        assert_eq!(text.matches("answered:").count(), 1, "{changes}: {text}");
    }
    let forged = Transmitter::new().set("forged", &json!({}));
    assert!(examined(&companion, &forged, 1).contains("RFC 7515 §5.2"));
    assert!(examined(&companion, "not.a", 1).contains("breaks: RFC 7515 §7.1"));
}

#[test]
fn all_mistakes_are_named_at_once_and_the_profile_that_would_accept_the_set() {
    let companion = Companion::prepared();
    let many = json!({ "aud": null, "exp": 1, "sub": "x", "jti": "" });
    let text = examined(&companion, &companion.transmitter.set_of_type("JWT", "many", &many), 1);
    for error in ["`typ` is", "`aud`", "`exp`", "`sub`", "`jti` is empty"] {
        assert!(text.contains(error), "{error}: {text}");
    }
    // As Okta sends it.
    let okta = json!({ "sub_id": null, "events": { SESSION_REVOKED: {
        "event_timestamp": support::now() * 1000,
        "subject": { "user": { "format": "iss_sub", "iss": IDP, "sub": "alice" } },
    } } });
    let text = examined(&companion, &companion.transmitter.set("okta", &okta), 1);
    assert!(
        text.contains("looks like milliseconds") && text.contains("`sub_id` is missing"),
        "{text}"
    );
    assert!(text.contains("profile `okta` would accept it, `strict` is configured"), "{text}");
    assert!(!text.contains("alice"), "nobody's name is shown: {text}");
    let toml = companion.directory.read("rescind.toml") + "\nprofile = \"okta\"\n";
    companion.directory.write("rescind.toml", &toml);
    examined(&companion, &companion.transmitter.set("okta", &okta), 0);
}

#[test]
fn what_the_running_companion_refused_is_explained_and_its_surroundings_are_looked_at() {
    let mut companion = Companion::prepared();
    let before = companion.run(&["doctor"]);
    let text = String::from_utf8(before.stdout).unwrap();
    assert_eq!(before.status.code(), Some(1), "{text}");
    assert!(text.contains("WRONG the companion does not answer"), "{text}");
    companion.start();
    let healthy = companion.run(&["doctor"]);
    let text = String::from_utf8(healthy.stdout).unwrap();
    assert_eq!(healthy.status.code(), Some(0), "{text}");
    for expected in [
        "good  the configuration has no mistakes",
        "good  transmitter `idp`: 1 keys",
        "good  the companion answers, version",
        "look  gateway `edge-1` has not asked since the start",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let changes = json!({ "aud": Value::Null });
    assert_eq!(companion.push(&companion.transmitter.set("lost", &changes)).status, 400);
    let text = String::from_utf8(companion.run(&["doctor"]).stdout).unwrap();
    assert!(text.contains("1 or more SETs refused: `rescind doctor --refused`"), "{text}");
    let text = String::from_utf8(companion.run(&["doctor", "--refused"]).stdout).unwrap();
    assert!(text.contains("look  SET lost of transmitter `idp`:"), "{text}");
    assert!(text.contains("breaks: SSF 1.0 §4.1.8") && !text.contains(AUDIENCE), "{text}");
}
