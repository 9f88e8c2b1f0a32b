//! The replay: a list scheduler that runs the graph in virtual time.
//!
//! Each group of workers has a queue. A strand that is ready stands in it until a worker is free, and keeps
//! the worker until it waits or ends. Work that needs a processor shares those that the machine has, in equal
//! parts, as the operating system would have it in the long run.

use super::graph::{Graph, Op};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// Which of the ready strands a free worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// The conditions of a replay.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    /// The workers of each group.
    pub(super) workers: Vec<usize>,
    pub(super) processors: usize,
    pub(super) order: Order,
    /// A lock that is not there.
    pub(super) without: Option<usize>,
}

/// A strand on a worker.
struct Active {
    strand: usize,
    cpu: f64,
    asleep: f64,
}

struct Replay<'a> {
    graph: &'a Graph,
    conditions: &'a Conditions,
    now: f64,
    next: Vec<usize>,
    begun: Vec<bool>,
    ended: Vec<bool>,
    /// Whether the strand keeps a worker.
    has_worker: Vec<bool>,
    free: Vec<usize>,
    queues: Vec<VecDeque<usize>>,
    active: Vec<Active>,
    delays: BinaryHeap<Reverse<(u64, usize)>>,
    /// The strands that wait for each strand's end.
    joiners: Vec<Vec<usize>>,
    spawned: Vec<Vec<usize>>,
    permits: Vec<usize>,
    lock_queues: Vec<VecDeque<usize>>,
    /// Strands that can go on now.
    runnable: VecDeque<usize>,
}

/// The time at which the root ends, in nanoseconds, or none if it never does.
pub(super) fn replay(graph: &Graph, root: usize, conditions: &Conditions) -> Option<f64> {
    let strands = graph.ops.len();
    let mut replay = Replay {
        graph,
        conditions,
        now: 0.0,
        next: vec![0; strands],
        begun: vec![false; strands],
        ended: vec![false; strands],
        has_worker: vec![false; strands],
        free: conditions.workers.clone(),
        queues: vec![VecDeque::new(); conditions.workers.len()],
        active: Vec::new(),
        delays: BinaryHeap::new(),
        joiners: vec![Vec::new(); strands],
        spawned: vec![Vec::new(); strands],
        permits: graph.locks.iter().map(|lock| lock.1).collect(),
        lock_queues: vec![VecDeque::new(); graph.locks.len()],
        runnable: VecDeque::new(),
    };
    replay.begin(root);
    while !replay.ended[root] {
        replay.settle();
        if replay.ended[root] {
            break;
        }
        if !replay.advance() {
            return None;
        }
    }
    Some(replay.now)
}

