//! A source: what the reactor knows of one descriptor, and who waits for it.
//!
//! ```text
//!   readiness   63           8     6         5        4      3             2            1          0
//!              [  turn       |    | RECORDS | URGENT | GONE | WRITE_ENDED | READ_ENDED | WRITABLE | READABLE ]
//! ```
//!
//! A bit says that the operation is worth trying. The reactor sets bits, and raises the turn each time. A task whose attempt
//! would have blocked clears the bits of its direction, but only if the turn is still the one that it saw before the attempt:
//!
//! ```text
//!   task                                    reactor
//!   seen = readiness
//!   read() = WouldBlock
//!                                           bytes arrive: readiness |= READABLE, turn + 1
//!   clear(seen): another turn, so not
//!   tries again, and reads the bytes
//! ```
//!
//! So a readiness that comes between the attempt and the clearing is not lost, though descriptors are registered for edges
//! and the operating system will not repeat it. The idea is tokio's (`runtime/io/scheduled_io.rs`).
//!
//! # Ends and errors
//!
//! `READ_ENDED` and `WRITE_ENDED` say that there is an end or an error (EPOLLHUP, EPOLLRDHUP, EPOLLERR; EV_EOF). That lies *behind* the
//! bytes, and may have been told along with them. So an attempt that has emptied or filled the buffer clears the other bits only, and
//! the next attempt finds the end.
//!
//! Neither is for ever. The next call on a UDP socket takes its error, and the socket goes on; a named pipe and the master of a terminal
//! may get another peer after the last has left; an error queue (`MSG_ERRQUEUE`) is emptied. So an attempt that would have blocked clears
//! these bits as well: if they stayed, it would be made over and over in one poll. Nothing is lost by that. It would have blocked, so
//! there was neither byte nor end nor error at that moment, and when there is, that is a new edge.
//!
//! # Short transfers
//!
//! A read that got less than it asked for has emptied the buffer, of a stream of bytes without borders: then the bit is cleared at once, which saves
//! an attempt in vain. Of anything else it proves nothing, since it may end at a border: of packets, of records, of what was passed along with
//! the bytes. A source that is not known to be a stream of bytes is marked with `RECORDS` for as long as it lives, and only an
//! attempt that would have blocked clears its bits.
//!
//! A read of a TCP connection ends at an urgent mark, as a rule, so one that got less than it asked for has not emptied the buffer then.
//! The operating system tells of the mark along with the bytes (EPOLLPRI), which is kept as `URGENT` until an attempt would have blocked:
//! so long a short read clears nothing. A mark that comes when the bits have been looked at is a new edge.
//!
//! # Why no wake-up is lost
//!
//! The task stores its waker under the lock, then looks at the bits again. The reactor sets the bits, then takes the wakers
//! under the lock. If the task's lock came first, the reactor finds the waker; else the task sees the bits. The models in
//! `driver/source/model.rs` try every order of that, and of the clearing above, across threads.
//!
//! # Several tasks
//!
//! A descriptor has two directions, and any number of tasks may wait for each: all are woken, whatever comes, and those that find nothing wait
//! again. So nobody has to hand a wake-up on, and one who is dropped takes nothing from the others.
//!
//! The first task that polls a direction lies in its slot, and as a rule it is the only one. Whoever comes besides is in a table that is made
//! for it ([`Others`]). A future knows its place there, and leaves it when it is dropped. A task that merely polled does not say when it has lost
//! interest; its waker is dropped with the next readiness, or when there are [`MAX_POLLERS_PER_DIRECTION`]: then all of them are woken, and those that are
//! still interested come again.

use crate::{
    driver::{
        fork,
        slab::{Key, Slab},
        wake::wake_all,
    },
    shim::{AtomicUsize, Mutex, MutexGuard, Ordering, lock},
};
use brigade_handle::fork::Generation;
use brigade_trace::{Cause, Domain, Id, Kind, record};
use std::{
    io, mem,
    task::{Context, Poll, Waker},
};

const READABLE: usize = 1 << 0;
const WRITABLE: usize = 1 << 1;
const READ_ENDED: usize = 1 << 2;
const WRITE_ENDED: usize = 1 << 3;
const GONE: usize = 1 << 4;
const URGENT: usize = 1 << 5;
const RECORDS: usize = 1 << 6;
const EPOCH_UNIT: usize = 1 << 8;

/// So many tasks may poll one direction besides the first, until all of them are woken to say whether they still wait.
const MAX_POLLERS_PER_DIRECTION: usize = if cfg!(loom) { 1 } else { 1024 };

