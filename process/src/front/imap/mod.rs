//! Lazy maps: results come out while inputs go in, and the number of calls under way is bounded.
//!
//! CPython's `imap` reads its whole input at once, on a thread of its own, whatever becomes of the results.
//! These maps read an input only when there is room for it, so the input may be endless and the results may
//! be taken slowly.
//!
//! # When an input is read
//!
//! Reading an input may take long, and meanwhile results that become ready have to wait, since it is the
//! caller's thread that reads. Therefore:
//!
//! 1. A map begins with its first [`FIRST_MESSAGES`], unless they take longer than [`FIRST_LIMIT`] to read.
//! 2. From then on a result that is ready is given before an input is asked for.
//! 3. While inputs come promptly, they are read until [`in_flight`](Imap::in_flight) messages are under
//!    way.
//! 4. Until they have proved to come promptly, and after one that was late, only one message more than
//!    there are workers is under way, and the results that are under way get a moment to come before an
//!    input is asked for: [`GRACE_PERIOD`] if a worker is idle, [`LONG_GRACE_PERIOD`] if none is.
//!
//! So a late input holds back no result that was ready before, and few others: those of calls that take
//! longer than the grace period, no more than there are workers; or those that were under way when inputs
//! ceased to come promptly, once. With a feeder thread (`front/imap/feeder.rs`) it holds back none.

mod feeder;
mod inputs;
mod window;

use self::{
    inputs::{Inputs, Reading},
    window::{Order, Window},
};
use crate::front::{gathering, pool::ProcessPool};
use brigade_handle::{JoinError, wait};
use brigade_trace::clock;
use serde::{Serialize, de::DeserializeOwned};
use std::{any::Any, fmt, io, panic::resume_unwind, task::Poll, time::Duration, vec};

/// The default number of messages under way for each worker.
const MESSAGES_PER_WORKER: usize = 8;
/// How many messages are read before the first result is given.
const FIRST_MESSAGES: usize = 3;
/// How long an input that is read before a result is given may take to come.
const FIRST_LIMIT: Duration = Duration::from_millis(100);
/// How long results may take to come before the next input, which may be late, is asked for, while a worker
/// is idle.
const GRACE_PERIOD: Duration = Duration::from_millis(1);
/// The same while no worker is idle.
const LONG_GRACE_PERIOD: Duration = Duration::from_millis(10);

/// The results of a lazy map in the order of the inputs. Made by [`ProcessPool::imap`].
///
/// ```
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// let mut results = procs.imap(|n: u64| n * n, 5..).chunk(4).in_flight(3);
/// assert_eq!(results.next().unwrap().unwrap(), 25);
/// assert_eq!(results.next().unwrap().unwrap(), 36);
/// ```
///
/// # Cancellation
///
/// Dropping it cancels the calls under way: those that no worker has begun are not made.
#[must_use = "the results come out of the iterator"]
pub struct Imap<'p, F, I: Iterator, R>(Lazy<'p, F, I, R>);

/// The results of a lazy map as they come. Made by [`ProcessPool::imap_unordered`].
///
/// ```
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// let results = procs.imap_unordered(|n: u64| n * n, [2, 3]);
/// assert_eq!(results.map(Result::unwrap).sum::<u64>(), 13);
/// ```
///
/// # Cancellation
///
/// Dropping it cancels the calls under way: those that no worker has begun are not made.
#[must_use = "the results come out of the iterator"]
pub struct ImapUnordered<'p, F, I: Iterator, R>(Lazy<'p, F, I, R>);

/// A lazy map of either kind.
struct Lazy<'p, F, I: Iterator, R> {
    pool: &'p ProcessPool,
    f: F,
    inputs: Inputs<I>,
    /// The panic of the inputs, if a feeder has read them.
    panic: Option<Box<dyn Any + Send>>,
    /// How many inputs a message has.
    chunk: usize,
    /// How many messages may be under way, or wait to be given.
    limit: usize,
    workers: usize,
    /// How many of the first messages are still to be read.
    first_left: usize,
    window: Window<R>,
    /// Results that have come in one message.
    ready: vec::IntoIter<Result<R, JoinError>>,
}

impl<'p, F, I: Iterator, R> Lazy<'p, F, I, R> {
    fn new(pool: &'p ProcessPool, f: F, inputs: I, order: Order) -> Self {
        // In a forked child each call says that it is lost, at once.
        let workers = if pool.shared().is_forked() { 1 } else { pool.shared().lock().workers };
        Self {
            pool,
            f,
            inputs: Inputs::new(inputs),
            panic: None,
            chunk: 1,
            limit: workers * MESSAGES_PER_WORKER,
            workers,
            first_left: FIRST_MESSAGES,
            window: Window::new(order),
            ready: Vec::new().into_iter(),
        }
    }

    /// Whether another message may be sent, and is worth asking for an input that may be late.
    fn wants_input(&self) -> bool {
        !self.inputs.are_over()
            && self.window.len() < self.limit
            && (self.inputs.are_prompt() || self.window.under_way() < self.cautious_limit())
    }

    /// How many messages may be under way when an input that may be late is asked for: one of them waits
    /// for a worker.
    fn cautious_limit(&self) -> usize {
        self.workers + 1
    }

    /// Looks for answers for some microseconds before the thread sleeps, as joining one call does.
    fn spin(&self) {
        if self.window.len() > 0 {
            self.pool.shared().spin_for_answers(&|| self.window.is_ripe());
        }
    }

    /// Gives the results under way a moment before an input that may be late is asked for.
    fn wait_briefly(&mut self) {
        self.spin();
        let is_one_idle = self.window.under_way() < self.workers;
        self.window.wait_briefly(if is_one_idle { GRACE_PERIOD } else { LONG_GRACE_PERIOD });
    }
}

