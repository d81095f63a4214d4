//! A transmitter's public keys: read from a file or fetched from a URL, and never lost to a failure.
//! Where neither is configured, the transmitter's metadata (SSF 1.0 §7) says where they are; it must
//! be of the configured issuer, and is read again with the keys.
//!
//! The last good set stays until a better one is read: an empty, broken or unreachable source
//! changes nothing but a counter and a log line. A `kid` that the set does not have makes the source
//! be asked again, at most once a minute for a URL (SSF says receivers follow rotation; a forger
//! must not turn it into a flood) and once a second for a file.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use hyper::Method;
use rescind_core::back_off::{doubled, jittered};
use rescind_core::jwk::{KeySet, KeySetError, MAX_KEY_SET_BYTES};
use tokio::time::Instant;

use crate::config::{KeySource, Transmitter};
use crate::metrics::{Counter, Metrics};
use crate::outbound::{Call, CallError, Outbound};
use crate::stream::ApiError;
use crate::stream::metadata::Metadata;

/// How often a URL is asked without a reason: issuers rotate in hours.
const REFRESH: Duration = Duration::from_secs(300);
/// A `kid` we do not know makes the URL be asked at most this often (signals.md F.8).
const FORCED_EVERY: Duration = Duration::from_secs(60);
/// How often a file is looked at.
const FILE_EVERY: Duration = Duration::from_secs(1);
/// The first pause after a failure; doubles up to [`REFRESH`].
const BACK_OFF: Duration = Duration::from_secs(1);
/// For the whole of a fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a key set could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The file system refuses.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The server or the way to it.
    #[error("cannot be fetched: {0}")]
    Http(#[from] CallError),
    /// The server has something else to say; a redirect could lead anywhere and is not followed.
    #[error("cannot be fetched: answered with status {0}")]
    Status(u16),
    /// What came is not the transmitter's metadata.
    #[error("the transmitter's metadata cannot be used: {0}")]
    Metadata(#[from] ApiError),
    /// The metadata does not say where the keys are.
    #[error("the transmitter's metadata has no `jwks_uri` that is an https URL")]
    Nowhere,
    /// What came is no key set.
    #[error("{0}")]
    Content(#[from] KeySetError),
}

/// Reads a key set from a file.
pub(crate) fn read_file(path: &Path) -> Result<KeySet, FetchError> {
    let mut text = Vec::new();
    // One byte more than allowed is enough to be refused as too long.
    let limit = u64::try_from(MAX_KEY_SET_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut text)?;
    Ok(KeySet::parse(&text)?)
}

/// The keys of `transmitter`, once, for a command.
pub(crate) fn load(transmitter: &Transmitter) -> Result<KeySet, FetchError> {
    match &transmitter.keys {
        KeySource::File(path) => read_file(path),
        source @ (KeySource::Url(_) | KeySource::Metadata { .. }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(fetch(&Outbound::new(&transmitter.roots), source))
        }
    }
}

async fn fetch(http: &Outbound, source: &KeySource) -> Result<KeySet, FetchError> {
    let body = match source {
        KeySource::File(path) => return read_file(path),
        KeySource::Url(url) => get(http, url).await?,
        KeySource::Metadata { url, issuer } => {
            let metadata = Metadata::read(&get(http, url).await?, issuer, url)?;
            get(http, &metadata.keys.ok_or(FetchError::Nowhere)?).await?
        }
    };
    Ok(KeySet::parse(&body)?)
}

async fn get(http: &Outbound, url: &str) -> Result<Vec<u8>, FetchError> {
    let call = Call {
        method: Method::GET,
        url: url.to_owned(),
        content: None,
        timeout: FETCH_TIMEOUT,
        limit: u64::try_from(MAX_KEY_SET_BYTES).unwrap_or(u64::MAX),
    };
    let answer = http.call(call, None).await?;
    if answer.status != 200 {
        return Err(FetchError::Status(answer.status));
    }
    Ok(answer.body)
}

/// The keys of one transmitter.
#[derive(Debug)]
pub(crate) struct Keys {
    name: String,
    source: KeySource,
    http: Outbound,
    current: RwLock<Option<Arc<KeySet>>>,
    /// One refresh at a time, and when the last one was.
    refresh: tokio::sync::Mutex<Option<Instant>>,
    modified: Mutex<Option<SystemTime>>,
    metrics: Arc<Metrics>,
}

impl Keys {
    /// The keys of the transmitter `name`; a URL is asked through `http`. A file is read at once: a companion that says it is ready
    /// must not turn the first push away. A URL is fetched by [`Self::keep_fresh`].
    pub(crate) fn new(
        name: &str,
        source: KeySource,
        http: Outbound,
        metrics: Arc<Metrics>,
    ) -> Self {
        let read = match &source {
            // A failure is told by `keep_fresh`, which tries again at once.
            KeySource::File(path) => read_file(path).ok().map(Arc::new),
            KeySource::Url(_) | KeySource::Metadata { .. } => None,
        };
        Self {
            name: name.to_owned(),
            source,
            http,
            current: RwLock::new(read),
            refresh: tokio::sync::Mutex::new(None),
            modified: Mutex::new(None),
            metrics,
        }
    }

    /// The last good set; `None` if there never was one.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the source again because of an unknown `kid`, unless that was done a moment ago.
    pub(crate) async fn refresh_for_unknown_kid(&self) {
        let pause = match self.source {
            KeySource::File(_) => FILE_EVERY,
            KeySource::Url(_) | KeySource::Metadata { .. } => FORCED_EVERY,
        };
        let mut last = self.refresh.lock().await;
        if last.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        *last = Some(Instant::now());
        self.read().await;
    }

    /// Asks the source if nothing is known yet: the first SET of a stream that was just created must
    /// not be lost because it came before the keys.
    pub(crate) async fn have_any(&self) {
        let mut last = self.refresh.lock().await;
        if self.current().is_some() || last.is_some_and(|last| last.elapsed() < FILE_EVERY) {
            return;
        }
        *last = if self.read().await { None } else { Some(Instant::now()) };
    }

    /// Keeps the set fresh for ever: a file when it changes, a URL from time to time.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut failures = 0_u32;
        loop {
            let good = match &self.source {
                KeySource::File(path) => !self.file_changed(path) || self.read().await,
                KeySource::Url(_) | KeySource::Metadata { .. } => self.read().await,
            };
            failures = if good { 0 } else { failures.saturating_add(1) };
            let pause = match self.source {
                KeySource::File(_) => FILE_EVERY,
                KeySource::Url(_) | KeySource::Metadata { .. } if good => randomly(REFRESH),
                KeySource::Url(_) | KeySource::Metadata { .. } => {
                    randomly(doubled(failures.saturating_sub(1), (BACK_OFF, REFRESH)))
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn file_changed(&self, path: &Path) -> bool {
        let found = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let mut known = self.modified.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *known != found || self.current().is_none();
        *known = found;
        changed
    }

    async fn read(&self) -> bool {
        let outcome = match &self.source {
            KeySource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                let Ok(outcome) = read.await else { return false };
                outcome
            }
            source @ (KeySource::Url(_) | KeySource::Metadata { .. }) => {
                fetch(&self.http, source).await
            }
        };
        match outcome {
            Ok(set) => {
                self.metrics.count(Counter::KeysFetched);
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                if current.as_deref() != Some(&set) {
                    let (usable, skipped) = (set.keys().len(), set.skipped().len());
                    tracing::info!(transmitter = self.name, usable, skipped, "keys: new set");
                    *current = Some(Arc::new(set));
                }
                true
            }
            Err(error) => {
                self.metrics.count(Counter::KeysFailed);
                let kept = self.current().is_some();
                tracing::warn!(transmitter = self.name, %error, kept, "keys: not refreshed");
                false
            }
        }
    }
}

/// So that companions do not ask in step.
fn randomly(pause: Duration) -> Duration {
    jittered(pause, getrandom::u64().unwrap_or_default())
}

#[cfg(test)]
mod tests;
