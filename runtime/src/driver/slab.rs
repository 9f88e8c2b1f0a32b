//! A table with stable keys, in which the wheel keeps its timers and the reactor its sources.
//!
//! A key is an index and a generation. So the key of an entry that has been removed finds nothing, even if
//! another entry has taken its place.

/// The name of an entry of a [`Slab`], valid until the entry is removed. As a word it leaves the highest
/// byte free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

impl Key {
    /// Packs the key into one word: the generation in the upper half, the index in the lower.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Unpacks a key from the word that [`to_bits`](Self::to_bits) made.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// A place of the table.
enum Entry<T> {
    /// A free place, with the index of the next free place or `NIL`.
    Free(u32),
    Used(T),
}

/// The number of generations of a place: 24 bits, so that a key leaves the highest byte of a word free.
const GENERATIONS: u32 = 1 << 24;
/// The end of the list of free places.
const NIL: u32 = u32::MAX;

/// A vector of entries with a list of free places.
pub(crate) struct Slab<T> {
    /// The places, each with its current generation.
    entries: Vec<(u32, Entry<T>)>,
    /// The first free place, or `NIL`.
    free: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: NIL }
    }

    /// Adds an entry and returns its key. It takes a free place if there is one.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let index = self.free;
        if let Some((generation, entry)) = self.entries.get_mut(index as usize) {
            let Entry::Free(next) = *entry else { unreachable!("the list of free places holds free places") };
            self.free = next;
            *entry = Entry::Used(value);
            return Key { index, generation: *generation };
        }
        let index = u32::try_from(self.entries.len()).expect("fewer than 2³² entries");
        self.entries.push((0, Entry::Used(value)));
        Key { index, generation: 0 }
    }

    /// Takes an entry out, or returns `None` if it was removed before.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, entry) = self.entries.get_mut(key.index as usize)?;
        if *generation != key.generation || matches!(entry, Entry::Free(_)) {
            return None;
        }
        *generation = (*generation + 1) % GENERATIONS;
        let Entry::Used(value) = std::mem::replace(entry, Entry::Free(self.free)) else {
            unreachable!("a place is used or free")
        };
        self.free = key.index;
        Some(value)
    }

    /// Returns the entry, or `None` if it was removed.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.entries.get_mut(key.index as usize) {
            Some((generation, Entry::Used(value))) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Returns the entry, or `None` if it was removed.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.entries.get(key.index as usize) {
            Some((generation, Entry::Used(value))) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|(_, entry)| match entry {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        })
    }

    /// Returns the entry at this index and its key, or `None` if the place is free.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<(Key, &mut T)> {
        match self.entries.get_mut(index) {
            Some(&mut (generation, Entry::Used(ref mut value))) => {
                Some((Key { index: index as u32, generation }, value))
            }
            _ => None,
        }
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().filter_map(|(_, entry)| match entry {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, entry)| match entry {
            Entry::Used(value) => Some(value),
            Entry::Free(_) => None,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_what_was_removed_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.index, first.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(Key::from_bits(second.to_bits())), Some(&'b'));
    }
}
