//! A line: those who wait, in the order in which they came, and those whose turn it is.
//!
//! A *place* in the line is an index into a vector whose places are linked to a list, so that standing, being granted a turn
//! and leaving cost the same however long the line is. The vector grows to the longest line there ever was, and its places
//! are used again: waiting allocates only while the line is longer than ever before.
//!
//! A **turn** is granted once, to the one at the front, and is from then on either taken (by [`Line::look`]) or given
//! back (by [`Line::leave`]). Until then it counts as [`granted`](Line::granted), and what it stands for (an item, room for
//! one, the lock) is kept for it. The owner of the line holds its own lock around each of these operations.

use brigade_trace::{Cause, because};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// No place.
const NONE: usize = usize::MAX;

/// See the module documentation.
pub(super) struct Line {
    places: Vec<Place>,
    /// The first of the free places, which are linked by `after`.
    free: usize,
    first: usize,
    last: usize,
    granted: usize,
}

struct Place {
    /// None while the place is free, or once a turn is granted.
    waker: Option<Waker>,
    before: usize,
    after: usize,
}

/// What one who stands in line sees.
#[must_use]
pub(super) enum Look {
    /// It is its turn, and its place is free again.
    Turn,
    /// It waits. Another waker may have taken the place of this one, which is to be dropped outside of the lock.
    Waits { _replaced: Option<Waker> },
}

/// What one who leaves the line leaves behind.
#[must_use]
pub(super) enum Left {
    /// A turn, which somebody else must get.
    Turn,
    /// Nothing but a waker, which is to be dropped outside of the lock.
    Nothing { _waker: Option<Waker> },
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: NONE, first: NONE, last: NONE, granted: 0 }
    }

    /// How many turns are granted and neither taken nor given back.
    pub(super) fn granted(&self) -> usize {
        self.granted
    }

    /// Stands at the end of the line; the place.
    pub(super) fn stand(&mut self, waker: &Waker) -> usize {
        // Foreign code, so before anything is changed.
        let waker = Some(waker.clone());
        let new = Place { waker, before: self.last, after: NONE };
        let place = self.free;
        let place = if place == NONE {
            self.places.push(new);
            self.places.len() - 1
        } else {
            self.free = self.places[place].after;
            self.places[place] = new;
            place
        };
        self.link(self.last, place);
        self.last = place;
        place
    }

    /// Grants a turn to the one at the front, who is to be woken outside of the lock. None if nobody waits.
    pub(super) fn grant(&mut self) -> Option<Waker> {
        let place = self.first;
        let waker = self.places.get_mut(place)?.waker.take();
        self.unlink(place);
        self.granted += 1;
        waker
    }

    /// Looks whether it is this one's turn. If it is, the turn is taken and the place is free.
    pub(super) fn look(&mut self, place: usize, waker: &Waker) -> Look {
        match &mut self.places[place].waker {
            None => {
                self.granted -= 1;
                self.release(place);
                Look::Turn
            }
            Some(old) if old.will_wake(waker) => Look::Waits { _replaced: None },
            Some(old) => Look::Waits { _replaced: Some(std::mem::replace(old, waker.clone())) },
        }
    }

    /// Leaves the line, whether or not it is this one's turn.
    pub(super) fn leave(&mut self, place: usize) -> Left {
        let waker = self.places[place].waker.take();
        let left = if waker.is_some() {
            self.unlink(place);
            Left::Nothing { _waker: waker }
        } else {
            self.granted -= 1;
            Left::Turn
        };
        self.release(place);
        left
    }

    fn unlink(&mut self, place: usize) {
        let Place { before, after, .. } = self.places[place];
        self.link(before, after);
        if after == NONE {
            self.last = before;
        }
    }

    /// Makes `after` the one that follows `before`.
    fn link(&mut self, before: usize, after: usize) {
        match self.places.get_mut(before) {
            Some(place) => place.after = after,
            None => self.first = after,
        }
        if let Some(place) = self.places.get_mut(after) {
            place.before = before;
        }
    }

    fn release(&mut self, place: usize) {
        self.places[place].after = self.free;
        self.free = place;
    }
}

/// Wakes the one who was granted a turn, outside of the lock. A waker of another executor may panic, which is none of ours.
pub(super) fn wake(cause: Cause, waker: Option<Waker>) {
    if let Some(waker) = waker {
        let _ = catch_unwind(AssertUnwindSafe(|| because(cause, || waker.wake())));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn is_turn(look: &Look) -> bool {
        matches!(look, Look::Turn)
    }

    #[test]
    fn turns_go_to_who_came_first_and_places_are_used_again() {
        let mut line = Line::new();
        let waker = Waker::noop();
        for _ in 0..3 {
            let places: Vec<_> = (0..4).map(|_| line.stand(waker)).collect();
            assert!(matches!(line.leave(places[1]), Left::Nothing { .. }));
            assert!(line.grant().is_some());
            assert!(is_turn(&line.look(places[0], waker)));
            assert!(!is_turn(&line.look(places[2], waker)));
            assert!(line.grant().is_some() && line.grant().is_some() && line.grant().is_none());
            assert_eq!(line.granted(), 2);
            assert!(matches!(line.leave(places[3]), Left::Turn));
            assert!(is_turn(&line.look(places[2], waker)));
            assert_eq!((line.granted(), line.places.len()), (0, 4));
        }
    }
}
