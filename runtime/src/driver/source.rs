//! A source: the readiness of one descriptor as the reactor reported it, and the wakers of the tasks that
//! wait for it.
//!
//! Long: the bits and the list of waiting tasks are one protocol, which is explained here once.
//!
//! ```text
//!   readiness   63        8     6         5        4      3             2            1          0
//!              [  epoch   |    | RECORDS | URGENT | GONE | WRITE_ENDED | READ_ENDED | WRITABLE | READABLE ]
//! ```
//!
//! A set bit says that the operation is worth an attempt. The reactor sets bits and raises the epoch each
//! time. A task whose attempt would have blocked clears the bits of its direction, but only if the epoch is
//! still the one that it saw before the attempt:
//!
//! ```text
//!   task                                    reactor
//!   seen = readiness
//!   read() = WouldBlock
//!                                           bytes arrive: readiness |= READABLE, epoch + 1
//!   clear(seen): another epoch, so not
//!   tries again, and reads the bytes
//! ```
//!
//! So a readiness that comes between the attempt and the clearing is not lost, although descriptors are
//! edge-triggered and the operating system will not repeat it. The idea is tokio's
//! (`tokio/src/runtime/io/scheduled_io.rs`).
//!
//! # Ends and errors
//!
//! `READ_ENDED` and `WRITE_ENDED` say that there is an end or an error (EPOLLHUP, EPOLLRDHUP, EPOLLERR;
//! EV_EOF). It lies *behind* the bytes, and the operating system may have reported it together with them.
//! So an attempt that has emptied or filled the buffer leaves these two bits set, and the next attempt
//! finds the end.
//!
//! Neither an end nor an error lasts for ever. The next call on a UDP socket takes its error, and the
//! socket goes on. A named pipe and the master of a terminal may get another peer after the last one has
//! left. An error queue (`MSG_ERRQUEUE`) may be emptied. So an attempt that would have blocked clears these
//! bits as well: if they stayed, the attempt would repeat over and over in one poll. This loses nothing.
//! The attempt would have blocked, so at that moment there was neither a byte nor an end nor an error. If
//! one comes later, it is a new edge.
//!
//! # Short transfers
//!
//! A read from a stream of bytes without borders that got less than it asked for has emptied the buffer.
//! Then the bit is cleared at once, which saves an attempt in vain. For anything else a short read proves
//! nothing, because it may end at a border: of a packet, of a record, or of an item passed along with the
//! bytes. A source that is not known to be a stream of bytes is marked with `RECORDS` for as long as it
//! lives. Only an attempt that would have blocked clears its bits.
//!
//! A read from a TCP connection usually ends at an urgent mark, so a short read has not emptied the buffer
//! then. The operating system reports the mark along with the bytes (EPOLLPRI). The source keeps it as
//! `URGENT` until an attempt would have blocked, and until then a short read clears nothing. A mark that
//! comes after the task has looked at the bits is a new edge.
//!
//! # Why no wake-up is lost
//!
//! The task stores its waker under the lock, then looks at the bits again. The reactor sets the bits, then
//! takes the wakers under the lock. If the task's lock came first, the reactor finds the waker; otherwise
//! the task sees the bits. The models in `driver/source/model.rs` try every order of these steps, and of
//! the clearing above, across threads.
//!
//! # Several tasks
//!
//! A descriptor has two directions, and any number of tasks may wait for each. A report wakes all tasks of
//! its directions, and the tasks that find nothing wait again. So no task has to pass a wake-up on, and a
//! task that is dropped takes nothing from the others.
//!
//! The waker of the first task that polls a direction lies in the slot of that direction, and usually it is
//! the only one. All further wakers are in a table that is allocated for them ([`Others`]). A future knows
//! its place there and leaves it when it is dropped. A task that merely polled does not tell when it has
//! lost interest. Its waker is dropped with the next readiness, or when the direction has
//! [`MAX_POLLERS_PER_DIRECTION`] such tasks: then all of them are woken, and the ones that are still
//! interested poll again.

use crate::{
    driver::{
        fork,
        slab::{Key, Slab},
        wake::wake_all,
    },
    shim::{AtomicUsize, Mutex, MutexGuard, Ordering, lock},
};
use brigade_handle::fork::Generation;
use brigade_trace::{Cause, Domain, Id, Kind, Site, record, wait_begin, wait_end};
use std::{
    io,
    mem,
    // Not loom's: no model records.
    sync::atomic::{AtomicU64, Ordering::Relaxed},
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

/// The number of tasks that may poll one direction besides the first. When one more comes, all of them are
/// woken, so that those that still wait poll again.
const MAX_POLLERS_PER_DIRECTION: usize = if cfg!(loom) { 1 } else { 1024 };

/// One of the two directions of a descriptor.
///
/// ```
/// use brigade_runtime::{io::{AsyncFd, Direction}, run};
/// use std::{io::{Read, Write}, os::unix::net::UnixStream};
///
/// run(async {
///     let (ours, _theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     let ours = AsyncFd::new(ours)?;
///     assert_eq!(ours.try_io(Direction::Write, |mut stream| stream.write(b"hi"))?, 2);
///     let nothing_yet = ours.try_io(Direction::Read, |mut stream| stream.read(&mut [0; 8]));
///     assert_eq!(nothing_yet.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Reading, receiving or accepting.
    Read,
    /// Writing or sending.
    Write,
}

