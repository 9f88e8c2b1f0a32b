//! The frames of a child, and what each means in the state in which the child is.

use super::{Child, Phase};
use crate::{
    call::{Answer, Call, batch},
    image::Image,
    system::{descriptors, stream},
    wire::{
        frame::{Frame, Kind, Malformed},
        hello::Hello,
        setup::Reason,
    },
};
use brigade_handle::Lost;
use brigade_trace::{Kind as Happened, clock, left_child, record};
use std::{io, mem, time::Duration};

/// How long a child may live without its channel.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many pieces of a channel are read in one turn: a child that sends more than that must not keep the
/// others waiting.
const READS_PER_TURN: u32 = 16;

/// An event on a child's channel.
pub(crate) enum ChildEvent {
    Ready,
    Answered(Call, Answer),
    /// An answer that did not fit into the ring, to the call with this number, which ran for this many
    /// nanoseconds.
    Streamed(u64, Answer, u64),
    /// The child cannot open the blocks that this call names, and wants their descriptors.
    Wants(u64),
    /// A call, or the rest of a batch, that the child will not run.
    Returned(Call),
    /// The child ends by its own choice.
    Leaves(Reason),
    /// The child takes more memory than it may, in the middle of a call.
    Outgrown,
}

impl Child {
    /// Reads what has arrived, through `space`. A child whose frames make no sense is condemned.
    pub(crate) fn read(&mut self, space: &mut [u8], news: &mut Vec<ChildEvent>) {
        if !self.connected && !self.closed {
            match self.process.connect() {
                Ok(true) => self.connected = true,
                Ok(false) => return,
                Err(error) => {
                    return self.condemn(Lost::Protocol(format!("it did not connect: {error}").into()));
                }
            }
            self.flush();
        }
        self.emptied = false;
        for _ in 0..READS_PER_TURN {
            if self.closed || self.is_raving() {
                return;
            }
            let channel = match self.process.channel() {
                Ok(channel) => channel,
                Err(error) => return self.break_off(&error),
            };
            let received = if self.process.has_ring() {
                descriptors::receive_at_once(channel, space)
            } else {
                stream::receive_at_once(channel, space).map(|received| (received, None))
            };
            match received {
                Ok((0, _)) => self.close(),
                Ok((received, along)) => {
                    self.along.extend(along);
                    record(Happened::Receive, self.id(), received as u64);
                    self.decoder.push(&space[..received]);
                    if let Err(why) = self.frames(news) {
                        self.condemn(Lost::Protocol(why.into()));
                    }
                    // If the child has ended, it must be certain that there is nothing more.
                    if received < space.len() && self.ended.is_none() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.emptied = true;
                    return;
                }
                Err(_) => self.close(),
            }
        }
    }

    /// Whether its frames make no sense: then nothing more is read. A child that was condemned for other
    /// reasons may have answered before.
    pub(super) fn is_raving(&self) -> bool {
        matches!(self.fault, Some(Lost::Protocol(_) | Lost::NotStarted(_)))
    }

    /// Mostly the end of the channel is the end of the process, a moment earlier.
    fn close(&mut self) {
        self.closed = true;
        if self.fault.is_none() && self.ended.is_none() && !matches!(self.phase, Phase::Ending) {
            self.deadline = Some(clock::now() + CLOSE_TIMEOUT);
        }
    }

    fn frames(&mut self, news: &mut Vec<ChildEvent>) -> Result<(), String> {
        while let Some(frame) = self.decoder.next().map_err(|bad| self.malformed(bad))? {
            self.frame(frame, news)?;
        }
        Ok(())
    }

    /// Describes what is wrong with the bytes. If the child has sent nothing right so far, the text shows
    /// them.
    fn malformed(&self, bad: Malformed) -> String {
        match self.phase {
            Phase::Starting => {
                let said = self.decoder.beginning().escape_ascii();
                format!("{bad}; instead of a greeting it said \"{said}\"")
            }
            _ => bad.to_string(),
        }
    }

    fn frame(&mut self, frame: Frame, news: &mut Vec<ChildEvent>) -> Result<(), String> {
        match (mem::replace(&mut self.phase, Phase::Idle), frame.kind) {
            (Phase::Starting, Kind::Hello) => {
                self.phase = Phase::Starting;
                self.greeted(&frame);
            }
            (phase, Kind::Hello) => {
                self.phase = phase;
                let why =
                    "a second worker has said hello: the command in front must start one, as `srun -n1` does";
                return Err(why.to_owned());
            }
            (Phase::Greeted, Kind::Ready) if frame.payload.is_empty() => {
                self.ready = Some(clock::now());
                self.deadline = None;
                news.push(ChildEvent::Ready);
            }
            (Phase::Greeted, Kind::Ready) => {
                self.phase = Phase::Greeted;
                let why = String::from_utf8_lossy(&frame.payload).into_owned();
                self.condemn(Lost::NotStarted(why.into()));
            }
            (phase @ (Phase::Idle | Phase::Given(_) | Phase::Busy(_) | Phase::Ending), Kind::Leaving) => {
                self.leaves(phase, Reason::from_number(frame.name), news);
            }
            (Phase::Given(call) | Phase::Busy(call), _) if frame.call == self.number => {
                self.about_the_call(call, frame, news)?;
            }
            (phase @ (Phase::Idle | Phase::Ending), Kind::Fetch) if self.has_ring() => {
                self.phase = phase;
                news.push(ChildEvent::Wants(frame.call));
            }
            (phase @ (Phase::Idle | Phase::Ending), kind) if self.has_ring() => {
                self.phase = phase;
                // If the descriptors did not come along, the blocks are missing, and the call is told so.
                let along = (frame.fds > 0).then(|| self.along.pop_front().unwrap_or_default());
                let answer = Answer::from_frame(kind, frame.payload, along)?;
                news.push(ChildEvent::Streamed(frame.call, answer, frame.name));
            }
            (phase, kind) => {
                self.phase = phase;
                return Err(format!(
                    "a frame of kind {kind:?} about call {} was not to be expected",
                    frame.call
                ));
            }
        }
        Ok(())
    }

