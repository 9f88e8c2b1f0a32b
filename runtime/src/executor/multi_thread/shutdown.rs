//! How a multi-threaded executor ends: with time, within a time, and at once.
//!
//! | step | who waits for it |
//! |---|---|
//! | Tasks run to their end, or are cancelled: their entries are queued, and workers drop their futures. | all but those who leave |
//! | Blocking calls that run end; others are made or cancelled. | the same; or the last worker |
//! | The workers stop. | the same |
//! | The last worker closes the driver. | nobody |
//!
//! Who *leaves*, because its time is over, or because it waits for nobody, stops the workers first and cancels here what they have queued. A
//! poll that is under way cannot be broken off: its worker ends when the poll does, and drops the task then.

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
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long a shutdown whose time is over waits for the polls that are under way.
const LAST_POLLS_GRACE_PERIOD: Duration = Duration::from_millis(500);

/// Stops the workers when no task is left.
struct Stop(Arc<MultiThread>);

impl Wake for Stop {
    fn wake(self: Arc<Self>) {
        self.0.stop();
    }
}

/// Unparks the thread that waits for the end.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Ends the tasks, the blocking calls and the threads. `Elapsed` if something had to be cancelled, or left behind, in the end.
///
/// A worker that drops its own runtime cannot wait for itself, and neither can a blocking call, for which the last worker waits: there the
/// tasks are cancelled, and the threads end on their own when the last task has been dropped.
pub(crate) fn close(shared: &Arc<MultiThread>, threads: &Threads, mode: ShutdownMode) -> Result<(), Elapsed> {
    let threads = std::mem::take(&mut *lock(&threads.0));
    let deadline = match mode {
        ShutdownMode::Background => {
            shared.end_without_waiting();
            return Ok(());
        }
        // None, too: so far away that no clock can name it.
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
        // The last worker does.
        ShutdownMode::Cancel | ShutdownMode::Background => Ok(()),
    };
    // After a drain tasks could still come in from outside.
    shared.owned.cancel_all();
    shared.stop();
    let _away = wait::away();
    for thread in threads {
        thread.join().expect("a worker contains its panics");
    }
    drained.and(called)
}

/// Whether this thread is one that the executor itself waits for.
fn is_own_thread(shared: &Arc<MultiThread>) -> bool {
    let is_worker = context::with(|place| match place {
        ThreadRole::Worker(worker) => Arc::ptr_eq(&worker.shared, shared),
        _ => false,
    });
    is_worker || shared.blocking.is_own_thread()
}

impl MultiThread {
    /// Waits on this thread until no task is left, but not beyond the deadline. It may be a thread that must not block, but nothing here
    /// waits for it.
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

    /// Has the workers end when they have ended the polls that are under way.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Each is called, whatever becomes of the others.
        (0..self.workers()).for_each(|worker| contain(|| self.wake(worker, WakeReason::Search)));
    }

    /// Ends without waiting: all tasks are cancelled, those that are queued here and now.
    pub(crate) fn end_without_waiting(&self) {
        self.owned.cancel_all();
        // Before the last worker comes to it, who would wait.
        self.blocking.close_without_waiting();
        self.stop();
        self.cancel_queued();
        // Timers, and the descriptors of the driver, are there until the last poll has ended.
        self.driver.reactor.tell_gone();
    }

    /// Cancels the tasks in all queues. What is queued from now on is cancelled by the worker in whose ring it is, or where it is refused.
    fn cancel_queued(&self) {
        drop(self.injector.close());
        // What a thief takes beyond the first task it puts into a ring of its own.
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

    /// The last worker's: closes what is left.
    pub(crate) fn close(&self) {
        drop(self.injector.close());
        self.blocking.close();
        self.driver.close();
    }

    /// A worker has panicked, which is a bug of ours, or a driver that the program has broken: nothing would run its tasks any more. So all are
    /// ended, and their handles say why.
    #[cold]
    pub(crate) fn fail(&self, payload: &(dyn Any + Send)) {
        let text = panic_message(payload).unwrap_or("(a payload that is not a text)");
        // The first one counts.
        let _ = self.failure.set(format!("a worker of the runtime has panicked: {text}"));
        self.end_without_waiting();
    }
}
