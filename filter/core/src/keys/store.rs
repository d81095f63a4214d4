//! The parsed key sets of one worker.

use super::{Keys, Source, WISH_INTERVAL};
use crate::config::{Config, KeySource};
use crate::crypto;
use crate::jwk::{KeySet, PublicKey};
use crate::shared::SharedData;
use crate::time::UnixTime;

/// The keys of all issuers, as this worker knows them.
#[derive(Debug)]
pub struct KeyStore {
    slots: Vec<Slot>,
    /// The head's `keys_version` that the sets were read for.
    version: Option<u32>,
    next_serial: u64,
}

/// Which key verified a token, and which set it was in: while the set stands, so does the
/// verification, and after a change it still does if the same key is in the new set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyMark {
    set: u64,
    key: u64,
}

#[derive(Debug)]
struct Slot {
    /// `None` for keys of the configuration.
    source: Option<Source>,
    set: Option<LoadedSet>,
    last_wish: Option<UnixTime>,
}

#[derive(Debug)]
struct LoadedSet {
    serial: u64,
    /// What checks access tokens, or JWT-SVIDs.
    keys: KeySet,
    /// What checks workload identity tokens; only bundles have these.
    wit_keys: Option<KeySet>,
    /// For each key of the first, then of the second set: what identifies it, and the number it had since it was first seen.
    marks: Vec<([u8; 32], u64)>,
    /// Of a bundle that has one: an older bundle, put back into shared data by whoever can write
    /// there, replaces nothing.
    sequence: Option<u64>,
    /// Of the set's text: an unchanged set is not parsed again.
    digest: [u8; 32],
}

