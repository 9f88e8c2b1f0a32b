//! Compensation: a spare thread replaces a worker that is blocked inside its job, if there is work for
//! it.
//!
//! # Vocabulary
//!
//! Each thread of a pool is **active** (it runs, searches or sleeps), **blocked** (parked inside a job,
//! for the end of something else) or in **reserve** (parked, out of service). A pool that was asked for
//! *n* threads has a **vacancy** for each active thread that it has less than *n*. The packed word counts
//! vacancies next to the sleepers: to a producer, a vacancy is one more available worker. So a spare
//! thread is started or recalled exactly where a sleeper would be woken: when there is work, no worker
//! searches, and no worker sleeps.
//!
//! When a blocked worker goes on, there may be more than *n* active threads: a **surplus**. The next
//! thread that finds nothing to do goes to the reserve, and ends after a while. All threads are equal:
//! none is a spare from its start.
//!
//! # Why the pool always goes on
//!
//! A worker that blocks adds its vacancy, fences, and looks into all queues, as a worker that goes to
//! sleep does. So work that is queued, before or after, finds a worker that is not blocked, or a vacancy.
//! The work waits only if the operating system refuses a thread, or if the maximum number of threads is
//! blocked already. Then the vacancy is given up until its owner goes on. A vacancy for which a thread
//! was refused is retried (`registry/retry.rs`).
//!
//! The idea is that of Java's `ForkJoinPool.ManagedBlocker`.

use crate::registry::{
    Phase, Registry,
    sleep::{Queues, Searching},
};
use crate::sync::os_thread as thread;
use std::{
    io, mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long a thread stays in reserve before it ends.
const RESERVE_KEEP_ALIVE: Duration = Duration::from_millis(500);

/// The threads of a pool: how many there are, and what they do.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Threads that exist, or are being started.
    pub(crate) total: usize,
    /// Threads that run, search or sleep.
    pub(crate) active: usize,
    /// The indices of all threads, from their start until they end.
    pub(crate) present: Vec<usize>,
    /// The indices of the threads in reserve.
    pub(crate) reserve: Vec<usize>,
    /// Indices that were used and are free; `next_index` is the first one that was never used.
    free: Vec<usize>,
    next_index: usize,
    /// Vacancies that could not be filled.
    unfilled: usize,
    /// How many of the unfilled vacancies there are because the operating system refused a thread.
    refused: usize,
    /// The threads to join when the pool ends.
    pub(crate) threads: Vec<thread::JoinHandle<()>>,
}

impl Roster {
    pub(crate) fn blocked(&self) -> usize {
        self.total - self.active - self.reserve.len()
    }

    /// Returns whether all threads have ended.
    pub(crate) fn have_all_ended(&self) -> bool {
        self.free.len() == self.next_index
    }

    /// Takes a thread out of the reserve for good. Returns false if it has been recalled, or if its
    /// starter has not counted it as present yet, which matters until the pool has ended.
    fn remove_from_reserve(&mut self, index: usize, phase: Phase) -> bool {
        let place = |indices: &[usize]| indices.iter().position(|&other| other == index);
        let Some(in_reserve) = place(&self.reserve) else { return false };
        match place(&self.present) {
            Some(present) => _ = self.present.swap_remove(present),
            None if phase == Phase::Ended => {}
            None => return false,
        }
        self.reserve.swap_remove(in_reserve);
        self.total -= 1;
        true
    }

    /// Returns an index for one more thread, unless there are `limit` threads.
    fn take_index(&mut self, limit: usize) -> Option<usize> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.next_index < limit => {
                self.next_index += 1;
                self.next_index - 1
            }
            None => return None,
        };
        self.total += 1;
        self.active += 1;
        Some(index)
    }
}

impl Registry {
    fn set_surplus(&self, active: usize) {
        // Relaxed: it is read as a hint; the decision is made under the lock.
        self.surplus.store(active.saturating_sub(self.config.threads), Ordering::Relaxed);
    }

