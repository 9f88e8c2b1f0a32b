//! HOT. The supervisor: one thread that owns all children of a pool.
//!
//! It starts children, gives calls to idle ones, takes their answers, reaps those that end and starts others in their
//! place. Between two turns it sleeps in `poll` until a channel, the end of a child, a deadline or the bell wakes it.
//!
//! # Why no submission is lost
//!
//! The queue and the flag `asleep` are under one lock. The supervisor sets the flag in the same critical section in which it
//! found nothing to do; whoever submits after that finds the flag set and rings; whoever submitted before was seen.
//!
//! ```text
//!   caller                              supervisor
//!   lock { queue.push; was = asleep }   lock { nothing to do? asleep = true }
//!   if was { bell.ring }                poll(bell, …)      the bell stays rung until it is silenced
//! ```
//!
//! # Why each call completes exactly once
//!
//! A call is in exactly one place: in the queue, in one child's phase `Busy`, or in `done`. It leaves the last one by being
//! finished. Foreign code (decoding, wakers) runs only there, when no lock is held and every child is in order.
//!
//! # When workers cannot be started
//!
//! A child that ends before its hello is a failed start. After a failed start the next one waits, each time twice as
//! long; after [`PATIENCE`] of them in a row with no child alive, the calls that wait are told why, and the next call is
//! what makes the pool try again.

use crate::{
    call::{Answer, Call},
    child::{Child, News, Remains},
    launcher::{Command, Launcher},
    sys,
    sys::{Bell, Watch},
};
use brigade_handle::Lost;
use brigade_trace::{Cause, Kind, because, clock, record};
use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Failed starts in a row after which waiting calls are told.
const PATIENCE: u32 = 3;
/// How often children are asked whether they live, where the system does not tell by itself.
const ASK: Duration = Duration::from_millis(100);

/// What the pool's handle and the supervisor share.
pub(crate) struct Shared {
    pub(crate) bell: Bell,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) queue: VecDeque<Call>,
    pub(crate) orders: Orders,
    /// The supervisor sleeps, or is about to: ring the bell.
    asleep: bool,
    /// The process ids of the children that are alive.
    pub(crate) alive: Vec<u32>,
}

/// What the pool's owner wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    Work,
    /// Finish what is queued, then end.
    Drain,
    /// Cancel everything, kill the children, end.
    Abort,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Self> {
        let state = State { queue: VecDeque::new(), orders: Orders::Work, asleep: false, alive: Vec::new() };
        Ok(Self { bell: Bell::new()?, state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock, so nothing in there is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the supervisor if it sleeps.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut State)) {
        let asleep = {
            let mut state = self.lock();
            change(&mut state);
            std::mem::take(&mut state.asleep)
        };
        if asleep {
            self.bell.ring();
        }
    }
}

/// The supervisor's own affairs.
pub(crate) struct Supervisor<'a> {
    shared: &'a Shared,
    launcher: Box<dyn Launcher>,
    command: Command,
    workers: usize,
    children: Vec<Child>,
    /// Calls that have ended and whose handles have not been told.
    done: Vec<(Call, Answer)>,
    news: Vec<News>,
    watched: Vec<Watch>,
    // --- failed starts ---
    failures: u32,
    reason: String,
    retry: Option<Instant>,
}

