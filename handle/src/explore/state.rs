//! The state of a run: its threads, which of them can go on, and what they wait for.

use super::{
    Blocked, Choice, End, Kind, LockOperation, Oracle, Pending, UnseenPanic, Waiting,
    baton::{changes, managed},
    holders::Holders,
    managed_thread::{Managed, Status},
    virtual_time::{self, TimeLimits},
};
use std::{collections::VecDeque, fmt, mem, panic::Location, thread::Thread};

/// The time that passes if all threads that can go on only spin.
const SPIN_TICK: u64 = 1_000; // nanoseconds
/// How often all upkeep may come to its deadlines without progress before the run counts as stuck.
const MAX_IDLE_UPKEEP: u32 = 3;
/// How many parks of a thread may end for no reason in a run. Without a bound there is no longest schedule:
/// a thread that parks in a loop could be woken for no reason for ever.
const MAX_SPURIOUS: u32 = 1;

/// The bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number of steps after which the run is given up.
    pub steps: u64,
    /// Whether each operation on an atomic is a choice point. Locks, parks, spawns and the marked places of
    /// the executors always are.
    pub atomics: bool,
    /// Whether the oracle hears of the operations on atomics.
    pub tells: bool,
}

/// The state of a run. The baton's lock guards it.
pub(super) struct State {
    pub(super) threads: Vec<Managed>,
    /// The threads that can go on and do not have the baton, the one that could first in front.
    pub(super) ready: VecDeque<u32>,
    holders: Holders,
    oracle: Box<dyn Oracle>,
    limits: Limits,
    steps: u64,
    /// The memory of the threads among which one is chosen.
    offered: Vec<u32>,
    /// The rounds of upkeep since the last progress.
    idle_upkeep: u32,
    /// The first panic of a task or a job whose result nobody has taken.
    unseen_panic: Option<UnseenPanic>,
    end: Option<End>,
}

/// A thread that gets the baton.
pub(super) struct Next {
    pub(super) index: u32,
    pub(super) thread: Thread,
}

impl State {
    pub(super) fn new(oracle: Box<dyn Oracle>, limits: Limits) -> Self {
        Self {
            threads: Vec::new(),
            ready: VecDeque::new(),
            holders: Holders::default(),
            oracle,
            limits,
            steps: 0,
            offered: Vec::new(),
            idle_upkeep: 0,
            unseen_panic: None,
            end: None,
        }
    }

    /// Adds a thread, which can go on from now on.
    pub(super) fn register(&mut self, name: String) -> u32 {
        let index = u32::try_from(self.threads.len()).expect("a run has fewer threads");
        self.threads.push(Managed::new(name));
        self.ready.push_back(index);
        index
    }

    fn here(&mut self) -> &mut Managed {
        let here = managed().expect("a managed thread calls") as usize;
        &mut self.threads[here]
    }

    /// Counts a step.
    fn count_step(&mut self) -> Result<(), End> {
        self.steps += 1;
        if self.steps > self.limits.steps { Err(End::StepLimit) } else { Ok(()) }
    }

    /// Comes to a choice that is not about threads.
    pub(super) fn pick_way(&mut self, kind: Kind, enabled: usize) -> Result<usize, End> {
        self.count_step()?;
        self.pick(kind, enabled, &[])
    }

    /// Tells the oracle of an operation on an atomic.
    pub(super) fn tell(&mut self, operation: &str, value: &dyn fmt::Debug, at: &'static Location<'static>) {
        let here = managed().expect("a managed thread calls");
        self.oracle.hear(here, &format!("{operation} {value:?}"), at);
    }

    /// Tells the oracle of an operation on a lock.
    pub(super) fn tell_lock(&mut self, operation: &LockOperation<'_>) {
        self.oracle.hear_lock(operation);
    }

    /// Notes that the calling thread holds a lock.
    pub(super) fn take_lock(&mut self, address: usize) {
        self.holders.add(address, managed().expect("a managed thread calls"));
    }

    /// Notes that the calling thread has freed a lock. The threads that wait for it can go on.
    pub(super) fn release_lock(&mut self, address: usize) {
        self.holders.remove(address, managed().expect("a managed thread calls"));
        self.unblock_all(Blocked::Lock(address));
    }

    /// Tells the oracle what the calling thread says.
    pub(super) fn remark(&mut self, words: &str) {
        let here = managed().expect("a managed thread calls");
        self.oracle.hear_remark(here, words);
    }

    /// Asks the oracle.
    fn pick(&mut self, kind: Kind, enabled: usize, threads: &[u32]) -> Result<usize, End> {
        if enabled < 2 {
            return Ok(0);
        }
        let here = managed().expect("a managed thread calls");
        let nth = &mut self.threads[here as usize].choices[kind as usize];
        let enabled = u32::try_from(enabled).expect("a run has fewer ways to go");
        let choice = Choice { thread: here, kind, nth: *nth, enabled, threads };
        if self.oracle.stops(&choice) {
            return Err(End::Stopped(Pending::of(&choice)));
        }
        *nth += 1;
        Ok((self.oracle.pick(&choice) % enabled) as usize)
    }

