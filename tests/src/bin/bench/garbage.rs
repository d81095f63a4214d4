//! Good calls beside an attacker: what a thousand bad tokens a second do to everybody else.
//!
//! Each is new. Garbage is no token at all, and costs no signature check. A forged token is well formed, of the right
//! issuer and `kid`, and signed with somebody else's key, so nothing but the signature check can tell it. `jwt_authn`
//! meets the same attacks, side by side.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rescind_e2e::issuer::Key;
use rescind_e2e::load::{self, Connection};

use crate::report::quantile;
use crate::setup::{Run, Setup, request, token};

/// Time between two bad tokens.
const INTERVAL: Duration = Duration::from_millis(1);

/// Different bad tokens of each kind: more than are sent while calls are measured.
const FORGED: usize = 10_000;

/// Good calls per round.
const CALLS: usize = 2_000;

/// Rounds, each without and with the attack.
const ROUNDS: usize = 5;

/// Measures; returns lines for the report.
pub(crate) fn measure(setup: &Setup) -> io::Result<String> {
    let mut lines = Vec::new();
    for (what, attack) in attacks() {
        let mut attack = attack.iter();
        for name in ["jwt_authn RS256, its cache", "rescind, token seen before"] {
            let run = setup.run(name);
            let (mut alone, mut attacked) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                alone.extend(load::latencies(run.address, &run.requests(CALLS), CALLS, 200)?);
                attacked.extend(beside(run, &mut attack)?);
            }
            alone.sort_unstable();
            attacked.sort_unstable();
            let micros = |taken: &[Duration]| quantile(taken, 99).as_secs_f64() * 1e6;
            let (alone, attacked) = (micros(&alone), micros(&attacked));
            lines.push(format!(
                "{name}: p99 {alone:.0} µs alone, {attacked:.0} µs beside 1,000 {what} a second: {:.2} ×",
                attacked / alone,
            ));
        }
    }
    Ok(lines.join("\n"))
}

/// What is sent in each attack.
fn attacks() -> [(&'static str, Vec<Vec<u8>>); 3] {
    let forged = |algorithm, kid| {
        let stranger = Key::generate(algorithm, kid);
        let forged = move |number| request(&token(&stranger, &format!("forged-{number}")));
        (0..FORGED).map(forged).collect()
    };
    // As long as a token, and no JSON in it.
    let garbage = |number| request(&format!("{number:0>300}.{number:0>300}.{number:0>86}"));
    [
        ("pieces of garbage", (0..FORGED).map(garbage).collect()),
        ("forged RS256 tokens", forged("RS256", "rs")),
        ("forged ES256 tokens", forged("ES256", "es")),
    ]
}

/// How long good calls take while bad tokens come.
fn beside<'a>(
    run: &Run,
    forged: &mut (impl Iterator<Item = &'a Vec<u8>> + Send),
) -> io::Result<Vec<Duration>> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let attack = scope.spawn(|| attack(run.address, forged, &done));
        let taken = load::latencies(run.address, &run.requests(CALLS), CALLS, 200);
        done.store(true, Ordering::Relaxed);
        attack.join().map_err(|_| io::Error::other("the attacker's thread panicked"))??;
        taken
    })
}

fn attack<'a>(
    address: SocketAddr,
    forged: &mut impl Iterator<Item = &'a Vec<u8>>,
    done: &AtomicBool,
) -> io::Result<()> {
    let mut connection = Connection::open(address)?;
    while !done.load(Ordering::Relaxed) {
        let next = Instant::now() + INTERVAL;
        let Some(request) = forged.next() else { return Ok(()) };
        connection.send(request)?;
        let status = connection.receive()?;
        if status != 401 {
            return Err(io::Error::other(format!("a bad token was answered with {status}")));
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
