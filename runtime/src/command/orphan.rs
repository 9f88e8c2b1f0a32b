//! Children that nobody waits for any more: they are reaped when they end.

use super::exit::ExitWatch;
use crate::shim::{Mutex, lock};
use brigade_handle::fork::PerProcess;
use std::{
    process::Child,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// How long the end of a runtime waits for a child that it has killed. One that is traced, or in a call of the operating system that cannot be
/// interrupted, may take longer.
const KILLED_CHILD_WAIT: Duration = Duration::from_secs(1);

/// What becomes of a child when the runtime that watches it ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrphanState {
    /// It runs on, and lies in the list until it is swept.
    Running,
    /// It was killed and is about to end, so its exit can be waited for, for a while.
    Killed,
}

/// A waker that reaps. It is the one who waits for the child's end, in the slot of a task.
struct Orphan {
    /// None once it is reaped.
    child: Mutex<Option<(Child, ExitWatch)>>,
    state: OrphanState,
}

/// Those whose runtime ended before them. A forked child has none of them: they are its parent's.
static UNWATCHED: PerProcess<StdMutex<Vec<Child>>> = PerProcess::new();

fn unwatched_children() -> MutexGuard<'static, Vec<Child>> {
    UNWATCHED.get_or_init(StdMutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the child reaped when it ends.
pub(super) fn adopt(child: Child, exit: ExitWatch, state: OrphanState) {
    Arc::new(Orphan { child: Mutex::new(Some((child, exit))), state }).try_reap();
    reap_unwatched();
}

/// Reaps those of the list that have ended meanwhile.
pub(super) fn reap_unwatched() {
    unwatched_children().retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

impl Orphan {
    /// Reaps the child if it has ended, else waits on.
    fn try_reap(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut slot = lock(&self.child);
        let Some((child, exit)) = &mut *slot else { return };
        let outcome = exit.poll(&mut Context::from_waker(&waker), child);
        if outcome.is_pending() {
            return;
        }
        let taken = slot.take();
        drop(slot);
        // The watch is dropped, which breaks the ring of the source, its waker and this.
        let Some((mut child, exit)) = taken else { return };
        match (outcome, self.state) {
            // The runtime is gone.
            (Poll::Ready(Err(_)), OrphanState::Killed) if exit.ends_within(KILLED_CHILD_WAIT) => {
                drop(child.wait())
            }
            (Poll::Ready(Err(_)), _) => unwatched_children().push(child),
            _ => {}
        }
    }
}

impl Wake for Orphan {
    fn wake(self: Arc<Self>) {
        self.try_reap();
    }
}
