//! Lazy maps: results come out while inputs go in, and only so many calls are under way at once.
//!
//! CPython's `imap` reads its whole input at once, whatever becomes of the results. These read an input only when a place is
//! free, so the input may be endless and the results may be taken slowly.

use crate::{
    map::{self, Results},
    pool::ProcessPool,
};
use brigade_handle::{JoinError, JoinHandle, wait};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::VecDeque, fmt, iter::Fuse, task::Poll, vec};

/// How many messages are under way for each worker, if the caller does not say.
const MESSAGES: usize = 8;

/// The results of a lazy map in the order of the inputs. Made by [`ProcessPool::imap`].
///
/// Dropping it cancels what is under way: calls that no worker has begun are not made.
#[must_use = "the results come out of the iterator"]
pub struct Imap<'p, F, I: Iterator, R> {
    feed: Feed<'p, F, I>,
    window: VecDeque<JoinHandle<Results<R>>>,
    ready: vec::IntoIter<Result<R, JoinError>>,
}

/// The results of a lazy map as they come. Made by [`ProcessPool::imap_unordered`].
///
/// Dropping it cancels what is under way: calls that no worker has begun are not made.
#[must_use = "the results come out of the iterator"]
pub struct ImapUnordered<'p, F, I: Iterator, R> {
    feed: Feed<'p, F, I>,
    window: Vec<JoinHandle<Results<R>>>,
    ready: vec::IntoIter<Result<R, JoinError>>,
}

/// Where the inputs come from, and how they are sent.
struct Feed<'p, F, I: Iterator> {
    pool: &'p ProcessPool,
    f: F,
    inputs: Fuse<I>,
    chunk: usize,
    most: usize,
}

impl<'p, F, I: Iterator> Feed<'p, F, I> {
    fn new(pool: &'p ProcessPool, f: F, inputs: I) -> Self {
        // In a forked child each call says that it is lost, at once.
        let most = if pool.shared().is_forked() { 1 } else { pool.shared().lock().workers * MESSAGES };
        Self { pool, f, inputs: inputs.fuse(), chunk: 1, most }
    }

    /// Sends the next inputs; None if there are no more.
    fn next<A, R>(&mut self) -> Option<JoinHandle<Results<R>>>
    where
        I: Iterator<Item = A>,
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let chunk: Vec<A> = self.inputs.by_ref().take(self.chunk).collect();
        (!chunk.is_empty()).then(|| map::submit(self.pool.shared(), self.f, chunk, Some(self.chunk)))
    }
}

/// What a chunk has brought. It is cancelled as a whole only with its pool.
fn unpack<R>(results: Result<Results<R>, JoinError>) -> vec::IntoIter<Result<R, JoinError>> {
    results.unwrap_or_else(|error| vec![Err(error)]).into_iter()
}

macro_rules! lazy_map {
    ($name:ident) => {
        impl<'p, F, I: Iterator, R> $name<'p, F, I, R> {
            pub(crate) fn new(pool: &'p ProcessPool, f: F, inputs: I) -> Self {
                let feed = Feed::new(pool, f, inputs);
                Self { feed, window: Default::default(), ready: Vec::new().into_iter() }
            }

            /// Sends so many inputs in one message, where one call is too short to be worth a message: 1 if this is not called.
            /// They are then read together, and their results come together.
            pub fn chunk(mut self, inputs: usize) -> Self {
                self.feed.chunk = inputs.max(1);
                self
            }

            /// How many messages are under way at most: 8 for each worker if this is not called.
            pub fn in_flight(mut self, messages: usize) -> Self {
                self.feed.most = messages.max(1);
                self
            }
        }

        impl<F, I: Iterator, R> Drop for $name<'_, F, I, R> {
            fn drop(&mut self) {
                self.window.iter().for_each(JoinHandle::cancel);
            }
        }

        impl<F, I: Iterator, R> fmt::Debug for $name<'_, F, I, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("in_flight", &self.window.len())
                    .finish_non_exhaustive()
            }
        }
    };
}

lazy_map!(Imap);
lazy_map!(ImapUnordered);

impl<F, I, A, R> Iterator for Imap<'_, F, I, R>
where
    I: Iterator<Item = A>,
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(result) = self.ready.next() {
                return Some(result);
            }
            while self.window.len() < self.feed.most
                && let Some(handle) = self.feed.next()
            {
                self.window.push_back(handle);
            }
            self.ready = unpack(self.window.pop_front()?.join());
        }
    }
}

impl<F, I, A, R> Iterator for ImapUnordered<'_, F, I, R>
where
    I: Iterator<Item = A>,
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(result) = self.ready.next() {
                return Some(result);
            }
            while self.window.len() < self.feed.most
                && let Some(handle) = self.feed.next()
            {
                self.window.push(handle);
            }
            if self.window.is_empty() {
                return None;
            }
            self.ready = unpack(wait::block("ImapUnordered::next", |waker| {
                // Each handle is given the waker, so the one that finishes first wakes this thread.
                let ready = |(at, handle): (usize, &mut JoinHandle<_>)| match handle.poll_join(waker) {
                    Poll::Ready(results) => Some((at, results)),
                    Poll::Pending => None,
                };
                let Some((at, results)) = self.window.iter_mut().enumerate().find_map(ready) else {
                    return Poll::Pending;
                };
                drop(self.window.swap_remove(at));
                Poll::Ready(results)
            }));
        }
    }
}