impl Direction {
    /// Returns the bits that make an attempt worthwhile.
    fn mask(self) -> usize {
        match self {
            Self::Read => READABLE | READ_ENDED | GONE,
            Self::Write => WRITABLE | WRITE_ENDED | GONE,
        }
    }

    /// Returns the bits that an attempt clears if it would have blocked.
    fn told(self) -> usize {
        match self {
            Self::Read => READABLE | READ_ENDED | URGENT,
            Self::Write => WRITABLE | WRITE_ENDED,
        }
    }

    /// Returns the bit that an attempt clears if it has emptied or filled the buffer.
    fn bit(self) -> usize {
        match self {
            Self::Read => READABLE,
            Self::Write => WRITABLE,
        }
    }

    /// Returns the bits that say that a short transfer need not have emptied or filled the buffer.
    fn borders(self) -> usize {
        match self {
            Self::Read => RECORDS | URGENT,
            Self::Write => RECORDS,
        }
    }

    /// Returns the number that a trace event holds for the direction.
    fn detail(self) -> u64 {
        self.bit() as u64
    }
}

/// The readiness that a new source assumes before the reactor has reported anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initially {
    Ready,
    Pending,
}

/// The readiness word that a task saw before its attempt, with the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(usize);

/// The readiness of one descriptor, and the wakers of the tasks that wait for it.
pub(crate) struct Source {
    pub(crate) id: Id,
    /// The tasks whose waits for each direction a trace has recorded, as bits.
    waiters: [AtomicU64; 2],
    readiness: AtomicUsize,
    waiting: Mutex<Waiting>,
    /// The process whose reactor sets the bits.
    generation: Generation,
}

/// The wakers that the lock of a source guards.
struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// `None` until a task has waited besides those two.
    others: Option<Box<Others>>,
}

/// The tasks and futures that wait besides the first task that polled each direction.
struct Others {
    /// The tasks that polled for reading.
    readers: Vec<Waker>,
    /// The tasks that polled for writing.
    writers: Vec<Waker>,
    /// The futures that wait. Each has its waker until it is woken.
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

    /// Registers a task in a direction whose slot already has a waker. Returns the waker if the task is
    /// registered already: the caller drops it after it has released the lock. The caller must also wake
    /// the tasks in `woken`: they poll again if they still wait.
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
        // A future stays in the table: it leaves by itself once it has seen the bits, or brings a new waker.
        for (direction, waker) in self.futures.iter_mut() {
            if bits & direction.mask() != 0 {
                woken.extend(waker.take());
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        for waiter in &mut self.waiters {
            wait_end(Id::from_bits(*waiter.get_mut()), || self.id, Cause::Cancel);
        }
    }
}

impl Source {
    pub(crate) fn new(initially: Initially) -> Self {
        let bits = if matches!(initially, Initially::Ready) { READABLE | WRITABLE } else { 0 };
        let waiting = Waiting { reader: None, writer: None, others: None };
        Self {
            id: brigade_trace::fresh_id(Domain::Source),
            waiters: [const { AtomicU64::new(0) }; 2],
            readiness: AtomicUsize::new(bits),
            waiting: Mutex::new(waiting),
            generation: Generation::current(),
        }
    }

    /// Records an event of the operating system and moves the wakers of the tasks that waited for it to
    /// `woken`.
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

    /// Marks a source that is no descriptor as readable and moves the wakers of its readers to `woken`.
    pub(crate) fn set_readable(&self, woken: &mut Vec<Waker>) {
        record(Kind::Readiness, self.id, READABLE as u64);
        self.add(READABLE, woken);
    }

    /// Records that the reactor is gone and moves all wakers to `woken`.
    pub(crate) fn set_gone(&self, woken: &mut Vec<Waker>) {
        self.add(GONE, woken);
    }

