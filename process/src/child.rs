//! The state machine of one child, as the supervisor sees it.
//!
//! ```text
//!   Starting --Hello--> Idle --give--> Given(call) --Begun--> Busy(call)
//!       |                | ^                |                    |
//!       |                | \----------------|------answer--------/
//!       |                \--Bye--> Ending   |                    |
//!       \------------------+---------+------+--------------------+--> ended, reaped
//! ```
//!
//! Every state has its way to the end: a child may exit or be killed whenever it likes. What it had answered before is
//! still in the channel then, so the channel is read to its end before the end counts. A call that was given and not begun
//! is not lost with the child: another may have it, and it is still started at most once.

use crate::{
    call::{Answer, Call},
    frame::{self, Decoder, Frame, Kind},
    image::Image,
    lane::Lane,
    launcher::{Command, Ended, Launched, Launcher},
    sys,
    sys::Watch,
    worker::Hello,
};
use brigade_handle::Lost;
use brigade_trace::{Domain, Id, Kind as Happened, clock, record};
use std::{
    io,
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
    /// An answer that did not fit into the ring, about the call with this number.
    Streamed(u64, Answer),
}

/// One child.
pub(crate) struct Child {
    launched: Box<dyn Launched>,
    phase: Phase,
    // --- the channel ---
    decoder: Decoder,
    outgoing: Vec<u8>,
    sent: usize,
    closed: bool,
    // --- the call that runs ---
    number: u64,
    // --- the end ---
    /// When it is killed if nothing happens before.
    deadline: Option<Instant>,
    /// Why it was killed by us.
    fault: Option<Lost>,
}

