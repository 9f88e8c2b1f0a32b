//! HOT. The supervisor: one thread that looks after all children of a pool.
//!
//! It orders children from the starter, gives calls to idle ones, takes their answers, reaps those that end
//! and orders others in their place. Between two turns it sleeps until a channel, the end of a child, a
//! deadline or the bell wakes it. Then it looks at the children that this is about, and at no others: a call
//! costs as much with a thousand children as with two (`parent/supervisor/children.rs`).
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
//! completes (`parent/supervisor/collapse.rs`). It waits only in `sleep`, for all at once. Work on the way
//! to a worker that takes its time is the starter's (`parent/starter.rs`), and the thread's wait policy
//! refuses foreign code that would wait here.

mod children;
mod collapse;
mod ends;
mod giving;
mod limits;
mod starts;
#[cfg(test)]
mod tests;

pub(crate) use self::collapse::{spawn, supervise};
use self::{
    children::{Children, Ready},
    starts::Backoff,
};
use crate::{
    call::Done,
    parent::{
        child::{Child, ChildEvent},
        lane::Lane,
        output::Output,
        shared::{self, Mover, Orders, PoolState, Shared},
        starter::StartQueue,
    },
    system::poller::Poller,
    wire::ring,
};
use brigade_handle::Lost;
use brigade_trace::{Id, Lane as ThreadRole, clock, lane, live::helper_thread, own_id, park, unpark};
use std::{
    io, mem,
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
    children: Children,
    /// Calls that have ended, with handles that are still to be completed.
    done: Done,
    news: Vec<ChildEvent>,
    space: Vec<u8>,
    /// The descriptors that were found ready at the last sleep.
    ready: Vec<Ready>,
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
        poller: Poller,
        output: Option<Output>,
    ) -> io::Result<Self> {
        shared.lock().checks_memory = rules.memory.is_some();
        Ok(Self {
            shared,
            start_queue,
            output,
            workers: rules.workers,
            memory_limit: rules.memory,
            setup_limit: rules.setup_limit,
            children: Children::new(poller, shared.bell.fd())?,
            done: Vec::new(),
            news: Vec::new(),
            space: vec![0; READ_BYTES],
            ready: Vec::new(),
            caught: 0,
            memory_checked: None,
            backoff: Backoff::default(),
            without_worker: None,
            stopped: None,
        })
    }

    /// Works until the owner's orders are carried out.
    pub(crate) fn run(&mut self) {
        lane(ThreadRole::Supervisor, Id::NONE);
        helper_thread();
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
        let shared = self.shared;
        let mut state = shared.lock();
        #[cfg(test)]
        assert!(!state.sabotaged, "a test has sabotaged the supervisor");
        state.harvest(&mut self.done);
        self.caught = self.done.len();
        let told = mem::take(&mut state.told);
        // The result needs no look: the supervisor goes through all deadlines before it sleeps.
        let _for_itself = state.dispatch(Mover::Supervisor);
        self.serve_lanes(&mut state, now);
        self.give_calls(&mut state);
        let idle = state.queue.is_empty() && self.children.has_idle();
        let delivered = mem::take(&mut state.delivered);
        state.take_cancelled(&mut self.done);
        drop(state);
        // Nobody cancels a batch, or a call that is to be killed then, without telling.
        if idle || told {
            self.split_batches(idle);
        }
        let places = if told { self.children.limited() } else { self.children.due(now) };
        self.expire_calls(now, &places);
        self.check_memory(now);
        self.adopt(delivered);
        self.close_lanes();
    }

    /// Waits until there is something to do.
    fn sleep(&mut self) -> Woken {
        let alarm;
        {
            let mut state = self.shared.lock();
            if self.has_orders(&state) {
                drop(state);
                self.children.wait(Some(Duration::ZERO), &mut self.ready);
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
        park(own_id());
        let timeout = alarm.map(|time| time.saturating_duration_since(clock::now()));
        self.children.wait(timeout, &mut self.ready);
        unpark(own_id());
        let orders;
        {
            let mut state = self.shared.lock();
            state.attention.wake_up();
            state.silence();
            orders = state.orders;
        }
        if self.ready.contains(&Ready::Bell) {
            self.shared.bell.silence();
        }
        let only_bell = self.ready == [Ready::Bell];
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
        let is_one_free = self.children.first_free().is_some();
        let can_give = !state.queue.is_empty() && !state.waits_for_lane() && is_one_free;
        can_give || state.can_dispatch() || self.wanted(state, clock::now()) > 0 || self.must_obey(state)
    }

    /// Handles the events of the children that need it, and buries those that have ended.
    fn serve(&mut self) {
        let now = clock::now();
        // Where one child has ended, others may have as well: they are not to be given its calls.
        while self.serve_ready(now) {
            self.children.wait(Some(Duration::ZERO), &mut self.ready);
        }
        for at in self.children.due(now).into_iter().chain(self.children.restless()) {
            self.look_at(at, now, Look::AtAll);
        }
        self.obey(now);
    }

    /// Looks at the children that were found ready. Whether one of them has ended.
    fn serve_ready(&mut self, now: Instant) -> bool {
        let ready = mem::take(&mut self.ready);
        let mut has_one_ended = false;
        for &ready in &ready {
            has_one_ended |= match ready {
                Ready::Bell => false,
                Ready::Channel(at) => self.look_at(at, now, Look::AtChannel),
                Ready::Exit(at) => self.look_at(at, now, Look::AtAll),
            };
        }
        self.ready = ready;
        has_one_ended
    }

    /// Handles the events of one child. Whether its process was found to have ended.
    fn look_at(&mut self, at: usize, now: Instant, look: Look) -> bool {
        let mut has_ended = false;
        let gone = self.children.change(at, |child| {
            child.flush();
            // The order matters: what a child answered before it ended is in the channel when the end is
            // seen.
            has_ended = look == Look::AtAll && child.notice_end(now);
            if has_ended {
                self.shared.lock().count_ended(child.key);
                // All that it has printed is in its pipes.
                self.output.iter().for_each(|output| output.ended(child.key));
            }
            child.read(&mut self.space, &mut self.news);
            child.expire(now);
            handle_events(child, self.shared, self.memory_limit, &mut self.news, &mut self.done);
            child.gone(now)
        });
        if let Some(Some(ended)) = gone {
            self.take_leave(at, ended);
        }
        has_ended
    }

    /// The time at which to wake without being woken.
    fn alarm(&self, state: &PoolState, nap: Option<Duration>) -> Option<Instant> {
        let now = clock::now();
        let asked = self.children.must_be_asked().then(|| now + ASK_INTERVAL);
        let reads = self.children.waits_for_last_words().then(|| now + READ_INTERVAL);
        let has_work = || self.children.has_busy() || state.lanes.iter().any(|lane| lane.load() > 0);
        let memory_checked = (self.memory_limit.is_some() && has_work()).then(|| now + ASK_INTERVAL);
        let calls = state.lanes.iter().filter_map(Lane::deadline);
        let deadlines = self.children.first_deadline().into_iter().chain(calls);
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

/// The depth of a look at a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Its channel is ready.
    AtChannel,
    /// Its process may have ended, too.
    AtAll,
}

/// The cause of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// Answers in rings, or calls for them: the children need no system call.
    ByAnswers,
    ByMore,
}