/// Which half of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    /// The bits that make an attempt worthwhile.
    fn mask(self) -> usize {
        match self {
            Self::Read => READABLE | READ_ENDED | GONE,
            Self::Write => WRITABLE | WRITE_ENDED | GONE,
        }
    }

    /// The bits that an attempt which would have blocked clears.
    fn told(self) -> usize {
        match self {
            Self::Read => READABLE | READ_ENDED | URGENT,
            Self::Write => WRITABLE | WRITE_ENDED,
        }
    }

    /// The bit that an attempt which has emptied or filled the buffer clears.
    fn bit(self) -> usize {
        match self {
            Self::Read => READABLE,
            Self::Write => WRITABLE,
        }
    }

    /// The bits that say that an attempt which did less than it was to do has not emptied or filled the buffer.
    fn borders(self) -> usize {
        match self {
            Self::Read => RECORDS | URGENT,
            Self::Write => RECORDS,
        }
    }

    /// As a trace shows it.
    fn detail(self) -> u64 {
        self.bit() as u64
    }
}

/// Whether a new descriptor's first operation is worth trying before the reactor has said anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initially {
    Ready,
    Pending,
}

/// What was seen before an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(usize);

/// What the reactor knows of a descriptor.
pub(crate) struct Source {
    pub(crate) id: Id,
    readiness: AtomicUsize,
    waiting: Mutex<Waiting>,
    /// The process whose reactor sets the bits.
    generation: Generation,
}

struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// None as long as nobody has waited besides those two.
    others: Option<Box<Others>>,
}

/// Who waits besides the first task of each direction that polled.
struct Others {
    /// Tasks that polled.
    readers: Vec<Waker>,
    writers: Vec<Waker>,
    /// Futures, each with its waker as long as it was not woken.
    futures: Slab<(Direction, Option<Waker>)>,
}

impl Waiting {
    fn slot(&mut self, direction: Direction) -> &mut Option<Waker> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    fn others(&mut self) -> &mut Others {
        let nobody = || Others { readers: Vec::new(), writers: Vec::new(), futures: Slab::new() };
        self.others.get_or_insert_with(|| Box::new(nobody()))
    }

    /// Registers a task whose direction has a waker in its slot already. What is not needed any more is to be dropped without the lock, and those
    /// who have to say whether they still wait are to be woken.
    #[cold]
    fn join(&mut self, direction: Direction, waker: Waker, woken: &mut Vec<Waker>) -> Option<Waker> {
        if self.slot(direction).as_ref().is_some_and(|first| first.will_wake(&waker)) {
            return Some(waker);
        }
        let others = self.others().pollers(direction);
        if others.iter().any(|other| other.will_wake(&waker)) {
            return Some(waker);
        }
        if others.len() >= MAX_POLLERS_PER_DIRECTION {
            woken.append(others);
            woken.extend(self.slot(direction).replace(waker));
        } else {
            others.push(waker);
        }
        None
    }
}

impl Others {
    fn pollers(&mut self, direction: Direction) -> &mut Vec<Waker> {
        match direction {
            Direction::Read => &mut self.readers,
            Direction::Write => &mut self.writers,
        }
    }

    #[cold]
    fn wake(&mut self, bits: usize, woken: &mut Vec<Waker>) {
        for direction in [Direction::Read, Direction::Write] {
            if bits & direction.mask() != 0 {
                woken.append(self.pollers(direction));
            }
        }
        // Futures leave by themselves, when they have seen the bits, or come with a waker anew.
        for (direction, waker) in self.futures.iter_mut() {
            if bits & direction.mask() != 0 {
                woken.extend(waker.take());
            }
        }
    }
}

impl Source {
    pub(crate) fn new(initially: Initially) -> Self {
        let bits = if matches!(initially, Initially::Ready) { READABLE | WRITABLE } else { 0 };
        let waiting = Waiting { reader: None, writer: None, others: None };
        Self {
            id: Id::fresh(Domain::Source),
            readiness: AtomicUsize::new(bits),
            waiting: Mutex::new(waiting),
            generation: Generation::current(),
        }
    }

    /// Says what the operating system said, and takes the wakers of those who waited for it.
    pub(crate) fn set(&self, event: &mio::event::Event, woken: &mut Vec<Waker>) {
        let bit = |is: bool, bit: usize| if is { bit } else { 0 };
        let bits = bit(event.is_readable(), READABLE)
            | bit(event.is_writable(), WRITABLE)
            | bit(event.is_read_closed(), READ_ENDED)
            | bit(event.is_write_closed() || event.is_error(), WRITE_ENDED)
            | bit(event.is_error(), READ_ENDED)
            | bit(event.is_priority(), URGENT);
        record(Kind::Readiness, self.id, (bits & (READABLE | WRITABLE)) as u64);
        self.add(bits, woken);
    }

    /// Says that there is something to read, of a source that is no descriptor.
    pub(crate) fn set_readable(&self, woken: &mut Vec<Waker>) {
        record(Kind::Readiness, self.id, READABLE as u64);
        self.add(READABLE, woken);
    }

    /// Says that the reactor is gone.
    pub(crate) fn set_gone(&self, woken: &mut Vec<Waker>) {
        self.add(GONE, woken);
    }

