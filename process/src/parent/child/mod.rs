//! The state machine of one child, as the supervisor sees it.
//!
//! ```text
//!   Starting --Hello--> Greeted --Ready--> Idle --give--> Given(call) --Begun--> Busy(call)
//!       |                  |                | ^                |                    |
//!       |                  |                | \----------------|------answer--------/
//!       |                  |                \--Leaving-> Ending|                    |
//!       \------------------+-----------------------+-----------+--------------------+--> ended, drained
//! ```
//!
//! Between Greeted and Idle the worker sets itself up (`wire/setup.rs`), which takes as long as the
//! initializer does.
//!
//! Every state has its way to the end: a child may exit or be killed at any time. An answer that it gave
//! before is still in the channel then, or on its way to it, so the channel is read to its end before the
//! end counts. A call that was given and not begun is not lost with the child: another may have it, and it
//! is still started at most once.
//!
//! # How it is let go
//!
//! A child that is to end, whether it is killed or told Bye, is *parting* first (`parent/child/end.rs`):
//! until the pool has taken over its answers and mapped the blocks in them, which are the worker's own
//! memory. Only then is it let go.

mod contained;
mod end;
mod receive;
mod send;

pub(crate) use self::contained::contained;
pub(crate) use self::end::End;
use self::{contained::Contained, end::Parting, send::Attached};
use crate::{
    call::Call,
    parent::{
        WorkerKey,
        launcher::{Command, Ended, Fact, Facts, Launcher},
        output::LastWords,
    },
    system::{descriptors::PassedDescriptors, poller::Interest},
    usage,
    wire::frame::{self, Decoder, Kind},
};
use brigade_handle::Lost;
use brigade_trace::{ChildTrace, Domain, Id, Kind as Happened, clock, record, runs_in_child};
use std::{
    collections::VecDeque,
    io, mem,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use self::receive::ChildEvent;

/// How long a child may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

enum Phase {
    Starting,
    Greeted,
    Idle,
    /// A call was given to it.
    Given(Call),
    /// It has begun to run the call.
    Busy(Call),
    Ending,
}

/// One child.
pub(crate) struct Child {
    pub(crate) key: WorkerKey,
    process: Contained,
    phase: Phase,
    // --- the channel ---
    decoder: Decoder,
    connected: bool,
    outgoing: Vec<u8>,
    sent: usize,
    /// Descriptors that go along with what is to be sent.
    attachments: VecDeque<Attached>,
    /// Descriptors that came along with frames that are not complete.
    along: VecDeque<PassedDescriptors>,
    /// The channel has ended.
    closed: bool,
    /// The channel held nothing more when it was read last.
    emptied: bool,
    /// It has said that it ends.
    leaving: bool,
    // --- the call that runs ---
    number: u64,
    since: Instant,
    /// A worker without a ring cannot record.
    trace: ChildTrace,
    /// For a batch: the records so far, and how many items were answered and begun.
    records: Vec<u8>,
    answered: usize,
    begun: usize,
    asked_to_stop: bool,
    // --- its life ---
    /// The process id that the child itself has told.
    hello_pid: u32,
    /// How long the child may take to be set up.
    setup_limit: Option<Duration>,
    /// When it became ready.
    ready: Option<Instant>,
    /// It has begun a call.
    has_worked: bool,
    // --- the end ---
    /// When the supervisor acts if nothing happens before.
    deadline: Option<Instant>,
    /// Why the pool has killed it.
    fault: Option<Lost>,
    parting: Option<Parting>,
    /// When to kill it for the second time.
    grace_end: Option<Instant>,
    /// The last lines that it has printed on stderr, if the pool reads them for its errors.
    last_words: Option<Arc<LastWords>>,
    /// It was killed because it did not say hello.
    was_silent: bool,
    /// How its process has ended.
    ended: Option<Ended>,
}

impl Child {
    /// Starts a child, which the command's setup sets up. [`begin`](Self::begin) comes next.
    pub(crate) fn start(key: WorkerKey, launcher: &mut dyn Launcher, command: &Command) -> io::Result<Self> {
        let launched = contained("start", || launcher.start(command))??;
        let mut child = Self {
            key,
            process: Contained::new(launched)?,
            phase: Phase::Starting,
            decoder: Decoder::default(),
            connected: false,
            outgoing: Vec::new(),
            sent: 0,
            attachments: VecDeque::new(),
            along: VecDeque::new(),
            closed: false,
            emptied: false,
            leaving: false,
            number: 0,
            since: clock::now(),
            trace: ChildTrace::missing(),
            records: Vec::new(),
            answered: 0,
            begun: 0,
            asked_to_stop: false,
            hello_pid: 0,
            setup_limit: command.setup_limit,
            ready: None,
            has_worked: false,
            deadline: Some(clock::now() + HELLO_TIMEOUT),
            fault: None,
            parting: None,
            grace_end: None,
            last_words: None,
            was_silent: false,
            ended: None,
        };
        if let Some(limit) = child.process.start_limit() {
            child.deadline = Some(clock::after(clock::now(), limit));
        }
        record(Happened::Fork, child.id(), 0);
        if !child.process.has_setup() {
            child.outgoing.clone_from(&command.setup);
        }
        Ok(child)
    }

    /// Begins to talk to it, and returns where its stdout and stderr can be read. If this fails, the child
    /// is to be ended.
    pub(crate) fn begin(&mut self, facts: &Facts) -> io::Result<Option<[OwnedFd; 2]>> {
        self.connected = self.process.connect()?;
        let output = self.process.output()?;
        let told = [
            (self.process.has_ring(), Fact::Ring),
            (self.process.has_setup(), Fact::Setup),
            (self.process.grace().is_some(), Fact::Grace),
            (self.process.start_limit().is_some(), Fact::StartLimit),
        ];
        told.into_iter().filter(|(is, _)| *is).for_each(|(_, fact)| facts.told(fact));
        facts.check()?;
        self.flush();
        Ok(output)
    }

    /// Waits until its program was started.
    pub(crate) fn confirm(&mut self) -> io::Result<()> {
        self.process.confirm()
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The process whose memory counts: a command may run the worker as its child.
    pub(crate) fn worker_pid(&self) -> u32 {
        // A number may be any process's on another machine, and in another namespace.
        let (started, worker) = (self.pid(), self.hello_pid);
        if worker != started && usage::is_descendant(worker, started) { worker } else { started }
    }

    pub(crate) fn id(&self) -> Id {
        Id::new(Domain::Child, self.pid().into())
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.fault.is_none() && !self.closed && self.ended.is_none()
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Greeted)
    }

    /// Whether the child has worked, or could have.
    pub(crate) fn is_up(&self) -> bool {
        self.ready.is_some() && self.fault.is_none() && self.ended.is_none()
    }

    /// When it became ready.
    pub(crate) fn up_since(&self) -> Option<Instant> {
        self.ready
    }

    /// When the supervisor must look after it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let limit = self.call().and_then(|call| call.options.as_ref()?.timeout);
        let limit = limit.map(|limit| clock::after(self.since, limit));
        self.deadline.into_iter().chain(limit).chain(self.grace_end).min()
    }

    fn call(&self) -> Option<&Call> {
        match &self.phase {
            Phase::Given(call) | Phase::Busy(call) if self.fault.is_none() => Some(call),
            _ => None,
        }
    }

    /// Whether a call was given to it over its channel.
    pub(crate) fn has_call(&self) -> bool {
        self.call().is_some()
    }

    /// Why the child must be killed for the sake of the call that it runs, if it must.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Lost> {
        let call = self.call()?;
        if call.caller.must_be_killed() {
            return Some(Lost::Killed { signal: 9 });
        }
        let limit = call.options.as_ref()?.timeout?;
        (clock::after(self.since, limit) <= now).then_some(Lost::TimedOut { limit })
    }

    /// Whether the call that was given to it over its channel has options, such as a time limit.
    pub(crate) fn has_limited_call(&self) -> bool {
        self.call().is_some_and(|call| call.options.is_some())
    }

    /// Whether it runs a batch and was not asked to stop.
    pub(crate) fn has_batch_to_split(&self) -> bool {
        !self.asked_to_stop && self.call().is_some_and(|call| call.batch().is_some())
    }

    /// The events for which the channel is to be watched. None if nothing more is read from it.
    pub(crate) fn interest(&self) -> Option<Interest> {
        let wants_room = self.connected && !self.outgoing.is_empty();
        let interest = if wants_room { Interest::ReadableOrWritable } else { Interest::Readable };
        (!self.closed && !self.is_raving()).then_some(interest)
    }

    /// Whether the channel is the worker's, and does not only report that there is news.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    pub(crate) fn channel(&self) -> io::Result<BorrowedFd<'_>> {
        self.process.channel()
    }

    /// Becomes readable when the process ends, if there is such a descriptor.
    pub(crate) fn exit(&self) -> io::Result<Option<BorrowedFd<'_>>> {
        self.process.exit()
    }

    /// Whether its process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    // ------------------------------------------------------------------------------------------- sending

    /// Gives an idle child a call.
    pub(crate) fn give(&mut self, call: Call) {
        debug_assert!(self.is_idle(), "a call is given to an idle child");
        self.number += 1;
        (self.since, self.answered, self.begun) = (clock::now(), 0, 0);
        self.asked_to_stop = false;
        self.records.clear();
        let bytes = frame::HEADER_BYTES + call.argument().len();
        frame::encode(&mut self.outgoing, call.kind(), self.number, call.name, 0, call.argument());
        self.trace.given(self.process.id(), self.number, call.caller.id());
        record(Happened::RunBegin, call.caller.id(), 0);
        runs_in_child(call.caller.id(), self.id());
        record(Happened::Send, self.id(), bytes as u64);
        self.phase = Phase::Given(call);
        self.flush();
    }

    /// How many items of the running batch the child has not begun, if the batch is worth splitting or
    /// wanted by nobody.
    pub(crate) fn left_to_split(&self) -> usize {
        let Some(call) = self.call().filter(|_| !self.asked_to_stop) else { return 0 };
        let Some(batch) = call.batch() else { return 0 };
        let left = batch.count.saturating_sub(self.begun);
        if batch.is_worth_splitting(left) || !call.caller.is_wanted() { left } else { 0 }
    }

    /// Whether the child runs calls that were cancelled.
    pub(crate) fn is_in_vain(&self) -> bool {
        self.call().is_some_and(|call| !call.caller.is_wanted())
    }

    /// Asks the child to answer its running batch early.
    pub(crate) fn ask_to_stop(&mut self) {
        self.asked_to_stop = true;
        frame::encode(&mut self.outgoing, Kind::Stop, self.number, 0, 0, &[]);
        self.flush();
    }

    /// Whether calls go through a ring.
    pub(crate) fn has_ring(&self) -> bool {
        self.process.has_ring()
    }

    /// Sends frames that were made by a lane.
    pub(crate) fn take_over(&mut self, frames: &mut Vec<u8>) {
        if !frames.is_empty() {
            if self.outgoing.is_empty() {
                mem::swap(&mut self.outgoing, frames);
            } else {
                self.outgoing.append(frames);
            }
            // A large argument's buffer is not kept.
            frames.shrink_to(64 << 10);
            self.flush();
        }
    }
}
