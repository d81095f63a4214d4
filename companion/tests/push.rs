//! Push delivery (RFC 8935), against the real binary.

mod support;

use std::time::Duration;

use serde_json::json;
use support::{AUDIENCE, Companion, IDP, PUSH_TOKEN, SESSION_REVOKED, Transmitter, now};

#[test]
fn an_accepted_set_is_answered_202_without_a_body_and_is_in_the_feed_right_then() {
    let companion = Companion::started();
    let answer = companion.push(&companion.transmitter.set("one", &json!({})));
    assert_eq!((answer.status, answer.body), (202, vec![]));
    let page = companion.page("gateway=edge-1");
    assert_eq!((page.from, page.to, page.more, page.records.len()), (0, 1, false, 1));
    assert_eq!(page.records[0].fact.signal, rescind_core::set::signal_id(IDP, "one"));
}

#[test]
fn a_repeat_is_answered_as_the_first_time_and_changes_nothing() {
    let mut companion = Companion::started();
    let set = companion.transmitter.set("one", &json!({}));
    assert_eq!(companion.push(&set).status, 202);
    let before = companion.feed("");
    assert_eq!(companion.push(&set).status, 202);
    // The same name with another content is a repeat as well.
    assert_eq!(companion.push(&companion.transmitter.set("one", &json!({"txn": "t"}))).status, 202);
    assert_eq!(companion.feed("")["to"], before["to"]);
    companion.sigkill();
    companion.start();
    assert_eq!(companion.push(&set).status, 202);
    let after = companion.feed("");
    assert_eq!((&after["to"], &after["records"]), (&before["to"], &before["records"]));
}

#[test]
fn a_repeat_is_accepted_after_the_authority_was_narrowed_and_stays_in_force() {
    let mut companion = Companion::started();
    let set = companion.transmitter.set("one", &json!({}));
    assert_eq!(companion.push(&set).status, 202);
    let before = companion.feed("");
    assert_eq!(companion.terminate(), Some(0));
    let narrow = support::configuration(companion.port).replace(
        "algorithms = [\"ES256\"]\nauthority_issuers = [\"https://idp.example.com\"]",
        "algorithms = [\"ES256\"]\nauthority_issuers = [\"https://other.example.com\"]",
    );
    companion.directory.write("rescind.toml", &narrow);
    companion.start();
    assert_eq!(companion.push(&set).status, 202, "a repeat is answered as the first time");
    let new = companion.push(&companion.transmitter.set("two", &json!({})));
    assert_eq!((new.status, &new.json()["err"]), (400, &json!("access_denied")));
    let after = companion.feed("");
    assert_eq!((&after["to"], &after["records"]), (&before["to"], &before["records"]));
}

