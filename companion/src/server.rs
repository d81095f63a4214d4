//! Sockets: accepts connections, speaks HTTP/1.1 (and TLS), and goes down in good order.
//!
//! # Limits
//!
//! A client that is slow to shake hands, to send a header or a body, or that only holds connections,
//! costs a bounded amount for a bounded time. HTTP/2 is not offered: gateways and transmitters need
//! one request at a time, and a stream limit would be one more thing to get right.
//!
//! # Coming up
//!
//! The port is bound first. While the journal is replayed `/healthz` says yes, `/readyz` says no and
//! everything else is answered 503 with Retry-After ([`Front`]).
//!
//! # Going down
//!
//! On SIGTERM or SIGINT: `/readyz` says no, nothing is accepted any more, long polls are answered at
//! once, running requests finish, the journal commits what waits, and the process ends with 0. A
//! second signal, or [`DRAIN_LIMIT`], ends the waiting.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Delivery};
use crate::decide::listener;
use crate::decide::settings::Decisions;
use crate::decide::state::State;
use crate::front::Front;
use crate::gaps::Gaps;
use crate::journal::{self, Journal};
use crate::live::LiveLog;
use crate::metrics::Metrics;
use crate::patient::Patient;
use crate::poll;
use crate::prune;
use crate::receiver::Receiver;
use crate::service::Service;

/// Open connections: ten thousand gateways (DESIGN.md, Scale) and room for transmitters.
const MAX_CONNECTIONS: usize = 16_384;
/// File descriptors that are not for connections: the journal, key files, fetches, logs.
const RESERVED_FILES: usize = 64;
/// From one request to the header of the next, and so also how long a connection may idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// From a new connection to the header of its first request. A stranger who only connects is gone
/// before he can hold many of them; a gateway's connection may then idle for longer.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's header; a bearer token and some lines of a mesh's sidecar.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Lines of a request's header.
const MAX_HEADERS: usize = 64;
/// How long running requests may take after the signal to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// When the process has no file descriptor left, accepting at once again would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How much longer revocations are kept than gateways are told, because clocks differ.
const RETENTION_MARGIN: Duration = Duration::from_secs(300);
/// The forgetting looks at a thousandth of a million records each second.
const SWEEP_RECORDS: usize = 2_000;
/// How often it does.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How exactly the beginning of a gap is noticed.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Why the companion could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::JournalError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Threads or signals.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
}

/// Serves until a signal to end comes.
pub(crate) fn serve(config: Config) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(config));
    // A key set may still be on its way; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

