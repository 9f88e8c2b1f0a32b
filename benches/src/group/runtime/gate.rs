//! A gate, at which tasks wait until it opens. It belongs to no runtime, and is the same for all.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// A gate. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    state: Arc<Mutex<GateState>>,
}

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: Vec<Waker>,
    /// A waker, and how many tasks must wait at the gate before it is called.
    watcher: Option<(usize, Waker)>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open. A task that is polled again without need is listed twice, which does no
    /// harm.
    pub(crate) async fn wait(self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.open {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            let arrived = state.waiting.len();
            if let Some((_, waker)) = state.watcher.take_if(|(count, _)| arrived >= *count) {
                waker.wake();
            }
            Poll::Pending
        })
        .await;
    }

    /// Waits until this many tasks wait at the gate.
    pub(crate) async fn arrived(&self, count: usize) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.waiting.len() >= count {
                return Poll::Ready(());
            }
            state.watcher = Some((count, cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Opens the gate, so that all tasks go on.
    pub(crate) fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.open = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
