//! The status lists of one worker: those that its requests ask about.
//!
//! A list is read from shared data when a token first names it, when the table's head says that
//! something was fetched, and when it should have been fetched again; otherwise a look-up touches
//! nothing but this worker's memory. What is not there is wished for, and the leader fetches it.

use std::time::Duration;

use super::sealed::Shelf;
use super::{CompactList, MAX_LISTS, Status, StatusList, StatusListError};
use crate::config::Config;
use crate::shared::SharedData;
use crate::time::UnixTime;

/// The least time between two looks into shared data, and between two wishes, for a list that is
/// not there or is due: a token that names one is no reason to look at each of its requests.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How much memory the lists of one worker may take, inflated: sixty of a million tokens each.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The status lists that this worker knows.
#[derive(Debug)]
pub struct StatusStore {
    shelf: Shelf,
    entries: Vec<Entry>,
}

/// No list that may be used now: never fetched, or too old.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unknown;

#[derive(Debug)]
struct Entry {
    iss: Box<str>,
    uri: Box<str>,
    list: Option<Loaded>,
    /// When shared data was looked at last, and which version the head named.
    looked: Option<(UnixTime, u32)>,
    /// When a request last asked.
    used: UnixTime,
}

#[derive(Debug)]
struct Loaded {
    list: StatusList,
    /// When the leader should have fetched it again.
    due: UnixTime,
    good_until: UnixTime,
    fetched_at: UnixTime,
}

impl StatusStore {
    /// Without any lists yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { shelf: Shelf::of(config), entries: Vec::new() }
    }

    /// The status at place `index` of the list of the issuer `iss` at `uri`, which its configuration
    /// allows. `version` is the head's `keys_version`: another one says that something was fetched.
    /// An error of the list, such as a place beyond its end, is nobody's permit.
    pub fn status(
        &mut self,
        (iss, uri): (&str, &str),
        index: u64,
        version: u32,
        shared: &dyn SharedData,
        now: UnixTime,
    ) -> Result<Result<Status, StatusListError>, Unknown> {
        let place = self.place(iss, uri, now);
        let entry = self.entries.get_mut(place).ok_or(Unknown)?;
        entry.used = now;
        if entry.has_to_look(version, now) {
            entry.look(&self.shelf, version, shared, now);
            self.make_room(place);
        }
        let list = self.entries.get(place).and_then(|entry| entry.good_list(now)).ok_or(Unknown)?;
        Ok(list.status(index))
    }

    /// Where the list is among those that this worker knows, or now begins to know.
    fn place(&mut self, iss: &str, uri: &str, now: UnixTime) -> usize {
        let is_it = |entry: &Entry| *entry.uri == *uri && *entry.iss == *iss;
        if let Some(place) = self.entries.iter().position(is_it) {
            return place;
        }
        let new = Entry { iss: iss.into(), uri: uri.into(), list: None, looked: None, used: now };
        if self.entries.len() < MAX_LISTS {
            self.entries.push(new);
            return self.entries.len().saturating_sub(1);
        }
        let oldest = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.used);
        let oldest = oldest.map_or(0, |(place, _)| place);
        if let Some(entry) = self.entries.get_mut(oldest) {
            *entry = new;
        }
        oldest
    }

    /// Forgets what was not used for longest, but not the one at `kept`.
    fn make_room(&mut self, kept: usize) {
        let bytes = |entry: &Entry| entry.list.as_ref().map_or(0, |loaded| loaded.list.bytes());
        while self.entries.iter().map(bytes).fold(0, usize::saturating_add) > MAX_BYTES {
            let others = self.entries.iter_mut().enumerate().filter(|(place, _)| *place != kept);
            let oldest = others
                .map(|(_, entry)| entry)
                .filter(|entry| entry.list.is_some())
                .min_by_key(|entry| entry.used);
            let Some(oldest) = oldest else { return };
            (oldest.list, oldest.looked) = (None, None);
        }
    }
}

impl Entry {
    fn has_to_look(&self, version: u32, now: UnixTime) -> bool {
        let Some((at, for_version)) = self.looked else { return true };
        let may_look = now.since(at) >= LOOK_INTERVAL || at > now;
        for_version != version || (may_look && self.is_due(now))
    }

    /// Takes what shared data has, and wishes for it if that is nothing, or due.
    fn look(&mut self, shelf: &Shelf, version: u32, shared: &dyn SharedData, now: UnixTime) {
        let may_wish = self.looked.is_none_or(|(at, _)| now.since(at) >= LOOK_INTERVAL || at > now);
        self.looked = Some((now, version));
        // One from the future is a clock's mistake, and any other is better.
        let known = self.list.as_ref().map(|loaded| loaded.fetched_at).filter(|at| *at <= now);
        if let Ok(Some(found)) = shelf.load_newer((&self.iss, &self.uri), known, shared) {
            self.list = Some(Loaded::new(found));
        }
        if may_wish && self.is_due(now) {
            shelf.wish((&self.iss, &self.uri), shared);
        }
    }

    /// Whether a newer list is needed.
    fn is_due(&self, now: UnixTime) -> bool {
        self.list.as_ref().is_none_or(|loaded| now >= loaded.due || loaded.fetched_at > now)
    }

    fn good_list(&self, now: UnixTime) -> Option<&StatusList> {
        let loaded = self.list.as_ref()?;
        // A list from the future is a clock's mistake: it would be good for too long.
        (loaded.fetched_at <= now && now < loaded.good_until).then_some(&loaded.list)
    }
}

impl Loaded {
    fn new(found: CompactList) -> Self {
        let CompactList { fetched_at, token } = found;
        let (due, good_until) = (fetched_at.plus(token.refresh()), token.good_until(fetched_at));
        Self { list: token.list, due, good_until, fetched_at }
    }
}
