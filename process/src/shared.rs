//! What the pool's front, the joiners and the supervisor share: the queue, the lanes, and the rules by which a thread that
//! comes along moves calls on.
//!
//! A call that is small needs no thread of the pool's own: who submits it writes it into a lane, and who joins it may fetch
//! the answer ([`Shared::linger`]). The supervisor does both for everybody else. All of it happens under one lock, under
//! which no foreign code runs.
//!
//! # Why no submission is lost
//!
//! The supervisor sets `asleep` in the critical section in which it found nothing to do; whoever submits something that only
//! the supervisor can do finds the flag set and rings, or was seen.
//!
//! ```text
//!   caller                              supervisor
//!   lock { queue.push; was = asleep }   lock { nothing to do? asleep = true }
//!   if was { bell.ring }                poll(bell, …)      the bell stays rung until it is silenced
//! ```
//!
//! # Why no answer is lost
//!
//! `attention.rs` has the rule by which somebody looks after the lanes at any time.

use crate::{
    attention::Attention,
    call::{Answer, Call},
    lane::{Done, Lane},
    ring::{self, Ring},
    statistics::{Member, Totals},
    sys::Bell,
};
use brigade_handle::{Lost, contain, fork::Generation};
use brigade_trace::clock;
use std::{
    collections::VecDeque,
    hint::spin_loop,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// The longest that a joiner looks for its answer before it sleeps: about what two wake-ups cost.
const LINGER: u32 = 60;
/// The shortest, in microseconds.
const GLANCE: u32 = 2;

/// What the pool's handle, its joiners and the supervisor share.
pub(crate) struct Shared {
    /// The process that the supervisor is in: see `forked.rs`.
    pub(crate) generation: Generation,
    pub(crate) bell: Bell,
    state: Mutex<State>,
    /// How many microseconds a joiner lingers: learnt from whether it helped.
    patience: AtomicU32,
    /// Each worker has a ring, and so can map blocks.
    pub(crate) maps: AtomicBool,
    /// How long it lingers whatever was learnt.
    busy_poll: Option<Duration>,
}

/// What is under the lock.
pub(crate) struct State {
    pub(crate) queue: VecDeque<Call>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) orders: Orders,
    /// Who looks after the lanes, and whether the supervisor must be woken.
    pub(crate) attention: Attention,
    /// The children that are alive.
    pub(crate) staff: Vec<Member>,
    pub(crate) totals: Totals,
    /// How many workers there are to be.
    pub(crate) workers: usize,
    /// When the supervisor wakes by itself, if it does.
    pub(crate) alarm: Option<Instant>,
    /// A call that runs was cancelled, and its worker is to be killed.
    pub(crate) doomed: bool,
    /// The supervisor looks at the memory of workers while they have calls.
    pub(crate) weighs: bool,
    /// No more calls are taken.
    pub(crate) closed: bool,
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

/// Who moves calls on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mover {
    /// Can send over sockets, too.
    Supervisor,
    Anybody,
}

impl State {
    /// Gives waiting calls to lanes that have room. True if the supervisor must see to something.
    pub(crate) fn dispatch(&mut self, mover: Mover) -> bool {
        let mut alarm = false;
        while let Some(front) = self.queue.front_mut() {
            if !front.caller.is_wanted() {
                // A cancelled call holds no value of the user's, so dropping it runs no foreign code.
                self.queue.pop_front();
                continue;
            }
            if mover == Mover::Anybody && Lane::is_large(front) {
                // Of a batch only a piece is sent, which may be small: the supervisor will see.
                return true;
            }
            let lanes = self.lanes.iter_mut().filter(|lane| lane.has_room_for(front, self.workers));
            let Some(lane) = lanes.min_by_key(|lane| lane.load()) else {
                // Children without lanes, or none: the supervisor knows.
                return alarm | !self.lanes.iter().any(|lane| lane.open);
            };
            let piece = front.cut(self.workers);
            let call = piece.or_else(|| self.queue.pop_front()).expect("the front was seen under this lock");
            if call.caller.start() {
                lane.give(call);
            }
            // The supervisor sleeps longer than this call may wait for it.
            alarm |= lane.deadline().is_some_and(|deadline| self.alarm.is_none_or(|alarm| deadline < alarm))
                || self.weighs && self.alarm.is_none();
        }
        self.rebalance();
        alarm
    }

