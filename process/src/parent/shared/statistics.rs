//! The numbers that a pool keeps, and the public view of them.

use crate::{
    call::{Answer, Call},
    parent::{WorkerKey, child::End, lane::Served, shared::PoolState},
    wire::setup::Reason,
};
use brigade_handle::Lost;
use std::collections::HashSet;

/// A count of what a pool has done so far, and has still to do. Made by
/// [`ProcessPool::statistics`](crate::ProcessPool::statistics).
///
/// ```
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// procs.map(|n: u64| n + 1, 0..10);
/// let statistics = procs.statistics();
/// assert_eq!((statistics.calls, statistics.deaths, statistics.queued), (10, 0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls that workers have answered, with a result or a panic; each input of a `map` is one.
    pub calls: u64,
    /// Bytes of arguments that were sent to workers.
    pub bytes_sent: u64,
    /// Bytes of results that came from workers.
    pub bytes_received: u64,
    /// Workers that have ended without having been told to, including those that the pool killed for a
    /// call's sake.
    pub deaths: u64,
    /// Workers that have ended because they had made as many calls as they may.
    pub recycled: u64,
    /// Workers that have ended, or were killed in a call, because they took more memory than they may.
    pub over_memory: u64,
    /// Calls whose workers were killed because their time was over.
    pub timed_out: u64,
    /// Calls that wait for a worker.
    pub queued: usize,
    /// The workers that are alive.
    pub workers: Vec<WorkerStatistics>,
}

/// A count of what one worker has done so far.
///
/// ```
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(1).unwrap();
/// procs.spawn(|n: u64| n + 1, 1).join().unwrap();
/// let worker = procs.statistics().workers[0];
/// assert_eq!((worker.index, worker.calls), (0, 1));
/// assert_eq!(worker.id, procs.worker_ids()[0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatistics {
    /// Which of the pool's workers it is, from 0 on. A worker that takes another's place has its number.
    pub index: usize,
    /// Its process id.
    pub id: u32,
    /// Calls that it has answered.
    pub calls: u64,
    /// Bytes of arguments that were sent to it.
    pub bytes_sent: u64,
    /// Bytes of results that came from it.
    pub bytes_received: u64,
    /// Messages that it has and has not answered: calls, and batches of calls.
    pub under_way: u64,
}

/// A child that is alive. The numbers of those without a lane are kept here.
#[derive(Debug)]
pub(crate) struct Member {
    key: WorkerKey,
    pub(crate) pid: u32,
    pub(crate) index: usize,
    served: Served,
    under_way: u64,
    /// The worker has said that it takes too much memory, and was counted for that.
    too_large: bool,
    /// The worker's process has ended. Its last words may still be on their way.
    has_ended: bool,
}

impl Member {
    pub(crate) fn new(key: WorkerKey, pid: u32, index: usize) -> Self {
        Self { key, pid, index, served: Served::default(), under_way: 0, too_large: false, has_ended: false }
    }
}

/// The numbers of workers that are gone, and how they ended.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    served: Served,
    deaths: u64,
    timed_out: u64,
    recycled: u64,
    over_memory: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, served: &Served) {
        self.served.calls += served.calls;
        self.served.sent += served.sent;
        self.served.received += served.received;
    }
}

impl PoolState {
    /// The lowest numbers that no worker has, and no ordered one.
    pub(crate) fn free_indices(&self, count: usize) -> Vec<usize> {
        if count == 0 {
            return Vec::new();
        }
        let had = self.staff.iter().map(|member| member.index);
        let taken: HashSet<usize> = had.chain(self.ordered.iter().copied()).collect();
        (0..).filter(|index| !taken.contains(index)).take(count).collect()
    }

    fn place_of_member(&self, key: WorkerKey) -> Option<usize> {
        self.staff.binary_search_by_key(&key, |member| member.key).ok()
    }

    fn member(&mut self, key: WorkerKey) -> Option<&mut Member> {
        let at = self.place_of_member(key)?;
        Some(&mut self.staff[at])
    }