    /// Notes that a worker is about to park inside its job.
    pub(crate) fn blocked(&self) {
        let mut roster = self.roster();
        roster.active -= 1;
        self.set_surplus(roster.active);
        let vacant = roster.active < self.config.threads;
        if vacant {
            self.sleep.add_vacancy();
        }
        drop(roster);
        if vacant && self.sleep.recheck(self) {
            self.wake_someone();
        }
    }

    /// Notes that a worker goes on with its job.
    pub(crate) fn unblocked(&self) {
        self.count_active(&mut self.roster());
    }

    /// Counts a thread as active that was not.
    fn count_active(&self, roster: &mut Roster) {
        if roster.active < self.config.threads {
            // There is one vacancy less: an unfilled one if there is one, or else an open one.
            match roster.unfilled {
                0 => self.sleep.drop_vacancy(),
                _ => {
                    roster.unfilled -= 1;
                    roster.refused = roster.refused.min(roster.unfilled);
                }
            }
        }
        roster.active += 1;
        self.set_surplus(roster.active);
    }

    /// Brings all threads out of the reserve.
    pub(crate) fn recall_all(&self, roster: &mut Roster) {
        while let Some(index) = roster.reserve.pop() {
            self.count_active(roster);
            let searching = self.sleep.add_searching();
            self.sleep.recall(index, searching);
        }
    }

    /// Fills a vacancy, if there is one: recalls a thread from the reserve, or starts one.
    pub(crate) fn fill_vacancy(&self) {
        let mut roster = self.roster();
        if roster.active + roster.unfilled >= self.config.threads {
            return;
        }
        let searching = self.sleep.fill_vacancy();
        if let Some(index) = roster.reserve.pop() {
            roster.active += 1;
            drop(roster);
            return self.sleep.recall(index, searching);
        }
        let index = roster.take_index(self.config.threads + self.config.spares);
        roster.unfilled += usize::from(index.is_none());
        drop(roster);
        let start = |&index: &usize| {
            self.slot(index);
            self.sleep.announce(index);
            self.try_to_start(index)
        };
        let searching = match index {
            // The thread takes over the evidence.
            Some(index) if start(&index).is_ok() => return,
            Some(index) => self.undo_start(index, searching),
            None => Some(searching),
        };
        if searching.is_some_and(|searching| self.sleep.end_search_for_another(searching, self)) {
            self.wake_someone();
        }
        // The last worker may have fallen asleep while this thread counted as searching, and so have left the
        // pool's end to it.
        if self.phase() != Phase::Open {
            crate::sys::heavy();
            self.try_to_end();
        }
    }

    /// Takes back the count of a thread as active and searching, because its start failed. Returns the
    /// evidence, unless another worker has taken it over.
    ///
    /// A worker may have gone on meanwhile, which counted that thread and saw no vacancy. If a worker
    /// went to the reserve because of that, it is recalled. If it works, there is no vacancy to give up.
    fn undo_start(&self, index: usize, searching: Searching) -> Option<Searching> {
        let mut roster = self.roster();
        roster.total -= 1;
        roster.free.push(index);
        if let Some(index) = roster.reserve.pop() {
            drop(roster);
            self.sleep.recall(index, searching);
            return None;
        }
        roster.active -= 1;
        self.set_surplus(roster.active);
        if roster.active < self.config.threads {
            roster.unfilled += 1;
            roster.refused += 1;
            drop(roster);
            self.report_refusal();
        }
        Some(searching)
    }

    /// Reopens the vacancies for which a thread was refused. If there is work for one, this starts a
    /// thread again, and reports if that is refused again.
    pub(crate) fn retry_refused(&self) {
        let mut roster = self.roster();
        let again = mem::take(&mut roster.refused);
        roster.unfilled -= again;
        (0..again).for_each(|_| self.sleep.add_vacancy());
        drop(roster);
        if again > 0 && self.sleep.recheck(self) {
            self.wake_someone();
        }
    }

