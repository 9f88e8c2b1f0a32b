//! How a worker takes tasks of others: when it has none, and when another worker is stuck.
//!
//! A thief leaves a task alone if its owner will reach it within [`STEAL_GRACE_PERIOD`]. One worker
//! finishes a handful of tasks that wake one another sooner than two workers do, because the memory that
//! the tasks share stays in one cache. Requests and replies of eight clients finish two to five times as
//! soon. A task that waits behind a longer one is stolen after that period, and it is stolen at once if it
//! was already in the ring when the thief was woken. The period follows Go, whose thieves sleep for 3 µs
//! before they take the newest task (`runtime/proc.go`, `runqgrab`).
//!
//! A busy worker does not search, so tasks may lie in the ring of a worker that makes a long poll, or whose
//! thread was preempted, while the others run what the driver keeps giving them. So a worker with short polls
//! looks at one other worker each time that it polls the driver. If that worker has taken nothing from its
//! ring since the last such look, [`DRIVER_POLL_INTERVAL`](super::DRIVER_POLL_INTERVAL) ago, it is relieved
//! of its ring. If the same task lies in its LIFO slot, and it has ended no round, it is relieved of that
//! task. The task alone proves nothing: of two tasks that wake each other, one often lies there.
//!
//! A server with 64 connections, whose two workers share two CPUs with the clients, answers 99 of 100
//! requests in half of the time that way.

use super::Worker;
use crate::shim::pause;
use crate::{
    executor::multi_thread::{
        idle::Awake,
        run_queue::{LifoSnapshot, RingSnapshot},
    },
    task::Task,
};
use brigade_trace::{Kind, clock, gap, record};
use std::{cell::Cell, sync::atomic::Ordering, time::Duration};

/// Thieves leave a task alone this long, because its owner will probably run it first.
const STEAL_GRACE_PERIOD: Duration = Duration::from_micros(3);
/// A ring with more tasks than this is stolen from at once. Its owner cannot reach the last of them within
/// the grace period, since no task runs in less than 50 ns.
const ALWAYS_STOLEN_LENGTH: usize = 60;
/// The number of snapshots that a thief takes before it gives up, while tasks come and go.
const STEAL_ATTEMPTS: u32 = 8;

/// The worker that a busy one looks at, and its queue at the last look.
#[derive(Default)]
pub(super) struct Suspect {
    worker: Cell<usize>,
    /// The head of that worker's ring, if there were tasks in it.
    head: Cell<Option<usize>>,
    /// The task in its LIFO slot.
    lifo_task: Cell<Option<LifoSnapshot>>,
}

impl Suspect {
    /// Forgets the last look: the worker has slept since.
    pub(super) fn clear(&self) {
        self.head.set(None);
        self.lifo_task.set(None);
    }
}

/// The longest ring of a snapshot, and the number of tasks in it.
struct LongestRing {
    victim: usize,
    tasks: usize,
}

/// Spins for this long.
fn spin_for(time: Duration) {
    let end = clock::now() + time;
    while clock::now() < end {
        pause();
    }
}

impl Worker {
    /// Looks for a task of another worker, unless enough workers are searching already.
    #[cold]
    pub(super) fn search(&self) -> Option<Task> {
        gap();
        if self.awake.get() == Awake::Working {
            if !self.shared.idle.try_search() {
                return None;
            }
            self.awake.set(Awake::Searching);
        }
        let victims = &self.shared.remotes;
        let first = self.rng.borrow_mut().pick(victims.len());
        let others =
            (0..victims.len()).map(|n| (first + n) % victims.len()).filter(|&victim| victim != self.index);
        if let Some(task) = self.steal(others.clone()) {
            return Some(task);
        }
        if let Some(task) = self.pop_injected() {
            return Some(task);
        }
        if self.may_steal_lifo_task.take() {
            return { others }.find_map(|victim| victims[victim].queue.steal_lifo_task());
        }
        None
    }

