//! A load generator for one core: a few keep-alive connections, requests written as prepared bytes.
//!
//! It sends one request on every connection, then reads one response from each, so that the gateway
//! always has work while this process needs little. It refuses to guess: a response whose status is
//! not the expected one is an error, because a benchmark of refusals would be a fast lie.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest response head that is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long one response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A keep-alive HTTP/1.1 connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Connects to `address`.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
        Ok(Self { stream, buffer: vec![0; MAX_HEAD], filled: 0 })
    }

    /// Writes one prepared request.
    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// Reads one response with a `content-length` (or without body); returns its status.
    pub fn receive(&mut self) -> io::Result<u16> {
        let head_end = loop {
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(at) = filled.windows(4).position(|window| window == b"\r\n\r\n") {
                break at.saturating_add(4);
            }
            self.fill()?;
        };
        let head = self.buffer.get(..head_end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(io::Error::other)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status in the response"))?;
        let length: usize = head
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            })
            .unwrap_or(0);
        let end = head_end.saturating_add(length);
        while self.filled < end {
            self.fill()?;
        }
        self.buffer.copy_within(end..self.filled, 0);
        self.filled = self.filled.saturating_sub(end);
        Ok(status)
    }

    fn fill(&mut self) -> io::Result<()> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the gateway closed the connection",
            )),
            read => {
                self.filled = self.filled.saturating_add(read);
                Ok(())
            }
        }
    }
}

/// A GET request for `path` with `extra` header lines, as bytes.
pub fn get(path: &str, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: api.example.com\r\n");
    for (name, value) in extra {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// Sends `count` requests to `address` over `connections` connections, cycling through `requests`
/// from number `first` on. Every response must have status `expected`.
pub fn run(
    address: SocketAddr,
    connections: usize,
    requests: &[Vec<u8>],
    first: usize,
    count: usize,
    expected: u16,
) -> io::Result<()> {
    let mut open =
        (0..connections).map(|_| Connection::open(address)).collect::<io::Result<Vec<_>>>()?;
    let mut cycle = requests.iter().cycle().skip(first.checked_rem(requests.len()).unwrap_or(0));
    let mut sent = 0;
    while sent < count {
        for connection in &mut open {
            if let Some(request) = cycle.next() {
                connection.send(request)?;
            }
        }
        for connection in &mut open {
            let status = connection.receive()?;
            if status != expected {
                return Err(io::Error::other(format!("status {status}, expected {expected}")));
            }
        }
        sent = sent.saturating_add(connections);
    }
    Ok(())
}

/// Sends each of `requests` once, over `connections` connections that do not wait for one another, and
/// returns how long each took, sorted. Every response must have status `expected`.
pub fn at_once(
    address: SocketAddr,
    connections: usize,
    requests: &[Vec<u8>],
    expected: u16,
) -> io::Result<Vec<Duration>> {
    let share = requests.len().div_ceil(connections.max(1)).max(1);
    let send = |requests: &[Vec<u8>]| latencies(address, requests, requests.len(), expected);
    let mut taken = Vec::with_capacity(requests.len());
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            requests.chunks(share).map(|requests| scope.spawn(move || send(requests))).collect();
        for client in clients {
            let client = client.join().map_err(|_| io::Error::other("a client failed"))?;
            taken.extend(client?);
        }
        Ok::<_, io::Error>(())
    })?;
    taken.sort_unstable();
    Ok(taken)
}

/// Sends `count` requests one after another and returns how long each took, sorted.
pub fn latencies(
    address: SocketAddr,
    requests: &[Vec<u8>],
    count: usize,
    expected: u16,
) -> io::Result<Vec<Duration>> {
    let mut connection = Connection::open(address)?;
    let mut taken = Vec::with_capacity(count);
    for request in requests.iter().cycle().take(count) {
        let start = Instant::now();
        connection.send(request)?;
        let status = connection.receive()?;
        taken.push(start.elapsed());
        if status != expected {
            return Err(io::Error::other(format!("status {status}, expected {expected}")));
        }
    }
    taken.sort_unstable();
    Ok(taken)
}
