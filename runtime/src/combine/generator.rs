//! An async generator: an async function that yields many values, as a stream of them.
//!
//! The function runs inside the one who asks for the next value, and only then. Between the two lies a *cell* for one
//! value:
//!
//! ```text
//!   Next                            the function
//!   polls it                ──▶     … yielder.yield_(3).await puts 3 into the cell and is pending
//!   takes 3 out: Some(3)    ◀──
//!   polls it again          ──▶     the cell is empty, so yield_ is ready, and it goes on …
//!                                   … sleep(1).await is pending
//!   the cell is empty: pending ◀──  (the timer has the waker of the one who asks)
//!   polls it again          ──▶     … returns
//!   None                    ◀──
//! ```
//!
//! # Why no wake-up is lost
//!
//! Whatever else the function awaits has the waker of the one who asks, as if it were awaited there. Only `yield_` leaves a
//! waker in the cell, with its value, under the cell's lock; whoever empties the cell takes that waker out in the same
//! critical section and wakes it, unless it is the waker of the one who asks: he is about to go on anyway. And if the
//! yielder has been given away to another task, which fills the cell while nobody polls the function, then it finds there
//! the waker that the one who asks left in the critical section in which he found the cell empty.

use crate::{
    shim::{Mutex, MutexGuard, lock},
    task::budget,
};
use brigade_handle::contain;
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

/// Makes a stream of what an async function yields.
///
/// What an `async def` with a `yield` is in Python, and [`Generator::next`] is its `async for`. Dropping the generator
/// half-way drops what the function owns; a panic of the function goes to the one who asks, and the stream has then ended.
///
/// ```
/// use brigade_runtime::{generator, run, sleep};
/// use std::time::Duration;
///
/// let mut countdown = generator(|mut yielder| async move {
///     for n in (1..=3).rev() {
///         yielder.yield_(n).await;
///         sleep(Duration::from_millis(1)).await;
///     }
/// });
/// run(async {
///     while let Some(n) = countdown.next().await {
///         println!("{n}");
///     }
/// });
/// ```
pub fn generator<T, F, Fut>(function: F) -> Generator<T, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = ()>,
{
    let cell =
        Arc::new(YieldCell { state: Mutex::new(CellState { value: None, producer: None, consumer: None }) });
    let future = function(Yielder { cell: cell.clone() });
    Generator { cell, future: Some(Box::pin(future)) }
}

struct YieldCell<T> {
    state: Mutex<CellState<T>>,
}

struct CellState<T> {
    value: Option<T>,
    /// Who put the value there and waits until it is taken.
    producer: Option<Waker>,
    /// Who waits for a value; None while the function is polled for him.
    consumer: Option<Waker>,
}

impl<T> YieldCell<T> {
    fn lock(&self) -> MutexGuard<'_, CellState<T>> {
        lock(&self.state)
    }
}

/// The stream of [`generator`].
#[must_use = "streams do nothing unless asked for a value"]
pub struct Generator<T, F> {
    cell: Arc<YieldCell<T>>,
    /// None once it has returned or panicked.
    future: Option<Pin<Box<F>>>,
}

impl<T, F: Future<Output = ()>> Generator<T, F> {
    /// The next value, or None once the function has returned.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no value: the next one that is asked for is the same.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, Self> {
        next(self)
    }
}

/// The next value of any stream.
///
/// ```
/// # brigade_runtime::run(async {
/// let mut one = brigade_runtime::generator(|mut yielder| async move { yielder.yield_(1).await });
/// assert_eq!(brigade_runtime::next(&mut one).await, Some(1));
/// assert_eq!(brigade_runtime::next(&mut one).await, None);
/// # });
/// ```
pub fn next<S: Stream + Unpin>(stream: &mut S) -> Next<'_, S> {
    Next { stream }
}

/// The future of [`next`].
#[must_use = "futures do nothing unless awaited"]
pub struct Next<'a, S> {
    stream: &'a mut S,
}

impl<S: Stream + Unpin> Future for Next<'_, S> {
    type Output = Option<S::Item>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        ready!(budget::poll(cx));
        let mark = budget::mark();
        let item = ready!(Pin::new(&mut *self.stream).poll_next(cx));
        budget::spend_since(mark);
        Poll::Ready(item)
    }
}

// The future is pinned by its box, and the values are not pinned at all.
impl<T, F> Unpin for Generator<T, F> {}

