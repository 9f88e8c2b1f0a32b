//! Racing several futures inside one task: the first that is ready wins, and the others are dropped.
//!
//! The future that is polled first changes from call to call, by choice of the runtime's random number
//! generator. So in a loop of races, a future that is always ready does not starve the others. Which of two
//! ready futures wins is therefore not specified.
//!
//! The first future changes from poll to poll as well, in rotation. So a future that spends the whole
//! cooperative budget each time it is polled leaves some of it to each of the others.

//!
//! A [`Race`] holds its racers as they were passed, without a box. So its type names the racers and nothing
//! else, and the compiler needs no more than that to see that a task with a race in it is `Send`, whatever
//! the racers borrow.

use crate::{executor::context, task::budget};
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    ops::Range,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

/// The output of [`select`]: that of the first or of the second future.
///
/// ```
/// use brigade_runtime::{Either, run, select};
///
/// let first = run(select(std::future::ready(7), std::future::pending::<String>()));
/// assert_eq!(first, Either::Left(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Either<A, B> {
    /// The output of the first future.
    Left(A),
    /// The output of the second future.
    Right(B),
}

/// Awaits two futures until one is ready, and drops the other.
///
/// For futures whose outputs have the same type there is [`race`].
///
/// # Cancellation
///
/// The loser is dropped at the point where it waits. To keep it, pass `&mut` of a pinned future, or the
/// handle of a task.
///
/// # Panics
///
/// Panics if one future panics before the other is ready, with the same payload. Both futures are dropped.
///
/// ```
/// use brigade_runtime::{Either, run, select, sleep};
/// use std::time::Duration;
///
/// run(async {
///     let never = std::future::pending::<u32>();
///     match select(sleep(Duration::from_millis(1)), never).await {
///         Either::Left(()) => {}
///         Either::Right(_) => unreachable!("that future is never ready"),
///     }
/// });
/// ```
pub async fn select<A: Future, B: Future>(first: A, second: B) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut order = PollOrder::new(2);
    poll_fn(|cx| {
        ready!(budget::poll(cx));
        let mark = budget::mark();
        for index in order.next_round() {
            let poll = match index % 2 {
                0 => first.as_mut().poll(cx).map(Either::Left),
                _ => second.as_mut().poll(cx).map(Either::Right),
            };
            if poll.is_ready() {
                budget::spend_since(mark);
                return poll;
            }
        }
        Poll::Pending
    })
    .await
}

/// The order in which the racers are polled.
#[derive(Debug)]
struct PollOrder {
    /// The racer that the next poll begins with.
    begin: usize,
    count: usize,
}

impl PollOrder {
    fn new(count: usize) -> Self {
        Self { begin: context::choose(count), count }
    }

    /// Returns the indices for one poll, to be taken modulo the count. The next poll begins with the next
    /// racer.
    fn next_round(&mut self) -> Range<usize> {
        let begin = self.begin;
        self.begin = if begin + 1 < self.count { begin + 1 } else { 0 };
        begin..begin + self.count
    }
}

/// Awaits several futures whose outputs have the same type until the first is ready, and drops the others.
///
/// The futures are a tuple of two to six, an array, or a vector. A race without futures is never ready.
///
/// # Cancellation
///
/// The losers are dropped at the point where they wait. To keep one, pass `&mut` of a pinned future, or the
/// handle of a task.
///
/// # Panics
///
/// Panics if one future panics before another is ready, with the same payload. All futures are dropped.
///
/// ```
/// use brigade_runtime::{race, run, sleep, spawn};
/// use std::time::Duration;
///
/// async fn ask(mirror: &str, ms: u64) -> &str {
///     sleep(Duration::from_millis(ms)).await;
///     mirror
/// }
///
/// run(async {
///     assert_eq!(race((ask("near", 1), ask("far", 500))).await, "near");
///     assert_eq!(race(["a", "b"].map(|name| ask(name, 1))).await.len(), 1);
///     // The racers may borrow from the task that awaits them.
///     let task = spawn(async {
///         let (near, far) = (String::from("near"), String::from("far"));
///         race((ask(&near, 1), ask(&far, 500))).await.to_owned()
///     });
///     assert_eq!(task.await.unwrap(), "near");
/// });
/// ```
#[doc(alias("select!", "select_all"))]
pub fn race<R: Racers>(racers: R) -> Race<R> {
    Race { racers: Some(racers), order: None }
}

