//! The state that the senders and receivers share, and how a receiver waits for the next value.

use crate::{
    shim::{self, AtomicU64, AtomicUsize, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard, lock},
    sync::{
        wait_queue::WaitQueue,
        waiter::{Attempt, Waiter},
        wakers::grant_all,
    },
};
use brigade_trace::{Cause, Domain, Resource};
use std::{collections::VecDeque, sync::Arc};

/// The lock of the state is taken before that of the ring.
pub(super) struct BroadcastChannel<T> {
    capacity: usize,
    /// The number of the next value to be sent. It is stored under both locks.
    end: AtomicU64,
    /// Receivers that have values to receive look here, side by side.
    ring: RwLock<Ring<T>>,
    state: shim::Mutex<State<T>>,
    resource: Resource,
}

pub(super) struct State<T> {
    pub(super) receivers: usize,
    pub(super) senders: usize,
    queue: WaitQueue<ValueRequest<T>>,
}

pub(super) struct Ring<T> {
    entries: VecDeque<Arc<RingEntry<T>>>,
    /// The number of the value in front, or of the next one if the ring is empty.
    head: u64,
}

/// A value, shared, so that it is cloned outside of the lock.
pub(super) struct RingEntry<T> {
    pub(super) value: T,
    /// How many receivers have not seen it.
    unseen: AtomicUsize,
}

impl<T: Clone> RingEntry<T> {
    /// Returns the value. Nothing is cloned if nobody else has it any more.
    pub(super) fn into_value(entry: Arc<Self>) -> T {
        // An attempt that fails would take the cache line away from the other receivers.
        if Arc::strong_count(&entry) > 1 {
            return entry.value.clone();
        }
        Arc::try_unwrap(entry).map_or_else(|shared| shared.value.clone(), |entry| entry.value)
    }
}

impl<T> Ring<T> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of the value in front, or of the next one if the ring is empty.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// The value with this number and those after it, `most` at most; none if that value has left the ring.
    pub(super) fn from(
        &self,
        number: u64,
        most: usize,
    ) -> impl DoubleEndedIterator<Item = &Arc<RingEntry<T>>> {
        let (index, len) = (number.checked_sub(self.head), self.entries.len());
        let begin = index.and_then(|index| usize::try_from(index).ok()).map_or(len, |index| index.min(len));
        self.entries.range(begin..len.min(begin + most))
    }

    /// The value with this number, if it is in the ring.
    fn get(&self, number: u64) -> Option<&Arc<RingEntry<T>>> {
        self.entries.get(usize::try_from(number.checked_sub(self.head)?).ok()?)
    }

    fn pop(&mut self) -> Option<Arc<RingEntry<T>>> {
        self.head += 1;
        self.entries.pop_front()
    }

    /// Takes the value in front out of the ring if all receivers have seen it.
    fn pop_seen(&mut self) -> Option<Arc<RingEntry<T>>> {
        // Relaxed: a receiver that was the last one to see a value takes the lock afterwards.
        let is_seen = self.entries.front().is_some_and(|entry| entry.unseen.load(Ordering::Relaxed) == 0);
        if is_seen { self.pop() } else { None }
    }
}

