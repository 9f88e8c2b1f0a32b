//! The walk: backwards through a strand's life, and into another one's only while the strand was blocked.
//!
//! ```text
//!   main   ██░░░░░░░░░░░░░░░░░░░░██     waits for the task: the walk explains this time by the task
//!   task     ▒██░░░░░░░░░░░░░▒██        waits for a timer: charged to the timer
//!          ←───────────────────────
//! ```
//!
//! A wait for other work to end is explained by what that work did meanwhile, so there is no bucket for
//! joins. Any other wait is charged to its bucket, up to the moment when the awaited came about. From then on
//! the strand could run, so the rest is ready time. Each piece of time is charged once: the parts add up.

use super::{
    Bucket, Step,
    cpu::Processors,
    strand::{Doing, Index, Piece, Strands, WaitFor},
};
use brigade_trace::{Cause, Domain, Id};

/// A part of a strand's life that is still to be explained.
#[derive(Debug, Clone, Copy)]
struct Task {
    strand: Index,
    begin: u64,
    end: u64,
}

/// The walk so far.
pub(super) struct Walk<'a> {
    strands: &'a Strands,
    processors: &'a Processors,
    todo: Vec<Task>,
    /// How many pieces may still be looked at. A file may hold strands that wait for one another in a circle.
    budget: usize,
    pub(super) steps: Vec<Step>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(strands: &'a Strands, processors: &'a Processors) -> Self {
        let pieces: usize = strands.all.iter().map(|strand| strand.pieces.len() + 1).sum();
        Self { strands, processors, todo: Vec::new(), budget: 16 * pieces + 1000, steps: Vec::new() }
    }

    /// Explains a part of a strand's life.
    pub(super) fn explain(&mut self, strand: Index, begin: u64, end: u64) {
        self.todo.push(Task { strand, begin, end });
        while let Some(task) = self.todo.pop() {
            self.part(task);
        }
        self.steps.sort_by_key(|step| (step.begin, step.end));
    }

    fn charge(&mut self, strand: Index, begin: u64, end: u64, bucket: Bucket) {
        self.charge_wait(strand, begin, end, bucket, None);
    }

    fn charge_wait(&mut self, strand: Index, begin: u64, end: u64, bucket: Bucket, wait: Option<&WaitFor>) {
        if end <= begin {
            return;
        }
        let resource = wait.map(|wait| wait.resource).filter(|key| key.1 != Id::NONE);
        let together = wait.map_or(1, |wait| wait.together);
        let holder = wait.and_then(|wait| wait.holder);
        let site = wait.and_then(|wait| wait.site);
        self.steps.push(Step { strand, begin, end, bucket, resource, holder, site, together });
    }

    fn part(&mut self, task: Task) {
        let Task { strand, begin, end } = task;
        let pieces = self.strands.all[strand].pieces_in(begin, end);
        self.budget = self.budget.saturating_sub(pieces.len() + 1);
        if self.budget == 0 {
            return self.charge(strand, begin, end, Bucket::Unexplained);
        }
        let mut at = begin;
        for piece in pieces {
            let (from, to) = (piece.begin.max(begin), piece.end.min(end));
            self.charge(strand, at, from, Bucket::Unexplained);
            self.piece(strand, piece, from, to);
            at = to;
        }
        self.charge(strand, at, end, Bucket::Unexplained);
    }

    fn piece(&mut self, strand: Index, piece: &Piece, from: u64, to: u64) {
        match &piece.doing {
            Doing::Run { thread } => self.run(strand, *thread, from, to),
            Doing::InChild => self.charge(strand, from, to, Bucket::Child),
            Doing::Covered { by } => self.todo.push(Task { strand: *by, begin: from, end: to }),
            Doing::Ready => self.charge(strand, from, to, Bucket::Ready),
            Doing::Parked => self.charge(strand, from, to, Bucket::Unexplained),
            Doing::Wait(wait) => self.wait(strand, wait, from, to),
        }
    }

    fn run(&mut self, strand: Index, thread: usize, from: u64, to: u64) {
        let blind = self.strands.threads[thread].blind_from.unwrap_or(u64::MAX).clamp(from, to);
        let share = self.processors.share(thread, from, blind);
        let preempted = from + share.running + share.preempted;
        self.charge(strand, from, from + share.running, Bucket::Running);
        self.charge(strand, from + share.running, preempted, Bucket::Preempted);
        self.charge(strand, preempted, blind, Bucket::Blocked);
        self.charge(strand, blind, to, Bucket::Unexplained);
    }

    fn wait(&mut self, strand: Index, wait: &WaitFor, from: u64, to: u64) {
        match wait.cause {
            Cause::Join | Cause::Scope | Cause::Reply => return self.join(strand, wait, from, to),
            Cause::Slot | Cause::Yield => {
                return self.charge_wait(strand, from, to, Bucket::Ready, Some(wait));
            }
            // The program said that it would block.
            Cause::Unknown if matches!(wait.resource.1.domain(), Domain::Thread | Domain::Worker) => {
                return self.charge_wait(strand, from, to, Bucket::Blocked, Some(wait));
            }
            _ => {}
        }
        let done = wait.done_at.unwrap_or(to).clamp(from, to);
        let bucket = match bucket_of(wait.cause) {
            // It holds the lock itself, in a part of it that is not polled meanwhile.
            Bucket::Lock if wait.holder == Some(strand) => Bucket::NotPolled,
            bucket => bucket,
        };
        self.charge_wait(strand, from, done, bucket, Some(wait));
        self.late(strand, done, to);
    }

    /// The awaited has come about, and the strand did not run yet.
    fn late(&mut self, strand: Index, from: u64, to: u64) {
        let Some(owner) = self.strands.all[strand].owner else {
            return self.charge(strand, from, to, Bucket::Ready);
        };
        let mut at = from;
        for piece in self.strands.all[owner].pieces_in(from, to) {
            let (begin, end) = (piece.begin.max(from), piece.end.min(to));
            self.charge(strand, at, begin, Bucket::NotPolled);
            let is_ready = matches!(piece.doing, Doing::Ready);
            self.charge(strand, begin, end, if is_ready { Bucket::Ready } else { Bucket::NotPolled });
            at = end;
        }
        self.charge(strand, at, to, Bucket::NotPolled);
    }

    /// A wait for other work is explained by what that work did.
    fn join(&mut self, strand: Index, wait: &WaitFor, from: u64, to: u64) {
        let named = self.strands.numbers.get(&wait.resource).copied().or(wait.holder);
        if let Some(work) = named.filter(|&work| work != strand) {
            return self.follow(strand, work, wait, from, to);
        }
        // The children of a scope: always the one that ended last.
        let mut at = to;
        for child in self.descendants(strand, from.max(wait.since), to) {
            let (begin, end) = (self.strands.all[child].begin, self.strands.all[child].end);
            if begin < at {
                self.charge(strand, end.min(at), at, Bucket::Ready);
                self.todo.push(Task { strand: child, begin: begin.max(from), end: end.min(at) });
                at = begin.max(from);
            }
        }
        let bucket = if wait.cause == Cause::Reply { Bucket::Child } else { Bucket::Unexplained };
        self.charge_wait(strand, from, at, bucket, Some(wait));
    }

    fn follow(&mut self, strand: Index, work: Index, wait: &WaitFor, from: u64, to: u64) {
        let followed = &self.strands.all[work];
        if followed.id.domain() == Domain::Child {
            return self.charge_wait(strand, from, to, Bucket::Child, Some(wait));
        }
        let (begin, end) = (followed.begin.clamp(from, to), followed.end.clamp(from, to));
        // The work had not begun, as far as this recording knows.
        self.charge_wait(strand, from, begin, Bucket::Unexplained, Some(wait));
        if begin < end {
            self.todo.push(Task { strand: work, begin, end });
        }
        self.charge(strand, end, to, Bucket::Ready);
    }

    /// The descendants that lived within this time, by their end, the last first.
    fn descendants(&mut self, strand: Index, from: u64, to: u64) -> Vec<Index> {
        let all = &self.strands.all;
        let (mut found, mut todo) = (Vec::new(), vec![strand]);
        while let Some(parent) = todo.pop() {
            let children = &self.strands.children[parent];
            self.budget = self.budget.saturating_sub(children.len());
            if self.budget == 0 {
                break;
            }
            // A child that had ended before may have spawned others that had not.
            todo.extend(children.iter().copied().filter(|&child| all[child].begin < to));
            found.extend(
                children.iter().copied().filter(|&child| all[child].begin < to && all[child].end > from),
            );
        }
        found.sort_by_key(|&child| std::cmp::Reverse(all[child].end));
        found
    }
}

/// The bucket of a wait that is no join.
pub(super) fn bucket_of(cause: Cause) -> Bucket {
    match cause {
        Cause::Unlock | Cause::Permit => Bucket::Lock,
        Cause::Item | Cause::Room | Cause::Queue | Cause::Close | Cause::Notify | Cause::Barrier => {
            Bucket::Channel
        }
        Cause::Timer => Bucket::Timer,
        Cause::Readiness => Bucket::Io,
        Cause::ChildExit | Cause::Reply => Bucket::Child,
        Cause::Slot | Cause::Yield => Bucket::Ready,
        Cause::Join | Cause::Scope | Cause::Cancel | Cause::Unknown => Bucket::Unexplained,
    }
}
