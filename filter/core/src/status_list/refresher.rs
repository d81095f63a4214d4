//! When the leader fetches which status list.
//!
//! Sans-IO, as [`crate::keys::Refresher`]: [`ListRefresher::handle_tick`] says what to fetch, the
//! shell fetches it through the gateway and hands the answer to
//! [`ListRefresher::handle_response`].
//!
//! What is fetched is what workers wish for: lists are named by tokens, not by the configuration. A
//! wish counts only if the configuration allows its URI, and a list is followed until nobody has
//! wished for it for [`FORGET_AFTER`]; workers wish again when a list is due that they use. A new
//! leader begins with nothing and hears soon enough.
//!
//! **The last good list stays** whatever happens, as long as it is good at all
//! ([`StatusListToken::good_until`]), and one that was issued before it replaces nothing: whoever
//! has kept an old list could otherwise un-revoke tokens.

use std::fmt;
use std::time::Duration;

use super::sealed::{Shelf, Wish};
use super::{
    CompactList, MAX_AGE, MAX_LIST_TOKEN_BYTES, MAX_LISTS, MAX_LISTS_OF_ISSUER, StatusListError,
    StatusListToken, StatusSource, check_header,
};
use crate::back_off::doubled;
use crate::config::Config;
use crate::crypto::SignatureVerifier;
use crate::json::{self, JsonError, Limits};
use crate::jws::{Algorithm, Jws, JwsError};
use crate::keys::{Fetch, KeyStore, spread};
use crate::shared::{SharedData, SharedDataError};
use crate::time::UnixTime;

/// How long a server may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long after a fetch began it counts as lost: the gateway's own timer comes first.
const LOST_AFTER: Duration = Duration::from_secs(7);

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a list is followed after the last wish for it. Workers wish at least as often as the
/// longest `ttl` that is followed.
const FORGET_AFTER: Duration = Duration::from_secs(2 * 3600);

/// Fetches under way at a time: an answer may have a megabyte, which the host keeps until it is
/// read.
const MAX_UNDER_WAY: usize = 4;

/// Decides when to fetch which status list.
#[derive(Debug)]
pub struct ListRefresher {
    shelf: Shelf,
    issuers: Vec<Option<Followed>>,
    entries: Vec<Entry>,
    next_number: usize,
    was_leader: bool,
    has_news: bool,
}

/// An issuer that has lists.
#[derive(Clone, Debug)]
struct Followed {
    iss: String,
    source: StatusSource,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
}

/// One list.
#[derive(Debug)]
struct Entry {
    /// What the shell hands back with the answer.
    number: usize,
    issuer: usize,
    uri: String,
    due: UnixTime,
    /// While a fetch is under way: when it counts as lost.
    lost_at: Option<UnixTime>,
    /// When the list that is there was fetched.
    fetched_at: Option<UnixTime>,
    failures: u32,
    wished_at: UnixTime,
}

/// Why a fetch brought no list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ListError {
    /// The gateway could not send the request, or got no answer in time.
    #[error("no answer")]
    NoAnswer,
    /// An answer other than 2xx; redirects are not followed.
    #[error("status {status}")]
    Status {
        /// What it was.
        status: u16,
    },
    /// Not a well-formed JWS.
    #[error("{0}")]
    Malformed(JwsError),
    /// A payload that is not strict JSON.
    #[error("payload: {0}")]
    Payload(JsonError),
    /// An algorithm that the issuer's configuration does not name.
    #[error("algorithm {algorithm} is not allowed for its issuer")]
    Algorithm {
        /// What the header says.
        algorithm: Algorithm,
    },
    /// No key of the issuer made the signature, or its keys are not there yet.
    #[error("no key of its issuer made its signature")]
    Signature,
    /// A signed token that is no list, or not one to use now.
    #[error("{0}")]
    List(#[from] StatusListError),
    /// One that was issued before the one that is there.
    #[error("list was issued at {offered}, the one that is there at {stored}")]
    Older {
        /// Its `iat`.
        offered: UnixTime,
        /// The other's.
        stored: UnixTime,
    },
    /// The list could not be put into shared data.
    #[error("{0}")]
    SharedData(#[from] SharedDataError),
}

/// What happened, to be logged and counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListNotice {
    /// A good list was fetched.
    Fetched {
        /// Where.
        uri: String,
        /// How many tokens it has places for.
        places: u64,
        /// Whether it is another list than before.
        changed: bool,
    },
    /// A fetch failed; the last good list stays.
    Failed {
        /// Where.
        uri: String,
        /// Why.
        error: ListError,
        /// How long until the next attempt.
        pause: Duration,
    },
    /// A list is not followed any more, because its issuer has others that were asked for later.
    GaveWay {
        /// Where.
        uri: String,
    },
}

