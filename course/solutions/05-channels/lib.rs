//! Lab 5: channels, for one item and for many.

use brigade_course_kit::{
    lab05::{self, Channels},
    sync::{Arc, Mutex, MutexGuard},
};
use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// The student's channels.
pub struct Student;

impl Channels for Student {
    type OneshotSender<T: Send + 'static> = OneshotSender<T>;
    type OneshotReceiver<T: Send + 'static> = OneshotReceiver<T>;
    type Sender<T: Send + 'static> = Sender<T>;
    type Receiver<T: Send + 'static> = Receiver<T>;

    fn oneshot<T: Send + 'static>() -> (OneshotSender<T>, OneshotReceiver<T>) {
        let slot = Slot { item: None, is_over: false, receiver: None };
        let slot = Arc::new(Mutex::new(slot));
        (OneshotSender(slot.clone()), OneshotReceiver(slot))
    }

    fn mpsc<T: Send + 'static>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        let state = State {
            items: VecDeque::new(),
            capacity,
            senders: 1,
            is_closed: false,
            receiver: None,
            line: VecDeque::new(),
            next_ticket: 0,
        };
        let channel = Arc::new(Channel(Mutex::new(state)));
        (Sender(channel.clone()), Receiver(channel))
    }
}

/// The state of a channel for one item.
struct Slot<T> {
    item: Option<T>,
    /// No item will come: the sender is gone, or the receiver refuses it.
    is_over: bool,
    /// The waker of the receiver's last poll, while it waits.
    receiver: Option<Waker>,
}

pub struct OneshotSender<T>(Arc<Mutex<Slot<T>>>);
pub struct OneshotReceiver<T>(Arc<Mutex<Slot<T>>>);

/// Takes the lock. The grader's lanes show the line of the caller.
#[track_caller]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

impl<T: Send + 'static> lab05::OneshotSender<T> for OneshotSender<T> {
    fn send(self, item: T) -> Result<(), T> {
        let mut slot = lock(&self.0);
        if slot.is_over {
            return Err(item);
        }
        slot.item = Some(item);
        // The end of `self`, which comes next, wakes the receiver.
        Ok(())
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.is_over = true;
        let waker = slot.receiver.take();
        // A waker is foreign code, so the lock is free when it is called.
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T: Send + 'static> lab05::OneshotReceiver<T> for OneshotReceiver<T> {
    fn close(&mut self) {
        lock(&self.0).is_over = true;
    }
}

impl<T> Future for OneshotReceiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = context.waker().clone();
        let mut slot = lock(&self.0);
        // An item that was sent before the end still counts.
        if let Some(item) = slot.item.take() {
            return Poll::Ready(Some(item));
        }
        if slot.is_over {
            return Poll::Ready(None);
        }
        let old = slot.receiver.replace(waker);
        drop(slot);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        lock(&self.0).is_over = true;
    }
}

/// A channel for many items.
///
/// Senders that wait stand in line, and only the first one may send. **While there is room, the first one is
/// awake**: its waker has been taken out and called. Each step that makes room or changes who is first sees
/// to that, by `wake_first`.
struct Channel<T>(Mutex<State<T>>);

struct State<T> {
    items: VecDeque<T>,
    capacity: usize,
    senders: usize,
    is_closed: bool,
    /// The waker of the receiver's last poll, while it waits.
    receiver: Option<Waker>,
    /// The sends that wait, each with the waker of its last poll unless that was called.
    line: VecDeque<(u64, Option<Waker>)>,
    next_ticket: u64,
}

impl<T> State<T> {
    fn has_room(&self) -> bool {
        self.items.len() < self.capacity
    }

    /// Takes out the waker of the first in line, if it can send.
    #[must_use]
    fn wake_first(&mut self) -> Option<Waker> {
        if !self.has_room() {
            return None;
        }
        self.line.front_mut().and_then(|(_, waker)| waker.take())
    }

    /// Takes out all wakers of the line.
    #[must_use]
    fn close(&mut self) -> Vec<Waker> {
        self.is_closed = true;
        self.line.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
    }
}

pub struct Sender<T>(Arc<Channel<T>>);
pub struct Receiver<T>(Arc<Channel<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.0.0).senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.senders -= 1;
        let waker = if state.senders == 0 { state.receiver.take() } else { None };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T: Send + 'static> lab05::Sender<T> for Sender<T> {
    fn send(&self, item: T) -> impl Future<Output = Result<(), T>> + Send {
        SendFuture { channel: &self.0, item: Some(item), ticket: None }
    }
}

/// A send under way.
struct SendFuture<'a, T> {
    channel: &'a Channel<T>,
    /// The item, until it is sent or given back.
    item: Option<T>,
    /// The place in line.
    ticket: Option<u64>,
}

// The item is moved, never pinned.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> SendFuture<'_, T> {
    /// Leaves the line.
    fn leave(&mut self, state: &mut State<T>) {
        if let Some(ticket) = self.ticket.take() {
            state.line.retain(|&(other, _)| other != ticket);
        }
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), T>> {
        let waker = context.waker().clone();
        let channel = self.channel;
        let mut state = lock(&channel.0);
        if state.is_closed {
            self.leave(&mut state);
            return Poll::Ready(Err(self.item.take().expect("it is not polled after its end")));
        }
        let first = state.line.front().map(|&(ticket, _)| ticket);
        if first == self.ticket && state.has_room() {
            state.items.push_back(self.item.take().expect("it is not polled after its end"));
            self.leave(&mut state);
            let wakers = [state.receiver.take(), state.wake_first()];
            drop(state);
            wakers.into_iter().flatten().for_each(Waker::wake);
            return Poll::Ready(Ok(()));
        }
        let old = match self.ticket {
            Some(ticket) => {
                let place = state.line.iter_mut().find(|(other, _)| *other == ticket);
                place.expect("it leaves the line by itself").1.replace(waker)
            }
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.line.push_back((ticket, Some(waker)));
                self.ticket = Some(ticket);
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        let channel = self.channel;
        let mut state = lock(&channel.0);
        self.leave(&mut state);
        // This future may have been woken for room that it does not take.
        let waker = state.wake_first();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T: Send + 'static> lab05::Receiver<T> for Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send {
        std::future::poll_fn(|context| self.poll_recv(context))
    }

    fn close(&mut self) {
        let wakers = lock(&self.0.0).close();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<T> Receiver<T> {
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = context.waker().clone();
        let mut state = lock(&self.0.0);
        if let Some(item) = state.items.pop_front() {
            let waker = state.wake_first();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(item));
        }
        if state.senders == 0 || state.is_closed {
            return Poll::Ready(None);
        }
        let old = state.receiver.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        let (wakers, items) = (state.close(), mem::take(&mut state.items));
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        drop(items);
    }
}