    /// Whether the first call in the queue could be given to somebody's lane.
    pub(crate) fn can_dispatch(&self) -> bool {
        self.queue
            .front()
            .is_some_and(|front| self.lanes.iter().any(|lane| lane.has_room_for(front, self.workers)))
    }

    /// Gives idle lanes what others have not begun, so that nobody waits behind a long call while a worker is free.
    fn rebalance(&mut self) {
        while let Some(idle) = self.lanes.iter().position(|lane| lane.open && lane.load() == 0) {
            let Some(busiest) = self.lanes.iter_mut().max_by_key(|lane| lane.load()) else { return };
            let calls = if busiest.load() > 1 { busiest.reclaim_half() } else { Vec::new() };
            if calls.is_empty() {
                return self.split();
            }
            calls.into_iter().for_each(|call| self.lanes[idle].give(call));
        }
    }

    /// Asks a worker that has much left of a batch to answer early, since another one is idle.
    fn split(&mut self) {
        let fullest = self.lanes.iter_mut().max_by_key(|lane| lane.left_to_split());
        if let Some(lane) = fullest.filter(|lane| lane.left_to_split() > 0) {
            lane.ask_to_stop();
        }
    }

    /// Takes the answers that are there.
    pub(crate) fn harvest(&mut self, done: &mut Done) -> bool {
        let found = self.lanes.iter_mut().fold(false, |found, lane| lane.harvest(done) | found);
        self.take_leftovers();
        found
    }

    /// Queues what is left of batches that were answered early.
    pub(crate) fn take_leftovers(&mut self) {
        for lane in &mut self.lanes {
            for call in lane.leftovers.drain(..) {
                self.queue.push_front(call);
            }
        }
    }

    /// Arms the bells. False if there are answers already, and then the bells are silent.
    fn arm(&self, bell: ring::Bell) -> bool {
        arm(&self.lanes, bell)
    }

    pub(crate) fn silence(&self) {
        self.lanes.iter().for_each(|lane| lane.set_bell(ring::Bell::Silent));
    }

    /// How many calls are under way in lanes.
    pub(crate) fn load(&self) -> u64 {
        self.lanes.iter().map(Lane::load).sum()
    }

    /// Whether calls are under way in this worker's lane.
    pub(crate) fn has_calls(&self, pid: u32) -> bool {
        self.lanes.iter().any(|lane| lane.pid == pid && lane.load() > 0)
    }
}

/// See [`State::arm`].
pub(crate) fn arm(lanes: &[Lane], bell: ring::Bell) -> bool {
    lanes.iter().for_each(|lane| lane.set_bell(bell));
    Ring::settle();
    let ripe = lanes.iter().any(Lane::is_ripe);
    if ripe {
        lanes.iter().for_each(|lane| lane.set_bell(ring::Bell::Silent));
    }
    !ripe
}

/// Completes the handles of calls that have ended. Runs foreign code: under no lock.
pub(crate) fn finish(done: &mut Done) {
    for (call, answer) in done.drain(..) {
        // Unwind safe: nothing is looked at again. What can panic here is the drop of a result that nobody wants.
        contain(|| call.finish(answer));
    }
}

