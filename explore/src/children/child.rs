//! The children and their queue.

use super::{Reply, Script, call::Call};
use brigade_handle::{
    JoinError, Lost, clock,
    explore::{
        sync::{Mutex, MutexGuard},
        thread::{self, Thread},
    },
};
use std::{collections::VecDeque, sync::PoisonError, time::Duration};

/// The state that the pool shares with its children.
pub(super) struct Shared {
    script: Script,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Call>,
    /// The children that wait for a call.
    waiting: Vec<Thread>,
    running: Vec<Running>,
    next_number: u64,
    is_closed: bool,
    end: PoolEnd,
}

/// A call that a child has.
struct Running {
    number: u64,
    child: Thread,
    is_killed: bool,
}

/// Whether and how the pool ends.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PoolEnd {
    #[default]
    Open,
    /// The calls are made first.
    Drains,
    /// The calls are cancelled.
    Aborts,
}

/// The end of a call in a child.
enum Outcome {
    Made,
    Failed(JoinError),
    Died,
}

impl Shared {
    pub(super) fn new(script: Script) -> Self {
        Self { script, state: Mutex::new(State::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the number of a call.
    pub(super) fn number(&self) -> u64 {
        let mut state = self.lock();
        state.next_number += 1;
        state.next_number - 1
    }

    /// Queues a call, unless the pool is closed.
    pub(super) fn submit(&self, call: Call) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            let closed = Lost::NotStarted("the pool is closed".into());
            return call.work.fail(JoinError::lost(closed));
        }
        state.queue.push_back(call);
        let child = state.waiting.pop();
        drop(state);
        child.iter().for_each(Thread::unpark);
    }

    /// Cancels a call that is queued. Kills the child that has it, if that was asked for.
    pub(super) fn cancel(&self, number: u64, kills: bool) {
        let mut state = self.lock();
        let queued = state.queue.iter().position(|call| call.number == number);
        let queued = queued.and_then(|index| state.queue.remove(index));
        let running = state.running.iter_mut().find(|running| kills && running.number == number);
        let child = running.map(|running| {
            running.is_killed = true;
            running.child.clone()
        });
        drop(state);
        queued.into_iter().for_each(|call| call.work.fail(JoinError::cancelled()));
        child.iter().for_each(Thread::unpark);
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// Begins the end of the pool.
    pub(super) fn end(&self, end: PoolEnd) {
        let mut state = self.lock();
        state.is_closed = true;
        state.end = end;
        let mut woken = std::mem::take(&mut state.waiting);
        let mut cancelled = VecDeque::new();
        if end == PoolEnd::Aborts {
            cancelled = std::mem::take(&mut state.queue);
            state.running.iter_mut().for_each(|running| running.is_killed = true);
            woken.extend(state.running.iter().map(|running| running.child.clone()));
        }
        drop(state);
        cancelled.into_iter().for_each(|call| call.work.fail(JoinError::cancelled()));
        woken.iter().for_each(Thread::unpark);
    }

    /// Waits for the next call. Returns `None` at the end of the pool.
    fn next_call(&self) -> Option<Call> {
        let here = thread::current();
        loop {
            let mut state = self.lock();
            if let Some(call) = state.queue.pop_front() {
                state.running.push(Running { number: call.number, child: here, is_killed: false });
                return Some(call);
            }
            if state.end != PoolEnd::Open {
                return None;
            }
            state.waiting.push(here.clone());
            drop(state);
            thread::park();
            self.lock().waiting.retain(|waiting| waiting.id() != here.id());
        }
    }

    /// Waits so long. Returns true if the child is killed before or meanwhile.
    fn is_killed_within(&self, number: u64, time: Duration) -> bool {
        let until = clock::after(clock::now(), time);
        loop {
            let state = self.lock();
            if state.running.iter().any(|running| running.number == number && running.is_killed) {
                return true;
            }
            drop(state);
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }

    /// Has a child deal with a call as the script says.
    fn deal_with(&self, call: &mut Call) -> Outcome {
        let reply = self.script.reply(call.number);
        let delay = if let Reply::AnswerLate(delay) = reply { delay } else { Duration::ZERO };
        let limit = call.options.timeout.unwrap_or(Duration::MAX);
        let began = clock::now();
        if self.is_killed_within(call.number, delay.min(limit)) {
            return Outcome::Failed(JoinError::cancelled());
        }
        if reply == Reply::Die {
            return Outcome::Died;
        }
        if delay <= limit {
            call.work.make();
        }
        if self.is_killed_within(call.number, Duration::ZERO) {
            Outcome::Failed(JoinError::cancelled())
        } else if delay > limit || clock::now() - began > limit {
            Outcome::Failed(JoinError::lost(Lost::TimedOut { limit }))
        } else if reply == Reply::DieAfterwards {
            Outcome::Died
        } else {
            Outcome::Made
        }
    }
}

/// Lives as a child until the end of the pool. A child that dies is replaced at once, by the same thread.
pub(super) fn live(shared: &Shared) {
    while let Some(mut call) = shared.next_call() {
        let outcome = shared.deal_with(&mut call);
        shared.lock().running.retain(|running| running.number != call.number);
        match outcome {
            Outcome::Made => call.work.answer(),
            Outcome::Failed(error) => call.work.fail(error),
            Outcome::Died => {
                if let Some(call) = call.survive() {
                    try_again(shared, call);
                }
            }
        }
    }
}

/// Puts a call in front of the queue, unless the pool aborts.
fn try_again(shared: &Shared, call: Call) {
    let mut state = shared.lock();
    if state.end == PoolEnd::Aborts {
        drop(state);
        return call.work.fail(JoinError::cancelled());
    }
    state.queue.push_front(call);
    let child = state.waiting.pop();
    drop(state);
    child.iter().for_each(Thread::unpark);
}
