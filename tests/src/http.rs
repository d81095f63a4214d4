//! The least HTTP/1.1 that a test needs, on both ends.
//!
//! Tests send what well-behaved clients never would (two Authorization headers, bytes that are no
//! UTF-8) and servers answer what no server should (half a body), so both ends write raw bytes.
//! Parsing is left to `httparse`.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Longer than any long poll here; a hung peer fails the test instead of hanging it.
const READ_TIMEOUT: Duration = Duration::from_secs(40);

const MAX_HEADERS: usize = 64;

/// A message: a request at a server, a response at a client.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// `GET /path` at a server; the status code as text at a client.
    pub start: String,
    /// In order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Message {
    /// The status code (of a response).
    #[must_use]
    pub fn status(&self) -> u16 {
        self.start.parse().expect("a response")
    }

    /// The path and query (of a request).
    #[must_use]
    pub fn target(&self) -> &str {
        self.start.split_once(' ').map_or("", |(_, target)| target)
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A request to send: header values are bytes, because attackers' are.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers of its own (Host and Content-Length are added when sent).
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST with a body of this media type.
    #[must_use]
    pub fn post(target: &str, media_type: &str, body: &str) -> Self {
        let mut request = Self::new("POST", target).header("content-type", media_type);
        request.body = body.as_bytes().to_vec();
        request
    }

    /// With one more header (repeat for a duplicate).
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend(format!("host: {host}\r\n").into_bytes());
        }
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// A client that keeps its connection, and opens a new one when the old one is gone.
#[derive(Debug)]
pub struct Client {
    port: u16,
    stream: Option<TcpStream>,
}

impl Client {
    /// A client of a server on loopback; connects at the first request.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Sends and reads the answer; tries once more on a kept connection that the server closed.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the connection breaks before a whole answer was read.
    pub fn send(&mut self, request: &Request) -> io::Result<Message> {
        let kept = self.stream.is_some();
        match self.send_once(request) {
            Err(error) if kept && error.kind() != io::ErrorKind::WouldBlock => {
                self.send_once(request)
            }
            other => other,
        }
    }

    fn send_once(&mut self, request: &Request) -> io::Result<Message> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(("127.0.0.1", self.port))?,
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let response = exchange(&mut stream, self.port, request)?;
        if response.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

/// Sends one request on a connection to loopback, whatever it is made of, and reads the answer.
///
/// # Errors
///
/// When the connection breaks before a whole answer was read.
pub fn exchange(
    stream: &mut (impl Read + Write),
    port: u16,
    request: &Request,
) -> io::Result<Message> {
    stream.write_all(&request.bytes(&format!("127.0.0.1:{port}")))?;
    read_message(stream, Side::Response)
}

/// A response that has begun and may not end.
#[derive(Debug)]
pub struct Open {
    /// Its status and headers.
    pub head: Message,
    /// What came of its body so far, as it came.
    pub body: Vec<u8>,
    stream: TcpStream,
}

impl Open {
    /// Sends a request on a connection of its own, and waits for the beginning of its response.
    ///
    /// # Errors
    ///
    /// When the connection breaks before.
    pub fn begin(port: u16, request: &Request) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.write_all(&request.bytes(&format!("127.0.0.1:{port}")))?;
        let mut body = Vec::new();
        loop {
            if let Some((head, length)) = parse_head(&body, Side::Response)? {
                let body = body.split_off(length);
                return Ok(Self { head, body, stream });
            }
            read_more(&mut stream, &mut body)?;
        }
    }

    /// Reads until the body has this in it.
    ///
    /// # Errors
    ///
    /// When the connection ends before.
    pub fn until(&mut self, text: &str) -> io::Result<()> {
        while !self.body.windows(text.len()).any(|window| window == text.as_bytes()) {
            read_more(&mut self.stream, &mut self.body)?;
        }
        Ok(())
    }

