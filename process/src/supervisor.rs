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

mod ends;
mod starts;

use crate::{
    call::Answer,
    child::{Child, News},
    lane::{Done, Lane},
    launcher::{Command, Launcher, told},
    output::Output,
    ring,
    setup::Setup,
    shared::{self, Mover, Orders, Shared, State, next_call, set_open},
    sys,
    sys::Watch,
    usage,
};
use brigade_handle::Lost;
use brigade_trace::{Kind, clock, record};
use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

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
    setup: Setup,
    output: Option<Output>,
    workers: usize,
    children: Vec<Child>,
    /// Calls that have ended and whose handles have not been told.
    done: Done,
    news: Vec<News>,
    watched: Vec<Watch>,
    /// How many answers were there after the last sleep.
    caught: usize,
    bell: Arc<OwnedFd>,
    /// When the workers' memory was last looked at.
    weighed: Option<Instant>,
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
        setup: Setup,
        output: Option<Output>,
    ) -> io::Result<Self> {
        let workers = {
            let mut state = shared.lock();
            state.weighs = setup.limits.memory.is_some();
            state.workers
        };
        Ok(Self {
            shared,
            launcher,
            command,
            setup,
            output,
            workers,
            children: Vec::new(),
            done: Vec::new(),
            news: Vec::new(),
            watched: Vec::new(),
            caught: 0,
            bell: Arc::new(shared.bell.share().map_err(|error| told(error, "fcntl(F_DUPFD_CLOEXEC)"))?),
            weighed: None,
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
        let now = clock::now();
        let mut state = self.shared.lock();
        state.harvest(&mut self.done);
        self.caught = self.done.len();
        state.doomed = false;
        state.dispatch(Mover::Supervisor);
        for child in &mut self.children {
            if let Some(lane) = state.lanes.iter_mut().find(|lane| lane.pid == child.pid()) {
                child.take_over(&mut lane.outgoing);
                let fault = lane.fault.take().map(Lost::Protocol);
                if let Some(lost) = fault.or_else(|| lane.overdue(now)) {
                    lane.open = false;
                    child.condemn(lost);
                }
            } else if child.is_idle()
                && let Some(call) = next_call(&mut state)
            {
                if call.luggage.is_empty() {
                    state.count_given(child.pid(), &call);
                    child.give(call);
                } else {
                    let why = "a block cannot be sent to a worker without shared memory";
                    self.done.push((call, Answer::Lost(Lost::Codec(why.into()))));
                }
            } else if let Some(lost) = child.overdue(now) {
                child.condemn(lost);
            }
        }
        let idle = state.queue.is_empty() && self.children.iter().any(Child::is_idle);
        drop(state);
        let splits = |child: &&mut Child| (idle || child.is_in_vain()) && child.left_to_split() > 0;
        self.children.iter_mut().filter(splits).for_each(Child::ask_to_stop);
        self.weigh(now);
    }

    /// Kills workers that take too much memory while they run a call. Between calls they see to it themselves.
    fn weigh(&mut self, now: Instant) {
        let Some(limit) = self.setup.limits.memory else { return };
        if self.weighed.is_some_and(|time| now < time + ASK) {
            return;
        }
        self.weighed = Some(now);
        for child in &mut self.children {
            let is_busy = child.has_call() || self.shared.lock().has_calls(child.pid());
            if is_busy && usage::resident(child.pid()).is_ok_and(|bytes| bytes > limit) {
                child.condemn(Lost::OverMemory { limit });
            }
        }
    }

    /// Waits until there is something to do.
    fn sleep(&mut self) -> Woken {
        self.watched.clear();
        self.watched.push(Watch::readable(self.shared.bell.fd()));
        self.children.iter().for_each(|child| child.watches(&mut self.watched));
        let timeout;
        {
            let mut state = self.shared.lock();
            if self.has_orders(&state) {
                return Woken::ByMore;
            }
            let flood = self.caught > 0 && state.load() >= FLOOD;
            let bell = if flood { ring::Bell::LowWater } else { ring::Bell::EachAnswer };
            let State { attention, lanes, .. } = &mut *state;
            if !attention.fall_asleep(|| shared::arm(lanes, bell)) {
                return Woken::ByAnswers;
            }
            state.alarm = self.alarm(&state, flood.then_some(NAP));
            timeout = state.alarm.map(|time| time.saturating_duration_since(clock::now()));
        }
        record(Kind::Park, brigade_trace::Id::NONE, 0);
        // An error would be a bug in the list of descriptors; then each child is asked in turn, which finds it.
        let _ = sys::poll(&mut self.watched, timeout);
        record(Kind::Unpark, brigade_trace::Id::NONE, 0);
        {
            let mut state = self.shared.lock();
            state.attention.wake_up();
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
        if state.doomed || state.lanes.iter().any(|lane| lane.fault.is_some()) {
            return true;
        }
        match state.orders {
            Orders::Abort => !self.children.iter().all(Child::is_ending) || self.children.is_empty(),
            Orders::Drain if state.queue.is_empty() => idle || self.children.is_empty(),
            Orders::Work | Orders::Drain => {
                !state.queue.is_empty()
                    && (idle && state.lanes.len() < self.children.len()
                        || state.can_dispatch()
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
                    News::Answered(call, answer) => {
                        let mut state = self.shared.lock();
                        state.count_answered(pid, &call, &answer);
                        state.queue.extend(child.rest.take());
                        drop(state);
                        self.done.push((call, answer));
                    }
                    News::Streamed(number, answer, nanos) => {
                        let mut state = self.shared.lock();
                        let lane = state.lanes.iter_mut().find(|lane| lane.pid == pid);
                        if !lane.is_some_and(|lane| lane.answered(number, answer, nanos, &mut self.done)) {
                            let why = format!("it answered call {number}, which it does not have");
                            child.condemn(Lost::Protocol(why));
                        }
                        state.take_leftovers();
                    }
                    News::Leaves(reason) => self.shared.lock().count_leaving(pid, reason),
                }
            }
            match ended {
                None => at += 1,
                Some(ended) => self.bury(at, ended),
            }
        }
        self.obey();
    }

    /// When to wake without being woken.
    fn alarm(&self, state: &State, nap: Option<Duration>) -> Option<Instant> {
        let soon = |time| clock::now() + time;
        let asked = self.children.iter().any(Child::must_be_asked).then(|| soon(ASK));
        let nap = nap.map(soon);
        let has_work = |child: &Child| child.has_call() || state.has_calls(child.pid());
        let weighed =
            self.setup.limits.memory.filter(|_| self.children.iter().any(has_work)).map(|_| soon(ASK));
        let calls = state.lanes.iter().filter_map(Lane::deadline);
        let deadlines = self.children.iter().filter_map(Child::deadline).chain(calls);
        deadlines.chain(self.retry).chain(asked).chain(weighed).chain(nap).min()
    }
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Answers in rings, or calls for them: the children need no system call.
    ByAnswers,
    ByMore,
}
