//! The state machine of one child, as the supervisor sees it.
//!
//! ```text
//!   Starting --Hello--> Greeted --Ready--> Idle --give--> Given(call) --Begun--> Busy(call)
//!       |                  |                | ^                |                    |
//!       |                  |                | \----------------|------answer--------/
//!       |                  |                \--Bye--> Ending   |                    |
//!       \------------------+-----------------------+-----------+--------------------+--> ended, reaped
//! ```
//!
//! Between Greeted and Idle the worker sets itself up (`setup.rs`), which takes as long as the initializer does.
//!
//! Every state has its way to the end: a child may exit or be killed whenever it likes. What it had answered before is
//! still in the channel then, so the channel is read to its end before the end counts. A call that was given and not begun
//! is not lost with the child: another may have it, and it is still started at most once.

mod ends;
mod hears;

use crate::{
    call::{Answer, Call},
    frame::{self, Decoder, Kind},
    lane::Lane,
    launcher::{Command, Launched, Launcher},
    setup::Reason,
    sys,
    sys::Watch,
};
use brigade_handle::Lost;
use brigade_trace::{Domain, Id, Kind as Happened, clock, record};
use std::{
    io, mem,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// How long a child may take to say hello.
const START: Duration = Duration::from_secs(30);
/// How long a child may live without its channel.
const CLOSE: Duration = Duration::from_secs(1);
/// How long a child may take to exit when it was told to.
const END: Duration = Duration::from_secs(5);

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

/// What a child's channel had to tell.
pub(crate) enum News {
    Ready,
    Answered(Call, Answer),
    /// An answer that did not fit into the ring, about the call with this number, which ran for so many nanoseconds.
    Streamed(u64, Answer, u64),
    /// It ends by its own choice.
    Leaves(Reason),
}

/// One child.
pub(crate) struct Child {
    launched: Box<dyn Launched>,
    phase: Phase,
    // --- the channel ---
    decoder: Decoder,
    /// The frame that sets the worker up; not sent to one that has to show a token first.
    setup: Vec<u8>,
    connected: bool,
    outgoing: Vec<u8>,
    sent: usize,
    closed: bool,
    /// It has said that it ends.
    leaving: bool,
    // --- the call that runs ---
    number: u64,
    since: Instant,
    /// Of a batch: what it has answered, and how many it has begun.
    records: Vec<u8>,
    answered: usize,
    begun: usize,
    /// What is left of one that was answered early.
    pub(crate) rest: Option<Call>,
    asked_to_stop: bool,
    // --- the end ---
    /// When it is killed if nothing happens before.
    deadline: Option<Instant>,
    /// Why it was killed by us.
    fault: Option<Lost>,
}

impl Child {
    /// Starts a child, which the command's setup sets up.
    pub(crate) fn start(launcher: &mut dyn Launcher, command: &Command) -> io::Result<Self> {
        let launched = launcher.start(command)?;
        let mut child = Self {
            launched,
            phase: Phase::Starting,
            decoder: Decoder::default(),
            setup: Vec::new(),
            connected: false,
            outgoing: Vec::new(),
            sent: 0,
            closed: false,
            leaving: false,
            number: 0,
            since: clock::now(),
            records: Vec::new(),
            answered: 0,
            begun: 0,
            rest: None,
            asked_to_stop: false,
            deadline: Some(clock::now() + START),
            fault: None,
        };
        record(Happened::Fork, child.id(), 0);
        if !child.launched.has_setup() {
            child.setup.clone_from(&command.setup);
        }
        child.connected = child.launched.connect()?;
        if child.launched.token().is_none() {
            child.send_setup();
        }
        Ok(child)
    }

    fn send_setup(&mut self) {
        let mut setup = std::mem::take(&mut self.setup);
        self.outgoing.append(&mut setup);
        self.flush();
    }

    /// Where its stdout and stderr can be read.
    pub(crate) fn output(&mut self) -> Option<[OwnedFd; 2]> {
        self.launched.output()
    }

    pub(crate) fn confirm(&mut self) -> io::Result<()> {
        self.launched.confirm()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.launched.id()
    }

    pub(crate) fn id(&self) -> Id {
        Id::new(Domain::Child, self.pid().into())
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.fault.is_none() && !self.closed && !self.leaving
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Greeted)
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending) || self.fault.is_some()
    }

    /// When the supervisor must look after it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let limit = self.call().and_then(|call| call.terms.as_ref()?.timeout);
        self.deadline.into_iter().chain(limit.map(|limit| clock::after(self.since, limit))).min()
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

    /// Why it must be killed for the sake of the call that it runs, if it must.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Lost> {
        let call = self.call()?;
        if call.caller.is_doomed() {
            return Some(Lost::Killed { signal: 9 });
        }
        let limit = call.terms.as_ref()?.timeout?;
        (clock::after(self.since, limit) <= now).then_some(Lost::TimedOut { limit })
    }

    /// What to wait for: the channel, and the end of the process.
    pub(crate) fn watches(&self, into: &mut Vec<Watch>) {
        if !self.closed {
            let watch = Watch::readable(self.launched.channel());
            into.push(if self.outgoing.is_empty() || !self.connected { watch } else { watch.writable_too() });
        }
        into.extend(self.launched.exit().map(Watch::readable));
    }

    /// Whether the end of the process can only be found by asking.
    pub(crate) fn must_be_asked(&self) -> bool {
        self.launched.exit().is_none()
    }

    // ------------------------------------------------------------------------------------------- sending

    /// Gives an idle child a call.
    pub(crate) fn give(&mut self, call: Call) {
        debug_assert!(self.is_idle(), "a call is given to an idle child");
        self.number += 1;
        (self.since, self.answered, self.begun) = (clock::now(), 0, 0);
        self.asked_to_stop = false;
        self.records.clear();
        let bytes = frame::HEADER + call.argument().len();
        frame::encode(&mut self.outgoing, call.kind(), self.number, call.name, 0, call.argument());
        record(Happened::RunBegin, call.caller.id(), 0);
        record(Happened::Send, self.id(), bytes as u64);
        self.phase = Phase::Given(call);
        self.flush();
    }

    /// How many items of the batch that it runs it has not begun, if the batch is worth to be split or wanted by nobody.
    pub(crate) fn left_to_split(&self) -> usize {
        let Some(call) = self.call().filter(|_| !self.asked_to_stop) else { return 0 };
        let Some(batch) = call.batch() else { return 0 };
        let left = batch.count.saturating_sub(self.begun);
        if batch.is_worth_splitting(left) || !call.caller.is_wanted() { left } else { 0 }
    }

    /// Whether it runs calls that were cancelled.
    pub(crate) fn is_in_vain(&self) -> bool {
        self.call().is_some_and(|call| !call.caller.is_wanted())
    }

    /// Asks it to answer the batch that it runs early.
    pub(crate) fn ask_to_stop(&mut self) {
        self.asked_to_stop = true;
        frame::encode(&mut self.outgoing, Kind::Stop, self.number, 0, 0, &[]);
        self.flush();
    }

    /// Whether calls go through a ring.
    pub(crate) fn has_ring(&self) -> bool {
        self.launched.has_ring()
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

    /// Tells the child that no more calls will come.
    pub(crate) fn end(&mut self, lane: Option<&mut Lane>) {
        match lane {
            Some(lane) => lane.end(),
            None => frame::encode(&mut self.outgoing, Kind::Bye, 0, 0, 0, &[]),
        }
        self.phase = Phase::Ending;
        self.deadline = Some(clock::now() + END);
        self.flush();
    }

    /// Sends what the channel takes. An error shows again when the channel is read, so it is not told here.
    pub(crate) fn flush(&mut self) {
        if !self.connected {
            return;
        }
        while self.sent < self.outgoing.len() {
            match sys::send(self.launched.channel(), &self.outgoing[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        // A large argument's buffer is not kept.
        self.outgoing.shrink_to(64 << 10);
    }
}
