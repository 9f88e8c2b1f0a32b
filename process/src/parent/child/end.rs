//! How a child ends, and what it leaves.
//!
//! ```text
//!   condemned, Leaving, idle at a shutdown --> parting --killed, or told Bye-->
//!       (its process ends) --> ended --the channel is empty--> gone
//! ```

use super::{Child, Phase};
use crate::{
    call::{Answer, Call, Done},
    parent::{lane::Lane, launcher::Ended, output::LastWords},
    sys::{self, Watch},
    wire::frame::{self, Kind},
};
use brigade_handle::{CommandEnd, Lost};
use brigade_trace::{Kind as Happened, clock, record};
use std::{
    mem, slice,
    sync::Arc,
    time::{Duration, Instant},
};

/// Whether a worker was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to, or has said that it would.
    Agreed,
    Unasked,
}

/// How long a child that is to be killed lives on while a block in its answer waits to be mapped.
const KILL_GRACE: Duration = Duration::from_millis(100);
/// How long a child that leaves waits for its blocks to be mapped.
const BYE_GRACE: Duration = Duration::from_secs(5);
/// How long a child may take to exit when it was told to.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the kernel may take to end a child that was killed. After that the pool gives the child up.
const REAP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last words of a child that has ended may be on their way.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for a child that the pool has killed.
const SHORT_DRAIN_TIMEOUT: Duration = Duration::from_millis(50);
/// The same for a child whose last words are to be read: the sink of another worker's output may take its
/// time.
const QUOTE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a worker that has begun no call must have lived; a shorter life counts as a failed start.
const PROBATION: Duration = Duration::from_secs(1);

/// How a child will be let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    Kill,
    /// It is told that no more calls will come.
    Bye,
}

/// The things that an ended child leaves.
#[derive(Default)]
pub(crate) struct Remains {
    /// Why it ended before it was of any use, if it did.
    pub(crate) useless: Option<Lost>,
    /// The launcher's guess at the cause, if the child has not said hello, or the last words of its command.
    pub(crate) advice: Option<String>,
    /// It used up the time for its hello.
    pub(crate) was_silent: bool,
    /// Calls that it had not begun, in order.
    pub(crate) unbegun: Vec<Call>,
    /// Calls that it had begun and that are to be tried again.
    pub(crate) again: Vec<Call>,
}

