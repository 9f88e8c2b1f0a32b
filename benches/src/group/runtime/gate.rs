//! A gate: tasks wait at it until it opens. Of nobody's runtime, and the same for all.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// Where tasks wait.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    open: bool,
    waiting: Vec<Waker>,
    /// Who waits until so many wait at the gate.
    watcher: Option<(usize, Waker)>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open. A task that is polled again without need waits twice, which does no harm.
    pub(crate) async fn wait(self) {
        poll_fn(|cx| {
            let mut inside = self.lock();
            if inside.open {
                return Poll::Ready(());
            }
            inside.waiting.push(cx.waker().clone());
            let arrived = inside.waiting.len();
            if let Some((_, waker)) = inside.watcher.take_if(|(count, _)| arrived >= *count) {
                waker.wake();
            }
            Poll::Pending
        })
        .await;
    }

    /// Waits until so many tasks wait.
    pub(crate) async fn arrived(&self, count: usize) {
        poll_fn(|cx| {
            let mut inside = self.lock();
            if inside.waiting.len() >= count {
                return Poll::Ready(());
            }
            inside.watcher = Some((count, cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Lets all go on.
    pub(crate) fn open(&self) {
        let waiting = {
            let mut inside = self.lock();
            inside.open = true;
            std::mem::take(&mut inside.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
