//! Key sets and wishes as values in shared data, which strangers can write: each is sealed with its
//! own name.

use super::{Source, StoredSet};
use crate::shared::{Shared, SharedData, SharedDataError};
use crate::table;
use crate::time::UnixTime;

/// The form of the value; a worker that finds another one treats it as absent.
const FORM: u8 = 1;

impl Source {
    /// The set in shared data, if there is one that this configuration's leader has written.
    pub(super) fn load(
        &self,
        shared: &dyn SharedData,
    ) -> Result<Option<StoredSet>, SharedDataError> {
        Ok(self.open(shared.get(&self.set_name)?))
    }

    /// Replaces the set. `true` if its text is another than before.
    pub(super) fn store(
        &self,
        set: &StoredSet,
        shared: &dyn SharedData,
    ) -> Result<bool, SharedDataError> {
        let before = shared.get(&self.set_name)?;
        let cas = before.as_ref().map(|value| value.cas);
        let changed = self.open(before).is_none_or(|before| before.text != set.text);
        let label = self.label();
        let length = u16::try_from(label.len()).unwrap_or(u16::MAX);
        let mut body = vec![FORM];
        body.extend_from_slice(&set.fetched_at.millis().to_be_bytes());
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(label.as_bytes());
        body.extend_from_slice(&set.text);
        let value = table::seal(&self.checksum_key, &self.set_name, body);
        shared.set(&self.set_name, &value, cas)?;
        Ok(changed)
    }

    /// When a worker last wished for a refresh.
    pub(super) fn wish(&self, shared: &dyn SharedData) -> Option<UnixTime> {
        let value = shared.get(&self.wish_name).ok()??;
        let body = table::open_sealed(&self.checksum_key, &self.wish_name, &value.value)?;
        Some(UnixTime::from_millis(u64::from_be_bytes(body.try_into().ok()?)))
    }

    /// Wishes for a refresh. That a wish gets lost costs a later one.
    pub(super) fn make_wish(&self, now: UnixTime, shared: &dyn SharedData) {
        let body = now.millis().to_be_bytes().to_vec();
        let value = table::seal(&self.checksum_key, &self.wish_name, body);
        let _ = shared.set(&self.wish_name, &value, None);
    }

    fn open(&self, value: Option<Shared>) -> Option<StoredSet> {
        let value = value?.value;
        let body = table::open_sealed(&self.checksum_key, &self.set_name, &value)?;
        let (form, body) = body.split_first()?;
        let (fetched_at, body) = body.split_first_chunk()?;
        let (length, body) = body.split_first_chunk()?;
        let (label, text) = body.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let is_ours = *form == FORM && label == self.label().as_bytes();
        let fetched_at = UnixTime::from_millis(u64::from_be_bytes(*fetched_at));
        is_ours.then(|| StoredSet { fetched_at, text: text.to_vec() })
    }
}