impl Child {
    pub(crate) fn start(launcher: &mut dyn Launcher, command: &Command) -> io::Result<Self> {
        let launched = launcher.start(command)?;
        let child = Self {
            launched,
            phase: Phase::Starting,
            decoder: Decoder::default(),
            outgoing: Vec::new(),
            sent: 0,
            closed: false,
            number: 0,
            deadline: Some(clock::now() + START),
            fault: None,
        };
        record(Happened::Fork, child.id(), 0);
        Ok(child)
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
        matches!(self.phase, Phase::Idle) && self.fault.is_none() && !self.closed
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting)
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending) || self.fault.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What to wait for: the channel, and the end of the process.
    pub(crate) fn watches(&self, into: &mut Vec<Watch>) {
        if !self.closed {
            let watch = Watch::readable(self.launched.channel());
            into.push(if self.outgoing.is_empty() { watch } else { watch.writable_too() });
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
        let bytes = frame::HEADER + call.argument.len();
        frame::encode(&mut self.outgoing, Kind::Call, self.number, call.name, 0, &call.argument);
        record(Happened::RunBegin, call.caller.id(), 0);
        record(Happened::Send, self.id(), bytes as u64);
        self.phase = Phase::Given(call);
        self.flush();
    }

    /// Whether calls go through a ring.
    pub(crate) fn has_ring(&self) -> bool {
        self.launched.has_ring()
    }

    /// Sends frames that were made by a lane.
    pub(crate) fn take_over(&mut self, frames: &mut Vec<u8>) {
        if !frames.is_empty() {
            self.outgoing.append(frames);
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

    // ----------------------------------------------------------------------------------------- receiving

    /// Reads what has arrived. A child that talks nonsense is condemned.
    pub(crate) fn read(&mut self, news: &mut Vec<News>) {
        let mut space = [0; 64 << 10];
        while !self.closed && self.fault.is_none() {
            match sys::receive(self.launched.channel(), &mut space) {
                Ok(0) => self.close("it closed its channel and lived on"),
                Ok(received) => {
                    record(Happened::Receive, self.id(), received as u64);
                    self.decoder.push(&space[..received]);
                    if let Err(why) = self.frames(news) {
                        self.condemn(Lost::Protocol(why));
                    }
                    if received < space.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.close(&format!("its channel broke: {error}")),
            }
        }
    }

    /// The end of the channel is as a rule the end of the process, a moment earlier.
    fn close(&mut self, why: &str) {
        self.closed = true;
        if self.fault.is_none() && !matches!(self.phase, Phase::Ending) {
            self.deadline = Some(clock::now() + CLOSE);
        }
        let _ = why;
    }

    fn frames(&mut self, news: &mut Vec<News>) -> Result<(), String> {
        while let Some(frame) = self.decoder.next().map_err(|bad| bad.to_string())? {
            news.extend(self.frame(frame)?);
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> Result<Option<News>, String> {
        match (std::mem::replace(&mut self.phase, Phase::Idle), frame.kind) {
            (Phase::Starting, Kind::Hello) => {
                check_hello(&frame)?;
                self.deadline = None;
                record(Happened::Exec, self.id(), 0);
                Ok(Some(News::Ready))
            }
            (Phase::Given(call), Kind::Begun) if frame.call == self.number => {
                // The argument will not be sent again.
                self.phase = Phase::Busy(Call { argument: Vec::new(), ..call });
                Ok(None)
            }
            (Phase::Busy(call), kind) if frame.call == self.number => {
                match Answer::from_parts(kind, frame.payload) {
                    Ok(answer) => {
                        record(Happened::RunEnd, call.caller.id(), 1);
                        Ok(Some(News::Answered(call, answer)))
                    }
                    Err(why) => {
                        self.phase = Phase::Busy(call);
                        Err(why)
                    }
                }
            }
            (phase @ (Phase::Idle | Phase::Ending), kind) if self.has_ring() => {
                self.phase = phase;
                Ok(Some(News::Streamed(frame.call, Answer::from_parts(kind, frame.payload)?)))
            }
            (phase, kind) => {
                self.phase = phase;
                Err(format!("a frame of kind {kind:?} about call {} was not to be expected", frame.call))
            }
        }
    }

    // --------------------------------------------------------------------------------------------- ending

    /// Kills the child because of `fault`, which its call is told.
    pub(crate) fn condemn(&mut self, fault: Lost) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            self.deadline = None;
            // An error means that it has ended already.
            let _ = self.launched.kill();
        }
    }

    /// Condemns a child whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            let why = match self.phase {
                Phase::Starting => {
                    "it did not say hello in time: is `brigade_process::init()` the first line of `main`?"
                }
                _ if self.closed => "it closed its channel and lived on",
                _ => "it did not end when it was told to",
            };
            self.condemn(Lost::Protocol(why.into()));
        }
    }

    /// How the process ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        // An error would be ECHILD: somebody else has reaped it, and all that is known is that it is gone.
        let ended = self.launched.wait().unwrap_or(Some(Ended::Exited(-1)))?;
        let status = match ended {
            Ended::Exited(code) => u64::from(code.unsigned_abs()) << 8,
            Ended::Killed(signal) => u64::from(signal.unsigned_abs()),
        };
        record(Happened::Exit, self.id(), status);
        Some(ended)
    }

    /// Why a call is lost that it took along.
    pub(crate) fn loss(&self, ended: Ended) -> Lost {
        self.fault.clone().unwrap_or(match ended {
            Ended::Exited(code) => Lost::Exited { code },
            Ended::Killed(signal) => Lost::Killed { signal },
        })
    }

    /// What an ended child leaves.
    pub(crate) fn remains(self, ended: Ended) -> Remains {
        let lost = self.loss(ended);
        match self.phase {
            Phase::Starting => Remains::NeverReady(lost),
            Phase::Given(call) => Remains::Unbegun(call),
            Phase::Busy(call) => Remains::Lost(call, lost),
            Phase::Idle | Phase::Ending => Remains::Nothing,
        }
    }
}

/// What an ended child leaves.
pub(crate) enum Remains {
    Nothing,
    /// It ended before it was ready, for this reason.
    NeverReady(Lost),
    /// A call that it had not begun.
    Unbegun(Call),
    /// The call that it ran, and why there is no answer.
    Lost(Call, Lost),
}

fn check_hello(frame: &Frame) -> Result<(), String> {
    let hello: Hello = postcard::from_bytes(&frame.payload).map_err(|error| format!("its hello: {error}"))?;
    if hello.fingerprint == Image::get().fingerprint {
        Ok(())
    } else {
        Err(format!(
            "it runs another build (fingerprint {:016x}, ours is {:016x})",
            hello.fingerprint,
            Image::get().fingerprint
        ))
    }
}
