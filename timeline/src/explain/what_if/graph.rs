//! The graph of work: what each strand does, in which order, and what it waits for.
//!
//! ```text
//!   main    ── spawn a ── spawn b ── work 1 ms ── join a ── join b ──
//!   a             work 5 ms ── lock ── work 1 ms ── unlock ──
//!   b             delay 8 ms (a timer) ── work 2 ms ──
//! ```
//!
//! Ready time is not a part of it: the scheduler of the replay makes its own.

use crate::explain::{
    Bucket,
    cpu::Processors,
    strand::{Doing, Index, Key, Strand, Strands, WaitFor},
    walk::bucket_of,
};
use brigade_trace::{Cause, Domain, Lane};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The jobs that are looked at to find the owner of a stolen half.
const ADOPTERS_MAX: usize = 64;

/// A step of a strand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Op {
    /// It needs a worker for this long: with a processor, and asleep without one. Nanoseconds.
    Work {
        cpu: f64,
        asleep: f64,
    },
    /// It waits this long for something outside: a timer, the network, a call that nobody recorded.
    Delay(f64),
    /// It makes another strand ready.
    Spawn(Index),
    /// It waits until the strand has ended.
    Join(Index),
    /// It waits until all strands have ended that it has spawned.
    JoinChildren,
    /// It takes a lock or a permit, and gives it back.
    Acquire(usize),
    Release(usize),
}

/// The threads that take work from the same queues, or the child processes of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) workers: usize,
    /// Whether another number of workers could run it.
    pub(super) is_elastic: bool,
}

/// The graph.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// The steps of each strand, and the group that runs it.
    pub(super) ops: Vec<Vec<Op>>,
    pub(super) group: Vec<usize>,
    pub(super) groups: Vec<Group>,
    /// For each lock: its name, and how many may hold it.
    pub(super) locks: Vec<(String, usize)>,
    /// Where each step waits or ran, in the texts of the strands.
    pub(super) sites: Vec<Vec<Option<u32>>>,
    /// The part of the wall time that waits for channels, whose senders are not known.
    pub(super) channel_nanos: u64,
    /// Halves of joins that were stolen: the work was split on demand.
    pub(super) stolen: usize,
}

/// The identity of a group of workers: a process, a kind of thread, and the number of its executor.
type GroupKey = (u32, Lane, u64);

impl Graph {
    pub(super) fn of(strands: &Strands, processors: &Processors) -> Self {
        let mut graph = Self::default();
        let of_thread = graph.add_groups(strands);
        let children = graph.groups.len();
        let is_child = |strand: &&Strand| strand.id.domain() == Domain::Child;
        let workers = strands.all.iter().filter(is_child).count();
        graph.groups.push(Group { workers: workers.max(1), is_elastic: workers > 0 });
        let locks = graph.add_locks(strands);
        let mut spawned_by = HashMap::new();
        for (index, strand) in strands.all.iter().enumerate() {
            for piece in &strand.pieces {
                if let Doing::Wait(WaitFor { cause: Cause::Join, holder: Some(half), .. }) = &piece.doing
                    && strands.all[*half].parent.is_none()
                    && !strands.all[*half].is_thread()
                {
                    // The stolen half of a join: its owner made it when it was stolen.
                    graph.stolen += usize::from(spawned_by.insert(*half, index).is_none());
                }
            }
        }
        graph.group = strands.all.iter().map(|strand| group_of(strand, &of_thread, children)).collect();
        graph.adopt(strands, &mut spawned_by);
        let owners: HashSet<Index> = spawned_by.values().copied().collect();
        for index in 0..strands.all.len() {
            let mut marks = marks(strands, index, &locks);
            let halves = spawned_by.iter().filter(|&(_, &owner)| owner == index);
            marks.extend(halves.map(|(&half, _)| (strands.all[half].begin, Op::Spawn(half))));
            marks.sort_by_key(|&(at, _)| at);
            let (mut ops, mut sites) = graph.steps(strands, processors, index, &marks);
            if owners.contains(&index) {
                // A join ends after both halves.
                ops.push(Op::JoinChildren);
                sites.push(None);
            }
            graph.ops.push(ops);
            graph.sites.push(sites);
        }
        graph
    }

    /// Finds an owner for stolen halves that had ended before anyone waited for them: the job of the same
    /// pool that was begun last, of those that went on.
    fn adopt(&mut self, strands: &Strands, spawned_by: &mut HashMap<Index, Index>) {
        let is_job = |&index: &Index| strands.all[index].id.domain() == Domain::Job;
        let mut jobs: Vec<Index> = (0..strands.all.len()).filter(is_job).collect();
        jobs.sort_by_key(|&job| strands.all[job].begin);
        for (place, &half) in jobs.iter().enumerate() {
            if strands.all[half].parent.is_some() || spawned_by.contains_key(&half) {
                continue;
            }
            let begin = strands.all[half].begin;
            let before = jobs[..place].iter().rev().take(ADOPTERS_MAX);
            let is_owner =
                |job: &&Index| self.group[**job] == self.group[half] && strands.all[**job].end > begin;
            if let Some(&owner) = before.clone().find(is_owner) {
                spawned_by.insert(half, owner);
                self.stolen += 1;
            }
        }
    }

