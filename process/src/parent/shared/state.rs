//! The state under the pool's lock: the queue, the lanes, and how calls get from one to the other. No
//! foreign code runs here.

use crate::{
    call::{Answer, Call, Done},
    parent::{
        WorkerKey,
        attention::Attention,
        child::Child,
        lane::Lane,
        shared::statistics::{Member, Totals},
    },
    wire::ring::{self, Ring},
};
use brigade_handle::Lost;
use std::{collections::VecDeque, io, os::fd::OwnedFd, time::Instant};

/// The outcome of an order to start a worker.
pub(crate) enum StartOutcome {
    /// A worker that was started, its number, and where its output can be read.
    Child(Box<Child>, usize, Option<[OwnedFd; 2]>),
    Failed(io::Error),
}

/// The state under the lock.
pub(crate) struct PoolState {
    pub(crate) queue: VecDeque<Call>,
    /// In the order of their keys.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) orders: Orders,
    /// Decides which thread looks after the lanes, and whether the supervisor must be woken.
    pub(crate) attention: Attention,
    /// The children that are alive, in the order of their keys.
    pub(crate) staff: Vec<Member>,
    pub(crate) totals: Totals,
    /// How many workers there are to be.
    pub(crate) workers: usize,
    /// When the supervisor wakes by itself, if it does.
    pub(crate) alarm: Option<Instant>,
    /// Another thread has changed something since the supervisor last looked, so it makes another turn
    /// before it sleeps.
    pub(crate) told: bool,
    /// The supervisor checks the memory of workers while they have calls.
    pub(crate) checks_memory: bool,
    /// Why no more calls are taken.
    pub(crate) refusal: Option<Lost>,
    /// Cancelled calls, to be dropped when the lock is free: a waker's destructor is foreign code.
    cancelled: Vec<Call>,
    /// Answers that a joiner had fetched and could not deliver before it slept.
    pub(super) fetched: Done,
    // --- workers on their way (`parent/starter.rs`) ---
    /// The first workers are being started, and the thread that builds the pool waits for them.
    pub(crate) opening: bool,
    /// The numbers of workers that were ordered and have not come.
    pub(crate) ordered: Vec<usize>,
    /// The outcomes of orders, for the supervisor to take over.
    pub(crate) delivered: Vec<StartOutcome>,
    /// There is nobody any more to take anything over.
    pub(crate) abandoned: bool,
    /// Has the supervisor panic.
    #[cfg(test)]
    pub(crate) sabotaged: bool,
}

/// The orders of the pool's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    Work,
    /// Finish the queued calls, then end.
    Drain,
    /// Cancel everything, kill the children, end.
    Abort,
}

/// The kind of thread that moves calls on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mover {
    /// Can send over sockets, too.
    Supervisor,
    Anybody,
}

/// How many slots the queue keeps when it is empty.
const MAX_KEPT_QUEUE_SLOTS: usize = 4096;