impl<T> BroadcastChannel<T> {
    /// A channel with one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Self {
        let ring = RwLock::new(Ring { entries: VecDeque::new(), head: 0 });
        let state = shim::Mutex::new(State { receivers: 1, senders: 1, queue: WaitQueue::new() });
        Self { capacity, end: AtomicU64::new(0), ring, state, resource: Resource::new(Domain::Channel) }
    }

    pub(super) fn lock(&self) -> shim::MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    pub(super) fn ring(&self) -> RwLockReadGuard<'_, Ring<T>> {
        self.ring.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn ring_mut(&self) -> RwLockWriteGuard<'_, Ring<T>> {
        self.ring.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The number of the next value to be sent.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        // Acquire pairs with `send`: a receiver that was told of a value looks no earlier.
        self.end.load(Ordering::Acquire)
    }

    /// Whether a value with this number was so many values ago that it has left the ring, although a
    /// receiver has not seen it. As long as that receiver misses it, it and all later ones stay in the ring
    /// until there are `capacity` later ones.
    pub(super) fn is_lost(&self, number: u64) -> bool {
        self.end() - number > self.capacity as u64
    }

    /// Sends to all receivers, and returns how many there are, or the value if there are none.
    pub(super) fn send(&self, value: T) -> Result<usize, T> {
        let state = self.lock();
        let receivers = state.receivers;
        if receivers == 0 {
            return Err(value);
        }
        let entry = Arc::new(RingEntry { value, unseen: AtomicUsize::new(receivers) });
        let mut ring = self.ring_mut();
        let oldest = if ring.len() == self.capacity { ring.pop() } else { None };
        ring.entries.push_back(entry.clone());
        // Relaxed: it is stored under the lock of the state.
        let number = self.end.load(Ordering::Relaxed);
        // Release pairs with `end`.
        self.end.store(number + 1, Ordering::Release);
        drop(ring);
        grant_all(&ValueWaiter(self, number), state, Cause::Item, |request: &mut ValueRequest<T>| {
            // Another sender may be ahead of this one in waking: its waiters look into the ring.
            if request.number == number {
                request.entry = Some(entry.clone());
            }
        });
        // Dropping a value runs foreign code, so it comes after the lock.
        drop(oldest);
        Ok(receivers)
    }

    /// Lets all receivers look again, because there is no sender any more.
    pub(super) fn announce_end(&self, state: shim::MutexGuard<'_, State<T>>) {
        grant_all(&ValueWaiter(self, 0), state, Cause::Close, |_| ());
    }

    /// Notes that a receiver has seen a value. Returns the value that leaves the ring, if one does: the
    /// caller drops it, which runs foreign code.
    ///
    /// Receivers see values in order. So the values that all have seen are the first ones of the ring, and
    /// each receiver that was the last one to see a value takes one of them out.
    pub(super) fn note_seen(&self, entry: &RingEntry<T>) -> Option<Arc<RingEntry<T>>> {
        // AcqRel: the last receiver sees that all earlier values were seen.
        if entry.unseen.fetch_sub(1, Ordering::AcqRel) == 1 { self.ring_mut().pop_seen() } else { None }
    }

    /// Removes a receiver that wants the value with this number next. Returns the values that leave the
    /// ring.
    pub(super) fn unsubscribe(&self, next: u64) -> Vec<Arc<RingEntry<T>>> {
        let mut state = self.lock();
        state.receivers -= 1;
        let mut ring = self.ring_mut();
        for number in next.max(ring.head)..self.end() {
            let entry = ring.get(number).expect("the ring has all values from its head to its end");
            // AcqRel, as in `note_seen`.
            entry.unseen.fetch_sub(1, Ordering::AcqRel);
        }
        std::iter::from_fn(|| ring.pop_seen()).collect()
    }
}

/// The wish of a receiver that waits: the value with this number.
pub(super) struct ValueRequest<T> {
    number: u64,
    /// The value, if a sender has given it. Otherwise the receiver looks into the ring.
    pub(super) entry: Option<Arc<RingEntry<T>>>,
}

impl<T> ValueRequest<T> {
    pub(super) fn new(number: u64) -> Self {
        Self { number, entry: None }
    }
}

/// A receiver that waits for the value with this number, or a later one.
pub(super) struct ValueWaiter<'a, T>(pub(super) &'a BroadcastChannel<T>, pub(super) u64);

impl<T> Waiter for ValueWaiter<'_, T> {
    type State = State<T>;
    type Request = ValueRequest<T>;

    fn lock(&self) -> &shim::Mutex<State<T>> {
        &self.0.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<ValueRequest<T>> {
        &mut state.queue
    }

    fn try_fast(&self, _: &mut ValueRequest<T>) -> Attempt {
        Attempt::done_if(self.0.end() != self.1)
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Item
    }

    fn outcome(&self, _: &ValueRequest<T>) -> Cause {
        // Without another value, it was woken because the last sender is gone.
        if self.0.end() == self.1 { Cause::Close } else { Cause::Item }
    }

    fn try_locked(&self, state: &mut State<T>, _: &mut ValueRequest<T>) -> Attempt {
        Attempt::done_if(self.0.end() != self.1 || state.senders == 0)
    }
}
