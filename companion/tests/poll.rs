//! Poll delivery (RFC 8936), the real binary against a small poll transmitter.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use support::peer::{Said, certified, serve, serve_on};
use support::queue::Queue;
use support::{Companion, IDP, Transmitter, wait_until};

const TOKEN: &str = "token-for-the-transmitter";

/// A companion that is to poll `url`; not started.
fn polling(url: &str, more: &str) -> Companion {
    let companion = Companion::prepared();
    companion.directory.write("idp.api.token", TOKEN);
    let delivery = format!(
        "delivery = \"poll\"\npoll_url = \"{url}\"\n\
         authorization_token_file = \"idp.api.token\"\n{more}"
    );
    let configuration = support::configuration(companion.port)
        .replace("push_token_file = \"idp.push.token\"", &delivery);
    companion.directory.write("rescind.toml", &configuration);
    companion
}

fn transmitter(queue: &Arc<Queue>) -> u16 {
    let queue = Arc::clone(queue);
    serve(None, Arc::new(move |asked| queue.answer(asked)))
}

fn started(queue: &Arc<Queue>, more: &str) -> Companion {
    let mut companion = polling(&format!("http://127.0.0.1:{}/poll", transmitter(queue)), more);
    companion.start();
    companion
}

fn fill(queue: &Queue, companion: &Companion, count: usize) {
    for n in 0..count {
        let jti = format!("jti-{n}");
        queue.put(&jti, companion.transmitter.set(&jti, &json!({})));
    }
}

