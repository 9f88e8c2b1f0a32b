//! HOT. The supervisor: one thread that looks after all children of a pool.
//!
//! It orders children from the starter, gives calls to idle ones, takes their answers, reaps those that end
//! and orders others in their place. Between two turns it sleeps in `poll` until a channel, the end of a
//! child, a deadline or the bell wakes it.
//!
//! Small calls pass it by: `parent/shared/mod.rs` and `parent/lane/mod.rs` move them through rings, on
//! whichever thread comes along. The supervisor keeps what only one thread can do: sockets, deadlines, the
//! ends of children, and sleeping for everybody.
//!
//! # Why each call completes exactly once
//!
//! A call is in exactly one place: in the queue, in one lane, in one child's phase, or in `done`. It leaves
//! `done` by being finished. Foreign code (decoding, wakers) runs only there, when no lock is held and
//! every child is in order.
//!
//! # Why it neither dies nor waits
//!
//! It calls foreign code only where a panic is contained: a launcher's in `parent/child/contained.rs`, a
//! result's and a waker's in `shared::finish`. If it panics all the same, it ends, but every handle
//! completes (`parent/supervisor/collapse.rs`). It waits only in `poll`, for all at once. Work on the way
//! to a worker that takes its time is the starter's (`parent/starter.rs`), and the thread's wait policy
//! refuses foreign code that would wait here.

mod collapse;
mod ends;
mod limits;
mod starts;
#[cfg(test)]
mod tests;

pub(crate) use self::collapse::{spawn, supervise};
use self::starts::Backoff;
use crate::{
    call::{Answer, Done},
    parent::{
        child::{Child, ChildEvent},
        lane::Lane,
        output::Output,
        shared::{self, Mover, Orders, PoolState, Shared},
        starter::StartQueue,
    },
    sys::{self, Watch},
    wire::ring,
};
use brigade_handle::Lost;
use brigade_trace::{Kind, clock, record};
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often the supervisor asks children whether they live, where the system does not tell by itself, and
/// how much memory they take.
const ASK_INTERVAL: Duration = Duration::from_millis(100);
/// How often it asks whether the last words of an ended child were read.
const READ_INTERVAL: Duration = Duration::from_millis(5);
/// With this many calls in flight, the supervisor is woken once per batch of answers.
const FLOOD_CALLS: u64 = 64;
/// How long an answer may wait while there are [`FLOOD_CALLS`].
const FLOOD_WAIT: Duration = Duration::from_millis(1);
/// How many bytes are read from a channel at once.
const READ_BYTES: usize = 64 << 10;

/// The rules that the pool's builder sets for the supervisor.
pub(crate) struct Rules {
    pub(crate) workers: usize,
    /// The most memory that a worker may take, in bytes.
    pub(crate) memory: Option<u64>,
    pub(crate) setup_limit: Option<Duration>,
}

/// The supervisor's own state.
pub(crate) struct Supervisor<'a> {
    shared: &'a Shared,
    start_queue: Arc<StartQueue>,
    output: Option<Output>,
    workers: usize,
    memory_limit: Option<u64>,
    setup_limit: Option<Duration>,
    children: Vec<Child>,
    /// Calls that have ended, with handles that are still to be completed.
    done: Done,
    news: Vec<ChildEvent>,
    space: Vec<u8>,
    watched: Vec<Watch>,
    /// How many answers there were after the last sleep.
    caught: usize,
    /// When the workers' memory was last looked at.
    memory_checked: Option<Instant>,
    backoff: Backoff,
    /// At a shutdown: since when calls wait and no worker is up.
    without_worker: Option<Instant>,
    /// When the starter was told that the pool ends.
    stopped: Option<Instant>,
}