    /// Makes the groups of threads. Returns the group of each thread.
    fn add_groups(&mut self, strands: &Strands) -> Vec<usize> {
        let mut numbers: BTreeMap<(u32, u8, u64), usize> = BTreeMap::new();
        let mut of_thread = Vec::new();
        for (place, thread) in strands.threads.iter().enumerate() {
            let id = strands.all[thread.strand].id;
            let (process, lane, executor): GroupKey = (thread.process, thread.lane, id.number() >> 16);
            let is_worker = matches!(lane, Lane::Pool | Lane::Runtime);
            let own = if is_worker { executor } else { 1 << 60 | place as u64 };
            let group = *numbers.entry((process, lane as u8, own)).or_insert_with(|| {
                self.groups.push(Group { workers: 0, is_elastic: is_worker });
                self.groups.len() - 1
            });
            self.groups[group].workers += 1;
            of_thread.push(group);
        }
        of_thread
    }

    fn add_locks(&mut self, strands: &Strands) -> HashMap<Key, usize> {
        let mut numbers = HashMap::new();
        let mut held: HashMap<Key, usize> = HashMap::new();
        for hold in &strands.holds {
            let lock = *numbers.entry(hold.resource).or_insert_with(|| {
                let name = strands.labels.get(&hold.resource).cloned();
                self.locks.push((name.unwrap_or_else(|| hold.resource.1.to_string()), 1));
                self.locks.len() - 1
            });
            let held = held.entry(hold.resource).or_default();
            *held = if hold.is_taken { *held + 1 } else { held.saturating_sub(1) };
            self.locks[lock].1 = self.locks[lock].1.max(*held);
        }
        numbers
    }

    fn steps(
        &mut self,
        strands: &Strands,
        processors: &Processors,
        index: Index,
        marks: &[(u64, Op)],
    ) -> (Vec<Op>, Vec<Option<u32>>) {
        let strand = &strands.all[index];
        let (mut ops, mut sites) = (Vec::new(), Vec::new());
        let mut marks = marks.iter().peekable();
        let mut put = |op: Op, site: Option<u32>| {
            ops.push(op);
            sites.push(site);
        };
        for piece in &strand.pieces {
            let mut at = piece.begin;
            // A mark at the end of a wait comes after it.
            let last = piece.end.saturating_sub(u64::from(matches!(piece.doing, Doing::Wait(_))));
            while let Some(&&(mark, op)) = marks.peek().filter(|(mark, _)| *mark <= last) {
                if let Some(work) = work(processors, &piece.doing, at, mark) {
                    put(work, strand.site);
                }
                put(op, None);
                at = at.max(mark);
                marks.next();
            }
            match &piece.doing {
                Doing::Wait(wait) => {
                    if let Some(op) = self.wait(strands, index, wait, at, piece.end) {
                        put(op, wait.site);
                    }
                }
                doing => {
                    if let Some(work) = work(processors, doing, at, piece.end) {
                        put(work, strand.site);
                    }
                }
            }
        }
        marks.for_each(|&(_, op)| put(op, None));
        (ops, sites)
    }

    fn wait(&mut self, strands: &Strands, index: Index, wait: &WaitFor, from: u64, to: u64) -> Option<Op> {
        let joined = strands.numbers.get(&wait.resource).copied().or(wait.holder);
        match wait.cause {
            Cause::Join | Cause::Reply if joined.is_some_and(|work| work != index) => joined.map(Op::Join),
            Cause::Scope | Cause::Join if !strands.children[index].is_empty() => Some(Op::JoinChildren),
            Cause::Slot | Cause::Yield => None,
            // The taking of the lock stands for it.
            cause if bucket_of(cause) == Bucket::Lock => None,
            cause => {
                if bucket_of(cause) == Bucket::Channel {
                    self.channel_nanos += to.saturating_sub(from);
                }
                let due = wait.done_at.unwrap_or(to).clamp(from, to.max(from));
                let nanos = due.saturating_sub(from) as f64;
                let is_job = strands.all[index].id.domain() == Domain::Job;
                // A job that sleeps or reads keeps its worker. Only waits of ours get a spare thread.
                let keeps_worker = is_job && matches!(cause, Cause::Timer | Cause::Readiness);
                Some(if keeps_worker { Op::Work { cpu: 0.0, asleep: nanos } } else { Op::Delay(nanos) })
            }
        }
    }
}

/// The group that runs a strand.
fn group_of(strand: &Strand, of_thread: &[usize], children: usize) -> usize {
    let first = strand.pieces.iter().find_map(|piece| match piece.doing {
        Doing::Run { thread } => Some(of_thread[thread]),
        Doing::InChild => Some(children),
        _ => None,
    });
    first.unwrap_or(0)
}

/// The work of a part of a run.
fn work(processors: &Processors, doing: &Doing, from: u64, to: u64) -> Option<Op> {
    if to <= from {
        return None;
    }
    match doing {
        Doing::Run { thread } => {
            let share = processors.share(*thread, from, to);
            Some(Op::Work { cpu: share.running as f64, asleep: share.asleep as f64 })
        }
        Doing::InChild => Some(Op::Work { cpu: 0.0, asleep: (to - from) as f64 }),
        _ => None,
    }
}

/// The moments of a strand's life at which it spawned, took a lock or gave it back.
fn marks(strands: &Strands, index: Index, locks: &HashMap<Key, usize>) -> Vec<(u64, Op)> {
    let spawns = strands.children[index].iter().map(|&child| (strands.all[child].begin, Op::Spawn(child)));
    let own = strands.holds_of.get(&index).map_or(&[][..], Vec::as_slice);
    let holds = own.iter().map(|&hold| {
        let hold = &strands.holds[hold];
        let lock = locks[&hold.resource];
        (hold.at, if hold.is_taken { Op::Acquire(lock) } else { Op::Release(lock) })
    });
    spawns.chain(holds).collect()
}
