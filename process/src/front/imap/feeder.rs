//! The feeder: a thread that reads the inputs of a lazy map, so that the thread that wants the results
//! never waits for an input.

use super::inputs::Reading;
use brigade_handle::{contain, fork::Generation, refused_thread};
use std::{
    any::Any,
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
    thread,
};

/// The reader's end.
pub(super) struct Feeder<A> {
    queue: Arc<FeederQueue<A>>,
    /// A forked child has no feeder.
    generation: Generation,
}

/// The inputs that the feeder has read and the reader has not taken.
struct FeederQueue<A> {
    state: Mutex<FeederQueueState<A>>,
    /// Notified when there is room for another input, or when nobody wants one any more.
    room: Condvar,
}

struct FeederQueueState<A> {
    inputs: VecDeque<A>,
    /// How many inputs may wait.
    limit: usize,
    is_over: bool,
    /// The panic of the inputs.
    panic: Option<Box<dyn Any + Send>>,
    is_abandoned: bool,
    waker: Option<Waker>,
}

impl<A> FeederQueue<A> {
    fn lock(&self) -> MutexGuard<'_, FeederQueueState<A>> {
        // The only foreign code under the lock is the clone of a waker, which leaves everything as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the reader.
    fn tell(
        &self,
        mut state: MutexGuard<'_, FeederQueueState<A>>,
        change: impl FnOnce(&mut FeederQueueState<A>),
    ) {
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Puts an input into the queue when there is room. False if nobody wants it.
    fn put(&self, input: A) -> bool {
        let is_full =
            |state: &mut FeederQueueState<A>| state.inputs.len() >= state.limit && !state.is_abandoned;
        let state = self.room.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        if state.is_abandoned {
            return false;
        }
        self.tell(state, |state| state.inputs.push_back(input));
        true
    }
}

impl<A> Feeder<A> {
    /// Starts the thread.
    pub(super) fn start(inputs: impl Iterator<Item = A> + Send + 'static) -> io::Result<Self>
    where
        A: Send + 'static,
    {
        let state = FeederQueueState {
            inputs: VecDeque::new(),
            limit: 1,
            is_over: false,
            panic: None,
            is_abandoned: false,
            waker: None,
        };
        let queue = Arc::new(FeederQueue { state: Mutex::new(state), room: Condvar::new() });
        let theirs = queue.clone();
        let thread = thread::Builder::new().name("brigade-feeder".into()).spawn(move || {
            let mut inputs = inputs;
            // Unwind safe: inputs that have panicked are only dropped.
            let fed = catch_unwind(AssertUnwindSafe(|| {
                while let Some(input) = inputs.next()
                    && theirs.put(input)
                {}
            }));
            contain(|| drop(inputs));
            theirs.tell(theirs.lock(), |state| (state.is_over, state.panic) = (true, fed.err()));
        });
        thread.map_err(|error| refused_thread("brigade-feeder", error))?;
        Ok(Self { queue, generation: Generation::current() })
    }

    /// Takes up to `size` inputs.
    pub(super) fn read(&mut self, size: usize) -> Reading<A> {
        if !self.generation.is_current() {
            return Reading::Over(None);
        }
        let mut state = self.queue.lock();
        state.limit = size;
        if !state.inputs.is_empty() {
            let count = size.min(state.inputs.len());
            let chunk = state.inputs.drain(..count).collect();
            self.queue.room.notify_one();
            return Reading::Chunk(chunk);
        }
        if state.is_over { Reading::Over(state.panic.take()) } else { Reading::NotYet }
    }

    /// Whether reading would bring something new. If not, has `waker` woken when it would.
    pub(super) fn poll_arrival(&self, waker: &Waker) -> bool {
        if !self.generation.is_current() {
            return true;
        }
        let mut state = self.queue.lock();
        let has_arrived = !state.inputs.is_empty() || state.is_over;
        if !has_arrived {
            state.waker = Some(waker.clone());
        }
        has_arrived
    }
}

impl<A> Drop for Feeder<A> {
    fn drop(&mut self) {
        if self.generation.is_current() {
            let mut state = self.queue.lock();
            state.is_abandoned = true;
            let left = std::mem::take(&mut state.inputs);
            drop(state);
            self.queue.room.notify_one();
            // The drop is foreign code, perhaps while another panic is under way.
            contain(|| drop(left));
        }
    }
}
