//! Lists and wishes as values in shared data, which strangers can write: each is sealed with its
//! own name, and a list says whose it is.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::{CompactList, MAX_LISTS};
use crate::base64url;
use crate::config::{Config, Revocation};
use crate::documents;
use crate::shared::{SharedData, SharedDataError};
use crate::table;
use crate::time::UnixTime;

/// The form of a value; a worker that finds another one treats it as absent.
const FORM: u8 = 1;

/// Wishes that wait for the leader, which takes them with its next tick: for as many lists as it can
/// follow.
pub(super) const MAX_WISHES: usize = MAX_LISTS;

/// Where lists and wishes are. There is one key for each list; a leader follows a bounded number of
/// them and empties those that nobody asks for any more.
#[derive(Clone)]
pub(super) struct Shelf {
    prefix: String,
    wishes: String,
    key: [u8; 16],
}

/// A list that somebody asks for: whose, and where it is published.
pub(super) type Wish = (String, String);

impl Shelf {
    /// Wishes are those of the configurations of one `group` ([`crate::documents`]); lists are everybody's.
    pub(super) fn new(table: &str, key: [u8; 16], group: &str) -> Self {
        let prefix = format!("rescind.{table}.status.");
        Self { wishes: format!("{prefix}want.{group}"), prefix, key }
    }

    pub(super) fn of(config: &Config) -> Self {
        let Revocation { table, checksum_key, .. } = &config.revocation;
        Self::new(table, *checksum_key, &documents::group(config).unwrap_or_default())
    }

    /// Whether there is something under the list's name.
    pub(super) fn has(&self, (iss, uri): (&str, &str), shared: &dyn SharedData) -> bool {
        let found = shared.get(&self.name(iss, uri));
        found.is_ok_and(|found| found.is_some_and(|found| !found.value.is_empty()))
    }

    /// The list of `iss` at `uri`, if a leader has put one there that was fetched after `known`. An
    /// older one, put back by whoever can write here, replaces nothing.
    pub(super) fn load_newer(
        &self,
        (iss, uri): (&str, &str),
        known: Option<UnixTime>,
        shared: &dyn SharedData,
    ) -> Result<Option<CompactList>, SharedDataError> {
        let name = self.name(iss, uri);
        let Some(found) = shared.get(&name)? else { return Ok(None) };
        let body = table::open_sealed(&self.key, &name, &found.value);
        Ok(body.and_then(|body| {
            let rest = body.strip_prefix(&[FORM])?.strip_prefix(label(iss, uri).as_slice())?;
            // Inflating is most of the work.
            let is_newer = known.is_none_or(|known| CompactList::peek(rest) > Some(known));
            is_newer.then(|| CompactList::from_bytes(rest)).flatten()
        }))
    }

    pub(super) fn store(
        &self,
        (iss, uri): (&str, &str),
        list: &CompactList,
        shared: &dyn SharedData,
    ) -> Result<(), SharedDataError> {
        let name = self.name(iss, uri);
        let cas = shared.get(&name)?.map(|value| value.cas);
        let body = [&[FORM][..], &label(iss, uri), &list.to_bytes()].concat();
        shared.set(&name, &table::seal(&self.key, &name, body), cas)
    }

    /// Gives the memory back. That it fails costs memory, nothing else.
    pub(super) fn empty(&self, (iss, uri): (&str, &str), shared: &dyn SharedData) {
        let _ = shared.set(&self.name(iss, uri), &[], None);
    }

    /// Asks the leader for a list. A wish that gets lost, or finds no room, is made again later.
    pub(super) fn wish(&self, (iss, uri): (&str, &str), shared: &dyn SharedData) {
        let Ok(found) = shared.get(&self.wishes) else { return };
        let cas = found.as_ref().map(|value| value.cas);
        let mut body = found
            .as_ref()
            .and_then(|found| table::open_sealed(&self.key, &self.wishes, &found.value))
            .map_or_else(Vec::new, <[u8]>::to_vec);
        let waiting = wishes(&body);
        if waiting.len() >= MAX_WISHES || waiting.iter().any(|(i, u)| (i, u) == (&iss, &uri)) {
            return;
        }
        body.extend(label(iss, uri));
        let _ = shared.set(&self.wishes, &table::seal(&self.key, &self.wishes, body), cas);
    }

    /// What is wished for; nobody else gets it.
    pub(super) fn take_wishes(&self, shared: &dyn SharedData) -> Vec<Wish> {
        let Ok(Some(found)) = shared.get(&self.wishes) else { return Vec::new() };
        if found.value.is_empty() {
            return Vec::new();
        }
        // Somebody added one meanwhile: all of them wait for the next tick.
        if shared.set(&self.wishes, &[], Some(found.cas)).is_err() {
            return Vec::new();
        }
        let body = table::open_sealed(&self.key, &self.wishes, &found.value).unwrap_or_default();
        wishes(body).into_iter().map(|(iss, uri)| (iss.to_owned(), uri.to_owned())).collect()
    }

    /// A hash of 128 bits, because URIs are long and hosts keep names for ever.
    fn name(&self, iss: &str, uri: &str) -> String {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(b"status list\0");
        hasher.write(&label(iss, uri));
        let hash = hasher.finish128().as_bytes();
        format!("{}{}", self.prefix, base64url::encode(&hash))
    }
}

/// Both names, each with its length before it.
fn label(iss: &str, uri: &str) -> Vec<u8> {
    let mut label = Vec::with_capacity(iss.len().saturating_add(uri.len()).saturating_add(8));
    for text in [iss, uri] {
        label.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        label.extend_from_slice(text.as_bytes());
    }
    label
}

/// Reads labels up to the first that is none.
fn wishes(mut body: &[u8]) -> Vec<(&str, &str)> {
    let mut wishes = Vec::new();
    while let Some((iss, rest)) = text(body)
        && let Some((uri, rest)) = text(rest)
    {
        wishes.push((iss, uri));
        body = rest;
    }
    wishes
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((str::from_utf8(text).ok()?, rest))
}

/// Never the key.
impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