    /// Takes in the hello of a child that is starting.
    fn greeted(&mut self, frame: &Frame) {
        self.phase = Phase::Greeted;
        let hello = match check_hello(frame) {
            Ok(hello) => hello,
            Err(why) => return self.condemn(Lost::NotStarted(why.into())),
        };
        if hello.has_ring != self.has_ring() {
            let (is, says) = if hello.has_ring { ("a", "none") } else { ("no", "one") };
            let why = format!(
                "the worker has {is} ring, and its launcher says that it has {says}: a launcher that wraps another \
                 one's workers passes `Launched::has_ring` on as it is"
            );
            return self.condemn(Lost::NotStarted(why.into()));
        }
        self.hello_pid = hello.pid;
        if self.fault.is_none() {
            self.deadline = self.setup_limit.map(|limit| clock::after(clock::now(), limit));
        }
        record(Happened::Exec, self.id(), 0);
    }

    /// Handles a child that ends by its own choice: the calls that it has not begun go to others. The child
    /// waits until it is told that its answers were taken over.
    fn leaves(&mut self, phase: Phase, reason: Reason, news: &mut Vec<ChildEvent>) {
        match phase {
            Phase::Busy(call) if self.begun > self.answered => {
                // The child's own memory monitor has found it too large (`worker/memory_monitor.rs`). It
                // goes on, and is to be killed.
                self.phase = Phase::Busy(call);
                return news.push(ChildEvent::Outgrown);
            }
            Phase::Busy(call) | Phase::Given(call) if self.answered == 0 => {
                news.push(ChildEvent::Returned(call))
            }
            Phase::Busy(call) | Phase::Given(call) => self.batch_answered(call, news),
            Phase::Starting | Phase::Greeted | Phase::Idle | Phase::Ending => {}
        }
        self.leaving = true;
        self.retire();
        news.push(ChildEvent::Leaves(reason));
    }

    fn about_the_call(&mut self, call: Call, frame: Frame, news: &mut Vec<ChildEvent>) -> Result<(), String> {
        let kind = frame.kind;
        if kind == Kind::Begun {
            // A plain call's argument will not be sent again.
            self.phase = Phase::Busy(call.without_argument());
            self.begun = usize::try_from(frame.name).unwrap_or(usize::MAX).saturating_add(1);
            self.has_worked = true;
            return Ok(());
        }
        let is_batch = call.batch().is_some();
        if is_batch && kind == Kind::Records {
            return self.record(call, &frame.payload, news);
        }
        if is_batch && kind == Kind::Stop && self.answered > 0 {
            self.batch_answered(call, news);
            return Ok(());
        }
        match Answer::from_parts(kind, frame.payload) {
            Ok(answer) if self.begun > 0 && !matches!(answer, Answer::Records(_)) => {
                left_child(call.caller.id(), self.id());
                record(Happened::RunEnd, call.caller.id(), 1);
                news.push(ChildEvent::Answered(call, answer));
                Ok(())
            }
            other => {
                self.phase = Phase::Busy(call);
                Err(other.err().unwrap_or_else(|| format!("a frame of kind {kind:?} answers no such call")))
            }
        }
    }

    /// Takes in the record of the next item of a batch.
    fn record(&mut self, call: Call, records: &[u8], news: &mut Vec<ChildEvent>) -> Result<(), String> {
        let count = batch::records(records).count();
        if count != 1 {
            self.phase = Phase::Busy(call);
            return Err(format!("{count} records came where one was to be expected"));
        }
        self.records.extend_from_slice(records);
        self.answered += 1;
        if self.answered < call.count() {
            self.phase = Phase::Busy(call);
        } else {
            self.batch_answered(call, news);
        }
        Ok(())
    }

    /// Handles the end of a batch, which is answered wholly or in part.
    fn batch_answered(&mut self, call: Call, news: &mut Vec<ChildEvent>) {
        let took = clock::now().saturating_duration_since(self.since);
        if let Some(batch) = call.batch() {
            batch.learn(self.answered, took.as_nanos() as u64, self.records.len());
        }
        left_child(call.caller.id(), self.id());
        record(Happened::RunEnd, call.caller.id(), 1);
        let (answered, rest) = call.split(self.answered);
        news.push(ChildEvent::Answered(answered, Answer::Records(mem::take(&mut self.records))));
        news.extend(rest.map(ChildEvent::Returned));
    }
}

fn check_hello(frame: &Frame) -> Result<Hello, String> {
    let hello: Hello = postcard::from_bytes(&frame.payload).map_err(|error| format!("its hello: {error}"))?;
    if hello.fingerprint == Image::get().fingerprint {
        Ok(hello)
    } else {
        Err(format!(
            "the worker runs another build (fingerprint {:016x}, ours is {:016x})",
            hello.fingerprint,
            Image::get().fingerprint
        ))
    }
}