async fn run(config: Config) -> Result<(), ServeError> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let metrics = Arc::new(Metrics::default());
    let (address, tls) = (config.listen, config.tls.clone());
    let listen = |source| ServeError::Listen { address, source };
    // Before the journal: a second companion must not touch what the first one has open.
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr()?;
    let (drain, draining) = watch::channel(false);
    let front = Arc::new(Front::new(Arc::clone(&metrics)));
    let room = room();
    tracing::info!(%address, tls = tls.is_some(), connections = room, "listening");
    let acceptor = tls.map(TlsAcceptor::from);
    let (mut background, mut connections) = (JoinSet::new(), JoinSet::new());
    let mut writer = None;
    {
        let accepting = accept(&listener, room, acceptor, &front, &drain, &mut connections);
        let opening = open(config, metrics, draining, &front, &mut background, &mut writer);
        tokio::select! {
            never = accepting => match never {},
            outcome = opening => match outcome? {},
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
    drop(listener);
    drain.send_replace(true);
    tracing::info!(connections = connections.len(), "draining");
    let finished = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = finished => {}
        () = tokio::time::sleep(DRAIN_LIMIT) => tracing::warn!("draining took too long"),
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    connections.shutdown().await;
    background.shutdown().await;
    // The writer ends when nobody can hand in SETs any more.
    drop(front);
    if let Some(writer) = writer {
        let joined = tokio::task::spawn_blocking(move || writer.join());
        if !matches!(joined.await, Ok(Ok(()))) {
            tracing::error!("the journal's thread failed");
        }
    }
    tracing::info!("ended");
    Ok(())
}

/// Replays the journal and begins to serve. Returns only an error.
async fn open(
    mut config: Config,
    metrics: Arc<Metrics>,
    draining: watch::Receiver<bool>,
    front: &Front,
    background: &mut JoinSet<()>,
    writer: &mut Option<std::thread::JoinHandle<()>>,
) -> Result<Infallible, ServeError> {
    let (path, subject_key) = (config.journal.clone(), config.feed.subject_key);
    let live = Arc::new(LiveLog::new(config.feed.retention.saturating_add(RETENTION_MARGIN)));
    let replayed = Arc::clone(&live);
    let replay = tokio::task::spawn_blocking(move || {
        let journal = Journal::open(&path, &subject_key)?;
        replay(&journal, &replayed)?;
        Ok::<_, journal::JournalError>(Arc::new(journal))
    });
    let journal = replay.await.map_err(io::Error::other)??;
    let (submit, thread) =
        journal::start(Arc::clone(&journal), Arc::clone(&live), Arc::clone(&metrics))?;
    *writer = Some(thread);
    let audit_retention = config.audit_retention;
    let (decisions, decided) = (config.decisions.take(), draining.clone());
    let mut service = Service::new(
        config,
        Arc::clone(&journal),
        Arc::clone(&live),
        submit.clone(),
        metrics,
        draining,
    );
    for keys in service.keys() {
        background.spawn(keys.keep_fresh());
    }
    for receiver in service.receivers() {
        if receiver.stream().is_managed() {
            let (stream, peer) = (Arc::clone(receiver.stream()), Arc::clone(receiver.peer()));
            background.spawn(stream.tend(peer));
        }
        if let Delivery::Poll(polling) = receiver.delivery() {
            let (receiver, intake) = (Arc::clone(receiver), service.intake().clone());
            background.spawn(poll::driver::poll(receiver, polling.clone(), intake));
        }
    }
    background.spawn(watch(service.receivers().to_vec(), Arc::clone(service.gaps())));
    background.spawn(forget(Arc::clone(&live)));
    background.spawn(prune::keep_bounded(journal, Arc::clone(&live), submit, audit_retention));
    if let Some(decisions) = decisions {
        decide(decisions, &mut service, &live, decided, background).await?;
    }
    let (log, feed_key) = (service.feed().log(), service.feed().public_key());
    front.open(service);
    tracing::info!(%log, feed_key, "serving");
    std::future::pending().await
}

/// Begins to decide, on a state that has everything the journal has.
async fn decide(
    decisions: Decisions,
    service: &mut Service,
    live: &Arc<LiveLog>,
    draining: watch::Receiver<bool>,
    background: &mut JoinSet<()>,
) -> Result<(), ServeError> {
    let (address, counts) = (decisions.listen, service.count_decisions());
    let (feed, gaps) = (Arc::clone(service.feed()), Arc::clone(service.gaps()));
    let feed = (feed, Arc::clone(live), gaps);
    let state = State::new(&decisions.gate, &decisions.clusters, feed, Arc::clone(&counts));
    let state = Arc::new(state);
    let synchronized = Arc::clone(&state);
    let synchronizing =
        tokio::task::spawn_blocking(move || synchronized.synchronize(crate::clock::now()));
    synchronizing.await.map_err(io::Error::other)?;
    background.spawn(Arc::clone(&state).tend());
    listener::start(decisions, state, counts, draining, background)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

fn replay(journal: &Journal, live: &LiveLog) -> Result<(), journal::JournalError> {
    let start = std::time::Instant::now();
    let now = crate::clock::now();
    journal.replay(0, |sequence, records| live.apply([(sequence, records)], now))?;
    let (head, records) = (live.head(), live.len());
    tracing::info!(head, records, seconds = start.elapsed().as_secs_f64(), "journal: replayed");
    Ok(())
}

/// How many connections there is room for: each takes a file descriptor, and a journal that cannot
/// be opened again for want of one would be worse than a client that waits.
fn room() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    files
        .map_or(MAX_CONNECTIONS, |files: usize| files.saturating_sub(RESERVED_FILES))
        .clamp(1, MAX_CONNECTIONS)
}

/// Looks every second whether a stream may have missed events.
async fn watch(receivers: Vec<Arc<Receiver>>, gaps: Arc<Gaps>) {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    loop {
        ticks.tick().await;
        // At the end also those that began or ended between two ticks.
        for receiver in &receivers {
            receiver.stream().check(crate::clock::now());
            receiver.stream().keep().await;
        }
        gaps.gather(&receivers);
    }
}

async fn forget(live: Arc<LiveLog>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let dropped = live.sweep(SWEEP_RECORDS, crate::clock::now());
        if dropped > 0 {
            tracing::debug!(dropped, "records forgotten");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: usize,
    acceptor: Option<TlsAcceptor>,
    front: &Arc<Front>,
    drain: &watch::Sender<bool>,
    connections: &mut JoinSet<()>,
) -> Infallible {
    let room = Arc::new(Semaphore::new(room));
    loop {
        // Never closed: the semaphore lives here.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { continue };
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A page or a 202 is one small write: waiting for more would only delay it.
        let _cosmetic = stream.set_nodelay(true);
        let (front, draining, acceptor) = (Arc::clone(front), drain.subscribe(), acceptor.clone());
        connections.spawn(async move {
            let _permit = permit;
            connection(stream, acceptor, front, draining).await;
        });
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    front: Arc<Front>,
    draining: watch::Receiver<bool>,
) {
    let Some(acceptor) = acceptor else {
        http(stream, &front, draining).await;
        return;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, &front, draining).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    front: &Front,
    mut draining: watch::Receiver<bool>,
) {
    let _open = front.metrics().connection();
    let asked = AtomicBool::new(false);
    let answer = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        async { Ok::<_, Infallible>(front.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), answer);
    let mut connection = pin!(connection);
    let drained = async move {
        let _last_value = draining.wait_for(|draining| *draining).await.map(|value| *value);
    };
    let silent = async {
        tokio::time::sleep(FIRST_REQUEST_TIMEOUT).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = silent => {
            tracing::debug!("connection closed: no request came");
            return;
        }
        () = drained => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests;