    /// Steals half of another worker's ring. It steals from a short ring only if some task has lain there
    /// for longer than [`STEAL_GRACE_PERIOD`].
    fn steal(&self, others: impl Iterator<Item = usize> + Clone) -> Option<Task> {
        if let Some(task) = self.steal_announced() {
            return Some(task);
        }
        for _ in 0..STEAL_ATTEMPTS {
            if self.shared.injector.len() > 0 {
                return None;
            }
            let longest = self.snapshot(others.clone())?;
            let stolen = if longest.tasks > ALWAYS_STOLEN_LENGTH {
                self.steal_from(longest.victim)
            } else {
                spin_for(STEAL_GRACE_PERIOD);
                self.steal_stale(others.clone())
            };
            if stolen.is_some() {
                return stolen;
            }
        }
        None
    }

    /// Steals what this worker was woken for, if it is still there: waking up takes longer than the grace
    /// period.
    fn steal_announced(&self) -> Option<Task> {
        let remotes = &self.shared.remotes;
        let announced = &remotes[self.index].announced;
        // Relaxed, both: hints, which the wake-up has published.
        let victim = announced.victim.load(Ordering::Relaxed);
        let tail = announced.tail.load(Ordering::Relaxed);
        remotes[victim].queue.has_task_before(tail).then(|| self.steal_from(victim)).flatten()
    }

    /// Notes the tails of the other rings, and finds the longest ring. Returns `None` if all are empty.
    fn snapshot(&self, others: impl Iterator<Item = usize>) -> Option<LongestRing> {
        let mut longest = LongestRing { victim: 0, tasks: 0 };
        for victim in others {
            let RingSnapshot { tail, tasks } = self.shared.remotes[victim].queue.snapshot();
            self.seen_tails[victim].set(tail);
            if tasks > longest.tasks {
                longest = LongestRing { victim, tasks };
            }
        }
        (longest.tasks > 0).then_some(longest)
    }

    /// Steals from the first ring that still holds a task from before the last snapshot.
    fn steal_stale(&self, others: impl Iterator<Item = usize>) -> Option<Task> {
        let has_stale = |victim: &usize| {
            self.shared.remotes[*victim].queue.has_task_before(self.seen_tails[*victim].get())
        };
        others.filter(has_stale).find_map(|victim| self.steal_from(victim))
    }

    fn steal_from(&self, victim: usize) -> Option<Task> {
        let stolen = self.shared.remotes[victim].queue.steal(&self.queue)?;
        record(Kind::Steal, self.id(), stolen.tasks as u64);
        Some(stolen.first)
    }

    /// Takes all tasks of a ring, as far as there is room for them.
    fn steal_all_from(&self, victim: usize) -> Option<Task> {
        let first = self.steal_from(victim)?;
        while self.queue.room() > 1
            && let Some(task) = self.steal_from(victim)
        {
            self.queue.push(task, |surplus| self.shared.injector.push_all(surplus));
        }
        Some(first)
    }

    /// Takes the tasks of the suspected worker if it has taken none since the last call. Then suspects the
    /// next one.
    pub(super) fn relieve(&self) -> Option<Task> {
        let (remotes, suspect) = (&self.shared.remotes, &self.suspect);
        if remotes.len() == 1 || self.interval.is_after_each_poll() {
            return None;
        }
        let worker = suspect.worker.get();
        let queue = &remotes[worker].queue;
        let (head, lifo_task) = (queue.head_of_tasks(), queue.lifo_snapshot());
        let task = if worker == self.index {
            None
        } else if head.is_some() && head == suspect.head.get() {
            self.steal_all_from(worker)
        } else if lifo_task.is_some() && lifo_task == suspect.lifo_task.get() {
            queue.steal_lifo_task()
        } else {
            None
        };
        if task.is_some() {
            // A worker that fell asleep meanwhile may have missed the tasks that moved from ring to ring.
            self.has_collected.set(true);
        }
        let next = (worker + 1) % remotes.len();
        let next = if next == self.index { (next + 1) % remotes.len() } else { next };
        suspect.worker.set(next);
        suspect.head.set(remotes[next].queue.head_of_tasks());
        suspect.lifo_task.set(remotes[next].queue.lifo_snapshot());
        task
    }
}