impl Child {
    /// Has the child killed because of `fault`, which its call is told.
    pub(crate) fn condemn(&mut self, fault: Lost) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            if self.ended.is_none() {
                self.part_by(Parting::Kill, KILL_GRACE);
            }
        }
    }

    /// Condemns a child whose launcher's code has failed.
    pub(crate) fn break_off(&mut self, error: &std::io::Error) {
        self.condemn(Lost::Supervisor(error.to_string().into()));
        self.closed = true;
    }

    /// Has the child told that no more calls will come.
    pub(crate) fn retire(&mut self) {
        self.phase = Phase::Ending;
        if self.fault.is_none() && self.ended.is_none() {
            self.part_by(Parting::Bye, BYE_GRACE);
        }
    }

    fn part_by(&mut self, parting: Parting, grace: Duration) {
        self.parting = Some(parting);
        self.deadline = Some(clock::now() + grace);
    }

    /// Whether the child waits to be let go.
    pub(crate) fn is_parting(&self) -> bool {
        self.parting.is_some()
    }

    /// Whether the child is to end, or has ended.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending) || self.fault.is_some() || self.ended.is_some()
    }

    /// Lets the child go, if it was parting and its answers are taken over, or have waited for long enough.
    pub(crate) fn let_go(&mut self, lane: Option<&mut Lane>) {
        match self.parting.take() {
            None => {}
            Some(Parting::Kill) => {
                let now = clock::now();
                self.deadline = Some(now + REAP_TIMEOUT);
                self.grace_end = self.process.grace().map(|grace| clock::after(now, grace));
                // The words of the command from here on are about its being killed.
                self.last_words.iter().for_each(|words| words.freeze());
                // An error means that it has ended already, or shows when it does not end.
                let _ = self.process.kill();
            }
            Some(Parting::Bye) => {
                self.deadline = Some(clock::now() + EXIT_TIMEOUT);
                match lane.filter(|_| !self.leaving) {
                    Some(lane) => lane.end(),
                    // A worker that leaves looks at its channel alone.
                    None => frame::encode(&mut self.outgoing, Kind::Bye, 0, 0, 0, &[]),
                }
                self.flush();
            }
        }
    }

    /// Carries out the deadlines at this time: condemns a child that takes too long, and gives up one that
    /// cannot be killed.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.grace_end.is_some_and(|end| end <= now) && self.ended.is_none() {
            self.grace_end = None;
            let _ = self.process.kill();
        }
        let is_due = self.deadline.is_some_and(|deadline| deadline <= now);
        if !is_due || self.parting.is_some() || self.ended.is_some() {
            return;
        }
        if self.fault.is_some() {
            self.ended = Some(Ended::Killed(9));
            return;
        }
        let fault = match self.phase {
            Phase::Starting => {
                self.was_silent = true;
                Lost::NotStarted(match self.process.command() {
                    Some(name) => format!(
                        "`{name}` has not brought a worker that says hello in time: does it wait for a machine? See `start_limit`"
                    )
                    .into(),
                    None => "the worker did not say hello in time: is `brigade_process::init()` the first line of `main`?".into(),
                })
            }
            Phase::Greeted => {
                Lost::NotStarted("the worker was not set up in time: its initializer hangs, perhaps".into())
            }
            _ if self.closed => Lost::Protocol("it closed its channel and lived on".into()),
            _ => Lost::Protocol("it did not end when it was told to".into()),
        };
        self.condemn(fault);
    }

    /// Notes the end of the process. True if it was found just now.
    pub(crate) fn notice_end(&mut self, now: Instant) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let ended = match self.process.wait() {
            Ok(None) => return false,
            Ok(Some(ended)) => ended,
            // ECHILD: another part of the program has reaped it, and all that is known is that it is gone.
            Err(error) if error.raw_os_error().is_some() => Ended::Exited(-1),
            Err(error) => {
                self.fault.get_or_insert(Lost::Supervisor(error.to_string().into()));
                let _ = self.process.kill();
                Ended::Exited(-1)
            }
        };
        let status = match ended {
            Ended::Exited(code) => u64::from(code.unsigned_abs()) << 8,
            Ended::Killed(signal) => u64::from(signal.unsigned_abs()),
        };
        record(Happened::Exit, self.id(), status);
        self.ended = Some(ended);
        (self.parting, self.grace_end) = (None, None);
        let drain = match self.fault {
            _ if self.last_words.is_some() => QUOTE_TIMEOUT,
            Some(_) => SHORT_DRAIN_TIMEOUT,
            None => DRAIN_TIMEOUT,
        };
        self.deadline = Some(now + drain);
        true
    }

    /// How the process has ended, once everything that it had sent was read, or has taken too long to come.
    pub(crate) fn gone(&self, now: Instant) -> Option<Ended> {
        let ended = self.ended?;
        let is_emptied = self.emptied && self.process.delivers_at_once();
        let is_drained = self.closed || !self.connected || self.is_raving() || is_emptied;
        let is_late = self.deadline.is_none_or(|deadline| deadline <= now);
        (is_drained && !self.waits_for_last_words() || is_late).then_some(ended)
    }

    /// Whether its process has ended, and what it has printed is being read.
    pub(crate) fn waits_for_last_words(&self) -> bool {
        self.ended.is_some() && self.last_words.as_ref().is_some_and(|words| !words.are_complete())
    }

    /// Has its last words noted here. Without a command in front they are the worker's, and tell no reason.
    pub(crate) fn listen_for_last_words(&mut self) -> Option<Arc<LastWords>> {
        self.process.command()?;
        Some(self.last_words.insert(Arc::default()).clone())
    }

    /// The last lines of its stderr, if there are any.
    pub(crate) fn last_words(&self) -> Option<String> {
        let said = self.last_words.as_ref()?.text();
        (!said.is_empty()).then_some(said)
    }

    /// The reason for a call that is lost with the child.
    pub(crate) fn loss(&self, ended: Ended) -> Lost {
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let end = match ended {
            Ended::Exited(code) => Lost::Exited { code },
            Ended::Killed(signal) => Lost::Killed { signal },
        };
        match (self.process.command(), self.last_words()) {
            (Some(command), Some(said)) => {
                Lost::CommandEnded(Box::new(CommandEnd { command: command.to_owned(), end, said }))
            }
            _ => end,
        }
    }

    /// Whether the child was to end.
    pub(crate) fn end_kind(&self) -> End {
        let agreed = self.leaving || matches!(self.phase, Phase::Ending);
        if agreed && self.fault.is_none() { End::Agreed } else { End::Unasked }
    }

    /// Whether it has ended by its own fault, or its launcher's, early, and without having begun a call.
    fn is_stillborn(&self, lane: Option<&Lane>) -> bool {
        let is_to_blame =
            matches!(self.fault, None | Some(Lost::Protocol(_) | Lost::Supervisor(_) | Lost::NotStarted(_)));
        is_to_blame && self.end_kind() == End::Unasked && self.ready.is_some() && !self.is_proven(lane)
    }

    /// Whether it has begun a call, or has lived for long enough.
    pub(crate) fn is_proven(&self, lane: Option<&Lane>) -> bool {
        let is_old = self.ready.is_some_and(|since| clock::now() >= since + PROBATION);
        is_old || self.has_worked || lane.is_some_and(Lane::has_worked)
    }

    /// Takes an ended child apart. Calls that are lost with it go to `done`.
    pub(crate) fn remains(mut self, ended: Ended, lane: Option<&Lane>, done: &mut Done) -> Remains {
        let lost = self.loss(ended);
        let mut remains = Remains::default();
        let is_stillborn = self.is_stillborn(lane);
        // The error that has them already does not need them twice.
        let quoted = self.last_words().filter(|_| self.fault.is_some()).zip(self.process.command());
        let quoted = quoted.map(|(said, command)| format!("`{command}` said: {said}"));
        match mem::replace(&mut self.phase, Phase::Ending) {
            Phase::Starting => {
                let advice: Vec<_> = quoted.into_iter().chain(self.process.advice(&lost)).collect();
                remains.advice = (!advice.is_empty()).then(|| advice.join("; "));
                remains.useless = Some(lost);
                remains.was_silent = self.was_silent;
            }
            Phase::Greeted => remains.useless = Some(lost),
            Phase::Given(call) => call.outlive(lost, &mut remains.unbegun, done),
            Phase::Busy(call) if call.batch().is_some() => {
                remains.unbegun.extend(self.salvage(call, lost, done));
            }
            Phase::Busy(mut call) => match call.survives(lost) {
                Ok(()) => remains.again.push(call),
                Err(lost) => done.push((call, Answer::Lost(lost))),
            },
            Phase::Idle if is_stillborn => remains.useless = Some(lost),
            Phase::Idle | Phase::Ending => {}
        }
        remains
    }

    /// Saves the parts of a batch: its records stand, the call that ran is lost, and the others are
    /// returned.
    pub(super) fn salvage(&mut self, call: Call, lost: Lost, done: &mut Done) -> Option<Call> {
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

    /// Kills the child and waits until it has ended. For a thread that looks after nothing else.
    pub(crate) fn end_at_once(&mut self) {
        Self::end_all(slice::from_mut(self));
    }

    /// Kills children and waits until all have ended. Together they take as long as the slowest of them.
    pub(crate) fn end_all(children: &mut [Self]) {
        let now = clock::now();
        for child in &mut *children {
            child.grace_end = child.process.grace().map(|grace| clock::after(now, grace));
            let _ = child.process.kill();
        }
        let end = now + REAP_TIMEOUT;
        while clock::now() < end {
            let mut watched = Vec::new();
            let mut is_over = true;
            for child in &mut *children {
                if child.grace_end.take_if(|end| *end <= clock::now()).is_some() {
                    let _ = child.process.kill();
                }
                child.notice_end(clock::now());
                is_over &= child.ended.is_some();
                let exit = child.process.exit().ok().flatten().filter(|_| child.ended.is_none());
                watched.extend(exit.map(Watch::readable));
            }
            if is_over {
                return;
            }
            // Without a descriptor for the end, the loop asks again after a moment.
            let _ = sys::poll(&mut watched, Some(Duration::from_millis(10)));
        }
    }
}
