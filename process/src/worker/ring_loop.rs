//! The worker's loop over a ring: claim a call, run it, publish the answer; spin a little, then sleep.

use crate::{
    call::{
        batch,
        block::{
            Inner,
            attachments::{self, Arrivals, Leases, Origin},
        },
    },
    sys::{self, Bell},
    system::memory::{self, Memory},
    wire::{
        frame::Kind,
        handover::{BELL, CHANNEL},
        ring::{Claim, Head, INLINE_BYTES, LENT_TO_WORKER, Place, Ring, WIDE_BYTES},
    },
    worker::{Worker, lookup},
};
use brigade_trace::{WorkerTrace, begin, clock, end};
use std::{io, mem, os::fd::RawFd, sync::Arc, time::Duration};

/// How long to look for the next call before sleeping: longer while that pays, shorter while it does not;
/// or as long as the pool's builder has said.
#[derive(Debug)]
pub(crate) enum AdaptiveSpin {
    Learnt(u32),
    Fixed(Duration),
}

impl AdaptiveSpin {
    const MIN_LOOKS: u32 = 64;
    /// About 50 µs: the cost of sleeping and of being woken on another core.
    const MAX_LOOKS: u32 = 2_000;

    pub(crate) fn new(busy_poll: Option<Duration>) -> Self {
        busy_poll.map_or(Self::Learnt(Self::MAX_LOOKS), Self::Fixed)
    }

    /// Looks for call `number`.
    fn look(&mut self, ring: Ring<'_>, number: u64) -> bool {
        match self {
            Self::Learnt(times) => {
                let came = ring.spin(number, *times);
                *times =
                    if came { (*times * 2).min(Self::MAX_LOOKS) } else { (*times / 2).max(Self::MIN_LOOKS) };
                came
            }
            Self::Fixed(time) => {
                let end = clock::after(clock::now(), *time);
                loop {
                    if ring.spin(number, Self::MIN_LOOKS) {
                        return true;
                    }
                    if clock::now() >= end {
                        return false;
                    }
                }
            }
        }
    }
}

/// A worker that has a ring.
pub(crate) struct RingWorker {
    pub(crate) worker: Worker,
    pub(crate) memory: Arc<Memory>,
    pub(crate) trace: WorkerTrace,
    /// Blocks in results, which the pool may be reading.
    pub(crate) lent: Leases,
    pub(crate) bell: Bell,
    /// The next call's number.
    pub(crate) number: u64,
    pub(crate) spin: AdaptiveSpin,
    /// Memory for the records of a batch.
    pub(crate) records: Vec<u8>,
    pub(crate) start_descriptors: StartDescriptors,
}

/// The outcome of a call, beside the bytes.
struct RingAnswer {
    kind: Kind,
    /// Blocks whose descriptors are sent along, so that the answer stands, with its blocks, even if this
    /// worker ends before the pool looks.
    along: Vec<Arc<Inner>>,
}

/// The files that a worker's channel and bell were at its start.
#[derive(Debug)]
pub(crate) struct StartDescriptors([(RawFd, sys::Identity); 2]);

impl StartDescriptors {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self([(CHANNEL, sys::identity(CHANNEL)?), (BELL, sys::identity(BELL)?)]))
    }

    fn check(&self) -> io::Result<()> {
        if self.0.iter().all(|&(fd, was)| sys::identity(fd).is_ok_and(|is| is == was)) {
            return Ok(());
        }
        Err(io::Error::other("a call has closed its channel to the pool"))
    }
}

