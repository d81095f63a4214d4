//! Free ports on loopback.
//!
//! Below the kernel's ephemeral range (32768 and up on Linux), so that no outgoing connection takes a
//! port between its allocation and its use; each test process starts elsewhere, by its process id.
//!
//! Whether a port is free is found out by connecting to it. Listening on it would do no good: a program that another thread
//! starts at that moment has a copy of the listener, and the port is taken until that program begins.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// Nobody who listens on loopback takes as long to be found.
const ANSWER: Duration = Duration::from_secs(1);

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on, not given out before by this process.
#[must_use]
pub fn free() -> u16 {
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (std::process::id().wrapping_mul(97) + step) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("below COUNT");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let found = TcpStream::connect_timeout(&address, ANSWER);
        if found.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