impl Replay<'_> {
    fn begin(&mut self, strand: usize) {
        if !std::mem::replace(&mut self.begun[strand], true) {
            self.runnable.push_back(strand);
        }
    }

    /// Lets every strand go on that can, and gives free workers to those that stand in queues.
    fn settle(&mut self) {
        loop {
            while let Some(strand) = self.runnable.pop_front() {
                self.go_on(strand);
            }
            let mut is_settled = true;
            for group in 0..self.queues.len() {
                while self.free[group] > 0 {
                    let queue = &mut self.queues[group];
                    let strand = match self.conditions.order {
                        Order::OldestFirst => queue.pop_front(),
                        Order::NewestFirst => queue.pop_back(),
                    };
                    let Some(strand) = strand else { break };
                    self.free[group] -= 1;
                    self.has_worker[strand] = true;
                    self.work(strand);
                    is_settled = false;
                }
            }
            if is_settled && self.runnable.is_empty() {
                return;
            }
        }
    }

    /// Carries out the steps of a strand up to one that takes time.
    fn go_on(&mut self, strand: usize) {
        loop {
            let Some(&op) = self.graph.ops[strand].get(self.next[strand]) else { return self.finish(strand) };
            match op {
                Op::Work { .. } if self.has_worker[strand] => return self.work(strand),
                Op::Work { .. } => return self.queues[self.graph.group[strand]].push_back(strand),
                Op::Delay(nanos) => {
                    self.give_up_worker(strand);
                    self.delays.push(Reverse(((self.now + nanos) as u64, strand)));
                    self.next[strand] += 1;
                    return;
                }
                Op::Spawn(child) => self.spawn(strand, child),
                Op::Join(work) if !self.ended[work] && self.begun[work] => {
                    self.give_up_worker(strand);
                    return self.joiners[work].push(strand);
                }
                Op::JoinChildren => {
                    let open = self.spawned[strand].iter().copied().find(|&child| !self.ended[child]);
                    if let Some(child) = open {
                        self.give_up_worker(strand);
                        return self.joiners[child].push(strand);
                    }
                }
                Op::Acquire(lock) if self.conditions.without != Some(lock) => {
                    if self.permits[lock] == 0 {
                        self.give_up_worker(strand);
                        return self.lock_queues[lock].push_back(strand);
                    }
                    self.permits[lock] -= 1;
                }
                Op::Release(lock) if self.conditions.without != Some(lock) => self.release(lock),
                // Work that had begun before the recording, or a lock that is not there.
                Op::Join(_) | Op::Acquire(_) | Op::Release(_) => {}
            }
            self.next[strand] += 1;
        }
    }

    fn spawn(&mut self, strand: usize, child: usize) {
        self.spawned[strand].push(child);
        self.begin(child);
    }

    fn release(&mut self, lock: usize) {
        self.permits[lock] += 1;
        self.runnable.extend(self.lock_queues[lock].pop_front());
    }

    /// Puts the work that comes next onto the strand's worker.
    fn work(&mut self, strand: usize) {
        let Some(Op::Work { cpu, asleep }) = self.graph.ops[strand].get(self.next[strand]).copied() else {
            unreachable!("only a strand that works has a worker given");
        };
        self.active.push(Active { strand, cpu, asleep });
    }

    fn give_up_worker(&mut self, strand: usize) {
        if std::mem::replace(&mut self.has_worker[strand], false) {
            self.free[self.graph.group[strand]] += 1;
        }
    }

    fn finish(&mut self, strand: usize) {
        self.give_up_worker(strand);
        self.ended[strand] = true;
        self.runnable.extend(std::mem::take(&mut self.joiners[strand]));
    }

    /// Lets time go by until something happens. Returns false if nothing ever will.
    fn advance(&mut self) -> bool {
        let computing = self.active.iter().filter(|active| active.cpu > 0.0).count();
        let rate = (self.conditions.processors as f64 / computing.max(1) as f64).min(1.0);
        let left = |active: &Active| if active.cpu > 0.0 { active.cpu / rate } else { active.asleep };
        let next_work = self.active.iter().map(left).fold(f64::INFINITY, f64::min);
        let next_delay =
            self.delays.peek().map_or(f64::INFINITY, |Reverse((at, _))| (*at as f64 - self.now).max(0.0));
        let step = next_work.min(next_delay);
        if step.is_infinite() {
            return false;
        }
        self.now += step;
        for active in &mut self.active {
            if active.cpu > 0.0 {
                active.cpu -= step * rate;
                // Less than a nanosecond is a rounding error.
                active.cpu = if active.cpu < 1.0 { 0.0 } else { active.cpu };
            } else {
                active.asleep -= step;
            }
        }
        let done = self.active.extract_if(.., |active| active.cpu <= 0.0 && active.asleep < 1.0);
        let done: Vec<usize> = done.map(|active| active.strand).collect();
        for strand in done {
            self.next[strand] += 1;
            self.runnable.push_back(strand);
        }
        while let Some(&Reverse((at, strand))) = self.delays.peek()
            && at as f64 <= self.now + 1.0
        {
            self.delays.pop();
            self.runnable.push_back(strand);
        }
        true
    }
}
