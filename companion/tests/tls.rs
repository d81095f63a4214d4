//! TLS, the operator's commands over it, and limits on connections, against the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use support::{Companion, IDP, agent, wait_until};

/// A companion whose certificate for `127.0.0.1` is signed by the authority in `ca.pem`.
fn with_tls() -> Companion {
    let companion = Companion::prepared();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    companion.directory.write("ca.pem", &ca.pem());
    companion.directory.write("own.pem", &own.pem());
    companion.directory.write("own.key.pem", &key.serialize_pem());
    let tls = "[server.tls]\ncertificate_file = \"own.pem\"\nkey_file = \"own.key.pem\"\n[journal]";
    let configuration = support::configuration(companion.port).replace("[journal]", tls);
    companion.directory.write("rescind.toml", &configuration);
    companion
}

#[test]
fn the_operators_commands_reach_a_companion_over_tls_with_a_given_ca() {
    let mut companion = with_tls();
    companion.spawn(&[]);
    let ca = ["--ca", "ca.pem"];
    wait_until("status over TLS", || {
        companion.run(&[&["status"], &ca[..]].concat()).status.success()
    });
    let revoke = ["revoke", "--user", IDP, "alice", "--json", "--ca", "ca.pem"];
    let made: Value = serde_json::from_slice(&companion.run(&revoke).stdout).unwrap();
    let jti = made[0]["jti"].as_str().unwrap();
    let shown = companion.run(&["show", jti, "--ca", "ca.pem"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["set"]["sub_id"]["sub"], "alice");
    let url = format!("https://127.0.0.1:{}", companion.port);
    let named = ["status", "--config", "none", "--url", &url, "--token-file", "operator.token"];
    assert!(companion.run(&[&named[..], &ca].concat()).status.success());
    let untrusted = companion.run(&named);
    assert_eq!(untrusted.status.code(), Some(1), "no certificate of a public authority");
    assert!(String::from_utf8_lossy(&untrusted.stderr).contains("certificate"), "{untrusted:?}");
    let other = companion.run(&["status", "--ca", "operator.token"]);
    assert_eq!(other.status.code(), Some(64), "not a PEM file");
    let plain = format!("http://127.0.0.1:{}", companion.port);
    let plain = companion.run(&["status", "--url", &plain]);
    assert_eq!(plain.status.code(), Some(1), "no answer without TLS");
    assert_eq!(companion.terminate(), Some(0));
}

#[test]
fn idle_connections_are_bounded_and_make_room_for_others() {
    let mut companion = Companion::prepared();
    // 64 descriptors are not for connections, so there is room for 16.
    companion.start_with(&["sh", "-c", "ulimit -n 80; exec \"$0\" \"$@\""]);
    let connect = || TcpStream::connect(("127.0.0.1", companion.port)).unwrap();
    let idle: Vec<_> = (0..40).map(|_| connect()).collect();
    let mut waiting = connect();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut answer = [0; 12];
    assert!(waiting.read_exact(&mut answer).is_err(), "there is no room");
    drop(idle);
    waiting.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    waiting.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(companion.push(&companion.transmitter.set("one", &json!({}))).status, 202);
    assert!(companion.directory.read("log").contains("connections=16"));
}

#[test]
fn a_port_in_use_is_an_error_and_the_journal_stays_untouched() {
    let companion = Companion::started();
    let other = Companion::prepared();
    other.directory.write("rescind.toml", &support::configuration(companion.port));
    let output = other.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen on 127.0.0.1"));
    assert!(!other.directory.0.join("rescind.redb").exists());
}

#[test]
fn the_port_answers_while_the_journal_is_replayed() {
    let mut companion = Companion::prepared();
    let mut lines = String::new();
    for n in 0..40_000 {
        let sub_id = json!({"format": "iss_sub", "iss": IDP, "sub": format!("user-{n}")});
        lines.push_str(&format!(
            "{}\n",
            json!({ "sub_id": sub_id, "event_timestamp": support::now() })
        ));
    }
    companion.directory.write("lines", &lines);
    assert!(companion.run(&["import", "lines"]).status.success());
    companion.spawn(&[]);
    let mut seen = Vec::new();
    wait_until("never ready", || {
        let request = agent().get(companion.url("/readyz"));
        let status = request.call().map_or(0, |answer| answer.status().as_u16());
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        status == 200
    });
    seen.retain(|status| *status != 0);
    assert_eq!(seen, [503, 200]);
    assert_eq!(companion.page("").live, 40_000);
    assert_eq!(companion.terminate(), Some(0));
    let compacted = companion.run(&["compact"]);
    let text = String::from_utf8(compacted.stdout).unwrap();
    assert!(text.starts_with("40000 entries: "), "{text}");
}
