//! Sockets and threads of the decisions.
//!
//! A gate belongs to one thread, so each thread has a gate, a runtime of its own and the
//! connections that it accepted; all accept from one socket. Nothing that a decision needs is
//! waited for, so a decision never changes threads.
//!
//! Limits are those of [`crate::server`] but for headers: a gateway passes on what its clients
//! sent.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::counts::Counts;
use super::service::{Answered, Service};
use super::settings::{Caller, Decisions};
use super::state::State;
use super::worker::Worker;
use crate::patient::Patient;

/// Open connections of one thread: gateways keep some dozens each.
const MAX_CONNECTIONS: usize = 4096;
/// From one request to the header of the next: longer than gateways keep an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// From a new connection to its first request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a header: Envoy's own limit for requests is 60 KiB, nginx's 32, and the call adds some
/// lines.
const MAX_HEADER_BYTES: usize = 72 * 1024;
/// Lines of a header: Envoy's own limit is 100, nginx has none.
const MAX_HEADERS: usize = 160;
/// Streams of one HTTP/2 connection: Envoy opens one connection for each of its threads and asks at
/// most as often as it has requests under way.
const MAX_STREAMS: u32 = 1024;
/// The same limit for HTTP/2, where gRPC has the client's headers in its message.
const MAX_HEADER_LIST_BYTES: u32 = 72 * 1024;
/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);
/// How long running requests may take after the signal to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// When the process has no file descriptor left, accepting at once again would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Runs what belongs to a connection where the connection is.
#[derive(Clone, Copy, Debug)]
struct ThisThread;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for ThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// What each thread gets.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    gate: rescind_core::config::Config,
    callers: Arc<[Caller]>,
    url: Option<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
    state: Arc<State>,
    counts: Arc<Counts>,
    draining: watch::Receiver<bool>,
}

impl Parts {
    /// What `decisions` say, on `state`.
    pub(crate) fn new(
        decisions: Decisions,
        state: Arc<State>,
        counts: Arc<Counts>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let Decisions { gate, callers, url, tls, .. } = decisions;
        let tls = tls.map(|tls| {
            let mut tls = rustls::ServerConfig::clone(&tls);
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Arc::new(tls)
        });
        Self { gate, callers: callers.into(), url, tls, state, counts, draining }
    }

    /// Serves `listener` on this thread until the companion drains.
    pub(crate) fn serve(self, listener: std::net::TcpListener) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = runtime.and_then(|runtime| {
            let local = LocalSet::new();
            local.block_on(&runtime, self.run(listener))
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "decisions: a thread ended");
        }
    }

    async fn run(self, listener: std::net::TcpListener) -> io::Result<()> {
        let Self { gate, callers, url, tls, state, counts, mut draining } = self;
        let listener = TcpListener::from_std(listener)?;
        let worker = Worker::new(gate, state, Arc::clone(&counts));
        let service = Rc::new(Service::new(callers, worker, counts, url));
        let acceptor = tls.map(TlsAcceptor::from);
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let drained = draining.clone();
        tokio::select! {
            () = accept(&listener, &room, acceptor, &service, &drained) => {}
            _ = draining.wait_for(|draining| *draining) => {}
        }
        drop(listener);
        let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
        if tokio::time::timeout(DRAIN_LIMIT, room.acquire_many(all)).await.is_err() {
            tracing::warn!("decisions: draining took too long");
        }
        Ok(())
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    acceptor: Option<TlsAcceptor>,
    service: &Rc<Service>,
    draining: &watch::Receiver<bool>,
) {
    loop {
        // Never closed: the semaphore lives as long as the thread.
        let Ok(permit) = Arc::clone(room).acquire_owned().await else { continue };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "decisions: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _cosmetic = stream.set_nodelay(true);
        let (service, draining, acceptor) =
            (Rc::clone(service), draining.clone(), acceptor.clone());
        tokio::task::spawn_local(async move {
            let _permit = permit;
            connection(stream, acceptor, service, draining).await;
        });
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: Rc<Service>,
    draining: watch::Receiver<bool>,
) {
    let answer = move |request| {
        let service = Rc::clone(&service);
        async move { service.answer(request).await }
    };
    let Some(acceptor) = acceptor else {
        http(stream, answer, draining).await;
        return;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, answer, draining).await,
        Ok(Err(error)) => tracing::debug!(%error, "decisions: TLS handshake failed"),
        Err(_) => tracing::debug!("decisions: TLS handshake took too long"),
    }
}

async fn http<F: Future<Output = Answered> + 'static>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answer: impl Fn(Request<Incoming>) -> F + 'static,
    mut draining: watch::Receiver<bool>,
) {
    let asked = Rc::new(Cell::new(false));
    let has_asked = Rc::clone(&asked);
    let answer = service_fn(move |request| {
        has_asked.set(true);
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(ThisThread);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST_BYTES);
    let stream = TokioIo::new(Patient::new(stream, WRITE_TIMEOUT));
    let connection = builder.serve_connection(stream, answer);
    let mut connection = pin!(connection);
    let drained = async move {
        let _last_value = draining.wait_for(|draining| *draining).await.map(|value| *value);
    };
    // Until its first bytes it is not known which HTTP a connection speaks, and no timer of HTTP runs.
    let silent = async {
        tokio::time::sleep(FIRST_REQUEST_TIMEOUT).await;
        if asked.get() {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = silent => {
            tracing::debug!("decisions: connection closed: no request came");
            return;
        }
        () = drained => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "decisions: connection ended");
    }
}

/// Binds `address` and starts the threads; they end when the companion drains.
pub(crate) async fn start(
    decisions: Decisions,
    state: Arc<State>,
    counts: Arc<Counts>,
    draining: watch::Receiver<bool>,
    background: &mut tokio::task::JoinSet<()>,
) -> io::Result<()> {
    let (address, threads) = (decisions.listen, decisions.threads);
    let listener = TcpListener::bind(address).await?.into_std()?;
    let tls = decisions.tls.is_some();
    tracing::info!(%address, tls, threads, "decisions: listening");
    let parts = Parts::new(decisions, state, counts, draining);
    for _ in 0..threads {
        let (parts, listener) = (parts.clone(), listener.try_clone()?);
        background.spawn_blocking(move || parts.serve(listener));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