#[test]
fn polled_sets_are_in_the_feed_before_they_are_acknowledged_and_a_long_poll_brings_them_at_once() {
    let queue = Queue::new();
    let companion = started(&queue, "");
    wait_until("the first poll", || !queue.polls().is_empty());
    let first = &queue.polls()[0];
    assert_eq!(first.json(), json!({ "maxEvents": 100, "returnImmediately": false }));
    assert_eq!(first.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(first.header("content-type"), Some("application/json"));
    fill(&queue, &companion, 1);
    wait_until("acknowledged", || queue.acked() == ["jti-0"]);
    let page = companion.page("");
    assert_eq!((page.to, page.records.len()), (1, 1));
    assert_eq!(page.records[0].fact.signal, rescind_core::set::signal_id(IDP, "jti-0"));
    let status = companion.get("/v1/status", &companion.directory.read("operator.token")).json();
    assert_eq!(status["transmitters"][0]["delivery"], "poll");
    let push = companion.push(&companion.transmitter.set("pushed", &json!({})));
    assert_eq!(push.status, 404, "where is polled, nobody pushes");
}

#[test]
fn more_available_is_drained_at_once_in_pieces_of_max_events() {
    let queue = Queue::new();
    let companion = polling(
        &format!("http://127.0.0.1:{}/poll", transmitter(&queue)),
        "poll_max_events = 50\n",
    );
    fill(&queue, &companion, 500);
    let mut companion = companion;
    companion.start();
    let begin = Instant::now();
    wait_until("drained", || queue.waiting() == 0);
    let took = begin.elapsed();
    assert_eq!(companion.page("").to, 500);
    let polls = queue.polls();
    let sizes = polls.iter().map(|poll| poll.json()["ack"].as_array().map_or(0, Vec::len));
    assert_eq!(sizes.take(11).collect::<Vec<_>>(), [0, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50]);
    assert!(took < Duration::from_secs(5), "no pause between the pieces: {took:?}");
    let acked = queue.acked();
    let once: std::collections::BTreeSet<_> = acked.iter().collect();
    assert_eq!((acked.len(), once.len()), (500, 500), "each once");
    let metrics = String::from_utf8(companion.get("/metrics", "").body).unwrap();
    assert!(metrics.contains("rescind_poll_reports_total{as=\"ack\"} 500\n"), "{metrics}");
}

#[test]
fn what_is_refused_is_reported_with_the_code_of_rfc_8935_and_never_acknowledged() {
    let queue = Queue::new();
    let companion = started(&queue, "");
    let good = &companion.transmitter;
    let other = json!({ "iss": "https://other.example.com" });
    let foreign = Transmitter(Transmitter::new().0.with_key_id("unknown"));
    queue.put("issuer", good.set("issuer", &other));
    queue.put("audience", good.set("audience", &json!({ "aud": "somebody" })));
    queue.put("signature", Transmitter::new().set("signature", &json!({})));
    queue.put("kid", foreign.set("kid", &json!({})));
    queue.put("form", good.set("form", &json!({ "exp": 1 })));
    queue.put(
        "subject",
        good.set(
            "subject",
            &json!({ "sub_id": {
        "format": "iss_sub", "iss": "https://other.example.com", "sub": "x" } }),
        ),
    );
    queue.put("renamed", good.set("its-own-name", &json!({})));
    queue.put("good", good.set("good", &json!({})));
    wait_until("all are settled", || queue.waiting() == 0);
    assert_eq!(queue.acked(), ["good"]);
    let errors = queue.errors();
    for (jti, code) in [
        ("issuer", "invalid_issuer"),
        ("audience", "invalid_audience"),
        ("signature", "invalid_key"),
        ("kid", "invalid_key"),
        ("form", "invalid_request"),
        ("subject", "access_denied"),
        ("renamed", "invalid_request"),
    ] {
        assert_eq!(errors[jti]["err"], code, "{jti}");
        assert!(errors[jti]["description"].is_string(), "{jti}");
    }
    assert_eq!(companion.page("").to, 1);
    let reporting = queue.polls().into_iter().find(|poll| poll.json().get("setErrs").is_some());
    assert_eq!(reporting.unwrap().header("content-language"), Some("en"));
}

#[test]
fn a_crash_costs_repeats_and_no_set_is_lost_or_counted_twice() {
    let queue = Queue::new();
    let mut companion = started(&queue, "poll_max_events = 7\n");
    let sets: Vec<_> = (0..300)
        .map(|n| format!("jti-{n}"))
        .map(|jti| (companion.transmitter.set(&jti, &json!({})), jti))
        .collect();
    for (round, part) in sets.chunks(60).enumerate() {
        for (set, jti) in part {
            queue.put(jti, set.clone());
        }
        let before = queue.acked().len();
        wait_until("some are acknowledged", || queue.acked().len() >= before + round);
        companion.sigkill();
        for jti in queue.acked() {
            assert!(!jti.is_empty());
        }
        companion.start();
    }
    wait_until("drained", || queue.waiting() == 0);
    let page = companion.page("");
    assert_eq!((page.to, page.records.len()), (300, 300), "each exactly once");
}

#[test]
fn repeats_are_acknowledged_again_but_not_in_a_circle() {
    let queue = Queue::new();
    queue.deafen(true);
    let companion = started(&queue, "");
    fill(&queue, &companion, 1);
    wait_until("acknowledged twice", || queue.acked().len() >= 2);
    std::thread::sleep(Duration::from_millis(1500));
    let acked = queue.acked().len();
    assert!(acked <= 5, "{acked} in a second and a half");
    queue.deafen(false);
    wait_until("heard at last", || queue.waiting() == 0);
    assert_eq!(companion.page("").to, 1);
}

#[test]
fn a_failing_transmitter_is_given_the_pause_it_asks_for_and_then_asked_again() {
    let queue = Queue::new();
    queue.answer_once(Said::empty(503).with("retry-after", "2"));
    queue.answer_once(Said { status: 200, headers: Vec::new(), body: "<html>".to_owned() });
    let mut companion = polling(&format!("http://127.0.0.1:{}/poll", transmitter(&queue)), "");
    companion.start();
    wait_until("the second poll", || queue.polls().len() >= 2);
    let log = companion.directory.read("log");
    assert!(log.contains("poll: failed") && log.contains("answered with status 503"), "{log}");
    fill(&queue, &companion, 1);
    wait_until("delivered", || queue.acked() == ["jti-0"]);
    let log = companion.directory.read("log");
    assert!(log.contains("poll: answered again"), "{log}");
    assert!(!log.contains(TOKEN), "a token in the log");
    let metrics = String::from_utf8(companion.get("/metrics", "").body).unwrap();
    assert!(metrics.contains("rescind_polls_total{outcome=\"failed\"} 2\n"), "{metrics}");
}

#[test]
fn a_transmitter_that_comes_back_is_polled_again_and_tls_is_checked() {
    let (queue, tls) = (Queue::new(), certified());
    let answers = Arc::clone(&queue);
    let port = serve(Some(Arc::clone(&tls.config)), Arc::new(move |asked| answers.answer(asked)));
    let url = format!("https://127.0.0.1:{port}/poll");
    // Without the authority's certificate nothing is sent, least of all the token.
    let mut untrusting = polling(&url, "");
    untrusting.start();
    wait_until("refused", || untrusting.directory.read("log").contains("poll: failed"));
    assert!(queue.polls().is_empty());
    drop(untrusting);
    let mut companion = polling(&url, "ca_file = \"transmitter.ca.pem\"\n");
    companion.directory.write("transmitter.ca.pem", &tls.ca_pem);
    companion.start();
    fill(&queue, &companion, 3);
    wait_until("acknowledged", || queue.acked().len() == 3);
    // A port where nobody listens, and then somebody does.
    let free = support::free_port();
    let mut waiting = polling(&format!("http://127.0.0.1:{free}/poll"), "");
    waiting.start();
    wait_until("refused", || waiting.directory.read("log").contains("poll: failed"));
    let late = Queue::new();
    fill(&late, &waiting, 1);
    let answers = Arc::clone(&late);
    let listener = std::net::TcpListener::bind(("127.0.0.1", free)).unwrap();
    serve_on(listener, None, Arc::new(move |asked| answers.answer(asked)));
    wait_until("delivered", || late.acked() == ["jti-0"]);
}

#[test]
fn an_access_token_is_got_by_client_credentials_and_renewed_when_it_is_not_taken_any_more() {
    let queue = Queue::new();
    let answers = Arc::clone(&queue);
    let asked_for = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked_for);
    let port = serve(
        None,
        Arc::new(move |asked| {
            let mut seen = seen.lock().unwrap();
            if asked.path == "/token" {
                seen.push(asked.clone());
                let token = format!("access-{}", seen.len());
                return Said::json(200, &json!({ "access_token": token, "token_type": "Bearer" }));
            }
            let newest = format!("Bearer access-{}", seen.len());
            // The first token stands for one that was withdrawn.
            if asked.header("authorization") != Some(&newest) || seen.len() == 1 {
                return Said::empty(401).with("www-authenticate", "Bearer error=\"invalid_token\"");
            }
            drop(seen);
            answers.answer(asked)
        }),
    );
    let base = format!("http://127.0.0.1:{port}");
    let mut companion = polling(&format!("{base}/poll"), "");
    companion.directory.write("client.secret", "s3cret");
    let configuration = companion
        .directory
        .read("rescind.toml")
        .replace("authorization_token_file = \"idp.api.token\"", "")
        + &format!(
            "\n[transmitters.oauth]\ntoken_url = \"{base}/token\"\nclient_id = \"rescind\"\n\
             client_secret_file = \"client.secret\"\nscope = \"ssf.read\"\n"
        );
    companion.directory.write("rescind.toml", &configuration);
    companion.start();
    fill(&queue, &companion, 1);
    wait_until("acknowledged", || queue.acked() == ["jti-0"]);
    let asked_for = asked_for.lock().unwrap();
    assert_eq!(asked_for.len(), 2, "one token, and one more after the 401");
    assert_eq!(asked_for[0].body, "grant_type=client_credentials&scope=ssf.read");
    assert_eq!(asked_for[0].header("authorization"), Some("Basic cmVzY2luZDpzM2NyZXQ="));
    let log = companion.directory.read("log");
    assert!(!log.contains("s3cret") && !log.contains("access-1"), "a secret in the log");
}
