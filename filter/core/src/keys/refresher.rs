//! When the leader fetches which key set.
//!
//! Sans-IO: [`Refresher::handle_tick`] says what to fetch, the shell fetches it through the gateway
//! and hands the answer to [`Refresher::handle_response`]. A callout that never comes back is
//! noticed by its deadline, because hosts cancel callouts silently when a configuration is
//! replaced.

use std::fmt;
use std::time::Duration;

use super::{Keys, KeysError, Kind, METADATA_AGE, Source, StoredSet, WISH_INTERVAL};
use crate::back_off::doubled;
use crate::bundle::{Bundle, BundleError};
use crate::config::Config;
use crate::discovery::{self, DiscoveryError, Location};
use crate::jwk::KeySetError;
use crate::shared::{SharedData, SharedDataError};
use crate::time::UnixTime;

/// How long an issuer may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long after [`FETCH_TIMEOUT`] a callout counts as lost: the gateway's own timer comes first.
const LOST_AFTER: Duration = Duration::from_secs(7);

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after a failure, if the set is not refreshed more often anyway.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Decides when to fetch which key set.
#[derive(Debug)]
pub struct Refresher {
    entries: Vec<Entry>,
    was_leader: bool,
    /// Whether a set changed that the head does not announce yet, as far as this leader knows.
    has_news: bool,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    /// When the next fetch is due.
    due: UnixTime,
    /// When the last fetch began.
    last_fetch: Option<UnixTime>,
    /// While a fetch is under way: when it counts as lost.
    lost_at: Option<UnixTime>,
    failures: u32,
    /// What the fetch under way, or the last one, is for.
    asked: Asked,
    /// Where the metadata say that the keys are, and when they said so.
    located: Option<(Location, UnixTime)>,
    /// How long what was fetched is good: a bundle may say so itself.
    refresh: Duration,
    /// Whether a bundle is stored: failures are then no reason to hurry.
    has_bundle: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Keys,
    Metadata,
}

/// A request for the shell to send: `GET`, with `accept: application/json`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetch {
    /// To be handed back with the response.
    pub source: usize,
    /// The gateway's name for the server.
    pub cluster: String,
    /// The `host` header.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// When the gateway should give up.
    pub timeout: Duration,
}

impl From<KeysError> for FetchError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Set(error) => Self::KeySet(error),
            KeysError::Bundle(error) => Self::Bundle(error),
        }
    }
}

