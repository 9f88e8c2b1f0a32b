//! Several futures inside one task, of which the first that is ready wins and the others are dropped.
//!
//! Who is polled first changes from call to call (`executor/rng.rs`), so that in a loop of races a future that is always ready starves
//! no other. Which of two that are ready wins is therefore not said. It changes from poll to poll as well, by turns: so that one that
//! uses up the cooperative budget (`task/budget.rs`) whenever it is polled leaves some of it to each of the others.

use crate::{executor::context, task::budget};
use std::{
    future::{Future, poll_fn},
    ops::Range,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

/// What [`select`] gives: the output of the one or of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Either<A, B> {
    /// Of the first.
    Left(A),
    /// Of the second.
    Right(B),
}

/// Awaits two futures until one is ready, and drops the other.
///
/// For futures of one type of output there is [`race`].
///
/// # Cancellation
///
/// The loser is dropped where it waits. If it must not be, hand in `&mut` of a pinned future, or the handle of a task.
///
/// # Panics
///
/// If one of them panics before the other is ready, with its panic, which ends both.
///
/// ```
/// use brigade_runtime::{Either, run, select, sleep};
/// use std::time::Duration;
///
/// run(async {
///     let never = std::future::pending::<u32>();
///     match select(sleep(Duration::from_millis(1)), never).await {
///         Either::Left(()) => {}
///         Either::Right(_) => unreachable!("it never is"),
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

/// Who is polled first.
struct PollOrder {
    begin: usize,
    count: usize,
}

impl PollOrder {
    fn new(count: usize) -> Self {
        Self { begin: context::choose(count), count }
    }

    /// The turns of one poll, to be taken modulo the count; the next poll begins with another.
    fn next_round(&mut self) -> Range<usize> {
        let begin = self.begin;
        self.begin = if begin + 1 < self.count { begin + 1 } else { 0 };
        begin..begin + self.count
    }
}

/// Awaits several futures of one type of output until the first is ready, and drops the others.
///
/// A tuple of two to six futures, an array, or a vector. A race of nobody is never ready.
///
/// # Cancellation
///
/// The losers are dropped where they wait.
///
/// # Panics
///
/// If one of them panics before another is ready, with its panic, which ends all.
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
pub async fn race<R: Racers>(racers: R) -> R::Output {
    racers.race().await
}

/// Futures that can [`race`]: tuples, arrays and vectors of them.
pub trait Racers: Sized {
    /// What all of them give.
    type Output;

    /// Awaits the first that is ready.
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

/// Races a tuple: each racer is pinned where it lies, and polled in its turn.
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
