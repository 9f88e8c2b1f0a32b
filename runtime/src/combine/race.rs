//! Racing several futures inside one task: the first that is ready wins, and the others are dropped.
//!
//! The future that is polled first changes from call to call, by choice of the runtime's random number
//! generator. So in a loop of races, a future that is always ready does not starve the others. Which of two
//! ready futures wins is therefore not specified.
//!
//! The first future changes from poll to poll as well, in rotation. So a future that spends the whole
//! cooperative budget each time it is polled leaves some of it to each of the others.

use crate::{executor::context, task::budget};
use std::{
    future::{Future, poll_fn},
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
/// use brigade_runtime::{race, run, sleep};
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
/// });
/// ```
#[doc(alias("select!", "select_all"))]
pub async fn race<R: Racers>(racers: R) -> R::Output {
    racers.race().await
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

    /// Awaits the first future that is ready, and drops the others.
    fn race(self) -> impl Future<Output = Self::Output>;
}

impl<F: Future> Racers for Vec<F> {
    type Output = F::Output;

    async fn race(self) -> F::Output {
        let mut racers: Vec<_> = self.into_iter().map(Box::pin).collect();
        let mut order = PollOrder::new(racers.len());
        poll_fn(|cx| poll_all(&mut racers, order.next_round(), cx)).await
    }
}

impl<F: Future, const N: usize> Racers for [F; N] {
    type Output = F::Output;

    async fn race(self) -> F::Output {
        Vec::from(self).race().await
    }
}

/// Polls all racers of one round, until one is ready.
fn poll_all<F: Future>(
    racers: &mut [Pin<Box<F>>],
    round: Range<usize>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    ready!(budget::poll(cx));
    let mark = budget::mark();
    let (before, after) = racers.split_at_mut(round.start);
    for racer in after.iter_mut().chain(before) {
        if let Poll::Ready(output) = racer.as_mut().poll(cx) {
            budget::spend_since(mark);
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

/// Implements [`Racers`] for a tuple: pins each racer in place, and polls them in the order of the round.
macro_rules! tuple {
    ($count:literal: $first:ident 0 $(, $racer:ident $number:literal)+) => {
        impl<$first: Future $(, $racer: Future<Output = $first::Output>)+> Racers for ($first $(, $racer)+) {
            type Output = $first::Output;

            #[allow(non_snake_case)]
            async fn race(self) -> Self::Output {
                let ($first $(, $racer)+) = self;
                let mut $first = pin!($first);
                $(let mut $racer = pin!($racer);)+
                let mut order = PollOrder::new($count);
                poll_fn(|cx| {
                    ready!(budget::poll(cx));
                    let mark = budget::mark();
                    for index in order.next_round() {
                        let poll = match index % $count {
                            $($number => $racer.as_mut().poll(cx),)+
                            _ => $first.as_mut().poll(cx),
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
        }
    };
}

tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
