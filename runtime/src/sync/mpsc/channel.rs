//! The state that the senders and the receiver share. The head of `mpsc/mod.rs` says how room is counted.

use crate::{
    shim::{self, AtomicUsize, MutexGuard, Ordering, lock},
    sync::{
        wait_queue::WaitQueue,
        waiter::{Attempt, Waiter},
        wakers::{Wakers, grant_all, wake},
    },
};
use brigade_trace::{Cause, Domain, Resource};
use std::{collections::VecDeque, task::Waker};

/// The bit of `received` that is set while a sender is queued.
const WAITING: usize = 1 << 0;
/// One received value, as counted in `received`.
const ONE_RECEIVED: usize = 1 << 1;

/// The order of the fields puts everything that each send accesses into one cache line, and everything that
/// each receipt accesses into another.
#[repr(C, align(128))]
pub(super) struct MpscChannel<T> {
    // --- written by the senders ---
    pub(super) state: shim::Mutex<ChannelState<T>>,
    pub(super) capacity: Option<usize>,
    /// How many sender handles there are.
    senders: AtomicUsize,
    pub(super) resource: Resource,
    // --- written by the receiver ---
    received: Received,
}

/// The number of received values, in steps of `ONE_RECEIVED`, and WAITING. It counts only in a channel with
/// a capacity.
#[repr(align(128))]
struct Received(AtomicUsize);

#[repr(C)]
pub(super) struct ChannelState<T> {
    // --- accessed by every send ---
    /// The values that were sent and that the receiver has not taken.
    pub(super) items: VecDeque<T>,
    /// Room that is known to be free, in values.
    free: usize,
    /// The receiver does not want any more values.
    pub(super) closed: bool,
    /// The receiver was dropped.
    pub(super) abandoned: bool,
    /// All senders were dropped.
    pub(super) finished: bool,
    /// Senders that wait for room.
    senders: WaitQueue<SendRequest<T>>,
    /// The receiver's waker, while it waits.
    pub(super) receiver: Option<Waker>,
    // --- the rest is not ---
    /// Room that is reserved for permits, and for senders whose request was granted, in values.
    pub(super) reserved: usize,
    /// The word `received` without WAITING, as it was when `free` was last brought up to date.
    seen: usize,
    /// Senders that wait until the channel is closed.
    close_waiters: WaitQueue<()>,
}

/// The request of a sender: to send this value, or, without a value, only to reserve room for one.
pub(super) struct SendRequest<T> {
    pub(super) value: Option<T>,
    /// The request was answered because the receiver does not want any more values.
    pub(super) closed: bool,
}

impl<T> ChannelState<T> {
    /// Adds to `free` the room that the receiver made, according to the word `received`.
    fn refresh(&mut self, received: usize) {
        self.free += (received & !WAITING).wrapping_sub(self.seen) / ONE_RECEIVED;
        self.seen = received & !WAITING;
    }

    /// Whether no further value can come, so that the receiver need not wait.
    pub(super) fn is_over(&self) -> bool {
        (self.finished || self.closed) && self.reserved == 0 && self.items.is_empty()
    }
}

/// Whether there is room for a sender that comes now.
pub(super) enum Room {
    Free,
    Full,
    Closed,
}

