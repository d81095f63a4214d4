//! What is answered before the journal is there.
//!
//! A companion with a million live records takes seconds to read them. Refused connections would look
//! like an outage to transmitters, and a gateway could not tell a start from a wrong address; so the
//! port answers from the first moment on, and says what it is doing.

use std::sync::{Arc, OnceLock};

use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use crate::metrics::Metrics;
use crate::reply::{self, Reply};
use crate::service::Service;

/// The service, once it is there.
#[derive(Debug)]
pub(crate) struct Front {
    service: OnceLock<Service>,
    metrics: Arc<Metrics>,
}

impl Front {
    /// Without a service.
    pub(crate) const fn new(metrics: Arc<Metrics>) -> Self {
        Self { service: OnceLock::new(), metrics }
    }

    /// From now on `service` answers.
    pub(crate) fn open(&self, service: Service) {
        let _once = self.service.set(service);
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Reply {
        match self.service.get() {
            Some(service) => service.answer(request).await,
            None => starting(request.uri().path()),
        }
    }
}

fn starting(path: &str) -> Reply {
    match path {
        "/healthz" => reply::text(StatusCode::OK, "ok\n"),
        "/readyz" => reply::text(StatusCode::SERVICE_UNAVAILABLE, "replaying the journal\n"),
        _ => reply::unavailable("the companion is starting"),
    }
}