impl KeyStore {
    /// With the keys that `config` holds; the others are read by [`KeyStore::sync`].
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut sources = Source::all(config);
        let slots = (0..config.issuers.len()).map(|issuer| {
            let place = sources.iter().position(|source| source.issuer == issuer);
            let source = place.map(|place| sources.remove(place));
            Slot { source, set: None, last_wish: None }
        });
        let mut store = Self { slots: slots.collect(), version: None, next_serial: 0 };
        for (issuer, entry) in config.issuers.iter().enumerate() {
            let keys = match &entry.keys {
                KeySource::Inline(set) => Keys::Set(set.clone()),
                KeySource::InlineBundle(bundle) => Keys::Bundle(bundle.clone()),
                KeySource::Fetched(_) | KeySource::Bundle(_) | KeySource::Discovered(_) => continue,
            };
            store.replace(issuer, keys, [0; 32]);
        }
        store
    }

    /// Reads the fetched sets again if `version`, the head's, is another than last time.
    pub fn sync(&mut self, shared: &dyn SharedData, version: u32) {
        if self.version == Some(version) {
            return;
        }
        let mut all_read = true;
        for issuer in 0..self.slots.len() {
            let Some(slot) = self.slots.get(issuer) else { continue };
            let Some(source) = &slot.source else { continue };
            let Ok(stored) = source.load(shared) else {
                all_read = false;
                continue;
            };
            let Some(stored) = stored else { continue };
            let digest = crypto::sha256(&stored.text);
            let is_known = slot.set.as_ref().is_some_and(|set| set.digest == digest);
            if !is_known && let Ok(keys) = source.read(&stored.text) {
                self.replace(issuer, keys, digest);
            }
        }
        self.version = all_read.then_some(version);
    }

    /// The keys of the issuer at place `issuer` of the configuration, for access tokens or JWT-SVIDs,
    /// if they are there yet. A set without keys is that of a trust domain which was revoked.
    #[must_use]
    pub fn keys(&self, issuer: usize) -> Option<&KeySet> {
        self.loaded(issuer).map(|set| &set.keys)
    }

    /// The keys of the trust domain at place `issuer` of the configuration for workload identity
    /// tokens; nothing if its keys come from no bundle, or not yet.
    #[must_use]
    pub fn wit_keys(&self, issuer: usize) -> Option<&KeySet> {
        self.loaded(issuer)?.wit_keys.as_ref()
    }

    /// What to remember about `key`, which is one of [`KeyStore::keys`] or [`KeyStore::wit_keys`].
    #[must_use]
    pub fn mark(&self, issuer: usize, key: &PublicKey) -> Option<KeyMark> {
        let set = self.loaded(issuer)?;
        let place = set.all_keys().position(|known| std::ptr::eq(known, key))?;
        Some(KeyMark { set: set.serial, key: set.marks.get(place)?.1 })
    }

    /// Whether the key is still the issuer's; the mark is brought up to date.
    pub fn is_current(&self, issuer: usize, mark: &mut KeyMark) -> bool {
        let Some(set) = self.loaded(issuer) else { return false };
        let is_current =
            mark.set == set.serial || set.marks.iter().any(|(_, serial)| *serial == mark.key);
        if is_current {
            mark.set = set.serial;
        }
        is_current
    }

    /// Asks the leader to fetch the issuer's keys again, because a token names one that is not
    /// there.
    pub fn wish(&mut self, issuer: usize, shared: &dyn SharedData, now: UnixTime) {
        let Some(Slot { source: Some(source), last_wish, .. }) = self.slots.get_mut(issuer) else {
            return;
        };
        let is_recent = |wish: UnixTime| wish <= now && now.since(wish) < WISH_INTERVAL;
        if last_wish.is_some_and(is_recent) {
            return;
        }
        *last_wish = Some(now);
        if !source.wish(shared).is_some_and(is_recent) {
            source.make_wish(now, shared);
        }
    }

    fn loaded(&self, issuer: usize) -> Option<&LoadedSet> {
        self.slots.get(issuer)?.set.as_ref()
    }

    fn replace(&mut self, issuer: usize, keys: Keys, digest: [u8; 32]) {
        let (sequence, keys, wit_keys) = match keys {
            Keys::Set(set) => (None, set, None),
            Keys::Bundle(bundle) => {
                let sequence = bundle.sequence();
                let (keys, wit_keys) = bundle.into_key_sets();
                (sequence, keys, Some(wit_keys))
            }
        };
        let Some(slot) = self.slots.get_mut(issuer) else { return };
        let newest = slot.set.as_ref().and_then(|set| set.sequence);
        if newest.zip(sequence).is_some_and(|(newest, offered)| offered < newest) {
            return;
        }
        let before = slot.set.as_ref().map_or(&[][..], |set| set.marks.as_slice());
        let mut next = || {
            self.next_serial = self.next_serial.saturating_add(1);
            self.next_serial
        };
        let serial = next();
        let jwt = keys.keys().iter().map(|key| (key, 0));
        let wit = wit_keys.iter().flat_map(KeySet::keys).map(|key| (key, 1));
        let marks = jwt.chain(wit).map(|(key, purpose)| {
            let identity = identity(key, purpose);
            let known = before.iter().find(|(known, _)| *known == identity);
            (identity, known.map_or_else(&mut next, |(_, serial)| *serial))
        });
        let marks = marks.collect();
        slot.set = Some(LoadedSet { serial, keys, wit_keys, marks, sequence, digest });
    }
}

impl LoadedSet {
    fn all_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.keys().iter().chain(self.wit_keys.iter().flat_map(KeySet::keys))
    }
}

/// Everything that decides which tokens the key verifies. A key that a bundle no longer has for one
/// kind of tokens, but still for the other, is another key.
fn identity(key: &PublicKey, purpose: u8) -> [u8; 32] {
    let mut text = key.material().to_spki_der();
    text.push(purpose);
    for algorithm in crate::jws::Algorithm::ALL {
        text.push(u8::from(key.fits(algorithm)));
    }
    text.extend_from_slice(key.kid().unwrap_or_default().as_bytes());
    crypto::sha256(&text)
}
