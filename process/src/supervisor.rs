//! HOT. The supervisor: one thread that owns all children of a pool.
//!
//! It starts children, gives calls to idle ones, takes their answers, reaps those that end and starts others in their
//! place. Between two turns it sleeps in `poll` until a channel, the end of a child, a deadline or the bell wakes it.
//!
//! Small calls pass it by: `shared.rs` and `lane.rs` move them through rings, on whichever thread comes along. What remains for
//! it is what only one thread can do: sockets, deadlines, the ends of children, and sleeping for everybody.
//!
//! # Why each call completes exactly once
//!
//! A call is in exactly one place: in the queue, in one lane, in one child's phase, or in `done`. It leaves the last one by being
//! finished. Foreign code (decoding, wakers) runs only there, when no lock is held and every child is in order.
//!
//! # When workers cannot be started
//!
//! A child that ends before its hello is a failed start. After a failed start the next one waits, each time twice as
//! long; after [`PATIENCE`] of them in a row with no child alive, the calls that wait are told why, and the next call is
//! what makes the pool try again.

use crate::{
    call::Answer,
    child::{Child, News, Remains},
    lane::{Done, Lane},
    launcher::{Command, Launcher},
    ring,
    shared::{self, Mover, Orders, Shared, State, next_call, set_open},
    sys,
    sys::Watch,
};
use brigade_handle::Lost;
use brigade_trace::{Cause, Kind, because, clock, record};
use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

/// Failed starts in a row after which waiting calls are told.
const PATIENCE: u32 = 3;
/// How often children are asked whether they live, where the system does not tell by itself.
const ASK: Duration = Duration::from_millis(100);
/// So many calls under way make it worth to be woken for many answers at once.
const FLOOD: u64 = 64;
/// How long an answer may wait in a flood.
const NAP: Duration = Duration::from_millis(1);

