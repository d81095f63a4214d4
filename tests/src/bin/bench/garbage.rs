//! Good calls beside an attacker: what a thousand forged tokens a second do to everybody else.
//!
//! Each forged token is new, well formed, of the right issuer and `kid`, and signed with somebody else's key, so
//! nothing but the signature check can tell it. `jwt_authn` meets the same attack, side by side.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rescind_e2e::issuer::Key;
use rescind_e2e::load::{self, Connection};

use crate::report::quantile;
use crate::setup::{Run, Setup, request, token};

/// Time between two forged tokens.
const INTERVAL: Duration = Duration::from_millis(1);

/// Different forged tokens: more than are sent while calls are measured.
const FORGED: usize = 20_000;

/// Good calls per round.
const CALLS: usize = 2_000;

/// Rounds, each without and with the attack.
const ROUNDS: usize = 5;

/// Measures; returns lines for the report.
pub(crate) fn measure(setup: &Setup) -> io::Result<String> {
    let stranger = Key::generate("ES256", "es");
    let forged: Vec<_> =
        (0..FORGED).map(|number| request(&token(&stranger, &format!("forged-{number}")))).collect();
    let mut forged = forged.iter();
    let mut lines = Vec::new();
    for name in ["jwt_authn RS256, its cache", "rescind, token seen before"] {
        let run = setup.run(name);
        let (mut alone, mut attacked) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.extend(load::latencies(run.address, &run.requests(CALLS), CALLS, 200)?);
            attacked.extend(beside(run, &mut forged)?);
        }
        alone.sort_unstable();
        attacked.sort_unstable();
        let micros = |taken: &[Duration]| quantile(taken, 99).as_secs_f64() * 1e6;
        let (alone, attacked) = (micros(&alone), micros(&attacked));
        lines.push(format!(
            "{name}: p99 {alone:.0} µs alone, {attacked:.0} µs beside 1,000 forged tokens a second: {:.2} ×",
            attacked / alone,
        ));
    }
    Ok(lines.join("\n"))
}

/// How long good calls take while forged tokens come.
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
            return Err(io::Error::other(format!("a forged token was answered with {status}")));
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