    fn add(&self, bits: usize, woken: &mut Vec<Waker>) {
        // Release pairs with Acquire in `seen`: a thread that sees the bits without the lock also sees what
        // the reactor had seen before, such as the count of a signal.
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

    /// Marks the source as one for which a short transfer proves nothing.
    pub(crate) fn set_records(&self) {
        // Relaxed: the socket is handed out only after this.
        self.readiness.fetch_or(RECORDS, Ordering::Relaxed);
    }

    /// Returns the bits if one of them makes an attempt in this direction worthwhile. Otherwise registers
    /// the task beside the others that wait.
    ///
    /// # Errors
    ///
    /// Fails if the reactor is gone, or in a forked child if no bit is set.
    #[inline]
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<Seen>> {
        if let Some(seen) = self.ready_now(direction) {
            self.end_wait(direction);
            return Poll::Ready(seen);
        }
        record(Kind::Interest, self.id, direction.detail());
        self.begin_wait(direction);
        // Cloning a waker runs foreign code, so it happens before the lock is taken.
        let waker = cx.waker().clone();
        let mut waiting = lock(&self.waiting);
        let slot = waiting.slot(direction);
        if slot.is_some() {
            return self.poll_ready_besides(direction, waker, waiting);
        }
        *slot = Some(waker);
        let seen = self.seen(direction);
        drop(waiting);
        seen.inspect(|_| self.end_wait(direction)).map_or(Poll::Pending, Poll::Ready)
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
        seen.inspect(|_| self.end_wait(direction)).map_or(Poll::Pending, Poll::Ready)
    }

    /// Tells a trace that a task waits for readiness, unless one does already.
    #[inline]
    fn begin_wait(&self, direction: Direction) {
        if brigade_trace::on() {
            self.record_wait(direction);
        }
    }

    /// A poll has no line of the program to name, so it names the one that spawned the task.
    #[cold]
    fn record_wait(&self, direction: Direction) {
        let waiter = &self.waiters[direction as usize];
        // Relaxed, here and below: the id publishes nothing.
        if waiter.load(Relaxed) == 0 {
            waiter.store(wait_begin(|| self.id, Cause::Readiness, Site::of_current()).to_bits(), Relaxed);
        }
    }

    /// Tells a trace that the wait ended. It also forgets a wait whose session has stopped.
    #[inline]
    fn end_wait(&self, direction: Direction) {
        let waiter = &self.waiters[direction as usize];
        if waiter.load(Relaxed) != 0 {
            wait_end(Id::from_bits(waiter.swap(0, Relaxed)), || self.id, Cause::Readiness);
        }
    }

    /// Does what [`poll_ready`](Self::poll_ready) does, for a future that [leaves](Self::leave) when it is
    /// dropped. `key` holds the future's place in the table between the polls.
    pub(crate) fn poll_ready_among(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut Option<Key>,
    ) -> Poll<io::Result<Seen>> {
        if let Some(seen) = self.ready_now(direction) {
            return Poll::Ready(seen);
        }
        record(Kind::Interest, self.id, direction.detail());
        // Cloning a waker runs foreign code, so it happens before the lock is taken.
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

    /// Removes the future that `poll_ready_among` registered under `key`.
    pub(crate) fn leave(&self, key: Key) {
        // In a forked child the lock may be held for ever by a thread that exists only in the parent.
        if self.generation.is_current() {
            let old = lock(&self.waiting).others().futures.remove(key);
            drop(old);
        }
    }

    /// Returns the bits if one of them makes an attempt in this direction worthwhile, or an error if the
    /// reactor is gone. In a forked child, returns an error instead of `None`, whatever runtime the task is
    /// in: the reactor that would wake the task belongs to the parent.
    #[inline]
    pub(crate) fn ready_now(&self, direction: Direction) -> Option<io::Result<Seen>> {
        self.seen(direction).or_else(|| (!self.generation.is_current()).then(|| Err(fork::forked())))
    }

    /// Returns the bits if one of them makes an attempt in this direction worthwhile, or an error if the
    /// reactor is gone.
    #[inline]
    fn seen(&self, direction: Direction) -> Option<io::Result<Seen>> {
        // Acquire pairs with Release in `add`.
        let bits = self.readiness.load(Ordering::Acquire);
        if bits & direction.mask() == 0 {
            None
        } else if bits & GONE != 0 {
            Some(Err(io::Error::other("the runtime of this socket is gone")))
        } else {
            Some(Ok(Seen(bits)))
        }
    }

    /// Clears the readiness after an attempt that would have blocked. Returns false and clears nothing if
    /// the reactor has reported something since: then another attempt is worthwhile.
    #[inline]
    pub(crate) fn clear(&self, seen: Seen, direction: Direction) -> bool {
        self.clear_bits(seen, direction.told())
    }

    /// Clears the readiness after a short transfer, which leaves the buffer of the operating system empty
    /// or full. An end or an error may lie behind the transfer, so these bits stay. More bytes may follow
    /// only if the transfer can have ended at a border: then nothing is cleared.
    #[inline]
    pub(crate) fn clear_used_up(&self, seen: Seen, direction: Direction) {
        if seen.0 & direction.borders() == 0 {
            self.clear_bits(seen, direction.bit());
        }
    }

    #[inline]
    fn clear_bits(&self, seen: Seen, bits: usize) -> bool {
        let clear = |now: usize| (now / EPOCH_UNIT == seen.0 / EPOCH_UNIT).then_some(now & !bits);
        // Relaxed: the clearing publishes nothing. If it fails, another epoch has come, and the bits of
        // that epoch stay.
        self.readiness.fetch_update(Ordering::Relaxed, Ordering::Relaxed, clear).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod model;
