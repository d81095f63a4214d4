//! The least HTTP/2 (RFC 9113) that a test needs: requests of any bytes, and how they go on.
//! Names and values go as literals (RFC 7541 §6.2.2), so nothing is
//! checked or changed on this side.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longer than a gateway takes to answer; a hung one fails the test.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Both.
const WHOLE: u8 = 5;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// With headers of a response.
    Answered,
    /// The stream or the connection was ended without one.
    Reset,
}

/// Something that the server sent about the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Headers or trailers.
    Headers,
    /// A part of the body.
    Data,
    /// `RST_STREAM` with this code (RFC 9113 §7).
    Reset(u32),
    /// `GOAWAY`, or the connection has ended.
    Gone,
}

/// A connection, and requests side by side on it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    next_id: u32,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn open(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())?;
        Ok(Self { stream, next_id: 1 })
    }

    /// Sends a request with these headers, pseudo-headers among them, and without a body; its number.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub fn request(&mut self, headers: &[(&[u8], &[u8])]) -> io::Result<u32> {
        let id = self.next_id;
        self.next_id += 2;
        self.stream.write_all(&frame(HEADERS, WHOLE, id, &block(headers)))?;
        Ok(id)
    }

    /// Sends a request with a body in these pieces, and with trailers, if there are any; its number.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub fn request_with(
        &mut self,
        headers: &[(&[u8], &[u8])],
        pieces: &[&[u8]],
        trailers: &[(&[u8], &[u8])],
    ) -> io::Result<u32> {
        let id = self.next_id;
        self.next_id += 2;
        self.stream.write_all(&frame(HEADERS, END_HEADERS, id, &block(headers)))?;
        for (place, piece) in pieces.iter().enumerate() {
            let is_last = place + 1 == pieces.len() && trailers.is_empty();
            let flags = if is_last { END_STREAM } else { 0 };
            self.stream.write_all(&frame(DATA, flags, id, piece))?;
        }
        if !trailers.is_empty() {
            self.stream.write_all(&frame(HEADERS, WHOLE, id, &block(trailers)))?;
        }
        Ok(id)
    }

    /// Waits for the next event, and says which request it is about; 0 if about all.
    ///
    /// # Errors
    ///
    /// When nothing can be sent.
    pub fn event(&mut self) -> io::Result<(u32, Event)> {
        let stream = &mut self.stream;
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).is_err() {
                return Ok((0, Event::Gone));
            }
            let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            if stream.read_exact(&mut payload).is_err() {
                return Ok((0, Event::Gone));
            }
            match head[3] {
                DATA => return Ok((id, Event::Data)),
                HEADERS => return Ok((id, Event::Headers)),
                RESET => {
                    let code = payload.first_chunk().copied().unwrap_or_default();
                    return Ok((id, Event::Reset(u32::from_be_bytes(code))));
                }
                GO_AWAY => return Ok((0, Event::Gone)),
                SETTINGS if head[4] & ACK == 0 => {
                    stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?;
                }
                _ => {}
            }
        }
    }
}

/// Sends a request with these headers, pseudo-headers among them, and waits for its end.
///
/// # Errors
///
/// When nobody listens.
pub fn send(port: u16, headers: &[(&[u8], &[u8])]) -> io::Result<End> {
    let mut connection = Connection::open(port)?;
    // One that is closed at once is reset as well.
    if connection.request(headers).is_err() {
        return Ok(End::Reset);
    }
    loop {
        match connection.event()?.1 {
            Event::Headers => return Ok(End::Answered),
            Event::Reset(_) | Event::Gone => return Ok(End::Reset),
            Event::Data => {}
        }
    }
}

fn block(headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(*text);
        }
    }
    block
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1), without Huffman coding.
fn length(block: &mut Vec<u8>, length: usize) {
    const PREFIX: usize = 127;
    if length < PREFIX {
        block.push(u8::try_from(length).expect("below 127"));
        return;
    }
    block.push(127);
    let mut rest = length - PREFIX;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("below 128") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("below 128"));
}
