//! What a child says: its frames, and what each means in the state in which the child is.

use super::{CLOSE, Child, News, Phase};
use crate::{
    batch,
    call::{Answer, Call},
    frame::{Frame, Kind},
    image::Image,
    setup::Reason,
    sys,
    worker::Hello,
};
use brigade_handle::Lost;
use brigade_trace::{Kind as Happened, clock, record};
use std::{io, mem};

impl Child {
    /// Reads what has arrived. A child that talks nonsense is condemned.
    pub(crate) fn read(&mut self, news: &mut Vec<News>) {
        let mut space = [0; 64 << 10];
        if !self.connected && !self.closed {
            match self.launched.connect() {
                Ok(true) => self.connected = true,
                Ok(false) => return,
                Err(error) => return self.condemn(Lost::Protocol(format!("it did not connect: {error}"))),
            }
            self.flush();
        }
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
        match (mem::replace(&mut self.phase, Phase::Idle), frame.kind) {
            (Phase::Starting, Kind::Hello) => {
                let checked = check_hello(&frame, self.launched.token());
                if let Err(why) = checked {
                    self.phase = Phase::Starting;
                    self.condemn(Lost::NotStarted(why));
                    return Ok(None);
                }
                self.phase = Phase::Greeted;
                if !self.setup.is_empty() {
                    self.send_setup();
                }
                self.deadline = None;
                record(Happened::Exec, self.id(), 0);
                Ok(None)
            }
            (Phase::Greeted, Kind::Ready) if frame.payload.is_empty() => Ok(Some(News::Ready)),
            (Phase::Greeted, Kind::Ready) => {
                self.phase = Phase::Greeted;
                let why = String::from_utf8_lossy(&frame.payload).into_owned();
                self.condemn(Lost::NotStarted(why));
                Ok(None)
            }
            (phase @ (Phase::Idle | Phase::Given(_) | Phase::Busy(_) | Phase::Ending), Kind::Leaving) => {
                self.phase = phase;
                self.leaving = true;
                Ok(Some(News::Leaves(Reason::from_number(frame.name))))
            }
            (Phase::Given(call) | Phase::Busy(call), kind) if frame.call == self.number => {
                self.about_the_call(call, kind, frame)
            }
            (phase @ (Phase::Idle | Phase::Ending), kind) if self.has_ring() => {
                self.phase = phase;
                let answer = Answer::from_parts(kind, frame.payload)?;
                Ok(Some(News::Streamed(frame.call, answer, frame.name)))
            }
            (phase, kind) => {
                self.phase = phase;
                Err(format!("a frame of kind {kind:?} about call {} was not to be expected", frame.call))
            }
        }
    }

    fn about_the_call(&mut self, call: Call, kind: Kind, frame: Frame) -> Result<Option<News>, String> {
        if kind == Kind::Begun {
            // A plain call's argument will not be sent again.
            self.phase = Phase::Busy(call.without_argument());
            self.begun = usize::try_from(frame.name).unwrap_or(usize::MAX).saturating_add(1);
            return Ok(None);
        }
        let is_batch = call.batch().is_some();
        if is_batch && kind == Kind::Records {
            return self.record(call, &frame.payload);
        }
        if is_batch && kind == Kind::Stop && self.answered > 0 {
            return Ok(Some(self.batch_answered(call)));
        }
        match Answer::from_parts(kind, frame.payload) {
            Ok(answer) if self.begun > 0 && !matches!(answer, Answer::Records(_)) => {
                record(Happened::RunEnd, call.caller.id(), 1);
                Ok(Some(News::Answered(call, answer)))
            }
            other => {
                self.phase = Phase::Busy(call);
                Err(other.err().unwrap_or_else(|| format!("a frame of kind {kind:?} answers no such call")))
            }
        }
    }

    /// Takes in the record of the next item of a batch.
    fn record(&mut self, call: Call, records: &[u8]) -> Result<Option<News>, String> {
        let count = batch::records(records).count();
        if count != 1 {
            self.phase = Phase::Busy(call);
            return Err(format!("{count} records came where one was to be expected"));
        }
        self.records.extend_from_slice(records);
        self.answered += 1;
        if self.answered < call.count() {
            self.phase = Phase::Busy(call);
            return Ok(None);
        }
        Ok(Some(self.batch_answered(call)))
    }

    /// A batch is answered, wholly or as far as it was done.
    fn batch_answered(&mut self, call: Call) -> News {
        let took = clock::now().saturating_duration_since(self.since);
        if let Some(batch) = call.batch() {
            batch.learn(self.answered, took.as_nanos() as u64, self.records.len());
        }
        record(Happened::RunEnd, call.caller.id(), 1);
        let (answered, rest) = call.split(self.answered);
        self.rest = rest;
        News::Answered(answered, Answer::Records(mem::take(&mut self.records)))
    }
}

fn check_hello(frame: &Frame, token: Option<&str>) -> Result<(), String> {
    let hello: Hello = postcard::from_bytes(&frame.payload).map_err(|error| format!("its hello: {error}"))?;
    if token.is_some_and(|token| hello.token.as_deref() != Some(token)) {
        return Err("whoever has connected as a worker lacks the token".into());
    }
    if hello.fingerprint == Image::get().fingerprint {
        Ok(())
    } else {
        Err(format!(
            "the worker runs another build (fingerprint {:016x}, ours is {:016x})",
            hello.fingerprint,
            Image::get().fingerprint
        ))
    }
}
