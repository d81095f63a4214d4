use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const GOOD: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const ROTATED: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"b",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Serves its answers in turn, the last one for ever, and counts.
struct Jwks {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Jwks {
    fn serve(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _request = stream.read(&mut [0; 4096]).unwrap();
                let at = count.fetch_add(1, Ordering::SeqCst).min(answers.len().saturating_sub(1));
                stream.write_all(answers[at].as_bytes()).unwrap();
            }
        });
        Self { url, asked }
    }

    fn keys(&self) -> Arc<Keys> {
        let source = KeySource::Url(self.url.clone());
        Arc::new(Keys::new("idp", source, Outbound::new(&[]), Arc::new(Metrics::default())))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn kids(keys: &Keys) -> Vec<String> {
    let current = keys.current();
    let kids = current.iter().flat_map(|set| set.keys()).filter_map(|key| key.kid());
    kids.map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_fetch_is_tried_again_after_pauses_that_double() {
    let failing = answer("503 Service Unavailable", "", "");
    let jwks = Jwks::serve(vec![failing.clone(), failing.clone(), failing, ok(GOOD)]);
    let keys = jwks.keys();
    let start = Instant::now();
    let task = tokio::spawn(Arc::clone(&keys).keep_fresh());
    while keys.current().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    task.abort();
    assert_eq!(jwks.asked(), 4);
    let waited = start.elapsed();
    // 1 s, 2 s and 4 s, each shortened by up to a half.
    assert!((3.5..7.3).contains(&waited.as_secs_f64()), "{waited:?}");
    assert_eq!(kids(&keys), ["a"]);
}

#[tokio::test]
async fn whatever_comes_instead_of_a_better_set_the_last_good_one_stays() {
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(MAX_KEY_SET_BYTES));
    let bad = vec![
        ok("garbage"),
        ok(""),
        ok(r#"{"keys":[]}"#),
        ok(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#),
        ok(&long),
        answer("404 Not Found", "", GOOD),
        answer("302 Found", "location: /elsewhere\r\n", ""),
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"keys\"".to_owned(),
        "nonsense".to_owned(),
    ];
    let number = bad.len();
    let answers = [vec![ok(GOOD)], bad, vec![ok(ROTATED)]].concat();
    let jwks = Jwks::serve(answers);
    let keys = jwks.keys();
    assert!(keys.read().await);
    for round in 0..number {
        assert!(!keys.read().await, "answer {round}");
        assert_eq!(kids(&keys), ["a"], "answer {round}");
    }
    assert!(keys.read().await);
    assert_eq!(kids(&keys), ["b"]);
    assert_eq!(keys.metrics.value(Counter::KeysFailed), u64::try_from(number).unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_makes_the_url_be_asked_at_most_once_a_minute() {
    let jwks = Jwks::serve(vec![ok(GOOD), ok(ROTATED)]);
    let keys = jwks.keys();
    assert!(keys.read().await);
    keys.refresh_for_unknown_kid().await;
    assert_eq!((jwks.asked(), kids(&keys)), (2, vec!["b".to_owned()]));
    // Many at once, as a flood of forged SETs would.
    for _ in 0..100 {
        keys.refresh_for_unknown_kid().await;
    }
    tokio::time::advance(FORCED_EVERY - Duration::from_millis(1)).await;
    keys.refresh_for_unknown_kid().await;
    assert_eq!(jwks.asked(), 2);
    tokio::time::advance(Duration::from_millis(1)).await;
    keys.refresh_for_unknown_kid().await;
    assert_eq!(jwks.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_for_an_unknown_kid_share_one_fetch() {
    let jwks = Jwks::serve(vec![ok(GOOD)]);
    let keys = jwks.keys();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let keys = Arc::clone(&keys);
            tokio::spawn(async move { keys.refresh_for_unknown_kid().await })
        })
        .collect();
    for one in waiting {
        one.await.unwrap();
    }
    assert_eq!((jwks.asked(), kids(&keys)), (1, vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_good_set_is_asked_for_again_within_five_minutes() {
    let jwks = Jwks::serve(vec![ok(GOOD), ok(ROTATED)]);
    let keys = jwks.keys();
    let task = tokio::spawn(Arc::clone(&keys).keep_fresh());
    let start = Instant::now();
    while kids(&keys) != ["b"] {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    task.abort();
    let waited = start.elapsed();
    assert!(waited >= REFRESH / 2 && waited <= REFRESH + Duration::from_secs(2), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_metadata_of_the_configured_issuer_and_of_no_other_says_where_the_keys_are() {
    let jwks = Jwks::serve(vec![ok(GOOD)]);
    let metadata =
        |issuer: &str, keys: &str| ok(&format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#));
    for (document, expected) in [
        (metadata("https://a.example", &jwks.url), vec!["a"]),
        (metadata("https://a.example/", &jwks.url), vec![]),
        (metadata("https://a.example", "http://keys.example/jwks"), vec![]),
        (ok(r#"{"issuer":"https://a.example"}"#), vec![]),
        (ok("[]"), vec![]),
        (answer("404 Not Found", "", ""), vec![]),
    ] {
        let asked = jwks.asked();
        let url = Jwks::serve(vec![document.clone()]).url;
        let source = KeySource::Metadata { url, issuer: "https://a.example".to_owned() };
        let keys = Keys::new("idp", source, Outbound::new(&[]), Arc::new(Metrics::default()));
        keys.have_any().await;
        assert_eq!(kids(&keys), expected, "{document}");
        assert_eq!(jwks.asked() - asked, expected.len(), "another's keys are not asked for");
    }
}
