//! Memory for the tables of keys that have verified a signature: a table makes a key's next signatures three times as
//! fast, and there are as many of them as there is room for.
//!
//! A key that has verified none never gets one, and a key that comes with a request gives its part back with it: strangers
//! cannot make the gateway keep anything. Where more keys have verified than there is room for, the others go on
//! without, until a key with a table is dropped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// For 110 keys on P-256, which is two for each of fifty issuers: a sixteenth of the memory that a worker's module may
/// take.
const MAX_TABLE_BYTES: usize = 2 * 1024 * 1024;

/// For all keys.
pub(super) static ROOM: Room = Room::new(MAX_TABLE_BYTES);

/// Memory that tables share.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    taken: AtomicUsize,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
struct Part {
    room: &'static Room,
    bytes: usize,
}

/// A key's table, if it gets one.
#[derive(Debug)]
pub(super) struct Table<T> {
    room: &'static Room,
    part: OnceLock<Part>,
    content: OnceLock<Option<T>>,
}

impl Room {
    /// For so many bytes.
    pub(super) const fn new(bytes: usize) -> Self {
        Self { bytes, taken: AtomicUsize::new(0) }
    }

    fn take(&'static self, bytes: usize) -> Option<Part> {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.bytes);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Part { room: self, bytes })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<T> Table<T> {
    /// None yet.
    pub(super) const fn within(room: &'static Room) -> Self {
        Self { room, part: OnceLock::new(), content: OnceLock::new() }
    }

    /// From now on there may be one, if there is room for `bytes`.
    pub(super) fn make_room(&self, bytes: usize) {
        if !self.has_room()
            && let Some(part) = self.room.take(bytes)
        {
            // If another thread was quicker, this part is given back.
            let _ = self.part.set(part);
        }
    }

    /// Whether there may be one.
    pub(super) fn has_room(&self) -> bool {
        self.part.get().is_some()
    }

    /// The table if there may be one, made at first use; `Some(None)` if it could not be made.
    pub(super) fn get(&self, make: impl FnOnce() -> Option<T>) -> Option<Option<&T>> {
        self.has_room().then(|| self.content.get_or_init(make).as_ref())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn there_are_as_many_tables_as_there_is_room_for() {
        static ROOM: Room = Room::new(100);
        let [first, second, third] = [60, 40, 1].map(|bytes| {
            let table = Table::<u8>::within(&ROOM);
            table.make_room(bytes);
            table
        });
        assert_eq!([&first, &second, &third].map(Table::has_room), [true, true, false]);
        assert_eq!(third.get(|| Some(1)), None);
        assert_eq!(first.get(|| Some(1)), Some(Some(&1)));
        drop(second);
        third.make_room(1);
        assert_eq!(third.get(|| Some(3)), Some(Some(&3)));
        assert_eq!(ROOM.taken.load(Ordering::Relaxed), 61);
    }

    #[test]
    fn a_key_takes_room_once() {
        static ROOM: Room = Room::new(100);
        let table = Table::<u8>::within(&ROOM);
        assert!(!table.has_room());
        for _ in 0..3 {
            table.make_room(40);
        }
        assert_eq!(ROOM.taken.load(Ordering::Relaxed), 40);
        let too_large = Table::<u8>::within(&ROOM);
        too_large.make_room(usize::MAX);
        assert!(!too_large.has_room());
    }
}
