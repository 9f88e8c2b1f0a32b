//! Doubly linked lists of numbers, so many that each slot of the wheel has one.
//!
//! The list of a slot is a ring, in which the slot itself comes before the first timer and after the last:
//!
//! ```text
//!     ┌─▶ ring ⇄ number ⇄ number ⇄ number ◀─┐        an empty one:  ┌─▶ ring ◀─┐
//!     └──────────────────────────────────────┘                       └──────────┘
//! ```
//!
//! So a number joins and leaves without asking whether it is the first or the last, and which ring has become empty is seen from
//! the two beside the one that left.

/// The rings, whose own numbers are the first ones; all others are those of members.
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
    /// So many rings, all of them empty.
    pub(super) fn new(count: usize) -> Self {
        Self { links: (0..count).map(Link::alone).collect() }
    }

    /// Puts a number that is in no ring at the end of one. It is one that has been in a ring before, or the first that has not.
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

    /// Takes a number out of its ring. Says which ring that was, if it is empty now.
    #[inline]
    pub(super) fn remove(&mut self, number: usize) -> Option<usize> {
        let links = self.links.as_mut_slice();
        let Link { previous, next } = links[number];
        links[previous as usize].next = next;
        links[next as usize].previous = previous;
        (previous == next).then_some(previous as usize)
    }

    /// Empties a ring. Its members are what [`next`](Self::next) leads to from the one that is returned, until it leads to the ring.
    pub(super) fn take(&mut self, ring: usize) -> usize {
        std::mem::replace(&mut self.links[ring], Link::alone(ring)).next as usize
    }

    /// The number after this one.
    #[inline]
    pub(super) fn next(&self, number: usize) -> usize {
        self.links[number].next as usize
    }
}
