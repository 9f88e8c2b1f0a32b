//! An async generator: a stream of the values that an async function yields.
//!
//! The function runs inside the task that asks for the next value (the *consumer*), and only while that
//! task polls. Between the consumer and the function there is a *cell* for one value:
//!
//! ```text
//!   the consumer                    the function
//!   polls it                ──▶     … yielder.yield_(3).await puts 3 into the cell and is pending
//!   takes 3 out: Some(3)    ◀──
//!   polls it again          ──▶     the cell is empty, so yield_ is ready, and the function continues …
//!                                   … sleep(1).await is pending
//!   the cell is empty: pending ◀──  (the timer has the waker of the consumer)
//!   polls it again          ──▶     … returns
//!   None                    ◀──
//! ```
//!
//! # Why no wake-up is lost
//!
//! Everything else that the function awaits has the waker of the consumer, as if it were awaited there.
//! Only `yield_` leaves a waker in the cell, together with its value, under the cell's lock. The consumer
//! empties the cell and takes that waker out in the same critical section. It then wakes it, unless it is
//! the consumer's own waker, because the consumer is about to continue anyway.
//!
//! The yielder may have been given to another task (the *producer*), which fills the cell while nobody
//! polls the function. Then the producer finds the consumer's waker in the cell: the consumer has left it
//! there in the critical section in which it found the cell empty.

use super::next::{Next, next};
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

/// Makes a stream of the values that an async function yields.
///
/// It corresponds to an `async def` with a `yield` in Python, and [`Generator::next`] to `async for`.
/// Dropping the generator half-way drops all values that the function owns.
///
/// # Panics
///
/// A panic of the function reaches the task that asks for the next value, and the stream has then ended.
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
#[doc(alias("async_stream", "stream!"))]
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

/// The cell between the consumer and the function.
struct YieldCell<T> {
    state: Mutex<CellState<T>>,
}

struct CellState<T> {
    value: Option<T>,
    /// The waker of the task that put the value there and waits until it is taken.
    producer: Option<Waker>,
    /// The waker of the task that waits for a value. None while that task polls the function.
    consumer: Option<Waker>,
}

impl<T> YieldCell<T> {
    fn lock(&self) -> MutexGuard<'_, CellState<T>> {
        lock(&self.state)
    }
}

/// The stream of [`generator`].
///
/// ```
/// use brigade_runtime::{Generator, generator, run};
///
/// fn dishes() -> Generator<&'static str, impl Future<Output = ()>> {
///     generator(|mut yielder| async move {
///         yielder.yield_("soup").await;
///         yielder.yield_("salad").await;
///     })
/// }
///
/// run(async {
///     let mut dishes = dishes();
///     assert_eq!(dishes.next().await, Some("soup"));
///     assert_eq!(dishes.next().await, Some("salad"));
///     assert_eq!(dishes.next().await, None);
/// });
/// ```
#[must_use = "streams do nothing unless asked for a value"]
pub struct Generator<T, F> {
    cell: Arc<YieldCell<T>>,
    /// None once it has returned or panicked.
    future: Option<Pin<Box<F>>>,
}

impl<T, F: Future<Output = ()>> Generator<T, F> {
    /// Returns the next value, or None once the function has returned.
    ///
    /// # Panics
    ///
    /// Panics if the function panics, with the same payload.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no value: the next call returns the same value.
    ///
    /// ```
    /// # use brigade_runtime::{generator, run};
    /// let mut one = generator(|mut yielder| async move { yielder.yield_(1).await });
    /// run(async {
    ///     assert_eq!(one.next().await, Some(1));
    ///     assert_eq!(one.next().await, None);
    /// });
    /// ```
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, Self> {
        next(self)
    }
}

// The box pins the future, and the values are not pinned at all.
impl<T, F> Unpin for Generator<T, F> {}

impl<T, F: Future<Output = ()>> Stream for Generator<T, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll(cx));
        let this = self.get_mut();
        // Taken out while it runs, so that a function that panics is gone.
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
        let mut consumer = None;
        let (value, producer) = loop {
            let mut state = this.cell.lock();
            if let Some(value) = state.value.take() {
                break (value, state.producer.take());
            }
            if ended {
                budget::spend();
                return Poll::Ready(None);
            }
            if consumer.is_some() {
                state.consumer = consumer;
                return Poll::Pending;
            }
            drop(state);
            // Cloning a waker is foreign code, so it happens outside the lock. Then the cell is looked at
            // again.
            consumer = Some(cx.waker().clone());
        };
        if let Some(waker) = producer.filter(|waker| !waker.will_wake(cx.waker())) {
            waker.wake();
        }
        budget::spend();
        Poll::Ready(Some(value))
    }
}

/// The function's end of a generator: it passes values to the task that asks for them.
///
/// ```
/// use brigade_runtime::{Yielder, generator, run};
///
/// async fn count(mut yielder: Yielder<u32>) {
///     for n in 1..=3 {
///         yielder.yield_(n).await;
///     }
/// }
///
/// run(async {
///     let (mut numbers, mut sum) = (generator(count), 0);
///     while let Some(n) = numbers.next().await {
///         sum += n;
///     }
///     assert_eq!(sum, 6);
/// });
/// ```
pub struct Yielder<T> {
    cell: Arc<YieldCell<T>>,
}

impl<T> Yielder<T> {
    /// Passes a value to the consumer, and waits until the next one is asked for.
    ///
    /// If the generator has ended, nobody takes the value, and the future is never ready.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before its value was taken takes the value back and drops it.
    ///
    /// ```
    /// # use brigade_runtime::{generator, run};
    /// let mut dishes = generator(|mut yielder| async move { yielder.yield_("soup").await });
    /// assert_eq!(run(dishes.next()), Some("soup"));
    /// ```
    pub fn yield_(&mut self, value: T) -> Yield<'_, T> {
        Yield { yielder: self, value: Some(value) }
    }
}

/// The future of [`Yielder::yield_`].
///
/// ```
/// use brigade_runtime::{generator, run, select};
///
/// let mut dishes = generator(|mut yielder| async move {
///     // The value is taken back when its future is dropped.
///     select(yielder.yield_("soup"), std::future::ready(())).await;
///     yielder.yield_("salad").await;
/// });
/// assert!(run(dishes.next()).is_some());
/// ```
#[must_use = "nothing is yielded unless this is awaited"]
pub struct Yield<'a, T> {
    yielder: &'a mut Yielder<T>,
    /// None once it is in the cell.
    value: Option<T>,
}

// The value is not pinned, since it is moved into the cell.
impl<T> Unpin for Yield<'_, T> {}

impl<T> Future for Yield<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.value.is_none() && this.yielder.cell.lock().value.is_none() {
            return Poll::Ready(());
        }
        // Cloning a waker is foreign code, so it happens before the lock is taken.
        let waker = cx.waker().clone();
        let mut state = this.yielder.cell.lock();
        if state.value.is_none() {
            let Some(value) = this.value.take() else { return Poll::Ready(()) };
            state.value = Some(value);
        }
        // If the cell is full before this value is in it, it has the value of a future that was leaked.
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

    /// Makes a generator whose function has given its yielder away and never ends.
    fn given_away() -> (Generator<u32, future::Pending<()>>, Yielder<u32>) {
        let mut yielder = None;
        let numbers = generator(|given| {
            yielder = Some(given);
            future::pending()
        });
        (numbers, yielder.expect("the function was called"))
    }

    #[test]
    fn a_value_from_another_task_wakes_the_consumer_and_taking_it_wakes_the_producer() {
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
