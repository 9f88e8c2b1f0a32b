//! `map`: one call for each item, with the results in the order of the items.

use crate::{job::install::install, join::join, pool::Pool};
use brigade_handle::JoinError;
use brigade_trace::clock;
use std::{
    panic::{self, AssertUnwindSafe},
    time::{Duration, Instant},
};

impl Pool {
    /// Calls `f` with each input, in parallel, and returns the results in the order of the inputs. Blocks
    /// until all calls have ended.
    ///
    /// A call that panics fails its own item and no other.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// let halves = pool.map(|n: i32| if n % 2 == 0 { n / 2 } else { panic!("odd") }, [2, 3, 4]);
    /// assert_eq!(halves[0].as_ref().unwrap(), &1);
    /// assert_eq!(halves[1].as_ref().unwrap_err().panic_message(), Some("odd"));
    /// assert_eq!(halves[2].as_ref().unwrap(), &2);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread whose waiting policy forbids blocking.
    #[track_caller]
    pub fn map<F, I, R>(&self, f: F, inputs: I) -> Vec<Result<R, JoinError>>
    where
        F: Fn(I::Item) -> R + Sync,
        I: IntoIterator,
        I::Item: Send,
        R: Send,
    {
        self.map_by(&MapPlan { f, chunk: 1, deadline: None }, "Pool::map", inputs)
    }

    /// Maps like [`map`](Self::map), but a thread takes up to `chunk` neighbouring items at a time. Use
    /// it for calls of a few nanoseconds.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// let squares = pool.map_chunked(|n: u64| n * n, 0..10_000, 512);
    /// assert_eq!(squares[9_999].as_ref().unwrap(), &99_980_001);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `chunk` is 0. Panics on a thread whose waiting policy forbids blocking.
    #[doc(alias("chunksize", "with_min_len"))]
    #[track_caller]
    pub fn map_chunked<F, I, R>(&self, f: F, inputs: I, chunk: usize) -> Vec<Result<R, JoinError>>
    where
        F: Fn(I::Item) -> R + Sync,
        I: IntoIterator,
        I::Item: Send,
        R: Send,
    {
        assert!(chunk > 0, "a chunk holds at least one item");
        self.map_by(&MapPlan { f, chunk, deadline: None }, "Pool::map_chunked", inputs)
    }

    /// Maps like [`map`](Self::map), but begins no call after `timeout` has passed. The items of those
    /// calls say [`JoinError::Cancelled`].
    ///
    /// # Cancellation
    ///
    /// Calls that run when the time is over are waited for: they borrow, and nothing can stop them.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = brigade_pool::Pool::new()?;
    /// let late = pool.map_timeout(|n| n, 0..3, Duration::ZERO);
    /// assert!(late.iter().all(Result::is_err));
    /// let early = pool.map_timeout(|n| n, 0..3, Duration::from_secs(3600));
    /// assert!(early.iter().all(Result::is_ok));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread whose waiting policy forbids blocking.
    #[track_caller]
    pub fn map_timeout<F, I, R>(&self, f: F, inputs: I, timeout: Duration) -> Vec<Result<R, JoinError>>
    where
        F: Fn(I::Item) -> R + Sync,
        I: IntoIterator,
        I::Item: Send,
        R: Send,
    {
        // A deadline that no clock can represent is none.
        let deadline = clock::now().checked_add(timeout);
        self.map_by(&MapPlan { f, chunk: 1, deadline }, "Pool::map_timeout", inputs)
    }

    #[track_caller]
    fn map_by<F, I, R>(&self, plan: &MapPlan<F>, what: &str, inputs: I) -> Vec<Result<R, JoinError>>
    where
        F: Fn(I::Item) -> R + Sync,
        I: IntoIterator,
        I::Item: Send,
        R: Send,
    {
        let mut items: Vec<Item<I::Item, R>> =
            inputs.into_iter().map(|input| Item { input: Some(input), result: None }).collect();
        install(&self.registry, what, || split(plan, &mut items));
        items.into_iter().map(|item| item.result.expect("every item was visited")).collect()
    }
}

/// How to map the items.
struct MapPlan<F> {
    f: F,
    /// A slice of at most this many items is not split further.
    chunk: usize,
    /// No call begins from this time on.
    deadline: Option<Instant>,
}

struct Item<T, R> {
    input: Option<T>,
    result: Option<Result<R, JoinError>>,
}

/// Maps on the current worker and the workers that steal from it. Normally this splits down to single
/// items: a join costs little, and an item may take long.
fn split<F, T, R>(plan: &MapPlan<F>, items: &mut [Item<T, R>])
where
    F: Fn(T) -> R + Sync,
    T: Send,
    R: Send,
{
    if items.len() <= plan.chunk {
        return items.iter_mut().for_each(|item| visit(plan, item));
    }
    let (left, right) = items.split_at_mut(items.len() / 2);
    join(|| split(plan, left), || split(plan, right));
}

fn visit<F, T, R>(plan: &MapPlan<F>, item: &mut Item<T, R>)
where
    F: Fn(T) -> R + Sync,
{
    let input = item.input.take().expect("every item is visited once");
    let is_late = plan.deadline.is_some_and(|deadline| clock::now() >= deadline);
    let call = AssertUnwindSafe(|| {
        if is_late {
            drop(input);
            return Err(JoinError::cancelled());
        }
        Ok((plan.f)(input))
    });
    item.result = Some(panic::catch_unwind(call).unwrap_or_else(|payload| Err(JoinError::panicked(payload))));
}
