//! Lab 5: oneshot and mpsc. The chapter is `course/book/src/labs/05-channels.md`.

#![allow(dead_code, unused_variables, reason = "you will use all of it")]

use brigade_course_kit::{
    lab05::{self, Channels},
    sync::{Arc, Mutex, MutexGuard},
    to_write,
};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Your channels. The grader calls `Student::oneshot` and `Student::mpsc`.
pub struct Student;

impl Channels for Student {
    type OneshotSender<T: Send + 'static> = OneshotSender<T>;
    type OneshotReceiver<T: Send + 'static> = OneshotReceiver<T>;
    type Sender<T: Send + 'static> = Sender<T>;
    type Receiver<T: Send + 'static> = Receiver<T>;

    fn oneshot<T: Send + 'static>() -> (OneshotSender<T>, OneshotReceiver<T>) {
        let slot = Arc::new(Mutex::new(Slot { item: None, receiver: None }));
        (OneshotSender(slot.clone()), OneshotReceiver(slot))
    }

    fn mpsc<T: Send + 'static>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        let state = State { items: VecDeque::new(), capacity, receiver: None };
        let channel = Arc::new(Channel(Mutex::new(state)));
        (Sender(channel.clone()), Receiver(channel))
    }
}

/// Takes the lock. The grader's lanes show the line of the caller.
#[track_caller]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

// ---- The channel for one item ----

/// The state that the two halves share.
struct Slot<T> {
    item: Option<T>,
    /// The waker of the receiver's last poll, while it waits.
    receiver: Option<Waker>,
    // Step 1: what must each half know of the other one?
}

pub struct OneshotSender<T>(Arc<Mutex<Slot<T>>>);
pub struct OneshotReceiver<T>(Arc<Mutex<Slot<T>>>);

impl<T: Send + 'static> lab05::OneshotSender<T> for OneshotSender<T> {
    fn send(self, item: T) -> Result<(), T> {
        to_write("step 2: put the item into the slot and wake the receiver, or give the item back")
    }
}

impl<T> Future for OneshotReceiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        to_write("step 3: the item is there, or none will come, or the receiver waits")
    }
}

impl<T: Send + 'static> lab05::OneshotReceiver<T> for OneshotReceiver<T> {
    fn close(&mut self) {
        to_write("step 4: refuse an item from now on")
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        // `send` ends here too: it takes `self`.
        to_write("step 4: tell the receiver that no item will come")
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        to_write("step 4: refuse an item from now on")
    }
}

// ---- The channel for many items ----

/// The state that all halves share.
struct Channel<T>(Mutex<State<T>>);

struct State<T> {
    items: VecDeque<T>,
    capacity: usize,
    /// The waker of the receiver's last poll, while it waits.
    receiver: Option<Waker>,
    // Step 5: what else? How many senders there are, whether the channel is closed, and the line of the sends
    // that wait for room.
}

pub struct Sender<T>(Arc<Channel<T>>);
pub struct Receiver<T>(Arc<Channel<T>>);

impl<T: Send + 'static> lab05::Sender<T> for Sender<T> {
    fn send(&self, item: T) -> impl Future<Output = Result<(), T>> + Send {
        SendFuture { channel: &self.0, item: Some(item) }
    }
}

/// A send under way.
struct SendFuture<'a, T> {
    channel: &'a Channel<T>,
    /// The item, until it is sent or given back.
    item: Option<T>,
    // Step 8: how does it find its place in line again?
}

// The item is moved, never pinned. So `self` of `poll` can be used like a `&mut Self`.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), T>> {
        to_write("step 7: put the item into the channel if there is room. Step 8: else wait in line")
    }
}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        // A send that has ended has no item, and is in no line.
        if self.item.is_some() {
            to_write("step 9: leave the line. If this was woken, who must be woken in its place?")
        }
    }
}

impl<T: Send + 'static> lab05::Receiver<T> for Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send {
        poll_fn(|context| self.poll_recv(context))
    }

    fn close(&mut self) {
        to_write("step 6: refuse items from now on, and tell those who wait")
    }
}

impl<T> Receiver<T> {
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        to_write("step 7: take an item out, or wait")
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        to_write("step 6: count one more sender")
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        to_write("step 6: count one sender less. What if it was the last?")
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        to_write("step 6: close the channel, and drop its items")
    }
}
