//! Compensation: a worker that is blocked inside its job is replaced by a spare thread, if there is work for one.
//!
//! # Vocabulary
//!
//! Each thread of a pool is **active** (runs, searches or sleeps), **blocked** (parked inside a job, for the end of something
//! else) or in **reserve** (parked, out of service). A pool that was asked for *n* threads has a **vacancy** for each active
//! thread that it has less than *n*. A vacancy is counted in the packed word, next to the sleepers: to a producer it is one
//! more worker to be had. So a spare thread is started or recalled exactly where a sleeper would be woken: when there is
//! work, nobody searches, and nobody sleeps.
//!
//! When a blocked worker goes on, there may be more than *n* active threads: a **surplus**. The next one that finds nothing to do
//! goes to the reserve, and after a while home. All threads are equal: none is a spare by birth.
//!
//! # Why the pool always goes on
//!
//! A worker that blocks adds its vacancy, fences, and looks into all queues, as one that goes to sleep does. So work that is
//! queued, before or after, finds a worker that is not blocked, or a vacancy. It waits only if the operating system refuses a
//! thread or if as many threads as may be are blocked already; then the vacancy is given up until its owner goes on. One for which a
//! thread was refused is tried again (`retry.rs`).
//!
//! The idea is that of Java's `ForkJoinPool.ManagedBlocker`.

use crate::registry::{
    Crew, Phase,
    sleep::{Queues, Searching},
};
use std::{
    io, mem,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

/// How long a thread stays in reserve before it goes home.
const KEEP: Duration = Duration::from_millis(500);

/// How many threads there are, and what they do.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Threads that exist, or are being started.
    pub(crate) total: usize,
    /// Those that run, search or sleep.
    pub(crate) active: usize,
    /// The beds of all threads, from their start until they go home.
    pub(crate) present: Vec<usize>,
    /// The beds of those in reserve.
    pub(crate) reserve: Vec<usize>,
    /// Beds that were used and are free, and the first one that was never used.
    free: Vec<usize>,
    fresh: usize,
    /// Vacancies that could not be filled.
    given_up: usize,
    /// How many of them were given up because the operating system refused a thread.
    refused: usize,
    /// To be joined when the pool ends.
    pub(crate) threads: Vec<thread::JoinHandle<()>>,
}

impl Roster {
    pub(crate) fn blocked(&self) -> usize {
        self.total - self.active - self.reserve.len()
    }

    /// Whether all threads have gone home.
    pub(crate) fn is_deserted(&self) -> bool {
        self.free.len() == self.fresh
    }

    /// Takes a thread out of the reserve for good. False if it has been recalled, or if its starter has yet to count it as
    /// present, which matters until the pool has ended.
    fn let_go(&mut self, bed: usize, phase: Phase) -> bool {
        let place = |beds: &[usize]| beds.iter().position(|&other| other == bed);
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

    /// A bed for one more thread.
    fn take_bed(&mut self, limit: usize) -> Option<usize> {
        let bed = match self.free.pop() {
            Some(bed) => bed,
            None if self.fresh < limit => {
                self.fresh += 1;
                self.fresh - 1
            }
            None => return None,
        };
        self.total += 1;
        self.active += 1;
        Some(bed)
    }
}

impl Crew {
    fn set_surplus(&self, active: usize) {
        // Relaxed: read as a hint; the decision is made under the lock.
        self.surplus.store(active.saturating_sub(self.plan.threads), Ordering::Relaxed);
    }

    /// A worker is about to park inside its job.
    pub(crate) fn blocked(&self) {
        let mut roster = self.roster();
        roster.active -= 1;
        self.set_surplus(roster.active);
        let vacant = roster.active < self.plan.threads;
        if vacant {
            self.sleep.add_vacancy();
        }
        drop(roster);
        if vacant && self.sleep.recheck(self) {
            self.wake_someone();
        }
    }

    /// A worker goes on with its job.
    pub(crate) fn unblocked(&self) {
        self.count_active(&mut self.roster());
    }

    /// Counts a thread as active that was not.
    fn count_active(&self, roster: &mut Roster) {
        if roster.active < self.plan.threads {
            // There is a vacancy less: one that could not be filled, if there is one, or else an open one.
            match roster.given_up {
                0 => self.sleep.drop_vacancy(),
                _ => {
                    roster.given_up -= 1;
                    roster.refused = roster.refused.min(roster.given_up);
                }
            }
        }
        roster.active += 1;
        self.set_surplus(roster.active);
    }

    /// Brings all threads out of the reserve.
    pub(crate) fn recall_all(&self, roster: &mut Roster) {
        while let Some(bed) = roster.reserve.pop() {
            self.count_active(roster);
            let searching = self.sleep.enlist();
            self.sleep.recall(bed, searching);
        }
    }