    /// Makes a thread able to go on, if it waits for this.
    fn unblock(&mut self, index: u32, waits: impl FnOnce(Blocked) -> bool) -> bool {
        let thread = &mut self.threads[index as usize];
        match thread.status {
            Status::Blocked { on, .. } if waits(on) => {
                thread.status = Status::Ready;
                self.ready.push_back(index);
                true
            }
            _ => false,
        }
    }

    /// Makes all threads able to go on that wait for this.
    pub(super) fn unblock_all(&mut self, on: Blocked) {
        for index in 0..self.threads.len() as u32 {
            self.unblock(index, |theirs| theirs == on);
        }
    }

    /// Lets time pass until a thread can go on. Returns false if there is no deadline that counts.
    fn pass_time(&mut self) -> bool {
        let limits = self.threads.iter().filter_map(|thread| match thread.status {
            Status::Blocked { limits, .. } => Some(limits),
            _ => None,
        });
        let (users, upkeep): (Vec<_>, Vec<_>) = limits.map(|limits| (limits.deadline, limits.upkeep)).unzip();
        let first = match users.into_iter().flatten().min() {
            Some(first) => first,
            // All upkeep runs once a round, so that its rounds can be counted.
            None => match upkeep.into_iter().flatten().max() {
                Some(last) if self.idle_upkeep < MAX_IDLE_UPKEEP => {
                    self.idle_upkeep += 1;
                    last
                }
                _ => return false,
            },
        };
        virtual_time::pass_until(first);
        self.unblock_due();
        true
    }

    /// Makes the threads able to go on whose deadlines have come, in the order of the deadlines.
    fn unblock_due(&mut self) {
        let now = virtual_time::nanos();
        let due = |(index, thread): (usize, &Managed)| match thread.status {
            Status::Blocked { limits, .. } => {
                let first = limits.deadline.into_iter().chain(limits.upkeep).min()?;
                (first <= now).then_some((first, index as u32))
            }
            _ => None,
        };
        let mut due: Vec<_> = self.threads.iter().enumerate().filter_map(due).collect();
        due.sort_unstable();
        for (_, index) in due {
            self.unblock(index, |_| true);
        }
    }

    /// Chooses the thread that goes on when the calling one cannot.
    fn next(&mut self) -> Result<Next, End> {
        while self.ready.is_empty() {
            if self.threads.iter().all(|thread| thread.status == Status::Ended) {
                return Err(self.end_of_all());
            }
            if !self.pass_time() {
                return Err(self.end_of_stuck());
            }
        }
        self.choose(Kind::Switch, None)
    }

    /// Returns the end of a run of which all threads have ended.
    fn end_of_all(&mut self) -> End {
        let is_unseen = |thread: &Managed| thread.has_panicked && !thread.is_joined;
        match (self.threads.iter().position(is_unseen), self.unseen_panic.take()) {
            (Some(index), _) => End::UnseenPanic(index as u32),
            (None, Some(panic)) => End::UnseenPanicOfWork(panic),
            (None, None) => End::Finished,
        }
    }

    /// Returns the end of a run of which no thread can go on. If work has panicked unseen, the others may
    /// well wait for what it would have done.
    fn end_of_stuck(&mut self) -> End {
        match self.unseen_panic.take() {
            Some(panic) => End::UnseenPanicOfWork(panic),
            None => End::Stuck(self.waiting()),
        }
    }

    /// Notes that work has panicked, and that nobody takes its result.
    pub(super) fn note_unseen_panic(&mut self, panic: UnseenPanic) {
        self.unseen_panic.get_or_insert(panic);
    }

    /// Notes that the calling thread has panicked.
    pub(super) fn note_panic(&mut self) {
        self.here().has_panicked = true;
    }

    /// Notes that a thread joins this one.
    pub(super) fn note_join(&mut self, index: u32) {
        self.threads[index as usize].is_joined = true;
    }

    /// Comes to a choice point at which the calling thread could go on, and chooses the thread that does.
    pub(super) fn preempt(&mut self) -> Result<Next, End> {
        self.choose(Kind::Preempt, managed())
    }

    /// Chooses the thread that goes on when the calling one waits awake. Another one does, if one can. If all
    /// that can wait awake in vain, time passes.
    pub(super) fn spin(&mut self) -> Result<Next, End> {
        let here = managed().expect("a managed thread calls");
        self.oracle.hear_wait_awake(here);
        self.here().spun_at = Some(changes());
        if self.ready.iter().all(|&index| self.waits_in_vain(index)) {
            virtual_time::pass_until(virtual_time::nanos() + SPIN_TICK);
            self.unblock_due();
        }
        self.choose(Kind::Switch, Some(here))
    }

