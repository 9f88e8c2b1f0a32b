//! Orphans: children whose handle was dropped. They are reaped when they end.

use super::exit::ExitWatch;
use crate::shim::{Mutex, lock};
use brigade_handle::fork::PerProcess;
use std::{
    process::Child,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// How long the end of a runtime waits for a child that was killed. A child may take longer if it is
/// traced, or is in a system call that cannot be interrupted.
const KILLED_CHILD_WAIT: Duration = Duration::from_secs(1);

/// The state of an orphan. It matters if the runtime that watches the orphan ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrphanState {
    /// It keeps running. The end of the runtime moves it to the list of unwatched children.
    Running,
    /// It was killed and is about to end, so the end of the runtime can wait for it for a while.
    Killed,
}

/// An orphan, which is also the waker of its own exit watch: waking it reaps the child.
struct Orphan {
    /// None once it is reaped.
    child: Mutex<Option<(Child, ExitWatch)>>,
    state: OrphanState,
}

/// The children whose runtime ended before they did. In a forked process the list is empty: the children
/// are its parent's.
static UNWATCHED: PerProcess<StdMutex<Vec<Child>>> = PerProcess::new();

fn unwatched_children() -> MutexGuard<'static, Vec<Child>> {
    UNWATCHED.get_or_init(StdMutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an orphan of a child, so that it is reaped when it ends.
pub(super) fn adopt(child: Child, exit: ExitWatch, state: OrphanState) {
    Arc::new(Orphan { child: Mutex::new(Some((child, exit))), state }).try_reap();
    reap_unwatched();
}

/// Reaps the unwatched children that have ended.
pub(super) fn reap_unwatched() {
    unwatched_children().retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

impl Orphan {
    /// Reaps the child if it has ended, otherwise keeps watching. If the runtime has ended, waits for a
    /// killed child, or moves the child to the list.
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
        // Dropping the watch breaks the reference cycle of the source, its waker and this orphan.
        let Some((mut child, exit)) = taken else { return };
        match (outcome, self.state) {
            // The runtime has ended.
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
