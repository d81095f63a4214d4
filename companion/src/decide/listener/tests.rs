use http_body_util::Either;
use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::reply;

/// Runs `client` with its end of a connection to a listener that says yes to everything.
async fn connected<F: Future<Output = ()>>(client: impl FnOnce(DuplexStream) -> F) {
    let (near, far) = tokio::io::duplex(4096);
    let (_drain, draining) = watch::channel(false);
    let yes = |_| async { reply::text(StatusCode::OK, "yes").map(Either::Left) };
    let local = LocalSet::new();
    local.spawn_local(http(far, yes, draining));
    local.run_until(client(near)).await;
}

async fn status_of(mut client: DuplexStream, request: String) -> String {
    let (mut answers, mut requests) = tokio::io::split(client);
    // Whoever is refused may not be read to the end.
    let sent = async { requests.write_all(request.as_bytes()).await };
    let mut line = [0; 12];
    let (_sent, read) = tokio::join!(sent, answers.read_exact(&mut line));
    let text = read.map(|_| String::from_utf8_lossy(&line).into_owned());
    client = answers.unsplit(requests);
    drop(client);
    text.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn whoever_only_connects_or_says_half_a_word_is_gone_after_ten_seconds() {
    for said in [&b""[..], b"PRI * HTTP", b"GET /healthz HTTP/1.1\r\nx: "] {
        connected(|mut client| async move {
            let start = Instant::now();
            client.write_all(said).await.unwrap();
            let _nothing = client.read_to_end(&mut Vec::new()).await;
            assert_eq!(start.elapsed().as_secs(), FIRST_REQUEST_TIMEOUT.as_secs());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_may_keep_an_idle_connection_for_more_than_a_minute() {
    connected(|mut client| async move {
        let mut answer = [0; 4096];
        for pause in [0, 9, 74] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            client.write_all(b"GET /v1/check HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let length = client.read(&mut answer).await.unwrap();
            assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"), "after {pause} s");
        }
        let start = Instant::now();
        let _nothing = client.read_to_end(&mut Vec::new()).await;
        assert_eq!(start.elapsed().as_secs(), HEADER_TIMEOUT.as_secs());
    })
    .await;
}

#[tokio::test]
async fn a_header_is_read_up_to_its_limits_and_not_beyond() {
    let lines = |count: usize| "a: b\r\n".repeat(count);
    let long = |bytes: usize| format!("a: {}\r\n", "b".repeat(bytes));
    // Each connection is read in pieces, so the limit in bytes holds with some slack.
    for (header, answered) in [
        (lines(MAX_HEADERS), true),
        (lines(MAX_HEADERS + 1), false),
        (long(MAX_HEADER_BYTES - 1024), true),
        (long(MAX_HEADER_BYTES + 1024), false),
    ] {
        let request = format!("GET /v1/check HTTP/1.1\r\n{header}\r\n");
        connected(|client| async move {
            let said = status_of(client, request).await;
            assert_eq!(said == "HTTP/1.1 200", answered, "{said}");
            assert!(answered || said == "HTTP/1.1 431" || said.is_empty(), "{said}");
        })
        .await;
    }
}