impl<'a> Supervisor<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        launcher: Box<dyn Launcher>,
        command: Command,
        workers: usize,
    ) -> Self {
        Self {
            shared,
            launcher,
            command,
            workers,
            children: Vec::with_capacity(workers),
            done: Vec::new(),
            news: Vec::new(),
            watched: Vec::new(),
            failures: 0,
            reason: String::new(),
            retry: None,
        }
    }

    /// Works until the owner's orders are carried out.
    pub(crate) fn run(&mut self) {
        while !self.is_over() {
            self.replace();
            self.dispatch();
            self.finish();
            self.sleep();
            self.serve();
        }
        self.finish();
    }

    /// Gives waiting calls to idle children.
    fn dispatch(&mut self) {
        for child in &mut self.children {
            if child.is_idle() {
                match next_call(&mut self.shared.lock()) {
                    Some(call) => child.give(call),
                    None => return,
                }
            }
        }
    }

    /// Completes the handles of the calls that have ended.
    fn finish(&mut self) {
        for (call, answer) in self.done.drain(..) {
            call.caller.finish(answer);
        }
    }

    /// Waits until there is something to do.
    fn sleep(&mut self) {
        let timeout = self.timeout();
        self.watched.clear();
        self.watched.push(Watch::readable(self.shared.bell.fd()));
        self.children.iter().for_each(|child| child.watches(&mut self.watched));
        {
            let mut state = self.shared.lock();
            if self.has_orders(&state) {
                return;
            }
            state.asleep = true;
        }
        record(Kind::Park, brigade_trace::Id::NONE, 0);
        // An error would be a bug in the list of descriptors; then each child is asked in turn, which finds it.
        let _ = sys::poll(&mut self.watched, timeout);
        record(Kind::Unpark, brigade_trace::Id::NONE, 0);
        self.shared.lock().asleep = false;
        if self.watched[0].is_ready() {
            self.shared.bell.silence();
        }
    }

    /// Whether something can be done without waiting.
    fn has_orders(&self, state: &State) -> bool {
        let idle = self.children.iter().any(Child::is_idle);
        match state.orders {
            Orders::Abort => !self.children.iter().all(Child::is_ending) || self.children.is_empty(),
            Orders::Drain if state.queue.is_empty() => idle || self.children.is_empty(),
            Orders::Work | Orders::Drain => {
                !state.queue.is_empty() && (idle || self.children.is_empty() && self.retry.is_none())
            }
        }
    }

    /// Hears what each child has to say, and reaps those that have ended.
    fn serve(&mut self) {
        let now = clock::now();
        let mut at = 0;
        while at < self.children.len() {
            let child = &mut self.children[at];
            child.flush();
            // In this order: what a child answered before it ended is in the channel when the end is seen.
            let ended = child.ended();
            child.read(&mut self.news);
            child.expire(now);
            for news in self.news.drain(..) {
                match news {
                    News::Ready => (self.failures, self.retry) = (0, None),
                    News::Answered(call, answer) => self.done.push((call, answer)),
                }
            }
            match ended {
                None => at += 1,
                Some(ended) => self.bury(at, ended),
            }
        }
        self.obey();
    }

    /// Removes a child that has ended and fails the call that it ran.
    #[cold]
    fn bury(&mut self, at: usize, ended: crate::launcher::Ended) {
        let mut child = self.children.swap_remove(at);
        self.shared.lock().alive.retain(|&pid| pid != child.pid());
        let why = child.confirm().err().map(|error| error.to_string());
        let orders = self.shared.lock().orders;
        match child.remains(ended) {
            Remains::Nothing => {}
            Remains::NeverReady(lost) => {
                self.failed_start(
                    why.unwrap_or_else(|| format!("a worker ended before it was ready: {lost}")),
                );
            }
            Remains::Unbegun(call) if orders != Orders::Abort => {
                call.caller.put_back();
                self.shared.lock().queue.push_front(call);
            }
            Remains::Unbegun(call) => self.done.push((call, Answer::Cancelled)),
            Remains::Lost(call, lost) => {
                because(Cause::ChildExit, || record(Kind::Wake, call.caller.id(), 0));
                let killed_by_us = orders == Orders::Abort;
                self.done.push((call, if killed_by_us { Answer::Cancelled } else { Answer::Lost(lost) }));
            }
        }
    }

    // --------------------------------------------------------------------------------- starting workers

    /// Starts the first workers, so that the pool's maker hears of an error at once.
    pub(crate) fn start_all(&mut self) -> io::Result<()> {
        for _ in 0..self.workers {
            self.start_one()?;
        }
        self.children.iter_mut().try_for_each(Child::confirm)
    }

    fn start_one(&mut self) -> io::Result<()> {
        let child = Child::start(&mut *self.launcher, &self.command)?;
        self.shared.lock().alive.push(child.pid());
        self.children.push(child);
        Ok(())
    }

    /// Starts workers in the place of those that have ended.
    fn replace(&mut self) {
        if self.children.len() >= self.workers || self.retry.is_some_and(|time| clock::now() < time) {
            return;
        }
        {
            let state = self.shared.lock();
            let in_demand = !state.queue.is_empty();
            let wanted = match state.orders {
                Orders::Work => in_demand || self.failures < PATIENCE,
                Orders::Drain => in_demand,
                Orders::Abort => false,
            };
            if !wanted {
                return;
            }
        }
        self.retry = None;
        while self.children.len() < self.workers {
            let started = self.start_one();
            if let Err(error) = started {
                self.failed_start(error.to_string());
                return;
            }
            if self.failures > 0 {
                // One at a time until one works.
                return;
            }
        }
    }

    #[cold]
    fn failed_start(&mut self, reason: String) {
        self.failures += 1;
        self.reason = reason;
        self.retry = Some(clock::now() + Duration::from_millis(10 << self.failures.min(8)));
        if self.failures >= PATIENCE && !self.children.iter().any(|child| !child.is_starting()) {
            let waiting = std::mem::take(&mut self.shared.lock().queue);
            let lost = || Answer::Lost(Lost::NotStarted(self.reason.clone()));
            self.done
                .extend(waiting.into_iter().filter(|call| call.caller.start()).map(|call| (call, lost())));
        }
    }

    // ---------------------------------------------------------------------------------------- the end

    /// Carries out orders to end.
    fn obey(&mut self) {
        let mut state = self.shared.lock();
        match state.orders {
            Orders::Work => {}
            Orders::Drain if !state.queue.is_empty() => {}
            Orders::Drain => {
                for child in &mut self.children {
                    if child.is_idle() {
                        child.end();
                    } else if child.is_starting() {
                        child.condemn(Lost::Protocol("it was not needed any more".into()));
                    }
                }
            }
            Orders::Abort => {
                let waiting = std::mem::take(&mut state.queue);
                let waiting = waiting.into_iter().filter(|call| call.caller.start());
                self.done.extend(waiting.map(|call| (call, Answer::Cancelled)));
                for child in &mut self.children {
                    child.condemn(Lost::Killed { signal: 9 });
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.children.is_empty() && {
            let state = self.shared.lock();
            state.orders != Orders::Work && state.queue.is_empty()
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let asked = self.children.iter().any(Child::must_be_asked).then(|| clock::now() + ASK);
        let deadlines = self.children.iter().filter_map(Child::deadline);
        let soonest = deadlines.chain(self.retry).chain(asked).min()?;
        Some(soonest.saturating_duration_since(clock::now()))
    }
}

/// The first call in the queue that nobody has cancelled.
fn next_call(state: &mut State) -> Option<Call> {
    loop {
        let call = state.queue.pop_front()?;
        if call.caller.start() {
            return Some(call);
        }
    }
}