impl PoolState {
    /// The state of a pool whose first `workers` workers are being started.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            lanes: Vec::new(),
            orders: Orders::Work,
            attention: Attention::default(),
            staff: Vec::new(),
            totals: Totals::default(),
            workers,
            alarm: None,
            checks_memory: false,
            refusal: None,
            cancelled: Vec::new(),
            fetched: Done::new(),
            opening: true,
            ordered: Vec::new(),
            delivered: Vec::new(),
            abandoned: false,
            told: false,
            #[cfg(test)]
            sabotaged: false,
        }
    }

    /// Gives waiting calls to lanes that have room. True if the supervisor must see to something: then wake
    /// it if it sleeps.
    #[must_use]
    pub(crate) fn dispatch(&mut self, mover: Mover) -> bool {
        // In this order: calls that are given, or moved from one lane to another, may have frames to be sent.
        self.give_waiting(mover) | self.has_outgoing()
    }

    /// Whether a lane has frames that only the supervisor can send.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.outgoing.is_empty())
    }

    /// See [`dispatch`](Self::dispatch).
    fn give_waiting(&mut self, mover: Mover) -> bool {
        let mut alarm = false;
        while let Some(front) = self.queue.front_mut() {
            if !front.caller.is_wanted() {
                self.cancelled.extend(self.queue.pop_front());
                continue;
            }
            if mover == Mover::Anybody && Lane::is_large(front) {
                // Only a piece of a batch is sent, which may be small: the supervisor will see.
                return true;
            }
            let lanes = self.lanes.iter_mut().filter(|lane| lane.has_room_for(front, self.workers));
            let Some(lane) = lanes.min_by_key(|lane| lane.load()) else {
                // Only children without lanes, or none, have room: the supervisor knows.
                return alarm | !self.lanes.iter().any(|lane| lane.open);
            };
            let piece = front.cut(self.workers);
            let call = piece.or_else(|| self.queue.pop_front()).expect("the front was seen under this lock");
            if !call.caller.start() {
                self.cancelled.push(call);
                continue;
            }
            lane.give(call);
            // The supervisor would sleep beyond this call's deadline.
            alarm |= lane.deadline().is_some_and(|deadline| self.alarm.is_none_or(|alarm| deadline < alarm))
                || self.checks_memory && self.alarm.is_none();
        }
        if self.queue.is_empty() && self.queue.capacity() > MAX_KEPT_QUEUE_SLOTS {
            // The memory for many calls that have waited once is not kept.
            self.queue = VecDeque::new();
        }
        self.rebalance();
        alarm
    }

    /// Whether the first call in the queue names blocks, which only a worker with a ring can map, and there
    /// is such a worker.
    pub(crate) fn waits_for_lane(&self) -> bool {
        self.queue.front().is_some_and(|front| !front.attachments.is_empty()) && !self.lanes.is_empty()
    }

    /// Whether the first call in the queue could be given to a lane.
    pub(crate) fn can_dispatch(&self) -> bool {
        self.queue
            .front()
            .is_some_and(|front| self.lanes.iter().any(|lane| lane.has_room_for(front, self.workers)))
    }

    /// Gives idle lanes calls that other workers have not begun, so that no call waits behind a long one
    /// while a worker is free.
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

    /// Asks a worker that has much left of a batch to answer early, since another worker is idle.
    fn split(&mut self) {
        let fullest = self.lanes.iter_mut().max_by_key(|lane| lane.left_to_split());
        if let Some(lane) = fullest.filter(|lane| lane.left_to_split() > 0) {
            lane.ask_to_stop();
        }
    }

    /// Whether there are calls that have ended and that nobody is about to tell: cancelled ones, and
    /// answers that a joiner has handed over.
    pub(crate) fn has_untold(&self) -> bool {
        !self.fetched.is_empty() || !self.cancelled.is_empty()
    }

    /// Whether workers were ordered that have not come.
    pub(crate) fn awaits_starter(&self) -> bool {
        self.opening || !self.ordered.is_empty()
    }

    /// Takes the answers that are there. Returns whether there were any.
    pub(crate) fn harvest(&mut self, done: &mut Done) -> bool {
        let found = self.lanes.iter_mut().fold(false, |found, lane| lane.harvest(done) | found);
        self.take_leftovers();
        self.take_cancelled(done);
        done.append(&mut self.fetched);
        found
    }

    /// Takes the calls that were found cancelled since the last time.
    pub(crate) fn take_cancelled(&mut self, done: &mut Done) {
        done.extend(self.cancelled.drain(..).map(|call| (call, Answer::Cancelled)));
    }

    /// Queues calls that come back from a worker which has not begun them, in front of the others and in
    /// this order.
    pub(crate) fn give_back(&mut self, calls: impl DoubleEndedIterator<Item = Call>) {
        for call in calls.rev() {
            match call.caller.put_back() {
                true => self.queue.push_front(call),
                false => self.cancelled.push(call),
            }
        }
    }

    /// Queues calls that are to be tried again, behind the others: a call that kills its workers must not
    /// keep the others waiting.
    pub(crate) fn try_again(&mut self, calls: impl Iterator<Item = Call>) {
        for call in calls {
            match call.caller.put_back() {
                true => self.queue.push_back(call),
                false => self.cancelled.push(call),
            }
        }
    }

    /// Takes the first call in the queue that nobody has cancelled, or the part of a batch that is meant
    /// for one worker. None if that call [`waits_for_lane`](Self::waits_for_lane).
    pub(crate) fn next_call(&mut self) -> Option<Call> {
        while !self.waits_for_lane() {
            let front = self.queue.front_mut()?;
            let is_wanted = front.caller.start();
            let piece = if is_wanted { front.cut(self.workers) } else { None };
            match piece.or_else(|| self.queue.pop_front()) {
                call if is_wanted => return call,
                gone => self.cancelled.extend(gone),
            }
        }
        None
    }

    /// Where the lane of this worker is, if it has one: lanes are in the order of their keys.
    pub(super) fn place_of_lane(&self, key: WorkerKey) -> Option<usize> {
        self.lanes.binary_search_by_key(&key, |lane| lane.key).ok()
    }

    /// The lane of this worker, if it has one.
    pub(crate) fn lane_of(&mut self, key: WorkerKey) -> Option<&mut Lane> {
        let at = self.place_of_lane(key)?;
        Some(&mut self.lanes[at])
    }

    pub(crate) fn remove_lane(&mut self, key: WorkerKey) -> Option<Lane> {
        let at = self.place_of_lane(key)?;
        Some(self.lanes.remove(at))
    }

    /// Queues the remainders of batches that were answered early.
    pub(crate) fn take_leftovers(&mut self) {
        for lane in &mut self.lanes {
            for call in lane.leftovers.drain(..) {
                self.queue.push_front(call);
            }
        }
    }

    /// Arms the bells. False if there are answers already, and then the bells are silent.
    pub(super) fn arm(&self, bell: ring::BellMode) -> bool {
        arm(&self.lanes, bell)
    }

    pub(crate) fn silence(&self) {
        self.lanes.iter().for_each(|lane| lane.set_bell(ring::BellMode::Silent));
    }

    /// How many calls are under way in lanes.
    pub(crate) fn load(&self) -> u64 {
        self.lanes.iter().map(Lane::load).sum()
    }

    /// Whether calls are under way in this worker's lane.
    pub(crate) fn has_calls(&self, key: WorkerKey) -> bool {
        self.place_of_lane(key).is_some_and(|at| self.lanes[at].load() > 0)
    }
}

/// See [`PoolState::arm`].
pub(crate) fn arm(lanes: &[Lane], bell: ring::BellMode) -> bool {
    lanes.iter().for_each(|lane| lane.set_bell(bell));
    Ring::settle();
    let ripe = lanes.iter().any(Lane::is_ripe);
    if ripe {
        lanes.iter().for_each(|lane| lane.set_bell(ring::BellMode::Silent));
    }
    !ripe
}
