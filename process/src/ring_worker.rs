//! The worker's loop over a ring: claim a call, run it, publish the answer; spin a little, then sleep.

use crate::{
    exec::{BELL, CHANNEL},
    frame::Kind,
    memory::{self, Memory},
    ring::{Claim, Head, INLINE, Place, Ring, WIDE},
    sys::{self, Bell},
    worker::Worker,
};
use std::{io, os::fd::RawFd};

/// How long to look for the next call before sleeping: longer while that pays, shorter while it does not.
#[derive(Debug)]
pub(crate) struct Patience(u32);

impl Patience {
    const LEAST: u32 = 64;
    /// About 50 µs: what it costs to sleep and to be woken on another core.
    const MOST: u32 = 2_000;

    pub(crate) fn new() -> Self {
        Self(Self::MOST)
    }

    fn learn(&mut self, came: bool) {
        self.0 = if came { (self.0 * 2).min(Self::MOST) } else { (self.0 / 2).max(Self::LEAST) };
    }
}

/// A worker that has a ring.
pub(crate) struct RingWorker<'a> {
    pub(crate) worker: Worker,
    pub(crate) memory: &'a Memory,
    pub(crate) bell: Bell,
    /// The next call's number.
    pub(crate) number: u64,
    pub(crate) patience: Patience,
    pub(crate) lifelines: Lifelines,
}

/// The files that a worker's channel and bell were at its start.
#[derive(Debug)]
pub(crate) struct Lifelines([(RawFd, sys::Identity); 2]);

impl Lifelines {
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

impl RingWorker<'_> {
    /// Answers calls until told to end.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let memory = self.memory;
        let ring = Ring::new(memory);
        let (mut argument, mut result) = (Vec::new(), Vec::new());
        loop {
            match ring.claim(self.number) {
                Claim::Mine => {
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
                    let kind = self.worker.call(head.name, &argument, &mut result)?;
                    self.publish(ring, kind, head.place, &result)?;
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
            // A large argument's or result's memory is not kept.
            argument.shrink_to(WIDE);
            result.shrink_to(WIDE);
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

    fn publish(&mut self, ring: Ring<'_>, kind: Kind, asked: Place, result: &[u8]) -> io::Result<()> {
        let place = match asked {
            _ if result.len() <= INLINE => Place::Inline,
            Place::Wide(_) if result.len() <= WIDE => asked,
            _ => Place::Stream,
        };
        if place == Place::Stream {
            // Before the slot is marked: who sees the mark will find the frame.
            self.worker.send(kind, self.number, result)?;
        }
        let head = Head { kind: kind as u8, place, length: result.len(), name: 0 };
        ring.finish(self.number, head, result);
        Ok(())
    }

    /// Waits for the next call. Before it sleeps, it sees to it that no call has closed what it speaks through: the pool
    /// may wait for a bell that was rung into nothing, and then only the worker's end tells it.
    fn wait(&mut self, ring: Ring<'_>) -> io::Result<()> {
        let came = ring.spin(self.number, self.patience.0);
        self.patience.learn(came);
        if came {
            return Ok(());
        }
        self.lifelines.check()?;
        if ring.fall_asleep(self.number) {
            memory::futex_wait(ring.asleep(), 1);
        }
        Ok(())
    }
}