impl Shared {
    pub(crate) fn new(workers: usize, busy_poll: Option<Duration>) -> io::Result<Self> {
        let state = State {
            queue: VecDeque::new(),
            lanes: Vec::new(),
            orders: Orders::Work,
            attention: Attention::default(),
            staff: Vec::new(),
            totals: Totals::default(),
            workers,
            alarm: None,
            doomed: false,
            weighs: false,
            closed: false,
        };
        let patience = AtomicU32::new(LINGER);
        Ok(Self {
            generation: Generation::current(),
            bell: Bell::new()?,
            state: Mutex::new(state),
            patience,
            maps: AtomicBool::new(false),
            busy_poll,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock, so nothing in there is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits a call: into a lane if it can be, else to the supervisor.
    pub(crate) fn submit(&self, call: Call) {
        if self.is_forked() {
            return call.finish(Answer::Lost(Lost::Forked));
        }
        let ring = {
            let mut state = self.lock();
            if state.closed {
                drop(state);
                return call.finish(Answer::Lost(Lost::NotStarted("the pool is closed".into())));
            }
            state.queue.push_back(call);
            state.dispatch(Mover::Anybody) && state.attention.call()
        };
        if ring {
            self.bell.ring();
        }
    }

    /// How many blocks a call may name: none if there are workers that could not map them.
    pub(crate) fn blocks(&self) -> usize {
        // Relaxed: it is set before the pool is anybody's.
        if self.maps.load(Ordering::Relaxed) { ring::LEASES } else { 0 }
    }

    /// Changes the state and wakes the supervisor if it sleeps.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut State)) {
        let asleep = {
            let mut state = self.lock();
            change(&mut state);
            state.attention.call()
        };
        if asleep {
            self.bell.ring();
        }
    }

    /// Takes a call back that was given to a worker, if the worker has not begun it.
    pub(crate) fn take_back(&self, address: usize) -> bool {
        let mut state = self.lock();
        state.lanes.iter_mut().any(|lane| lane.reclaim(|call| call.caller.address() == address).is_some())
    }

    /// Takes back all that was given to workers for this caller and not begun, and asks those that run batches of its to stop.
    pub(crate) fn give_up(&self, address: usize) {
        let is_its = |call: &Call| call.caller.address() == address;
        let mut gone = Vec::new();
        let mut state = self.lock();
        for lane in &mut state.lanes {
            lane.reclaim_all(is_its, &mut gone);
            if lane.runs(is_its) {
                lane.ask_to_stop();
            }
        }
        // Workers without lanes are the supervisor's to tell.
        state.doomed = true;
        let asleep = state.attention.call();
        drop(state);
        if asleep {
            self.bell.ring();
        }
    }

    /// Looks for answers on behalf of a thread that waits, for a few microseconds or until `is_over`.
    pub(crate) fn linger(&self, is_over: &dyn Fn() -> bool) {
        let mut done = Done::new();
        {
            let mut state = self.lock();
            if state.lanes.is_empty() || !state.attention.begin() {
                return;
            }
            state.silence();
        }
        // Relaxed: a guess.
        let patience = self.patience.load(Ordering::Relaxed);
        let most = self.busy_poll.unwrap_or(Duration::from_micros(patience.into()));
        let end = clock::after(clock::now(), most);
        let mut helped = is_over();
        while !helped && clock::now() < end {
            for _ in 0..20 {
                spin_loop();
            }
            {
                let mut state = self.lock();
                if state.harvest(&mut done) {
                    state.dispatch(Mover::Anybody);
                }
            }
            finish(&mut done);
            helped = is_over();
        }
        let next = if helped { (patience * 2).min(LINGER) } else { (patience / 2).max(GLANCE) };
        self.patience.store(next, Ordering::Relaxed);
        self.leave(&mut done);
        finish(&mut done);
    }

    /// Hands the lanes back to the supervisor.
    fn leave(&self, done: &mut Done) {
        let mut state = self.lock();
        if state.attention.end() {
            while !state.arm(ring::Bell::EachAnswer) {
                state.harvest(done);
            }
            // Among them: to end the workers whose last answer was fetched here.
            let for_the_supervisor =
                state.orders != Orders::Work || state.lanes.iter().any(|lane| lane.fault.is_some());
            if state.dispatch(Mover::Anybody) | for_the_supervisor {
                let ring = state.attention.call();
                drop(state);
                if ring {
                    self.bell.ring();
                }
            }
        }
    }

    /// Cancels everything that waits in the queue.
    pub(crate) fn cancel_queue(&self, done: &mut Done) {
        let waiting = std::mem::take(&mut self.lock().queue);
        let waiting = waiting.into_iter().filter(|call| call.caller.start());
        done.extend(waiting.map(|call| (call, Answer::Cancelled)));
    }
}

/// A worker is ready: its lane may be used.
pub(crate) fn set_open(state: &mut State, pid: u32) {
    if let Some(lane) = state.lanes.iter_mut().find(|lane| lane.pid == pid) {
        lane.open = true;
    }
}

/// The first call in the queue that nobody has cancelled, or as much of a batch as one worker should be given.
pub(crate) fn next_call(state: &mut State) -> Option<Call> {
    loop {
        let front = state.queue.front_mut()?;
        if front.caller.start() {
            return front.cut(state.workers).or_else(|| state.queue.pop_front());
        }
        state.queue.pop_front();
    }
}