impl ListRefresher {
    /// For the issuers that have lists.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let issuers = config.issuers.iter().map(|issuer| {
            issuer.status.clone().map(|source| Followed {
                iss: issuer.issuer.clone(),
                source,
                algorithms: issuer.algorithms.clone(),
                leeway: issuer.leeway,
            })
        });
        Self {
            shelf: Shelf::of(config),
            issuers: issuers.collect(),
            entries: Vec::new(),
            next_number: 0,
            was_leader: false,
            has_news: false,
        }
    }

    /// What to fetch now. Only the leader fetches.
    pub fn handle_tick(
        &mut self,
        is_leader: bool,
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> (Vec<Fetch>, Vec<ListNotice>) {
        let (mut fetches, mut notices) = (Vec::new(), Vec::new());
        // Without lists, not even a look into shared data.
        if self.issuers.iter().all(Option::is_none) {
            return (fetches, notices);
        }
        if is_leader && !self.was_leader {
            // The leader before may have died between storing a list and announcing it.
            self.entries.clear();
            self.has_news = true;
        }
        self.was_leader = is_leader;
        if !is_leader {
            return (fetches, notices);
        }
        for wish in self.shelf.take_wishes(shared) {
            notices.extend(self.grant(&wish, shared, now));
        }
        self.forget(shared, now);
        for entry in &mut self.entries {
            if entry.lost_at.is_some_and(|lost_at| has_come(lost_at, LOST_AFTER, now)) {
                notices.push(entry.fail(ListError::NoAnswer, now, random));
            }
        }
        let mut under_way = self.entries.iter().filter(|entry| entry.lost_at.is_some()).count();
        for entry in &mut self.entries {
            let is_due = entry.lost_at.is_none() && has_come(entry.due, MAX_AGE, now);
            let issuer = self.issuers.get(entry.issuer).and_then(Option::as_ref);
            if is_due
                && under_way < MAX_UNDER_WAY
                && let Some((source, location)) =
                    issuer.and_then(|of| Some((&of.source, of.source.location(&entry.uri)?)))
            {
                entry.lost_at = Some(now.plus(LOST_AFTER));
                under_way = under_way.saturating_add(1);
                let (authority, path) = location;
                fetches.push(Fetch {
                    source: entry.number,
                    cluster: source.cluster().to_owned(),
                    authority,
                    path,
                    timeout: FETCH_TIMEOUT,
                });
            }
        }
        (fetches, notices)
    }

    /// Takes the answer to a fetch: its status and body, or nothing if there was none. The body
    /// must be whole. The keys are those of all issuers, as they are now.
    pub fn handle_response(
        &mut self,
        number: usize,
        response: Option<(u16, &[u8])>,
        (keys, verifier): (&mut KeyStore, &dyn SignatureVerifier),
        shared: &dyn SharedData,
        now: UnixTime,
        random: u64,
    ) -> Option<ListNotice> {
        let entry = self.entries.iter_mut().find(|entry| entry.number == number)?;
        let issuer = self.issuers.get(entry.issuer)?.as_ref()?;
        let fetched = issuer.read(entry, response, keys, verifier, (shared, now));
        match fetched.and_then(|token| issuer.store(entry, token, &self.shelf, shared, now)) {
            Ok((notice, good_for)) => {
                (entry.lost_at, entry.fetched_at) = (None, Some(now));
                entry.failures = 0;
                entry.due = now.plus(spread(good_for, random));
                self.has_news |= notice.changes_lists();
                Some(notice)
            }
            Err(error) => entry.lost_at.is_some().then(|| entry.fail(error, now, random)),
        }
    }

    /// Takes note that a fetch could not be sent.
    pub fn handle_loss(&mut self, number: usize, now: UnixTime, random: u64) -> Option<ListNotice> {
        let entry = self.entries.iter_mut().find(|entry| entry.number == number)?;
        Some(entry.fail(ListError::NoAnswer, now, random))
    }

    /// Whether the head's `keys_version` must be raised, so that all workers look again; until
    /// [`ListRefresher::announced`] says that it was.
    #[must_use]
    pub const fn has_news(&self) -> bool {
        self.has_news
    }

    /// The head's `keys_version` was raised.
    pub const fn announced(&mut self) {
        self.has_news = false;
    }

    /// Follows what is wished for, if the configuration allows it.
    fn grant(
        &mut self,
        (iss, uri): &Wish,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Option<ListNotice> {
        let is_it = |known: &Option<Followed>| known.as_ref().is_some_and(|of| of.iss == *iss);
        let issuer = self.issuers.iter().position(is_it)?;
        let source = &self.issuers.get(issuer)?.as_ref()?.source;
        source.location(uri)?;
        let known = |entry: &&mut Entry| entry.issuer == issuer && entry.uri == *uri;
        if let Some(entry) = self.entries.iter_mut().find(known) {
            entry.wished_at = now;
            // The clock was set back, and nobody uses a list from the future. Or another configuration's leader has
            // stopped following it, and emptied it.
            let is_of_no_use = |at| at > now || !self.shelf.has((iss, uri), shared);
            if entry.fetched_at.is_some_and(is_of_no_use) {
                (entry.fetched_at, entry.due) = (None, now);
            }
            return None;
        }
        let of_issuer = self.entries.iter().filter(|entry| entry.issuer == issuer).count();
        let is_full = of_issuer >= MAX_LISTS_OF_ISSUER || self.entries.len() >= MAX_LISTS;
        let notice = if is_full { Some(self.give_way(issuer, shared)?) } else { None };
        self.next_number = self.next_number.wrapping_add(1);
        self.entries.push(Entry {
            number: self.next_number,
            issuer,
            uri: uri.clone(),
            due: now,
            lost_at: None,
            fetched_at: None,
            failures: 0,
            wished_at: now,
        });
        notice
    }

    /// Makes room for another list of `issuer` by one of its own.
    fn give_way(&mut self, issuer: usize, shared: &dyn SharedData) -> Option<ListNotice> {
        let own = self.entries.iter().enumerate().filter(|(_, entry)| entry.issuer == issuer);
        let (place, _) = own.min_by_key(|(_, entry)| entry.wished_at)?;
        let entry = self.entries.swap_remove(place);
        self.empty(&entry, shared);
        Some(ListNotice::GaveWay { uri: entry.uri })
    }

    fn forget(&mut self, shared: &dyn SharedData, now: UnixTime) {
        let is_forgotten = |entry: &mut Entry| now.since(entry.wished_at) >= FORGET_AFTER;
        let forgotten: Vec<Entry> = self.entries.extract_if(.., is_forgotten).collect();
        for entry in &forgotten {
            self.empty(entry, shared);
        }
    }

    fn empty(&self, entry: &Entry, shared: &dyn SharedData) {
        if let Some(Some(issuer)) = self.issuers.get(entry.issuer) {
            self.shelf.empty((&issuer.iss, &entry.uri), shared);
        }
    }
}

impl Followed {
    /// The list in an answer, if the issuer signed it and it may be used now.
    fn read(
        &self,
        entry: &Entry,
        response: Option<(u16, &[u8])>,
        keys: &mut KeyStore,
        verifier: &dyn SignatureVerifier,
        (shared, now): (&dyn SharedData, UnixTime),
    ) -> Result<StatusListToken, ListError> {
        let (status, body) = response.ok_or(ListError::NoAnswer)?;
        if !(200..300).contains(&status) {
            return Err(ListError::Status { status });
        }
        let jws = Jws::parse(body.trim_ascii(), MAX_LIST_TOKEN_BYTES);
        let jws = jws.map_err(ListError::Malformed)?;
        check_header(&jws)?;
        let algorithm = jws.algorithm();
        if !self.algorithms.contains(&algorithm) {
            return Err(ListError::Algorithm { algorithm });
        }
        let is_signer = |key| verifier.verify(algorithm, key, jws.signing_input(), jws.signature());
        let known = keys.keys(entry.issuer);
        if !known.is_some_and(|keys| keys.candidates(algorithm, jws.kid()).any(is_signer)) {
            // Perhaps the issuer has rotated its keys.
            keys.wish(entry.issuer, shared, now);
            return Err(ListError::Signature);
        }
        let payload = json::parse(jws.payload(), &Limits::TOKEN).map_err(ListError::Payload)?;
        let token = StatusListToken::parse(&payload, &entry.uri)?;
        token.check(now, self.leeway, now)?;
        Ok(token)
    }

    /// Puts a list where the workers find it. Also says for how long it is good.
    fn store(
        &self,
        entry: &Entry,
        token: StatusListToken,
        shelf: &Shelf,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Result<(ListNotice, Duration), ListError> {
        let names = (self.iss.as_str(), entry.uri.as_str());
        let stored = shelf.load_newer(names, None, shared)?.map(|stored| stored.token);
        if let Some(stored) = &stored
            && stored.iat > token.iat
        {
            return Err(ListError::Older { offered: token.iat, stored: stored.iat });
        }
        let changed = stored.is_none_or(|stored| stored.list != token.list);
        let (uri, places) = (entry.uri.clone(), token.list.places());
        let good_for = token.refresh().min(token.good_until(now).since(now)).max(FIRST_PAUSE);
        shelf.store(names, &CompactList { fetched_at: now, token }, shared)?;
        Ok((ListNotice::Fetched { uri, places, changed }, good_for))
    }
}

impl Entry {
    fn fail(&mut self, error: ListError, now: UnixTime, random: u64) -> ListNotice {
        let pause = spread(doubled(self.failures, (FIRST_PAUSE, LONGEST_PAUSE)), random);
        self.failures = self.failures.saturating_add(1);
        self.lost_at = None;
        self.due = now.plus(pause);
        ListNotice::Failed { uri: self.uri.clone(), error, pause }
    }
}

impl ListNotice {
    const fn changes_lists(&self) -> bool {
        matches!(self, Self::Fetched { changed: true, .. })
    }

    /// Whether this is worth a line in the log.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        match self {
            Self::Fetched { changed, .. } => *changed,
            Self::Failed { .. } | Self::GaveWay { .. } => true,
        }
    }
}

impl fmt::Display for ListNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetched { uri, places, changed } => {
                let news = if *changed { "changed" } else { "unchanged" };
                write!(f, "status list `{uri}`: fetched, {news}, {places} places")
            }
            Self::Failed { uri, error, pause } => {
                let pause = pause.as_millis();
                write!(
                    f,
                    "status list `{uri}`: fetch failed ({error}), last good list kept, next try in {pause} ms"
                )
            }
            Self::GaveWay { uri } => {
                write!(f, "status list `{uri}`: not followed any more, its issuer has too many")
            }
        }
    }
}

/// Whether `at`, which was at most `longest` ahead when it was chosen, has come; or the clock was
/// set back since.
fn has_come(at: UnixTime, longest: Duration, now: UnixTime) -> bool {
    now >= at || at.since(now) > longest
}
