//! `map`: one call for each item, with the results in the order of the items.

use crate::{
    data::simd::Versions,
    job::install::install,
    join::{Caller, join_at},
    pool::Pool,
};
use brigade_handle::JoinError;
use brigade_trace::clock;
use std::{
    mem::MaybeUninit,
    panic::{self, AssertUnwindSafe, Location},
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
        self.map_by(&MapPlan::new(f, 1, None), "Pool::map", inputs)
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
        self.map_by(&MapPlan::new(f, chunk, None), "Pool::map_chunked", inputs)
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
        self.map_by(&MapPlan::new(f, 1, deadline), "Pool::map_timeout", inputs)
    }

    #[track_caller]
    fn map_by<F, I, R>(&self, plan: &MapPlan<F>, what: &str, inputs: I) -> Vec<Result<R, JoinError>>
    where
        F: Fn(I::Item) -> R + Sync,
        I: IntoIterator,
        I::Item: Send,
        R: Send,
    {
        let mut inputs: Vec<I::Item> = inputs.into_iter().collect();
        let mut results = Vec::with_capacity(inputs.len());
        // If this panics before the closure runs, the inputs are dropped as usual.
        install(&self.registry, what, || map_all(plan, &mut inputs, &mut results));
        results
    }
}

/// How to map the items.
struct MapPlan<F> {
    f: F,
    /// A slice of at most this many items is not split further.
    chunk: usize,
    /// No call begins from this time on.
    deadline: Option<Instant>,
    versions: Versions,
    /// The place in the program that maps.
    at: Caller,
}

impl<F> MapPlan<F> {
    #[track_caller]
    fn new(f: F, chunk: usize, deadline: Option<Instant>) -> Self {
        Self { f, chunk, deadline, versions: Versions::new(), at: Location::caller() }
    }
}

/// The result of one call.
type Outcome<R> = Result<R, JoinError>;

/// Moves all inputs through the map, on the current worker and the workers that steal from it. The results
/// are written to their places at once, so nothing is gathered afterwards.
fn map_all<F, T, R>(plan: &MapPlan<F>, inputs: &mut Vec<T>, results: &mut Vec<Outcome<R>>)
where
    F: Fn(T) -> R + Sync,
    T: Send,
    R: Send,
{
    let len = inputs.len();
    // SAFETY: zero is within the capacity. From here on the vector owns no input; each of them is read
    // once below. If this frame were left early, the rest would leak, which is safe.
    unsafe { inputs.set_len(0) };
    let places = &mut results.spare_capacity_mut()[..len];
    split(plan, Piece { inputs: &mut inputs.spare_capacity_mut()[..len], places });
    // SAFETY: `split` has returned, so every piece has been visited, and `visit` writes each place.
    unsafe { results.set_len(len) };
}

/// Neighbouring inputs, and the places of their results. The inputs are initialised until `visit` takes
/// them; the places are not before.
struct Piece<'a, T, R> {
    inputs: &'a mut [MaybeUninit<T>],
    places: &'a mut [MaybeUninit<Outcome<R>>],
}

/// Normally this splits down to single items: a join costs little, and an item may take long.
fn split<F, T, R>(plan: &MapPlan<F>, piece: Piece<'_, T, R>)
where
    F: Fn(T) -> R + Sync,
    T: Send,
    R: Send,
{
    let len = piece.inputs.len();
    if len <= plan.chunk {
        return visit(plan, piece);
    }
    let (inputs, more_inputs) = piece.inputs.split_at_mut(len / 2);
    let (places, more_places) = piece.places.split_at_mut(len / 2);
    join_at(
        || split(plan, Piece { inputs, places }),
        || split(plan, Piece { inputs: more_inputs, places: more_places }),
        plan.at,
    );
}

/// Calls the function for each input of the piece, and writes each place. A panic ends the run of calls
/// in which it happens; the next run begins behind it. So only panics pay for being caught.
fn visit<F, T, R>(plan: &MapPlan<F>, piece: Piece<'_, T, R>)
where
    F: Fn(T) -> R + Sync,
{
    let Piece { inputs, places } = piece;
    let mut begun = 0;
    while begun < inputs.len() {
        let rest = begun;
        let mut progress = Progress { begun, written_back: &mut begun };
        let left = inputs.len() - rest;
        let items = inputs[rest..].iter_mut().zip(&mut places[rest..]);
        // The loop without a deadline asks for none, so the compiler can unroll it (`map_chunked_100k`).
        let run = AssertUnwindSafe(|| match plan.deadline {
            None => {
                let run = || progress.run(|input| Ok((plan.f)(input)), items);
                plan.versions.run(left, run)
            }
            Some(deadline) => progress.run(|input| before(deadline, || (plan.f)(input)), items),
        });
        if let Err(payload) = panic::catch_unwind(run) {
            drop(progress);
            places[begun - 1].write(Err(JoinError::panicked(payload)));
        }
    }
}

/// Makes the call, unless it is too late.
fn before<R>(deadline: Instant, call: impl FnOnce() -> R) -> Outcome<R> {
    if clock::now() >= deadline { Err(JoinError::cancelled()) } else { Ok(call()) }
}

/// How many calls of a piece have begun. The number is written back when the run ends, so that it can stay
/// in a register meanwhile.
struct Progress<'a> {
    begun: usize,
    written_back: &'a mut usize,
}

impl Progress<'_> {
    #[inline(always)]
    fn run<'a, T, R>(
        &mut self,
        call: impl Fn(T) -> Outcome<R>,
        items: impl Iterator<Item = (&'a mut MaybeUninit<T>, &'a mut MaybeUninit<Outcome<R>>)>,
    ) where
        T: 'a,
        R: 'a,
    {
        for (input, place) in items {
            self.begun += 1;
            // SAFETY: `map_all` got an initialised input for each place, and no piece is visited twice.
            // Within its piece, `begun` is past this one, so it is not read again after a panic.
            let input = unsafe { input.assume_init_read() };
            place.write(call(input));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        *self.written_back = self.begun;
    }
}