    /// Starts the threads that the pool was asked for. They start asleep, as there is no work yet. If each
    /// of them searched all the others first, the start would take a time that grows with the square of
    /// their number.
    ///
    /// A start hook may spawn jobs, so that there could be work. So threads with a hook start awake.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a thread, and how many it has granted.
    pub(crate) fn start_all(self: &Arc<Self>) -> Result<(), (io::Error, usize)> {
        #[cfg(feature = "explore")]
        super::explored::show_queues(self);
        (0..self.config.threads).try_for_each(|started| {
            let limit = self.config.threads;
            let index = self.roster().take_index(limit).expect("the roster counts what is started here");
            self.slot(index);
            if self.config.on_start.is_some() {
                self.sleep.announce(index);
                // The thread takes over the evidence. If the start fails, the pool ends anyway.
                _ = self.sleep.add_searching();
            } else {
                self.sleep.announce_asleep(index);
            }
            self.try_to_start(index).map_err(|error| {
                let mut roster = self.roster();
                roster.total -= 1;
                roster.active -= 1;
                roster.free.push(index);
                (error, started)
            })
        })
    }

    /// Starts the thread of this index, which has been announced and counted as active.
    fn try_to_start(&self, index: usize) -> io::Result<()> {
        let (registry, main) = (self.to_arc(), self.entry.main);
        let name = format!("{}-{index}", self.config.name);
        let mut builder = thread::Builder::new().name(name);
        if let Some(bytes) = self.config.stack_size {
            builder = builder.stack_size(bytes);
        }
        let thread = builder.spawn(move || main(registry, index))?;
        let mut roster = self.roster();
        // Spare threads come and go. A handle of a thread that has ended keeps its stack, so there are never
        // more of them than there are threads.
        if roster.threads.len() >= 2 * roster.total {
            roster.threads.retain(|thread| !thread.is_finished());
        }
        roster.threads.push(thread);
        roster.present.push(index);
        Ok(())
    }

    /// Puts this worker, which found nothing to do, into the reserve if there is a surplus. Returns
    /// whether it did.
    pub(crate) fn begin_reserve(&self, index: usize) -> bool {
        let mut roster = self.roster();
        if roster.active <= self.config.threads || !self.slot(index).mailbox.is_empty() {
            return false;
        }
        roster.active -= 1;
        self.set_surplus(roster.active);
        self.sleep.begin_reserve(index);
        roster.reserve.push(index);
        true
    }

    /// Waits in reserve. Returns true when the thread is recalled, and false when it must end.
    pub(crate) fn wait_in_reserve(&self, index: usize) -> bool {
        // This may have been the last worker that was not asleep.
        self.forbid_sleep();
        while self.sleep.in_reserve(index) {
            let waited_from = brigade_trace::clock::now();
            thread::park_timeout(RESERVE_KEEP_ALIVE);
            let phase = self.phase();
            let long_enough = phase == Phase::Ended || waited_from.elapsed() >= RESERVE_KEEP_ALIVE;
            if long_enough && self.roster().remove_from_reserve(index, phase) {
                return false;
            }
        }
        true
    }

    /// Releases the index of a thread that ends, so that another thread may have it.
    pub(crate) fn release_index(&self, index: usize) {
        self.roster().free.push(index);
        self.thread_ended.notify_all();
    }

    pub(crate) fn dismiss_reserve(&self) {
        let reserve = self.roster().reserve.clone();
        reserve.into_iter().for_each(|index| self.sleep.unpark(index));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::sys::{self, HEAVY_FENCES};
    use std::{sync::mpsc, thread};

    #[test]
    fn a_thread_outside_that_finds_no_thread_to_start_fences_for_the_worker_that_is_awake() {
        let pool = crate::Pool::builder().threads(2).spares(0).build().unwrap();
        let (go, gate) = mpsc::channel::<()>();
        let blocked = pool.spawn(move || crate::blocking(|| gate.recv().unwrap()));
        // One worker is blocked, and may go on at any time. The other one sleeps.
        let registry = &pool.registry;
        while registry.roster().blocked() != 1 || !registry.sleep.all_sleep(1) {
            thread::yield_now();
        }
        let before = HEAVY_FENCES.get();
        registry.fill_vacancy();
        assert_eq!(HEAVY_FENCES.get() - before, usize::from(sys::is_asymmetric()));
        go.send(()).unwrap();
        blocked.join().unwrap();
    }
}