    /// Sends something more.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Whether the connection has ended, without waiting for that.
    ///
    /// # Panics
    ///
    /// When the socket cannot be set up.
    pub fn has_ended(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let ended = loop {
            match read_more(&mut self.stream, &mut self.body) {
                Ok(()) => {}
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).expect("a socket");
        ended
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
///
/// As [`Client::send`].
pub fn send(port: u16, request: &Request) -> io::Result<Message> {
    Client::new(port).send(request)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Side {
    Request,
    Response,
}

fn read_message(stream: &mut impl Read, side: Side) -> io::Result<Message> {
    let mut buffer = Vec::new();
    let (mut message, head) = loop {
        if let Some(parsed) = parse_head(&buffer, side)? {
            break parsed;
        }
        read_more(stream, &mut buffer)?;
    };
    let mut rest = buffer.split_off(head);
    if message.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        message.body = read_chunks(stream, rest)?;
    } else if let Some(length) = message.header("content-length") {
        let length: usize = length.parse().map_err(io::Error::other)?;
        while rest.len() < length {
            read_more(stream, &mut rest)?;
        }
        rest.truncate(length);
        message.body = rest;
    }
    Ok(message)
}

fn parse_head(buffer: &[u8], side: Side) -> io::Result<Option<(Message, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let (start, status) = match side {
        Side::Request => {
            let mut request = httparse::Request::new(&mut headers);
            let status = request.parse(buffer).map_err(io::Error::other)?;
            let method = request.method.unwrap_or_default();
            (format!("{method} {}", request.path.unwrap_or_default()), status)
        }
        Side::Response => {
            let mut response = httparse::Response::new(&mut headers);
            let status = response.parse(buffer).map_err(io::Error::other)?;
            (response.code.unwrap_or_default().to_string(), status)
        }
    };
    let httparse::Status::Complete(length) = status else { return Ok(None) };
    let headers = headers
        .iter()
        .take_while(|header| !header.name.is_empty())
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        })
        .collect();
    Ok(Some((Message { start, headers, body: Vec::new() }, length)))
}

fn read_chunks(stream: &mut impl Read, mut rest: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(&rest) {
            Ok(httparse::Status::Complete((start, size))) => {
                let size = usize::try_from(size).map_err(io::Error::other)?;
                let end = start + size;
                while rest.len() < end + 2 {
                    read_more(stream, &mut rest)?;
                }
                if size == 0 {
                    return Ok(body);
                }
                body.extend(&rest[start..end]);
                rest.drain(..end + 2);
            }
            Ok(httparse::Status::Partial) => read_more(stream, &mut rest)?,
            Err(error) => return Err(io::Error::other(error.to_string())),
        }
    }
}

fn read_more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            buffer.extend(&piece[..count]);
            Ok(())
        }
    }
}

/// What a server does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A well-formed response: status, headers, body.
    Respond(u16, Vec<(String, String)>, Vec<u8>),
    /// Promise the whole body, send half of it, and close.
    Truncate(Vec<(String, String)>, Vec<u8>),
    /// Close without a word.
    Close,
    /// Say nothing until the peer gives up or the server stops.
    Stall,
    /// Begin a response of this status, send this of its body, and then whatever the client sends, until the
    /// connection ends; say so then.
    Open(u16, Vec<(String, String)>, Vec<u8>, Sender<()>),
}

impl Answer {
    /// A 200 of this media type.
    #[must_use]
    pub fn ok(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, media_type, body)
    }

    /// A response of this status and media type.
    #[must_use]
    pub fn status(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self::Respond(status, headers, body.into())
    }
}

/// A server on loopback: a thread for each connection, a closure for each request.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Listens on a free port.
    pub fn start(handler: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", crate::ports::free())).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let handler = Arc::new(handler);
        let stop = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, stop) = (Arc::clone(&handler), Arc::clone(&stop));
                std::thread::spawn(move || drop(serve(stream, &*handler, &stop)));
            }
        });
        Self { port, stopped }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(
    mut stream: TcpStream,
    handler: &dyn Fn(&Message) -> Answer,
    stopped: &AtomicBool,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while !stopped.load(Ordering::Relaxed) {
        let request = read_message(&mut stream, Side::Request)?;
        match handler(&request) {
            Answer::Respond(status, headers, body) => {
                stream.write_all(&head(status, &headers, body.len()))?;
                stream.write_all(&body)?;
            }
            Answer::Truncate(headers, body) => {
                stream.write_all(&head(200, &headers, body.len()))?;
                return stream.write_all(&body[..body.len() / 2]);
            }
            Answer::Close => return Ok(()),
            Answer::Open(status, headers, first, ended) => {
                let mut head = start_of_head(status, &headers);
                head.push_str("\r\n");
                stream.write_all(&[head.as_bytes(), &first].concat())?;
                // Whatever ends it.
                let _ = io::copy(&mut stream.try_clone()?, &mut stream);
                let _ = ended.send(());
                return Ok(());
            }
            Answer::Stall => {
                stream.set_read_timeout(Some(READ_TIMEOUT))?;
                stream.read_exact(&mut [0])?;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> Vec<u8> {
    let mut head = start_of_head(status, headers);
    head.push_str(&format!("content-length: {length}\r\n\r\n"));
    head.into_bytes()
}

fn start_of_head(status: u16, headers: &[(String, String)]) -> String {
    let mut head = format!("HTTP/1.1 {status} Test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}