impl<'a> Supervisor<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        start_queue: Arc<StartQueue>,
        rules: &Rules,
        output: Option<Output>,
    ) -> Self {
        shared.lock().checks_memory = rules.memory.is_some();
        Self {
            shared,
            start_queue,
            output,
            workers: rules.workers,
            memory_limit: rules.memory,
            setup_limit: rules.setup_limit,
            children: Vec::new(),
            done: Vec::new(),
            news: Vec::new(),
            space: vec![0; READ_BYTES],
            watched: Vec::new(),
            caught: 0,
            memory_checked: None,
            backoff: Backoff::default(),
            without_worker: None,
            stopped: None,
        }
    }

    /// Works until the owner's orders are carried out.
    pub(crate) fn run(&mut self) {
        while !self.is_over() {
            self.replace();
            self.dispatch();
            shared::finish(&mut self.done);
            self.let_go();
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
        #[cfg(test)]
        assert!(!state.sabotaged, "a test has sabotaged the supervisor");
        state.harvest(&mut self.done);
        self.caught = self.done.len();
        state.told = false;
        // The result needs no look: the supervisor goes through all deadlines before it sleeps.
        let _for_itself = state.dispatch(Mover::Supervisor);
        for child in &mut self.children {
            if let Some(lane) = state.lane_of(child.key) {
                child.take_over(&mut lane.outgoing);
                let fault = lane.fault.take().map(|why| Lost::Protocol(why.into()));
                if let Some(lost) = fault.or_else(|| lane.overdue(now)) {
                    lane.open = false;
                    child.condemn(lost);
                }
            } else if child.is_idle()
                && !state.waits_for_lane()
                && let Some(call) = state.next_call()
            {
                if call.attachments.is_empty() {
                    state.count_given(child.key, &call);
                    child.give(call);
                } else {
                    let why = "a block cannot be sent to a worker without shared memory";
                    self.done.push((call, Answer::Lost(Lost::Codec(why.into()))));
                }
            }
        }
        let idle = state.queue.is_empty() && self.children.iter().any(Child::is_idle);
        let delivered = mem::take(&mut state.delivered);
        state.take_cancelled(&mut self.done);
        drop(state);
        let splits = |child: &&mut Child| (idle || child.is_in_vain()) && child.left_to_split() > 0;
        self.children.iter_mut().filter(splits).for_each(Child::ask_to_stop);
        self.expire_calls(now);
        self.check_memory(now);
        self.adopt(delivered);
        self.close_lanes();
    }

    /// Waits until there is something to do.
    fn sleep(&mut self) -> Woken {
        self.watched.clear();
        self.watched.push(Watch::readable(self.shared.bell.fd()));
        for child in &mut self.children {
            child.watches(&mut self.watched);
        }
        let alarm;
        {
            let mut state = self.shared.lock();
            if self.has_orders(&state) {
                return Woken::ByMore;
            }
            let flood = self.caught > 0 && state.load() >= FLOOD_CALLS;
            let bell = if flood { ring::BellMode::LowWater } else { ring::BellMode::EachAnswer };
            let PoolState { attention, lanes, .. } = &mut *state;
            if !attention.fall_asleep(|| shared::arm(lanes, bell)) {
                return Woken::ByAnswers;
            }
            alarm = self.alarm(&state, flood.then_some(FLOOD_WAIT));
            state.alarm = alarm;
        }
        record(Kind::Park, brigade_trace::Id::NONE, 0);
        let timeout = alarm.map(|time| time.saturating_duration_since(clock::now()));
        // An error would be a bug in the list of descriptors. Then the supervisor asks each child in turn
        // and finds it.
        let _ = sys::poll(&mut self.watched, timeout);
        record(Kind::Unpark, brigade_trace::Id::NONE, 0);
        let orders;
        {
            let mut state = self.shared.lock();
            state.attention.wake_up();
            state.silence();
            orders = state.orders;
        }
        if self.watched[0].is_ready() {
            self.shared.bell.silence();
        }
        let only_bell = self.watched[0].is_ready() && !self.watched[1..].iter().any(Watch::is_ready);
        let is_due = alarm.is_some_and(|time| time <= clock::now());
        if only_bell && !is_due && orders == Orders::Work { Woken::ByAnswers } else { Woken::ByMore }
    }

    /// Whether there is something to do without waiting.
    fn has_orders(&self, state: &PoolState) -> bool {
        if state.told
            || state.has_untold()
            || !state.delivered.is_empty()
            || state.has_outgoing()
            || state.lanes.iter().any(|lane| lane.fault.is_some())
        {
            return true;
        }
        let is_free = |child: &Child| child.is_idle() && !child.has_ring();
        let can_give =
            !state.queue.is_empty() && !state.waits_for_lane() && self.children.iter().any(is_free);
        can_give || state.can_dispatch() || self.wanted(state, clock::now()) > 0 || self.must_obey(state)
    }

    /// Handles the events of each child, and buries those that have ended.
    fn serve(&mut self) {
        let now = clock::now();
        let mut at = 0;
        while at < self.children.len() {
            let child = &mut self.children[at];
            child.flush();
            // The order matters: what a child answered before it ended is in the channel when the end is
            // seen.
            if child.notice_end(now) {
                self.shared.lock().count_ended(child.key);
                // All that it has printed is in its pipes.
                self.output.iter().for_each(|output| output.ended(child.key));
            }
            child.read(&mut self.space, &mut self.news);
            child.expire(now);
            handle_events(child, self.shared, self.memory_limit, &mut self.news, &mut self.done);
            match child.gone(now) {
                None => at += 1,
                Some(ended) => self.take_leave(at, ended),
            }
        }
        self.obey(now);
    }

    /// The time at which to wake without being woken.
    fn alarm(&self, state: &PoolState, nap: Option<Duration>) -> Option<Instant> {
        let now = clock::now();
        let asked = self.children.iter().any(Child::must_be_asked).then(|| now + ASK_INTERVAL);
        let reads = self.children.iter().any(Child::waits_for_last_words).then(|| now + READ_INTERVAL);
        let has_work = |child: &Child| child.has_call() || state.has_calls(child.key);
        let checks_memory = self.memory_limit.is_some() && self.children.iter().any(has_work);
        let memory_checked = checks_memory.then(|| now + ASK_INTERVAL);
        let calls = state.lanes.iter().filter_map(Lane::deadline);
        let deadlines = self.children.iter().filter_map(Child::deadline).chain(calls);
        // A pause counts while a worker is missing, whether calls wait for it or not.
        let retry = self.backoff.retry.filter(|_| self.children.len() < self.workers);
        let end = self
            .stopped
            .map(|since| since + crate::parent::starter::GRACE_PERIOD)
            .filter(|_| self.children.is_empty());
        let others =
            [retry, asked, reads, memory_checked, nap.map(|nap| now + nap), self.shutdown_limit(), end];
        deadlines.chain(others.into_iter().flatten()).min()
    }
}

