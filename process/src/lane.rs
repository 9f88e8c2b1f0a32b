//! A lane: the pool's half of one worker's ring, and the calls that are under way in it.
//!
//! Calls `tail..head` are under way; the lane keeps each of them, argument and all, until it is answered, so that what was
//! never begun can be given to another worker. All methods run under the pool's lock, by whichever thread comes: a caller
//! that submits, a joiner that looks for its answer, or the supervisor.

use crate::{
    call::{Answer, Call},
    frame::Kind,
    memory::{self, Memory},
    ring::{Bell, Head, INLINE, Place, Progress, Ring, SLOTS, WIDE, WIDE_PLACES, WORDS},
};
use brigade_handle::Lost;
use brigade_trace::{Domain, Id, Kind as Happened, record};
use std::{io, os::fd::OwnedFd};

/// Calls that have ended, with their answers.
pub(crate) type Done = Vec<(Call, Answer)>;

/// The pool's half of a ring.
pub(crate) struct Lane {
    pub(crate) pid: u32,
    memory: Memory,
    /// The call in each slot; none if it was taken back or answered.
    given: Box<[Option<(Call, Place)>]>,
    head: u64,
    tail: u64,
    wide_free: u8,
    /// Calls may be given to it.
    pub(crate) open: bool,
    /// Frames with arguments that the ring cannot hold, for the supervisor to send.
    pub(crate) outgoing: Vec<u8>,
    /// The worker's answers made no sense: why.
    pub(crate) fault: Option<String>,
}

