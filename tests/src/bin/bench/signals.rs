//! From the companion's `202` to the first refused request.
//!
//! For each of many users: the user's token passes, a `session-revoked` SET about the user is pushed,
//! and from the moment the `202` is read the token is used again and again until it is refused. The
//! figure is the time from the `202` to the refusal's last byte, so it includes one request's latency.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rescind_e2e::load::Connection;
use rescind_e2e::transmitter::{SESSION_REVOKED, Transmitter, iss_sub};
use serde_json::json;

use crate::report::quantile;
use crate::setup::{ISSUER, Setup, request, token};

/// A refusal that takes longer than this is a failure, not a figure.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Measures `count` signals; returns a line for the report.
pub(crate) fn measure(setup: &Setup, count: usize) -> io::Result<String> {
    let run = setup.run("rescind, token seen before");
    let companion = SocketAddr::from((Ipv4Addr::LOCALHOST, setup.tables[0].companion.port));
    let mut gateway = Connection::open(run.address)?;
    let mut push = Connection::open(companion)?;
    let mut taken = Vec::with_capacity(count);
    for number in 0..count {
        let user = format!("victim-{number}");
        let call = request(&token(&setup.key, &user));
        gateway.send(&call)?;
        assert_eq!(gateway.receive()?, 200, "{user} was refused before the signal");
        push.send(&push_request(&setup.transmitter, &user))?;
        assert_eq!(push.receive()?, 202, "the companion did not accept the signal");
        let accepted = Instant::now();
        loop {
            gateway.send(&call)?;
            if gateway.receive()? == 401 {
                break taken.push(accepted.elapsed());
            }
            assert!(accepted.elapsed() < TIMEOUT, "{user} still passes {TIMEOUT:?} later");
        }
    }
    taken.sort_unstable();
    let millis = |percent| quantile(&taken, percent).as_secs_f64() * 1e3;
    Ok(format!(
        "signal accepted (202) to first refused request, {count} signals: \
         p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        millis(50),
        millis(99),
        millis(100),
    ))
}

/// A push of a `session-revoked` about `user`, as bytes.
pub(crate) fn push_request(transmitter: &Transmitter, user: &str) -> Vec<u8> {
    let set =
        transmitter.sign(&transmitter.claims(SESSION_REVOKED, &iss_sub(ISSUER, user), &json!({})));
    format!(
        "POST /v1/push/{} HTTP/1.1\r\nhost: rescind.example.com\r\n\
         authorization: Bearer {}\r\ncontent-type: application/secevent+jwt\r\n\
         accept: application/json\r\ncontent-length: {}\r\n\r\n{set}",
        transmitter.name,
        transmitter.push_token,
        set.len(),
    )
    .into_bytes()
}