#[test]
fn what_was_answered_202_survives_sigkill() {
    let mut companion = Companion::started();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let sets: Vec<_> = (0..400)
            .map(|n| format!("r{round}-{n}"))
            .map(|jti| (companion.transmitter.set(&jti, &json!({})), jti))
            .collect();
        let heard = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for share in sets.chunks(100) {
                let (companion, heard) = (&companion, &heard);
                scope.spawn(move || {
                    for (set, jti) in share {
                        let media_type = "application/secevent+jwt";
                        match companion.push_as(PUSH_TOKEN, media_type, set.as_bytes()) {
                            Some(answer) if answer.status == 202 => {
                                heard.lock().unwrap().push(jti.clone());
                            }
                            _ => return,
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(60));
            companion.signal("KILL");
        });
        acknowledged.extend(heard.into_inner().unwrap());
        companion.sigkill();
        companion.start();
        let page = companion.page("");
        for jti in &acknowledged {
            let signal = rescind_core::set::signal_id(IDP, jti);
            assert!(page.records.iter().any(|r| r.fact.signal == signal), "{jti} is lost");
        }
    }
    assert!(!acknowledged.is_empty(), "nothing was acknowledged: the test shows nothing");
}

#[test]
fn each_wrong_set_is_refused_with_its_code() {
    let companion = Companion::started();
    let transmitter = &companion.transmitter;
    let stranger = Transmitter::new();
    let unknown = Transmitter(Transmitter::new().0.with_key_id("key-2"));
    let none = json!({});
    let set = |changes| transmitter.set("x", &changes);
    let (forged, unknown_kid) = (stranger.set("x", &none), unknown.set("x", &none));
    let wrong_type = transmitter.set_of_type("JWT", "x", &none);
    let two = json!({"events": {SESSION_REVOKED: {}, "https://example.com/other": {}}});
    let millis = json!({"events": {SESSION_REVOKED: {"event_timestamp": now() * 1000}}});
    let foreign = json!({"sub_id": {"format": "iss_sub", "iss": "https://other", "sub": "x"}});
    let cases = [
        ("no SET", "invalid_request", "nonsense".to_owned()),
        ("another type", "invalid_request", wrong_type),
        ("a forged signature", "invalid_key", forged),
        ("an unknown kid", "invalid_key", unknown_kid),
        ("another issuer", "invalid_issuer", set(json!({"iss": "https://other"}))),
        ("another audience", "invalid_audience", set(json!({"aud": "https://other"}))),
        ("no audience", "invalid_audience", set(json!({"aud": null}))),
        ("no jti", "invalid_request", set(json!({"jti": null}))),
        ("no iat", "invalid_request", set(json!({"iat": null}))),
        ("an exp", "invalid_request", set(json!({"exp": now() + 60}))),
        ("a sub", "invalid_request", set(json!({"sub": "x"}))),
        ("no subject", "invalid_request", set(json!({"sub_id": null}))),
        ("no event", "invalid_request", set(json!({"events": {}}))),
        ("two events", "invalid_request", set(two)),
        ("milliseconds", "invalid_request", set(millis)),
        ("an iat in the future", "invalid_request", set(json!({"iat": now() + 3600}))),
        ("a subject of somebody else's", "access_denied", set(foreign)),
    ];
    for (what, code, body) in cases {
        let answer = companion.push(&body);
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert_eq!(answer.header("content-language"), Some("en"), "{what}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
        assert_eq!(answer.json()["err"], code, "{what}: {}", answer.json());
        assert!(answer.json()["description"].as_str().is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(companion.feed("")["to"], 0, "nothing was kept");
    // One of several audiences is enough.
    let several = json!({"aud": ["https://other", AUDIENCE]});
    assert_eq!(companion.push(&set(several)).status, 202);
}

#[test]
fn a_transmitter_with_a_profile_is_read_as_it_says_and_no_other() {
    let mut companion = Companion::prepared();
    let okta = support::configuration(companion.port)
        .replace("algorithms = [", "profile = \"okta\"\nalgorithms = [");
    let user = json!({"user": {"format": "iss_sub", "iss": IDP, "sub": "alice"}});
    let event = json!({"subject": user, "event_timestamp": now() * 1000});
    let older = json!({"sub_id": null, "events": {SESSION_REVOKED: event}});
    let set = companion.transmitter.set("older", &older);
    companion.start();
    assert_eq!(companion.push(&set).json()["err"], "invalid_request");
    assert_eq!(companion.terminate(), Some(0));
    companion.directory.write("rescind.toml", &okta);
    companion.start();
    assert_eq!(companion.push(&set).status, 202);
    assert_eq!(companion.page("").records.len(), 1);
    let foreign = companion.transmitter.set("foreign", &json!({"aud": "https://other"}));
    assert_eq!(companion.push(&foreign).json()["err"], "invalid_audience");
}

#[test]
fn the_keys_and_the_issuer_of_one_transmitter_are_worth_nothing_at_another() {
    let mut companion = Companion::prepared();
    let soc = Transmitter::new();
    companion.directory.write("soc.jwks.json", &soc.jwks());
    companion.directory.write("soc.push.token", "push-token-of-the-soc");
    let issuer = "https://soc.example.com";
    let second = format!(
        "{}\n[[transmitters]]\nname = \"soc\"\nissuer = \"{issuer}\"\n\
         audiences = [\"{}\"]\npush_token_file = \"soc.push.token\"\n\
         jwks_file = \"soc.jwks.json\"\nalgorithms = [\"ES256\"]\n\
         authority_issuers = [\"{IDP}\"]\n",
        support::configuration(companion.port),
        AUDIENCE,
    );
    companion.directory.write("rescind.toml", &second);
    companion.start();
    let own = json!({ "iss": issuer });
    let push = |name: &str, token: &str, set: &str| {
        let request = support::agent().post(companion.url(&format!("/v1/push/{name}")));
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = request.content_type("application/secevent+jwt").send(set);
        let answer = support::answer(answer.unwrap());
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    // Both publish a key under the same `kid`.
    for (name, token, set, code) in [
        ("idp", PUSH_TOKEN, soc.set("signed-by-another", &json!({})), "invalid_key"),
        ("idp", PUSH_TOKEN, soc.set("of-another", &own), "invalid_issuer"),
        (
            "idp",
            "push-token-of-the-soc",
            companion.transmitter.set("shown-by-another", &json!({})),
            "authentication_failed",
        ),
        ("soc", "push-token-of-the-soc", companion.transmitter.set("signed", &own), "invalid_key"),
    ] {
        let (status, body) = push(name, token, &set);
        assert!(status >= 400 && body.contains(code), "{name} {code}: {status} {body}");
    }
    assert_eq!(push("soc", "push-token-of-the-soc", &soc.set("own", &own)).0, 202);
    assert_eq!(companion.page("").to, 1, "only its own");
}

#[test]
fn a_transmitter_says_only_what_its_authority_lists_and_repeats_nothing_else() {
    let mut companion = Companion::prepared();
    let limits = "authority_events = [\"session-revoked\"]\nauthority_formats = [\"email\"]\n\
                  authority_tenants = [\"t1\"]\nauthority_trust_domains = [\"example.org\"]\n\
                  algorithms = [";
    let limited = support::configuration(companion.port).replace("algorithms = [", limits);
    companion.directory.write("rescind.toml", &limited);
    companion.start();
    let user = json!({"format": "email", "email": "al@example.com"});
    let subject = |user: &serde_json::Value, tenant: &str| json!({"format": "complex", "user": user, "tenant": {"format": "email", "email": tenant}});
    let disabled = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
    let presented = "https://schemas.openid.net/secevent/caep/event-type/session-presented";
    let named = json!({"format": "opaque", "id": "al"});
    let cases = [
        (SESSION_REVOKED, subject(&user, "t1"), 202),
        (SESSION_REVOKED, subject(&user, "t2"), 400),
        (SESSION_REVOKED, user.clone(), 400),
        (SESSION_REVOKED, subject(&named, "t1"), 400),
        (disabled, subject(&user, "t1"), 400),
        // Without an effect: recorded.
        (presented, named.clone(), 202),
    ];
    for (number, (event, subject, status)) in cases.into_iter().enumerate() {
        let changes = json!({"sub_id": subject, "events": {event: {}}});
        let answer = companion.push(&companion.transmitter.set(&format!("{number}"), &changes));
        assert_eq!(answer.status, status, "{number}: {answer:?}");
        if status == 400 {
            assert_eq!(answer.json()["err"], "access_denied", "{number}");
        }
    }
    assert_eq!((companion.page("").to, companion.page("").records.len()), (2, 1));
    assert!(companion.directory.read("log").contains("access_denied"), "it can be audited");
}

#[test]
fn a_push_without_the_transmitters_token_is_401_whatever_it_says() {
    let companion = Companion::started();
    let set = companion.transmitter.set("one", &json!({}));
    let operator = companion.directory.read("operator.token");
    for token in ["", "wrong", "push-token-of-the-idp2", &operator] {
        for body in [set.as_bytes(), b"nonsense"] {
            let answer = companion.push_as(token, "application/secevent+jwt", body).unwrap();
            assert_eq!(answer.status, 401, "{token}");
            assert_eq!(answer.json()["err"], "authentication_failed");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"rescind\""));
        }
    }
    assert_eq!(companion.feed("")["to"], 0);
}

#[test]
fn the_request_itself_has_to_be_right() {
    let companion = Companion::started();
    let set = companion.transmitter.set("one", &json!({}));
    let answer = companion.push_as(PUSH_TOKEN, "application/json", set.as_bytes()).unwrap();
    assert_eq!((answer.status, &answer.json()["err"]), (400, &json!("invalid_request")));
    let long = vec![b'a'; 64 * 1024];
    let at_limit = companion.push_as(PUSH_TOKEN, "application/secevent+jwt", &long).unwrap();
    assert_eq!(at_limit.status, 400, "read in full, and found to be no SET");
    let long = vec![b'a'; 64 * 1024 + 1];
    let beyond = companion.push_as(PUSH_TOKEN, "application/secevent+jwt", &long);
    assert_eq!(beyond.unwrap().status, 413);
    assert_eq!(companion.get("/v1/push/idp", PUSH_TOKEN).status, 405);
    assert_eq!(companion.get("/v1/nothing", "").status, 404);
    let typed = companion.push_as(PUSH_TOKEN, "Application/SecEvent+JWT; x=y", set.as_bytes());
    assert_eq!(typed.unwrap().status, 202, "media types have no case, and may have parameters");
}

#[test]
fn a_new_key_in_the_file_is_found_when_its_kid_is_first_seen() {
    let companion = Companion::started();
    let rotated = Transmitter(Transmitter::new().0.with_key_id("key-2"));
    companion.directory.write("idp.jwks.json", "broken");
    std::thread::sleep(Duration::from_millis(1200));
    let old = companion.transmitter.set("old", &json!({}));
    assert_eq!(companion.push(&old).status, 202, "the last good set stays");
    companion.directory.write("idp.jwks.json", &rotated.jwks());
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(companion.push(&rotated.set("new", &json!({}))).status, 202);
}

#[test]
fn no_token_no_set_and_no_secret_is_ever_logged() {
    let companion = Companion::started();
    let set = companion.transmitter.set("one", &json!({}));
    assert_eq!(companion.push(&set).status, 202);
    let forged = Transmitter::new().set("secret-subject", &json!({}));
    assert_eq!(companion.push(&forged).status, 400);
    companion.push_as("guessed-token-value", "application/secevent+jwt", set.as_bytes());
    let operator = companion.directory.read("operator.token");
    let gateway = companion.directory.read("gateway.token");
    companion.page("");
    companion.get("/v1/status", &operator);
    let log = companion.directory.read("log");
    let parts = set.split('.').chain(forged.split('.').skip(1)).map(str::to_owned);
    let subject_key = companion.directory.read("subject.key");
    let secrets = [operator, gateway, PUSH_TOKEN.into(), "guessed-token-value".into(), subject_key];
    for secret in parts.chain(secrets) {
        assert!(!log.contains(&secret), "the log has {secret}:\n{log}");
    }
    assert!(log.contains("SET refused"), "{log}");
}