    /// Brings a thread out of the reserve, or starts one, if there is a vacancy.
    pub(crate) fn fill_vacancy(&self) {
        let mut roster = self.roster();
        if roster.active + roster.given_up >= self.plan.threads {
            return;
        }
        let searching = self.sleep.fill_vacancy();
        if let Some(bed) = roster.reserve.pop() {
            roster.active += 1;
            drop(roster);
            return self.sleep.recall(bed, searching);
        }
        let bed = roster.take_bed(self.plan.threads + self.plan.spares);
        roster.given_up += usize::from(bed.is_none());
        drop(roster);
        let searching = match bed {
            // The thread takes over the evidence.
            Some(bed) if self.try_to_start(bed).is_ok() => return,
            Some(bed) => self.give_up(bed, searching),
            None => Some(searching),
        };
        if searching.is_some_and(|searching| self.sleep.end_search(searching, self)) {
            self.wake_someone();
        }
    }

    /// The thread of this bed, which was counted as active and searching, could not be started. The evidence, unless somebody has taken it over.
    ///
    /// A worker may have gone on meanwhile, which counted that thread and saw no vacancy. If it went to the reserve because of that, it is
    /// recalled; if it works, there is no vacancy to be given up.
    fn give_up(&self, bed: usize, searching: Searching) -> Option<Searching> {
        let mut roster = self.roster();
        roster.total -= 1;
        roster.free.push(bed);
        if let Some(bed) = roster.reserve.pop() {
            drop(roster);
            self.sleep.recall(bed, searching);
            return None;
        }
        roster.active -= 1;
        self.set_surplus(roster.active);
        if roster.active < self.plan.threads {
            roster.given_up += 1;
            roster.refused += 1;
            drop(roster);
            self.report_refusal();
        }
        Some(searching)
    }

    /// Opens the vacancies again for which a thread was refused. If there is work for one, that tries to start a thread, and reports if
    /// it is refused again.
    pub(crate) fn try_again(&self) {
        let mut roster = self.roster();
        let again = mem::take(&mut roster.refused);
        roster.given_up -= again;
        (0..again).for_each(|_| self.sleep.add_vacancy());
        drop(roster);
        if again > 0 && self.sleep.recheck(self) {
            self.wake_someone();
        }
    }

    /// Starts the threads that the pool was asked for.
    pub(crate) fn start_all(self: &Arc<Self>) -> io::Result<()> {
        (0..self.plan.threads).try_for_each(|_| {
            let limit = self.plan.threads;
            let bed = self.roster().take_bed(limit).expect("the roster counts what is started here");
            // The thread takes over the evidence; if there is none, the pool ends anyway.
            let searching = self.sleep.enlist();
            self.try_to_start(bed).inspect_err(|_| _ = self.give_up(bed, searching))
        })
    }

    /// Starts the thread of this bed, which has been counted as active and searching.
    fn try_to_start(&self, bed: usize) -> io::Result<()> {
        self.seat(bed);
        self.sleep.prepare(bed);
        let (crew, main) = (self.myself(), self.entry.main);
        let name = format!("{}-{bed}", self.plan.name);
        let mut builder = thread::Builder::new().name(name);
        if let Some(bytes) = self.plan.stack_size {
            builder = builder.stack_size(bytes);
        }
        let thread = builder.spawn(move || main(crew, bed))?;
        let mut roster = self.roster();
        roster.threads.retain(|thread| !thread.is_finished());
        roster.threads.push(thread);
        roster.present.push(bed);
        Ok(())
    }

    /// Whether this worker, which found nothing to do, is one too many; it is in reserve then.
    pub(crate) fn begin_reserve(&self, bed: usize) -> bool {
        let mut roster = self.roster();
        if roster.active <= self.plan.threads || !self.seat(bed).mail.is_empty() {
            return false;
        }
        roster.active -= 1;
        self.set_surplus(roster.active);
        self.sleep.begin_reserve(bed);
        roster.reserve.push(bed);
        true
    }

    /// Waits in reserve. True when recalled, false when it is time to go home.
    pub(crate) fn stay_in_reserve(&self, bed: usize) -> bool {
        // This may have been the last one that was not asleep.
        self.forbid_sleep();
        while self.sleep.in_reserve(bed) {
            let waited_from = brigade_trace::clock::now();
            thread::park_timeout(KEEP);
            let phase = self.phase();
            let long_enough = phase == Phase::Ended || waited_from.elapsed() >= KEEP;
            if long_enough && self.roster().let_go(bed, phase) {
                return false;
            }
        }
        true
    }

    /// The thread of this bed goes home, and another may have the bed.
    pub(crate) fn free_bed(&self, bed: usize) {
        self.roster().free.push(bed);
        self.bed_freed.notify_all();
    }

    pub(crate) fn dismiss_reserve(&self) {
        let reserve = self.roster().reserve.clone();
        reserve.into_iter().for_each(|bed| self.sleep.unpark(bed));
    }
}