/// Carries out what a child's events mean for the pool.
fn handle_events(
    child: &mut Child,
    shared: &Shared,
    memory_limit: Option<u64>,
    news: &mut Vec<ChildEvent>,
    done: &mut Done,
) {
    for news in news.drain(..) {
        let mut state = shared.lock();
        match news {
            ChildEvent::Ready => {
                if let Some(lane) = state.lane_of(child.key) {
                    lane.open = true;
                }
            }
            ChildEvent::Answered(call, answer) => {
                state.count_answered(child.key, &call, &answer);
                done.push((call, answer));
            }
            ChildEvent::Returned(call) => state.give_back([call].into_iter()),
            ChildEvent::Streamed(number, answer, nanos) => {
                let lane = state.lane_of(child.key);
                if !lane.is_some_and(|lane| lane.answered(number, answer, nanos, done)) {
                    let why = format!("it answered call {number}, which it does not have");
                    child.condemn(Lost::Protocol(why.into()));
                }
                state.take_leftovers();
            }
            ChildEvent::Wants(number) => {
                let blocks = state.lane_of(child.key).and_then(|lane| lane.attachments(number));
                drop(state);
                match blocks {
                    Some(blocks) => child.send_attachments(number, blocks),
                    None => {
                        let why = format!("it wants the blocks of call {number}, which it does not have");
                        child.condemn(Lost::Protocol(why.into()));
                    }
                }
            }
            ChildEvent::Leaves(reason) => {
                state.count_leaving(child.key, reason);
                if let Some(lane) = state.lane_of(child.key) {
                    let mut unbegun = Vec::new();
                    lane.leave(&mut unbegun);
                    state.give_back(unbegun.into_iter());
                }
            }
            ChildEvent::Outgrown => {
                child.condemn(memory_limit.map_or_else(
                    || Lost::Protocol("it says that it is over a limit that it does not have".into()),
                    |limit| Lost::OverMemory { limit },
                ));
            }
        }
    }
}

/// The cause of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Answers in rings, or calls for them: the children need no system call.
    ByAnswers,
    ByMore,
}
