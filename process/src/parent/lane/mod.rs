//! A lane: the pool's half of one worker's ring, and the calls that are under way in it.
//!
//! Calls `tail..head` are under way. The lane keeps each of them, argument and all, until it is answered,
//! so that a call that was never begun can be given to another worker. All methods run under the pool's
//! lock, on any thread: a caller that submits, a joiner that looks for its answer, or the supervisor.

mod batches;
#[cfg(test)]
mod garbage;
mod reclaim;
#[cfg(test)]
pub(crate) mod tests;

use crate::{
    call::{
        Answer, BlockValue, Call, Done, Lender,
        block::attachments::{Leases, Origin},
    },
    parent::WorkerKey,
    system::memory::{self, Memory},
    wire::{
        frame::{self, Kind},
        handover::WORKER_WORDS,
        ring::{
            BellMode, Head, INLINE_BYTES, LENT_TO_POOL, LENT_TO_WORKER, Place, Progress, Ring, SLOTS,
            WIDE_BYTES, WIDE_PLACES, WORDS,
        },
    },
};
use brigade_handle::Lost;
use brigade_trace::{
    ChildTrace, Domain, Id, Kind as Happened, SharedWords, clock, left_child, record, runs_in_child,
};
use std::{
    borrow::Cow,
    io,
    os::fd::OwnedFd,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

/// How many batches a worker has at once: one that it runs, and the next.
const MAX_BATCHES: u8 = 2;

/// The pool's half of a ring.
pub(crate) struct Lane {
    pub(crate) key: WorkerKey,
    /// The process in which the worker's blocks are found.
    pub(crate) pid: u32,
    memory: Arc<Memory>,
    /// The events that the worker records.
    trace: ChildTrace,
    /// Blocks that the worker may be reading.
    lent: Leases,
    /// The call in each slot; none if it was taken back or answered.
    given: Box<[Option<(Call, Place)>]>,
    head: u64,
    tail: u64,
    wide_free: u8,
    /// How many batches are under way.
    batches: u8,
    /// The call for whose sake the worker gets no other.
    alone: Option<Alone>,
    /// Remainders of batches that were answered early.
    pub(crate) leftovers: Vec<Call>,
    /// The batch that the worker was asked to answer early.
    asked_to_stop: u64,
    pub(crate) served: Served,
    /// Calls may be given to the worker.
    pub(crate) open: bool,
    /// The worker is let go as soon as none of its answers is [`unmapped`](Self::is_settled).
    pub(crate) parting: bool,
    /// Cloned for each answer with blocks that has not been decoded.
    unmapped: Arc<()>,
    /// Frames with arguments that the ring cannot hold, for the supervisor to send.
    pub(crate) outgoing: Vec<u8>,
    /// Why the worker's answers make no sense, if that was found.
    pub(crate) fault: Option<String>,
}

/// The part of a worker's memory in which it records.
struct TraceMemory(Arc<Memory>);

impl SharedWords for TraceMemory {
    fn words(&self) -> &[AtomicU64] {
        &self.0[WORDS..]
    }
}

/// A call that may have to be ended by killing the worker, and until when it may run.
struct Alone {
    number: u64,
    deadline: Option<(Instant, Duration)>,
}

/// A count of what a worker has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Served {
    pub(crate) calls: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Lane {
    /// Makes new memory for a ring, and the lane that uses it.
    pub(crate) fn new() -> io::Result<(OwnedFd, Self)> {
        let fd = memory::create(WORKER_WORDS)?;
        let memory = Arc::new(Memory::map(&fd, WORKER_WORDS)?);
        let lane = Self {
            key: WorkerKey::default(),
            pid: 0,
            lent: Leases::new(memory.clone(), LENT_TO_WORKER),
            trace: ChildTrace::new(Arc::new(TraceMemory(memory.clone()))),
            memory,
            given: (0..SLOTS).map(|_| None).collect(),
            head: 1,
            tail: 1,
            wide_free: (1 << WIDE_PLACES) - 1,
            batches: 0,
            alone: None,
            leftovers: Vec::new(),
            asked_to_stop: 0,
            served: Served::default(),
            open: false,
            parting: false,
            unmapped: Arc::new(()),
            outgoing: Vec::new(),
            fault: None,
        };
        Ok((fd, lane))
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.memory)
    }

    fn slot(&mut self, number: u64) -> &mut Option<(Call, Place)> {
        &mut self.given[(number % SLOTS) as usize]
    }

    /// How many calls are under way.
    pub(crate) fn load(&self) -> u64 {
        self.head - self.tail
    }

    /// Whether a call was ever begun in it.
    pub(crate) fn has_worked(&self) -> bool {
        self.served.calls > 0
            || (self.tail..self.head).any(|number| self.ring().progress(number) != Progress::Unbegun)
    }

    /// Whether all answers so far have been taken over, blocks and all, so that the worker may go.
    pub(crate) fn is_settled(&self) -> bool {
        Arc::strong_count(&self.unmapped) == 1
    }

    /// Whether the call may be given to the worker now.
    pub(crate) fn has_room_for(&self, call: &Call, workers: usize) -> bool {
        self.open
            && self.alone.is_none()
            && match call.batch() {
                Some(batch) if batch.size(workers) > 1 => {
                    self.batches < MAX_BATCHES && self.wide_free != 0 && self.load() < SLOTS
                }
                _ if call.is_alone() => self.load() == 0,
                _ => self.load() < SLOTS,
            }
    }

    /// Whether the argument would go over the socket.
    pub(crate) fn is_large(call: &Call) -> bool {
        call.argument().len() > WIDE_BYTES
    }

    /// Gives the worker a call.
    pub(crate) fn give(&mut self, call: Call) {
        debug_assert!(self.load() < SLOTS, "a call is given to a lane that has room");
        let number = self.head;
        let mut message = Cow::Borrowed(call.argument());
        if !call.attachments.is_empty() {
            let mut loaded = Vec::with_capacity(message.len() + 64);
            self.lent.declare(number, &call.attachments, &mut loaded);
            loaded.extend_from_slice(&message);
            message = Cow::Owned(loaded);
        }
        let length = message.len();
        let place = self.place(&call, length);
        if place == Place::Stream {
            frame::encode(&mut self.outgoing, call.kind(), number, call.name, 0, &message);
        }
        self.batches += u8::from(call.batch().is_some());
        self.served.sent += length as u64;
        if call.is_alone() {
            let limit = call.options.as_ref().and_then(|options| options.timeout);
            let deadline = limit.map(|limit| (clock::after(clock::now(), limit), limit));
            self.alone = Some(Alone { number, deadline });
        }
        self.trace.given(self.pid, number, call.caller.id());
        record(Happened::RunBegin, call.caller.id(), 0);
        runs_in_child(call.caller.id(), Id::new(Domain::Child, self.pid.into()));
        record(Happened::Send, Id::new(Domain::Child, self.pid.into()), length as u64);
        let head = Head { kind: call.kind() as u8, place, length, name: call.name };
        self.ring().publish(number, head, &message);
        drop(message);
        *self.slot(number) = Some((call, place));
        self.head += 1;
        self.wake();
    }

    fn place(&mut self, call: &Call, length: usize) -> Place {
        match self.wide_free.trailing_zeros() as u8 {
            _ if length <= INLINE_BYTES && call.batch().is_none() => Place::Inline,
            place if place < WIDE_PLACES && length <= WIDE_BYTES => {
                self.wide_free &= !(1 << place);
                Place::Wide(place)
            }
            _ => Place::Stream,
        }
    }

    fn wake(&self) {
        if self.ring().must_wake() {
            memory::futex_wake(self.ring().asleep());
        }
    }

    /// Tells the worker that no more calls will come. To be called once, and only when none is under way.
    pub(crate) fn end(&mut self) {
        self.open = false;
        let head = Head { kind: Kind::Bye as u8, place: Place::Inline, length: 0, name: 0 };
        self.ring().publish(self.head, head, &[]);
        self.wake();
    }

    /// Takes the call out of its slot.
    fn take(&mut self, number: u64) -> Option<Call> {
        let (call, place) = self.slot(number).take()?;
        self.batches -= u8::from(call.batch().is_some());
        if self.alone.as_ref().is_some_and(|alone| alone.number == number) {
            self.alone = None;
        }
        if let Place::Wide(place) = place {
            self.wide_free |= 1 << place;
        }
        Some(call)
    }

    // ---------------------------------------------------------------------------------------- answers

    /// Takes the answers that are there. True if there were any.
    pub(crate) fn harvest(&mut self, done: &mut Done) -> bool {
        let before = done.len();
        while self.tail < self.head && self.fault.is_none() && self.harvest_one(done) {
            self.tail += 1;
        }
        done.len() > before
    }

    /// Whether `harvest` would find something to do. An answer that comes over the socket does not count:
    /// the socket reports it. A slot that the worker has skipped counts: the answer behind it may have come
    /// when the bell was silent.
    pub(crate) fn is_ripe(&self) -> bool {
        let number = self.tail;
        if number == self.head || self.fault.is_some() {
            return false;
        }
        match &self.given[(number % SLOTS) as usize] {
            Some(_) => self.ring().progress(number) == Progress::Done && !self.ring().is_streamed(number),
            None => self.ring().is_past(number),
        }
    }

    /// Whether call `tail` is over and its slot free.
    fn harvest_one(&mut self, done: &mut Done) -> bool {
        let number = self.tail;
        if self.slot(number).is_none() {
            // The call was withdrawn, or answered over the socket.
            return self.ring().is_past(number);
        }
        match self.ring().progress(number) {
            Progress::Unbegun | Progress::Begun => return false,
            Progress::Done => {}
            Progress::Invalid => return self.condemn("a slot of its ring holds nonsense"),
        }
        let mut payload = Vec::new();
        let Some(head) = self.ring().answer(number, &mut payload) else {
            return self.condemn("an answer in its ring has a wrong checksum");
        };
        if head.place == Place::Stream {
            // The frame was sent before the slot was marked; the supervisor will read it.
            return false;
        }
        let kind = Kind::from_byte(head.kind);
        match kind.ok_or_else(String::new).and_then(|kind| Answer::from_parts(kind, payload)) {
            Ok(answer) => self.settle(number, answer, head.name, done),
            Err(why) => self.condemn(&format!("an answer in its ring makes no sense: {why}")),
        }
    }

    fn condemn(&mut self, why: &str) -> bool {
        self.fault.get_or_insert_with(|| why.to_owned());
        false
    }

    /// Takes in an answer that came over the socket, to a call that ran for `nanos` nanoseconds. False if
    /// there is no such call.
    pub(crate) fn answered(&mut self, number: u64, answer: Answer, nanos: u64, done: &mut Done) -> bool {
        (self.tail..self.head).contains(&number) && self.settle(number, answer, nanos, done)
    }

    fn settle(&mut self, number: u64, answer: Answer, nanos: u64, done: &mut Done) -> bool {
        let Some(call) = self.take(number) else { return false };
        left_child(call.caller.id(), Id::new(Domain::Child, self.pid.into()));
        record(Happened::RunEnd, call.caller.id(), 1);
        record(Happened::Receive, Id::new(Domain::Child, self.pid.into()), answer.length() as u64);
        self.served.received += answer.length() as u64;
        if !call.attachments.is_empty() {
            self.lent.sweep();
        }
        match answer {
            Answer::BlockValue(loaded) => {
                self.served.calls += 1;
                let memory = self.memory.clone();
                let origin = Origin { pid: self.pid, memory, first: LENT_TO_POOL };
                let lender = Some(Lender::new(origin, self.unmapped.clone()));
                done.push((call, Answer::BlockValue(BlockValue { lender, ..loaded })));
            }
            Answer::Records(records) => return self.settle_batch(call, records, nanos, done),
            answer => {
                self.served.calls += call.count() as u64;
                done.push((call, answer));
            }
        }
        true
    }

    /// Whether the worker must be killed at this time to end its call, and why.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Lost> {
        let alone = self.alone.as_ref()?;
        let (call, _) = self.given[(alone.number % SLOTS) as usize].as_ref()?;
        if call.caller.must_be_killed() {
            return Some(Lost::Killed { signal: 9 });
        }
        let (deadline, limit) = alone.deadline?;
        (deadline <= now).then_some(Lost::TimedOut { limit })
    }

    /// When the call that runs must have ended.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.alone.as_ref()?.deadline?.0)
    }

    pub(crate) fn set_bell(&self, bell: BellMode) {
        self.ring().set_bell(bell);
    }

    /// Takes the lane of a worker that has ended apart: returns the calls that it never began, in order,
    /// and those that are to be tried again. The others are lost with it.
    pub(crate) fn dissolve(mut self, lost: &Lost, done: &mut Done) -> (Vec<Call>, Vec<Call>) {
        let (mut unbegun, mut again) = (Vec::new(), Vec::new());
        let late =
            self.alone.as_ref().map(|alone| alone.number).filter(|_| matches!(lost, Lost::TimedOut { .. }));
        for number in self.tail..self.head {
            let progress = self.ring().progress(number);
            let place = self.slot(number).as_ref().map(|&(_, place)| place);
            match self.take(number) {
                Some(call) if progress == Progress::Unbegun && late == Some(number) => {
                    call.outlive(lost.clone(), &mut unbegun, done);
                }
                Some(call) if progress == Progress::Unbegun => unbegun.push(call),
                Some(call) if call.batch().is_some() => {
                    unbegun.extend(self.salvage(number, place, call, lost, done));
                }
                Some(mut call) => match call.survives(lost.clone()) {
                    Ok(()) => again.push(call),
                    Err(lost) => done.push((call, Answer::Lost(lost))),
                },
                None => {}
            }
        }
        (unbegun, again)
    }
}
