//! The state of a task group: its count of members, their wakers, and the first failure.

use crate::{
    driver::slab::{Key, Slab},
    shim::{Mutex, MutexGuard, lock},
    task,
};
use brigade_handle::contain;
use brigade_trace::{Cause, Domain, Resource, because};
use std::{any::Any, task::Waker};

/// The state that a group's future, its members and its handles share.
pub(super) struct GroupShared<E> {
    pub(super) state: Mutex<GroupState<E>>,
    /// The group, as a trace names it.
    pub(super) resource: Resource,
}

pub(super) struct GroupState<E> {
    /// How many members there are whose futures have not been dropped.
    pub(super) running: usize,
    /// The wakers of the members that have been polled. Taken out when the group closes.
    pub(super) members: Slab<Waker>,
    pub(super) closed: bool,
    /// The first failure.
    pub(super) failure: Option<Failure<E>>,
    /// The waker of the task that awaits the group.
    pub(super) parent: Option<Waker>,
}

pub(super) enum Failure<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

impl<E> GroupShared<E> {
    pub(super) fn new() -> Self {
        let members = Slab::new();
        let state = GroupState { running: 0, members, closed: false, failure: None, parent: None };
        Self { state: Mutex::new(state), resource: Resource::new(Domain::Scope) }
    }

    /// Counts a new member. Returns whether the group is closed.
    pub(super) fn count_in(&self) -> bool {
        let mut state = lock(&self.state);
        state.running += 1;
        state.closed
    }

    /// Puts the waker of a member into the list, by which the member can be cancelled. None if the group is
    /// closed.
    pub(super) fn enlist(&self, waker: &Waker) -> Option<Key> {
        let waker = waker.clone();
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            return None;
        }
        Some(state.members.insert(waker))
    }

    /// Counts off a member whose future has been dropped. The last one wakes the group's future.
    pub(super) fn count_out(&self, key: Option<Key>) {
        let mut state = lock(&self.state);
        let waker = key.and_then(|key| state.members.remove(key));
        state.running -= 1;
        let parent = if state.running == 0 { state.parent.take() } else { None };
        drop(state);
        // Both run foreign code, and this runs in a destructor, so a panic is contained.
        contain(|| drop(waker));
        because(Cause::Scope, || contain(|| parent.into_iter().for_each(Waker::wake)));
    }

    /// Keeps the failure if it is the first, and cancels all members.
    pub(super) fn fail(&self, failure: Failure<E>) {
        let state = lock(&self.state);
        if state.closed {
            drop(state);
            // Later failures are not reported to anybody, nor is a panic of their destructors.
            contain(|| drop(failure));
            return;
        }
        Self::close(state, Some(failure));
    }

    /// Closes the group to new tasks, cancels all members, and wakes the group's future.
    pub(super) fn close(mut state: MutexGuard<'_, GroupState<E>>, failure: Option<Failure<E>>) {
        state.closed = true;
        state.failure = failure;
        let members = std::mem::replace(&mut state.members, Slab::new());
        let parent = state.parent.take();
        drop(state);
        // Outside the lock, because cancelling drops a task here if its executor refuses it.
        members.into_values().for_each(|waker| contain(|| task::cancel(&waker)));
        because(Cause::Scope, || contain(|| parent.into_iter().for_each(Waker::wake)));
    }
}
