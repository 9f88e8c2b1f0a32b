//! The messages of a lazy map that are under way, and how the thread that wants the results waits for them.

use crate::front::gathering::Results;
use brigade_handle::{JoinError, JoinHandle, wait};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Poll, Wake, Waker},
    time::Duration,
    vec,
};

/// Which results come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OfInputs,
    OfCompletion,
}

/// The messages that were sent and whose results have not been given.
pub(super) struct Window<R> {
    order: Order,
    messages: VecDeque<Message<R>>,
}

enum Message<R> {
    UnderWay(JoinHandle<Results<R>>),
    Done(Result<Results<R>, JoinError>),
}

impl<R> Message<R> {
    fn is_done(&self) -> bool {
        match self {
            Self::UnderWay(handle) => handle.is_finished(),
            Self::Done(_) => true,
        }
    }

    /// Takes in the message's results if they are there, or has `waker` woken when they are.
    fn poll(&mut self, waker: &Waker) -> bool {
        if let Self::UnderWay(handle) = self
            && let Poll::Ready(results) = handle.poll_join(waker)
        {
            *self = Self::Done(results);
        }
        matches!(self, Self::Done(_))
    }
}

impl<R> Window<R> {
    pub(super) fn new(order: Order) -> Self {
        Self { order, messages: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn push(&mut self, message: JoinHandle<Results<R>>) {
        self.messages.push_back(Message::UnderWay(message));
    }

    /// How many messages have not been answered.
    pub(super) fn under_way(&self) -> usize {
        self.messages.iter().filter(|message| !message.is_done()).count()
    }

    /// Whether there are results to be given now.
    pub(super) fn is_ripe(&self) -> bool {
        self.ripe().is_some()
    }

    fn ripe(&self) -> Option<usize> {
        match self.order {
            Order::OfInputs => self.messages.front()?.is_done().then_some(0),
            Order::OfCompletion => self.messages.iter().position(Message::is_done),
        }
    }

    /// Takes out the results that are to be given now.
    pub(super) fn take(&mut self) -> Option<vec::IntoIter<Result<R, JoinError>>> {
        let results = match self.messages.remove(self.ripe()?)? {
            Message::UnderWay(handle) => handle.join(),
            Message::Done(results) => results,
        };
        // A chunk is cancelled as a whole only with its pool.
        Some(results.unwrap_or_else(|error| vec![Err(error)]).into_iter())
    }

    /// Whether results are to be given now, or fewer than `least` messages are under way. If not, has
    /// `waker` woken when that changes.
    pub(super) fn poll(&mut self, least: usize, waker: &Waker) -> bool {
        if self.order == Order::OfInputs && least == 0 {
            // The other messages need not wake anybody.
            return self.messages.front_mut().is_some_and(|message| message.poll(waker));
        }
        let done = self.messages.iter_mut().filter_map(|message| message.poll(waker).then_some(())).count();
        self.is_ripe() || self.len() - done < least
    }

    /// Waits until results are to be given, but not for longer than `most`.
    pub(super) fn wait_briefly(&mut self, most: Duration) {
        let alarm = Arc::new(ShortWaker::default());
        if self.poll(0, &Waker::from(alarm.clone())) {
            return;
        }
        let _away = wait::away();
        let rung = alarm.rung.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether the time is over does not matter.
        drop(alarm.told.wait_timeout_while(rung, most, |rung| !*rung));
    }
}

impl<R> Drop for Window<R> {
    fn drop(&mut self) {
        for message in &self.messages {
            if let Message::UnderWay(handle) = message {
                handle.cancel();
            }
        }
    }
}

/// A waker for a thread that waits for a short time only.
#[derive(Default)]
struct ShortWaker {
    rung: Mutex<bool>,
    told: Condvar,
}

impl Wake for ShortWaker {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_one();
    }
}