impl Lane {
    /// New memory for a ring, and the lane that uses it.
    pub(crate) fn new() -> io::Result<(OwnedFd, Self)> {
        let fd = memory::create(WORDS)?;
        let lane = Self {
            pid: 0,
            memory: Memory::map(&fd, WORDS)?,
            given: (0..SLOTS).map(|_| None).collect(),
            head: 1,
            tail: 1,
            wide_free: (1 << WIDE_PLACES) - 1,
            open: false,
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

    pub(crate) fn has_room(&self) -> bool {
        self.open && self.load() < SLOTS
    }

    /// Whether the argument would go over the socket.
    pub(crate) fn is_large(call: &Call) -> bool {
        call.argument.len() > WIDE
    }

    /// Gives the worker a call.
    pub(crate) fn give(&mut self, call: Call) {
        debug_assert!(self.has_room(), "a call is given to a lane that has room");
        let number = self.head;
        let length = call.argument.len();
        let place = self.place(length);
        if place == Place::Stream {
            crate::frame::encode(&mut self.outgoing, Kind::Call, number, call.name, 0, &call.argument);
        }
        record(Happened::RunBegin, call.caller.id(), 0);
        record(Happened::Send, Id::new(Domain::Child, self.pid.into()), length as u64);
        let head = Head { kind: Kind::Call as u8, place, length, name: call.name };
        self.ring().publish(number, head, &call.argument);
        *self.slot(number) = Some((call, place));
        self.head += 1;
        self.wake();
    }

    fn place(&mut self, length: usize) -> Place {
        match self.wide_free.trailing_zeros() as u8 {
            _ if length <= INLINE => Place::Inline,
            place if place < WIDE_PLACES && length <= WIDE => {
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

    /// Tells the worker that no more calls will come. Only once, and only when none is under way.
    pub(crate) fn end(&mut self) {
        self.open = false;
        let head = Head { kind: Kind::Bye as u8, place: Place::Inline, length: 0, name: 0 };
        self.ring().publish(self.head, head, &[]);
        self.wake();
    }

    /// Takes the call out of its slot.
    fn take(&mut self, number: u64) -> Option<Call> {
        let (call, place) = self.slot(number).take()?;
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

    /// Whether `harvest` would find something to do. An answer that comes over the socket is no such thing: the socket
    /// tells of it. A slot that the worker has skipped is: the answer behind it may have come when the bell was silent.
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
            // Withdrawn, or answered over the socket.
            return self.ring().is_past(number);
        }
        match self.ring().progress(number) {
            Progress::Unbegun | Progress::Begun => return false,
            Progress::Done => {}
            Progress::Nonsense => return self.blame("a slot of its ring holds nonsense"),
        }
        let mut payload = Vec::new();
        let Some(head) = self.ring().answer(number, &mut payload) else {
            return self.blame("an answer in its ring has a wrong checksum");
        };
        if head.place == Place::Stream {
            // The frame was sent before the slot was marked; the supervisor will read it.
            return false;
        }
        let kind = Kind::from_byte(head.kind);
        match kind.ok_or_else(String::new).and_then(|kind| Answer::from_parts(kind, payload)) {
            Ok(answer) => self.answered(number, answer, done),
            Err(why) => self.blame(&format!("an answer in its ring makes no sense: {why}")),
        }
    }

    fn blame(&mut self, why: &str) -> bool {
        self.fault.get_or_insert_with(|| why.to_owned());
        false
    }

    /// Takes in an answer. False if there is no such call.
    pub(crate) fn answered(&mut self, number: u64, answer: Answer, done: &mut Done) -> bool {
        if !(self.tail..self.head).contains(&number) {
            return false;
        }
        let Some(call) = self.take(number) else { return false };
        record(Happened::RunEnd, call.caller.id(), 1);
        record(Happened::Receive, Id::new(Domain::Child, self.pid.into()), 0);
        done.push((call, answer));
        true
    }

    pub(crate) fn set_bell(&self, bell: Bell) {
        self.ring().set_bell(bell);
    }

    // ------------------------------------------------------------------------------------ taking back

    /// Takes back up to half of the calls that the worker has not begun, the newest first; they come out in order.
    pub(crate) fn reclaim_half(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        let most = self.load() / 2;
        let mut number = self.head;
        while number > self.tail + 1 && (calls.len() as u64) < most {
            number -= 1;
            if self.slot(number).is_none() {
                continue;
            }
            if !self.ring().withdraw(number) {
                break;
            }
            calls.extend(self.take(number));
        }
        calls.reverse();
        calls
    }

    /// Takes back the one call that `is_it` knows, if the worker has not begun it.
    pub(crate) fn reclaim(&mut self, is_it: impl Fn(&Call) -> bool) -> Option<Call> {
        let matches = |given: &Option<(Call, Place)>| given.as_ref().is_some_and(|(call, _)| is_it(call));
        let number = (self.tail..self.head).find(|number| matches(&self.given[(number % SLOTS) as usize]))?;
        if self.ring().withdraw(number) { self.take(number) } else { None }
    }

    /// What the worker leaves behind that has ended: calls that it never began, in order, and those that it took along.
    pub(crate) fn dissolve(mut self, lost: &Lost, done: &mut Done) -> Vec<Call> {
        let mut unbegun = Vec::new();
        for number in self.tail..self.head {
            let progress = self.ring().progress(number);
            match self.take(number) {
                Some(call) if progress == Progress::Unbegun => unbegun.push(call),
                Some(call) => done.push((call, Answer::Lost(lost.clone()))),
                None => {}
            }
        }
        unbegun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Caller, ring::Claim};
    use std::sync::Arc;

    struct Nobody;

    impl Caller for Nobody {
        fn start(&self) -> bool {
            true
        }
        fn put_back(&self) {}
        fn address(&self) -> usize {
            0
        }
        fn finish(&self, _answer: Answer) {}
        fn id(&self) -> Id {
            Id::NONE
        }
    }

    fn lane_with(calls: u64) -> Lane {
        let mut lane = Lane::new().unwrap().1;
        lane.open = true;
        for name in 0..calls {
            lane.give(Call { name, argument: Vec::new(), caller: Arc::new(Nobody) });
        }
        lane
    }

    /// What the worker does with a call.
    fn work(lane: &Lane, number: u64) -> Claim {
        let claim = lane.ring().claim(number);
        if claim == Claim::Mine {
            let head = Head { kind: Kind::Value as u8, place: Place::Inline, length: 0, name: 0 };
            lane.ring().finish(number, head, &[]);
        }
        lane.ring().advance(number + 1);
        claim
    }

    #[test]
    fn an_answer_behind_a_withdrawn_call_is_ripe() {
        let mut lane = lane_with(2);
        assert_eq!(lane.reclaim_half().len(), 1);
        lane.give(Call { name: 2, argument: Vec::new(), caller: Arc::new(Nobody) });
        let mut done = Done::new();
        assert_eq!(work(&lane, 1), Claim::Mine);
        assert!(lane.harvest(&mut done));
        assert!(!lane.is_ripe(), "the worker has not skipped call 2");
        assert_eq!([work(&lane, 2), work(&lane, 3)], [Claim::Withdrawn, Claim::Mine]);
        assert!(lane.is_ripe());
        assert!(lane.harvest(&mut done));
        assert_eq!((done.len(), lane.load()), (2, 0));
    }

    #[test]
    fn a_skipped_call_is_ripe_so_that_its_worker_is_found_idle() {
        let mut lane = lane_with(1);
        assert!(lane.reclaim(|_| true).is_some());
        assert!(!lane.is_ripe());
        assert_eq!(work(&lane, 1), Claim::Withdrawn);
        assert!(lane.is_ripe());
        assert!(!lane.harvest(&mut Done::new()), "there is no answer");
        assert_eq!(lane.load(), 0);
    }
}