impl<T> MpscChannel<T> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        let state = ChannelState {
            items: VecDeque::new(),
            // Without a capacity no room is ever returned, and there is more than can ever be used.
            free: capacity.unwrap_or(usize::MAX),
            reserved: 0,
            seen: 0,
            closed: false,
            abandoned: false,
            finished: false,
            receiver: None,
            senders: WaitQueue::new(),
            close_waiters: WaitQueue::new(),
        };
        let (senders, received) = (AtomicUsize::new(0), Received(AtomicUsize::new(0)));
        Self {
            state: shim::Mutex::new(state),
            capacity,
            senders,
            resource: Resource::new(Domain::Channel),
            received,
        }
    }

    /// Counts one more sender handle.
    pub(super) fn join(&self) {
        // Relaxed: it is made from another handle, which keeps the channel open.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one sender handle less, and ends the channel with the last one.
    pub(super) fn leave(&self) {
        // AcqRel: everything that any sender did comes before the end that the last one announces.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = lock(&self.state);
            state.finished = true;
            self.wake_receiver(state);
        }
    }

    /// Wakes the receiver if it waits, after releasing the lock.
    #[inline]
    fn wake_receiver(&self, mut state: MutexGuard<'_, ChannelState<T>>) {
        let receiver = state.receiver.take();
        let cause = if state.finished { Cause::Close } else { Cause::Item };
        drop(state);
        wake(cause, receiver);
    }

    /// Checks for room. If the result is `Free`, one unit of room is taken, and the caller uses or reserves
    /// it.
    #[inline]
    fn room(&self, state: &mut ChannelState<T>) -> Room {
        if state.closed {
            return Room::Closed;
        }
        if !state.senders.is_empty() {
            return Room::Full;
        }
        if state.free == 0 {
            // Acquire pairs with the Release in `make_room`.
            state.refresh(self.received.0.load(Ordering::Acquire));
        }
        if state.free == 0 {
            return Room::Full;
        }
        state.free -= 1;
        Room::Free
    }

    /// Sends the value of the request, or reserves room if it has none. Does nothing if there is no room.
    pub(super) fn try_send(&self, request: &mut Option<T>) -> Room {
        let mut state = lock(&self.state);
        let room = self.room(&mut state);
        if let Room::Free = room {
            match request.take() {
                Some(value) => {
                    state.items.push_back(value);
                    self.wake_receiver(state);
                }
                None => state.reserved += 1,
            }
        }
        room
    }

    /// Sends a value for which room was reserved.
    pub(super) fn send_reserved(&self, value: T) {
        let mut state = lock(&self.state);
        state.reserved -= 1;
        if state.abandoned {
            drop(state);
            return drop(value);
        }
        state.items.push_back(value);
        self.wake_receiver(state);
    }

    /// Returns reserved room.
    pub(super) fn release_reserved(&self) {
        let mut state = lock(&self.state);
        state.reserved -= 1;
        state.free += 1;
        if state.is_over() {
            return self.wake_receiver(state);
        }
        self.hand_over(state);
    }

    /// Reports that `values` values were received, so that there is room for as many.
    #[inline]
    pub(super) fn make_room(&self, values: usize) {
        if self.capacity.is_none() || values == 0 {
            return;
        }
        // Release pairs with the Acquire of the sender that finds the room: the values have been taken out.
        // The sender that set WAITING did so under the lock.
        if self.received.0.fetch_add(values * ONE_RECEIVED, Ordering::Release) & WAITING != 0 {
            self.hand_over(lock(&self.state));
        }
    }

    /// Reserves the free room for the senders at the front of the queue.
    #[cold]
    fn hand_over<'a>(&'a self, mut state: MutexGuard<'a, ChannelState<T>>) {
        let mut wakers = Wakers::new();
        loop {
            state.refresh(self.received.0.load(Ordering::Acquire));
            while state.free > 0
                && !wakers.is_full()
                && let Some(waker) = state.senders.grant(|_| ())
            {
                state.free -= 1;
                state.reserved += 1;
                wakers.push(waker);
            }
            if state.senders.is_empty() {
                // Relaxed: this publishes nothing. WAITING is set again before the next sender joins.
                self.received.0.fetch_and(!WAITING, Ordering::Relaxed);
            }
            drop(state);
            let more = wakers.is_full();
            wakers.wake(Cause::Room);
            if !more {
                return;
            }
            state = lock(&self.state);
        }
    }

    /// Refuses further values. Senders that wait are told. Values for which room was reserved may still be
    /// sent.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        grant_all(&RoomWaiter(self), state, Cause::Close, |request| request.closed = true);
        grant_all(&CloseWaiter(self), lock(&self.state), Cause::Close, |_| ());
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// How many more values could be sent now.
    pub(super) fn free(&self) -> usize {
        let mut state = lock(&self.state);
        state.refresh(self.received.0.load(Ordering::Acquire));
        state.free
    }
}

/// A sender that waits for room. In the end its value is sent, or room is reserved, or the channel is
/// closed.
pub(super) struct RoomWaiter<'a, T>(pub(super) &'a MpscChannel<T>);

impl<T> Waiter for RoomWaiter<'_, T> {
    type State = ChannelState<T>;
    type Request = SendRequest<T>;

    fn lock(&self) -> &shim::Mutex<ChannelState<T>> {
        &self.0.state
    }

    fn queue(state: &mut ChannelState<T>) -> &mut WaitQueue<SendRequest<T>> {
        &mut state.senders
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Room
    }

    fn outcome(&self, request: &SendRequest<T>) -> Cause {
        if request.closed { Cause::Close } else { Cause::Room }
    }

    #[inline]
    fn try_fast(&self, request: &mut SendRequest<T>) -> Attempt {
        let room = self.0.try_send(&mut request.value);
        request.closed = matches!(room, Room::Closed);
        Attempt::done_if(!matches!(room, Room::Full))
    }

    fn try_locked(&self, state: &mut ChannelState<T>, request: &mut SendRequest<T>) -> Attempt {
        let channel = self.0;
        let mut room = channel.room(state);
        if let Room::Full = room
            && state.senders.is_empty()
        {
            // Either the `fetch_add` in `make_room` comes second and sees WAITING, or we see, by this
            // Acquire, the room that it made.
            state.refresh(channel.received.0.fetch_or(WAITING, Ordering::Acquire));
            room = channel.room(state);
        }
        match room {
            Room::Full => return Attempt::Wait,
            Room::Free => state.reserved += 1,
            Room::Closed => request.closed = true,
        }
        Attempt::Done
    }

    fn on_leave<'a>(&'a self, state: MutexGuard<'a, ChannelState<T>>) {
        self.0.hand_over(state);
    }

    fn give_back(&self, request: SendRequest<T>) {
        if !request.closed {
            self.0.release_reserved();
        }
    }
}

/// A sender that waits until the channel is closed.
pub(super) struct CloseWaiter<'a, T>(pub(super) &'a MpscChannel<T>);

impl<T> Waiter for CloseWaiter<'_, T> {
    type State = ChannelState<T>;
    type Request = ();

    fn lock(&self) -> &shim::Mutex<ChannelState<T>> {
        &self.0.state
    }

    fn queue(state: &mut ChannelState<T>) -> &mut WaitQueue<()> {
        &mut state.close_waiters
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Close
    }

    fn try_fast(&self, (): &mut ()) -> Attempt {
        Attempt::done_if(lock(&self.0.state).closed)
    }

    fn try_locked(&self, state: &mut ChannelState<T>, (): &mut ()) -> Attempt {
        Attempt::done_if(state.closed)
    }
}
