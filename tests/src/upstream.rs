//! The API behind the gateway: answers every request with the headers it received, as JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::http::{Answer, Server};

/// An upstream that echoes.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    served: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let served = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&served);
        let server = Server::start(move |request| {
            count.fetch_add(1, Ordering::Relaxed);
            let body = json!({ "request": request.start, "headers": request.headers });
            Answer::ok("application/json", body.to_string())
        });
        Self { server, served }
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
}