/// Futures that can [`race`]: tuples, arrays and vectors of futures.
///
/// ```
/// use brigade_runtime::{Racers, race, run, sleep};
/// use std::time::Duration;
///
/// /// Returns None if no racer is ready within 20 ms.
/// async fn try_race<R: Racers>(racers: R) -> Option<R::Output> {
///     let deadline = async {
///         sleep(Duration::from_millis(20)).await;
///         None
///     };
///     race((async { Some(racers.race().await) }, deadline)).await
/// }
///
/// assert_eq!(run(try_race([std::future::ready(7)])), Some(7));
/// assert_eq!(run(try_race([std::future::pending::<u32>()])), None);
/// ```
pub trait Racers: Sized {
    /// The output of each of them.
    type Output;

    /// Awaits the first future that is ready, and drops the others: [`race`] as a method.
    fn race(self) -> Race<Self> {
        race(self)
    }

    /// The number of racers.
    #[doc(hidden)]
    fn count(&self) -> usize;

    /// Polls one of them.
    ///
    /// # Safety
    ///
    /// The racers are pinned: from the first call on they stay where they are until they are dropped there.
    #[doc(hidden)]
    unsafe fn poll_racer(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

/// The future of [`race`].
///
/// ```
/// use brigade_runtime::{Race, race, run};
/// use std::future::{Ready, ready};
///
/// let started: Race<[Ready<u32>; 2]> = race([ready(7), ready(7)]);
/// assert_eq!(run(started), 7);
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Race<R> {
    /// `None` once one of them was ready, or has panicked.
    racers: Option<R>,
    /// `None` until the first poll.
    order: Option<PollOrder>,
}

impl<R: Racers> Future for Race<R> {
    type Output = R::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        // SAFETY: `Running` drops the racers in place, and nothing else touches them but `poll_racer`.
        let this = unsafe { self.get_unchecked_mut() };
        let count = this.racers.as_ref().expect("a `race` was polled again after it was ready").count();
        ready!(budget::poll(cx));
        let mark = budget::mark();
        let order = this.order.get_or_insert_with(|| PollOrder::new(count));
        let running = Running(&mut this.racers);
        for index in order.next_round() {
            let racers = running.0.as_mut().expect("they are there until one is ready");
            // SAFETY: this race is pinned, so they stay in it until it is dropped, or `Running` drops them in
            // place. A vector keeps its racers where they are, because nothing is added to it.
            let poll = unsafe { racers.poll_racer(index % count, cx) };
            if poll.is_ready() {
                budget::spend_since(mark);
                return poll;
            }
        }
        mem::forget(running);
        Poll::Pending
    }
}

/// Drops all racers when one is ready or has panicked.
struct Running<'a, R>(&'a mut Option<R>);

impl<R> Drop for Running<'_, R> {
    fn drop(&mut self) {
        *self.0 = None;
    }
}

impl<R> fmt::Debug for Race<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").field("finished", &self.racers.is_none()).finish_non_exhaustive()
    }
}

impl<F: Future> Racers for Vec<F> {
    type Output = F::Output;

    fn count(&self) -> usize {
        self.len()
    }

    // SAFETY: the caller pins the racers, as for the trait's.
    unsafe fn poll_racer(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the caller pins the racers.
        unsafe { Pin::new_unchecked(&mut self[index]) }.poll(cx)
    }
}

impl<F: Future, const N: usize> Racers for [F; N] {
    type Output = F::Output;

    fn count(&self) -> usize {
        N
    }

    // SAFETY: the caller pins the racers, as for the trait's.
    unsafe fn poll_racer(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the caller pins the racers.
        unsafe { Pin::new_unchecked(&mut self[index]) }.poll(cx)
    }
}

/// Implements [`Racers`] for a tuple.
macro_rules! tuple {
    ($count:literal: $first:ident 0 $(, $racer:ident $number:tt)+) => {
        impl<$first: Future $(, $racer: Future<Output = $first::Output>)+> Racers for ($first $(, $racer)+) {
            type Output = $first::Output;

            fn count(&self) -> usize {
                $count
            }

            // SAFETY: the caller pins the racers, as for the trait's.
            unsafe fn poll_racer(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<Self::Output> {
                match index {
                    // SAFETY: the caller pins the racers.
                    $($number => unsafe { Pin::new_unchecked(&mut self.$number) }.poll(cx),)+
                    // SAFETY: as above.
                    _ => unsafe { Pin::new_unchecked(&mut self.0) }.poll(cx),
                }
            }
        }
    };
}

tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
