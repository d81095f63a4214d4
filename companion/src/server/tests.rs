use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::*;

/// A client's end of a connection to a companion that is still starting.
fn connect(buffer: usize) -> (DuplexStream, tokio::task::JoinHandle<()>, watch::Sender<bool>) {
    let (client, server) = tokio::io::duplex(buffer);
    let (drain, draining) = watch::channel(false);
    let front = Arc::new(Front::new(Arc::new(Metrics::default())));
    let task = tokio::spawn(async move { http(server, &front, draining).await });
    (client, task, drain)
}

async fn closed_after(mut client: DuplexStream) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let _answer_or_nothing = client.read_to_end(&mut rest).await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_only_connects_is_gone_after_ten_seconds() {
    let (client, task, _drain) = connect(1024);
    assert_eq!(closed_after(client).await.as_secs(), FIRST_REQUEST_TIMEOUT.as_secs());
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_header_that_trickles_does_not_hold_the_connection() {
    let (mut client, task, _drain) = connect(1024);
    let start = Instant::now();
    client.write_all(b"GET /healthz HTTP/1.1\r\nx: ").await.unwrap();
    while client.write_all(b"a").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    task.await.unwrap();
    assert!(start.elapsed() <= FIRST_REQUEST_TIMEOUT + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_idle_for_a_minute_between_requests() {
    let (mut client, task, _drain) = connect(4096);
    let mut answer = [0; 4096];
    for pause in [0, 9, 59] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        client.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let length = client.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"), "after {pause} s");
    }
    assert_eq!(closed_after(client).await.as_secs(), HEADER_TIMEOUT.as_secs());
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_never_reads_is_given_up() {
    let (mut client, task, _drain) = connect(64);
    let start = Instant::now();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    while client.write_all(request).await.is_ok() {}
    task.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn headers_have_a_limit() {
    let fits = "a".repeat(MAX_HEADER_BYTES - 200);
    let long = "a".repeat(MAX_HEADER_BYTES);
    let many = "x: y\r\n".repeat(MAX_HEADERS + 1);
    let cases = [
        (format!("x: {fits}\r\n"), "HTTP/1.1 200"),
        (format!("x: {long}\r\n"), "HTTP/1.1 431"),
        ("x: y\r\n".repeat(MAX_HEADERS - 1), "HTTP/1.1 200"),
        (many, "HTTP/1.1 431"),
    ];
    for (headers, expected) in cases {
        let (mut client, _task, drain) = connect(64 * 1024);
        let request = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), expected, "{}", headers.len());
        drop(drain);
    }
}

#[tokio::test]
async fn while_the_journal_is_replayed_only_healthz_says_yes() {
    for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/v1/feed", 503), ("/x", 503)] {
        let (mut client, _task, _drain) = connect(4096);
        let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        let retry = answer.contains("retry-after: 5");
        assert_eq!(retry, status == 503 && path != "/readyz", "{path}: {answer}");
    }
}

#[test]
fn there_is_room_for_fewer_connections_than_open_files() {
    let limits = std::fs::read_to_string(PathBuf::from("/proc/self/limits")).unwrap();
    assert!(limits.contains("Max open files"), "the line that `room` reads");
    assert!((1..=MAX_CONNECTIONS).contains(&room()));
}