    fn add(&self, bits: usize, woken: &mut Vec<Waker>) {
        // Release: who sees the bits without the lock sees what the reactor saw, such as the count of a signal.
        let add = |old: usize| Some(old.wrapping_add(EPOCH_UNIT) | bits);
        let _ = self.readiness.fetch_update(Ordering::Release, Ordering::Relaxed, add);
        let mut waiting = lock(&self.waiting);
        if bits & Direction::Read.mask() != 0 {
            woken.extend(waiting.reader.take());
        }
        if bits & Direction::Write.mask() != 0 {
            woken.extend(waiting.writer.take());
        }
        if let Some(others) = &mut waiting.others {
            others.wake(bits, woken);
        }
    }

    /// Says that a short transfer proves nothing.
    pub(crate) fn set_records(&self) {
        // Relaxed: the socket is handed out after this.
        self.readiness.fetch_or(RECORDS, Ordering::Relaxed);
    }

    /// The bits if one of them makes an attempt in this direction worthwhile, else registers the task, besides others that wait.
    #[inline]
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<Seen>> {
        if let Some(seen) = self.seen_or_refused(direction) {
            return Poll::Ready(seen);
        }
        record(Kind::Interest, self.id, direction.detail());
        // Foreign code, so before the lock.
        let waker = cx.waker().clone();
        let mut waiting = lock(&self.waiting);
        let slot = waiting.slot(direction);
        if slot.is_some() {
            return self.poll_ready_besides(direction, waker, waiting);
        }
        *slot = Some(waker);
        self.seen(direction).map_or(Poll::Pending, Poll::Ready)
    }

    #[cold]
    fn poll_ready_besides(
        &self,
        direction: Direction,
        waker: Waker,
        mut waiting: MutexGuard<'_, Waiting>,
    ) -> Poll<io::Result<Seen>> {
        let mut woken = Vec::new();
        let spare = waiting.join(direction, waker, &mut woken);
        let seen = self.seen(direction);
        drop(waiting);
        drop(spare);
        wake_all(Cause::Readiness, &mut woken);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// [`poll_ready`](Self::poll_ready) for a future that [leaves](Self::leave) when it is dropped; `key` is where it is registered.
    pub(crate) fn poll_ready_among(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut Option<Key>,
    ) -> Poll<io::Result<Seen>> {
        if let Some(seen) = self.seen_or_refused(direction) {
            return Poll::Ready(seen);
        }
        record(Kind::Interest, self.id, direction.detail());
        // Foreign code, so before the lock.
        let waker = Some(cx.waker().clone());
        let mut waiting = lock(&self.waiting);
        let futures = &mut waiting.others().futures;
        let old = match key.and_then(|key| futures.get_mut(key)) {
            Some((_, place)) => mem::replace(place, waker),
            None => {
                *key = Some(futures.insert((direction, waker)));
                None
            }
        };
        let seen = self.seen(direction);
        drop(waiting);
        drop(old);
        seen.map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes back what `poll_ready_among` registered.
    pub(crate) fn leave(&self, key: Key) {
        // In a forked child the lock may be held for ever.
        if self.generation.is_current() {
            let old = lock(&self.waiting).others().futures.remove(key);
            drop(old);
        }
    }

    /// What was seen; or an error in a forked child, whatever runtime the task is in: the reactor that would wake it is the parent's.
    #[inline]
    fn seen_or_refused(&self, direction: Direction) -> Option<io::Result<Seen>> {
        self.seen(direction).or_else(|| (!self.generation.is_current()).then(|| Err(fork::forked())))
    }

    #[inline]
    fn seen(&self, direction: Direction) -> Option<io::Result<Seen>> {
        // Acquire pairs with `add`.
        let bits = self.readiness.load(Ordering::Acquire);
        if bits & direction.mask() == 0 {
            None
        } else if bits & GONE != 0 {
            Some(Err(io::Error::other("the runtime of this socket is gone")))
        } else {
            Some(Ok(Seen(bits)))
        }
    }

    /// Says that an attempt would have blocked. False if the reactor has said something since, so that the next is worthwhile.
    #[inline]
    pub(crate) fn clear(&self, seen: Seen, direction: Direction) -> bool {
        self.clear_bits(seen, direction.told())
    }

    /// Says that an attempt has done less than it was to do, so that the buffer of the operating system is empty or full. An end or an error
    /// may be behind that; bytes may only if the transfer ended at a border, and then nothing is cleared.
    #[inline]
    pub(crate) fn clear_used_up(&self, seen: Seen, direction: Direction) {
        if seen.0 & direction.borders() == 0 {
            self.clear_bits(seen, direction.bit());
        }
    }

    #[inline]
    fn clear_bits(&self, seen: Seen, bits: usize) -> bool {
        let clear = |now: usize| (now / EPOCH_UNIT == seen.0 / EPOCH_UNIT).then_some(now & !bits);
        // Relaxed: it publishes nothing. If it fails another turn has come, and its bits stay.
        self.readiness.fetch_update(Ordering::Relaxed, Ordering::Relaxed, clear).is_ok()
    }
}

#[cfg(all(test, loom))]
mod model;
