//! The least HTTP/2 (RFC 9113) that a test needs: one request, of any bytes, and how it goes on.
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
/// `END_STREAM` and `END_HEADERS`.
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

/// One request on a connection of its own.
#[derive(Debug)]
pub struct Stream(TcpStream);

impl Stream {
    /// Sends a request with these headers, pseudo-headers among them, and without a body.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn open(port: u16, headers: &[(&[u8], &[u8])]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let mut block = Vec::new();
        for (name, value) in headers {
            block.push(0);
            for text in [name, value] {
                length(&mut block, text.len());
                block.extend(*text);
            }
        }
        let request = frame(HEADERS, WHOLE, 1, &block);
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat())?;
        Ok(Self(stream))
    }

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// When nothing can be sent.
    pub fn event(&mut self) -> io::Result<Event> {
        let Self(stream) = self;
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).is_err() {
                return Ok(Event::Gone);
            }
            let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            if stream.read_exact(&mut payload).is_err() {
                return Ok(Event::Gone);
            }
            match head[3] {
                DATA => return Ok(Event::Data),
                HEADERS => return Ok(Event::Headers),
                RESET => {
                    let code = payload.first_chunk().copied().unwrap_or_default();
                    return Ok(Event::Reset(u32::from_be_bytes(code)));
                }
                GO_AWAY => return Ok(Event::Gone),
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
    let mut stream = Stream::open(port, headers)?;
    loop {
        match stream.event()? {
            Event::Headers => return Ok(End::Answered),
            Event::Reset(_) | Event::Gone => return Ok(End::Reset),
            Event::Data => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&size[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
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