/// Why a fetch brought no keys.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FetchError {
    /// The gateway could not send the request, or got no answer in time.
    #[error("no answer")]
    NoAnswer,
    /// An answer other than 2xx; redirects are not followed.
    #[error("status {status}")]
    Status {
        /// What it was.
        status: u16,
    },
    /// An answer that is no usable key set.
    #[error("{0}")]
    KeySet(#[from] KeySetError),
    /// An answer that is no bundle.
    #[error("{0}")]
    Bundle(#[from] BundleError),
    /// A bundle that says itself that it is older than the one that is there.
    #[error("bundle has the sequence number {offered}, the one that is there has {stored}")]
    OlderBundle {
        /// Its number.
        offered: u64,
        /// The other's.
        stored: u64,
    },
    /// An answer that is not the issuer's metadata.
    #[error("{0}")]
    Metadata(#[from] DiscoveryError),
    /// The keys could not be put into shared data.
    #[error("{0}")]
    SharedData(#[from] SharedDataError),
}

/// What happened, to be logged and counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeysNotice {
    /// A good set was fetched.
    Fetched {
        /// Whose.
        issuer: String,
        /// How many keys can be used.
        keys: usize,
        /// How many cannot.
        skipped: usize,
        /// Whether it is another set than before.
        changed: bool,
    },
    /// The issuer's metadata were fetched; its keys come next.
    Located {
        /// Whose.
        issuer: String,
        /// The path of its key set.
        path: String,
        /// Whether it is another one than before.
        changed: bool,
    },
    /// A fetch failed; the last good set stays.
    Failed {
        /// Whose.
        issuer: String,
        /// Why.
        error: FetchError,
        /// How long until the next attempt.
        pause: Duration,
    },
}

impl Refresher {
    /// For the key sets that `config` says are to be fetched.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let entries = Source::all(config).into_iter().map(|source| Entry {
            refresh: source.url.refresh,
            source,
            asked: Asked::Keys,
            located: None,
            has_bundle: false,
            due: UnixTime::EPOCH,
            last_fetch: None,
            lost_at: None,
            failures: 0,
        });
        Self { entries: entries.collect(), was_leader: false, has_news: false }
    }

    /// What to fetch now. Only the leader fetches; a new leader goes on from what shared data says.
    pub fn handle_tick(
        &mut self,
        is_leader: bool,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> (Vec<Fetch>, Vec<KeysNotice>) {
        let mut fetches = Vec::new();
        let mut notices = Vec::new();
        if is_leader && !self.was_leader {
            // The leader before may have died between storing a set and announcing it.
            for entry in &mut self.entries {
                self.has_news |= entry.resume(shared, now, random);
            }
        }
        self.was_leader = is_leader;
        if !is_leader {
            return (fetches, notices);
        }
        for (place, entry) in self.entries.iter_mut().enumerate() {
            if entry.lost_at.is_some_and(|lost_at| now >= lost_at) {
                notices.push(entry.fail(FetchError::NoAnswer, now, random));
            }
            if entry.lost_at.is_none() && (now >= entry.due || entry.is_wished_for(shared, now)) {
                entry.last_fetch = Some(now);
                entry.lost_at = Some(now.plus(LOST_AFTER));
                fetches.push(entry.fetch(place, now));
            }
        }
        (fetches, notices)
    }

    /// Whether the head's `keys_version` must be raised, so that all workers read the sets again;
    /// until [`Refresher::announced`] says that it was.
    #[must_use]
    pub const fn has_news(&self) -> bool {
        self.has_news
    }

    /// The head's `keys_version` was raised.
    pub const fn announced(&mut self) {
        self.has_news = false;
    }

    /// Takes the answer to a fetch: its status and body, or nothing if there was none. The body
    /// must be whole.
    pub fn handle_response(
        &mut self,
        source: usize,
        response: Option<(u16, &[u8])>,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> Option<KeysNotice> {
        let entry = self.entries.get_mut(source)?;
        // An answer after its deadline was counted as lost; a good one is welcome all the same.
        match entry.accept(response, shared, now) {
            Ok(notice) => {
                entry.lost_at = None;
                entry.due = match notice {
                    KeysNotice::Located { .. } => now,
                    KeysNotice::Fetched { .. } | KeysNotice::Failed { .. } => {
                        entry.failures = 0;
                        now.plus(spread(entry.refresh, random))
                    }
                };
                self.has_news |= notice.changes_keys();
                Some(notice)
            }
            Err(error) => entry.lost_at.is_some().then(|| entry.fail(error, now, random)),
        }
    }
}

impl Entry {
    /// A set that is there and fresh need not be fetched again because the leader changed. Whether
    /// there is one.
    fn resume(&mut self, shared: &dyn SharedData, now: UnixTime, random: u64) -> bool {
        self.lost_at = None;
        self.failures = 0;
        let stored = self.source.load(shared).ok().flatten();
        if let Some(Ok(Keys::Bundle(bundle))) =
            stored.as_ref().map(|set| self.source.read(&set.text))
        {
            self.has_bundle = true;
            self.refresh = bundle.refresh(self.source.url.refresh);
        }
        let is_there = stored.is_some();
        // A time in the future is a clock's mistake; waiting for it would be ours.
        let fetched_at = stored.map(|stored| stored.fetched_at).filter(|at| *at <= now);
        self.last_fetch = fetched_at;
        self.due = fetched_at.map_or(now, |at| at.plus(spread(self.refresh, random)));
        is_there
    }

    /// What to ask now: for the keys, unless it has to be asked first where they are.
    fn fetch(&mut self, source: usize, now: UnixTime) -> Fetch {
        let url = &self.source.url;
        let (asked, cluster, authority, path) = match (&self.source.kind, &self.located) {
            (Kind::Discovered(discovery), Some((location, at)))
                if now >= *at && now.since(*at) < METADATA_AGE =>
            {
                (Asked::Keys, &discovery.jwks_cluster, &location.authority, &location.path)
            }
            (Kind::Discovered(_), _) => (Asked::Metadata, &url.cluster, &url.authority, &url.path),
            (Kind::KeySet | Kind::Bundle, _) => {
                (Asked::Keys, &url.cluster, &url.authority, &url.path)
            }
        };
        self.asked = asked;
        Fetch {
            source,
            cluster: cluster.clone(),
            authority: authority.clone(),
            path: path.clone(),
            timeout: FETCH_TIMEOUT,
        }
    }

    fn is_wished_for(&self, shared: &dyn SharedData, now: UnixTime) -> bool {
        // Made-up names of keys must not make a failing bundle endpoint busy.
        if self.has_bundle && self.failures > 0 {
            return false;
        }
        let may_fetch = |last: UnixTime| now.since(last) >= WISH_INTERVAL || last > now;
        self.last_fetch.is_none_or(may_fetch)
            && self.source.wish(shared).is_some_and(|wish| {
                // A wish from the future would be granted for ever.
                wish <= now && self.last_fetch.is_none_or(|last| wish >= last)
            })
    }

    fn accept(
        &mut self,
        response: Option<(u16, &[u8])>,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Result<KeysNotice, FetchError> {
        let (status, body) = response.ok_or(FetchError::NoAnswer)?;
        if !(200..300).contains(&status) {
            return Err(FetchError::Status { status });
        }
        let issuer = self.source.iss.clone();
        if let (Kind::Discovered(discovery), Asked::Metadata) = (&self.source.kind, self.asked) {
            let found = discovery::jwks_location(body, &issuer, &discovery.jwks_authority)?;
            let path = found.path.clone();
            let changed = self.located.as_ref().is_none_or(|(known, _)| *known != found);
            self.located = Some((found, now));
            return Ok(KeysNotice::Located { issuer, path, changed });
        }
        let fetched = self.source.read(body)?;
        if let Keys::Bundle(bundle) = &fetched {
            self.refuse_older(bundle, shared)?;
        }
        let stored = StoredSet { fetched_at: now, text: body.to_vec() };
        let changed = self.source.store(&stored, shared)?;
        if let Keys::Bundle(bundle) = &fetched {
            self.has_bundle = true;
            self.refresh = bundle.refresh(self.source.url.refresh);
        }
        let (keys, skipped) = fetched.counts();
        Ok(KeysNotice::Fetched { issuer, keys, skipped, changed })
    }

    fn refuse_older(&self, offered: &Bundle, shared: &dyn SharedData) -> Result<(), FetchError> {
        let Some(stored) = self.source.load(shared)? else { return Ok(()) };
        match self.source.read(&stored.text) {
            Ok(Keys::Bundle(stored)) if !offered.may_replace(&stored) => {
                let number = |bundle: &Bundle| bundle.sequence().unwrap_or_default();
                Err(FetchError::OlderBundle { offered: number(offered), stored: number(&stored) })
            }
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: FetchError, now: UnixTime, random: u64) -> KeysNotice {
        let longest = LONGEST_PAUSE.min(self.refresh);
        let pause = match self.has_bundle {
            true => self.refresh,
            false => doubled(self.failures, (FIRST_PAUSE, longest)),
        };
        let pause = spread(pause, random);
        // Perhaps the keys have moved.
        self.located = None;
        self.failures = self.failures.saturating_add(1);
        self.lost_at = None;
        self.due = now.plus(pause);
        KeysNotice::Failed { issuer: self.source.iss.clone(), error, pause }
    }
}

impl KeysNotice {
    /// Whether another set was stored than was there before.
    #[must_use]
    pub const fn changes_keys(&self) -> bool {
        matches!(self, Self::Fetched { changed: true, .. })
    }

    /// Whether this is worth a line in the log.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        match self {
            Self::Fetched { changed, .. } | Self::Located { changed, .. } => *changed,
            Self::Failed { .. } => true,
        }
    }

    /// Whether a fetch failed: for the metric, and for the level of the log.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

impl fmt::Display for KeysNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetched { issuer, keys, skipped, changed } => {
                let news = if *changed { "changed" } else { "unchanged" };
                write!(
                    f,
                    "keys of `{issuer}`: fetched, {news}, {keys} usable, {skipped} set aside"
                )?;
                if *keys == 0 { f.write_str("; no token of it is valid any more") } else { Ok(()) }
            }
            Self::Located { issuer, path, .. } => {
                write!(f, "keys of `{issuer}`: its metadata name the key set at {path}")
            }
            Self::Failed { issuer, error, pause } => {
                let pause = pause.as_millis();
                write!(
                    f,
                    "keys of `{issuer}`: fetch failed ({error}), last good set kept, next try in {pause} ms"
                )
            }
        }
    }
}

/// From three quarters of `pause` to all of it: gateways that started together do not ask together.
pub(crate) fn spread(pause: Duration, random: u64) -> Duration {
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let quarter = millis / 4;
    Duration::from_millis(millis.saturating_sub(quarter.saturating_mul(random % 1025) / 1024))
}
