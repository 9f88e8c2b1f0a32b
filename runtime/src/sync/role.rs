//! What those in one line are, to the line.

use super::line::Line;
use crate::shim::{self, MutexGuard};

/// What those in one line are: what they want, where they stand, and who sees to them.
pub(super) trait Role {
    /// What is behind the lock.
    type State;
    /// What one wants and, with its turn, what it got.
    type Wish;

    /// The lock around the line.
    fn lock(&self) -> &shim::Mutex<Self::State>;

    /// The line.
    fn line(state: &mut Self::State) -> &mut Line<Self::Wish>;

    /// Tries to have it at once, without standing.
    fn quick(&self, wish: &mut Self::Wish) -> Come;

    /// Tries again under the lock, and stands if that fails.
    fn come(&self, state: &mut Self::State, wish: &mut Self::Wish) -> Come;

    /// Somebody left the line without a turn: those behind may be due.
    fn left<'a>(&'a self, state: MutexGuard<'a, Self::State>) {
        drop(state);
    }

    /// Somebody was dropped with a turn.
    fn give_back(&self, wish: Self::Wish) {
        drop(wish);
    }
}

/// How an attempt ended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Come {
    /// It has what it wants.
    Has,
    /// It has to wait.
    Waits,
    /// It is to try again without the lock: for an attempt that ends in waking others.
    Again,
}

impl Come {
    /// Has it if `has` is true.
    pub(super) fn if_true(has: bool) -> Self {
        if has { Self::Has } else { Self::Waits }
    }
}