    /// Ends the calling thread's wait awake.
    pub(super) fn stop_spinning(&mut self) {
        self.here().spun_at = None;
    }

    /// Returns whether the thread waits awake and nothing has changed since it looked. It would find what it
    /// has found before.
    fn waits_in_vain(&self, index: u32) -> bool {
        self.threads[index as usize].spun_at == Some(changes())
    }

    /// Notes that a user's work goes on.
    pub(super) fn progress(&mut self) {
        self.idle_upkeep = 0;
    }

    /// Blocks the calling thread, and chooses the one that goes on.
    pub(super) fn block(
        &mut self,
        on: Blocked,
        limits: TimeLimits,
        at: &'static Location<'static>,
    ) -> Result<Next, End> {
        self.here().status = Status::Blocked { on, limits, at };
        self.next()
    }

    /// Takes the unpark that has come already. If there is none, the oracle may end the park for no reason.
    pub(super) fn skips_park(&mut self) -> Result<bool, End> {
        if mem::take(&mut self.here().has_token) {
            return Ok(true);
        }
        let is_skipped = self.here().spurious < MAX_SPURIOUS && self.pick(Kind::Spurious, 2, &[])? == 1;
        self.here().spurious += u32::from(is_skipped);
        Ok(is_skipped)
    }

    /// Takes the unpark that has ended a park.
    pub(super) fn take_unpark(&mut self) {
        self.here().has_token = false;
    }

    /// Ends the park of a thread, or its next one.
    pub(super) fn unpark(&mut self, index: u32) {
        if !self.unblock(index, |on| on == Blocked::Park) {
            self.threads[index as usize].has_token = true;
        }
    }

    /// Ends the calling thread.
    pub(super) fn end_here(&mut self) -> Result<Next, End> {
        let here = managed().expect("a managed thread calls");
        self.end_thread(here);
        self.unblock_all(Blocked::Join(here));
        self.next()
    }

    /// Ends a thread, or takes one back that the operating system did not give.
    pub(super) fn end_thread(&mut self, index: u32) {
        self.threads[index as usize].status = Status::Ended;
        self.ready.retain(|&ready| ready != index);
    }

    pub(super) fn has_ended(&self, index: u32) -> bool {
        self.threads[index as usize].status == Status::Ended
    }

    /// Notes the thread that the operating system gave.
    pub(super) fn set_thread(&mut self, index: u32, thread: Thread) {
        self.threads[index as usize].thread = Some(thread);
    }

    /// Notes the number that the operating system gave the calling thread.
    pub(super) fn set_tid(&mut self, tid: u64) {
        self.here().tid = tid;
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Ends the run.
    pub(super) fn stop(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Takes the end of the run, if it has one.
    pub(super) fn take_end(&mut self) -> Option<End> {
        self.end.take()
    }

    /// Makes the root the thread that runs.
    pub(super) fn begin_root(&mut self) -> Next {
        let index = self.ready.pop_front().expect("the root was registered");
        let thread = self.threads[index as usize].thread.clone().expect("the root was started");
        Next { index, thread }
    }

    /// Chooses one of the ready threads, or this one, which is the usual choice.
    fn choose(&mut self, kind: Kind, usual: Option<u32>) -> Result<Next, End> {
        self.count_step()?;
        let mut threads = mem::take(&mut self.offered);
        let able = usual.into_iter().chain(self.ready.iter().copied());
        threads.extend(able.filter(|&index| !self.waits_in_vain(index)));
        if threads.is_empty() {
            // All wait awake in vain. They look again by turns, which is no choice.
            threads.extend(self.ready.front().copied().or(usual));
        }
        // Threads that wait awake come last: they wait for one of the others.
        threads.sort_by_key(|&index| self.threads[index as usize].spun_at.is_some());
        let index = threads[self.pick(kind, threads.len(), &threads)?];
        threads.clear();
        self.offered = threads;
        if Some(index) != usual {
            self.ready.retain(|&ready| ready != index);
            self.ready.extend(usual);
        }
        let thread = self.threads[index as usize].thread.clone().expect("a thread that was started is known");
        Ok(Next { index, thread })
    }

    fn waiting(&self) -> Vec<Waiting> {
        let of = |(index, thread): (usize, &Managed)| match thread.status {
            Status::Blocked { on, at, .. } => {
                let (thread, name, held_by) = (index as u32, thread.name.clone(), self.holders.of(on));
                Some(Waiting { thread, name, blocked: on, held_by, at })
            }
            _ => None,
        };
        self.threads.iter().enumerate().filter_map(of).collect()
    }
}
