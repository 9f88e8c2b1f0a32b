//! Probes: how the table sees whether a task can run, and by how many wakers it can be woken.

use super::table;
use crate::{clock, limits, local, record, site::Site};
use brigade_handle::{CancelHandle, Id, Look, observe};
use std::{
    panic::Location,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Poll, Wake, Waker},
};

/// Shows an agent. The table asks from another thread, at any time until the agent ends. That takes no lock
/// and runs no foreign code.
#[derive(Debug)]
pub(super) enum Probe {
    /// A task. The handle is one of its references.
    Task(CancelHandle),
    /// The future of a `block_on`.
    Root(Arc<RootState>),
}

impl Probe {
    /// Returns whether a waker with this data is one of the agent.
    pub(super) fn is_woken_by(&self, data: *const ()) -> bool {
        match self {
            Self::Task(handle) => handle.is_woken_by(data),
            Self::Root(root) => Arc::as_ptr(root).cast() == data,
        }
    }

    pub(super) fn look(&self) -> Look {
        let unknown = Look { is_idle: false, wakers: 0, has_handle: false };
        match self {
            Self::Task(handle) => {
                handle.look().map_or(unknown, |look| Look { wakers: look.wakers.saturating_sub(1), ..look })
            }
            Self::Root(root) => Look {
                is_idle: root.state.load(Ordering::Acquire) == IDLE,
                // The root's own two references and the probe's wake nobody.
                wakers: Arc::strong_count(root).saturating_sub(3),
                has_handle: false,
            },
        }
    }
}

const POLLING: u8 = 0;
const IDLE: u8 = 1;
const WOKEN: u8 = 2;

/// The future of a `block_on`, as the table sees it: an agent that has the name of its thread or its job.
/// While the table is kept, the future gets a waker of its own, whose references are counted.
///
/// ```
/// use brigade_trace::live::Root;
/// use std::task::{Poll, Waker};
///
/// let mut root = Root::new();
/// assert_eq!(root.poll(Waker::noop(), |_waker| Poll::Ready(7)), Poll::Ready(7));
/// ```
#[derive(Debug)]
pub struct Root {
    probed: Option<(Id, Arc<RootState>, Waker)>,
    at: &'static Location<'static>,
}

#[derive(Debug)]
pub(super) struct RootState {
    state: AtomicU8,
    thread: Mutex<Waker>,
}

impl Root {
    /// Makes a root that was not polled yet. Its place is the caller's.
    #[must_use]
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "a default has no caller")]
    pub fn new() -> Self {
        Self { probed: None, at: Location::caller() }
    }

    /// Polls the future by `poll`. `thread` wakes the thread that polls.
    #[inline]
    pub fn poll<R>(&mut self, thread: &Waker, poll: impl FnOnce(&Waker) -> Poll<R>) -> Poll<R> {
        let watches = observe::on() || self.probed.is_some();
        // It ends also if the poll panics.
        let _stay = watches.then(|| Stay::begin(self.at));
        let waker = if watches { self.begin_poll(thread) } else { thread };
        let polled = poll(waker);
        if watches {
            self.end_poll(polled.is_pending());
        }
        polled
    }

    /// A session that records hears nothing of these polls, other than that they are no part of a run.
    #[cold]
    #[inline(never)]
    fn begin_poll<'a>(&'a mut self, thread: &'a Waker) -> &'a Waker {
        if !observe::is_live() && self.probed.is_none() {
            return thread;
        }
        let (_, root, waker) = self.probed.get_or_insert_with(|| {
            let thread = Mutex::new(thread.clone());
            let root = Arc::new(RootState { state: AtomicU8::new(POLLING), thread });
            let id = record::actor();
            table::set_probe(id, Some(Probe::Root(root.clone())));
            let waker = root.clone().into();
            (id, root, waker)
        });
        let mut known = root.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.will_wake(thread) {
            *known = thread.clone();
        }
        drop(known);
        // Relaxed: a wake-up that comes before this is seen by the poll, as with any waker; the thread's own
        // waker synchronises. The table reads this as a hint that it checks twice.
        root.state.store(POLLING, Ordering::Relaxed);
        waker
    }

    #[cold]
    #[inline(never)]
    fn end_poll(&self, is_pending: bool) {
        record::gap();
        if let Some((_, root, _)) = self.probed.as_ref().filter(|_| is_pending) {
            let _ = root.state.compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

/// A poll of the future of a `block_on`: until its end, waits without a place of their own have that of the
/// `block_on`, and the poll may last as long as a run.
struct Stay {
    id: Id,
    before: Site,
}

impl Stay {
    #[cold]
    fn begin(at: &'static Location<'static>) -> Self {
        let (id, before) = (record::actor(), local::with(|local| local.set_root_site(Site::of(at))));
        if limits::are_set() {
            limits::begin_run(id, clock::stamp());
        }
        Self { id, before }
    }
}

impl Drop for Stay {
    #[cold]
    fn drop(&mut self) {
        local::with(|local| local.set_root_site(self.before));
        if limits::are_set() {
            limits::end_run(self.id, clock::stamp());
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some((id, ..)) = self.probed {
            table::set_probe(id, None);
        }
    }
}

impl Wake for RootState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.state.store(WOKEN, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).clone();
        thread.wake();
    }
}
