//! The trivial `ext_authz` server: answers 200 to everything. The least such a design can cost.
//!
//! It runs in a thread of the benchmark named [`THREAD`], so that its processor time can be told
//! from the load generator's.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// The name of the server's threads.
pub(crate) const THREAD: &str = "ext-authz";

/// Serves on a free loopback port; returns the port.
pub(crate) fn serve() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    named(move || {
        for stream in listener.incoming().flatten() {
            let served = named(move || {
                // A closed connection ends its thread; the next one gets a new thread.
                let _closed = answer(stream);
            });
            if served.is_err() {
                break;
            }
        }
    })?;
    Ok(port)
}

fn named(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(THREAD.into()).spawn(run).map(drop)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled = filled.saturating_add(read);
        let seen = buffer.get(..filled).unwrap_or_default();
        if seen.ends_with(b"\r\n\r\n") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            filled = 0;
        }
    }
}
