//! How a child ends, and what it leaves.

use super::{Child, Phase};
use crate::{
    call::{Answer, Call},
    lane::Done,
    launcher::Ended,
    statistics::End,
};
use brigade_handle::Lost;
use brigade_trace::{Kind as Happened, record};
use std::{mem, time::Instant};

/// What an ended child leaves.
#[derive(Default)]
pub(crate) struct Remains {
    /// It ended before it was ready, for this reason.
    pub(crate) never_ready: Option<Lost>,
    /// Calls that it had not begun, in order.
    pub(crate) unbegun: Vec<Call>,
    /// Calls that it had begun and that are to be tried again.
    pub(crate) again: Vec<Call>,
}

impl Child {
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

    /// Whether it was to end.
    pub(crate) fn end_kind(&self) -> End {
        let agreed = self.leaving || matches!(self.phase, Phase::Ending);
        if agreed && self.fault.is_none() { End::Agreed } else { End::Unasked }
    }

    /// What an ended child leaves. Calls that it took along are `done`.
    pub(crate) fn remains(mut self, ended: Ended, done: &mut Done) -> Remains {
        let lost = self.loss(ended);
        let mut remains = Remains::default();
        match mem::replace(&mut self.phase, Phase::Ending) {
            Phase::Starting | Phase::Greeted => remains.never_ready = Some(lost),
            Phase::Given(call) => remains.unbegun.push(call),
            Phase::Busy(call) if call.batch().is_some() => {
                remains.unbegun.extend(self.salvage(call, lost, done));
            }
            Phase::Busy(mut call) => match call.survives(lost) {
                Ok(()) => remains.again.push(call),
                Err(lost) => done.push((call, Answer::Lost(lost))),
            },
            Phase::Idle | Phase::Ending => {}
        }
        remains
    }

    /// What was answered of a batch stands, the call that ran is lost, and the others are left.
    fn salvage(&mut self, call: Call, lost: Lost, done: &mut Done) -> Option<Call> {
        let mut rest = Some(call);
        if self.answered > 0 {
            let (answered, left) = rest.take()?.split(self.answered);
            done.push((answered, Answer::Records(mem::take(&mut self.records))));
            rest = left;
        }
        if self.begun > self.answered {
            let (lost_call, left) = rest?.split(1);
            done.push((lost_call, Answer::Lost(lost)));
            rest = left;
        }
        rest
    }
}