impl RingWorker {
    /// Answers calls until told to end.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let memory = self.memory.clone();
        let ring = Ring::new(&memory);
        let (mut argument, mut result) = (Vec::new(), Vec::new());
        loop {
            match ring.claim(self.number) {
                Claim::Mine => {
                    if self.worker.calls() > 0 {
                        self.worker.watch()?;
                    }
                    argument.clear();
                    result.clear();
                    let head = ring.call(self.number, &mut argument);
                    let head = head.ok_or_else(|| io::Error::other("a call in the ring is damaged"))?;
                    if head.kind == Kind::Bye as u8 {
                        return Ok(());
                    }
                    if head.place == Place::Stream {
                        argument = self.fetch()?;
                    }
                    let id = self.trace.call(self.number);
                    begin(id);
                    if head.kind == Kind::Batch as u8 {
                        self.batch(ring, head, &argument)?;
                        end(id, 1);
                    } else {
                        let answer = self.call(head, &argument, &mut result)?;
                        self.worker.flush_stdout();
                        // Before the answer: the pool may read the trace as soon as it has that.
                        end(id, 1);
                        self.publish(ring, answer, head.place, &result)?;
                    }
                }
                Claim::Withdrawn => {}
                Claim::NotYet => {
                    self.wait(ring)?;
                    continue;
                }
            }
            ring.advance(self.number + 1);
            if ring.must_ring(self.number) {
                self.bell.ring();
            }
            self.number += 1;
            if let Some(reason) = self.worker.reason_to_leave() {
                return self.worker.leave(reason);
            }
            // A large argument's or result's memory is not kept.
            argument.shrink_to(WIDE_BYTES);
            result.shrink_to(WIDE_BYTES);
        }
    }

    /// The claimed call's argument, from the socket. Arguments of calls that were withdrawn come first.
    fn fetch(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let frame = self.worker.receive()?;
            if frame.call == self.number {
                return Ok(frame.payload);
            }
        }
    }

    fn publish(&mut self, ring: Ring<'_>, answer: RingAnswer, asked: Place, result: &[u8]) -> io::Result<()> {
        let RingAnswer { kind, along } = answer;
        let place = match asked {
            _ if !along.is_empty() => Place::Stream,
            _ if result.len() <= INLINE_BYTES => Place::Inline,
            Place::Wide(_) if result.len() <= WIDE_BYTES => asked,
            _ => Place::Stream,
        };
        // This is sent before the slot is marked: a reader that sees the mark will find the frame.
        if !along.is_empty() {
            self.send_along(kind, result, &along)?;
        } else if place == Place::Stream {
            self.worker.send(kind, self.number, 0, result)?;
        }
        let head = Head { kind: kind as u8, place, length: result.len(), name: 0 };
        ring.finish(self.number, head, result);
        Ok(())
    }

    /// Sends an answer with the descriptors of the blocks that it names. If they cannot be sent, the pool
    /// may open them by their names; if it may not, the answer is why.
    fn send_along(&mut self, kind: Kind, result: &[u8], blocks: &[Arc<Inner>]) -> io::Result<()> {
        let fds = attachments::descriptors(blocks);
        match self.worker.send_along(kind, self.number, result, &fds) {
            Ok(()) => Ok(()),
            Err(_) if attachments::is_open_to(sys::parent().unsigned_abs()) => {
                self.worker.send(kind, self.number, 0, result)
            }
            Err(error) => {
                self.lent.recall(self.number);
                let why = format!("the result's blocks cannot be sent: {error}");
                self.worker.send(Kind::Failed, self.number, 0, why.as_bytes())
            }
        }
    }

    /// Runs a call. Blocks in its argument are mapped, blocks in its result are lent to the pool.
    fn call(&mut self, head: Head, argument: &[u8], result: &mut Vec<u8>) -> io::Result<RingAnswer> {
        let (run, most) = (lookup(head.name), self.lent.free());
        let (arrivals, value) = self.arrivals(head, argument)?;
        let worker = &mut self.worker;
        let (kind, blocks) = attachments::packing(most, || match arrivals {
            None => worker.call(run, value, result),
            Some(arrivals) => arrivals.unpacking(|| worker.call(run, value, result)),
        });
        let mut answer = RingAnswer { kind: kind?, along: Vec::new() };
        if answer.kind == Kind::Value && !blocks.is_empty() {
            let mut loaded = Vec::with_capacity(result.len() + 64);
            self.lent.declare(self.number, &blocks, &mut loaded);
            loaded.append(result);
            *result = loaded;
            answer.kind = Kind::BlockValue;
            answer.along = blocks;
        }
        Ok(answer)
    }

    /// The blocks that a call names, opened, and its argument.
    fn arrivals<'a>(&mut self, head: Head, argument: &'a [u8]) -> io::Result<(Option<Arrivals>, &'a [u8])> {
        if head.kind != Kind::BlockCall as u8 {
            return Ok((None, argument));
        }
        let pid = sys::parent().unsigned_abs();
        let origin = Origin { pid, memory: self.memory.clone(), first: LENT_TO_WORKER };
        let damaged = || io::Error::other("a call with blocks is damaged");
        let (mut arrivals, value) = origin.arrivals(argument).ok_or_else(damaged)?;
        if !arrivals.open() {
            arrivals.take_over(self.worker.fetch(self.number)?);
        }
        Ok((Some(arrivals), value))
    }

    /// Runs the claimed batch, item by item, and tells the pool after each how far it is. Stops early if
    /// the pool wants that, if the place for the records is full, or if this worker is to end.
    fn batch(&mut self, ring: Ring<'_>, head: Head, argument: &[u8]) -> io::Result<()> {
        let began = clock::nanos();
        let run = lookup(head.name);
        let (mut records, mut result) = (mem::take(&mut self.records), Vec::new());
        records.clear();
        let mut fits = true;
        let mut count = 0;
        for item in batch::items(argument) {
            ring.begin_item(self.number, count);
            result.clear();
            let kind = self.worker.call(run, item, &mut result)?;
            let from = records.len();
            batch::push_record(&mut records, kind, &result);
            count += 1;
            fits = matches!(head.place, Place::Wide(_)) && records.len() <= WIDE_BYTES;
            if let (Place::Wide(place), true) = (head.place, fits) {
                ring.publish_records(self.number, place, &records, from, count);
            }
            let next = records.len() + 2 * (records.len() - from);
            if !fits
                || next > WIDE_BYTES
                || ring.must_stop(self.number)
                || self.worker.reason_to_leave().is_some()
            {
                break;
            }
        }
        self.worker.flush_stdout();
        let nanos = clock::nanos() - began;
        let mut answer =
            Head { kind: Kind::Records as u8, place: head.place, length: records.len(), name: nanos };
        if !fits {
            // This is sent before the slot is marked: a reader that sees the mark will find the frame. It
            // has all records: those in the wide place cannot be counted any more when the next batch has
            // begun.
            self.worker.send(Kind::Records, self.number, nanos, &records)?;
            answer = Head { place: Place::Stream, length: 0, ..answer };
        }
        ring.finish(self.number, answer, &[]);
        records.shrink_to(WIDE_BYTES);
        self.records = records;
        Ok(())
    }

    /// Waits for the next call. Before it sleeps, it checks that no call has closed the descriptors that it
    /// needs: the pool may wait for a bell that was rung into nothing, and then only the worker's end tells
    /// it.
    fn wait(&mut self, ring: Ring<'_>) -> io::Result<()> {
        if self.spin.look(ring, self.number) {
            return Ok(());
        }
        self.start_descriptors.check()?;
        if !sys::dies_with_parent() {
            self.worker.watch()?;
        }
        if ring.fall_asleep(self.number) {
            memory::futex_wait(ring.asleep(), 1);
        }
        Ok(())
    }
}
