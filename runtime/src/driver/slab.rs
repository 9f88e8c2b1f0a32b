//! A table with stable keys: where the wheel keeps its timers, and the reactor its sources.
//!
//! A key is an index and a generation, so that a key of something that has been removed finds nothing, even when its place
//! has been given to another.

/// Names an entry of a [`Slab`] for as long as it is there. As a word it leaves the highest byte free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

impl Key {
    /// The key as one word: the generation above, the index below.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key that was made a word.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

enum Entry<T> {
    /// The next free place, or NIL.
    Free(u32),
    Used(T),
}

/// 24 bits, so that a key leaves the highest byte of a word free.
const GENERATIONS: u32 = 1 << 24;
const NIL: u32 = u32::MAX;

/// A vector with a list of free places.
pub(crate) struct Slab<T> {
    entries: Vec<(u32, Entry<T>)>,
    free: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: NIL }
    }

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

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.entries.get_mut(key.index as usize) {
            Some((generation, Entry::Used(value))) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

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

    /// What is at this index, with its key.
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