/// The supervisor's own affairs.
pub(crate) struct Supervisor<'a> {
    shared: &'a Shared,
    launcher: Box<dyn Launcher>,
    command: Command,
    workers: usize,
    children: Vec<Child>,
    /// Calls that have ended and whose handles have not been told.
    done: Done,
    news: Vec<News>,
    watched: Vec<Watch>,
    /// How many answers were there after the last sleep.
    caught: usize,
    bell: Arc<OwnedFd>,
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
    ) -> io::Result<Self> {
        Ok(Self {
            shared,
            launcher,
            command,
            workers,
            children: Vec::with_capacity(workers),
            done: Vec::new(),
            news: Vec::new(),
            watched: Vec::new(),
            caught: 0,
            bell: Arc::new(shared.bell.share()?),
            failures: 0,
            reason: String::new(),
            retry: None,
        })
    }

    /// Works until the owner's orders are carried out.
    pub(crate) fn run(&mut self) {
        while !self.is_over() {
            self.replace();
            self.dispatch();
            shared::finish(&mut self.done);
            if self.sleep() == Woken::ByMore {
                self.serve();
            }
        }
        shared::finish(&mut self.done);
    }

    /// Takes the answers that are there, and gives waiting calls to workers that have room.
    fn dispatch(&mut self) {
        let mut state = self.shared.lock();
        state.harvest(&mut self.done);
        self.caught = self.done.len();
        state.dispatch(Mover::Supervisor);
        for child in &mut self.children {
            if let Some(lane) = state.lanes.iter_mut().find(|lane| lane.pid == child.pid()) {
                child.take_over(&mut lane.outgoing);
                if let Some(why) = lane.fault.take() {
                    child.condemn(Lost::Protocol(why));
                }
            } else if child.is_idle()
                && let Some(call) = next_call(&mut state)
            {
                child.give(call);
            }
        }
    }

    /// Waits until there is something to do.
    fn sleep(&mut self) -> Woken {
        let mut timeout = self.timeout();
        self.watched.clear();
        self.watched.push(Watch::readable(self.shared.bell.fd()));
        self.children.iter().for_each(|child| child.watches(&mut self.watched));
        {
            let mut state = self.shared.lock();
            if self.has_orders(&state) {
                return Woken::ByMore;
            }
            let flood = self.caught > 0 && state.load() >= FLOOD;
            let bell = if flood { ring::Bell::LowWater } else { ring::Bell::EachAnswer };
            if !state.is_attended() && !state.arm(bell) {
                return Woken::ByAnswers;
            }
            if flood {
                timeout = Some(timeout.map_or(NAP, |timeout| timeout.min(NAP)));
            }
            state.asleep = true;
        }
        record(Kind::Park, brigade_trace::Id::NONE, 0);
        // An error would be a bug in the list of descriptors; then each child is asked in turn, which finds it.
        let _ = sys::poll(&mut self.watched, timeout);
        record(Kind::Unpark, brigade_trace::Id::NONE, 0);
        {
            let mut state = self.shared.lock();
            state.asleep = false;
            state.silence();
        }
        if self.watched[0].is_ready() {
            self.shared.bell.silence();
        }
        let only_bell = self.watched[0].is_ready() && !self.watched[1..].iter().any(Watch::is_ready);
        if only_bell && self.shared.lock().orders == Orders::Work { Woken::ByAnswers } else { Woken::ByMore }
    }

    /// Whether something can be done without waiting.
    fn has_orders(&self, state: &State) -> bool {
        let idle = self.children.iter().any(|child| child.is_idle() && !state.has_calls(child.pid()));
        if state.lanes.iter().any(|lane| lane.fault.is_some()) {
            return true;
        }
        match state.orders {
            Orders::Abort => !self.children.iter().all(Child::is_ending) || self.children.is_empty(),
            Orders::Drain if state.queue.is_empty() => idle || self.children.is_empty(),
            Orders::Work | Orders::Drain => {
                !state.queue.is_empty()
                    && (idle && state.lanes.len() < self.children.len()
                        || state.lanes.iter().any(Lane::has_room)
                        || self.children.is_empty() && self.retry.is_none())
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
            let pid = child.pid();
            for news in self.news.drain(..) {
                match news {
                    News::Ready => {
                        (self.failures, self.retry) = (0, None);
                        set_open(&mut self.shared.lock(), pid);
                    }
                    News::Answered(call, answer) => self.done.push((call, answer)),
                    News::Streamed(number, answer) => {
                        let mut state = self.shared.lock();
                        let lane = state.lanes.iter_mut().find(|lane| lane.pid == pid);
                        if !lane.is_some_and(|lane| lane.answered(number, answer, &mut self.done)) {
                            child.condemn(Lost::Protocol(format!(
                                "it answered call {number}, which it does not have"
                            )));
                        }
                    }
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
        let pid = child.pid();
        let lane = {
            let mut state = self.shared.lock();
            state.alive.retain(|&alive| alive != pid);
            let at = state.lanes.iter().position(|lane| lane.pid == pid);
            at.map(|at| state.lanes.swap_remove(at))
        };
        if let Some(lane) = lane {
            self.bury_lane(lane, child.loss(ended));
        }
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

    /// Takes over what was under way in an ended worker's lane.
    fn bury_lane(&mut self, mut lane: Lane, lost: Lost) {
        // What the worker answered before it ended stands.
        lane.harvest(&mut self.done);
        let first_lost = self.done.len();
        let unbegun = lane.dissolve(&lost, &mut self.done);
        let mut state = self.shared.lock();
        for (call, answer) in &mut self.done[first_lost..] {
            because(Cause::ChildExit, || record(Kind::Wake, call.caller.id(), 0));
            if state.orders == Orders::Abort {
                *answer = Answer::Cancelled;
            }
        }
        for call in unbegun.into_iter().rev() {
            call.caller.put_back();
            state.queue.push_front(call);
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
        // Where there is no shared memory to be had, calls go over the socket.
        let mut ring = Lane::new().ok();
        self.command.ring = match &mut ring {
            Some((memory, _)) => Some([Arc::new(memory.try_clone()?), self.bell.clone()]),
            None => None,
        };
        let child = Child::start(&mut *self.launcher, &self.command)?;
        self.command.ring = None;
        let mut state = self.shared.lock();
        state.alive.push(child.pid());
        if child.has_ring()
            && let Some((_, mut lane)) = ring
        {
            lane.pid = child.pid();
            state.lanes.push(lane);
        }
        drop(state);
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
                    let lane = state.lanes.iter_mut().find(|lane| lane.pid == child.pid());
                    if child.is_idle() && lane.as_ref().is_none_or(|lane| lane.load() == 0) {
                        child.end(lane);
                    } else if child.is_starting() {
                        child.condemn(Lost::Protocol("it was not needed any more".into()));
                    }
                }
            }
            Orders::Abort => {
                drop(state);
                self.shared.cancel_queue(&mut self.done);
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

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Answers in rings, or calls for them: the children need no system call.
    ByAnswers,
    ByMore,
}
