//! What the senders and the receiver share. The head of `mpsc/mod.rs` says how room is counted.

use crate::{
    shim::{self, AtomicUsize, MutexGuard, Ordering, lock},
    sync::{
        line::Line,
        role::{Come, Role},
        wakers::{Wakers, grant_all, wake},
    },
};
use brigade_trace::Cause;
use std::{collections::VecDeque, task::Waker};

/// A sender stands in line.
const WAITING: usize = 1 << 0;
/// One value received.
const ONE: usize = 1 << 1;

/// In this order, so that what every send touches lies in one line of the cache, and what every receipt touches in another.
#[repr(C, align(128))]
pub(super) struct Channel<T> {
    // --- written by the senders ---
    pub(super) state: shim::Mutex<State<T>>,
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
pub(super) struct State<T> {
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
    senders: Line<Wish<T>>,
    /// The receiver's, while it waits.
    pub(super) receiver: Option<Waker>,
    // --- and these are not ---
    /// Room that is kept for permits, and for senders that were granted a turn.
    pub(super) promised: usize,
    /// The word `received`, as it was when `free` was last counted.
    seen: usize,
    /// Senders that wait for the end.
    watchers: Line<()>,
}

/// What a sender wants: to send this value, or none yet, only room for one.
pub(super) struct Wish<T> {
    pub(super) value: Option<T>,
    /// It hears that the receiver wants no more instead.
    pub(super) closed: bool,
}

impl<T> State<T> {
    /// Counts the room that the receiver made, by the word `received`.
    fn refresh(&mut self, received: usize) {
        self.free += (received & !WAITING).wrapping_sub(self.seen) / ONE;
        self.seen = received & !WAITING;
    }

    /// Whether the receiver need not wait any more.
    pub(super) fn is_over(&self) -> bool {
        (self.finished || self.closed) && self.promised == 0 && self.items.is_empty()
    }
}

/// Whether there is room for one who comes.
pub(super) enum Room {
    Free,
    Full,
    Closed,
}

impl<T> Channel<T> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        let state = State {
            items: VecDeque::new(),
            // Without a capacity nothing is ever given back, and there is more than can ever be used.
            free: capacity.unwrap_or(usize::MAX),
            promised: 0,
            seen: 0,
            closed: false,
            abandoned: false,
            finished: false,
            receiver: None,
            senders: Line::new(),
            watchers: Line::new(),
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
    fn wake_receiver(&self, mut state: MutexGuard<'_, State<T>>) {
        let receiver = state.receiver.take();
        drop(state);
        wake(Cause::Queue, receiver);
    }

    /// Whether there is room. If it is free, the caller uses it, or promises it.
    #[inline]
    fn room(&self, state: &mut State<T>) -> Room {
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
    pub(super) fn try_send(&self, wish: &mut Option<T>) -> Room {
        let mut state = lock(&self.state);
        let room = self.room(&mut state);
        if let Room::Free = room {
            match wish.take() {
                Some(value) => {
                    state.items.push_back(value);
                    self.wake_receiver(state);
                }
                None => state.promised += 1,
            }
        }
        room
    }

    /// Sends a value for which room was promised.
    pub(super) fn send_promised(&self, value: T) {
        let mut state = lock(&self.state);
        state.promised -= 1;
        if state.abandoned {
            drop(state);
            return drop(value);
        }
        state.items.push_back(value);
        self.wake_receiver(state);
    }

    /// Takes a promise back.
    pub(super) fn break_promise(&self) {
        let mut state = lock(&self.state);
        state.promised -= 1;
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
        if self.received.0.fetch_add(values * ONE, Ordering::Release) & WAITING != 0 {
            self.hand_over(lock(&self.state));
        }
    }

    /// Promises what is free to those at the front of the line.
    #[cold]
    fn hand_over<'a>(&'a self, mut state: MutexGuard<'a, State<T>>) {
        let mut wakers = Wakers::new();
        loop {
            state.refresh(self.received.0.load(Ordering::Acquire));
            while state.free > 0
                && !wakers.is_full()
                && let Some(waker) = state.senders.grant(|_| ())
            {
                state.free -= 1;
                state.promised += 1;
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
        grant_all(&Sending(self), state, Cause::Queue, |wish| wish.closed = true);
        grant_all(&Watching(self), lock(&self.state), Cause::Notify, |_| ());
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
pub(super) struct Sending<'a, T>(pub(super) &'a Channel<T>);

impl<T> Role for Sending<'_, T> {
    type State = State<T>;
    type Wish = Wish<T>;

    fn lock(&self) -> &shim::Mutex<State<T>> {
        &self.0.state
    }

    fn line(state: &mut State<T>) -> &mut Line<Wish<T>> {
        &mut state.senders
    }

    #[inline]
    fn quick(&self, wish: &mut Wish<T>) -> Come {
        let room = self.0.try_send(&mut wish.value);
        wish.closed = matches!(room, Room::Closed);
        Come::if_true(!matches!(room, Room::Full))
    }

    fn come(&self, state: &mut State<T>, wish: &mut Wish<T>) -> Come {
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
            Room::Full => return Come::Waits,
            Room::Free => state.promised += 1,
            Room::Closed => wish.closed = true,
        }
        Come::Has
    }

    fn left<'a>(&'a self, state: MutexGuard<'a, State<T>>) {
        self.0.hand_over(state);
    }

    fn give_back(&self, wish: Wish<T>) {
        if !wish.closed {
            self.0.break_promise();
        }
    }
}

/// A sender that waits for the end.
pub(super) struct Watching<'a, T>(pub(super) &'a Channel<T>);

impl<T> Role for Watching<'_, T> {
    type State = State<T>;
    type Wish = ();

    fn lock(&self) -> &shim::Mutex<State<T>> {
        &self.0.state
    }

    fn line(state: &mut State<T>) -> &mut Line<()> {
        &mut state.watchers
    }

    fn quick(&self, (): &mut ()) -> Come {
        Come::if_true(lock(&self.0.state).closed)
    }

    fn come(&self, state: &mut State<T>, (): &mut ()) -> Come {
        Come::if_true(state.closed)
    }
}