impl<F, I, A, R> Lazy<'_, F, I, R>
where
    I: Iterator<Item = A>,
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    #[track_caller]
    fn next(&mut self, caller: &str) -> Option<Result<R, JoinError>> {
        if let Some(result) = self.ready.next() {
            return Some(result);
        }
        // A thread that must not block is told so each time.
        wait::assert_allowed(caller);
        while self.first_left > 0 {
            self.read_first(caller);
        }
        loop {
            if let Some(results) = self.window.take() {
                self.ready = results;
                if let Some(result) = self.ready.next() {
                    return Some(result);
                }
            } else if self.wants_input() {
                self.read(caller);
            } else if self.window.len() == 0 && self.inputs.are_over() {
                return self.panic.take().map(|payload| resume_unwind(payload));
            } else {
                self.wait(caller);
            }
        }
    }

    /// Reads one of the first messages, as long as inputs do not have to be waited for.
    fn read_first(&mut self, caller: &str) {
        self.first_left -= 1;
        let begun = clock::now();
        if self.wants_input() {
            self.send(caller);
        }
        if clock::now().saturating_duration_since(begun) > FIRST_LIMIT {
            self.first_left = 0;
        }
    }

    /// Reads inputs and sends them, unless there is a result first.
    fn read(&mut self, caller: &str) {
        if !self.inputs.are_prompt() && self.window.len() > 0 {
            self.wait_briefly();
            if self.window.is_ripe() {
                return;
            }
        }
        self.send(caller);
    }

    /// Reads inputs and sends them.
    fn send(&mut self, caller: &str) {
        match self.inputs.read(self.chunk) {
            Reading::Chunk(chunk) => {
                let handle = gathering::submit(self.pool.shared(), self.f, chunk, Some(self.chunk));
                self.window.push(handle);
            }
            Reading::NotYet => self.wait(caller),
            Reading::Over(panic) => self.panic = panic,
        }
    }

    /// Waits for a result, or until there is something to read and a use for it.
    fn wait(&mut self, caller: &str) {
        self.spin();
        let has_room = self.window.len() < self.limit && !self.inputs.are_over();
        // Then no input that may be late is asked for while this many messages are under way.
        let least = if has_room && !self.inputs.are_prompt() { self.cautious_limit() } else { 0 };
        let (window, inputs) = (&mut self.window, &self.inputs);
        wait::block(caller, |waker| {
            let has_arrived = has_room && inputs.poll_arrival(waker);
            if window.poll(least, waker) | has_arrived { Poll::Ready(()) } else { Poll::Pending }
        });
    }
}

macro_rules! lazy_map {
    ($name:ident, $order:expr, $caller:literal) => {
        impl<'p, F, I: Iterator, R> $name<'p, F, I, R> {
            pub(crate) fn new(pool: &'p ProcessPool, f: F, inputs: I) -> Self {
                Self(Lazy::new(pool, f, inputs, $order))
            }

            /// Sends `inputs` inputs in one message, for calls that are too short to be worth a message
            /// each. The default is 1. The inputs of a message are read together, and their results come
            /// together.
            pub fn chunk(mut self, inputs: usize) -> Self {
                self.0.chunk = inputs.max(1);
                self
            }

            /// Sets how many messages are under way at most. The default is 8 for each worker.
            pub fn in_flight(mut self, messages: usize) -> Self {
                self.0.limit = messages.max(1);
                self
            }

            /// Has a feeder thread read the inputs, so that a late one holds back no result. The thread
            /// reads the inputs of one more message, and one input beyond.
            ///
            /// If this is dropped while the thread waits for an input, the thread ends when that input has
            /// come.
            ///
            /// ```
            /// use std::sync::mpsc;
            ///
            /// brigade_process::init();
            /// let procs = brigade_process::ProcessPool::new(2).unwrap();
            /// let (orders, ordered) = mpsc::channel();
            /// orders.send(3).unwrap();
            /// let mut results = procs.imap(|n: u64| n * n, ordered).with_feeder().unwrap();
            /// // More may be ordered later, or never.
            /// assert_eq!(results.next().unwrap().unwrap(), 9);
            /// ```
            ///
            /// # Errors
            ///
            /// Returns an error if the operating system gives no thread. The inputs are lost then.
            ///
            /// # Panics
            ///
            /// If the inputs panic, `next` goes on with that panic on its calling thread, after the results
            /// of the inputs before it.
            #[track_caller]
            pub fn with_feeder(mut self) -> io::Result<Self>
            where
                I: Send + 'static,
                I::Item: Send + 'static,
            {
                self.0.inputs = self.0.inputs.fed()?;
                self.0.first_left = 0;
                Ok(self)
            }
        }

        impl<F, I, A, R> Iterator for $name<'_, F, I, R>
        where
            I: Iterator<Item = A>,
            F: Fn(A) -> R + Copy + Send + 'static,
            A: Serialize + DeserializeOwned,
            R: Serialize + DeserializeOwned + Send + 'static,
        {
            type Item = Result<R, JoinError>;

            #[track_caller]
            fn next(&mut self) -> Option<Self::Item> {
                self.0.next($caller)
            }
        }

        impl<F, I: Iterator, R> fmt::Debug for $name<'_, F, I, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("in_flight", &self.0.window.len())
                    .finish_non_exhaustive()
            }
        }
    };
}

lazy_map!(Imap, Order::OfInputs, "Imap::next");
lazy_map!(ImapUnordered, Order::OfCompletion, "ImapUnordered::next");