    pub(crate) fn count_given(&mut self, key: WorkerKey, call: &Call) {
        if let Some(member) = self.member(key) {
            member.served.sent += call.argument().len() as u64;
            member.under_way = 1;
        }
    }

    pub(crate) fn count_answered(&mut self, key: WorkerKey, call: &Call, answer: &Answer) {
        if let Some(member) = self.member(key) {
            member.served.calls += call.count() as u64;
            member.served.received += answer.length() as u64;
            member.under_way = 0;
        }
    }

    /// Counts a worker that ends by its own choice.
    pub(crate) fn count_leaving(&mut self, key: WorkerKey, reason: Reason) {
        match reason {
            Reason::Calls => self.totals.recycled += 1,
            Reason::Memory => {
                self.totals.over_memory += 1;
                if let Some(member) = self.member(key) {
                    member.too_large = true;
                }
            }
        }
    }

    /// Notes that a worker's process has ended, so that its process id may be another's from now on.
    pub(crate) fn count_ended(&mut self, key: WorkerKey) {
        if let Some(member) = self.member(key) {
            member.has_ended = true;
        }
    }

    fn living(&self) -> impl Iterator<Item = &Member> {
        self.staff.iter().filter(|member| !member.has_ended)
    }

    /// The process ids of the workers that are alive.
    pub(crate) fn worker_ids(&self) -> Vec<u32> {
        self.living().map(|member| member.pid).collect()
    }

    /// Takes a worker that is gone off the list, and keeps its numbers.
    pub(crate) fn forget_worker(&mut self, key: WorkerKey, end: End, loss: &Lost) {
        let mut is_counted = false;
        if let Some(at) = self.place_of_member(key) {
            let member = self.staff.remove(at);
            self.totals.add(&member.served);
            is_counted = member.too_large;
        }
        self.totals.deaths += u64::from(end == End::Unasked);
        // It may have been killed for its size while it was leaving for that.
        self.totals.over_memory += u64::from(matches!(loss, Lost::OverMemory { .. }) && !is_counted);
        self.totals.timed_out += u64::from(matches!(loss, Lost::TimedOut { .. }));
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let all: Vec<_> = self.staff.iter().map(|member| self.of_worker(member)).collect();
        let gone = &self.totals.served;
        let sum = |of: fn(&WorkerStatistics) -> u64| all.iter().map(of).sum::<u64>();
        Statistics {
            calls: gone.calls + sum(|worker| worker.calls),
            bytes_sent: gone.sent + sum(|worker| worker.bytes_sent),
            bytes_received: gone.received + sum(|worker| worker.bytes_received),
            deaths: self.totals.deaths,
            recycled: self.totals.recycled,
            over_memory: self.totals.over_memory,
            timed_out: self.totals.timed_out,
            queued: self.queue.iter().map(Call::count).sum(),
            workers: self.living().map(|member| self.of_worker(member)).collect(),
        }
    }

    fn of_worker(&self, member: &Member) -> WorkerStatistics {
        let lane = self.place_of_lane(member.key).map(|at| &self.lanes[at]);
        let (served, under_way) =
            lane.map_or((member.served, member.under_way), |lane| (lane.served, lane.load()));
        WorkerStatistics {
            index: member.index,
            id: member.pid,
            calls: served.calls,
            bytes_sent: served.sent,
            bytes_received: served.received,
            under_way,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parent::shared::Shared;

    #[test]
    fn a_worker_that_is_killed_while_it_leaves_is_counted_once() {
        let shared = Shared::new(1, None).unwrap();
        let mut state = shared.lock();
        let key = WorkerKey(7);
        state.staff.push(Member::new(key, 7, 0));
        state.count_leaving(key, Reason::Memory);
        state.forget_worker(key, End::Unasked, &Lost::OverMemory { limit: 1 });
        assert_eq!(state.statistics().over_memory, 1);
    }
}
