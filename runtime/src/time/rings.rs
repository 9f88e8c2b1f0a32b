//! Doubly linked lists of numbers, one list for each slot of the wheel.
//!
//! Each list is a ring. The list's own number comes before its first member and after its last:
//!
//! ```text
//!     ┌─▶ ring ⇄ number ⇄ number ⇄ number ◀─┐        an empty one:  ┌─▶ ring ◀─┐
//!     └──────────────────────────────────────┘                       └──────────┘
//! ```
//!
//! So a number joins and leaves without a check whether it is the first or the last. When a number leaves,
//! its two neighbours tell whether the ring is empty now: then both are the ring itself.

/// A set of rings. The lowest numbers are those of the rings, all others are those of members.
pub(super) struct Rings {
    links: Vec<Link>,
}

#[derive(Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
}

impl Link {
    fn alone(number: usize) -> Self {
        let number = u32::try_from(number).expect("fewer than 2³² timers");
        Self { previous: number, next: number }
    }
}

impl Rings {
    /// Makes `count` empty rings.
    pub(super) fn new(count: usize) -> Self {
        Self { links: (0..count).map(Link::alone).collect() }
    }

    /// Appends a number that is in no ring to a ring. The number has been in a ring before, or it is the
    /// lowest number that never has.
    #[inline]
    pub(super) fn append(&mut self, ring: usize, number: usize) {
        if number == self.links.len() {
            self.links.push(Link::alone(number));
        }
        let links = self.links.as_mut_slice();
        let last = std::mem::replace(&mut links[ring].previous, number as u32);
        links[number] = Link { previous: last, next: ring as u32 };
        links[last as usize].next = number as u32;
    }

    /// Takes a number out of its ring. Returns the ring's number if the ring is empty now.
    #[inline]
    pub(super) fn remove(&mut self, number: usize) -> Option<usize> {
        let links = self.links.as_mut_slice();
        let Link { previous, next } = links[number];
        links[previous as usize].next = next;
        links[next as usize].previous = previous;
        (previous == next).then_some(previous as usize)
    }

    /// Empties a ring and returns its first member, or the ring itself if it had none. [`next`](Self::next)
    /// leads from there to the other members and at last to the ring.
    pub(super) fn take(&mut self, ring: usize) -> usize {
        std::mem::replace(&mut self.links[ring], Link::alone(ring)).next as usize
    }

    /// Returns the number after this one.
    #[inline]
    pub(super) fn next(&self, number: usize) -> usize {
        self.links[number].next as usize
    }
}
