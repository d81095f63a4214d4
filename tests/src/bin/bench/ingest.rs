//! Durable ingest: how many SETs per second the companion accepts over concurrent connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rescind_e2e::load::{self, Connection};
use rescind_e2e::transmitter::Transmitter;

use crate::companion::rate;
use crate::report::quantile;
use crate::setup::Setup;
use crate::signals::push_request;

/// SETs pushed; signed before the clock starts.
const SETS: usize = 30_000;

/// Concurrent connections of the transmitter.
const CONNECTIONS: usize = 64;

/// Measures ingest at the companion with this address; returns a line for the report.
pub(crate) fn measure(address: SocketAddr, transmitter: &Transmitter) -> io::Result<String> {
    let requests: Vec<_> =
        (0..SETS).map(|number| push_request(transmitter, &format!("flood-{number}"))).collect();
    let start = Instant::now();
    let taken = load::at_once(address, CONNECTIONS, &requests, 202)?;
    let elapsed = start.elapsed();
    let millis = |percent| quantile(&taken, percent).as_secs_f64() * 1e3;
    Ok(format!(
        "durable ingest of {SETS} ES256 SETs over {CONNECTIONS} connections: {:.0} SETs/s, 202 \
         after p50 {:.1} ms, p99 {:.1} ms",
        rate(SETS, elapsed),
        millis(50),
        millis(99),
    ))
}

/// Runs `work` while 100 signals a second arrive at the companion with the empty table.
pub(crate) fn beside_signals<T>(
    setup: &Setup,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            let mut connection = Connection::open(companion(setup))?;
            for number in 0_u32.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let next = Instant::now() + Duration::from_millis(10);
                let marker = std::process::id();
                let user = format!("beside-{marker}-{:?}-{number}", thread::current().id());
                connection.send(&push_request(&setup.transmitter, &user))?;
                if connection.receive()? != 202 {
                    return Err(io::Error::other("a signal was not accepted"));
                }
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(())
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        pushing.join().map_err(|_| io::Error::other("the transmitter thread panicked"))??;
        result
    })
}

fn companion(setup: &Setup) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, setup.tables[0].companion.port))
}
