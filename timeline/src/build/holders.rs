//! The units that hold one resource.

use crate::model::Link;
use std::collections::VecDeque;

/// This many holders of a resource are told apart. A file may name any number.
const HOLDERS_MAX: usize = 256;

/// The holders of a resource, the latest last.
#[derive(Debug, Default)]
pub(super) struct Holders {
    known: VecDeque<Link>,
    /// Older holders, of which only the number is kept.
    others: u64,
}

impl Holders {
    /// The one that took it last.
    pub(super) fn latest(&self) -> Link {
        self.known.back().copied().unwrap_or(Link::NONE)
    }

    /// The unit holds the resource. A trace may say that several times.
    pub(super) fn add(&mut self, holder: Link) {
        if self.known.contains(&holder) {
            return;
        }
        if self.known.len() == HOLDERS_MAX {
            self.known.pop_front();
            self.others += 1;
        }
        self.known.push_back(holder);
    }

    /// The unit holds the resource no longer. If it did not, then a permit was moved to it: probably the one
    /// that was taken first.
    pub(super) fn remove(&mut self, holder: Link) {
        if let Some(place) = self.known.iter().rposition(|&other| other == holder) {
            self.known.remove(place);
        } else if self.others > 0 {
            self.others -= 1;
        } else {
            self.known.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_another_unit_gives_back_is_the_oldest_one() {
        let [first, second, other] = [1, 2, 3].map(Link::to);
        let mut holders = Holders::default();
        [first, second, first].into_iter().for_each(|holder| holders.add(holder));
        assert_eq!(holders.latest(), second);
        holders.remove(other);
        holders.remove(second);
        assert_eq!(holders.latest(), Link::NONE);
        holders.remove(second);
    }

    #[test]
    fn holders_without_number_are_counted_only() {
        let mut holders = Holders::default();
        (0..1000).for_each(|unit| holders.add(Link::to(unit)));
        assert_eq!((holders.known.len(), holders.others), (HOLDERS_MAX, 1000 - HOLDERS_MAX as u64));
        (0..999).for_each(|unit| holders.remove(Link::to(unit)));
        assert_eq!(holders.latest(), Link::to(999));
    }
}
