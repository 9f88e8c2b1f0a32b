//! Calls of one function with many inputs: all at once, or lazily.

use crate::front::{
    gathering,
    imap::{Imap, ImapUnordered},
    pool::ProcessPool,
    starmap::Star,
};
use brigade_handle::{JoinError, JoinHandle};
use serde::{Serialize, de::DeserializeOwned};

impl ProcessPool {
    /// Has the workers call `f` with each input, and waits for all results, which are in the order of the
    /// inputs. `f` must [capture nothing](Self#functions-that-can-be-called).
    ///
    /// Inputs travel in batches, whose sizes follow from how long the calls take: short calls share a
    /// message, long ones do not wait for one another. Still each input has a result of its own: a panic is
    /// the result of one input, and a worker that ends takes along the one call that it ran.
    ///
    /// # Errors
    ///
    /// Each result is an error for the reasons that [`spawn`](Self::spawn) names, for its input alone.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread if that must not block, such as a worker of an async executor. Use
    /// [`spawn_map`](Self::spawn_map) there.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let squares: Vec<u64> = procs.map(|n: u64| n * n, 0..4).into_iter().map(Result::unwrap).collect();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// ```
    #[track_caller]
    pub fn map<F, A, R>(&self, f: F, inputs: impl IntoIterator<Item = A>) -> Vec<Result<R, JoinError>>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        // Only its handle could cancel it, and nobody else has the handle.
        gathering::submit(self.shared(), f, inputs, None).join().unwrap_or_default()
    }

    /// [`map`](Self::map) with `size` inputs in a message; 1 sends each on its own. `f` must [capture
    /// nothing](Self#functions-that-can-be-called).
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// As for [`map`](Self::map).
    #[doc(alias = "chunksize")]
    #[track_caller]
    pub fn map_chunked<F, A, R>(
        &self,
        f: F,
        inputs: impl IntoIterator<Item = A>,
        size: usize,
    ) -> Vec<Result<R, JoinError>>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        gathering::submit(self.shared(), f, inputs, Some(size.max(1))).join().unwrap_or_default()
    }

    /// [`map`](Self::map) that does not wait: the handle gives all results when it is joined or awaited.
    /// `f` must [capture nothing](Self#functions-that-can-be-called).
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let handle = procs.spawn_map(|n: u64| n * n, 0..4);
    /// assert_eq!(handle.join().unwrap().len(), 4);
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map), in the list that the handle gives.
    ///
    /// # Cancellation
    ///
    /// Cancelling the handle drops the calls that no worker has begun, and the handle gives
    /// [`JoinError::Cancelled`].
    #[doc(alias = "map_async")]
    #[track_caller]
    pub fn spawn_map<F, A, R>(
        &self,
        f: F,
        inputs: impl IntoIterator<Item = A>,
    ) -> JoinHandle<Vec<Result<R, JoinError>>>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        gathering::submit(self.shared(), f, inputs, None)
    }

    /// [`map`](Self::map) with a function of several arguments, which the inputs hold as tuples. `f` must
    /// [capture nothing](Self#functions-that-can-be-called).
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let powers = procs.starmap(u64::pow, [(2, 3), (3, 2)]);
    /// assert!(powers.into_iter().map(Result::unwrap).eq([8, 9]));
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// As for [`map`](Self::map).
    #[track_caller]
    pub fn starmap<F, A>(
        &self,
        f: F,
        inputs: impl IntoIterator<Item = A>,
    ) -> Vec<Result<F::Output, JoinError>>
    where
        F: Star<A> + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        F::Output: Serialize + DeserializeOwned + Send + 'static,
    {
        self.map(move |arguments: A| f.apply(arguments), inputs)
    }

    /// Has the workers call `f` with each input, which may be endless: returns an iterator over the
    /// results, in the order of the inputs. `f` must [capture nothing](Self#functions-that-can-be-called).
    ///
    /// `next` reads inputs when there is room for them: as many messages are under way as
    /// [`Imap::in_flight`] says, and no more. Once three messages have been sent, a result that is ready is
    /// given before another input is read.
    ///
    /// Inputs may come slowly. Until eight in a row have come within a millisecond each, and again after
    /// one that has not, only one message more than there are workers is under way, and before `next` asks
    /// for the next input, it gives the results some milliseconds to come. While `next` waits for a late
    /// input all the same, it gives no result that comes meanwhile; with [`Imap::with_feeder`] it never
    /// waits for an input.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let squares: Vec<u64> = procs.imap(|n: u64| n * n, 0..).take(3).map(Result::unwrap).collect();
    /// assert_eq!(squares, [0, 1, 4]);
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// `next` panics on its calling thread if that must not block.
    #[track_caller]
    pub fn imap<F, A, R, I>(&self, f: F, inputs: I) -> Imap<'_, F, I::IntoIter, R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        I: IntoIterator<Item = A>,
    {
        Imap::new(self, f, inputs.into_iter())
    }

    /// [`imap`](Self::imap) that gives the results as they come. `f` must [capture
    /// nothing](Self#functions-that-can-be-called).
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let mut squares: Vec<u64> = procs.imap_unordered(|n: u64| n * n, 0..4).map(Result::unwrap).collect();
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// `next` panics on its calling thread if that must not block.
    #[track_caller]
    pub fn imap_unordered<F, A, R, I>(&self, f: F, inputs: I) -> ImapUnordered<'_, F, I::IntoIter, R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        I: IntoIterator<Item = A>,
    {
        ImapUnordered::new(self, f, inputs.into_iter())
    }
}
