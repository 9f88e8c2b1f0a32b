//! A gate: tasks wait at it until it opens. Of nobody's runtime, and the same for all.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// Where tasks wait.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    state: Arc<Mutex<GateState>>,
}

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: Vec<Waker>,
    /// Who waits until so many wait at the gate.
    watcher: Option<(usize, Waker)>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open. A task that is polled again without need waits twice, which does no harm.
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

    /// Waits until so many tasks wait.
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

    /// Lets all go on.
    pub(crate) fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.open = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