impl<T, F: Future<Output = ()>> Stream for Generator<T, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll(cx));
        let this = self.get_mut();
        // Out of its place while it runs, so that a function that has panicked is gone.
        let Some(mut future) = this.future.take() else {
            budget::spend();
            return Poll::Ready(None);
        };
        let before = this.cell.lock().consumer.take();
        drop(before);
        let ended = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.is_ready(),
            Err(payload) => {
                contain(|| drop(future));
                resume_unwind(payload);
            }
        };
        this.future = if ended { None } else { Some(future) };
        let mut asks = None;
        let (value, producer) = loop {
            let mut state = this.cell.lock();
            if let Some(value) = state.value.take() {
                break (value, state.producer.take());
            }
            if ended {
                budget::spend();
                return Poll::Ready(None);
            }
            if asks.is_some() {
                state.consumer = asks;
                return Poll::Pending;
            }
            drop(state);
            // Foreign code, so outside of the lock.
            asks = Some(cx.waker().clone());
        };
        if let Some(waker) = producer.filter(|waker| !waker.will_wake(cx.waker())) {
            waker.wake();
        }
        budget::spend();
        Poll::Ready(Some(value))
    }
}

/// Gives values to whoever asks the generator for them.
pub struct Yielder<T> {
    cell: Arc<YieldCell<T>>,
}

impl<T> Yielder<T> {
    /// Gives a value away, and waits until the next one is asked for.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before its value was taken takes it back and drops it. What is yielded after the generator
    /// has ended goes nowhere: the future is never ready.
    pub fn yield_(&mut self, value: T) -> Yield<'_, T> {
        Yield { yielder: self, value: Some(value) }
    }
}

/// The future of [`Yielder::yield_`].
#[must_use = "nothing is yielded unless this is awaited"]
pub struct Yield<'a, T> {
    yielder: &'a mut Yielder<T>,
    /// None once it lies in the cell.
    value: Option<T>,
}

// The value is not pinned: it is moved into the cell.
impl<T> Unpin for Yield<'_, T> {}

impl<T> Future for Yield<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.value.is_none() && this.yielder.cell.lock().value.is_none() {
            return Poll::Ready(());
        }
        // Foreign code, so before the lock.
        let waker = cx.waker().clone();
        let mut state = this.yielder.cell.lock();
        if state.value.is_none() {
            let Some(value) = this.value.take() else { return Poll::Ready(()) };
            state.value = Some(value);
        }
        // A cell that is full before this value is in it has the value of a future that was leaked.
        let old = state.producer.replace(waker);
        let consumer = state.consumer.take();
        drop(state);
        drop(old);
        consumer.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl<T> Drop for Yield<'_, T> {
    fn drop(&mut self) {
        if self.value.is_some() {
            return;
        }
        let mut state = self.yielder.cell.lock();
        let left = (state.value.take(), state.producer.take());
        drop(state);
        drop(left);
    }
}

impl<T, F> fmt::Debug for Generator<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("ended", &self.future.is_none()).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Next<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Yield<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yield").field("in_cell", &self.value.is_none()).finish_non_exhaustive()
    }
}

#[cfg(all(loom, test))]
mod models {
    use super::*;
    use crate::model;
    use loom::thread;
    use std::{future, panic::Location};

    /// A generator whose function has given its yielder away, and waits for ever.
    fn given_away() -> (Generator<u32, future::Pending<()>>, Yielder<u32>) {
        let mut yielder = None;
        let numbers = generator(|given| {
            yielder = Some(given);
            future::pending()
        });
        (numbers, yielder.expect("the function was called"))
    }

    #[test]
    fn a_value_from_another_task_wakes_the_one_who_asks_and_taking_it_the_one_who_yields() {
        loom::model(|| {
            let (mut numbers, mut yielder) = given_away();
            let (asks, yields) = (model::Queue::new(), model::Queue::new());
            let asked = asks.spawn(async move { numbers.next().await }, Location::caller());
            let yielded = yields.spawn(async move { yielder.yield_(1).await }, Location::caller());
            let theirs = yields.clone();
            let other = thread::spawn(move || theirs.run());
            asks.run();
            other.join().unwrap();
            asks.run();
            yields.run();
            assert!(asked.is_finished() && yielded.is_finished(), "a wake-up was lost");
            assert_eq!(asked.join().unwrap(), Some(1));
        });
    }
}
