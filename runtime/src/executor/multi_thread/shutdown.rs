//! How a multi-threaded executor ends: after all tasks, within a time limit, or at once.
//!
//! | step | waited for by |
//! |---|---|
//! | Tasks end, or are cancelled: they are queued, and workers drop their futures. | shutdowns that wait |
//! | Blocking calls that run end; queued ones are made or cancelled. | the same, unless they cancel |
//! | The workers stop. | the same |
//! | The last worker closes the driver, then waits for blocking calls that are left. | the same |
//!
//! A shutdown that does not wait, or that has run out of time, stops the workers first, and then cancels on
//! its own thread the tasks that they have queued. It cannot interrupt a poll. The worker in that poll ends
//! when the poll does, and drops the task then.

use crate::shim::os_thread::{self as thread, Thread};
use crate::{
    executor::{
        context::{self, ThreadRole},
        end::ShutdownMode,
        multi_thread::{MultiThread, Threads, parker::WakeReason, run_queue},
    },
    shim::{self, Ordering, lock},
    time::elapsed::Elapsed,
};
use brigade_handle::{contain, panic_message, wait};
use brigade_trace::clock;
use std::{
    any::Any,
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

/// The time for which a shutdown that has run out of time still waits for polls that are under way.
const LAST_POLLS_GRACE_PERIOD: Duration = Duration::from_millis(500);

/// A waker that stops the workers when no task is left.
struct Stop(Arc<MultiThread>);

impl Wake for Stop {
    fn wake(self: Arc<Self>) {
        self.0.stop();
    }
}

/// A waker that unparks the thread in `wait_until_empty`.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Ends the tasks, the blocking calls and the threads. Returns `Elapsed` if tasks were cancelled, or calls
/// left behind, because the time was over.
///
/// A worker that drops its own runtime cannot wait for itself. Neither can a blocking call, because the
/// last worker waits for that call. On such a thread the tasks are cancelled, and the threads end by
/// themselves after the last task was dropped.
pub(crate) fn close(shared: &Arc<MultiThread>, threads: &Threads, mode: ShutdownMode) -> Result<(), Elapsed> {
    let threads = std::mem::take(&mut *lock(&threads.0));
    let deadline = match mode {
        ShutdownMode::Background => {
            shared.end_without_waiting();
            return Ok(());
        }
        // Also `None` if the deadline is too far away for a clock to name.
        ShutdownMode::Drain { at_most: Some(at_most) } => clock::now().checked_add(at_most),
        ShutdownMode::Drain { at_most: None } | ShutdownMode::Cancel => None,
    };
    let drained = match mode {
        ShutdownMode::Drain { at_most: Some(_) } => shared.wait_until_empty(deadline),
        _ => Ok(()),
    };
    if mode == ShutdownMode::Cancel || drained.is_err() {
        shared.owned.cancel_all();
    }
    if is_own_thread(shared) {
        let stop = Waker::from(Arc::new(Stop(shared.clone())));
        if shared.owned.when_empty(&stop) {
            shared.stop();
        }
        return drained;
    }
    let last_polls = drained.is_err().then(|| clock::now() + LAST_POLLS_GRACE_PERIOD);
    if !threads.is_empty() && shared.wait_until_empty(last_polls).is_err() {
        shared.end_without_waiting();
        return Err(Elapsed);
    }
    let called = match mode {
        ShutdownMode::Drain { at_most: None } => {
            shared.blocking.drain();
            Ok(())
        }
        ShutdownMode::Drain { at_most: Some(_) } => shared.blocking.close_by(deadline),
        // The last worker does this.
        ShutdownMode::Cancel | ShutdownMode::Background => Ok(()),
    };
    // Other threads can still spawn after a drain.
    shared.owned.cancel_all();
    shared.stop();
    let _away = wait::away();
    // In the destructors of its thread-locals a worker's thread is no worker any more, and cannot wait for
    // itself.
    for thread in threads.into_iter().filter(|thread| thread.thread().id() != thread::current().id()) {
        thread.join().expect("a worker contains its panics");
    }
    drained.and(called)
}

/// Tells whether the executor itself waits for this thread.
fn is_own_thread(shared: &Arc<MultiThread>) -> bool {
    let is_worker = context::with(|place| match place {
        ThreadRole::Worker(worker) => Arc::ptr_eq(&worker.shared, shared),
        _ => false,
    });
    is_worker || shared.blocking.is_own_thread()
}

impl MultiThread {
    /// Waits on this thread until no task is left, or until the deadline. The thread may be one that must
    /// not block: nothing here waits for it.
    fn wait_until_empty(&self, deadline: Option<Instant>) -> Result<(), Elapsed> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let _away = wait::away();
        while !self.owned.when_empty(&waker) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::now()));
            if left == Some(Duration::ZERO) {
                return Err(Elapsed);
            }
            shim::park(left);
        }
        Ok(())
    }

    /// Makes each worker end after the poll that it is in.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Each worker is woken, whatever happens while another one is.
        (0..self.workers()).for_each(|worker| contain(|| self.wake(worker, WakeReason::Search)));
    }

    /// Ends without waiting: cancels all tasks, and drops the queued ones on this thread.
    pub(crate) fn end_without_waiting(&self) {
        self.owned.cancel_all();
        // This comes before the last worker closes the pool, because that worker would wait.
        self.blocking.close_without_waiting();
        self.stop();
        self.cancel_queued();
        // The descriptors and the timers of workers stay until the last poll has ended. Guests would wait for
        // that.
        self.driver.reactor.tell_gone();
        self.driver.close_guest_timers();
    }

    /// Cancels the tasks in all queues. A task that is queued later is cancelled by the worker that owns
    /// the ring, or at the place that refuses it.
    fn cancel_queued(&self) {
        drop(self.injector.close());
        // A thief puts everything but the first task into a ring of its own.
        let (thief, _) = run_queue::new();
        for remote in &self.remotes {
            drop(remote.queue.steal_lifo_task());
            while let Some(stolen) = remote.queue.steal(&thief) {
                drop(stolen);
                while let Some(task) = thief.pop() {
                    drop(task);
                }
            }
        }
    }

    /// Closes what is left. The last worker calls this.
    pub(crate) fn close(&self) {
        drop(self.injector.close());
        // This comes before the wait for blocking calls. No worker drives any more, so a call that waits for
        // a timer or a descriptor has to be told.
        self.driver.close();
        self.blocking.close();
    }

    /// Ends all tasks after a worker has panicked, because nobody would run them any more. Their handles
    /// say why. Such a panic is a bug of this crate, or means that the program has broken the driver.
    #[cold]
    pub(crate) fn fail(&self, payload: &(dyn Any + Send)) {
        let text = panic_message(payload).unwrap_or("(a payload that is not a text)");
        // Only the first failure is kept.
        let _ = self.failure.set(format!("a worker of the runtime has panicked: {text}"));
        self.end_without_waiting();
    }
}
