//! A thousand gateways that follow the feed: from the moment at which a SET is pushed until each has
//! read the page with it, and what the companion's processor does for that.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rescind_e2e::companion::Companion;
use rescind_e2e::http::Request;
use rescind_e2e::load::{self, Connection};
use rescind_e2e::transmitter::Transmitter;
use rescind_e2e::{cpu, wait};

use crate::report::quantile;
use crate::signals::push_request;

/// Followers, each with a connection of its own.
const FOLLOWERS: usize = 1000;

/// SETs, one after the other; each is waited for by all.
const ROUNDS: usize = 10;

/// A thread that waits for one answer needs little.
const STACK_BYTES: usize = 64 * 1024;

/// Measures it; returns a line for the report.
pub(crate) fn measure(
    companion: &Companion,
    transmitter: &Transmitter,
    pid: u32,
) -> io::Result<String> {
    let operator = companion.read("operator.token");
    let gateway = format!("Bearer {}", companion.read("gateway.token"));
    let status = || companion.send(&Request::get("/v1/status").bearer(&operator)).json();
    let before = status();
    let log = before["log"].as_str().unwrap_or_default().to_owned();
    let head = AtomicU64::new(before["head"].as_u64().unwrap_or_default());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, companion.port));
    let (ready, done) = (Barrier::new(FOLLOWERS + 1), Barrier::new(FOLLOWERS + 1));
    let mut taken = Vec::with_capacity(FOLLOWERS * ROUNDS);
    let mut processor = Duration::ZERO;
    thread::scope(|scope| -> io::Result<()> {
        let (ready, done, head) = (&ready, &done, &head);
        let follow = |_| {
            let (log, gateway) = (&log, &gateway);
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                let mut connection = Connection::open(address).expect("a connection");
                let mut heard = Vec::with_capacity(ROUNDS);
                for _ in 0..ROUNDS {
                    let after = head.load(Ordering::Acquire);
                    let path = format!("/v1/feed?gateway=edge-1&after={log}.{after}&wait=25s");
                    let accept = ("accept", "application/cbor");
                    let request = load::get(&path, &[("authorization", gateway), accept]);
                    connection.send(&request).expect("sent");
                    ready.wait();
                    assert_eq!(connection.receive().expect("a page"), 200);
                    heard.push(Instant::now());
                    done.wait();
                }
                heard
            })
        };
        let followers = (0..FOLLOWERS).map(follow).collect::<io::Result<Vec<_>>>()?;
        let mut push = Connection::open(address)?;
        let mut pushed = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let request = push_request(transmitter, &format!("followed-{round}"));
            ready.wait();
            wait::until_true("all to follow", wait::SOON, || {
                status()["gateways"][0]["waiting"] == FOLLOWERS
            });
            let used = cpu::used(pid, "");
            head.fetch_add(1, Ordering::Release);
            pushed.push(Instant::now());
            push.send(&request)?;
            assert_eq!(push.receive()?, 202, "the companion did not accept the signal");
            done.wait();
            processor += cpu::used(pid, "").saturating_sub(used);
        }
        for follower in followers {
            let heard = follower.join().map_err(|_| io::Error::other("a follower failed"))?;
            taken.extend(heard.iter().zip(&pushed).map(|(heard, pushed)| *heard - *pushed));
        }
        Ok(())
    })?;
    taken.sort_unstable();
    let millis = |percent| quantile(&taken, percent).as_secs_f64() * 1e3;
    let rounds = u32::try_from(ROUNDS).unwrap_or(u32::MAX);
    Ok(format!(
        "{FOLLOWERS} followers have a SET p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms after it was \
         pushed, for {:.3} core·s of the companion ({ROUNDS} SETs)",
        millis(50),
        millis(99),
        millis(100),
        processor.as_secs_f64() / f64::from(rounds),
    ))
}
