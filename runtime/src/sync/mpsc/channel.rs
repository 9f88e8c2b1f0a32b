//! What the senders and the receiver share. The head of `mpsc/mod.rs` says how room is counted.

use crate::{
    shim::{self, AtomicUsize, MutexGuard, Ordering, lock},
    sync::{
        wait_queue::WaitQueue,
        waiter::{Attempt, Waiter},
        wakers::{Wakers, grant_all, wake},
    },
};
use brigade_trace::Cause;
use std::{collections::VecDeque, task::Waker};

/// A sender stands in line.
const WAITING: usize = 1 << 0;
/// One value received.
const ONE_RECEIVED: usize = 1 << 1;

/// In this order, so that what every send touches lies in one line of the cache, and what every receipt touches in another.
#[repr(C, align(128))]
pub(super) struct MpscChannel<T> {
    // --- written by the senders ---
    pub(super) state: shim::Mutex<ChannelState<T>>,
    pub(super) capacity: Option<usize>,
    /// How many handles of senders there are.
    senders: AtomicUsize,
    // --- written by the receiver ---
    received: Received,
}

/// How many values were received, in steps of ONE, and WAITING. Counts only if there is a capacity.
#[repr(align(128))]
struct Received(AtomicUsize);

#[repr(C)]
pub(super) struct ChannelState<T> {
    // --- touched by every send ---
    /// Sent, and not taken by the receiver.
    pub(super) items: VecDeque<T>,
    /// Room that was seen to be free.
    free: usize,
    /// The receiver wants no more values.
    pub(super) closed: bool,
    /// There is no receiver any more.
    pub(super) abandoned: bool,
    /// All senders are gone.
    pub(super) finished: bool,
    /// Senders that wait for room.
    senders: WaitQueue<SendRequest<T>>,
    /// The receiver's, while it waits.
    pub(super) receiver: Option<Waker>,
    // --- and these are not ---
    /// Room that is kept for permits, and for senders that were granted a turn.
    pub(super) reserved: usize,
    /// The word `received`, as it was when `free` was last counted.
    seen: usize,
    /// Senders that wait for the end.
    close_waiters: WaitQueue<()>,
}

/// What a sender wants: to send this value, or none yet, only room for one.
pub(super) struct SendRequest<T> {
    pub(super) value: Option<T>,
    /// It hears that the receiver wants no more instead.
    pub(super) closed: bool,
}

impl<T> ChannelState<T> {
    /// Counts the room that the receiver made, by the word `received`.
    fn refresh(&mut self, received: usize) {
        self.free += (received & !WAITING).wrapping_sub(self.seen) / ONE_RECEIVED;
        self.seen = received & !WAITING;
    }

    /// Whether the receiver need not wait any more.
    pub(super) fn is_over(&self) -> bool {
        (self.finished || self.closed) && self.reserved == 0 && self.items.is_empty()
    }
}

/// Whether there is room for one who comes.
pub(super) enum Room {
    Free,
    Full,
    Closed,
}

impl<T> MpscChannel<T> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        let state = ChannelState {
            items: VecDeque::new(),
            // Without a capacity nothing is ever given back, and there is more than can ever be used.
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
        Self { state: shim::Mutex::new(state), capacity, senders, received }
    }

    /// One more handle of a sender.
    pub(super) fn join(&self) {
        // Relaxed: it comes from a handle, which keeps the channel open.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// One handle less.
    pub(super) fn leave(&self) {
        // AcqRel: what any sender did comes before the end that the last one says.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = lock(&self.state);
            state.finished = true;
            self.wake_receiver(state);
        }
    }

    /// Wakes the receiver if it waits. Gives up the lock first.
    #[inline]
    fn wake_receiver(&self, mut state: MutexGuard<'_, ChannelState<T>>) {
        let receiver = state.receiver.take();
        drop(state);
        wake(Cause::Queue, receiver);
    }

    /// Whether there is room. If it is free, the caller uses it, or promises it.
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

    /// Sends the value of the wish, or promises room for one; nothing if there is no room.
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

    /// Sends a value for which room was promised.
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

    /// Takes a promise back.
    pub(super) fn release_reserved(&self) {
        let mut state = lock(&self.state);
        state.reserved -= 1;
        state.free += 1;
        if state.is_over() {
            return self.wake_receiver(state);
        }
        self.hand_over(state);
    }

    /// Says that so many values were received: there is room for as many.
    #[inline]
    pub(super) fn make_room(&self, values: usize) {
        if self.capacity.is_none() || values == 0 {
            return;
        }
        // Release pairs with the Acquire of who finds the room: what was taken out is out. Who says that it waits has the lock.
        if self.received.0.fetch_add(values * ONE_RECEIVED, Ordering::Release) & WAITING != 0 {
            self.hand_over(lock(&self.state));
        }
    }

    /// Promises what is free to those at the front of the line.
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
                // Relaxed: nothing is published by it. Set again before the next one stands.
                self.received.0.fetch_and(!WAITING, Ordering::Relaxed);
            }
            drop(state);
            let more = wakers.is_full();
            wakers.wake(Cause::Queue);
            if !more {
                return;
            }
            state = lock(&self.state);
        }
    }

    /// No more values are wanted. Who waits to send hears of it; what was promised may still be sent.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        grant_all(&RoomWaiter(self), state, Cause::Queue, |request| request.closed = true);
        grant_all(&CloseWaiter(self), lock(&self.state), Cause::Notify, |_| ());
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// How much room nobody has.
    pub(super) fn free(&self) -> usize {
        let mut state = lock(&self.state);
        state.refresh(self.received.0.load(Ordering::Acquire));
        state.free
    }
}

/// A sender that waits for room. In the end its value is sent, or there is a promise, or the channel is closed.
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
            // Either the fetch_add in `make_room` comes second and sees WAITING, or we see what it made: by an Acquire.
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

/// A sender that waits for the end.
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

    fn try_fast(&self, (): &mut ()) -> Attempt {
        Attempt::done_if(lock(&self.0.state).closed)
    }

    fn try_locked(&self, state: &mut ChannelState<T>, (): &mut ()) -> Attempt {
        Attempt::done_if(state.closed)
    }
}
