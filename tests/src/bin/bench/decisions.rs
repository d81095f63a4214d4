//! Decisions by the companion, for gateways without Wasm: processor time of each, and how long a
//! gateway waits. The clients are on the same machine and take their share of it.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rescind_e2e::deciding::{Deciding, secret};
use rescind_e2e::{cpu, load, wait};
use serde_json::json;

use crate::report::quantile;

/// Decisions of each measurement.
const DECISIONS: usize = 40_000;

/// Connections that a gateway keeps.
const CONNECTIONS: usize = 8;

/// Tokens of the measurement in which every one is new.
const TOKENS: usize = 2_000;

/// Measures; returns lines for the report.
pub(crate) fn measure() -> io::Result<String> {
    let mut site = Deciding::start("headers", json!({ "limits": { "token_cache_entries": 100 } }));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, site.port));
    let known = vec![question(&site.issuer.token("alice"))];
    let ready = || load::latencies(address, &known, 1, 200).ok().map(drop);
    wait::until("decisions", wait::START, ready);
    let new: Vec<_> =
        (0..TOKENS).map(|n| question(&site.issuer.token(&format!("user-{n}")))).collect();
    let pid = site.companion.process().id();
    let mut text = String::new();
    for (name, requests, count) in
        [("token seen before", &known, DECISIONS), ("new ES256 token", &new, 2 * TOKENS)]
    {
        load::run(address, CONNECTIONS, requests, 0, count / 10, 200)?;
        let (before, start) = (cpu::used(pid, ""), Instant::now());
        load::run(address, CONNECTIONS, requests, 0, count, 200)?;
        let used = cpu::used(pid, "").saturating_sub(before);
        let elapsed = start.elapsed();
        let many: Vec<_> = requests.iter().cycle().take(count).cloned().collect();
        let together = load::at_once(address, CONNECTIONS, &many, 200)?;
        let alone = load::latencies(address, requests, count / 4, 200)?;
        let each = |time: Duration| time.as_secs_f64() / count as f64;
        let micros = |taken: &[Duration], percent| quantile(taken, percent).as_micros();
        let _infallible = writeln!(
            text,
            "decision over HTTP, {name}: {:.1} µs of processor time, {:.0} a second and core \
             ({:.0} a second came through); alone p50 {} µs, p99 {} µs; {CONNECTIONS} at a time \
             p50 {} µs, p99 {} µs",
            each(used) * 1e6,
            each(used).recip(),
            each(elapsed).recip(),
            micros(&alone, 50),
            micros(&alone, 99),
            micros(&together, 50),
            micros(&together, 99),
        );
    }
    Ok(text)
}

fn question(token: &str) -> Vec<u8> {
    let (secret, bearer) = (secret(), format!("Bearer {token}"));
    load::get(
        "/v1/check",
        &[
            ("x-rescind-caller", &secret),
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders"),
            ("x-original-host", "api.example.com"),
            ("authorization", &bearer),
        ],
    )
}
