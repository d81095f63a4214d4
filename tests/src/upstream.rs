//! The API behind the gateway: answers every request with the headers it received, as JSON.
//!
//! Three paths are different: `/events` begins a response that never ends, `/socket` becomes a WebSocket's
//! connection and says what it hears, and `/late` says nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::json;

use crate::http::{Answer, Message, Server};

/// An upstream that echoes.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    served: Arc<AtomicU64>,
    open: Arc<Mutex<Vec<Stream>>>,
}

/// A response that has begun.
#[derive(Debug)]
struct Stream {
    target: String,
    ended: mpsc::Receiver<()>,
    has_ended: bool,
}

impl Upstream {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let served = Arc::new(AtomicU64::new(0));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (count, streams) = (Arc::clone(&served), Arc::clone(&open));
        let server = Server::start(move |request| {
            count.fetch_add(1, Ordering::Relaxed);
            answer(request, &streams)
        });
        Self { server, served, open }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// How many requests got through to it.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// How many of the streams to `target`, path and query, have ended, and how many go on.
    ///
    /// # Panics
    ///
    /// When a thread of the server did.
    #[must_use]
    pub fn streams(&self, target: &str) -> (usize, usize) {
        let mut streams = self.open.lock().unwrap();
        let mut ended = 0;
        let mut known = 0;
        for stream in streams.iter_mut().filter(|stream| stream.target == target) {
            stream.has_ended |= stream.ended.try_recv() != Err(mpsc::TryRecvError::Empty);
            known += 1;
            ended += usize::from(stream.has_ended);
        }
        (ended, known - ended)
    }
}

fn answer(request: &Message, open: &Mutex<Vec<Stream>>) -> Answer {
    let path = request.target().split('?').next().unwrap_or_default();
    let headers = |headers: &[(&str, &str)]| {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let (status, headers, first): (u16, Vec<_>, &[u8]) = match path {
        "/events" => {
            let content_type = request.header("content-type").unwrap_or("text/event-stream");
            let chunked = ("transfer-encoding", "chunked");
            (200, headers(&[("content-type", content_type), chunked]), b"5\r\nhello\r\n")
        }
        "/socket" => (101, headers(&[("upgrade", "websocket"), ("connection", "upgrade")]), b""),
        "/late" => return Answer::Stall,
        _ => {
            let body = json!({ "request": request.start, "headers": request.headers });
            return Answer::ok("application/json", body.to_string());
        }
    };
    let (sender, ended) = mpsc::channel();
    let target = request.target().to_owned();
    open.lock().unwrap().push(Stream { target, ended, has_ended: false });
    Answer::Open(status, headers, first.to_vec(), sender)
}
