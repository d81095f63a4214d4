//! Durable ingest: ES256 SETs a second with concurrent pushes, and how long one push takes.
//!
//! `RESCIND_LOG=info cargo bench -p rescind-companion --bench ingest`. Client and companion share
//! the machine, so the figure is what the machine does with both.

#![expect(clippy::print_stdout, reason = "the result")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a measurement that fails has no result"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Companion, PUSH_TOKEN};

const SETS: usize = 40_000;
const CONNECTIONS: usize = 64;

fn main() {
    let companion = Companion::started();
    let requests: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let share = |part: usize| {
            let companion = &companion;
            move || -> Vec<Vec<u8>> {
                let numbers = (part..SETS).step_by(2);
                numbers
                    .map(|n| request(&companion.transmitter.set(&format!("{n}"), &json!({}))))
                    .collect()
            }
        };
        let workers = [scope.spawn(share(0)), scope.spawn(share(1))];
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let start = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let clients = requests.chunks(SETS.div_ceil(CONNECTIONS)).map(|requests| {
            let port = companion.port;
            scope.spawn(move || push_all(port, requests))
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let elapsed = start.elapsed();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "{SETS} ES256 SETs, {CONNECTIONS} connections: {:.0} SETs/s; 202 after p50 {:?}, p99 {:?}",
        f64::from(u32::try_from(SETS).unwrap()) / elapsed.as_secs_f64(),
        at(50),
        at(99),
    );
    let alone = requests.iter().take(200).collect::<Vec<_>>();
    let fresh: Vec<_> = (0..alone.len())
        .map(|n| request(&companion.transmitter.set(&format!("alone-{n}"), &json!({}))))
        .collect();
    let mut times = push_all(companion.port, &fresh);
    times.sort_unstable();
    println!("one connection: 202 after p50 {:?}", times[times.len() / 2]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", companion.pid())).unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default());
}

fn request(set: &str) -> Vec<u8> {
    let length = set.len();
    format!(
        "POST /v1/push/idp HTTP/1.1\r\nhost: companion\r\nauthorization: Bearer {PUSH_TOKEN}\r\n\
         content-type: application/secevent+jwt\r\ncontent-length: {length}\r\n\r\n{set}"
    )
    .into_bytes()
}

fn push_all(port: u16, requests: &[Vec<u8>]) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 1024];
    let push = |request: &Vec<u8>| {
        let start = Instant::now();
        stream.write_all(request).unwrap();
        let length = stream.read(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"HTTP/1.1 202"), "not accepted");
        start.elapsed()
    };
    requests.iter().map(push).collect()
}
